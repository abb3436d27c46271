//! Dates of certificates: days without a time zone, between 2000 and 2099 (TR-03110-3 §D.2.1.3).

use std::fmt;

use super::CvcError;

/// A day. The earlier is the smaller one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

impl Date {
    /// The first day there is, for a card that knows no date yet.
    pub const EARLIEST: Self = Self { year: 2000, month: 1, day: 1 };

    /// A day of the calendar between 2000 and 2099.
    pub fn new(year: u16, month: u8, day: u8) -> Result<Self, CvcError> {
        if (2000..2100).contains(&year) && (1..=days_in(year, month)).contains(&day) {
            Ok(Self { year, month, day })
        } else {
            Err(CvcError::Malformed("date"))
        }
    }

    /// Reads six unpacked decimal digits, YYMMDD, one in each byte.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CvcError> {
        let &[y1, y2, m1, m2, d1, d2] = bytes else { return Err(CvcError::Malformed("date")) };
        if bytes.iter().any(|digit| *digit > 9) {
            return Err(CvcError::Malformed("date"));
        }
        Self::new(2000 + u16::from(y1 * 10 + y2), m1 * 10 + m2, d1 * 10 + d2)
    }

    /// Six unpacked decimal digits.
    pub const fn to_bytes(self) -> [u8; 6] {
        let year = (self.year - 2000) as u8;
        [year / 10, year % 10, self.month / 10, self.month % 10, self.day / 10, self.day % 10]
    }

    /// The year, 2000 to 2099.
    pub const fn year(self) -> u16 {
        self.year
    }

    /// The month, 1 to 12.
    pub const fn month(self) -> u8 {
        self.month
    }

    /// The day of the month.
    pub const fn day(self) -> u8 {
        self.day
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// Days of a month; 0 for a month that is none.
const fn days_in(year: u16, month: u8) -> u8 {
    match month {
        // 2000 is a leap year, and 2100 lies outside.
        2 if year.is_multiple_of(4) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    }
}
