//! The life of a card, from the blank in stock to its destruction (MGMT-71).
//!
//! [`CardState`] is the state alone, for columns, counts and JSON; [`Card`] carries what belongs to each state. Card flow is
//! one-way (PRODUCTION-46): the only steps back are the withdrawal of a loss report and the end of a recall, and both return to
//! the state the card came from. A recalled card can be reported lost and found too, which changes what it returns to. A pairing is never undone, because certificates may already stand for its keys: such a card becomes void.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::lifecycle::{Event, Stamp};
use crate::text::text_enum;
use crate::{CaseNo, Error, OfficeCode};

text_enum! {
    /// The state of a card without its data.
    CardState ("card state") {
        /// 空白卡入庫: a blank in stock, keys of the manufacturer.
        Blank = "blank",
        /// 洗卡: keys changed over to those of the card centre.
        Washed = "washed",
        /// 已初始化: key pairs made on the chip, requests taken.
        Initialised = "initialised",
        /// 配對: belongs to a case.
        Paired = "paired",
        /// 個人化: personal data and certificates written, manufacturer access closed.
        Personalised = "personalised",
        /// 成卡: passed quality control.
        Finished = "finished",
        /// 出庫: on the way to an office.
        Shipped = "shipped",
        /// 到所: at the office, not yet checked.
        Received = "received",
        /// 瑕疵: a bad blank, a scrapped card, or a defect found at the office.
        Flawed = "flawed",
        /// 待領: checked, the applicant is called.
        AwaitingCollection = "awaiting_collection",
        /// 有效: in the holder's hands.
        Active = "active",
        /// 掛失: loss reported.
        Suspended = "suspended",
        /// 作廢: punched, corner cut, registered.
        Void = "void",
        /// 已銷毀: destroyed with a record.
        Destroyed = "destroyed",
        /// 召回: under recall.
        Recalled = "recalled",
        /// 逾期: past its date of renewal.
        Expired = "expired",
    }
}

impl CardState {
    /// The states that may follow this one: the whole table of allowed transitions.
    pub const fn next(self) -> &'static [CardState] {
        use CardState::*;
        match self {
            Blank => &[Washed, Flawed, Void],
            Washed => &[Initialised, Flawed, Void],
            Initialised => &[Paired, Flawed, Void],
            Paired => &[Personalised, Flawed, Void],
            Personalised => &[Finished, Flawed, Void],
            Finished => &[Shipped, Flawed, Void],
            Shipped => &[Received, Void],
            Received => &[AwaitingCollection, Flawed, Void, Recalled],
            AwaitingCollection => &[Active, Flawed, Void, Recalled],
            Active => &[Suspended, Void, Recalled, Expired],
            Suspended => &[Active, Void, Recalled, Expired],
            // To itself: lost or found while it is called in, or handed on to another recall.
            Recalled => &[Received, AwaitingCollection, Active, Suspended, Recalled, Void, Expired],
            Flawed => &[Void, Destroyed],
            Expired => &[Void],
            Void => &[Destroyed],
            Destroyed => &[],
        }
    }

    /// Whether `to` may follow.
    pub fn may_become(self, to: CardState) -> bool {
        self.next().contains(&to)
    }

    /// `to`, or the error that names both states. For systems that keep the state alone.
    pub fn step(self, to: CardState) -> Result<CardState, Error> {
        if self.may_become(to) {
            Ok(to)
        } else {
            Err(Error::Transition { life: "card", from: self.as_str(), to: to.as_str() })
        }
    }

    /// Whether the card may be accepted at a counter.
    pub const fn is_valid(self) -> bool {
        matches!(self, CardState::Active)
    }

    /// The state in Chinese, as offices see it.
    pub const fn zh(self) -> &'static str {
        match self {
            Self::Blank => "空白卡入庫",
            Self::Washed => "已洗卡",
            Self::Initialised => "已初始化",
            Self::Paired => "配對",
            Self::Personalised => "個人化",
            Self::Finished => "成卡",
            Self::Shipped => "出庫",
            Self::Received => "到所",
            Self::Flawed => "瑕疵",
            Self::AwaitingCollection => "待領",
            Self::Active => "有效",
            Self::Suspended => "掛失",
            Self::Void => "作廢",
            Self::Destroyed => "已銷毀",
            Self::Recalled => "召回",
            Self::Expired => "逾期",
        }
    }
}

