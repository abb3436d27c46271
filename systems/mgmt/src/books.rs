//! Rows of cases and cards, and their steps: each change of state with its event and its audit entry in one transaction.

use jiff::Timestamp;
use model::application::ApplicationEvent;
use model::card::CardEvent;
use model::{
    Application, ApplicationKind, Card, CardProfile, CardSerial, CardState, CaseNo, Channel, OfficeCode,
    RevocationReason, RocDate, Stamp,
};
use serde_json::json;
use store::{Db, Row, Tx, params};

use crate::{MgmtError, Refusal};

/// What is to be done next for a case in production.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Nothing by itself: a person acts next.
    Idle,
    /// Ask the card centre for a card.
    Pair,
    /// Ask the certificate system for certificates.
    Certify,
    /// Build and sign the zones, seal the package.
    Package,
    /// Send the package.
    Deliver,
    /// Wait for the card centre's report.
    Report,
}

impl Stage {
    const ALL: [Self; 6] =
        [Self::Idle, Self::Pair, Self::Certify, Self::Package, Self::Deliver, Self::Report];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Pair => "pair",
            Self::Certify => "certify",
            Self::Package => "package",
            Self::Deliver => "deliver",
            Self::Report => "report",
        }
    }
}

/// A case as stored.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) no: CaseNo,
    pub(crate) person: [u8; 32],
    pub(crate) kind: ApplicationKind,
    pub(crate) channel: Channel,
    pub(crate) profile: CardProfile,
    pub(crate) office: OfficeCode,
    pub(crate) certificate: bool,
    pub(crate) application: Application,
    pub(crate) stage: Stage,
    pub(crate) serial: Option<CardSerial>,
    pub(crate) issue: Option<RocDate>,
    pub(crate) renewal: Option<RocDate>,
    pub(crate) box_no: Option<String>,
    pub(crate) wrapped_key: Option<Vec<u8>>,
    /// Nothing of the person leaves management while this is set.
    pub(crate) held: bool,
    pub(crate) submitted: Timestamp,
    /// The recall for which the person's card is exchanged.
    pub(crate) recall: Option<u64>,
}

impl Case {
    /// The key of the case; an error once it is destroyed.
    pub(crate) fn wrapped_key(&self) -> Result<&[u8], MgmtError> {
        self.wrapped_key.as_deref().ok_or(MgmtError::Data("the key of the case is destroyed"))
    }

    /// How many cards were made for the case before the present one.
    pub(crate) fn attempt(&self) -> u32 {
        self.application.approval().map_or(0, |approval| approval.remakes)
    }

    /// The order at the card centre.
    pub(crate) fn order(&self) -> production::OrderNo {
        production::OrderNo { case: self.no, attempt: self.attempt() }
    }

    /// Whose turn comes first at the card centre (RECALL-13).
    pub(crate) const fn class(&self) -> production::OrderClass {
        if self.recall.is_some() { production::OrderClass::Recall } else { production::OrderClass::Ordinary }
    }
}

/// A card as stored.
#[derive(Debug, Clone)]
pub(crate) struct CardEntry {
    pub(crate) serial: CardSerial,
    pub(crate) case: CaseNo,
    pub(crate) person: [u8; 32],
    pub(crate) profile: CardProfile,
    pub(crate) card: Card,
    pub(crate) issue: RocDate,
    pub(crate) renewal: Option<RocDate>,
    pub(crate) certificate: bool,
    pub(crate) face: [u8; 32],
    pub(crate) wrapped_key: Vec<u8>,
    pub(crate) holder: Vec<u8>,
    pub(crate) held_by_holder: bool,
    pub(crate) revoked: Option<RevocationReason>,
    pub(crate) told: String,
    pub(crate) pins_set: Option<Timestamp>,
    pub(crate) user_code_state: String,
    /// The public key by which the chip proves itself, as SubjectPublicKeyInfo.
    pub(crate) chip_key: Option<Vec<u8>>,
    /// Since when the register says something else than the card, and which kind of change it was.
    pub(crate) outdated: Option<(Timestamp, String)>,
}

impl CardEntry {
    pub(crate) const fn state(&self) -> CardState {
        self.card.state()
    }
}

const CASE: &str = "SELECT case_no, person, kind, channel, profile, office, certificate, content, stage, serial, \
    issue_date, renewal_date, box_no, wrapped_key, held, submitted_at, recall FROM application WHERE case_no = $1";
const CARD: &str = "SELECT serial, case_no, person, profile, content, issue_date, renewal_date, certificate, face, \
    wrapped_key, holder, held_by_holder, revoked, told, pins_set_at, user_code_state, chip_key, \
    outdated_at, outdated_by FROM card WHERE serial = $1";

