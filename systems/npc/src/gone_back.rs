//! A database that has gone back: a standby that lagged took over, or a backup was restored, under a running process. What this
//! process has told the world may not be in it any more, and what is changed from now on takes numbers a second time.
//!
//! The audit log tells: every change has an entry in its transaction, each entry the hash of all before it, so a log that
//! no longer has the entry that was its last is another one. Whoever finds that stops issuing, in every process and until a
//! person has looked; lifts the numbers of lists, filters, time stamps and changes above every one that it knows to be given
//! out; reads all states anew; and writes down which revocations and suspensions it had told that the database does not have.
//! A process that opens afterwards has nothing to compare, and finds issuing stopped.

use std::sync::atomic::Ordering;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use store::{params, transaction};
use x509::Serial;
use x509::crl::Reason;

use crate::authority::hex;
use crate::population::Populations;
use crate::switch::{ISSUING, WENT_BACK};
use crate::{Npc, NpcError, Result, SYSTEM};

impl Npc {
    /// When a process last found that the database had gone back; none once issuing was started again after it.
    pub async fn database_went_back(&self) -> Result<Option<Timestamp>> {
        let row = self.db.optional("SELECT value FROM setting WHERE name = $1", params![WENT_BACK]).await?;
        let Some(row) = row else { return Ok(None) };
        let at: String = row.read(0)?;
        Ok(Some(at.parse().map_err(|_| NpcError::Inconsistent("setting"))?))
    }

    /// Whether the audit log goes on from where it ended at the last reading; its end is noted.
    ///
    /// # Errors
    /// [`NpcError::WentBack`] if it does not: issuing is stopped by then.
    pub(crate) async fn look_back(&self, now: Timestamp) -> Result<()> {
        let end = audit::head(&self.db).await?;
        let noted = *self.feed.end.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(noted) = noted.filter(|noted| *noted != end && noted.seq > 0) {
            let entry = audit::events(&self.db, None, noted.seq - 1, 1).await?.pop();
            if entry.is_none_or(|entry| (entry.seq, entry.hash) != (noted.seq, noted.hash)) {
                self.stop_behind(now).await?;
                return Err(NpcError::WentBack);
            }
        }
        self.note_end(end);
        Ok(())
    }

    fn note_end(&self, end: audit::Head) {
        *self.feed.end.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
    }

    /// Stops issuing and lifts every sequence of numbers, once for each time the database goes back.
    async fn stop_behind(&self, now: Timestamp) -> Result<()> {
        if self.feed.behind.load(Ordering::Relaxed) {
            return Ok(());
        }
        let known = self.populations().seq();
        let (filter, cards) = self.newest_documents();
        let given_out = [
            ("state", known),
            ("crl", self.newest_list()),
            ("filter", filter),
            ("cards", cards),
            ("timestamp", self.stamper.newest()),
        ];
        let found = transaction!(self.db, |tx| {
            let sql = "SELECT value FROM counter WHERE name = 'state'";
            let found: i64 = tx.one(sql, params![]).await?.read(0)?;
            for (name, number) in given_out {
                let sql = "UPDATE counter SET value = $2 WHERE name = $1 AND value < $2";
                tx.execute(sql, params![name, number as i64]).await?;
            }
            // The lists of before have numbers below those that were published since: all are made anew.
            tx.execute("UPDATE crl SET change = 0", params![]).await?;
            ISSUING.stop(tx).await?;
            let sql = "INSERT INTO setting (name, value) VALUES ($1, $2) \
                ON CONFLICT (name) DO UPDATE SET value = excluded.value";
            tx.execute_one(sql, params![WENT_BACK, now.to_string()]).await?;
            let detail = json!({ "known": known, "found": found });
            self.audit(tx, "database-back", "database", SYSTEM, detail, now).await?;
            Ok::<_, NpcError>(found)
        })?;
        self.feed.behind.store(true, Ordering::Relaxed);
        let alarm = NpcError::WentBack;
        tracing::error!(code = alarm.code(), known, found, "{alarm}; issuing is stopped");
        Ok(())
    }

    /// Reads everything anew. What was known goes on being told until all is there.
    pub(crate) async fn start_over(&self, now: Timestamp, patience: Option<Duration>) -> Result<()> {
        self.refresh_authority(now).await?;
        let fresh = RwLock::new(Populations::default());
        self.read_into(&fresh, now, patience).await?;
        let services = self.own_services().await?;
        let end = audit::head(&self.db).await?;
        let mut fresh = fresh.into_inner().unwrap_or_else(PoisonError::into_inner);
        fresh.apply(&services)?;
        let lost = self.populations().listed_beyond(&fresh);
        if !lost.is_empty() {
            transaction!(self.db, |tx| {
                for part in lost.chunks(NAMED) {
                    let serials: Vec<String> = part.iter().map(|serial| hex(serial.octets())).collect();
                    let detail = json!({ "certificates": lost.len(), "serials": serials });
                    self.audit(tx, "database-back-lost", "database", SYSTEM, detail, now).await?;
                }
                Ok::<_, NpcError>(())
            })?;
            tracing::error!(lost = lost.len(), "revocations and suspensions are lost: see the audit log");
        }
        *self.populations_mut() = fresh;
        self.ocsp.clear();
        self.forget_lists();
        self.note_end(end);
        self.feed.behind.store(false, Ordering::Relaxed);
        Ok(())
    }
}

impl Populations {
    /// The certificates that are revoked or suspended here and less so in `other`.
    fn listed_beyond(&self, other: &Self) -> Vec<Serial> {
        use x509::ocsp::Status;
        let mut beyond = Vec::new();
        for (generation, population) in self.generations() {
            let told = |serial: &Serial| other.get(generation).map(|other| other.status(serial));
            let is_revoked = |told: &Option<Status>| matches!(told, Some(Status::Revoked { reason, .. }) if *reason != Reason::CertificateHold);
            let is_listed = |told: &Option<Status>| matches!(told, Some(Status::Revoked { .. }));
            let (revoked, suspended) = population.revoked_and_suspended();
            let serials = |numbers: Vec<u128>| numbers.into_iter().filter_map(Serial::from_u128);
            beyond.extend(serials(revoked).filter(|serial| !is_revoked(&told(serial))));
            beyond.extend(serials(suspended).filter(|serial| !is_listed(&told(serial))));
        }
        beyond
    }
}

/// So many serial numbers an audit entry has room for.
const NAMED: usize = 300;
