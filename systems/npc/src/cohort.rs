//! Incidents: many certificates suspended, resumed or revoked at once, because a kind of key or a lot of cards is no longer
//! trusted (NPC-55, NPC-57, RECALL-14); and the switch that stops issuing.
//!
//! One person proposes whom it concerns, another approves, within seven days and only if no certificate of the cohort has come
//! into being since. Nobody waits while a country's certificates are counted and noted down: that is done outside the audit log, and
//! means nothing before the approval, a short commit that looks at what has changed meanwhile alone. The work is done in batches, each one commit that also says how
//! far it came: killed anywhere, it goes on there, and no certificate is changed twice. Certificates that come into being after
//! the approval are not of it; so issuing is stopped first. A batch is a handful of statements, whatever its
//! size, and every certificate has its event, which names the incident. Each takes the head of the audit log before anything else and holds it for
//! a fraction of a second, and whoever else writes has a turn between two (ADR 41). When the last batch is done every list that lacks a
//! change and the filter are made anew, however young they are; only then is the incident over.

use jiff::{SignedDuration, Timestamp};
use model::lifecycle::Stamp;
use model::{CardSerial, CertificateState, RevocationReason, SuspensionCause};
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::{AssertSqlSafe, Row, Tx, Value, params, transaction};

use crate::batch::{Group, Turn, end_of_batch};
use crate::feed::next_number;
use crate::hold::Holds;
use crate::moduli::SHARED_FACTOR;
use crate::status::Why;
use crate::switch::ISSUING;
use crate::{Carrier, Npc, NpcError, Result, SYSTEM};

/// Whom an incident concerns: every criterion given must hold, and at least one is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cohort {
    /// Kind and size of the key: `RSA-2048`, `secp521r1`.
    pub key_class: Option<String>,
    /// What the key shows of its maker: `roca`, or the class of another fingerprint as it was stored at issuance; or
    /// `shared-factor`: a comparison of all keys has found a factor that it has in common with another ([`crate::CommonFactor`]).
    pub fingerprint: Option<String>,
    /// The model of the card's chip, as the register of chip types names it.
    pub chip_model: Option<String>,
    /// What carries the certificate.
    pub carrier: Option<Carrier>,
    /// Cards from one serial to another, both included: a lot, a series, or one card (RECALL-15).
    pub cards: Option<(CardSerial, CardSerial)>,
    /// Certificates that begin at this moment or later.
    pub from: Option<Timestamp>,
    /// Certificates that begin at this moment or before.
    pub to: Option<Timestamp>,
    /// Cards named one by one, as another system's books select them; set by [`Npc::propose_incident_for`].
    pub listed: Option<Listed>,
}

/// A list of cards that an incident keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// By what they were selected, in words.
    pub selected_by: String,
    /// How many cards.
    pub cards: u64,
    // The incident under which they stand.
    incident: u64,
}

/// What is to be done with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Suspend; the cause is the incident.
    Suspend,
    /// End what one incident has suspended, all of it or the part that the cohort names. What another incident holds too
    /// ([`Incident::also_held`]), or another cause, stays suspended.
    Resume {
        /// The number of the incident that has suspended it.
        of: u64,
    },
    /// End what every earlier incident has suspended. An earlier version proposed this; it is finished and not proposed any more.
    ResumeAll,
    /// Revoke, for good.
    Revoke(RevocationReason),
}

/// An incident and how far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// Its number.
    pub number: u64,
    /// Whom it concerns.
    pub cohort: Cohort,
    /// What is to be done.
    pub measure: Measure,
    /// How many certificates it concerned when it was proposed.
    pub concerned: u64,
    /// Of the end of a suspension: how many of them another incident held too then, and so stay suspended.
    pub also_held: u64,
    /// Who proposed it.
    pub proposed_by: String,
    /// When.
    pub proposed_at: Timestamp,
    /// Who approved it.
    pub approved_by: Option<String>,
    /// How many certificates were looked at.
    pub looked_at: u64,
    /// How many of them were changed.
    pub changed: u64,
    /// When all was done.
    pub finished_at: Option<Timestamp>,
}

