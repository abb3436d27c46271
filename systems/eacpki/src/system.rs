//! The authorisation system: how it is opened, what is done daily, and the trait it publishes.

use std::sync::Arc;

use async_trait::async_trait;
use curve::{Point, Signature};
use eac::cvc::{Certificate, Role, TrustPoint};
use jiff::Timestamp;
use keys::{KeyKind, KeyStore, Purpose};
use serde_json::Value;
use store::{Db, Tx, params};

use crate::authority::from_text;
use crate::{Config, EacPkiError, MIGRATIONS, Result, TerminalAuthorisation};

/// The authorisation system on its database and key store. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct EacPki {
    pub(crate) db: Db,
    pub(crate) keys: Arc<dyn KeyStore>,
    pub(crate) config: Arc<Config>,
}

/// What [`EacPki::renew`] did: the references of the authorities that are new.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Renewal {
    /// New authorities, the CVCA first.
    pub begun: Vec<String>,
}

impl EacPki {
    /// Opens the authorisation system. The first time it makes the CVCA and the document verifiers; what an interrupted
    /// first time left half done is finished.
    pub async fn open(db: Db, keys: Arc<dyn KeyStore>, config: Config, now: Timestamp) -> Result<Self> {
        Self::open_with_past(db, keys, config, now, now).await
    }

    /// As [`EacPki::open`], but the first CVCA is as if made at `since`: a sample country has a past, and with it cards in the
    /// field that trust the CVCA before the present one.
    pub async fn open_with_past(
        db: Db,
        keys: Arc<dyn KeyStore>,
        config: Config,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<Self> {
        config.check()?;
        db.migrate(MIGRATIONS).await?;
        let system = Self { db, keys, config: Arc::new(config) };
        let finished = "SELECT count(*) FROM authority WHERE certificate IS NOT NULL";
        if system.db.one(finished, params![]).await?.read::<i64>(0)? == 0 {
            system.renew(since).await?;
        }
        system.renew(now).await?;
        Ok(system)
    }

    /// Sees to it that there is a CVCA and a verifier of each kind with enough time left. To be called daily; without need
    /// it changes nothing.
    pub async fn renew(&self, now: Timestamp) -> Result<Renewal> {
        let mut begun = Vec::new();
        for role in [Role::Cvca].into_iter().chain(self.config.verifiers()) {
            begun.extend(self.establish(role, now).await?);
        }
        Ok(Renewal { begun })
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The database, for backup and for checking the audit chain.
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// The self-signed certificate of the CVCA that signs now.
    pub async fn root(&self) -> Result<Certificate> {
        let cvca = self.latest(Role::Cvca).await?;
        cvca.certificate.ok_or(EacPkiError::Inconsistent("there is no CVCA"))
    }

    /// The trust point that cards had before the present one, if there was one.
    pub async fn earlier_trust_point(&self) -> Result<Option<TrustPoint>> {
        let present = self.latest(Role::Cvca).await?;
        if present.sequence == 1 {
            return Ok(None);
        }
        let before = self.authority(Role::Cvca, present.sequence - 1).await?.certificate;
        let before = before.ok_or(EacPkiError::Inconsistent("the CVCA before the present one"))?;
        Ok(Some(TrustPoint::from_root(&before)?))
    }

    /// Makes the key under `label` and gives its public point.
    pub(crate) fn make_key(&self, label: &str) -> Result<Point> {
        let kind = KeyKind::Ec(self.config.curve);
        let key = self.keys.generate(label, kind, Purpose::CertificateAuthority)?;
        curve::point_from_spki(&key.spki).map_err(|_| EacPkiError::Inconsistent("a public key"))
    }

    /// Signs with the key under `label`, which hashes as its curve asks.
    pub(crate) fn sign(&self, label: &str, message: &[u8]) -> Result<Signature> {
        let signer = self.keys.signer(label, Purpose::CertificateAuthority)?;
        let der = signer.sign(message)?;
        Signature::from_der(self.config.curve, &der).map_err(|_| EacPkiError::Inconsistent("a signature"))
    }

    pub(crate) async fn audit(
        &self,
        tx: &mut Tx,
        at: Timestamp,
        actor: &str,
        action: &str,
        subject: &str,
        detail: Value,
    ) -> Result<()> {
        let event = audit::Event { at, actor, system: SYSTEM, action, subject, detail };
        audit::append(tx, &event).await?;
        Ok(())
    }
}

#[async_trait]
impl TerminalAuthorisation for EacPki {
    async fn trust_point(&self) -> Result<TrustPoint> {
        Ok(TrustPoint::from_root(&self.root().await?)?)
    }

    async fn certificates(&self) -> Result<Vec<Certificate>> {
        let sql = "SELECT role, certificate, link FROM authority WHERE certificate IS NOT NULL \
            ORDER BY made_at, role, sequence";
        let mut found = Vec::new();
        for row in self.db.all(sql, params![]).await? {
            let column = match from_text(&row.read::<String>("role")?)? {
                Role::Cvca => "link",
                _ => "certificate",
            };
            if let Some(bytes) = row.read::<Option<Vec<u8>>>(column)? {
                found.push(Certificate::parse(&bytes)?);
            }
        }
        Ok(found)
    }

    async fn issue(&self, service: &str, request: &[u8], actor: &str, now: Timestamp) -> Result<Certificate> {
        self.issue_terminal(service, request, actor, now).await
    }
}

pub(crate) const SYSTEM: &str = "eacpki";
