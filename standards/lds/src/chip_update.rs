//! The package that changes an issued card (UPDATE-05, UPDATE-07): which files get which content, signed by a document
//! signer and bound to one chip and one moment of its life (DOCPKI-15).
//!
//! ```text
//! ChipUpdate ::= SEQUENCE {
//!     version   INTEGER (0),
//!     chipKey   OCTET STRING,            -- SHA-512 of the chip authentication key, uncompressed point
//!     sequence  INTEGER (1..65535),      -- one more than the chip's last
//!     files     SEQUENCE OF SEQUENCE { application OCTET STRING, file OCTET STRING (SIZE (2)), content OCTET STRING } }
//! ```

use curve::Hash;

use crate::Error;
use crate::field_security::small;

/// New content for some files of one chip.
#[derive(Clone, PartialEq, Eq)]
pub struct ChipUpdate {
    /// SHA-512 of the chip authentication public key.
    pub chip_key: Vec<u8>,
    /// Its place among the updates of this chip, from 1.
    pub sequence: u16,
    /// The files in the order in which they are written.
    pub files: Vec<UpdatedFile>,
}

/// One file with its new content.
#[derive(Clone, PartialEq, Eq)]
pub struct UpdatedFile {
    /// The application's identifier.
    pub application: Vec<u8>,
    /// The file identifier.
    pub file: [u8; 2],
    /// The whole new content.
    pub content: Vec<u8>,
}

/// Why a package is not for this chip now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotForThisChip {
    /// Made for another chip.
    #[error("the update was made for another chip")]
    OtherChip,
    /// The chip has had this update or a later one.
    #[error("the update is older than the chip's content")]
    Replayed,
    /// An update before this one is missing.
    #[error("an update before this one is missing")]
    Early,
}

const FILE: &str = "the chip update";
const MAX_FILES: usize = 32;

impl ChipUpdate {
    /// An update for the chip with this key (uncompressed point) after `last` updates.
    pub fn new(chip_key: &[u8], last: u16, files: Vec<UpdatedFile>) -> Result<Self, Error> {
        let sequence = last.checked_add(1).ok_or(Error::Unwritable("sequence number of the update"))?;
        if files.is_empty() || files.len() > MAX_FILES || files.iter().any(|f| f.application.is_empty()) {
            return Err(Error::Unwritable("files of the update"));
        }
        Ok(Self { chip_key: Hash::Sha512.digest(chip_key), sequence, files })
    }

    /// Whether the chip with this key (uncompressed point), which has had `last` updates, may take this one.
    pub fn is_next_for(&self, chip_key: &[u8], last: u16) -> Result<(), NotForThisChip> {
        if self.chip_key != Hash::Sha512.digest(chip_key) {
            return Err(NotForThisChip::OtherChip);
        }
        match self.sequence.checked_sub(last) {
            Some(1) => Ok(()),
            None | Some(0) => Err(NotForThisChip::Replayed),
            Some(_) => Err(NotForThisChip::Early),
        }
    }

    /// Encodes the package in DER, the content that the document signer signs.
    pub fn encode(&self) -> Vec<u8> {
        let files: Vec<u8> = self
            .files
            .iter()
            .flat_map(|file| {
                tlv::sequence(&[
                    &tlv::encode(0x04, &file.application),
                    &tlv::encode(0x04, &file.file),
                    &tlv::encode(0x04, &file.content),
                ])
            })
            .collect();
        tlv::sequence(&[
            &tlv::integer_unsigned(&[0]),
            &tlv::encode(0x04, &self.chip_key),
            &tlv::integer_unsigned(&self.sequence.to_be_bytes()),
            &tlv::encode(0x30, &files),
        ])
    }

    /// Reads the package.
    pub fn decode(der: &[u8]) -> Result<Self, Error> {
        let malformed = |what| Error::Malformed { file: FILE, what };
        let tlv_error = Error::tlv(FILE);
        let mut reader = tlv::expect(der, 0x30).map_err(tlv_error)?.children();
        match reader.expect(0x02).map_err(tlv_error)?.value {
            [0] => {}
            [version] => return Err(Error::Version { file: FILE, version: u64::from(*version) }),
            _ => return Err(malformed("the version")),
        }
        let chip_key = reader.expect(0x04).map_err(tlv_error)?.value.to_vec();
        let sequence = small(reader.expect(0x02).map_err(tlv_error)?.value).filter(|n| *n > 0);
        let list = reader.expect(0x30).map_err(tlv_error)?;
        reader.finish().map_err(tlv_error)?;
        if chip_key.len() != Hash::Sha512.len() {
            return Err(malformed("the hash of the chip's key"));
        }
        let mut files = Vec::new();
        for entry in list.children() {
            let mut entry = tlv::expect(entry.map_err(tlv_error)?.raw, 0x30).map_err(tlv_error)?.children();
            let mut octets = || entry.expect(0x04).map(|tlv| tlv.value).map_err(tlv_error);
            let (application, file, content) = (octets()?, octets()?, octets()?);
            entry.finish().map_err(tlv_error)?;
            if files.len() == MAX_FILES || application.is_empty() {
                return Err(malformed("a file"));
            }
            files.push(UpdatedFile {
                application: application.to_vec(),
                file: file.try_into().map_err(|_| malformed("a file identifier"))?,
                content: content.to_vec(),
            });
        }
        if files.is_empty() {
            return Err(malformed("the list of files"));
        }
        Ok(Self { chip_key, sequence: sequence.ok_or(malformed("the sequence number"))?, files })
    }
}

impl std::fmt::Debug for ChipUpdate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ChipUpdate {{ sequence: {}, files: {} }}", self.sequence, self.files.len())
    }
}

impl std::fmt::Debug for UpdatedFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UpdatedFile(***)")
    }
}
