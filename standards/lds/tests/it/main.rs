//! The crate from outside: published machine readable zones, files of the card, the Public Zone as a whole, hostile input.

mod eid;
mod fields;
mod files;
mod hostile;
mod mrz;
mod zone;
