//! The manufacturer: turns empty memory into a chip as it is delivered, locked under its transport keys.

use curve::Random;
use scp::KeySet;

use crate::chip::Chip;
use crate::error::ChipError;
use crate::issuer::{TRANSPORT_KEY_VERSION, encode_key_set};
use crate::life_cycle::LifeCycle;
use crate::memory::Memory;
use crate::nvm::key;
use crate::profile::ChipType;

/// Bytes of the Card Production Life Cycle data.
pub const CPLC_LEN: usize = 42;

/// Where in the CPLC data the chip identifier stands: fabrication date, serial number and batch.
const CHIP_ID: std::ops::Range<usize> = 10..18;

/// What the manufacturer sets in one chip.
// CARD-12: chip type and maker are attributes of each single card.
#[derive(Debug, Clone)]
pub struct FactoryData {
    /// Fabrication date (2), serial number (4) and batch (2): unique per chip.
    pub chip_id: [u8; 8],
    /// Maker of the chip.
    pub ic_fabricator: u16,
    /// Type of the chip.
    pub ic_type: u16,
    /// Operating system.
    pub operating_system: u16,
    /// Its release date and level.
    pub operating_system_release: [u16; 2],
    /// Module maker and packaging date.
    pub module: [u16; 2],
    /// Card manufacturer and embedding date.
    pub card: [u16; 2],
    /// The keys the card travels under (PRODUCTION-14).
    pub transport_keys: KeySet,
}

impl FactoryData {
    /// A chip of the planned type.
    pub const fn new(chip_id: [u8; 8], transport_keys: KeySet) -> Self {
        Self {
            chip_id,
            ic_fabricator: ChipType::PLANNED.fabricator,
            ic_type: ChipType::PLANNED.ic_type,
            operating_system: ChipType::PLANNED.operating_system,
            operating_system_release: [0x6320, 0x0100],
            module: [0x4E45, 0x6320],
            card: [0x4E45, 0x6320],
            transport_keys,
        }
    }

    /// The same chip, of another type.
    #[must_use]
    pub const fn of_type(mut self, chip: ChipType) -> Self {
        self.ic_fabricator = chip.fabricator;
        self.ic_type = chip.ic_type;
        self.operating_system = chip.operating_system;
        self
    }

    /// The Card Production Life Cycle data. The personaliser's fields are zero.
    // GlobalPlatform Card Specification, appendix H; field order of the CPLC data.
    pub fn cplc(&self) -> [u8; CPLC_LEN] {
        let mut cplc = [0; CPLC_LEN];
        let words = [
            self.ic_fabricator,
            self.ic_type,
            self.operating_system,
            self.operating_system_release[0],
            self.operating_system_release[1],
        ];
        for (place, word) in cplc.chunks_exact_mut(2).zip(words) {
            place.copy_from_slice(&word.to_be_bytes());
        }
        cplc[CHIP_ID].copy_from_slice(&self.chip_id);
        let words = [self.module[0], self.module[1], self.card[0], self.card[1]];
        for (place, word) in cplc[CHIP_ID.end..].chunks_exact_mut(2).zip(words) {
            place.copy_from_slice(&word.to_be_bytes());
        }
        cplc
    }
}

/// Makes a chip in `memory`, which must be empty.
pub fn manufacture(
    mut memory: Box<dyn Memory>,
    data: &FactoryData,
    rng: Box<dyn Random + Send>,
) -> Result<Chip, ChipError> {
    if !memory.records().is_empty() {
        return Err(ChipError::AlreadyAChip);
    }
    if data.chip_id == [0; 8] {
        return Err(ChipError::FactoryData("the chip identifier is zero"));
    }
    if data.transport_keys.check_values().is_err() {
        return Err(ChipError::FactoryData("transport keys are not AES keys"));
    }
    memory.commit(&[
        (key::LIFE_CYCLE, Some(vec![LifeCycle::Delivered.number()])),
        (key::FACTORY, Some(data.cplc().to_vec())),
        (key::KEY_SET, Some(encode_key_set(TRANSPORT_KEY_VERSION, &data.transport_keys))),
    ])?;
    Chip::open(memory, rng)
}

/// The chip identifier in a CPLC record, unless it is sealed.
pub(crate) fn chip_id(cplc: &[u8]) -> Option<[u8; 8]> {
    let id = *cplc.get(CHIP_ID)?.first_chunk::<8>()?;
    (id != [0; 8]).then_some(id)
}

/// The CPLC data with everything taken out that tells one chip, or one lot, from another. What remains names the type.
pub(crate) fn sealed(cplc: &[u8]) -> Vec<u8> {
    let mut sealed = cplc.to_vec();
    sealed[CHIP_ID.start..].fill(0);
    sealed
}
