//! Terminal Authentication, version 2 (TR-03110-2 §3.3, TR-03110-3 §B.3 and §B.11).
//!
//! [`terminal`] presents a chain of certificates and signs the card's challenge, [`chip`] verifies both. Everything runs
//! inside the secure channel of PACE.
//!
//! ```text
//! terminal                                                   chip
//! MSE:Set DST   00 22 81 B6 { 83 authority }           ->    9000        for each certificate
//! PSO:Verify    00 2A 00 BE { 7F4E body, 5F37 sig }    ->    9000
//! MSE:Set AT    00 22 81 A4 { 80 TA, 83 holder, 67 auxiliary data, 91 Comp(PK) }  ->  9000
//! GET CHALLENGE 00 84 00 00                            ->    r           eight bytes; may come earlier
//! EXTERNAL AUTHENTICATE 00 82 00 00 { s }              ->    9000        s over ID_PICC, r, Comp(PK), auxiliary data
//! ```
//! PK is the ephemeral key that Chip Authentication uses afterwards. Version 1 and RSA keys are left out.

pub mod chip;
pub mod terminal;

use apdu::Command;
use const_oid::ObjectIdentifier;
use tlv::Reader;

use crate::Error;
use crate::auxiliary_data::{AUXILIARY_DATA, AuxiliaryData};
use crate::cvc::{Certificate, Reference};
use crate::error::Step;

/// Bytes of the challenge.
// TR-03110-3 §B.11.5.
pub const CHALLENGE_LEN: usize = 8;

const PROTOCOL: u32 = 0x80;
const REFERENCE: u32 = 0x83;
const EPHEMERAL_KEY: u32 = 0x91;

/// MSE:Set DST, 00 22 81 B6: the key that verifies the next certificate.
// TR-03110-3 §B.11.2.
pub fn set_dst(authority: &Reference) -> Command {
    Command::new(0x00, 0x22, 0x81, 0xB6).with_data(tlv::encode(REFERENCE, authority.as_bytes()))
}

/// Reads the data field of MSE:Set DST.
pub fn parse_set_dst(data: &[u8]) -> Result<Reference, Error> {
    const MALFORMED: Error = Error::Malformed(Step::SetDigitalSignatureTemplate);
    let object = tlv::expect(data, REFERENCE).map_err(|_| MALFORMED)?;
    Reference::from_bytes(object.value).map_err(|_| MALFORMED)
}

/// PSO:Verify Certificate, 00 2A 00 BE.
// TR-03110-3 §B.11.3.
pub fn verify_certificate(certificate: &Certificate) -> Command {
    Command::new(0x00, 0x2A, 0x00, 0xBE).with_data(certificate.to_parts())
}

/// GET CHALLENGE, 00 84 00 00.
pub fn get_challenge() -> Command {
    Command::new(0x00, 0x84, 0x00, 0x00).with_le(CHALLENGE_LEN as u32)
}

/// EXTERNAL AUTHENTICATE, 00 82 00 00.
// TR-03110-3 §B.11.6.
pub fn external_authenticate(signature: &[u8]) -> Command {
    Command::new(0x00, 0x82, 0x00, 0x00).with_data(signature)
}

/// The data field of MSE:Set AT for Terminal Authentication, 00 22 81 A4 (TR-03110-3 §B.11.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAuthenticationTemplate {
    /// Data object 80: id-TA with the hash of the terminal's key.
    pub protocol: ObjectIdentifier,
    /// Data object 83: whose key signs.
    pub holder: Reference,
    /// Data object 67, whole: auxiliary data, empty where there are none.
    pub auxiliary_data: Vec<u8>,
    /// Data object 91: the compressed ephemeral key for Chip Authentication.
    pub compressed_key: Vec<u8>,
}

impl SetAuthenticationTemplate {
    /// The command.
    pub fn command(&self) -> Command {
        let mut data = tlv::encode(PROTOCOL, self.protocol.as_bytes());
        data.extend(tlv::encode(REFERENCE, self.holder.as_bytes()));
        data.extend(&self.auxiliary_data);
        data.extend(tlv::encode(EPHEMERAL_KEY, &self.compressed_key));
        Command::new(0x00, 0x22, 0x81, 0xA4).with_data(data)
    }

    /// Reads the data field. Data objects that are not known are passed over, doubled ones refused.
    pub fn parse(data: &[u8]) -> Result<Self, Error> {
        const MALFORMED: Error = Error::Malformed(Step::SetAuthenticationTemplate);
        let (mut protocol, mut holder, mut auxiliary, mut key) = (None, None, None, None);
        for object in Reader::new(data) {
            let object = object.map_err(|_| MALFORMED)?;
            let doubled = match object.tag {
                PROTOCOL => {
                    let oid = ObjectIdentifier::from_bytes(object.value).map_err(|_| MALFORMED)?;
                    protocol.replace(oid).is_some()
                }
                REFERENCE => {
                    holder.replace(Reference::from_bytes(object.value).map_err(|_| MALFORMED)?).is_some()
                }
                AUXILIARY_DATA => auxiliary.replace(object.raw.to_vec()).is_some(),
                EPHEMERAL_KEY => key.replace(object.value.to_vec()).is_some(),
                _ => false,
            };
            if doubled {
                return Err(MALFORMED);
            }
        }
        let auxiliary_data = auxiliary.unwrap_or_default();
        if !auxiliary_data.is_empty() {
            AuxiliaryData::parse(&auxiliary_data)?;
        }
        match (protocol, holder, key) {
            (Some(protocol), Some(holder), Some(compressed_key)) => {
                Ok(Self { protocol, holder, auxiliary_data, compressed_key })
            }
            _ => Err(MALFORMED),
        }
    }
}

/// What is signed.
// TR-03110-3 §B.3: ID_PICC || r_PICC || Comp(PK_PCD) || A_PCD, the auxiliary data with tag and length.
fn message<'a>(
    id_picc: &'a [u8],
    challenge: &'a [u8],
    compressed_key: &'a [u8],
    auxiliary_data: &'a [u8],
) -> [&'a [u8]; 4] {
    [id_picc, challenge, compressed_key, auxiliary_data]
}
