//! Every command of the card as a table: in which states of its life it works, on which interface, through which kind of
//! messaging, in which applications. The chip asks this table before it calls a handler, so what the table does not allow
//! cannot happen, whatever the handler would do.
//!
//! `docs/card-commands.md` shows the same table for people, and `tests/it/commands.rs` tries every command in every state,
//! on both interfaces, through every kind of messaging and in every application; both are driven by [`COMMANDS`].
//!
//! What is left to the handlers: parameters, and conditions that depend on data (a PIN, a file, a right).

use apdu::StatusWord;

use crate::access::Interface;
use crate::application::Application;
use crate::instruction::{Instruction, Protection};
use crate::life_cycle::LifeCycle;
use crate::life_cycle::LifeCycle::{Delivered, Initialised, Locked, Operational, Personalised, Washed};

/// One command: a row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommandRule {
    /// Its name in the standard, or ours for our own.
    pub name: &'static str,
    pub(crate) instruction: Instruction,
    /// Class byte without chaining and secure messaging.
    pub cla: u8,
    /// Instruction byte.
    pub ins: u8,
    /// How it must come.
    pub through: Through,
    /// Whether it works on the contactless interface too.
    pub contactless: bool,
    /// The states in which it works.
    pub states: &'static [LifeCycle],
    /// The applications in which it works; none means that the selected application does not matter.
    pub applications: &'static [Application],
    /// What it answers in any other application, and on an interface it does not work on.
    pub elsewhere: StatusWord,
}

/// How a command must come to the card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Through {
    /// In the clear only: it begins a session of its own.
    Clear,
    /// In the clear or through a PACE channel; what it then may do is a matter of the file or key.
    Any,
    /// Through a PACE channel only.
    Channel,
    /// As the profile says for the certificate zone: through a PACE channel on a citizen's card, in the clear as well on a
    /// sample card.
    Profile,
    /// In the clear only, on a card whose profile has Basic Access Control; anywhere else there is no such command.
    BasicAccess,
    /// Inside SCP03 only.
    Scp,
}

impl Through {
    /// The word for it in the documentation.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Any => "clear or channel",
            Self::Channel => "channel",
            Self::Profile => "channel (sample cards: or clear)",
            Self::BasicAccess => "clear, where the profile has BAC",
            Self::Scp => "SCP03",
        }
    }

    /// Whether a row with this speaks of commands that come so. SCP03 is a world of its own; everything else shares one row.
    const fn concerns(self, protection: Protection) -> bool {
        matches!(self, Self::Scp) == matches!(protection, Protection::Scp)
    }
}

/// States of a card that has a holder and answers.
const IN_USE: &[LifeCycle] = &[Personalised, Operational];
/// Every state but the last.
const ALIVE: &[LifeCycle] = &[Delivered, Washed, Initialised, Personalised, Operational, Locked];

const ANYWHERE: &[Application] = &[];
const ISSUER: &[Application] = &[Application::Issuer];
const PUBLIC: &[Application] = &[Application::PublicNational, Application::PublicIcao];
const CERTIFICATE: &[Application] = &[Application::SmartCardHsm, Application::Pkcs15];

#[allow(clippy::too_many_arguments, reason = "a row has as many arguments as the table has columns")]
const fn row(
    name: &'static str,
    instruction: Instruction,
    [cla, ins]: [u8; 2],
    through: Through,
    contactless: bool,
    states: &'static [LifeCycle],
    applications: &'static [Application],
    elsewhere: u16,
) -> CommandRule {
    let elsewhere = StatusWord(elsewhere);
    CommandRule { name, instruction, cla, ins, through, contactless, states, applications, elsewhere }
}

use Instruction as I;
use Through::{Any, BasicAccess, Channel, Clear, Profile, Scp};

