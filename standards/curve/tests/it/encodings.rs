//! Encodings: fixed lengths, what is refused on entry, SubjectPublicKeyInfo and PKCS #8.

use crate::{random, unhex};
use curve::{
    Curve, Error, Generator, Point, Random, SecretKey, SeedRandom, Signature, point_from_spki,
    spki_from_point,
};
use proptest::prelude::*;

// Every coordinate and shared secret is fixed length: among 600 keys about five have a leading zero byte (on P-521
// nearly half have one, for its top byte is 0 or 1).
#[test]
fn coordinates_and_shared_secrets_keep_their_leading_zeros() {
    for curve in Curve::ALL {
        let mut rng = random(curve.name());
        let peer = SecretKey::generate(curve, &mut rng).public_key();
        let mut with_zero = 0;
        for _ in 0..600 {
            let key = SecretKey::generate(curve, &mut rng);
            let public = key.public_key();
            assert_eq!(public.x().len(), curve.field_len());
            assert_eq!(public.y().len(), curve.field_len());
            assert_eq!(public.to_uncompressed().len(), 1 + 2 * curve.field_len());
            assert_eq!(key.to_bytes().len(), curve.order_len());
            let shared = key.agree(&peer).expect("agrees");
            assert_eq!(shared.len(), curve.field_len());
            with_zero += usize::from(public.x()[0] == 0 || shared.expose()[0] == 0);
        }
        assert!(with_zero > 0, "{curve}: the seed gave no leading zero, so the test shows nothing");
    }
}

#[test]
fn curves_are_found_by_each_of_their_names() {
    for curve in Curve::ALL {
        assert_eq!(Curve::from_oid(curve.oid()), Some(curve));
        assert_eq!(Curve::from_parameter_id(curve.parameter_id()), Some(curve));
        assert_eq!(Curve::from_name(curve.name()), Some(curve));
    }
    assert_eq!(Curve::from_parameter_id(0), None);
    assert_eq!(Curve::from_parameter_id(19), None);
}

#[test]
fn points_off_the_curve_and_non_canonical_ones_are_refused() {
    for curve in Curve::ALL {
        let mut rng = random(curve.name());
        let good = SecretKey::generate(curve, &mut rng).public_key();
        let encoded = good.to_uncompressed();
        assert_eq!(Point::from_uncompressed(curve, &encoded), Ok(good.clone()));
        let refuse = |bytes: &[u8]| {
            assert_eq!(Point::from_uncompressed(curve, bytes), Err(Error::InvalidPoint), "{curve}");
        };
        refuse(&[]);
        refuse(&[0]);
        refuse(&[4]);
        refuse(&encoded[..encoded.len() - 1]);
        refuse(&[&encoded[..], &[0]].concat());
        for format in [0x00, 0x02, 0x03, 0x05, 0x06, 0x07] {
            let mut other = encoded.clone();
            other[0] = format;
            refuse(&other);
        }
        let mut compressed = encoded[..=curve.field_len()].to_vec();
        compressed[0] = 2 | good.y()[curve.field_len() - 1] & 1;
        refuse(&compressed);
        let mut off = encoded.clone();
        *off.last_mut().expect("not empty") ^= 1;
        refuse(&off);
        refuse(&[&[4], &vec![0xFF; 2 * curve.field_len()][..]].concat());
        // A point of one curve is not taken for a point of another of the same size.
        for other in Curve::ALL.into_iter().filter(|c| *c != curve && c.field_len() == curve.field_len()) {
            assert_eq!(Point::from_uncompressed(other, &encoded), Err(Error::InvalidPoint));
        }
    }
}

#[test]
fn x_plus_p_is_not_another_name_of_x() {
    // On P-521 the field leaves room above p: x = 0 has a y on the curve only if b is a square; take 1 + p and 2 + p..
    let p = unhex(&format!("01{}", "FF".repeat(65)));
    let mut refused = 0;
    let mut rng = SeedRandom::new(b"small x");
    for _ in 0..20 {
        let point = SecretKey::generate(Curve::P521, &mut rng).public_key();
        let mut x = point.x();
        let mut carry = 0u16;
        for (a, b) in x.iter_mut().zip(&p).rev() {
            let sum = u16::from(*a) + u16::from(*b) + carry;
            *a = sum as u8;
            carry = sum >> 8;
        }
        assert_eq!(Point::from_coordinates(Curve::P521, &x, &point.y()), Err(Error::InvalidPoint));
        refused += 1;
    }
    assert_eq!(refused, 20);
}

#[test]
fn scalars_out_of_range_are_refused() {
    for curve in Curve::ALL {
        let refuse = |bytes: &[u8]| {
            assert!(matches!(SecretKey::from_bytes(curve, bytes), Err(Error::InvalidPrivateKey)), "{curve}");
        };
        refuse(&vec![0; curve.order_len()]);
        refuse(curve.order());
        refuse(&vec![0xFF; curve.order_len()]);
        refuse(&curve.order()[1..]);
        let mut last = curve.order().to_vec();
        *last.last_mut().expect("not empty") -= 1;
        let last = SecretKey::from_bytes(curve, &last).expect("n - 1 is the largest key");
        // (n - 1)·G = -G, so together with G the sum is infinite.
        let one = [&vec![0; curve.order_len() - 1][..], &[1]].concat();
        let base = SecretKey::from_bytes(curve, &one).expect("1 is the smallest key").public_key();
        assert_eq!(last.public_key().x(), base.x());
        assert_eq!(base.add(&last.public_key()), Err(Error::Infinity));
        assert!(matches!(Generator::map_generic(&one, &last.public_key()), Err(Error::Infinity)));
    }
}

