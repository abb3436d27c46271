//! Passive authentication, second half: the data groups against the hashes of the document security object
//! (ICAO 9303-11 §5.1). The signature over the security object is checked by `x509`.

use std::collections::BTreeMap;

use curve::Hash;

/// What became of one data group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Read, and its hash is the one that was signed.
    Matched,
    /// Read, and its hash is another.
    Mismatched,
    /// Listed in the security object but not read.
    Missing,
    /// Read but not covered by the security object: nobody vouches for it.
    Unlisted,
}

/// The outcome for every data group that was signed or read, by number.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Comparison {
    /// Number and outcome, ascending.
    pub groups: BTreeMap<u8, Outcome>,
}

impl Comparison {
    /// Whether everything that was read is what was signed. Groups that were not read do not count: a terminal may lack the
    /// right to read them.
    pub fn is_unaltered(&self) -> bool {
        self.groups.values().any(|outcome| *outcome == Outcome::Matched)
            && self.groups.values().all(|outcome| matches!(outcome, Outcome::Matched | Outcome::Missing))
    }

    /// The numbers with `outcome`.
    pub fn with(&self, outcome: Outcome) -> Vec<u8> {
        self.groups.iter().filter(|(_, o)| **o == outcome).map(|(number, _)| *number).collect()
    }

    /// Whether data group `number` was read and is what was signed.
    pub fn matched(&self, number: u8) -> bool {
        self.groups.get(&number) == Some(&Outcome::Matched)
    }
}

/// Compares the data groups that were read (whole files, tag and length included) with the signed hashes.
pub fn compare<'a>(
    hash: Hash,
    signed: &BTreeMap<u8, Vec<u8>>,
    read: impl IntoIterator<Item = (u8, &'a [u8])>,
) -> Comparison {
    let mut groups: BTreeMap<u8, Outcome> = signed.keys().map(|number| (*number, Outcome::Missing)).collect();
    for (number, content) in read {
        let outcome = match signed.get(&number) {
            None => Outcome::Unlisted,
            Some(expected) if hash.digest(content) == *expected => Outcome::Matched,
            Some(_) => Outcome::Mismatched,
        };
        groups.insert(number, outcome);
    }
    Comparison { groups }
}
