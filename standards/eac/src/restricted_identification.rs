//! Restricted Identification (TR-03110-2 §3.5, TR-03110-3 §B.4): an identifier of the card that differs from sector to
//! sector, so that nobody can connect what one person does in two of them.
//!
//! ```text
//! MSE:Set AT 00 22 41 A4 { 80 RI, 84 key }                     ->  9000
//! GENERAL AUTHENTICATE 7C { A0 first sector key [A2 second] }  ->  7C { 81 first identifier [83 second] }
//! ```
//! EF.CardSecurity announces it: RestrictedIdentificationInfo with the protocol and the number of the key, and the domain
//! parameters (TR-03110-3 §A.1.1.5). Optional: a card has it if it was given a key for it. The hash of each sector key must be
//! in the terminal's certificate. Two sectors at once are for a service that moves from one to the other.

use apdu::{Command, Response};
use const_oid::ObjectIdentifier;
use curve::{Curve, Hash, Point, SecretKey};
use tlv::oid;

use crate::Error;
use crate::chip_authentication::SetAuthenticationTemplate;
use crate::cvc::{CvcError, Domain, Extensions, PublicKeyObject, encode_object};
use crate::error::Step;
use crate::security_infos::SecurityInfo;

const DYNAMIC_AUTHENTICATION_DATA: u32 = 0x7C;
const SECTOR_KEYS: [u32; 2] = [0xA0, 0xA2];
const IDENTIFIERS: [u32; 2] = [0x81, 0x83];
const PUBLIC_KEY: u32 = 0x7F49;
const STEP: Step = Step::RestrictedIdentification;
const MALFORMED: Error = Error::Malformed(STEP);

/// id-RI-ECDH.
const RI_ECDH: ObjectIdentifier = ObjectIdentifier::new_unwrap("0.4.0.127.0.7.2.2.5.2");

/// What a card with a key for it announces: for authorised terminals only, on the domain parameters of `curve`.
// TR-03110-3 §A.1.1.5: SEQUENCE { protocol, SEQUENCE { version 1, keyId, authorizedOnly } }.
pub fn infos(hash: Hash, key_id: u8, curve: Curve) -> Option<[SecurityInfo; 2]> {
    let (protocol, number) = (protocol(hash)?, |n: u8| tlv::integer_unsigned(&[n]));
    let parameters = tlv::sequence(&[&number(1), &number(key_id), &tlv::encode(0x01, &[0xFF])]);
    let info = tlv::sequence(&[&tlv::encode_oid(protocol), &parameters]);
    let algorithm = tlv::sequence(&[
        &tlv::encode_oid(oid::STANDARDIZED_DOMAIN_PARAMETERS),
        &number(curve.parameter_id()),
    ]);
    let domain = tlv::sequence(&[&tlv::encode_oid(RI_ECDH), &algorithm]);
    Some([
        SecurityInfo::Unknown { protocol, der: info },
        SecurityInfo::Unknown { protocol: RI_ECDH, der: domain },
    ])
}

/// Hash and number of the first key among the SecurityInfos.
pub fn announced(infos: &[SecurityInfo]) -> Option<(Hash, u64)> {
    infos.iter().find_map(|info| {
        let SecurityInfo::Unknown { protocol, der } = info else { return None };
        let hash = hash_of(*protocol)?;
        let mut reader = tlv::expect(der, 0x30).ok()?.children();
        reader.expect(0x06).ok()?;
        let mut parameters = reader.expect(0x30).ok()?.children();
        (parameters.expect(0x02).ok()?.value == [1]).then_some(())?;
        match parameters.expect(0x02).ok()?.value {
            id @ [_, ..] if id.len() <= 4 => {
                Some((hash, id.iter().fold(0, |id, byte| id << 8 | u64::from(*byte))))
            }
            _ => None,
        }
    })
}

/// MSE:Set AT for a key of the card.
pub fn set_at(hash: Hash, key_id: u64) -> Result<Command, Error> {
    let protocol = protocol(hash).ok_or(Error::Unsupported)?;
    Ok(SetAuthenticationTemplate { protocol, key_id: Some(key_id) }.command())
}

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

/// The public key of a sector: a point with its domain parameters, for one of the protocols.
///
/// Who has the private half can tell what a card is called in another sector that it asked in, and so connect sectors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SectorKey {
    hash: Hash,
    domain: Domain,
    point: Vec<u8>,
    raw: Vec<u8>,
}

