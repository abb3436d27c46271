//! The status of every certificate, in memory: which serial numbers were given out, and which of them are suspended or
//! revoked. Lists, OCSP and filter are made from here, and nothing of it is asked of the database.
//!
//! The serial numbers are one sorted array of 16 bytes each (1.5 GB for 94 million); they are random, so that a number is
//! found by interpolation in a few steps. The listed certificates are the encoded bodies of the lists themselves
//! ([`x509::crl::Table`]): 49 bytes each in the list of its partition and 49 in the complete one. A partition's list is of one
//! generation; the complete list of every generation has the listed certificates of all (RFC 5280 §5: a list without scope is
//! for the issuer's name, and all have one).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use x509::Serial;
use x509::crl::{Reason, Revoked, Table};
use x509::ocsp::Status;

use crate::Result;

/// The certificates of the issuing CA and their states.
pub struct Population {
    // Shared with who goes through all of them, which takes seconds: nothing is added to it meanwhile.
    serials: Arc<Vec<u128>>,
    // Numbers given out since the array was last merged.
    recent: BTreeSet<u128>,
    // Numbers beyond 128 bits: another program issued them, before its authority was taken over.
    long: BTreeSet<Serial>,
    partitions: Vec<Part>,
    complete: Part,
    // What is waiting to be merged into the complete list, which is too long for a merge at every change; none if so much waits
    // that the list is put together from those of the partitions.
    pending: Option<BTreeMap<Serial, Option<Revoked>>>,
    // Expired entries that have left the lists.
    archive: Arc<Table>,
    // Listed certificates by the second they end.
    ends: BTreeMap<i64, Vec<Serial>>,
    seq: u64,
}

#[derive(Default)]
struct Part {
    // Shared with who makes a list of it.
    table: Arc<Table>,
    changed: u64,
    pruned_to: i64,
}

/// A certificate as it is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Which.
    pub serial: Serial,
    /// Since when and why it is listed; `None` if it is good.
    pub listed: Option<(Timestamp, Reason)>,
    /// Whether it is good again: there may be lists that name it, also where it is not known here to have been listed.
    pub was_listed: bool,
    /// Its last second.
    pub not_after: Timestamp,
    /// The number of the change: ascends over all changes of all certificates.
    pub seq: u64,
}

impl Population {
    /// Nothing yet, in this many partitions (a power of two).
    pub fn new(partitions: u16) -> Self {
        Self {
            serials: Arc::default(),
            recent: BTreeSet::new(),
            long: BTreeSet::new(),
            partitions: (0..partitions).map(|_| Part::default()).collect(),
            complete: Part::default(),
            pending: Some(BTreeMap::new()),
            archive: Arc::default(),
            ends: BTreeMap::new(),
            seq: 0,
        }
    }

    /// A population of these serial numbers, all good, which become sorted.
    pub fn of(partitions: u16, mut serials: Vec<u128>) -> Self {
        serials.sort_unstable();
        serials.dedup();
        Self { serials: Arc::new(serials), ..Self::new(partitions) }
    }

    /// The partition of a serial number, for ever: its low bits.
    pub fn partition_of(serial: &Serial, partitions: u16) -> u16 {
        let low = serial.octets().iter().rev().take(2).rev().fold(0u16, |n, byte| n << 8 | u16::from(*byte));
        low & (partitions - 1)
    }

