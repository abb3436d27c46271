//! The queue of a mass reissue: after an incident every card concerned gets certificates on its next key pairs, in an order
//! and at a pace that offices can keep (NPC-55, NPC-57, RECALL-13).
//!
//! A queue belongs to an incident and is filled from the certificates it concerned in batches, each one commit that says how
//! far it came. Who comes first is data: the plan names priority classes in their order (doctors and courts before everybody
//! else) and how many cards an office takes in a day; lists of cards put cards into classes and at offices. Planning gives each
//! waiting card its day. Doing it is no step of its own: the holder's card makes its keys and the CA issues with [`crate::Period::Reissue`]
//! as ever, and the same commit that signs the last certificate a card needs takes the card off the queue. So the queue
//! never says done where nothing was issued.
//!
//! Nothing here names a person: the rows are card serials and holder numbers. Who is told, and how, is the management
//! system's business.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use model::{CardSerial, RocDate};
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::{Kind, Row, Tx, params, transaction};

use crate::batch::end_of_batch;
use crate::cohort::incident_subject;
use crate::{Npc, NpcError, Result, SYSTEM};

/// Who comes first and how many cards are served in a day. Stored form, version 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueuePlan {
    /// The classes, the most urgent first; cards that no list names are in the last.
    pub classes: Vec<String>,
    /// How many cards an office takes in a day, unless `offices` says otherwise.
    pub per_day: u32,
    /// The same for single offices. An office is whatever has a pace of its own, `online` as well.
    #[serde(default)]
    pub offices: BTreeMap<String, u32>,
    /// The days of the week on which offices take cards: 1 is Monday.
    #[serde(default = "monday_to_friday")]
    pub weekdays: Vec<i8>,
    /// After so many failures a card waits for a person instead of another day.
    #[serde(default = "three")]
    pub tries: u32,
}

fn monday_to_friday() -> Vec<i8> {
    (1..=5).collect()
}

const fn three() -> u32 {
    3
}

/// A card's place in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    /// The card.
    pub card: CardSerial,
    /// Its class, by name.
    pub class: String,
    /// Where it is expected; empty if no list has said so.
    pub office: String,
    /// On which day, once it is planned.
    pub day: Option<RocDate>,
    /// Whether the card has no further keys, so that only another card helps.
    pub needs_new_card: bool,
    /// How often it failed.
    pub failures: u32,
}

/// How far a queue is, for one class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassReport {
    /// The class.
    pub class: String,
    /// Cards that wait for their day or have none yet.
    pub waiting: u64,
    /// Of these, cards without further keys.
    pub need_new_card: u64,
    /// Cards that have what they need.
    pub done: u64,
    /// Cards that wait for a person.
    pub failed: u64,
    /// The last day that is planned.
    pub until: Option<RocDate>,
}

/// How far a queue was when it was last counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueCounts {
    /// When that was.
    pub at: Timestamp,
    /// Class by class, in their order.
    pub classes: Vec<ClassReport>,
}

/// A queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// The number of its incident.
    pub incident: u64,
    /// Its plan.
    pub plan: QueuePlan,
    /// Who opened it.
    pub opened_by: String,
    /// Whether every card of the cohort is in it.
    pub filled: bool,
}

impl QueuePlan {
    /// Whether a queue can be worked by this plan.
    pub fn check(&self) -> Result<()> {
        let named = |name: &String| !name.is_empty() && name.len() <= 40 && !name.contains([',', '\n']);
        let mut classes = self.classes.clone();
        classes.sort();
        classes.dedup();
        if self.classes.is_empty() || classes.len() != self.classes.len() || !classes.iter().all(named) {
            return Err(NpcError::Request("a plan has classes, each with a name of its own"));
        }
        if self.per_day == 0 || self.offices.values().any(|quota| *quota == 0) {
            return Err(NpcError::Request("an office takes at least one card a day"));
        }
        if !self.offices.keys().all(named) {
            return Err(NpcError::Request("an office has a name"));
        }
        if self.weekdays.is_empty() || self.weekdays.iter().any(|day| !(1..=7).contains(day)) {
            return Err(NpcError::Request("days of the week are 1 to 7"));
        }
        if self.tries == 0 {
            return Err(NpcError::Request("a card has at least one try"));
        }
        Ok(())
    }

