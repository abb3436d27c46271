//! CMS (RFC 5652): SignedData with one signer and signed attributes, and the reading of EnvelopedData; DER.
//!
//! Used for EF.SOD (content type ldsSecurityObject, ICAO Doc 9303-10 §4.6), EF.CardSecurity (id-SecurityObject, BSI
//! TR-03110-3 §A.1.2.5), household data, and for the signatures a holder makes with the card. What it leaves out:
//! BER with indefinite lengths, unsigned attributes (skipped), and content without signed attributes when building.
//!
//! [`prepare`] gives the bytes to be signed and waits: the key may be in a chip. [`sign`] does both steps.

mod build;
mod enveloped;
mod identity;
mod parse;

pub use build::{Prepared, SignerIdentity, Spec, prepare, sign};
pub use enveloped::{EnvelopedData, KeyAgreement, KeyTransport, Recipient};
pub use parse::{SignedData, SignerInfo};
