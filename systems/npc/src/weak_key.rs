//! Keys known to be weak (NPC-58): the ROCA fingerprint, small factors, small exponents, and factors shared with another key.
//!
//! ROCA (CVE-2017-15361): the broken library took its primes as k·M + (65537^a mod M), where M is the product of the
//! first primes. The modulus is then a power of 65537 modulo each of these primes, which a sound modulus is with a
//! probability of about 2^-50 for the 38 odd primes up to 167.
//!
//! Shared factors are looked for among the newest [`REMEMBERED`] moduli this process knows: generators of poor randomness make
//! such keys near each other, in one lot of cards. Every key is compared with all others afterwards, within a day and beside the
//! maintenance ([`crate::moduli`]). Duplicates are found by the database, over everything.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use curve::rsa::RsaPublicKey;
use x509::PublicKey;

/// How a key is weak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Weakness {
    /// The public exponent is smaller than 65537.
    Exponent,
    /// The modulus has a small factor.
    SmallFactor,
    /// The modulus has the form of the ROCA library.
    Roca,
    /// The modulus has a factor in common with another key.
    SharedFactor,
}

impl fmt::Display for Weakness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exponent => "the public exponent is smaller than 65537",
            Self::SmallFactor => "the modulus has a small factor",
            Self::Roca => "the modulus has the ROCA fingerprint",
            Self::SharedFactor => "the modulus shares a factor with another key",
        })
    }
}

/// What is wrong with this key alone.
pub(crate) fn inspect(key: &RsaPublicKey) -> Result<(), Weakness> {
    let exponent = key.exponent().iter().fold(0u64, |n, byte| n << 8 | u64::from(*byte));
    if exponent < 65_537 {
        return Err(Weakness::Exponent);
    }
    if primes(SMALL_FACTORS).any(|prime| remainder(key.modulus(), prime) == 0) {
        return Err(Weakness::SmallFactor);
    }
    if has_roca_form(key) {
        return Err(Weakness::Roca);
    }
    Ok(())
}

fn has_roca_form(key: &RsaPublicKey) -> bool {
    primes(167).skip(1).all(|prime| is_power_of_65537(remainder(key.modulus(), prime), prime))
}

/// The class of a key by what it shows of the program or chip that made it, stored at issuance so that a weakness found
/// later can be sought without parsing every certificate (NPC-57): `roca` for the ROCA form, and otherwise the nine bits by
/// which makers of RSA keys differ most (Švenda et al., "The Million-Key Question", USENIX Security 2016): the second to
/// seventh bit of the modulus from above, its second bit from below, and the modulus modulo 3. Keys of elliptic curves show
/// nothing; their class is their curve.
pub(crate) fn fingerprint(key: &PublicKey) -> String {
    let PublicKey::Rsa(rsa) = key else { return key.name() };
    if has_roca_form(rsa) {
        return "roca".to_owned();
    }
    let modulus = rsa.modulus();
    let high = modulus.first().map_or(0, |byte| byte >> 1 & 0x3F);
    let low = modulus.last().map_or(0, |byte| byte >> 1 & 1);
    format!("{high:06b}-{low}-{}", remainder(modulus, 3))
}

/// The newest moduli, to find a factor that two keys share. They stand in blocks that never change once they are full, so that
/// whoever compares a key with all of them holds up nobody.
#[derive(Default)]
pub(crate) struct SeenModuli {
    full: VecDeque<Arc<Block>>,
    last: Block,
}

/// Moduli and their product, the least limb first.
#[derive(Default, Clone)]
struct Block {
    moduli: Vec<Number>,
    product: Vec<u64>,
}

impl SeenModuli {
    /// All that are remembered now.
    pub(crate) fn others(&self) -> Others {
        Others { full: self.full.iter().cloned().collect(), last: self.last.clone() }
    }

