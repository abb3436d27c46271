//! The document signer: how it is opened, and the trait it publishes.

use std::sync::Arc;

use async_trait::async_trait;
use curve::Random;
use jiff::Timestamp;
use keys::KeyStore;
use lds::household::HouseholdData;
use lds::{ChipUpdate, FieldSecurityObject, LdsSecurityObject, sod};
use model::CardSerial;
use serde_json::Value;
use store::{Db, Tx, params, transaction};
use tlv::oid;
use x509::Certificate;

use crate::signing::{Purpose, Reuse, Work};
use crate::{Config, DocSignerError, DocumentSigning, MIGRATIONS, Result, SignerCertificate, SignerState};

/// The document signer on its database and key store. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct DocSigner {
    pub(crate) db: Db,
    pub(crate) keys: Arc<dyn KeyStore>,
    pub(crate) config: Arc<Config>,
}

/// What [`DocSigner::renew`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Renewal {
    /// Numbers of signers that begin to sign.
    pub begun: Vec<u32>,
    /// Numbers of signers whose keys were destroyed.
    pub retired: Vec<u32>,
}

impl DocSigner {
    /// Opens the document signer. The first time it makes the CSCA and the signers below it; what an interrupted first time
    /// left half done is finished.
    pub async fn open(
        db: Db,
        keys: Arc<dyn KeyStore>,
        config: Config,
        now: Timestamp,
        rng: &mut (dyn Random + Send),
    ) -> Result<Self> {
        config.check()?;
        db.migrate(MIGRATIONS).await?;
        let signer = Self { db, keys, config: Arc::new(config) };
        match signer.renew(now, rng).await {
            // The signers there are still sign; those who look after them are told.
            Err(error @ (DocSignerError::CscaRetired | DocSignerError::Clock { .. })) => {
                tracing::warn!(code = error.code(), "{error}")
            }
            other => drop(other?),
        }
        Ok(signer)
    }

    /// Sees to it that the configured number of document signers may sign now, destroys the keys of those whose time is
    /// over, and makes the lists that are due. To be called daily at least; without need it changes nothing.
    pub async fn renew(&self, now: Timestamp, rng: &mut (dyn Random + Send)) -> Result<Renewal> {
        self.establish_csca(now, rng).await?;
        let retired = self.retire_signers(now).await?;
        self.establish_delegates(now, rng).await?;
        // Lists are made when they are due, not when somebody asks.
        self.csca_crls(now).await?;
        let begun = self.establish_signers(now, rng).await?;
        Ok(Renewal { begun, retired })
    }

