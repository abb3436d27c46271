//! Revocation lists: the partitions that stand first in the certificates, one complete list that every reader understands,
//! and a delta to each partition that nobody needs.
//!
//! A list is handed out only if it covers the last change known to this process ([`crate::feed`]) and is young enough, else a new
//! one is made first. A long list is not made anew for whoever asks before it is a second old for each of its megabytes (ADR 37):
//! otherwise anybody who asks after each change would keep the CA busy with it. So only lists that have changed, and those whose
//! time is half over, are ever signed. Everything handed out is in memory.
//!
//! All generations of the CA have one name, and a complete list has no scope: so that of every generation, signed by its own key,
//! has the listed certificates of all (RFC 5280 §5). Whichever a relying party picks by the name of the issuer, it
//! tells the truth. No two certificates of that name have one serial number. Partitions and deltas name their scope, and have the
//! certificates of their generation.
//!
//! CRLNumbers come from one sequence for all lists: a number is taken and stored, with the list's times and its place in
//! the sequence of changes, before the list is signed, and never taken again, whichever process takes over. The entries are
//! the table that [`crate::population`] keeps encoded; making a list is copying and signing it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use store::{Row, Tx, params, transaction};
use x509::crl::{self, Lifetime, Pointers, Reason, Revoked, TbsCrl};

use crate::authority::{hex, off_thread};
use crate::compress::Compressed;
use crate::feed::next_number_after;
use crate::population;
use crate::request::sha256;
use crate::{Npc, NpcError, Result, SYSTEM};

/// Which list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The root's list of revoked CAs.
    Root,
    /// All revoked certificates of citizens, of every generation, without issuingDistributionPoint.
    Complete,
    /// Those of one partition.
    Partition(u16),
    /// What has changed in a partition since its base, a full list of some hours ago.
    Delta(u16),
}

/// A list of one generation of the issuing CA, or of one root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct List {
    /// The number of the generation; of the root, if it is a root's.
    pub generation: u32,
    /// Which of its lists.
    pub scope: Scope,
}

impl List {
    /// Its file name, the last part of its address: generation 1 has `npc-3.crl`, generation 2 `npc-g2-3.crl`.
    pub fn file(self) -> String {
        let generation = match self.generation {
            1 => String::new(),
            number => format!("-g{number}"),
        };
        match self.scope {
            Scope::Root => format!("npc-root{generation}.crl"),
            Scope::Complete => format!("npc{generation}.crl"),
            Scope::Partition(number) => format!("npc{generation}-{number}.crl"),
            Scope::Delta(number) => format!("npc{generation}-{number}-delta.crl"),
        }
    }

    /// The list of this file name. One name for each list: no leading zeros, no plus.
    pub fn of_file(name: &str) -> Option<Self> {
        let rest = name.strip_suffix(".crl")?.strip_prefix("npc")?;
        let (rest, root) = rest.strip_prefix("-root").map_or((rest, false), |rest| (rest, true));
        let (generation, rest) = match rest.strip_prefix("-g") {
            None => (1, rest),
            Some(rest) => {
                let (number, rest) = rest.split_at(rest.find('-').unwrap_or(rest.len()));
                (number.parse().ok()?, rest)
            }
        };
        let scope = match rest.strip_prefix('-') {
            _ if root => Scope::Root,
            None => Scope::Complete,
            Some(rest) => match rest.strip_suffix("-delta") {
                Some(number) => Scope::Delta(number.parse().ok()?),
                None => Scope::Partition(rest.parse().ok()?),
            },
        };
        let list = Self { generation, scope };
        (generation > 0 && list.file() == name).then_some(list)
    }

    /// Its key in the tables.
    pub(crate) fn key(self) -> i64 {
        let within = match self.scope {
            Scope::Root => -2,
            Scope::Complete => -1,
            Scope::Partition(number) => i64::from(number),
            Scope::Delta(number) => 10_000 + i64::from(number),
        };
        (i64::from(self.generation) - 1) * 100_000 + within
    }

