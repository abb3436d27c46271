//! What can go wrong with keys, sorted by whose fault it is, each with a stable code.

use std::path::PathBuf;

use crate::Purpose;

/// The one error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    // --- the caller
    /// A label is empty, too long or not of lower case letters, digits and hyphens.
    #[error("key labels are 1 to 64 lower case letters, digits and hyphens")]
    Label,
    /// There is no key under this label.
    #[error("沒有此金鑰 / there is no key {0}")]
    Missing(String),
    /// A key of another kind is under this label.
    #[error("the key {label} exists and is of another kind")]
    Otherwise {
        /// The label.
        label: String,
    },
    /// The key was made for something else.
    #[error("the key {label} was made for {}, not for {}", made_for.as_str(), asked_for.as_str())]
    Purpose {
        /// The label.
        label: String,
        /// What it was made for.
        made_for: Purpose,
        /// What it was asked for.
        asked_for: Purpose,
    },
    /// No key of this kind can be made here.
    #[error("keys of kind {0} cannot be made here")]
    Kind(String),
    /// A token lets no key out; its own tools copy it.
    #[error(
        "金鑰在安全模組內，由模組自身備份 / the key {0} is in a token, which has its own means of backup"
    )]
    Kept(String),
    /// The copy of a key, or the shares of its custodians.
    #[error("金鑰備份無法使用：{0} / the copy of the key does not open: {0}")]
    Shares(&'static str),
    /// A key of another program's, to be taken over.
    #[error("外來金鑰無法取得：{0} / the key from elsewhere cannot be taken over: {0}")]
    Foreign(&'static str),

    // --- the environment
    /// A file with a secret can be read by others than its owner.
    #[error("{} can be read by others: chmod 600 {}", .0.display(), .0.display())]
    Mode(PathBuf),
    /// A key file cannot be opened: the wrapping key is another one, or the file was altered.
    #[error("金鑰檔無法解密 / the key {0} does not open: wrong wrapping key, or the file was altered")]
    Sealed(String),
    /// A file of the store is not what this program writes.
    #[error("{}: {problem}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The disk is full.
    #[error("金鑰所在磁碟已滿 / the disk of the key store is full")]
    Full(#[source] std::io::Error),
    /// A file cannot be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// The PKCS #11 library cannot be loaded or started.
    #[error("PKCS #11 module {}: {problem}", path.display())]
    Module {
        /// The library.
        path: PathBuf,
        /// What it says.
        problem: String,
    },
    /// The token is not there, or was taken away.
    #[error("找不到安全模組 / the token {0} is not there: insert it, start its service, then try again")]
    TokenGone(String),
    /// The token does not accept the PIN. It is not tried again, so as not to lock the token.
    #[error("安全模組 PIN 錯誤 / the token {0} refuses its PIN")]
    TokenPin(String),
    /// Two keys in the token have the same label.
    #[error("the token holds more than one key {0}")]
    Ambiguous(String),
    /// The token answers with an error.
    #[error("token: {0}")]
    Token(String),

    // --- us
    /// The cryptographic library refuses.
    #[error("cryptography: {0}")]
    Crypto(String),
}

impl KeyError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Label => "KEYS-LABEL",
            Self::Missing(_) => "KEYS-MISSING",
            Self::Otherwise { .. } => "KEYS-OTHERWISE",
            Self::Purpose { .. } => "KEYS-PURPOSE",
            Self::Kind(_) => "KEYS-KIND",
            Self::Kept(_) => "KEYS-KEPT",
            Self::Shares(_) => "KEYS-SHARES",
            Self::Foreign(_) => "KEYS-FOREIGN",
            Self::Mode(_) => "KEYS-MODE",
            Self::Sealed(_) => "KEYS-SEALED",
            Self::Format { .. } => "KEYS-FORMAT",
            Self::Full(_) => "KEYS-FULL",
            Self::Io { .. } => "KEYS-IO",
            Self::Module { .. } => "KEYS-MODULE",
            Self::TokenGone(_) => "KEYS-TOKEN-GONE",
            Self::TokenPin(_) => "KEYS-TOKEN-PIN",
            Self::Ambiguous(_) => "KEYS-AMBIGUOUS",
            Self::Token(_) => "KEYS-TOKEN",
            Self::Crypto(_) => "KEYS-CRYPTO",
        }
    }

    pub(crate) fn io(path: &std::path::Path, error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::Full(error),
            _ => Self::Io { path: path.to_owned(), error },
        }
    }
}

#[cfg(test)]
mod tests {
    /// Every code has its line in the golden list, and the list has no other.
    #[test]
    fn the_golden_list_has_every_code() {
        let list = include_str!("../../../docs/errors-npc.md");
        store::testkit::assert_codes_listed("KEYS-", include_str!("error.rs"), list);
    }
}