text_enum! {
    /// Why a card is void (MGMT-63).
    VoidReason ("reason to void") {
        /// 瑕疵
        Flawed = "flawed",
        /// The old card came back when the new one was collected.
        Returned = "returned",
        /// Lost, and a replacement was applied for.
        Replaced = "replaced",
        /// Moved abroad, deceased, declared dead, registration annulled or cancelled.
        NotEntitled = "not_entitled",
        /// The application was withdrawn before collection.
        CaseWithdrawn = "case_withdrawn",
        /// Register data that is printed changed before hand-over.
        DataChanged = "data_changed",
        /// Exchanged in a recall, or stock of a recalled chip type.
        Recall = "recall",
        /// Lost on the way to the office.
        LostInTransit = "lost_in_transit",
        /// Its date of renewal has passed.
        Expired = "expired",
    }
}

/// A card in its present state with what belongs to that state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Card {
    /// See [`CardState::Blank`].
    Blank,
    /// See [`CardState::Washed`].
    Washed,
    /// See [`CardState::Initialised`].
    Initialised,
    /// See [`CardState::Paired`].
    Paired {
        /// The application the card is made for.
        case: CaseNo,
    },
    /// See [`CardState::Personalised`].
    Personalised {
        /// The application the card is made for.
        case: CaseNo,
    },
    /// See [`CardState::Finished`].
    Finished {
        /// The application the card is made for.
        case: CaseNo,
    },
    /// See [`CardState::Shipped`].
    Shipped {
        /// The application the card is made for.
        case: CaseNo,
        /// The office it is sent to.
        office: OfficeCode,
    },
    /// See [`CardState::Received`].
    Received(AtOffice),
    /// See [`CardState::AwaitingCollection`].
    AwaitingCollection(AtOffice),
    /// See [`CardState::Active`].
    Active(InUse),
    /// See [`CardState::Suspended`].
    Suspended {
        /// What the card returns to when the report is withdrawn.
        #[serde(flatten)]
        in_use: InUse,
        /// When the loss was reported.
        reported: Timestamp,
    },
    /// See [`CardState::Recalled`].
    Recalled {
        /// The number of the recall.
        recall: String,
        /// The state the card returns to when it was treated.
        before: BeforeRecall,
    },
    /// See [`CardState::Expired`].
    Expired {
        /// When the card passed its date of renewal.
        since: Timestamp,
        /// When its loss was reported, of a card that was lost by then: it stays lost, and its holder applies for replacement.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reported: Option<Timestamp>,
    },
    /// See [`CardState::Flawed`].
    Flawed {
        /// The application that needs a remake, if the card belonged to one.
        case: Option<CaseNo>,
        /// What is wrong with the card.
        defect: String,
    },
    /// See [`CardState::Void`].
    Void {
        /// Why.
        reason: VoidReason,
    },
    /// See [`CardState::Destroyed`].
    Destroyed {
        /// The number of the list it was destroyed with (MGMT-68).
        list: String,
    },
}

/// A card at an office.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AtOffice {
    /// The application the card is made for.
    pub case: CaseNo,
    /// The office that holds it.
    pub office: OfficeCode,
}

/// A card in its holder's hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct InUse {
    /// When it was handed over.
    pub handed_over: Timestamp,
}

/// What a card was before its recall.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "was", rename_all = "snake_case")]
pub enum BeforeRecall {
    /// At the office, unchecked.
    Received(AtOffice),
    /// At the office, checked.
    AwaitingCollection(AtOffice),
    /// In use.
    Active(InUse),
    /// In use, loss reported.
    Suspended {
        /// Since when it was in use.
        #[serde(flatten)]
        in_use: InUse,
        /// When the loss was reported.
        reported: Timestamp,
    },
}

/// A change of a card's state.
pub type CardEvent = Event<Card>;

type Step = Result<(Card, CardEvent), Error>;

