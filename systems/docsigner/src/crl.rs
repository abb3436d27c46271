//! The revocation list of the country signing CA (ICAO Doc 9303-12 §7.1.4).

use jiff::Timestamp;
use serde_json::json;
use store::{params, transaction};
use x509::certificate::profiles::Issuer;
use x509::crl::{self, Lifetime, Reason, Revoked};
use x509::{Certificate, verify};

use crate::config::later;
use crate::service::SYSTEM;
use crate::{DocSigner, DocSignerError, Result, SignerState};

/// A list on its way: stored, then signed.
struct Pending {
    number: i64,
    tbs: Vec<u8>,
    list: Option<Vec<u8>>,
}

impl DocSigner {
    /// The list that is valid now. A new one is made when the last has used up a third of its time or when a signer was
    /// revoked since.
    pub(crate) async fn current_list(&self, now: Timestamp) -> Result<Vec<u8>> {
        let csca = self.csca().await?;
        let signer = self.csca_signer(&csca)?;
        let issuer = Issuer::new(&csca.certificate, &signer)?;
        let pending: Pending = transaction!(self.db, |tx| {
            let sql = "SELECT certificate, revoked_at, revoked_reason FROM document_signer \
                WHERE generation = $1 AND state = $2 ORDER BY number";
            let rows = tx.all(sql, params![csca.generation, SignerState::Revoked.as_str()]).await?;
            let sql = "SELECT number, this_update, entries, tbs, list FROM revocation_list \
                WHERE generation = $1 ORDER BY number DESC LIMIT 1";
            let last = tx.optional(sql, params![csca.generation]).await?;
            let mut number = 1;
            if let Some(last) = last {
                number = last.read::<i64>("number")? + 1;
                // A list from the future was made while the clock was wrong; nobody accepts it.
                let made: Timestamp = last.read("this_update")?;
                let fresh = made <= now && now < later(made, self.config.crl_days / 3)?;
                if fresh && last.read::<usize>("entries")? == rows.len() {
                    return Ok(Pending {
                        number: number - 1,
                        tbs: last.read("tbs")?,
                        list: last.read("list")?,
                    });
                }
            }
            let entries = rows
                .iter()
                .map(|row| {
                    let code = row.read::<u8>("revoked_reason")?;
                    Ok(Revoked {
                        serial: Certificate::parse(&row.read::<Vec<u8>>("certificate")?)?.serial()?,
                        at: row.read("revoked_at")?,
                        reason: Reason::from_code(code)
                            .ok_or(DocSignerError::Inconsistent("a reason of revocation"))?,
                    })
                })
                .collect::<Result<Vec<_>>>()?;
            let next_update = later(now, self.config.crl_days)?;
            let life = Lifetime { number: number as u64, this_update: now, next_update };
            let tbs = crl::csca(&issuer, life, &entries)?.tbs_der().to_vec();
            tx.execute_one(
                "INSERT INTO revocation_list (generation, number, this_update, next_update, entries, tbs) \
                 VALUES ($1, $2, $3, $4, $5, $6)",
                params![csca.generation, number, now, next_update, entries.len() as i64, &tbs],
            )
            .await?;
            let detail = json!({"number": number, "entries": entries.len()});
            self.audit(tx, now, SYSTEM, "list-prepare", &csca.label, detail).await?;
            Ok::<_, DocSignerError>(Pending { number, tbs, list: None })
        })?;
        if let Some(list) = pending.list {
            return Ok(list);
        }
        let signature = signer.sign(&pending.tbs).map_err(x509::Error::from)?;
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
