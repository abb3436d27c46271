//! What can go wrong, sorted by whose fault it is, with the status word the card answers.

use apdu::StatusWord;

/// Errors of both sides. None of them carries any part of a key or message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    // The peer's fault.
    /// The card answered with an error or warning status.
    #[error("the card answered {0}")]
    Status(StatusWord),
    /// A response or command is not built as the standard says.
    #[error("malformed message")]
    Malformed,
    /// The card speaks another secure channel protocol, or a variant of SCP03 that does not fit the request.
    #[error("the card's secure channel protocol is not supported")]
    Protocol,
    /// The card does not know the keys, or the keys are wrong.
    #[error("wrong card cryptogram")]
    WrongCardCryptogram,
    /// The host does not know the keys.
    #[error("wrong host cryptogram")]
    WrongHostCryptogram,
    /// A MAC does not verify.
    #[error("wrong MAC")]
    WrongMac,
    /// A command came without the secure messaging that the security level demands.
    #[error("command without secure messaging")]
    NotSecured,
    /// Padding under a correct MAC is wrong.
    #[error("wrong padding")]
    WrongPadding,
    /// A key does not fit its check value.
    #[error("wrong key check value")]
    WrongCheckValue,
    /// Parameters P1 or P2 are not supported.
    #[error("wrong parameters P1 P2")]
    WrongParameters,

    // The caller's fault.
    /// Keys are not all of 16, 24 or 32 bytes.
    #[error("wrong key length")]
    KeyLength,
    /// A challenge is not of 8 bytes (S8) or 16 bytes (S16), or a command is too long to be wrapped.
    #[error("wrong length")]
    Length,
    /// Only the basic logical channel is supported, and what is secured must not be secured again.
    #[error("class byte cannot be secured")]
    Class,
    /// The session has ended because something did not verify.
    #[error("the session has ended")]
    Ended,
}

impl Error {
    /// The status word with which a card answers this error.
    pub const fn status_word(self) -> StatusWord {
        match self {
            Self::Status(sw) => sw,
            // §7.1.2: authentication of host cryptogram failed.
            Self::WrongHostCryptogram => StatusWord::AUTHENTICATION_FAILED,
            Self::WrongMac | Self::NotSecured | Self::Ended => StatusWord::SECURITY_STATUS_NOT_SATISFIED,
            Self::Malformed | Self::Length => StatusWord::WRONG_LENGTH,
            Self::WrongParameters => StatusWord::INCORRECT_P1_P2,
            Self::WrongPadding | Self::WrongCheckValue | Self::KeyLength => StatusWord::WRONG_DATA,
            Self::Class => StatusWord::LOGICAL_CHANNEL_NOT_SUPPORTED,
            Self::Protocol | Self::WrongCardCryptogram => StatusWord::CONDITIONS_NOT_SATISFIED,
        }
    }
}

impl From<curve::Error> for Error {
    fn from(error: curve::Error) -> Self {
        match error {
            curve::Error::InvalidBlock => Self::WrongPadding,
            _ => Self::KeyLength,
        }
    }
}