/// Reads a case in a transaction.
pub(crate) async fn case(tx: &mut Tx, no: CaseNo) -> Result<Case, MgmtError> {
    let row = tx.optional(CASE, params![no.as_str()]).await?.ok_or(Refusal::CaseUnknown)?;
    case_row(&row)
}

/// Reads a case.
pub(crate) async fn case_now(db: &Db, no: CaseNo) -> Result<Case, MgmtError> {
    let row = db.optional(CASE, params![no.as_str()]).await?.ok_or(Refusal::CaseUnknown)?;
    case_row(&row)
}

/// Reads a card in a transaction.
pub(crate) async fn card(tx: &mut Tx, serial: CardSerial) -> Result<CardEntry, MgmtError> {
    let row = tx.optional(CARD, params![serial.as_str()]).await?.ok_or(Refusal::CardUnknown)?;
    card_row(&row)
}

/// Reads a card.
pub(crate) async fn card_now(db: &Db, serial: CardSerial) -> Result<CardEntry, MgmtError> {
    let row = db.optional(CARD, params![serial.as_str()]).await?.ok_or(Refusal::CardUnknown)?;
    card_row(&row)
}

/// The cards of a person that are not void or destroyed.
pub(crate) async fn cards_of(tx: &mut Tx, person: &[u8; 32]) -> Result<Vec<CardEntry>, MgmtError> {
    let rows = tx.all("SELECT serial FROM card WHERE person = $1 ORDER BY serial", params![person]).await?;
    let mut cards = Vec::with_capacity(rows.len());
    for row in rows {
        let entry = card(tx, parse(&row, "serial")?).await?;
        if !matches!(entry.state(), CardState::Void | CardState::Destroyed | CardState::Flawed) {
            cards.push(entry);
        }
    }
    Ok(cards)
}

fn case_row(row: &Row) -> Result<Case, MgmtError> {
    let stage: String = row.read("stage")?;
    Ok(Case {
        no: parse(row, "case_no")?,
        person: row.read("person")?,
        kind: parse(row, "kind")?,
        channel: parse(row, "channel")?,
        profile: parse(row, "profile")?,
        office: parse(row, "office")?,
        certificate: row.read("certificate")?,
        application: from_json(&row.read::<String>("content")?)?,
        stage: Stage::ALL.into_iter().find(|s| s.as_str() == stage).ok_or(MgmtError::Data("stage"))?,
        serial: parse_optional(row, "serial")?,
        issue: parse_optional(row, "issue_date")?,
        renewal: parse_optional(row, "renewal_date")?,
        box_no: row.read("box_no")?,
        wrapped_key: row.read("wrapped_key")?,
        held: row.read("held")?,
        submitted: row.read("submitted_at")?,
        recall: row.read("recall")?,
    })
}

fn card_row(row: &Row) -> Result<CardEntry, MgmtError> {
    Ok(CardEntry {
        serial: parse(row, "serial")?,
        case: parse(row, "case_no")?,
        person: row.read("person")?,
        profile: parse(row, "profile")?,
        card: from_json(&row.read::<String>("content")?)?,
        issue: parse(row, "issue_date")?,
        renewal: parse_optional(row, "renewal_date")?,
        certificate: row.read("certificate")?,
        face: row.read("face")?,
        wrapped_key: row.read("wrapped_key")?,
        holder: row.read("holder")?,
        held_by_holder: row.read("held_by_holder")?,
        revoked: parse_optional(row, "revoked")?,
        told: row.read("told")?,
        pins_set: row.read("pins_set_at")?,
        user_code_state: row.read("user_code_state")?,
        chip_key: row.read("chip_key")?,
        outdated: row.read::<Option<Timestamp>>("outdated_at")?.zip(row.read("outdated_by")?),
    })
}

/// Reads a text column as a type of the model.
pub(crate) fn parse<T: std::str::FromStr>(row: &Row, column: &'static str) -> Result<T, MgmtError> {
    row.read::<String>(column)?.parse().map_err(|_| MgmtError::Data(column))
}

/// As [`parse`], for a column that may be null.
pub(crate) fn parse_optional<T: std::str::FromStr>(
    row: &Row,
    column: &'static str,
) -> Result<Option<T>, MgmtError> {
    row.read::<Option<String>>(column)?
        .map(|text| text.parse().map_err(|_| MgmtError::Data(column)))
        .transpose()
}

pub(crate) fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, MgmtError> {
    serde_json::from_str(text).map_err(|_| MgmtError::Data("stored state"))
}

pub(crate) fn to_json<T: serde::Serialize>(value: &T) -> Result<String, MgmtError> {
    serde_json::to_string(value).map_err(|_| MgmtError::Data("state"))
}

/// A stamp of this system.
pub(crate) fn stamp(now: Timestamp, actor: &str) -> Stamp {
    Stamp::new(now, actor, SYSTEM)
}

