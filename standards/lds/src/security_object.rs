//! The LDS security object (ICAO 9303-10 §4.6.2.2): the hash of every data group, the content that the document signer signs.

use std::collections::BTreeMap;

use const_oid::ObjectIdentifier;
use curve::Hash;

use crate::{DataGroup, Error};

/// The hashes of the data groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LdsSecurityObject {
    /// The hash function.
    pub hash: Hash,
    /// The hash of each data group by its number.
    pub hashes: BTreeMap<u8, Vec<u8>>,
}

const FILE: &str = "the LDS security object";

impl LdsSecurityObject {
    /// Hashes whole files (tag, length and value). EF.COM and EF.SOD have no number and are passed over.
    pub fn over<'a>(hash: Hash, files: impl IntoIterator<Item = (DataGroup, &'a [u8])>) -> Self {
        let hashes =
            files.into_iter().filter_map(|(dg, file)| Some((dg.number()?, hash.digest(file)))).collect();
        Self { hash, hashes }
    }

    /// The hash of a data group, if the object has one.
    pub fn hash_of(&self, group: DataGroup) -> Option<&[u8]> {
        self.hashes.get(&group.number()?).map(Vec::as_slice)
    }

    /// Encodes version 0 in DER.
    pub fn encode(&self) -> Vec<u8> {
        let mut values = Vec::new();
        for (number, hash) in &self.hashes {
            values.extend(tlv::sequence(&[&tlv::integer_unsigned(&[*number]), &tlv::encode(0x04, hash)]));
        }
        tlv::sequence(&[
            &tlv::integer_unsigned(&[0]),
            // RFC 5754 §2: the parameters of SHA-2 are absent.
            &tlv::sequence(&[&tlv::encode_oid(self.hash.oid())]),
            &tlv::encode(0x30, &values),
        ])
    }

    /// Reads version 0, or version 1 with its version information. Refuses a group that stands twice, a number outside 1 to 16 and a hash of the wrong
    /// length.
    pub fn decode(der: &[u8]) -> Result<Self, Error> {
        let malformed = |what| Error::Malformed { file: FILE, what };
        let tlv_error = Error::tlv(FILE);
        let mut reader = tlv::expect(der, 0x30).map_err(tlv_error)?.children();
        let version = reader.expect(0x02).map_err(tlv_error)?;
        let version = match version.value {
            [version @ (0 | 1)] => *version,
            [version] => return Err(Error::Version { file: FILE, version: u64::from(*version) }),
            _ => return Err(malformed("the version")),
        };
        let mut algorithm = reader.expect(0x30).map_err(tlv_error)?.children();
        let oid = algorithm.expect(0x06).map_err(tlv_error)?;
        let hash = ObjectIdentifier::from_bytes(oid.value)
            .ok()
            .and_then(Hash::from_oid)
            .ok_or(malformed("the hash algorithm"))?;
        // RFC 5754 §2: absent parameters, and NULL, must both be accepted.
        algorithm.optional(0x05).map_err(tlv_error)?;
        algorithm.finish().map_err(tlv_error)?;
        let values = reader.expect(0x30).map_err(tlv_error)?;
        if version == 1 {
            reader.optional(0x30).map_err(tlv_error)?;
        }
        reader.finish().map_err(tlv_error)?;

        let mut hashes = BTreeMap::new();
        for entry in values.children() {
            let mut entry = tlv::expect(entry.map_err(tlv_error)?.raw, 0x30).map_err(tlv_error)?.children();
            let number = match entry.expect(0x02).map_err(tlv_error)?.value {
                [number @ 1..=16] => *number,
                _ => return Err(malformed("a data group number")),
            };
            let value = entry.expect(0x04).map_err(tlv_error)?.value;
            entry.finish().map_err(tlv_error)?;
            if value.len() != hash.len() || hashes.insert(number, value.to_vec()).is_some() {
                return Err(malformed("a data group hash"));
            }
        }
        Ok(Self { hash, hashes })
    }
}
