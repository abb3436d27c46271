//! The centre's books: every step of a card with its event, its stock movement and its audit entry, in one transaction.

use jiff::Timestamp;
use model::{CardSerial, CardState};
use store::{Db, Tx, params};

use crate::ProductionError;
use crate::centre::{OrderNo, ReportKind};

/// Kinds of cards that are counted separately (PRODUCTION-44).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StockKind {
    /// 空白卡
    Blank,
    /// 半成卡
    SemiFinished,
    /// 成卡
    Finished,
    /// 壞卡: a blank that failed.
    BadBlank,
    /// 報廢卡: a card of an order that failed.
    Scrapped,
}

impl StockKind {
    /// Every kind.
    pub const ALL: [Self; 5] =
        [Self::Blank, Self::SemiFinished, Self::Finished, Self::BadBlank, Self::Scrapped];

    /// The stable text form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Blank => "blank",
            Self::SemiFinished => "semi_finished",
            Self::Finished => "finished",
            Self::BadBlank => "bad_blank",
            Self::Scrapped => "scrapped",
        }
    }

    /// Where a card in this state is counted; `None` when it left the centre or was destroyed.
    pub(crate) const fn of(state: CardState, ordered: bool) -> Option<Self> {
        match state {
            CardState::Blank | CardState::Washed => Some(Self::Blank),
            CardState::Initialised | CardState::Paired | CardState::Personalised => Some(Self::SemiFinished),
            CardState::Finished => Some(Self::Finished),
            CardState::Flawed | CardState::Void if ordered => Some(Self::Scrapped),
            CardState::Flawed | CardState::Void => Some(Self::BadBlank),
            _ => None,
        }
    }
}

/// Who makes an entry, when and why.
#[derive(Debug, Clone, Copy)]
pub(crate) struct By<'a> {
    pub(crate) at: Timestamp,
    pub(crate) actor: &'a str,
    pub(crate) reason: Option<&'a str>,
}

impl<'a> By<'a> {
    pub(crate) const fn system(at: Timestamp) -> Self {
        Self { at, actor: "production", reason: None }
    }

    pub(crate) const fn because(self, reason: &'a str) -> Self {
        Self { reason: Some(reason), ..self }
    }
}

/// The row of a card as far as the books need it.
#[derive(Debug, Clone)]
pub(crate) struct CardRow {
    pub(crate) serial: CardSerial,
    pub(crate) chip_id: Vec<u8>,
    pub(crate) lot: String,
    pub(crate) state: CardState,
    pub(crate) profile: Option<String>,
    pub(crate) order: Option<OrderNo>,
    pub(crate) public_data: Option<String>,
}

/// Reads a card's row in a transaction.
pub(crate) async fn card(tx: &mut Tx, serial: CardSerial) -> Result<CardRow, ProductionError> {
    let row = tx.optional(CARD, params![serial.as_str()]).await?.ok_or(ProductionError::CardUnknown)?;
    card_row(&row)
}

/// Reads a card's row.
pub(crate) async fn card_now(db: &Db, serial: CardSerial) -> Result<CardRow, ProductionError> {
    let row = db.optional(CARD, params![serial.as_str()]).await?.ok_or(ProductionError::CardUnknown)?;
    card_row(&row)
}

const CARD: &str =
    "SELECT serial, chip_id, lot, state, profile, order_no, public_data FROM card WHERE serial = $1";

pub(crate) fn card_row(row: &store::Row) -> Result<CardRow, ProductionError> {
    Ok(CardRow {
        serial: serial(row)?,
        chip_id: row.read("chip_id")?,
        lot: row.read("lot")?,
        state: row.read::<String>("state")?.parse()?,
        profile: row.read("profile")?,
        order: row.read::<Option<String>>("order_no")?.map(|text| text.parse()).transpose()?,
        public_data: row.read("public_data")?,
    })
}

pub(crate) fn serial(row: &store::Row) -> Result<CardSerial, ProductionError> {
    row.read::<String>("serial")?.parse().map_err(|_| ProductionError::Data("card serial"))
}

/// Moves a card to its next state. Fails when the card is not in the state the caller saw, or the step is not allowed.
pub(crate) async fn step(
    tx: &mut Tx,
    card: &CardRow,
    to: CardState,
    by: By<'_>,
) -> Result<(), ProductionError> {
    card.state.step(to)?;
    let serial = card.serial.as_str();
    tx.execute_one(
        "UPDATE card SET state = $3, changed_at = $4 WHERE serial = $1 AND state = $2",
        params![serial, card.state.as_str(), to.as_str(), by.at],
    )
    .await?;
    tx.execute_one(
        "INSERT INTO card_event (serial, step, at, actor, from_state, to_state, reason) \
         SELECT $1, COALESCE(MAX(step), 0) + 1, $2, $3, $4, $5, $6 FROM card_event WHERE serial = $1",
        params![serial, by.at, by.actor, card.state.as_str(), to.as_str(), by.reason],
    )
    .await?;
    let before = StockKind::of(card.state, card.order.is_some());
    let after = StockKind::of(to, card.order.is_some());
    if before != after {
        movement(tx, serial, before, after, by.at).await?;
    }
    audit::append(
        tx,
        &audit::Event {
            at: by.at,
            actor: by.actor,
            system: "production",
            action: "card-step",
            subject: serial,
            detail: serde_json::json!({ "from": card.state, "to": to, "reason": by.reason }),
        },
    )
    .await?;
    Ok(())
}

/// Writes a movement between kinds of stock. `None` is outside the centre.
pub(crate) async fn movement(
    tx: &mut Tx,
    serial: &str,
    from: Option<StockKind>,
    to: Option<StockKind>,
    at: Timestamp,
) -> Result<(), ProductionError> {
    tx.execute_one(
        "INSERT INTO stock_movement (movement, at, serial, from_kind, to_kind) \
         SELECT COALESCE(MAX(movement), 0) + 1, $1, $2, $3, $4 FROM stock_movement",
        params![at, serial, from.map(StockKind::as_str), to.map(StockKind::as_str)],
    )
    .await?;
    Ok(())
}

/// Adds a report for the management system.
pub(crate) async fn report(
    tx: &mut Tx,
    order: OrderNo,
    serial: CardSerial,
    kind: &ReportKind,
    at: Timestamp,
) -> Result<(), ProductionError> {
    let (kind, detail) = match kind {
        ReportKind::Finished { box_no } => ("finished", box_no),
        ReportKind::Shipped { box_no } => ("shipped", box_no),
        ReportKind::Scrapped { defect } => ("scrapped", defect),
    };
    tx.execute_one(
        "INSERT INTO report (sequence, at, order_no, serial, kind, detail) \
         SELECT COALESCE(MAX(sequence), 0) + 1, $1, $2, $3, $4, $5 FROM report",
        params![at, order.to_string(), serial.as_str(), kind, detail],
    )
    .await?;
    Ok(())
}

/// Reads a report's row.
pub(crate) fn report_row(row: &store::Row) -> Result<crate::centre::Report, ProductionError> {
    let detail = row.read::<Option<String>>("detail")?.unwrap_or_default();
    let kind = match row.read::<String>("kind")?.as_str() {
        "finished" => ReportKind::Finished { box_no: detail },
        "shipped" => ReportKind::Shipped { box_no: detail },
        "scrapped" => ReportKind::Scrapped { defect: detail },
        _ => return Err(ProductionError::Data("kind of report")),
    };
    Ok(crate::centre::Report {
        sequence: row.read("sequence")?,
        at: row.read("at")?,
        order: row.read::<String>("order_no")?.parse()?,
        serial: serial(row)?,
        kind,
    })
}
