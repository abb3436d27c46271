//! Reading lists: a walk over the encoding that allocates nothing per entry.

use std::fmt;
use std::ops::Range;

use jiff::Timestamp;
use tlv::oid;

use super::Reason;
use crate::asn1::{
    Der, ENUMERATED, GENERALIZED_TIME, SEQUENCE, UTC_TIME, explicit, implicit, minimal_integer,
};
use crate::{Error, Name, Serial, SignatureAlgorithm, extension, name, time, verify};

/// A parsed certificate revocation list that owns its bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Crl {
    der: Vec<u8>,
    tbs: Range<usize>,
    issuer: Range<usize>,
    this_update: Timestamp,
    next_update: Option<Timestamp>,
    entries: Range<usize>,
    algorithm: Option<SignatureAlgorithm>,
    signature: Range<usize>,
    extensions: Extensions,
}

#[derive(Clone, Default, PartialEq, Eq)]
struct Extensions {
    authority_key_identifier: Option<Vec<u8>>,
    number: Option<Vec<u8>>,
    idp: Option<IssuingDistributionPoint>,
    delta: bool,
    base: Option<u64>,
    freshest: Vec<String>,
    unknown_critical: bool,
    number_critical: bool,
}

/// What the issuingDistributionPoint limits a list to (RFC 5280 §5.2.5).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IssuingDistributionPoint {
    /// The URIs of the full name.
    pub uris: Vec<String>,
    /// Whether a distribution point name is present at all.
    pub named: bool,
    /// onlyContainsUserCerts
    pub only_user_certificates: bool,
    /// onlyContainsCACerts
    pub only_ca_certificates: bool,
    /// onlySomeReasons is present
    pub only_some_reasons: bool,
    /// indirectCRL
    pub indirect: bool,
    /// onlyContainsAttributeCerts
    pub only_attribute_certificates: bool,
}

/// One entry of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The content octets of the serial number.
    pub serial: &'a [u8],
    /// Since when.
    pub at: Timestamp,
    /// Why.
    pub reason: Reason,
    /// Whether it carries a critical extension this reader does not know.
    pub unknown_critical: bool,
}

impl Crl {
    /// Reads a DER list. Its entries are walked once, so that a malformed one is found here.
    pub fn parse(der: &[u8]) -> Result<Self, Error> {
        let mut outer = Der::outer(der)?;
        let tbs = outer.any()?;
        let outer_algorithm = outer.any()?.raw;
        let signature = outer.bits()?;
        outer.finish()?;

        let mut inner = Der::outer(tbs.raw)?;
        let version_2 = match inner.peek() {
            Some(0x02) if inner.small()? != 1 => return Err(Error::Malformed("version of a CRL")),
            Some(0x02) => true,
            _ => false,
        };
        let algorithm = inner.any()?.raw;
        if algorithm != outer_algorithm {
            return Err(Error::Malformed("signatureAlgorithm differs from signature"));
        }
        let issuer = inner.any()?.raw;
        Name::parse(issuer)?;
        let this_update = inner.time()?;
        let next_update = match inner.peek() {
            Some(UTC_TIME | GENERALIZED_TIME) => Some(inner.time()?),
            _ => None,
        };
        let entries = inner.optional(SEQUENCE)?.map_or(&[][..], |t| t.value);
        let mut extensions = Extensions::default();
        if let Some(list) = inner.optional(explicit(0))? {
            if !version_2 {
                return Err(Error::Malformed("extensions of a version 1 CRL"));
            }
            extensions.read(list.value)?;
        }
        inner.finish()?;
        for entry in Entries::new(entries) {
            entry?;
        }
        Ok(Self {
            tbs: within(der, tbs.raw),
            issuer: within(der, issuer),
            this_update,
            next_update,
            entries: if entries.is_empty() { 0..0 } else { within(der, entries) },
            algorithm: SignatureAlgorithm::from_identifier(algorithm)?,
            signature: within(der, signature),
            extensions,
            der: der.to_vec(),
        })
    }