impl Npc {
    /// Proposes an incident. Nothing happens until another person approves it.
    pub async fn propose_incident(
        &self,
        cohort: Cohort,
        measure: Measure,
        operator: &str,
        now: Timestamp,
    ) -> Result<Incident> {
        let everybody = cohort == Cohort::default() && !matches!(measure, Measure::Resume { .. });
        if everybody || cohort.listed.is_some() {
            return Err(NpcError::Request("an incident concerns a cohort, not everybody"));
        }
        self.propose(cohort, None, measure, operator, now).await
    }

    /// The same for the certificates of these cards alone, which `selected_by` says in words how they were found: by batch,
    /// maker or version, of which the books of the card centre know (RECALL-01, RECALL-04). The incident keeps the list.
    pub async fn propose_incident_for(
        &self,
        cards: &[CardSerial],
        selected_by: &str,
        cohort: Cohort,
        measure: Measure,
        operator: &str,
        now: Timestamp,
    ) -> Result<Incident> {
        if cards.is_empty() {
            return Err(NpcError::Request("no card is of this kind"));
        }
        self.propose(cohort, Some((cards, selected_by)), measure, operator, now).await
    }

    async fn propose(
        &self,
        cohort: Cohort,
        listed: Option<(&[CardSerial], &str)>,
        measure: Measure,
        operator: &str,
        now: Timestamp,
    ) -> Result<Incident> {
        let mut cohort = cohort;
        if let Some((cards, selected_by)) = listed {
            let incident = self.list_cards(cards).await?;
            let (selected_by, cards) = (selected_by.to_owned(), cards.len() as u64);
            cohort.listed = Some(Listed { selected_by, cards, incident });
        }
        let stored = serde_json::to_string(&Stored::of(&cohort, measure))
            .map_err(|_| NpcError::Inconsistent("incident"))?;
        // What comes into being from here on has grown since.
        let (concerned, in_all, also_held) = transaction!(self.db, |tx| {
            tx.read_committed().await?;
            Ok::<_, NpcError>(match measure {
                Measure::Suspend | Measure::Revoke(_) => {
                    let (concerned, in_all) = count(tx, &cohort, now).await?;
                    (concerned, in_all, 0)
                }
                Measure::Resume { of } => {
                    let holds = Holds::read(tx).await?;
                    holds.expect_ended(of)?;
                    let (concerned, also_held) = count_held(tx, &holds, of, &cohort, now).await?;
                    if concerned == 0 {
                        return Err(NpcError::NotHeld(of));
                    }
                    (concerned, 0, also_held)
                }
                Measure::ResumeAll => {
                    return Err(NpcError::Request("the end of a suspension names its incident"));
                }
            })
        })?;
        let number = transaction!(self.db, |tx| {
            audit::append_all(tx, &[]).await?;
            let number = match &cohort.listed {
                Some(listed) => listed.incident,
                None => next_number(tx, "incident", 1).await?,
            };
            let sql = "INSERT INTO incident (number, what, concerned, in_all, also_held, proposed_by, proposed_at, \
                after, looked_at, changed, published) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0, FALSE)";
            let nothing: &[u8] = &[];
            let values =
                params![number as i64, &stored, concerned, in_all, also_held, operator, now, nothing];
            tx.execute_one(sql, values).await?;
            let mut detail = json!({ "what": stored, "concerned": concerned });
            if also_held > 0 {
                detail["also_held"] = also_held.into();
            }
            self.audit(tx, "incident-propose", &incident_subject(number), operator, detail, now).await?;
            Ok::<_, NpcError>(number)
        })?;
        self.incident(number).await
    }