    /// Remembers a modulus of 2,048 bits. Returns whether it was not remembered before.
    pub(crate) fn remember(&mut self, modulus: &[u8]) -> bool {
        let Some(n) = number(modulus) else { return false };
        if self.last.moduli.contains(&n) || self.full.iter().any(|block| block.moduli.contains(&n)) {
            return false;
        }
        self.last.add(&n);
        if self.last.moduli.len() == BLOCK {
            self.full.push_back(Arc::new(std::mem::take(&mut self.last)));
        }
        let first = self.full.front().map_or(0, |block| block.moduli.len());
        let all = self.full.iter().map(|block| block.moduli.len()).sum::<usize>() + self.last.moduli.len();
        if all >= REMEMBERED + first {
            self.full.pop_front();
        }
        true
    }

    /// Forgets a modulus: a key that was refused must not stand against the one it shares a factor with, which was not.
    pub(crate) fn forget(&mut self, modulus: &[u8]) {
        let Some(n) = number(modulus) else { return };
        if self.last.moduli.contains(&n) {
            self.last = self.last.without(&n);
        }
        for block in self.full.iter_mut().filter(|block| block.moduli.contains(&n)) {
            *block = Arc::new(block.without(&n));
        }
    }
}

impl Block {
    fn add(&mut self, n: &Number) {
        if self.moduli.is_empty() {
            self.product = vec![1];
        }
        let mut product = vec![0; self.product.len() + LIMBS];
        for (place, digit) in self.product.iter().enumerate() {
            let (low, high) = product[place..].split_at_mut(LIMBS);
            high[0] = add_product(low, n, *digit);
        }
        // The first product is one limb too long: one times the modulus.
        product.truncate((self.moduli.len() + 1) * LIMBS);
        self.product = product;
        self.moduli.push(*n);
    }

    fn without(&self, n: &Number) -> Self {
        let mut block = Self::default();
        self.moduli.iter().filter(|other| *other != n).for_each(|other| block.add(other));
        block
    }

    /// The product of these moduli but `n` modulo the odd `n`, up to a power of 2; nothing if there are none.
    fn product_modulo(&self, n: &Number, inverse: u64) -> Option<Number> {
        if self.moduli.contains(n) {
            let others = self.without(n);
            return (!others.moduli.is_empty()).then(|| reduce(others.product, n, inverse));
        }
        (!self.moduli.is_empty()).then(|| reduce(self.product.clone(), n, inverse))
    }
}

/// The moduli that were remembered at some moment.
pub(crate) struct Others {
    full: Vec<Arc<Block>>,
    last: Block,
}

impl Others {
    /// Whether `modulus`, of 2,048 bits, shares a factor with one of these other than itself.
    pub(crate) fn inspect(&self, modulus: &[u8]) -> Result<(), Weakness> {
        let Some(n) = number(modulus) else { return Ok(()) };
        let inverse = inverse_of_low_limb(n[0]);
        // The product of all others modulo n, up to a power of 2 that is coprime to the odd n.
        let blocks = self.full.iter().map(AsRef::as_ref).chain([&self.last]);
        let parts = blocks.filter_map(|block| block.product_modulo(&n, inverse));
        match parts.reduce(|product, part| montgomery(&product, &part, &n, inverse)) {
            Some(product) if !is_one(&common_divisor(product, n)) => Err(Weakness::SharedFactor),
            _ => Ok(()),
        }
    }
}

/// Moduli in a block.
const BLOCK: usize = 64;

/// How many moduli are remembered at least, once there were so many.
pub(crate) const REMEMBERED: usize = 512;

const SMALL_FACTORS: u32 = 2_000;

fn primes(up_to: u32) -> impl Iterator<Item = u32> {
    (2..=up_to).filter(|n| (2..).take_while(|d| d * d <= *n).all(|d| n % d != 0))
}

fn remainder(number: &[u8], by: u32) -> u32 {
    number.iter().fold(0, |rest, byte| (rest << 8 | u32::from(*byte)) % by)
}

fn is_power_of_65537(value: u32, modulo: u32) -> bool {
    let base = 65_537 % modulo;
    let mut power = 1;
    for _ in 0..modulo {
        if power == value {
            return true;
        }
        power = power * base % modulo;
    }
    false
}

// Numbers of 2,048 bits, the least limb first. The moduli are public, so nothing here needs constant time.
const LIMBS: usize = 32;
type Number = [u64; LIMBS];

