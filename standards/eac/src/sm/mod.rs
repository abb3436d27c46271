//! Secure messaging with AES, and with 3DES after Basic Access Control (ICAO 9303-11 §9.8, TR-03110-3 §F, ISO/IEC 7816-4
//! §10).
//!
//! [`Terminal`] wraps commands and unwraps responses, [`Chip`] the other way round. Each message is encrypted in CBC mode
//! (AES: under an IV made from the send sequence counter; 3DES: under IV zero) and carries an eight-byte checksum (CMAC; retail
//! MAC) over counter, header and data objects.
//! The first error ends the session: the keys are destroyed and every later call answers [`SmError::Ended`].

mod chip;
mod terminal;

pub use chip::Chip;
pub use terminal::Terminal;

use apdu::StatusWord;
use curve::{SecretBytes, aes, des};
use zeroize::Zeroizing;

use crate::Error;

/// Why a message was not accepted. The session is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SmError {
    /// A command or response without secure messaging came in an open session.
    #[error("a message without secure messaging came inside the session ({0})")]
    Plain(StatusWord),
    /// A data object that must be there is missing.
    #[error("secure messaging data objects are missing")]
    DataMissing,
    /// A data object is malformed, or the cryptographic checksum is wrong.
    #[error("secure messaging data objects are incorrect")]
    DataIncorrect,
    /// The session had ended before.
    #[error("the secure messaging session has ended")]
    Ended,
    /// More data than one message can hold.
    #[error("too much data for one message")]
    TooLong,
}

impl SmError {
    /// What a chip answers, without secure messaging.
    // ICAO 9303-11 §9.8.6: 6987 expected data objects missing, 6988 data objects incorrect.
    pub const fn status_word(&self) -> StatusWord {
        match self {
            Self::Plain(_) | Self::DataMissing => StatusWord::SM_DATA_MISSING,
            Self::DataIncorrect => StatusWord::SM_DATA_INCORRECT,
            Self::Ended => StatusWord::SECURITY_STATUS_NOT_SATISFIED,
            Self::TooLong => StatusWord::WRONG_LENGTH,
        }
    }
}

/// How many plain response bytes fit into a protected response of at most `limit` bytes (without the outer status word).
pub const fn max_plain_response(limit: usize) -> usize {
    // DO99 (4) and DO8E (10) always; DO87 has tag, up to three length bytes (four above 65,535) and the padding indicator.
    let fixed = 4 + 2 + MAC_LEN;
    if limit <= fixed + 2 + BLOCK {
        return 0;
    }
    let room = limit - fixed;
    let header = 1 + tlv::length_of_length(room) + 1;
    let blocks = (room - header) / BLOCK;
    // At least one byte of the last block is padding.
    blocks * BLOCK - 1
}

const BLOCK: usize = 16;
const MAC_LEN: usize = 8;

/// Bits of the class byte: secure messaging with authenticated header (ISO/IEC 7816-4 §5.4.1).
const SECURE_MESSAGING: u8 = 0x0C;

const CRYPTOGRAM_PLAIN: u32 = 0x85;
const CRYPTOGRAM_PADDED: u32 = 0x87;
const CRYPTOGRAM_ENCODED_BER: u32 = 0x84;
const EXPECTED_LENGTH: u32 = 0x97;
const PROCESSING_STATUS: u32 = 0x99;
const CHECKSUM: u32 = 0x8E;
/// Padding indicator of data object 87: ISO/IEC 7816-4 padding.
const PADDING_INDICATOR: u8 = 0x01;

/// Whether a command claims secure messaging.
pub const fn is_protected(cla: u8) -> bool {
    cla & SECURE_MESSAGING == SECURE_MESSAGING
}

/// Ciphers, keys and send sequence counter of one direction-less session.
struct Session {
    suite: Suite,
    counter: u128,
}

/// The ciphers of a session with their keys.
enum Suite {
    Aes { enc: aes::Aes, mac: aes::Cmac },
    TripleDes { enc: des::TripleDes, mac: des::RetailMac },
}

impl Session {
    fn aes(enc: &SecretBytes, mac: &SecretBytes) -> Result<Self, Error> {
        let enc = aes::Aes::new(enc.expose()).map_err(|_| Error::Crypto)?;
        let mac = aes::Cmac::new(mac.expose()).map_err(|_| Error::Crypto)?;
        // ICAO 9303-11 §9.8.6.3 (AES): the counter starts at zero and is 128 bits long.
        Ok(Self { suite: Suite::Aes { enc, mac }, counter: 0 })
    }

    fn triple_des(enc: &SecretBytes, mac: &SecretBytes, counter: [u8; 8]) -> Result<Self, Error> {
        let enc = des::TripleDes::new(enc.expose()).map_err(|_| Error::Crypto)?;
        let mac = des::RetailMac::new(mac.expose()).map_err(|_| Error::Crypto)?;
        Ok(Self { suite: Suite::TripleDes { enc, mac }, counter: u128::from(u64::from_be_bytes(counter)) })
    }

    /// Counts the next message, command or response.
    fn advance(&mut self) {
        self.counter = match self.suite {
            Suite::Aes { .. } => self.counter.wrapping_add(1),
            // 64 bits.
            Suite::TripleDes { .. } => u128::from((self.counter as u64).wrapping_add(1)),
        };
    }

    /// The counter, as long as a block.
    fn counter(&self) -> Vec<u8> {
        let bytes = self.counter.to_be_bytes();
        bytes[bytes.len() - self.block()..].to_vec()
    }

