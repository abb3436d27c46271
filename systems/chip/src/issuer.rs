//! The issuer security domain: SCP03, key sets, GET DATA, SET STATUS (GlobalPlatform 2.3.1 §11, Amendment D).
//!
//! One key set is in force at a time: the manufacturer's transport keys, then the card centre's, then the ministry's PIN
//! management keys. What a session may do follows from the version of the set that opened it.

use apdu::{Command, Response, StatusWord};
use curve::SecretBytes;
use scp::{Card, CardChallenge, CardData, CardSession, KeySet, Options, SecurityLevel};

use crate::application::Application;
use crate::chip::Chip;
use crate::command_table;
use crate::commands::{PIN1, PIN2, delay};
use crate::error::{Fault, Reply};
use crate::factory;
use crate::instruction::{Instruction, Protection};
use crate::life_cycle::LifeCycle;
use crate::nvm::{BUDGET, key};
use crate::production::Staging;

/// Version of the manufacturer's transport keys.
pub const TRANSPORT_KEY_VERSION: u8 = 0x01;
/// Versions of the card centre's keys.
pub const CENTRE_KEY_VERSIONS: std::ops::RangeInclusive<u8> = 0x20..=0x2F;
/// Version of the ministry's PIN management keys.
pub const PIN_MANAGEMENT_KEY_VERSION: u8 = 0x31;

/// Failed authentications in a row that bar a key set. Before personalisation that is the end of it: a card that was stolen
/// on its way is worth nothing. In the holder's hands it must not be: whoever has the card in a reader for half an hour could
/// spoil it. There the access number, proved by PACE, frees one more attempt each time.
const MAX_FAILURES: u8 = 64;

/// The most data bytes a response in SCP03 carries: less than the limit by padding and MAC.
const ROOM: usize = 8_160;

/// Where SCP03 stands.
#[derive(Default)]
pub(crate) enum IssuerSession {
    #[default]
    Closed,
    /// INITIALIZE UPDATE was answered.
    Pending(Box<Card>, u8),
    /// The channel is open.
    Open(Box<Open>),
}

pub(crate) struct Open {
    pub(crate) session: CardSession,
    /// Version of the key set that opened it.
    pub(crate) version: u8,
    pub(crate) staging: Option<Staging>,
    /// The session ends after the response.
    pub(crate) last: bool,
}

impl IssuerSession {
    pub(crate) fn end(&mut self) {
        *self = Self::Closed;
    }

    pub(crate) fn open(&mut self) -> Result<&mut Open, StatusWord> {
        match self {
            Self::Open(open) => Ok(open),
            _ => Err(StatusWord::SECURITY_STATUS_NOT_SATISFIED),
        }
    }

    /// The open session, if the card centre opened it.
    pub(crate) fn centre(&mut self) -> Result<&mut Open, StatusWord> {
        self.of(|version| CENTRE_KEY_VERSIONS.contains(&version))
    }

    /// The open session, if PIN management opened it.
    pub(crate) fn pin_management(&mut self) -> Result<&mut Open, StatusWord> {
        self.of(|version| version == PIN_MANAGEMENT_KEY_VERSION)
    }

    fn of(&mut self, allowed: impl FnOnce(u8) -> bool) -> Result<&mut Open, StatusWord> {
        let open = self.open()?;
        if allowed(open.version) { Ok(open) } else { Err(StatusWord::SECURITY_STATUS_NOT_SATISFIED) }
    }
}

impl Chip {
    /// INITIALIZE UPDATE.
    pub(crate) fn initialize_update(&mut self, command: &Command) -> Reply {
        if self.session.selected != Application::Issuer {
            return Err(StatusWord::INS_NOT_SUPPORTED.into());
        }
        let requested = Card::requested_key_version(command).map_err(scp::Error::status_word)?;
        let (version, keys) = self.key_set()?;
        if requested != 0 && requested != version {
            return Err(StatusWord::REFERENCED_DATA_NOT_FOUND.into());
        }
        let failures = self.nvm.byte(key::KEY_SET_FAILURES, 0);
        // A suspended card takes no access number, and must still be resumed one day: there the longest delay is what slows
        // a search down, and the length of the keys makes it hopeless.
        if failures >= MAX_FAILURES && self.state != LifeCycle::Locked {
            return Err(StatusWord::AUTHENTICATION_BLOCKED.into());
        }
        self.session.busy = delay(failures);
        // CARD-52: after personalisation nothing here tells one chip from another. For the same reason the challenge is
        // random: a sequence counter would be a number to follow the card by.
        let mut diversification_data = [0; 10];
        if let Some(chip_id) = self.nvm.load(key::FACTORY).and_then(factory::chip_id) {
            diversification_data[..8].copy_from_slice(&chip_id);
        }
        let data = CardData { diversification_data, key_version: version };
        let challenge = CardChallenge::Random(&mut *self.rng);
        let (response, card) = Card::initialize_update(command, &keys, data, Options::I60, challenge)
            .map_err(scp::Error::status_word)?;
        self.session.issuer = IssuerSession::Pending(Box::new(card), version);
        Ok(response)
    }

