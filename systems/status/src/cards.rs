//! The card status list (OPEN-37): which cards are reported lost or void, for a counter that has a card without certificate
//! before it, by a salted hash of the serial number; a full list and deltas to it.
//!
//! ```text
//! CardStatusList ::= SEQUENCE {
//!     version     INTEGER (1),
//!     number      INTEGER,               -- ascends
//!     base        [0] INTEGER OPTIONAL,  -- a delta: the number of the full list it is added to
//!     thisUpdate  GeneralizedTime,
//!     nextUpdate  GeneralizedTime,
//!     salt        OCTET STRING,          -- 32 octets, another with each full list
//!     suspended   OCTET STRING,          -- hashes of 16 octets, sorted
//!     void        OCTET STRING,
//!     removed     OCTET STRING }         -- only in a delta: neither any more
//! ```
//!
//! A hash is the first 16 octets of SHA-256 over salt and serial number. Serial numbers are few enough to be tried one by one:
//! the salt keeps lists of different days from being joined, it does not keep a list secret. So nothing stands here but that
//! a card is not to be accepted; no person, no office, no time, no reason.

use std::collections::BTreeMap;

use curve::Hash;
use jiff::{SignedDuration, Timestamp};
use model::CardSerial;
use tlv::{Reader, oid};
use x509::cms::SignedData;

pub use crate::signed::{StatusSigner, Trust};

use crate::Error;
use crate::filter::whole_second;
use crate::signed::{der, open, seal};

/// Why a card is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Listed {
    /// Reported lost, or suspended for another reason that may end (LOSS-06).
    Suspended,
    /// Void for good: replaced, revoked, recalled.
    Void,
}

/// A full list or a delta.
#[derive(Clone, PartialEq, Eq)]
pub struct CardList {
    number: u64,
    base: Option<u64>,
    this_update: Timestamp,
    next_update: Timestamp,
    salt: [u8; 32],
    entries: BTreeMap<[u8; LENGTH], Option<Listed>>,
}

impl CardList {
    /// A full list of these cards.
    pub fn full(
        number: u64,
        this_update: Timestamp,
        lifetime: SignedDuration,
        salt: [u8; 32],
        cards: impl IntoIterator<Item = (CardSerial, Listed)>,
    ) -> Result<Self, Error> {
        let this_update = whole_second(this_update)?;
        let entries = cards.into_iter().map(|(serial, listed)| (hash(&salt, serial), Some(listed))).collect();
        Ok(Self { number, base: None, this_update, next_update: this_update + lifetime, salt, entries })
    }

    /// What has changed since the full list `base`.
    pub fn delta(
        number: u64,
        this_update: Timestamp,
        lifetime: SignedDuration,
        base: &Self,
        cards: impl IntoIterator<Item = (CardSerial, Listed)>,
    ) -> Result<Self, Error> {
        if base.base.is_some() {
            return Err(Error::OtherBase);
        }
        let now = Self::full(number, this_update, lifetime, base.salt, cards)?;
        let gone =
            base.entries.keys().filter(|hash| !now.entries.contains_key(*hash)).map(|hash| (*hash, None));
        let new = now.entries.iter().filter(|(hash, listed)| base.entries.get(*hash) != Some(*listed));
        let entries = gone.chain(new.map(|(hash, listed)| (*hash, *listed))).collect();
        Ok(Self { base: Some(base.number), entries, ..now })
    }

    /// This full list with a delta added.
    pub fn with(&self, delta: &Self) -> Result<Self, Error> {
        if self.base.is_some() || delta.base != Some(self.number) || delta.salt != self.salt {
            return Err(Error::OtherBase);
        }
        let mut whole = Self { base: None, entries: self.entries.clone(), ..delta.clone() };
        for (hash, listed) in &delta.entries {
            match listed {
                Some(_) => drop(whole.entries.insert(*hash, *listed)),
                None => drop(whole.entries.remove(hash)),
            }
        }
        Ok(whole)
    }

    /// Whether a card is listed. A delta knows only what has changed: it is added to its base first.
    pub fn status(&self, card: CardSerial) -> Result<Option<Listed>, Error> {
        if self.base.is_some() {
            return Err(Error::OtherBase);
        }
        Ok(self.entries.get(&hash(&self.salt, card)).copied().flatten())
    }

    /// The signed document.
    pub fn sign(&self, by: &StatusSigner<'_>) -> Result<Vec<u8>, Error> {
        seal(oid::CARD_STATUS_LIST, &self.write(), by)
    }

    /// Reads a signed document whose signer leads to a trust anchor at `now`.
    pub fn open(document: &[u8], trust: &Trust<'_>, now: Timestamp) -> Result<Self, Error> {
        Self::read(&open(oid::CARD_STATUS_LIST, document, trust, now)?)
    }

