//! Basic Access Control (ICAO 9303-11 §4.3), chip side and terminal side.
//!
//! The MRZ gives both keys, so whoever has recorded a session and knows or guesses the MRZ reads it: PACE exists because of
//! that. It is here because the chip must have it (CARD-08), and no profile of an issued card allows it (OPEN-06).
//!
//! ```text
//! terminal                                            chip
//! GET CHALLENGE                                 ->    RND.IC
//! EXTERNAL AUTHENTICATE  E(RND.IFD, RND.IC, K.IFD), MAC   ->    E(RND.IC, RND.IFD, K.IC), MAC
//! ```

use apdu::{Command, Response};
use curve::des::{self, RetailMac, TripleDes};
use curve::{Hash, Random, SecretBytes, constant_time_eq};
use zeroize::Zeroizing;

use crate::error::Step;
use crate::{Error, kdf, sm};

/// Bytes of RND.IC and RND.IFD.
pub const CHALLENGE_LEN: usize = 8;
/// Bytes of the data field of EXTERNAL AUTHENTICATE and of its response.
pub const MESSAGE_LEN: usize = CRYPTOGRAM_LEN + des::BLOCK;

const KEYING_MATERIAL_LEN: usize = 16;
const CRYPTOGRAM_LEN: usize = 2 * CHALLENGE_LEN + KEYING_MATERIAL_LEN;

/// The document basic access keys K_enc and K_mac.
#[derive(Debug)]
pub struct AccessKeys {
    enc: TripleDes,
    mac: RetailMac,
}

impl AccessKeys {
    /// From the MRZ information: document number, date of birth and date of expiry with their check digits.
    // §4.3.2: the first 16 octets of the SHA-1 hash are the key seed; §9.7.2.
    pub fn from_mrz_information(information: &[u8]) -> Result<Self, Error> {
        if information.is_empty() {
            return Err(Error::Password);
        }
        let seed = Zeroizing::new(Hash::Sha1.digest(information));
        let seed = &seed[..KEYING_MATERIAL_LEN];
        Ok(Self {
            enc: TripleDes::new(kdf::kdf_3des(seed, kdf::ENC).expose()).map_err(|_| Error::Crypto)?,
            mac: RetailMac::new(kdf::kdf_3des(seed, kdf::MAC).expose()).map_err(|_| Error::Crypto)?,
        })
    }

    /// E || MAC(E) of first || second || keying material.
    fn seal(&self, first: &[u8], second: &[u8], material: &[u8]) -> Result<Vec<u8>, Error> {
        let plain = Zeroizing::new([first, second, material].concat());
        let mut message = self.enc.cbc_encrypt(&[0; des::BLOCK], &plain).map_err(|_| Error::Crypto)?;
        let mac = self.checksum(&message)?;
        message.extend_from_slice(&mac);
        Ok(message)
    }

    /// The reverse; a wrong checksum says that the other side does not know the MRZ.
    fn open(&self, message: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        if message.len() != MESSAGE_LEN {
            return Err(Error::Malformed(Step::MutualAuthenticate));
        }
        let (cryptogram, mac) = message.split_at(CRYPTOGRAM_LEN);
        if !constant_time_eq(&self.checksum(cryptogram)?, mac) {
            return Err(Error::WrongPassword { tries_left: None });
        }
        let plain = self.enc.cbc_decrypt(&[0; des::BLOCK], cryptogram).map_err(|_| Error::Crypto)?;
        Ok(Zeroizing::new(plain))
    }

    // §4.3.3.2: padding method 2, although the cryptogram is whole blocks already.
    fn checksum(&self, cryptogram: &[u8]) -> Result<[u8; des::BLOCK], Error> {
        let padded = [cryptogram, &[0x80, 0, 0, 0, 0, 0, 0, 0]].concat();
        self.mac.mac(&padded).map_err(|_| Error::Crypto)
    }
}

/// The keys and the counter of the channel.
struct Channel {
    enc: SecretBytes,
    mac: SecretBytes,
    counter: [u8; 8],
}

impl Channel {
    // §4.3.1 step 5 and §9.8.6.3: K.IC xor K.IFD is the seed; the counter is the last four octets of RND.IC and RND.IFD.
    fn derive(chip: &[u8], terminal: &[u8], material_chip: &[u8], material_terminal: &[u8]) -> Self {
        let seed: Zeroizing<Vec<u8>> =
            Zeroizing::new(material_chip.iter().zip(material_terminal).map(|(a, b)| a ^ b).collect());
        let mut counter = [0; 8];
        counter[..4].copy_from_slice(&chip[4..8]);
        counter[4..].copy_from_slice(&terminal[4..8]);
        Self { enc: kdf::kdf_3des(&seed, kdf::ENC), mac: kdf::kdf_3des(&seed, kdf::MAC), counter }
    }
}

