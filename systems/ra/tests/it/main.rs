//! The registration authority between a whole management system and CA, on both engines, with virtual cards.

#![allow(clippy::unwrap_used, reason = "a test that unwraps fails where it should")]

mod barcodes;
mod cases;
mod certificate_cards;
mod counter;
mod crash;
mod firms;
mod holder;
mod interrupted;
mod issuing;
mod loss;
mod refusals;
mod rekey;
mod support;
mod virtual_cards;
#[allow(dead_code, reason = "the country of the tests of management; these need less of it")]
#[path = "../../../mgmt/tests/it/world.rs"]
mod world;
