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

/// `民國115年11月22日 06:31:04`, in Taipei.
pub fn taipei(at: Timestamp) -> String {
    let local = model::validity::TAIPEI.to_datetime(at);
    format!("{} {}", model::RocDate::from(local.date()).face_zh(), local.time().strftime("%H:%M:%S"))
}
