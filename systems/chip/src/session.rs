//! What the chip remembers between two commands and forgets with the power.

use std::time::Duration;

use apdu::Chain;
use curve::Hash;
use eac::auxiliary_data::AuxiliaryData;
use eac::chip_authentication;
use eac::cvc::Extensions;
use eac::pace::{Parameters, chip::Pace};
use eac::terminal_authentication::chip::{AuthenticatedTerminal, TerminalAuthentication};
use eac::{PasswordReference, sm};

use crate::access::{Interface, SecurityStatus};
use crate::application::Application;
use crate::commands::Update;
use crate::files::File;
use crate::issuer::IssuerSession;
use crate::rights::TerminalRights;

/// The largest command that chaining may build.
const MAX_CHAIN: usize = 65_535;

/// One session, from power on to power off.
pub(crate) struct Session {
    pub(crate) interface: Interface,
    pub(crate) selected: Application,
    pub(crate) file: Option<&'static File>,
    pub(crate) chain: Chain,
    pub(crate) channel: Option<Channel>,
    /// The channel that begins after the response to the present command.
    pub(crate) next_channel: Option<Channel>,
    pub(crate) pace: PaceRun,
    /// What GET CHALLENGE gave last, where Basic Access Control may follow.
    pub(crate) challenge: Option<[u8; 8]>,
    pub(crate) issuer: IssuerSession,
    /// The present command came through the channel.
    pub(crate) in_channel: bool,
    /// The most response data the present command may give.
    pub(crate) room: usize,
    pub(crate) pin2: bool,
    /// How long the chip takes over the present command, beyond computing.
    pub(crate) busy: Duration,
}

/// An open secure channel and what it has proved.
pub(crate) struct Channel {
    pub(crate) sm: sm::Chip,
    pub(crate) access_number: bool,
    pub(crate) pin1: bool,
    /// It was opened with the CAN itself.
    pub(crate) can: bool,
    /// How far the terminal's authentication has come in this channel.
    pub(crate) terminal: Terminal,
    /// What a terminal that may write has stored so far.
    pub(crate) update: Update,
}

/// The sectors in which a terminal may ask for the card's identifier: hashes in its certificate, and with which hash.
pub(crate) struct Sectors {
    pub(crate) extensions: Extensions,
    pub(crate) hash: Hash,
}

/// Terminal and Chip Authentication, in the order in which they come (OPEN-05).
#[derive(Default)]
pub(crate) enum Terminal {
    /// PACE announced none.
    #[default]
    None,
    /// PACE announced one: its certificates may come.
    Expected(Box<TerminalAuthentication>),
    /// It has proved its key. Chip Authentication must follow, with these parameters once it is announced.
    Authenticated(Box<AuthenticatedTerminal>, Option<chip_authentication::Parameters>),
    /// The chip has proved its key, too: the terminal has its rights in this channel, and its questions.
    Proven(TerminalRights, AuxiliaryData, Sectors),
}

impl Channel {
    /// A channel that the MRZ has opened.
    pub(crate) fn opened_with_access_number(sm: sm::Chip) -> Self {
        let (terminal, update) = (Terminal::None, Update::default());
        Self { sm, access_number: true, pin1: false, can: false, terminal, update }
    }
}

/// Where PACE stands, and what else GENERAL AUTHENTICATE may begin.
#[derive(Default)]
pub(crate) enum PaceRun {
    /// Nothing was announced.
    #[default]
    None,
    /// MSE:Set AT has named protocol and password; its data.
    Announced(Parameters, PasswordReference, Vec<u8>),
    /// MSE:Set AT has named Chip Authentication of version 1 instead.
    ChipAuthentication(chip_authentication::Parameters),
    /// MSE:Set AT has named Restricted Identification instead.
    RestrictedIdentification,
    /// GENERAL AUTHENTICATE is under way.
    Running(Box<Pace>, PasswordReference, Vec<u8>),
}

impl Session {
    pub(crate) fn new(interface: Interface, selected: Application) -> Self {
        Self {
            interface,
            selected,
            file: None,
            chain: Chain::new(MAX_CHAIN),
            channel: None,
            next_channel: None,
            pace: PaceRun::None,
            challenge: None,
            issuer: IssuerSession::Closed,
            in_channel: false,
            room: 0,
            pin2: false,
            busy: Duration::ZERO,
        }
    }

    /// What the reader of the present command has shown.
    pub(crate) fn status(&self) -> SecurityStatus {
        let channel = self.channel.as_ref().filter(|_| self.in_channel);
        SecurityStatus {
            channel: channel.is_some(),
            access_number: channel.is_some_and(|c| c.access_number),
            pin1: channel.is_some_and(|c| c.pin1),
            remote: self.has_terminal(),
            terminal: channel.is_some_and(|c| matches!(c.terminal, Terminal::Proven(..))),
            field_right: false,
            pin2: self.pin2,
        }
    }

    /// Whether PIN1 opened the channel of the present command, and no terminal has been authenticated in it: whoever sends
    /// it is the holder's own device. After Terminal Authentication it may be a server far away.
    pub(crate) fn is_holders_own(&self) -> bool {
        let channel = self.channel.as_ref().filter(|_| self.in_channel);
        channel.is_some_and(|c| c.pin1 && matches!(c.terminal, Terminal::None | Terminal::Expected(_)))
    }

    /// Whether a terminal has been authenticated in the channel of the present command.
    pub(crate) fn has_terminal(&self) -> bool {
        let channel = self.channel.as_ref().filter(|_| self.in_channel);
        channel.is_some_and(|c| matches!(c.terminal, Terminal::Authenticated(..) | Terminal::Proven(..)))
    }

    /// What the terminal of the present command may do: nothing, unless it was authenticated in this channel.
    pub(crate) fn rights(&self) -> TerminalRights {
        let channel = self.channel.as_ref().filter(|_| self.in_channel);
        match channel.map(|channel| &channel.terminal) {
            Some(Terminal::Proven(rights, ..)) => *rights,
            _ => TerminalRights::default(),
        }
    }

    /// Ends the channel and everything that was won in it. The MF becomes current.
    // ICAO 9303-11 §9.8.3: an error, or a plain command, ends the session.
    pub(crate) fn end_channel(&mut self) {
        self.channel = None;
        self.next_channel = None;
        self.pace = PaceRun::None;
        self.pin2 = false;
        self.file = None;
        self.selected = Application::Master;
        self.chain.reset();
    }

    /// Ends what was under way: a chain of commands, a run of PACE, a challenge. What was selected and verified stays.
    pub(crate) fn interrupt(&mut self) {
        self.pace = PaceRun::None;
        self.challenge = None;
        self.chain.reset();
    }

    /// Makes an application current. What was won in another one is forgotten.
    pub(crate) fn select(&mut self, application: Application) {
        self.selected = application;
        self.file = None;
        self.pin2 = false;
        self.issuer = IssuerSession::Closed;
    }
}
