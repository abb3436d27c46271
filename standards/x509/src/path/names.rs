//! Name constraints (RFC 5280 §4.2.1.10, §6.1.3 (b) and (c), §6.1.4 (g)).
//!
//! Each CA's constraints are held against every certificate below it, which is the same as the intersections and unions of
//! §6.1.4 (g). Processed: directory names, DNS names, mail addresses, URIs, IP addresses. A constraint on another kind of
//! name refuses every certificate below that has a name of that kind. Comparing is bounded by [`MAX_COMPARISONS`], since
//! whoever writes a certificate chooses how many names it has.

use std::net::{Ipv4Addr, Ipv6Addr};

use const_oid::ObjectIdentifier as Oid;
use tlv::oid;

use super::Refusal;
use crate::asn1::{Der, explicit, implicit};
use crate::extension::GeneralName;
use crate::name::{self, FoldedRdn};
use crate::{Certificate, Error};

/// The most comparisons of a name with a subtree that one validation makes.
pub(super) const MAX_COMPARISONS: usize = 1 << 17;

/// emailAddress of PKCS #9, which stood in names before there were alternative names.
const EMAIL_ADDRESS: Oid = Oid::new_unwrap("1.2.840.113549.1.9.1");

const MALFORMED: Refusal = Refusal::Malformed("nameConstraints");

/// Holds the constraints of every CA in `chain`, the trust anchor's too (RFC 5937 §3.2), against what is below it.
pub(super) fn check(chain: &[&Certificate]) -> Result<(), Refusal> {
    let mut left = MAX_COMPARISONS;
    for (depth, ca) in chain.iter().enumerate().skip(1) {
        let Some(extension) = ca.extension(oid::NAME_CONSTRAINTS) else { continue };
        let constraints = Constraints::read(extension.value).map_err(|_| MALFORMED)?;
        for (place, below) in chain[..depth].iter().enumerate() {
            // RFC 5280 §6.1.3 (b): not of self-issued certificates, unless it is the last one.
            if place > 0 && below.is_self_issued() {
                continue;
            }
            for subject in subjects(below)? {
                constraints.allow(&subject, &mut left)?;
            }
        }
    }
    Ok(())
}

/// Whether this certificate's own constraints can be read.
pub(super) fn inspect(c: &Certificate) -> Result<(), Refusal> {
    let Some(extension) = c.extension(oid::NAME_CONSTRAINTS) else { return Ok(()) };
    // RFC 5280 §4.2.1.10: MUST be used only in a CA certificate, MUST be critical.
    if !c.is_ca() || !extension.critical {
        return Err(MALFORMED);
    }
    Constraints::read(extension.value).map(drop).map_err(|_| MALFORMED)
}

/// A name of a certificate that constraints are about.
enum Subject {
    Directory(Vec<FoldedRdn>),
    Dns(String),
    Email(String),
    Uri(String),
    Ip(Vec<u8>),
    Other(u32),
}

fn subjects(c: &Certificate) -> Result<Vec<Subject>, Refusal> {
    let folded = |der: &[u8]| name::folded(der).map_err(|_| Refusal::Malformed("name"));
    let mut all = Vec::new();
    let own = folded(c.subject())?;
    let alternatives = c.subject_alt_names();
    // RFC 5280 §4.2.1.10: without an alternative name the address inside the name counts.
    if alternatives.is_empty() {
        let addresses = own.iter().flatten().filter(|(oid, _)| *oid == EMAIL_ADDRESS);
        if addresses.count() > 0 {
            let name = c.subject_name().map_err(|_| Refusal::Malformed("name"))?;
            let plain = name.attributes().iter().filter(|a| a.oid == EMAIL_ADDRESS);
            all.extend(plain.map(|a| Subject::Email(a.value.clone())));
        }
    }
    if !own.is_empty() {
        all.push(Subject::Directory(own));
    }
    for alternative in alternatives {
        all.push(match alternative {
            GeneralName::Directory(name) => Subject::Directory(folded(name.der())?),
            GeneralName::Dns(name) => Subject::Dns(name.to_ascii_lowercase()),
            GeneralName::Email(address) => Subject::Email(address.clone()),
            GeneralName::Uri(uri) => Subject::Uri(uri.clone()),
            GeneralName::Other(der) => {
                let (name, _) = tlv::read_one(der).map_err(|_| Refusal::Malformed("subjectAltName"))?;
                if name.tag == implicit(7) {
                    Subject::Ip(name.value.to_vec())
                } else {
                    Subject::Other(name.tag)
                }
            }
        });
    }
    Ok(all)
}

