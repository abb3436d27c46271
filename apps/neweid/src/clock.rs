//! The one place where the clock of the machine is read.

use jiff::{Timestamp, civil::Date, tz};

/// The current moment.
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// The current date in Taipei (UTC+8 all year), which is the date that law and card face use.
pub fn today(now: Timestamp) -> Date {
    now.to_zoned(tz::TimeZone::fixed(tz::offset(8))).date()
}
