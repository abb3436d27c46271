//! Chip Authentication, version 2 (TR-03110-2 §3.4, TR-03110-3 §B.2 and §B.11): the chip proves that it holds the private
//! key to the public key in EF.CardSecurity, and both sides get new session keys.
//!
//! ```text
//! terminal                                              chip
//! MSE:Set AT 00 22 41 A4 { 80 CA, 84 key }        ->    9000
//! GENERAL AUTHENTICATE 7C { 80 PK_PCD }           ->    7C { 81 r, 82 T }      K = x(sk * PK), keys from K and r
//! ```
//! PK_PCD must be the key that Terminal Authentication announced. The response still comes through the old channel; the new
//! one begins with the next command. [`version_1`] is the older form of passports. DH over integers is left out.

pub mod chip;
pub mod terminal;
pub mod version_1;

use apdu::Command;
use const_oid::ObjectIdentifier;
use curve::{Curve, Point, SecretBytes, SecretKey, aes};
use tlv::{Reader, oid};

use crate::error::Step;
use crate::security_infos::SecurityInfo;
use crate::{Cipher, Error, kdf, sm};

const DYNAMIC_AUTHENTICATION_DATA: u32 = 0x7C;
const EPHEMERAL_KEY: u32 = 0x80;
const NONCE: u32 = 0x81;
const TOKEN: u32 = 0x82;
const PROTOCOL: u32 = 0x80;
const KEY_ID: u32 = 0x84;
const INTEGER_MAX: usize = 8;
/// Bytes of the chip's nonce.
// TR-03110-3 §B.2.
const NONCE_LEN: usize = 8;
const TOKEN_LEN: usize = 8;

/// What both sides agreed on by EF.CardSecurity and MSE:Set AT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Parameters {
    /// The curve of the chip's key.
    pub curve: Curve,
    /// The block cipher of the token and the new channel.
    pub cipher: Cipher,
    /// Which of several keys.
    pub key_id: Option<u64>,
}

impl Parameters {
    /// id-CA-ECDH-AES-CBC-CMAC-128, -192 or -256.
    pub const fn protocol(&self) -> ObjectIdentifier {
        match self.cipher {
            Cipher::Aes128 => oid::CA_ECDH_AES_CBC_CMAC_128,
            Cipher::Aes192 => oid::CA_ECDH_AES_CBC_CMAC_192,
            Cipher::Aes256 => oid::CA_ECDH_AES_CBC_CMAC_256,
        }
    }

    /// The cipher of a protocol identifier, if it is Chip Authentication with ECDH and AES.
    pub fn cipher_of(protocol: ObjectIdentifier) -> Option<Cipher> {
        let with = |cipher| Self { curve: Curve::P256, cipher, key_id: None }.protocol();
        Cipher::ALL.into_iter().find(|&cipher| with(cipher) == protocol)
    }

    /// The first ChipAuthenticationInfo of version 2 with its public key: what a terminal uses. The infos must come from
    /// EF.CardSecurity, whose signature was verified.
    // TR-03110-3 §A.1.1.2 and §A.1.1.3: the key identifier connects them where there are several keys.
    pub fn choose(infos: &[SecurityInfo]) -> Option<(Self, Point)> {
        Self::choose_version(infos, 2)
    }

    /// MSE:Set AT that names protocol and key.
    fn set_at(&self) -> Command {
        SetAuthenticationTemplate { protocol: self.protocol(), key_id: self.key_id }.command()
    }

    /// The terminal's ephemeral key from the data field of GENERAL AUTHENTICATE: a point of the chip's curve.
    fn ephemeral_key(&self, data: &[u8]) -> Result<Point, Error> {
        const STEP: Step = Step::ChipAuthentication;
        let template = tlv::expect(data, DYNAMIC_AUTHENTICATION_DATA).map_err(|_| Error::Malformed(STEP))?;
        let encoded = tlv::expect(template.value, EPHEMERAL_KEY).map_err(|_| Error::Malformed(STEP))?.value;
        Point::from_uncompressed(self.curve, encoded).map_err(|_| Error::InvalidPoint(STEP))
    }

    fn choose_version(infos: &[SecurityInfo], wanted: u64) -> Option<(Self, Point)> {
        infos.iter().find_map(|info| {
            let SecurityInfo::ChipAuthentication { protocol, version, key_id } = info else { return None };
            if *version != wanted {
                return None;
            }
            let cipher = Self::cipher_of(*protocol)?;
            let key = infos.iter().find_map(|info| match info {
                SecurityInfo::ChipAuthenticationPublicKey { protocol, key_id: id, .. }
                    if *protocol == oid::PK_ECDH && id == key_id =>
                {
                    info.chip_authentication_key()
                }
                _ => None,
            });
            let key = key.filter(|key| Curve::ALL.contains(&key.curve()))?;
            Some((Self { curve: key.curve(), cipher, key_id: *key_id }, key))
        })
    }
}

