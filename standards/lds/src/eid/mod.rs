//! The Encrypted Zone as an eID application (BSI TR-03110-4 v2.21, Appendix C): its data groups, and the six fields of the
//! catalogue in them (CARD-28). The signed list of their hashes is [`crate::field_security`]; the file of a data group on
//! the card is the data group with its salt behind it.
//!
//! Each field stands in a data group of its own, because a terminal has one right for each data group. Which data group
//! is data: [`Placement`]. On a citizen's card fields without a home in TR-03110-4 stand in data groups with a national
//! type; the sample card for foreign programs puts them where such programs let a right through.

mod field;
mod value;
mod zone;

pub use field::{Field, Placement};
pub use value::{PersonName, Sex, Value};
pub use zone::EncryptedZone;

/// The most data groups an eID application has.
pub const MAX_GROUP: u8 = 22;

/// The data groups that repeat what stands elsewhere, so that age verification, expiry checks and the usual screens of
/// foreign programs work: document type, issuing state, expiry, names, date of birth, nationality.
pub const MIRRORS: [u8; 7] = [1, 2, 3, 4, 5, 8, 10];

/// The file identifier and the short file identifier of a data group.
// TR-03110-4 §2.2.
pub const fn file_of(group: u8) -> (u16, u8) {
    (0x0100 | group as u16, group)
}

/// File identifier and short file identifier of the zone's security object.
pub const SECURITY_OBJECT: (u16, u8) = (0x0118, 0x18);
