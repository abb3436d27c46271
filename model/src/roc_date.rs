//! Dates as the card shows them: the year of the Republic of China (民國) beside the Gregorian one.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::Error;

/// A day of the calendar between the years 1 and 9999. Serialised as `2006-08-05`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RocDate(Date);

impl RocDate {
    /// From a Gregorian year, month and day.
    pub fn new(year: i16, month: i8, day: i8) -> Result<Self, Error> {
        if year < 1 {
            return Err(Error::Date);
        }
        Date::new(year, month, day).map(Self).map_err(|_| Error::Date)
    }

    /// From a year of the Republic, month and day.
    pub fn from_roc(year: i16, month: i8, day: i8) -> Result<Self, Error> {
        Self::new(year.checked_add(1911).ok_or(Error::Date)?, month, day)
    }

    /// The day that begins at this moment in Taipei.
    pub fn in_taipei(at: jiff::Timestamp) -> Self {
        Self(crate::validity::TAIPEI.to_datetime(at).date())
    }

    /// The civil date.
    pub const fn date(self) -> Date {
        self.0
    }

    /// The year of the Republic: 1 is 1912, 0 and below are the years before it.
    pub fn roc_year(self) -> i16 {
        self.0.year() - 1911
    }

    /// `民國95年8月5日`, not padded (CARDFACE-05); before 1912 `民國前1年1月1日`.
    pub fn face_zh(self) -> String {
        let (year, month, day) = (self.roc_year(), self.0.month(), self.0.day());
        match year {
            1.. => format!("民國{year}年{month}月{day}日"),
            _ => format!("民國前{}年{month}月{day}日", 1 - year),
        }
    }

    /// `2006/8/5`, not padded (CARDFACE-05).
    pub fn face_en(self) -> String {
        format!("{}/{}/{}", self.0.year(), self.0.month(), self.0.day())
    }

    /// `060805`, as the machine readable zone has it.
    pub fn mrz(self) -> String {
        format!("{:02}{:02}{:02}", self.0.year() % 100, self.0.month(), self.0.day())
    }

    /// `2006-08-05`.
    pub fn iso(self) -> String {
        self.0.to_string()
    }

    /// `20060805`, as the data groups have it.
    pub fn compact(self) -> String {
        format!("{:04}{:02}{:02}", self.0.year(), self.0.month(), self.0.day())
    }

    /// Reads `20060805`.
    pub fn from_compact(text: &str) -> Result<Self, Error> {
        if text.len() != 8 || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Error::Date);
        }
        let number = |range: std::ops::Range<usize>| text[range].parse::<i16>().map_err(|_| Error::Date);
        Self::new(number(0..4)?, number(4..6)? as i8, number(6..8)? as i8)
    }

    /// Completed years on `day`: the age of a person born on this date. Who is born on 29 February turns a year older on
    /// 1 March of other years (Civil Code: an age is reached when the day before the birthday ends).
    pub fn years_until(self, day: RocDate) -> i16 {
        let passed = (day.0.month(), day.0.day()) >= (self.0.month(), self.0.day());
        day.0.year() - self.0.year() - i16::from(!passed)
    }

    /// The same day `years` later; 29 February becomes 28 February in years that have none.
    pub fn plus_years(self, years: i16) -> Self {
        let year = self.0.year().saturating_add(years).clamp(1, 9999);
        let day = self.0.day().min(Date::new(year, self.0.month(), 1).map_or(28, Date::days_in_month));
        Date::new(year, self.0.month(), day).map_or(self, Self)
    }
}

impl FromStr for RocDate {
    type Err = Error;