impl SectorKey {
    /// The sector of a point, for id-RI-ECDH with `hash`.
    // TR-03110-3 §D.3.3: the object identifier of a sector's key is that of the protocol, not one of Terminal Authentication.
    pub fn new(point: &Point, hash: Hash) -> Result<Self, Error> {
        let raw = encode_object(protocol(hash).ok_or(Error::Unsupported)?, point, true);
        Ok(Self { hash, domain: Domain::Explicit(point.curve()), point: point.to_uncompressed(), raw })
    }

    /// Reads the data object 7F49.
    pub fn parse(input: &[u8]) -> Result<Self, Error> {
        let object = PublicKeyObject::parse(input, |identifier| {
            let protocol = ObjectIdentifier::from_bytes(identifier).ok();
            protocol.and_then(hash_of).ok_or(CvcError::UnsupportedKey)
        })?;
        let (point, raw) = (object.point.to_vec(), object.raw.to_vec());
        Ok(Self { hash: object.hash, domain: object.domain, point, raw })
    }

    /// Reads data objects 7F49, one after the other.
    pub fn parse_all(input: &[u8]) -> Result<Vec<Self>, Error> {
        let objects = tlv::read_all(input).map_err(|_| MALFORMED)?;
        objects.iter().map(|object| Self::parse(object.raw)).collect()
    }

    /// The data object 7F49, whose hash stands in a terminal's certificate.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// The hash that makes the identifiers of this sector.
    pub const fn hash(&self) -> Hash {
        self.hash
    }

    /// The point, if it is one of the curve that the key spells out.
    pub fn point(&self) -> Result<Point, Error> {
        let Domain::Explicit(curve) = self.domain else { return Err(Error::Unsupported) };
        Point::from_uncompressed(curve, &self.point).map_err(|_| Error::InvalidPoint(STEP))
    }
}

/// The chip's side: takes the data field of GENERAL AUTHENTICATE, gives that of the response. `hash` is that of the protocol
/// which MSE:Set AT named, `extensions` are those of the terminal's certificate, `certificate_hash` is the hash of the key in it.
// TR-03110-3 §B.4: the sector key is compared with the certificate by the hash of its data object 7F49, before it is used for
// anything; the identifier is the hash of the shared secret.
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
        let sector = SectorKey::parse(&key)?;
        if sector.hash != hash {
            return Err(Error::Unsupported);
        }
        // Whoever certified the hash may be the attacker: a point of another curve would give the key away piece by piece.
        let shared = secret.agree(&sector.point()?).map_err(|_| Error::InvalidPoint(STEP))?;
        identifiers.extend(tlv::encode(IDENTIFIERS[index], &hash.digest(shared.expose())));
    }
    Ok(tlv::encode(DYNAMIC_AUTHENTICATION_DATA, &identifiers))
}

/// What a card is called in the sectors it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identifiers {
    /// In the first sector of the terminal's certificate.
    pub first: Vec<u8>,
    /// In the second, if that was asked for.
    pub second: Option<Vec<u8>>,
}

/// The terminal's side: GENERAL AUTHENTICATE for the identifiers in the sectors of these public keys.
pub fn command(first: &SectorKey, second: Option<&SectorKey>) -> Result<Command, Error> {
    let mut keys = Vec::new();
    for (tag, key) in SECTOR_KEYS.into_iter().zip([Some(first), second]) {
        if let Some(key) = key {
            keys.extend(tlv::encode(tag, tlv::expect(key.raw(), PUBLIC_KEY)?.value));
        }
    }
    let data = tlv::encode(DYNAMIC_AUTHENTICATION_DATA, &keys);
    Ok(Command::new(0x00, 0x86, 0x00, 0x00).with_data(data).with_le(256))
}

/// The identifiers in the card's answer.
pub fn identifiers(response: &Response) -> Result<Identifiers, Error> {
    if !response.sw.is_ok() {
        return Err(Error::Refused { step: STEP, sw: response.sw });
    }
    let template = tlv::expect(&response.data, DYNAMIC_AUTHENTICATION_DATA).map_err(|_| MALFORMED)?;
    let objects = tlv::read_all(template.value).map_err(|_| MALFORMED)?;
    match objects.as_slice() {
        [first] if first.tag == IDENTIFIERS[0] => {
            Ok(Identifiers { first: first.value.to_vec(), second: None })
        }
        [first, second] if [first.tag, second.tag] == IDENTIFIERS => {
            Ok(Identifiers { first: first.value.to_vec(), second: Some(second.value.to_vec()) })
        }
        _ => Err(MALFORMED),
    }
}
