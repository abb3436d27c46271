//! Certificates with ML-DSA-65 (RFC 9881): one that another implementation made, and ours.

use curve::SeedRandom;
use curve::mldsa::PrivateKey;
use x509::{Certificate, Error, MlDsaSigner, PublicKey, SignatureAlgorithm, Signer, verify};

/// Made with pyca/cryptography 50.0.2 from the seed 00 01 .. 1F: self-signed, of a CA.
const FOREIGN: &[u8] = include_bytes!("../vectors/pyca/mldsa65-self-signed.der");

#[test]
fn a_foreign_certificate_is_read_and_its_signature_verified() {
    let certificate = Certificate::parse(FOREIGN).expect("a certificate");
    let key = PublicKey::from_spki(certificate.spki()).expect("a key");
    assert_eq!(key.name(), "ML-DSA-65");
    assert!(!key.is_rsa());
    assert_eq!(certificate.verify_signature(certificate.spki()), Ok(()));
    // The key is that of the seed, and ours writes it the same way.
    let seed = std::array::from_fn(|i| i as u8);
    let signer = MlDsaSigner::new(PrivateKey::from_seed(&seed).expect("a key"));
    assert_eq!(signer.spki(), certificate.spki());
    // A changed byte of what is signed, and of the signature.
    for position in [60, FOREIGN.len() - 5] {
        let mut changed = FOREIGN.to_vec();
        changed[position] ^= 1;
        if let Ok(certificate) = Certificate::parse(&changed) {
            assert_eq!(certificate.verify_signature(signer.spki()), Err(Error::Signature), "{position}");
        }
    }
}

#[test]
fn keys_and_algorithms_do_not_mix() {
    let key = PrivateKey::generate(&mut SeedRandom::new(b"ml-dsa"));
    let signer = MlDsaSigner::new(key);
    let signature = signer.sign(b"message").expect("signs");
    let spki = signer.spki();
    assert_eq!(verify(spki, SignatureAlgorithm::MlDsa65, b"message", &signature), Ok(()));
    assert_eq!(verify(spki, SignatureAlgorithm::MlDsa65, b"messagf", &signature), Err(Error::Signature));
    for algorithm in SignatureAlgorithm::ALL.into_iter().filter(|a| *a != SignatureAlgorithm::MlDsa65) {
        let refused = verify(spki, algorithm, b"message", &signature);
        assert!(matches!(refused, Err(Error::UnsupportedAlgorithm(_))), "{algorithm:?}");
    }
    // RFC 9881 §4: no parameters.
    let bits = &spki[spki.len() - 1953..];
    let oid = tlv::encode_oid(tlv::oid::ML_DSA_65);
    let with_null = tlv::sequence(&[&tlv::sequence(&[&oid, &[5, 0]]), &tlv::encode(0x03, bits)]);
    assert!(PublicKey::from_spki(&with_null).is_err());
}
