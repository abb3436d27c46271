//! The chip: power, class byte, secure messaging, and the way of a command to its handler.

use std::time::Duration;

use apdu::{Command, Response, StatusWord};
use curve::Random;
use eac::sm;

use crate::access::{Interface, Zone};
use crate::application::Application;
use crate::atr;
use crate::command_table::{self, Place};
use crate::error::{Fault, Reply};
use crate::instruction::{Instruction, Protection, protection};
use crate::keys::KeyRing;
use crate::life_cycle::LifeCycle;
use crate::memory::Memory;
use crate::nvm::{BUDGET, Nvm};
use crate::observer::{Exchange, Observer};
use crate::profile::{ChipType, Profile};
use crate::session::Session;
use crate::{ChipError, factory};

/// The most data bytes of a response.
// Foreign readers keep a buffer of 8,192 bytes, status word included.
const MAX_RESPONSE: usize = 8190;

/// One chip with its memory. It has two interfaces, of which one has power at a time.
pub struct Chip {
    pub(crate) nvm: Nvm,
    pub(crate) rng: Box<dyn Random + Send>,
    pub(crate) state: LifeCycle,
    pub(crate) profile: Option<&'static Profile>,
    pub(crate) keys: KeyRing,
    pub(crate) session: Session,
    pub(crate) observer: Observer,
    powered: bool,
    uid: [u8; 4],
    dead: bool,
}

/// What a command gives, and how long the chip takes for it beyond computing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Data and status word. Empty if the chip lost its power while it worked: no answer will come.
    pub response: Vec<u8>,
    /// How long a reader has to wait for the answer: the growing delay after wrong access numbers and wrong production
    /// keys (CARD-56). The chip has no clock, so whoever connects it to a reader serves this time.
    pub busy: Duration,
}

impl Chip {
    /// Opens the chip that lives in `memory`.
    pub fn open(memory: Box<dyn Memory>, rng: Box<dyn Random + Send>) -> Result<Self, ChipError> {
        let nvm = Nvm::new(memory);
        let state = nvm.life_cycle()?;
        let profile = nvm.profile()?;
        if profile.is_none()
            && (state.is_in_use() || matches!(state, LifeCycle::Initialised | LifeCycle::Locked))
        {
            return Err(ChipError::Inconsistent("no profile"));
        }
        Ok(Self {
            nvm,
            rng,
            state,
            profile,
            keys: KeyRing::default(),
            session: Session::new(Interface::Contact, Application::Master),
            observer: Observer::default(),
            powered: false,
            uid: [0; 4],
            dead: false,
        })
    }

    /// Gives power on one interface and returns the ATR, or what a PC/SC reader makes of the ATS. A session that was under
    /// way on any interface is over.
    pub fn power_on(&mut self, interface: Interface) -> Vec<u8> {
        let selected = match (self.state, interface) {
            (LifeCycle::Delivered | LifeCycle::Washed | LifeCycle::Initialised, Interface::Contact) => {
                Application::Issuer
            }
            _ => Application::Master,
        };
        self.session = Session::new(interface, selected);
        self.powered = true;
        self.uid = match self.nvm.load(crate::nvm::key::FACTORY).and_then(factory::chip_id) {
            Some([_, _, _, _, a, b, c, d]) => [a, b, c, d],
            None => {
                // ISO/IEC 14443-3 §6.5.4: a random identifier has 08 as its first byte.
                let mut uid = [0x08; 4];
                self.rng.fill(&mut uid[1..]);
                uid
            }
        };
        let chip = self.nvm.load(crate::nvm::key::FACTORY).and_then(ChipType::of);
        atr::atr(interface, chip.unwrap_or(ChipType::PLANNED).pre_issuing)
    }

    /// Takes the power away: the session is forgotten.
    pub fn power_off(&mut self) {
        self.session = Session::new(Interface::Contact, Application::Master);
        self.powered = false;
    }

    /// The identifier shown to a contactless reader during anticollision, from power on to power off. Once the card is
    /// personalised it is random each time (CARD-52).
    pub const fn uid(&self) -> [u8; 4] {
        self.uid
    }

    /// Executes one command. An empty answer means that the chip has lost its power.
    pub fn process(&mut self, interface: Interface, command: &[u8]) -> Vec<u8> {
        self.process_timed(interface, command).response
    }