/// Every command of the card.
#[rustfmt::skip]
pub const COMMANDS: &[CommandRule] = &[
    //  name                          instruction                  CLA   INS    through  contactless states              applications, elsewhere
    row("SELECT",                     I::Select,                   [0x00, 0xA4], Any,     true,  ALIVE,                    ANYWHERE, 0x6985),
    row("READ BINARY",                I::ReadBinary,               [0x00, 0xB0], Any,     true,  IN_USE,                   ANYWHERE, 0x6985),
    row("READ BINARY (odd)",          I::ReadBinaryOdd,            [0x00, 0xB1], Any,     true,  IN_USE,                   ANYWHERE, 0x6985),
    row("GET CHALLENGE",              I::GetChallenge,             [0x00, 0x84], Any,     true,  IN_USE,                   ANYWHERE, 0x6985),
    row("MANAGE SECURITY ENVIRONMENT", I::ManageSecurityEnvironment, [0x00, 0x22], Any,   true,  IN_USE,                   ANYWHERE, 0x6985),
    row("GENERAL AUTHENTICATE",       I::GeneralAuthenticate,      [0x00, 0x86], Any,     true,  IN_USE,                   ANYWHERE, 0x6985),
    row("INTERNAL AUTHENTICATE",      I::InternalAuthenticate,     [0x00, 0x88], Channel, true,  IN_USE,                   PUBLIC, 0x6985),
    row("RESET RETRY COUNTER",        I::ResetRetryCounter,        [0x00, 0x2C], Channel, false, IN_USE,                   ANYWHERE, 0x6982),
    row("PSO: VERIFY CERTIFICATE",    I::VerifyCertificate,        [0x00, 0x2A], Channel, false, IN_USE,                   ANYWHERE, 0x6D00),
    row("EXTERNAL AUTHENTICATE (terminal)", I::AuthenticateTerminal, [0x00, 0x82], Channel, false, IN_USE,                 ANYWHERE, 0x6D00),
    row("EXTERNAL AUTHENTICATE (BAC)", I::BasicAccessControl,      [0x00, 0x82], BasicAccess, true, IN_USE,               PUBLIC, 0x6985),
    row("VERIFY (auxiliary data)",    I::VerifyAuxiliaryData,      [0x80, 0x20], Channel, false, IN_USE,                   &[Application::Eid], 0x6985),
    row("STORE DATA (update)",        I::StoreUpdate,              [0x80, 0xE2], Channel, false, IN_USE,                   ANYWHERE, 0x6982),
    row("COMMIT (update)",            I::CommitUpdate,             [0x80, 0x34], Channel, false, IN_USE,                   ANYWHERE, 0x6982),
    row("VERIFY",                     I::Verify,                   [0x00, 0x20], Profile, false, IN_USE,                   CERTIFICATE, 0x6A88),
    row("CHANGE REFERENCE DATA",      I::ChangeReferenceData,      [0x00, 0x24], Profile, false, IN_USE,                   CERTIFICATE, 0x6A88),
    row("ENUMERATE OBJECTS",          I::EnumerateObjects,         [0x80, 0x58], Profile, false, IN_USE,                   &[Application::SmartCardHsm], 0x6985),
    row("SIGN",                       I::Sign,                     [0x80, 0x68], Profile, false, &[Operational],           CERTIFICATE, 0x6985),
    row("DECIPHER",                   I::Decipher,                 [0x80, 0x62], Profile, false, &[Operational],           CERTIFICATE, 0x6985),
    row("GET DATA (CPLC)",            I::GetData,                  [0x80, 0xCA], Clear,   false, ALIVE,                    ISSUER, 0x6985),
    row("INITIALIZE UPDATE",          I::InitializeUpdate,         [0x80, 0x50], Clear,   false, ALIVE,                    ISSUER, 0x6D00),
    row("EXTERNAL AUTHENTICATE",      I::ExternalAuthenticate,     [0x80, 0x82], Scp,     false, ALIVE,                    ISSUER, 0x6985),
    row("GET DATA",                   I::GetData,                  [0x80, 0xCA], Scp,     false, ALIVE,                    ISSUER, 0x6985),
    row("PUT KEY",                    I::PutKey,                   [0x80, 0xD8], Scp,     false, &[Delivered, Washed, Initialised], ISSUER, 0x6985),
    row("INITIALISE",                 I::Initialise,               [0x80, 0x30], Scp,     false, &[Washed, Initialised],   ISSUER, 0x6985),
    row("BEGIN PERSONALISATION",      I::BeginPersonalisation,     [0x80, 0x32], Scp,     false, &[Initialised],           ISSUER, 0x6985),
    row("STORE DATA",                 I::StoreData,                [0x80, 0xE2], Scp,     false, &[Initialised, Personalised, Operational], ISSUER, 0x6985),
    row("COMMIT",                     I::Commit,                   [0x80, 0x34], Scp,     false, &[Initialised],           ISSUER, 0x6985),
    row("RESET RETRY COUNTER (issuer)", I::ResetRetryCounter,      [0x80, 0x2C], Scp,     false, IN_USE,                   ISSUER, 0x6985),
    row("SET STATUS",                 I::SetStatus,                [0x80, 0xF0], Scp,     false, &[Personalised, Operational, Locked], ISSUER, 0x6985),
];

