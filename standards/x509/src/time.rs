//! Times as certificates write them, and validity periods.

use jiff::{Timestamp, tz::Offset};

use crate::Error;
use crate::asn1::{GENERALIZED_TIME, UTC_TIME};

/// A period from one whole second to another, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    not_before: Timestamp,
    not_after: Timestamp,
}

impl Validity {
    /// A period that does not end before it begins. Fractions of a second are cut off.
    pub fn new(not_before: Timestamp, not_after: Timestamp) -> Result<Self, Error> {
        let (not_before, not_after) = (whole_second(not_before)?, whole_second(not_after)?);
        if not_after < not_before {
            return Err(Error::Profile("notAfter lies before notBefore"));
        }
        Ok(Self { not_before, not_after })
    }

    /// The first second of the period.
    pub const fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// The last second of the period.
    pub const fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// Whether `now` lies in the period. RFC 5280 §4.1.2.5: inclusive on both ends.
    pub fn contains(&self, now: Timestamp) -> bool {
        self.not_before <= now && now.as_second() <= self.not_after.as_second()
    }

    /// Whether `other` lies wholly in this period.
    pub fn encloses(&self, other: &Self) -> bool {
        self.not_before <= other.not_before && other.not_after <= self.not_after
    }

    /// `SEQUENCE { notBefore Time, notAfter Time }`.
    pub(crate) fn der(&self) -> Vec<u8> {
        tlv::sequence(&[&encode(self.not_before), &encode(self.not_after)])
    }

    /// What was read from a certificate, whatever its order.
    pub(crate) const fn as_read(not_before: Timestamp, not_after: Timestamp) -> Self {
        Self { not_before, not_after }
    }
}

pub(crate) fn whole_second(t: Timestamp) -> Result<Timestamp, Error> {
    Timestamp::from_second(t.as_second()).map_err(|_| Error::Profile("time out of range"))
}

/// A `Time`. RFC 5280 §4.1.2.5: through the year 2049 as UTCTime, from 2050 on as GeneralizedTime.
pub(crate) fn encode(t: Timestamp) -> Vec<u8> {
    write(t, &mut [0; 17]).to_vec()
}

/// As [`encode`], into a buffer of the caller.
pub(crate) fn write(t: Timestamp, out: &mut [u8; 17]) -> &[u8] {
    let digits = digits(t);
    if (*b"1950"..*b"2050").contains(&[digits[0], digits[1], digits[2], digits[3]]) {
        out[..2].copy_from_slice(&[UTC_TIME as u8, 13]);
        out[2..15].copy_from_slice(&digits[2..]);
        &out[..15]
    } else {
        out[..2].copy_from_slice(&[GENERALIZED_TIME as u8, 15]);
        out[2..].copy_from_slice(&digits);
        &out[..]
    }
}

/// A GeneralizedTime `YYYYMMDDHHMMSSZ`.
pub(crate) fn generalized(t: Timestamp) -> Vec<u8> {
    tlv::encode(GENERALIZED_TIME, &digits(t))
}

/// The content of a GeneralizedTime. Written by hand: a list of revoked certificates has a million of them.
pub(crate) fn digits(t: Timestamp) -> [u8; 15] {
    let d = Offset::UTC.to_datetime(t);
    let year = d.year().unsigned_abs();
    let pairs = [(year / 100) as u8, (year % 100) as u8, d.month() as u8, d.day() as u8].into_iter().chain([
        d.hour() as u8,
        d.minute() as u8,
        d.second() as u8,
    ]);
    let mut out = [b'Z'; 15];
    for (at, pair) in out.chunks_exact_mut(2).zip(pairs) {
        at[0] = b'0' + pair / 10;
        at[1] = b'0' + pair % 10;
    }
    out
}

/// Reads a `Time`.
pub(crate) fn parse(tag: u32, value: &[u8]) -> Result<Timestamp, Error> {
    match (tag, value.len()) {
        // RFC 5280 §4.1.2.5.1: seconds present, Z; YY >= 50 is 19YY.
        (UTC_TIME, 13) => {
            let short = two(value[0], value[1])?;
            let century = if short >= 50 { 1900 } else { 2000 };
            civil_time(century + short, &value[2..])
        }
        // RFC 5280 §4.1.2.5.2: no fractions.
        (GENERALIZED_TIME, 15) => {
            let year = two(value[0], value[1])? * 100 + two(value[2], value[3])?;
            civil_time(year, &value[4..])
        }
        _ => Err(Error::Malformed("time")),
    }
}

