//! Cards in PC/SC readers (the PC/SC Workgroup's interface, as pcsc-lite and WinSCard offer it).
//!
//! Any reader that speaks PC/SC works, contact or contactless. The card is shared with other programs, as desktop middleware
//! that keeps its connection open needs it, but from connecting to dropping a [`PcscChannel`] holds one transaction: no other
//! program can send a command in between, where a verified PIN2 would be its too on a card that takes it in the clear. The
//! transaction ends with a reset, which comes before others are let in again; pcscd does the same for a process that is
//! killed.

use std::ffi::{CStr, CString};

use apdu::{CardChannel, ChannelError};
use pcsc::{Card, Context, Disposition, Protocols, Scope, ShareMode};

/// A response with 65,536 data bytes and its status word.
const BUFFER: usize = 65_538;

/// A card in a reader.
pub struct PcscChannel {
    card: Option<Card>,
    buffer: Vec<u8>,
    /// Kept for as long as the card is: the connection lives in it.
    _context: Context,
}

impl PcscChannel {
    /// The names of the readers that are there now.
    pub fn readers() -> Result<Vec<String>, ChannelError> {
        let context = Context::establish(Scope::User).map_err(reader_error)?;
        match context.list_readers_owned() {
            Ok(names) => Ok(names.iter().map(|name| name.to_string_lossy().into_owned()).collect()),
            Err(pcsc::Error::NoReadersAvailable) => Ok(Vec::new()),
            Err(error) => Err(reader_error(error)),
        }
    }

    /// Connects to the card in the reader whose name is `name`, or in the only one whose name contains it. A PIN goes there:
    /// where several fit, none is chosen, and the error names them.
    pub fn connect(name: &str) -> Result<Self, ChannelError> {
        let context = Context::establish(Scope::User).map_err(reader_error)?;
        let reader = find_reader(&context, name)?;
        let mut card = context.connect(&reader, ShareMode::Shared, Protocols::ANY).map_err(connect_error)?;
        begin(&mut card)?;
        Ok(Self { card: Some(card), buffer: vec![0; BUFFER], _context: context })
    }

    fn card(&mut self) -> Result<(&mut Card, &mut [u8]), ChannelError> {
        match &mut self.card {
            Some(card) => Ok((card, &mut self.buffer)),
            None => Err(ChannelError::CardGone),
        }
    }
}

impl CardChannel for PcscChannel {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, ChannelError> {
        let (card, buffer) = self.card()?;
        card.transmit(command, buffer).map_err(connect_error).and_then(answer)
    }

    fn reset(&mut self) -> Result<Vec<u8>, ChannelError> {
        let (card, _) = self.card()?;
        card.reconnect(ShareMode::Shared, Protocols::ANY, Disposition::ResetCard).map_err(connect_error)?;
        let status = card.status2_owned().map_err(connect_error)?;
        Ok(status.atr().to_vec())
    }
}

impl Drop for PcscChannel {
    /// Leaves the card without our session: the next program must not find a verified PIN or an open channel.
    fn drop(&mut self) {
        let Some(mut card) = self.card.take() else { return };
        // Ending a transaction resets the card before it lets others in; disconnecting lets them in first. Transactions
        // nest: this one is counted beside that of `begin`, which ends with the connection.
        let is_reset = match card.transaction() {
            Ok(transaction) => transaction.end(Disposition::ResetCard).is_ok(),
            Err(_) => false,
        };
        let _ = card.disconnect(if is_reset { Disposition::LeaveCard } else { Disposition::ResetCard });
    }
}

// Waits until no other program is in a transaction, and begins one that lasts as long as the connection.
fn begin(card: &mut Card) -> Result<(), ChannelError> {
    loop {
        let error = match card.transaction() {
            // What ends the transaction is not the guard, which could not be kept beside the card it borrows, but `drop`.
            Ok(transaction) => {
                std::mem::forget(transaction);
                return Ok(());
            }
            Err(error) => error,
        };
        // Another program has reset the card since we connected; that is no harm yet.
        if error != pcsc::Error::ResetCard {
            return Err(connect_error(error));
        }
        card.reconnect(ShareMode::Shared, Protocols::ANY, Disposition::LeaveCard).map_err(connect_error)?;
    }
}

