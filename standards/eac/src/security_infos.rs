//! SecurityInfos: what a card says about the protocols it speaks, in EF.CardAccess, DG14 and EF.CardSecurity
//! (TR-03110-3 §A.1.1, ICAO 9303-11 §9.2 and 9303-10 §4.7.14).
//!
//! ```text
//! SecurityInfos ::= SET OF SecurityInfo
//! SecurityInfo  ::= SEQUENCE { protocol OBJECT IDENTIFIER, requiredData ANY, optionalData ANY OPTIONAL }
//! ```
//! Infos that are not known are kept as they are, so that encoding gives back what was parsed.

use const_oid::ObjectIdentifier;
use curve::Curve;
use tlv::{Reader, oid};

use crate::{Cipher, Error};

const INTEGER: u32 = 0x02;
const BIT_STRING: u32 = 0x03;
const OBJECT_IDENTIFIER: u32 = 0x06;
const SEQUENCE: u32 = 0x30;
const SET: u32 = 0x31;

/// One SecurityInfo.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecurityInfo {
    /// PACEInfo.
    Pace {
        /// An identifier below id-PACE.
        protocol: ObjectIdentifier,
        /// 2 for what this project implements.
        version: u64,
        /// Standardised domain parameters, or the index of a PACEDomainParameterInfo.
        parameter_id: Option<u64>,
    },
    /// ActiveAuthenticationInfo.
    ActiveAuthentication {
        /// 1.
        version: u64,
        /// Signature algorithm: ecdsa-plain with its hash.
        signature_algorithm: ObjectIdentifier,
    },
    /// ChipAuthenticationInfo.
    ChipAuthentication {
        /// An identifier below id-CA.
        protocol: ObjectIdentifier,
        /// 1, 2 or 3.
        version: u64,
        /// Which of several keys.
        key_id: Option<u64>,
    },
    /// ChipAuthenticationDomainParameterInfo with standardised domain parameters.
    ChipAuthenticationDomainParameter {
        /// id-CA-DH or id-CA-ECDH.
        protocol: ObjectIdentifier,
        /// Number of the standardised domain parameters.
        parameter_id: u64,
        /// Which of several keys.
        key_id: Option<u64>,
    },
    /// ChipAuthenticationPublicKeyInfo.
    ChipAuthenticationPublicKey {
        /// id-PK-DH or id-PK-ECDH.
        protocol: ObjectIdentifier,
        /// The SubjectPublicKeyInfo, DER.
        spki: Vec<u8>,
        /// Which of several keys.
        key_id: Option<u64>,
    },
    /// TerminalAuthenticationInfo.
    TerminalAuthentication {
        /// 1 or 2.
        version: u64,
    },
    /// Anything else, or a known protocol in a form not covered above (explicit domain parameters, for example).
    Unknown {
        /// Its protocol.
        protocol: ObjectIdentifier,
        /// The whole SecurityInfo, DER.
        der: Vec<u8>,
    },
}

/// id-PACE.
const PACE: ObjectIdentifier = ObjectIdentifier::new_unwrap("0.4.0.127.0.7.2.2.4");
/// id-CA.
const CHIP_AUTHENTICATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("0.4.0.127.0.7.2.2.3");
/// id-CA-ECDH.
const CHIP_AUTHENTICATION_ECDH: ObjectIdentifier = ObjectIdentifier::new_unwrap("0.4.0.127.0.7.2.2.3.2");
/// id-PK.
const PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("0.4.0.127.0.7.2.2.1");

impl SecurityInfo {
    /// ActiveAuthenticationInfo for ECDSA with `hash` (ICAO 9303-11 §9.2.6).
    pub const fn active_authentication(signature_algorithm: ObjectIdentifier) -> Self {
        Self::ActiveAuthentication { version: 1, signature_algorithm }
    }

    /// TerminalAuthenticationInfo of version 2 (TR-03110-3 §A.1.1.4).
    pub const fn terminal_authentication() -> Self {
        Self::TerminalAuthentication { version: 2 }
    }

    /// ChipAuthenticationInfo of version 2 for ECDH with `cipher` (TR-03110-3 §A.1.1.2).
    pub const fn chip_authentication(cipher: Cipher, key_id: Option<u64>) -> Self {
        let protocol = match cipher {
            Cipher::Aes128 => oid::CA_ECDH_AES_CBC_CMAC_128,
            Cipher::Aes192 => oid::CA_ECDH_AES_CBC_CMAC_192,
            Cipher::Aes256 => oid::CA_ECDH_AES_CBC_CMAC_256,
        };
        Self::ChipAuthentication { protocol, version: 2, key_id }
    }

