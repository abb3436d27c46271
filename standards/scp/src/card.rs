//! The card's side.

use crate::channel::{Channel, SessionKeys};
use crate::kdf::{Purpose, derive_for};
use crate::{
    Error, INS_EXTERNAL_AUTHENTICATE, INS_INITIALIZE_UPDATE, KeySet, Mode, Options, SecurityLevel, put_key,
};
use apdu::{Command, Response};
use curve::{Random, SecretBytes, aes, constant_time_eq};

/// Where the card challenge comes from (§6.2.2.1).
pub enum CardChallenge<'a> {
    /// Random bytes.
    Random(&'a mut dyn Random),
    /// Derived from a counter and the AID of the application that opens the channel. The counter must never repeat with
    /// the same keys: the card stores it before it answers.
    PseudoRandom {
        /// Number of this session with this key set, at most 24 bits.
        sequence_counter: u32,
        /// AID of the security domain.
        aid: &'a [u8],
    },
}

/// What the card tells about itself in its answer to INITIALIZE UPDATE.
#[derive(Debug, Clone, Copy)]
pub struct CardData {
    /// What the host derives this card's keys from.
    pub diversification_data: [u8; 10],
    /// Version of the key set used.
    pub key_version: u8,
}

/// INITIALIZE UPDATE has been answered; EXTERNAL AUTHENTICATE is awaited.
pub struct Card {
    keys: SessionKeys,
    options: Options,
}

impl Card {
    /// The key version that INITIALIZE UPDATE asks for, 0 for the card's first choice.
    pub fn requested_key_version(command: &Command) -> Result<u8, Error> {
        // §7.1.1.1: P2 is the key identifier, always 00 in SCP03.
        if command.ins != INS_INITIALIZE_UPDATE || command.p2 != 0x00 {
            return Err(Error::WrongParameters);
        }
        Mode::of_challenge(&command.data).map_err(|_| Error::Malformed)?;
        Ok(command.p1)
    }

    /// §7.1.1: answers INITIALIZE UPDATE. The length of the host challenge chooses S8 or S16; `r_mac` and `r_encryption`
    /// of `options` stand, its mode and kind of challenge follow from the command and `challenge`.
    pub fn initialize_update(
        command: &Command,
        keys: &KeySet,
        data: CardData,
        options: Options,
        challenge: CardChallenge<'_>,
    ) -> Result<(Response, Self), Error> {
        Self::requested_key_version(command)?;
        let mode = Mode::of_challenge(&command.data)?;
        let (card_challenge, counter) = match challenge {
            CardChallenge::Random(rng) => {
                let mut bytes = vec![0; mode.len()];
                rng.fill(&mut bytes);
                (bytes, None)
            }
            CardChallenge::PseudoRandom { sequence_counter, aid } => {
                let [0, counter @ ..] = sequence_counter.to_be_bytes() else { return Err(Error::Length) };
                let context = [&counter[..], aid].concat();
                let derived = derive_for(keys.enc.expose(), Purpose::CardChallenge, &context, mode.len())?;
                (derived.expose().to_vec(), Some(counter))
            }
        };
        let options = Options { mode, pseudo_random: counter.is_some(), ..options };
        let keys = SessionKeys::derive(keys, &command.data, &card_challenge)?;
        let mut out = Vec::with_capacity(48);
        out.extend_from_slice(&data.diversification_data);
        out.extend_from_slice(&[data.key_version, 0x03, options.to_i()]);
        out.extend_from_slice(&card_challenge);
        out.extend_from_slice(keys.card_cryptogram()?.expose());
        out.extend_from_slice(counter.as_ref().map_or(&[], |c| &c[..]));
        Ok((Response::ok(out), Self { keys, options }))
    }

    /// §7.1.2: verifies EXTERNAL AUTHENTICATE. Whatever is wrong, the attempt is over.
    pub fn external_authenticate(self, command: &Command) -> Result<CardSession, Error> {
        if command.cla != 0x84 || command.ins != INS_EXTERNAL_AUTHENTICATE {
            return Err(Error::NotSecured);
        }
        let level = SecurityLevel::from_code(command.p1).filter(|level| self.options.allows(*level));
        let (Some(level), 0x00) = (level, command.p2) else { return Err(Error::WrongParameters) };
        if command.data.len() != 2 * self.options.mode.len() {
            return Err(Error::Malformed);
        }
        let expected = self.keys.host_cryptogram()?;
        let mut channel = Channel::new(self.keys, level)?;
        let cryptogram = command.data.split_at(self.options.mode.len()).0;
        if !constant_time_eq(expected.expose(), cryptogram) {
            return Err(Error::WrongHostCryptogram);
        }
        channel.remove_mac(command)?;
        Ok(CardSession { channel: Some(channel) })
    }
}

/// An open channel, card side.
pub struct CardSession {
    /// `None` after something did not verify.
    channel: Option<Channel>,
}

impl CardSession {
    /// Verifies and deciphers a command. One that does not verify ends the session.
    pub fn unwrap(&mut self, command: &Command) -> Result<Command, Error> {
        let result = self.channel.as_mut().ok_or(Error::Ended)?.accept_command(command);
        if result.is_err() {
            self.channel = None;
        }
        result
    }

    /// Secures the response to the command unwrapped last. After the end of the session only the status word goes out.
    pub fn wrap(&mut self, response: Response) -> Response {
        let sw = response.sw;
        match self.channel.as_mut().map(|channel| channel.protect_response(response)) {
            Some(Ok(secured)) => secured,
            _ => Response::from(sw),
        }
    }

    /// Whether the session is still open.
    pub const fn is_open(&self) -> bool {
        self.channel.is_some()
    }

    /// The level agreed, or `None` after the session has ended.
    pub fn level(&self) -> Option<SecurityLevel> {
        self.channel.as_ref().map(Channel::level)
    }

    /// Deciphers sensitive data (a PIN, for example) under Key-DEK.
    pub fn decrypt_sensitive(&self, data: &[u8]) -> Result<SecretBytes, Error> {
        let channel = self.channel.as_ref().ok_or(Error::Ended)?;
        let padded =
            SecretBytes::from(channel.dek().cbc_decrypt(&[0; 16], data).map_err(|_| Error::WrongPadding)?);
        Ok(SecretBytes::new(aes::unpad(padded.expose())?))
    }

    /// §7.2: reads one key data field of PUT KEY and checks the key's check value. Returns the key and what follows.
    pub fn decrypt_key<'a>(&self, field: &'a [u8]) -> Result<(SecretBytes, &'a [u8]), Error> {
        put_key::decode_key(self.channel.as_ref().ok_or(Error::Ended)?.dek(), field)
    }

    /// §7.2: reads the data field of PUT KEY with three keys. Returns the new version and the key set.
    pub fn decrypt_key_set(&self, data: &[u8]) -> Result<(u8, KeySet), Error> {
        put_key::decode_key_set(self.channel.as_ref().ok_or(Error::Ended)?.dek(), data)
    }
}

impl std::fmt::Debug for CardSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CardSession({:?})", self.level())
    }
}
