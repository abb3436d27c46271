//! Changed inputs, the same on every machine: a small stand-in for libFuzzer on a stable compiler.

/// A deterministic source of changes (xorshift64*).
pub struct Mutator(u64);

/// Bytes that are often meant as tags, lengths or limits.
const TELLING: [u8; 16] =
    [0x00, 0x01, 0x02, 0x04, 0x06, 0x0C, 0x30, 0x31, 0x7C, 0x7F, 0x80, 0x81, 0x82, 0x84, 0xFE, 0xFF];

/// Inputs are not grown beyond this.
const LIMIT: usize = 8192;

impl Mutator {
    /// The source that belongs to `name`.
    pub fn new(name: &str) -> Self {
        let hash = |h: u64, b: u8| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01B3);
        Self(name.bytes().fold(0xCBF2_9CE4_8422_2325, hash) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `n`, 0 for 0.
    fn below(&mut self, n: usize) -> usize {
        (self.next() >> 33) as usize % n.max(1)
    }

    /// A changed copy of `input`; parts of `other` may be taken over.
    pub fn change(&mut self, input: &[u8], other: &[u8]) -> Vec<u8> {
        let mut out = input.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(out.len());
            let len = self.below(out.len() - at.min(out.len())).min(1 + self.below(40));
            match self.below(9) {
                0 if !out.is_empty() => out[at] ^= 1 << self.below(8),
                1 if !out.is_empty() => out[at] = TELLING[self.below(TELLING.len())],
                2 if !out.is_empty() => out[at] = out[at].wrapping_add(1),
                3 if !out.is_empty() => out[at] = out[at].wrapping_sub(1),
                4 => out.truncate(at),
                5 => drop(out.drain(at..at + len)),
                6 => {
                    let copy = out[at..at + len].to_vec();
                    insert(&mut out, at, &copy);
                }
                7 => {
                    let from = self.below(other.len());
                    let len = self.below(other.len() - from.min(other.len())).min(64);
                    insert(&mut out, at, &other[from..from + len]);
                }
                _ => insert(&mut out, at, &[TELLING[self.below(TELLING.len())]]),
            }
        }
        out.truncate(LIMIT);
        out
    }
}

fn insert(out: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    out.splice(at..at, bytes.iter().copied());
}
