//! The life of an application, from the first entry to the card in the applicant's hands.
//!
//! The only steps back are defined ones: a clerk returns an application for correction (a new photo), and a flawed card sends
//! an approved case into a new batch for a remake, which counts.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::lifecycle::{Event, Stamp};
use crate::text::text_enum;
use crate::{CardSerial, Error, OfficeCode};

text_enum! {
    /// The state of an application without its data.
    ApplicationState ("application state") {
        /// Being filled in.
        Draft = "draft",
        /// Sent by the applicant.
        Submitted = "submitted",
        /// A clerk looks at it.
        UnderReview = "under_review",
        /// The review is registered as passed.
        Approved = "approved",
        /// The review is registered as not passed.
        Rejected = "rejected",
        /// In a batch for the card centre.
        Batched = "batched",
        /// The card centre has begun.
        InProduction = "in_production",
        /// The card centre reports the card finished.
        Produced = "produced",
        /// The card is at the office.
        Received = "received",
        /// The card is checked and the applicant called.
        Ready = "ready",
        /// Handed over.
        Collected = "collected",
        /// Given up by the applicant, or the person is no longer entitled.
        Withdrawn = "withdrawn",
    }
}

impl ApplicationState {
    /// The states that may follow this one: the whole table of allowed transitions.
    pub const fn next(self) -> &'static [ApplicationState] {
        use ApplicationState::*;
        match self {
            Draft => &[Submitted, Withdrawn],
            Submitted => &[UnderReview, Withdrawn],
            UnderReview => &[Draft, Approved, Rejected, Withdrawn],
            Approved => &[Batched, Rejected, Withdrawn],
            Batched => &[InProduction, Rejected, Withdrawn],
            InProduction => &[Produced, Approved, Withdrawn],
            Produced => &[Received, Approved, Withdrawn],
            Received => &[Ready, Approved, Withdrawn],
            Ready => &[Collected, Approved, Withdrawn],
            Rejected | Collected | Withdrawn => &[],
        }
    }

    /// Whether `to` may follow.
    pub fn may_become(self, to: ApplicationState) -> bool {
        self.next().contains(&to)
    }

    /// `to`, or the error that names both states. For systems that keep the state alone.
    pub fn step(self, to: ApplicationState) -> Result<ApplicationState, Error> {
        if self.may_become(to) {
            Ok(to)
        } else {
            Err(Error::Transition { life: "application", from: self.as_str(), to: to.as_str() })
        }
    }

    /// Whether the application still runs: a person has at most one such.
    pub const fn is_open(self) -> bool {
        !self.next().is_empty()
    }

    /// The state in Chinese, as applicants see it.
    pub const fn zh(self) -> &'static str {
        match self {
            Self::Draft => "填寫中",
            Self::Submitted => "已送件",
            Self::UnderReview => "審核中",
            Self::Approved => "審核通過",
            Self::Rejected => "審核不通過",
            Self::Batched => "待製卡",
            Self::InProduction => "製卡中",
            Self::Produced => "已製卡",
            Self::Received => "已到所",
            Self::Ready => "待領取",
            Self::Collected => "已領取",
            Self::Withdrawn => "已撤銷",
        }
    }
}

