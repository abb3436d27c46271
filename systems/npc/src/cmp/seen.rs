//! Which messages of registration authorities were let in: each takes one turn, and whoever replays it takes none of the others'.
//!
//! A message is known by what its signature covers: of two with the same words, whatever stands around them, the second is a replay.
//! It is forgotten when it is too old for anybody. So there are never more than each authority may send in the time in which a
//! message is looked at, twice five minutes.

use std::collections::BTreeSet;

use jiff::Timestamp;
use x509::cmp::Message;

use crate::request::sha256;

/// A message: when it was made, and half of a hash of what its signature covers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark {
    second: i64,
    hash: [u8; 16],
}

impl Mark {
    /// None of one that does not say when it was made.
    pub(super) fn of(message: &Message) -> Option<Self> {
        let second = message.header.time?.as_second();
        let mut hash = [0; 16];
        hash.copy_from_slice(&sha256(message.protected_part())[..16]);
        Some(Self { second, hash })
    }
}

/// The messages that were let in, the oldest first.
#[derive(Default)]
pub(super) struct Seen(BTreeSet<Mark>);

impl Seen {
    pub(super) fn contains(&self, mark: &Mark) -> bool {
        self.0.contains(mark)
    }

    /// Notes one, and forgets all that were made before `oldest`.
    pub(super) fn note(&mut self, mark: Mark, oldest: Timestamp) {
        while self.0.first().is_some_and(|first| first.second < oldest.as_second()) {
            self.0.pop_first();
        }
        self.0.insert(mark);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_old_for_anybody_is_forgotten() {
        let mut seen = Seen::default();
        let mark = |second: i64| Mark { second, hash: (second as u128).to_be_bytes() };
        let oldest = |second: i64| Timestamp::from_second(second).unwrap();
        for second in 0..10_000 {
            seen.note(mark(second), oldest((second - 300).max(0)));
            assert!(seen.0.len() <= 301);
        }
        assert!(seen.contains(&mark(9_999)) && seen.contains(&mark(9_699)));
        assert!(!seen.contains(&mark(9_698)));
        assert!(!seen.contains(&Mark { second: 9_999, hash: [0; 16] }));
    }
}
