//! The country signing CA and the making of document signers.
//!
//! Every certificate is made in the same order: number and label stored, key made under the label, bytes to be signed
//! stored, signature, certificate stored. Whatever stops the program in between, the next call takes up where it stopped,
//! with the same number, the same key and the same bytes.

use std::sync::Arc;

use curve::Random;
use jiff::Timestamp;
use keys::{KeyKind, Purpose};
use serde_json::json;
use store::{params, transaction};
use x509::certificate::profiles::{self, CscaRoot, DocumentSigner, Issuer};
use x509::certificate::{Kind, TbsCertificate, issue};
use x509::{Certificate, Serial, Signer};

use crate::service::SYSTEM;
use crate::{DocSigner, DocSignerError, Result, SignerState};

/// The country signing CA that signs now.
pub(crate) struct Csca {
    pub(crate) generation: i64,
    pub(crate) certificate: Certificate,
    pub(crate) label: String,
    pub(crate) sign_until: Timestamp,
}

impl DocSigner {
    pub(crate) async fn csca(&self) -> Result<Csca> {
        let sql = "SELECT generation, key_label, sign_until, certificate FROM country_signer \
            WHERE certificate IS NOT NULL ORDER BY generation DESC LIMIT 1";
        let row = self.db.optional(sql, params![]).await?;
        let row = row.ok_or(DocSignerError::Inconsistent("there is no country signing CA"))?;
        Ok(Csca {
            generation: row.read("generation")?,
            certificate: Certificate::parse(&row.read::<Vec<u8>>("certificate")?)?,
            label: row.read("key_label")?,
            sign_until: row.read("sign_until")?,
        })
    }

    pub(crate) fn csca_signer(&self, csca: &Csca) -> Result<Arc<dyn Signer>> {
        Ok(self.keys.signer(&csca.label, Purpose::CertificateAuthority)?)
    }

    /// Makes the first CSCA if there is none, or finishes it.
    pub(crate) async fn establish_csca(&self, now: Timestamp, rng: &mut (dyn Random + Send)) -> Result<()> {
        const GENERATION: i64 = 1;
        let label = format!("csca-{GENERATION}");
        // A second CSCA beside the first is made by a roll-over, never here.
        let (signs, valid) = self.config.csca_periods(now)?;
        let stored = transaction!(self.db, |tx| {
            let sql = "SELECT certificate IS NOT NULL AS made, tbs FROM country_signer WHERE generation = $1";
            if let Some(row) = tx.optional(sql, params![GENERATION]).await? {
                return Ok::<_, DocSignerError>((
                    row.read::<bool>("made")?,
                    row.read::<Option<Vec<u8>>>("tbs")?,
                ));
            }
            tx.execute_one(
                "INSERT INTO country_signer (generation, key_label, made_at, sign_until) VALUES ($1, $2, $3, $4)",
                params![GENERATION, &label, now, signs.not_after()],
            )
            .await?;
            self.audit(tx, now, SYSTEM, "csca-plan", &label, json!({})).await?;
            Ok((false, None))
        })?;
        let tbs = match stored {
            (true, _) => return Ok(()),
            (false, Some(tbs)) => tbs,
            (false, None) => {
                let kind = KeyKind::Ec(self.config.csca_curve);
                self.keys.generate(&label, kind, Purpose::CertificateAuthority)?;
                let signer = self.keys.signer(&label, Purpose::CertificateAuthority)?;
                let tbs = profiles::csca_root(&CscaRoot {
                    serial: Serial::random(rng),
                    subject: &self.config.csca_name()?,
                    validity: valid,
                    private_key_usage: signs,
                    spki: signer.spki(),
                    algorithm: signer.algorithm(),
                    authority: &self.config.authority(),
                })?;
                tbs.inspect()?;
                let key_set = (signs.not_after(), tbs.tbs_der());
                transaction!(self.db, |tx| {
                    let sql = "SELECT tbs FROM country_signer WHERE generation = $1";
                    if let Some(first) = tx.one(sql, params![GENERATION]).await?.read::<Option<Vec<u8>>>(0)? {
                        return Ok(first);
                    }
                    let sql = "UPDATE country_signer SET tbs = $2, sign_until = $3 WHERE generation = $1";
                    tx.execute_one(sql, params![GENERATION, key_set.1, key_set.0]).await?;
                    self.audit(tx, now, SYSTEM, "csca-prepare", &label, json!({})).await?;
                    Ok::<_, DocSignerError>(key_set.1.to_vec())
                })?
            }
        };
        let signer = self.keys.signer(&label, Purpose::CertificateAuthority)?;
        let certificate = issue(&TbsCertificate::from_stored(Kind::CscaRoot, &tbs)?, &signer)?;
        transaction!(self.db, |tx| {
            let sql =
                "UPDATE country_signer SET certificate = $2 WHERE generation = $1 AND certificate IS NULL";
            // Another process may have been quicker; its certificate counts.
            if tx.execute(sql, params![GENERATION, certificate.der()]).await? == 1 {
                let detail = json!({"serial": hex(certificate.serial_octets())});
                self.audit(tx, now, SYSTEM, "csca-issue", &label, detail).await?;
            }
            Ok::<_, DocSignerError>(())
        })?;
        tracing::info!(label, "country signing CA made");
        Ok(())
    }