    /// The database, for backup and for checking the audit chain.
    pub fn db(&self) -> &Db {
        &self.db
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
impl DocumentSigning for DocSigner {
    async fn sign_public_zone(
        &self,
        card: &CardSerial,
        object: &LdsSecurityObject,
        now: Timestamp,
    ) -> Result<Vec<u8>> {
        // DOCPKI-07: without the hash of DG15 Active Authentication proves nothing; DG14 names its algorithm.
        if !REQUIRED_GROUPS.iter().all(|number| object.hashes.contains_key(number)) {
            return Err(DocSignerError::Refused("the security object lacks DG1, DG2, DG14 or DG15"));
        }
        if !matches!(object.hash, curve::Hash::Sha256 | curve::Hash::Sha384 | curve::Hash::Sha512)
            || object.hashes.values().any(|hash| hash.len() != object.hash.len())
        {
            return Err(DocSignerError::Refused("the hashes of the security object"));
        }
        let content = object.encode();
        let cms = self
            .sign(
                Work {
                    purpose: Purpose::PublicZone,
                    subject: card.as_str(),
                    content_type: oid::LDS_SECURITY_OBJECT,
                    content: &content,
                    reuse: Reuse::UntilRevoked,
                },
                now,
            )
            .await?;
        Ok(sod::wrap(&cms))
    }

    async fn sign_household(&self, data: &HouseholdData, now: Timestamp) -> Result<Vec<u8>> {
        let content = data.encode()?;
        let subject = format!("{}-{:03}", data.village_code, data.neighbourhood);
        let work = Work {
            purpose: Purpose::HouseholdZone,
            subject: &subject,
            content_type: oid::HOUSEHOLD_DATA,
            content: &content,
            reuse: Reuse::WhileActive,
        };
        self.sign(work, now).await
    }

    async fn sign_card_security(&self, security_infos: &[u8], now: Timestamp) -> Result<Vec<u8>> {
        // BSI TR-03110-3 §A.1.2.5; DOCPKI-07: the Chip Authentication key is what makes the file worth signing.
        let infos = tlv::expect(security_infos, 0x31)
            .map_err(|_| DocSignerError::Refused("the SecurityInfos are no DER SET"))?;
        let chip_key = tlv::encode_oid(oid::PK_ECDH);
        let found =
            infos.children().filter_map(std::result::Result::ok).any(|i| i.value.starts_with(&chip_key));
        if !found {
            return Err(DocSignerError::Refused("the SecurityInfos hold no Chip Authentication public key"));
        }
        let work = Work {
            purpose: Purpose::CardSecurity,
            subject: "",
            content_type: oid::CARD_SECURITY_OBJECT,
            content: security_infos,
            reuse: Reuse::UntilRevoked,
        };
        self.sign(work, now).await
    }

    async fn sign_encrypted_zone(
        &self,
        card: &CardSerial,
        object: &FieldSecurityObject,
        now: Timestamp,
    ) -> Result<Vec<u8>> {
        if object.hashes.is_empty() {
            return Err(DocSignerError::Refused("the security object has no field"));
        }
        let content = object.encode();
        let work = Work {
            purpose: Purpose::EncryptedZone,
            subject: card.as_str(),
            content_type: oid::FIELD_SECURITY_OBJECT,
            content: &content,
            reuse: Reuse::UntilRevoked,
        };
        self.sign(work, now).await
    }

    async fn sign_chip_update(
        &self,
        card: &CardSerial,
        update: &ChipUpdate,
        now: Timestamp,
    ) -> Result<Vec<u8>> {
        let content = update.encode();
        let hash = curve::Hash::Sha256.digest(&content);
        // DOCPKI-15: one package for each number; what was signed once is never replaced by something else.
        transaction!(self.db, |tx| {
            let sql = "SELECT content_hash FROM chip_update WHERE card = $1 AND sequence = $2";
            let sequence = i64::from(update.sequence);
            if let Some(row) = tx.optional(sql, params![card.as_str(), sequence]).await? {
                let same = row.read::<Vec<u8>>(0)? == hash;
                let refused = DocSignerError::Refused("another update of this card has this number");
                return if same { Ok(()) } else { Err(refused) };
            }
            let sql = "SELECT COALESCE(MAX(sequence), 0) FROM chip_update WHERE card = $1";
            if tx.one(sql, params![card.as_str()]).await?.read::<i64>(0)? > sequence {
                return Err(DocSignerError::Refused("a later update of this card is signed already"));
            }
            tx.execute_one(
                "INSERT INTO chip_update (card, sequence, content_hash, asked_at) VALUES ($1, $2, $3, $4)",
                params![card.as_str(), sequence, &hash, now],
            )
            .await
            .map_err(DocSignerError::from)
        })?;
        let work = Work {
            purpose: Purpose::ChipUpdate,
            subject: card.as_str(),
            content_type: oid::CHIP_UPDATE,
            content: &content,
            reuse: Reuse::UntilRevoked,
        };
        self.sign(work, now).await
    }

    async fn sign_paper(&self, number: &str, file: &[u8], actor: &str, now: Timestamp) -> Result<Vec<u8>> {
        self.sign_file(number, file, actor, now).await
    }

    async fn csca_certificate(&self) -> Result<Certificate> {
        Ok(self.csca().await?.certificate)
    }

    async fn csca_certificates(&self) -> Result<Vec<Certificate>> {
        let generations = self.generations().await?;
        Ok(generations.into_iter().flat_map(|csca| [Some(csca.certificate), csca.link]).flatten().collect())
    }

    async fn ds_certificates(&self) -> Result<Vec<SignerCertificate>> {
        let sql = "SELECT number, state, certificate FROM document_signer \
            WHERE certificate IS NOT NULL ORDER BY number";
        let rows = self.db.all(sql, params![]).await?;
        rows.iter()
            .map(|row| {
                Ok(SignerCertificate {
                    number: row.read("number")?,
                    certificate: Certificate::parse(&row.read::<Vec<u8>>("certificate")?)?,
                    state: SignerState::from_text(&row.read::<String>("state")?)?,
                })
            })
            .collect()
    }

    async fn csca_crl(&self, now: Timestamp) -> Result<Vec<u8>> {
        let csca = self.csca().await?;
        self.current_list(&csca, true, now).await
    }

    async fn cards_signed_by(&self, number: u32) -> Result<Vec<CardSerial>> {
        let sql =
            "SELECT DISTINCT subject FROM signature WHERE signer = $1 AND purpose = $2 ORDER BY subject";
        let rows = self.db.all(sql, params![number, Purpose::PublicZone.as_str()]).await?;
        rows.iter()
            .map(|row| {
                let serial = row.read::<String>(0)?;
                serial.parse().map_err(|_| DocSignerError::Inconsistent("a card serial"))
            })
            .collect()
    }
}

pub(crate) const SYSTEM: &str = "docsigner";

// ICAO Doc 9303-10 §4.6: DG1 and DG2 are mandatory.
const REQUIRED_GROUPS: [u8; 4] = [1, 2, 14, 15];
