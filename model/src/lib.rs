//! The mission's words as types: national identification number, card serial, secrets of the holder, dates of the
//! Republic, names with CNS 11643 characters, addresses with village codes, and the life cycles of application, card and
//! certificate. Pure: no clock, no storage, no network.
//!
//! Personal data and secrets hide themselves in `Debug` and have no `Display`; whoever needs them says so by a method.

mod address;
pub mod application;
pub mod card;
mod card_serial;
pub mod certificate;
pub mod cns;
mod credential;
pub mod divisions;
mod error;
mod field;
mod kinds;
pub mod lifecycle;
mod name;
mod national_id;
mod office;
mod roc_date;
mod text;
pub mod validity;

pub use address::Address;
pub use application::{Application, ApplicationState};
pub use card::{Card, CardState, VoidReason};
pub use card_serial::{Can, CardSerial};
pub use certificate::{CertificateState, RevocationReason, SuspensionCause};
pub use credential::{Pin1, Pin2, UserCode};
pub use divisions::{CountyCode, DistrictCode, Divisions, VillageCode};
pub use error::Error;
pub use field::{Field, Zone};
pub use kinds::{
    ApplicationKind, CardProfile, Channel, ChipRisk, KeySlot, MaritalStatus, MilitaryServiceCategory,
    PortraitExemption, Programme, Sex,
};
pub use lifecycle::{Event, Stamp};
pub use name::{PersonName, is_rare};
pub use national_id::NationalIdNo;
pub use office::{CaseNo, OfficeCode};
pub use roc_date::RocDate;
