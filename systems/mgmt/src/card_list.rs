//! Which cards are not to be accepted, for the card status list (OPEN-37).

use jiff::{SignedDuration, Timestamp};
use model::{CardSerial, CardState, RocDate};
use store::params;

use crate::MgmtError;
use crate::books::parse;
use crate::service::Mgmt;

/// The cards in four states that have not expired, of which an index has them without reading the others.
pub const NOT_ACCEPTED: &str = "SELECT serial, state FROM card WHERE state IN ($1, $2, $3, $4) \
    AND (renewal_date IS NULL OR renewal_date >= $5) ORDER BY serial";

/// How long an expired card stays listed, for readers whose clocks are behind.
const CLOCKS: SignedDuration = SignedDuration::from_hours(30 * 24);

impl Mgmt {
    /// All cards that were given out and are suspended, under recall, void or destroyed, with their state; nothing of their
    /// holders. A card whose date of renewal was more than 30 days ago is not among them: no reader accepts it, so that the list does
    /// not grow with every card there ever was.
    pub async fn cards_not_to_be_accepted(
        &self,
        now: Timestamp,
    ) -> Result<Vec<(CardSerial, CardState)>, MgmtError> {
        let since = RocDate::in_taipei(now - CLOCKS).iso();
        let states = [CardState::Suspended, CardState::Recalled, CardState::Void, CardState::Destroyed];
        let [suspended, recalled, void, destroyed] = states.map(CardState::as_str);
        let rows = self.db.all(NOT_ACCEPTED, params![suspended, recalled, void, destroyed, since]).await?;
        rows.iter().map(|row| Ok((parse(row, "serial")?, parse(row, "state")?))).collect()
    }
}
