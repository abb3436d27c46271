//! A channel that tells a [`Narrator`] what passes through it.

use apdu::{CardChannel, ChannelError, Command, Response};

use crate::narrator::{Line, Narrator, Protection};

/// What is told.
#[derive(Debug)]
pub enum Event<'a> {
    /// The card was reset; its ATR.
    Reset(&'a [u8]),
    /// A command and its answer.
    Exchange {
        /// In words.
        line: &'a Line,
        /// The bytes that travelled, where they hold no secret: always when they are protected; in the clear only where
        /// neither PIN nor data of the holder are in them.
        wire: Option<(&'a [u8], &'a [u8])>,
    },
}

/// A channel with a narrator. Commands in secure messaging are told of when [`crate::Card`] has opened their answers.
pub struct Traced<C, F: FnMut(Event<'_>)> {
    channel: C,
    tell: F,
    narrator: Narrator,
    /// A protected exchange nobody has opened yet.
    waiting: Option<(Vec<u8>, Vec<u8>)>,
}

impl<C: CardChannel, F: FnMut(Event<'_>)> Traced<C, F> {
    /// Tells `tell` of everything that passes through `channel`.
    pub fn new(channel: C, tell: F) -> Self {
        Self { channel, tell, narrator: Narrator::new(), waiting: None }
    }
}

impl<C, F: FnMut(Event<'_>)> Traced<C, F> {
    /// Tells of what is left.
    fn flush(&mut self) {
        let Some((command, answer)) = self.waiting.take() else { return };
        if let (Ok(parsed), Some(response)) = (Command::parse(&command), Response::parse(&answer)) {
            let line = self.narrator.sealed(Protection::of(parsed.cla), &parsed, &response);
            (self.tell)(Event::Exchange { line: &line, wire: Some((&command, &answer)) });
        }
    }
}

impl<C: CardChannel, F: FnMut(Event<'_>)> CardChannel for Traced<C, F> {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, ChannelError> {
        self.flush();
        let answer = self.channel.transmit(command)?;
        let (Ok(parsed), Some(response)) = (Command::parse(command), Response::parse(&answer)) else {
            return Ok(answer);
        };
        if Protection::of(parsed.cla) == Protection::None {
            let line = self.narrator.exchange(Protection::None, &parsed, &response);
            let wire = is_public(&parsed).then_some((command, answer.as_slice()));
            (self.tell)(Event::Exchange { line: &line, wire });
        } else {
            self.waiting = Some((command.to_vec(), answer.clone()));
        }
        Ok(answer)
    }

    fn reset(&mut self) -> Result<Vec<u8>, ChannelError> {
        self.flush();
        self.narrator.reset();
        let atr = self.channel.reset()?;
        (self.tell)(Event::Reset(&atr));
        Ok(atr)
    }

    fn unwrapped(&mut self, command: &Command, response: &Response) {
        let Some((outer, answer)) = self.waiting.take() else { return };
        let protection = outer.first().map_or(Protection::None, |cla| Protection::of(*cla));
        let line = self.narrator.exchange(protection, command, response);
        (self.tell)(Event::Exchange { line: &line, wire: Some((&outer, &answer)) });
        self.channel.unwrapped(command, response);
    }
}

impl<C, F: FnMut(Event<'_>)> Drop for Traced<C, F> {
    fn drop(&mut self) {
        self.flush();
    }
}

/// Whether neither command nor answer in the clear can hold a PIN, the holder's data or the outcome of a private key:
/// selections, the steps of PACE (its nonce is encrypted, its keys are ephemeral), challenges and certificates of terminals.
/// Not basic access control: whoever sees it may search for the MRZ at leisure.
const fn is_public(command: &Command) -> bool {
    command.cla & 0x80 == 0 && matches!(command.ins, 0xA4 | 0x22 | 0x86 | 0x84 | 0x88 | 0x2A)
}
