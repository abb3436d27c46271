//! A batch of an incident, in statements over states instead of certificates: of many certificates nearly all are in the same
//! state, so what comes of each state is reckoned once and the database does the rest. A state names the moment of each suspension: those
//! whose holders have suspended them are in states of their own, and have their next ones row by row.

use std::ops::Range;

use jiff::Timestamp;
use model::CertificateState;
use store::{AssertSqlSafe, Engine, Kind, Tx, Value, new_id, params};

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

/// A state that many certificates are in, and the one they all get next.
#[derive(Clone)]
pub(crate) struct Group {
    was: String,
    ended: bool,
    next: StateColumns,
}

/// What was found beside what is known.
pub(crate) struct Others {
    /// States that many are in.
    pub(crate) groups: Vec<Group>,
    /// Whether there are more states, each of which few are in.
    pub(crate) rare: bool,
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
    /// How many they are.
    pub(crate) async fn count(&self, tx: &mut Tx) -> Result<i64> {
        let sql =
            "SELECT COUNT(*) FROM incident_certificate WHERE incident = $1 AND serial > $2 AND serial <= $3";
        Ok(tx.one(sql, params![self.incident as i64, self.after, self.upto]).await?.read(0)?)
    }

    /// What comes of each state that there is beside those that are `known`, of certificates whose last change has a number below `first`;
    /// states are left out that `step` leaves as they are. Certificates that another incident holds stay in a known state, and are found in
    /// each batch anew.
    pub(crate) async fn others(
        &self,
        tx: &mut Tx,
        step: impl Fn(CertificateState) -> Option<CertificateState>,
        first: u64,
        known: &[Group],
    ) -> Result<Others> {
        let sql = "SELECT state, ends < $4 AS ended, MIN(ends) AS ends, COUNT(*) AS many \
            FROM incident_certificate JOIN certificate_state USING (serial) \
            WHERE incident = $1 AND serial > $2 AND serial <= $3 AND state_seq < $5 \
            GROUP BY state, ended ORDER BY state, ended";
        let values = params![self.incident as i64, self.after, self.upto, self.second()?, first as i64];
        let mut found = Others { groups: Vec::new(), rare: false };
        for row in tx.all(sql, values).await? {
            let (was, ended): (String, bool) = (row.read("state")?, row.read("ended")?);
            if known.iter().any(|group| (&group.was, group.ended) == (&was, ended)) {
                continue;
            }
            // They ended all or none.
            let state = at_time(parse_state(&was)?, row.read("ends")?, self.now);
            let Some(next) = step(state) else { continue };
            if row.read::<i64>("many")? < MANY {
                found.rare = true;
                continue;
            }
            found.groups.push(Group { was, ended, next: StateColumns::of_change(&next, self.now)? });
        }
        Ok(found)
    }

    /// Writes the new states of those that are left, row by row; how many. Otherwise as [`Self::write_states`].
    pub(crate) async fn write_rare(
        &self,
        tx: &mut Tx,
        step: impl Fn(CertificateState) -> Option<CertificateState>,
        first: u64,
        unless: &str,
    ) -> Result<i64> {
        let mut left = "SELECT turn.place AS place, turn.serial AS serial, state, ends FROM (SELECT serial, \
            ROW_NUMBER() OVER (ORDER BY serial) AS place FROM incident_certificate \
            WHERE incident = $1 AND serial > $2 AND serial <= $3) AS turn \
            JOIN certificate_state ON certificate_state.serial = turn.serial WHERE state_seq < $4"
            .to_owned();
        if !unless.is_empty() {
            left.push_str(&format!(" AND NOT ({unless})"));
        }
        let values = params![self.incident as i64, self.after, self.upto, first as i64];
        let mut rows = Vec::new();
        for row in tx.all(AssertSqlSafe(left), values).await? {
            let state = at_time(parse_state(&row.read::<String>("state")?)?, row.read("ends")?, self.now);
            let Some(next) = step(state) else { continue };
            let next = StateColumns::of_change(&next, self.now)?;
            let seq = first as i64 - 1 + row.read::<i64>("place")?;
            let serial: Vec<u8> = row.read("serial")?;
            rows.push(params![serial, seq, next.status, next.at, next.reason, next.state].to_vec());
        }
        let update = "UPDATE certificate_state SET state_seq = given.next_seq, status = given.next_status, \
            status_at = given.next_at, reason = given.next_reason, state = given.next_state \
            FROM given WHERE certificate_state.serial = given.of";
        Ok(tx.execute_given(&RARE_COLUMNS, update, &rows).await? as i64)
    }

