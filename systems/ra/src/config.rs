//! Policy of the registration authority, as data.

use jiff::SignedDuration;
use mgmt::UserCodeCost;

/// What the ministry decides and may change.
#[derive(Debug, Clone)]
pub struct Config {
    /// How far the time of a request may lie from now.
    pub skew: SignedDuration,
    /// How long a request that was begun and neither done nor refused may be taken up by what authorised it.
    pub begun_life: SignedDuration,
    /// How many days before the end of the first period the reissue may be made.
    pub reissue_days: i32,
    /// How long a one-time code may be used.
    pub one_time_code_life: SignedDuration,
    /// Wrong one-time codes that end it.
    pub one_time_code_attempts: u32,
    /// Cost of the hash of a user code that is kept here, which is that of the holder of a certificate-only card.
    pub user_code_cost: UserCodeCost,
    /// Wrong ones in a row that lock it.
    pub user_code_attempts: u32,
    /// How long it stays locked.
    pub user_code_lock: SignedDuration,
    /// How long after its change a contact cannot be used for unblocking (OPEN-44).
    pub contact_wait: SignedDuration,
    /// Refused requests that stand in the audit log one by one in an hour; what is beyond is counted.
    pub refusals_an_hour: i64,
    /// The same for one card.
    pub refusals_of_a_card_an_hour: i64,
}

impl Default for Config {
    fn default() -> Self {
        let management = mgmt::Config::default();
        Self {
            user_code_cost: management.user_code_cost,
            user_code_attempts: management.user_code_attempts,
            user_code_lock: management.user_code_lock,
            skew: SignedDuration::from_mins(10),
            begun_life: SignedDuration::from_hours(24),
            reissue_days: 90,
            one_time_code_life: SignedDuration::from_mins(10),
            one_time_code_attempts: 3,
            contact_wait: SignedDuration::from_hours(24),
            refusals_an_hour: 1_000,
            refusals_of_a_card_an_hour: 20,
        }
    }
}