impl Card {
    /// The state without its data.
    pub const fn state(&self) -> CardState {
        match self {
            Self::Blank => CardState::Blank,
            Self::Washed => CardState::Washed,
            Self::Initialised => CardState::Initialised,
            Self::Paired { .. } => CardState::Paired,
            Self::Personalised { .. } => CardState::Personalised,
            Self::Finished { .. } => CardState::Finished,
            Self::Shipped { .. } => CardState::Shipped,
            Self::Received(_) => CardState::Received,
            Self::AwaitingCollection(_) => CardState::AwaitingCollection,
            Self::Active(_) => CardState::Active,
            Self::Suspended { .. } => CardState::Suspended,
            Self::Recalled { .. } => CardState::Recalled,
            Self::Expired { .. } => CardState::Expired,
            Self::Flawed { .. } => CardState::Flawed,
            Self::Void { .. } => CardState::Void,
            Self::Destroyed { .. } => CardState::Destroyed,
        }
    }

    /// The application a card in production or at an office is made for.
    pub const fn case(&self) -> Option<CaseNo> {
        match self {
            Self::Paired { case } | Self::Personalised { case } | Self::Finished { case } => Some(*case),
            Self::Shipped { case, .. } => Some(*case),
            Self::Received(at) | Self::AwaitingCollection(at) => Some(at.case),
            Self::Flawed { case, .. } => *case,
            _ => None,
        }
    }

    /// Whether the card is its holder's: from hand-over until it is void, recalled or not (MGMT-73).
    pub const fn in_hands(&self) -> bool {
        match self {
            Self::Active(_) | Self::Suspended { .. } | Self::Expired { .. } => true,
            Self::Recalled { before, .. } => {
                matches!(before, BeforeRecall::Active(_) | BeforeRecall::Suspended { .. })
            }
            _ => false,
        }
    }

    /// Whether its holder has reported it lost (LOSS-06), also where a recall has called it in before or since, or it has expired.
    pub const fn lost(&self) -> bool {
        self.loss_reported().is_some()
    }

    const fn loss_reported(&self) -> Option<Timestamp> {
        match self {
            Self::Suspended { reported, .. }
            | Self::Recalled { before: BeforeRecall::Suspended { reported, .. }, .. } => Some(*reported),
            Self::Expired { reported, .. } => *reported,
            _ => None,
        }
    }

    /// Keys changed over (洗卡).
    pub fn wash(self, stamp: Stamp) -> Step {
        self.to(Self::Washed, stamp)
    }

    /// Key pairs made and requests taken.
    pub fn initialise(self, stamp: Stamp) -> Step {
        self.to(Self::Initialised, stamp)
    }

    /// Given to a case.
    pub fn pair(self, case: CaseNo, stamp: Stamp) -> Step {
        self.to(Self::Paired { case }, stamp)
    }

    /// Personal data written.
    pub fn personalise(self, stamp: Stamp) -> Step {
        match self {
            Self::Paired { case } => self.to(Self::Personalised { case }, stamp),
            _ => Err(self.refuse(CardState::Personalised)),
        }
    }

    /// Quality control passed.
    pub fn finish(self, stamp: Stamp) -> Step {
        match self {
            Self::Personalised { case } => self.to(Self::Finished { case }, stamp),
            _ => Err(self.refuse(CardState::Finished)),
        }
    }

    /// Packed and given to the carrier.
    pub fn ship(self, office: OfficeCode, stamp: Stamp) -> Step {
        match self {
            Self::Finished { case } => self.to(Self::Shipped { case, office }, stamp),
            _ => Err(self.refuse(CardState::Shipped)),
        }
    }

    /// Arrived at the office it was sent to.
    pub fn receive(self, stamp: Stamp) -> Step {
        match self {
            Self::Shipped { case, office } => self.to(Self::Received(AtOffice { case, office }), stamp),
            _ => Err(self.refuse(CardState::Received)),
        }
    }

    /// Checked at the office; the applicant can be called.
    pub fn accept(self, stamp: Stamp) -> Step {
        match self {
            Self::Received(at) => self.to(Self::AwaitingCollection(at), stamp),
            _ => Err(self.refuse(CardState::AwaitingCollection)),
        }
    }

    /// Handed to its holder.
    pub fn hand_over(self, stamp: Stamp) -> Step {
        match self {
            Self::AwaitingCollection(_) => {
                let in_use = InUse { handed_over: stamp.at };
                self.to(Self::Active(in_use), stamp)
            }
            _ => Err(self.refuse(CardState::Active)),
        }
    }

