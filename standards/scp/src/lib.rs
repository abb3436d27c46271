//! Secure Channel Protocol 03 of GlobalPlatform (Card Specification v2.3, Amendment D v1.2), host and card side.
//!
//! The card centre writes the card through this channel, and the management system sets PINs through it. Both sides
//! stand here so that they are tested against each other:
//!
//! - host: [`Host::initialize_update`] → [`Host::on_response`] → [`Authenticating::external_authenticate`] →
//!   [`Authenticated::on_response`] → [`HostSession`];
//! - card: [`Card::initialize_update`] → [`Card::external_authenticate`] → [`CardSession`].
//!
//! Each state is a value; a step consumes it, so no step can be repeated or left out. Whatever a card session cannot
//! verify ends it: its keys are dropped and every later command is refused.
//!
//! AES-128, AES-192 and AES-256; S8 and S16 mode; random and pseudo-random card challenge; security levels 00, 01, 03,
//! 11, 13 and 33. Section numbers in the comments are those of Amendment D v1.2. Left out: logical channels other than
//! the basic one, and the BEGIN and END R-MAC SESSION commands, which change the level within a session.

mod card;
mod channel;
mod error;
mod host;
mod kdf;
mod keys;
mod level;
mod put_key;

pub use card::{Card, CardChallenge, CardData, CardSession};
pub use error::Error;
pub use host::{Authenticated, Authenticating, Host, HostSession, InitializeUpdateResponse};
pub use kdf::kdf_counter;
pub use keys::{KeySet, check_value, diversify};
pub use level::{Mode, Options, SecurityLevel};
pub use put_key::{INS_PUT_KEY, confirmation};

/// Instruction byte of INITIALIZE UPDATE.
pub const INS_INITIALIZE_UPDATE: u8 = 0x50;
/// Instruction byte of EXTERNAL AUTHENTICATE.
pub const INS_EXTERNAL_AUTHENTICATE: u8 = 0x82;
