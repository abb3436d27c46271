//! Where the virtual cards lie: one file per card, `CARD_DIRECTORY/SERIAL.card`.
//!
//! The manufacturer numbers the blanks (CARD-53), so a card has its serial, and with it its file name, from the first
//! day. The file is never renamed: there is no moment between a rename and a database write at which a killed program
//! could lose or double a card. What a card is, its own chip says; the books follow.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use model::CardSerial;

use crate::ProductionError;

/// Suffix of a card's file.
const SUFFIX: &str = "card";

/// The directory of the cards.
#[derive(Debug, Clone)]
pub struct Shelf {
    directory: PathBuf,
}

impl Shelf {
    /// Opens the directory; makes it if it is missing, readable by its owner alone.
    pub fn open(directory: &Path) -> Result<Self, ProductionError> {
        use std::os::unix::fs::DirBuilderExt;
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(file_error)?;
        Ok(Self { directory: directory.to_owned() })
    }

    /// The file of a card.
    pub fn path(&self, serial: CardSerial) -> PathBuf {
        self.directory.join(format!("{serial}.{SUFFIX}"))
    }

    /// The serials of all cards that lie here.
    pub fn cards(&self) -> Result<BTreeSet<CardSerial>, ProductionError> {
        let mut cards = BTreeSet::new();
        for entry in std::fs::read_dir(&self.directory).map_err(file_error)? {
            let path = entry.map_err(file_error)?.path();
            if path.extension().is_some_and(|suffix| suffix == SUFFIX) {
                let serial: Option<CardSerial> =
                    path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
                cards.extend(serial);
            }
        }
        Ok(cards)
    }
}

pub(crate) fn file_error(error: std::io::Error) -> ProductionError {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            ProductionError::Store(store::StoreError::Full(store::DiskFull))
        }
        _ => ProductionError::CardFile(error.to_string()),
    }
}
