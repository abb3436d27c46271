//! Revocation lists: the partitions that stand first in the certificates, one complete list that every reader understands,
//! and a delta to each partition that nobody needs.
//!
//! A list is handed out only if it covers the last change known to this process ([`crate::feed`]) and is young enough, else a new
//! one is made first. So only lists that have changed, and those whose time is half over, are ever signed. Everything
//! handed out is in memory.
//!
//! CRLNumbers come from one sequence for all lists: a number is taken and stored, with the list's times and its place in
//! the sequence of changes, before the list is signed, and never taken again, whichever process takes over. The entries are
//! the table that [`crate::population`] keeps encoded; making a list is copying and signing it.

use std::collections::HashMap;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use jiff::{SignedDuration, Timestamp};
use store::{Row, params, transaction};
use x509::crl::{self, Crl, Lifetime, Pointers, Reason, Revoked, Table, TbsCrl};

use crate::authority::{Authority, Party, hex, off_thread};
use crate::feed::next_number;
use crate::request::sha256;
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
    /// What has changed in a partition since its base, a full list of some hours ago.
    Delta(u16),
}

impl Scope {
    /// Every list that certificates name.
    pub(crate) fn all(partitions: u16) -> Vec<Self> {
        [Self::Root, Self::Complete].into_iter().chain((0..partitions).map(Self::Partition)).collect()
    }

    /// Its key in the tables.
    pub(crate) fn key(self) -> i64 {
        match self {
            Self::Root => -2,
            Self::Complete => -1,
            Self::Partition(number) => i64::from(number),
            Self::Delta(number) => 10_000 + i64::from(number),
        }
    }
}

/// A signed list.
#[derive(Debug, Clone)]
pub struct PublishedCrl {
    /// CRLNumber.
    pub number: u64,
    /// When it was made.
    pub this_update: Timestamp,
    /// When the next one exists at the latest.
    pub next_update: Timestamp,
    /// The list, DER.
    pub der: Bytes,
    /// An entity tag for HTTP.
    pub etag: String,
    /// The last change it covers.
    covers: u64,
    compressed: Arc<tokio::sync::OnceCell<Bytes>>,
}

impl PublishedCrl {
    /// The list compressed with gzip; made once, for the first who asks.
    pub async fn gzip(&self) -> Result<Bytes> {
        let make = async || {
            let der = self.der.clone();
            off_thread(move || gzip(&der)).await?
        };
        self.compressed.get_or_try_init(make).await.cloned()
    }
}

pub(crate) fn gzip(bytes: &[u8]) -> Result<Bytes> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let done = encoder.write_all(bytes).and_then(|()| encoder.finish());
    done.map(Bytes::from).map_err(|_| NpcError::Inconsistent("compression"))
}

#[derive(Default)]
pub(crate) struct Cache {
    lists: Mutex<HashMap<Scope, Arc<PublishedCrl>>>,
    bases: Mutex<HashMap<u16, Arc<Base>>>,
    issuing: tokio::sync::Mutex<()>,
}

/// The full list that deltas are added to.
struct Base {
    number: u64,
    this_update: Timestamp,
    table: Table,
}

impl Npc {
    /// All lists of this CA that certificates name.
    pub fn scopes(&self) -> Vec<Scope> {
        Scope::all(self.config.partitions)
    }

    /// The list that is right at `now`; made anew if a state has changed since the last, or if half of its time is over.
    pub async fn crl(&self, scope: Scope, now: Timestamp) -> Result<Arc<PublishedCrl>> {
        match scope {
            Scope::Delta(partition) => self.delta_list(partition, now).await,
            _ => self.full_list(scope, now).await,
        }
    }

    async fn full_list(&self, scope: Scope, now: Timestamp) -> Result<Arc<PublishedCrl>> {
        let kept = self.kept(scope);
        match self.right_list(scope, now).await {
            // The database is away: a list that still holds is better than none, unless it is known to lack something.
            Err(error) => match kept.filter(|list| now < list.next_update && self.covers(scope, list)) {
                Some(list) => {
                    tracing::warn!(code = error.code(), ?scope, "the list of before is served");
                    Ok(list)
                }
                None => Err(error),
            },
            made => made,
        }
    }

