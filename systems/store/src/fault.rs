//! Injected failure: what a test uses to stop a program at one commit as `kill -9` would.

use std::sync::Mutex;

use crate::StoreError;

/// On which side of the commit the program dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// The transaction is lost.
    BeforeCommit,
    /// The transaction is kept, but nobody hears of it.
    AfterCommit,
}

#[derive(Default)]
pub(crate) struct Faults(Mutex<State>);

#[derive(Default)]
struct State {
    planned: Option<(u64, When)>,
    dead: bool,
    full: bool,
}

impl Faults {
    /// Plans the death at the `n`-th commit from now (1 is the next).
    pub(crate) fn plan(&self, n: u64, when: When) {
        let mut state = self.lock();
        state.planned = Some((n.max(1), when));
    }

    /// Whether the disk is full from now on.
    pub(crate) fn fill(&self, full: bool) {
        self.lock().full = full;
    }

    /// Whether there is room for what is committed.
    pub(crate) fn room(&self) -> Result<(), StoreError> {
        if self.lock().full { Err(StoreError::Full(crate::DiskFull)) } else { Ok(()) }
    }

    /// Forgets plan and death. Returns whether the death had come.
    pub(crate) fn revive(&self) -> bool {
        std::mem::take(&mut *self.lock()).dead
    }

    pub(crate) fn alive(&self) -> Result<(), StoreError> {
        if self.lock().dead { Err(StoreError::Injected) } else { Ok(()) }
    }

    /// Counts one commit; says whether it is the planned one and on which side of it to die.
    pub(crate) fn at_commit(&self) -> Option<When> {
        let mut state = self.lock();
        let (left, when) = state.planned.as_mut().map(|(n, when)| {
            *n -= 1;
            (*n, *when)
        })?;
        if left > 0 {
            return None;
        }
        state.planned = None;
        state.dead = true;
        Some(when)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
