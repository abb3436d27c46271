//! A recall (召回): which cards it concerns, how urgent it is and how they are treated, decided by two persons; the list of cards
//! and their number; progress by office; records that stay (RECALL-01 to RECALL-04, RECALL-07, RECALL-11, RECALL-12).
//!
//! The card centre says which cards meet the criteria, management which of them are in somebody's hands or at an office: these are
//! the list, which is fixed when the recall is proposed. In an immediate recall every card of it is called in once the recall is
//! approved: it is not to be accepted any more, and its certificates are suspended, until it is treated. In a scheduled one cards stay
//! valid until their turn comes. Either way each holder is told.
//!
//! A card is treated when an office has brought its chip to another version, when it goes on with its other keys ([`crate::rekey`]), or
//! when it is void: exchanged. The last is read off the card's own state, so that no report says what is not so. Nothing of a recall
//! is ever deleted.
//!
//! A card may be in several recalls. One of them holds it, the first that called it in; when that is done with it, the next immediate
//! recall that has called it in and has not treated it holds it, and only where there is none is the card what it was before.

use jiff::Timestamp;
use model::{Card, CardProfile, CardSerial, CardState, OfficeCode, RevocationReason, RocDate};
use production::MakeCriteria;
use serde::Serialize;
use serde_json::json;
use store::{Row, Tx, params};

use crate::books::{CardEntry, card, from_json, log, parse, parse_optional, stamp, step_card, to_json};
use crate::rekey::{KeyPair, LIST, LIST_CARDS, listed};
use crate::service::Mgmt;
use crate::{MgmtError, Refusal};

/// How urgent a recall is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecallLevel {
    /// 立即: the cards are not to be accepted from the approval on.
    Immediate,
    /// 限期: the cards stay valid until they are treated.
    Scheduled,
}

/// What is done with a card (RECALL-03).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Treatment {
    /// 韌體更新: its chip gets another version. Only for types of chips that the register calls patchable (OPEN-13).
    Update,
    /// 更換金鑰: the card stays and goes on with its other keys (OPEN-13, RECALL-14). A card that has none is exchanged.
    Rekey,
    /// 換發新卡
    NewCard,
}

impl RecallLevel {
    /// The stable text form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Immediate => "immediate",
            Self::Scheduled => "scheduled",
        }
    }

    /// The mission's word.
    pub const fn zh(self) -> &'static str {
        match self {
            Self::Immediate => "立即召回",
            Self::Scheduled => "限期召回",
        }
    }
}

impl Treatment {
    /// The stable text form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Update => "update",
            Self::Rekey => "rekey",
            Self::NewCard => "new-card",
        }
    }

    /// The mission's word.
    pub const fn zh(self) -> &'static str {
        match self {
            Self::Update => "韌體更新",
            Self::Rekey => "更換金鑰",
            Self::NewCard => "換發新卡",
        }
    }
}

impl std::str::FromStr for RecallLevel {
    type Err = MgmtError;

    fn from_str(text: &str) -> Result<Self, MgmtError> {
        [Self::Immediate, Self::Scheduled]
            .into_iter()
            .find(|level| level.as_str() == text)
            .ok_or(MgmtError::Data("level of a recall"))
    }
}

impl std::str::FromStr for Treatment {
    type Err = MgmtError;

    fn from_str(text: &str) -> Result<Self, MgmtError> {
        [Self::Update, Self::Rekey, Self::NewCard]
            .into_iter()
            .find(|treatment| treatment.as_str() == text)
            .ok_or(MgmtError::Data("treatment of recalled cards"))
    }
}

/// What is proposed and approved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecallPlan {
    /// Which cards.
    pub criteria: MakeCriteria,
    /// How urgent it is.
    pub level: RecallLevel,
    /// What is done with them.
    pub treatment: Treatment,
    /// Where keys are exchanged: with which reason the certificates on the old ones are revoked (RFC 5280 §5.3.1).
    pub revocation: RevocationReason,
    /// Why.
    pub reason: String,
    /// What it is estimated to cost, in New Taiwan dollars, if somebody has estimated it.
    pub cost: Option<u64>,
    /// The profile, and with it the type of chip, that the new cards are made with (RECALL-13, CARD-12). `None`: the one applied
    /// for.
    pub replacement: Option<CardProfile>,
}