/// An application in its present state with what belongs to that state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Application {
    /// See [`ApplicationState::Draft`].
    Draft {
        /// What a clerk wants corrected, if it came back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        correction: Option<String>,
    },
    /// See [`ApplicationState::Submitted`].
    Submitted {
        /// The day of application counts for the age (CARDFACE-08).
        at: Timestamp,
    },
    /// See [`ApplicationState::UnderReview`].
    UnderReview {
        /// When it was submitted.
        submitted: Timestamp,
        /// The account of the clerk.
        clerk: String,
    },
    /// See [`ApplicationState::Approved`].
    Approved(Approval),
    /// See [`ApplicationState::Rejected`].
    Rejected {
        /// Why, in words for the applicant.
        reason: String,
    },
    /// See [`ApplicationState::Batched`].
    Batched {
        /// What was approved.
        #[serde(flatten)]
        approval: Approval,
        /// The number of the batch.
        batch: String,
    },
    /// See [`ApplicationState::InProduction`].
    InProduction {
        /// What was approved.
        #[serde(flatten)]
        approval: Approval,
        /// The card paired with the case.
        card: CardSerial,
    },
    /// See [`ApplicationState::Produced`].
    Produced {
        /// What was approved.
        #[serde(flatten)]
        approval: Approval,
        /// The finished card.
        card: CardSerial,
    },
    /// See [`ApplicationState::Received`].
    Received {
        /// What was approved.
        #[serde(flatten)]
        approval: Approval,
        /// The card at the office.
        card: CardSerial,
        /// The office.
        office: OfficeCode,
    },
    /// See [`ApplicationState::Ready`].
    Ready {
        /// What was approved.
        #[serde(flatten)]
        approval: Approval,
        /// The card at the office.
        card: CardSerial,
        /// The office.
        office: OfficeCode,
    },
    /// See [`ApplicationState::Collected`].
    Collected {
        /// The card handed over.
        card: CardSerial,
        /// When.
        at: Timestamp,
    },
    /// See [`ApplicationState::Withdrawn`].
    Withdrawn {
        /// Why.
        reason: String,
    },
}

/// What stays with a case once it is approved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// When the application was submitted.
    pub submitted: Timestamp,
    /// When it was approved.
    pub approved: Timestamp,
    /// How many flawed cards were made for it so far.
    pub remakes: u32,
}

/// A change of an application's state.
pub type ApplicationEvent = Event<Application>;

type Step = Result<(Application, ApplicationEvent), Error>;

impl Application {
    /// A new application.
    pub const fn draft() -> Self {
        Self::Draft { correction: None }
    }

    /// The state without its data.
    pub const fn state(&self) -> ApplicationState {
        match self {
            Self::Draft { .. } => ApplicationState::Draft,
            Self::Submitted { .. } => ApplicationState::Submitted,
            Self::UnderReview { .. } => ApplicationState::UnderReview,
            Self::Approved(_) => ApplicationState::Approved,
            Self::Rejected { .. } => ApplicationState::Rejected,
            Self::Batched { .. } => ApplicationState::Batched,
            Self::InProduction { .. } => ApplicationState::InProduction,
            Self::Produced { .. } => ApplicationState::Produced,
            Self::Received { .. } => ApplicationState::Received,
            Self::Ready { .. } => ApplicationState::Ready,
            Self::Collected { .. } => ApplicationState::Collected,
            Self::Withdrawn { .. } => ApplicationState::Withdrawn,
        }
    }

    /// The card of the case, once it has one.
    pub const fn card(&self) -> Option<CardSerial> {
        match self {
            Self::InProduction { card, .. } | Self::Produced { card, .. } => Some(*card),
            Self::Received { card, .. } | Self::Ready { card, .. } | Self::Collected { card, .. } => {
                Some(*card)
            }
            _ => None,
        }
    }

    /// The approval, from the review to the day of collection.
    pub const fn approval(&self) -> Option<Approval> {
        match self {
            Self::Approved(approval) | Self::Batched { approval, .. } => Some(*approval),
            Self::InProduction { approval, .. } | Self::Produced { approval, .. } => Some(*approval),
            Self::Received { approval, .. } | Self::Ready { approval, .. } => Some(*approval),
            _ => None,
        }
    }

    /// Sent by the applicant.
    pub fn submit(self, stamp: Stamp) -> Step {
        let at = stamp.at;
        self.to(Self::Submitted { at }, stamp)
    }

    /// Taken up by the clerk whose account the stamp names.
    pub fn take_up(self, stamp: Stamp) -> Step {
        match self {
            Self::Submitted { at } => {
                let clerk = stamp.actor.clone();
                self.to(Self::UnderReview { submitted: at, clerk }, stamp)
            }
            _ => Err(self.refuse(ApplicationState::UnderReview)),
        }
    }