/// GENERAL AUTHENTICATE with the terminal's ephemeral key, of either version.
fn general_authenticate(key: &Point) -> Command {
    let key = tlv::encode(EPHEMERAL_KEY, key.as_uncompressed());
    let data = tlv::encode(DYNAMIC_AUTHENTICATION_DATA, &key);
    Command::new(0x00, 0x86, 0x00, 0x00).with_data(data).with_le(256)
}

/// The data field of MSE:Set AT for Chip Authentication, 00 22 41 A4 (TR-03110-3 §B.11.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAuthenticationTemplate {
    /// Data object 80: the protocol.
    pub protocol: ObjectIdentifier,
    /// Data object 84: which key; may be absent where the chip has one.
    pub key_id: Option<u64>,
}

impl SetAuthenticationTemplate {
    /// The command.
    pub fn command(&self) -> Command {
        let mut data = tlv::encode(PROTOCOL, self.protocol.as_bytes());
        if let Some(id) = self.key_id {
            let bytes = id.to_be_bytes();
            let zeros = bytes.iter().take(bytes.len() - 1).take_while(|byte| **byte == 0).count();
            data.extend(tlv::encode(KEY_ID, &bytes[zeros..]));
        }
        Command::new(0x00, 0x22, 0x41, 0xA4).with_data(data)
    }

    /// Reads the data field. Data objects that are not known are passed over, doubled ones refused.
    pub fn parse(data: &[u8]) -> Result<Self, Error> {
        const MALFORMED: Error = Error::Malformed(Step::SetAuthenticationTemplate);
        let (mut protocol, mut key_id) = (None, None);
        for object in Reader::new(data) {
            let object = object.map_err(|_| MALFORMED)?;
            let doubled = match object.tag {
                PROTOCOL => {
                    let oid = ObjectIdentifier::from_bytes(object.value).map_err(|_| MALFORMED)?;
                    protocol.replace(oid).is_some()
                }
                KEY_ID if (1..=INTEGER_MAX).contains(&object.value.len()) => {
                    let id = object.value.iter().fold(0, |id, byte| id << 8 | u64::from(*byte));
                    key_id.replace(id).is_some()
                }
                KEY_ID => return Err(MALFORMED),
                _ => false,
            };
            if doubled {
                return Err(MALFORMED);
            }
        }
        Ok(Self { protocol: protocol.ok_or(MALFORMED)?, key_id })
    }
}

/// K_enc and K_mac of one run.
struct SessionKeys {
    enc: SecretBytes,
    mac: SecretBytes,
}

impl SessionKeys {
    // TR-03110-3 §A.2.3.1: KDF(K, r, c) hashes the shared secret, the chip's nonce and the counter. Version 1 has no nonce.
    fn derive(secret: &SecretKey, peer: &Point, nonce: &[u8], cipher: Cipher) -> Result<Self, Error> {
        let shared = secret.agree(peer).map_err(|_| Error::InvalidPoint(Step::ChipAuthentication))?;
        let input = zeroize::Zeroizing::new([shared.expose(), nonce].concat());
        Ok(Self { enc: kdf::kdf(&input, kdf::ENC, cipher), mac: kdf::kdf(&input, kdf::MAC, cipher) })
    }

    /// The token over the terminal's ephemeral key.
    // TR-03110-3 §A.2.4.
    fn token(&self, protocol: ObjectIdentifier, key: &Point) -> Result<[u8; TOKEN_LEN], Error> {
        let object = [tlv::encode_oid(protocol), tlv::encode(0x86, key.as_uncompressed())].concat();
        let mac =
            aes::cmac(self.mac.expose(), &[&tlv::encode(0x7F49, &object)]).map_err(|_| Error::Crypto)?;
        let mut token = [0; TOKEN_LEN];
        token.copy_from_slice(&mac[..TOKEN_LEN]);
        Ok(token)
    }

    fn chip(&self) -> Result<sm::Chip, Error> {
        sm::Chip::new(&self.enc, &self.mac)
    }

    fn terminal(&self) -> Result<sm::Terminal, Error> {
        sm::Terminal::new(&self.enc, &self.mac)
    }
}
