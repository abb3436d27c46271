//! The host of the issuer security domain: washing, initialisation and personalisation by the card centre, PIN management
//! by the ministry. Commands are those of docs/card-commands.md, "Production and PIN management".
//!
//! A [`Session`] is one SCP03 channel. What it may do follows from the key set that opened it: transport keys change the
//! keys ([`Session::put_keys`]), centre keys initialise and personalise, PIN management keys set PINs, replace certificates
//! and suspend. Nothing here decides whether it ought to be done; that is `production`'s and `mgmt`'s matter.

mod cplc;
mod error;
mod files;
mod session;
mod status;

pub use cplc::{Cplc, read_cplc};
pub use error::PersoError;
pub use files::{EncryptedZoneFiles, InitialisationRequest, InitialisedCard, PersonalisationFiles};
pub use session::{PinReference, Session};
pub use status::{ChipLifeCycle, ChipStatus, PinStatus};

/// Version of the manufacturer's transport keys.
pub const TRANSPORT_KEY_VERSION: u8 = 0x01;
/// First of the versions (20-2F) of the card centre's keys.
pub const CENTRE_KEY_VERSION: u8 = 0x20;
/// Version of the ministry's PIN management keys.
pub const PIN_MANAGEMENT_KEY_VERSION: u8 = 0x31;

/// Application identifier of the issuer security domain.
pub const ISSUER_SECURITY_DOMAIN: &[u8] = &[0xA0, 0x00, 0x00, 0x01, 0x51, 0x00, 0x00, 0x00];