    /// Returned to the applicant for correction, as a photo that does not conform (CARDFACE-22).
    pub fn return_for_correction(self, correction: impl Into<String>, stamp: Stamp) -> Step {
        self.to(Self::Draft { correction: Some(correction.into()) }, stamp)
    }

    /// The review is passed.
    pub fn approve(self, stamp: Stamp) -> Step {
        match self {
            Self::UnderReview { submitted, .. } => {
                let approval = Approval { submitted, approved: stamp.at, remakes: 0 };
                self.to(Self::Approved(approval), stamp)
            }
            _ => Err(self.refuse(ApplicationState::Approved)),
        }
    }

    /// The review, or the check against the register when batching, is not passed.
    pub fn reject(self, reason: impl Into<String>, stamp: Stamp) -> Step {
        self.to(Self::Rejected { reason: reason.into() }, stamp)
    }

    /// Put into a batch.
    pub fn batch(self, batch: impl Into<String>, stamp: Stamp) -> Step {
        match self {
            Self::Approved(approval) => self.to(Self::Batched { approval, batch: batch.into() }, stamp),
            _ => Err(self.refuse(ApplicationState::Batched)),
        }
    }

    /// The card centre has paired a card with the case.
    pub fn begin_production(self, card: CardSerial, stamp: Stamp) -> Step {
        match self {
            Self::Batched { approval, .. } => self.to(Self::InProduction { approval, card }, stamp),
            _ => Err(self.refuse(ApplicationState::InProduction)),
        }
    }

    /// The card centre reports the card finished.
    pub fn report_produced(self, stamp: Stamp) -> Step {
        match self {
            Self::InProduction { approval, card } => self.to(Self::Produced { approval, card }, stamp),
            _ => Err(self.refuse(ApplicationState::Produced)),
        }
    }

    /// The card has arrived at the office.
    pub fn receive(self, office: OfficeCode, stamp: Stamp) -> Step {
        match self {
            Self::Produced { approval, card } => self.to(Self::Received { approval, card, office }, stamp),
            _ => Err(self.refuse(ApplicationState::Received)),
        }
    }

    /// The card is checked; the applicant is called.
    pub fn make_ready(self, stamp: Stamp) -> Step {
        match self {
            Self::Received { approval, card, office } => {
                self.to(Self::Ready { approval, card, office }, stamp)
            }
            _ => Err(self.refuse(ApplicationState::Ready)),
        }
    }

    /// The card is handed over.
    pub fn collect(self, stamp: Stamp) -> Step {
        match self {
            Self::Ready { card, .. } => {
                let at = stamp.at;
                self.to(Self::Collected { card, at }, stamp)
            }
            _ => Err(self.refuse(ApplicationState::Collected)),
        }
    }

    /// The card is flawed; the case waits for the next batch.
    pub fn remake(self, stamp: Stamp) -> Step {
        let approval = match &self {
            Self::InProduction { approval, .. } | Self::Produced { approval, .. } => *approval,
            Self::Received { approval, .. } | Self::Ready { approval, .. } => *approval,
            _ => return Err(self.refuse(ApplicationState::Approved)),
        };
        self.to(Self::Approved(Approval { remakes: approval.remakes.saturating_add(1), ..approval }), stamp)
    }

    /// Given up by the applicant, or the person is no longer entitled.
    pub fn withdraw(self, reason: impl Into<String>, stamp: Stamp) -> Step {
        self.to(Self::Withdrawn { reason: reason.into() }, stamp)
    }

    fn to(self, to: Self, stamp: Stamp) -> Step {
        self.state().step(to.state())?;
        let event = Event { stamp, from: self.state().as_str().to_owned(), to: to.clone() };
        Ok((to, event))
    }

    const fn refuse(&self, to: ApplicationState) -> Error {
        Error::Transition { life: "application", from: self.state().as_str(), to: to.as_str() }
    }
}
