//! The revocation filter: for every certificate of its issuers that had not expired when it was made, whether it is good,
//! suspended or revoked; exactly, and without a list of serial numbers.
//!
//! ```text
//! RevocationFilter ::= SEQUENCE {
//!     version     INTEGER (1),
//!     number      INTEGER,            -- ascends
//!     thisUpdate  GeneralizedTime,    -- when the states were known
//!     nextUpdate  GeneralizedTime,    -- not to be used any more after this
//!     issuers     SEQUENCE OF SEQUENCE {
//!         keyHash       OCTET STRING, -- SHA-256 of the issuer's SubjectPublicKeyInfo
//!         certificates  INTEGER,      -- how many it speaks about
//!         revoked       OCTET STRING, -- an exact set
//!         suspended     OCTET STRING } }
//! ```
//!
//! For a serial number that was never issued the answer is noise: whoever asks verifies the certificate first
//! ([`crate::check`]). A certificate issued after the filter was made is good by construction, because the CA only takes serial
//! numbers that its published filters call good.

use curve::Hash;
use jiff::{SignedDuration, Timestamp};
use tlv::{Reader, oid};
use x509::{Certificate, Serial};

pub use crate::signed::{StatusSigner, Trust};

use crate::Error;
use crate::set::ExactSet;
use crate::signed::{der, open, seal};

/// What a filter says about a serial number of a certificate that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Neither of the others.
    Good,
    /// Suspended (停用); may be resumed.
    Suspended,
    /// Revoked (廢止), for good.
    Revoked,
}

/// A filter.
#[derive(Clone, PartialEq, Eq)]
pub struct Filter {
    number: u64,
    this_update: Timestamp,
    next_update: Timestamp,
    issuers: Vec<Section>,
}

#[derive(Clone, PartialEq, Eq)]
struct Section {
    key_hash: [u8; 32],
    certificates: u64,
    revoked: ExactSet,
    suspended: ExactSet,
}

/// Goes through the serial numbers of a population; may be called several times.
pub type Serials<'a> = dyn Fn(&mut dyn FnMut(u128)) + 'a;

/// Everything about the certificates of one issuer.
pub struct Population<'a> {
    /// The issuer.
    pub issuer: &'a Certificate,
    /// How many certificates there are.
    pub size: u64,
    /// Goes through the serial numbers of all of them; called several times.
    pub all: &'a Serials<'a>,
    /// The revoked ones, sorted, each once.
    pub revoked: &'a [u128],
    /// The suspended ones, sorted, each once, none of them revoked.
    pub suspended: &'a [u128],
}

impl Filter {
    /// A filter that is exact for these populations. `salt` is any number; another one gives another filter.
    pub fn build(
        number: u64,
        this_update: Timestamp,
        lifetime: SignedDuration,
        populations: &[Population<'_>],
        salt: u64,
    ) -> Result<Self, Error> {
        let this_update = whole_second(this_update)?;
        let section = |p: &Population<'_>| {
            Ok(Section {
                key_hash: key_hash(p.issuer),
                certificates: p.size,
                revoked: ExactSet::build(p.revoked, p.size, p.all, salt)?,
                suspended: ExactSet::build(p.suspended, p.size, p.all, salt.rotate_left(17))?,
            })
        };
        let issuers = populations.iter().map(section).collect::<Result<_, Error>>()?;
        Ok(Self { number, this_update, next_update: this_update + lifetime, issuers })
    }

    /// The signed document.
    pub fn sign(&self, by: &StatusSigner<'_>) -> Result<Vec<u8>, Error> {
        seal(oid::REVOCATION_FILTER, &self.write(), by)
    }

    /// Reads a signed document whose signer leads to a trust anchor at `now`.
    pub fn open(document: &[u8], trust: &Trust<'_>, now: Timestamp) -> Result<Self, Error> {
        Self::read(&open(oid::REVOCATION_FILTER, document, trust, now)?)
    }

