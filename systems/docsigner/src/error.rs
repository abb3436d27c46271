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

    /// What two persons must decide was not decided by two.
    #[error("此作業需要兩人核可 / two persons must decide this: {0}")]
    DualControl(&'static str),

    // --- the operator
    /// No document signer may sign now: their periods are over or all are revoked.
    #[error("目前沒有可用的文件簽章金鑰 / no document signer may sign now: renew the signers")]
    NoSigner,
    /// The CSCA's period of signing is over.
    #[error(
        "國家簽章憑證機構已停止簽發 / the country signing CA signs no more document signers: a new generation is due"
    )]
    CscaRetired,
    /// The clock lies before the making of the CSCA.
    #[error(
        "系統時鐘有誤 / the clock says {now}, and the country signing CA was made at {made}: set the clock"
    )]
    Clock {
        /// What the clock says.
        now: jiff::Timestamp,
        /// From when on the CSCA is valid.
        made: jiff::Timestamp,
    },
    /// The revocation list is overdue and its key cannot be used.
    #[error("廢止清冊已逾期 / the revocation list is overdue since {since}: {error}")]
    ListOverdue {
        /// When the next list was promised.
        since: jiff::Timestamp,
        /// Why there is none.
        error: keys::KeyError,
    },

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
    #[error("{0}")]
    X509(#[source] x509::Error),
    /// The database says something that cannot be.
    #[error("the document signer's database is inconsistent: {0}")]
    Inconsistent(&'static str),
}

/// A key that could not sign is the key store's matter: whoever asked may ask again.
impl From<x509::Error> for DocSignerError {
    fn from(error: x509::Error) -> Self {
        match error {
            x509::Error::Sign(error) => error.into(),
            error => Self::X509(error),
        }
    }
}

impl From<x509::SignError> for DocSignerError {
    fn from(error: x509::SignError) -> Self {
        match error {
            x509::SignError::KeyStore(what) => Self::Keys(keys::KeyError::Token(what)),
            error => Self::Keys(keys::KeyError::Crypto(error.to_string())),
        }
    }
}

impl DocSignerError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(_) => "DOCSIGNER-REFUSED",
            Self::NoSuchSigner(_) => "DOCSIGNER-NO-SUCH-SIGNER",
            Self::DualControl(_) => "DOCSIGNER-DUAL-CONTROL",
            Self::Clock { .. } => "DOCSIGNER-CLOCK",
            Self::ListOverdue { .. } => "DOCSIGNER-LIST-OVERDUE",
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

#[cfg(test)]
mod tests {
    /// Every code has its line in the golden list, and the list has no other.
    #[test]
    fn the_golden_list_has_every_code() {
        let list = include_str!("../../../docs/errors-docsigner.md");
        store::testkit::assert_codes_listed("DOCSIGNER-", include_str!("error.rs"), list);
    }
}
