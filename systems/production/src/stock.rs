//! What lies in the stores: counts by kind, the ledger behind them, and the stocktake that compares both with the cards
//! that are really there (PRODUCTION-44, 46, 47).

use std::collections::{BTreeMap, BTreeSet};

use model::{CardSerial, CardState};
use store::{Db, params};

use crate::ProductionError;
use crate::books::{StockKind, serial};
use crate::shelf::Shelf;

/// Cards of each kind.
pub type Counts = BTreeMap<StockKind, u64>;

/// The result of a stocktake. Books, ledger and shelf agree when all three lists of differences are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stocktake {
    /// What the books say lies in the centre.
    pub counted: Counts,
    /// Kinds whose sum of movements differs from the books: kind, books, ledger.
    pub ledger_differs: Vec<(StockKind, u64, i64)>,
    /// Cards in the books that are not on the shelf.
    pub missing: Vec<CardSerial>,
    /// Cards on the shelf that are not in the books.
    pub unknown: Vec<CardSerial>,
}

impl Stocktake {
    /// Whether everything agrees.
    pub fn agrees(&self) -> bool {
        self.ledger_differs.is_empty() && self.missing.is_empty() && self.unknown.is_empty()
    }
}

/// The counts by the books.
pub(crate) async fn counts(db: &Db) -> Result<Counts, ProductionError> {
    let rows = db
        .all(
            "SELECT state, order_no IS NOT NULL AS ordered, count(*) AS cards FROM card \
             GROUP BY state, order_no IS NOT NULL",
            params![],
        )
        .await?;
    let mut counts: Counts = StockKind::ALL.iter().map(|kind| (*kind, 0)).collect();
    for row in rows {
        let state: CardState = row.read::<String>("state")?.parse()?;
        if let Some(kind) = StockKind::of(state, row.read("ordered")?) {
            *counts.entry(kind).or_default() += row.read::<u64>("cards")?;
        }
    }
    Ok(counts)
}

/// Counts everything three times: books, ledger, shelf.
pub(crate) async fn stocktake(db: &Db, shelf: &Shelf) -> Result<Stocktake, ProductionError> {
    let counted = counts(db).await?;
    let mut ledger: BTreeMap<&'static str, i64> = BTreeMap::new();
    let rows = db
        .all(
            "SELECT from_kind, to_kind, count(*) AS moves FROM stock_movement GROUP BY from_kind, to_kind",
            params![],
        )
        .await?;
    for row in rows {
        let moves: i64 = row.read("moves")?;
        for (column, sign) in [("from_kind", -1), ("to_kind", 1)] {
            if let Some(kind) = row.read::<Option<String>>(column)? {
                let kind = StockKind::ALL.iter().find(|k| k.as_str() == kind);
                let kind = kind.ok_or(ProductionError::Data("kind of stock"))?;
                *ledger.entry(kind.as_str()).or_default() += sign * moves;
            }
        }
    }
    let ledger_differs = counted
        .iter()
        .filter_map(|(kind, books)| {
            let moved = ledger.get(kind.as_str()).copied().unwrap_or(0);
            (i64::try_from(*books) != Ok(moved)).then_some((*kind, *books, moved))
        })
        .collect();
    // A shipped card is a file in the holder's hands, and a destroyed one is gone, so only these two may be absent.
    let rows = db.all("SELECT serial, state FROM card", params![]).await?;
    let mut expected = BTreeSet::new();
    let mut known = BTreeSet::new();
    for row in rows {
        let serial = serial(&row)?;
        known.insert(serial);
        if !matches!(row.read::<String>("state")?.parse()?, CardState::Shipped | CardState::Destroyed) {
            expected.insert(serial);
        }
    }
    let found = shelf.cards()?;
    Ok(Stocktake {
        counted,
        ledger_differs,
        missing: expected.difference(&found).copied().collect(),
        unknown: found.difference(&known).copied().collect(),
    })
}
