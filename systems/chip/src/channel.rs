//! A chip in the same process, as a channel that terminal code can use like any reader.

use std::borrow::BorrowMut;

use apdu::{CardChannel, ChannelError};

use crate::access::Interface;
use crate::chip::Chip;

/// One interface of a chip, or of a `&mut Chip`.
#[derive(Debug)]
pub struct InProcessChannel<C: BorrowMut<Chip> = Chip> {
    chip: C,
    interface: Interface,
    waits: bool,
}

impl<C: BorrowMut<Chip>> InProcessChannel<C> {
    /// Gives the chip power on `interface`.
    pub fn new(mut chip: C, interface: Interface) -> Self {
        chip.borrow_mut().power_on(interface);
        Self { chip, interface, waits: true }
    }

    /// The same channel without serving the time the chip wants to take. For tests.
    #[must_use]
    pub fn without_waiting(mut self) -> Self {
        self.waits = false;
        self
    }

    /// The interface the channel is on.
    pub const fn interface(&self) -> Interface {
        self.interface
    }

    /// The chip behind the channel.
    pub fn chip(&mut self) -> &mut Chip {
        self.chip.borrow_mut()
    }

    /// Takes the power away and gives the chip back.
    pub fn into_chip(mut self) -> C {
        self.chip.borrow_mut().power_off();
        self.chip
    }
}

impl<C: BorrowMut<Chip>> CardChannel for InProcessChannel<C> {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, ChannelError> {
        let outcome = self.chip.borrow_mut().process_timed(self.interface, command);
        if self.waits && !outcome.busy.is_zero() {
            std::thread::sleep(outcome.busy);
        }
        if outcome.response.is_empty() { Err(ChannelError::CardGone) } else { Ok(outcome.response) }
    }

    fn reset(&mut self) -> Result<Vec<u8>, ChannelError> {
        let chip = self.chip.borrow_mut();
        chip.power_off();
        Ok(chip.power_on(self.interface))
    }
}
