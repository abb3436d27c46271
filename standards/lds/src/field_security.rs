//! The security object of the Encrypted Zone (DOCPKI-04): a hash for every field, so that whoever may read two fields
//! verifies these two and learns nothing of the others.
//!
//! ```text
//! FieldSecurityObject ::= SEQUENCE {
//!     version        INTEGER (0),
//!     hashAlgorithm  AlgorithmIdentifier,
//!     chipKey        OCTET STRING,              -- hash of the chip authentication key, uncompressed point
//!     sequence       INTEGER (0..65535),        -- 0 at personalisation, one more with every update
//!     fields         SEQUENCE OF SEQUENCE { number INTEGER (1..22), hash OCTET STRING } }  -- ascending
//! ```
//!
//! A sex or a place of birth is guessed from its hash in a moment. So each file ends with a salt of its own, 32 bytes that
//! are read with the field and with nothing else; the hash covers the whole file. The salt is derived from a key of the
//! issuer ([`salt`]): the same card, field and sequence give the same bytes, and the issuer compares a card's hash with
//! what it should be without reading the field ([`FieldSecurityObject::holds`], OPEN-41).
//!
//! The object names the chip by its key, because a zone copied into another chip must not verify (DOCPKI-07), and carries a
//! sequence number, because an older zone must not replace a newer one (DOCPKI-15).

use std::collections::BTreeMap;

use const_oid::ObjectIdentifier;
use curve::{Hash, SecretBytes};

use crate::Error;

/// The hashes of the fields of one chip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldSecurityObject {
    /// The hash function.
    pub hash: Hash,
    /// The hash of the chip authentication public key.
    pub chip_key: Vec<u8>,
    /// How many updates there were.
    pub sequence: u16,
    /// The hash of each field's file by the number of its data group.
    pub hashes: BTreeMap<u8, Vec<u8>>,
}

/// Length of a salt in bytes.
pub const SALT_LEN: usize = 32;

/// What is found about one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldCheck {
    /// As it was signed.
    Unaltered,
    /// Other bytes than were signed.
    Altered,
    /// The object has no hash for it.
    Unlisted,
}

const FILE: &str = "the field security object";
// ISO/IEC 7816-6: discretionary data.
const SALT: u32 = 0x53;
// BSI TR-03110-4 §2.2: DG1 to DG22.
const LAST_FIELD: u8 = 22;

/// The salt of a field: HMAC-SHA-512 under a key of the issuer over card, field and sequence, the first half.
pub fn salt(key: &SecretBytes, card_serial: &str, number: u8, sequence: u16) -> [u8; SALT_LEN] {
    let [high, low] = sequence.to_be_bytes();
    let tail = [number, high, low];
    let mac = Hash::Sha512.hmac(key.expose(), &[b"field salt", card_serial.as_bytes(), &tail]);
    let mut salt = [0; SALT_LEN];
    salt.copy_from_slice(&mac[..SALT_LEN]);
    salt
}

/// The file of a field: its data group and the salt behind it.
pub fn with_salt(data_group: &[u8], salt: &[u8; SALT_LEN]) -> Vec<u8> {
    [data_group, &tlv::encode(SALT, salt)].concat()
}

/// The data group in a field's file. Refuses a file without a salt behind it.
pub fn without_salt(file: &[u8]) -> Result<&[u8], Error> {
    let (data_group, rest) = tlv::read_one(file).map_err(Error::tlv(FILE))?;
    let salt =
        tlv::expect(rest, SALT).map_err(|_| Error::Malformed { file: FILE, what: "a field's salt" })?;
    if salt.value.len() == SALT_LEN {
        Ok(data_group.raw)
    } else {
        Err(Error::Malformed { file: FILE, what: "a field's salt" })
    }
}

impl FieldSecurityObject {
    /// Hashes whole files. `chip_key` is the uncompressed point of the chip authentication key. Refuses a file without salt and
    /// a number that is not that of a field.
    pub fn over<'a>(
        hash: Hash,
        chip_key: &[u8],
        sequence: u16,
        files: impl IntoIterator<Item = (u8, &'a [u8])>,
    ) -> Result<Self, Error> {
        let mut hashes = BTreeMap::new();
        for (number, file) in files {
            if !(1..=LAST_FIELD).contains(&number) {
                return Err(Error::Unwritable("number of a field"));
            }
            without_salt(file).map_err(|_| Error::Unwritable("field without salt"))?;
            hashes.insert(number, hash.digest(file));
        }
        Ok(Self { hash, chip_key: hash.digest(chip_key), sequence, hashes })
    }

