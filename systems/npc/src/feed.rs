//! How changes of state reach memory: every change takes the next number of one sequence in its own transaction, and
//! whoever serves statuses reads what has come since the last number it knows. The transactions of all processes take the
//! number one after the other, so no number is ever seen before a smaller one.
//!
//! A change made by this process is read before its caller hears of it. Changes of other processes are read at most once
//! in [`crate::NpcConfig::feed_interval`]. If the database does not answer, what is known goes on being told, with the time at which it
//! was known as thisUpdate, until an answer of that time would have expired.
//!
//! A database may go back under a running process: a standby that lagged takes over, a backup is restored. What is changed
//! then has numbers that are known already, and would never be told. So the end of the audit log is noted with every reading,
//! and the next one looks whether the log still goes on from there ([`crate::gone_back`]).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use jiff::Timestamp;
use store::{Db, Row, Tx, params};
use x509::certificate::Kind;
use x509::crl::Reason;

use crate::gone_back::Anew;
use crate::population::{Change, Populations};
use crate::row::{GOOD, serial};
use crate::{Npc, NpcError, Result};

#[derive(Default)]
pub(crate) struct Feed {
    known: Mutex<Known>,
    reading: tokio::sync::Mutex<()>,
    /// The end of the audit log when the changes were last read.
    pub(crate) end: Mutex<Option<audit::Head>>,
    /// Where this process's own entries stand that gave something to the world since: lists, documents, numbers of time stamps.
    pub(crate) own: Mutex<Vec<audit::Head>>,
    /// Whether the database has gone back and was not read anew yet.
    pub(crate) behind: AtomicBool,
    /// What is read anew meanwhile.
    pub(crate) anew: tokio::sync::Mutex<Option<Anew>>,
}

#[derive(Default, Clone, Copy)]
struct Known {
    // When the database was last read, and when that was last attempted.
    as_of: Option<Timestamp>,
    tried: Option<Timestamp>,
}

impl Npc {
    /// Reads every change that is not known yet, however many they are.
    pub(crate) async fn read_changes(&self, now: Timestamp) -> Result<()> {
        let _turn = self.feed.reading.lock().await;
        self.feed.note(now, self.read_or_start_over(now, Some(PATIENCE))).await
    }

    /// The same up to the change with this number: of many who were told of changes together one reads for all.
    pub(crate) async fn read_changes_to(&self, change: u64, now: Timestamp) -> Result<()> {
        if self.populations().seq() >= change {
            return Ok(());
        }
        let _turn = self.feed.reading.lock().await;
        if self.populations().seq() >= change {
            return Ok(());
        }
        self.read_feed(now).await
    }

    /// Reads changes if it is time to, and gives the moment for which the states are known.
    pub(crate) async fn known_as_of(&self, now: Timestamp) -> Result<Timestamp> {
        let known = *self.feed.lock();
        let recent = |at: Option<Timestamp>| {
            // A clock that went back makes nothing recent.
            at.filter(|at| *at <= now && now.duration_since(*at) < self.config.feed_interval)
        };
        if let Some(at) = recent(known.as_of) {
            return Ok(at);
        }
        let attempt = if recent(known.tried).is_some() {
            Err(NpcError::Store(store::StoreError::Unavailable("the last attempt failed".into())))
        } else {
            // Whoever comes while another reads goes on with what is known.
            match self.feed.reading.try_lock() {
                Ok(_turn) => self.read_feed(now).await,
                Err(_) => Ok(()),
            }
        };
        let known = *self.feed.lock();
        // An answer of then begins with a whole second, and may not have ended.
        let holds = |at: Timestamp| now.as_second() - at.as_second() < self.config.ocsp_lifetime.as_secs();
        match (attempt, known.as_of) {
            (Ok(()), Some(at)) if holds(at) => Ok(at.min(now)),
            // Whoever reads hears nothing, and has heard nothing for long.
            (Ok(()), Some(_)) => Err(no_answer()),
            (Err(error), Some(at)) if holds(at) => {
                tracing::warn!(code = error.code(), "statuses are served as they were known");
                Ok(at.min(now))
            }
            (Err(error), _) => Err(error),
            (Ok(()), None) => Err(NpcError::Inconsistent("feed")),
        }
    }

    async fn read_feed(&self, now: Timestamp) -> Result<()> {
        // A database that hangs is one that does not answer.
        let reading = tokio::time::timeout(PATIENCE, self.read_or_start_over(now, None));
        self.feed.note(now, async { reading.await.map_err(|_| no_answer())? }).await
    }

    async fn read_or_start_over(&self, now: Timestamp, patience: Option<Duration>) -> Result<()> {
        match self.read_all(now, patience).await {
            Err(NpcError::WentBack) => {}
            read => read?,
        }
        match self.feed.behind.load(Ordering::Relaxed) {
            true => self.start_over(now, patience).await,
            false => Ok(()),
        }
    }

    /// All changes that are not known.
    async fn read_all(&self, now: Timestamp, patience: Option<Duration>) -> Result<()> {
        self.read_into(&self.populations, now, patience).await?;
        // Looked at behind the changes: if they were of a database that has gone back since, so is this.
        self.look_back(now).await
    }

