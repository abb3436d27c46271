//! What can go wrong, sorted by whose fault it is, each with a stable code.

/// The one error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DocSignerError {
    // --- the caller
    /// What is to be signed, or the configuration, is not what the standard or the mission allows.
    #[error("document signer refuses: {0}")]
    Refused(&'static str),
    /// There is no document signer with this number.
    #[error("there is no document signer {0}")]
    NoSuchSigner(u32),
    /// The data to be signed cannot be encoded.
    #[error(transparent)]
    Data(#[from] lds::Error),

    // --- the operator
    /// No document signer may sign now: their periods are over or all are revoked.
    #[error("目前沒有可用的文件簽章金鑰 / no document signer may sign now: renew the signers")]
    NoSigner,
    /// The CSCA's period of signing is over.
    #[error(
        "國家簽章憑證機構已停止簽發 / the country signing CA signs no more document signers: a new generation is due"
    )]
    CscaRetired,

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

    // --- us
    /// A certificate, list or message that cannot be made or read.
    #[error(transparent)]
    X509(#[from] x509::Error),
    /// The database says something that cannot be.
    #[error("the document signer's database is inconsistent: {0}")]
    Inconsistent(&'static str),
}

impl DocSignerError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(_) => "DOCSIGNER-REFUSED",
            Self::NoSuchSigner(_) => "DOCSIGNER-NO-SUCH-SIGNER",
            Self::Data(_) => "DOCSIGNER-DATA",
            Self::NoSigner => "DOCSIGNER-NO-SIGNER",
            Self::CscaRetired => "DOCSIGNER-CSCA-RETIRED",
            Self::Store(error) => error.code(),
            Self::Audit(error) => error.code(),
            Self::Keys(error) => error.code(),
            Self::X509(_) => "DOCSIGNER-X509",
            Self::Inconsistent(_) => "DOCSIGNER-INCONSISTENT",
        }
    }
}
