//! What can go wrong, sorted by whose fault it is.

/// Errors of this crate. None of them carries any part of a key or message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    // The peer's fault: what came in is not what the standard allows.
    /// The bytes are not the uncompressed encoding of a finite point on the curve.
    #[error("not a valid point on the curve")]
    InvalidPoint,
    /// The result of a point operation is the point at infinity.
    #[error("point at infinity")]
    Infinity,
    /// A signature is not encoded as the standard demands.
    #[error("malformed signature")]
    MalformedSignature,
    /// A signature does not verify.
    #[error("signature does not verify")]
    WrongSignature,
    /// A SubjectPublicKeyInfo is malformed.
    #[error("malformed SubjectPublicKeyInfo")]
    MalformedSpki,
    /// A private key is malformed or out of range.
    #[error("malformed private key")]
    InvalidPrivateKey,
    /// The algorithm, curve or key size is not one of those supported.
    #[error("unsupported algorithm, curve or key size")]
    Unsupported,
    /// An RSA block is not smaller than the modulus, or its padding is wrong.
    #[error("RSA block out of range or wrongly padded")]
    InvalidBlock,

    // The caller's fault.
    /// The two operands belong to different curves.
    #[error("operands belong to different curves")]
    CurveMismatch,
    /// A key, nonce, digest or message has a length the algorithm does not take.
    #[error("wrong length")]
    Length,

    // The environment's fault.
    /// AWS-LC failed where no input can make it fail: no memory or no entropy.
    #[error("cryptographic library failure")]
    Library,
}

impl From<tlv::Error> for Error {
    fn from(_: tlv::Error) -> Self {
        Self::MalformedSpki
    }
}
