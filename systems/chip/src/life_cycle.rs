//! The life of the chip, from the manufacturer's gate to its end, and what may be done in each state.

/// The state of the chip. The card's life in the hands of people (issued, lost, void) is the management system's matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum LifeCycle {
    /// As it left the manufacturer, locked under the transport keys.
    Delivered = 1,
    /// The card centre's keys replaced the transport keys.
    Washed = 2,
    /// Key pairs are made; serial number and profile are set.
    Initialised = 3,
    /// The holder has set a PIN.
    Operational = 4,
    /// Suspended by the ministry: everything but the issuer security domain refuses.
    Locked = 5,
    /// Erased, for good.
    Terminated = 6,
    /// Has its holder's data, and no PIN yet: on its way to the holder, or in the hands of one who wants no PIN. Public and
    /// household zone are read as ever; no key of the certificate zone works (CARD-50).
    // Not stored: an operational chip without any PIN is personalised. So it cannot contradict the PINs, whatever happens to
    // the power, and suspending and resuming the card leads back to where it was.
    Personalised = 7,
}

impl LifeCycle {
    /// All states in order.
    pub const ALL: [Self; 7] = [
        Self::Delivered,
        Self::Washed,
        Self::Initialised,
        Self::Personalised,
        Self::Operational,
        Self::Locked,
        Self::Terminated,
    ];

    /// The number it is reported as.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The state with this number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.number() == number)
    }

    /// Whether the chip identifier is sealed and its holder's rules apply.
    pub const fn is_personalised(self) -> bool {
        matches!(self, Self::Personalised | Self::Operational | Self::Locked | Self::Terminated)
    }

    /// Whether the card has a holder's data and answers readers.
    pub const fn is_in_use(self) -> bool {
        matches!(self, Self::Personalised | Self::Operational)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_survive_being_stored() {
        for state in LifeCycle::ALL {
            assert_eq!(LifeCycle::from_number(state.number()), Some(state));
        }
        assert_eq!(LifeCycle::from_number(0), None);
    }
}
