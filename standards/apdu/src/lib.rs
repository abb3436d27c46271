//! Command and response APDUs of ISO/IEC 7816-4 (2020): the four cases in short and extended form, command chaining and
//! status words.
//!
//! A [`Command`] and a [`Response`] never show their data in `Debug`: what travels in them may be a PIN, a key or a name.
//! Transport is elsewhere: whoever moves APDUs implements [`CardChannel`].

mod chaining;
mod command;
mod response;
mod status;

pub use chaining::{Chain, ChainError, split};
pub use command::{Command, ParseError};
pub use response::Response;
pub use status::StatusWord;

/// The largest number of data bytes a command or response may carry in extended form.
pub const MAX_EXTENDED: usize = 65_535;

/// A way to a card: in process, PC/SC, or remote. One command goes in, one response comes out.
pub trait CardChannel {
    /// Sends the bytes of one command APDU and returns the bytes of its response APDU (data and status word).
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, ChannelError>;

    /// Resets the card: session state is lost, counters and files stay. Returns the ATR.
    fn reset(&mut self) -> Result<Vec<u8>, ChannelError>;

    /// Is told what the last exchange was under its secure messaging, by the end of the channel that protects it. Nothing
    /// but a narration for people is made of it ([`Self::transmit`] has moved the bytes); most channels do nothing.
    fn unwrapped(&mut self, _command: &Command, _response: &Response) {}

    /// Sends `command` and parses the response.
    fn exchange(&mut self, command: &Command) -> Result<Response, ChannelError> {
        let bytes = self.transmit(&command.to_bytes())?;
        Response::parse(&bytes).ok_or(ChannelError::Malformed)
    }
}

impl<C: CardChannel + ?Sized> CardChannel for &mut C {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, ChannelError> {
        (**self).transmit(command)
    }

    fn reset(&mut self) -> Result<Vec<u8>, ChannelError> {
        (**self).reset()
    }

    fn unwrapped(&mut self, command: &Command, response: &Response) {
        (**self).unwrapped(command, response);
    }
}

impl<C: CardChannel + ?Sized> CardChannel for Box<C> {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, ChannelError> {
        (**self).transmit(command)
    }

    fn reset(&mut self) -> Result<Vec<u8>, ChannelError> {
        (**self).reset()
    }

    fn unwrapped(&mut self, command: &Command, response: &Response) {
        (**self).unwrapped(command, response);
    }
}

/// Why no response came. Whatever the card itself answers, errors included, is a [`Response`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// The card was taken out of the reader, or lost power.
    #[error("the card is gone")]
    CardGone,
    /// There is no such reader, or it went away.
    #[error("reader not available: {0}")]
    Reader(String),
    /// The answer is shorter than a status word.
    #[error("the card answered with less than a status word")]
    Malformed,
}