    async fn right_list(&self, scope: Scope, now: Timestamp) -> Result<Arc<PublishedCrl>> {
        self.known_as_of(now).await?;
        if let Some(list) = self.kept(scope).filter(|list| self.is_right(scope, list, now)) {
            return Ok(list);
        }
        // One list at a time in this process; another process may make the same list, under another number.
        let _turn = self.crls.issuing.lock().await;
        if let Some(list) = self.kept(scope).filter(|list| self.is_right(scope, list, now)) {
            return Ok(list);
        }
        if let Some(list) = self.stored_list(scope).await?
            && self.is_right(scope, &list, now)
        {
            return Ok(self.keep(scope, list));
        }
        self.issue_list(scope, now).await
    }

    fn is_right(&self, scope: Scope, list: &PublishedCrl, now: Timestamp) -> bool {
        let age = now.duration_since(list.this_update);
        // A clock that went back leaves a list from the future, which nobody would accept.
        let young = age < self.list_lifetime(scope) / 2 && age > -SignedDuration::from_mins(5);
        young && (self.covers(scope, list) || age < self.least_age(scope))
    }

    fn covers(&self, scope: Scope, list: &PublishedCrl) -> bool {
        match scope {
            Scope::Root => true,
            _ => list.covers >= self.population().changed(partition(scope)),
        }
    }

    async fn stored_list(&self, scope: Scope) -> Result<Option<PublishedCrl>> {
        let sql = "SELECT number, change, this_update, next_update, der FROM crl \
            WHERE scope = $1 AND der IS NOT NULL ORDER BY number DESC LIMIT 1";
        let row = self.db.optional(sql, params![scope.key()]).await?;
        row.as_ref().map(published).transpose()
    }

    async fn issue_list(&self, scope: Scope, now: Timestamp) -> Result<Arc<PublishedCrl>> {
        let this_update = whole_second(now)?;
        let next_update = this_update + self.list_lifetime(scope);
        let covers = self.population().seq();
        let (number, since) = transaction!(self.db, |tx| {
            let sql = "SELECT MAX(this_update) FROM crl WHERE scope = $1 AND der IS NOT NULL";
            let since = tx.one(sql, params![scope.key()]).await?.read::<Option<Timestamp>>(0)?;
            let number = next_number(tx, "crl", 1).await?;
            tx.execute_one(
                "INSERT INTO crl (scope, number, change, this_update, next_update) VALUES ($1, $2, $3, $4, $5)",
                params![scope.key(), number as i64, covers as i64, this_update, next_update],
            )
            .await?;
            Ok::<_, NpcError>((number, since.unwrap_or(Timestamp::UNIX_EPOCH)))
        })?;
        let life = Lifetime { number, this_update, next_update };
        let (tbs, covers) = self.to_be_signed_list(scope, life, since)?;
        let der = self.signed(scope, tbs).await?;
        transaction!(self.db, |tx| {
            let sql = "UPDATE crl SET der = $3, change = $4 WHERE scope = $1 AND number = $2";
            tx.execute_one(sql, params![scope.key(), number as i64, &der, covers as i64]).await?;
            let sql = "DELETE FROM crl WHERE scope = $1 AND number < $2";
            tx.execute(sql, params![scope.key(), number as i64]).await?;
            Ok::<_, NpcError>(())
        })?;
        tracing::info!(?scope, number, bytes = der.len(), "revocation list issued");
        Ok(self.keep(scope, new_list(life, covers, der)))
    }

    fn to_be_signed_list(&self, scope: Scope, life: Lifetime, since: Timestamp) -> Result<(TbsCrl, u64)> {
        let authority = self.authority();
        if scope == Scope::Root {
            return Ok((crl::complete(&authority.root.issuer, life, [])?, 0));
        }
        let urls = &self.config.urls;
        let mut population = self.population_mut();
        let covers = population.seq();
        let table = population.table(partition(scope), since)?;
        let made = match scope {
            Scope::Partition(n) => {
                self.note_base(n, life, table);
                let (uri, freshest) = (urls.partition_crl(n), urls.delta_crl(n));
                let pointers = Pointers { partition: Some(&uri), freshest: Some(&freshest), base: None };
                crl::from_table(&authority.ca.issuer, life, table, pointers)?
            }
            // A reader that knows no partitions may know no deltas either.
            _ => crl::from_table(&authority.ca.issuer, life, table, Pointers::default())?,
        };
        Ok((made, covers))
    }

    async fn signed(&self, scope: Scope, tbs: TbsCrl) -> Result<Vec<u8>> {
        let authority = self.authority();
        Ok(off_thread(move || crl::issue(&tbs, authority_of(&authority, scope).signer.as_ref())).await??)
    }