    /// Takes changes over.
    pub fn apply(&mut self, changes: &[Change]) -> Result<()> {
        let count = self.partitions.len() as u16;
        let mut by_partition: BTreeMap<u16, BTreeMap<Serial, Option<Revoked>>> = BTreeMap::new();
        for change in changes {
            let serial = change.serial;
            match serial.to_u128() {
                Some(number) if !self.is_known(number) => drop(self.recent.insert(number)),
                Some(_) => {}
                None => drop(self.long.insert(serial)),
            }
            self.seq = self.seq.max(change.seq);
            let partition = Self::partition_of(&serial, count);
            let entry = change.listed.map(|(at, reason)| Revoked { serial, at, reason });
            let was_listed = self.listed(&serial, partition).is_some();
            let in_batch = by_partition.get(&partition).and_then(|batch| batch.get(&serial));
            let part = &mut self.partitions[usize::from(partition)];
            if entry.is_none() && !was_listed && in_batch.is_none() {
                // A new certificate that is good changes no list. One that is good again may stand in a list of before: nothing
                // is to be taken out of the entries here, but such a list is to be made anew.
                if change.was_listed {
                    part.changed = part.changed.max(change.seq);
                    self.complete.changed = self.complete.changed.max(change.seq);
                }
                continue;
            }
            by_partition.entry(partition).or_default().insert(serial, entry);
            if let Some(pending) = &mut self.pending {
                pending.insert(serial, entry);
            }
            if entry.is_some() && !was_listed {
                self.ends.entry(change.not_after.as_second()).or_default().push(serial);
            }
            part.changed = part.changed.max(change.seq);
            self.complete.changed = self.complete.changed.max(change.seq);
        }
        for (partition, changes) in by_partition {
            Arc::make_mut(&mut self.partitions[usize::from(partition)].table).apply(&changes)?;
        }
        let many = MANY.max(self.complete.table.len() / 4);
        self.pending = self.pending.take().filter(|pending| pending.len() <= many);
        if self.recent.len() > 1_000 && self.recent.len() > self.serials.len() / 16 {
            merge(Arc::make_mut(&mut self.serials), std::mem::take(&mut self.recent));
        }
        Ok(())
    }

    /// What OCSP says.
    pub fn status(&self, serial: &Serial) -> Status {
        let partition = Self::partition_of(serial, self.partitions.len() as u16);
        if let Some((at, reason)) = self.listed(serial, partition) {
            return Status::Revoked { at, reason };
        }
        match serial.to_u128() {
            Some(number) if self.is_known(number) => Status::Good,
            None if self.long.contains(serial) => Status::Good,
            _ => Status::Unknown,
        }
    }

    /// The number of the last change that was taken over.
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// The number of the last change in a partition's list, or in this generation's part of the complete one.
    pub fn changed(&self, partition: Option<u16>) -> u64 {
        self.part(partition).changed
    }

    /// The entries of a partition's list, or of this generation's part of the complete one, at this moment. What ended before `since`, when the list
    /// before was made, leaves it (RFC 5280 §3.3: an entry stays until one list beyond the certificate's end).
    pub fn table(&mut self, partition: Option<u16>, since: Timestamp) -> Result<Arc<Table>> {
        if partition.is_none() {
            match self.pending.replace(BTreeMap::new()) {
                Some(pending) => Arc::make_mut(&mut self.complete.table).apply(&pending)?,
                None => {
                    self.complete.table = Arc::new(self.put_together(since)?);
                    // What has ended may stand in a partition's list still: it is looked for as far back as any of them reaches.
                    let oldest = self.partitions.iter().map(|part| part.pruned_to).min().unwrap_or(0);
                    self.complete.pruned_to = self.complete.pruned_to.min(oldest);
                }
            }
        }
        let since = since.as_second();
        let from = self.part(partition).pruned_to;
        if since > from {
            let count = self.partitions.len() as u16;
            let mut gone = BTreeMap::new();
            let mut kept = BTreeMap::new();
            for serial in self.ends.range(from..since).flat_map(|(_, serials)| serials) {
                let here = partition.is_none_or(|p| Self::partition_of(serial, count) == p);
                if let Some((at, reason)) = self.part(partition).table.find(serial).filter(|_| here) {
                    gone.insert(*serial, None);
                    kept.insert(*serial, Some(Revoked { serial: *serial, at, reason }));
                }
            }
            if !kept.is_empty() {
                Arc::make_mut(&mut self.archive).apply(&kept)?;
            }
            let part = self.part_mut(partition);
            if !gone.is_empty() {
                Arc::make_mut(&mut part.table).apply(&gone)?;
            }
            part.pruned_to = since;
        }
        Ok(self.part(partition).table.clone())
    }

