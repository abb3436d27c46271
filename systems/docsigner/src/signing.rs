//! One signature: asked, signed, kept.
//!
//! What is kept is the hash of the content and the signature value. The same request finds them again and gets the same
//! bytes, put together anew; the signature is verified each time before it leaves.

use const_oid::ObjectIdentifier as Oid;
use curve::Hash;
use jiff::Timestamp;
use serde_json::json;
use store::{Row, params, transaction};
use x509::cms::{self, Spec};
use x509::{Certificate, SignatureAlgorithm, Signer};

use crate::once::hex;
use crate::service::SYSTEM;
use crate::{DocSigner, DocSignerError, Result, SignerState};

/// What a signature is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    PublicZone,
    HouseholdZone,
    CardSecurity,
    EncryptedZone,
    ChipUpdate,
}

impl Purpose {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::PublicZone => "public-zone",
            Self::HouseholdZone => "household-zone",
            Self::CardSecurity => "card-security",
            Self::EncryptedZone => "encrypted-zone",
            Self::ChipUpdate => "chip-update",
        }
    }
}

/// How long a signature is given out again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reuse {
    /// For one card: as long as it is valid.
    UntilRevoked,
    /// For many cards: as long as its signer signs, so that the signer's certificate outlives each of them.
    WhileActive,
}

pub(crate) struct Work<'a> {
    pub(crate) purpose: Purpose,
    pub(crate) subject: &'a str,
    pub(crate) content_type: Oid,
    pub(crate) content: &'a [u8],
    pub(crate) reuse: Reuse,
}

/// A row of the log with its signer.
struct Entry {
    number: u32,
    label: String,
    certificate: Certificate,
    signature: Option<Vec<u8>>,
    may_sign: bool,
}

impl DocSigner {
    pub(crate) async fn sign(&self, work: Work<'_>, now: Timestamp) -> Result<Vec<u8>> {
        let hash = Hash::Sha256.digest(work.content);
        let entry = match self.usable_entry(&work, &hash, now).await? {
            Some(entry) => entry,
            None => self.ask(&work, &hash, now).await?,
        };
        let signer = || self.keys.signer(&entry.label, keys::Purpose::DocumentSigner);
        let algorithm = algorithm_of(&entry.certificate)?;
        let prepared =
            cms::prepare(&Spec::new(work.content_type, work.content, &entry.certificate, algorithm))?;
        if let Some(signature) = &entry.signature {
            return Ok(prepared.finish(signature)?);
        }
        let signature = signer()?.sign(prepared.to_be_signed())?;
        let message = prepared.finish(&signature)?;
        if self.keep(&work, &hash, entry.number, &signature, now).await? {
            return Ok(message);
        }
        // Another call with the same content was quicker: its signature counts.
        let first = self.usable_entry(&work, &hash, now).await?.and_then(|e| e.signature);
        Ok(prepared.finish(&first.ok_or(DocSignerError::Inconsistent("a signature"))?)?)
    }

    /// The entry of the log that can be given out or finished.
    async fn usable_entry(&self, work: &Work<'_>, hash: &[u8], now: Timestamp) -> Result<Option<Entry>> {
        let rows = self.db.all(ENTRIES, params![work.purpose.as_str(), work.subject, hash]).await?;
        best(&rows, work.reuse, now)
    }

    /// Enters the request in the log, with the signer that shall sign it.
    async fn ask(&self, work: &Work<'_>, hash: &[u8], now: Timestamp) -> Result<Entry> {
        transaction!(self.db, |tx| {
            let rows = tx.all(ENTRIES, params![work.purpose.as_str(), work.subject, hash]).await?;
            if let Some(entry) = best(&rows, work.reuse, now)? {
                return Ok(entry);
            }
            let sql = "SELECT number, key_label, certificate, state, sign_until FROM document_signer \
                WHERE state = $1 AND certificate IS NOT NULL AND sign_until > $2 AND asked < $3 ORDER BY number";
            let quota = i64::from(self.config.signer_signatures);
            let (mut signers, mut later) = (Vec::new(), None);
            for row in tx.all(sql, params![SignerState::Active.as_str(), now, quota]).await? {
                let certificate = Certificate::parse(&row.read::<Vec<u8>>("certificate")?)?;
                // A signature from before its certificate would never verify: the clock went back.
                let made = certificate.not_before();
                if made.as_second() <= now.as_second() {
                    signers.push((row, certificate));
                } else {
                    later = Some(DocSignerError::Clock { now, made });
                }
            }
            if signers.is_empty() {
                return Err(later.unwrap_or(DocSignerError::NoSigner));
            }
            let (row, certificate) = signers.swap_remove(choice(work, hash, signers.len()));
            let number = row.read::<u32>("number")?;
            let count = "UPDATE document_signer SET asked = asked + 1 WHERE number = $1";
            tx.execute_one(count, params![number]).await?;
            tx.execute_one(
                "INSERT INTO signature (purpose, subject, content_hash, signer, asked_at) VALUES ($1, $2, $3, $4, $5)",
                params![work.purpose.as_str(), work.subject, hash, number, now],
            )
            .await?;
            let entry =
                Entry { number, label: row.read("key_label")?, certificate, signature: None, may_sign: true };
            let detail = json!({"content": hex(hash), "signer": number});
            let action = format!("{}-ask", work.purpose.as_str());
            self.audit(tx, now, SYSTEM, &action, &subject(work, hash), detail).await?;
            Ok(entry)
        })
    }

