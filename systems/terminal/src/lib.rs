//! Everything a reader does with a card, over any [`apdu::CardChannel`]: in process, through PC/SC, or remote.
//!
//! - [`read_card`] reads the household and public zone as a stranger would, with the card access number or the MRZ, and
//!   says of each check separately how it went: signature, chip, data, status;
//! - [`npc_card`] is the holder's side of the certificate zone: PIN2, signing, deciphering;
//! - [`pcsc_channel`] finds cards in PC/SC readers;
//! - [`perso`] is the host of production and PIN management.
//!
//! The reader works with any eMRTD-like card of any issuer (ICAO Doc 9303-10 and -11, 8th edition), not only with ours.

mod card;
pub mod commands;
mod lengths;
pub mod npc_card;
pub mod pcsc_channel;
pub mod perso;
mod read;
mod refusal;
mod trust;

pub use card::{Card, CardError, FileRef, Lengths, OpenedChannel};
pub use pcsc_channel::PcscChannel;
pub use read::{
    Access, CardStatus, ChannelReport, Check, CheckKind, Day, GroupReport, Holder, Household, Outcome,
    PublicZoneFields, ReadOptions, ReadReport, SignerReport, Statements, Term, Timing, Verdict, read_card,
};
pub use refusal::{Fault, Refusal, Text};
pub use trust::{SignerCheck, TrustError, TrustStore};
