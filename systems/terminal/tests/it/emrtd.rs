//! A travel document of another issuer, in a few lines: what a reader meets outside of this project. It keeps the standard
//! but has whims: no short identifiers, no extended length, an MF that cannot be selected, refusals in odd places.

use std::collections::BTreeMap;

use apdu::{CardChannel, ChannelError, Command, Response, StatusWord};
use curve::{Hash, SecretKey, SeedRandom};
use eac::pace::chip::{Next, Pace};
use eac::pace::{Parameters, SetAuthenticationTemplate};
use eac::security_infos::encode_set_in_order;
use eac::{Password, active_authentication, sm};

use crate::country;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum App {
    Master,
    Household,
    Public,
}

#[derive(Clone, Copy, Default)]
pub(crate) struct Whims {
    /// READ BINARY with short identifier is not known.
    pub(crate) no_short_identifiers: bool,
    /// Extended commands are answered 6700, whatever the ATR says.
    pub(crate) no_extended_length: bool,
    /// SELECT MF is refused.
    pub(crate) no_master_file: bool,
    /// The household zone wants a secure channel first.
    pub(crate) household_in_channel: bool,
    /// READ BINARY beyond the end is an error instead of a short answer.
    pub(crate) strict_end: bool,
    /// The card leaves the reader after this many commands.
    pub(crate) gone_after: Option<usize>,
    /// One bit of this answer (counted in commands) is changed on the way.
    pub(crate) disturbed: Option<usize>,
}

pub(crate) struct Emrtd {
    pub(crate) files: BTreeMap<(App, u16), Vec<u8>>,
    pub(crate) aid: Vec<u8>,
    pub(crate) password: Password,
    pub(crate) offers: Vec<Parameters>,
    pub(crate) chip_key: Option<SecretKey>,
    pub(crate) whims: Whims,
    pub(crate) commands: usize,
    rng: SeedRandom,
    app: App,
    current: Option<u16>,
    run: Option<Pace>,
    channel: Option<sm::Chip>,
}

impl Emrtd {
    /// A card of this country with everything right.
    pub(crate) fn new(portrait: usize) -> Self {
        let country = &*country::COUNTRY;
        let files = country::signed_files(country, &country::public_zone(portrait));
        let household = country::household().encode().expect("encodes");
        let mut card = Self {
            files: files.into_iter().map(|(group, file)| ((App::Public, group.fid()), file)).collect(),
            aid: terminal::commands::AID_PUBLIC.to_vec(),
            password: Password::can("000123"),
            offers: country::BOTH.to_vec(),
            chip_key: Some(country::chip_key("chip")),
            whims: Whims::default(),
            commands: 0,
            rng: SeedRandom::new(b"emrtd"),
            app: App::Master,
            current: None,
            run: None,
            channel: None,
        };
        card.files.insert((App::Household, 0x0101), country.sign(tlv::oid::HOUSEHOLD_DATA, &household));
        let infos: Vec<_> = card.offers.iter().map(|offer| offer.info()).collect();
        card.files.insert((App::Master, 0x011C), encode_set_in_order(&infos));
        card
    }

    pub(crate) fn with(mut self, whims: Whims) -> Self {
        self.whims = whims;
        self
    }

    pub(crate) fn file(&mut self, group: lds::DataGroup) -> &mut Vec<u8> {
        self.files.get_mut(&(App::Public, group.fid())).expect("a file")
    }

    fn process(&mut self, command: &Command) -> Response {
        if !eac::sm::is_protected(command.cla) {
            self.channel = None;
            return self.execute(command).unwrap_or_else(Response::from);
        }
        let Some(mut channel) = self.channel.take() else {
            return StatusWord::SECURE_MESSAGING_NOT_SUPPORTED.into();
        };
        match channel.unwrap(command) {
            Ok(plain) => {
                self.channel = Some(channel);
                let answer = self.execute(&plain).unwrap_or_else(Response::from);
                self.channel.as_mut().expect("put back above").wrap(&answer)
            }
            Err(error) => error.status_word().into(),
        }
    }