    /// Stores the signature; `false` if there is one already.
    async fn keep(
        &self,
        work: &Work<'_>,
        hash: &[u8],
        signer: u32,
        signature: &[u8],
        now: Timestamp,
    ) -> Result<bool> {
        transaction!(self.db, |tx| {
            let changed = tx
                .execute(
                    "UPDATE signature SET signature = $5, signed_at = $6 WHERE purpose = $1 AND subject = $2 \
                     AND content_hash = $3 AND signer = $4 AND signature IS NULL",
                    params![work.purpose.as_str(), work.subject, hash, signer, signature, now],
                )
                .await?;
            if changed == 1 {
                let detail = json!({"content": hex(hash), "signer": signer});
                let action = format!("{}-sign", work.purpose.as_str());
                self.audit(tx, now, SYSTEM, &action, &subject(work, hash), detail).await?;
            }
            Ok(changed == 1)
        })
    }
}

/// What the key of this certificate signs with.
pub(crate) fn algorithm_of(signer: &Certificate) -> Result<SignatureAlgorithm> {
    match x509::PublicKey::from_spki(signer.spki())? {
        x509::PublicKey::Ec(point) => Ok(SignatureAlgorithm::for_curve(point.curve())),
        x509::PublicKey::MlDsa65(_) => Ok(SignatureAlgorithm::MlDsa65),
        _ => Err(DocSignerError::Inconsistent("the key of a signer")),
    }
}

/// A signed entry that may be given out again, else an unsigned one whose signer may still sign.
fn best(rows: &[Row], reuse: Reuse, now: Timestamp) -> Result<Option<Entry>> {
    let mut open = None;
    for row in rows {
        let active = row.read::<String>("state")? == SignerState::Active.as_str();
        let entry = Entry {
            number: row.read("number")?,
            label: row.read("key_label")?,
            certificate: Certificate::parse(&row.read::<Vec<u8>>("certificate")?)?,
            signature: row.read("signature")?,
            may_sign: active && now < row.read::<Timestamp>("sign_until")?,
        };
        match entry.signature {
            Some(_) if reuse == Reuse::UntilRevoked || entry.may_sign => return Ok(Some(entry)),
            None if entry.may_sign => open = open.or(Some(entry)),
            _ => {}
        }
    }
    Ok(open)
}

/// Which of `count` signers signs: spread over the cards, the same one for everybody in a neighbourhood.
fn choice(work: &Work<'_>, hash: &[u8], count: usize) -> usize {
    let spread =
        if work.subject.is_empty() { hash.to_vec() } else { Hash::Sha256.digest(work.subject.as_bytes()) };
    let number = spread.iter().take(4).fold(0usize, |n, b| n << 8 | usize::from(*b));
    if count == 0 { 0 } else { number % count }
}

fn subject(work: &Work<'_>, hash: &[u8]) -> String {
    if work.subject.is_empty() { hex(&hash[..16]) } else { work.subject.to_owned() }
}

const ENTRIES: &str = "SELECT d.number, d.key_label, d.certificate, d.state, d.sign_until, s.signature \
    FROM signature s JOIN document_signer d ON d.number = s.signer \
    WHERE s.purpose = $1 AND s.subject = $2 AND s.content_hash = $3 AND d.state <> 'revoked' \
    ORDER BY d.number DESC";
