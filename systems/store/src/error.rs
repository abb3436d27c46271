//! What can go wrong with a database, sorted by whose fault it is, each with a stable code.

/// The cause of [`StoreError::Full`]: by it [`is_disk_full`] knows a full disk below whatever has passed the error on.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("no space left")]
pub struct DiskFull;

/// The one error of this crate. [`StoreError::code`] is stable across releases; the text is not.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    // --- the caller
    /// A unique key or primary key already holds this value.
    #[error("a row with the same key exists already ({constraint})")]
    Unique {
        /// The name of the constraint (PostgreSQL) or its columns (SQLite).
        constraint: String,
    },
    /// Another constraint refused the row: foreign key, check, not null.
    #[error("the row breaks a constraint of its table ({constraint})")]
    Constraint {
        /// The name of the constraint (PostgreSQL) or what SQLite says about it.
        constraint: String,
    },
    /// A row that has to be there is not.
    #[error("no such row")]
    Missing,
    /// A statement changed another number of rows than it must.
    #[error("{found} rows changed where {expected} must")]
    Affected {
        /// How many rows the statement must change.
        expected: u64,
        /// How many it changed.
        found: u64,
    },
    /// A column is absent, null or of another type than the program reads.
    #[error("column {column}: {problem}")]
    Column {
        /// Name or position.
        column: String,
        /// What is wrong, without the value.
        problem: String,
    },
    /// The database address cannot be understood.
    #[error("database address not understood: {0} (sqlite:PATH or postgres://USER@HOST/DATABASE)")]
    Address(String),

    // --- the environment
    /// The disk is full. Nothing of the transaction was kept.
    #[error("資料庫所在磁碟已滿 / the disk of the database is full")]
    Full(#[source] DiskFull),
    /// The database cannot be reached, or went away. After a lost connection the outcome of the last transaction is not known.
    #[error("資料庫無法使用 / the database is not available: {0}")]
    Unavailable(String),
    /// Other writers were always quicker; every retry is used up.
    #[error("資料庫忙碌 / the database stayed busy through {0} attempts")]
    Busy(u32),
    /// The database was written by a newer program.
    #[error(
        "此資料由較新版本寫入 / the database of {schema} is at version {found}, this program knows {known}: use a newer program"
    )]
    NewerVersion {
        /// The system whose tables they are.
        schema: String,
        /// The version in the database.
        found: i64,
        /// The newest version this program knows.
        known: i64,
    },
    /// The database file or its contents are damaged, or it is no database.
    #[error("資料庫檔案毀損 / the database is damaged: {0}")]
    Corrupt(String),

    // --- us
    /// A migration that was applied once reads otherwise now.
    #[error("migration {version} of {schema} was changed after it had been applied")]
    MigrationChanged {
        /// The system whose tables they are.
        schema: String,
        /// The migration.
        version: i64,
    },
    /// The block went on after a statement had failed; the transaction was rolled back.
    #[error("a statement of this transaction failed and the error was ignored")]
    Poisoned,
    /// The engine does not accept the statement.
    #[error("statement refused ({code}): {message}")]
    Sql {
        /// SQLSTATE or SQLite result code.
        code: String,
        /// The engine's words.
        message: String,
    },
    /// A test asked for this failure.
    #[error("injected failure")]
    Injected,
}

impl StoreError {
    /// The stable code of this error, for people, logs and exit messages.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unique { .. } => "STORE-UNIQUE",
            Self::Constraint { .. } => "STORE-CONSTRAINT",
            Self::Missing => "STORE-MISSING",
            Self::Affected { .. } => "STORE-AFFECTED",
            Self::Column { .. } => "STORE-COLUMN",
            Self::Address(_) => "STORE-ADDRESS",
            Self::Full(_) => "STORE-FULL",
            Self::Unavailable(_) => "STORE-UNAVAILABLE",
            Self::Busy(_) => "STORE-BUSY",
            Self::NewerVersion { .. } => "STORE-NEWER-VERSION",
            Self::Corrupt(_) => "STORE-CORRUPT",
            Self::MigrationChanged { .. } => "STORE-MIGRATION-CHANGED",
            Self::Poisoned => "STORE-POISONED",
            Self::Sql { .. } => "STORE-SQL",
            Self::Injected => "STORE-INJECTED",
        }
    }

    /// True for a violated unique or primary key.
    pub fn is_unique(&self) -> bool {
        matches!(self, Self::Unique { .. })
    }
}

/// Whether the error, or one below it, is a disk that ran out of space: of a database, of keys, or of other files.
pub fn is_disk_full(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let file = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        if matches!(file, Some(std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded))
            || error.is::<DiskFull>()
        {
            return true;
        }
        next = error.source();
    }
    false
}

/// An engine's error together with its advice to try the whole transaction again.
pub(crate) struct Failure {
    pub(crate) error: StoreError,
    pub(crate) retry: Retry,
}