    fn class(&self, name: &str) -> Result<i64> {
        let place = self.classes.iter().position(|class| class == name);
        place.map(|n| n as i64).ok_or(NpcError::Request("the plan has no class of this name"))
    }

    fn per_day_at(&self, office: &str) -> usize {
        self.offices.get(office).copied().unwrap_or(self.per_day) as usize
    }

    /// The days from `from` on which offices take cards.
    fn days(&self, from: RocDate) -> impl Iterator<Item = RocDate> {
        let weekdays = self.weekdays.clone();
        let open = move |day: &jiff::civil::Date| weekdays.contains(&day.weekday().to_monday_one_offset());
        from.date().series(jiff::ToSpan::day(1)).filter(open).filter_map(|day| day.to_string().parse().ok())
    }
}

impl Npc {
    /// Opens the queue of an incident, or goes on with filling it. The plan of a queue that is open already is replaced; what
    /// was planned by the old one stays until [`Npc::plan_queue`].
    pub async fn open_queue(
        &self,
        incident: u64,
        plan: &QueuePlan,
        operator: &str,
        now: Timestamp,
    ) -> Result<Queue> {
        plan.check()?;
        let stored = serde_json::to_string(plan).map_err(|_| NpcError::Inconsistent("plan"))?;
        transaction!(self.db, |tx| {
            audit::append_all(tx, &[]).await?;
            let sql = "SELECT approved_by FROM incident WHERE number = $1";
            let row = tx.optional(sql, params![incident as i64]).await?;
            let row = row.ok_or(NpcError::Request("there is no incident of this number"))?;
            if row.read::<Option<String>>(0)?.is_none() {
                return Err(NpcError::Request("nobody has approved this incident"));
            }
            if let Ok(before) = queue(tx, incident).await {
                if before.plan.classes != plan.classes {
                    return Err(NpcError::Request("the classes of a queue stay as they are"));
                }
                let sql = "UPDATE reissue_queue SET plan = $2 WHERE incident = $1";
                tx.execute_one(sql, params![incident as i64, &stored]).await?;
            } else {
                let sql = "INSERT INTO reissue_queue (incident, plan, opened_by, opened_at) \
                    VALUES ($1, $2, $3, $4)";
                tx.execute_one(sql, params![incident as i64, &stored, operator, now]).await?;
            }
            self.audit(tx, "queue-open", &subject(incident), operator, json!({ "plan": stored }), now)
                .await?;
            Ok::<_, NpcError>(())
        })?;
        self.note_of_before(incident).await?;
        while !self.fill_batch(incident, operator, now).await? {}
        while !self.check_batch(incident, operator, now).await? {}
        self.count_queue(incident, now).await?;
        self.queue(incident).await
    }

    /// The queue of an incident.
    pub async fn queue(&self, incident: u64) -> Result<Queue> {
        transaction!(self.db, |tx| queue(tx, incident).await)
    }

    /// The incidents that have a queue.
    pub async fn queued_incidents(&self) -> Result<Vec<u64>> {
        let rows = self.db.all("SELECT incident FROM reissue_queue", params![]).await?;
        rows.iter().map(|row| Ok(row.read::<i64>(0)? as u64)).collect()
    }