impl RecallPlan {
    /// What is done with the cards, Traditional Chinese and English: whoever approves other keys sees as what the old certificates
    /// will be revoked, and whoever approves new cards on what chip they are made.
    pub fn treatment_words(&self) -> (String, String) {
        let (mut zh, mut en) = (self.treatment.zh().to_owned(), self.treatment.as_str().to_owned());
        if self.treatment == Treatment::Rekey {
            let reason = self.revocation;
            zh += &format!("（舊憑證廢止原因 {reason}）");
            en += &format!(" (old certificates revoked: {reason})");
        }
        if let Some(profile) = self.replacement {
            let chip = production::chip_type_of(profile).unwrap_or_default();
            zh += &format!("（新卡卡別 {profile}，晶片 {chip}）");
            en += &format!(" (new cards: {profile} on {chip})");
        }
        (zh, en)
    }
}

/// A recall and how far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recall {
    /// Its number.
    pub number: u64,
    /// What was proposed.
    pub plan: RecallPlan,
    /// How many cards it concerns.
    pub cards: u64,
    /// Who proposed it.
    pub proposed_by: String,
    /// When.
    pub proposed_at: Timestamp,
    /// Who approved it.
    pub approved_by: Option<String>,
    /// When.
    pub approved_at: Option<Timestamp>,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
}

impl Recall {
    /// Whether nobody approved it in time: it is proposed again, or forgotten.
    pub fn lapsed(&self, now: Timestamp) -> bool {
        self.approved_by.is_none() && self.closed_at.is_none() && now >= self.proposed_at + LAPSES
    }
}

/// A card of a recall. Names nobody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecallCard {
    /// The card.
    pub serial: CardSerial,
    /// The office that gave it out.
    pub office: OfficeCode,
    /// Its state.
    pub state: CardState,
    /// Whether it was called in, or its holder told.
    pub called: bool,
    /// The version an office has brought its chip to.
    pub updated_to: Option<String>,
    /// The keys it can go on with, where the treatment is to exchange them. `None`: it has none, and is exchanged itself.
    pub other_keys: Option<KeyPair>,
    /// Whether the certificates on these keys are issued.
    pub certified: bool,
    /// Whether it goes on with them: the certificates are on the card, and the old ones revoked.
    pub rekeyed: bool,
}

/// How far one office is (RECALL-11).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecallProgress {
    /// The office.
    pub office: OfficeCode,
    /// Cards of the recall that it gave out.
    pub cards: u64,
    /// Of these, cards whose chip was updated.
    pub updated: u64,
    /// Of these, cards that go on with their other keys.
    pub rekeyed: u64,
    /// Cards that are void: exchanged, or given up for another reason.
    pub exchanged: u64,
    /// Cards that still wait.
    pub waiting: u64,
}