    /// All changes that `known` has not, page by page; a page that takes longer than `patience` is an error.
    pub(crate) async fn read_into(
        &self,
        known: &RwLock<Populations>,
        now: Timestamp,
        patience: Option<Duration>,
    ) -> Result<()> {
        loop {
            let after = known.read().unwrap_or_else(PoisonError::into_inner).seq();
            let page = page(&self.db, after);
            let changes = match patience {
                Some(patience) => tokio::time::timeout(patience, page).await.map_err(|_| no_answer())??,
                None => page.await?,
            };
            let newest = self.authority().newest;
            if changes.iter().any(|(generation, _)| *generation > newest) {
                // A generation that another process has made.
                self.refresh_authority(now).await?;
            }
            let authority = self.authority();
            let new = {
                let known = known.read().unwrap_or_else(PoisonError::into_inner);
                authority.generations.iter().any(|generation| known.get(generation.number).is_none())
            };
            // Nobody who reads waits for a reading that brings nothing.
            if new || !changes.is_empty() {
                let mut known = known.write().unwrap_or_else(PoisonError::into_inner);
                for generation in &authority.generations {
                    known.add(generation.number, generation.partitions);
                }
                known.apply(&changes)?;
            }
            if changes.len() < PAGE as usize {
                return Ok(());
            }
        }
    }

    /// The first reading: also the serial numbers of the CA's own services, which OCSP is asked about too.
    pub(crate) async fn load_population(&self, now: Timestamp) -> Result<()> {
        self.know_own_services().await?;
        loop {
            // The first reading may take longer than any later one.
            let before = self.populations().seq();
            self.read_all(now, None).await?;
            if self.populations().seq() == before {
                break;
            }
        }
        *self.feed.lock() = Known { as_of: Some(now), tried: None };
        Ok(())
    }

    pub(crate) async fn know_own_services(&self) -> Result<()> {
        let changes = own_services(&self.db).await?;
        self.populations_mut().apply(&changes)
    }

    pub(crate) fn populations(&self) -> RwLockReadGuard<'_, Populations> {
        self.populations.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn populations_mut(&self) -> RwLockWriteGuard<'_, Populations> {
        self.populations.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Feed {
    /// Whatever was read is no longer enough: a change was made whose outcome is not known.
    pub(crate) fn doubt(&self) {
        let mut known = self.lock();
        known.tried = None;
        // Known as of just then, but due to be read again.
        known.as_of = known.as_of.map(|at| at - DOUBT);
    }

    /// Reads, and notes when it was tried and, if it succeeds, that everything is known as of then.
    async fn note(&self, now: Timestamp, reading: impl Future<Output = Result<()>> + Send) -> Result<()> {
        self.lock().tried = Some(now);
        reading.await?;
        // What a database that went back says of before is known once it was read anew.
        if !self.behind.load(Ordering::Relaxed) {
            *self.lock() = Known { as_of: Some(now), tried: None };
        }
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The next number of a sequence that all processes share; its row stays locked until the transaction ends.
pub(crate) async fn next_number(tx: &mut Tx, name: &str, count: i64) -> Result<u64> {
    next_number_after(tx, name, count, 0).await
}

/// The same behind `known`, the highest number that this process knows to be given out: a database that has gone back and was not
/// found out yet would give it a second time.
pub(crate) async fn next_number_after(tx: &mut Tx, name: &str, count: i64, known: u64) -> Result<u64> {
    let sql = "UPDATE counter SET value = (CASE WHEN value < $3 THEN $3 ELSE value END) + $2 WHERE name = $1 RETURNING value";
    Ok(tx.one(sql, params![name, count, known as i64]).await?.read::<i64>(0)? as u64)
}

/// The certificates of the CA's own services, as changes, with their generations.
pub(crate) async fn own_services(db: &Db) -> Result<Vec<(u32, Change)>> {
    let sql = "SELECT profile, der, issuer FROM authority WHERE der IS NOT NULL";
    let mut changes = Vec::new();
    for row in db.all(sql, params![]).await? {
        let kind = Kind::from_name(&row.read::<String>(0)?);
        if matches!(
            kind,
            Some(Kind::OcspResponder | Kind::TimestampAuthority | Kind::StatusSigner | Kind::CmpSigner)
        ) {
            let certificate = x509::Certificate::parse(&row.read::<Vec<u8>>(1)?)?;
            let not_after = certificate.validity().not_after();
            let serial = certificate.serial()?;
            let change = Change { serial, listed: None, was_listed: false, not_after, seq: 0 };
            changes.push((row.read(2)?, change));
        }
    }
    Ok(changes)
}

/// The changes after this number, up to [`PAGE`] of them.
pub(crate) async fn page(db: &Db, after: u64) -> Result<Vec<(u32, Change)>> {
    let sql = "SELECT serial, generation, status, status_at, reason, ends, state_seq FROM certificate_state \
        WHERE state_seq > $1 AND signed = TRUE ORDER BY state_seq LIMIT $2";
    db.all(sql, params![after as i64, PAGE]).await?.iter().map(change).collect()
}

fn no_answer() -> NpcError {
    NpcError::Store(store::StoreError::Unavailable("no answer in time".into()))
}

/// A change and the generation that issued the certificate.
fn change(row: &Row) -> Result<(u32, Change)> {
    let listed = match row.read::<i64>("status")? {
        GOOD => None,
        _ => {
            let reason = Reason::from_code(row.read("reason")?).ok_or(NpcError::Inconsistent("reason"))?;
            Some((row.read("status_at")?, reason))
        }
    };
    let was_listed = listed.is_none() && row.read::<Timestamp>("status_at")? != Timestamp::UNIX_EPOCH;
    let change = Change {
        serial: serial(row)?,
        listed,
        was_listed,
        not_after: row.read("ends")?,
        seq: row.read("state_seq")?,
    };
    Ok((row.read("generation")?, change))
}

/// Rows read at once.
pub(crate) const PAGE: u32 = 20_000;

/// How long a reading may take that somebody's question waits for, or a page of a longer one.
const PATIENCE: Duration = Duration::from_secs(2);

const DOUBT: jiff::SignedDuration = jiff::SignedDuration::from_secs(1);
