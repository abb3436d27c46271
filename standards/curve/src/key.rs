//! Secret scalars and base points.

use crate::{Curve, Error, Point, Random, SecretBytes, Signature, ffi, pkcs8};
use std::sync::OnceLock;
use zeroize::Zeroizing;

/// A private key: a scalar between 1 and the order minus 1, of a named curve.
#[derive(Clone)]
pub struct SecretKey {
    curve: Curve,
    scalar: SecretBytes,
    /// On the standard base point; computed when first asked for.
    public: OnceLock<Point>,
}

impl SecretKey {
    /// A random key.
    pub fn generate(curve: Curve, rng: &mut dyn Random) -> Self {
        // FIPS 186-5 §A.2.2: draw as many bits as the order has, take the first value in range. The chance of a
        // refusal is at most 45 % (brainpoolP384r1).
        let mut scalar = Zeroizing::new(vec![0; curve.order_len()]);
        loop {
            rng.fill(&mut scalar);
            scalar[0] &= top_mask(curve);
            if in_range(curve, &scalar) {
                return Self { curve, scalar: scalar.into(), public: OnceLock::new() };
            }
        }
    }

    /// The key with this scalar, which must have the length of the order and be in range.
    pub fn from_bytes(curve: Curve, scalar: &[u8]) -> Result<Self, Error> {
        if scalar.len() != curve.order_len() || !in_range(curve, scalar) {
            return Err(Error::InvalidPrivateKey);
        }
        Ok(Self { curve, scalar: SecretBytes::new(scalar), public: OnceLock::new() })
    }

    /// The scalar, of fixed length.
    pub fn to_bytes(&self) -> SecretBytes {
        self.scalar.clone()
    }

    /// Reads a PKCS #8 PrivateKeyInfo with an ECPrivateKey inside (RFC 5958, RFC 5915).
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, Error> {
        let (curve, scalar) = pkcs8::parse_ec(der)?;
        Self::from_bytes(curve, scalar)
    }

    /// The key as PKCS #8 PrivateKeyInfo with public key (RFC 5958, RFC 5915).
    pub fn to_pkcs8(&self) -> SecretBytes {
        pkcs8::encode_ec(self.curve, self.scalar.expose(), self.public_key().as_uncompressed())
    }

    /// The curve of this key.
    pub const fn curve(&self) -> Curve {
        self.curve
    }

    /// The public key on the standard base point.
    pub fn public_key(&self) -> Point {
        self.public.get_or_init(|| Generator::standard(self.curve).public_key(self)).clone()
    }

    /// ECKA (TR-03111 §4.3.1): the x-coordinate of the shared point, of fixed length.
    pub fn agree(&self, peer: &Point) -> Result<SecretBytes, Error> {
        let point = self.multiply(peer)?;
        Ok(SecretBytes::new(&point[1..=self.curve.field_len()]))
    }

    /// The shared point itself, as the generic mapping of PACE needs it.
    pub fn agree_point(&self, peer: &Point) -> Result<Point, Error> {
        let mut point = self.multiply(peer)?;
        Ok(Point::trusted(self.curve, std::mem::take(&mut *point)))
    }

    /// self / divisor modulo the group order, of fixed length: the chip authentication data of PACE
    /// (ICAO 9303-11 §4.4.3.5.1).
    pub fn divided_by(&self, divisor: &Self) -> Result<SecretBytes, Error> {
        if divisor.curve != self.curve {
            return Err(Error::CurveMismatch);
        }
        ffi::field::divide(self.curve, self.scalar.expose(), divisor.scalar.expose()).map(SecretBytes::from)
    }

    /// ECDSA over a hash value that has been computed already. AWS-LC draws the nonce.
    pub fn sign_digest(&self, digest: &[u8]) -> Signature {
        // Signing fails for lack of memory or entropy only, where AWS-LC aborts anyway.
        let plain = ffi::ec::sign(self.curve, self.scalar.expose(), digest).expect("a valid key signs");
        Signature::trusted(self.curve, plain)
    }