    /// The cards of one batch of certificates; whether it was the last.
    async fn fill_batch(&self, incident: u64, operator: &str, now: Timestamp) -> Result<bool> {
        let found = self.incident(incident).await?;
        self.db.losers_first().await;
        transaction!(self.db, |tx| {
            // As a batch of the incident itself.
            tx.read_committed().await?;
            audit::append_all(tx, &[]).await?;
            let sql = "SELECT plan, taken, all_taken FROM reissue_queue WHERE incident = $1";
            let row = tx.one(sql, params![incident as i64]).await?;
            if row.read::<bool>("all_taken")? {
                return Ok(true);
            }
            let last_class = read_plan(&row)?.classes.len() as i64 - 1;
            let after = row.read::<Option<Vec<u8>>>("taken")?.unwrap_or_default();
            let (upto, done) = end_of_batch(tx, incident, &after, self.incident_batch()).await?;
            // What the incident has suspended or revoked, whatever came after. A card serves the second period with its other
            // two keys; without them, only another card helps. A card's certificates may come in several batches.
            let sql = "INSERT INTO reissue (incident, card, holder, needs, class, office, new_card, state, failures, \
                changed_at) SELECT $1, card, MIN(holder), COUNT(*), $2, '', \
                MAX(slot) > 2 OR MIN(carrier) <> 'new-eid' OR MAX(carrier) <> 'new-eid', 'waiting', 0, $3 \
                FROM incident_certificate AS concerned JOIN certificate USING (serial) JOIN certificate_state USING (serial) \
                WHERE concerned.incident = $4 AND concerned.serial > $5 AND concerned.serial <= $6 AND status <> 0 \
                AND slot < 100 AND ends >= $7 GROUP BY card ON CONFLICT (incident, card) DO UPDATE \
                SET needs = reissue.needs + excluded.needs, new_card = reissue.new_card OR excluded.new_card";
            let number = incident as i64;
            let values = params![number, last_class, now, number, &after[..], &upto[..], found.proposed_at];
            let cards = tx.execute(sql, values).await?;
            let sql = "UPDATE reissue_queue SET taken = $2, all_taken = $3 WHERE incident = $1";
            tx.execute_one(sql, params![number, &upto[..], done]).await?;
            let detail = json!({ "cards": cards, "filled": false });
            self.audit(tx, "queue-fill", &subject(incident), operator, detail, now).await?;
            Ok(done)
        })
    }

    /// Who has good certificates on the next keys already needs nothing: the next cards of a queue that is whole; whether they were
    /// the last.
    async fn check_batch(&self, incident: u64, operator: &str, now: Timestamp) -> Result<bool> {
        self.db.losers_first().await;
        transaction!(self.db, |tx| {
            tx.read_committed().await?;
            audit::append_all(tx, &[]).await?;
            let sql = "SELECT checked, filled_at FROM reissue_queue WHERE incident = $1";
            let row = tx.one(sql, params![incident as i64]).await?;
            if row.read::<Option<Timestamp>>("filled_at")?.is_some() {
                return Ok(true);
            }
            let after: String = row.read("checked")?;
            let number = incident as i64;
            let sql = "SELECT MAX(card) AS upto, COUNT(*) AS cards FROM \
                (SELECT card FROM reissue WHERE incident = $1 AND card > $2 ORDER BY card LIMIT $3) AS next";
            let batch = self.incident_batch();
            let row = tx.one(sql, params![number, &after, batch]).await?;
            let upto = row.read::<Option<String>>("upto")?.unwrap_or(after.clone());
            let last = row.read::<i64>("cards")? < i64::from(batch);
            let sql = "UPDATE reissue SET state = 'done' WHERE incident = $1 AND card > $2 AND card <= $3 \
                AND state = 'waiting' AND new_card = FALSE AND needs <= (SELECT COUNT(*) FROM certificate \
                JOIN certificate_state USING (serial) WHERE certificate.card = reissue.card AND slot > 2 \
                AND signed = TRUE AND status = 0)";
            let served = tx.execute(sql, params![number, &after, &upto]).await?;
            let sql = "UPDATE reissue_queue SET checked = $2, filled_at = $3 WHERE incident = $1";
            tx.execute_one(sql, params![number, &upto, last.then_some(now)]).await?;
            let detail = json!({ "served": served, "filled": last });
            self.audit(tx, "queue-fill", &subject(incident), operator, detail, now).await?;
            Ok(last)
        })
    }

