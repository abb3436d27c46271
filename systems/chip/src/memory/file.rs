//! Memory in a file: the journal, written through to the disk, locked against a second user.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Changes, Memory, MemoryError, apply, journal, live_bytes};

/// The journal is rewritten when it is longer than this and than four times what it holds.
const COMPACT_FROM: u64 = 256 * 1024;

/// No card memory is ever as long as this: a longer file is not read, and none is made.
const MAX_FILE: u64 = 8 * 1024 * 1024;

/// How often is looked whether a card is still in another reader, and how long is waited each time: a second in all.
const LOCK_TURNS: u32 = 100;
const LOCK_TURN: Duration = Duration::from_millis(10);

/// Non-volatile memory in one file. A lock file beside it (`NAME.lock`) keeps a second program out.
pub struct FileMemory {
    path: PathBuf,
    file: File,
    /// Held, not read: dropping it releases the card.
    _lock: File,
    map: BTreeMap<u16, Vec<u8>>,
    next: u32,
    end: u64,
    failed: bool,
    /// Makes a renaming durable.
    settle: fn(&Path) -> std::io::Result<()>,
}

impl FileMemory {
    /// Creates an empty memory. The file must not exist.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, MemoryError> {
        let path = path.as_ref();
        let lock = lock(path)?;
        if path.exists() {
            return Err(MemoryError::Io(std::io::ErrorKind::AlreadyExists.into()));
        }
        replace(path, &journal::preamble())?;
        sync_directory(path)?;
        Self::over(path, lock)
    }

    /// Opens an existing memory. A torn last transaction is dropped, damage before it is an error.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, MemoryError> {
        let path = path.as_ref();
        // Opened first so that a wrong path leaves no lock file behind.
        File::open(path)?;
        let lock = lock(path)?;
        Self::over(path, lock)
    }

    fn over(path: &Path, lock: File) -> Result<Self, MemoryError> {
        // What an interrupted rewrite may have left; the file itself is whole either way.
        let _ = std::fs::remove_file(temporary(path));
        let mut file = OpenOptions::new().read(true).write(true).open(path)?;
        if file.metadata()?.len() > MAX_FILE {
            return Err(MemoryError::NotAMemory(path.to_owned()));
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let replay = journal::replay(&bytes).map_err(|e| match e {
            journal::ReplayError::NotAJournal => MemoryError::NotAMemory(path.to_owned()),
            journal::ReplayError::Version(version) => MemoryError::Version { path: path.to_owned(), version },
            journal::ReplayError::Corrupt(offset) => MemoryError::Corrupt { offset },
        })?;
        let end = replay.end as u64;
        if replay.end < bytes.len() {
            file.set_len(end)?;
            file.sync_data()?;
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            _lock: lock,
            map: replay.map,
            next: replay.next,
            end,
            failed: false,
            settle: sync_directory,
        })
    }

    fn append(&mut self, transaction: &[u8]) -> std::io::Result<()> {
        self.file.seek(SeekFrom::Start(self.end))?;
        self.file.write_all(transaction)?;
        self.file.sync_data()
    }

    /// Rewrites the journal as one transaction: new file, synchronised, renamed over the old one.
    fn compact(&mut self) -> Result<(), MemoryError> {
        let all: Vec<_> = self.map.iter().map(|(k, v)| (*k, Some(v.clone()))).collect();
        let snapshot = journal::encode(self.next, &all).map_err(|key| MemoryError::TooLong { key })?;
        let bytes = [journal::preamble(), snapshot].concat();
        // From here on the new file is the card: what is committed next must go there whatever else fails.
        self.file = replace(&self.path, &bytes)?;
        self.end = bytes.len() as u64;
        self.next = self.next.wrapping_add(1);
        // A power cut may still bring the old file back. Anything written now would be lost with the new one, a try that was
        // counted for instance: write nothing more.
        if let Err(error) = (self.settle)(&self.path) {
            self.failed = true;
            return Err(error.into());
        }
        Ok(())
    }
}

impl Memory for FileMemory {
    fn load(&self, key: u16) -> Option<&[u8]> {
        self.map.get(&key).map(Vec::as_slice)
    }

    fn commit(&mut self, changes: &Changes) -> Result<(), MemoryError> {
        if self.failed {
            return Err(MemoryError::PowerCut);
        }
        let transaction = journal::encode(self.next, changes).map_err(|key| MemoryError::TooLong { key })?;
        if self.end + transaction.len() as u64 > MAX_FILE {
            return Err(std::io::Error::from(std::io::ErrorKind::FileTooLarge).into());
        }
        if let Err(error) = self.append(&transaction) {
            // A full disk: take back what was written. If even that fails, nothing may be written behind the torn part.
            self.failed = self.file.set_len(self.end).and_then(|()| self.file.sync_data()).is_err();
            return Err(error.into());
        }
        self.end += transaction.len() as u64;
        self.next = self.next.wrapping_add(1);
        apply(&mut self.map, changes);
        if self.end > COMPACT_FROM && self.end > 4 * live_bytes(&self.map) as u64 {
            // The transaction is stored already; a rewrite that fails is tried again after the next one.
            let _ = self.compact();
        }
        Ok(())
    }