impl Mgmt {
    /// Proposes a recall: asks the card centre which cards meet the criteria and keeps the list of those in use. Nothing happens
    /// to a card until another person approves it.
    pub async fn propose_recall(
        &self,
        plan: &RecallPlan,
        actor: &str,
        now: Timestamp,
    ) -> Result<Recall, MgmtError> {
        if plan.reason.trim().is_empty() || actor.trim().is_empty() {
            return Err(Refusal::RecallEmpty.into());
        }
        let made = self.centre.select(&plan.criteria).await?;
        // OPEN-13: an update where every chip can take one; otherwise other keys, or a new card.
        if plan.treatment == Treatment::Update {
            let patchable = self.centre.patchable_types().await?;
            if made.iter().any(|card| !patchable.contains(&card.chip_type)) {
                return Err(Refusal::RecallNotPatchable.into());
            }
        }
        if let Some(profile) = plan.replacement {
            self.check_replacement(profile, &plan.criteria).await?;
        }
        let number = store::transaction!(self.db, |tx| {
            let row = tx.one("SELECT COALESCE(MAX(number), 0) FROM recall", params![]).await?;
            let number = row.read::<i64>(0)? + 1;
            tx.execute_one(
                "INSERT INTO recall (number, criteria, level, treatment, reason, cost, cards, proposed_by, proposed_at, \
                 revocation, replacement) VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $8, $9, $10)",
                params![
                    number,
                    to_json(&plan.criteria)?,
                    plan.level.as_str(),
                    plan.treatment.as_str(),
                    plan.reason.trim(),
                    plan.cost.map(|cost| cost as i64),
                    actor,
                    now,
                    plan.revocation.as_str(),
                    plan.replacement.map(|profile| profile.as_str()),
                ],
            )
            .await?;
            Ok::<_, MgmtError>(number)
        })?;
        for part in made.chunks(LISTED) {
            let rows: Vec<_> = part.iter().map(|card| listed(number, card.serial, plan, now)).collect();
            store::transaction!(self.db, |tx| {
                tx.execute_given(&LIST, LIST_CARDS, &rows).await?;
                Ok::<_, MgmtError>(())
            })?;
        }
        // The list is whole with this commit; a recall without it cannot be approved.
        store::transaction!(self.db, |tx| {
            let sql = "SELECT count(*) FROM recall_card WHERE recall = $1";
            let cards: i64 = tx.one(sql, params![number]).await?.read(0)?;
            let sql = "SELECT count(*) FROM recall_card WHERE recall = $1 AND other_pair IS NOT NULL";
            let others: i64 = tx.one(sql, params![number]).await?.read(0)?;
            if plan.treatment == Treatment::Rekey && cards > 0 && others == 0 {
                return Err(Refusal::RecallNoOtherKeys.into());
            }
            let sql = "UPDATE recall SET cards = $2, listed_at = $3 WHERE number = $1";
            tx.execute_one(sql, params![number, cards, now]).await?;
            let detail = json!({
                "criteria": &plan.criteria, "level": plan.level, "treatment": plan.treatment, "reason": plan.reason.trim(),
                "cost": plan.cost, "cards": cards, "other_keys": others, "revocation": plan.revocation,
                "replacement": plan.replacement,
            });
            log(tx, &stamp(now, actor), "recall-propose", &subject(number), detail).await
        })?;
        self.recall(number as u64).await
    }

    /// RECALL-13: new cards are citizens' cards, on a chip that is in use and not the one that is called in as such.
    async fn check_replacement(
        &self,
        profile: CardProfile,
        criteria: &MakeCriteria,
    ) -> Result<(), MgmtError> {
        let chip = production::chip_type_of(profile)?;
        let same = *criteria == MakeCriteria { chip_type: Some(chip.clone()), ..MakeCriteria::default() };
        if profile.is_sample() || same || self.centre.stopped_types().await?.contains(&chip) {
            return Err(Refusal::RecallReplacement.into());
        }
        Ok(())
    }

    /// Approves another person's recall. From then on cards are called in, step by step with [`Mgmt::advance`].
    pub async fn approve_recall(
        &self,
        number: u64,
        actor: &str,
        now: Timestamp,
    ) -> Result<Recall, MgmtError> {
        store::transaction!(self.db, |tx| {
            let recall = recall(tx, number).await?;
            let open = recall.approved_by.is_none() && recall.closed_at.is_none();
            if recall.lapsed(now) {
                return Err(Refusal::RecallLapsed.into());
            }
            if !open || recall.proposed_by == actor || actor.trim().is_empty() {
                return Err(Refusal::RecallApproval.into());
            }
            if recall.cards == 0 {
                return Err(Refusal::RecallEmpty.into());
            }
            let sql = "UPDATE recall SET approved_by = $2, approved_at = $3 WHERE number = $1 AND approved_by IS NULL";
            tx.execute_one(sql, params![number as i64, actor, now]).await?;
            let detail = json!({
                "level": recall.plan.level, "treatment": recall.plan.treatment, "cards": recall.cards,
                "proposed_by": recall.proposed_by, "replacement": recall.plan.replacement,
            });
            log(tx, &stamp(now, actor), "recall-approve", &subject(number as i64), detail).await
        })?;
        self.recall(number).await
    }

