//! Certificate revocation lists (RFC 5280 §5): complete lists, partitions, and the lists of ICAO Doc 9303-12.
//!
//! A complete list has no issuingDistributionPoint, so that every reader understands it. A partition carries a critical
//! issuingDistributionPoint with exactly the URI that stands in the certificates, so that no other partition can be put
//! in its place. The list of the country signing CA has neither, and no empty revokedCertificates.
//!
//! A delta list is a partition's list of what has changed since an earlier one. Readers here refuse to rely on deltas: they
//! only save bandwidth, and a resumed certificate leaves the full list at once.
//!
//! Lists of a million entries are the normal case: the writer copies every entry once, the reader walks the encoding
//! and allocates nothing per entry.

mod build;
mod parse;
mod table;

pub use build::{
    Lifetime, Pointers, Revoked, TbsCrl, assemble, complete, csca, delta, from_table, issue, partition,
};
pub use parse::{Crl, Entries, Entry, IssuingDistributionPoint, RevocationIndex};
pub use table::Table;

/// Why a certificate was revoked (RFC 5280 §5.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
#[repr(u8)]
pub enum Reason {
    /// No reason given; not written into lists.
    Unspecified = 0,
    /// The subject's key is compromised.
    KeyCompromise = 1,
    /// The CA's key is compromised.
    CaCompromise = 2,
    /// The subject's name or affiliation changed.
    AffiliationChanged = 3,
    /// Replaced.
    Superseded = 4,
    /// No longer needed.
    CessationOfOperation = 5,
    /// Suspended.
    CertificateHold = 6,
    /// Resumed; only in delta CRLs.
    RemoveFromCrl = 8,
    /// A privilege was withdrawn.
    PrivilegeWithdrawn = 9,
    /// The attribute authority's key is compromised.
    AaCompromise = 10,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Self; 10] = [
        Self::Unspecified,
        Self::KeyCompromise,
        Self::CaCompromise,
        Self::AffiliationChanged,
        Self::Superseded,
        Self::CessationOfOperation,
        Self::CertificateHold,
        Self::RemoveFromCrl,
        Self::PrivilegeWithdrawn,
        Self::AaCompromise,
    ];

    /// The CRLReason code.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The reason with this code.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL
            .get(usize::from(if code > 7 { code - 1 } else { code }))
            .copied()
            .filter(|r| r.code() == code)
    }
}
