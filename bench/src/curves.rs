//! Elliptic-curve operations, one by one: what every other figure is made of.

use crate::Failure;
use crate::figure::{Figure, millis};
use crate::measure::typical;
use curve::{Curve, Generator, SecretKey, SeedRandom, verify_digest};
use std::time::Duration;

const GROUP: &str = "elliptic curves";

/// The operations a reader and a card use.
#[derive(Clone, Copy)]
pub(crate) struct Operations {
    /// A key pair on the standard base point.
    pub(crate) generate: Duration,
    /// Scalar times any point.
    pub(crate) multiply: Duration,
    /// The mapped generator: scalar times base point, plus a point.
    pub(crate) map: Duration,
    /// A point that encodes a number: integrated mapping.
    pub(crate) encode: Duration,
    /// ECDSA.
    pub(crate) sign: Duration,
    /// ECDSA.
    pub(crate) verify: Duration,
}

impl Operations {
    /// Measures each operation on `curve`.
    pub(crate) fn measure(curve: Curve, count: usize) -> Self {
        let mut rng = SeedRandom::new(curve.name().as_bytes());
        let key = SecretKey::generate(curve, &mut rng);
        let peer = SecretKey::generate(curve, &mut rng).public_key();
        let digest = curve.hash().digest(b"bench");
        let signature = key.sign_digest(&digest);
        let public = key.public_key();
        Self {
            generate: typical(count, || SecretKey::generate(curve, &mut rng).public_key()),
            multiply: typical(count, || key.agree_point(&peer)),
            map: typical(count, || Generator::map_generic(&[0x5A; 16], &peer)),
            encode: typical(count, || Generator::map_integrated(curve, &[0x5A; 74])),
            sign: typical(count, || key.sign_digest(&digest)),
            verify: typical(count, || verify_digest(&public, &digest, &signature)),
        }
    }

    /// ICAO 9303-11 §4.4.3: each side makes a key pair, multiplies the other's point, maps, makes a key pair on the mapped
    /// generator and multiplies again.
    pub(crate) fn pace_one_side(self) -> Duration {
        self.generate + self.multiply + self.map + self.multiply + self.multiply
    }

    /// Both sides of PACE.
    pub(crate) fn pace(self) -> Duration {
        self.pace_one_side() * 2
    }

    /// Both sides of PACE with integrated mapping: the encoding of a point instead of key agreement and mapping.
    pub(crate) fn pace_integrated(self) -> Duration {
        (self.encode + self.multiply + self.multiply) * 2
    }

    /// Both sides of PACE with chip authentication mapping: the terminal multiplies the static key once more.
    pub(crate) fn pace_chip_authentication(self) -> Duration {
        self.pace() + self.multiply
    }

    /// A new chain of three certificates with its keys, verified; Terminal Authentication; Chip Authentication with its keys.
    pub(crate) fn extended_access_control(self) -> Duration {
        self.generate * 5 + (self.sign + self.verify) * 4 + self.multiply * 2
    }

    /// Both sides of Active Authentication.
    pub(crate) fn active_authentication(self) -> Duration {
        self.sign + self.verify
    }
}

pub(crate) fn run() -> Result<Vec<Figure>, Failure> {
    let mut figures = Vec::new();
    // P-521, the curve of this card, stands beside each of the others.
    let ours = Operations::measure(Curve::P521, 300);
    for curve in Curve::ALL {
        let now = if curve == Curve::P521 { ours } else { Operations::measure(curve, 300) };
        for (name, time, on_p521) in [
            ("key pair", now.generate, ours.generate),
            ("scalar times point", now.multiply, ours.multiply),
            ("generic mapping", now.map, ours.map),
            ("ECDSA sign", now.sign, ours.sign),
            ("ECDSA verify", now.verify, ours.verify),
        ] {
            let figure = Figure::time(GROUP, format!("{name}, {curve}"), time);
            let alone = curve == Curve::P521;
            figures.push(if alone { figure } else { figure.beside("secp521r1", millis(on_p521)) });
        }
    }
    Ok(figures)
}
