//! Integration tests: published vectors, an independent implementation as oracle, hostile input.

mod encodings;
mod fields;
mod mldsa;
mod oracle;
mod published;
mod rsa;
mod small_order;
mod wycheproof;

use curve::{Curve, SeedRandom};

/// Reproducible randomness for one test.
fn random(name: &str) -> SeedRandom {
    SeedRandom::new(name.as_bytes())
}

fn unhex(digits: &str) -> Vec<u8> {
    hex::decode(digits).expect("vector is hexadecimal")
}

/// A number of any length, as vectors give it, brought to the length of the order.
fn scalar(curve: Curve, digits: &[u8]) -> Vec<u8> {
    let significant = &digits[digits.iter().take_while(|b| **b == 0).count()..];
    let mut out = vec![0; curve.order_len() - significant.len()];
    out.extend_from_slice(significant);
    out
}