    fn partition(self) -> Option<u16> {
        match self.scope {
            Scope::Partition(n) | Scope::Delta(n) => Some(n),
            Scope::Root | Scope::Complete => None,
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
    /// The last change it covers; none if it is of before the database went back, and covers nothing that can be told.
    pub(crate) covers: Option<u64>,
    compressed: Compressed,
}

impl PublishedCrl {
    /// The list compressed with gzip: made when the list is published; none while that goes on, nor where it is not shorter.
    pub fn gzip(&self) -> Option<Bytes> {
        self.compressed.get()
    }
}

#[derive(Default)]
pub(crate) struct Cache {
    lists: Mutex<HashMap<List, Arc<PublishedCrl>>>,
    // The highest number that this process has taken or knows of.
    newest: AtomicU64,
    // How often all lists were forgotten: one that was made from what was known before counts no more.
    era: AtomicU64,
    issuing: tokio::sync::Mutex<()>,
    complete: tokio::sync::Mutex<()>,
}

impl Cache {
    /// The turn of making such a list. A complete list can take half a minute, for which no partition waits.
    pub(crate) fn turn(&self, scope: Scope) -> &tokio::sync::Mutex<()> {
        match scope {
            Scope::Complete => &self.complete,
            _ => &self.issuing,
        }
    }
}

impl Npc {
    /// All lists that certificates name, of every root and every generation.
    pub fn lists(&self) -> Vec<List> {
        let authority = self.authority();
        // What another's root has revoked it tells by itself.
        let own = authority.roots.iter().filter(|root| !root.is_foreign());
        let roots = own.map(|root| List { generation: root.number, scope: Scope::Root });
        let generations = authority.generations.iter().flat_map(|generation| {
            let scopes =
                [Scope::Complete].into_iter().chain((0..generation.partitions).map(Scope::Partition));
            scopes.map(|scope| List { generation: generation.number, scope })
        });
        roots.chain(generations).collect()
    }

    /// The lists that certificates issued now name.
    pub fn scopes(&self) -> Vec<Scope> {
        let authority = self.authority();
        let root = (!authority.root.is_foreign()).then_some(Scope::Root);
        let partitions = (0..authority.issuing.partitions).map(Scope::Partition);
        root.into_iter().chain([Scope::Complete]).chain(partitions).collect()
    }

    /// A list of the generation that issues, or of the root of the moment.
    pub async fn crl(&self, scope: Scope, now: Timestamp) -> Result<Arc<PublishedCrl>> {
        let generation = match scope {
            Scope::Root => self.authority().root.number,
            _ => self.authority().issuing.number,
        };
        self.list(List { generation, scope }, now).await
    }

    /// The list that is right at `now`; made anew if a state has changed since the last, or if half of its time is over.
    pub async fn list(&self, list: List, now: Timestamp) -> Result<Arc<PublishedCrl>> {
        match list.scope {
            Scope::Delta(partition) => self.delta_list(list.generation, partition, now).await,
            _ => self.full_list(list, now).await,
        }
    }

    /// Whether there is such a list.
    pub(crate) fn publishes(&self, list: List) -> bool {
        let authority = self.authority();
        match list.scope {
            Scope::Root => authority.root_of(list.generation).is_some_and(|root| !root.is_foreign()),
            scope => authority.generation(list.generation).is_some_and(|generation| match scope {
                Scope::Partition(n) | Scope::Delta(n) => n < generation.partitions,
                _ => true,
            }),
        }
    }

    pub(crate) async fn full_list(&self, list: List, now: Timestamp) -> Result<Arc<PublishedCrl>> {
        let kept = self.kept(list);
        match self.right_list(list, now).await {
            // The database is away: a list that still holds is better than none, unless it is known to lack something.
            Err(error) => match kept.filter(|kept| {
                now < kept.next_update && (self.covers(list, kept) || self.is_right(list, kept, now))
            }) {
                Some(kept) => {
                    tracing::warn!(code = error.code(), ?list, "the list of before is served");
                    Ok(kept)
                }
                None => Err(error),
            },
            made => made,
        }
    }

    async fn right_list(&self, list: List, now: Timestamp) -> Result<Arc<PublishedCrl>> {
        self.known_as_of(now).await?;
        let era = self.era();
        if let Some(kept) = self.kept(list).filter(|kept| self.is_right(list, kept, now)) {
            return Ok(kept);
        }
        // One list at a time in this process; another process may make the same list, under another number.
        let _turn = self.crls.turn(list.scope).lock().await;
        if let Some(kept) = self.kept(list).filter(|kept| self.is_right(list, kept, now)) {
            return Ok(kept);
        }
        if let Some(stored) = self.stored_list(list).await?
            && self.is_right(list, &stored, now)
        {
            return Ok(self.keep(list, era, stored).await);
        }
        self.issue_list(list, now).await
    }

    fn is_right(&self, list: List, made: &PublishedCrl, now: Timestamp) -> bool {
        let age = now.duration_since(made.this_update);
        // A clock that went back leaves a list from the future, which nobody would accept.
        let young = age < self.list_lifetime(list.scope) / 2 && age > -SignedDuration::from_mins(5);
        // Of one from before the database went back nobody knows whether a later one was told: it does not count, however young it is.
        young && made.covers.is_some() && (self.covers(list, made) || age < self.least_age(list.scope, made))
    }

    fn covers(&self, list: List, made: &PublishedCrl) -> bool {
        match list.scope {
            // The hierarchy's own number: revoked CAs are few, and every change of the hierarchy makes new root lists.
            Scope::Root => made.covers >= Some(self.authority().version()),
            _ => {
                let changed = self.populations().changed(list.generation, list.partition());
                changed.is_some_and(|changed| made.covers >= Some(changed))
            }
        }
    }

    async fn stored_list(&self, list: List) -> Result<Option<PublishedCrl>> {
        let sql = "SELECT number, change, this_update, next_update, der FROM crl \
            WHERE scope = $1 AND der IS NOT NULL ORDER BY number DESC LIMIT 1";
        let row = self.db.optional(sql, params![list.key()]).await?;
        row.as_ref().map(published).transpose()
    }

    async fn issue_list(&self, list: List, now: Timestamp) -> Result<Arc<PublishedCrl>> {
        for _ in 0..MOST_OVERTAKEN {
            let era = self.era();
            if let Some(made) = self.try_list(list, now).await? {
                return Ok(self.keep(list, era, made).await);
            }
            // Another process has signed one under a later number meanwhile: there is to be no other after it.
            if let Some(stored) = self.stored_list(list).await?
                && self.is_right(list, &stored, now)
            {
                return Ok(self.keep(list, era, stored).await);
            }
        }
        Err(NpcError::Inconsistent("a list that others overtake again and again"))
    }

    /// Numbers a list, signs it and stores it; nothing if one with a later number was stored in the meantime.
    async fn try_list(&self, list: List, now: Timestamp) -> Result<Option<PublishedCrl>> {
        let this_update = whole_second(now)?;
        let next_update = this_update + self.list_lifetime(list.scope);
        if let Scope::Root = list.scope {
            // Before a number is spent: no list of a root whose key is another's is made here.
            self.authority().root_of(list.generation).ok_or(UNKNOWN)?.party()?;
        }
        let covers = self.populations().seq();
        // An entry leaves the complete lists together, once it stood in one of each.
        let beside: Vec<List> = match list.scope {
            Scope::Complete => {
                let authority = self.authority();
                let of = authority.generations.iter();
                of.map(|generation| List { generation: generation.number, ..list }).collect()
            }
            _ => vec![list],
        };
        let (number, since) = transaction!(self.db, |tx| {
            let sql = "SELECT MAX(this_update) FROM crl WHERE scope = $1 AND der IS NOT NULL";
            let mut since = this_update;
            for list in &beside {
                let last = tx.one(sql, params![list.key()]).await?.read::<Option<Timestamp>>(0)?;
                since = since.min(last.unwrap_or(Timestamp::UNIX_EPOCH));
            }
            let number = next_number_after(tx, "crl", 1, self.newest_list()).await?;
            tx.execute_one(
                "INSERT INTO crl (scope, number, change, this_update, next_update) VALUES ($1, $2, $3, $4, $5)",
                params![list.key(), number as i64, covers as i64, this_update, next_update],
            )
            .await?;
            Ok::<_, NpcError>((number, since))
        })?;
        self.know_list(number);
        let life = Lifetime { number, this_update, next_update };
        let revoked = self.revoked_authorities(list).await?;
        let era = self.era();
        let (tbs, covers) = self.to_be_signed_list(list, life, since, revoked)?;
        let der = self.signed(list, tbs).await?;
        let made = new_list(life, (era == self.era()).then_some(covers), der);
        let stored = transaction!(self.db, |tx| {
            // Taken first, as wherever lists are stored.
            audit::append_all(tx, &[]).await?;
            if !self.store_list(tx, list, &made).await? {
                return Ok(None);
            }
            let detail = issued(&[(list, &made)]);
            Ok::<_, NpcError>(Some(self.audit(tx, "crl-issue", "lists", SYSTEM, detail, now).await?))
        })?;
        let Some(end) = stored else {
            tracing::info!(?list, number, "another process was faster with this list");
            return Ok(None);
        };
        self.note_own_end(end);
        tracing::info!(?list, number, bytes = made.der.len(), "revocation list issued");
        Ok(Some(made))
    }

    /// Makes every list anew that lacks a change, however young it is.
    pub(crate) async fn publish_lists(&self, now: Timestamp) -> Result<()> {
        self.read_changes(now).await?;
        self.renew_lists(now, true).await
    }

    /// Makes the lists anew that have to be, or that are not there at all.
    pub(crate) async fn renew_due_lists(&self, now: Timestamp) -> Result<()> {
        self.read_changes(now).await?;
        self.renew_lists(now, false).await
    }

    /// Whether a list is to be made anew: at once, or when its time has come.
    fn is_due(&self, list: List, made: Option<&PublishedCrl>, now: Timestamp, at_once: bool) -> bool {
        if at_once {
            let changed = self.populations().changed(list.generation, list.partition()).unwrap_or(0);
            let of_before = made.is_some_and(|made| made.covers.is_none());
            let covers = made.and_then(|made| made.covers).unwrap_or(0);
            return list.scope != Scope::Root && (of_before || changed > covers);
        }
        made.is_none_or(|made| !self.is_right(list, made, now))
    }

    async fn renew_lists(&self, now: Timestamp, at_once: bool) -> Result<()> {
        let mut partitions = Vec::new();
        // One list that cannot be made keeps no other from being made: their signers, and those who wait for them, are others.
        let mut failed = None;
        for list in self.lists() {
            let kept = self.kept(list);
            if kept.is_some_and(|kept| !self.is_due(list, Some(&kept), now, at_once)) {
                continue;
            }
            let era = self.era();
            let stored = self.stored_list(list).await?;
            if !self.is_due(list, stored.as_ref(), now, at_once) {
                if let Some(stored) = stored {
                    self.keep(list, era, stored).await;
                }
                continue;
            }
            if let Scope::Partition(_) = list.scope {
                partitions.push(list);
                continue;
            }
            // As long as all others together.
            let _turn = self.crls.turn(list.scope).lock().await;
            if let Err(error) = self.issue_list(list, now).await {
                tracing::warn!(code = error.code(), list = %list.file(), "a revocation list is not made");
                failed.get_or_insert(error);
            }
        }
        for of_generation in partitions.chunk_by(|one, next| one.generation == next.generation) {
            for lists in of_generation.chunks(AT_ONCE) {
                // Whoever asks for a list meanwhile has a turn between two parts.
                let _turn = self.crls.turn(Scope::Partition(0)).lock().await;
                if let Err(error) = self.issue_lists(lists, now).await {
                    // The others have the same signer.
                    tracing::warn!(code = error.code(), first = %lists[0].file(), "revocation lists are not made");
                    failed.get_or_insert(error);
                    break;
                }
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Several lists with the two commits of one: with a disk that takes milliseconds to be sure, a thousand partitions
    /// would wait for it longer than for their signatures.
    async fn issue_lists(&self, lists: &[List], now: Timestamp) -> Result<()> {
        let this_update = whole_second(now)?;
        let begun_in = self.era();
        let covers = self.populations().seq();
        let count = lists.len() as i64;
        let (first, since) = transaction!(self.db, |tx| {
            let sql = "SELECT scope, MAX(this_update) AS since FROM crl WHERE der IS NOT NULL GROUP BY scope";
            let mut since = HashMap::new();
            for row in tx.all(sql, params![]).await? {
                since.insert(row.read::<i64>("scope")?, row.read::<Timestamp>("since")?);
            }
            let first = next_number_after(tx, "crl", count, self.newest_list()).await? - count as u64 + 1;
            let mut rows = Vec::with_capacity(lists.len());
            for (number, list) in (first..).zip(lists) {
                let next_update = this_update + self.list_lifetime(list.scope);
                let row = params![list.key(), number as i64, covers as i64, this_update, next_update];
                rows.push(row.to_vec());
            }
            let insert = "INSERT INTO crl (scope, number, change, this_update, next_update)";
            tx.insert_many(insert, 5, rows).await?;
            Ok::<_, NpcError>((first, since))
        })?;
        self.know_list(first + count as u64 - 1);
        let mut made = Vec::with_capacity(lists.len());
        for (number, list) in (first..).zip(lists) {
            let life =
                Lifetime { number, this_update, next_update: this_update + self.list_lifetime(list.scope) };
            let since = since.get(&list.key()).copied().unwrap_or(Timestamp::UNIX_EPOCH);
            let era = self.era();
            let (tbs, covers) = self.to_be_signed_list(*list, life, since, Vec::new())?;
            let der = self.signed(*list, tbs).await?;
            made.push((*list, new_list(life, (era == self.era()).then_some(covers), der)));
        }
        let (overtaken, end) = transaction!(self.db, |tx| {
            audit::append_all(tx, &[]).await?;
            let mut overtaken = Vec::new();
            let mut stored = Vec::with_capacity(made.len());
            for (list, made) in &made {
                match self.store_list(tx, *list, made).await? {
                    true => stored.push((*list, made)),
                    false => overtaken.push(*list),
                }
            }
            let end = match stored[..] {
                [] => None,
                _ => Some(self.audit(tx, "crl-issue", "lists", SYSTEM, issued(&stored), now).await?),
            };
            Ok::<_, NpcError>((overtaken, end))
        })?;
        if let Some(end) = end {
            self.note_own_end(end);
        }
        tracing::info!(lists = made.len(), "revocation lists issued");
        for (list, made) in made {
            let newest = match overtaken.contains(&list) {
                false => Some(made),
                true => self.stored_list(list).await?,
            };
            if let Some(newest) = newest {
                self.keep(list, begun_in, newest).await;
            }
        }
        Ok(())
    }

    /// Stores a signed list under the number it has; false if a list with a later number was stored in the meantime. Earlier
    /// ones go, but for the base of its delta.
    async fn store_list(&self, tx: &mut Tx, list: List, made: &PublishedCrl) -> Result<bool> {
        let (key, number) = (list.key(), made.number as i64);
        let since = self.since_base(tx, list, made).await?;
        let base = since.as_ref().map(|since| since.base as i64);
        let lifted = since.map(|since| since.lifted.stored());
        let sql =
            "UPDATE crl SET der = $3, change = $4, base = $5, lifted = $6 WHERE scope = $1 AND number = $2";
        let values = params![key, number, &made.der[..], stored_covers(made.covers), base, lifted];
        if tx.execute(sql, values).await? == 0 {
            return Ok(false);
        }
        let sql = "DELETE FROM crl WHERE scope = $1 AND number < $2 AND number <> $3";
        tx.execute(sql, params![key, number, base.unwrap_or(number)]).await?;
        Ok(true)
    }

    fn to_be_signed_list(
        &self,
        list: List,
        life: Lifetime,
        since: Timestamp,
        revoked: Vec<Revoked>,
    ) -> Result<(TbsCrl, u64)> {
        let authority = self.authority();
        let generation = match list.scope {
            Scope::Root => {
                let root = authority.root_of(list.generation).ok_or(UNKNOWN)?;
                return Ok((crl::complete(&root.party()?.issuer, life, revoked)?, authority.version()));
            }
            _ => authority.generation(list.generation).ok_or(UNKNOWN)?,
        };
        let issuer = &generation.ca.issuer;
        let (covers, tables) = {
            let mut populations = self.populations_mut();
            let tables = match list.partition() {
                Some(n) => vec![populations.get_mut(list.generation)?.table(Some(n), since)?],
                None => {
                    populations.settle_complete(since)?;
                    populations.complete_tables()
                }
            };
            (populations.seq(), tables)
        };
        // Merging and copying hundreds of megabytes goes on beside OCSP's readers and while states change.
        let table = population::complete(tables);
        let tbs = match list.partition() {
            Some(n) => {
                let uri = self.config.urls.partition_crl(list.generation, n);
                let freshest = self.config.urls.delta_crl(list.generation, n);
                let pointers = Pointers { partition: Some(&uri), freshest: Some(&freshest), base: None };
                crl::from_table(issuer, life, &table, pointers)?
            }
            // A reader that knows no partitions may know no deltas either.
            None => crl::from_table(issuer, life, &table, Pointers::default())?,
        };
        Ok((tbs, covers))
    }

    /// The revoked certificates of CAs that a root issued, by serial number.
    async fn revoked_authorities(&self, list: List) -> Result<Vec<Revoked>> {
        if list.scope != Scope::Root {
            return Ok(Vec::new());
        }
        let sql = "SELECT der, revoked_at, reason FROM authority WHERE issuer = $1 AND revoked_at IS NOT NULL \
            AND der IS NOT NULL AND profile IN ('npc-intermediate', 'npc-root-link', 'npc-cross')";
        let mut revoked = Vec::new();
        for row in self.db.all(sql, params![i64::from(list.generation)]).await? {
            let certificate = x509::Certificate::parse(&row.read::<Vec<u8>>("der")?)?;
            let reason = Reason::from_code(row.read("reason")?).ok_or(NpcError::Inconsistent("reason"))?;
            let at = whole_second(row.read("revoked_at")?)?;
            revoked.push(Revoked { serial: certificate.serial()?, at, reason });
        }
        revoked.sort_by_key(|entry| entry.serial);
        Ok(revoked)
    }

    pub(crate) async fn signed(&self, list: List, tbs: TbsCrl) -> Result<Vec<u8>> {
        let authority = self.authority();
        let signer = match list.scope {
            Scope::Root => authority.root_of(list.generation).ok_or(UNKNOWN)?.party()?.signer.clone(),
            _ => authority.generation(list.generation).ok_or(UNKNOWN)?.ca.signer.clone(),
        };
        Ok(off_thread(move || crl::issue(&tbs, signer.as_ref())).await??)
    }

    /// Keeps a list that was read or begun in this era, and gives the one that is to be told: of two that were made at the same
    /// time that with the later number, whichever comes last.
    pub(crate) async fn keep(&self, list: List, era: u64, made: PublishedCrl) -> Arc<PublishedCrl> {
        let made = Arc::new(made);
        made.compressed.make(&made.der).await;
        self.know_list(made.number);
        let mut kept = self.kept_lists();
        match era == self.era() {
            true => newest(&mut kept, list, made),
            // Of before the database went back: it is nothing to measure others by.
            false => made,
        }
    }

    pub(crate) fn kept(&self, list: List) -> Option<Arc<PublishedCrl>> {
        self.kept_lists().get(&list).cloned()
    }

    /// The highest number of a list that this process knows to be taken.
    pub(crate) fn newest_list(&self) -> u64 {
        self.crls.newest.load(Ordering::Relaxed)
    }

    fn know_list(&self, number: u64) {
        self.crls.newest.fetch_max(number, Ordering::Relaxed);
    }

    pub(crate) fn era(&self) -> u64 {
        self.crls.era.load(Ordering::Relaxed)
    }

    pub(crate) fn forget_lists(&self) {
        // Under the lock: nobody keeps a list of before after this.
        let mut kept = self.kept_lists();
        self.crls.era.fetch_add(1, Ordering::Relaxed);
        kept.clear();
    }

    fn kept_lists(&self) -> std::sync::MutexGuard<'_, HashMap<List, Arc<PublishedCrl>>> {
        self.crls.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A CA is revoked hardly ever: the root's list lives longer, as far as the policy lets it.
    fn list_lifetime(&self, scope: Scope) -> SignedDuration {
        match scope {
            Scope::Root => self.authority().policy.root_list_lifetime(&self.config),
            _ => self.config.crl_lifetime,
        }
    }

    /// How old a list must at least be before a change makes a new one for whoever asks.
    fn least_age(&self, scope: Scope, made: &PublishedCrl) -> SignedDuration {
        let set = match scope {
            Scope::Complete => self.config.complete_crl_interval,
            _ => self.config.partition_crl_interval,
        };
        set.max(SignedDuration::from_secs((made.der.len() / A_SECONDS_BYTES) as i64))
    }
}

/// Stands where a list covers no change: it is made anew, also where nothing was ever listed.
pub(crate) const COVERS_NOTHING: i64 = -1;

pub(crate) const UNKNOWN: NpcError = NpcError::Inconsistent("generation");

/// What the audit says of lists: numbers and what they are, by their digests.
fn issued(lists: &[(List, &PublishedCrl)]) -> serde_json::Value {
    let lists = lists.iter().map(|(list, made)| {
        json!({ "list": list.file(), "number": made.number, "sha256": hex(&sha256(&made.der)) })
    });
    json!({ "lists": lists.collect::<Vec<_>>() })
}

fn published(row: &Row) -> Result<PublishedCrl> {
    let life = Lifetime {
        number: row.read("number")?,
        this_update: row.read("this_update")?,
        next_update: row.read("next_update")?,
    };
    let covers = u64::try_from(row.read::<i64>("change")?).ok();
    Ok(new_list(life, covers, row.read("der")?))
}

/// What stands in the table for the last change a list covers.
fn stored_covers(covers: Option<u64>) -> i64 {
    covers.map_or(COVERS_NOTHING, |covers| covers as i64)
}

/// The list with the later number is the one that stays, and is given.
fn newest(
    kept: &mut HashMap<List, Arc<PublishedCrl>>,
    list: List,
    made: Arc<PublishedCrl>,
) -> Arc<PublishedCrl> {
    match kept.get(&list) {
        Some(kept) if kept.number > made.number => kept.clone(),
        _ => {
            kept.insert(list, made.clone());
            made
        }
    }
}

pub(crate) fn new_list(life: Lifetime, covers: Option<u64>, der: Vec<u8>) -> PublishedCrl {
    let Lifetime { number, this_update, next_update } = life;
    let etag = format!("\"{number}-{}\"", &hex(&sha256(&der))[..16]);
    PublishedCrl {
        number,
        this_update,
        next_update,
        der: der.into(),
        etag,
        covers,
        compressed: Compressed::default(),
    }
}

pub(crate) fn whole_second(at: Timestamp) -> Result<Timestamp> {
    Timestamp::from_second(at.as_second()).map_err(|_| NpcError::Request("time out of range"))
}

/// So often a list is begun again because another process was faster with one that is not right either.
const MOST_OVERTAKEN: usize = 5;

/// For so many bytes a list is left as it is for a second. Copying, signing, storing and compressing them takes about a tenth of one:
/// a tenth of the time at most is spent on a list, however often it is asked for.
const A_SECONDS_BYTES: usize = 1_000_000;

/// Lists of partitions that are made together.
const AT_ONCE: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    /// A task that was slow to compress its list comes after one that made the next.
    #[test]
    fn a_list_with_a_lower_number_takes_the_place_of_none() {
        let mut kept = HashMap::new();
        let list = List { generation: 1, scope: Scope::Complete };
        let (this_update, next_update) = (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH);
        for (number, told) in [(7, 7), (9, 9), (8, 9), (9, 9), (10, 10)] {
            let made = new_list(Lifetime { number, this_update, next_update }, Some(1), vec![number as u8]);
            assert_eq!(newest(&mut kept, list, Arc::new(made)).number, told);
            assert_eq!(kept[&list].number, told);
        }
        let other = List { generation: 1, scope: Scope::Partition(0) };
        let made = new_list(Lifetime { number: 3, this_update, next_update }, Some(1), Vec::new());
        assert_eq!(newest(&mut kept, other, Arc::new(made)).number, 3, "each list by itself");
    }

    #[test]
    fn each_list_has_one_name() {
        for generation in [1, 2, 10] {
            let scopes =
                [Scope::Root, Scope::Complete, Scope::Partition(0), Scope::Partition(31), Scope::Delta(7)];
            for scope in scopes {
                let list = List { generation, scope };
                assert_eq!(List::of_file(&list.file()), Some(list), "{}", list.file());
            }
        }
        for name in [
            "npc-01.crl",
            "npc-+1.crl",
            "npc-g1.crl",
            "npc-g0.crl",
            "npc-g02-1.crl",
            "npc-g2-.crl",
            "npc-root-1.crl",
            "npc-root-g2-1.crl",
            "npc-delta.crl",
            "npc-g.crl",
            "npc",
            ".crl",
            "npc-g99999999999.crl",
            "npc-70000.crl",
        ] {
            assert_eq!(List::of_file(name), None, "{name}");
        }
    }
}
