//! Events, their canonical encoding and the hash that chains them.

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};
use jiff::Timestamp;
use model::NationalIdNo;
use serde_json::Value;

use crate::{AuditError, Result};

/// One thing that was done.
#[derive(Debug, Clone, PartialEq)]
pub struct Event<'a> {
    /// When, to the microsecond.
    pub at: Timestamp,
    /// Who: an operator's or a system's account name.
    pub actor: &'a str,
    /// The system that did it: `npc`, `mgmt`, ...
    pub system: &'a str,
    /// What, in the mission's words: `certificate-suspend`, `card-receive`, ...
    pub action: &'a str,
    /// To what: a card serial, a case number, a key label. Never a person.
    pub subject: &'a str,
    /// What else is worth knowing, as JSON. Never a name, a national number or a secret.
    pub detail: Value,
}

/// An event as it stands in the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number, from 1 without gaps.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// The system that did it.
    pub system: String,
    /// What.
    pub action: String,
    /// To what.
    pub subject: String,
    /// The JSON text, exactly as it was hashed.
    pub detail: String,
    /// The hash over the entry before and this one.
    pub hash: [u8; 32],
}

/// The end of a chain: how many entries it has and the hash of the last.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The number of the last entry, 0 for an empty chain.
    pub seq: u64,
    /// Its hash, zeros for an empty chain.
    pub hash: [u8; 32],
}

impl Head {
    /// The head of an empty chain.
    pub const EMPTY: Self = Self { seq: 0, hash: [0; 32] };
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Head({} ", self.seq)?;
        self.hash.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        write!(f, ")")
    }
}

impl Event<'_> {
    /// The entry this event becomes after `head`.
    pub(crate) fn after(&self, head: &Head) -> Result<Entry> {
        let detail = self.detail.to_string();
        for (name, text, limit) in [
            ("actor", self.actor, 100),
            ("system", self.system, 100),
            ("action", self.action, 100),
            ("subject", self.subject, 100),
            ("detail", detail.as_str(), 16_384),
        ] {
            if text.is_empty() {
                return Err(AuditError::Refused("a field is empty"));
            }
            if text.len() > limit {
                return Err(AuditError::Refused("a field is too long"));
            }
            if names_a_person(text) {
                return Err(AuditError::Refused("a field holds a national identification number"));
            }
            // Account names, verbs, card serials and case numbers are ASCII; a personal name is mostly not.
            if name != "detail" && !text.bytes().all(|b| b.is_ascii_graphic() || b == b' ') {
                return Err(AuditError::Refused("a field other than the detail is not plain ASCII"));
            }
        }
        // What is kept are microseconds, so what is hashed are microseconds.
        let at = Timestamp::from_microsecond(self.at.as_microsecond())
            .map_err(|_| AuditError::Refused("the time is out of range"))?;
        let mut entry = Entry {
            seq: head.seq + 1,
            at,
            actor: self.actor.to_owned(),
            system: self.system.to_owned(),
            action: self.action.to_owned(),
            subject: self.subject.to_owned(),
            detail,
            hash: [0; 32],
        };
        entry.hash = entry.chained(&head.hash);
        Ok(entry)
    }
}

impl Entry {
    /// SHA-256 over a label, the hash before, number, microseconds, and each text with its length in front, all
    /// numbers big-endian: no two different entries have the same encoding.
    pub(crate) fn chained(&self, before: &[u8; 32]) -> [u8; 32] {
        let mut hash = Context::new(&SHA256);
        hash.update(b"neweid audit v1");
        hash.update(before);
        hash.update(&self.seq.to_be_bytes());
        hash.update(&self.at.as_microsecond().to_be_bytes());
        for text in [&self.actor, &self.system, &self.action, &self.subject, &self.detail] {
            hash.update(&(text.len() as u64).to_be_bytes());
            hash.update(text.as_bytes());
        }
        let mut out = [0; 32];
        out.copy_from_slice(hash.finish().as_ref());
        out
    }
}

/// Whether a national identification number, citizen's or resident's, stands anywhere in `text` as a word of its own.
fn names_a_person(text: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .any(|word| word.len() == 10 && word.to_ascii_uppercase().parse::<NationalIdNo>().is_ok())
}
