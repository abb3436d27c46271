//! A database that has gone back: a standby that lagged took over, or a backup was restored, under a running process. What this
//! process has told the world may not be in it any more, and what is changed from now on takes numbers a second time.
//!
//! The audit log tells: every change has an entry in its transaction, each entry the hash of all before it, so a log that
//! no longer has the entry that was its last is another one. Whoever finds that stops issuing, in every process and until a
//! person has looked; lifts the numbers of lists, filters, time stamps and changes above every one that it knows to be given
//! out; reads all states anew; and writes down which revocations and suspensions it had told that the database does not have.
//! Reading a country anew takes minutes: meanwhile what was known is told, and every change from then on with it.
//! A process that opens afterwards has nothing to compare, and finds issuing stopped.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use store::{Db, params, transaction};
use tokio::task::JoinHandle;
use x509::Serial;
use x509::crl::Reason;

use crate::authority::hex;
use crate::crl::COVERS_NOTHING;
use crate::feed::{PAGE, own_services, page};
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

    /// Whether the audit log goes on from where it ended at the last reading, and has what this process has written since and told
    /// the world of; its end is noted.
    ///
    /// # Errors
    /// [`NpcError::WentBack`] if it does not: issuing is stopped by then.
    pub(crate) async fn look_back(&self, now: Timestamp) -> Result<()> {
        let end = audit::head(&self.db).await?;
        let noted = *self.feed.end.lock().unwrap_or_else(PoisonError::into_inner);
        let own = self.own_ends().clone();
        let noted = noted.into_iter().chain(own.iter().copied());
        for noted in noted.filter(|noted| *noted != end && noted.seq > 0) {
            let entry = audit::events(&self.db, None, noted.seq - 1, 1).await?.pop();
            if entry.is_none_or(|entry| (entry.seq, entry.hash) != (noted.seq, noted.hash)) {
                self.stop_behind(now).await?;
                return Err(NpcError::WentBack);
            }
        }
        self.note_end(end);
        self.own_ends().retain(|one| !own.contains(one));
        Ok(())
    }

    fn note_end(&self, end: audit::Head) {
        *self.feed.end.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
    }

    /// Notes the entry of something that this process gives to the world: the next reading looks whether the log has it.
    pub(crate) fn note_own_end(&self, end: audit::Head) {
        self.own_ends().push(end);
    }

    fn own_ends(&self) -> std::sync::MutexGuard<'_, Vec<audit::Head>> {
        self.feed.own.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops issuing and lifts every sequence of numbers, once for each time the database goes back.
    async fn stop_behind(&self, now: Timestamp) -> Result<()> {
        let known = self.populations().seq();
        let (filter, cards) = self.newest_documents();
        let given_out = [
            ("state", known),
            ("crl", self.newest_list()),
            ("filter", filter),
            ("cards", cards),
            ("timestamp", self.stamper.newest()),
        ];
        let (found, end) = transaction!(self.db, |tx| {
            let sql = "SELECT value FROM counter WHERE name = 'state'";
            let found: i64 = tx.one(sql, params![]).await?.read(0)?;
            for (name, number) in given_out {
                let sql = "UPDATE counter SET value = $2 WHERE name = $1 AND value < $2";
                tx.execute(sql, params![name, number as i64]).await?;
            }
            // The lists of before have numbers below those that were published since: all are made anew.
            tx.execute("UPDATE crl SET change = $1", params![COVERS_NOTHING]).await?;
            ISSUING.stop(tx).await?;
            let sql = "INSERT INTO setting (name, value) VALUES ($1, $2) \
                ON CONFLICT (name) DO UPDATE SET value = excluded.value";
            tx.execute_one(sql, params![WENT_BACK, now.to_string()]).await?;
            let detail = json!({ "known": known, "found": found });
            let end = self.audit(tx, "database-back", "database", SYSTEM, detail, now).await?;
            Ok::<_, NpcError>((found, end))
        })?;
        // What is changed from here on has numbers that nobody knows yet, and is read as ever.
        self.own_ends().clear();
        self.note_end(end);
        self.feed.behind.store(true, Ordering::Relaxed);
        // What was being read anew is of a database that has gone back again.
        if let Some(Anew::Reading(task)) = self.feed.anew.lock().await.take() {
            task.abort();
        }
        let alarm = NpcError::WentBack;
        tracing::error!(code = alarm.code(), known, found, "{alarm}; issuing is stopped");
        Ok(())
    }

    /// Reads everything anew, in a task of its own, and takes it over when it is there. What was known goes on being told until
    /// then, with what changes meanwhile.
    pub(crate) async fn start_over(&self, now: Timestamp, patience: Option<Duration>) -> Result<()> {
        let mut anew = self.feed.anew.lock().await;
        if matches!(*anew, Some(Anew::Taken)) {
            return self.begin_lists_again(&mut anew).await;
        }
        let begun = anew.is_some();
        if !begun {
            let authority = self.authority();
            let generations = authority.generations.iter();
            let generations = generations.map(|generation| (generation.number, generation.partitions));
            let (known, newest) = (self.populations.clone(), authority.newest);
            let task = read_anew(self.db.clone(), generations.collect(), known, newest);
            *anew = Some(Anew::Reading(tokio::spawn(task)));
        }
        if let Some(Anew::Reading(task)) = anew.as_mut() {
            if begun && !task.is_finished() {
                return Ok(());
            }
            // A small country is there before whoever has found out has waited for long.
            let Ok(read) = tokio::time::timeout(WAIT, task).await else { return Ok(()) };
            *anew = None;
            *anew = Some(Anew::Read(read.map_err(|_| NpcError::Died)??));
        }
        self.refresh_authority(now).await?;
        let Some(Anew::Read(read)) = anew.as_ref() else { return Err(NpcError::Died) };
        let is_whole = {
            let fresh = read.populations.read().unwrap_or_else(PoisonError::into_inner);
            self.authority().generations.iter().all(|generation| fresh.get(generation.number).is_some())
        };
        if !is_whole {
            // A generation that was not known when this began.
            *anew = None;
            return Ok(());
        }
        self.read_into(&read.populations, now, patience).await?;
        let lost = &read.lost;
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
        let Some(Anew::Read(read)) = anew.replace(Anew::Taken) else { return Err(NpcError::Died) };
        *self.populations_mut() = read.populations.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.ocsp.clear();
        self.begin_lists_again(&mut anew).await
    }

    /// Lists that were made while everything was read anew are of what was known before, whatever change they say they cover.
    async fn begin_lists_again(&self, anew: &mut Option<Anew>) -> Result<()> {
        self.forget_lists();
        self.db.execute("UPDATE crl SET change = $1", params![COVERS_NOTHING]).await?;
        self.forget_lists();
        // Services that were certified meanwhile.
        self.know_own_services().await?;
        *anew = None;
        self.feed.behind.store(false, Ordering::Relaxed);
        Ok(())
    }
}

