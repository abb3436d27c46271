//! Which cards are not to be accepted, for the card status list (OPEN-37).

use model::{CardSerial, CardState};
use store::params;

use crate::MgmtError;
use crate::books::parse;
use crate::service::Mgmt;

/// The cards in four states, of which an index has them without reading the others.
pub const NOT_ACCEPTED: &str =
    "SELECT serial, state FROM card WHERE state IN ($1, $2, $3, $4) ORDER BY serial";

impl Mgmt {
    /// All cards that were given out and are suspended, under recall, void or destroyed, with their state; nothing of their
    /// holders.
    pub async fn cards_not_to_be_accepted(&self) -> Result<Vec<(CardSerial, CardState)>, MgmtError> {
        let states = [CardState::Suspended, CardState::Recalled, CardState::Void, CardState::Destroyed];
        let [suspended, recalled, void, destroyed] = states.map(CardState::as_str);
        let rows = self.db.all(NOT_ACCEPTED, params![suspended, recalled, void, destroyed]).await?;
        rows.iter().map(|row| Ok((parse(row, "serial")?, parse(row, "state")?))).collect()
    }
}