    fn multiply(&self, peer: &Point) -> Result<Zeroizing<Vec<u8>>, Error> {
        if peer.curve() != self.curve {
            return Err(Error::CurveMismatch);
        }
        ffi::ec::mul(self.curve, peer.as_uncompressed(), self.scalar.expose()).map(Zeroizing::new)
    }
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SecretKey({}, ..)", self.curve)
    }
}

/// A base point: the standard one of the curve, or one that PACE has mapped.
#[derive(Clone, Debug)]
pub struct Generator {
    curve: Curve,
    /// `None` for the standard base point, which AWS-LC multiplies from a table.
    point: Option<Point>,
}

impl Generator {
    /// The base point of the curve's domain parameters.
    pub const fn standard(curve: Curve) -> Self {
        Self { curve, point: None }
    }

    /// ICAO 9303-11 §4.4.3.3.1, generic mapping: G' = s·G + H. The nonce is read as a big-endian integer.
    pub fn map_generic(nonce: &[u8], h: &Point) -> Result<Self, Error> {
        if nonce.is_empty() || nonce.len() > 66 {
            return Err(Error::Length);
        }
        let mapped = ffi::ec::mul_base_add(h.curve(), nonce, h.as_uncompressed())?;
        Ok(Self::from_point(Point::trusted(h.curve(), mapped)))
    }

    /// ICAO 9303-11 §4.4.3.3.2, integrated mapping: the point that encodes a pseudo-random number, which is reduced modulo
    /// p first. In constant time, for the number depends on the password.
    pub fn map_integrated(curve: Curve, pseudo_random: &[u8]) -> Result<Self, Error> {
        if !curve.has_point_encoding() {
            return Err(Error::Unsupported);
        }
        if pseudo_random.is_empty() || pseudo_random.len() > 160 {
            return Err(Error::Length);
        }
        let encoded = Zeroizing::new(ffi::field::encode_point(curve, pseudo_random)?);
        Point::from_uncompressed(curve, &encoded).map(Self::from_point)
    }

    /// Any finite point of a curve of prime order generates the whole group.
    pub fn from_point(point: Point) -> Self {
        Self { curve: point.curve(), point: Some(point) }
    }

    /// The curve of this base point.
    pub const fn curve(&self) -> Curve {
        self.curve
    }

    /// A random private key for use with this base point.
    pub fn generate_key(&self, rng: &mut dyn Random) -> SecretKey {
        SecretKey::generate(self.curve, rng)
    }

    /// The public key of `secret` on this base point.
    ///
    /// # Panics
    /// If `secret` belongs to another curve: make it with [`Self::generate_key`].
    pub fn public_key(&self, secret: &SecretKey) -> Point {
        assert_eq!(secret.curve, self.curve, "key and generator belong to one curve");
        let scalar = secret.scalar.expose();
        let encoded = match &self.point {
            None => ffi::ec::mul_base(self.curve, scalar),
            Some(point) => ffi::ec::mul(self.curve, point.as_uncompressed(), scalar),
        };
        // A scalar in range times a point of prime order is finite; only lack of memory remains.
        Point::trusted(self.curve, encoded.expect("a valid scalar times a valid point is a point"))
    }
}

/// The bits of the first scalar byte that the order uses.
const fn top_mask(curve: Curve) -> u8 {
    match curve {
        Curve::P521 => 0x01,
        _ => 0xFF,
    }
}

/// Whether 0 < scalar < order, both big-endian and of the same length, in constant time.
fn in_range(curve: Curve, scalar: &[u8]) -> bool {
    let (mut borrow, mut any) = (0u16, 0u8);
    for (s, n) in scalar.iter().zip(curve.order()).rev() {
        borrow = u16::from(*s).wrapping_sub(u16::from(*n)).wrapping_sub(borrow) >> 15;
        any |= s;
    }
    borrow == 1 && any != 0
}
