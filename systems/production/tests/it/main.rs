//! The card centre with real cards and a real document signer.

mod line;
mod lots;
mod orders;
mod support;
