//! The protection of commands and responses, the same arithmetic on both sides.

use crate::kdf::{Purpose, derive_for};
use crate::{Error, KeySet, Mode, SecurityLevel};
use apdu::{Command, MAX_EXTENDED, Response, StatusWord};
use curve::{
    SecretBytes,
    aes::{self, Aes, Cmac},
    constant_time_eq,
};

/// Class byte: bit 3 says that a command is secured (Card Specification §11.1.4).
pub(crate) const SECURED: u8 = 0x04;

/// §4.1.4: the session keys, and the cryptograms made with them.
pub(crate) struct SessionKeys {
    s_enc: Aes,
    s_mac: SecretBytes,
    s_rmac: Cmac,
    context: Vec<u8>,
    mode: Mode,
    dek: Aes,
}

impl SessionKeys {
    /// §6.2.1: session keys are derived from the static keys over host challenge ‖ card challenge.
    pub(crate) fn derive(keys: &KeySet, host_challenge: &[u8], card_challenge: &[u8]) -> Result<Self, Error> {
        keys.check()?;
        let mode = Mode::of_challenge(host_challenge)?;
        if card_challenge.len() != mode.len() {
            return Err(Error::Length);
        }
        let context = [host_challenge, card_challenge].concat();
        let derive = |key: &SecretBytes, purpose| derive_for(key.expose(), purpose, &context, key.len());
        Ok(Self {
            s_enc: Aes::new(derive(&keys.enc, Purpose::SEnc)?.expose())?,
            s_mac: derive(&keys.mac, Purpose::SMac)?,
            s_rmac: Cmac::new(derive(&keys.mac, Purpose::SRMac)?.expose())?,
            dek: Aes::new(keys.dek.expose())?,
            context,
            mode,
        })
    }

    /// §6.2.2.2: card cryptogram.
    pub(crate) fn card_cryptogram(&self) -> Result<SecretBytes, Error> {
        derive_for(self.s_mac.expose(), Purpose::CardCryptogram, &self.context, self.mode.len())
    }

    /// §6.2.2.3: host cryptogram.
    pub(crate) fn host_cryptogram(&self) -> Result<SecretBytes, Error> {
        derive_for(self.s_mac.expose(), Purpose::HostCryptogram, &self.context, self.mode.len())
    }
}

/// One channel after its keys are known.
pub(crate) struct Channel {
    s_enc: Aes,
    s_mac: Cmac,
    s_rmac: Cmac,
    dek: Aes,
    mode: Mode,
    level: SecurityLevel,
    /// §6.2.3: MAC chaining value, the whole MAC of the last command.
    chaining: [u8; 16],
    /// §6.2.6: encryption counter, 1 for the first command after EXTERNAL AUTHENTICATE.
    counter: u64,
}

impl Channel {
    /// A channel that is ready for EXTERNAL AUTHENTICATE, which is itself protected by a MAC.
    pub(crate) fn new(keys: SessionKeys, level: SecurityLevel) -> Result<Self, Error> {
        Ok(Self {
            s_mac: Cmac::new(keys.s_mac.expose())?,
            s_enc: keys.s_enc,
            s_rmac: keys.s_rmac,
            dek: keys.dek,
            mode: keys.mode,
            level,
            // §6.2.3: sixteen zero bytes before the first MAC.
            chaining: [0; 16],
            counter: 0,
        })
    }

    pub(crate) const fn level(&self) -> SecurityLevel {
        self.level
    }

    /// §6.2.4: appends the MAC over chaining value ‖ header ‖ Lc ‖ data; Lc counts the MAC too. The class byte already
    /// has its secured bit.
    pub(crate) fn append_mac(&mut self, mut command: Command) -> Result<Command, Error> {
        let len = command.data.len() + self.mode.len();
        if len > MAX_EXTENDED {
            return Err(Error::Length);
        }
        command.extended |= len > 255 || command.le.is_some_and(|le| le > 256);
        let mac = self.command_mac(&command, len, &command.data);
        command.data.extend_from_slice(&mac[..self.mode.len()]);
        self.chaining = mac;
        Ok(command)
    }

    /// The other side of [`Self::append_mac`].
    pub(crate) fn remove_mac(&mut self, command: &Command) -> Result<Command, Error> {
        let at = command.data.len().checked_sub(self.mode.len()).ok_or(Error::WrongMac)?;
        let (data, received) = command.data.split_at(at);
        let mac = self.command_mac(command, command.data.len(), data);
        if !constant_time_eq(&mac[..self.mode.len()], received) {
            return Err(Error::WrongMac);
        }
        self.chaining = mac;
        Ok(Command { data: data.to_vec(), ..*command })
    }