fn number(modulus: &[u8]) -> Option<Number> {
    let bytes: &[u8; LIMBS * 8] = modulus.try_into().ok()?;
    let mut limbs = [0; LIMBS];
    for (limb, chunk) in limbs.iter_mut().zip(bytes.rchunks_exact(8)) {
        *limb = chunk.iter().fold(0, |n, byte| n << 8 | u64::from(*byte));
    }
    (limbs[0] & 1 == 1 && limbs[LIMBS - 1] >> 63 == 1).then_some(limbs)
}

fn less(a: &Number, b: &Number) -> bool {
    a.iter().rev().lt(b.iter().rev())
}

fn is_one(a: &Number) -> bool {
    a[0] == 1 && a[1..].iter().all(|limb| *limb == 0)
}

fn is_zero(a: &Number) -> bool {
    a.iter().all(|limb| *limb == 0)
}

fn subtract(a: &mut Number, b: &Number) {
    let mut borrow = false;
    for (a, b) in a.iter_mut().zip(b) {
        let (difference, first) = a.overflowing_sub(*b);
        let (difference, second) = difference.overflowing_sub(u64::from(borrow));
        (*a, borrow) = (difference, first || second);
    }
}

/// Divides by the highest power of two that divides a number, which is not zero.
fn strip_twos(a: &mut Number) {
    let limbs = a.iter().take_while(|limb| **limb == 0).count();
    a.copy_within(limbs.., 0);
    a[LIMBS - limbs..].fill(0);
    let bits = a[0].trailing_zeros();
    if bits > 0 {
        for place in 0..LIMBS {
            let above = a.get(place + 1).map_or(0, |limb| limb << (64 - bits));
            a[place] = a[place] >> bits | above;
        }
    }
}

/// The binary algorithm; `b` is odd.
fn common_divisor(mut a: Number, mut b: Number) -> Number {
    while !is_zero(&a) {
        strip_twos(&mut a);
        if less(&a, &b) {
            std::mem::swap(&mut a, &mut b);
        }
        subtract(&mut a, &b);
    }
    b
}

/// -n^-1 modulo 2^64 of the lowest limb of n, by Newton's iteration.
fn inverse_of_low_limb(n: u64) -> u64 {
    let inverse = (0..6).fold(1u64, |x, _| x.wrapping_mul(2u64.wrapping_sub(n.wrapping_mul(x))));
    inverse.wrapping_neg()
}

/// a·b·2^-2048 modulo the odd n.
fn montgomery(a: &Number, b: &Number, n: &Number, inverse: u64) -> Number {
    let mut product = vec![0; 2 * LIMBS];
    for (place, digit) in a.iter().enumerate() {
        let (low, high) = product[place..].split_at_mut(LIMBS);
        high[0] = add_product(low, b, *digit);
    }
    reduce(product, n, inverse)
}

/// A number of at least as many limbs as n modulo the odd n, divided by 2^64 for each limb it has more (Montgomery's reduction):
/// one limb after the other becomes zero by adding a multiple of n.
fn reduce(mut number: Vec<u64>, n: &Number, inverse: u64) -> Number {
    let longer = number.len() - LIMBS;
    let mut above = 0;
    for place in 0..longer {
        let (low, high) = number[place..].split_at_mut(LIMBS);
        let quotient = low[0].wrapping_mul(inverse);
        let carry = add_product(low, n, quotient);
        let sum = u128::from(high[0]) + u128::from(carry) + u128::from(above);
        high[0] = sum as u64;
        above = (sum >> 64) as u64;
    }
    let mut result = [0; LIMBS];
    result.copy_from_slice(&number[longer..]);
    // Below 2^2048 + n, and n has 2,048 bits.
    if above != 0 {
        subtract(&mut result, n);
    }
    while !less(&result, n) {
        subtract(&mut result, n);
    }
    result
}