/// The chip's side: answers the data field of EXTERNAL AUTHENTICATE. `challenge` is what GET CHALLENGE has given; use it for
/// one attempt only.
pub fn answer(
    keys: &AccessKeys,
    challenge: &[u8; CHALLENGE_LEN],
    data: &[u8],
    rng: &mut dyn Random,
) -> Result<(Vec<u8>, sm::Chip), Error> {
    let received = keys.open(data)?;
    let (terminal, rest) = received.split_at(CHALLENGE_LEN);
    let (echoed, material) = rest.split_at(CHALLENGE_LEN);
    if !constant_time_eq(echoed, challenge) {
        return Err(Error::WrongPassword { tries_left: None });
    }
    let mut own = Zeroizing::new([0; KEYING_MATERIAL_LEN]);
    rng.fill(&mut *own);
    let response = keys.seal(challenge, terminal, &*own)?;
    let channel = Channel::derive(challenge, terminal, &*own, material);
    Ok((response, sm::Chip::triple_des(&channel.enc, &channel.mac, channel.counter)?))
}

/// The terminal's side, before anything was sent.
pub struct Start(AccessKeys);

impl Start {
    /// A run with these keys.
    pub const fn new(keys: AccessKeys) -> Self {
        Self(keys)
    }

    /// GET CHALLENGE 00 84 00 00 08.
    pub fn get_challenge(&self) -> Command {
        Command::new(0x00, 0x84, 0x00, 0x00).with_le(CHALLENGE_LEN as u32)
    }

    /// Takes RND.IC; gives EXTERNAL AUTHENTICATE 00 82 00 00.
    pub fn step(self, response: &Response, rng: &mut dyn Random) -> Result<(Command, AwaitAnswer), Error> {
        if !response.sw.is_ok() {
            return Err(Error::Refused { step: Step::GetChallenge, sw: response.sw });
        }
        let chip = <[u8; CHALLENGE_LEN]>::try_from(response.data.as_slice())
            .map_err(|_| Error::Malformed(Step::GetChallenge))?;
        let (mut own, mut material) = ([0; CHALLENGE_LEN], Zeroizing::new([0; KEYING_MATERIAL_LEN]));
        rng.fill(&mut own);
        rng.fill(&mut *material);
        let message = self.0.seal(&own, &chip, &*material)?;
        let command = Command::new(0x00, 0x82, 0x00, 0x00).with_data(message).with_le(MESSAGE_LEN as u32);
        Ok((command, AwaitAnswer { keys: self.0, chip, own, material }))
    }
}

/// EXTERNAL AUTHENTICATE was sent.
pub struct AwaitAnswer {
    keys: AccessKeys,
    chip: [u8; CHALLENGE_LEN],
    own: [u8; CHALLENGE_LEN],
    material: Zeroizing<[u8; KEYING_MATERIAL_LEN]>,
}

impl AwaitAnswer {
    /// Checks that the chip knows the MRZ too, and opens the channel.
    pub fn step(self, response: &Response) -> Result<sm::Terminal, Error> {
        if !response.sw.is_ok() {
            // Chips say 6300 or 6982, and do not count.
            return Err(match response.sw.0 {
                0x6300 | 0x6982 | 0x6988 => Error::WrongPassword { tries_left: None },
                _ => Error::Refused { step: Step::MutualAuthenticate, sw: response.sw },
            });
        }
        let received = self.keys.open(&response.data).map_err(|error| match error {
            Error::WrongPassword { .. } => Error::CardToken,
            other => other,
        })?;
        let (echoed, material) = received.split_at(2 * CHALLENGE_LEN);
        if !constant_time_eq(echoed, &[self.chip, self.own].concat()) {
            return Err(Error::CardToken);
        }
        let channel = Channel::derive(&self.chip, &self.own, material, &*self.material);
        sm::Terminal::triple_des(&channel.enc, &channel.mac, channel.counter)
    }
}

/// Runs the whole protocol over `transmit`, which sends one command and returns its response.
pub fn establish<E: From<Error>>(
    start: Start,
    rng: &mut dyn Random,
    mut transmit: impl FnMut(&Command) -> Result<Response, E>,
) -> Result<sm::Terminal, E> {
    let challenge = transmit(&start.get_challenge())?;
    let (command, state) = start.step(&challenge, rng)?;
    Ok(state.step(&transmit(&command)?)?)
}