    /// Writes down a list of cards under the number of an incident that is not proposed yet: killed here, it is nobody's.
    async fn list_cards(&self, cards: &[CardSerial]) -> Result<u64> {
        let number = transaction!(self.db, |tx| next_number(tx, "incident", 1).await)?;
        for part in cards.chunks(LISTED) {
            transaction!(self.db, |tx| {
                let rows = part.iter().map(|card| params![number as i64, card.as_str()].to_vec());
                let sql = "INSERT INTO incident_card (incident, card)";
                tx.insert_many(sql, 2, rows.collect::<Vec<_>>()).await
            })?;
        }
        Ok(number)
    }

    /// Approves an incident of another person's and does it. If it is interrupted, [`Npc::maintain`] or the next approval of
    /// the same goes on. What is approved is what was shown: the certificates are noted down before the approval, which is refused if
    /// one of the cohort is not among them.
    ///
    /// # Errors
    /// [`NpcError::Lapsed`] seven days after the proposal; [`NpcError::Grown`] if certificates of the cohort have come into being
    /// since: those of a bad lot are neither to be missed nor to be changed unseen. The end of a suspension concerns what is on
    /// hold alone; [`NpcError::NotHeld`] if an earlier version proposed it, for every incident at once.
    pub async fn approve_incident(&self, number: u64, operator: &str, now: Timestamp) -> Result<Incident> {
        const THIS: &str = "SELECT * FROM incident WHERE number = $1";
        let row = self.db.optional(THIS, params![number as i64]).await?;
        if let Some(proposed) = approvable(row.as_ref(), operator, now)? {
            let known = self.note_proposed(&proposed).await?;
            transaction!(self.db, |tx| {
                audit::append_all(tx, &[]).await?;
                // Another process may have approved it meanwhile.
                let row = tx.optional(THIS, params![number as i64]).await?;
                let Some(proposed) = approvable(row.as_ref(), operator, now)? else { return Ok(()) };
                proposed.incident.note_rest(tx, known).await?;
                let sql = "UPDATE incident SET approved_by = $2, selected = TRUE \
                    WHERE number = $1 AND approved_by IS NULL";
                tx.execute_one(sql, params![number as i64, operator]).await?;
                self.audit(tx, "incident-approve", &incident_subject(number), operator, json!({}), now)
                    .await?;
                Ok::<_, NpcError>(())
            })?;
        }
        self.work_incident(number, now).await?;
        self.incident(number).await
    }

    /// The incidents, newest first.
    pub async fn incidents(&self) -> Result<Vec<Incident>> {
        let sql = "SELECT * FROM incident ORDER BY number DESC";
        self.db.all(sql, params![]).await?.iter().map(read).collect()
    }

    /// Goes on with what was approved and interrupted.
    pub(crate) async fn work_incidents(&self, now: Timestamp) -> Result<()> {
        let sql = "SELECT number FROM incident \
            WHERE approved_by IS NOT NULL AND (finished_at IS NULL OR published = FALSE) ORDER BY number";
        for row in self.db.all(sql, params![]).await? {
            self.work_incident(row.read::<i64>(0)? as u64, now).await?;
        }
        self.forget_lapsed(now).await?;
        self.count_queues(now).await
    }

    /// Stops issuing at once: requests are refused until [`Npc::start_issuing`]. One person may.
    pub async fn stop_issuing(&self, operator: &str, now: Timestamp) -> Result<()> {
        self.turn(&ISSUING, true, operator, now).await
    }

    /// Issues again.
    pub async fn start_issuing(&self, operator: &str, now: Timestamp) -> Result<()> {
        self.turn(&ISSUING, false, operator, now).await
    }