    fn records(&self) -> Vec<(u16, usize)> {
        self.map.iter().map(|(k, v)| (*k, v.len())).collect()
    }

    fn forget_erased(&mut self) {
        if !self.failed {
            let _ = self.compact();
        }
    }
}

impl std::fmt::Debug for FileMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FileMemory({}, {} records)", self.path.display(), self.map.len())
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    path.with_file_name(name)
}

fn temporary(path: &Path) -> PathBuf {
    beside(path, ".new")
}

/// The lock is on a file of its own because the journal is replaced by renaming. A card that was just taken out of another
/// reader is waited for: the lock goes with the last process that has the file open, and a program that another thread starts
/// has it open until it runs.
fn lock(path: &Path) -> Result<File, MemoryError> {
    let file = private().create(true).truncate(false).write(true).open(beside(path, ".lock"))?;
    for _ in 0..LOCK_TURNS {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_TURN),
            Err(TryLockError::Error(e)) => return Err(e.into()),
        }
    }
    Err(MemoryError::Locked(path.to_owned()))
}

/// Puts `bytes` at `path`, so that either the old or the new file is there, whole; gives the new one, open. It is there for
/// certain after [`sync_directory`].
fn replace(path: &Path, bytes: &[u8]) -> Result<File, MemoryError> {
    let temporary = temporary(path);
    let mut file = private().create(true).truncate(true).read(true).write(true).open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    Ok(file)
}

