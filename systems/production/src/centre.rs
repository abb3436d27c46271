//! What the management system sees of the card centre (MGMT-43).

use async_trait::async_trait;
use curve::Point;
use jiff::Timestamp;
use model::{CardProfile, CardSerial, CaseNo, OfficeCode};
use std::fmt;
use std::str::FromStr;

use crate::ProductionError;
use crate::chip_types::CardMake;
use crate::selection::MakeCriteria;

/// One card to be made: the case and how many cards were made for it before. A remake is a new order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderNo {
    /// The application.
    pub case: CaseNo,
    /// 0 for the first card, 1 for its first remake, ...
    pub attempt: u32,
}

impl fmt::Display for OrderNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.case, self.attempt)
    }
}

impl FromStr for OrderNo {
    type Err = ProductionError;

    fn from_str(text: &str) -> Result<Self, ProductionError> {
        let (case, attempt) = text.split_once('-').ok_or(ProductionError::OrderUnknown)?;
        Ok(Self {
            case: case.parse().map_err(|_| ProductionError::OrderUnknown)?,
            attempt: attempt.parse().map_err(|_| ProductionError::OrderUnknown)?,
        })
    }
}

/// An order as the management system places it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// Its number.
    pub order: OrderNo,
    /// What is to be made.
    pub profile: CardProfile,
    /// Where the card is sent.
    pub office: OfficeCode,
    /// Whose turn comes first.
    pub class: OrderClass,
}

/// Priority classes of orders, the most urgent first (RECALL-13).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OrderClass {
    /// 召回換發: in the place of a card that a recall has called in.
    Recall,
    /// 一般
    Ordinary,
}

impl OrderClass {
    /// Every class, the most urgent first.
    pub const ALL: [Self; 2] = [Self::Recall, Self::Ordinary];

    /// The stable text form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Recall => "recall",
            Self::Ordinary => "ordinary",
        }
    }
}

/// The initialised card that was given to an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairedCard {
    /// The card serial number, which is the document number.
    pub serial: CardSerial,
    /// The chip identifier; used for production history alone and never again (CARD-52).
    pub chip_id: Vec<u8>,
    /// Certification requests of key 1 to 4, made on the chip.
    pub requests: Vec<(u8, Vec<u8>)>,
    /// Public key for Active Authentication (SubjectPublicKeyInfo).
    pub active_authentication: Vec<u8>,
    /// Public key for Chip Authentication (SubjectPublicKeyInfo).
    pub chip_authentication: Vec<u8>,
}

/// What the centre tells the management system, in the order in which it happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Ascending without gaps.
    pub sequence: u64,
    /// When.
    pub at: Timestamp,
    /// About which order.
    pub order: OrderNo,
    /// About which card.
    pub serial: CardSerial,
    /// What happened.
    pub kind: ReportKind,
}

/// What happened to an order.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReportKind {
    /// Personalised, checked, packed; the centre's copy of the personal data is deleted (PRODUCTION-36).
    Finished {
        /// The box it lies in.
        box_no: String,
    },
    /// Given to the carrier.
    Shipped {
        /// The box it lies in.
        box_no: String,
    },
    /// The card failed; it is scrapped, its data deleted, and a remake has to be ordered (PRODUCTION-41, 43).
    Scrapped {
        /// What was wrong with it.
        defect: String,
    },
}

/// The list that travels with a box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roster {
    /// Transport number.
    pub box_no: String,
    /// Where it goes.
    pub office: OfficeCode,
    /// The cards in it in their order.
    pub cards: Vec<(OrderNo, CardSerial)>,
}

/// The card centre as the management system uses it. Every call may be repeated: the second has no further effect.
#[async_trait]
pub trait CardCentre: Send + Sync {
    /// The P-521 key that packages are sealed to.
    fn package_key(&self) -> Point;

    /// Places orders, so that enough cards are initialised in time. The class of an order is the one it was first placed with.
    async fn place(&self, orders: &[Order], now: Timestamp) -> Result<(), ProductionError>;

    /// The card paired with a placed order, or `None` while no initialised card is in stock that no order of a more urgent class
    /// waits for. The first call that finds stock pairs; every later one gives the same card.
    async fn pair(&self, order: OrderNo, now: Timestamp) -> Result<Option<PairedCard>, ProductionError>;

    /// Hands in the sealed package of a paired order. The same package again is accepted; another one is refused.
    async fn deliver(&self, order: OrderNo, package: &[u8], now: Timestamp) -> Result<(), ProductionError>;

    /// Gives up an order that has no package yet. A paired card is scrapped: certificates may stand for its keys.
    async fn cancel(&self, order: OrderNo, now: Timestamp) -> Result<(), ProductionError>;

    /// The reports after `sequence`, in order, at most `limit`.
    async fn reports_after(&self, sequence: u64, limit: u32) -> Result<Vec<Report>, ProductionError>;

    /// The roster of a box.
    async fn roster(&self, box_no: &str) -> Result<Option<Roster>, ProductionError>;

    /// The cards that meet all criteria, with what they are made of (RECALL-01).
    async fn select(&self, criteria: &MakeCriteria) -> Result<Vec<CardMake>, ProductionError>;

    /// The types of chips whose software can be changed on cards already issued (OPEN-13).
    async fn patchable_types(&self) -> Result<Vec<String>, ProductionError>;

    /// The types of chips on which no card is made at present (停用).
    async fn stopped_types(&self) -> Result<Vec<String>, ProductionError>;

    /// Takes back a card found flawed at an office or no longer wanted, for destruction (MGMT-66).
    async fn take_back(
        &self,
        serial: CardSerial,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), ProductionError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_numbers_read_back() {
        let order = OrderNo { case: "C11500000042".parse().expect("a case"), attempt: 3 };
        assert_eq!(order.to_string(), "C11500000042-3");
        assert_eq!(order.to_string().parse::<OrderNo>().ok(), Some(order));
        for text in ["", "C11500000042", "C11500000042-", "C1150000004-1", "C11500000042--1"] {
            assert!(text.parse::<OrderNo>().is_err(), "{text}");
        }
    }
}
