//! Which incidents hold a certificate, each apart from the others (NPC-55; the principle of LOSS-10).
//!
//! A certificate's state says that incidents hold it, not which. That follows from what incidents have noted down: a suspension
//! holds what it has noted, and its end lets go what that has noted. So a suspension of a million certificates writes nothing
//! more than their states, and whoever ends one asks whether it is the last (ADR 41).
//!
//! What is noted counts from the approval on, before its batch is worked: of two ends that are worked at the same time, each
//! knows of the other, and whichever comes last changes the state.

use jiff::Timestamp;
use store::{AssertSqlSafe, Tx, params};

use crate::cohort::{Measure, read};
use crate::queue::waits_for_next;
use crate::row::FREED;
use crate::{NpcError, Result};

/// The suspensions and their ends that two persons have approved.
pub(crate) struct Holds {
    suspensions: Vec<Suspension>,
}

struct Suspension {
    number: u64,
    /// Whether its last batch is done.
    finished: bool,
    /// The incidents that end it, for what they have noted down.
    ended_by: Vec<String>,
}

impl Holds {
    /// Reads them. An earlier version has not kept the list of what some of them concerned: it is made here.
    pub(crate) async fn read(tx: &mut Tx) -> Result<Self> {
        let mut found: Self = Self { suspensions: Vec::new() };
        let sql = "SELECT * FROM incident WHERE approved_by IS NOT NULL ORDER BY number";
        for row in tx.all(sql, params![]).await? {
            let incident = read(&row)?;
            let number = incident.number;
            if matches!(incident.measure, Measure::Suspend | Measure::ResumeAll)
                && !row.read::<bool>("selected")?
            {
                incident.note_concerned(tx).await?;
            }
            match incident.measure {
                Measure::Suspend => found.suspensions.push(Suspension {
                    number,
                    finished: incident.finished_at.is_some(),
                    ended_by: Vec::new(),
                }),
                Measure::Resume { of } => {
                    let ended = found.suspensions.iter_mut().find(|suspension| suspension.number == of);
                    ended.ok_or(NpcError::Inconsistent("incident"))?.ended_by.push(number.to_string());
                }
                // Those that had a number before it.
                Measure::ResumeAll => {
                    found.suspensions.iter_mut().for_each(|all| all.ended_by.push(number.to_string()));
                }
                Measure::Revoke(_) => {}
            }
        }
        Ok(found)
    }

    /// Whether this is a suspension that can be ended: what it has still to suspend would be suspended after its end.
    pub(crate) fn expect_ended(&self, number: u64) -> Result<()> {
        let known = self.suspensions.iter().any(|one| one.number == number && one.finished);
        if known { Ok(()) } else { Err(NpcError::NotHeld(number)) }
    }

    /// The condition that this incident holds the certificate with a serial number, which stands in a column.
    pub(crate) fn by(&self, number: u64, column: &str) -> String {
        condition(self.suspensions.iter().filter(|one| one.number == number), column)
    }

    /// The condition that an incident but this one does.
    pub(crate) fn by_others(&self, number: u64, column: &str) -> String {
        condition(self.suspensions.iter().filter(|one| one.number != number), column)
    }

    /// The incidents that hold a certificate of this card which has neither ended nor been revoked, without those whose queue still
    /// waits for the card's next certificates if this is one of them (`remedy`): each asks for itself alone.
    pub(crate) async fn of_card(
        &self,
        tx: &mut Tx,
        card: &str,
        remedy: bool,
        now: Timestamp,
    ) -> Result<Vec<u64>> {
        let mut found = Vec::new();
        let second = Timestamp::from_second(now.as_second()).map_err(|_| NpcError::Inconsistent("clock"))?;
        for one in &self.suspensions {
            let (held, number) = (condition([one], "certificate.serial"), one.number);
            let sql = format!(
                "SELECT 1 FROM certificate JOIN certificate_state USING (serial) WHERE card = $1 AND slot < $2 \
                 AND status <> 2 AND ends >= $3 AND {held} LIMIT 1"
            );
            let values = params![card, FREED, second];
            if tx.optional(AssertSqlSafe(sql), values).await?.is_some()
                && !(remedy && waits_for_next(tx, number, card).await?)
            {
                found.push(number);
            }
        }
        Ok(found)
    }
}

/// Notes down a certificate that begins on hold as others of its card are, for an incident that holds one of those.
pub(crate) async fn note_sibling(tx: &mut Tx, incident: u64, serial: &[u8]) -> Result<()> {
    let sql = "INSERT INTO incident_certificate (incident, serial) VALUES ($1, $2)";
    tx.execute_one(sql, params![incident as i64, serial]).await?;
    Ok(())
}

/// One look at an index for each suspension and its ends.
fn condition<'a>(suspensions: impl IntoIterator<Item = &'a Suspension>, column: &str) -> String {
    let one = |suspension: &Suspension| {
        let listed = |name: &str, numbers: &str| {
            format!(
                "EXISTS (SELECT 1 FROM incident_certificate AS {name} \
                 WHERE {name}.serial = {column} AND {name}.incident IN ({numbers}))"
            )
        };
        let held = listed("held", &suspension.number.to_string());
        match suspension.ended_by.is_empty() {
            true => held,
            false => format!("({held} AND NOT {})", listed("ended", &suspension.ended_by.join(", "))),
        }
    };
    let all: Vec<_> = suspensions.into_iter().map(one).collect();
    match all.is_empty() {
        true => "1 = 0".to_owned(),
        false => format!("({})", all.join(" OR ")),
    }
}
