//! Certification requests.

use curve::Curve;
use x509::csr::{self, Csr};
use x509::{Error, Name, Signer};

use crate::support::*;

fn request(key: &dyn Signer) -> Vec<u8> {
    let subject = Name::builder().country("TW").common_name("AB1000123-1").build().expect("name");
    csr::build(&subject, key.spki(), key.algorithm(), |info| key.sign(info)).expect("signed")
}

// proves: NPC-59
#[test]
fn requests_of_every_key_type_prove_possession() {
    let rsa = rsa(2048);
    let ecs = Curve::ALL.map(|c| ec(c, "request"));
    for key in ecs.iter().map(|k| k as &dyn Signer).chain([&rsa as &dyn Signer]) {
        let der = request(key);
        let read = Csr::parse(&der).expect("own request");
        read.verify().expect("possession");
        assert_eq!(
            (read.spki(), read.algorithm(), read.der()),
            (key.spki(), key.algorithm(), der.as_slice())
        );
        assert_eq!(read.subject().common_name(), Some("AB1000123-1"));
    }
    // P-521 goes with SHA-512.
    assert_eq!(ec(Curve::P521, "request").algorithm(), x509::SignatureAlgorithm::EcdsaSha512);
}

#[test]
fn a_request_for_another_key_proves_nothing() {
    let (mine, yours) = (ec(Curve::P521, "mine"), ec(Curve::P521, "yours"));
    let subject = Name::builder().country("TW").common_name("X").build().expect("name");
    let stolen =
        csr::build(&subject, yours.spki(), mine.algorithm(), |info| mine.sign(info)).expect("signed");
    assert_eq!(Csr::parse(&stolen).expect("well formed").verify(), Err(Error::Signature));
}
