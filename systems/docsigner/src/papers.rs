//! Paper documents with a verification number (DOCPKI-14): the electronic file is signed by a key that signs no chips, and
//! a paper is checked against what was recorded when it was made.

use jiff::Timestamp;
use serde_json::json;
use store::{Tx, params, transaction};
use tlv::oid;
use x509::cms::{self, Spec};
use x509::{Certificate, Signer};

use crate::delegates::Office;
use crate::once::hex;
use crate::signing::algorithm_of;
use crate::{DocSigner, DocSignerError, Result};

/// What the records say of a paper document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaperStatus {
    /// Made by us, as it is, and not withdrawn.
    Valid,
    /// Made by us and withdrawn since.
    Withdrawn,
    /// The number is ours, the file is another one.
    Altered,
    /// There is no such number.
    Unknown,
}

impl DocSigner {
    /// Signs the file of a paper document under its verification number: a detached CMS SignedData. The same number and
    /// file always get the same bytes; another file under the same number is refused. The log names `actor`, who asked.
    pub async fn sign_file(&self, number: &str, file: &[u8], actor: &str, now: Timestamp) -> Result<Vec<u8>> {
        check_number(number)?;
        let hash = curve::Hash::Sha512.digest(file);
        let delegated = self.delegate(Office::Files, now).await?;
        let (signer, label, signature) = transaction!(self.db, |tx| {
            if let Some(row) = paper(tx, number).await? {
                if row.read::<Vec<u8>>("content_hash")? != hash {
                    return Err(DocSignerError::Refused("another file has this verification number"));
                }
                let certificate = Certificate::parse(&row.read::<Vec<u8>>("certificate")?)?;
                let signature = row.read::<Option<Vec<u8>>>("signature")?;
                let usable = signature.is_some() || row.read::<i64>("signer")? == delegated.number;
                if usable {
                    return Ok((certificate, row.read::<String>("key_label")?, signature));
                }
                // Asked, never signed, and its signer is gone: the present one takes over.
                let sql = "UPDATE paper SET signer = $2 WHERE number = $1 AND signature IS NULL";
                tx.execute_one(sql, params![number, delegated.number]).await?;
            } else {
                tx.execute_one(
                    "INSERT INTO paper (number, content_hash, signer, asked_at) VALUES ($1, $2, $3, $4)",
                    params![number, &hash, delegated.number, now],
                )
                .await?;
            }
            let detail = json!({"content": hex(&hash), "signer": &delegated.label});
            self.audit(tx, now, actor, "file-ask", number, detail).await?;
            Ok((delegated.certificate.clone(), delegated.label.clone(), None))
        })?;
        let mut spec = Spec::new(oid::CMS_DATA, file, &signer, algorithm_of(&signer)?);
        spec.detached = true;
        let prepared = cms::prepare(&spec)?;
        if let Some(signature) = signature {
            return Ok(prepared.finish(&signature)?);
        }
        let key = self.keys.signer(&label, Office::Files.purpose())?;
        let signature = key.sign(prepared.to_be_signed())?;
        let message = prepared.finish(&signature)?;
        let kept = transaction!(self.db, |tx| {
            let sql =
                "UPDATE paper SET signature = $2, signed_at = $3 WHERE number = $1 AND signature IS NULL";
            if tx.execute(sql, params![number, &signature, now]).await? == 1 {
                self.audit(tx, now, actor, "file-sign", number, json!({"content": hex(&hash)})).await?;
                return Ok(signature.clone());
            }
            let row = paper(tx, number).await?.ok_or(DocSignerError::Inconsistent("a paper document"))?;
            Ok::<_, DocSignerError>(row.read::<Vec<u8>>("signature")?)
        })?;
        if kept == signature { Ok(message) } else { Ok(prepared.finish(&kept)?) }
    }

    /// What the records say of the file with this verification number. The file itself is not kept.
    pub async fn paper_status(&self, number: &str, file: &[u8]) -> Result<PaperStatus> {
        if check_number(number).is_err() {
            return Ok(PaperStatus::Unknown);
        }
        let sql = "SELECT content_hash, withdrawn_at FROM paper WHERE number = $1 AND signature IS NOT NULL";
        let Some(row) = self.db.optional(sql, params![number]).await? else {
            return Ok(PaperStatus::Unknown);
        };
        if row.read::<Vec<u8>>("content_hash")? != curve::Hash::Sha512.digest(file) {
            return Ok(PaperStatus::Altered);
        }
        let withdrawn = row.read::<Option<Timestamp>>("withdrawn_at")?.is_some();
        Ok(if withdrawn { PaperStatus::Withdrawn } else { PaperStatus::Valid })
    }

    /// Withdraws a paper document, for instance when the card it stood in for is handed over.
    pub async fn withdraw_paper(&self, number: &str, actor: &str, now: Timestamp) -> Result<()> {
        transaction!(self.db, |tx| {
            let row = paper(tx, number).await?;
            let row = row.ok_or(DocSignerError::Refused("there is no paper document with this number"))?;
            if row.read::<Option<Timestamp>>("withdrawn_at")?.is_none() {
                let sql = "UPDATE paper SET withdrawn_at = $2 WHERE number = $1";
                tx.execute_one(sql, params![number, now]).await?;
                self.audit(tx, now, actor, "paper-withdraw", number, json!({})).await?;
            }
            Ok(())
        })
    }
}

async fn paper(tx: &mut Tx, number: &str) -> store::Result<Option<store::Row>> {
    let sql = "SELECT p.content_hash, p.signer, p.signature, p.withdrawn_at, d.key_label, d.certificate \
        FROM paper p JOIN delegate d ON d.number = p.signer WHERE p.number = $1";
    tx.optional(sql, params![number]).await
}

fn check_number(number: &str) -> Result<()> {
    let plain = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-';
    if (6..=32).contains(&number.len()) && number.bytes().all(plain) {
        Ok(())
    } else {
        Err(DocSignerError::Refused("a verification number has 6 to 32 capital letters, digits and hyphens"))
    }
}