    /// What a reader goes by at `now`: a full list and, where one was fetched too, the delta to it, in any order. Each signer
    /// leads to a trust anchor, and the later of the two is in time.
    pub fn current(documents: &[impl AsRef<[u8]>], trust: &Trust<'_>, now: Timestamp) -> Result<Self, Error> {
        let (mut full, mut delta) = (None, None);
        for document in documents {
            let document = document.as_ref();
            let list = Self::open(document, trust, now).map_err(|error| match error {
                // The signer of an old list has ended too: its age is what there is to say.
                Error::Untrusted(_) => age(document, now).err().unwrap_or(error),
                error => error,
            })?;
            let place = if list.base.is_some() { &mut delta } else { &mut full };
            if place.replace(list).is_some() {
                return Err(Error::NotOneList);
            }
        }
        let full: Self = full.ok_or(Error::NotOneList)?;
        let whole = match delta {
            Some(delta) => full.with(&delta)?,
            None => full,
        };
        whole.in_time(now)?;
        Ok(whole)
    }

    fn in_time(&self, now: Timestamp) -> Result<(), Error> {
        let (from, until) = (self.this_update, self.next_update);
        if now < from || now > until { Err(Error::OutOfDate { from, until }) } else { Ok(()) }
    }

    /// Reads the content of a document without looking at who signed it.
    pub fn read(content: &[u8]) -> Result<Self, Error> {
        let mut outer = Reader::new(content);
        let mut list = Reader::new(outer.expect(0x30)?.value);
        outer.finish()?;
        if der::read_integer(&mut list)? != 1 {
            return Err(Error::Malformed("version of a card status list"));
        }
        let number = der::read_integer(&mut list)?;
        let base = match list.optional(0xA0)? {
            Some(base) => {
                let mut base = Reader::new(base.value);
                let number = der::read_integer(&mut base)?;
                base.finish()?;
                Some(number)
            }
            None => None,
        };
        let this_update = der::read_time(&mut list)?;
        let next_update = der::read_time(&mut list)?;
        let salt = der::read_octets(&mut list)?;
        let salt = salt.try_into().map_err(|_| Error::Malformed("salt of a card status list"))?;
        let mut entries = BTreeMap::new();
        for kind in [Some(Listed::Suspended), Some(Listed::Void), None] {
            let (hashes, rest) = der::read_octets(&mut list)?.as_chunks::<LENGTH>();
            let sorted = hashes.windows(2).all(|pair| pair[0] < pair[1]);
            let allowed = kind.is_some() || base.is_some() || hashes.is_empty();
            if !rest.is_empty() || !sorted || !allowed {
                return Err(Error::Malformed("hashes of a card status list"));
            }
            for hash in hashes {
                if entries.insert(*hash, kind).is_some() {
                    return Err(Error::Malformed("a card stands twice in a card status list"));
                }
            }
        }
        list.finish()?;
        Ok(Self { number, base, this_update, next_update, salt, entries })
    }

    /// The content to be signed.
    pub fn write(&self) -> Vec<u8> {
        let hashes = |kind: Option<Listed>| {
            let all = self.entries.iter().filter(|(_, listed)| **listed == kind);
            der::octets(&all.flat_map(|(hash, _)| *hash).collect::<Vec<u8>>())
        };
        let base = self.base.map(|base| tlv::encode(0xA0, &der::integer(base))).unwrap_or_default();
        tlv::sequence(&[
            &der::integer(1),
            &der::integer(self.number),
            &base,
            &der::time(self.this_update),
            &der::time(self.next_update),
            &der::octets(&self.salt),
            &hashes(Some(Listed::Suspended)),
            &hashes(Some(Listed::Void)),
            &hashes(None),
        ])
    }

    /// Its number.
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// The number of the full list that a delta is added to.
    pub const fn base(&self) -> Option<u64> {
        self.base
    }

    /// When it was made.
    pub const fn this_update(&self) -> Timestamp {
        self.this_update
    }

    /// Until when it may be used.
    pub const fn next_update(&self) -> Timestamp {
        self.next_update
    }

    /// The salt.
    pub const fn salt(&self) -> &[u8; 32] {
        &self.salt
    }

    /// Whether another says the same of every card, of the same base and under the same salt, whatever its number and times.
    pub fn says_the_same(&self, other: &Self) -> bool {
        (self.base, self.salt, &self.entries) == (other.base, other.salt, &other.entries)
    }

    /// How many entries it has.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl std::fmt::Debug for CardList {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CardList(number {}, base {:?}, {} entries)", self.number, self.base, self.len())
    }
}

/// Whether a document is in time, whoever signed it; a document that says no time is.
fn age(document: &[u8], now: Timestamp) -> Result<(), Error> {
    let signed = SignedData::parse(document)?;
    signed.content().and_then(|content| CardList::read(content).ok()).map_or(Ok(()), |list| list.in_time(now))
}

fn hash(salt: &[u8; 32], card: CardSerial) -> [u8; LENGTH] {
    let digest = Hash::Sha256.digest(&[salt, card.as_str().as_bytes()].concat());
    let mut out = [0; LENGTH];
    out.copy_from_slice(&digest[..LENGTH]);
    out
}

/// Octets of a hash.
const LENGTH: usize = 16;
