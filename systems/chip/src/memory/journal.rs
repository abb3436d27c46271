//! The encoding of transactions: an append-only journal.
//!
//! ```text
//! journal      = preamble transaction*
//! preamble     = "NEWEIDNV" version(2)
//! transaction  = length(4) sequence(4) crc(length sequence)(4) payload crc(payload)(4)
//! payload      = record*
//! record       = key(2) length(4) value      length FFFFFFFF: the record is erased, no value follows
//! ```
//! All numbers are big-endian. The header has a checksum of its own, so that a damaged length is not taken for the end.
//!
//! A transaction that does not check is a torn write if nothing whole follows it: then it never happened. If a later
//! transaction is whole, the damage is not the work of a power cut and reading fails.

use std::collections::BTreeMap;

use super::crc::crc32;
use super::{Changes, apply};

/// The version of the format this program writes and reads.
pub(super) const VERSION: u16 = 1;

/// Bytes a record needs beside its value.
pub(super) const RECORD_OVERHEAD: usize = 6;

pub(super) const PREAMBLE: usize = MAGIC.len() + 2;
const MAGIC: &[u8; 8] = b"NEWEIDNV";
const HEADER: usize = 12;
const TRAILER: usize = 4;
const ERASED: u32 = u32::MAX;

/// What reading a journal gives.
#[derive(Debug)]
pub(super) struct Replay {
    /// All records after the last whole transaction.
    pub(super) map: BTreeMap<u16, Vec<u8>>,
    /// The length of the part that is whole; what follows is a torn write.
    pub(super) end: usize,
    /// The number the next transaction gets.
    pub(super) next: u32,
}

/// Why bytes are no journal.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ReplayError {
    NotAJournal,
    Version(u16),
    Corrupt(usize),
}

/// The first bytes of every journal.
pub(super) fn preamble() -> Vec<u8> {
    [MAGIC.as_slice(), &VERSION.to_be_bytes()].concat()
}

/// Encodes one transaction, or names the record that does not fit.
pub(super) fn encode(sequence: u32, changes: &Changes) -> Result<Vec<u8>, u16> {
    let size: usize = changes.iter().map(|(_, v)| RECORD_OVERHEAD + v.as_ref().map_or(0, Vec::len)).sum();
    let mut out = Vec::with_capacity(HEADER + size + TRAILER);
    let length = u32::try_from(size).map_err(|_| changes.first().map_or(0, |c| c.0))?;
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&sequence.to_be_bytes());
    out.extend_from_slice(&crc32(&out).to_be_bytes());
    for (key, value) in changes {
        out.extend_from_slice(&key.to_be_bytes());
        match value {
            None => out.extend_from_slice(&ERASED.to_be_bytes()),
            Some(value) => {
                let length = u32::try_from(value.len()).ok().filter(|n| *n != ERASED).ok_or(*key)?;
                out.extend_from_slice(&length.to_be_bytes());
                out.extend_from_slice(value);
            }
        }
    }
    out.extend_from_slice(&crc32(&out[HEADER..]).to_be_bytes());
    Ok(out)
}

/// Reads a journal from its beginning.
pub(super) fn replay(bytes: &[u8]) -> Result<Replay, ReplayError> {
    let Some((head, _)) = bytes.split_at_checked(PREAMBLE) else {
        return Err(ReplayError::NotAJournal);
    };
    if &head[..MAGIC.len()] != MAGIC {
        return Err(ReplayError::NotAJournal);
    }
    let version = u16::from_be_bytes([head[8], head[9]]);
    if version != VERSION {
        return Err(ReplayError::Version(version));
    }
    let mut replay = Replay { map: BTreeMap::new(), end: PREAMBLE, next: 0 };
    while replay.end < bytes.len() {
        let Some(transaction) = read(bytes, replay.end, Some(replay.next)) else {
            if whole_transaction_after(bytes, replay.end, replay.next) {
                return Err(ReplayError::Corrupt(replay.end));
            }
            break;
        };
        apply(&mut replay.map, &transaction.changes);
        replay.end = transaction.end;
        replay.next = transaction.sequence.wrapping_add(1);
    }
    Ok(replay)
}

struct Transaction {
    sequence: u32,
    changes: Vec<(u16, Option<Vec<u8>>)>,
    end: usize,
}

/// The transaction that starts at `at`, if it is whole. The first of a journal may have any number.
fn read(bytes: &[u8], at: usize, expected: Option<u32>) -> Option<Transaction> {
    let header = bytes.get(at..at.checked_add(HEADER)?)?;
    let number = |i: usize| u32::from_be_bytes([header[i], header[i + 1], header[i + 2], header[i + 3]]);
    let (length, sequence, crc) = (number(0), number(4), number(8));
    if crc32(&header[..8]) != crc || expected.is_some_and(|e| at != PREAMBLE && e != sequence) {
        return None;
    }
    let start = at + HEADER;
    let payload = bytes.get(start..start.checked_add(length as usize)?)?;
    let end = start + payload.len() + TRAILER;
    let trailer = bytes.get(end - TRAILER..end)?;
    if crc32(payload).to_be_bytes() != trailer {
        return None;
    }
    Some(Transaction { sequence, changes: records(payload)?, end })
}

