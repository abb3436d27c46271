//! Status without asking anybody: what a relying party downloads once for everybody and looks into at home, so that no use
//! of a card or certificate leaves a trace (PRIVACY-04, PRIVACY-05).
//!
//! - [`filter`]: whether a certificate is revoked or suspended, exactly, for the whole population in a few megabytes.
//! - [`cards`]: whether a card without certificate is reported lost or void (OPEN-37), by a salted hash of its serial number.
//! - [`check`]: the verdict on a certificate: chain first, then the filter.
//!
//! Both documents are CMS SignedData by the status signer of the CA, whose certificate has a purpose of its own. Everything
//! here is pure: bytes and times in, bytes and verdicts out. How the filter works is written down in
//! `docs/adr/` (exact revocation filter).
//!
//! What this crate leaves out: fetching, keeping and publishing, which are `npc`'s and the applications' business.

pub mod cards;
pub mod check;
pub mod filter;
mod ribbon;
mod set;
mod signed;

/// Every error of this crate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are not what the format demands; the text names the field. The publisher's fault, or the way's.
    #[error("malformed {0}")]
    Malformed(&'static str),
    /// Form, signature or certificate of the signed document.
    #[error(transparent)]
    X509(#[from] x509::Error),
    /// The signer's certificate leads to no trust anchor.
    #[error("the signer is not trusted: {0}")]
    Untrusted(x509::path::Refusal),
    /// The signer's certificate is for something else.
    #[error("signed by a certificate that is not for status documents")]
    NotForStatus,
    /// A delta that does not belong to the list it was applied to.
    #[error("the delta belongs to another list")]
    OtherBase,
    /// Something else than one full list and at most one delta.
    #[error("one full list is needed, and at most one delta to it")]
    NotOneList,
    /// Older than its next update, or not yet made.
    #[error("made at {from}, to be used until {until}")]
    OutOfDate {
        /// When it was made.
        from: jiff::Timestamp,
        /// Until when it may be used.
        until: jiff::Timestamp,
    },
    /// A set that could not be solved; another salt does it.
    #[error("no filter was found for this set")]
    Unsolved,
}

impl From<tlv::Error> for Error {
    fn from(error: tlv::Error) -> Self {
        Self::X509(error.into())
    }
}
