//! Named curves, RSA, AES, hashes and, for Basic Access Control, 3DES: the whole cryptography of New eID on top of AWS-LC.
//!
//! PACE (ICAO 9303-11 §4.4) needs arithmetic on arbitrary points and brainpool curves, which no safe API of AWS-LC
//! offers. The module `ffi` calls the C functions directly; it is the only `unsafe` code of the standards crates. All
//! other modules are safe types on top of it:
//!
//! - a [`Point`] is finite and on its curve, a [`SecretKey`] lies between 1 and the group order: both are checked where
//!   bytes come in, and every coordinate, scalar and shared secret that goes out has fixed length (leading zeros kept);
//! - multiplication by a secret scalar takes AWS-LC's constant-time path;
//! - secrets are [`SecretBytes`]: zeroed when dropped, never shown by `Debug`;
//! - randomness enters as `&mut dyn Random`. The exceptions are the nonce inside an ECDSA signature, the blinding of an
//!   RSA operation and the primes of an RSA key, which AWS-LC draws from its own generator.

pub mod aes;
mod curves;
pub mod des;
mod ecdsa;
mod error;
mod ffi;
mod hash;
mod key;
pub mod mldsa;
mod pkcs8;
mod point;
mod random;
pub mod rsa;
mod secret;
mod spki;

pub use curves::{Curve, DomainParameters};
pub use ecdsa::{Signature, verify_digest};
pub use error::Error;
pub use hash::{Hash, Hasher};
pub use key::{Generator, SecretKey};
pub use point::Point;
pub use random::{Random, SeedRandom, SystemRandom};
pub use secret::{SecretBytes, constant_time_eq};
pub use spki::{point_from_spki, spki_from_point};