    /// One recall.
    pub async fn recall(&self, number: u64) -> Result<Recall, MgmtError> {
        store::transaction!(self.db, |tx| recall(tx, number).await)
    }

    /// All recalls, newest first.
    pub async fn recalls(&self) -> Result<Vec<Recall>, MgmtError> {
        let sql = "SELECT * FROM recall WHERE listed_at IS NOT NULL ORDER BY number DESC LIMIT 200";
        self.db.all(sql, params![]).await?.iter().map(recall_row).collect()
    }

    /// The cards of a recall (RECALL-02), at most `limit` after `after` in the order of their serials; of one office if it is
    /// named.
    pub async fn recall_cards(
        &self,
        number: u64,
        office: Option<OfficeCode>,
        after: Option<CardSerial>,
        limit: u32,
    ) -> Result<Vec<RecallCard>, MgmtError> {
        let sql = "SELECT recall_card.serial AS serial, office, state, called_at, updated_to, other_pair, rekeyed_at, \
            (SELECT count(*) FROM card_certificate AS held WHERE held.serial = recall_card.serial \
            AND held.certificate IS NOT NULL \
            AND held.slot IN ('signing_' || other_pair, 'encryption_' || other_pair)) AS certified \
            FROM recall_card JOIN card ON card.serial = recall_card.serial \
            WHERE recall = $1 AND recall_card.serial > $2 AND ($3 = '' OR office = $3) \
            ORDER BY recall_card.serial LIMIT $4";
        let after = after.map_or(String::new(), |serial| serial.to_string());
        let office = office.map_or(String::new(), |office| office.as_str().to_owned());
        let rows = self.db.all(sql, params![number as i64, after, office, limit]).await?;
        let read = |row: &Row| {
            Ok(RecallCard {
                serial: parse(row, "serial")?,
                office: parse(row, "office")?,
                state: parse(row, "state")?,
                called: row.read::<Option<Timestamp>>("called_at")?.is_some(),
                updated_to: row.read("updated_to")?,
                other_keys: parse_optional(row, "other_pair")?,
                certified: row.read::<i64>("certified")? == 2,
                rekeyed: row.read::<Option<Timestamp>>("rekeyed_at")?.is_some(),
            })
        };
        rows.iter().map(read).collect()
    }

    /// Notes that an office has brought the chip of a card to another version, where that is the treatment decided. A card that
    /// this recall holds goes on in the next one, or returns to what it was before, and its certificates follow.
    pub async fn treat_card(
        &self,
        number: u64,
        serial: CardSerial,
        version: &str,
        (office, clerk): (OfficeCode, &str),
        now: Timestamp,
    ) -> Result<(), MgmtError> {
        store::transaction!(self.db, |tx| {
            let recall = recall(tx, number).await?;
            let decided = recall.plan.treatment == Treatment::Update && recall.approved_by.is_some();
            // What the recall is about is no other version.
            let other = recall.plan.criteria.applet.as_deref() != Some(version) && !version.trim().is_empty();
            if !decided || !other || recall.closed_at.is_some() {
                return Err(Refusal::WrongState.into());
            }
            let sql = "UPDATE recall_card SET updated_to = $3, updated_at = $4, updated_by = $5, updated_office = $6 \
                WHERE recall = $1 AND serial = $2 AND updated_at IS NULL AND called_at IS NOT NULL";
            let values = params![number as i64, serial.as_str(), version, now, clerk, office.as_str()];
            if tx.execute(sql, values).await? != 1 {
                return Err(Refusal::WrongState.into());
            }
            let entry = card(tx, serial).await?;
            self.leave_recall(tx, entry, "updated", clerk, now).await?;
            let detail = json!({ "recall": number, "version": version, "office": office });
            log(tx, &stamp(now, clerk), "recall-update", serial.as_str(), detail).await
        })?;
        self.follow_now(serial, now).await
    }

