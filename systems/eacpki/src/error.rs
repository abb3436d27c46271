//! What can go wrong, sorted by whose fault it is, each with a stable code.

/// The one error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EacPkiError {
    // --- the caller
    /// The configuration, a service or a request asks for what the rules do not allow.
    #[error("the authorisation system refuses: {0}")]
    Refused(&'static str),
    /// A request or certificate that is malformed, or does not prove the possession of its key.
    #[error("certificate request: {0}")]
    Request(#[from] eac::cvc::CvcError),
    /// There is no approved service of this name.
    #[error("沒有核准名為 {0} 的服務 / no service of the name {0} was approved")]
    NoSuchService(String),
    /// The service's approval is suspended, revoked or over.
    #[error("此服務的授權已暫停、廢止或到期 / the approval of this service is suspended, revoked or over")]
    NotAuthorised,
    /// The service has a valid certificate, and the request is not authenticated by its key.
    #[error(
        "請求須由現有憑證的金鑰認證 / the request must be authenticated by the key of the present certificate"
    )]
    NotAuthenticated,
    /// The reference or key was used before with other content.
    #[error("此參照名稱或金鑰已使用過 / the holder reference or key was used before")]
    Conflict,

    // --- the operator
    /// The verifier's certificate has ended: the authorities were not renewed in time.
    #[error("文件驗證機構的憑證已到期 / the verifier's certificate has ended: renew the authorities")]
    VerifierExpired,

    // --- the environment
    /// The database.
    #[error(transparent)]
    Store(#[from] store::StoreError),
    /// The audit log.
    #[error(transparent)]
    Audit(#[from] audit::AuditError),
    /// The key store.
    #[error(transparent)]
    Keys(#[from] keys::KeyError),
    /// The key store could not sign.
    #[error("signing: {0}")]
    Sign(#[from] x509::SignError),

    // --- us
    /// The database or key store says something that cannot be.
    #[error("the authorisation system's data are inconsistent: {0}")]
    Inconsistent(&'static str),
}

impl EacPkiError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(_) => "EACPKI-REFUSED",
            Self::Request(_) => "EACPKI-REQUEST",
            Self::NoSuchService(_) => "EACPKI-NO-SUCH-SERVICE",
            Self::NotAuthorised => "EACPKI-NOT-AUTHORISED",
            Self::NotAuthenticated => "EACPKI-NOT-AUTHENTICATED",
            Self::Conflict => "EACPKI-CONFLICT",
            Self::VerifierExpired => "EACPKI-VERIFIER-EXPIRED",
            Self::Store(error) => error.code(),
            Self::Audit(error) => error.code(),
            Self::Keys(error) => error.code(),
            Self::Sign(_) => "EACPKI-SIGN",
            Self::Inconsistent(_) => "EACPKI-INCONSISTENT",
        }
    }
}