    const fn block(&self) -> usize {
        match self.suite {
            Suite::Aes { .. } => BLOCK,
            Suite::TripleDes { .. } => des::BLOCK,
        }
    }

    /// Pads (80 00..) and encrypts.
    fn encrypt(&self, data: &[u8]) -> Vec<u8> {
        let mut padded = Zeroizing::new(Vec::with_capacity(data.len() + BLOCK));
        padded.extend_from_slice(data);
        padded.extend_from_slice(&PADDING[..self.block() - data.len() % self.block()]);
        match &self.suite {
            // ICAO 9303-11 §9.8.6.1: IV = E(KS_enc, SSC).
            Suite::Aes { enc, .. } => {
                enc.cbc_encrypt(&enc.encrypt_block(&self.counter.to_be_bytes()), &padded)
            }
            Suite::TripleDes { enc, .. } => enc.cbc_encrypt(&[0; des::BLOCK], &padded),
        }
        .expect("padded data are whole blocks")
    }

    /// Decrypts and takes the padding off.
    fn decrypt(&self, cryptogram: &[u8]) -> Result<Vec<u8>, SmError> {
        let plain = match &self.suite {
            Suite::Aes { enc, .. } => {
                enc.cbc_decrypt(&enc.encrypt_block(&self.counter.to_be_bytes()), cryptogram)
            }
            Suite::TripleDes { enc, .. } => enc.cbc_decrypt(&[0; des::BLOCK], cryptogram),
        };
        let mut plain = plain.map_err(|_| SmError::DataIncorrect)?;
        let zeros = plain.iter().rev().take_while(|byte| **byte == 0).count();
        let len = plain.len() - zeros;
        if zeros >= self.block() || len == 0 || plain[len - 1] != 0x80 {
            return Err(SmError::DataIncorrect);
        }
        plain.truncate(len - 1);
        Ok(plain)
    }

    /// The checksum over counter, padded header (commands only) and padded data objects.
    // ISO/IEC 7816-4 §10.3.2: the header and the data objects are padded each for itself; nothing is added where there are
    // no data objects.
    fn checksum(&self, header: Option<[u8; 4]>, objects: &[u8]) -> [u8; MAC_LEN] {
        let block = self.block();
        let mut input = self.counter();
        input.reserve(objects.len() + 3 * BLOCK);
        if let Some(header) = header {
            input.extend_from_slice(&header);
            input.extend_from_slice(&PADDING[..block - header.len()]);
        }
        if !objects.is_empty() {
            input.extend_from_slice(objects);
            input.extend_from_slice(&PADDING[..block - objects.len() % block]);
        }
        let mut out = [0; MAC_LEN];
        match &self.suite {
            Suite::Aes { mac, .. } => out.copy_from_slice(&mac.mac(&[&input])[..MAC_LEN]),
            Suite::TripleDes { mac, .. } => out = mac.mac(&input).expect("whole blocks"),
        }
        out
    }
}

/// ISO/IEC 9797-1 padding method 2.
const PADDING: [u8; BLOCK] = [0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// The cryptogram data object: 87 with padding indicator for even instructions, 85 without for odd ones.
// ICAO 9303-11 §9.8.4.
fn cryptogram(odd: bool, encrypted: &[u8]) -> Vec<u8> {
    if odd {
        return tlv::encode(CRYPTOGRAM_PLAIN, encrypted);
    }
    let mut value = Vec::with_capacity(encrypted.len() + 1);
    value.push(PADDING_INDICATOR);
    value.extend_from_slice(encrypted);
    tlv::encode(CRYPTOGRAM_PADDED, &value)
}

/// The data objects of one protected message, in the order the standard demands.
#[derive(Default)]
struct Objects<'a> {
    /// The encrypted bytes and whether they came in data object 87.
    cryptogram: Option<&'a [u8]>,
    expected_length: Option<&'a [u8]>,
    status: Option<&'a [u8]>,
    checksum: &'a [u8],
    /// Everything before the checksum.
    authenticated: &'a [u8],
}

impl<'a> Objects<'a> {
    fn parse(data: &'a [u8]) -> Result<Self, SmError> {
        let mut objects = Self::default();
        let mut reader = tlv::Reader::new(data);
        while !reader.is_empty() {
            let before = data.len() - reader.rest().len();
            let object = reader.read().map_err(|_| SmError::DataIncorrect)?;
            let doubled = match object.tag {
                CRYPTOGRAM_PADDED => {
                    let [PADDING_INDICATOR, encrypted @ ..] = object.value else {
                        return Err(SmError::DataIncorrect);
                    };
                    objects.cryptogram.replace(encrypted).is_some()
                }
                CRYPTOGRAM_PLAIN | CRYPTOGRAM_ENCODED_BER => {
                    objects.cryptogram.replace(object.value).is_some()
                }
                EXPECTED_LENGTH => objects.expected_length.replace(object.value).is_some(),
                PROCESSING_STATUS => objects.status.replace(object.value).is_some(),
                CHECKSUM => {
                    objects.checksum = object.value;
                    objects.authenticated = &data[..before];
                    // The checksum ends the message: what follows would not be authenticated.
                    reader.finish().map_err(|_| SmError::DataIncorrect)?;
                    return Ok(objects);
                }
                _ => true,
            };
            if doubled {
                return Err(SmError::DataIncorrect);
            }
        }
        Err(SmError::DataMissing)
    }
}
