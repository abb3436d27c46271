//! The revocation lists of the country signing CA (ICAO Doc 9303-12 §7.1.4): one for each generation, signed by its own
//! key, so that every verifier that follows RFC 5280 finds the list of the key that issued a certificate.
//!
//! The list of the newest generation also names the revoked signers of the older ones, for verifiers that keep one list
//! for a country (all generations have one name). An entry goes when its certificate could no longer be valid anyway.

use jiff::Timestamp;
use serde_json::json;
use store::{params, transaction};
use x509::certificate::profiles::Issuer;
use x509::crl::{self, Lifetime, Reason, Revoked};
use x509::{Certificate, Signer, verify};

use crate::config::later;
use crate::csca::Csca;
use crate::service::SYSTEM;
use crate::{DocSigner, DocSignerError, Result, SignerState};

/// A list on its way: stored, then signed.
struct Pending {
    number: i64,
    tbs: Vec<u8>,
    list: Option<Vec<u8>>,
}

/// The last list that was signed.
struct Last {
    this_update: Timestamp,
    next_update: Timestamp,
    entries: Vec<u8>,
    list: Vec<u8>,
}

impl DocSigner {
    /// The list of every generation whose certificates can still be valid, by generation.
    pub async fn csca_crls(&self, now: Timestamp) -> Result<Vec<(i64, Vec<u8>)>> {
        let generations = self.generations().await?;
        let newest = generations.last().map(|csca| csca.generation);
        let mut lists = Vec::new();
        for csca in generations.iter().filter(|csca| now < csca.certificate.not_after()) {
            let whole = Some(csca.generation) == newest;
            lists.push((csca.generation, self.current_list(csca, whole, now).await?));
        }
        Ok(lists)
    }

    /// The list of a generation that is valid now. A new one is made when the last has used up a third of its time or when
    /// its entries changed. Where the key cannot be used the last one is given out for as long as it is valid.
    pub(crate) async fn current_list(&self, csca: &Csca, whole: bool, now: Timestamp) -> Result<Vec<u8>> {
        self.check_clock(csca, now)?;
        let entries = self.entries(csca, whole, now).await?;
        let serials = entries.iter().flat_map(|entry| entry.serial.octets().to_vec()).collect::<Vec<u8>>();
        let fingerprint = curve::Hash::Sha256.digest(&serials);
        let last = self.last_list(csca.generation).await?;
        if let Some(last) = &last {
            // A list from the future was made while the clock was wrong; nobody accepts it.
            let fresh = last.this_update <= now && now < later(last.this_update, self.config.crl_days / 3)?;
            if fresh && last.entries == fingerprint {
                return Ok(last.list.clone());
            }
        }
        match self.new_list(csca, &entries, &fingerprint, now).await {
            Err(DocSignerError::Keys(error)) => match last {
                // A list that lacks a revocation is never given out as the present one.
                Some(last)
                    if last.entries == fingerprint && last.this_update <= now && now < last.next_update =>
                {
                    tracing::warn!(code = error.code(), "the last revocation list is given out: {error}");
                    Ok(last.list)
                }
                Some(last) => Err(DocSignerError::ListOverdue { since: last.next_update, error }),
                None => Err(error.into()),
            },
            other => other,
        }
    }

    async fn entries(&self, csca: &Csca, whole: bool, now: Timestamp) -> Result<Vec<Revoked>> {
        let sql = "SELECT generation, certificate, revoked_at, revoked_reason FROM document_signer \
            WHERE state = $1 ORDER BY number";
        let rows = self.db.all(sql, params![SignerState::Revoked.as_str()]).await?;
        let mut entries = Vec::new();
        for row in rows {
            let certificate = Certificate::parse(&row.read::<Vec<u8>>("certificate")?)?;
            let ours = whole || row.read::<i64>("generation")? == csca.generation;
            // RFC 5280 §3.3: an entry stays until it has appeared on a list issued after the end of the certificate.
            if !ours || later(certificate.not_after(), self.config.crl_days)? <= now {
                continue;
            }
            let reason = Reason::from_code(row.read::<u8>("revoked_reason")?);
            entries.push(Revoked {
                serial: certificate.serial()?,
                at: row.read("revoked_at")?,
                reason: reason.ok_or(DocSignerError::Inconsistent("a reason of revocation"))?,
            });
        }
        Ok(entries)
    }