    fn execute(&mut self, command: &Command) -> Result<Response, StatusWord> {
        match (command.ins, command.p1, command.p2) {
            (0xA4, 0x00, 0x0C) if self.whims.no_master_file => Err(StatusWord::FILE_NOT_FOUND),
            (0xA4, 0x00, 0x0C) => self.select(App::Master, None),
            (0xA4, 0x04, 0x0C) if command.data == self.aid => self.select(App::Public, None),
            (0xA4, 0x04, 0x0C) if command.data == terminal::commands::AID_HOUSEHOLD => {
                self.select(App::Household, None)
            }
            (0xA4, 0x02, 0x0C) => {
                let fid =
                    u16::from_be_bytes(command.data[..].try_into().map_err(|_| StatusWord::WRONG_DATA)?);
                self.may_read(fid)?;
                self.select(self.app, Some(fid))
            }
            (0xB0, p1 @ 0x80.., p2) if !self.whims.no_short_identifiers => {
                let fid = match (self.app, p1 & 0x1F) {
                    (App::Master, 0x1E) => 0x2F00,
                    (App::Master, 0x01) => 0x2F01,
                    (_, sfi) => 0x0100 | u16::from(sfi),
                };
                self.may_read(fid)?;
                self.current = Some(fid);
                self.read(usize::from(p2), command)
            }
            (0xB0, 0x80.., _) => Err(StatusWord::INCORRECT_P1_P2),
            (0xB0, p1, p2) => self.read(usize::from(u16::from_be_bytes([p1, p2])), command),
            (0xB1, 0, 0) => {
                let offset = tlv::expect(&command.data, 0x54).map_err(|_| StatusWord::WRONG_DATA)?.value;
                let offset = offset.iter().fold(0usize, |n, byte| n << 8 | usize::from(*byte));
                // As much data as fits with tag and length field.
                let fits =
                    |le: u32| (0..le).rev().find(|n| 1 + tlv::length_of_length(*n as usize) as u32 + n <= le);
                let le = command.le.and_then(fits);
                let answer = self.read(offset, &Command { le, ..command.clone() })?;
                Ok(Response::new(tlv::encode(0x53, &answer.data), answer.sw))
            }
            (0x22, 0xC1, 0xA4) => {
                let template =
                    SetAuthenticationTemplate::parse(&command.data).map_err(|e| e.status_word())?;
                if template.password_reference() != Some(self.password.reference()) {
                    return Err(StatusWord::REFERENCED_DATA_NOT_FOUND);
                }
                let parameters = template.select(&self.offers).map_err(|e| e.status_word())?;
                self.run =
                    Some(Pace::start(parameters, self.password.key(parameters.cipher).expect("a key")));
                Ok(StatusWord::OK.into())
            }
            (0x86, 0, 0) => {
                let run = self.run.take().ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
                let (data, next) = run.step(&command.data, &mut self.rng).map_err(|e| e.status_word())?;
                match next {
                    Next::Continue(run) => self.run = Some(run),
                    Next::Done(session) => self.channel = Some(session.sm),
                }
                Ok(Response::ok(data))
            }
            (0x88, 0, 0) => match &self.chip_key {
                Some(key) => Ok(Response::ok(active_authentication::sign(key, Hash::Sha512, &command.data))),
                None => Err(StatusWord::INS_NOT_SUPPORTED),
            },
            _ => Err(StatusWord::INS_NOT_SUPPORTED),
        }
    }

    fn select(&mut self, app: App, current: Option<u16>) -> Result<Response, StatusWord> {
        if app == App::Household && !self.files.contains_key(&(App::Household, 0x0101)) {
            return Err(StatusWord::FILE_NOT_FOUND);
        }
        self.app = app;
        self.current = current;
        Ok(StatusWord::OK.into())
    }

    fn may_read(&self, fid: u16) -> Result<(), StatusWord> {
        if !self.files.contains_key(&(self.app, fid)) {
            return Err(StatusWord::FILE_NOT_FOUND);
        }
        let needs_channel = match self.app {
            App::Master => false,
            App::Household => self.whims.household_in_channel,
            App::Public => true,
        };
        if needs_channel && self.channel.is_none() {
            return Err(StatusWord::SECURITY_STATUS_NOT_SATISFIED);
        }
        Ok(())
    }

    fn read(&self, offset: usize, command: &Command) -> Result<Response, StatusWord> {
        let fid = self.current.ok_or(StatusWord::NO_CURRENT_EF)?;
        self.may_read(fid)?;
        let file = &self.files[&(self.app, fid)];
        let le = command.le.ok_or(StatusWord::WRONG_LENGTH)? as usize;
        if offset >= file.len() {
            return Err(StatusWord::WRONG_P1_P2);
        }
        let rest = &file[offset..];
        if le <= rest.len() {
            return Ok(Response::ok(&rest[..le]));
        }
        if self.whims.strict_end {
            return Err(StatusWord::WRONG_LENGTH);
        }
        Ok(Response::new(rest, StatusWord::END_OF_FILE))
    }
}

impl CardChannel for Emrtd {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, ChannelError> {
        self.commands += 1;
        if self.whims.gone_after.is_some_and(|last| self.commands > last) {
            return Err(ChannelError::CardGone);
        }
        let command = Command::parse(command).map_err(|_| ChannelError::Malformed)?;
        if self.whims.no_extended_length && command.extended {
            self.channel = None;
            return Ok(Response::from(StatusWord::WRONG_LENGTH).to_bytes());
        }
        let mut answer = self.process(&command);
        if self.whims.disturbed == Some(self.commands) && !answer.data.is_empty() {
            let middle = answer.data.len() / 2;
            answer.data[middle] ^= 0x10;
        }
        assert!(command.extended || answer.data.len() <= 256, "a short command has a short answer");
        Ok(answer.to_bytes())
    }

    fn reset(&mut self) -> Result<Vec<u8>, ChannelError> {
        if self.whims.gone_after == Some(0) {
            return Err(ChannelError::CardGone);
        }
        self.app = App::Master;
        (self.current, self.run, self.channel) = (None, None, None);
        // Card capabilities say: extended length.
        Ok(vec![0x3B, 0x88, 0x80, 0x01, 0x00, 0x73, 0xC8, 0x21, 0xC0, 0x00, 0x90, 0x00, 0x00])
    }
}