    /// The whole encoding.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The DER Name of the issuer.
    pub fn issuer(&self) -> &[u8] {
        &self.der[self.issuer.clone()]
    }

    /// When the list was made.
    pub const fn this_update(&self) -> Timestamp {
        self.this_update
    }

    /// When the next one exists at the latest.
    pub const fn next_update(&self) -> Option<Timestamp> {
        self.next_update
    }

    /// CRLNumber, where it is present and fits in 64 bits.
    pub fn number(&self) -> Option<u64> {
        let octets = self.extensions.number.as_deref()?;
        (octets.len() <= 9).then(|| octets.iter().fold(0, |n, b| n << 8 | u64::from(*b)))
    }

    /// keyIdentifier of the authorityKeyIdentifier.
    pub fn authority_key_identifier(&self) -> Option<&[u8]> {
        self.extensions.authority_key_identifier.as_deref()
    }

    /// issuingDistributionPoint.
    pub const fn issuing_distribution_point(&self) -> Option<&IssuingDistributionPoint> {
        self.extensions.idp.as_ref()
    }

    /// Whether this is a delta list.
    pub const fn is_delta(&self) -> bool {
        self.extensions.delta
    }

    /// BaseCRLNumber of a delta list.
    pub const fn base_number(&self) -> Option<u64> {
        self.extensions.base
    }

    /// Where the delta to this list is.
    pub fn freshest(&self) -> &[String] {
        &self.extensions.freshest
    }

    /// Whether the list carries a critical extension this reader does not know.
    pub const fn has_unknown_critical_extension(&self) -> bool {
        self.extensions.unknown_critical
    }

    /// RFC 5280 §5.2: a list of version 2 carries CRLNumber, and not as critical.
    pub const fn has_proper_number(&self) -> bool {
        self.extensions.number.is_some() && !self.extensions.number_critical
    }

    /// All entries in their order.
    pub fn entries(&self) -> Entries<'_> {
        Entries::new(&self.der[self.entries.clone()])
    }

    /// The entry of this serial number, found by walking; build a [`RevocationIndex`] for many look-ups.
    pub fn find(&self, serial: &[u8]) -> Option<Entry<'_>> {
        let mut entries = self.entries();
        while !entries.list.is_empty() {
            let here = entries.clone();
            // Most entries are only stepped over: their serial number is compared where it stands.
            if entries.step_over(serial) {
                return here.map_while(Result::ok).next();
            }
        }
        None
    }

    /// Whether `certificate_issuer` is the issuer of this list by name and key identifier.
    pub fn is_issued_by(&self, subject: &[u8], key_identifier: Option<&[u8]>) -> bool {
        let key_fits = match (self.authority_key_identifier(), key_identifier) {
            (Some(a), Some(b)) => a == b,
            _ => true,
        };
        key_fits && name::same(self.issuer(), subject)
    }

    /// Checks the signature with the key of the issuer.
    pub fn verify_signature(&self, issuer_spki: &[u8]) -> Result<(), Error> {
        let algorithm = self.algorithm.ok_or(Error::UnsupportedAlgorithm("signature of a CRL"))?;
        verify(issuer_spki, algorithm, &self.der[self.tbs.clone()], &self.der[self.signature.clone()])
    }

    /// A sorted table of the serial numbers for look-ups.
    pub fn index(&self) -> RevocationIndex {
        let mut rows = Vec::with_capacity(self.entries.len() / 40);
        let mut long = Vec::new();
        for e in self.entries().map_while(Result::ok) {
            if let Ok(serial) = Serial::from_octets(e.serial) {
                match serial.to_u128() {
                    Some(number) => rows.push((number, e.reason)),
                    None => long.push((serial, e.reason)),
                }
            }
        }
        rows.sort_unstable_by_key(|(number, _)| *number);
        long.sort_unstable_by_key(|(serial, _)| *serial);
        RevocationIndex { rows, long }
    }
}

