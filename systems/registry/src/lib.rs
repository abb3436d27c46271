//! Household registration (戶役政資訊系統, RIS): the source of truth about persons, as the other systems see it.
//!
//! Other systems use the trait [`Register`]. [`SimulatedRegister`] implements it over tables of its own with invented
//! persons in the real counties, districts and villages: [`SimulatedRegister::populate`] makes any number of them from
//! a seed, [`sample_persons`] the named personas that the first run turns into cards in every state.
//!
//! Left out: everything the ministry's register does beside answering about persons (household books, moving desks,
//! nationality cases). What changes here is changed by [`SimulatedRegister::record`], one person at a time, and by
//! [`SimulatedRegister::renumber`], and every change of a person is an event that other systems read by its sequence number.

mod error;
mod names;
mod notice;
mod office;
mod person;
mod population;
mod register;
mod sample;
mod simulated;

pub use error::{EXPLAINED, RegistryError};
pub use notice::{Door, House, Renumbering};
pub use office::{Office, office, offices};
pub use person::{Person, Status};
pub use population::Population;
pub use register::{CardMark, Change, EventKind, Register, RegisterEvent};
pub use sample::{SamplePerson, sample_persons};
pub use simulated::SimulatedRegister;
