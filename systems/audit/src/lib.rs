//! The audit log: what was done, by whom, to which card or case, and when, in a chain of hashes.
//!
//! Every system keeps its own chain in its own database and appends to it in the transaction of the change
//! ([`append`]), so there is no change without its event and no event without its change; when the log cannot be
//! written the change does not happen. Each event carries the SHA-256 of the event before it and of itself, so an event
//! altered, removed, inserted or moved is found by [`verify`]. Cutting off the end leaves a shorter chain that is whole:
//! whoever wants to notice that keeps a [`Head`] elsewhere and hands it to [`verify`].
//!
//! An event names a card by its serial and a case by its number, never a person: no name and no national identification
//! number. What looks like one is refused. Times are in microseconds (OPEN-28).
//!
//! This is not the place for logs that help to operate a program (`tracing`), and it has no deletion.

mod chain;
mod event;
mod verify;

pub use chain::{AuditLog, MIGRATION, append, append_all, events, head};
pub use event::{Entry, Event, Head};
pub use verify::verify;

/// Why an event was not appended, or a chain is not whole.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    // --- the caller
    /// The event would carry what identifies a person, or a field is empty or too long.
    #[error("audit event refused: {0}")]
    Refused(&'static str),

    // --- somebody with access to the database
    /// The chain is broken: the entry with this number is missing, altered or does not follow the one before it.
    #[error("稽核紀錄遭竄改 / the audit chain is broken at entry {seq}: {problem}")]
    Broken {
        /// The first entry that is not as it was written.
        seq: u64,
        /// What is wrong with it.
        problem: &'static str,
    },

    // --- the environment
    /// The database.
    #[error(transparent)]
    Store(#[from] store::StoreError),
}

impl AuditError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(_) => "AUDIT-REFUSED",
            Self::Broken { .. } => "AUDIT-BROKEN",
            Self::Store(error) => error.code(),
        }
    }
}

/// What a call of this crate returns.
pub type Result<T, E = AuditError> = std::result::Result<T, E>;

#[cfg(test)]
mod tests {
    /// Every code has its line in the golden list, and the list has no other.
    #[test]
    fn the_golden_list_has_every_code() {
        let list = include_str!("../../../docs/errors-npc.md");
        store::testkit::assert_codes_listed("AUDIT-", include_str!("lib.rs"), list);
    }
}