    /// The entries of the complete list from those of the partitions' lists; with what has left those already, but stays in the
    /// complete one from `since` on.
    fn put_together(&self, since: Timestamp) -> Result<Table> {
        let from = self.complete.pruned_to.max(since.as_second());
        let upto = self.partitions.iter().map(|part| part.pruned_to).max().unwrap_or(0).max(from);
        let left = self.ends.range(from..upto).flat_map(|(_, serials)| serials).filter_map(|serial| {
            let (at, reason) = self.archive.find(serial)?;
            Some(Revoked { serial: *serial, at, reason })
        });
        let left = Table::new(left)?;
        let tables = self.partitions.iter().map(|part| &*part.table).chain([&left]);
        Ok(Table::merged(&tables.collect::<Vec<_>>()))
    }

    /// How many certificates there are.
    pub fn len(&self) -> usize {
        self.serials.len() + self.recent.len() + self.long.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Goes through the serial numbers of all certificates, but for those beyond 128 bits, which no filter speaks about.
    pub fn each(&self, f: &mut dyn FnMut(u128)) {
        self.serials.iter().chain(&self.recent).for_each(|serial| f(*serial));
    }

    /// All serial numbers of this moment, for who goes through them while others change states and add numbers.
    pub(crate) fn numbers(&self) -> Numbers {
        let mut recent = Vec::with_capacity(self.recent.len());
        recent.extend(&self.recent);
        Numbers { serials: self.serials.clone(), recent }
    }

    /// The tables that say who is listed, at this moment.
    pub(crate) fn listings(&self) -> Vec<Arc<Table>> {
        self.partitions.iter().map(|part| &part.table).chain([&self.archive]).cloned().collect()
    }

    /// The serial numbers of the revoked and of the suspended certificates, each sorted.
    pub fn revoked_and_suspended(&self) -> (Vec<u128>, Vec<u128>) {
        revoked_and_suspended(&self.listings())
    }

    /// Bytes of memory that all of this takes, nearly.
    pub fn memory(&self) -> usize {
        let tables: usize =
            self.partitions.iter().chain([&self.complete]).map(|part| part.table.memory()).sum();
        let ends: usize = self.ends.values().map(|list| list.capacity() * size_of::<Serial>() + 64).sum();
        self.serials.capacity() * 16
            + (self.recent.len() + self.long.len()) * 32
            + self.pending.as_ref().map_or(0, BTreeMap::len) * 64
            + tables
            + ends
    }

    fn part(&self, partition: Option<u16>) -> &Part {
        partition.map_or(&self.complete, |p| &self.partitions[usize::from(p)])
    }

    fn part_mut(&mut self, partition: Option<u16>) -> &mut Part {
        match partition {
            None => &mut self.complete,
            Some(p) => &mut self.partitions[usize::from(p)],
        }
    }

    fn listed(&self, serial: &Serial, partition: u16) -> Option<(Timestamp, Reason)> {
        let part = &self.partitions[usize::from(partition)];
        part.table.find(serial).or_else(|| self.archive.find(serial))
    }

    fn is_known(&self, number: u128) -> bool {
        interpolate(&self.serials, number) || self.recent.contains(&number)
    }
}

/// All serial numbers of a generation as they were at one moment.
pub(crate) struct Numbers {
    serials: Arc<Vec<u128>>,
    recent: Vec<u128>,
}

impl Numbers {
    /// How many they are.
    pub(crate) fn len(&self) -> usize {
        self.serials.len() + self.recent.len()
    }

