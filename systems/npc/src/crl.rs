//! Revocation lists: one complete list that every reader understands, and the partitions that stand first in the
//! certificates.
//!
//! Every change of a state raises the counter of its lists. A list is handed out only if it covers the counter's present
//! value and is young enough, else a new one is made first: no reader gets a list that lacks a change already made,
//! whichever process made it. Numbers ascend per list: a number is taken in the transaction that reads the entries and
//! stores the bytes to be signed, and never again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use store::{Row, params, transaction};
use x509::crl::{self, Lifetime, Reason, Revoked, TbsCrl};

use crate::authority::{Party, hex, off_thread};
use crate::request::sha256;
use crate::row::serial;
use crate::{Npc, NpcError, Result};

/// Which list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The root's list of revoked CAs.
    Root,
    /// All revoked certificates of citizens, without issuingDistributionPoint.
    Complete,
    /// Those of one partition.
    Partition(u16),
}

impl Scope {
    pub(crate) fn all(partitions: u16) -> Vec<Self> {
        [Self::Root, Self::Complete].into_iter().chain((0..partitions).map(Self::Partition)).collect()
    }

    /// Its key in the tables.
    pub(crate) fn key(self) -> i64 {
        match self {
            Self::Root => -2,
            Self::Complete => -1,
            Self::Partition(number) => i64::from(number),
        }
    }
}

/// A signed list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedCrl {
    /// CRLNumber.
    pub number: u64,
    /// When it was made.
    pub this_update: Timestamp,
    /// When the next one exists at the latest.
    pub next_update: Timestamp,
    /// The list, DER.
    pub der: Vec<u8>,
    /// An entity tag for HTTP.
    pub etag: String,
}

#[derive(Default)]
pub(crate) struct Cache {
    lists: Mutex<HashMap<Scope, Arc<PublishedCrl>>>,
    issuing: tokio::sync::Mutex<()>,
}

impl Npc {
    /// All lists of this CA.
    pub fn scopes(&self) -> Vec<Scope> {
        Scope::all(self.config.partitions)
    }

    /// The list that is right at `now`; made anew if a state has changed since the last, or if half of its time is over.
    pub async fn crl(&self, scope: Scope, now: Timestamp) -> Result<Arc<PublishedCrl>> {
        if let Some(list) = self.present_list(scope, now).await? {
            return Ok(list);
        }
        // One list at a time in this process; another process may make the same list, under another number.
        let _turn = self.crls.issuing.lock().await;
        match self.present_list(scope, now).await? {
            Some(list) => Ok(list),
            None => self.issue_list(scope, now).await,
        }
    }

    async fn present_list(&self, scope: Scope, now: Timestamp) -> Result<Option<Arc<PublishedCrl>>> {
        let sql = "SELECT s.change AS present, c.number, c.change, c.this_update, c.next_update \
            FROM crl_scope s JOIN crl c ON c.scope = s.scope AND c.der IS NOT NULL \
            WHERE s.scope = $1 ORDER BY c.number DESC LIMIT 1";
        let Some(row) = self.db.optional(sql, params![scope.key()]).await? else { return Ok(None) };
        let covers = row.read::<i64>("present")? == row.read::<i64>("change")?;
        let due = row.read::<Timestamp>("this_update")? + self.list_lifetime(scope) / 2;
        if !covers || now >= due {
            return Ok(None);
        }
        let number: u64 = row.read("number")?;
        let cached = self.lists().get(&scope).filter(|list| list.number == number).cloned();
        match cached {
            Some(list) => Ok(Some(list)),
            None => self.load_list(scope, number, &row).await.map(Some),
        }
    }

    async fn load_list(&self, scope: Scope, number: u64, row: &Row) -> Result<Arc<PublishedCrl>> {
        let sql = "SELECT der FROM crl WHERE scope = $1 AND number = $2";
        let der = self.db.one(sql, params![scope.key(), number as i64]).await?.read(0)?;
        Ok(self.keep(scope, number, row.read("this_update")?, row.read("next_update")?, der))
    }