// Days are counted here and not by the calendar library: one list has a million dates, nearly all of this form.
fn civil_time(year: i64, rest: &[u8]) -> Result<Timestamp, Error> {
    const MALFORMED: Error = Error::Malformed("time");
    let &[mo1, mo2, d1, d2, h1, h2, mi1, mi2, s1, s2, b'Z'] = rest else { return Err(MALFORMED) };
    let (month, day) = (two(mo1, mo2)?, two(d1, d2)?);
    let (hour, minute, second) = (two(h1, h2)?, two(mi1, mi2)?, two(s1, s2)?);
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let in_month = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return Err(MALFORMED),
    };
    if day == 0 || day > in_month || hour > 23 || minute > 59 || second > 59 {
        return Err(MALFORMED);
    }
    // Years that begin in March, so that the leap day is the last; 719,468 days from 0000-03-01 to 1970-01-01.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * y + y.div_euclid(4) - y.div_euclid(100) + y.div_euclid(400) + (153 * m + 2) / 5 + day
        - 1
        - 719_468;
    let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
    // RFC 5280 §4.1.2.5: 99991231235959Z stands for no end; a `Timestamp` ends some hours earlier.
    Timestamp::from_second(seconds.min(Timestamp::MAX.as_second())).map_err(|_| MALFORMED)
}

fn two(a: u8, b: u8) -> Result<i64, Error> {
    match (a.wrapping_sub(b'0'), b.wrapping_sub(b'0')) {
        (a @ 0..=9, b @ 0..=9) => Ok(i64::from(a * 10 + b)),
        _ => Err(Error::Malformed("time")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("test time")
    }

    #[test]
    fn the_form_changes_in_2050() {
        assert_eq!(encode(at("2049-12-31T23:59:59Z")), b"\x17\x0D491231235959Z");
        assert_eq!(encode(at("2050-01-01T00:00:00Z")), b"\x18\x0F20500101000000Z");
        assert_eq!(encode(at("1950-01-01T00:00:00Z")), b"\x17\x0D500101000000Z");
        assert_eq!(encode(at("1949-12-31T00:00:00Z")), b"\x18\x0F19491231000000Z");
    }

    #[test]
    fn every_form_but_the_right_one_is_refused() {
        for (tag, text) in [
            (UTC_TIME, "2501010000Z"),
            (UTC_TIME, "250101000000+0000"),
            (UTC_TIME, "250101000000X"),
            (UTC_TIME, "250230000000Z"),
            (UTC_TIME, "250101006000Z"),
            (UTC_TIME, "25010100000 Z"),
            (GENERALIZED_TIME, "20250101000000.5Z"),
            (GENERALIZED_TIME, "20250101000060Z"),
            (GENERALIZED_TIME, "2025010100000Z"),
            (0x04, "20250101000000Z"),
        ] {
            assert!(parse(tag, text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn both_ends_belong_to_the_period() {
        let v = Validity::new(at("2026-07-01T00:00:00Z"), at("2031-07-01T15:59:59.9Z")).expect("in order");
        assert!(v.contains(at("2026-07-01T00:00:00Z")) && v.contains(at("2031-07-01T15:59:59Z")));
        assert!(!v.contains(at("2026-06-30T23:59:59Z")) && !v.contains(at("2031-07-01T16:00:00Z")));
        assert!(Validity::new(v.not_after(), v.not_before()).is_err());
    }

    #[test]
    fn the_calendar_is_right() {
        for text in
            ["20000229000000Z", "20240229235959Z", "00000101000000Z", "00000229000000Z", "99991231000000Z"]
        {
            assert!(parse(GENERALIZED_TIME, text.as_bytes()).is_ok(), "{text}");
        }
        for text in
            ["19000229000000Z", "20230229000000Z", "20230431000000Z", "20231301000000Z", "20230001000000Z"]
        {
            assert!(parse(GENERALIZED_TIME, text.as_bytes()).is_err(), "{text}");
        }
        assert_eq!(parse(UTC_TIME, b"700101000000Z"), Ok(Timestamp::UNIX_EPOCH));
    }

    proptest::proptest! {
        #[test]
        fn times_come_back(second in -62_135_596_800i64..253_402_207_200) {
            let t = Timestamp::from_second(second).expect("in range");
            let der = encode(t);
            proptest::prop_assert_eq!(parse(u32::from(der[0]), &der[2..]), Ok(t));
        }
    }
}