    /// Puts cards into classes and, where one is given, at offices. Cards that are not in the queue, or not waiting, are left
    /// out; how many were found is the answer.
    pub async fn assign_queue(
        &self,
        incident: u64,
        cards: &[(CardSerial, String, Option<String>)],
        operator: &str,
        now: Timestamp,
    ) -> Result<u64> {
        let plan = self.queue(incident).await?.plan;
        let mut found = 0;
        for part in cards.chunks(FILL) {
            let mut rows = Vec::with_capacity(part.len());
            for (card, class, office) in part {
                if office.as_ref().is_some_and(|name| name.is_empty() || name.len() > 40) {
                    return Err(NpcError::Request("an office has a name"));
                }
                let class = plan.class(class)?;
                rows.push(params![incident as i64, card.as_str(), class, office.as_deref()].to_vec());
            }
            self.db.losers_first().await;
            found += transaction!(self.db, |tx| {
                tx.read_committed().await?;
                audit::append_all(tx, &[]).await?;
                let sql = "UPDATE reissue SET class = given.class, office = COALESCE(given.office, reissue.office) \
                    FROM given WHERE reissue.incident = given.incident AND reissue.card = given.card AND reissue.state = 'waiting'";
                let found = tx.execute_given(&ASSIGNED, sql, &rows).await?;
                let detail = json!({ "listed": rows.len(), "found": found });
                self.audit(tx, "queue-assign", &subject(incident), operator, detail, now).await?;
                Ok::<_, NpcError>(found)
            })?;
        }
        self.count_queue(incident, now).await?;
        Ok(found)
    }

    /// Gives every waiting card its day from `from` on: class by class, at each office no more in a day than it takes. Some thousand
    /// cards are one commit; planning again moves those that still wait. Answers with how many have a day.
    pub async fn plan_queue(
        &self,
        incident: u64,
        from: RocDate,
        operator: &str,
        now: Timestamp,
    ) -> Result<u64> {
        let plan = self.queue(incident).await?.plan;
        let sql =
            "SELECT DISTINCT office FROM reissue WHERE incident = $1 AND state = 'waiting' ORDER BY office";
        let mut planned = 0;
        for row in self.db.all(sql, params![incident as i64]).await? {
            let office: String = row.read(0)?;
            let per_day = plan.per_day_at(&office) as u64;
            // The last card that has its day, and how many have.
            let (mut after, mut at_office) = ((0i64, String::new()), 0u64);
            loop {
                self.db.losers_first().await;
                let (last, part) = transaction!(self.db, |tx| {
                    tx.read_committed().await?;
                    audit::append_all(tx, &[]).await?;
                    let sql = "SELECT card, class FROM reissue WHERE incident = $1 AND office = $2 \
                        AND state = 'waiting' AND (class, card) > ($3, $4) ORDER BY class, card LIMIT $5";
                    let values = params![incident as i64, &office, after.0, &after.1, PLANNED_AT_ONCE];
                    let waiting = tx.all(sql, values).await?;
                    let mut days = plan.days(from).skip((at_office / per_day) as usize);
                    let mut day = None;
                    let mut rows = Vec::with_capacity(waiting.len());
                    let mut last = None;
                    for (place, row) in (at_office..).zip(&waiting) {
                        if day.is_none() || place % per_day == 0 {
                            day = Some(days.next().ok_or(NpcError::Request("no day is left"))?.iso());
                        }
                        let card: String = row.read("card")?;
                        rows.push(params![incident as i64, card.clone(), day.clone()].to_vec());
                        last = Some((row.read::<i64>("class")?, card));
                    }
                    let sql = "UPDATE reissue SET day = given.day FROM given \
                        WHERE reissue.incident = given.incident AND reissue.card = given.card";
                    let part = tx.execute_given(&PLANNED, sql, &rows).await?;
                    if part > 0 {
                        let detail = json!({ "office": office, "cards": part, "from": from.iso() });
                        self.audit(tx, "queue-plan", &subject(incident), operator, detail, now).await?;
                    }
                    Ok::<_, NpcError>((last, part))
                })?;
                planned += part;
                at_office += part;
                match last {
                    Some(last) if part == u64::from(PLANNED_AT_ONCE) => after = last,
                    _ => break,
                }
            }
        }
        self.count_queue(incident, now).await?;
        Ok(planned)
    }