    /// Reads the content of a document without looking at who signed it.
    pub fn read(content: &[u8]) -> Result<Self, Error> {
        let mut outer = Reader::new(content);
        let mut filter = Reader::new(outer.expect(0x30)?.value);
        outer.finish()?;
        if der::read_integer(&mut filter)? != 1 {
            return Err(Error::Malformed("version of a revocation filter"));
        }
        let number = der::read_integer(&mut filter)?;
        let this_update = der::read_time(&mut filter)?;
        let next_update = der::read_time(&mut filter)?;
        let mut list = Reader::new(filter.expect(0x30)?.value);
        filter.finish()?;
        let mut issuers = Vec::new();
        while !list.is_empty() {
            if issuers.len() == MAX_ISSUERS {
                return Err(Error::Malformed("revocation filter: too many issuers"));
            }
            let mut section = Reader::new(list.expect(0x30)?.value);
            let key_hash = der::read_octets(&mut section)?;
            let certificates = der::read_integer(&mut section)?;
            let set = |section: &mut Reader<'_>| {
                let bytes = der::read_octets(section)?;
                ExactSet::read(bytes).ok_or(Error::Malformed("set of a revocation filter"))
            };
            issuers.push(Section {
                key_hash: key_hash.try_into().map_err(|_| Error::Malformed("key hash of an issuer"))?,
                certificates,
                revoked: set(&mut section)?,
                suspended: set(&mut section)?,
            });
            section.finish()?;
        }
        Ok(Self { number, this_update, next_update, issuers })
    }

    /// The content to be signed.
    pub fn write(&self) -> Vec<u8> {
        let sections: Vec<u8> = self
            .issuers
            .iter()
            .flat_map(|section| {
                tlv::sequence(&[
                    &der::octets(&section.key_hash),
                    &der::integer(section.certificates),
                    &der::octets(&section.revoked.write()),
                    &der::octets(&section.suspended.write()),
                ])
            })
            .collect();
        tlv::sequence(&[
            &der::integer(1),
            &der::integer(self.number),
            &der::time(self.this_update),
            &der::time(self.next_update),
            &tlv::sequence(&[&sections]),
        ])
    }

    /// The state of a certificate of `issuer` that has been verified; `None` if the filter does not speak about the issuer.
    pub fn state(&self, issuer: &Certificate, serial: &Serial) -> Option<State> {
        self.state_by_key(&key_hash(issuer), serial.to_u128()?)
    }

    /// As [`Self::state`], by the hash of the issuer's SubjectPublicKeyInfo.
    pub fn state_by_key(&self, key_hash: &[u8; 32], serial: u128) -> Option<State> {
        let section = self.issuers.iter().find(|section| section.key_hash == *key_hash)?;
        Some(match () {
            () if section.revoked.contains(serial) => State::Revoked,
            () if section.suspended.contains(serial) => State::Suspended,
            () => State::Good,
        })
    }

    /// Its number.
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// When the states were known.
    pub const fn this_update(&self) -> Timestamp {
        self.this_update
    }

    /// Until when it may be used.
    pub const fn next_update(&self) -> Timestamp {
        self.next_update
    }

    /// How many certificates it speaks about.
    pub fn certificates(&self) -> u64 {
        self.issuers.iter().map(|section| section.certificates).sum()
    }

    /// How many of them are revoked.
    pub fn revoked(&self) -> u64 {
        self.issuers.iter().map(|section| section.revoked.len()).sum()
    }

    /// How many of them are suspended.
    pub fn suspended(&self) -> u64 {
        self.issuers.iter().map(|section| section.suspended.len()).sum()
    }
}

impl std::fmt::Debug for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Filter(number {}, {} certificates)", self.number, self.certificates())
    }
}

/// What names an issuer in a filter: SHA-256 of its SubjectPublicKeyInfo.
pub fn key_hash(issuer: &Certificate) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(&Hash::Sha256.digest(issuer.spki()));
    out
}

pub(crate) fn whole_second(at: Timestamp) -> Result<Timestamp, Error> {
    Timestamp::from_second(at.as_second()).map_err(|_| Error::Malformed("time"))
}

const MAX_ISSUERS: usize = 64;
