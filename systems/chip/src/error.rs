//! What can go wrong outside of APDUs. Whatever a reader does wrong is a status word.

use apdu::StatusWord;

use crate::memory::MemoryError;
use crate::nvm::WriteError;

/// Why a chip cannot be opened or made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChipError {
    // The caller's fault.
    /// The memory holds no chip: it was never through `factory::manufacture`.
    #[error("the memory holds no chip")]
    NotAChip,
    /// The memory holds a chip already.
    #[error("the memory holds a chip already")]
    AlreadyAChip,
    /// Factory data that no manufacturer could deliver.
    #[error("factory data: {0}")]
    FactoryData(&'static str),

    // The environment's fault.
    /// The memory failed.
    #[error(transparent)]
    Memory(#[from] MemoryError),

    // Ours, or a damaged memory.
    /// Records contradict each other.
    #[error("the chip's memory is inconsistent: {0}")]
    Inconsistent(&'static str),
}

/// How a command ends when it does not succeed.
#[derive(Debug)]
pub(crate) enum Fault {
    /// With this status word.
    Status(StatusWord),
    /// Without an answer: the power is gone.
    Dead,
}

impl From<StatusWord> for Fault {
    fn from(sw: StatusWord) -> Self {
        Self::Status(sw)
    }
}

impl From<WriteError> for Fault {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Dead => Self::Dead,
            WriteError::Full => Self::Status(StatusWord::NOT_ENOUGH_MEMORY),
            WriteError::Failed => Self::Status(StatusWord::MEMORY_FAILURE),
        }
    }
}

/// What a command gives.
pub(crate) type Reply = Result<apdu::Response, Fault>;