    /// The cards an office expects on a day or has expected before, the most urgent first.
    pub async fn due_in_queue(
        &self,
        incident: u64,
        office: &str,
        day: RocDate,
        most: u32,
    ) -> Result<Vec<Queued>> {
        let plan = self.queue(incident).await?.plan;
        let sql = "SELECT card, class, office, day, new_card, failures FROM reissue WHERE incident = $1 \
            AND office = $2 AND state = 'waiting' AND day <= $3 ORDER BY class, day, card LIMIT $4";
        let rows = self.db.all(sql, params![incident as i64, office, day.iso(), most]).await?;
        rows.iter().map(|row| queued(row, &plan)).collect()
    }

    /// Notes that a card's turn came and did not succeed. It gets another day with the next planning; after as many failures
    /// as the plan has tries it waits for a person. `problem` is a code, and names nobody.
    pub async fn fail_in_queue(
        &self,
        incident: u64,
        card: CardSerial,
        problem: &str,
        operator: &str,
        now: Timestamp,
    ) -> Result<bool> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if problem.is_empty() || problem.len() > 40 || !problem.bytes().all(plain) {
            return Err(NpcError::Request("a problem is a code of letters, digits and hyphens"));
        }
        transaction!(self.db, |tx| {
            audit::append_all(tx, &[]).await?;
            let tries = queue(tx, incident).await?.plan.tries;
            let sql = "UPDATE reissue SET failures = failures + 1, problem = $3, day = NULL, changed_at = $4, \
                state = CASE WHEN failures + 1 >= $5 THEN 'failed' ELSE 'waiting' END \
                WHERE incident = $1 AND card = $2 AND state = 'waiting' RETURNING state";
            let values = params![incident as i64, card.as_str(), problem, now, tries];
            let row = tx.optional(sql, values).await?;
            let row = row.ok_or(NpcError::Request("this card does not wait in this queue"))?;
            let given_up = row.read::<String>(0)? == "failed";
            let detail = json!({ "incident": incident, "problem": problem, "given_up": given_up });
            self.audit(tx, "reissue-fail", card.as_str(), operator, detail, now).await?;
            Ok(given_up)
        })
    }

    /// Puts a card that waits for a person back into its queue, its failures forgotten; or, for a card without further keys,
    /// notes that its holder has another card.
    pub async fn settle_in_queue(
        &self,
        incident: u64,
        card: CardSerial,
        replaced: bool,
        operator: &str,
        now: Timestamp,
    ) -> Result<()> {
        transaction!(self.db, |tx| {
            audit::append_all(tx, &[]).await?;
            let sql = if replaced {
                "UPDATE reissue SET state = 'done', changed_at = $3 \
                 WHERE incident = $1 AND card = $2 AND state <> 'done' AND new_card = TRUE"
            } else {
                "UPDATE reissue SET state = 'waiting', failures = 0, day = NULL, changed_at = $3 \
                 WHERE incident = $1 AND card = $2 AND state = 'failed'"
            };
            if tx.execute(sql, params![incident as i64, card.as_str(), now]).await? != 1 {
                return Err(NpcError::Request("the queue has no card in such a state"));
            }
            let action = if replaced { "reissue-replaced" } else { "reissue-again" };
            self.audit(tx, action, card.as_str(), operator, json!({ "incident": incident }), now).await?;
            Ok(())
        })
    }

    /// How far the queue was when it was last counted: after it was opened, assigned or planned, and every ten minutes while cards are left.
    /// For pages: counting reads a row for each card. Nothing if it was never counted.
    pub async fn queue_counts(&self, incident: u64) -> Result<Option<QueueCounts>> {
        let rows = self.db.all(COUNTS, params![incident as i64]).await?;
        let Some(first) = rows.first() else { return Ok(None) };
        let plan = self.queue(incident).await?.plan;
        let class = |row: &Row| {
            Ok(ClassReport {
                class: class_name(&plan, row.read("class")?)?,
                waiting: row.read("waiting")?,
                need_new_card: row.read("need_new_card")?,
                done: row.read("done")?,
                failed: row.read("failed")?,
                until: day(row, "until")?,
            })
        };
        let classes = rows.iter().map(class).collect::<Result<_>>()?;
        Ok(Some(QueueCounts { at: first.read("counted_at")?, classes }))
    }

    async fn count_queue(&self, incident: u64, now: Timestamp) -> Result<()> {
        let classes = self.queue_report(incident).await?;
        transaction!(self.db, |tx| {
            for (place, class) in (0i64..).zip(&classes) {
                let sql = "INSERT INTO reissue_count (incident, class, waiting, need_new_card, done, failed, until, \
                    counted_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (incident, class) DO UPDATE \
                    SET waiting = $3, need_new_card = $4, done = $5, failed = $6, until = $7, counted_at = $8";
                let ClassReport { waiting, need_new_card, done, failed, until, .. } = class;
                let until = until.map(|day| day.iso());
                let values = params![
                    incident as i64,
                    place,
                    *waiting as i64,
                    *need_new_card as i64,
                    *done as i64,
                    *failed as i64,
                    until,
                    now
                ];
                tx.execute_one(sql, values).await?;
            }
            Ok::<_, NpcError>(())
        })
    }

    /// Counts the queues again that are worked off and were not counted for a while.
    pub(crate) async fn count_queues(&self, now: Timestamp) -> Result<()> {
        let sql = "SELECT reissue_queue.incident AS incident, MIN(counted_at) AS at, \
            CAST(COALESCE(SUM(waiting + failed), 1) AS BIGINT) AS left_over FROM reissue_queue \
            LEFT JOIN reissue_count ON reissue_count.incident = reissue_queue.incident \
            WHERE filled_at IS NOT NULL GROUP BY reissue_queue.incident";
        for row in self.db.all(sql, params![]).await? {
            let old = row.read::<Option<Timestamp>>("at")?.is_none_or(|at| now >= at + COUNTED_EVERY);
            if old && row.read::<i64>("left_over")? > 0 {
                self.count_queue(row.read::<i64>("incident")? as u64, now).await?;
            }
        }
        Ok(())
    }

    /// How far the queue is, class by class, counted now.
    pub async fn queue_report(&self, incident: u64) -> Result<Vec<ClassReport>> {
        let plan = self.queue(incident).await?.plan;
        let sql = "SELECT class, COUNT(*) AS cards, \
            COALESCE(SUM(CASE WHEN state = 'waiting' THEN 1 ELSE 0 END), 0) AS waiting, \
            COALESCE(SUM(CASE WHEN state = 'waiting' AND new_card = TRUE THEN 1 ELSE 0 END), 0) AS need_new_card, \
            COALESCE(SUM(CASE WHEN state = 'done' THEN 1 ELSE 0 END), 0) AS done, \
            MAX(CASE WHEN state = 'waiting' THEN day END) AS until \
            FROM reissue WHERE incident = $1 GROUP BY class";
        let rows = self.db.all(sql, params![incident as i64]).await?;
        let mut found = BTreeMap::new();
        for row in &rows {
            let number = |name: &str| -> Result<u64> { Ok(row.read::<i64>(name)? as u64) };
            let (waiting, done) = (number("waiting")?, number("done")?);
            let report = ClassReport {
                class: class_name(&plan, row.read("class")?)?,
                waiting,
                need_new_card: number("need_new_card")?,
                done,
                failed: number("cards")? - waiting - done,
                until: day(row, "until")?,
            };
            found.insert(row.read::<i64>("class")?, report);
        }
        let empty = |class: &String| ClassReport {
            class: class.clone(),
            waiting: 0,
            need_new_card: 0,
            done: 0,
            failed: 0,
            until: None,
        };
        Ok((0..).zip(&plan.classes).map(|(n, class)| found.remove(&n).unwrap_or(empty(class))).collect())
    }
}

