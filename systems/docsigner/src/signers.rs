//! Document signers: planned, certified, used up, revoked, their keys destroyed (ICAO Doc 9303-12 §5.2).
//!
//! A signer ends by time or by the number of its signatures, whichever comes first; its successor is made when a tenth of
//! either is left. Then its private key is destroyed: from that moment nobody can sign with it, whatever the clock says.

use std::collections::BTreeSet;

use curve::Random;
use jiff::Timestamp;
use keys::Purpose;
use serde_json::json;
use store::{params, transaction};
use x509::Serial;
use x509::certificate::Kind;
use x509::certificate::profiles::{self, DocumentSigner, Issuer};

use crate::csca::Csca;
use crate::once::Once;
use crate::service::SYSTEM;
use crate::{DocSigner, DocSignerError, Result, SignerState};

const TBS: Once = Once {
    read: "SELECT tbs FROM document_signer WHERE number = $1",
    write: "UPDATE document_signer SET tbs = $2, sign_until = $3 WHERE number = $1 AND tbs IS NULL",
};
const CERTIFICATE: Once = Once {
    read: "SELECT certificate FROM document_signer WHERE number = $1",
    write: "UPDATE document_signer SET certificate = $2 WHERE number = $1 AND certificate IS NULL",
};

impl DocSigner {
    /// Plans as many document signers of the present generation as are missing and finishes every planned one.
    pub(crate) async fn establish_signers(
        &self,
        now: Timestamp,
        rng: &mut (dyn Random + Send),
    ) -> Result<Vec<u32>> {
        let csca = self.csca().await?;
        self.check_clock(&csca, now)?;
        let wanted = i64::from(self.config.parallel_signers);
        let quota = i64::from(self.config.signer_signatures);
        let planned: Vec<i64> = transaction!(self.db, |tx| {
            // A signer in its last tenth is about to be replaced; a planned one has no end yet.
            let tail = i64::from(self.config.signer_signs_days) * 86_400_000_000 / 10;
            let soon = now.as_microsecond() + tail;
            let sql = "SELECT count(*) FROM document_signer \
                WHERE state = $1 AND generation = $4 AND (tbs IS NULL OR (sign_until > $2 AND asked < $3))";
            let values = params![SignerState::Active.as_str(), soon, quota - quota / 10, csca.generation];
            let present = tx.one(sql, values).await?.read::<i64>(0)?;
            let sql = "SELECT COALESCE(MAX(number), 0) FROM document_signer";
            let last = tx.one(sql, params![]).await?.read::<i64>(0)?;
            if present < wanted && now >= csca.sign_until {
                return Err(DocSignerError::CscaRetired);
            }
            for number in last + 1..=last + wanted - present {
                let label = label(number);
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
            self.finish_signer(*number, now, rng).await?;
        }
        Ok(planned.into_iter().filter_map(|number| u32::try_from(number).ok()).collect())
    }

    async fn finish_signer(&self, number: i64, now: Timestamp, rng: &mut (dyn Random + Send)) -> Result<()> {
        let label = label(number);
        // The generation that was current when the signer was planned, also after a roll-over.
        let sql = "SELECT generation FROM document_signer WHERE number = $1";
        let generation = self.db.one(sql, params![number]).await?.read::<i64>(0)?;
        let csca = self.generations().await?.into_iter().find(|csca| csca.generation == generation);
        let csca = csca.ok_or(DocSignerError::Inconsistent("the generation of a signer"))?;
        let csca_signer = self.csca_signer(&csca)?;
        if self.stored(&TBS, number).await?.is_none() {
            let kind = self.config.signer_key;
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
                authority: &self.config.authority(generation),
            })?;
            tbs.inspect()?;
            let until = Some(signs.not_after());
            self.keep_first(&TBS, number, tbs.tbs_der(), until, ("signer-prepare", &label), now).await?;
        }
        let event = ("signer-issue", label.as_str());
        self.certify(&TBS, &CERTIFICATE, number, Kind::DocumentSigner, &csca_signer, event, now).await?;
        Ok(())
    }

    /// Marks signers whose time or number of signatures is over, and destroys the keys of all that sign no more.
    pub(crate) async fn retire_signers(&self, now: Timestamp) -> Result<Vec<u32>> {
        let retired: Vec<u32> = transaction!(self.db, |tx| {
            // One that is used up is left until what was asked of it is signed.
            let sql = "UPDATE document_signer SET state = $1 \
                WHERE state = $2 AND certificate IS NOT NULL AND (sign_until <= $3 OR (asked >= $4 AND NOT EXISTS \
                (SELECT 1 FROM signature s WHERE s.signer = document_signer.number AND s.signature IS NULL))) \
                RETURNING number";
            let states = (SignerState::Retired.as_str(), SignerState::Active.as_str());
            let quota = i64::from(self.config.signer_signatures);
            let rows = tx.all(sql, params![states.0, states.1, now, quota]).await?;
            let numbers =
                rows.iter().map(|row| row.read::<u32>(0)).collect::<store::Result<BTreeSet<_>>>()?;
            // In the order of their numbers, which RETURNING does not promise.
            for number in &numbers {
                self.audit(tx, now, SYSTEM, "signer-retire", &format!("ds-{number}"), json!({})).await?;
            }
            Ok::<_, DocSignerError>(numbers.into_iter().collect())
        })?;
        let sql = "SELECT key_label FROM document_signer \
            WHERE state <> $1 AND certificate IS NOT NULL AND key_destroyed_at IS NULL ORDER BY number";
        let rows = self.db.all(sql, params![SignerState::Active.as_str()]).await?;
        for row in rows {
            let mark = "UPDATE document_signer SET key_destroyed_at = $2 \
                WHERE key_label = $1 AND key_destroyed_at IS NULL";
            self.destroy_key(&row.read::<String>(0)?, mark, now).await?;
        }
        Ok(retired)
    }

    /// Destroys a key, if it is still there, and then notes that it is gone.
    pub(crate) async fn destroy_key(&self, label: &str, mark: &'static str, now: Timestamp) -> Result<()> {
        if self.keys.list()?.iter().any(|key| key.label == label) {
            self.keys.destroy(label)?;
        }
        transaction!(self.db, |tx| {
            if tx.execute(mark, params![label, now]).await? == 1 {
                self.audit(tx, now, SYSTEM, "key-destroy", label, json!({})).await?;
            }
            Ok::<_, DocSignerError>(())
        })?;
        tracing::info!(label, "private key destroyed");
        Ok(())
    }

    /// A clock that lies before the making of the CSCA is wrong: nothing that is signed now would ever verify.
    pub(crate) fn check_clock(&self, csca: &Csca, now: Timestamp) -> Result<()> {
        let made = csca.certificate.not_before();
        if now.as_second() < made.as_second() { Err(DocSignerError::Clock { now, made }) } else { Ok(()) }
    }
}

fn label(number: i64) -> String {
    format!("ds-{number}")
}