    /// A command with the class byte of SCP03.
    pub(crate) fn in_issuer_session(&mut self, command: &Command) -> Reply {
        match std::mem::take(&mut self.session.issuer) {
            IssuerSession::Pending(card, version) if command.ins == scp::INS_EXTERNAL_AUTHENTICATE => {
                self.external_authenticate(*card, version, command)
            }
            IssuerSession::Closed | IssuerSession::Pending(..) => {
                Err(StatusWord::SECURITY_STATUS_NOT_SATISFIED.into())
            }
            IssuerSession::Open(mut open) => {
                let inner = open.session.unwrap(command).map_err(scp::Error::status_word)?;
                self.session.issuer = IssuerSession::Open(open);
                self.session.room = ROOM;
                let response = match self.execute(inner, true) {
                    Ok(response) => response,
                    Err(Fault::Status(sw)) => sw.into(),
                    Err(Fault::Dead) => return Err(Fault::Dead),
                };
                self.observer.note_response(&response);
                let Ok(open) = self.session.issuer.open() else { return Ok(response) };
                let response = open.session.wrap(response);
                if open.last {
                    self.session.issuer.end();
                }
                Ok(response)
            }
        }
    }

    /// What the access number, proved by PACE, changes: a barred key set of PIN management takes one more attempt.
    // CARD-49, CARD-56: malware on a computer with the card in its reader gets 64 attempts and cannot take PIN management
    // from the holder; whoever holds the card itself gets two in a minute.
    pub(crate) fn attempt_for_access_number(&self) -> Option<(u16, Option<Vec<u8>>)> {
        let barred = self.nvm.byte(key::KEY_SET_FAILURES, 0) >= MAX_FAILURES && self.state.is_in_use();
        barred.then(|| (key::KEY_SET_FAILURES, Some(vec![MAX_FAILURES - 1])))
    }

