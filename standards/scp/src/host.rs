//! The host's side: whoever sends commands to the card.

use crate::channel::{Channel, SessionKeys};
use crate::{
    Error, INS_EXTERNAL_AUTHENTICATE, INS_INITIALIZE_UPDATE, KeySet, Mode, Options, SecurityLevel, put_key,
};
use apdu::{Command, Response};
use curve::{SecretBytes, aes, constant_time_eq};

/// INITIALIZE UPDATE has been sent; the card's answer is awaited.
#[derive(Debug)]
pub struct Host {
    key_version: u8,
    host_challenge: Vec<u8>,
}

impl Host {
    /// §7.1.1: INITIALIZE UPDATE for the key set `key_version` (0: the card's first choice). A challenge of 8 bytes asks
    /// for S8 mode, one of 16 bytes for S16.
    pub fn initialize_update(key_version: u8, host_challenge: &[u8]) -> Result<(Command, Self), Error> {
        Mode::of_challenge(host_challenge)?;
        let command = Command::new(0x80, INS_INITIALIZE_UPDATE, key_version, 0x00)
            .with_data(host_challenge)
            .with_le(256);
        Ok((command, Self { key_version, host_challenge: host_challenge.to_vec() }))
    }

    /// Checks the card's answer and its cryptogram. Who derives keys per card reads the answer with
    /// [`InitializeUpdateResponse::parse`] first.
    pub fn on_response(self, response: &Response, keys: &KeySet) -> Result<Authenticating, Error> {
        let answer = InitializeUpdateResponse::parse(response)?;
        if answer.options.mode.len() != self.host_challenge.len() {
            return Err(Error::Protocol);
        }
        if self.key_version != 0 && self.key_version != answer.key_version {
            return Err(Error::Protocol);
        }
        let session = SessionKeys::derive(keys, &self.host_challenge, &answer.card_challenge)?;
        if !constant_time_eq(session.card_cryptogram()?.expose(), &answer.card_cryptogram) {
            return Err(Error::WrongCardCryptogram);
        }
        Ok(Authenticating { keys: session, answer })
    }
}

/// §7.1.1.2: the answer to INITIALIZE UPDATE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitializeUpdateResponse {
    /// What the host derives the card's keys from.
    pub diversification_data: [u8; 10],
    /// Version of the key set used.
    pub key_version: u8,
    /// The variant of SCP03 that the card implements.
    pub options: Options,
    /// Number of this session with this key set, where the challenge is pseudo-random.
    pub sequence_counter: Option<u32>,
    card_challenge: Vec<u8>,
    card_cryptogram: Vec<u8>,
}

impl InitializeUpdateResponse {
    /// Reads the answer.
    pub fn parse(response: &Response) -> Result<Self, Error> {
        if response.sw != apdu::StatusWord::OK {
            return Err(Error::Status(response.sw));
        }
        let Some((diversification_data, rest)) = response.data.split_first_chunk::<10>() else {
            return Err(Error::Malformed);
        };
        let Some((&[key_version, protocol, i], rest)) = rest.split_first_chunk::<3>() else {
            return Err(Error::Malformed);
        };
        // Card Specification §E.5.1 and Amendment D §7.1.1.2: key information is version, protocol 03, parameter i.
        let options = Options::from_i(i).filter(|_| protocol == 0x03).ok_or(Error::Protocol)?;
        let len = options.mode.len();
        let counter_len = if options.pseudo_random { 3 } else { 0 };
        if rest.len() != 2 * len + counter_len {
            return Err(Error::Malformed);
        }
        let (card_challenge, rest) = rest.split_at(len);
        let (card_cryptogram, counter) = rest.split_at(len);
        let sequence_counter = match *counter {
            [a, b, c] => Some(u32::from_be_bytes([0, a, b, c])),
            _ => None,
        };
        Ok(Self {
            diversification_data: *diversification_data,
            key_version,
            options,
            sequence_counter,
            card_challenge: card_challenge.to_vec(),
            card_cryptogram: card_cryptogram.to_vec(),
        })
    }
}

/// The card has shown that it knows the keys; now the host shows it.
pub struct Authenticating {
    keys: SessionKeys,
    answer: InitializeUpdateResponse,
}

impl Authenticating {
    /// What the card said about itself.
    pub const fn card(&self) -> &InitializeUpdateResponse {
        &self.answer
    }

    /// §7.1.2: EXTERNAL AUTHENTICATE, which sets the level for the commands that follow.
    pub fn external_authenticate(self, level: SecurityLevel) -> Result<(Command, Authenticated), Error> {
        if !self.answer.options.allows(level) {
            return Err(Error::Protocol);
        }
        let cryptogram = self.keys.host_cryptogram()?;
        let mut channel = Channel::new(self.keys, level)?;
        let command =
            Command::new(0x84, INS_EXTERNAL_AUTHENTICATE, level as u8, 0x00).with_data(cryptogram.expose());
        let command = channel.append_mac(command)?;
        Ok((command, Authenticated { channel }))
    }
}

/// EXTERNAL AUTHENTICATE has been sent; the card's answer is awaited.
pub struct Authenticated {
    channel: Channel,
}

impl Authenticated {
    /// The channel is open if the card says so.
    pub fn on_response(self, response: &Response) -> Result<HostSession, Error> {
        if response.sw != apdu::StatusWord::OK {
            return Err(Error::Status(response.sw));
        }
        Ok(HostSession { channel: Some(self.channel) })
    }
}

/// An open channel, host side.
pub struct HostSession {
    /// `None` after something did not verify.
    channel: Option<Channel>,
}

impl HostSession {
    /// Secures a command. Its class byte must be that of the basic channel, unsecured.
    pub fn wrap(&mut self, command: &Command) -> Result<Command, Error> {
        self.channel.as_mut().ok_or(Error::Ended)?.protect_command(command)
    }

    /// Verifies and deciphers the response to the command wrapped last. A response that does not verify ends the
    /// session.
    pub fn unwrap(&mut self, response: &Response) -> Result<Response, Error> {
        let result = self.channel.as_mut().ok_or(Error::Ended)?.accept_response(response);
        if result.is_err() {
            self.channel = None;
        }
        result
    }

    /// The level agreed, or `None` after the session has ended.
    pub fn level(&self) -> Option<SecurityLevel> {
        self.channel.as_ref().map(Channel::level)
    }

    /// Encrypts sensitive data (a PIN, for example) under Key-DEK.
    pub fn encrypt_sensitive(&self, data: &[u8]) -> Result<Vec<u8>, Error> {
        let channel = self.channel.as_ref().ok_or(Error::Ended)?;
        Ok(channel.dek().cbc_encrypt(&[0; 16], &aes::pad(data))?)
    }

    /// §7.2: the key data field of PUT KEY for one AES key, with its check value.
    pub fn encrypt_key(&self, key: &SecretBytes) -> Result<Vec<u8>, Error> {
        put_key::encode_key(self.channel.as_ref().ok_or(Error::Ended)?.dek(), key)
    }

    /// §7.2: PUT KEY that replaces the key set `replaces` (0 adds one) by `keys` as version `version`. Not yet wrapped.
    pub fn put_key(&self, replaces: u8, version: u8, keys: &KeySet) -> Result<Command, Error> {
        put_key::command(self.channel.as_ref().ok_or(Error::Ended)?.dek(), replaces, version, keys)
    }
}

impl std::fmt::Debug for HostSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HostSession({:?})", self.level())
    }
}
