//! X.509 certificates, revocation lists, OCSP, CMS SignedData, certification requests and CMP; the profiles of this
//! country's certificates and path validation.
//!
//! Everything is bytes in, bytes out. The time is an argument, private keys stand behind [`Signer`], and signatures are
//! checked through `curve`. Editions: RFC 5280, RFC 6960 with RFC 9654 (nonce), RFC 3161 with RFC 5816, RFC 5652, RFC 2986, RFC 9810 with RFC 4211, RFC 5480, RFC 4055,
//! ICAO Doc 9303-12 (8th edition).
//!
//! Decoding is strict DER: shortest lengths, minimal integers, `FF` for TRUE, `Z` times without fractions. What a peer
//! sends never panics and never costs more memory than a small multiple of its length.
//!
//! What this crate leaves out: relying on delta CRLs (they are written, and no relying party may depend on them), name constraints and policy trees in
//! path validation (a certificate that carries them as critical is refused), RSASSA-PSS, and explicit curve parameters.
//! The last is a deliberate deviation from ICAO Doc 9303-12 §4.4.2, which historically asks for explicit parameters in
//! CSCA and document signer keys: RFC 5480 §2.1.1 forbids them, and OpenSSL, BouncyCastle and JMRTD read named curves.

mod algorithm;
mod asn1;
mod error;
mod key;
mod serial;
mod signer;
mod time;

pub mod certificate;
pub mod cmp;
pub mod cms;
pub mod crl;
pub mod csr;
pub mod extension;
pub mod master_list;
pub mod name;
pub mod ocsp;
pub mod path;
pub mod pem;
pub mod tsp;

pub use algorithm::{SignatureAlgorithm, verify};
pub use certificate::Certificate;
pub use error::{Error, SignError};
pub use key::{PublicKey, key_identifier, spki_from_mldsa};
pub use name::Name;
pub use serial::Serial;
pub use signer::{EcSigner, MlDsaSigner, RsaSigner, Signer};
pub use time::Validity;
