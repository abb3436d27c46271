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

/// How much processor time this thread has used: what a side has computed, whatever else the machine did meanwhile.
pub(crate) fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let whole = Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or_default());
    whole + Duration::from_nanos(u64::try_from(time.tv_nsec).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_thread_is_its_own() {
        let compute = || (0..3_000_000u64).fold(0u64, |sum, n| black_box(sum ^ n));
        let before = thread_time();
        std::thread::scope(|scope| scope.spawn(compute).join().map(black_box)).expect("it ends");
        let waited = thread_time() - before;
        let before = thread_time();
        black_box(compute());
        let worked = thread_time() - before;
        assert!(worked > waited, "{worked:?} {waited:?}");
    }
}
