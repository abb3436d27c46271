//! Card serial numbers as the manufacturer gives them out (CARD-53).
//!
//! A serial is three characters of a series and six digits, and the six digits are the card access number. Running
//! numbers would let whoever sees one card guess the access numbers of its neighbours in the box, so the running number
//! goes through a permutation under a secret key first: still unique and rule-based, no longer predictable.

use model::CardSerial;
use sealed::MasterKey;

use crate::ProductionError;

/// Serials in one series.
pub const SERIES_SIZE: u32 = 1_000_000;

/// Half of the permutation's width: 20 bits are the fewest that hold one million numbers.
const HALF_BITS: u32 = 10;
const HALF_MASK: u32 = (1 << HALF_BITS) - 1;
const ROUNDS: u8 = 8;

/// The serial numbers of one series.
pub struct SerialNumbers {
    key: MasterKey,
    series: String,
}

impl SerialNumbers {
    /// The series of three characters under the manufacturer's key.
    pub fn new(key: &MasterKey, series: &str) -> Result<Self, ProductionError> {
        CardSerial::new(series, 0).map_err(|_| ProductionError::Series)?;
        Ok(Self { key: key.derive(&format!("serials/{series}")), series: series.to_owned() })
    }

    /// The serial of the card with this running number.
    pub fn serial(&self, running: u32) -> Result<CardSerial, ProductionError> {
        if running >= SERIES_SIZE {
            return Err(ProductionError::SeriesUsedUp);
        }
        // Cycle walking: the permutation works on 2^20 numbers; those above a million are permuted again until one
        // below comes out, which keeps it a permutation of the million.
        let mut number = running;
        loop {
            number = self.permute(number);
            if number < SERIES_SIZE {
                return CardSerial::new(&self.series, number).map_err(|_| ProductionError::Series);
            }
        }
    }

    /// A Feistel network with a keyed hash as round function.
    fn permute(&self, number: u32) -> u32 {
        let (mut left, mut right) = (number >> HALF_BITS, number & HALF_MASK);
        for round in 0..ROUNDS {
            let [a, b] = (right as u16).to_be_bytes();
            let hash = self.key.lookup(&[round, a, b]);
            let value = u32::from(u16::from_be_bytes([hash[0], hash[1]])) & HALF_MASK;
            (left, right) = (right, left ^ value);
        }
        (left << HALF_BITS) | right
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use curve::SeedRandom;
    use std::collections::HashSet;

    fn numbers() -> SerialNumbers {
        let key = MasterKey::generate(&mut SeedRandom::new(b"manufacturer"));
        SerialNumbers::new(&key, "N5A").expect("a series")
    }

    // proves: CARD-53
    #[test]
    fn serials_are_unique_and_have_the_form() {
        let numbers = numbers();
        let serials: HashSet<_> = (0..50_000).map(|n| numbers.serial(n).expect("in range")).collect();
        assert_eq!(serials.len(), 50_000);
        assert!(serials.iter().all(|s| s.series() == "N5A"));
        assert!(numbers.serial(SERIES_SIZE - 1).is_ok());
        assert!(matches!(numbers.serial(SERIES_SIZE), Err(ProductionError::SeriesUsedUp)));
    }

    #[test]
    fn neighbours_do_not_tell_each_others_access_number() {
        let numbers = numbers();
        let can = |n| numbers.serial(n).expect("in range").can().as_str().parse::<i64>().expect("digits");
        let close = (0..10_000).filter(|n| (can(*n) - can(n + 1)).abs() < 1_000).count();
        // By chance about 0.2 % of the neighbours are so close.
        assert!(close < 60, "{close}");
    }

    #[test]
    fn another_key_gives_another_order() {
        let other = MasterKey::generate(&mut SeedRandom::new(b"another manufacturer"));
        let other = SerialNumbers::new(&other, "N5A").expect("a series");
        let numbers = numbers();
        let same = (0..1_000).filter(|n| other.serial(*n).ok() == numbers.serial(*n).ok()).count();
        assert!(same < 5, "{same}");
        assert!(matches!(SerialNumbers::new(&numbers.key, "n5"), Err(ProductionError::Series)));
    }
}
