//! One source of randomness for the tasks of a system.

use std::sync::{Arc, Mutex, PoisonError};

use curve::Random;

/// A generator that several tasks share. Applications make it from the system's generator, tests from a seed.
#[derive(Clone)]
pub struct SharedRandom(Arc<Mutex<dyn Random + Send>>);

impl SharedRandom {
    /// Shares `random`.
    pub fn new(random: impl Random + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(random)))
    }
}

impl Random for SharedRandom {
    fn fill(&mut self, out: &mut [u8]) {
        // A panic while filling leaves no half-made state behind: the next call draws fresh bytes.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill(out);
    }
}

impl std::fmt::Debug for SharedRandom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SharedRandom(..)")
    }
}
