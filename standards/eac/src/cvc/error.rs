//! Why a card-verifiable certificate, request or chain is not accepted.

/// Whose fault: the one who made the certificate, or the one who sent it here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CvcError {
    // What is encoded is not what the standard asks for.
    /// Not the TLV the profile asks for, or not in its shortest form.
    #[error("malformed {0}")]
    Malformed(&'static str),
    /// More bytes than a certificate can have.
    #[error("longer than a card-verifiable certificate can be")]
    TooLong,
    /// A certificate profile identifier other than zero.
    #[error("unknown certificate profile {0}")]
    Profile(u8),
    /// A key whose algorithm or curve is not implemented here.
    #[error("unsupported key algorithm or domain parameters")]
    UnsupportedKey,
    /// A public point that is not on its curve.
    #[error("the public key is no point of its curve")]
    InvalidPoint,
    /// No domain parameters in the certificate, and none to inherit.
    #[error("the domain parameters of the key are not known")]
    NoParameters,

    // The certificate is well formed and not valid.
    /// The signature does not verify.
    #[error("the signature does not verify")]
    Signature,
    /// The certificate or its issuer has expired at the date that counts.
    #[error("expired")]
    Expired,
    /// The certificate begins later than the date that counts, or after its issuer has ended.
    #[error("not yet valid")]
    NotYetValid,
    /// A role that this issuer cannot give, such as a certification authority below a document verifier.
    #[error("this issuer cannot give this role")]
    Role,
    /// Another type of terminal than the issuer's.
    #[error("another type of terminal than the issuer's")]
    TerminalType,
    /// The issuer is not a trust point and was not imported before it.
    #[error("the issuer is not known")]
    UnknownIssuer,
    /// A link certificate that leads to a name which is known already, with another key.
    #[error("a link certificate leads back to a known name")]
    Loop,
}
