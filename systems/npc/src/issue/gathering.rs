//! Whatever waits while a worker is busy is its next group. There is no clock in it: who comes alone is a group of one at once.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A queue with at most one worker.
pub(super) struct Gathering<T>(Mutex<State<T>>);

struct State<T> {
    waiting: VecDeque<T>,
    // A worker will look into the queue before it rests.
    busy: bool,
}

impl<T> Default for Gathering<T> {
    fn default() -> Self {
        Self(Mutex::new(State { waiting: VecDeque::new(), busy: false }))
    }
}

impl<T> Gathering<T> {
    /// Puts these at the end of the queue. Whoever is told `true` must see to it that a worker begins ([`Gathering::work`]).
    pub(super) fn add(&self, items: impl IntoIterator<Item = T>) -> bool {
        let mut state = self.state();
        state.waiting.extend(items);
        !state.waiting.is_empty() && !std::mem::replace(&mut state.busy, true)
    }

    /// Begins the work that [`Gathering::add`] has asked for.
    pub(super) fn work(&self) -> Worker<'_, T> {
        Worker { gathering: self, resting: false }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The worker of a queue. If it goes before it was told that nothing waits, because it panicked or its runtime ended, what waits
/// is forgotten, which its owners see, and the next to come has a worker again.
pub(super) struct Worker<'a, T> {
    gathering: &'a Gathering<T>,
    resting: bool,
}

impl<T> Worker<'_, T> {
    /// The next group, of at most so many; if nothing waits there is none, and this worker is done.
    pub(super) fn next(&mut self, most: usize) -> Option<Vec<T>> {
        let mut state = self.gathering.state();
        if state.waiting.is_empty() {
            state.busy = false;
            self.resting = true;
            return None;
        }
        let count = state.waiting.len().min(most);
        Some(state.waiting.drain(..count).collect())
    }
}

impl<T> Drop for Worker<'_, T> {
    fn drop(&mut self) {
        if !self.resting {
            let forgotten = {
                let mut state = self.gathering.state();
                state.busy = false;
                std::mem::take(&mut state.waiting)
            };
            drop(forgotten);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_worker_takes_what_waits_in_order_and_in_parts() {
        let gathering = Gathering::default();
        assert!(!gathering.add([]), "nothing to do");
        assert!(gathering.add([1]), "the first needs a worker");
        assert!(!gathering.add([2, 3]), "there is one");
        let mut worker = gathering.work();
        assert_eq!(worker.next(2), Some(vec![1, 2]));
        assert!(!gathering.add([4]), "it still is");
        assert_eq!(worker.next(2), Some(vec![3, 4]));
        assert_eq!(worker.next(2), None);
        drop(worker);
        assert!(gathering.add([5]), "it has gone");
        assert_eq!(
            gathering.work().next(2),
            Some(vec![5]),
            "the worker is dropped here, before it was told to rest"
        );
        assert!(gathering.add([6]), "and the next has a worker again");
    }

    #[test]
    fn what_waits_for_a_worker_that_died_is_let_go() {
        let gathering = Gathering::default();
        let owned = std::sync::Arc::new(());
        gathering.add([owned.clone(), owned.clone()]);
        let mut worker = gathering.work();
        drop(worker.next(1));
        assert_eq!(std::sync::Arc::strong_count(&owned), 2);
        drop(worker);
        assert_eq!(std::sync::Arc::strong_count(&owned), 1);
    }
}