    async fn last_list(&self, generation: i64) -> Result<Option<Last>> {
        let sql = "SELECT this_update, next_update, fingerprint, list FROM revocation_list \
            WHERE generation = $1 AND list IS NOT NULL AND fingerprint IS NOT NULL ORDER BY number DESC LIMIT 1";
        let row = self.db.optional(sql, params![generation]).await?;
        row.map(|row| {
            Ok(Last {
                this_update: row.read("this_update")?,
                next_update: row.read("next_update")?,
                entries: row.read("fingerprint")?,
                list: row.read("list")?,
            })
        })
        .transpose()
    }

    async fn new_list(
        &self,
        csca: &Csca,
        entries: &[Revoked],
        fingerprint: &[u8],
        now: Timestamp,
    ) -> Result<Vec<u8>> {
        let signer = self.csca_signer(csca)?;
        let issuer = Issuer::new(&csca.certificate, &signer)?;
        let pending: Pending = transaction!(self.db, |tx| {
            let sql = "SELECT number, this_update, fingerprint, tbs, list FROM revocation_list \
                WHERE generation = $1 ORDER BY number DESC LIMIT 1";
            let mut number = 1;
            if let Some(last) = tx.optional(sql, params![csca.generation]).await? {
                number = last.read::<i64>("number")? + 1;
                let made: Timestamp = last.read("this_update")?;
                let fresh = made <= now && now < later(made, self.config.crl_days / 3)?;
                let same = last.read::<Option<Vec<u8>>>("fingerprint")?.as_deref() == Some(fingerprint);
                // Prepared by a call that was interrupted, or by another one at this moment.
                if fresh && same {
                    return Ok(Pending {
                        number: number - 1,
                        tbs: last.read("tbs")?,
                        list: last.read("list")?,
                    });
                }
            }
            let next_update = later(now, self.config.crl_days)?;
            let life = Lifetime { number: number as u64, this_update: now, next_update };
            let tbs = crl::csca(&issuer, life, entries)?.tbs_der().to_vec();
            tx.execute_one(
                "INSERT INTO revocation_list \
                 (generation, number, this_update, next_update, entries, fingerprint, tbs) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7)",
                params![csca.generation, number, now, next_update, entries.len() as i64, fingerprint, &tbs],
            )
            .await?;
            let detail = json!({"number": number, "entries": entries.len()});
            self.audit(tx, now, SYSTEM, "list-prepare", &csca.label, detail).await?;
            Ok::<_, DocSignerError>(Pending { number, tbs, list: None })
        })?;
        if let Some(list) = pending.list {
            return Ok(list);
        }
        let signature = signer.sign(&pending.tbs)?;
        verify(signer.spki(), signer.algorithm(), &pending.tbs, &signature)?;
        let list = crl::assemble(&pending.tbs, signer.algorithm(), &signature);
        transaction!(self.db, |tx| {
            let sql =
                "UPDATE revocation_list SET list = $3 WHERE generation = $1 AND number = $2 AND list IS NULL";
            if tx.execute(sql, params![csca.generation, pending.number, &list]).await? == 1 {
                let detail = json!({"number": pending.number});
                self.audit(tx, now, SYSTEM, "list-sign", &csca.label, detail).await?;
                return Ok(list.clone());
            }
            let sql = "SELECT list FROM revocation_list WHERE generation = $1 AND number = $2";
            Ok(tx.one(sql, params![csca.generation, pending.number]).await?.read(0)?)
        })
    }
}
