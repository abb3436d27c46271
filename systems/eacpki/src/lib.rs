//! The authorisation system of the country (EAC-PKI): which terminal may do what with a card.
//!
//! Three levels of card-verifiable certificates: the country verifying CA (CVCA), whose key every card gets as its trust
//! point; document verifiers, one for official terminals and, where wanted, one for others; and terminals, for a few days at
//! a time, because a card asks nobody whether a certificate was revoked. A [`Service`] is what was approved for an agency:
//! rights, words for the holder, and an end. A terminal certificate never gives more and never lasts longer.
//!
//! When a CVCA's time is nearly over a successor is made, and a link certificate leads the cards in the field to it. The
//! order of effects is that of the other authorities: the bytes to be signed are stored before they are signed, and whatever
//! stops the program in between, the next call ends with the same bytes. Left out: the workflow of applications and audits,
//! transport to other countries (TR-03129).

mod authority;
mod config;
mod error;
mod schema;
mod service;
mod system;
mod terminal;

pub use config::Config;
pub use error::EacPkiError;
pub use schema::MIGRATIONS;
pub use service::{Service, ServiceState};
pub use system::{EacPki, Renewal};
pub use terminal::TerminalCertificate;

use async_trait::async_trait;
use eac::cvc::{Certificate, TrustPoint};
use jiff::Timestamp;

/// What a call of this crate returns.
pub type Result<T, E = EacPkiError> = std::result::Result<T, E>;

/// What other systems ask of the authorisation system.
#[async_trait]
pub trait TerminalAuthorisation: Send + Sync {
    /// The trust point that a card gets when it is personalised.
    async fn trust_point(&self) -> Result<TrustPoint>;

    /// Every certificate between trust points and terminals: link certificates and document verifiers, oldest first.
    async fn certificates(&self) -> Result<Vec<Certificate>>;

    /// Issues a terminal certificate for an approved service over a request. The same request always gets the same
    /// certificate. While the service has a valid certificate the request must be authenticated by its key.
    async fn issue(&self, service: &str, request: &[u8], actor: &str, now: Timestamp) -> Result<Certificate>;
}
