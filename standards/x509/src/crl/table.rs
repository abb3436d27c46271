//! The entries of a list as they stand in its encoding, sorted, so that a list is patched and never built anew.
//!
//! With serial numbers of 16 octets, dates before 2050 and a reason, every entry has 49 bytes: the encoded body is itself
//! a sorted table, looked up by bisection and changed by merging. Entries of another form (no reason, dates from 2050 on)
//! are few; they stand behind the others, for RFC 5280 asks for no order.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::build::write_entry;
use super::{Entries, Reason, Revoked};
use crate::{Error, Serial};

/// A sorted, encoded list of revoked certificates.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Table {
    regular: Vec<u8>,
    irregular: BTreeMap<Serial, Vec<u8>>,
}

impl Table {
    /// A table of these entries, in any order; of two for one certificate the later counts.
    pub fn new(entries: impl IntoIterator<Item = Revoked>) -> Result<Self, Error> {
        let mut sorted: Vec<Revoked> = entries.into_iter().collect();
        sorted.sort_by_key(|entry| entry.serial);
        let mut table = Self::default();
        table.regular.reserve_exact(sorted.len() * SIZE);
        for (n, entry) in sorted.iter().enumerate() {
            if sorted.get(n + 1).is_none_or(|next| next.serial != entry.serial) {
                let mut encoded = Vec::with_capacity(SIZE);
                write_entry(&mut encoded, entry)?;
                match is_regular(&encoded) {
                    true => table.regular.extend_from_slice(&encoded),
                    false => drop(table.irregular.insert(entry.serial, encoded)),
                }
            }
        }
        Ok(table)
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.regular.len() / SIZE + self.irregular.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.regular.is_empty() && self.irregular.is_empty()
    }

    /// Since when and why this certificate is listed.
    pub fn find(&self, serial: &Serial) -> Option<(Timestamp, Reason)> {
        let encoded = match self.position(serial) {
            Ok(at) => &self.regular[at * SIZE..][..SIZE],
            Err(_) => self.irregular.get(serial)?,
        };
        let entry = Entries::new(encoded).next()?.ok()?;
        Some((entry.at, entry.reason))
    }

