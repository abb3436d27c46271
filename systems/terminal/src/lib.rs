//! Everything a reader does with a card, over any [`apdu::CardChannel`]: in process, through PC/SC, or remote.
//!
//! - [`read_card`] reads the household and public zone as a stranger would, with the card access number or the MRZ, and
//!   says of each check separately how it went: signature, chip, data, status;
//! - [`npc_card`] is the holder's side of the certificate zone: PIN2, signing, deciphering;
//! - [`pin1`] asks where PIN1 stands, opens the channel with it and changes it;
//! - [`recognise`] tells a New eID from other cards, and which middleware is for them;
//! - [`eid`] is the terminal's side of the encrypted zone: reading, managing PINs, updating;
//! - [`pcsc_channel`] finds cards in PC/SC readers;
//! - [`narrator`] tells people in plain words what passes between a program and a card, [`Traced`] for any channel;
//! - [`perso`] is the host of production and PIN management.
//!
//! The reader works with any eMRTD-like card of any issuer (ICAO Doc 9303-10 and -11, 8th edition), not only with ours.

mod card;
pub mod commands;
pub mod eid;
mod lengths;
pub mod narrator;
pub mod npc_card;
pub mod pcsc_channel;
pub mod perso;
pub mod pin1;
mod read;
pub mod recognise;
mod refusal;
mod traced;
mod trust;

pub use card::{Card, CardError, FileRef, Lengths, OpenedChannel};
pub use pcsc_channel::PcscChannel;
pub use read::{
    Access, CONSENT, CardStatus, ChannelReport, Check, CheckKind, ChipMechanism, Day, GroupReport, Holder,
    Household, Outcome, Portrait, PublicZoneFields, ReadOptions, ReadReport, SignerReport, Statements, Term,
    Timing, Verdict, read_card,
};
pub use refusal::{Fault, Refusal, Text};
pub use traced::{Event, Traced};
pub use trust::{SignerCheck, TrustError, TrustStore};