    /// Writes the new states; how many. The number of a change is the place its certificate has in the batch, counted on from
    /// `first`: where nothing changes a number is left out. Those that meet the condition `unless` of `turn.serial` stay as they are.
    pub(crate) async fn write_states(
        &self,
        tx: &mut Tx,
        groups: &[Group],
        first: u64,
        unless: &str,
    ) -> Result<i64> {
        // The bounds are the statement's own values, not a joined row's: PostgreSQL has to see that a batch is a small part of
        // the table, or it reads the whole table for each.
        let update = "UPDATE certificate_state SET state_seq = $4 + turn.place, status = $5, status_at = $6, reason = $7, \
            state = $8 FROM (SELECT serial, ROW_NUMBER() OVER (ORDER BY serial) AS place FROM incident_certificate \
            WHERE incident = $1 AND serial > $2 AND serial <= $3) AS turn \
            WHERE certificate_state.serial = turn.serial AND certificate_state.state = $9 \
            AND (certificate_state.ends < $10) = $11 AND certificate_state.state_seq <= $4";
        let update = match unless {
            "" => update.to_owned(),
            unless => format!("{update} AND NOT ({unless})"),
        };
        let mut changed = 0;
        for Group { was, ended, next } in groups {
            let values = params![
                self.incident as i64,
                self.after,
                self.upto,
                first as i64 - 1,
                next.status,
                next.at,
                next.reason,
                &next.state,
                was,
                self.second()?,
                *ended
            ];
            changed += tx.execute(AssertSqlSafe(update.clone()), values).await? as i64;
        }
        Ok(changed)
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

    /// Writes the events of the changes with these numbers, `many` of which were taken.
    pub(crate) async fn write_events(
        &self,
        tx: &mut Tx,
        turn: &Turn<'_>,
        (kind, actor): (&str, &str),
        changes: Range<u64>,
        many: i64,
    ) -> Result<()> {
        let mut rows: Vec<Vec<Value<'_>>> = Vec::with_capacity((changes.end - changes.start) as usize);
        for seq in changes {
            let id = new_id(turn.now, self.random().as_mut());
            rows.push(params![seq as i64, id, turn.now, actor, kind, turn.incident as i64].to_vec());
        }
        let insert = "INSERT INTO event (id, serial, at, actor, kind, incident, state) \
            SELECT given.id, held.serial, given.at, given.actor, given.kind, given.incident, held.state \
            FROM given JOIN certificate_state AS held ON held.state_seq = given.seq";
        match tx.execute_given(&EVENT_COLUMNS, insert, &rows).await? == many as u64 {
            true => Ok(()),
            false => Err(NpcError::Inconsistent("a change without its event")),
        }
    }
}

/// So many certificates of a batch in one state are changed by one statement.
const MANY: i64 = 100;

const RARE_COLUMNS: [(&str, Kind); 6] = [
    ("of", Kind::Bytes),
    ("next_seq", Kind::Integer),
    ("next_status", Kind::Integer),
    ("next_at", Kind::Integer),
    ("next_reason", Kind::Integer),
    ("next_state", Kind::Text),
];

const EVENT_COLUMNS: [(&str, Kind); 6] = [
    ("seq", Kind::Integer),
    ("id", Kind::Bytes),
    ("at", Kind::Integer),
    ("actor", Kind::Text),
    ("kind", Kind::Text),
    ("incident", Kind::Integer),
];