    /// How far each office is, at this moment.
    pub async fn recall_progress(&self, number: u64) -> Result<Vec<RecallProgress>, MgmtError> {
        store::transaction!(self.db, |tx| progress(tx, number as i64).await)
    }

    /// What the offices' progress was on each day, as it was noted (RECALL-11, RECALL-12).
    pub async fn recall_reports(&self, number: u64) -> Result<Vec<(RocDate, RecallProgress)>, MgmtError> {
        let sql = "SELECT day, office, cards, updated, rekeyed, exchanged FROM recall_report WHERE recall = $1 ORDER BY day, office";
        let rows = self.db.all(sql, params![number as i64]).await?;
        rows.iter().map(|row| Ok((parse(row, "day")?, progress_row(row)?))).collect()
    }

    /// Closes a recall in which no card waits any more. Its records stay (RECALL-12).
    pub async fn close_recall(&self, number: u64, actor: &str, now: Timestamp) -> Result<Recall, MgmtError> {
        store::transaction!(self.db, |tx| {
            let recall = recall(tx, number).await?;
            if recall.approved_by.is_none() || recall.closed_at.is_some() {
                return Err(Refusal::WrongState.into());
            }
            let progress = progress(tx, number as i64).await?;
            if progress.iter().any(|office| office.waiting > 0) {
                return Err(Refusal::RecallWaits.into());
            }
            report(tx, number as i64, &progress, now).await?;
            let sql = "UPDATE recall SET closed_at = $2 WHERE number = $1 AND closed_at IS NULL";
            tx.execute_one(sql, params![number as i64, now]).await?;
            let detail = json!({ "cards": recall.cards });
            log(tx, &stamp(now, actor), "recall-close", &subject(number as i64), detail).await
        })?;
        self.recall(number).await
    }

    /// Calls in what was approved, a few cards at a time, and notes each day how far the offices are. Returns how many cards were
    /// called.
    pub(crate) async fn work_recalls(&self, now: Timestamp) -> Result<usize, MgmtError> {
        let sql =
            "SELECT number FROM recall WHERE approved_by IS NOT NULL AND closed_at IS NULL ORDER BY number";
        let mut called = 0;
        for row in self.db.all(sql, params![]).await? {
            let number: i64 = row.read(0)?;
            let sql = "SELECT serial FROM recall_card WHERE recall = $1 AND called_at IS NULL ORDER BY serial LIMIT $2";
            for row in self.db.all(sql, params![number, CALLED]).await? {
                self.call_in(number, parse(&row, "serial")?, now).await?;
                called += 1;
            }
            store::transaction!(self.db, |tx| {
                let sql = "SELECT 1 FROM recall_report WHERE recall = $1 AND day = $2 LIMIT 1";
                let day = RocDate::in_taipei(now).iso();
                if tx.optional(sql, params![number, day]).await?.is_none() {
                    let progress = progress(tx, number).await?;
                    report(tx, number, &progress, now).await?;
                }
                Ok::<_, MgmtError>(())
            })?;
        }
        if called > 0 {
            self.work_certificates_quietly(now).await?;
        }
        Ok(called)
    }