/// Where the card stands when a command comes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) state: LifeCycle,
    pub(crate) interface: Interface,
    pub(crate) selected: Application,
    /// Whether the profile has Basic Access Control.
    pub(crate) basic_access_control: bool,
}

/// Whether a command may be given to its handler; the status word to refuse it with otherwise.
pub(crate) fn permits(
    instruction: Instruction,
    protection: Protection,
    place: Place,
) -> Result<(), StatusWord> {
    let Place { state, interface, selected, basic_access_control } = place;
    let mut rows = COMMANDS.iter().filter(|rule| rule.instruction == instruction);
    let rule = rows
        .find(|rule| rule.through.concerns(protection))
        // Known, but not by this way.
        .ok_or(StatusWord::SECURITY_STATUS_NOT_SATISFIED)?;
    // OPEN-06: readers of travel documents take an unknown instruction as the sign to go on to PACE.
    if rule.through == Through::BasicAccess && !basic_access_control {
        return Err(StatusWord::INS_NOT_SUPPORTED);
    }
    if !rule.states.contains(&state) {
        // ISO/IEC 7816-4 §5.6: 6285, selected file in termination state.
        return Err(match (state, instruction) {
            (LifeCycle::Terminated, Instruction::Select) => StatusWord(0x6285),
            _ => StatusWord::CONDITIONS_NOT_SATISFIED,
        });
    }
    let here = rule.applications.is_empty() || rule.applications.contains(&selected);
    // CARD-31, CARD-34: what is on contact only is absent on the other side.
    if !here || (interface == Interface::Contactless && !rule.contactless) {
        return Err(rule.elsewhere);
    }
    match (rule.through, protection) {
        (Through::Clear, Protection::Channel) => Err(StatusWord::CONDITIONS_NOT_SATISFIED),
        (Through::Channel, Protection::Plain) => Err(StatusWord::SECURITY_STATUS_NOT_SATISFIED),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instruction_is_in_the_table_and_no_way_in_stands_twice() {
        for instruction in Instruction::ALL {
            assert!(COMMANDS.iter().any(|rule| rule.instruction == instruction), "{instruction:?}");
        }
        for (i, rule) in COMMANDS.iter().enumerate() {
            for other in COMMANDS[i + 1..].iter().filter(|o| (o.cla, o.ins) == (rule.cla, rule.ins)) {
                // SCP03 is a world of its own; what belongs in the clear only is not what belongs into a channel only.
                let apart = (rule.through == Scp) != (other.through == Scp)
                    || [rule.through, other.through] == [Channel, BasicAccess];
                assert!(apart, "{} and {}", rule.name, other.name);
            }
            assert!(COMMANDS[i + 1..].iter().all(|o| o.name != rule.name));
        }
    }

    #[test]
    fn a_terminated_chip_does_nothing() {
        for rule in COMMANDS {
            assert!(!rule.states.contains(&LifeCycle::Terminated));
        }
    }
}
