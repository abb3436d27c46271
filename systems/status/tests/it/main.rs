//! Filters and lists as a publisher makes them and a reader takes them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cards;
mod check;
mod support;