    async fn call_in(&self, number: i64, serial: CardSerial, now: Timestamp) -> Result<(), MgmtError> {
        store::transaction!(self.db, |tx| {
            let sql = "UPDATE recall_card SET called_at = $3 WHERE recall = $1 AND serial = $2 AND called_at IS NULL \
                RETURNING other_pair";
            let Some(row) = tx.optional(sql, params![number, serial.as_str(), now]).await? else {
                return Ok(());
            };
            let other_keys: Option<KeyPair> = parse_optional(&row, "other_pair")?;
            let recall = recall(tx, number as u64).await?;
            let entry = card(tx, serial).await?;
            let (case, in_hands) = (entry.case, entry.card.in_hands() && entry.state() != CardState::Expired);
            // One that another recall holds stays there, and comes here when that is done with it.
            let held = entry.state() == CardState::Recalled;
            let callable = !held && entry.state().may_become(CardState::Recalled);
            if callable && recall.plan.level == RecallLevel::Immediate {
                let by = stamp(now, recall.approved_by.as_deref().unwrap_or_default())
                    .because(name(number as u64));
                let entry = step_card(tx, entry, |card| card.recall(name(number as u64), by)).await?;
                self.follow(tx, &entry, now).await?;
            }
            if in_hands {
                // RECALL-07: to bring the card, or to apply for another one.
                let kind = match (recall.plan.treatment, other_keys) {
                    (Treatment::Update, _) => "recall-update",
                    (Treatment::Rekey, Some(_)) => "recall-rekey",
                    _ => "recall-exchange",
                };
                self.notify_of(tx, case, serial, kind, Some(number), now).await?;
            }
            Ok(())
        })
    }
}

impl Mgmt {
    /// Lets a card go that its recall has treated, as the list of that recall says by now: the next immediate recall that has called
    /// it in and not treated it holds it, or it is what it was before. Its certificates follow.
    pub(crate) async fn leave_recall(
        &self,
        tx: &mut Tx,
        entry: CardEntry,
        why: &str,
        actor: &str,
        now: Timestamp,
    ) -> Result<(), MgmtError> {
        let Card::Recalled { recall: holder, .. } = &entry.card else { return Ok(()) };
        let sql = "SELECT recall_card.recall AS number, \
            CASE WHEN updated_at IS NULL AND rekeyed_at IS NULL THEN 0 ELSE 1 END AS treated, \
            CASE WHEN level = $2 AND approved_by IS NOT NULL AND closed_at IS NULL AND called_at IS NOT NULL THEN 1 ELSE 0 END \
            AS holds FROM recall_card JOIN recall ON recall.number = recall_card.recall WHERE serial = $1 ORDER BY recall.number";
        let mut next = None;
        let mut done = false;
        for row in tx.all(sql, params![entry.serial.as_str(), RecallLevel::Immediate.as_str()]).await? {
            let recall = name(row.read("number")?);
            let (treated, holds) = (row.read::<i64>("treated")? == 1, row.read::<i64>("holds")? == 1);
            done |= treated && recall == *holder;
            if holds && !treated {
                next = next.or(Some(recall));
            }
        }
        if !done {
            return Ok(());
        }
        let by = stamp(now, actor).because(why);
        let entry = step_card(tx, entry, |card| match next {
            Some(next) => card.next_recall(next, by),
            None => card.release_recall(by),
        })
        .await?;
        self.follow(tx, &entry, now).await
    }
}

/// The approved recalls that wait for a card of a person, as SQL: `number` and `replacement`. A card that is exchanged meanwhile is
/// exchanged because of them.
macro_rules! exchanges_of {
    ($person:literal) => {
        concat!(
            "SELECT recall.number AS number, replacement FROM card \
             JOIN recall_card ON recall_card.serial = card.serial JOIN recall ON recall.number = recall_card.recall \
             WHERE card.person = ",
            $person,
            " AND card.state NOT IN ('void', 'destroyed') AND updated_at IS NULL AND rekeyed_at IS NULL \
             AND approved_by IS NOT NULL AND closed_at IS NULL"
        )
    };
}
pub(crate) use exchanges_of;

/// Whether it is this recall for which a card is called in.
pub(crate) fn held_by(card: &Card, number: u64) -> bool {
    matches!(card, Card::Recalled { recall, .. } if *recall == name(number))
}

pub(crate) async fn recall(tx: &mut Tx, number: u64) -> Result<Recall, MgmtError> {
    let sql = "SELECT * FROM recall WHERE number = $1 AND listed_at IS NOT NULL";
    let row = tx.optional(sql, params![number as i64]).await?;
    recall_row(&row.ok_or(Refusal::RecallUnknown)?)
}

