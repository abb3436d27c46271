//! What can go wrong. A failure to open says nothing about why: that would help only a forger.

/// Failure to seal or open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// Key, context or ciphertext do not belong together, or the ciphertext was changed.
    #[error("SEALED-E-OPEN: ciphertext does not open with this key and context")]
    Open,
    /// A key of the wrong length was handed in.
    #[error("SEALED-E-KEY-LENGTH: a key has 32 bytes")]
    KeyLength,
    /// The recipient's public key is not a P-521 key.
    #[error("SEALED-E-RECIPIENT: the recipient's key is not a P-521 public key")]
    Recipient,
    /// The cryptographic library refused.
    #[error("SEALED-E-CRYPTO: the cryptographic library refused")]
    Crypto,
}
