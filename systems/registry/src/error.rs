//! What can go wrong with the register.

/// Sorted by fault: the caller's first, then the environment's, then ours.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// A change was recorded for a person the register does not have.
    #[error("REGISTRY-E-PERSON-UNKNOWN: 查無此人 no such person")]
    PersonUnknown,
    /// More persons were asked for than there are numbers.
    #[error("REGISTRY-E-TOO-MANY: 人數超過可用統一編號 more persons than numbers")]
    TooMany,
    /// The text is no change of a person, or no renumbering.
    #[error(
        "REGISTRY-E-CHANGE-FORM: 異動資料格式不符 not the form of a change (line {line}, column {column})"
    )]
    ChangeForm {
        /// Where the reader stopped; none of what stands there is repeated, since it names a person.
        line: usize,
        /// The column in that line.
        column: usize,
    },
    /// The register cannot record this change of this person.
    #[error("REGISTRY-E-CHANGE-UNFIT: 異動與現有登記不符 the change contradicts what is registered")]
    ChangeUnfit,
    /// A renumbering with this number was carried out, and it was another one.
    #[error("REGISTRY-E-NOTICE-KNOWN: 此文號已辦理不同之整編 another renumbering has this number")]
    NoticeKnown,
    /// The database failed.
    #[error("REGISTRY-E-STORE: {0}")]
    Store(#[from] store::StoreError),
    /// A row does not open with this register's key.
    #[error("REGISTRY-E-SEAL: {0}")]
    Seal(#[from] sealed::SealError),
    /// A stored value does not read.
    #[error("REGISTRY-E-DATA: 儲存資料不一致 stored data is inconsistent: {0}")]
    Data(&'static str),
}

impl RegistryError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::PersonUnknown => "REGISTRY-E-PERSON-UNKNOWN",
            Self::TooMany => "REGISTRY-E-TOO-MANY",
            Self::ChangeForm { .. } => "REGISTRY-E-CHANGE-FORM",
            Self::ChangeUnfit => "REGISTRY-E-CHANGE-UNFIT",
            Self::NoticeKnown => "REGISTRY-E-NOTICE-KNOWN",
            Self::Store(_) => "REGISTRY-E-STORE",
            Self::Seal(_) => "REGISTRY-E-SEAL",
            Self::Data(_) => "REGISTRY-E-DATA",
        }
    }
}

/// Code, whose fault, cause and what to do, as docs/errors-mgmt.md lists them: Traditional Chinese, then English.
pub const EXPLAINED: &[[&str; 4]] = &[
    [
        "REGISTRY-E-PERSON-UNKNOWN",
        "操作者 caller",
        "查無此人。 No such person.",
        "核對國民身分證統一編號。 Check the national identification number.",
    ],
    [
        "REGISTRY-E-TOO-MANY",
        "操作者 caller",
        "人數超過可用統一編號。 More persons than there are numbers.",
        "減少人數。 Ask for fewer.",
    ],
    [
        "REGISTRY-E-CHANGE-FORM",
        "操作者 caller",
        "異動資料格式不符。 The text is not in the form of a change.",
        "格式見 docs/cli.md。 Its form stands in docs/cli.md.",
    ],
    [
        "REGISTRY-E-CHANGE-UNFIT",
        "操作者 caller",
        "異動與現有登記不符。 The change contradicts what is registered.",
        "先查詢現有登記。 Look up what is registered first.",
    ],
    [
        "REGISTRY-E-NOTICE-KNOWN",
        "操作者 caller",
        "此文號已辦理不同之整編。 Another renumbering has this number.",
        "核對公告文號。 Check the number of the notice.",
    ],
    [
        "REGISTRY-E-STORE",
        "環境 environment",
        "資料庫錯誤；異動未儲存。 The database failed; the change was not kept.",
        "檢查磁碟空間與資料庫。 Check disk space and database.",
    ],
    [
        "REGISTRY-E-SEAL",
        "本系統 this system",
        "資料無法以現有金鑰開啟。 A row does not open with the present key.",
        "確認金鑰目錄屬於此資料庫。 Check that the key directory belongs to this database.",
    ],
    [
        "REGISTRY-E-DATA",
        "本系統 this system",
        "儲存資料不一致。 Stored data is inconsistent.",
        "停止操作並通報維護人員。 Stop and tell the maintainers.",
    ],
];

#[cfg(test)]
mod tests {
    /// Every code in this file is explained, once.
    #[test]
    fn every_code_is_explained() {
        let source = include_str!("error.rs");
        let arms = source.lines().filter_map(|line| line.trim().strip_prefix("Self::")?.split_once("=> \""));
        let codes: Vec<&str> = arms.filter_map(|(_, code)| code.strip_suffix("\",")).collect();
        let explained: Vec<&str> = super::EXPLAINED.iter().map(|row| row[0]).collect();
        assert_eq!(codes, explained);
    }
}