    /// All entries: the regular ones in order, then the others.
    pub fn iter(&self) -> impl Iterator<Item = Revoked> + '_ {
        let entries = |bytes| Entries::new(bytes).map_while(Result::ok);
        let all = entries(&self.regular).chain(self.irregular.values().flat_map(move |bytes| entries(bytes)));
        all.filter_map(|e| {
            Some(Revoked { serial: Serial::from_octets(e.serial).ok()?, at: e.at, reason: e.reason })
        })
    }

    /// Puts in, replaces (`Some`) and takes out (`None`) entries. A few changes are made in place, many in one merge.
    pub fn apply(&mut self, changes: &BTreeMap<Serial, Option<Revoked>>) -> Result<(), Error> {
        // Everything is encoded first, so that an entry that cannot be written changes nothing; into one buffer, for millions come
        // at once when a list is made for the first time.
        let mut encoded = Vec::with_capacity(changes.len() * SIZE);
        let mut lengths = Vec::with_capacity(changes.len());
        for change in changes.values() {
            let begin = encoded.len();
            if let Some(entry) = change {
                write_entry(&mut encoded, entry)?;
            }
            lengths.push(encoded.len() - begin);
        }
        let mut rest = &encoded[..];
        let each = changes.keys().zip(lengths).map(|(serial, length)| {
            let (entry, after) = rest.split_at(length);
            rest = after;
            (serial, entry)
        });
        let few = changes.len() <= IN_PLACE;
        let mut merged = Vec::with_capacity(if few { 0 } else { self.regular.len() + encoded.len() });
        // How many of the regular entries stand in the merged ones.
        let mut taken = 0;
        for (serial, entry) in each {
            if !self.irregular.is_empty() {
                self.irregular.remove(serial);
            }
            let regular = match entry.is_empty() || is_regular(entry) {
                true => entry,
                false => {
                    self.irregular.insert(*serial, entry.to_vec());
                    &[]
                }
            };
            let (upto, next) = match self.position_from(taken, serial) {
                Ok(at) => (at, at + 1),
                Err(at) => (at, at),
            };
            if few {
                drop(self.regular.splice(upto * SIZE..next * SIZE, regular.iter().copied()));
            } else {
                merged.extend_from_slice(&self.regular[taken * SIZE..upto * SIZE]);
                merged.extend_from_slice(regular);
                taken = next;
            }
        }
        if !few {
            merged.extend_from_slice(&self.regular[taken * SIZE..]);
            self.regular = merged;
        }
        Ok(())
    }

    /// The entries of several tables in one, none of them decoded. A certificate that stands in two is listed once, as the
    /// earlier table says.
    ///
    /// Serial numbers are random, so the tables are cut at the same numbers into pieces of a thousand entries together, and each
    /// piece is sorted while it lies in the processor's cache: of two tables or of a thousand. Numbers that are not evenly
    /// spread cost time and nothing else.
    pub fn merged(tables: &[&Self]) -> Self {
        let mut rest: Vec<&[u8]> = tables.iter().map(|table| &table.regular[..]).collect();
        let total = rest.iter().map(|entries| entries.len()).sum::<usize>();
        let bits = (total / SIZE / PIECE).checked_ilog2().map_or(0, |bits| bits + 1);
        let mut regular = Vec::with_capacity(total);
        let mut piece: Vec<(u128, usize, &[u8; SIZE])> = Vec::new();
        for number in 0..1u128 << bits {
            for (table, entries) in rest.iter_mut().enumerate() {
                while let Some((entry, after)) = entries.split_first_chunk::<SIZE>() {
                    let serial = serial_of(entry);
                    if serial.checked_shr(u128::BITS - bits).unwrap_or(0) != number {
                        break;
                    }
                    piece.push((serial, table, entry));
                    *entries = after;
                }
            }
            piece.sort_unstable_by_key(|(serial, table, _)| (*serial, *table));
            piece.dedup_by_key(|(serial, ..)| *serial);
            regular.extend(piece.drain(..).flat_map(|(_, _, entry)| entry));
        }
        let mut merged = Self { regular, irregular: BTreeMap::new() };
        for (serial, encoded) in tables.iter().flat_map(|table| &table.irregular) {
            if merged.position(serial).is_err() {
                merged.irregular.entry(*serial).or_insert_with(|| encoded.clone());
            }
        }
        merged
    }

    /// The encoded entries, in two pieces.
    pub(super) fn encoded(&self) -> (&[u8], Vec<u8>) {
        (&self.regular, self.irregular.values().flatten().copied().collect())
    }

    /// Bytes of memory that the entries take.
    pub fn memory(&self) -> usize {
        self.regular.capacity() + self.irregular.len() * 128
    }

    fn position(&self, serial: &Serial) -> Result<usize, usize> {
        self.position_from(0, serial)
    }

    /// Where in the regular entries, from the `from`th on, this one is or would be.
    fn position_from(&self, from: usize, serial: &Serial) -> Result<usize, usize> {
        let (mut low, mut high) = (from, self.regular.len() / SIZE);
        // A number of another length is never regular; it has no place among them.
        let Ok(wanted) = <[u8; 16]>::try_from(serial.octets()) else { return Err(low) };
        while low < high {
            let middle = low.midpoint(high);
            match self.regular[middle * SIZE + 4..][..16].cmp(&wanted) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Ok(middle),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Table({} entries)", self.len())
    }
}

/// `30 2F 02 10 SERIAL 17 0D TIME 30 0C ...`
fn is_regular(encoded: &[u8]) -> bool {
    encoded.len() == SIZE && encoded.starts_with(&[0x30, 47, 0x02, 16])
}

