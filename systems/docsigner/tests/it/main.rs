//! The document signer on both engines.

mod faults;
mod pkd;
mod renewal;
mod signing;
mod support;
