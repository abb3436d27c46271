//! Memory in a buffer, with a power supply that can be cut at any write.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Changes, Memory, MemoryError, apply, journal, live_bytes};

/// Where in a write the power goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Nothing of the transaction reached the memory.
    Before,
    /// The first half of it did.
    Torn,
    /// All of it did, but the chip could not answer any more.
    After,
}

/// The memory cells themselves. They outlive the chip that was using them, so that a test can cut the power, look, and
/// start another chip on the same cells.
#[derive(Clone, Default)]
pub struct Flash(Arc<Mutex<Cells>>);

#[derive(Default)]
struct Cells {
    bytes: Vec<u8>,
    writes: usize,
    cut: Option<(usize, Cut)>,
    dead: bool,
    /// Counts openings: only the last one may write.
    owner: usize,
}

impl Flash {
    /// Erased cells.
    pub fn new() -> Self {
        Self::from_image(journal::preamble())
    }

    /// Cells that hold an image taken with [`Flash::image`].
    pub fn from_image(image: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new(Cells { bytes: image, ..Cells::default() })))
    }

    /// A copy of the content.
    pub fn image(&self) -> Vec<u8> {
        self.cells().bytes.clone()
    }

    /// How many transactions were written, or begun, since the cells were made.
    pub fn writes(&self) -> usize {
        self.cells().writes
    }

    /// Cuts the power at the `n`-th transaction from now (1 is the next one).
    pub fn cut_power(&self, n: usize, cut: Cut) {
        let mut cells = self.cells();
        cells.cut = Some((cells.writes + n, cut));
    }

    /// Gives power again. The memory that was in use stays dead; open a new one.
    pub fn restore_power(&self) {
        let mut cells = self.cells();
        cells.cut = None;
        cells.dead = false;
    }

    fn cells(&self) -> std::sync::MutexGuard<'_, Cells> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Flash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Flash({} bytes)", self.cells().bytes.len())
    }
}

/// Non-volatile memory over [`Flash`].
#[derive(Debug)]
pub struct RamMemory {
    flash: Flash,
    view: View,
    owner: usize,
    failed: bool,
}

struct View {
    map: BTreeMap<u16, Vec<u8>>,
    next: u32,
}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} records", self.map.len())
    }
}

impl RamMemory {
    /// Empty memory on cells of its own.
    pub fn new() -> Self {
        Self { flash: Flash::new(), view: View { map: BTreeMap::new(), next: 0 }, owner: 0, failed: false }
    }

    /// Opens what the cells hold. A torn last transaction is dropped. Whoever used the cells before can no longer write.
    pub fn open(flash: Flash) -> Result<Self, MemoryError> {
        let (view, owner) = {
            let mut cells = flash.cells();
            let replay = journal::replay(&cells.bytes).map_err(|e| match e {
                journal::ReplayError::Corrupt(offset) => MemoryError::Corrupt { offset },
                journal::ReplayError::Version(version) => {
                    MemoryError::Version { path: "flash".into(), version }
                }
                journal::ReplayError::NotAJournal => MemoryError::NotAMemory("flash".into()),
            })?;
            cells.bytes.truncate(replay.end);
            cells.owner += 1;
            (View { map: replay.map, next: replay.next }, cells.owner)
        };
        Ok(Self { flash, view, owner, failed: false })
    }

    /// The cells under this memory.
    pub fn flash(&self) -> Flash {
        self.flash.clone()
    }
}

impl Default for RamMemory {
    fn default() -> Self {
        Self::new()
    }
}

impl Memory for RamMemory {
    fn load(&self, key: u16) -> Option<&[u8]> {
        self.view.map.get(&key).map(Vec::as_slice)
    }

    fn commit(&mut self, changes: &Changes) -> Result<(), MemoryError> {
        let mut cells = self.flash.cells();
        if self.failed || cells.dead || cells.owner != self.owner {
            return Err(MemoryError::PowerCut);
        }
        let transaction =
            journal::encode(self.view.next, changes).map_err(|key| MemoryError::TooLong { key })?;
        cells.writes += 1;
        let cut = cells.cut.filter(|(at, _)| *at == cells.writes).map(|(_, cut)| cut);
        let written = match cut {
            Some(Cut::Before) => 0,
            Some(Cut::Torn) => transaction.len() / 2,
            Some(Cut::After) | None => transaction.len(),
        };
        cells.bytes.extend_from_slice(&transaction[..written]);
        if cut.is_some() {
            cells.dead = true;
            self.failed = true;
            return Err(MemoryError::PowerCut);
        }
        apply(&mut self.view.map, changes);
        self.view.next = self.view.next.wrapping_add(1);
        // The journal of a card that is used for long would otherwise grow without end.
        if cells.bytes.len() > 65_536 + 4 * live_bytes(&self.view.map) {
            compact(&mut self.view, &mut cells);
        }
        Ok(())
    }

    fn records(&self) -> Vec<(u16, usize)> {
        self.view.map.iter().map(|(k, v)| (*k, v.len())).collect()
    }

    fn forget_erased(&mut self) {
        let mut cells = self.flash.cells();
        if !self.failed && cells.owner == self.owner {
            compact(&mut self.view, &mut cells);
        }
    }
}

/// Writes the journal anew as one transaction.
fn compact(view: &mut View, cells: &mut Cells) {
    let all: Vec<_> = view.map.iter().map(|(k, v)| (*k, Some(v.clone()))).collect();
    // What was encoded record by record can be encoded together; if it ever cannot, the journal stays as it is.
    if let Ok(snapshot) = journal::encode(view.next, &all) {
        cells.bytes = [journal::preamble(), snapshot].concat();
        view.next = view.next.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled() -> RamMemory {
        let mut memory = RamMemory::new();
        memory.commit(&[(1, Some(vec![1; 10])), (2, Some(vec![2; 10]))]).expect("power is on");
        memory
    }

    #[test]
    fn a_cut_leaves_the_old_or_the_new_state_and_nothing_between() {
        for (cut, expected) in [(Cut::Before, 1), (Cut::Torn, 1), (Cut::After, 7)] {
            let mut memory = filled();
            let flash = memory.flash();
            flash.cut_power(1, cut);
            assert!(matches!(
                memory.commit(&[(1, Some(vec![7; 10])), (2, None)]),
                Err(MemoryError::PowerCut)
            ));
            assert!(
                matches!(memory.commit(&[(9, None)]), Err(MemoryError::PowerCut)),
                "dead until power returns"
            );
            flash.restore_power();
            assert!(
                matches!(memory.commit(&[(9, None)]), Err(MemoryError::PowerCut)),
                "the old chip stays dead"
            );
            let again = RamMemory::open(flash).expect("power cuts never damage");
            assert_eq!(again.load(1), Some([expected; 10].as_slice()));
            assert_eq!(again.load(2).is_some(), expected == 1);
        }
    }

    #[test]
    fn the_journal_does_not_grow_without_end() {
        let mut memory = filled();
        for i in 0..10_000u32 {
            memory.commit(&[(3, Some(i.to_be_bytes().to_vec()))]).expect("power is on");
        }
        assert!(memory.flash().image().len() < 80_000);
        let again = RamMemory::open(memory.flash()).expect("whole");
        assert_eq!(again.load(3), Some(9_999u32.to_be_bytes().as_slice()));
        assert_eq!(again.load(2), Some([2; 10].as_slice()));
    }

    #[test]
    fn debug_never_shows_the_content() {
        assert_eq!(
            format!("{:?}", filled()),
            "RamMemory { flash: Flash(58 bytes), view: 2 records, owner: 0, failed: false }"
        );
    }
}
