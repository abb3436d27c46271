//! The virtual card: one chip with a contact and a contactless side.
//!
//! Command bytes go in, response bytes come out; everything that must outlast the power is in a [`Memory`]. The chip is
//! made by [`factory::manufacture`], initialised and personalised over SCP03 by the card centre (`terminal::perso` is the
//! host's side), and then belongs to its holder. docs/card-commands.md lists the commands, docs/chip-files.md the files.
//!
//! Standards: ISO/IEC 7816-4 (2020), ICAO Doc 9303-10 and -11 (8th edition), BSI TR-03110-3 v2.21, GlobalPlatform 2.3.1
//! with Amendment D v1.2, PKCS #15 v1.1; the SmartCard-HSM profile as OpenSC 0.23 expects it.
//!
//! What is here: the four zones; PACE with all mappings and with CAN, MRZ and PIN1; Basic Access Control, which no issued
//! profile allows; secure messaging; active authentication; Terminal and Chip Authentication with rights per field; PIN1
//! and PIN2; production, PIN management, updates. What is not: Restricted Identification; the transport of APDUs; a clock
//! ([`Outcome::busy`] says how long an answer takes).

mod access;
mod application;
mod atr;
mod channel;
mod chip;
mod command_table;
mod commands;
mod encrypted;
mod error;
pub mod factory;
pub mod files;
mod instruction;
mod issuer;
mod keys;
mod life_cycle;
mod memory;
mod nvm;
mod observer;
mod pkcs15;
mod production;
pub mod profile;
mod profile_rules;
mod rights;
mod rsa_padding;
mod session;

pub use access::{Condition, Interface, SecurityStatus, Zone};
pub use application::Application;
pub use channel::InProcessChannel;
pub use chip::{Chip, Outcome};
pub use command_table::{COMMANDS, CommandRule, Through};
pub use error::ChipError;
pub use factory::FactoryData;
pub use issuer::{CENTRE_KEY_VERSIONS, PIN_MANAGEMENT_KEY_VERSION, TRANSPORT_KEY_VERSION};
pub use life_cycle::LifeCycle;
pub use memory::{Changes, Cut, FileMemory, Flash, Memory, MemoryError, RamMemory};
pub use nvm::BUDGET;
pub use observer::Exchange;
pub use profile::{ChipType, DocumentSigner, Finding, Place, Profile, ProfileError};
pub use profile_rules::{OWN_RULES as OWN_PROFILE_RULES, RULES as PROFILE_RULES, Rule as ProfileRule};
