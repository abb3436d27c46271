//! How long cards and certificates last: pure functions of dates.

use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::Offset;
use serde::{Deserialize, Serialize};

use crate::RocDate;

/// The offset of Taipei from universal time, all year.
pub const TAIPEI: Offset = Offset::constant(8);

/// CARDFACE-08: the date of renewal (應換領日期) of a card for a person born on `birth` who applied on `application`.
/// `None` from 65 years on: such a card has no date of renewal. The age counts on the day of application, the years of
/// the card from the day of issue.
pub fn renewal_date(birth: RocDate, application: RocDate, issue: RocDate) -> Option<RocDate> {
    match birth.years_until(application) {
        ..14 => Some(issue.plus_years(5)),
        14..65 => Some(issue.plus_years(10)),
        65.. => None,
    }
}

/// From when to when a certificate is valid, both moments included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validity {
    /// The first second of the first day in Taipei.
    pub not_before: Timestamp,
    /// 15:59:59 universal time of the last day, which is 23:59:59 in Taipei.
    pub not_after: Timestamp,
}

impl Validity {
    fn days(first: RocDate, last: RocDate) -> Option<Self> {
        let not_before = TAIPEI.to_timestamp(first.date().to_datetime(Time::midnight())).ok()?;
        let not_after = TAIPEI.to_timestamp(last.date().at(23, 59, 59, 0)).ok()?;
        (first <= last).then_some(Self { not_before, not_after })
    }

    /// Whether `at` lies within.
    pub fn contains(&self, at: Timestamp) -> bool {
        (self.not_before..=self.not_after).contains(&at)
    }
}

/// NPC-22: the first certificate of a card: from the day of issue five years long, never past the date of renewal.
/// A suspension at hand-over does not move it (NPC-25): nothing but the two dates counts. `None` if the card ends before
/// it begins.
pub fn first_certificate(issue: RocDate, renewal: Option<RocDate>) -> Option<Validity> {
    let last = issue.plus_years(5);
    Validity::days(issue, renewal.map_or(last, |renewal| renewal.min(last)))
}

/// NPC-23, NPC-24: the one reissue after the first period. However late it is made on `day`, it ends at the date of
/// renewal; without one (65 and over) ten years after the issue. It begins on `day`, but not before the first period of five
/// years ends. `None` if nothing is left of the second period, as on every card of five years (NPC-26).
pub fn reissued_certificate(issue: RocDate, renewal: Option<RocDate>, day: RocDate) -> Option<Validity> {
    let first_ends = issue.plus_years(5);
    let last = renewal.unwrap_or_else(|| issue.plus_years(10)).min(issue.plus_years(10));
    if last <= first_ends {
        return None;
    }
    Validity::days(day.max(first_ends), last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn date(text: &str) -> RocDate {
        text.parse().expect(text)
    }

    // proves: CARDFACE-08
    #[test]
    fn the_age_on_the_day_of_application_decides() {
        let issue = date("2021-07-01");
        let renewal = |birth: &str, application: &str| renewal_date(date(birth), date(application), issue);
        assert_eq!(renewal("2007-06-21", "2021-06-20"), Some(date("2026-07-01")));
        assert_eq!(renewal("2007-06-20", "2021-06-20"), Some(date("2031-07-01")));
        // Fourteen between application and issue: the application counts.
        assert_eq!(renewal("2007-06-25", "2021-06-20"), Some(date("2026-07-01")));
        assert_eq!(renewal("1956-06-21", "2021-06-20"), Some(date("2031-07-01")));
        assert_eq!(renewal("1956-06-20", "2021-06-20"), None);
    }

    // proves: NPC-22, NPC-24
    #[test]
    fn the_worked_example_of_the_plan() {
        let (issue, renewal) = (date("民國110年7月1日"), Some(date("2031-07-01")));
        let first = first_certificate(issue, renewal).expect("valid");
        assert_eq!(first.not_before.to_string(), "2021-06-30T16:00:00Z");
        assert_eq!(first.not_after.to_string(), "2026-07-01T15:59:59Z");
        for day in ["2026-07-02", "2028-01-15", "2031-06-30"] {
            let second = reissued_certificate(issue, renewal, date(day)).expect("valid");
            assert_eq!(second.not_after.to_string(), "2031-07-01T15:59:59Z", "{day}");
        }
        assert_eq!(reissued_certificate(issue, renewal, date("2031-07-02")), None);
    }

    // proves: NPC-26
    #[test]
    fn age_gives_card_and_certificates_their_years() {
        let (application, issue) = (date("2021-06-20"), date("2021-07-01"));
        let (in_five, in_ten) = (date("2026-07-01"), date("2031-07-01"));
        let end = |validity: Validity| RocDate::in_taipei(validity.not_after);
        // On the day before a birthday that decides, and on it: the card, and whether there is a second period.
        for (birth, age, card, reissue) in [
            ("2021-06-01", 0, Some(in_five), false),
            ("2007-06-21", 13, Some(in_five), false),
            ("2007-06-20", 14, Some(in_ten), true),
            ("1956-06-21", 64, Some(in_ten), true),
            ("1956-06-20", 65, None, true),
            ("1921-06-20", 100, None, true),
        ] {
            assert_eq!(date(birth).years_until(application), age, "{birth}");
            let renewal = renewal_date(date(birth), application, issue);
            assert_eq!(renewal, card, "{age}");
            assert_eq!(first_certificate(issue, renewal).map(end), Some(in_five), "{age}");
            for day in [in_five, date("2030-01-15"), in_ten] {
                let second = reissued_certificate(issue, renewal, day).map(end);
                assert_eq!(second, reissue.then_some(in_ten), "{age} {day:?}");
            }
            // After that nothing is issued for this card, though one of somebody old goes on: another card is needed.
            assert_eq!(reissued_certificate(issue, renewal, date("2031-07-02")), None, "{age}");
        }
    }

    proptest! {
        // proves: NPC-22
        #[test]
        fn no_certificate_outlives_the_card_or_five_years(issue in 0i64..20_000, card_days in 0i64..4_000) {
            let day = |n: i64| RocDate::from(date("1990-01-01").date() + jiff::SignedDuration::from_hours(24 * n));
            let (issue, renewal) = (day(issue), day(issue + card_days));
            let validity = first_certificate(issue, Some(renewal)).expect("renewal after issue");
            prop_assert!(RocDate::in_taipei(validity.not_after) <= renewal.min(issue.plus_years(5)));
            prop_assert_eq!(RocDate::in_taipei(validity.not_before), issue);
            prop_assert!(validity.not_after.to_string().ends_with("T15:59:59Z"));
        }
    }
}