    /// Reads `2006-08-05`, `2006/8/5` and `民國95年8月5日`.
    fn from_str(text: &str) -> Result<Self, Error> {
        let number = |s: &str| match s.len() {
            1..=4 if s.bytes().all(|b| b.is_ascii_digit()) => s.parse::<i16>().map_err(|_| Error::Date),
            _ => Err(Error::Date),
        };
        let small = |s: &str| number(s).and_then(|n| i8::try_from(n).map_err(|_| Error::Date));
        if let Some(roc) = text.strip_prefix("民國") {
            let (before, roc) = roc.strip_prefix('前').map_or((false, roc), |rest| (true, rest));
            let (year, rest) = roc.split_once('年').ok_or(Error::Date)?;
            let (month, rest) = rest.split_once('月').ok_or(Error::Date)?;
            let day = rest.strip_suffix('日').ok_or(Error::Date)?;
            let year = number(year)?;
            if year == 0 {
                return Err(Error::Date);
            }
            return Self::from_roc(if before { 1 - year } else { year }, small(month)?, small(day)?);
        }
        let mut parts = text.split(['-', '/']);
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(year), Some(month), Some(day), None) => {
                Self::new(number(year)?, small(month)?, small(day)?)
            }
            _ => Err(Error::Date),
        }
    }
}

impl From<Date> for RocDate {
    fn from(date: Date) -> Self {
        Self(date)
    }
}

impl From<RocDate> for Date {
    fn from(date: RocDate) -> Self {
        date.0
    }
}

impl fmt::Debug for RocDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RocDate({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn date(text: &str) -> RocDate {
        text.parse().expect(text)
    }

    // proves: CARDFACE-05, OPEN-10
    #[test]
    fn faces_are_not_padded_and_machine_forms_are() {
        let day = date("2006-08-05");
        assert_eq!((day.face_zh().as_str(), day.face_en().as_str()), ("民國95年8月5日", "2006/8/5"));
        assert_eq!(
            (day.mrz().as_str(), day.compact().as_str(), day.iso().as_str()),
            ("060805", "20060805", "2006-08-05")
        );
        assert_eq!(date("1912-01-01").face_zh(), "民國1年1月1日");
        assert_eq!(date("1911-12-31").face_zh(), "民國前1年12月31日");
    }

    #[test]
    fn impossible_dates_are_refused() {
        for text in [
            "2006-02-29",
            "2006-13-01",
            "0-1-1",
            "民國0年1月1日",
            "2006-8",
            "2006-8-5-1",
            "２００６-8-5",
            "-1-1-1",
            "民國95年8月",
            "2006-+8-5",
        ] {
            assert_eq!(text.parse::<RocDate>(), Err(Error::Date), "{text}");
        }
        assert_eq!(RocDate::from_compact("20060230"), Err(Error::Date));
        assert_eq!(RocDate::from_compact("+2060230"), Err(Error::Date));
    }

    #[test]
    fn ages_change_on_the_birthday() {
        assert_eq!(date("2006-08-05").years_until(date("2020-08-04")), 13);
        assert_eq!(date("2006-08-05").years_until(date("2020-08-05")), 14);
        assert_eq!(date("2004-02-29").years_until(date("2018-02-28")), 13);
        assert_eq!(date("2004-02-29").years_until(date("2018-03-01")), 14);
        assert_eq!(date("2024-02-29").plus_years(5), date("2029-02-28"));
        assert_eq!(date("2024-02-29").plus_years(4), date("2028-02-29"));
    }

    #[test]
    fn the_day_in_taipei_begins_at_sixteen_hours_universal_time() {
        let at = |text: &str| RocDate::in_taipei(text.parse().expect(text));
        assert_eq!(at("2026-07-01T15:59:59Z"), date("2026-07-01"));
        assert_eq!(at("2026-07-01T16:00:00Z"), date("2026-07-02"));
    }

    proptest! {
        #[test]
        fn every_form_is_read_back(year in 1i16..=9999, month in 1i8..=12, day in 1i8..=28) {
            let date = RocDate::new(year, month, day).expect("valid");
            prop_assert_eq!(date.face_zh().parse(), Ok(date));
            prop_assert_eq!(date.face_en().parse(), Ok(date));
            prop_assert_eq!(date.iso().parse(), Ok(date));
            prop_assert_eq!(RocDate::from_compact(&date.compact()), Ok(date));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,16}") {
            let _ = text.parse::<RocDate>();
            let _ = RocDate::from_compact(&text);
        }
    }
}
