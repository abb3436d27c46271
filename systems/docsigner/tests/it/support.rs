//! A document signer on a database of the test kit and keys in a directory of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use curve::{Hash, SecretBytes, SeedRandom};
use docsigner::{Act, Config, DocSigner, DocumentSigning, Result};
use jiff::{SignedDuration, Timestamp};
use keys::{KeyStore, SoftwareKeyStore, WrappingKey};
use lds::LdsSecurityObject;
use lds::household::HouseholdData;
use model::CardSerial;
use store::Db;
use tempfile::TempDir;
use tlv::oid;
use x509::Certificate;
use x509::cms::SignedData;
use x509::crl::{Crl, Reason};
use x509::path::{Options, Purpose, Refusal, Revocation, validate};

pub(crate) struct Place {
    pub(crate) db: Db,
    pub(crate) keys: Arc<dyn KeyStore>,
    _directory: TempDir,
}

impl Place {
    pub(crate) fn new(db: Db) -> Self {
        let directory = TempDir::new().expect("a directory");
        let wrapping = WrappingKey::new(&SecretBytes::new(&[7; 32])).expect("32 bytes");
        let random = Box::new(SeedRandom::new(b"keys"));
        let keys = SoftwareKeyStore::open(directory.path(), wrapping, random).expect("a key store");
        Self { db, keys: Arc::new(keys), _directory: directory }
    }

    pub(crate) async fn open(&self, now: Timestamp) -> Result<DocSigner> {
        self.open_with(Config::default(), now).await
    }

    pub(crate) async fn open_with(&self, config: Config, now: Timestamp) -> Result<DocSigner> {
        let mut rng = SeedRandom::new(now.to_string().as_bytes());
        DocSigner::open(self.db.clone(), self.keys.clone(), config, now, &mut rng).await
    }
}

/// Two persons revoke a document signer.
pub(crate) async fn revoke(signer: &DocSigner, number: u32, reason: Reason, now: Timestamp) -> Result<()> {
    let proposal = signer.propose(Act::Revoke { number, reason }, "chief", now).await?;
    signer.approve(proposal.number, "deputy", now, &mut SeedRandom::new(b"revoke")).await.map(|_| ())
}

/// Two persons roll the country signing key over.
pub(crate) async fn roll_over(signer: &DocSigner, now: Timestamp) -> Result<()> {
    let proposal = signer.propose(Act::RollOver, "chief", now).await?;
    let mut rng = SeedRandom::new(now.to_string().as_bytes());
    signer.approve(proposal.number, "deputy", now, &mut rng).await.map(|_| ())
}

pub(crate) fn now() -> Timestamp {
    "2026-07-01T04:00:00Z".parse().expect("a time")
}

pub(crate) fn days(n: i64) -> Timestamp {
    now() + SignedDuration::from_hours(24 * n)
}

pub(crate) fn card(number: u32) -> CardSerial {
    CardSerial::new("TWA", number).expect("a serial")
}

pub(crate) fn object(seed: u8) -> LdsSecurityObject {
    let hashes: BTreeMap<u8, Vec<u8>> =
        [1u8, 2, 11, 12, 13, 14, 15].into_iter().map(|n| (n, Hash::Sha512.digest(&[n, seed]))).collect();
    LdsSecurityObject { hash: Hash::Sha512, hashes }
}

pub(crate) fn household(neighbourhood: u16) -> HouseholdData {
    HouseholdData {
        county: "臺北市".into(),
        district: "中正區".into(),
        village: "水源里".into(),
        village_code: "63000050001".into(),
        neighbourhood,
    }
}

pub(crate) fn card_security() -> Vec<u8> {
    let version = tlv::integer_unsigned(&[2]);
    let chip = tlv::sequence(&[&tlv::encode_oid(oid::CA_ECDH_AES_CBC_CMAC_128), &version]);
    let key = tlv::sequence(&[&tlv::encode_oid(oid::PK_ECDH), &tlv::sequence(&[])]);
    tlv::set(&[&chip, &key])
}

/// As a reader would: signature, chain, revocation. Gives the signer's certificate.
pub(crate) async fn verify(
    signer: &dyn DocumentSigning,
    cms: &[u8],
    at: Timestamp,
) -> std::result::Result<Certificate, Refusal> {
    let csca = [signer.csca_certificate().await.expect("a CSCA")];
    let list = Crl::parse(&signer.csca_crl(at).await.expect("a list")).expect("well formed");
    let signed = SignedData::parse(cms).expect("well formed");
    let ds = signed.verify().expect("a good signature");
    let lists = [list];
    let options = Options::at(at).purpose(Purpose::DocumentSigner).crls(&lists, Revocation::Required);
    validate(ds, &[], &csca, &options).map(|_| ds.clone())
}

pub(crate) async fn count(db: &Db, sql: &'static str) -> i64 {
    db.one(sql, store::params![]).await.expect("one row").read(0).expect("a number")
}
