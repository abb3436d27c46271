//! Tests of the virtual card through its commands, as a reader or the card centre sends them.
#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a test that cannot go on has failed; one binary, no API"
)]

mod access;
mod attacks;
mod certificate_zone;
mod commands;
mod document_pki;
mod documents;
mod eac_pki;
mod encrypted_zone;
mod mappings;
mod messaging;
mod pace;
mod pins;
mod power;
mod production;
mod robustness;
mod scenarios;
mod secrets;
mod security;
mod small_order;
mod support;
mod tearing;
mod tracking;