/// The base of a subtree.
enum Base {
    Directory(Vec<FoldedRdn>),
    Dns(String),
    /// One mailbox: local part and host.
    Mailbox(String, String),
    /// Every mailbox of a host, or of all hosts below a domain.
    MailHost(Host),
    Uri(Host),
    /// Address and mask, each of four or sixteen octets.
    Ip(Vec<u8>, Vec<u8>),
    Other(u32),
}

/// A host, or what is below a domain.
enum Host {
    Exactly(String),
    Below(String),
}

impl Host {
    fn read(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        match text.strip_prefix('.') {
            Some(domain) => is_host(domain).then(|| Self::Below(domain.to_owned())),
            None => is_host(&text).then_some(Self::Exactly(text)),
        }
    }

    fn has(&self, host: &str) -> bool {
        match self {
            Self::Exactly(this) => host == this,
            Self::Below(domain) => is_below(host, domain),
        }
    }
}

struct Constraints {
    permitted: Vec<Base>,
    excluded: Vec<Base>,
}

impl Constraints {
    fn read(value: &[u8]) -> Result<Self, Error> {
        let mut inner = Der::outer(value)?;
        let mut subtrees = |n| -> Result<Option<Vec<Base>>, Error> {
            let Some(list) = inner.optional(explicit(n))? else { return Ok(None) };
            let mut list = Der::new(list.value);
            let mut bases = Vec::new();
            while !list.is_empty() {
                let mut subtree = list.sequence()?;
                let base = subtree.any()?;
                bases.push(Base::read(base.tag, base.value)?);
                // RFC 5280 §4.2.1.10: minimum MUST be zero (which DER leaves out), maximum MUST be absent.
                subtree.finish()?;
            }
            // GeneralSubtrees ::= SEQUENCE SIZE (1..MAX)
            if bases.is_empty() { Err(Error::Malformed("nameConstraints")) } else { Ok(Some(bases)) }
        };
        let (permitted, excluded) = (subtrees(0)?, subtrees(1)?);
        inner.finish()?;
        // RFC 5280 §4.2.1.10: MUST NOT be an empty sequence.
        if permitted.is_none() && excluded.is_none() {
            return Err(Error::Malformed("nameConstraints"));
        }
        Ok(Self { permitted: permitted.unwrap_or_default(), excluded: excluded.unwrap_or_default() })
    }

    fn allow(&self, subject: &Subject, left: &mut usize) -> Result<(), Refusal> {
        let cost = self.permitted.len() + self.excluded.len();
        *left = left.checked_sub(cost).ok_or(Refusal::TooMuchWork)?;
        let about = |bases: &[Base]| bases.iter().any(|base| base.is_about(subject));
        let (permitted, excluded) = (about(&self.permitted), about(&self.excluded));
        if !permitted && !excluded {
            return Ok(());
        }
        // What cannot be read cannot be shown to lie inside or outside.
        if !subject.is_readable() {
            return Err(Refusal::Name);
        }
        let inside = |bases: &[Base], excluded| bases.iter().any(|base| base.has(subject, excluded));
        if inside(&self.excluded, true) || (permitted && !inside(&self.permitted, false)) {
            return Err(Refusal::Name);
        }
        Ok(())
    }
}

impl Subject {
    fn is_readable(&self) -> bool {
        match self {
            Self::Directory(_) => true,
            Self::Dns(name) => is_host(name.strip_prefix("*.").unwrap_or(name)),
            Self::Email(address) => mailbox(address).is_some(),
            Self::Uri(uri) => uri_host(uri).is_some(),
            Self::Ip(address) => matches!(address.len(), 4 | 16),
            // RFC 5280 §4.2.1.10: process it or reject the certificate.
            Self::Other(_) => false,
        }
    }
}