    /// Notes down whom a proposed incident concerns, beside everything that others write: neither is in the other's way, and what is noted
    /// means nothing before the approval. Gives the number of a change: what the cohort has grown by since has a later one.
    async fn note_proposed(&self, proposed: &Proposed) -> Result<i64> {
        let Proposed { incident, shown } = proposed;
        let last_change = async || -> Result<i64> {
            let sql = "SELECT value FROM counter WHERE name = 'state'";
            Ok(self.db.one(sql, params![]).await?.read(0)?)
        };
        let mut known = last_change().await?;
        transaction!(self.db, |tx| {
            tx.read_committed().await?;
            incident.note_to_approve(tx).await?;
            if !matches!(incident.measure, Measure::Resume { .. }) {
                let (_, in_all) = count(tx, &incident.cohort, incident.proposed_at).await?;
                if in_all > *shown {
                    return Err(NpcError::Grown((in_all - shown) as u64));
                }
            }
            Ok::<_, NpcError>(())
        })?;
        // While another incident is worked on much changes in the meantime, which the approval need not look at.
        for _ in 0..CATCH_UP {
            let next = last_change().await?;
            if next - known < FEW {
                break;
            }
            transaction!(self.db, |tx| {
                tx.read_committed().await?;
                incident.note_rest(tx, known).await
            })?;
            known = next;
        }
        Ok(known)
    }

    /// The list of an incident that an earlier version has approved and kept no list of.
    pub(crate) async fn note_of_before(&self, number: u64) -> Result<()> {
        let sql = "SELECT * FROM incident WHERE number = $1 AND approved_by IS NOT NULL AND selected = FALSE";
        let Some(row) = self.db.optional(sql, params![number as i64]).await? else { return Ok(()) };
        let incident = read(&row)?;
        transaction!(self.db, |tx| {
            tx.read_committed().await?;
            incident.note_concerned(tx).await
        })
    }

    /// Forgets what was noted down for incidents that nobody can approve any more, part by part.
    async fn forget_lapsed(&self, now: Timestamp) -> Result<()> {
        // A day later no process takes it for younger.
        let sql = "SELECT number FROM incident WHERE approved_by IS NULL AND proposed_at < $1 AND EXISTS \
            (SELECT 1 FROM incident_certificate WHERE incident_certificate.incident = incident.number)";
        let long_ago = now - LAPSES - SignedDuration::from_hours(24);
        for row in self.db.all(sql, params![long_ago]).await? {
            let number: i64 = row.read(0)?;
            let forget = "DELETE FROM incident_certificate WHERE incident = $1 AND serial IN \
                (SELECT serial FROM incident_certificate WHERE incident = $2 ORDER BY serial LIMIT $3)";
            while self.db.execute(forget, params![number, number, self.incident_batch()]).await? > 0 {}
        }
        Ok(())
    }

    async fn work_incident(&self, number: u64, now: Timestamp) -> Result<()> {
        self.note_of_before(number).await?;
        let (mut done, mut known) = (false, Vec::new());
        while !done {
            // While a batch is written, the one before is told.
            let (worked, ()) = tokio::join!(self.work_batch(number, &known, now), self.tell_changes(now));
            (done, known) = worked?;
        }
        self.tell_changes(now).await;
        let sql = "SELECT 1 FROM incident WHERE number = $1 AND published = FALSE";
        if self.db.optional(sql, params![number as i64]).await?.is_some() {
            self.publish_lists(now).await?;
            self.publish_filter_of_lists(now).await?;
            transaction!(self.db, |tx| {
                let sql = "UPDATE incident SET published = TRUE WHERE number = $1";
                tx.execute(sql, params![number as i64]).await?;
                Ok::<_, NpcError>(())
            })?;
        }
        Ok(())
    }

