//! Published vectors, and both sides of every protocol against each other.

mod active;
mod bac;
mod infos;
mod kdf;
mod pace;
mod pace_vectors;
mod passive;
mod sm;
mod support;