    /// A base serves until half of a list's time is over: until then every reader has fetched it anyway.
    fn note_base(&self, partition: u16, life: Lifetime, table: &Table) {
        let mut bases = self.crls.bases.lock().unwrap_or_else(PoisonError::into_inner);
        let old = |base: &Arc<Base>| {
            life.this_update.duration_since(base.this_update) >= self.config.crl_lifetime / 2
        };
        if bases.get(&partition).is_none_or(old) {
            let base = Base { number: life.number, this_update: life.this_update, table: table.clone() };
            bases.insert(partition, Arc::new(base));
        }
    }

    /// The delta to a partition: under the number of the full list of the same moment (RFC 5280 §5.2.4), from which it takes
    /// its times. Made for the first who asks; it needs no number of its own and is not stored.
    async fn delta_list(&self, number: u16, now: Timestamp) -> Result<Arc<PublishedCrl>> {
        let scope = Scope::Delta(number);
        let full = self.full_list(Scope::Partition(number), now).await?;
        let fitting = |list: &Arc<PublishedCrl>| list.number == full.number;
        if let Some(list) = self.kept(scope).filter(fitting) {
            return Ok(list);
        }
        let _turn = self.crls.issuing.lock().await;
        if let Some(list) = self.kept(scope).filter(fitting) {
            return Ok(list);
        }
        // Exactly what the full list says, also if more has become known since.
        let parsed = Crl::parse(&full.der)?;
        let present = Table::new(parsed.entries().map_while(Result::ok).filter_map(|e| {
            let serial = x509::Serial::from_octets(e.serial).ok()?;
            Some(Revoked { serial, at: e.at, reason: e.reason })
        }))?;
        let base = self.crls.bases.lock().unwrap_or_else(PoisonError::into_inner).get(&number).cloned();
        // A list that another process made is its own base here.
        let base = base.filter(|base| base.number <= full.number).unwrap_or_else(|| {
            let base = Base { number: full.number, this_update: full.this_update, table: present.clone() };
            Arc::new(base)
        });
        let removed = base.table.iter().filter(|entry| present.find(&entry.serial).is_none());
        let removed = removed.map(|entry| Revoked { reason: Reason::RemoveFromCrl, ..entry });
        let changed = present.iter().filter(|e| base.table.find(&e.serial) != Some((e.at, e.reason)));
        let mut entries: Vec<Revoked> = changed.chain(removed).collect();
        entries.sort_by_key(|entry| entry.serial);
        let life =
            Lifetime { number: full.number, this_update: full.this_update, next_update: full.next_update };
        let uri = self.config.urls.partition_crl(number);
        let tbs = crl::delta(&self.authority().ca.issuer, life, &uri, base.number, entries)?;
        let der = self.signed(scope, tbs).await?;
        Ok(self.keep(scope, new_list(life, full.covers, der)))
    }

    fn keep(&self, scope: Scope, list: PublishedCrl) -> Arc<PublishedCrl> {
        let list = Arc::new(list);
        self.lists().insert(scope, list.clone());
        list
    }

    fn kept(&self, scope: Scope) -> Option<Arc<PublishedCrl>> {
        self.lists().get(&scope).cloned()
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

    /// How old a list must at least be before a change makes a new one.
    fn least_age(&self, scope: Scope) -> SignedDuration {
        match scope {
            Scope::Complete => self.config.complete_crl_interval,
            _ => self.config.partition_crl_interval,
        }
    }
}

fn partition(scope: Scope) -> Option<u16> {
    match scope {
        Scope::Partition(n) | Scope::Delta(n) => Some(n),
        Scope::Root | Scope::Complete => None,
    }
}

fn authority_of(authority: &Authority, scope: Scope) -> &Party {
    match scope {
        Scope::Root => &authority.root,
        _ => &authority.ca,
    }
}

fn published(row: &Row) -> Result<PublishedCrl> {
    let life = Lifetime {
        number: row.read("number")?,
        this_update: row.read("this_update")?,
        next_update: row.read("next_update")?,
    };
    Ok(new_list(life, row.read("change")?, row.read("der")?))
}

fn new_list(life: Lifetime, covers: u64, der: Vec<u8>) -> PublishedCrl {
    let Lifetime { number, this_update, next_update } = life;
    let etag = format!("\"{number}-{}\"", &hex(&sha256(&der))[..16]);
    PublishedCrl {
        number,
        this_update,
        next_update,
        der: der.into(),
        etag,
        covers,
        compressed: Arc::default(),
    }
}

pub(crate) fn whole_second(at: Timestamp) -> Result<Timestamp> {
    Timestamp::from_second(at.as_second()).map_err(|_| NpcError::Request("time out of range"))
}