    /// One batch; whether it was the last, and what comes of the states that are `known` by now: nearly all certificates are in
    /// one of a few, so what is in none of these is looked for only where something is left.
    async fn work_batch(&self, number: u64, known: &[Group], now: Timestamp) -> Result<(bool, Vec<Group>)> {
        let batch = self.incident_batch();
        self.db.losers_first().await;
        transaction!(self.db, |tx| {
            // Whoever changes what is read here has the head of the log, too.
            tx.read_committed().await?;
            audit::append_all(tx, &[]).await?;
            let row = tx.one("SELECT * FROM incident WHERE number = $1", params![number as i64]).await?;
            let incident = read(&row)?;
            let Some(approver) = &incident.approved_by else {
                return Err(NpcError::Inconsistent("an incident nobody approved"));
            };
            if incident.finished_at.is_some() {
                return Ok((true, Vec::new()));
            }
            let after: Vec<u8> = row.read("after")?;
            let (upto, done) = end_of_batch(tx, number, &after, batch).await?;
            let turn = Turn { incident: number, after: &after, upto: &upto, now };
            let step = |state| incident.measure.applied(state, Stamp::new(now, approver, SYSTEM));
            let looked_at = turn.count(tx).await?;
            // A number for each place in the batch, all at once: nobody sees a greater one before them.
            let next = next_number(tx, "state", looked_at).await? + 1;
            let changes = next - looked_at as u64..next;
            // What another incident holds too keeps its state: the last end of them is the one that changes it.
            let unless = match incident.measure {
                Measure::Resume { of } => Holds::read(tx).await?.by_others(of, "turn.serial"),
                _ => String::new(),
            };
            let mut groups = known.to_vec();
            let mut count = turn.write_states(tx, &groups, changes.start, &unless).await?;
            if count < looked_at {
                let others = turn.others(tx, step, changes.start, &groups).await?;
                count += turn.write_states(tx, &others.groups, changes.start, &unless).await?;
                if others.rare {
                    count += turn.write_rare(tx, step, changes.start, &unless).await?;
                }
                groups.extend(others.groups);
            }
            let what = (incident.measure.kind(), &approver[..]);
            self.write_events(tx, &turn, what, changes.clone(), count).await?;
            let why = Why { actor: approver, at: now, incident: Some(number) };
            let followed = self.follow_changes(tx, changes, &why).await?;
            let sql = "UPDATE incident SET after = $2, looked_at = looked_at + $3, changed = changed + $4, \
                finished_at = $5 WHERE number = $1 AND finished_at IS NULL";
            let values = params![number as i64, &upto[..], looked_at, count, done.then_some(now)];
            tx.execute_one(sql, values).await?;
            let mut detail = json!({ "looked_at": looked_at, "changed": count, "finished": done });
            if followed > 0 {
                detail["followed"] = followed.into();
            }
            self.audit(tx, "incident-batch", &incident_subject(number), approver, detail, now).await?;
            Ok((done, groups))
        })
    }

    pub(crate) async fn incident(&self, number: u64) -> Result<Incident> {
        read(&self.db.one("SELECT * FROM incident WHERE number = $1", params![number as i64]).await?)
    }
}

impl Measure {
    fn kind(self) -> &'static str {
        match self {
            Self::Suspend => "suspend",
            Self::Resume { .. } | Self::ResumeAll => "resume",
            Self::Revoke(_) => "revoke",
        }
    }

    /// The next state; `None` where nothing is left to do.
    fn applied(self, state: CertificateState, stamp: Stamp) -> Option<CertificateState> {
        let cause = SuspensionCause::Incident;
        let step = match self {
            Self::Suspend => state.suspend(cause, stamp),
            Self::Resume { .. } | Self::ResumeAll => state.resume(cause, stamp),
            Self::Revoke(reason) => state.revoke(reason, stamp),
        };
        step.ok().map(|(state, _event)| state)
    }
}

impl Incident {
    /// Whether nobody approved it in time: it is proposed again, or forgotten.
    pub fn lapsed(&self, now: Timestamp) -> bool {
        self.approved_by.is_none() && now >= self.proposed_at + LAPSES
    }

