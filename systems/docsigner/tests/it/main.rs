//! The document signer on both engines.

mod faults;
mod renewal;
mod signing;
mod support;