fn records(mut payload: &[u8]) -> Option<Vec<(u16, Option<Vec<u8>>)>> {
    let mut out = Vec::new();
    while !payload.is_empty() {
        let (&[k0, k1, a, b, c, d], rest) = payload.split_first_chunk::<RECORD_OVERHEAD>()?;
        let (key, length) = (u16::from_be_bytes([k0, k1]), u32::from_be_bytes([a, b, c, d]));
        if length == ERASED {
            out.push((key, None));
            payload = rest;
        } else {
            let (value, rest) = rest.split_at_checked(length as usize)?;
            out.push((key, Some(value.to_vec())));
            payload = rest;
        }
    }
    Some(out)
}

/// Whether any whole transaction with a number of at least `from` starts at or after `at`. Runs only over a damaged end,
/// and the header checksum decides nearly every position.
fn whole_transaction_after(bytes: &[u8], at: usize, from: u32) -> bool {
    (at..bytes.len())
        .any(|i| read(bytes, i, None).is_some_and(|t| t.sequence.wrapping_sub(from) < u32::MAX / 2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn journal(transactions: &[&Changes]) -> Vec<u8> {
        let mut bytes = preamble();
        for (i, changes) in transactions.iter().enumerate() {
            bytes.extend(encode(i as u32, changes).expect("short records"));
        }
        bytes
    }

    fn three() -> Vec<u8> {
        journal(&[
            &[(1, Some(vec![1; 20])), (2, Some(vec![2]))],
            &[(1, None), (3, Some(Vec::new()))],
            &[(2, Some(vec![9; 40]))],
        ])
    }

    #[test]
    fn transactions_are_replayed_in_order() {
        let replay = replay(&three()).expect("whole");
        let records: Vec<_> = replay.map.into_iter().collect();
        assert_eq!(records, [(2, vec![9; 40]), (3, vec![])]);
        assert_eq!((replay.next, replay.end), (3, three().len()));
    }

    // A power cut leaves a prefix of the last write: the state is the one before it, never an error.
    #[test]
    fn a_tear_at_every_byte_gives_the_state_before_the_torn_write() {
        let whole = three();
        let transactions: [&Changes; 3] = [
            &[(1, Some(vec![1; 20])), (2, Some(vec![2]))],
            &[(1, None), (3, Some(Vec::new()))],
            &[(2, Some(vec![9; 40]))],
        ];
        let ends: Vec<usize> = (0..=3).map(|n| journal(&transactions[..n]).len()).collect();
        for cut in PREAMBLE..=whole.len() {
            let replay = replay(&whole[..cut]).expect("a torn tail is no error");
            let expected = ends.iter().rev().find(|end| **end <= cut).expect("the preamble is whole");
            assert_eq!(replay.end, *expected, "cut at {cut}");
        }
    }

    // Blocks of zeros or of ones are what a medium leaves behind when the length was written before the data.
    #[test]
    fn a_tail_of_unwritten_blocks_is_a_torn_write() {
        for filler in [0x00, 0xFF] {
            let mut bytes = three();
            let end = bytes.len();
            bytes.extend([filler; 512]);
            assert_eq!(replay(&bytes).expect("a torn tail is no error").end, end);
        }
    }

    #[test]
    fn damage_before_a_whole_transaction_is_told() {
        let whole = three();
        let last = encode(2, &[(2, Some(vec![9; 40]))]).expect("short").len();
        for at in PREAMBLE..whole.len() - last {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x40;
            assert!(matches!(replay(&bytes), Err(ReplayError::Corrupt(_))), "byte {at}");
        }
    }

    #[test]
    fn a_transaction_taken_out_of_the_middle_is_told() {
        let mut bytes = journal(&[&[(1, Some(vec![1]))]]);
        bytes.extend(encode(2, &[(1, Some(vec![2]))]).expect("short"));
        assert_eq!(
            replay(&bytes).map(|_| ()).expect_err("a gap"),
            ReplayError::Corrupt(PREAMBLE + HEADER + 7 + TRAILER)
        );
    }

    #[test]
    fn other_files_and_versions_are_refused() {
        assert_eq!(replay(b"").map(|_| ()), Err(ReplayError::NotAJournal));
        assert_eq!(replay(b"SQLite format 3").map(|_| ()), Err(ReplayError::NotAJournal));
        let mut bytes = preamble();
        bytes[9] = 7;
        assert_eq!(replay(&bytes).map(|_| ()), Err(ReplayError::Version(7)));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(tail in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut bytes = preamble();
            bytes.extend(tail);
            let _ = replay(&bytes);
        }
    }
}