/// The name of this system in events.
pub(crate) const SYSTEM: &str = "mgmt";

/// Takes a step of the model's life cycle, or says that the state does not allow it.
pub(crate) fn allowed<T>(step: Result<T, model::Error>) -> Result<T, MgmtError> {
    step.map_err(|_| MgmtError::Refused(Refusal::WrongState))
}

/// Stores a case with its event. `before` is the state that was read; if the row has another one by now nothing is stored.
pub(crate) async fn save_case(
    tx: &mut Tx,
    case: &Case,
    before: &Application,
    event: &ApplicationEvent,
) -> Result<(), MgmtError> {
    update_case(tx, case, before, event.stamp.at).await?;
    tx.execute_one(
        "INSERT INTO case_event (case_no, step, content) \
         SELECT $1, COALESCE(MAX(step), 0) + 1, $2 FROM case_event WHERE case_no = $1",
        params![case.no.as_str(), to_json(event)?],
    )
    .await?;
    log(
        tx,
        &event.stamp,
        &format!("application-{}", event.to.state()),
        case.no.as_str(),
        json!({
            "from": event.from, "to": event.to.state(), "reason": event.stamp.reason, "card": case.serial,
        }),
    )
    .await
}

/// Stores what changed of a case beside its state: stage, card, dates, key.
pub(crate) async fn update_case(
    tx: &mut Tx,
    case: &Case,
    before: &Application,
    now: Timestamp,
) -> Result<(), MgmtError> {
    let open_person = case.application.state().is_open().then_some(&case.person);
    tx.execute_one(
        "UPDATE application SET open_person = $3, certificate = $4, state = $5, content = $6, stage = $7, serial = $8, \
         issue_date = $9, renewal_date = $10, box_no = $11, wrapped_key = $12, changed_at = $13 \
         WHERE case_no = $1 AND state = $2",
        params![
            case.no.as_str(),
            before.state().as_str(),
            open_person,
            case.certificate,
            case.application.state().as_str(),
            to_json(&case.application)?,
            case.stage.as_str(),
            case.serial.as_ref().map(CardSerial::as_str),
            case.issue.map(RocDate::iso),
            case.renewal.map(RocDate::iso),
            case.box_no.as_deref(),
            case.wrapped_key.as_deref(),
            now,
        ],
    )
    .await?;
    Ok(())
}

/// Stores a card's new state with its event.
pub(crate) async fn save_card(
    tx: &mut Tx,
    entry: &CardEntry,
    before: CardState,
    event: &CardEvent,
) -> Result<(), MgmtError> {
    // A card is its holder's from hand-over until it is void: at most one such card a person (MGMT-73).
    let holder_card = entry.card.in_hands().then_some(&entry.person);
    tx.execute_one(
        "UPDATE card SET state = $3, content = $4, holder_card = $5, changed_at = $6 WHERE serial = $1 AND state = $2",
        params![
            entry.serial.as_str(),
            before.as_str(),
            entry.state().as_str(),
            to_json(&entry.card)?,
            holder_card,
            event.stamp.at,
        ],
    )
    .await?;
    card_event(tx, entry.serial, event).await
}

/// Adds an event of a card.
pub(crate) async fn card_event(tx: &mut Tx, serial: CardSerial, event: &CardEvent) -> Result<(), MgmtError> {
    tx.execute_one(
        "INSERT INTO card_event (serial, step, content) \
         SELECT $1, COALESCE(MAX(step), 0) + 1, $2 FROM card_event WHERE serial = $1",
        params![serial.as_str(), to_json(event)?],
    )
    .await?;
    log(
        tx,
        &event.stamp,
        &format!("card-{}", event.to.state()),
        serial.as_str(),
        json!({
            "from": event.from, "to": event.to.state(), "reason": event.stamp.reason,
        }),
    )
    .await
}

/// Appends to the audit log.
pub(crate) async fn log(
    tx: &mut Tx,
    stamp: &Stamp,
    action: &str,
    subject: &str,
    detail: serde_json::Value,
) -> Result<(), MgmtError> {
    let event = audit::Event { at: stamp.at, actor: &stamp.actor, system: SYSTEM, action, subject, detail };
    audit::append(tx, &event).await?;
    Ok(())
}

/// Steps a card with one of the model's transitions and stores it.
pub(crate) async fn step_card(
    tx: &mut Tx,
    mut entry: CardEntry,
    step: impl FnOnce(Card) -> Result<(Card, CardEvent), model::Error>,
) -> Result<CardEntry, MgmtError> {
    let before = entry.state();
    let (card, event) = allowed(step(entry.card))?;
    entry.card = card;
    save_card(tx, &entry, before, &event).await?;
    Ok(entry)
}