/// All states of a database that has gone back.
pub(crate) enum Anew {
    /// They are being read.
    Reading(JoinHandle<Result<Read>>),
    /// They are there, but for the last changes.
    Read(Read),
    /// They are what is told; lists are to be made of them.
    Taken,
}

/// What was read anew.
pub(crate) struct Read {
    populations: RwLock<Populations>,
    /// What was told as revoked or suspended, and is not so there.
    lost: Vec<Serial>,
}

/// Reads the states of these generations, each with its number of partitions, and compares them with what is `known`.
async fn read_anew(
    db: Db,
    generations: Vec<(u32, u16)>,
    known: Arc<RwLock<Populations>>,
    newest: u32,
) -> Result<Read> {
    let mut fresh = Populations::default();
    for (generation, partitions) in generations {
        fresh.add(generation, partitions);
    }
    fresh.apply(&own_services(&db).await?)?;
    loop {
        let changes = page(&db, fresh.seq()).await?;
        fresh.apply(&changes)?;
        if changes.len() < PAGE as usize {
            break;
        }
    }
    let lost = known.read().unwrap_or_else(PoisonError::into_inner).listed_beyond(&fresh, newest);
    Ok(Read { populations: RwLock::new(fresh), lost })
}

impl Populations {
    /// The certificates that are revoked or suspended here and less so in `other`. A generation up to `newest` that is not there at
    /// all has ended, and nobody asks about its certificates; one beyond it was lost with all that it had.
    fn listed_beyond(&self, other: &Self, newest: u32) -> Vec<Serial> {
        use x509::ocsp::Status;
        let mut beyond = Vec::new();
        for (generation, population) in self.generations() {
            if generation <= newest && other.get(generation).is_none() {
                continue;
            }
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

/// So long whoever finds out waits for the states of a small country.
const WAIT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Change;

    fn listed(generation: u32, number: u128, seq: u64) -> (u32, Change) {
        let listed = Some((Timestamp::UNIX_EPOCH, Reason::KeyCompromise));
        let serial = Serial::from_u128(number).unwrap();
        (generation, Change { serial, listed, was_listed: false, not_after: Timestamp::MAX, seq })
    }

    /// The process still has what a generation revoked that has ended since, and the hierarchy of the moment has not.
    #[test]
    fn what_an_ended_generation_revoked_is_not_lost() {
        let mut known = Populations::default();
        for generation in 1..=3 {
            known.add(generation, 4);
        }
        known.apply(&[listed(1, 11, 1), listed(2, 22, 2), listed(3, 33, 3)]).unwrap();
        let mut fresh = Populations::default();
        fresh.add(2, 4);
        let lost = |newest| known.listed_beyond(&fresh, newest);
        let serials = |numbers: &[u128]| -> Vec<Serial> {
            numbers.iter().map(|number| Serial::from_u128(*number).unwrap()).collect()
        };
        assert_eq!(lost(3), serials(&[22]));
        assert_eq!(lost(2), serials(&[22, 33]), "a generation that the database no longer has");
        fresh.apply(&[listed(2, 22, 2)]).unwrap();
        assert_eq!(known.listed_beyond(&fresh, 3), []);
    }
}
