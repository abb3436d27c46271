//! Restricted Identification (TR-03110-2 §3.5, TR-03110-3 §B.4): an identifier of the card that differs from sector to
//! sector, so that nobody can connect what one person does in two of them.
//!
//! ```text
//! MSE:Set AT 00 22 41 A4 { 80 RI, 84 key }                     ->  9000
//! GENERAL AUTHENTICATE 7C { A0 first sector key [A2 second] }  ->  7C { 81 first identifier [83 second] }
//! ```
//! Optional: a card has it if it was given a key for it. The hash of each sector key must be in the terminal's certificate.

use apdu::{Command, Response};
use const_oid::ObjectIdentifier;
use curve::{Hash, SecretKey};
use tlv::oid;

use crate::Error;
use crate::cvc::{Extensions, PublicKey};
use crate::error::Step;

const DYNAMIC_AUTHENTICATION_DATA: u32 = 0x7C;
const SECTOR_KEYS: [u32; 2] = [0xA0, 0xA2];
const IDENTIFIERS: [u32; 2] = [0x81, 0x83];
const PUBLIC_KEY: u32 = 0x7F49;
const STEP: Step = Step::RestrictedIdentification;
const MALFORMED: Error = Error::Malformed(STEP);

/// id-RI-ECDH with `hash`; SHA-256, SHA-384 and SHA-512 are in use.
pub const fn protocol(hash: Hash) -> Option<ObjectIdentifier> {
    match hash {
        Hash::Sha256 => Some(oid::RI_ECDH_SHA256),
        Hash::Sha384 => Some(oid::RI_ECDH_SHA384),
        Hash::Sha512 => Some(oid::RI_ECDH_SHA512),
        _ => None,
    }
}

/// The hash of a protocol identifier below id-RI-ECDH.
pub fn hash_of(oid: ObjectIdentifier) -> Option<Hash> {
    [Hash::Sha256, Hash::Sha384, Hash::Sha512].into_iter().find(|hash| protocol(*hash) == Some(oid))
}

/// The chip's side: takes the data field of GENERAL AUTHENTICATE, gives that of the response. `extensions` are those of the
/// terminal's certificate, `certificate_hash` the hash of the key in it.
// TR-03110-3 §B.4: the sector key is compared with the certificate by the hash of its data object 7F49; the identifier is
// the hash of the shared secret.
pub fn identify(
    secret: &SecretKey,
    hash: Hash,
    extensions: &Extensions,
    certificate_hash: Hash,
    data: &[u8],
) -> Result<Vec<u8>, Error> {
    let template = tlv::expect(data, DYNAMIC_AUTHENTICATION_DATA).map_err(|_| MALFORMED)?;
    let objects = tlv::read_all(template.value).map_err(|_| MALFORMED)?;
    let in_order = matches!(objects.len(), 1 | 2) && objects.windows(2).all(|pair| pair[0].tag < pair[1].tag);
    if !in_order || objects.iter().any(|object| !SECTOR_KEYS.contains(&object.tag)) {
        return Err(MALFORMED);
    }
    let (first, second) = extensions.sector_hashes();
    let mut identifiers = Vec::new();
    for object in objects {
        let index = usize::from(object.tag == SECTOR_KEYS[1]);
        let key = tlv::encode(PUBLIC_KEY, object.value);
        let expected = [first, second][index].ok_or(Error::NotFound(STEP))?;
        if certificate_hash.digest(&key) != expected {
            return Err(Error::NotFound(STEP));
        }
        let sector = PublicKey::parse(&key)?.resolve(Some(secret.curve()))?;
        let shared = secret.agree(sector.point()).map_err(|_| Error::InvalidPoint(STEP))?;
        identifiers.extend(tlv::encode(IDENTIFIERS[index], &hash.digest(shared.expose())));
    }
    Ok(tlv::encode(DYNAMIC_AUTHENTICATION_DATA, &identifiers))
}

/// The terminal's side: GENERAL AUTHENTICATE for the identifier in the sector of `key`, a data object 7F49.
pub fn command(key: &PublicKey) -> Result<Command, Error> {
    let value = tlv::expect(key.raw(), PUBLIC_KEY)?.value;
    let data = tlv::encode(DYNAMIC_AUTHENTICATION_DATA, &tlv::encode(SECTOR_KEYS[0], value));
    Ok(Command::new(0x00, 0x86, 0x00, 0x00).with_data(data).with_le(256))
}

/// The identifier in the card's answer.
pub fn identifier(response: &Response) -> Result<Vec<u8>, Error> {
    if !response.sw.is_ok() {
        return Err(Error::Refused { step: STEP, sw: response.sw });
    }
    let template = tlv::expect(&response.data, DYNAMIC_AUTHENTICATION_DATA).map_err(|_| MALFORMED)?;
    Ok(tlv::expect(template.value, IDENTIFIERS[0]).map_err(|_| MALFORMED)?.value.to_vec())
}
