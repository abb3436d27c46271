//! The authorisation system on both engines.

mod authorities;
mod faults;
mod support;
mod terminals;
