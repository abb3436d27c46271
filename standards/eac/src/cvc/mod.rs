//! Card-verifiable certificates (TR-03110-3 §C and §D): small certificates in TLV that a chip can check by itself.
//!
//! Three levels: the country verifying certification authority (CVCA), whose key is a card's trust point; document
//! verifiers (DV), official or not; and terminals. Each certificate carries a holder authorisation template ([`Chat`]), and
//! what a terminal may do is what all certificates above it and the holder's own consent agree on ([`Authorisation`]).
//!
//! ```text
//! 7F21 { 7F4E { 5F29 profile, 42 authority, 7F49 key, 5F20 holder, 7F4C rights, 5F25 from, 5F24 to, 65 extensions },
//!        5F37 signature }
//! ```
//! Reading is strict: shortest lengths, fixed order, nothing left over, and a limit of [`MAX_LEN`] bytes. What is here:
//! certificates, requests, descriptions and chains with ECDSA keys. What is not: RSA keys, other curves than the six of
//! `curve` (they can be read, not used), and the protocol that presents a chain to a card
//! ([`crate::terminal_authentication`]).

mod certificate;
mod chain;
mod chat;
mod date;
mod der;
mod description;
mod error;
mod extension;
mod key;
mod reference;
mod request;

pub use certificate::{Body, Certificate, MAX_LEN};
pub use chain::{Authorisation, Chain, Imported, TrustPoint, TrustPoints, Update, path, validate_at};
pub use chat::{Chat, Rights, Role, TerminalType};
pub use date::Date;
pub use description::CertificateDescription;
pub use error::CvcError;
pub use extension::{Extension, Extensions, UpdateRights};
pub use key::{Domain, PublicKey, VerifyingKey};
pub(crate) use key::{PublicKeyObject, encode_object};
pub use reference::Reference;
pub use request::Request;
