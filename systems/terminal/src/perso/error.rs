//! What can go wrong between the host and the issuer security domain.

use apdu::{ChannelError, StatusWord};

/// Why a step of production or PIN management was not done. The card is as it was before the step, unless
/// [`PersoError::Channel`] leaves that open: ask [`super::Session::status`] in a new session.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PersoError {
    // The card's doing.
    /// The card refused a command.
    #[error("the card refused {command} with {sw}")]
    Refused {
        /// Which command.
        command: &'static str,
        /// Its answer.
        sw: StatusWord,
    },
    /// The keys are wrong for this card, or something on the way altered a message.
    #[error("secure channel: {0}")]
    SecureChannel(#[from] scp::Error),
    /// The card answered something that cannot be read.
    #[error("the card's answer to {0} is malformed")]
    Malformed(&'static str),

    // The environment's.
    /// The card or the reader is gone.
    #[error(transparent)]
    Channel(#[from] ChannelError),
}

impl PersoError {
    /// The status word of a refusal.
    pub const fn status_word(&self) -> Option<StatusWord> {
        match self {
            Self::Refused { sw, .. } | Self::SecureChannel(scp::Error::Status(sw)) => Some(*sw),
            _ => None,
        }
    }
}
