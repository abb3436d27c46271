//! A static function from keys to a few bits, after the Ribbon construction (Dillinger and Walzer, "Ribbon filter:
//! practically smaller than Bloom and Xor", 2021): each key gives a linear equation over 128 neighbouring unknowns, and the
//! solution of all equations answers for every key that was put in. For any other key the answer is noise.
//!
//! The keys are divided into shards of some ten thousands, so that a set without solution costs one shard a new seed.

/// How many unknowns one equation touches.
const WIDTH: u32 = 128;

/// Keys in a shard, about.
const SHARD: usize = 50_000;

/// More bits than these per key are not stored.
pub(crate) const MAX_RANK: u8 = 8;

/// The numbers that a key gives under a salt: which shard, and its equation.
#[derive(Clone, Copy)]
pub(crate) struct Hashed {
    a: u64,
    b: u64,
}

impl Hashed {
    /// Serial numbers are random numbers of the CA's own choice, and whoever could choose them cannot deceive anybody: the
    /// filter is verified against every certificate. So the hash only has to mix well.
    pub(crate) fn new(key: u128, salt: u64) -> Self {
        let (high, low) = ((key >> 64) as u64, key as u64);
        let a = fold(low ^ SECRET[0] ^ salt, high ^ SECRET[1]);
        let b = fold(high ^ SECRET[2] ^ salt.rotate_left(32), low ^ SECRET[3] ^ a);
        Self { a, b }
    }

    fn shard(self, shards: usize) -> usize {
        ((u128::from(self.a) * shards as u128) >> 64) as usize
    }

    /// `rank` bits that tell a key from others.
    pub(crate) fn fingerprint(self, rank: u8) -> u8 {
        (fold(self.a ^ SECRET[4], self.b ^ SECRET[1]) >> 32) as u8 & mask(rank)
    }

    fn equation(self, seed: u8, slots: u32) -> (u32, u128) {
        let seed = u64::from(seed).wrapping_mul(SECRET[5]);
        let c = fold(self.a ^ seed, self.b ^ SECRET[0]);
        let d = fold(self.b ^ seed, self.a ^ SECRET[3]);
        let e = fold(c ^ SECRET[2], d ^ SECRET[4]);
        let start = ((e as u128 * u128::from(slots - WIDTH + 1)) >> 64) as u32;
        (start, (u128::from(c) << 64 | u128::from(d)) | 1)
    }
}

/// The solved function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ribbon {
    rank: u8,
    shards: Vec<Shard>,
    words: Vec<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shard {
    seed: u8,
    slots: u32,
    first: usize,
}

impl Ribbon {
    /// The function with these values, of `rank` bits each, by a key's place and the key. `None` if it cannot be found, which
    /// another salt mends.
    pub(crate) fn solve(rank: u8, keys: &[Hashed], value: impl Fn(usize, Hashed) -> u8) -> Option<Self> {
        let shards = keys.len().div_ceil(SHARD).max(1);
        let mut order: Vec<u32> = (0..keys.len() as u32).collect();
        order.sort_unstable_by_key(|n| keys[*n as usize].shard(shards));
        let mut this = Self { rank, shards: Vec::with_capacity(shards), words: Vec::new() };
        let mut rest = order.as_slice();
        for number in 0..shards {
            let count = rest.partition_point(|n| keys[*n as usize].shard(shards) == number);
            let (mine, others) = rest.split_at(count);
            rest = others;
            let rows: Vec<(Hashed, u8)> =
                mine.iter().map(|n| (keys[*n as usize], value(*n as usize, keys[*n as usize]))).collect();
            // 3.5 % more unknowns than equations nearly always do; a little more each time they do not.
            let solved = (0..=u8::MAX).find_map(|seed| {
                let spare = count * (35 + 5 * usize::from(seed / 2)) / 1000;
                let slots = (count + spare + WIDTH as usize).next_multiple_of(64) as u32;
                solve_shard(rank, seed, slots, &rows).map(|words| (seed, slots, words))
            });
            let (seed, slots, words) = solved?;
            this.shards.push(Shard { seed, slots, first: this.words.len() });
            this.words.extend(words);
        }
        Some(this)
    }

