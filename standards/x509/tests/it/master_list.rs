//! Master lists: read back, verified from a CSCA that is trusted already, refused from anybody else.

use curve::Curve;
use tlv::oid;
use x509::certificate::profiles::{self, Delegate, Issuer};
use x509::certificate::{TbsCertificate, issue};
use x509::cms;
use x509::crl::{self, Crl, Reason, Revoked};
use x509::master_list::{MasterList, MasterListError};
use x509::path::{Options, Purpose, Refusal, Revocation, validate};
use x509::{Certificate, EcSigner, Error, Signer};

use crate::crl::life;
use crate::support::*;

type Profile = fn(&Delegate<'_>) -> Result<TbsCertificate, Error>;

fn delegate(profile: Profile, key: &EcSigner) -> Certificate {
    let d = &*DOCUMENTS;
    let tbs = profile(&Delegate {
        serial: serial("delegate"),
        issuer: &Issuer::new(&d.csca, &d.csca_key).expect("issuer"),
        subject: &icao_name("Master List Signer 1"),
        validity: years(2),
        private_key_usage: years(1),
        spki: key.spki(),
        authority: &authority(),
    });
    issue(&tbs.expect("profile"), &d.csca_key).expect("issued")
}

fn key() -> EcSigner {
    ec(Curve::P521, "list signer")
}

fn link() -> Certificate {
    let d = &*DOCUMENTS;
    let tbs = profiles::csca_link(&profiles::CscaLink {
        serial: serial("link"),
        issuer: &Issuer::new(&d.csca, &d.csca_key).expect("issuer"),
        validity: years(20),
        private_key_usage: years(5),
        spki: ec(Curve::P521, "csca 2").spki(),
        authority: &authority(),
    });
    issue(&tbs.expect("profile"), &d.csca_key).expect("issued")
}

fn other_country() -> Certificate {
    Documents::new(Curve::P256, Curve::P256).csca
}

fn signed(signer: &Certificate, key: &EcSigner) -> Vec<u8> {
    let d = &*DOCUMENTS;
    let list = MasterList::new([d.csca.clone(), link(), other_country(), d.csca.clone()]).expect("CSCAs");
    let (content, csca) = (list.encode(), [&d.csca]);
    cms::sign(&MasterList::spec(&content, signer, key.algorithm(), &csca, now()), key).expect("signed")
}

fn verify(der: &[u8], anchors: &[Certificate]) -> Result<MasterList, MasterListError> {
    MasterList::verify(der, &[], anchors, &Options::at(now()))
}

#[test]
fn a_list_is_read_from_its_own_country() {
    let list = delegate(profiles::list_signer, &key());
    let der = signed(&list, &key());
    let read = verify(&der, std::slice::from_ref(&DOCUMENTS.csca)).expect("trusted");
    assert_eq!((read.certificates.len(), read.skipped), (3, 0), "none twice");
    // Compared without signatures: each one of ECDSA is another.
    let holds = |wanted: &Certificate| read.certificates.iter().any(|c| c.tbs() == wanted.tbs());
    assert!(holds(&DOCUMENTS.csca) && holds(&link()) && holds(&other_country()));
    assert!(read.certificates.is_sorted_by(|a, b| a.der() < b.der()), "a SET OF in DER");
    let message = cms::SignedData::parse(&der).expect("a message");
    assert_eq!(message.signers()[0].signing_time(), Some(now()));
    assert_eq!(message.certificates().len(), 2, "the signer and its CSCA");
}

#[test]
fn nobody_else_makes_a_list() {
    let csca = DOCUMENTS.csca.clone();
    let list = delegate(profiles::list_signer, &key());
    let der = signed(&list, &key());
    // A country that is trusted through the list cannot make the list trusted.
    let refused = |result: Result<MasterList, MasterListError>, why| {
        assert_eq!(result.expect_err("refused"), MasterListError::Signer(why));
    };
    refused(verify(&der, &[]), Refusal::NoPath);
    refused(verify(&der, &[other_country()]), Refusal::NoPath);
    // A document signer, and a signer of files, are none of lists.
    let d = &*DOCUMENTS;
    refused(verify(&signed(&d.ds, &d.ds_key), std::slice::from_ref(&csca)), Refusal::KeyUsage);
    refused(
        verify(&signed(&delegate(profiles::file_signer, &key()), &key()), std::slice::from_ref(&csca)),
        Refusal::KeyUsage,
    );
    // Expired, revoked.
    let late = Options::at(years(3).not_after());
    refused(MasterList::verify(&der, &[], std::slice::from_ref(&csca), &late), Refusal::Expired);
    let entry = Revoked { serial: list.serial().expect("one"), at: now(), reason: Reason::KeyCompromise };
    let issuer = Issuer::new(&d.csca, &d.csca_key).expect("issuer");
    let crl = crl::issue(&crl::csca(&issuer, life(1), &[entry]).expect("list"), &d.csca_key).expect("signed");
    let crls = [Crl::parse(&crl).expect("own")];
    let options = Options::at(now()).crls(&crls, Revocation::IfListed);
    let revoked = MasterList::verify(&der, &[], std::slice::from_ref(&csca), &options).expect_err("revoked");
    assert!(matches!(revoked, MasterListError::Signer(Refusal::Revoked { depth: 0, .. })));
    // Changed, cut, another type.
    for at in [der.len() / 3, der.len() / 2, der.len() - 9] {
        let mut bad = der.clone();
        bad[at] ^= 1;
        assert!(verify(&bad, std::slice::from_ref(&csca)).is_err(), "octet {at}");
    }
    assert!(verify(&der[..der.len() - 1], std::slice::from_ref(&csca)).is_err());
    let content = MasterList::new([csca.clone()]).expect("CSCAs").encode();
    let mut spec = MasterList::spec(&content, &list, key().algorithm(), &[], now());
    spec.content_type = oid::LDS_SECURITY_OBJECT;
    let other = cms::sign(&spec, &key()).expect("signed");
    assert!(matches!(verify(&other, &[csca]), Err(MasterListError::Message(_))));
}

// proves: DOCPKI-14
#[test]
fn signers_of_lists_and_files_sign_no_chips() {
    let anchors = [DOCUMENTS.csca.clone()];
    for profile in [profiles::list_signer as Profile, profiles::file_signer] {
        let signer = delegate(profile, &key());
        let options = Options::at(now()).purpose(Purpose::DocumentSigner);
        assert_eq!(validate(&signer, &[], &anchors, &options), Err(Refusal::KeyUsage));
    }
    let file = delegate(profiles::file_signer, &key());
    let purpose = Purpose::Extended(oid::KP_DOCUMENT_SIGNING);
    validate(&file, &[], &anchors, &Options::at(now()).purpose(purpose)).expect("signs files");
    assert!(file.extension(oid::EXTENDED_KEY_USAGE).is_some_and(|e| e.critical));
    assert!(file.extension(oid::DOCUMENT_TYPE_LIST).is_none());
}

#[test]
fn only_country_signing_authorities_stand_in_a_list() {
    assert!(MasterList::new([DOCUMENTS.ds.clone()]).is_err());
    // What other countries put there and this crate cannot read is counted, and the rest is used.
    let content = tlv::sequence(&[
        &tlv::integer_unsigned(&[0]),
        &tlv::set(&[DOCUMENTS.csca.der(), DOCUMENTS.ds.der(), &tlv::sequence(&[b"??"])]),
    ]);
    let read = MasterList::decode(&content).expect("read");
    assert_eq!((read.certificates, read.skipped), (vec![DOCUMENTS.csca.clone()], 2));
    let version = tlv::sequence(&[&tlv::integer_unsigned(&[1]), &tlv::set(&[])]);
    assert!(MasterList::decode(&version).is_err());
    for end in 0..content.len() {
        assert!(MasterList::decode(&content[..end]).is_err());
    }
}
