//! The logical data structure of the card (ICAO Doc 9303, eighth edition, parts 3, 5 and 10): the machine readable zone of
//! TD1 cards, the data groups of the Public Zone, their security object, the Household Zone, the security object of the
//! Encrypted Zone, and the package that updates a card.
//!
//! Pure: bytes in, values out, and back. Signatures are checked elsewhere (the security object is wrapped and unwrapped here,
//! its CMS belongs to `x509`), reading the files from a card belongs to `terminal`. Decoders borrow where they can, never
//! panic, and never allocate more than their input.
//!
//! Nearly everything here is personal data: `Debug` shows none of it.

pub mod chip_update;
pub mod com;
mod date;
pub mod dg1;
pub mod dg11;
pub mod dg12;
pub mod dg13;
pub mod dg14;
pub mod dg15;
pub mod dg2;
pub mod eid;
mod error;
pub mod field_security;
mod file;
pub mod household;
pub mod mrz;
pub mod public_zone;
pub mod security_object;
pub mod sod;
mod tag_list;
pub mod update_receipt;

pub use chip_update::ChipUpdate;
pub use date::Date;
pub use error::Error;
pub use field_security::FieldSecurityObject;
pub use file::DataGroup;
pub use mrz::{MrzError, Td1};
pub use public_zone::PublicZone;
pub use security_object::LdsSecurityObject;
pub use update_receipt::UpdateReceipt;
