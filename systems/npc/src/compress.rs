//! Compressed copies of what is published. They are made once, when it is published, and never while somebody waits: whoever
//! asks before the copy of a long list is there gets the list as it is.

use std::io::Write;
use std::sync::{Arc, OnceLock};

use axum::body::Bytes;

/// A copy compressed with gzip; none until it is made, nor where it would not be shorter.
#[derive(Debug, Clone, Default)]
pub(crate) struct Compressed(Arc<OnceLock<Option<Bytes>>>);

impl Compressed {
    /// The copy, if it is there.
    pub(crate) fn get(&self) -> Option<Bytes> {
        self.0.get().cloned().flatten()
    }

    /// Makes the copy away from the threads that serve: before this returns where that takes milliseconds, beside everything
    /// else where it takes seconds.
    pub(crate) async fn make(&self, plain: &Bytes) {
        let (place, plain) = (self.clone(), plain.clone());
        let long = plain.len() > SHORT;
        let work = tokio::task::spawn_blocking(move || {
            let copy = gzip(&plain).filter(|copy| copy.len() < plain.len());
            let _ = place.0.set(copy.map(Bytes::from));
        });
        // Without a copy everybody gets the plain form, which is no failure.
        if !long && work.await.is_err() {
            tracing::error!("a compressed copy was not made");
        }
    }
}

fn gzip(plain: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(plain).and_then(|()| encoder.finish()).ok()
}

/// Up to here a copy takes a few hundredths of a second: every list of a partition, in a whole country too.
const SHORT: usize = 2 << 20;
