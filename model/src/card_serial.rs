//! The card serial number (卡片序號, the document number) and the card access number (讀取碼) that it ends in.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Error;

/// Nine characters: three capital letters or digits, then six digits (OPEN-45). Given to the blank, never personal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CardSerial([u8; 9]);

impl CardSerial {
    /// The serial number of a series (`"TWA"`) and a running number below one million.
    pub fn new(series: &str, number: u32) -> Result<Self, Error> {
        format!("{series}{number:06}").parse()
    }

    /// The number in full.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The access number: the last six digits (CARD-25).
    pub fn can(&self) -> Can {
        let mut digits = [0; 6];
        digits.copy_from_slice(&self.0[3..]);
        Can(digits)
    }

    /// The first three characters, which a production order shares.
    pub fn series(&self) -> &str {
        &self.as_str()[..3]
    }
}

impl FromStr for CardSerial {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bytes: [u8; 9] = text.as_bytes().try_into().map_err(|_| Error::CardSerial)?;
        let (series, number) = bytes.split_at(3);
        let form = series.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
            && number.iter().all(u8::is_ascii_digit);
        if form { Ok(Self(bytes)) } else { Err(Error::CardSerial) }
    }
}

impl fmt::Display for CardSerial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

// The last six digits open the Public Zone, so a log may tell cards apart but not open them.
impl fmt::Debug for CardSerial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CardSerial({}***)", self.series())
    }
}

crate::text::string_conversions!(CardSerial);

/// Six digits that open the Public Zone. A secret of whoever holds the card: `Debug` hides it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Can([u8; 6]);

impl Can {
    /// The six digits.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for Can {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let digits: [u8; 6] = text.as_bytes().try_into().map_err(|_| Error::Can)?;
        if digits.iter().all(u8::is_ascii_digit) { Ok(Self(digits)) } else { Err(Error::Can) }
    }
}

impl From<CardSerial> for Can {
    fn from(serial: CardSerial) -> Self {
        serial.can()
    }
}

impl From<&CardSerial> for Can {
    fn from(serial: &CardSerial) -> Self {
        serial.can()
    }
}

impl fmt::Debug for Can {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Can(***)")
    }
}

crate::text::string_conversions!(Can);

#[cfg(test)]
mod tests {
    use super::*;

    // proves: CARDFACE-11, OPEN-45
    #[test]
    fn the_last_six_positions_are_digits_and_are_the_access_number() {
        let serial: CardSerial = "TWA000123".parse().expect("valid");
        assert_eq!(serial.can().as_str(), "000123");
        assert_eq!(serial.to_string(), "TWA000123");
        assert_eq!(CardSerial::new("1A9", 42).map(|s| s.to_string()), Ok("1A9000042".into()));
        for text in ["", "TWA00012", "TWA0001234", "twA000123", "TWA00O123", "T A000123", "身分A123"] {
            assert_eq!(text.parse::<CardSerial>(), Err(Error::CardSerial), "{text}");
        }
        assert_eq!(CardSerial::new("TWA", 1_000_000), Err(Error::CardSerial));
    }

    #[test]
    fn debug_does_not_open_the_card() {
        let serial: CardSerial = "TWA654321".parse().expect("valid");
        assert!(!format!("{serial:?} {:?}", serial.can()).contains("654321"));
    }

    #[test]
    fn serde_checks_the_form() {
        assert_eq!(
            serde_json::from_str::<Can>("\"123456\"").map(|c| c.as_str().to_owned()).ok(),
            Some("123456".into())
        );
        assert!(serde_json::from_str::<Can>("\"12345\"").is_err());
        assert!(serde_json::from_str::<CardSerial>("\"TWA12345X\"").is_err());
    }
}
