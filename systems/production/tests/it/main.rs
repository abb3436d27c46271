//! The card centre with real cards and a real document signer.

mod chip_types;
mod line;
mod lots;
mod orders;
mod support;
