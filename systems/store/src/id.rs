//! Row keys made by the program: UUIDv7, so that a distributed database needs no sequence and indexes grow at one end.

use curve::Random;
use jiff::Timestamp;
use uuid::Uuid;

/// A UUIDv7 (RFC 9562 §5.7) of `now` with 74 random bits from `random`.
pub fn new_id(now: Timestamp, random: &mut dyn Random) -> Uuid {
    let mut bits = [0; 10];
    random.fill(&mut bits);
    let millis = u64::try_from(now.as_millisecond()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &bits).into_uuid()
}