/// Adds a multiple of a number of as many limbs. Returns the carry.
fn add_product(sum: &mut [u64], number: &Number, times: u64) -> u64 {
    let mut carry = 0;
    for (sum, limb) in sum.iter_mut().zip(number) {
        let wide = u128::from(*sum) + u128::from(*limb) * u128::from(times) + u128::from(carry);
        *sum = wide as u64;
        carry = (wide >> 64) as u64;
    }
    carry
}

#[cfg(test)]
mod tests {
    use super::*;
    use curve::rsa::RsaPrivateKey;
    use curve::{Random, SeedRandom};

    /// An odd modulus of 2,048 bits that is `value` modulo `modulo`, which must be below 2^240.
    fn congruent(value: impl Fn(u32) -> u32) -> Vec<u8> {
        // Chinese remainders, one prime after the other: add the product so far until the remainder fits.
        let mut number = vec![0u8; 256];
        SeedRandom::new(b"congruent").fill(&mut number[..200]);
        number[0] |= 0x80;
        let mut step = vec![0u8; 256];
        step[255] = 2;
        number[255] |= 1;
        for prime in primes(167).skip(1) {
            while remainder(&number, prime) != value(prime) {
                add(&mut number, &step);
            }
            let before = step.clone();
            for _ in 1..prime {
                add(&mut step, &before);
            }
        }
        number
    }

    fn add(a: &mut [u8], b: &[u8]) {
        let mut carry = 0u16;
        for (a, b) in a.iter_mut().zip(b).rev() {
            carry += u16::from(*a) + u16::from(*b);
            *a = carry as u8;
            carry >>= 8;
        }
    }

    fn key(modulus: &[u8]) -> RsaPublicKey {
        RsaPublicKey::from_numbers(modulus, &[1, 0, 1]).expect("well formed")
    }

    #[test]
    fn the_class_of_a_key_is_what_its_modulus_shows() {
        let mut modulus = [0; 256];
        (modulus[0], modulus[255]) = (0b1100_0011, 0b11);
        assert_eq!(fingerprint(&PublicKey::Rsa(key(&modulus))), "100001-1-0");
        modulus[128] = 1;
        assert_eq!(fingerprint(&PublicKey::Rsa(key(&modulus))), "100001-1-1");
        assert_eq!(fingerprint(&PublicKey::Rsa(key(&congruent(|_| 1)))), "roca");
    }

    #[test]
    fn the_roca_form_is_found_and_its_neighbours_are_not() {
        // 65537^5 modulo each prime, as a ROCA modulus could be.
        let power =
            |exponent: u32| move |prime: u32| (0..exponent).fold(1, |p, _| p * (65_537 % prime) % prime);
        assert_eq!(inspect_form(&congruent(power(5))), Err(Weakness::Roca));
        assert_eq!(inspect_form(&congruent(power(0))), Err(Weakness::Roca));
        // One prime differs: 2 is no power of 65537 modulo 11, whose powers are 1 and 10.
        let nearly = congruent(|prime| if prime == 11 { 2 } else { power(5)(prime) });
        assert_eq!(inspect_form(&nearly), Ok(()));
    }

    /// A constructed number may have factors between 167 and the limit of the trial division, which is not the point here.
    fn inspect_form(modulus: &[u8]) -> Result<(), Weakness> {
        match inspect(&key(modulus)) {
            Err(Weakness::SmallFactor) => {
                let roca = primes(167).skip(1).all(|p| is_power_of_65537(remainder(modulus, p), p));
                if roca { Err(Weakness::Roca) } else { Ok(()) }
            }
            found => found,
        }
    }

    #[test]
    fn sound_keys_are_sound() {
        for _ in 0..5 {
            let key = RsaPrivateKey::generate(2048).expect("generated").public();
            assert_eq!(inspect(&key), Ok(()));
        }
    }

    #[test]
    fn small_factors_and_exponents_are_found() {
        for prime in [3, 5, 167, 1999] {
            let mut modulus = vec![0u8; 256];
            SeedRandom::new(b"small").fill(&mut modulus);
            modulus[0] |= 0x80;
            modulus[255] |= 1;
            let two = [[0u8; 255].as_slice(), &[2]].concat();
            while remainder(&modulus, prime) != 0 {
                add(&mut modulus, &two);
            }
            assert_eq!(inspect(&key(&modulus)), Err(Weakness::SmallFactor));
        }
        let sound = RsaPrivateKey::generate(2048).expect("generated").public();
        let three = RsaPublicKey::from_numbers(sound.modulus(), &[3]).expect("well formed");
        assert_eq!(inspect(&three), Err(Weakness::Exponent));
    }

