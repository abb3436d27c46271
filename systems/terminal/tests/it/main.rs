//! Reading cards: a document of another issuer with all its whims, our own virtual card, forged and broken ones.

mod country;
mod eid;
mod emrtd;
mod garbage;
mod golden;
mod narrator;
mod ours;
mod reading;
mod recognise;
mod transport;
mod trust;
