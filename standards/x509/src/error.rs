//! What can go wrong, sorted by whose fault it is.

use crate::certificate::lint::Finding;

/// Every error of this crate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    // The peer's fault: the bytes we were given.
    /// The outer form is not DER.
    #[error("not DER: {0}")]
    Encoding(#[from] tlv::Error),
    /// The form is DER but not what the standard demands; the text names the field.
    #[error("malformed {0}")]
    Malformed(&'static str),
    /// A signature does not verify.
    #[error("the signature does not verify")]
    Signature,
    /// An algorithm this system does not accept.
    #[error("algorithm or key type not accepted: {0}")]
    UnsupportedAlgorithm(&'static str),
    /// A public key that is no key: point not on its curve, modulus too small.
    #[error("public key refused: {0}")]
    PublicKey(&'static str),
    /// More parts than this system is willing to look at.
    #[error("too many {0}")]
    TooMany(&'static str),

    // The caller's fault: what we were asked to make.
    /// A certificate, list or message that its profile does not allow.
    #[error("profile: {0}")]
    Profile(&'static str),
    /// The finished certificate breaks a rule; it was not signed.
    #[error("lint: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Lint(Vec<Finding>),
    /// The signer holds another key or algorithm than the one the document names.
    #[error("the signer does not fit: {0}")]
    WrongSigner(&'static str),

    // The environment's fault.
    /// The private key could not be used.
    #[error(transparent)]
    Sign(#[from] SignError),
}

/// Why a private key did not sign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The cryptographic library refused.
    #[error("signing failed: {0}")]
    Crypto(String),
    /// The token or key store that holds the key cannot be reached or refused.
    #[error("key store: {0}")]
    KeyStore(String),
}