/// Takes a card off the queues once it has as many certificates on its next keys as each needs. One that is on hold, as its holder
/// had the card, counts: nothing is signed when the hold ends. Called in the transaction that signs one of them.
pub(crate) async fn note_reissued(tx: &mut Tx, card: CardSerial, now: Timestamp) -> Result<()> {
    let sql = "SELECT incident, needs FROM reissue WHERE card = $1 AND state <> 'done' AND new_card = FALSE";
    let waiting = tx.all(sql, params![card.as_str()]).await?;
    if waiting.is_empty() {
        return Ok(());
    }
    let sql = "SELECT COUNT(*) FROM certificate JOIN certificate_state USING (serial) \
        WHERE card = $1 AND slot > 2 AND signed = TRUE AND status <> 2";
    let have: i64 = tx.one(sql, params![card.as_str()]).await?.read(0)?;
    for row in &waiting {
        if have < row.read::<i64>("needs")? {
            continue;
        }
        let incident: i64 = row.read("incident")?;
        let sql = "UPDATE reissue SET state = 'done', changed_at = $3 WHERE incident = $1 AND card = $2";
        tx.execute_one(sql, params![incident, card.as_str(), now]).await?;
        let detail = json!({ "incident": incident });
        let event = audit::Event {
            at: now,
            actor: SYSTEM,
            system: SYSTEM,
            action: "reissue-done",
            subject: card.as_str(),
            detail,
        };
        audit::append(tx, &event).await?;
    }
    Ok(())
}