    /// Notes down whom an incident concerns that an earlier version has approved, in one pass of the table: looking for the next some
    /// thousand in each batch would be a pass for each of them, where no index knows the criterion.
    pub(crate) async fn note_concerned(&self, tx: &mut Tx) -> Result<()> {
        let (conditions, values) = concerned(&self.cohort, self.proposed_at, self.finished_at.is_some(), "");
        self.note(tx, &conditions, &values).await?;
        let sql = "UPDATE incident SET selected = TRUE WHERE number = $1";
        tx.execute_one(sql, params![self.number as i64]).await?;
        Ok(())
    }

    /// The same before it is approved: of the end of a suspension what the incident holds at this moment.
    async fn note_to_approve(&self, tx: &mut Tx) -> Result<()> {
        let (mut conditions, values) = self.concerned_now(tx).await?;
        conditions.push_str(&self.not_approved());
        self.note(tx, &conditions, &values).await
    }

    /// What has come to the cohort with changes after `known`, when all before is noted: the end of a suspension ends that too; of any other
    /// measure it is an error, for it was not shown to those who approve.
    async fn note_rest(&self, tx: &mut Tx, known: i64) -> Result<()> {
        let (mut conditions, mut values) = self.concerned_now(tx).await?;
        if self.cohort.fingerprint.as_deref() != Some(SHARED_FACTOR) {
            // What has come into being is not signed yet, or was with a later change. Of keys with common factors there are few,
            // and old certificates join them.
            values.push(known.into());
            conditions.push_str(&format!(" AND (state_seq > ${} OR signed = FALSE)", values.len()));
        }
        conditions.push_str(&format!(
            " AND NOT EXISTS (SELECT 1 FROM incident_certificate AS noted \
             WHERE noted.incident = {} AND noted.serial = certificate.serial)",
            self.number
        ));
        if let Measure::Resume { .. } = self.measure {
            conditions.push_str(&self.not_approved());
            return self.note(tx, &conditions, &values).await;
        }
        let sql = format!("SELECT COUNT(*) {conditions}");
        match tx.one(AssertSqlSafe(sql), &values).await?.read::<i64>(0)? {
            0 => Ok(()),
            grown => Err(NpcError::Grown(grown as u64)),
        }
    }

    async fn concerned_now(&self, tx: &mut Tx) -> Result<(String, Vec<Value<'_>>)> {
        let held = match self.measure {
            Measure::Resume { of } => Holds::read(tx).await?.by(of, "certificate.serial"),
            _ => String::new(),
        };
        Ok(concerned(&self.cohort, self.proposed_at, false, &held))
    }

    /// Two processes may note for the same approval: the slower one adds nothing to what the faster one has approved.
    fn not_approved(&self) -> String {
        let number = self.number;
        format!(" AND EXISTS (SELECT 1 FROM incident WHERE number = {number} AND approved_by IS NULL)")
    }

    async fn note(&self, tx: &mut Tx, conditions: &str, values: &[Value<'_>]) -> Result<()> {
        let number = self.number;
        let sql = format!(
            "INSERT INTO incident_certificate (incident, serial) SELECT {number}, serial {conditions} \
             ORDER BY serial ON CONFLICT DO NOTHING"
        );
        tx.execute(AssertSqlSafe(sql), values).await?;
        Ok(())
    }
}

/// An incident that waits for its approval, and how many certificates of its cohort there were when it was proposed.
struct Proposed {
    incident: Incident,
    shown: i64,
}

/// What this person may approve now; nothing if it is approved already.
fn approvable(row: Option<&Row>, operator: &str, now: Timestamp) -> Result<Option<Proposed>> {
    let row = row.ok_or(NpcError::Request("there is no incident of this number"))?;
    let incident = read(row)?;
    if incident.approved_by.is_some() {
        return Ok(None);
    }
    if incident.proposed_by == operator {
        return Err(NpcError::SamePerson);
    }
    if incident.lapsed(now) {
        return Err(NpcError::Lapsed);
    }
    if incident.measure == Measure::ResumeAll {
        return Err(NpcError::NotHeld(incident.number));
    }
    // An earlier version has counted only those that were not revoked.
    let shown = row.read::<Option<i64>>("in_all")?.unwrap_or(incident.concerned as i64);
    Ok(Some(Proposed { incident, shown }))
}

/// The certificates of a cohort: what had ended when the incident was proposed is nobody's concern, nor what was revoked unless
/// the incident itself may have done it. What is stored and not signed yet is one of them: it will be signed, in the state that
/// it has by then, and never if it is revoked. `held` is a further condition, or empty.
fn concerned<'a>(
    cohort: &'a Cohort,
    proposed_at: Timestamp,
    revoked_too: bool,
    held: &str,
) -> (String, Vec<Value<'a>>) {
    let mut conditions = Conditions::default();
    let standing = if revoked_too { "ends >=" } else { "status <> 2 AND ends >=" };
    conditions.also(standing, proposed_at.into());
    conditions.cohort(cohort);
    let and = if held.is_empty() { "" } else { " AND " };
    let sql =
        format!("FROM certificate JOIN certificate_state USING (serial) WHERE {}{and}{held}", conditions.sql);
    (sql, conditions.values)
}