    /// Goes through them.
    pub(crate) fn each(&self, f: &mut dyn FnMut(u128)) {
        self.serials.iter().chain(&self.recent).for_each(|serial| f(*serial));
    }
}

/// The certificates of every generation that tells status, under the one sequence of changes.
#[derive(Default)]
pub(crate) struct Populations {
    of: BTreeMap<u32, Population>,
    seq: u64,
}

impl Populations {
    /// Adds a generation, if it is not there.
    pub(crate) fn add(&mut self, generation: u32, partitions: u16) {
        self.of.entry(generation).or_insert_with(|| Population::new(partitions));
    }

    /// Takes changes over, each of the generation before it. What a generation issued whose last certificate has ended is
    /// nobody's question any more.
    pub(crate) fn apply(&mut self, changes: &[(u32, Change)]) -> Result<()> {
        let mut by_generation: BTreeMap<u32, Vec<Change>> = BTreeMap::new();
        for (generation, change) in changes {
            by_generation.entry(*generation).or_default().push(*change);
            self.seq = self.seq.max(change.seq);
        }
        for (generation, changes) in by_generation {
            if let Some(population) = self.of.get_mut(&generation) {
                population.apply(&changes)?;
            }
        }
        Ok(())
    }

    /// All generations, by number.
    pub(crate) fn generations(&self) -> impl Iterator<Item = (u32, &Population)> {
        self.of.iter().map(|(number, population)| (*number, population))
    }

    /// The certificates of a generation.
    pub(crate) fn get(&self, generation: u32) -> Option<&Population> {
        self.of.get(&generation)
    }

    pub(crate) fn get_mut(&mut self, generation: u32) -> Result<&mut Population> {
        self.of.get_mut(&generation).ok_or(crate::NpcError::Inconsistent("generation"))
    }

    /// The number of the last change that was taken over.
    pub(crate) const fn seq(&self) -> u64 {
        self.seq
    }

    /// The number of the last change in a partition's list of a generation, or in its complete list; none if there is no
    /// such generation.
    pub(crate) fn changed(&self, generation: u32, partition: Option<u16>) -> Option<u64> {
        let own = self.of.get(&generation)?;
        match partition {
            Some(_) => Some(own.changed(partition)),
            None => self.of.values().map(|population| population.changed(None)).max(),
        }
    }

    /// Brings the entries of the complete lists to this moment. What ended before `since`, when the oldest of the complete lists
    /// in force was made, leaves them.
    pub(crate) fn settle_complete(&mut self, since: Timestamp) -> Result<()> {
        self.of.values_mut().try_for_each(|population| population.table(None, since).map(drop))
    }

    /// The entries of the complete list, of every generation the same, as they were last settled: to be put together by
    /// [`complete`].
    pub(crate) fn complete_tables(&self) -> Vec<Arc<Table>> {
        let tables = self.of.values().map(|population| &population.complete.table);
        tables.filter(|table| !table.is_empty()).cloned().collect()
    }