/// The serial number of a regular entry.
fn serial_of(entry: &[u8; SIZE]) -> u128 {
    let mut octets = [0; 16];
    octets.copy_from_slice(&entry[4..20]);
    u128::from_be_bytes(octets)
}

/// Bytes of a regular entry.
const SIZE: usize = 49;

/// Entries that are sorted together, about.
const PIECE: usize = 1_000;

/// As many changes are made one by one; more are merged.
const IN_PLACE: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn serial(n: u8) -> Serial {
        Serial::from_u128(u128::from(n) << 118 | 1 << 100 | u128::from(n)).expect("not zero")
    }

    fn entry(n: u8, kind: u8) -> Revoked {
        let second = if kind == 3 { 2_600_000_000 } else { 1_800_000_000 + i64::from(kind) };
        let reason = if kind == 2 { Reason::Unspecified } else { Reason::CertificateHold };
        Revoked { serial: serial(n), at: Timestamp::from_second(second).expect("in range"), reason }
    }

    proptest! {
        /// Whatever is put in and taken out, in few or many changes: the table is what a map would be.
        #[test]
        fn a_table_is_a_map(rounds in prop::collection::vec(prop::collection::vec((0u8..32, 0u8..6), 0..24), 1..6)) {
            let mut map: BTreeMap<Serial, Revoked> = BTreeMap::new();
            let mut table = Table::default();
            for round in rounds {
                let mut changes = BTreeMap::new();
                for (n, kind) in round {
                    changes.insert(serial(n), (kind < 4).then(|| entry(n, kind)));
                }
                table.apply(&changes).expect("writable");
                for (serial, change) in changes {
                    match change {
                        Some(entry) => drop(map.insert(serial, entry)),
                        None => drop(map.remove(&serial)),
                    }
                }
            }
            prop_assert_eq!(table.len(), map.len());
            for n in 0..32 {
                let expected = map.get(&serial(n)).map(|e| (e.at, e.reason));
                prop_assert_eq!(table.find(&serial(n)), expected);
            }
            let mut listed: Vec<Revoked> = table.iter().collect();
            listed.sort_by_key(|e| e.serial);
            prop_assert_eq!(&listed, &map.values().copied().collect::<Vec<_>>());
            prop_assert_eq!(Table::new(map.into_values()).expect("writable"), table);
        }

        /// However entries are dealt out to tables, and also where one has several: together they are the table of all.
        #[test]
        fn merged_tables_are_the_table_of_all_entries(
            dealt in prop::collection::vec((0u8..64, 0u8..4, 0usize..4), 0..120),
        ) {
            let mut all: BTreeMap<Serial, Revoked> = BTreeMap::new();
            let mut parts = vec![Vec::new(); 4];
            for (n, kind, part) in dealt {
                // One certificate has one state, whoever tells it.
                let entry = *all.entry(serial(n)).or_insert(entry(n, kind));
                parts[part].push(entry);
            }
            let tables: Vec<Table> =
                parts.into_iter().map(|part| Table::new(part).expect("writable")).collect();
            let tables: Vec<&Table> = tables.iter().collect();
            prop_assert_eq!(Table::merged(&tables), Table::new(all.into_values()).expect("writable"));
        }
    }

    /// Two tables that have stated one certificate differently, and in another form: it is listed, and once.
    #[test]
    fn a_certificate_of_two_tables_is_listed_once() {
        for (a, b) in [(0, 1), (0, 2), (2, 0), (2, 3)] {
            let one = Table::new([entry(5, a), entry(6, 0)]).expect("writable");
            let two = Table::new([entry(5, b), entry(7, 0)]).expect("writable");
            let merged = Table::merged(&[&one, &two]);
            assert_eq!((merged.len(), merged.iter().filter(|e| e.serial == serial(5)).count()), (3, 1));
        }
        assert!(Table::merged(&[]).is_empty());
        let one = Table::new((0..9).map(|n| entry(n, 0))).expect("writable");
        assert_eq!(Table::merged(&[&Table::default(), &one]), one);
    }
}