    fn command_mac(&self, command: &Command, len: usize, data: &[u8]) -> [u8; 16] {
        let [hi, lo] = (len as u16).to_be_bytes();
        let length = [0, hi, lo];
        // Lc is taken as it is sent: one byte, or three in an extended command.
        let length = if command.extended { &length[..] } else { &length[2..] };
        self.s_mac.mac(&[&self.chaining, &command.header(), length, data])
    }

    /// Secures a command for the card.
    pub(crate) fn protect_command(&mut self, command: &Command) -> Result<Command, Error> {
        if command.cla & 0x40 != 0 || command.cla & 0x0F != 0 {
            return Err(Error::Class);
        }
        if !self.level.c_mac() {
            return Ok(command.clone());
        }
        self.counter += 1;
        let mut secured = Command { cla: command.cla | SECURED, ..command.clone() };
        // §6.2.6: no encryption where there is no data; the counter goes on nevertheless.
        if self.level.c_decryption() && !command.data.is_empty() {
            secured.data = self.s_enc.cbc_encrypt(&self.icv(0x00), &aes::pad(&command.data))?;
        }
        self.append_mac(secured)
    }

    /// Verifies and deciphers a command on the card.
    pub(crate) fn accept_command(&mut self, command: &Command) -> Result<Command, Error> {
        if command.cla & 0x40 != 0 || command.cla & 0x03 != 0 {
            return Err(Error::Class);
        }
        if !self.level.c_mac() {
            return if command.cla & SECURED == 0 { Ok(command.clone()) } else { Err(Error::NotSecured) };
        }
        if command.cla & SECURED == 0 {
            return Err(Error::NotSecured);
        }
        self.counter += 1;
        let mut plain = self.remove_mac(command)?;
        plain.cla &= !SECURED;
        if self.level.c_decryption() && !plain.data.is_empty() {
            plain.data = self.decipher(0x00, &plain.data)?;
        }
        Ok(plain)
    }

    /// Secures a response for the host.
    pub(crate) fn protect_response(&mut self, response: Response) -> Result<Response, Error> {
        if !self.level.r_mac() {
            return Ok(response);
        }
        // §6.2.5: no R-MAC and no data with an error status.
        if !is_protected(response.sw) {
            return Ok(Response::from(response.sw));
        }
        let mut data = response.data;
        if self.level.r_encryption() && !data.is_empty() {
            data = self.s_enc.cbc_encrypt(&self.icv(0x80), &aes::pad(&data))?;
        }
        let mac = self.response_mac(&data, response.sw);
        data.extend_from_slice(&mac[..self.mode.len()]);
        Ok(Response::new(data, response.sw))
    }

    /// Verifies and deciphers a response on the host.
    pub(crate) fn accept_response(&mut self, response: &Response) -> Result<Response, Error> {
        if !self.level.r_mac() {
            return Ok(response.clone());
        }
        if !is_protected(response.sw) {
            return if response.data.is_empty() { Ok(response.clone()) } else { Err(Error::Malformed) };
        }
        let at = response.data.len().checked_sub(self.mode.len()).ok_or(Error::WrongMac)?;
        let (data, received) = response.data.split_at(at);
        if !constant_time_eq(&self.response_mac(data, response.sw)[..self.mode.len()], received) {
            return Err(Error::WrongMac);
        }
        if self.level.r_encryption() && !data.is_empty() {
            return Ok(Response::new(self.decipher(0x80, data)?, response.sw));
        }
        Ok(Response::new(data, response.sw))
    }

    /// §6.2.5: over chaining value ‖ data ‖ status word.
    fn response_mac(&self, data: &[u8], sw: StatusWord) -> [u8; 16] {
        self.s_rmac.mac(&[&self.chaining, data, &sw.0.to_be_bytes()])
    }

    /// §6.2.6, §6.2.7: the counter encrypted with S-ENC; for a response its first byte is 80.
    fn icv(&self, first: u8) -> [u8; 16] {
        let mut block = [0; 16];
        block[0] = first;
        block[8..].copy_from_slice(&self.counter.to_be_bytes());
        self.s_enc.encrypt_block(&block)
    }

    fn decipher(&self, first: u8, data: &[u8]) -> Result<Vec<u8>, Error> {
        let mut padded = self.s_enc.cbc_decrypt(&self.icv(first), data).map_err(|_| Error::WrongPadding)?;
        let len = aes::unpad(&padded)?.len();
        padded.truncate(len);
        Ok(padded)
    }

    /// §4.1.4: sensitive data under Key-DEK, CBC with a zero initial value.
    pub(crate) fn dek(&self) -> &Aes {
        &self.dek
    }
}

/// §6.2.5: R-MAC and R-ENCRYPTION apply to success and warnings.
const fn is_protected(sw: StatusWord) -> bool {
    matches!(sw.0 >> 8, 0x90 | 0x61 | 0x62 | 0x63)
}