/// Whether the queue of this incident still waits for the certificates on the card's next keys.
pub(crate) async fn waits_for_next(tx: &mut Tx, incident: u64, card: &str) -> Result<bool> {
    let sql =
        "SELECT 1 FROM reissue WHERE incident = $1 AND card = $2 AND state <> 'done' AND new_card = FALSE";
    Ok(tx.optional(sql, params![incident as i64, card]).await?.is_some())
}

async fn queue(tx: &mut Tx, incident: u64) -> Result<Queue> {
    let sql = "SELECT plan, opened_by, filled_at FROM reissue_queue WHERE incident = $1";
    let row = tx.optional(sql, params![incident as i64]).await?;
    let row = row.ok_or(NpcError::Request("this incident has no queue"))?;
    Ok(Queue {
        incident,
        plan: read_plan(&row)?,
        opened_by: row.read("opened_by")?,
        filled: row.read::<Option<Timestamp>>("filled_at")?.is_some(),
    })
}

fn read_plan(row: &Row) -> Result<QueuePlan> {
    serde_json::from_str(&row.read::<String>("plan")?).map_err(|_| NpcError::Inconsistent("plan"))
}

fn queued(row: &Row, plan: &QueuePlan) -> Result<Queued> {
    let card: String = row.read("card")?;
    Ok(Queued {
        card: card.parse().map_err(|_| NpcError::Inconsistent("card"))?,
        class: class_name(plan, row.read("class")?)?,
        office: row.read("office")?,
        day: day(row, "day")?,
        needs_new_card: row.read("new_card")?,
        failures: row.read("failures")?,
    })
}

fn class_name(plan: &QueuePlan, place: i64) -> Result<String> {
    let name = usize::try_from(place).ok().and_then(|n| plan.classes.get(n));
    name.cloned().ok_or(NpcError::Inconsistent("class"))
}

fn day(row: &Row, column: &str) -> Result<Option<RocDate>> {
    let text: Option<String> = row.read(column)?;
    text.map(|text| text.parse().map_err(|_| NpcError::Inconsistent("day"))).transpose()
}

fn subject(incident: u64) -> String {
    incident_subject(incident)
}

const ASSIGNED: [(&str, Kind); 4] =
    [("incident", Kind::Integer), ("card", Kind::Text), ("class", Kind::Integer), ("office", Kind::Text)];
const PLANNED: [(&str, Kind); 3] = [("incident", Kind::Integer), ("card", Kind::Text), ("day", Kind::Text)];

/// Cards of a list in one commit, and cards that are planned in one.
const FILL: usize = 10_000;
const PLANNED_AT_ONCE: u32 = 10_000;

/// How long the counts of a queue are taken for new while it is worked off.
const COUNTED_EVERY: SignedDuration = SignedDuration::from_mins(10);

pub(crate) const COUNTS: &str = "SELECT class, waiting, need_new_card, done, failed, until, counted_at \
    FROM reissue_count WHERE incident = $1 ORDER BY class";
