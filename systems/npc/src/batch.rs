//! A batch of an incident, in statements over states instead of certificates: of many certificates nearly all are in the same
//! state, so what comes of each state is reckoned once and the database does the rest.

use std::ops::Range;

use jiff::Timestamp;
use model::CertificateState;
use store::{Engine, Kind, Tx, Value, new_id, params};

use crate::row::{StateColumns, parse_state};
use crate::status::at_time;
use crate::{Npc, NpcError, Result};

/// Whose turn it is: the certificates an incident has noted down behind `after`, up to `upto`.
pub(crate) struct Turn<'a> {
    pub(crate) incident: u64,
    pub(crate) after: &'a [u8],
    pub(crate) upto: &'a [u8],
    pub(crate) now: Timestamp,
}

/// Certificates in the same state that get the same next one.
pub(crate) struct Group {
    was: String,
    ended: bool,
    next: StateColumns,
    /// How many there are.
    pub(crate) many: i64,
}

/// The last of the next so many certificates of an incident, and whether nothing is left behind it. `after` itself if nothing
/// is left at all.
pub(crate) async fn end_of_batch(
    tx: &mut Tx,
    incident: u64,
    after: &[u8],
    many: u32,
) -> Result<(Vec<u8>, bool)> {
    let incident = incident as i64;
    let sql = "SELECT serial FROM incident_certificate WHERE incident = $1 AND serial > $2 \
        ORDER BY serial LIMIT 1 OFFSET $3";
    if let Some(row) = tx.optional(sql, params![incident, after, i64::from(many) - 1]).await? {
        return Ok((row.read(0)?, false));
    }
    let sql = "SELECT serial FROM incident_certificate WHERE incident = $1 AND serial > $2 \
        ORDER BY serial DESC LIMIT 1";
    let last = tx.optional(sql, params![incident, after]).await?;
    Ok((last.map_or(Ok(after.to_vec()), |row| row.read(0))?, true))
}

impl Turn<'_> {
    /// The certificates by their states, those left out that `step` leaves as they are; and how many there are in all.
    pub(crate) async fn groups(
        &self,
        tx: &mut Tx,
        step: impl Fn(CertificateState) -> Option<CertificateState>,
    ) -> Result<(Vec<Group>, i64)> {
        let sql = "SELECT state, ends < $4 AS ended, COUNT(*) AS many, MIN(ends) AS ends \
            FROM incident_certificate JOIN certificate_state USING (serial) \
            WHERE incident = $1 AND serial > $2 AND serial <= $3 GROUP BY state, ended ORDER BY state, ended";
        let values = params![self.incident as i64, self.after, self.upto, self.second()?];
        let (mut groups, mut all) = (Vec::new(), 0);
        for row in tx.all(sql, values).await? {
            let (was, many): (String, i64) = (row.read("state")?, row.read("many")?);
            all += many;
            // They ended all or none.
            let state = at_time(parse_state(&was)?, row.read("ends")?, self.now);
            if let Some(next) = step(state) {
                groups.push(Group { was, ended: row.read("ended")?, next: StateColumns::of(&next)?, many });
            }
        }
        Ok((groups, all))
    }

    /// Writes the new states, numbered from `first`.
    pub(crate) async fn write_states(&self, tx: &mut Tx, groups: &[Group], first: u64) -> Result<()> {
        let mut first = first as i64;
        let mut rows = Vec::with_capacity(groups.len());
        for group in groups {
            let next = &group.next;
            let row: Vec<Value<'_>> = params![
                self.incident as i64,
                self.after,
                self.upto,
                self.second()?,
                &group.was,
                group.ended,
                first - 1,
                next.status,
                next.at,
                next.reason,
                &next.state
            ]
            .to_vec();
            rows.push(row);
            first += group.many;
        }
        let update = "UPDATE certificate_state SET state_seq = chosen.seq, status = chosen.status, \
            status_at = chosen.status_at, reason = chosen.reason, state = chosen.state \
            FROM (SELECT held.serial AS serial, given.status AS status, given.status_at AS status_at, \
            given.reason AS reason, given.state AS state, \
            given.before + ROW_NUMBER() OVER (PARTITION BY given.before ORDER BY held.serial) AS seq \
            FROM given JOIN incident_certificate AS turn ON turn.incident = given.incident \
            AND turn.serial > given.after AND turn.serial <= given.upto \
            JOIN certificate_state AS held ON held.serial = turn.serial AND held.state = given.was \
            AND (held.ends < given.second) = given.ended) AS chosen \
            WHERE certificate_state.serial = chosen.serial";
        let expected: i64 = groups.iter().map(|group| group.many).sum();
        if tx.execute_given(&STATE_COLUMNS, update, &rows).await? != expected as u64 {
            return Err(NpcError::Inconsistent("a certificate without a state"));
        }
        Ok(())
    }

    /// The beginning of this second: what ended before it has ended (`status::at_time`).
    fn second(&self) -> Result<Timestamp> {
        Timestamp::from_second(self.now.as_second()).map_err(|_| NpcError::Inconsistent("clock"))
    }
}

impl Npc {
    /// How many certificates have their turn in one commit.
    pub(crate) fn incident_batch(&self) -> u32 {
        let most = match self.db.engine() {
            Engine::Postgres => u32::MAX,
            Engine::Sqlite => 2_000,
        };
        self.config.incident_batch.clamp(1, most)
    }

    /// Writes the events of the changes with these numbers.
    pub(crate) async fn write_events(
        &self,
        tx: &mut Tx,
        turn: &Turn<'_>,
        kind: &str,
        actor: &str,
        changes: Range<u64>,
    ) -> Result<()> {
        let mut rows: Vec<Vec<Value<'_>>> = Vec::with_capacity((changes.end - changes.start) as usize);
        for seq in changes.clone() {
            let id = new_id(turn.now, self.random().as_mut());
            rows.push(params![seq as i64, id, turn.now, actor, kind, turn.incident as i64].to_vec());
        }
        let insert = "INSERT INTO event (id, serial, at, actor, kind, incident, state) \
            SELECT given.id, held.serial, given.at, given.actor, given.kind, given.incident, held.state \
            FROM given JOIN certificate_state AS held ON held.state_seq = given.seq";
        match tx.execute_given(&EVENT_COLUMNS, insert, &rows).await? == rows.len() as u64 {
            true => Ok(()),
            false => Err(NpcError::Inconsistent("a change without its event")),
        }
    }
}

const STATE_COLUMNS: [(&str, Kind); 11] = [
    ("incident", Kind::Integer),
    ("after", Kind::Bytes),
    ("upto", Kind::Bytes),
    ("second", Kind::Integer),
    ("was", Kind::Text),
    ("ended", Kind::Bool),
    ("before", Kind::Integer),
    ("status", Kind::Integer),
    ("status_at", Kind::Integer),
    ("reason", Kind::Integer),
    ("state", Kind::Text),
];
const EVENT_COLUMNS: [(&str, Kind); 6] = [
    ("seq", Kind::Integer),
    ("id", Kind::Bytes),
    ("at", Kind::Integer),
    ("actor", Kind::Text),
    ("kind", Kind::Text),
    ("incident", Kind::Integer),
];