    /// Loss reported (掛失). A recalled card stays recalled, and is a lost one after its recall.
    pub fn report_loss(self, stamp: Stamp) -> Step {
        let reported = stamp.at;
        match self {
            Self::Active(in_use) => self.to(Self::Suspended { in_use, reported }, stamp),
            Self::Recalled { ref recall, before: BeforeRecall::Active(in_use) } => {
                let before = BeforeRecall::Suspended { in_use, reported };
                let recall = recall.clone();
                self.to(Self::Recalled { recall, before }, stamp)
            }
            _ => Err(self.refuse(CardState::Suspended)),
        }
    }

    /// Found again before a replacement was applied for (撤銷掛失). A recalled card stays recalled.
    pub fn withdraw_loss(self, stamp: Stamp) -> Step {
        match self {
            Self::Suspended { in_use, .. } => self.to(Self::Active(in_use), stamp),
            Self::Recalled { ref recall, before: BeforeRecall::Suspended { in_use, .. } } => {
                let recall = recall.clone();
                self.to(Self::Recalled { recall, before: BeforeRecall::Active(in_use) }, stamp)
            }
            _ => Err(self.refuse(CardState::Active)),
        }
    }

    /// Called in by a recall.
    pub fn recall(self, recall: impl Into<String>, stamp: Stamp) -> Step {
        let before = match self {
            Self::Received(at) => BeforeRecall::Received(at),
            Self::AwaitingCollection(at) => BeforeRecall::AwaitingCollection(at),
            Self::Active(in_use) => BeforeRecall::Active(in_use),
            Self::Suspended { in_use, reported } => BeforeRecall::Suspended { in_use, reported },
            _ => return Err(self.refuse(CardState::Recalled)),
        };
        self.to(Self::Recalled { recall: recall.into(), before }, stamp)
    }

    /// Treated in one recall while another has called it in too: it goes on in that one.
    pub fn next_recall(self, recall: impl Into<String>, stamp: Stamp) -> Step {
        let Self::Recalled { before, .. } = self else { return Err(self.refuse(CardState::Recalled)) };
        self.to(Self::Recalled { recall: recall.into(), before }, stamp)
    }

    /// Treated in a recall, and in no other one: back to the state before.
    pub fn release_recall(self, stamp: Stamp) -> Step {
        let Self::Recalled { before, .. } = self else { return Err(self.refuse(CardState::Active)) };
        let after = match before {
            BeforeRecall::Received(at) => Self::Received(at),
            BeforeRecall::AwaitingCollection(at) => Self::AwaitingCollection(at),
            BeforeRecall::Active(in_use) => Self::Active(in_use),
            BeforeRecall::Suspended { in_use, reported } => Self::Suspended { in_use, reported },
        };
        self.to(after, stamp)
    }

    /// The date of renewal has passed. A lost card stays lost.
    pub fn expire(self, stamp: Stamp) -> Step {
        let (since, reported) = (stamp.at, self.loss_reported());
        self.to(Self::Expired { since, reported }, stamp)
    }

    /// A defect was found; a card of a case needs a remake.
    pub fn flaw(self, defect: impl Into<String>, stamp: Stamp) -> Step {
        let case = self.case();
        self.to(Self::Flawed { case, defect: defect.into() }, stamp)
    }

    /// Punched, cut and registered as void.
    pub fn void(self, reason: VoidReason, stamp: Stamp) -> Step {
        self.to(Self::Void { reason }, stamp)
    }

    /// Destroyed with a list.
    pub fn destroy(self, list: impl Into<String>, stamp: Stamp) -> Step {
        self.to(Self::Destroyed { list: list.into() }, stamp)
    }

    fn to(self, to: Self, stamp: Stamp) -> Step {
        self.state().step(to.state())?;
        let event = Event { stamp, from: self.state().as_str().to_owned(), to: to.clone() };
        Ok((to, event))
    }

    const fn refuse(&self, to: CardState) -> Error {
        Error::Transition { life: "card", from: self.state().as_str(), to: to.as_str() }
    }
}