    /// Plans as many document signers as are missing and finishes every planned one.
    pub(crate) async fn establish_signers(
        &self,
        now: Timestamp,
        rng: &mut (dyn Random + Send),
    ) -> Result<Vec<u32>> {
        let csca = self.csca().await?;
        let wanted = i64::from(self.config.parallel_signers);
        let planned: Vec<u32> = transaction!(self.db, |tx| {
            // A signer in its last tenth is about to be replaced; a planned one has no end yet.
            let tail = i64::from(self.config.signer_signs_days) * 86_400_000_000 / 10;
            let soon = now.as_microsecond() + tail;
            let sql =
                "SELECT count(*) FROM document_signer WHERE state = $1 AND (tbs IS NULL OR sign_until > $2)";
            let present = tx.one(sql, params![SignerState::Active.as_str(), soon]).await?.read::<i64>(0)?;
            let sql = "SELECT COALESCE(MAX(number), 0) FROM document_signer";
            let last = tx.one(sql, params![]).await?.read::<i64>(0)?;
            if present < wanted && now >= csca.sign_until {
                return Err(DocSignerError::CscaRetired);
            }
            for number in last + 1..=last + wanted - present {
                let label = format!("ds-{number}");
                tx.execute_one(
                    "INSERT INTO document_signer (number, generation, key_label, state, made_at, sign_until) \
                     VALUES ($1, $2, $3, $4, $5, $5)",
                    params![number, csca.generation, &label, SignerState::Active.as_str(), now],
                )
                .await?;
                self.audit(tx, now, SYSTEM, "signer-plan", &label, json!({})).await?;
            }
            let sql = "SELECT number FROM document_signer WHERE certificate IS NULL ORDER BY number";
            let rows = tx.all(sql, params![]).await?;
            rows.iter().map(|row| Ok(row.read(0)?)).collect()
        })?;
        for number in &planned {
            self.finish_signer(*number, &csca, now, rng).await?;
        }
        Ok(planned)
    }

    async fn finish_signer(
        &self,
        number: u32,
        csca: &Csca,
        now: Timestamp,
        rng: &mut (dyn Random + Send),
    ) -> Result<()> {
        let label = format!("ds-{number}");
        let csca_signer = self.csca_signer(csca)?;
        let sql = "SELECT tbs FROM document_signer WHERE number = $1";
        let stored = self.db.one(sql, params![number]).await?.read::<Option<Vec<u8>>>(0)?;
        let tbs = match stored {
            Some(tbs) => tbs,
            None => {
                let kind = KeyKind::Ec(self.config.signer_curve);
                let key = self.keys.generate(&label, kind, Purpose::DocumentSigner)?;
                let (signs, valid) = self.config.signer_periods(now)?;
                let types: Vec<&str> = self.config.document_types.iter().map(String::as_str).collect();
                let tbs = profiles::document_signer(&DocumentSigner {
                    serial: Serial::random(rng),
                    issuer: &Issuer::new(&csca.certificate, &csca_signer)?,
                    subject: &self.config.signer_name(number)?,
                    validity: valid,
                    private_key_usage: signs,
                    spki: &key.spki,
                    document_types: &types,
                    authority: &self.config.authority(),
                })?;
                tbs.inspect()?;
                transaction!(self.db, |tx| {
                    let sql = "SELECT tbs FROM document_signer WHERE number = $1";
                    if let Some(first) = tx.one(sql, params![number]).await?.read::<Option<Vec<u8>>>(0)? {
                        return Ok(first);
                    }
                    let sql = "UPDATE document_signer SET tbs = $2, sign_until = $3 WHERE number = $1";
                    tx.execute_one(sql, params![number, tbs.tbs_der(), signs.not_after()]).await?;
                    self.audit(tx, now, SYSTEM, "signer-prepare", &label, json!({})).await?;
                    Ok::<_, DocSignerError>(tbs.tbs_der().to_vec())
                })?
            }
        };
        let certificate = issue(&TbsCertificate::from_stored(Kind::DocumentSigner, &tbs)?, &csca_signer)?;
        transaction!(self.db, |tx| {
            let sql = "UPDATE document_signer SET certificate = $2 WHERE number = $1 AND certificate IS NULL";
            if tx.execute(sql, params![number, certificate.der()]).await? == 1 {
                let detail = json!({"serial": hex(certificate.serial_octets())});
                self.audit(tx, now, SYSTEM, "signer-issue", &label, detail).await?;
            }
            Ok::<_, DocSignerError>(())
        })?;
        tracing::info!(label, "document signer made");
        Ok(())
    }

    /// Marks signers whose time is over and destroys their keys; also the keys of revoked ones.
    pub(crate) async fn retire_signers(&self, now: Timestamp) -> Result<Vec<u32>> {
        let retired: Vec<u32> = transaction!(self.db, |tx| {
            let sql = "UPDATE document_signer SET state = $1 \
                WHERE state = $2 AND certificate IS NOT NULL AND sign_until <= $3 RETURNING number";
            let states = (SignerState::Retired.as_str(), SignerState::Active.as_str());
            let rows = tx.all(sql, params![states.0, states.1, now]).await?;
            let numbers = rows.iter().map(|row| row.read::<u32>(0)).collect::<store::Result<Vec<_>>>()?;
            for number in &numbers {
                self.audit(tx, now, SYSTEM, "signer-retire", &format!("ds-{number}"), json!({})).await?;
            }
            Ok::<_, DocSignerError>(numbers)
        })?;
        let sql = "SELECT key_label FROM document_signer WHERE state <> $1 AND certificate IS NOT NULL";
        let over = self.db.all(sql, params![SignerState::Active.as_str()]).await?;
        let over = over.iter().map(|row| row.read::<String>(0)).collect::<store::Result<Vec<_>>>()?;
        if !over.is_empty() {
            for key in self.keys.list()?.iter().filter(|key| over.contains(&key.label)) {
                self.keys.destroy(&key.label)?;
                tracing::info!(label = key.label, "document signer's key destroyed");
            }
        }
        Ok(retired)
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