#[test]
fn curves_do_not_mix() {
    let mut rng = random("mix");
    let a = SecretKey::generate(Curve::P256, &mut rng);
    let b = SecretKey::generate(Curve::BrainpoolP256r1, &mut rng);
    assert!(matches!(a.agree(&b.public_key()), Err(Error::CurveMismatch)));
    assert_eq!(a.public_key().add(&b.public_key()), Err(Error::CurveMismatch));
    let signature = a.sign_digest(&[1; 32]);
    assert_eq!(curve::verify_digest(&b.public_key(), &[1; 32], &signature), Err(Error::CurveMismatch));
}

#[test]
fn keys_survive_spki_and_pkcs8() {
    for curve in Curve::ALL {
        let key = SecretKey::generate(curve, &mut random(curve.name()));
        let spki = spki_from_point(&key.public_key());
        assert_eq!(point_from_spki(&spki), Ok(key.public_key()));
        assert!(point_from_spki(&[&spki[..], &[0]].concat()).is_err());
        assert!(point_from_spki(&spki[..spki.len() - 1]).is_err());
        let pkcs8 = key.to_pkcs8();
        let back = SecretKey::from_pkcs8(pkcs8.expose()).expect("reads its own output");
        assert_eq!(back.to_bytes().expose(), key.to_bytes().expose());
        assert!(SecretKey::from_pkcs8(&pkcs8.expose()[..40]).is_err());
    }
}

// RFC 7027's first key in the encodings that other programs write: OpenSSL `genpkey` and the JDK.
#[test]
fn pkcs8_without_public_key_is_read() {
    let der = unhex(
        "3042020100301406072a8648ce3d020106092b240303020801010704273025020101042081db1ee100150ff2ea338d708271be38300cb54241d79950f77b063039804f1d",
    );
    let key = SecretKey::from_pkcs8(&der).expect("RFC 5915 leaves the public key optional");
    let spki = unhex(
        "305a301406072a8648ce3d020106092b24030302080101070342000444106e913f92bc02a1705d9953a8414db95e1aaa49e81d9e85f929a8e3100be58ab4846f11caccb73ce49cbdd120f5a900a69fd32c272223f789ef10eb089bdc",
    );
    assert_eq!(spki_from_point(&key.public_key()), spki);
}

#[test]
fn secrets_do_not_show() {
    let key = SecretKey::generate(Curve::P521, &mut random("hidden"));
    assert_eq!(format!("{key:?}"), "SecretKey(secp521r1, ..)");
    assert_eq!(format!("{:?}", key.to_bytes()), "SecretBytes(..)");
    assert_eq!(format!("{:?}", key.public_key()), "Point(secp521r1)");
    assert_eq!(format!("{:?}", SeedRandom::new(b"x")), "SeedRandom(..)");
}

#[test]
fn the_seed_decides_every_byte() {
    let draw = |chunks: &[usize]| {
        let mut rng = SeedRandom::new(b"seed");
        let mut out = Vec::new();
        for len in chunks {
            let mut chunk = vec![0; *len];
            rng.fill(&mut chunk);
            out.extend_from_slice(&chunk);
        }
        out
    };
    assert_eq!(draw(&[200]), draw(&[1, 63, 64, 65, 7]));
    assert_ne!(draw(&[200]), vec![0; 200]);
    let mut other = [0; 200];
    SeedRandom::new(b"seed2").fill(&mut other);
    assert_ne!(draw(&[200]), other);
}

proptest! {
    #[test]
    fn signatures_survive_der(seed in any::<[u8; 8]>(), index in 0usize..6) {
        let curve = Curve::ALL[index];
        let mut plain = vec![0; 2 * curve.order_len()];
        SeedRandom::new(&seed).fill(&mut plain);
        // Short numbers too.
        let zeros = usize::from(seed[0]) % curve.order_len();
        plain[..zeros].fill(0);
        let signature = Signature::from_plain(curve, &plain).expect("length");
        prop_assert_eq!(Signature::from_der(curve, &signature.to_der()), Ok(signature));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), index in 0usize..6) {
        let curve = Curve::ALL[index];
        let _ = Point::from_uncompressed(curve, &bytes);
        let _ = Signature::from_der(curve, &bytes);
        let _ = Signature::from_plain(curve, &bytes);
        let _ = SecretKey::from_pkcs8(&bytes);
        let _ = SecretKey::from_bytes(curve, &bytes);
        let _ = point_from_spki(&bytes);
        let _ = curve::rsa::RsaPublicKey::from_spki(&bytes);
        let _ = curve::rsa::RsaPrivateKey::from_pkcs8(&bytes);
        let _ = curve::rsa::remove_encryption_padding(&bytes);
        let _ = curve::aes::unpad(&bytes);
    }

    #[test]
    fn padding_is_removed_exactly(data in prop::collection::vec(any::<u8>(), 0..100)) {
        let padded = curve::aes::pad(&data);
        prop_assert_eq!(padded.len() % 16, 0);
        prop_assert_eq!(curve::aes::unpad(&padded), Ok(&data[..]));
    }
}
