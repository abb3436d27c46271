//! PACE over elliptic curves with AES: generic, integrated and chip authentication mapping (ICAO 9303-11 §4.4, TR-03110-3
//! §A.3 and §B.1).
//!
//! [`terminal`] drives the protocol, [`chip`] answers it. Each state of a run is a type of its own that holds only the
//! secrets it still needs; a step consumes it, so no state can be used twice and an error leaves nothing behind.
//!
//! ```text
//! terminal                                   chip
//! MSE:Set AT  (protocol, password)     ->    9000, or 63Cx with the tries left
//! GENERAL AUTHENTICATE  7C {}          ->    7C { 80 z }          z = E(K_pi, s)
//! GENERAL AUTHENTICATE  7C { 81 PK1 }  ->    7C { 82 PK1' }       G' = s*G + H
//! GENERAL AUTHENTICATE  7C { 83 PK2 }  ->    7C { 84 PK2' }       K = x(sk2 * PK2')
//! GENERAL AUTHENTICATE  7C { 85 T }    ->    7C { 86 T' [87 88] } T = MAC(K_mac, PK2')
//! ```
//! With integrated mapping the second exchange is `81 t` and an empty `82`: G' is the point that encodes a pseudo-random
//! function of both nonces. With chip authentication mapping the last answer has `8A`, from which the terminal learns that
//! the chip knows the private key to a public key of EF.CardSecurity ([`ChipProof`]).
//!
//! Left out: DH over integers and 3DES.

pub mod chip;
mod chip_authentication;
mod integrated;
mod mse;
pub mod terminal;

use const_oid::ObjectIdentifier;
use curve::{Curve, Point, SecretBytes, aes};
use tlv::oid;

pub use chip_authentication::ChipProof;
pub use mse::SetAuthenticationTemplate;

use crate::error::Step;
use crate::security_infos::SecurityInfo;
use crate::{Cipher, Error, kdf, sm};

/// How the nonce becomes the generator of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mapping {
    /// Generic mapping: by a key agreement (§4.4.3.3.1).
    Generic,
    /// Integrated mapping: by a point that encodes both nonces (§4.4.3.3.2).
    Integrated,
    /// Chip authentication mapping: as generic, and the chip proves its static key (§4.4.3.3.3).
    ChipAuthentication,
}

impl Mapping {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Generic, Self::Integrated, Self::ChipAuthentication];
}

/// What both sides agreed on by EF.CardAccess and MSE:Set AT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Parameters {
    /// How the nonce is mapped.
    pub mapping: Mapping,
    /// The elliptic curve.
    pub curve: Curve,
    /// The block cipher of the nonce, the tokens and the secure channel.
    pub cipher: Cipher,
}

impl Parameters {
    /// Generic mapping on `curve` with `cipher`.
    pub const fn generic(curve: Curve, cipher: Cipher) -> Self {
        Self { mapping: Mapping::Generic, curve, cipher }
    }

    /// Integrated mapping on `curve` with `cipher`.
    pub const fn integrated(curve: Curve, cipher: Cipher) -> Self {
        Self { mapping: Mapping::Integrated, curve, cipher }
    }

    /// Chip authentication mapping on `curve` with `cipher`.
    pub const fn chip_authentication(curve: Curve, cipher: Cipher) -> Self {
        Self { mapping: Mapping::ChipAuthentication, curve, cipher }
    }