    /// Whether any generation has given this number to a certificate.
    pub(crate) fn is_known(&self, serial: &Serial) -> bool {
        self.of.values().any(|population| population.status(serial) != Status::Unknown)
    }
}

/// One table of those of all generations.
pub(crate) fn complete(mut tables: Vec<Arc<Table>>) -> Arc<Table> {
    match tables.len() {
        0 => Arc::default(),
        1 => tables.remove(0),
        _ => Arc::new(Table::merged(&tables.iter().map(|table| &**table).collect::<Vec<_>>())),
    }
}

/// The serial numbers that some tables call revoked and suspended, each sorted.
pub(crate) fn revoked_and_suspended(tables: &[Arc<Table>]) -> (Vec<u128>, Vec<u128>) {
    // Millions are revoked: a list that grew by itself would take twice its size.
    let mut revoked = Vec::with_capacity(tables.iter().map(|table| table.len()).sum());
    let mut suspended = Vec::new();
    for entry in tables.iter().flat_map(|table| table.iter()) {
        if let Some(number) = entry.serial.to_u128() {
            match entry.reason {
                Reason::CertificateHold => suspended.push(number),
                _ => revoked.push(number),
            }
        }
    }
    for list in [&mut revoked, &mut suspended] {
        list.sort_unstable();
        list.dedup();
    }
    (revoked, suspended)
}

/// Adds numbers to a sorted array, which stays sorted; each that is added is new.
fn merge(sorted: &mut Vec<u128>, new: BTreeSet<u128>) {
    let mut from = sorted.len();
    sorted.resize(from + new.len(), 0);
    let mut to = sorted.len();
    for number in new.into_iter().rev() {
        while from > 0 && sorted[from - 1] > number {
            (from, to) = (from - 1, to - 1);
            sorted[to] = sorted[from];
        }
        to -= 1;
        sorted[to] = number;
    }
}

/// Whether a sorted array of evenly spread numbers has this one: each step guesses the place by proportion.
fn interpolate(sorted: &[u128], number: u128) -> bool {
    let (mut low, mut high) = (0usize, sorted.len());
    let mut guesses = 0;
    while high - low > 16 {
        guesses += 1;
        if guesses > MOST_GUESSES {
            // Not evenly spread: another program counted them up before its authority was taken over.
            return sorted[low..high].binary_search(&number).is_ok();
        }
        let (first, last) = (sorted[low], sorted[high - 1]);
        if number < first || number > last {
            return false;
        }
        // The upper 64 bits say enough about the place.
        let span = ((last - first) >> 64) as u64;
        let offset = ((number - first) >> 64) as u64;
        let width = (high - low - 1) as u128;
        let guess = low + (u128::from(offset) * width / u128::from(span.max(1))).min(width) as usize;
        match sorted[guess].cmp(&number) {
            std::cmp::Ordering::Equal => return true,
            std::cmp::Ordering::Less => low = guess + 1,
            std::cmp::Ordering::Greater => high = guess,
        }
    }
    sorted[low..high].contains(&number)
}

/// As many changes wait one by one for the next complete list, whatever its length.
const MANY: usize = 10_000;

/// More than evenly spread numbers of a whole country need.
const MOST_GUESSES: u32 = 12;

#[cfg(test)]
mod tests {
    use super::*;
    use curve::SeedRandom;

