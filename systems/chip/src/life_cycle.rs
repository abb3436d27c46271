//! The life of the chip, from the manufacturer's gate to its end, and what may be done in each state.

use apdu::StatusWord;

use crate::instruction::Instruction;

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
    /// Personalised: the chip belongs to its holder.
    Operational = 4,
    /// Everything but the issuer security domain refuses.
    Locked = 5,
    /// Erased, for good.
    Terminated = 6,
}

impl LifeCycle {
    /// All states in order.
    pub const ALL: [Self; 6] =
        [Self::Delivered, Self::Washed, Self::Initialised, Self::Operational, Self::Locked, Self::Terminated];

    /// The number it is stored and reported as.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The state with this number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.number() == number)
    }

    /// Whether the chip identifier is sealed and its holder's rules apply.
    pub const fn is_personalised(self) -> bool {
        matches!(self, Self::Operational | Self::Locked | Self::Terminated)
    }

    /// Whether `instruction` may be executed in this state; the status word to refuse it with otherwise.
    pub(crate) fn permits(self, instruction: Instruction) -> Result<(), StatusWord> {
        let (_, states) =
            GATE.iter().find(|(i, _)| *i == instruction).ok_or(StatusWord::INS_NOT_SUPPORTED)?;
        if states.contains(&self) {
            return Ok(());
        }
        // ISO/IEC 7816-4 §5.6: 6285, selected file in termination state.
        Err(match (self, instruction) {
            (Self::Terminated, Instruction::Select) => StatusWord(0x6285),
            _ => StatusWord::CONDITIONS_NOT_SATISFIED,
        })
    }
}

use Instruction as I;
use LifeCycle::{Delivered, Initialised, Locked, Operational, Washed};

/// Command by state. What is not listed is refused.
#[rustfmt::skip]
const GATE: &[(Instruction, &[LifeCycle])] = &[
    (I::Select,                      &[Delivered, Washed, Initialised, Operational, Locked]),
    (I::GetData,                     &[Delivered, Washed, Initialised, Operational, Locked]),
    (I::InitializeUpdate,            &[Delivered, Washed, Initialised, Operational, Locked]),
    (I::ExternalAuthenticate,        &[Delivered, Washed, Initialised, Operational, Locked]),
    (I::PutKey,                      &[Delivered, Washed, Initialised]),
    (I::Initialise,                  &[Washed, Initialised]),
    (I::BeginPersonalisation,        &[Initialised]),
    (I::StoreData,                   &[Initialised, Operational]),
    (I::Commit,                      &[Initialised]),
    (I::SetStatus,                   &[Operational, Locked]),
    (I::ResetRetryCounter,           &[Operational]),
    (I::ReadBinary,                  &[Operational]),
    (I::ReadBinaryOdd,               &[Operational]),
    (I::GetChallenge,                &[Operational]),
    (I::ManageSecurityEnvironment,   &[Operational]),
    (I::GeneralAuthenticate,         &[Operational]),
    (I::InternalAuthenticate,        &[Operational]),
    (I::Verify,                      &[Operational]),
    (I::ChangeReferenceData,         &[Operational]),
    (I::EnumerateObjects,            &[Operational]),
    (I::Sign,                        &[Operational]),
    (I::Decipher,                    &[Operational]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instruction_is_in_the_gate_once() {
        for instruction in Instruction::ALL {
            assert_eq!(GATE.iter().filter(|(i, _)| *i == instruction).count(), 1, "{instruction:?}");
        }
        assert_eq!(GATE.len(), Instruction::ALL.len());
    }

    #[test]
    fn a_terminated_chip_does_nothing() {
        for instruction in Instruction::ALL {
            assert!(LifeCycle::Terminated.permits(instruction).is_err());
        }
    }

    #[test]
    fn states_survive_being_stored() {
        for state in LifeCycle::ALL {
            assert_eq!(LifeCycle::from_number(state.number()), Some(state));
        }
        assert_eq!(LifeCycle::from_number(0), None);
    }
}
