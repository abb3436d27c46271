//! Factors that moduli have in common, over many of them at once: the batch greatest common divisor of Bernstein ("How to find
//! smooth parts of integers", 2004; used by Heninger et al., "Mining Your Ps and Qs", 2012, and on the cards of this country's
//! citizens by Bernstein et al., "Factoring RSA keys from certified smart cards: Coppersmith in the wild", 2013).
//!
//! For each modulus of a group, the product of all others is taken modulo it: a factor that divides both divides the rest. One
//! product tree gives the product of the group and the sum of all products that lack one modulus; the rest of that sum modulo
//! a modulus is the product that lacks it. Products of other groups are multiplied in before the sum goes down the tree.

use dashu_int::UBig;
use dashu_int::ops::Gcd;

/// A group of moduli that are compared with each other and with other groups. The products of its tree take as much room as the
/// moduli for each time their number can be halved.
pub(crate) struct Group {
    /// The moduli, then the products of two and two, up to the product of all.
    levels: Vec<Vec<UBig>>,
    /// The sum of the products that lack one modulus, multiplied by what it was compared with.
    rest: UBig,
}

impl Group {
    /// The group of these moduli, of which there is at least one, and none is zero.
    pub(crate) fn new(moduli: Vec<UBig>) -> Self {
        let mut lacking = vec![UBig::ONE; moduli.len()];
        let mut levels = vec![moduli];
        while let Some(level) = levels.last().filter(|level| level.len() > 1) {
            let pairs = level.chunks(2).zip(lacking.chunks(2));
            let (sums, products) = pairs
                .map(|(product, lacking)| match (product, lacking) {
                    ([a, b], [without_a, without_b]) => (without_a * b + without_b * a, a * b),
                    (product, lacking) => (lacking[0].clone(), product[0].clone()),
                })
                .unzip();
            lacking = sums;
            levels.push(products);
        }
        Self { levels, rest: lacking.swap_remove(0) }
    }

    fn whole(&self) -> &UBig {
        &self.levels[self.levels.len() - 1][0]
    }

    /// The product of all its moduli, the least byte first.
    pub(crate) fn product(&self) -> Vec<u8> {
        self.whole().to_le_bytes().into_vec()
    }

    /// Compares with another group, of which this is the product. What they have in common is found with the rest.
    pub(crate) fn compare(&mut self, product: &[u8]) {
        let other = UBig::from_le_bytes(product) % self.whole();
        self.rest = &self.rest * other % self.whole();
    }

    /// For each modulus what it has in common with any other that it was compared with; one if nothing.
    pub(crate) fn found(self) -> Vec<UBig> {
        let mut rests = vec![self.rest];
        for level in self.levels.iter().rev().skip(1) {
            let odd = level.len() % 2 == 1;
            rests = level
                .iter()
                .enumerate()
                .map(|(place, product)| match odd && place + 1 == level.len() {
                    // The last of an odd number has no partner: the level above has it unchanged.
                    true => rests[place / 2].clone(),
                    false => &rests[place / 2] % product,
                })
                .collect();
        }
        rests.iter().zip(&self.levels[0]).map(|(rest, modulus)| rest.gcd(modulus)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// Products of two primes out of few, so that many have one in common, some both, and some none.
    fn moduli(most: usize) -> impl Strategy<Value = Vec<UBig>> {
        let prime = prop::sample::select(vec![
            65_537u64, 65_539, 65_543, 65_551, 65_557, 65_563, 65_579, 65_581, 65_587, 65_599, 65_609,
            65_617, 65_629, 65_633, 65_647, 65_651, 65_657, 65_677, 65_687, 65_699, 65_701, 65_707, 65_713,
            65_717, 65_719, 65_729, 65_731, 65_761, 65_777, 65_789, 65_809, 65_827, 65_831, 65_837, 65_839,
            65_843,
        ]);
        let modulus = (prime.clone(), prime).prop_map(|(p, q)| UBig::from(p) * UBig::from(q));
        vec(modulus, 0..most)
    }

    proptest! {
        /// What is found over a group and others is what each pair has in common.
        #[test]
        fn as_pair_by_pair(new in moduli(40).prop_filter("a group", |new| !new.is_empty()), old in vec(moduli(20), 0..4)) {
            let mut group = Group::new(new.clone());
            for other in old.iter().filter(|other| !other.is_empty()) {
                group.compare(&Group::new(other.clone()).product());
            }
            let found = group.found();
            prop_assert_eq!(found.len(), new.len());
            for (place, (modulus, found)) in new.iter().zip(found).enumerate() {
                let beside = new.iter().enumerate().filter(|(other, _)| *other != place).map(|(_, other)| other);
                let shared = beside.chain(old.iter().flatten()).any(|other| other.gcd(modulus) != UBig::ONE);
                prop_assert_eq!(found != UBig::ONE, shared);
                prop_assert_eq!(modulus % found, UBig::ZERO);
            }
        }
    }

    #[test]
    fn real_keys_with_a_common_factor_are_found_and_no_others() {
        let read = |line: &str| UBig::from_be_bytes(&hex::decode(line.trim()).expect("hex"));
        let pair: Vec<_> =
            include_str!("../tests/vectors/shared-factor/moduli.txt").lines().take(2).map(read).collect();
        let sound = |_| {
            let key = curve::rsa::RsaPrivateKey::generate(2048).expect("generated");
            UBig::from_be_bytes(key.public().modulus())
        };
        let mut all: Vec<_> = (0..5).map(sound).collect();
        all.insert(2, pair[0].clone());
        let before = Group::new(all.clone());
        let mut group = Group::new(vec![pair[1].clone(), sound(5), sound(6)]);
        group.compare(&before.product());
        let of_group: Vec<_> = group.found().into_iter().map(|found| found != UBig::ONE).collect();
        assert_eq!(of_group, [true, false, false]);
        assert!(before.found().iter().all(|found| *found == UBig::ONE));
        all.push(pair[1].clone());
        let found = Group::new(all).found();
        assert_eq!(found[2], found[6]);
        assert_eq!(found.iter().filter(|found| **found != UBig::ONE).count(), 2);
    }
}
