//! What can be wrong with a file of the card. No message repeats personal data.

use crate::MrzError;

/// The peer's faults first (what a card gave us), then the caller's (what it wants to write).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file is not well-formed TLV.
    #[error("{file}: {source}")]
    Tlv {
        /// The file: `DG2`.
        file: &'static str,
        /// What is wrong with the encoding.
        source: tlv::Error,
    },
    /// A data object that the file must have is not there.
    #[error("{file}: data object {tag:X} is missing")]
    Missing {
        /// The file.
        file: &'static str,
        /// The tag that is missing.
        tag: u32,
    },
    /// A data object is there and cannot be understood.
    #[error("{file}: {what} is malformed")]
    Malformed {
        /// The file.
        file: &'static str,
        /// What in it.
        what: &'static str,
    },
    /// A version of a format that this program does not know.
    #[error("{file}: version {version} is not supported")]
    Version {
        /// The file.
        file: &'static str,
        /// The version found.
        version: u64,
    },
    /// Two files of one card contradict each other.
    #[error("{0} differs between two data groups")]
    Contradiction(&'static str),
    /// A data group that the Public Zone must have is absent.
    #[error("{0} is absent")]
    Absent(&'static str),
    /// The machine readable zone.
    #[error(transparent)]
    Mrz(#[from] MrzError),
    /// A value that the caller wants to write does not fit the format.
    #[error("{0} cannot be written")]
    Unwritable(&'static str),
}

impl Error {
    /// A closure for `map_err` that names the file.
    pub(crate) fn tlv(file: &'static str) -> impl Fn(tlv::Error) -> Self + Copy {
        move |source| Self::Tlv { file, source }
    }
}
