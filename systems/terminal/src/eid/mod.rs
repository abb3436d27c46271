//! The encrypted zone: what a terminal with a certificate of the authorisation PKI does with a card (TR-03110 version 2).
//!
//! - [`TerminalIdentity`] is the terminal's certificates and its key;
//! - [`Session::open`] runs PACE, Terminal Authentication and Chip Authentication, and verifies the chip's key against
//!   EF.CardSecurity; with a [`Document`] it holds that the chip is the one whose public zone was read;
//! - [`read_encrypted_zone`] reads the fields the terminal may read, verifies them, and explains each it may not;
//! - [`read_access_number`] opens the way to the public zone for whoever may read that field;
//! - [`Session::set_pin`] and [`Session::unblock_pin`] are what a terminal with the right to manage PINs may do,
//!   [`Session::update`] one with the right to write.
//!
//! All of it needs the contact interface.

mod examine;
mod identity;
mod read;
mod session;

pub use identity::{IdentityError, TerminalIdentity};
pub use read::{EncryptedZoneReport, FieldOutcome, FieldReport, read_access_number, read_encrypted_zone};
pub use session::{Document, EidError, Grant, Session, UpdateFiles};

/// Application identifier of the eID application (TR-03110-4 §2.2).
pub const AID_EID: &[u8] = &[0xE8, 0x07, 0x04, 0x00, 0x7F, 0x00, 0x07, 0x03, 0x02];