    /// The object after an update: other files for some of the fields, the next sequence number.
    pub fn updated<'a>(&self, files: impl IntoIterator<Item = (u8, &'a [u8])>) -> Result<Self, Error> {
        let sequence =
            self.sequence.checked_add(1).ok_or(Error::Unwritable("sequence number of the zone"))?;
        let new = Self::over(self.hash, &[], sequence, files)?;
        let mut hashes = self.hashes.clone();
        hashes.extend(new.hashes);
        Ok(Self { hash: self.hash, chip_key: self.chip_key.clone(), sequence, hashes })
    }

    /// Compares a file read with its hash.
    pub fn check(&self, number: u8, file: &[u8]) -> FieldCheck {
        match self.hashes.get(&number) {
            None => FieldCheck::Unlisted,
            Some(hash) if *hash == self.hash.digest(file) => FieldCheck::Unaltered,
            Some(_) => FieldCheck::Altered,
        }
    }

    /// Whether the object was made for the chip with this chip authentication key (uncompressed point).
    pub fn is_of_chip(&self, chip_key: &[u8]) -> bool {
        self.chip_key == self.hash.digest(chip_key)
    }

    /// Whether the field holds this data group, told from its hash alone: what the issuer asks of a card whose fields it
    /// does not read (OPEN-41). Every sequence number up to that of the object is tried, as a field keeps the salt of
    /// its last change.
    pub fn holds(&self, key: &SecretBytes, card_serial: &str, number: u8, data_group: &[u8]) -> bool {
        (0..=self.sequence).rev().any(|sequence| {
            let file = with_salt(data_group, &salt(key, card_serial, number, sequence));
            self.check(number, &file) == FieldCheck::Unaltered
        })
    }

    /// Encodes the object in DER, the content that the document signer signs.
    pub fn encode(&self) -> Vec<u8> {
        let mut fields = Vec::new();
        for (number, hash) in &self.hashes {
            fields.extend(tlv::sequence(&[&tlv::integer_unsigned(&[*number]), &tlv::encode(0x04, hash)]));
        }
        tlv::sequence(&[
            &tlv::integer_unsigned(&[0]),
            // RFC 5754 §2: the parameters of SHA-2 are absent.
            &tlv::sequence(&[&tlv::encode_oid(self.hash.oid())]),
            &tlv::encode(0x04, &self.chip_key),
            &tlv::integer_unsigned(&self.sequence.to_be_bytes()),
            &tlv::encode(0x30, &fields),
        ])
    }

    /// Reads the object. Refuses hash functions below SHA-256, fields out of order and anything left over.
    pub fn decode(der: &[u8]) -> Result<Self, Error> {
        let malformed = |what| Error::Malformed { file: FILE, what };
        let tlv_error = Error::tlv(FILE);
        let mut reader = tlv::expect(der, 0x30).map_err(tlv_error)?.children();
        match reader.expect(0x02).map_err(tlv_error)?.value {
            [0] => {}
            [version] => return Err(Error::Version { file: FILE, version: u64::from(*version) }),
            _ => return Err(malformed("the version")),
        }
        let algorithm = reader.expect(0x30).map_err(tlv_error)?;
        let oid = tlv::expect(algorithm.value, 0x06).map_err(tlv_error)?;
        let hash = ObjectIdentifier::from_bytes(oid.value)
            .ok()
            .and_then(Hash::from_oid)
            .filter(|hash| matches!(hash, Hash::Sha256 | Hash::Sha384 | Hash::Sha512))
            .ok_or(malformed("the hash algorithm"))?;
        let chip_key = reader.expect(0x04).map_err(tlv_error)?.value.to_vec();
        let sequence =
            small(reader.expect(0x02).map_err(tlv_error)?.value).ok_or(malformed("the sequence number"))?;
        let fields = reader.expect(0x30).map_err(tlv_error)?;
        reader.finish().map_err(tlv_error)?;
        if chip_key.len() != hash.len() {
            return Err(malformed("the hash of the chip's key"));
        }
        let mut hashes: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
        for entry in fields.children() {
            let mut entry = tlv::expect(entry.map_err(tlv_error)?.raw, 0x30).map_err(tlv_error)?.children();
            let number = match entry.expect(0x02).map_err(tlv_error)?.value {
                [number @ 1..=LAST_FIELD] => *number,
                _ => return Err(malformed("the number of a field")),
            };
            let value = entry.expect(0x04).map_err(tlv_error)?.value;
            entry.finish().map_err(tlv_error)?;
            if value.len() != hash.len() || hashes.last_key_value().is_some_and(|(last, _)| *last >= number) {
                return Err(malformed("a field's hash"));
            }
            hashes.insert(number, value.to_vec());
        }
        Ok(Self { hash, chip_key, sequence, hashes })
    }
}

/// A DER INTEGER from 0 to 65535 in its shortest form.
pub(crate) fn small(value: &[u8]) -> Option<u16> {
    match value {
        [low @ ..=0x7F] => Some(u16::from(*low)),
        [0, low @ 0x80..=0xFF] => Some(u16::from(*low)),
        [high @ 1..=0x7F, low] => Some(u16::from_be_bytes([*high, *low])),
        [0, high @ 0x80..=0xFF, low] => Some(u16::from_be_bytes([*high, *low])),
        _ => None,
    }
}
