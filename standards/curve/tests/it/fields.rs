//! Field arithmetic for PACE (point encoding, division of scalars), the curves that serve PACE alone, and 3DES.

use crate::{random, unhex};
use curve::{Curve, Error, Generator, Point, Random, SecretKey, des};

/// The scalar one: its public key on a base point is that point.
fn one(curve: Curve) -> SecretKey {
    let mut bytes = vec![0; curve.order_len()];
    *bytes.last_mut().expect("not empty") = 1;
    SecretKey::from_bytes(curve, &bytes).expect("one")
}

/// The order minus one.
fn largest(curve: Curve) -> SecretKey {
    let mut bytes = curve.order().to_vec();
    *bytes.last_mut().expect("not empty") -= 1;
    SecretKey::from_bytes(curve, &bytes).expect("the largest scalar")
}

fn all_curves() -> [Curve; 11] {
    Curve::STANDARDISED
}

#[test]
fn points_that_encode_numbers() {
    let text = include_str!("../vectors/point-encoding/affine.txt");
    let mut count = 0;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, values) = line.split_once(" = ").expect("curve = values");
        let curve = all_curves().into_iter().find(|c| c.name() == name).expect("a curve");
        let [t, x, y]: [Vec<u8>; 3] =
            values.split(' ').map(unhex).collect::<Vec<_>>().try_into().expect("three values");
        let expected = Point::from_coordinates(curve, &x, &y).expect("a point");
        let generator = Generator::map_integrated(curve, &t).expect("a generator");
        assert_eq!(generator.public_key(&one(curve)), expected, "{line}");
        count += 1;
    }
    assert_eq!(count, 40);
}

#[test]
fn numbers_without_an_encoding_are_refused() {
    // p of secp256r1, and its neighbours: 0, 1 and -1 modulo p.
    let p = unhex("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff");
    let mut before = p.clone();
    before[31] = 0xFE;
    // The last twelve bytes of p are FF and turn over.
    let mut after = vec![0; 32];
    after[..20].copy_from_slice(&p[..20]);
    after[19] = 1;
    for number in [vec![0], vec![1], p.clone(), before, after, vec![0; 160]] {
        assert_eq!(Generator::map_integrated(Curve::P256, &number).err(), Some(Error::InvalidPoint));
    }
    assert!(Generator::map_integrated(Curve::P256, &[2]).is_ok());
    assert_eq!(Generator::map_integrated(Curve::P256, &[]).err(), Some(Error::Length));
    assert_eq!(Generator::map_integrated(Curve::P256, &[1; 161]).err(), Some(Error::Length));
    assert_eq!(Generator::map_integrated(Curve::P224, &[2; 40]).err(), Some(Error::Unsupported));
}

#[test]
fn a_quotient_times_its_divisor_is_the_dividend() {
    let mut rng = random("division");
    for curve in all_curves() {
        for _ in 0..8 {
            let (a, b) = (SecretKey::generate(curve, &mut rng), SecretKey::generate(curve, &mut rng));
            let quotient = a.divided_by(&b).expect("one curve");
            assert_eq!(quotient.expose().len(), curve.order_len());
            let quotient = SecretKey::from_bytes(curve, quotient.expose()).expect("in range");
            assert_eq!(quotient.agree_point(&b.public_key()), Ok(a.public_key()));
        }
        // The ends of the range; results with leading zeros keep their length.
        let (one, largest) = (one(curve), largest(curve));
        let quotient = |a: &SecretKey, b: &SecretKey| a.divided_by(b).expect("one curve").expose().to_vec();
        assert_eq!(quotient(&one, &one), one.to_bytes().expose());
        assert_eq!(quotient(&largest, &largest), one.to_bytes().expose());
        assert_eq!(quotient(&one, &largest), largest.to_bytes().expose());
        assert_eq!(quotient(&largest, &one), largest.to_bytes().expose());
    }
    let (a, b) = (one(Curve::P256), one(Curve::P384));
    assert_eq!(a.divided_by(&b).err(), Some(Error::CurveMismatch));
}

#[test]
fn the_curves_of_pace_are_what_their_domain_parameters_say() {
    let mut rng = random("weak curves");
    let mut ids = Vec::new();
    for curve in all_curves() {
        ids.push(curve.parameter_id());
        assert_eq!(Curve::from_parameter_id(curve.parameter_id()), Some(curve));
        // (n - 1) G = -G, so n is the order of G.
        let (g, negative) = (one(curve).public_key(), largest(curve).public_key());
        assert_eq!(g.x(), negative.x());
        assert_ne!(g.y(), negative.y());
        assert_eq!(g.add(&negative).err(), Some(Error::Infinity));
        let (a, b) = (SecretKey::generate(curve, &mut rng), SecretKey::generate(curve, &mut rng));
        assert_eq!(
            a.agree(&b.public_key()).expect("agrees").expose(),
            b.agree(&a.public_key()).expect("agrees").expose()
        );
    }
    assert_eq!(ids, (8..=18).collect::<Vec<u8>>());
    assert_eq!(Curve::from_parameter_id(7), None);
    assert_eq!(Curve::from_parameter_id(19), None);
}

// The five weak curves are no curves of keys: neither SubjectPublicKeyInfo nor PKCS #8 is read on them.
#[test]
fn keys_and_certificates_do_not_use_the_weak_curves() {
    for curve in all_curves() {
        let strong = Curve::ALL.contains(&curve);
        assert_eq!(Curve::from_oid(curve.oid()).is_some(), strong, "{curve}");
        assert_eq!(Curve::from_name(curve.name()).is_some(), strong, "{curve}");
        let key = SecretKey::generate(curve, &mut random("key"));
        assert_eq!(curve::point_from_spki(&curve::spki_from_point(&key.public_key())).is_ok(), strong);
        assert_eq!(SecretKey::from_pkcs8(key.to_pkcs8().expose()).is_ok(), strong, "{curve}");
    }
}

// SP 800-67 has no vector for two keys; these are DES with three equal keys (FIPS 81) and ISO/IEC 9797-1 as ICAO 9303-11
// appendix D prints it, which `eac` replays.
#[test]
fn triple_des_with_equal_keys_is_des() {
    let key = unhex("0123456789abcdef0123456789abcdef");
    let plain = b"Now is the time for all ";
    let cipher = des::TripleDes::new(&key).expect("16 bytes");
    let iv = unhex("1234567890abcdef").try_into().expect("eight bytes");
    let encrypted = cipher.cbc_encrypt(&iv, plain).expect("whole blocks");
    assert_eq!(hex::encode(&encrypted), "e5c7cdde872bf27c43e934008c389c0f683788499a7c05f6");
    assert_eq!(cipher.cbc_decrypt(&iv, &encrypted).expect("whole blocks"), plain);
    assert_eq!(cipher.cbc_encrypt(&iv, b"seven b").err(), Some(Error::Length));
    assert!(des::TripleDes::new(&key[..8]).is_err() && des::TripleDes::new(&[0; 24]).is_err());
    assert!(des::RetailMac::new(&key).expect("16 bytes").mac(b"seven b").is_err());
    assert!(!format!("{cipher:?}").contains("01"));
}

#[test]
fn parity_bits() {
    let mut key = unhex("ab94fcedf2664edfb9b291f85d7f77f2");
    des::set_odd_parity(&mut key);
    assert_eq!(hex::encode(&key), "ab94fdecf2674fdfb9b391f85d7f76f2");
    let mut bytes = [0; 64];
    random("parity").fill(&mut bytes);
    des::set_odd_parity(&mut bytes);
    assert!(bytes.iter().all(|b| b.count_ones() % 2 == 1));
}