impl Base {
    fn read(tag: u32, value: &[u8]) -> Result<Self, Error> {
        const WRONG: Error = Error::Malformed("nameConstraints");
        let text = || name::text(crate::asn1::IA5_STRING, value);
        Ok(match tag {
            // [4] is explicit, because Name is a CHOICE.
            0xA4 => Self::Directory(name::folded(value)?),
            0x81 => {
                let text = text()?;
                match text.contains('@') {
                    true => {
                        let (local, host) = mailbox(&text).ok_or(WRONG)?;
                        Self::Mailbox(local.to_owned(), host)
                    }
                    false => Self::MailHost(Host::read(&text).ok_or(WRONG)?),
                }
            }
            0x82 => {
                let name = text()?.to_ascii_lowercase();
                // Every name is below the empty one.
                if !name.is_empty() && !is_host(&name) {
                    return Err(WRONG);
                }
                Self::Dns(name)
            }
            0x86 => Self::Uri(Host::read(&text()?).ok_or(WRONG)?),
            0x87 if matches!(value.len(), 8 | 32) => {
                let (address, mask) = value.split_at(value.len() / 2);
                Self::Ip(address.to_vec(), mask.to_vec())
            }
            0xA0 | 0xA3 | 0xA5 | 0x88 => Self::Other(tag),
            _ => return Err(WRONG),
        })
    }

    fn is_about(&self, subject: &Subject) -> bool {
        match (self, subject) {
            (Self::Directory(_), Subject::Directory(_))
            | (Self::Dns(_), Subject::Dns(_))
            | (Self::Mailbox(..) | Self::MailHost(_), Subject::Email(_))
            | (Self::Uri(_), Subject::Uri(_))
            | (Self::Ip(..), Subject::Ip(_)) => true,
            (Self::Other(tag), Subject::Other(other)) => tag == other,
            _ => false,
        }
    }

    fn has(&self, subject: &Subject, excluded: bool) -> bool {
        match (self, subject) {
            // RFC 5280 §7.1: a subtree is whatever begins with the base.
            (Self::Directory(base), Subject::Directory(name)) => name.starts_with(base),
            (Self::Dns(base), Subject::Dns(name)) => match name.strip_prefix("*.") {
                // A pattern stands for every label there may be: one of them excluded excludes it.
                Some(parent)
                    if excluded && base.split_once('.').is_some_and(|(_, above)| above == parent) =>
                {
                    true
                }
                _ => base.is_empty() || name == base || is_below(name, base),
            },
            (Self::Mailbox(local, host), Subject::Email(address)) => {
                mailbox(address).is_some_and(|(l, h)| l == local && h == *host)
            }
            (Self::MailHost(host), Subject::Email(address)) => {
                mailbox(address).is_some_and(|(_, h)| host.has(&h))
            }
            (Self::Uri(host), Subject::Uri(uri)) => uri_host(uri).is_some_and(|h| host.has(&h)),
            (Self::Ip(base, mask), Subject::Ip(address)) => {
                base.len() == address.len()
                    && base.iter().zip(mask).zip(address).all(|((b, m), a)| b & m == a & m)
            }
            _ => false,
        }
    }
}

fn is_below(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
}

/// Labels of letters, digits, hyphens and underscores, none of them empty.
fn is_host(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(plain);
    text.len() <= 253 && text.split('.').all(label)
}

/// Local part as written, host in small letters (RFC 5280 §7.5).
fn mailbox(address: &str) -> Option<(&str, String)> {
    let (local, host) = address.split_once('@')?;
    let host = host.to_ascii_lowercase();
    (!local.is_empty() && is_host(&host)).then_some((local, host))
}

