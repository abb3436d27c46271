//! How long something takes.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// The least of 25 means: other work on the machine only ever adds, and seldom to all of so short pieces.
pub(crate) fn typical<T>(count: usize, mut run: impl FnMut() -> T) -> Duration {
    let each = count.div_ceil(25).max(1);
    black_box(run());
    let mean = |_| {
        let begin = Instant::now();
        for _ in 0..each {
            black_box(run());
        }
        begin.elapsed() / each as u32
    };
    (0..25).map(mean).min().unwrap_or_default()
}

/// How long one run takes, with its result.
pub(crate) fn once<T>(run: impl FnOnce() -> T) -> (Duration, T) {
    let begin = Instant::now();
    let result = run();
    (begin.elapsed(), result)
}

/// How much processor time this thread has used, where the system tells (Linux); the clock otherwise. For long work on a
/// machine that others use too.
pub(crate) fn thread_time(begin: Instant) -> Duration {
    let nanoseconds = std::fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|text| text.split_whitespace().next()?.parse().ok());
    nanoseconds.map_or_else(|| begin.elapsed(), Duration::from_nanos)
}
