//! A day of the calendar in the forms the card stores.

use std::fmt;

use crate::Error;
use crate::mrz::MrzDate;

/// Year 1 to 9999, month, day.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

impl Date {
    /// Checks that the day exists.
    pub fn new(year: u16, month: u8, day: u8) -> Result<Self, Error> {
        let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let days = match month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            _ => 0,
        };
        if (1..=9999).contains(&year) && (1..=days).contains(&day) {
            Ok(Self { year, month, day })
        } else {
            Err(Error::Unwritable("date"))
        }
    }

    /// The Gregorian year.
    pub const fn year(self) -> u16 {
        self.year
    }

    /// 1 to 12.
    pub const fn month(self) -> u8 {
        self.month
    }

    /// 1 to 31.
    pub const fn day(self) -> u8 {
        self.day
    }

    /// `20060805`: machine fields are padded (OPEN-10).
    pub fn compact(self) -> String {
        format!("{:04}{:02}{:02}", self.year, self.month, self.day)
    }

    /// `2006-08-05`.
    pub fn iso(self) -> String {
        format!("{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }

    /// `民國95年8月5日`; before 1912 `民國前1年12月31日`.
    pub fn roc(self) -> String {
        let (month, day) = (self.month, self.day);
        match self.year.checked_sub(1911) {
            Some(year @ 1..) => format!("民國{year}年{month}月{day}日"),
            _ => format!("民國前{}年{month}月{day}日", 1912 - self.year),
        }
    }

    /// The six digits of the machine readable zone.
    pub fn mrz(self) -> MrzDate {
        let two = |n: u16| [b'0' + (n / 10 % 10) as u8, b'0' + (n % 10) as u8];
        let ([a, b], [c, d], [e, f]) = (two(self.year), two(u16::from(self.month)), two(u16::from(self.day)));
        MrzDate([a, b, c, d, e, f])
    }

    /// Reads `20060805`.
    pub fn from_compact(text: &[u8]) -> Option<Self> {
        let digits: &[u8; 8] = text.try_into().ok()?;
        if !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let number = |part: &[u8]| part.iter().fold(0u16, |n, d| n * 10 + u16::from(d - b'0'));
        Self::new(number(&digits[..4]), number(&digits[4..6]) as u8, number(&digits[6..]) as u8).ok()
    }

    // ICAO 9303-10 §4.7.11: eight digits; earlier editions had four bytes of packed digits.
    /// Reads eight digits, or four bytes with two digits each.
    pub fn from_digits_or_packed(value: &[u8]) -> Option<Self> {
        match value {
            [a, b, c, d] => {
                let digits: Vec<u8> =
                    [a, b, c, d].iter().flat_map(|p| [b'0' + (*p >> 4), b'0' + (*p & 15)]).collect();
                Self::from_compact(&digits)
            }
            _ => Self::from_compact(value),
        }
    }
}

impl fmt::Debug for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Date(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_a_date() {
        let date = Date::new(2006, 8, 5).expect("valid");
        assert_eq!(
            (date.compact().as_str(), date.roc().as_str(), date.iso().as_str()),
            ("20060805", "民國95年8月5日", "2006-08-05")
        );
        assert_eq!(&date.mrz().0, b"060805");
        assert_eq!(Date::from_compact(b"20060805"), Some(date));
        assert_eq!(Date::from_digits_or_packed(&[0x20, 0x06, 0x08, 0x05]), Some(date));
        assert_eq!(Date::new(1911, 12, 31).map(Date::roc), Ok("民國前1年12月31日".into()));
        assert_eq!(Date::new(1912, 1, 1).map(Date::roc), Ok("民國1年1月1日".into()));
    }

    #[test]
    fn days_that_do_not_exist() {
        for (y, m, d) in [
            (2023, 2, 29),
            (1900, 2, 29),
            (2024, 13, 1),
            (2024, 0, 1),
            (2024, 4, 31),
            (2024, 1, 0),
            (0, 1, 1),
        ] {
            assert!(Date::new(y, m, d).is_err(), "{y} {m} {d}");
        }
        assert!(Date::new(2000, 2, 29).is_ok());
        assert_eq!(Date::from_digits_or_packed(&[0x20, 0x06, 0x0A, 0x05]), None);
        assert_eq!(Date::from_compact(b"2006080x"), None);
    }
}
