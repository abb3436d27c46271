//! Published vectors, and both sides of every protocol against each other.

mod active;
mod authentication;
mod authentication_vectors;
mod bac;
mod cvc;
mod cvc_vectors;
mod infos;
mod kdf;
mod pace;
mod pace_vectors;
mod passive;
mod pki;
mod sm;
mod small_order;
mod support;
