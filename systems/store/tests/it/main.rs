//! Every behaviour of the store on both engines.

#![allow(clippy::unwrap_used, reason = "a test that unwraps fails where it should")]

mod faults;
mod jobs;
mod migrations;
mod processes;
mod transactions;
mod values;