// A reader whose card leaves in the middle of a command may report success and no bytes; vpcd does.
fn answer(bytes: &[u8]) -> Result<Vec<u8>, ChannelError> {
    if bytes.is_empty() { Err(ChannelError::CardGone) } else { Ok(bytes.to_vec()) }
}

fn find_reader(context: &Context, name: &str) -> Result<CString, ChannelError> {
    let readers = match context.list_readers_owned() {
        Ok(readers) => readers,
        Err(pcsc::Error::NoReadersAvailable) => Vec::new(),
        Err(error) => return Err(reader_error(error)),
    };
    let names: Vec<String> = readers.iter().map(|reader| text(reader)).collect();
    choose(&names, name).map(|at| readers[at].clone()).map_err(ChannelError::Reader)
}

/// Which of the readers is meant.
fn choose(readers: &[String], name: &str) -> Result<usize, String> {
    if let Some(exact) = readers.iter().position(|reader| reader == name) {
        return Ok(exact);
    }
    let fitting: Vec<usize> = (0..readers.len()).filter(|at| readers[*at].contains(name)).collect();
    match fitting.as_slice() {
        [] => Err(format!("no reader called {name}")),
        [one] => Ok(*one),
        several => {
            let names: Vec<&str> = several.iter().map(|at| readers[*at].as_str()).collect();
            Err(format!("{name} may be any of {}: {}", names.len(), names.join(", ")))
        }
    }
}

fn text(name: &CStr) -> String {
    name.to_string_lossy().into_owned()
}

fn reader_error(error: pcsc::Error) -> ChannelError {
    ChannelError::Reader(error.to_string())
}

fn connect_error(error: pcsc::Error) -> ChannelError {
    match error {
        pcsc::Error::NoSmartcard
        | pcsc::Error::RemovedCard
        | pcsc::Error::UnpoweredCard
        | pcsc::Error::UnresponsiveCard => ChannelError::CardGone,
        // Another program reset the card under us: our session on it is gone, the card is not.
        pcsc::Error::ResetCard => ChannelError::Reader("the card was reset by another program".into()),
        pcsc::Error::SharingViolation => {
            ChannelError::Reader("another program has the card for itself alone".into())
        }
        other => reader_error(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_is_not_there_is_an_error_with_a_reason() {
        // With a running service: no such reader. Without: no service.
        match PcscChannel::connect("a reader that nobody has") {
            Err(ChannelError::Reader(reason)) => assert!(!reason.is_empty()),
            other => panic!("{:?}", other.err()),
        }
    }

    #[test]
    fn a_short_name_chooses_a_reader_only_where_no_other_has_it() {
        let readers = ["Maker SCR 00 00", "Maker SCR 00 00 (2)", "Other 00 00"].map(str::to_owned);
        assert_eq!(
            choose(&readers, "Maker SCR 00 00"),
            Ok(0),
            "the exact name, though another begins with it"
        );
        assert_eq!(choose(&readers, "Other"), Ok(2));
        assert_eq!(choose(&readers, "(2)"), Ok(1));
        let several = choose(&readers, "Maker").expect_err("two");
        assert!(several.contains("Maker SCR 00 00, Maker SCR 00 00 (2)") && !several.contains("Other"));
        assert!(choose(&readers, "00 00").is_err_and(|said| said.contains("Other 00 00")));
        assert!(choose(&readers, "none").is_err() && choose(&[], "").is_err());
    }

    #[test]
    fn no_answer_at_all_is_a_card_that_left() {
        assert_eq!(answer(&[]), Err(ChannelError::CardGone));
        assert_eq!(answer(&[0x90, 0x00]), Ok(vec![0x90, 0x00]));
    }

    #[test]
    fn a_card_that_left_is_told_apart_from_a_reader_that_failed() {
        for error in [pcsc::Error::NoSmartcard, pcsc::Error::RemovedCard, pcsc::Error::UnpoweredCard] {
            assert_eq!(connect_error(error), ChannelError::CardGone);
        }
        for error in [pcsc::Error::ResetCard, pcsc::Error::ReaderUnavailable, pcsc::Error::NoService] {
            assert!(matches!(connect_error(error), ChannelError::Reader(_)));
        }
    }
}