    /// ChipAuthenticationDomainParameterInfo for `curve`.
    pub fn chip_authentication_domain(curve: Curve, key_id: Option<u64>) -> Self {
        let parameter_id = u64::from(curve.parameter_id());
        Self::ChipAuthenticationDomainParameter { protocol: CHIP_AUTHENTICATION_ECDH, parameter_id, key_id }
    }

    /// ChipAuthenticationPublicKeyInfo for a public key in the form of TR-03110: standardised domain parameters as
    /// algorithm (§A.1.1.3, §A.2.1.1), the point as key.
    pub fn chip_authentication_public_key(key: &curve::Point, key_id: Option<u64>) -> Self {
        let algorithm = tlv::sequence(&[
            &tlv::encode_oid(oid::STANDARDIZED_DOMAIN_PARAMETERS),
            &tlv::integer_unsigned(&[key.curve().parameter_id()]),
        ]);
        let mut bits = vec![0];
        bits.extend(key.to_uncompressed());
        let spki = tlv::sequence(&[&algorithm, &tlv::encode(0x03, &bits)]);
        Self::ChipAuthenticationPublicKey { protocol: oid::PK_ECDH, spki, key_id }
    }

    /// The point of a ChipAuthenticationPublicKeyInfo, with standardised domain parameters (TR-03110-3 §A.1.1.3) or a named
    /// curve (RFC 5480).
    pub fn chip_authentication_key(&self) -> Option<curve::Point> {
        let Self::ChipAuthenticationPublicKey { spki, .. } = self else { return None };
        if let Ok(point) = curve::point_from_spki(spki) {
            return Some(point);
        }
        let mut spki = tlv::expect(spki, SEQUENCE).ok()?.children();
        let mut algorithm = spki.expect(SEQUENCE).ok()?.children();
        let standardized = algorithm.expect(OBJECT_IDENTIFIER).ok()?;
        if standardized.value != oid::STANDARDIZED_DOMAIN_PARAMETERS.as_bytes() {
            return None;
        }
        let curve = Curve::from_parameter_id(u8::try_from(integer(&mut algorithm)?).ok()?)?;
        algorithm.finish().ok()?;
        let bits = spki.expect(BIT_STRING).ok()?;
        spki.finish().ok()?;
        let (0, encoded) = bits.value.split_first().map(|(unused, rest)| (*unused, rest))? else {
            return None;
        };
        curve::Point::from_uncompressed(curve, encoded).ok()
    }

    /// The protocol identifier.
    pub fn protocol(&self) -> ObjectIdentifier {
        match self {
            Self::Pace { protocol, .. }
            | Self::ChipAuthentication { protocol, .. }
            | Self::ChipAuthenticationDomainParameter { protocol, .. }
            | Self::ChipAuthenticationPublicKey { protocol, .. }
            | Self::Unknown { protocol, .. } => *protocol,
            Self::ActiveAuthentication { .. } => oid::ACTIVE_AUTHENTICATION,
            Self::TerminalAuthentication { .. } => oid::TERMINAL_AUTHENTICATION,
        }
    }

    /// Reads one SecurityInfo. It must be a SEQUENCE that begins with an identifier; whatever else does not fit makes it
    /// [`SecurityInfo::Unknown`].
    pub fn parse(der: &[u8]) -> Result<Self, Error> {
        let mut reader = tlv::expect(der, SEQUENCE)?.children();
        let protocol = reader.expect(OBJECT_IDENTIFIER)?;
        let protocol = ObjectIdentifier::from_bytes(protocol.value)
            .map_err(|_| tlv::Error::Unexpected { expected: OBJECT_IDENTIFIER, found: 0 })?;
        let unknown = Self::Unknown { protocol, der: der.to_vec() };
        Ok(Self::parse_known(protocol, reader).unwrap_or(unknown))
    }

    fn parse_known(protocol: ObjectIdentifier, mut reader: Reader<'_>) -> Option<Self> {
        let info = if below(protocol, PACE, 2) {
            let version = integer(&mut reader)?;
            Self::Pace { protocol, version, parameter_id: optional_integer(&mut reader)? }
        } else if protocol == oid::ACTIVE_AUTHENTICATION {
            let version = integer(&mut reader)?;
            let algorithm = reader.expect(OBJECT_IDENTIFIER).ok()?;
            let signature_algorithm = ObjectIdentifier::from_bytes(algorithm.value).ok()?;
            Self::ActiveAuthentication { version, signature_algorithm }
        } else if below(protocol, CHIP_AUTHENTICATION, 2) {
            let version = integer(&mut reader)?;
            Self::ChipAuthentication { protocol, version, key_id: optional_integer(&mut reader)? }
        } else if below(protocol, CHIP_AUTHENTICATION, 1) {
            let mut algorithm = reader.expect(SEQUENCE).ok()?.children();
            let standardized = algorithm.expect(OBJECT_IDENTIFIER).ok()?;
            if standardized.value != oid::STANDARDIZED_DOMAIN_PARAMETERS.as_bytes() {
                return None;
            }
            let parameter_id = integer(&mut algorithm)?;
            algorithm.finish().ok()?;
            let key_id = optional_integer(&mut reader)?;
            Self::ChipAuthenticationDomainParameter { protocol, parameter_id, key_id }
        } else if below(protocol, PUBLIC_KEY, 1) {
            let spki = reader.expect(SEQUENCE).ok()?.raw.to_vec();
            Self::ChipAuthenticationPublicKey { protocol, spki, key_id: optional_integer(&mut reader)? }
        } else if protocol == oid::TERMINAL_AUTHENTICATION {
            Self::TerminalAuthentication { version: integer(&mut reader)? }
        } else {
            return None;
        };
        // Anything more (an efCVCA in TerminalAuthenticationInfo) is kept only in the unknown form.
        reader.finish().ok()?;
        Some(info)
    }