/// The revoked serial numbers of one list, sorted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevocationIndex {
    rows: Vec<(u128, Reason)>,
    // Numbers of more than 128 bits, which this country does not issue.
    long: Vec<(Serial, Reason)>,
}

impl RevocationIndex {
    /// Why this certificate is revoked, or `None`.
    pub fn reason(&self, serial: &Serial) -> Option<Reason> {
        match serial.to_u128() {
            Some(number) => self.rows.binary_search_by_key(&number, |(n, _)| *n).ok().map(|i| self.rows[i].1),
            None => self.long.binary_search_by_key(serial, |(s, _)| *s).ok().map(|i| self.long[i].1),
        }
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.rows.len() + self.long.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Walks the entries of a list.
#[derive(Clone)]
pub struct Entries<'a> {
    list: &'a [u8],
}

impl<'a> Entries<'a> {
    pub(super) const fn new(list: &'a [u8]) -> Self {
        Self { list }
    }

    /// Reads the next entry: in one step where it has the form nearly all have, else field by field.
    fn entry(&mut self) -> Result<Entry<'a>, Error> {
        if let Some((entry, rest)) = usual_entry(self.list) {
            self.list = rest;
            return Ok(entry);
        }
        let mut list = Der::new(self.list);
        let entry = any_entry(&mut list)?;
        self.list = list.rest();
        Ok(entry)
    }

    /// Moves behind the next entry; whether it is the one of `serial`. Anything unreadable ends the walk.
    fn step_over(&mut self, serial: &[u8]) -> bool {
        match self.list {
            [0x30, len @ 0..=0x7F, rest @ ..] if rest.len() >= usize::from(*len) => {
                let (entry, rest) = rest.split_at(usize::from(*len));
                self.list = rest;
                matches!(entry, [0x02, n, rest @ ..] if usize::from(*n) == serial.len() && rest.starts_with(serial))
            }
            _ => self.next().is_some_and(|e| e.is_ok_and(|e| e.serial == serial)),
        }
    }
}

/// `30 len 02 len SERIAL 17 0D TIME`, and nothing more or one reason code.
fn usual_entry(list: &[u8]) -> Option<(Entry<'_>, &[u8])> {
    let [0x30, len @ 0..=0x7F, rest @ ..] = list else { return None };
    let (entry, rest) = rest.split_at_checked(usize::from(*len))?;
    let [0x02, len @ 1..=0x7F, fields @ ..] = entry else { return None };
    let (serial, fields) = fields.split_at_checked(usize::from(*len))?;
    let serial = minimal_integer(serial).ok()?;
    let [0x17, 13, fields @ ..] = fields else { return None };
    let (date, extensions) = fields.split_at_checked(13)?;
    let at = time::parse(UTC_TIME, date).ok()?;
    let reason = match extensions {
        [] => Reason::Unspecified,
        [0x30, 12, 0x30, 10, 0x06, 3, 0x55, 0x1D, 0x15, 0x04, 3, 0x0A, 1, code] => Reason::from_code(*code)?,
        _ => return None,
    };
    Some((Entry { serial, at, reason, unknown_critical: false }, rest))
}

fn any_entry<'a>(list: &mut Der<'a>) -> Result<Entry<'a>, Error> {
    let mut inner = list.sequence()?;
    let serial = inner.integer()?;
    let at = inner.time()?;
    let mut entry = Entry { serial, at, reason: Reason::Unspecified, unknown_critical: false };
    if let Some(list) = inner.optional(SEQUENCE)? {
        let mut list = Der::new(list.value);
        while !list.is_empty() {
            let e = extension::read_extension(&mut list)?;
            match e.oid {
                oid::CRL_REASON => entry.reason = read_reason(e.value)?,
                oid::INVALIDITY_DATE => {}
                _ => entry.unknown_critical |= e.critical,
            }
        }
    }
    inner.finish()?;
    Ok(entry)
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.list.is_empty() {
            return None;
        }
        let entry = self.entry();
        if entry.is_err() {
            self.list = &[];
        }
        Some(entry)
    }
}

