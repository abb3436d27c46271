//! An exact set within a known universe, after the idea of the clubcard (Mozilla, 2024): first a function that tells the
//! members' fingerprints and lets a part of the others through by chance; then one bit for each that it lets through, which
//! tells members from those. With the best length of fingerprint this takes a tenth more than information theory asks.

use crate::Error;
use crate::ribbon::{Hashed, MAX_RANK, Ribbon};

/// Goes through every key of a universe; may be called several times.
pub(crate) type Universe<'a> = dyn Fn(&mut dyn FnMut(u128)) + 'a;

/// The set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExactSet {
    salt: u64,
    rank: u8,
    members: u64,
    approximate: Ribbon,
    exact: Ribbon,
}

impl ExactSet {
    /// The set of `members`, sorted and without repetition, in a universe of `size` keys, which `universe` goes through.
    pub(crate) fn build(
        members: &[u128],
        size: u64,
        universe: &Universe<'_>,
        salt: u64,
    ) -> Result<Self, Error> {
        (0..8)
            .find_map(|n| Self::attempt(members, size, universe, salt.wrapping_add(n)))
            .ok_or(Error::Unsolved)
    }

    fn attempt(members: &[u128], size: u64, universe: &Universe<'_>, salt: u64) -> Option<Self> {
        let count = members.len() as u64;
        let others = size.saturating_sub(count);
        let bits = |rank: u8| count * u64::from(rank) + count + (others >> rank);
        let rank = (0..=MAX_RANK).min_by_key(|rank| bits(*rank)).unwrap_or(0);
        // One array for both functions: the members, and behind them whatever passes the first. Room for what is expected, and a
        // hundredth more, so that it does not grow to twice its size for the last few.
        let expected = others >> rank;
        let mut keys = Vec::with_capacity((count + expected + expected / 100 + 1_000) as usize);
        keys.extend(members.iter().map(|key| Hashed::new(*key, salt)));
        let approximate = Ribbon::solve(rank, &keys, |_, key| key.fingerprint(rank))?;
        if count > 0 {
            universe(&mut |key| {
                let hashed = Hashed::new(key, salt);
                let passes = approximate.value(hashed) == hashed.fingerprint(rank);
                if passes && members.binary_search(&key).is_err() {
                    keys.push(hashed);
                }
            });
        }
        let exact = Ribbon::solve(1, &keys, |place, _| u8::from(place < members.len()))?;
        Some(Self { salt, rank, members: count, approximate, exact })
    }

    /// Whether a key of the universe is a member. Noise for any other key.
    pub(crate) fn contains(&self, key: u128) -> bool {
        let key = Hashed::new(key, self.salt);
        self.members > 0
            && self.approximate.value(key) == key.fingerprint(self.rank)
            && self.exact.value(key) == 1
    }

    /// How many members it has.
    pub(crate) const fn len(&self) -> u64 {
        self.members
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        let mut out = self.salt.to_be_bytes().to_vec();
        out.extend(self.members.to_be_bytes());
        self.approximate.write(&mut out);
        self.exact.write(&mut out);
        out
    }

    pub(crate) fn read(mut input: &[u8]) -> Option<Self> {
        let (salt, rest) = input.split_first_chunk::<8>()?;
        let (members, rest) = rest.split_first_chunk::<8>()?;
        let rank = *rest.first()?;
        input = rest;
        let approximate = Ribbon::read(&mut input)?;
        let exact = Ribbon::read(&mut input)?;
        let set = Self {
            salt: u64::from_be_bytes(*salt),
            rank,
            members: u64::from_be_bytes(*members),
            approximate,
            exact,
        };
        // The second function has one bit, and the first as many as the fingerprint.
        (input.is_empty() && set.exact.rank() == 1 && set.approximate.rank() == rank).then_some(set)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers without pattern, as serial numbers are.
    fn key(n: u64) -> u128 {
        let mix = |n: u64| {
            let n = (n ^ n >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let n = (n ^ n >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            n ^ n >> 31
        };
        u128::from(mix(n) >> 1) << 64 | u128::from(mix(n ^ 0x5555))
    }

    fn check(size: u64, members: u64) -> ExactSet {
        let mut sorted: Vec<u128> = (0..members).map(key).collect();
        sorted.sort_unstable();
        let universe = |f: &mut dyn FnMut(u128)| (0..size).for_each(|n| f(key(n)));
        let set = ExactSet::build(&sorted, size, &universe, 7).expect("solved");
        for n in 0..size {
            assert_eq!(set.contains(key(n)), n < members, "{n} of {size}, {members} members");
        }
        assert_eq!(ExactSet::read(&set.write()), Some(set.clone()));
        set
    }

    #[test]
    fn every_key_of_the_universe_is_answered_rightly() {
        for (size, members) in
            [(0, 0), (1, 0), (1, 1), (2, 1), (100, 0), (100, 1), (100, 50), (100, 99), (100, 100)]
        {
            check(size, members);
        }
        check(3_000, 30);
        check(200_000, 60_000);
    }

    /// Near what information theory asks: 100,000 of 2,000,000 need at least 0.286 bits a certificate.
    #[test]
    fn the_size_is_near_the_bound() {
        let (size, members) = (400_000u64, 20_000u64);
        let share = members as f64 / size as f64;
        let bound = size as f64 * -(share * share.log2() + (1.0 - share) * (1.0 - share).log2()) / 8.0;
        let bytes = check(size, members).write().len() as f64;
        assert!(bytes < bound * 1.25, "{bytes} bytes, bound {bound}");
    }

    #[test]
    fn damaged_bytes_are_refused() {
        let whole = check(3_000, 30).write();
        for cut in 0..whole.len() {
            assert_eq!(ExactSet::read(&whole[..cut]), None);
        }
        assert_eq!(ExactSet::read(&[&whole[..], &[0]].concat()), None);
    }
}
