//! The one door through which randomness enters.

use aws_lc_rs::digest;

/// A source of random bytes. Functions that need randomness take `&mut dyn Random`.
pub trait Random {
    /// Fills `out` with random bytes.
    fn fill(&mut self, out: &mut [u8]);
}

impl<R: Random + ?Sized> Random for &mut R {
    fn fill(&mut self, out: &mut [u8]) {
        (**self).fill(out);
    }
}

impl<R: Random + ?Sized> Random for Box<R> {
    fn fill(&mut self, out: &mut [u8]) {
        (**self).fill(out);
    }
}

/// The generator of AWS-LC, seeded by the operating system. Only applications construct it.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&mut self, out: &mut [u8]) {
        // AWS-LC aborts the process when the operating system gives no entropy; it does not return an error.
        aws_lc_rs::rand::fill(out).expect("AWS-LC has entropy or aborts");
    }
}

/// A reproducible generator: SHA-512 over seed hash and counter. For tests and sample data only, never for keys that
/// protect something.
#[derive(Clone)]
pub struct SeedRandom {
    key: [u8; 64],
    counter: u64,
    block: [u8; 64],
    used: usize,
}

impl SeedRandom {
    /// The generator that belongs to `seed`.
    pub fn new(seed: &[u8]) -> Self {
        let mut key = [0; 64];
        key.copy_from_slice(digest::digest(&digest::SHA512, seed).as_ref());
        Self { key, counter: 0, block: [0; 64], used: 64 }
    }

    fn refill(&mut self) {
        let mut context = digest::Context::new(&digest::SHA512);
        context.update(&self.key);
        context.update(&self.counter.to_be_bytes());
        self.block.copy_from_slice(context.finish().as_ref());
        self.counter += 1;
        self.used = 0;
    }
}

impl Random for SeedRandom {
    fn fill(&mut self, out: &mut [u8]) {
        let mut rest = out;
        while !rest.is_empty() {
            if self.used == self.block.len() {
                self.refill();
            }
            let n = rest.len().min(self.block.len() - self.used);
            let (now, later) = rest.split_at_mut(n);
            now.copy_from_slice(&self.block[self.used..self.used + n]);
            self.used += n;
            rest = later;
        }
    }
}

impl std::fmt::Debug for SeedRandom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SeedRandom(..)")
    }
}
