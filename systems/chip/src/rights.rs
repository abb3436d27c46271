//! What an authenticated terminal may do on this card.

use eac::cvc::{Rights, UpdateRights};
use lds::eid::Field;

/// The rights that every certificate of the chain and the holder's own choice have left (EACPKI-04).
#[derive(Clone, Copy, Default)]
pub(crate) struct TerminalRights {
    /// Those of TR-03110.
    pub(crate) rights: Rights,
    /// Fields it may write.
    pub(crate) updates: UpdateRights,
}

impl TerminalRights {
    /// Whether it may read this data group of the encrypted zone.
    pub(crate) fn may_read(self, group: u8) -> bool {
        Rights::read_dg(group).is_some_and(|right| self.rights.contains(right))
    }

    /// Whether it may set and unblock PINs.
    pub(crate) const fn may_manage_pins(self) -> bool {
        self.rights.contains(Rights::PIN_MANAGEMENT)
    }

    /// Whether it may write this field of the encrypted zone.
    pub(crate) const fn may_update(self, field: Field) -> bool {
        let right = match field {
            Field::Spouse => UpdateRights::SPOUSE,
            Field::Father => UpdateRights::FATHER,
            Field::Mother => UpdateRights::MOTHER,
            Field::Birthplace => UpdateRights::BIRTHPLACE,
            // CARD-45: never, whatever a certificate says.
            Field::Sex | Field::AccessNumber => return false,
        };
        self.updates.contains(right)
    }
}