/// How many certificates a cohort concerns, and how many there are of it in all, with those that are revoked: the first
/// becomes less by itself, the second only ever more.
async fn count(tx: &mut Tx, cohort: &Cohort, proposed_at: Timestamp) -> Result<(i64, i64)> {
    let (conditions, values) = concerned(cohort, proposed_at, true, "");
    let sql = format!(
        "SELECT COUNT(*) AS in_all, COALESCE(SUM(CASE WHEN status <> 2 THEN 1 ELSE 0 END), 0) AS concerned {conditions}"
    );
    let row = tx.one(AssertSqlSafe(sql), &values).await?;
    Ok((row.read("concerned")?, row.read("in_all")?))
}

/// How many certificates of a cohort an incident holds, and how many of these another one holds too.
async fn count_held(
    tx: &mut Tx,
    holds: &Holds,
    of: u64,
    cohort: &Cohort,
    proposed_at: Timestamp,
) -> Result<(i64, i64)> {
    let held = holds.by(of, "certificate.serial");
    let (conditions, values) = concerned(cohort, proposed_at, false, &held);
    let too = holds.by_others(of, "certificate.serial");
    let sql = format!(
        "SELECT COUNT(*) AS concerned, COALESCE(SUM(CASE WHEN {too} THEN 1 ELSE 0 END), 0) AS too {conditions}"
    );
    let row = tx.one(AssertSqlSafe(sql), &values).await?;
    Ok((row.read("concerned")?, row.read("too")?))
}

/// What a statement asks of `certificate` and `certificate_state`. Only criteria that were given stand in it, so that an
/// index of theirs can serve.
#[derive(Default)]
struct Conditions<'a> {
    sql: String,
    values: Vec<Value<'a>>,
}

impl<'a> Conditions<'a> {
    /// Everything before, and this with its value behind it.
    fn also(&mut self, condition: &str, value: Value<'a>) {
        self.values.push(value);
        let and = if self.sql.is_empty() { "" } else { " AND " };
        self.sql.push_str(&format!("{and}{condition} ${}", self.values.len()));
    }