    /// The DER encoding.
    pub fn encode(&self) -> Vec<u8> {
        let protocol = tlv::encode_oid(self.protocol());
        let optional = |id: &Option<u64>| id.map(encode_integer).unwrap_or_default();
        match self {
            Self::Pace { version, parameter_id, .. } => {
                tlv::sequence(&[&protocol, &encode_integer(*version), &optional(parameter_id)])
            }
            Self::ActiveAuthentication { version, signature_algorithm } => {
                tlv::sequence(&[&protocol, &encode_integer(*version), &tlv::encode_oid(*signature_algorithm)])
            }
            Self::ChipAuthentication { version, key_id, .. } => {
                tlv::sequence(&[&protocol, &encode_integer(*version), &optional(key_id)])
            }
            Self::ChipAuthenticationDomainParameter { parameter_id, key_id, .. } => {
                let algorithm = tlv::sequence(&[
                    &tlv::encode_oid(oid::STANDARDIZED_DOMAIN_PARAMETERS),
                    &encode_integer(*parameter_id),
                ]);
                tlv::sequence(&[&protocol, &algorithm, &optional(key_id)])
            }
            Self::ChipAuthenticationPublicKey { spki, key_id, .. } => {
                tlv::sequence(&[&protocol, spki, &optional(key_id)])
            }
            Self::TerminalAuthentication { version } => {
                tlv::sequence(&[&protocol, &encode_integer(*version)])
            }
            Self::Unknown { der, .. } => der.clone(),
        }
    }
}

/// Reads a SET OF SecurityInfo. The order is kept, whether it is that of DER or the issuer's own.
pub fn parse_set(der: &[u8]) -> Result<Vec<SecurityInfo>, Error> {
    tlv::expect(der, SET)?.children().map(|info| SecurityInfo::parse(info?.raw)).collect()
}

/// Like [`parse_set`], for a file as read from a card: bytes after the SET are passed over.
pub fn parse_file(content: &[u8]) -> Result<Vec<SecurityInfo>, Error> {
    parse_set(tlv::read_one(content)?.0.raw)
}

/// Writes the infos as DER, which sorts a SET OF by its encodings.
pub fn encode_set(infos: &[SecurityInfo]) -> Vec<u8> {
    let encoded: Vec<Vec<u8>> = infos.iter().map(SecurityInfo::encode).collect();
    tlv::set(&encoded.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

/// Writes the infos in the order given. Valid BER: for EF.CardAccess, where readers take the first PACEInfo they know, and
/// the issuer's preference would be lost by sorting.
pub fn encode_set_in_order(infos: &[SecurityInfo]) -> Vec<u8> {
    tlv::encode(SET, &infos.iter().flat_map(SecurityInfo::encode).collect::<Vec<u8>>())
}

/// Whether `oid` lies exactly `levels` arcs below `root`.
fn below(oid: ObjectIdentifier, root: ObjectIdentifier, levels: usize) -> bool {
    oid.as_bytes().starts_with(root.as_bytes()) && oid.len() == root.len() + levels
}

fn integer(reader: &mut Reader<'_>) -> Option<u64> {
    let value = reader.expect(INTEGER).ok()?.value;
    // Non-negative and of at most eight bytes; anything else is not a number these structures can mean.
    match value {
        [first, ..] if first & 0x80 == 0 && value.len() <= 8 => {
            Some(value.iter().fold(0, |n, byte| n << 8 | u64::from(*byte)))
        }
        _ => None,
    }
}

/// `Some(None)` at the end of the input.
fn optional_integer(reader: &mut Reader<'_>) -> Option<Option<u64>> {
    if reader.is_empty() { Some(None) } else { integer(reader).map(Some) }
}

fn encode_integer(value: u64) -> Vec<u8> {
    tlv::integer_unsigned(&value.to_be_bytes())
}