fn recall_row(row: &Row) -> Result<Recall, MgmtError> {
    Ok(Recall {
        number: row.read("number")?,
        plan: RecallPlan {
            criteria: from_json(&row.read::<String>("criteria")?)?,
            level: parse(row, "level")?,
            treatment: parse(row, "treatment")?,
            revocation: parse(row, "revocation")?,
            reason: row.read("reason")?,
            cost: row.read::<Option<i64>>("cost")?.map(|cost| cost as u64),
            replacement: parse_optional(row, "replacement")?,
        },
        cards: row.read("cards")?,
        proposed_by: row.read("proposed_by")?,
        proposed_at: row.read("proposed_at")?,
        approved_by: row.read("approved_by")?,
        approved_at: row.read("approved_at")?,
        closed_at: row.read("closed_at")?,
    })
}

async fn progress(tx: &mut Tx, number: i64) -> Result<Vec<RecallProgress>, MgmtError> {
    let [void, destroyed] = [CardState::Void, CardState::Destroyed].map(CardState::as_str);
    let sql = "SELECT office, count(*) AS cards, \
        COALESCE(SUM(CASE WHEN updated_at IS NOT NULL THEN 1 ELSE 0 END), 0) AS updated, \
        COALESCE(SUM(CASE WHEN rekeyed_at IS NOT NULL THEN 1 ELSE 0 END), 0) AS rekeyed, \
        COALESCE(SUM(CASE WHEN updated_at IS NULL AND rekeyed_at IS NULL AND state IN ($2, $3) THEN 1 ELSE 0 END), 0) \
        AS exchanged \
        FROM recall_card JOIN card ON card.serial = recall_card.serial WHERE recall = $1 GROUP BY office ORDER BY office";
    let rows = tx.all(sql, params![number, void, destroyed]).await?;
    rows.iter().map(progress_row).collect()
}

fn progress_row(row: &Row) -> Result<RecallProgress, MgmtError> {
    let number = |name: &str| -> Result<u64, MgmtError> { Ok(row.read::<i64>(name)?.unsigned_abs()) };
    let (cards, updated) = (number("cards")?, number("updated")?);
    let (rekeyed, exchanged) = (number("rekeyed")?, number("exchanged")?);
    let office = parse_optional(row, "office")?.ok_or(MgmtError::Data("office"))?;
    let waiting = cards - updated - rekeyed - exchanged;
    Ok(RecallProgress { office, cards, updated, rekeyed, exchanged, waiting })
}

/// The progress of this day, as it is now.
async fn report(
    tx: &mut Tx,
    number: i64,
    progress: &[RecallProgress],
    now: Timestamp,
) -> Result<(), MgmtError> {
    let day = RocDate::in_taipei(now).iso();
    for office in progress {
        tx.execute_one(
            "INSERT INTO recall_report (recall, day, office, cards, updated, exchanged, at, rekeyed) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
             ON CONFLICT (recall, day, office) DO UPDATE SET cards = EXCLUDED.cards, updated = EXCLUDED.updated, \
             exchanged = EXCLUDED.exchanged, at = EXCLUDED.at, rekeyed = EXCLUDED.rekeyed",
            params![
                number,
                day.clone(),
                office.office.as_str(),
                office.cards as i64,
                office.updated as i64,
                office.exchanged as i64,
                now,
                office.rekeyed as i64
            ],
        )
        .await?;
    }
    Ok(())
}

/// The number of a recall as it stands in its cards.
pub(crate) fn name(number: u64) -> String {
    format!("R-{number}")
}

pub(crate) fn subject(number: i64) -> String {
    format!("recall-{number}")
}

/// Cards in one commit of the list.
const LISTED: usize = 10_000;
/// Cards called in with each turn.
pub(crate) const CALLED: u32 = 200;
/// How long a proposal waits.
pub(crate) const LAPSES: jiff::SignedDuration = jiff::SignedDuration::from_hours(7 * 24);