    /// The value of a key that was put in; noise for any other.
    pub(crate) fn value(&self, key: Hashed) -> u8 {
        if self.rank == 0 {
            return 0;
        }
        let shard = &self.shards[key.shard(self.shards.len())];
        let (start, coefficients) = key.equation(shard.seed, shard.slots);
        let (word, shift) = ((start / 64) as usize, start % 64);
        let rank = usize::from(self.rank);
        let first = shard.first + word * rank;
        let mut value = 0;
        for column in 0..rank {
            let at = |n: usize| u128::from(self.words.get(first + n * rank + column).copied().unwrap_or(0));
            let mut window = (at(0) | at(1) << 64) >> shift;
            if shift > 0 {
                window |= at(2) << (128 - shift);
            }
            value |= ((window & coefficients).count_ones() as u8 & 1) << column;
        }
        value
    }

    /// How many bits its values have.
    pub(crate) const fn rank(&self) -> u8 {
        self.rank
    }

    /// Its bytes: number of shards; seed and slots of each; the solution.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.push(self.rank);
        out.extend((self.shards.len() as u32).to_be_bytes());
        for shard in &self.shards {
            out.push(shard.seed);
            out.extend(shard.slots.to_be_bytes());
        }
        out.extend(self.words.iter().flat_map(|word| word.to_le_bytes()));
    }

    /// Reads what [`Self::write`] wrote and moves `input` behind it.
    pub(crate) fn read(input: &mut &[u8]) -> Option<Self> {
        let rank = take::<1>(input)?[0];
        let count = u32::from_be_bytes(take(input)?) as usize;
        // What is announced must be there before anything is allocated for it.
        if rank > MAX_RANK || count == 0 || input.len() / 5 < count {
            return None;
        }
        let mut shards = Vec::with_capacity(count);
        let mut total = 0usize;
        for _ in 0..count {
            let seed = take::<1>(input)?[0];
            let slots = u32::from_be_bytes(take(input)?);
            if slots < WIDTH || slots % 64 != 0 {
                return None;
            }
            shards.push(Shard { seed, slots, first: total });
            total = total.checked_add(slots as usize / 64 * usize::from(rank))?;
        }
        let (bytes, rest) = input.split_at_checked(total.checked_mul(8)?)?;
        *input = rest;
        let words = bytes.as_chunks::<8>().0.iter().map(|chunk| u64::from_le_bytes(*chunk)).collect();
        Some(Self { rank, shards, words })
    }
}

/// Gauss elimination in one sweep, then the unknowns from the last to the first.
fn solve_shard(rank: u8, seed: u8, slots: u32, keys: &[(Hashed, u8)]) -> Option<Vec<u64>> {
    let mut rows: Vec<(u32, u128, u8)> = keys
        .iter()
        .map(|(key, value)| {
            let (start, coefficients) = key.equation(seed, slots);
            (start, coefficients, *value & mask(rank))
        })
        .collect();
    rows.sort_unstable_by_key(|row| row.0);
    let mut band = vec![(0u128, 0u8); slots as usize];
    for (start, mut coefficients, mut value) in rows {
        let mut at = start as usize;
        loop {
            let row = &mut band[at];
            if row.0 == 0 {
                *row = (coefficients, value);
                break;
            }
            coefficients ^= row.0;
            value ^= row.1;
            if coefficients == 0 {
                if value == 0 {
                    break;
                }
                return None;
            }
            let step = coefficients.trailing_zeros();
            coefficients >>= step;
            at += step as usize;
        }
    }
    let rank = usize::from(rank);
    let mut words = vec![0u64; slots as usize / 64 * rank];
    // The next 128 unknowns of each column, the nearest in the lowest bit.
    let mut windows = [0u128; MAX_RANK as usize];
    for (slot, (coefficients, value)) in band.iter().enumerate().rev() {
        for (column, window) in windows.iter_mut().enumerate().take(rank) {
            *window <<= 1;
            let sum = (*window & coefficients).count_ones() as u8 ^ (value >> column);
            if *coefficients != 0 && sum & 1 == 1 {
                *window |= 1;
                words[slot / 64 * rank + column] |= 1 << (slot % 64);
            }
        }
    }
    Some(words)
}

fn take<const N: usize>(input: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = input.split_first_chunk::<N>()?;
    *input = rest;
    Some(*head)
}

fn mask(rank: u8) -> u8 {
    if rank >= 8 { u8::MAX } else { (1 << rank) - 1 }
}

/// The product of 128 bits, its halves together.
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

/// Odd numbers without pattern: the fractional parts of the square roots of small primes.
const SECRET: [u64; 6] = [
    0x6a09_e667_f3bc_c909,
    0xbb67_ae85_84ca_a73b,
    0x3c6e_f372_fe94_f82b,
    0xa54f_f53a_5f1d_36f1,
    0x510e_527f_ade6_82d1,
    0x9b05_688c_2b3e_6c1f,
];