fn sync_directory(path: &Path) -> std::io::Result<()> {
    let directory = path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

/// The file holds private keys: nobody but its owner may read it.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory() -> tempfile::TempDir {
        tempfile::tempdir().expect("a temporary directory")
    }

    #[test]
    fn what_was_committed_is_there_after_opening_again() {
        let dir = directory();
        let path = dir.path().join("card.nvm");
        let mut memory = FileMemory::create(&path).expect("created");
        memory.commit(&[(1, Some(vec![1, 2, 3])), (2, Some(vec![4]))]).expect("written");
        memory.commit(&[(2, None), (3, Some(vec![]))]).expect("written");
        drop(memory);
        let memory = FileMemory::open(&path).expect("whole");
        assert_eq!(memory.records(), [(1, 3), (3, 0)]);
        assert_eq!(memory.load(1), Some([1, 2, 3].as_slice()));
    }

    #[test]
    fn two_programs_cannot_hold_one_card() {
        let dir = directory();
        let path = dir.path().join("card.nvm");
        let first = FileMemory::create(&path).expect("created");
        assert!(matches!(FileMemory::open(&path), Err(MemoryError::Locked(p)) if p == path));
        drop(first);
        assert!(FileMemory::open(&path).is_ok());
        assert!(
            matches!(FileMemory::create(&path), Err(MemoryError::Io(_))),
            "an existing card is never overwritten"
        );
    }

    #[test]
    fn a_card_that_is_being_taken_out_is_waited_for() {
        let dir = directory();
        let path = dir.path().join("card.nvm");
        let first = FileMemory::create(&path).expect("created");
        std::thread::scope(|scope| {
            let second = scope.spawn(|| FileMemory::open(&path));
            std::thread::sleep(3 * LOCK_TURN);
            drop(first);
            assert!(second.join().expect("ends").is_ok());
        });
    }

    // Every prefix of the file is a state the disk may be in after a crash.
    #[test]
    fn a_tear_at_every_byte_gives_one_of_the_committed_states() {
        let dir = directory();
        let path = dir.path().join("card.nvm");
        let mut memory = FileMemory::create(&path).expect("created");
        let mut states = vec![memory.records()];
        for i in 1..6u8 {
            memory.commit(&[(u16::from(i), Some(vec![i; 7])), (u16::from(i - 1), None)]).expect("written");
            states.push(memory.records());
        }
        drop(memory);
        let whole = std::fs::read(&path).expect("readable");
        for cut in journal::PREAMBLE..=whole.len() {
            let torn = dir.path().join("torn.nvm");
            std::fs::write(&torn, &whole[..cut]).expect("written");
            let mut memory = FileMemory::open(&torn).expect("a torn tail is no error");
            assert!(states.contains(&memory.records()), "cut at {cut}");
            memory.commit(&[(99, Some(vec![9]))]).expect("usable after a tear");
            drop(memory);
            assert_eq!(FileMemory::open(&torn).expect("whole").load(99), Some([9].as_slice()));
        }
    }

    #[test]
    fn damage_in_the_middle_is_told_clearly() {
        let dir = directory();
        let path = dir.path().join("card.nvm");
        let mut memory = FileMemory::create(&path).expect("created");
        memory.commit(&[(1, Some(vec![1; 50]))]).expect("written");
        memory.commit(&[(2, Some(vec![2; 50]))]).expect("written");
        drop(memory);
        let mut bytes = std::fs::read(&path).expect("readable");
        bytes[40] ^= 1;
        std::fs::write(&path, bytes).expect("written");
        let error = FileMemory::open(&path).expect_err("damaged");
        assert_eq!(
            error.to_string(),
            "card memory is damaged at byte 10, with intact transactions after it; restore it from a copy"
        );
    }

    #[test]
    fn the_file_is_rewritten_when_it_has_grown() {
        let dir = directory();
        let path = dir.path().join("card.nvm");
        let mut memory = FileMemory::create(&path).expect("created");
        for i in 0..40u8 {
            memory.commit(&[(7, Some(vec![i; 20_000]))]).expect("written");
        }
        drop(memory);
        assert!(std::fs::metadata(&path).expect("there").len() < COMPACT_FROM + 40_000);
        assert_eq!(FileMemory::open(&path).expect("whole").load(7), Some([39; 20_000].as_slice()));
    }

    // Otherwise a try that was counted could be won back: the file that is there after a crash is another one.
    #[test]
    fn nothing_is_written_after_a_rewrite_that_may_not_last() {
        let dir = directory();
        let path = dir.path().join("card.nvm");
        let mut memory = FileMemory::create(&path).expect("created");
        memory.commit(&[(1, Some(vec![3]))]).expect("written");
        memory.settle = |_| Err(std::io::ErrorKind::Other.into());
        memory.forget_erased();
        assert!(matches!(memory.commit(&[(1, Some(vec![2]))]), Err(MemoryError::PowerCut)));
        drop(memory);
        assert_eq!(FileMemory::open(&path).expect("whole").load(1), Some([3].as_slice()));
    }

    // What was committed after a rewrite goes into the file that has the name.
    #[test]
    fn a_rewritten_file_is_the_one_that_is_written_on() {
        let dir = directory();
        let path = dir.path().join("card.nvm");
        let mut memory = FileMemory::create(&path).expect("created");
        for tries in [3, 2, 1] {
            memory.commit(&[(1, Some(vec![tries]))]).expect("written");
            memory.forget_erased();
            memory.commit(&[(1, Some(vec![tries - 1]))]).expect("written");
            let now = journal::replay(&std::fs::read(&path).expect("readable")).expect("whole");
            assert_eq!(now.map[&1], [tries - 1]);
        }
    }

    #[test]
    fn a_file_of_any_length_is_refused_at_once() {
        let dir = directory();
        let path = dir.path().join("card.nvm");
        drop(FileMemory::create(&path).expect("created"));
        let file = OpenOptions::new().write(true).open(&path).expect("there");
        // Sparse: a terabyte that takes no room.
        file.set_len(1 << 40).expect("sparse files are supported");
        assert!(matches!(FileMemory::open(&path), Err(MemoryError::NotAMemory(_))));
    }

    // One flipped bit anywhere: told, or the last transaction is gone; never a panic, never another value.
    #[test]
    fn every_flipped_bit_is_told_or_takes_the_last_transaction_only() {
        let dir = directory();
        let path = dir.path().join("card.nvm");
        let mut memory = FileMemory::create(&path).expect("created");
        for i in 1..4u8 {
            memory.commit(&[(u16::from(i), Some(vec![i; 9]))]).expect("written");
        }
        drop(memory);
        let whole = std::fs::read(&path).expect("readable");
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let damaged = dir.path().join("damaged.nvm");
            std::fs::write(&damaged, bytes).expect("written");
            if let Ok(memory) = FileMemory::open(&damaged) {
                let values: Vec<_> = (1..4).map(|key| memory.load(key).map(<[u8]>::to_vec)).collect();
                assert_eq!(values, [Some(vec![1; 9]), Some(vec![2; 9]), None], "bit {bit}");
            }
        }
    }

    #[test]
    fn a_left_over_of_an_interrupted_rewrite_does_no_harm() {
        let dir = directory();
        let path = dir.path().join("card.nvm");
        FileMemory::create(&path).expect("created").commit(&[(1, Some(vec![1]))]).expect("written");
        std::fs::write(temporary(&path), b"half of").expect("written");
        assert_eq!(FileMemory::open(&path).expect("whole").load(1), Some([1].as_slice()));
        assert!(!temporary(&path).exists());
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_may_read_the_file() {
        use std::os::unix::fs::PermissionsExt;
        let dir = directory();
        let path = dir.path().join("card.nvm");
        let _memory = FileMemory::create(&path).expect("created");
        assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn another_file_is_refused_by_name() {
        let dir = directory();
        let path = dir.path().join("letter.txt");
        std::fs::write(&path, b"Dear card").expect("written");
        assert!(matches!(FileMemory::open(&path), Err(MemoryError::NotAMemory(p)) if p == path));
        assert!(matches!(FileMemory::open(dir.path().join("nothing")), Err(MemoryError::Io(_))));
    }
}
