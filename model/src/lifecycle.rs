//! What all life cycles share. A transition consumes the present state, takes a [`Stamp`], and returns the new state with the
//! [`Event`] that led to it, or an error that names both states. The event carries the whole new state, so applying it
//! to a store or a copy cannot fail.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Who did it, when, in which system and why (MGMT-72). The actor is an account or a system, never a name or national number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// The moment of the change.
    pub at: Timestamp,
    /// The account or system that made it.
    pub actor: String,
    /// The system in which it was made.
    pub system: String,
    /// Why, where the change alone does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Stamp {
    /// A stamp without a reason.
    pub fn new(at: Timestamp, actor: impl Into<String>, system: impl Into<String>) -> Self {
        Self { at, actor: actor.into(), system: system.into(), reason: None }
    }

    /// Adds the reason.
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }
}

/// A change of state that has happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event<S> {
    /// Who, when, where, why.
    #[serde(flatten)]
    pub stamp: Stamp,
    /// The text form of the state before.
    pub from: String,
    /// The state after, with its data.
    pub to: S,
}

impl<S> Event<S> {
    /// The state after the event.
    pub fn apply(self) -> S {
        self.to
    }
}
