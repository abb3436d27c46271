//! Names of holders and issuers (TR-03110-3 §C.1.2, §D.2.1.4).

use std::fmt;
use std::str::FromStr;

use super::CvcError;

/// The reference of a certificate holder or of a certification authority: two letters of the country, a mnemonic of at most
/// nine characters, and a sequence number of five.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference(Vec<u8>);

/// Country and sequence number alone, and with the longest mnemonic.
const LENGTHS: std::ops::RangeInclusive<usize> = 8..=16;
const SEQUENCE_LEN: usize = 5;

impl Reference {
    /// Puts a reference together from its parts.
    pub fn new(country: &str, mnemonic: &str, sequence: &str) -> Result<Self, CvcError> {
        let mnemonic: Option<Vec<u8>> = mnemonic.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
        let mnemonic = mnemonic.ok_or(MALFORMED)?;
        if country.len() != 2 || sequence.len() != SEQUENCE_LEN {
            return Err(MALFORMED);
        }
        Self::from_bytes(&[country.as_bytes(), &mnemonic, sequence.as_bytes()].concat())
    }

    /// Reads a reference.
    // TR-03110-3 §C.1.2: country code by ISO 3166-1 alpha-2; mnemonic ISO/IEC 8859-1, one to nine characters; sequence
    // number numeric or alphanumeric, five characters.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CvcError> {
        if !LENGTHS.contains(&bytes.len()) {
            return Err(MALFORMED);
        }
        let (country, rest) = bytes.split_at(2);
        let (mnemonic, sequence) = rest.split_at(rest.len() - SEQUENCE_LEN);
        let printable = |b: &u8| matches!(b, 0x20..=0x7E | 0xA0..=0xFF);
        let well_formed = country.iter().all(u8::is_ascii_uppercase)
            && mnemonic.iter().all(printable)
            && sequence.iter().all(u8::is_ascii_alphanumeric);
        if well_formed { Ok(Self(bytes.to_vec())) } else { Err(MALFORMED) }
    }

    /// The bytes as they stand in certificates.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The country, two capital letters.
    pub fn country(&self) -> String {
        latin(&self.0[..2])
    }

    /// The mnemonic of the holder.
    pub fn mnemonic(&self) -> String {
        latin(&self.0[2..self.0.len() - SEQUENCE_LEN])
    }

    /// The sequence number of the key, five letters or digits.
    pub fn sequence(&self) -> String {
        latin(&self.0[self.0.len() - SEQUENCE_LEN..])
    }

    /// Whether both are keys of the same holder.
    pub fn same_holder(&self, other: &Self) -> bool {
        self.0[..self.0.len() - SEQUENCE_LEN] == other.0[..other.0.len() - SEQUENCE_LEN]
    }
}

impl FromStr for Reference {
    type Err = CvcError;

    fn from_str(text: &str) -> Result<Self, CvcError> {
        let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
        Self::from_bytes(&bytes.ok_or(MALFORMED)?)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&latin(&self.0))
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reference({self})")
    }
}

/// ISO/IEC 8859-1 is the first 256 code points.
fn latin(bytes: &[u8]) -> String {
    bytes.iter().map(|b| char::from(*b)).collect()
}

const MALFORMED: CvcError = CvcError::Malformed("holder reference");