/// Whether another attempt can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Retry {
    /// The same would come again.
    No,
    /// PostgreSQL reports a key that a concurrent transaction has just written as a duplicate, although the block had looked
    /// and found none. The next attempt sees that row; if the key is a duplicate in earnest, it says so again.
    Once,
    /// The engine asks for it.
    Yes,
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self { error, retry: Retry::No }
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        let database = match error {
            sqlx::Error::Database(database) => database,
            sqlx::Error::RowNotFound => return StoreError::Missing.into(),
            sqlx::Error::ColumnNotFound(column) => {
                return StoreError::Column { column, problem: "not in the row".into() }.into();
            }
            sqlx::Error::ColumnIndexOutOfBounds { index, .. } => {
                return StoreError::Column { column: index.to_string(), problem: "not in the row".into() }
                    .into();
            }
            sqlx::Error::ColumnDecode { index, source } => {
                return StoreError::Column { column: index, problem: source.to_string() }.into();
            }
            sqlx::Error::Configuration(_) => return StoreError::Address(error.to_string()).into(),
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::BeginFailed => return StoreError::Unavailable(error.to_string()).into(),
            other => return StoreError::Sql { code: "client".into(), message: other.to_string() }.into(),
        };
        let code = database.code().map(|code| code.into_owned()).unwrap_or_default();
        let message = database.message().to_owned();
        // SQLSTATE has five characters; SQLite's extended result codes are numbers of at most four digits.
        if code.len() == 5 { postgres(code, message, database.constraint()) } else { sqlite(code, message) }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Failure::from(error).error
    }
}

fn postgres(code: String, message: String, constraint: Option<&str>) -> Failure {
    let constraint = constraint.unwrap_or_default().to_owned();
    let error = match code.as_str() {
        // serialization_failure, deadlock_detected
        "40001" | "40P01" => return Failure { error: StoreError::Busy(1), retry: Retry::Yes },
        "23505" => return Failure { error: StoreError::Unique { constraint }, retry: Retry::Once },
        code if code.starts_with("23") => StoreError::Constraint { constraint },
        "53100" => StoreError::Full(DiskFull),
        // connection exceptions, too many connections, shutdown, starting up, read-only standby
        "53300" | "57P01" | "57P02" | "57P03" | "25006" => StoreError::Unavailable(message),
        code if code.starts_with("08") => StoreError::Unavailable(message),
        // invalid password, no such database, no privilege
        "28000" | "28P01" | "3D000" | "42501" => StoreError::Unavailable(message),
        "XX001" | "XX002" => StoreError::Corrupt(message),
        _ => StoreError::Sql { code, message },
    };
    error.into()
}

fn sqlite(code: String, message: String) -> Failure {
    let number: i32 = code.parse().unwrap_or(1);
    let error = match (number, number & 0xFF) {
        // SQLITE_BUSY, SQLITE_LOCKED and their kin: BUSY_RECOVERY 261, BUSY_SNAPSHOT 517
        (_, 5 | 6) => return Failure { error: StoreError::Busy(1), retry: Retry::Yes },
        // CONSTRAINT_PRIMARYKEY, CONSTRAINT_UNIQUE, CONSTRAINT_ROWID
        (1555 | 2067 | 2579, _) => StoreError::Unique { constraint: after_colon(&message) },
        (_, 19) => StoreError::Constraint { constraint: after_colon(&message) },
        // FULL, and IOERR_SHMSIZE: there is no room for the index of the write-ahead log.
        (_, 13) | (4874, _) => StoreError::Full(DiskFull),
        (_, 11 | 26) => StoreError::Corrupt(message),
        // PERM, READONLY, IOERR, CANTOPEN, NOLFS, AUTH
        (_, 3 | 8 | 10 | 14 | 22 | 23) => StoreError::Unavailable(format!("{message} ({code})")),
        _ => StoreError::Sql { code, message },
    };
    error.into()
}

/// `UNIQUE constraint failed: card.serial` names the columns after the colon.
fn after_colon(message: &str) -> String {
    message.rsplit(": ").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engine_codes_map_to_the_fault() {
        for (code, expected, retry) in [
            ("5", "STORE-BUSY", Retry::Yes),
            ("6", "STORE-BUSY", Retry::Yes),
            ("261", "STORE-BUSY", Retry::Yes),
            ("517", "STORE-BUSY", Retry::Yes),
            ("13", "STORE-FULL", Retry::No),
            ("4874", "STORE-FULL", Retry::No),
            ("26", "STORE-CORRUPT", Retry::No),
            ("14", "STORE-UNAVAILABLE", Retry::No),
            ("2067", "STORE-UNIQUE", Retry::No),
            ("1555", "STORE-UNIQUE", Retry::No),
            ("787", "STORE-CONSTRAINT", Retry::No),
            ("1", "STORE-SQL", Retry::No),
        ] {
            let failure = sqlite(code.into(), "UNIQUE constraint failed: card.serial".into());
            assert_eq!((failure.error.code(), failure.retry), (expected, retry), "SQLite {code}");
        }
        for (code, expected, retry) in [
            ("40001", "STORE-BUSY", Retry::Yes),
            ("40P01", "STORE-BUSY", Retry::Yes),
            ("23505", "STORE-UNIQUE", Retry::Once),
            ("23503", "STORE-CONSTRAINT", Retry::No),
            ("53100", "STORE-FULL", Retry::No),
            ("57P01", "STORE-UNAVAILABLE", Retry::No),
            ("08006", "STORE-UNAVAILABLE", Retry::No),
            ("42601", "STORE-SQL", Retry::No),
        ] {
            let failure = postgres(code.into(), String::new(), Some("card_pkey"));
            assert_eq!((failure.error.code(), failure.retry), (expected, retry), "SQLSTATE {code}");
        }
    }

    /// Every code has its line in the golden list, and the list has no other.
    #[test]
    fn the_golden_list_has_every_code() {
        let list = include_str!("../../../docs/errors-npc.md");
        crate::testkit::assert_codes_listed("STORE-", include_str!("error.rs"), list);
    }
}
