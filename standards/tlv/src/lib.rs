//! BER-TLV (ISO/IEC 7816-4 §6.3, ITU-T X.690) reading and writing, and the table of object identifiers.
//!
//! The chip, the secure-messaging layer and the data groups all speak BER-TLV with tags of one to three bytes and
//! definite lengths of at most four length bytes. This crate reads exactly that, without allocation, and writes the
//! shortest (DER) form. It leaves out indefinite lengths and constructed strings, which no format used here allows.

pub mod oid;
mod read;
mod write;

pub use read::{Reader, Tlv, expect, find, read_all, read_one};
pub use write::{encode, integer_unsigned, length_of_length, oid as encode_oid, sequence, set};

/// What is wrong with an encoding. The input is always the peer's: nothing here is our own fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The input ends before the tag, the length or the value does.
    #[error("TLV ends too early")]
    Truncated,
    /// A tag of more than three bytes, or with a forbidden form.
    #[error("TLV tag is malformed")]
    Tag,
    /// An indefinite length, or one of more than four bytes.
    #[error("TLV length is malformed")]
    Length,
    /// Another tag than the one the format demands.
    #[error("TLV tag {found:#x} where {expected:#x} is required")]
    Unexpected {
        /// The tag the format demands.
        expected: u32,
        /// The tag that was found, 0 where there was nothing.
        found: u32,
    },
    /// Bytes follow where the format ends.
    #[error("{0} bytes follow the end of the TLV")]
    Trailing(usize),
}