/// The host of a URI with an authority whose host is a name (RFC 5280 §4.2.1.10: others are refused where constrained).
fn uri_host(uri: &str) -> Option<String> {
    let (scheme, rest) = uri.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.split_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        Some(_) => return None,
        None => host,
    };
    let is_address = host.parse::<Ipv4Addr>().is_ok() || host.parse::<Ipv6Addr>().is_ok();
    let host = host.to_ascii_lowercase();
    (!scheme.is_empty() && !is_address && is_host(&host)).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(tag: u32, text: &str) -> Option<Base> {
        Base::read(tag, text.as_bytes()).ok()
    }

    #[test]
    fn each_kind_of_name_has_its_own_rule() {
        let (email, dns, uri): (u32, u32, u32) = (0x81, 0x82, 0x86);
        let subject = |tag, text: &str| match tag {
            0x81 => Subject::Email(text.into()),
            0x82 => Subject::Dns(text.to_ascii_lowercase()),
            _ => Subject::Uri(text.into()),
        };
        for (tag, tree, name, inside) in [
            (dns, "example.test", "example.test", true),
            (dns, "example.test", "A.B.example.TEST", true),
            (dns, "example.test", "notexample.test", false),
            (dns, "", "anything.test", true),
            (email, "example.test", "a@example.test", true),
            (email, "example.test", "a@mail.example.test", false),
            (email, ".example.test", "a@mail.example.test", true),
            (email, ".example.test", "a@example.test", false),
            (email, "A@example.test", "A@EXAMPLE.test", true),
            (email, "A@example.test", "a@example.test", false),
            (uri, "example.test", "https://example.test/x", true),
            (uri, "example.test", "https://www.example.test/x", false),
            (uri, ".example.test", "https://u@www.example.test:80?x", true),
            (uri, ".example.test", "https://example.test", false),
            (uri, "example.test", "https://other.test/@example.test", false),
        ] {
            let base = base(tag, tree).expect(tree);
            let subject = subject(tag, name);
            assert!(base.is_about(&subject) && subject.is_readable());
            assert_eq!(base.has(&subject, false), inside, "{name} below {tree}");
        }
        for (tag, wrong) in [
            (dns, ".example.test"),
            (dns, "*.example.test"),
            (dns, "a..b"),
            (email, "a@b@c.test"),
            (email, "@c.test"),
            (email, ""),
            (uri, "https://example.test"),
            (0x87, "four"),
            (0x85, "x"),
        ] {
            assert!(base(tag, wrong).is_none(), "{wrong}");
        }
        for unreadable in [
            Subject::Dns(".example.test".into()),
            Subject::Email("a@b@c.test".into()),
            Subject::Uri("urn:x".into()),
            Subject::Uri("https://192.0.2.1/".into()),
            Subject::Uri("https://[::1]/".into()),
            Subject::Other(0xA0),
        ] {
            assert!(!unreadable.is_readable());
        }
    }

    #[test]
    fn addresses_are_compared_under_their_mask() {
        let base = Base::read(0x87, &[192, 0, 2, 0, 255, 255, 255, 0]).expect("well formed");
        assert!(base.has(&Subject::Ip(vec![192, 0, 2, 77]), false));
        assert!(!base.has(&Subject::Ip(vec![192, 0, 3, 77]), false));
        assert!(!base.has(&Subject::Ip(vec![0; 16]), false), "another kind of address");
    }

    #[test]
    fn a_pattern_is_excluded_by_what_it_stands_for() {
        let base = base(0x82, "bar.example.test").expect("well formed");
        let pattern = Subject::Dns("*.example.test".into());
        assert!(base.has(&pattern, true) && !base.has(&pattern, false));
    }

    proptest::proptest! {
        #[test]
        fn no_reader_panics(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..80), n in 0..2u32) {
            let list = tlv::encode(explicit(n), &tlv::sequence(&[&bytes]));
            for input in [bytes.clone(), tlv::sequence(&[&bytes]), tlv::sequence(&[&list])] {
                let _ = Constraints::read(&input);
            }
            let text = String::from_utf8_lossy(&bytes);
            let _ = (mailbox(&text), uri_host(&text), Host::read(&text));
        }
    }
}