    /// Executes one command and says how long the reader has to wait for the answer.
    pub fn process_timed(&mut self, interface: Interface, command: &[u8]) -> Outcome {
        if !self.powered || self.session.interface != interface {
            self.power_on(interface);
        }
        self.session.busy = Duration::ZERO;
        let reply = if self.dead { Err(Fault::Dead) } else { self.transceive(command) };
        let response = match reply {
            Ok(response) => response.to_bytes(),
            Err(Fault::Status(sw)) => Response::from(sw).to_bytes(),
            Err(Fault::Dead) => {
                self.dead = true;
                Vec::new()
            }
        };
        self.observer.tell(interface, command, &response);
        Outcome { response, busy: self.session.busy }
    }

    /// Shows `watcher` every command as it is under its protection, with its answer, after the chip has answered it. What it
    /// sees includes PINs and the holder's data: it is for a narrator that hides them, never for a log.
    pub fn observe(&mut self, watcher: impl FnMut(&Exchange<'_>) + Send + 'static) {
        self.observer.set(Box::new(watcher));
    }

    /// The number on the plastic. A virtual card has no plastic to look at, so whoever holds it asks here; no command of any
    /// reader leads to this.
    pub fn serial(&self) -> Option<&str> {
        self.nvm.load(crate::nvm::key::SERIAL).and_then(|serial| std::str::from_utf8(serial).ok())
    }

    /// The profile it was initialised with; none before.
    pub const fn profile(&self) -> Option<&'static Profile> {
        self.profile
    }

    /// The state of the chip.
    pub const fn life_cycle(&self) -> LifeCycle {
        self.state
    }

    /// Bytes of memory in use by zone, and the budget.
    // CARD-05.
    pub fn memory_use(&self) -> (Vec<(Zone, usize)>, usize) {
        (self.nvm.usage(), BUDGET)
    }

    /// Takes the chip out of its memory.
    pub fn into_memory(self) -> Box<dyn Memory> {
        self.nvm.into_memory()
    }

    /// Takes the protection off, executes, puts the protection of the response on.
    fn transceive(&mut self, bytes: &[u8]) -> Reply {
        let understood = Command::parse(bytes).map_err(|_| StatusWord::WRONG_LENGTH);
        let understood = understood.and_then(|command| Ok((protection(command.cla)?, command)));
        let (protection, command) = match understood {
            Ok(understood) => understood,
            Err(status) => {
                // What belongs to no session ends the one there is. Class FF is for readers: one that hands it on has not spoken
                // for the terminal. Without a session the selected application stays, and a PIN2 that a sample card has verified
                // in the clear: ISO/IEC 7816-4 gives a command that fails no effect, and who can send this one can send any.
                if bytes.first() != Some(&0xFF) {
                    if self.session.channel.is_some() {
                        self.session.end_channel();
                    } else {
                        self.session.interrupt();
                    }
                    self.session.issuer.end();
                }
                return Err(status.into());
            }
        };
        if self.session.channel.is_some() && protection != Protection::Channel {
            self.session.end_channel();
        }
        if protection != Protection::Scp {
            self.session.issuer.end();
        }
        self.session.in_channel = protection == Protection::Channel;
        match protection {
            Protection::Plain => {
                self.session.room = MAX_RESPONSE;
                self.execute(command, false)
            }
            Protection::Scp => self.in_issuer_session(&command),
            Protection::Channel => self.in_channel(&command),
        }
    }

    fn in_channel(&mut self, command: &Command) -> Reply {
        let Some(channel) = self.session.channel.as_mut() else {
            return Err(sm::SmError::Ended.status_word().into());
        };
        let inner = match channel.sm.unwrap(command) {
            Ok(inner) => inner,
            Err(error) => {
                self.session.end_channel();
                return Err(error.status_word().into());
            }
        };
        // An outer short Le of 00 asks for at most 256 bytes, protection included.
        let outer = if command.is_extended() { MAX_RESPONSE } else { 256 };
        self.session.room = sm::max_plain_response(outer);
        let response = match self.execute(inner, false) {
            Ok(response) => response,
            Err(Fault::Status(sw)) => sw.into(),
            Err(Fault::Dead) => return Err(Fault::Dead),
        };
        self.observer.note_response(&response);
        let Some(channel) = self.session.channel.as_mut() else {
            return Ok(response);
        };
        let response = channel.sm.wrap(&response);
        if let Some(next) = self.session.next_channel.take() {
            self.session.channel = Some(next);
        }
        Ok(response)
    }