    /// The protocol identifier: id-PACE-ECDH-GM-, -IM- or -CAM-AES-CBC-CMAC-128, -192 or -256.
    pub const fn protocol(self) -> ObjectIdentifier {
        match (self.mapping, self.cipher) {
            (Mapping::Generic, Cipher::Aes128) => oid::PACE_ECDH_GM_AES_CBC_CMAC_128,
            (Mapping::Generic, Cipher::Aes192) => oid::PACE_ECDH_GM_AES_CBC_CMAC_192,
            (Mapping::Generic, Cipher::Aes256) => oid::PACE_ECDH_GM_AES_CBC_CMAC_256,
            (Mapping::Integrated, Cipher::Aes128) => oid::PACE_ECDH_IM_AES_CBC_CMAC_128,
            (Mapping::Integrated, Cipher::Aes192) => oid::PACE_ECDH_IM_AES_CBC_CMAC_192,
            (Mapping::Integrated, Cipher::Aes256) => oid::PACE_ECDH_IM_AES_CBC_CMAC_256,
            (Mapping::ChipAuthentication, Cipher::Aes128) => oid::PACE_ECDH_CAM_AES_CBC_CMAC_128,
            (Mapping::ChipAuthentication, Cipher::Aes192) => oid::PACE_ECDH_CAM_AES_CBC_CMAC_192,
            (Mapping::ChipAuthentication, Cipher::Aes256) => oid::PACE_ECDH_CAM_AES_CBC_CMAC_256,
        }
    }

    /// Whether these three go together: integrated mapping needs a curve on which points can be encoded.
    pub const fn is_possible(self) -> bool {
        !matches!(self.mapping, Mapping::Integrated) || self.curve.has_point_encoding()
    }

    /// The parameters a protocol identifier and a standardised domain parameter number name, if implemented here.
    pub fn from_ids(protocol: ObjectIdentifier, parameter_id: u8) -> Option<Self> {
        let (mapping, cipher) = Self::mapping_and_cipher_of(protocol)?;
        let parameters = Self { mapping, curve: Curve::from_parameter_id(parameter_id)?, cipher };
        parameters.is_possible().then_some(parameters)
    }

    /// Mapping and cipher of a protocol identifier, if it is PACE with ECDH and AES.
    pub fn mapping_and_cipher_of(protocol: ObjectIdentifier) -> Option<(Mapping, Cipher)> {
        let all = Mapping::ALL.into_iter().flat_map(|mapping| Cipher::ALL.map(|cipher| (mapping, cipher)));
        all.into_iter()
            .find(|&(mapping, cipher)| Self { mapping, curve: Curve::P256, cipher }.protocol() == protocol)
    }

    /// The parameters of one SecurityInfo, if it is a PACEInfo of version 2 that is implemented here.
    // TR-03110-3 §A.1.1.1: version MUST be 2; parameterId names standardised domain parameters.
    pub fn from_info(info: &SecurityInfo) -> Option<Self> {
        match info {
            SecurityInfo::Pace { protocol, version: 2, parameter_id: Some(id) } => {
                Self::from_ids(*protocol, u8::try_from(*id).ok()?)
            }
            _ => None,
        }
    }

    /// Every PACEInfo of a card that is implemented here, in the card's order.
    pub fn offered(infos: &[SecurityInfo]) -> Vec<Self> {
        infos.iter().filter_map(Self::from_info).collect()
    }

    /// The strongest PACEInfo of a card: the longest curve, then the longest key, then generic mapping, then the card's own
    /// order. The order alone would be the choice of whoever sits between: EF.CardAccess is not signed, and the signed
    /// copies are sets.
    pub fn choose(infos: &[SecurityInfo]) -> Option<Self> {
        Self::choose_among(infos, &Mapping::ALL)
    }

    /// The strongest PACEInfo of a card with one of these mappings, preferred first.
    pub fn choose_among(infos: &[SecurityInfo], mappings: &[Mapping]) -> Option<Self> {
        let rank = |p: &Self| mappings.iter().position(|m| *m == p.mapping);
        let offered = Self::offered(infos).into_iter().filter(|p| rank(p).is_some());
        // `max_by_key` takes the last of equals; the card's first is wanted.
        offered
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .max_by_key(|p| (p.curve.field_len(), p.cipher.key_len(), std::cmp::Reverse(rank(p))))
    }

    /// The PACEInfo that announces these parameters.
    pub fn info(self) -> SecurityInfo {
        SecurityInfo::Pace {
            protocol: self.protocol(),
            version: 2,
            parameter_id: Some(u64::from(self.curve.parameter_id())),
        }
    }
}

