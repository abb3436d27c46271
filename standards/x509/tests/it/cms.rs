//! SignedData made and checked.

use curve::Curve;
use tlv::oid;
use x509::cms::{self, SignedData, SignerIdentity, Spec};
use x509::{Error, Signer};

use crate::support::*;

const CONTENT: &[u8] = b"the hashes of the data groups";

// proves: DOCPKI-02
#[test]
fn a_security_object_comes_back_with_its_signer() {
    let d = &*DOCUMENTS;
    for identity in [SignerIdentity::IssuerAndSerial, SignerIdentity::SubjectKeyIdentifier] {
        for signing_time in [None, Some(now())] {
            let mut spec = Spec::new(oid::LDS_SECURITY_OBJECT, CONTENT, &d.ds, d.ds_key.algorithm());
            spec.identity = identity;
            spec.signing_time = signing_time;
            let der = cms::sign(&spec, &d.ds_key).expect("signed");
            let read = SignedData::parse(&der).expect("own encoding");
            assert_eq!(read.content_type(), oid::LDS_SECURITY_OBJECT);
            assert_eq!(read.content(), Some(CONTENT));
            assert_eq!(read.verify().expect("signed").der(), d.ds.der());
            assert_eq!(read.signers()[0].signing_time(), signing_time);
        }
    }
}

#[test]
fn a_signature_made_elsewhere_is_put_in_and_checked() {
    let d = &*DOCUMENTS;
    let mut spec = Spec::new(oid::CMS_DATA, CONTENT, &d.ds, d.ds_key.algorithm());
    spec.detached = true;
    let prepared = cms::prepare(&spec).expect("prepared");
    let signature = d.ds_key.sign(prepared.to_be_signed()).expect("signed");
    let read = SignedData::parse(&prepared.finish(&signature).expect("checked")).expect("own encoding");
    assert_eq!(read.content(), None);
    read.verify_detached(CONTENT).expect("signed");
    assert!(read.verify_detached(b"another content").is_err());
    assert!(read.verify().is_err(), "no content inside");
    let other = d.ds_key.sign(b"something else").expect("signed");
    assert_eq!(prepared.finish(&other), Err(Error::Signature));
}

#[test]
fn every_changed_byte_is_noticed() {
    let d = crate::support::Documents::new(Curve::P256, Curve::P256);
    let spec = Spec::new(oid::LDS_SECURITY_OBJECT, CONTENT, &d.ds, d.ds_key.algorithm());
    let der = cms::sign(&spec, &d.ds_key).expect("signed");
    // The certificate inside is checked by the path, not here.
    let certificate = der.windows(d.ds.der().len()).position(|w| w == d.ds.der()).expect("inside");
    let certificate = certificate..certificate + d.ds.der().len();
    let mut unnoticed = Vec::new();
    for i in (0..der.len()).filter(|i| !certificate.contains(i)) {
        let mut changed = der.clone();
        changed[i] ^= 1;
        if SignedData::parse(&changed).is_ok_and(|s| s.verify().is_ok()) {
            unnoticed.push(i);
        }
    }
    // Only the content of the list of digest algorithms carries no weight.
    let list = der.windows(2).position(|w| w == [0x31, 13]).expect("digestAlgorithms");
    let list = list + 2..list + 15;
    let unnoticed: Vec<_> = unnoticed.into_iter().filter(|i| !list.contains(i)).collect();
    assert!(unnoticed.is_empty(), "{unnoticed:?} of {}", hex::encode(&der));
}

#[test]
fn the_key_must_be_that_of_the_certificate() {
    let d = &*DOCUMENTS;
    let spec = Spec::new(oid::LDS_SECURITY_OBJECT, CONTENT, &d.ds, d.ds_key.algorithm());
    assert!(matches!(cms::sign(&spec, &d.csca_key), Err(Error::WrongSigner(_))));
}
