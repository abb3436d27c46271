//! A country that signs documents: the CSCA that the cards of the fixture are given, its document signer, and others.

use std::sync::{Arc, LazyLock};

use curve::{Curve, SecretKey};
use jiff::Timestamp;
use lds::chip_update::{ChipUpdate, UpdatedFile};
use tlv::oid;
use x509::certificate::{issue, profiles};
use x509::cms::{self, Spec};
use x509::{Certificate, EcSigner, Name, Serial, Signer, Validity};

use crate::support::{EID, HOUSEHOLD, ISSUER, PUBLIC, rng};

pub static COUNTRY: LazyLock<Country> = LazyLock::new(|| Country::new("country"));

/// A CSCA and what it issues.
pub struct Country {
    csca_key: Arc<dyn Signer>,
    pub csca: Certificate,
    signer_key: Arc<dyn Signer>,
    signer: Certificate,
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn until(from: &str, to: &str) -> Validity {
    Validity::new(time(from), time(to)).unwrap()
}

fn ec(seed: &str) -> Arc<dyn Signer> {
    Arc::new(EcSigner::new(SecretKey::generate(Curve::P256, &mut rng(seed))))
}

fn serial(seed: &str) -> Serial {
    Serial::random(&mut rng(seed))
}

fn name(common_name: &str) -> Name {
    Name::builder().country("TW").organization("測試用").common_name(common_name).build().unwrap()
}

fn authority() -> profiles::Authority {
    profiles::Authority {
        icao_country: "TWN".into(),
        contact: "csca@neweid.test".into(),
        crl_uri: "http://pkd.neweid.test/csca.crl".into(),
    }
}

const LIFE: (&str, &str) = ("2025-01-01T00:00:00Z", "2045-01-01T00:00:00Z");

impl Country {
    pub fn new(seed: &str) -> Self {
        Self::with_signer_until(seed, "2040-01-01T00:00:00Z")
    }

    /// With a document signer whose certificate ends then.
    pub fn with_signer_until(seed: &str, end: &str) -> Self {
        let csca_key = ec(&format!("{seed} csca"));
        let tbs = profiles::csca_root(&profiles::CscaRoot {
            serial: serial(seed),
            subject: &name("CSCA"),
            validity: until(LIFE.0, LIFE.1),
            private_key_usage: until(LIFE.0, LIFE.1),
            spki: csca_key.spki(),
            algorithm: csca_key.algorithm(),
            authority: &authority(),
        });
        let csca = issue(&tbs.unwrap(), &csca_key).unwrap();
        let signer_key = ec(&format!("{seed} {end} signer"));
        let tbs = profiles::document_signer(&profiles::DocumentSigner {
            serial: serial(&format!("{seed} signer")),
            issuer: &profiles::Issuer::new(&csca, &csca_key).unwrap(),
            subject: &name("Document Signer"),
            validity: until(LIFE.0, end),
            private_key_usage: until(LIFE.0, end),
            spki: signer_key.spki(),
            document_types: &["ID"],
            authority: &authority(),
        });
        let signer = issue(&tbs.unwrap(), &csca_key).unwrap();
        Self { csca_key, csca, signer_key, signer }
    }

    pub fn sign(&self, content_type: const_oid::ObjectIdentifier, content: &[u8]) -> Vec<u8> {
        let spec = Spec::new(content_type, content, &self.signer, self.signer_key.algorithm());
        cms::sign(&spec, &self.signer_key).unwrap()
    }

    /// A package for the chip with this key after `last` updates.
    pub fn update(&self, chip_key: &[u8], last: u16, objects: &[(u16, Vec<u8>)]) -> Vec<u8> {
        self.sign(oid::CHIP_UPDATE, &package(chip_key, last, objects))
    }

    /// The same by a delegate of the CSCA that signs lists, not documents.
    pub fn update_by_list_signer(&self, chip_key: &[u8], objects: &[(u16, Vec<u8>)]) -> Vec<u8> {
        let key = ec("list signer");
        let tbs = profiles::list_signer(&profiles::Delegate {
            serial: serial("list signer"),
            issuer: &profiles::Issuer::new(&self.csca, &self.csca_key).unwrap(),
            subject: &name("List Signer"),
            validity: until(LIFE.0, LIFE.1),
            private_key_usage: until(LIFE.0, LIFE.1),
            spki: key.spki(),
            authority: &authority(),
        });
        let signer = issue(&tbs.unwrap(), &self.csca_key).unwrap();
        let content = package(chip_key, 0, objects);
        cms::sign(&Spec::new(oid::CHIP_UPDATE, &content, &signer, key.algorithm()), &key).unwrap()
    }

    /// The link certificate of a roll-over from this CSCA to the next.
    pub fn link_to(&self, next: &Self) -> Vec<u8> {
        let tbs = profiles::csca_link(&profiles::CscaLink {
            serial: serial("link"),
            issuer: &profiles::Issuer::new(&self.csca, &self.csca_key).unwrap(),
            validity: until(LIFE.0, LIFE.1),
            private_key_usage: until(LIFE.0, LIFE.1),
            spki: next.csca_key.spki(),
            authority: &authority(),
        });
        issue(&tbs.unwrap(), &self.csca_key).unwrap().der().to_vec()
    }
}

/// The package of these records of the chip, before it is signed.
pub fn package(chip_key: &[u8], last: u16, objects: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let files = objects.iter().map(|(object, content)| {
        let (application, fid) = match object {
            0x0201 => (HOUSEHOLD, 0x0101),
            0x0100..=0x01FF => (PUBLIC, *object),
            0x0600..=0x06FF => (EID, *object - 0x0500),
            _ => (ISSUER, *object),
        };
        UpdatedFile { application: application.to_vec(), file: fid.to_be_bytes(), content: content.clone() }
    });
    ChipUpdate::new(chip_key, last, files.collect()).unwrap().encode()
}