    async fn issue_list(&self, scope: Scope, now: Timestamp) -> Result<Arc<PublishedCrl>> {
        let authority = self.authority();
        let (tbs, life) = self.store_list(scope, now, authority_of(&authority, scope)).await?;
        let signing = authority.clone();
        let der =
            off_thread(move || crl::issue(&tbs, authority_of(&signing, scope).signer.as_ref())).await??;
        transaction!(self.db, |tx| {
            let sql = "UPDATE crl SET der = $3, tbs = NULL WHERE scope = $1 AND number = $2";
            tx.execute_one(sql, params![scope.key(), life.number as i64, &der]).await?;
            let sql = "DELETE FROM crl WHERE scope = $1 AND number < $2";
            tx.execute(sql, params![scope.key(), life.number as i64]).await?;
            Ok::<_, NpcError>(())
        })?;
        tracing::info!(?scope, number = life.number, bytes = der.len(), "revocation list issued");
        Ok(self.keep(scope, life.number, life.this_update, life.next_update, der))
    }

    /// Reads the entries, takes the next number and stores the bytes to be signed, in one transaction.
    async fn store_list(&self, scope: Scope, now: Timestamp, issuer: &Party) -> Result<(TbsCrl, Lifetime)> {
        let this_update =
            Timestamp::from_second(now.as_second()).map_err(|_| NpcError::Request("time out of range"))?;
        let next_update = this_update + self.list_lifetime(scope);
        transaction!(self.db, |tx| {
            let sql = "SELECT change FROM crl_scope WHERE scope = $1";
            let change: i64 = tx.one(sql, params![scope.key()]).await?.read(0)?;
            let sql = "SELECT number, this_update FROM crl WHERE scope = $1 ORDER BY number DESC LIMIT 1";
            let last = tx.optional(sql, params![scope.key()]).await?;
            let (number, since) = match &last {
                Some(row) => (row.read::<u64>(0)? + 1, row.read(1)?),
                None => (1, Timestamp::UNIX_EPOCH),
            };
            // RFC 5280 §3.3: an entry stays until one list beyond the certificate's period, that is, while the
            // certificate was valid when the last list was made.
            let rows = match scope {
                Scope::Root => Vec::new(),
                Scope::Complete => tx.all(COMPLETE, params![since]).await?,
                Scope::Partition(partition) => tx.all(PARTITION, params![since, partition]).await?,
            };
            let entries = rows.iter().map(entry).collect::<Result<Vec<_>>>()?;
            let life = Lifetime { number, this_update, next_update };
            let tbs = match scope {
                Scope::Root | Scope::Complete => crl::complete(&issuer.issuer, life, entries)?,
                Scope::Partition(partition) => {
                    crl::partition(&issuer.issuer, life, &self.config.urls.partition_crl(partition), entries)?
                }
            };
            tx.execute_one(
                "INSERT INTO crl (scope, number, change, this_update, next_update, tbs) VALUES ($1, $2, $3, $4, $5, $6)",
                params![scope.key(), number as i64, change, this_update, next_update, tbs.tbs_der()],
            )
            .await?;
            Ok((tbs, life))
        })
    }

    fn keep(
        &self,
        scope: Scope,
        number: u64,
        this_update: Timestamp,
        next_update: Timestamp,
        der: Vec<u8>,
    ) -> Arc<PublishedCrl> {
        let etag = format!("\"{number}-{}\"", &hex(&sha256(&der))[..16]);
        let list = Arc::new(PublishedCrl { number, this_update, next_update, der, etag });
        self.lists().insert(scope, list.clone());
        list
    }

    fn lists(&self) -> std::sync::MutexGuard<'_, HashMap<Scope, Arc<PublishedCrl>>> {
        self.crls.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A CA is revoked hardly ever: the root's list lives longer.
    fn list_lifetime(&self, scope: Scope) -> SignedDuration {
        match scope {
            Scope::Root => self.config.crl_lifetime * 30,
            _ => self.config.crl_lifetime,
        }
    }
}

fn authority_of(authority: &crate::authority::Authority, scope: Scope) -> &Party {
    match scope {
        Scope::Root => &authority.root,
        _ => &authority.ca,
    }
}

fn entry(row: &Row) -> Result<Revoked> {
    let reason = Reason::from_code(row.read("reason")?).ok_or(NpcError::Inconsistent("reason"))?;
    Ok(Revoked { serial: serial(row)?, at: row.read("status_at")?, reason })
}

const COMPLETE: &str = "SELECT serial, status_at, reason FROM certificate \
    WHERE status > 0 AND not_after >= $1 ORDER BY serial";
const PARTITION: &str = "SELECT serial, status_at, reason FROM certificate \
    WHERE status > 0 AND not_after >= $1 AND partition_no = $2 ORDER BY serial";