    fn external_authenticate(&mut self, card: Card, version: u8, command: &Command) -> Reply {
        let instruction = Instruction::ExternalAuthenticate;
        command_table::permits(instruction, Protection::Scp, self.place())?;
        if command.p1 != SecurityLevel::Full as u8 {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED.into());
        }
        // CARD-49: counted before it is compared.
        let failures = self.nvm.byte(key::KEY_SET_FAILURES, 0);
        self.nvm.commit_byte(key::KEY_SET_FAILURES, failures.saturating_add(1))?;
        let session = card.external_authenticate(command).map_err(scp::Error::status_word)?;
        self.nvm.commit_byte(key::KEY_SET_FAILURES, 0)?;
        self.session.issuer =
            IssuerSession::Open(Box::new(Open { session, version, staging: None, last: false }));
        Ok(Response::ok([]))
    }

    /// PUT KEY: the washing of a delivered card, a change of the centre's own keys, or the keys of PIN management.
    pub(crate) fn put_key(&mut self, command: &Command) -> Reply {
        if command.p2 != 0x81 {
            return Err(StatusWord::INCORRECT_P1_P2.into());
        }
        let open = self.session.issuer.open()?;
        let opened_by = open.version;
        let (version, keys) =
            open.session.decrypt_key_set(&command.data).map_err(|_| StatusWord::WRONG_DATA)?;
        let record = Some(encode_key_set(version, &keys));
        let changes = match (self.state, command.p1) {
            // PRODUCTION-15: control passes to the centre in one transaction.
            (LifeCycle::Delivered | LifeCycle::Washed, old)
                if old == opened_by && CENTRE_KEY_VERSIONS.contains(&version) && version != old =>
            {
                vec![
                    (key::KEY_SET, record),
                    (key::KEY_SET_FAILURES, None),
                    (key::LIFE_CYCLE, Some(vec![LifeCycle::Washed.number()])),
                ]
            }
            (LifeCycle::Initialised, 0x00)
                if version == PIN_MANAGEMENT_KEY_VERSION && CENTRE_KEY_VERSIONS.contains(&opened_by) =>
            {
                vec![(key::KEY_SET_NEXT, record)]
            }
            _ => return Err(StatusWord::REFERENCED_DATA_NOT_FOUND.into()),
        };
        self.nvm.commit(&changes)?;
        if self.state == LifeCycle::Delivered {
            self.state = LifeCycle::Washed;
        }
        Ok(Response::ok(scp::confirmation(version, &keys).map_err(|_| StatusWord::UNKNOWN)?))
    }

    /// GET DATA.
    pub(crate) fn get_data(&mut self, command: &Command, scp: bool) -> Reply {
        if self.session.selected != Application::Issuer {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED.into());
        }
        let tag = u16::from_be_bytes([command.p1, command.p2]);
        let data = match tag {
            0x9F7F => tlv::encode(0x9F7F, self.nvm.load(key::FACTORY).unwrap_or_default()),
            _ if !scp => return Err(StatusWord::SECURITY_STATUS_NOT_SATISFIED.into()),
            0x00E0 => self.status_template(),
            0x0301..=0x0304 => {
                self.nvm.load(tag).map(<[u8]>::to_vec).ok_or(StatusWord::REFERENCED_DATA_NOT_FOUND)?
            }
            0x0305 | 0x0306 => self.private_key((tag & 0xFF) as u8)?.spki(),
            _ => return Err(StatusWord::REFERENCED_DATA_NOT_FOUND.into()),
        };
        Ok(Response::ok(data))
    }

    /// SET STATUS.
    pub(crate) fn set_status(&mut self, command: &Command) -> Reply {
        self.session.issuer.pin_management()?;
        match (command.p1, command.p2) {
            (0x40, 0x80 | 0x00) => {
                let application = Application::from_aid(&command.data)
                    .filter(|a| *a != Application::Issuer)
                    .ok_or(StatusWord::REFERENCED_DATA_NOT_FOUND)?;
                let before = self.nvm.byte(key::SUSPENDED, 0);
                let after =
                    if command.p2 == 0x80 { before | application.bit() } else { before & !application.bit() };
                if after != before {
                    self.nvm.commit_byte(key::SUSPENDED, after)?;
                }
            }
            (0x80, 0x7F) => self.enter(LifeCycle::Locked)?,
            (0x80, 0x0F) => self.enter(LifeCycle::Operational)?,
            (0x80, 0xFF) => {
                // Everything goes but the fact that this was a card, and the type of the chip.
                let keep = [key::LIFE_CYCLE, key::FACTORY];
                let mut changes: Vec<_> =
                    self.nvm.keys().into_iter().filter(|k| !keep.contains(k)).map(|k| (k, None)).collect();
                changes.push((key::LIFE_CYCLE, Some(vec![LifeCycle::Terminated.number()])));
                self.nvm.commit(&changes)?;
                self.nvm.forget_erased();
                self.state = LifeCycle::Terminated;
                self.profile = None;
                self.forget_keys();
                self.session.issuer.open()?.last = true;
            }
            _ => return Err(StatusWord::INCORRECT_P1_P2.into()),
        }
        Ok(Response::ok([]))
    }

    fn enter(&mut self, state: LifeCycle) -> Result<(), Fault> {
        let stored = if self.state.is_in_use() { LifeCycle::Operational } else { self.state };
        if stored != state {
            self.nvm.commit_byte(key::LIFE_CYCLE, state.number())?;
            self.state = self.nvm.life_cycle().map_err(|_| StatusWord::MEMORY_FAILURE)?;
        }
        Ok(())
    }

    /// The key set in force.
    fn key_set(&self) -> Result<(u8, KeySet), StatusWord> {
        let record = self.nvm.secret(key::KEY_SET).ok_or(StatusWord::REFERENCED_DATA_NOT_FOUND)?;
        decode_key_set(&record).ok_or(StatusWord::MEMORY_FAILURE)
    }

    fn status_template(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut object = |tag, value: &[u8]| out.extend(tlv::encode(tag, value));
        object(0xC0, &[self.state.number()]);
        if let Some(serial) = self.nvm.load(key::SERIAL) {
            object(0xC1, serial);
        }
        if let Some(profile) = self.profile {
            object(0xC2, profile.name.as_bytes());
        }
        if let Some(chip_id) = self.nvm.load(key::FACTORY).and_then(factory::chip_id) {
            object(0xC3, &chip_id);
        }
        let usage: Vec<u8> = self
            .nvm
            .usage()
            .into_iter()
            .flat_map(|(zone, used)| [&[zone as u8][..], &(used as u32).to_be_bytes()].concat())
            .collect();
        object(0xC4, &usage);
        object(0xC5, &(BUDGET as u32).to_be_bytes());
        for application in Application::ALL.into_iter().filter(|a| *a != Application::Issuer) {
            if self.nvm.is_suspended(application) {
                object(0xC6, application.aid());
            }
        }
        let pin = |pin: crate::commands::Pin| [u8::from(self.nvm.load(pin.value).is_some()), self.tries(pin)];
        object(0xC7, &[pin(PIN1), pin(PIN2)].concat());
        tlv::encode(0xE0, &out)
    }
}

/// Version, length of each key, the three keys.
pub(crate) fn encode_key_set(version: u8, keys: &KeySet) -> Vec<u8> {
    [&[version, keys.key_len() as u8][..], keys.enc.expose(), keys.mac.expose(), keys.dek.expose()].concat()
}

fn decode_key_set(record: &SecretBytes) -> Option<(u8, KeySet)> {
    let (&[version, len], keys) = record.expose().split_first_chunk::<2>()?;
    let len = usize::from(len);
    let mut parts = keys.chunks_exact(len);
    let keys = KeySet::new(parts.next()?, parts.next()?, parts.next()?).ok()?;
    Some((version, keys))
}