    /// The criteria of a cohort.
    fn cohort(&mut self, cohort: &'a Cohort) {
        for (condition, value) in [
            ("key_class =", cohort.key_class.as_deref()),
            ("fingerprint =", cohort.fingerprint.as_deref().filter(|class| *class != SHARED_FACTOR)),
            ("chip_model =", cohort.chip_model.as_deref()),
            ("carrier =", cohort.carrier.map(Carrier::as_str)),
            ("card >=", cohort.cards.as_ref().map(|(first, _)| first.as_str())),
            ("card <=", cohort.cards.as_ref().map(|(_, last)| last.as_str())),
        ] {
            if let Some(value) = value {
                self.also(condition, value.into());
            }
        }
        for (condition, value) in [("not_before >=", cohort.from), ("not_before <=", cohort.to)] {
            if let Some(value) = value {
                self.also(condition, value.into());
            }
        }
        if cohort.fingerprint.as_deref() == Some(SHARED_FACTOR) {
            let and = if self.sql.is_empty() { "" } else { " AND " };
            self.sql.push_str(and);
            self.sql.push_str(
                "EXISTS (SELECT 1 FROM common_factor WHERE common_factor.serial = certificate.serial)",
            );
        }
        if let Some(listed) = &cohort.listed {
            // The value stands last in each condition.
            let among = "EXISTS (SELECT 1 FROM incident_card WHERE incident_card.card = certificate.card \
                AND incident_card.incident =";
            self.also(among, (listed.incident as i64).into());
            self.sql.push(')');
        }
    }
}

/// The persisted form.
#[derive(Serialize, Deserialize)]
struct Stored {
    key_class: Option<String>,
    fingerprint: Option<String>,
    chip_model: Option<String>,
    carrier: Option<String>,
    cards: Option<(CardSerial, CardSerial)>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    listed: Option<Listed>,
    measure: String,
    reason: Option<RevocationReason>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    of: Option<u64>,
}

impl Stored {
    fn of(cohort: &Cohort, measure: Measure) -> Self {
        Self {
            key_class: cohort.key_class.clone(),
            fingerprint: cohort.fingerprint.clone(),
            chip_model: cohort.chip_model.clone(),
            carrier: cohort.carrier.map(|carrier| carrier.as_str().to_owned()),
            cards: cohort.cards,
            from: cohort.from,
            to: cohort.to,
            listed: cohort.listed.clone(),
            measure: measure.kind().to_owned(),
            reason: match measure {
                Measure::Revoke(reason) => Some(reason),
                _ => None,
            },
            of: match measure {
                Measure::Resume { of } => Some(of),
                _ => None,
            },
        }
    }
}

pub(crate) fn read(row: &Row) -> Result<Incident> {
    const BROKEN: NpcError = NpcError::Inconsistent("incident");
    let stored: Stored = serde_json::from_str(&row.read::<String>("what")?).map_err(|_| BROKEN)?;
    let measure = match (stored.measure.as_str(), stored.reason, stored.of) {
        ("suspend", None, None) => Measure::Suspend,
        ("resume", None, Some(of)) => Measure::Resume { of },
        ("resume", None, None) => Measure::ResumeAll,
        ("revoke", Some(reason), None) => Measure::Revoke(reason),
        _ => return Err(BROKEN),
    };
    let carrier = stored.carrier.map(|name| Carrier::from_name(&name).ok_or(BROKEN)).transpose()?;
    let number = |name: &str| -> Result<u64> { Ok(row.read::<i64>(name)? as u64) };
    Ok(Incident {
        number: number("number")?,
        cohort: Cohort {
            key_class: stored.key_class,
            fingerprint: stored.fingerprint,
            chip_model: stored.chip_model,
            carrier,
            cards: stored.cards,
            from: stored.from,
            to: stored.to,
            listed: stored.listed,
        },
        measure,
        concerned: number("concerned")?,
        also_held: number("also_held")?,
        proposed_by: row.read("proposed_by")?,
        proposed_at: row.read("proposed_at")?,
        approved_by: row.read("approved_by")?,
        looked_at: number("looked_at")?,
        changed: number("changed")?,
        finished_at: row.read("finished_at")?,
    })
}

pub(crate) fn incident_subject(number: u64) -> String {
    format!("incident-{number}")
}

/// How long a proposal may wait for its approval.
pub(crate) const LAPSES: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Cards of a list in one commit.
const LISTED: usize = 10_000;

/// How many changes an approval looks at itself, about; and how often it looks at more of them beforehand.
const FEW: i64 = 5_000;
const CATCH_UP: u32 = 10;