/// Tag of the dynamic authentication data template.
const DYNAMIC_AUTHENTICATION_DATA: u32 = 0x7C;
const ENCRYPTED_NONCE: u32 = 0x80;
const MAPPING_TERMINAL: u32 = 0x81;
const MAPPING_CHIP: u32 = 0x82;
const EPHEMERAL_TERMINAL: u32 = 0x83;
const EPHEMERAL_CHIP: u32 = 0x84;
const TOKEN_TERMINAL: u32 = 0x85;
const TOKEN_CHIP: u32 = 0x86;
const CERTIFICATION_AUTHORITY: u32 = 0x87;
const CERTIFICATION_AUTHORITY_PREVIOUS: u32 = 0x88;
const CHIP_AUTHENTICATION_DATA: u32 = 0x8A;

/// Block length of AES, and length of the nonce we choose.
const BLOCK: usize = 16;
/// The longest nonce accepted from a chip.
const MAX_NONCE: usize = 64;
const TOKEN_LEN: usize = 8;

/// 7C with one data object in it.
fn template(tag: u32, value: &[u8]) -> Vec<u8> {
    tlv::encode(DYNAMIC_AUTHENTICATION_DATA, &tlv::encode(tag, value))
}

/// The value of the one data object `tag` that a 7C template must hold.
fn sole_object(data: &[u8], tag: u32, step: Step) -> Result<&[u8], Error> {
    let template = tlv::expect(data, DYNAMIC_AUTHENTICATION_DATA).map_err(|_| Error::Malformed(step))?;
    let object = tlv::expect(template.value, tag).map_err(|_| Error::Malformed(step))?;
    Ok(object.value)
}

/// A public key as received: on the curve, not at infinity, and not the one we sent.
// ICAO 9303-11 §4.4.1 step 3: each party checks that the public keys differ. TR-03110-3 §A.2.1.2.
fn peer_key(curve: Curve, encoded: &[u8], own: &Point, step: Step) -> Result<Point, Error> {
    let point = Point::from_uncompressed(curve, encoded).map_err(|_| Error::InvalidPoint(step))?;
    if point == *own {
        return Err(Error::SameKey(step));
    }
    Ok(point)
}

/// K_enc and K_mac of one run.
struct SessionKeys {
    enc: SecretBytes,
    mac: SecretBytes,
}

impl SessionKeys {
    // ICAO 9303-11 §9.7.2 (PACE): K_enc = KDF(K, 1), K_mac = KDF(K, 2); K is the x-coordinate, fixed length.
    fn derive(shared: &SecretBytes, cipher: Cipher) -> Self {
        Self {
            enc: kdf::kdf(shared.expose(), kdf::ENC, cipher),
            mac: kdf::kdf(shared.expose(), kdf::MAC, cipher),
        }
    }

    /// The token over a public key of the *other* party.
    // ICAO 9303-11 §4.4.4.4 and §9.4.5: MAC over the public key data object 7F49 with protocol and point.
    fn token(&self, protocol: ObjectIdentifier, key: &Point) -> Result<[u8; TOKEN_LEN], Error> {
        let object = [tlv::encode_oid(protocol), tlv::encode(0x86, key.as_uncompressed())].concat();
        let mac = aes::cmac(self.mac.expose(), &[&tlv::encode(0x7F49, &object)]);
        let mac = mac.map_err(|_| Error::Crypto)?;
        let mut token = [0; TOKEN_LEN];
        token.copy_from_slice(&mac[..TOKEN_LEN]);
        Ok(token)
    }

    fn terminal(&self) -> Result<sm::Terminal, Error> {
        sm::Terminal::new(&self.enc, &self.mac)
    }

    fn chip(&self) -> Result<sm::Chip, Error> {
        sm::Chip::new(&self.enc, &self.mac)
    }
}
