//! An authorisation system on a database of the test kit, keys in a directory of its own, and terminals.

use std::sync::Arc;

use curve::{Curve, SecretBytes, SecretKey, SeedRandom, Signature};
use eac::cvc::{
    CertificateDescription, CvcError, Date, Extensions, Reference, Request, Rights, UpdateRights,
};
use eacpki::{Config, EacPki, Result, Service};
use jiff::{SignedDuration, Timestamp};
use keys::{KeyStore, SoftwareKeyStore, WrappingKey};
use store::Db;
use tempfile::TempDir;

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

    pub(crate) async fn open(&self, now: Timestamp) -> Result<EacPki> {
        self.open_with(Config::default(), now).await
    }

    pub(crate) async fn open_with(&self, config: Config, now: Timestamp) -> Result<EacPki> {
        EacPki::open(self.db.clone(), self.keys.clone(), config, now).await
    }
}

pub(crate) fn now() -> Timestamp {
    "2026-07-01T04:00:00Z".parse().expect("a time")
}

pub(crate) fn days(n: i64) -> Timestamp {
    now() + SignedDuration::from_hours(24 * n)
}

pub(crate) fn date(year: u16, month: u8, day: u8) -> Date {
    Date::new(year, month, day).expect("a date")
}

pub(crate) fn service(name: &str) -> Service {
    Service {
        name: name.into(),
        official: true,
        rights: Rights::READ_DG9.with(Rights::READ_DG11),
        updates: UpdateRights::NONE,
        description: CertificateDescription {
            issuer_name: "測試用 New eID".into(),
            subject_name: "測試用機關".into(),
            terms_of_usage: "測試 Test".into(),
            ..CertificateDescription::default()
        },
        sectors: Vec::new(),
        until: date(2027, 6, 30),
    }
}

pub(crate) struct Terminal {
    pub(crate) key: SecretKey,
    pub(crate) reference: Reference,
}

impl Terminal {
    pub(crate) fn new(reference: &str) -> Self {
        let key = SecretKey::generate(Curve::P521, &mut SeedRandom::new(reference.as_bytes()));
        Self { key, reference: reference.parse().expect("a reference") }
    }

    pub(crate) fn signer(&self) -> impl FnOnce(&[u8]) -> std::result::Result<Signature, CvcError> + '_ {
        |message| Ok(self.key.sign_digest(&self.key.curve().hash().digest(message)))
    }

    pub(crate) fn request(&self) -> Request {
        let point = self.key.public_key();
        Request::create(None, self.reference.clone(), &point, Extensions::default(), self.signer())
            .expect("signed by itself")
    }

    pub(crate) fn request_by(&self, present: &Self) -> Vec<u8> {
        let request = self.request().authenticate(present.reference.clone(), present.signer());
        request.expect("signed").encode()
    }
}
