//! Encryption of rows at rest, and of packages from one system to another.
//!
//! Rows that hold personal data are encrypted under a [`DataKey`] of their own (one per person, case or order),
//! which is stored only wrapped under the system's [`MasterKey`]. Deleting the wrapped key destroys the data,
//! wherever copies of the row may lie. Rows are found by [`MasterKey::lookup`], a keyed hash, so that a stolen
//! table answers no question about a person.
//!
//! A package for another system is sealed to that system's P-521 key: see [`package`].
//!
//! Every ciphertext is bound to a *context* (table, column, row): a value copied to another row does not open.
//! What this crate leaves out: where master keys come from (key store, ceremony) and when a key is destroyed
//! (the system's own rules).

mod error;
mod keys;
pub mod package;
mod random;

pub use error::SealError;
pub use keys::{DataKey, MasterKey};
pub use random::SharedRandom;

#[cfg(test)]
mod tests;