    /// Two moduli p·q and p·r, and a third that shares nothing, made with Python from random primes.
    #[test]
    fn a_shared_factor_is_found_among_others() {
        let read = |line: &str| hex::decode(line.trim()).expect("hexadecimal");
        let lines: Vec<_> =
            include_str!("../tests/vectors/shared-factor/moduli.txt").lines().map(read).collect();
        let [first, second, alone] = lines.as_slice() else { panic!("three moduli") };
        let mut seen = SeenModuli::default();
        for _ in 0..20 {
            seen.remember(RsaPrivateKey::generate(2048).expect("generated").public().modulus());
        }
        seen.remember(first);
        for _ in 0..20 {
            seen.remember(RsaPrivateKey::generate(2048).expect("generated").public().modulus());
        }
        assert_eq!(seen.others().inspect(second), Err(Weakness::SharedFactor));
        assert_eq!(seen.others().inspect(alone), Ok(()));
        // The same request once more is no shared factor.
        assert_eq!(seen.others().inspect(first), Ok(()));
        seen.remember(second);
        assert_eq!(seen.others().inspect(first), Err(Weakness::SharedFactor));
    }

    /// Wherever the two stand: in the block that is filled, in a full one, and after others have gone.
    #[test]
    fn a_shared_factor_is_found_in_every_block() {
        let read = |line: &str| hex::decode(line.trim()).expect("hexadecimal");
        let lines: Vec<_> =
            include_str!("../tests/vectors/shared-factor/moduli.txt").lines().map(read).collect();
        let [first, second, alone] = lines.as_slice() else { panic!("three moduli") };
        // Odd, of 2,048 bits, and without a factor in common with the three, which have large primes alone.
        let other = |n: usize| {
            let mut modulus = [0u8; 256];
            (modulus[0], modulus[255]) = (0x80, 1);
            modulus[200..208].copy_from_slice(&(n as u64).to_be_bytes());
            modulus
        };
        for before in [0, 1, BLOCK - 1, BLOCK, 3 * BLOCK + 5] {
            let mut seen = SeenModuli::default();
            assert!((0..before).all(|n| seen.remember(&other(n))));
            seen.remember(first);
            for after in [0, BLOCK] {
                assert!((0..after).all(|n| seen.remember(&other(before + n))));
                assert_eq!(seen.others().inspect(second), Err(Weakness::SharedFactor), "{before}, {after}");
                assert_eq!(seen.others().inspect(first), Ok(()), "{before}, {after}");
                assert_eq!(seen.others().inspect(alone), Ok(()), "{before}, {after}");
            }
            seen.forget(first);
            assert_eq!(seen.others().inspect(second), Ok(()), "{before}");
        }
    }

    #[test]
    fn the_oldest_moduli_are_forgotten() {
        let mut seen = SeenModuli::default();
        let modulus = |n: usize| {
            let mut modulus = [0xFFu8; 256];
            modulus[240..248].copy_from_slice(&(n as u64).to_be_bytes());
            modulus
        };
        for n in 0..REMEMBERED + BLOCK {
            assert!(seen.remember(&modulus(n)));
            assert!(!seen.remember(&modulus(n)));
        }
        let all = seen.full.iter().map(|block| block.moduli.len()).sum::<usize>() + seen.last.moduli.len();
        assert_eq!(all, REMEMBERED);
        assert!(seen.remember(&modulus(0)), "the first has gone");
        assert!(!seen.remember(&modulus(BLOCK)), "the first of those that are left has not");
        assert!(!seen.remember(&modulus(REMEMBERED)));
        // Wherever it stands.
        for n in [BLOCK + 1, REMEMBERED] {
            seen.forget(&modulus(n));
            assert!(seen.remember(&modulus(n)));
        }
    }
}
