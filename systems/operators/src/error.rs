//! What can go wrong, sorted by whose fault it is, each with a stable code.

use crate::Weakness;

/// The one error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OperatorError {
    // --- the caller
    /// The account's name is not of the form that the logs keep.
    #[error("帳號由 1 至 64 個小寫英數字或 -_. 組成 / an account has 1 to 64 small letters, digits and -_.")]
    Name,
    /// There is an operator of this name.
    #[error("已有此帳號 / there is an account {0} already")]
    Exists(String),
    /// There is no operator of this name.
    #[error("沒有此帳號 / there is no account {0}")]
    Unknown(String),
    /// Account and password or code do not fit, or the account is locked or disabled. One error for all of them: a guesser
    /// learns nothing.
    #[error("帳號或密碼不正確，或帳號已鎖定 / account or password are wrong, or the account is locked")]
    Refused,
    /// The password does not follow the rule.
    #[error("{}", .0.words())]
    Password(Weakness),

    // --- the environment
    /// The database.
    #[error(transparent)]
    Store(#[from] store::StoreError),
    /// The audit log.
    #[error(transparent)]
    Audit(#[from] audit::AuditError),

    // --- us
    /// A row of the database is not what this program writes.
    #[error("row not understood: {0}")]
    Inconsistent(&'static str),
}

impl OperatorError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Name => "OPERATORS-NAME",
            Self::Exists(_) => "OPERATORS-EXISTS",
            Self::Unknown(_) => "OPERATORS-UNKNOWN",
            Self::Refused => "OPERATORS-REFUSED",
            Self::Password(_) => "OPERATORS-PASSWORD",
            Self::Store(error) => error.code(),
            Self::Audit(error) => error.code(),
            Self::Inconsistent(_) => "OPERATORS-INCONSISTENT",
        }
    }

    /// Whether the request itself is at fault.
    pub const fn is_refusal(&self) -> bool {
        matches!(self, Self::Name | Self::Exists(_) | Self::Unknown(_) | Self::Refused | Self::Password(_))
    }
}

#[cfg(test)]
mod tests {
    /// Every code has its line in the golden list, and the list has no other.
    #[test]
    fn the_golden_list_has_every_code() {
        let list = include_str!("../../../docs/errors-operators.md");
        store::testkit::assert_codes_listed("OPERATORS-", include_str!("error.rs"), list);
    }
}
