//! CNS 11643, the Chinese standard interchange code with the rare characters of the household register (全字庫), to Unicode and
//! back: the Basic Multilingual Plane and planes 2, 3 and 15 (private use).
//!
//! The table is `data/cns11643/cns.bin`, made from the published text tables beside it (see the README there; a test makes
//! it again and compares). Looking up a character is a search in the bytes as they stand; the way from code to character
//! goes through an index made on first use.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::Error;

/// A place in CNS 11643: plane, row and column, written `1-4421`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CnsCode {
    plane: u8,
    row: u8,
    column: u8,
}

impl CnsCode {
    /// CNS 11643: 80 planes of 94 rows and columns.
    pub fn new(plane: u8, row: u8, column: u8) -> Result<Self, Error> {
        let place = 0x21..=0x7E;
        if (1..=80).contains(&plane) && place.contains(&row) && place.contains(&column) {
            Ok(Self { plane, row, column })
        } else {
            Err(Error::CnsCode)
        }
    }

    /// Plane, row and column as three bytes.
    pub const fn to_bytes(self) -> [u8; 3] {
        [self.plane, self.row, self.column]
    }

    /// From plane, row and column as three bytes.
    pub fn from_bytes([plane, row, column]: [u8; 3]) -> Result<Self, Error> {
        Self::new(plane, row, column)
    }

    /// The place among all places of the standard, counted from 0.
    const fn place(self) -> usize {
        ((self.plane as usize - 1) * 94 + self.row as usize - 0x21) * 94 + self.column as usize - 0x21
    }

    /// The plane, 1 to 80.
    pub const fn plane(self) -> u8 {
        self.plane
    }
}

impl FromStr for CnsCode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (plane, place) = text.split_once('-').ok_or(Error::CnsCode)?;
        let digits = |s: &str| s.bytes().all(|b| b.is_ascii_hexdigit());
        if place.len() != 4 || !digits(place) || !digits(plane) {
            return Err(Error::CnsCode);
        }
        let place = u16::from_str_radix(place, 16).map_err(|_| Error::CnsCode)?;
        let [row, column] = place.to_be_bytes();
        Self::new(plane.parse().map_err(|_| Error::CnsCode)?, row, column)
    }
}

impl fmt::Display for CnsCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:02X}{:02X}", self.plane, self.row, self.column)
    }
}

// The codes of a name are the name.
impl fmt::Debug for CnsCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CnsCode(***)")
    }
}

impl TryFrom<String> for CnsCode {
    type Error = Error;
    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<CnsCode> for String {
    fn from(code: CnsCode) -> String {
        code.to_string()
    }
}

/// The mapping in both directions.
pub struct Table {
    /// Entries of six bytes, sorted: code point (3 bytes), plane, row, column.
    entries: &'static [[u8; 6]],
    /// For each place of the standard the index of its entry plus one, 0 where none is assigned.
    by_code: OnceLock<Vec<u32>>,
}

impl Table {
    /// The table built into the program.
    pub fn bundled() -> &'static Self {
        static TABLE: Table = Table { entries: BUNDLED.as_chunks().0, by_code: OnceLock::new() };
        &TABLE
    }

    /// The number of codes in the table.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether the table is empty.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The code of a character, or `None` where CNS 11643 has none. Two characters have two codes each; the lower plane is taken.
    pub fn code(&self, character: char) -> Option<CnsCode> {
        let [_, wanted @ ..] = u32::from(character).to_be_bytes();
        let index = self.entries.partition_point(|entry| entry[..3] < wanted[..]);
        let [a, b, c, plane, row, column] = *self.entries.get(index)?;
        ([a, b, c] == wanted).then_some(CnsCode { plane, row, column })
    }

    /// The character of a code, or `None` where the code is not assigned.
    pub fn character(&self, code: CnsCode) -> Option<char> {
        let by_code = self.by_code.get_or_init(|| {
            let mut places = vec![0; 80 * 94 * 94];
            for (index, [.., plane, row, column]) in self.entries.iter().enumerate() {
                if let Ok(code) = CnsCode::new(*plane, *row, *column) {
                    places[code.place()] = index as u32 + 1;
                }
            }
            places
        });
        let index = by_code[code.place()].checked_sub(1)?;
        let [a, b, c, ..] = self.entries[index as usize];
        char::from_u32(u32::from_be_bytes([0, a, b, c]))
    }
}

static BUNDLED: &[u8] = include_bytes!("../data/cns11643/cns.bin");
