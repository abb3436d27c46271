//! The non-volatile memory of the chip: records under 16-bit keys, written in atomic transactions.
//!
//! A transaction is whole or absent, whatever happens to the power while it is written. Everything the chip promises
//! about interrupted personalisation and retry counters rests on this one property. [`FileMemory`] keeps it in a file,
//! [`RamMemory`] in a buffer that tests can cut the power of; both use the same journal encoding.

mod crc;
mod file;
mod journal;
mod ram;

use std::collections::BTreeMap;
use std::path::PathBuf;

pub use file::FileMemory;
pub use ram::{Cut, Flash, RamMemory};

/// One transaction: for each key the new value, or `None` to erase the record.
pub type Changes = [(u16, Option<Vec<u8>>)];

/// Non-volatile memory.
pub trait Memory: Send {
    /// The value under `key`, or `None`.
    fn load(&self, key: u16) -> Option<&[u8]>;

    /// Applies all `changes` or, on an error, none of them. When this returns `Ok` they survive a loss of power.
    fn commit(&mut self, changes: &Changes) -> Result<(), MemoryError>;

    /// Key and length of every record, in the order of the keys.
    fn records(&self) -> Vec<(u16, usize)>;

    /// Makes what was overwritten or erased unreadable, as far as the medium can: a journal keeps old values otherwise.
    /// A failure changes nothing that was committed.
    fn forget_erased(&mut self) {}
}

impl<M: Memory + ?Sized> Memory for Box<M> {
    fn load(&self, key: u16) -> Option<&[u8]> {
        (**self).load(key)
    }

    fn commit(&mut self, changes: &Changes) -> Result<(), MemoryError> {
        (**self).commit(changes)
    }

    fn records(&self) -> Vec<(u16, usize)> {
        (**self).records()
    }

    fn forget_erased(&mut self) {
        (**self).forget_erased();
    }
}

/// Why memory could not be opened or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MemoryError {
    /// Another process has the same memory open.
    #[error("{} is in use by another program (the card is in another reader)", .0.display())]
    Locked(PathBuf),
    /// The file is not a card memory.
    #[error("{} is not a card memory", .0.display())]
    NotAMemory(PathBuf),
    /// The file was written by another version of the format.
    #[error("{} has format version {version}; this program reads version {}", path.display(), journal::VERSION)]
    Version {
        /// Where it is.
        path: PathBuf,
        /// The version found.
        version: u16,
    },
    /// A transaction that was complete once is damaged, and later ones follow it: the medium is at fault, not a power cut.
    #[error(
        "card memory is damaged at byte {offset}, with intact transactions after it; restore it from a copy"
    )]
    Corrupt {
        /// Where the damaged transaction starts.
        offset: usize,
    },
    /// A record is too long for the format.
    #[error("record {key:04X} is too long to be stored")]
    TooLong {
        /// Its key.
        key: u16,
    },
    /// Power was cut during this write, or the memory had failed before and refuses everything since.
    #[error("power was cut")]
    PowerCut,
    /// The operating system refused.
    #[error("card memory: {0}")]
    Io(#[from] std::io::Error),
}

/// Applies a transaction to the view held in memory.
fn apply(map: &mut BTreeMap<u16, Vec<u8>>, changes: &Changes) {
    for (key, value) in changes {
        match value {
            Some(value) => {
                map.insert(*key, value.clone());
            }
            None => {
                map.remove(key);
            }
        }
    }
}

/// The live bytes of a view, with what the journal adds to each record.
fn live_bytes(map: &BTreeMap<u16, Vec<u8>>) -> usize {
    map.values().map(|v| v.len() + journal::RECORD_OVERHEAD).sum()
}