impl Extensions {
    fn read(&mut self, list: &[u8]) -> Result<(), Error> {
        let mut list = Der::outer(list)?;
        let mut seen = Vec::new();
        while !list.is_empty() {
            if seen.len() == extension::MAX_EXTENSIONS {
                return Err(Error::TooMany("extensions"));
            }
            let e = extension::read_extension(&mut list)?;
            if seen.contains(&e.oid) {
                return Err(Error::Malformed("extension stands twice"));
            }
            seen.push(e.oid);
            match e.oid {
                oid::AUTHORITY_KEY_IDENTIFIER => {
                    self.authority_key_identifier =
                        extension::read_authority_key_identifier(e.value)?.map(<[u8]>::to_vec);
                }
                oid::CRL_NUMBER => {
                    let mut inner = Der::new(e.value);
                    let number = inner.integer()?;
                    inner.finish()?;
                    if number[0] & 0x80 != 0 || number.len() > 21 {
                        return Err(Error::Malformed("cRLNumber"));
                    }
                    self.number = Some(number.to_vec());
                    self.number_critical = e.critical;
                }
                oid::ISSUING_DISTRIBUTION_POINT => self.idp = Some(read_idp(e.value)?),
                oid::DELTA_CRL_INDICATOR => {
                    self.delta = true;
                    let mut inner = Der::new(e.value);
                    let number = inner.integer()?;
                    inner.finish()?;
                    self.base = small_number(number);
                }
                oid::FRESHEST_CRL => self.freshest = extension::read_distribution_points(e.value)?,
                _ => self.unknown_critical |= e.critical,
            }
        }
        Ok(())
    }
}

fn small_number(octets: &[u8]) -> Option<u64> {
    let octets = octets.strip_prefix(&[0]).unwrap_or(octets);
    (octets.len() <= 8).then(|| octets.iter().fold(0, |n, b| n << 8 | u64::from(*b)))
}

fn read_idp(value: &[u8]) -> Result<IssuingDistributionPoint, Error> {
    let mut inner = Der::outer(value)?;
    let mut idp = IssuingDistributionPoint::default();
    if let Some(name) = inner.optional(explicit(0))? {
        idp.named = true;
        idp.uris = extension::read_distribution_point_name(name.value)?;
    }
    let mut flag = |n| match inner.optional(implicit(n))?.map(|t| t.value) {
        None => Ok(false),
        Some([0xFF]) => Ok(true),
        Some(_) => Err(Error::Malformed("issuingDistributionPoint")),
    };
    idp.only_user_certificates = flag(1)?;
    idp.only_ca_certificates = flag(2)?;
    idp.only_some_reasons = inner.optional(implicit(3))?.is_some();
    let mut flag = |n| match inner.optional(implicit(n))?.map(|t| t.value) {
        None => Ok(false),
        Some([0xFF]) => Ok(true),
        Some(_) => Err(Error::Malformed("issuingDistributionPoint")),
    };
    idp.indirect = flag(4)?;
    idp.only_attribute_certificates = flag(5)?;
    inner.finish()?;
    Ok(idp)
}

fn read_reason(value: &[u8]) -> Result<Reason, Error> {
    let mut inner = Der::new(value);
    let code = minimal_integer(inner.expect(ENUMERATED)?.value)?;
    inner.finish()?;
    match code {
        [code] => Reason::from_code(*code).ok_or(Error::Malformed("reasonCode")),
        _ => Err(Error::Malformed("reasonCode")),
    }
}

fn within(whole: &[u8], part: &[u8]) -> Range<usize> {
    let start = part.as_ptr() as usize - whole.as_ptr() as usize;
    start..start + part.len()
}

impl fmt::Debug for Crl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Crl(number {:?}, {} bytes)", self.number(), self.der.len())
    }
}

impl fmt::Debug for Entries<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entries")
    }
}