    fn serial(n: u64) -> Serial {
        Serial::random(&mut SeedRandom::new(&n.to_be_bytes()))
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    fn change(n: u64, reason: Option<Reason>, seq: u64) -> Change {
        let listed = reason.map(|reason| (at(1_800_000_000), reason));
        Change { serial: serial(n), listed, was_listed: false, not_after: at(1_900_000_000 + n as i64), seq }
    }

    #[test]
    fn known_numbers_are_found_and_others_are_not() {
        let mut numbers: Vec<u128> = (0..5_000).filter_map(|n| serial(n).to_u128()).collect();
        numbers.extend([1, 2, 3, u128::MAX >> 1]);
        let population = Population::of(16, numbers);
        for n in 0..5_000 {
            assert_eq!(population.status(&serial(n)), Status::Good);
            assert_eq!(population.status(&serial(n + 5_000)), Status::Unknown);
        }
        for (number, known) in [(1, true), (3, true), (4, false), (u128::MAX >> 1, true)] {
            let serial = Serial::from_u128(number).expect("not zero");
            assert_eq!(population.status(&serial) == Status::Good, known, "{number}");
        }
    }

    #[test]
    fn numbers_of_other_programs_are_found_too() {
        // Counted up from one, far from those that are random; and random ones of 20 octets.
        let mut numbers: Vec<u128> = (1..200_000).collect();
        numbers.extend((0..1_000).filter_map(|n| serial(n).to_u128()));
        let mut population = Population::of(16, numbers);
        let long =
            |n: u8| Serial::from_octets(&[[0x7F].as_slice(), &[n; 19]].concat()).expect("a serial number");
        let good =
            Change { serial: long(1), listed: None, was_listed: false, not_after: at(1_900_000_000), seq: 1 };
        population.apply(&[good, good]).expect("applied");
        let known = [1, 2, 99_999, 199_999].map(|n| Serial::from_u128(n).expect("not zero"));
        for serial in known.into_iter().chain([long(1), serial(7)]) {
            assert_eq!(population.status(&serial), Status::Good);
        }
        for serial in [Serial::from_u128(200_000).expect("not zero"), long(2), serial(2_000)] {
            assert_eq!(population.status(&serial), Status::Unknown);
        }
        assert_eq!(population.len(), 200_000 - 1 + 1_000 + 1);
        let revoked = Change { listed: Some((at(1_800_000_000), Reason::Superseded)), seq: 2, ..good };
        population.apply(&[revoked]).expect("applied");
        assert!(matches!(population.status(&long(1)), Status::Revoked { .. }));
        assert_eq!(population.table(None, at(0)).expect("merged").len(), 1);
    }

    #[test]
    fn numbers_are_those_of_their_moment() {
        let of = (0..2_000).map(|n| serial(n * 10).to_u128().expect("short"));
        let mut population = Population::of(4, of.collect());
        population.apply(&[change(5, None, 1)]).expect("applied");
        let before = population.numbers();
        let listed = population.listings();
        let more: Vec<Change> = (1_000..3_000).map(|n| change(n * 10 + 1, None, n)).collect();
        population.apply(&more).expect("applied");
        population.apply(&[change(10, Some(Reason::Superseded), 9_000)]).expect("applied");
        let all = |numbers: &Numbers| {
            let mut all = Vec::new();
            numbers.each(&mut |number| all.push(number));
            assert_eq!(all.len(), numbers.len());
            all.sort_unstable();
            all
        };
        assert_eq!(all(&before).len(), 2_001);
        assert!(revoked_and_suspended(&listed).0.is_empty());
        let after = all(&population.numbers());
        assert_eq!(after.len(), 4_001);
        assert!(after.windows(2).all(|pair| pair[0] < pair[1]), "each once");
        assert!(population.recent.is_empty() && population.serials.is_sorted(), "merged");
        assert_eq!(population.revoked_and_suspended().0, [serial(10).to_u128().expect("short")]);
    }

    #[test]
    fn states_come_and_go_and_only_their_partition_changes() {
        let mut population = Population::new(16);
        for n in 0..3_000 {
            population.apply(&[change(n, None, n + 1)]).expect("applied");
        }
        assert_eq!((population.len(), population.changed(None)), (3_000, 0));
        let held = change(7, Some(Reason::CertificateHold), 3_001);
        let gone = change(8, Some(Reason::KeyCompromise), 3_002);
        population.apply(&[held, gone]).expect("applied");
        let mine = |n| Population::partition_of(&serial(n), 16);
        let dirty: Vec<u16> = (0..16).filter(|p| population.changed(Some(*p)) > 0).collect();
        let mut expected = vec![mine(7), mine(8)];
        expected.sort_unstable();
        expected.dedup();
        assert_eq!(dirty, expected);
        assert_eq!(population.table(None, at(0)).expect("merged").len(), 2);
        let numbers = |n| vec![serial(n).to_u128().expect("fits")];
        assert_eq!(population.revoked_and_suspended(), (numbers(8), numbers(7)));
        population.apply(&[change(7, None, 3_003)]).expect("applied");
        assert_eq!(population.status(&serial(7)), Status::Good);
        assert_eq!(population.table(None, at(0)).expect("merged").len(), 1);
        // After its end the entry leaves the lists one list later, and OCSP still knows it.
        let ended = 1_900_000_008;
        for partition in [None, Some(mine(8))] {
            assert_eq!(population.table(partition, at(ended)).expect("merged").len(), 1);
            assert_eq!(population.table(partition, at(ended + 1)).expect("merged").len(), 0);
        }
        assert!(matches!(population.status(&serial(8)), Status::Revoked { .. }));
    }

    /// Few changes are merged into the complete list, and with many it is put together anew: it is the same list, also of what
    /// has left the partitions' lists and not yet this one.
    #[test]
    fn however_many_changes_wait_the_complete_list_is_the_same() {
        let all = MANY as u64 + 5_000;
        let of = |n: u64, seq: u64| match n % 7 {
            0 => change(n, None, seq),
            1 => change(n, Some(Reason::CertificateHold), seq),
            _ => change(n, Some(Reason::Superseded), seq),
        };
        // One is asked for its complete list after every thousand, the other when all have come.
        let (mut often, mut once) = (Population::new(16), Population::new(16));
        for first in (0..all).step_by(1_000) {
            let changes: Vec<Change> = (first..first + 1_000).map(|n| of(n, n + 1)).collect();
            for population in [&mut often, &mut once] {
                population.apply(&changes).expect("applied");
            }
            often.table(None, at(0)).expect("merged");
        }
        assert!(once.pending.is_none(), "many wait");
        // Some are resumed, and some have ended and left the lists of the partitions.
        let resumed: Vec<Change> =
            (0..all).filter(|n| n % 21 == 1).map(|n| change(n, None, all + n)).collect();
        let (left, here) = (at(1_900_000_000 + 500), at(1_900_000_000 + 200));
        for population in [&mut often, &mut once] {
            population.apply(&resumed).expect("applied");
            for partition in 0..16 {
                population.table(Some(partition), left).expect("pruned");
            }
        }
        assert!(often.pending.is_some(), "few wait");
        let entries = |population: &mut Population| {
            let table = population.table(None, here).expect("merged");
            table.iter().collect::<Vec<_>>()
        };
        let expected = entries(&mut often);
        assert_eq!(entries(&mut once), expected);
        assert!(once.pending.is_some(), "nothing waits");
        let ended = |n| expected.iter().any(|entry| entry.serial == serial(n));
        assert!(ended(205) && !ended(198), "205 stays until one list beyond its end, 198 has left");
    }

    /// What has left the complete list stands in a partition's list that nobody has asked for since. Put together of those, the
    /// complete one does not have it again, and loses what ends later.
    #[test]
    fn a_complete_list_that_is_put_together_has_nothing_that_has_left_it() {
        let mut population = Population::new(2);
        let ended = change(1, Some(Reason::Superseded), 1);
        population.apply(&[ended]).expect("applied");
        let later = at(1_900_000_500);
        assert!(population.table(None, later).expect("pruned").is_empty());
        let many: Vec<Change> =
            (1_000..1_001 + MANY as u64).map(|n| change(n, Some(Reason::Superseded), n)).collect();
        population.apply(&many).expect("applied");
        assert!(population.pending.is_none(), "many wait");
        assert!(population.table(None, later).expect("merged").find(&ended.serial).is_none());
        for partition in 0..2 {
            population.table(Some(partition), later).expect("pruned");
        }
        let after = at(1_900_000_000 + 1_000 + 10);
        assert_eq!(population.table(None, after).expect("pruned").len(), many.len() - 10);
    }

    /// Suspended and resumed between two complete lists: the list has not heard of it.
    #[test]
    fn a_change_undone_before_the_next_complete_list_leaves_nothing() {
        let mut population = Population::new(1);
        population.apply(&[change(1, Some(Reason::CertificateHold), 1)]).expect("applied");
        population.apply(&[change(1, None, 2)]).expect("applied");
        assert!(population.table(None, at(0)).expect("merged").is_empty());
        assert!(population.table(Some(0), at(0)).expect("merged").is_empty());
    }
}