    /// Joins chained commands, asks the life cycle, and calls the handler.
    pub(crate) fn execute(&mut self, command: Command, scp: bool) -> Reply {
        self.observer.note_command(&command);
        // TR-03110-3 §B.1.2: each part of the chained GENERAL AUTHENTICATE is answered by itself.
        let command = if command.cla & 0x80 == 0 && command.ins == 0x86 {
            self.session.chain.reset();
            Command { cla: command.cla & !0x10, ..command }
        } else {
            match self.session.chain.push(command) {
                Ok(Some(command)) => command,
                Ok(None) => return Ok(Response::ok([])),
                Err(error) => return Err(error.0.into()),
            }
        };
        self.observer.note_command(&command);
        // ICAO 9303-11 §4.3: a challenge is for the next command.
        let challenge = self.session.challenge.take();
        let protection = match scp {
            true => Protection::Scp,
            false if self.session.in_channel => Protection::Channel,
            false => Protection::Plain,
        };
        let instruction = Instruction::of(&command, protection)?;
        command_table::permits(instruction, protection, self.place())?;
        let (le, reads) =
            (command.le, matches!(instruction, Instruction::ReadBinary | Instruction::ReadBinaryOdd));
        let response = self.dispatch(instruction, &command, scp, challenge)?;
        if let Some(channel) = self.session.next_channel.take_if(|_| !self.session.in_channel) {
            self.session.channel = Some(channel);
        }
        if !reads && le.is_some_and(|le| response.data.len() > le as usize) {
            return Err(wrong_le(response.data.len()).into());
        }
        Ok(response)
    }

    /// Where the card stands, for the command table.
    pub(crate) fn place(&self) -> Place {
        Place {
            state: self.state,
            interface: self.session.interface,
            selected: self.session.selected,
            basic_access_control: self.profile.is_some_and(|profile| profile.bac),
        }
    }

    /// Calls the handler. `challenge` is what the command before has given, where Basic Access Control may follow.
    fn dispatch(
        &mut self,
        instruction: Instruction,
        command: &Command,
        scp: bool,
        challenge: Option<[u8; 8]>,
    ) -> Reply {
        match instruction {
            Instruction::Select => self.select(command),
            Instruction::ReadBinary => self.read_binary(command),
            Instruction::ReadBinaryOdd => self.read_binary_odd(command),
            Instruction::GetChallenge => self.get_challenge(command),
            Instruction::ManageSecurityEnvironment => self.manage_security_environment(command),
            Instruction::GeneralAuthenticate => self.general_authenticate(command),
            Instruction::InternalAuthenticate => self.internal_authenticate(command),
            Instruction::Verify => self.verify(command),
            Instruction::ChangeReferenceData => self.change_reference_data(command),
            Instruction::ResetRetryCounter if scp => self.issuer_reset_retry_counter(command),
            Instruction::ResetRetryCounter => self.reset_retry_counter(command),
            Instruction::EnumerateObjects => self.enumerate_objects(command),
            Instruction::Sign => self.sign(command),
            Instruction::Decipher => self.decipher(command),
            Instruction::GetData => self.get_data(command, scp),
            Instruction::InitializeUpdate => self.initialize_update(command),
            Instruction::ExternalAuthenticate => Err(StatusWord::CONDITIONS_NOT_SATISFIED.into()),
            Instruction::PutKey => self.put_key(command),
            Instruction::Initialise => self.initialise(command),
            Instruction::BeginPersonalisation => self.begin_personalisation(command),
            Instruction::StoreData => self.store_data(command),
            Instruction::Commit => self.commit_personalisation(command),
            Instruction::SetStatus => self.set_status(command),
            Instruction::VerifyCertificate => self.verify_certificate(command),
            Instruction::AuthenticateTerminal => self.authenticate_terminal(command),
            Instruction::VerifyAuxiliaryData => self.verify_auxiliary_data(command),
            Instruction::StoreUpdate => self.store_update(command),
            Instruction::CommitUpdate => self.commit_update(command),
            Instruction::BasicAccessControl => self.basic_access_control(command, challenge),
        }
    }
}

impl std::fmt::Debug for Chip {
    /// Says what state the chip is in; never what it holds.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Chip({:?})", self.state)
    }
}

/// ISO/IEC 7816-4 §5.6: 6Cxx names the right Le where one byte can.
fn wrong_le(len: usize) -> StatusWord {
    match u8::try_from(len) {
        Ok(len) => StatusWord(0x6C00 | u16::from(len)),
        Err(_) => StatusWord::WRONG_LENGTH,
    }
}
