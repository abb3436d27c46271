//! Path validation (RFC 5280 §6) for the certificates of this country.
//!
//! Done: building from loose intermediates, names and key identifiers, signatures, validity of every certificate and of
//! the trust anchor, basicConstraints and path length, key usage and extended key usage for a purpose, refusal of unknown
//! critical extensions, name constraints, policies with mappings and constraints, and revocation by lists with their
//! scope. Beyond §6, the MUSTs of §4 that a certificate of ours keeps are demanded of every certificate in the path. The
//! name constraints of a trust anchor count (RFC 5937); what it says about policies does not.
//!
//! Not done: delta and indirect lists, lists of some reasons, policy qualifiers. Host names are the caller's business.
//!
//! Certificates come from cards and web pages, so the search is bounded: at most [`MAX_SIGNATURES`] signatures are
//! checked, whatever loops the intermediates make.

mod inspect;
mod names;
mod policy;
mod revocation;

use const_oid::ObjectIdentifier as Oid;
use jiff::Timestamp;
use tlv::oid;

use crate::crl::{Crl, Reason};
use crate::extension::KeyUsage;
use crate::{Certificate, name};

/// The most signatures on certificates one validation checks.
pub const MAX_SIGNATURES: usize = 64;

/// What the certificate at the end of the path is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Purpose {
    /// Nothing is asked.
    #[default]
    Any,
    /// keyUsage has digitalSignature: the holder's signatures.
    DigitalSignature,
    /// keyUsage has keyEncipherment or keyAgreement.
    Encryption,
    /// ICAO Doc 9303-12: digitalSignature, no extKeyUsage, not a CA.
    DocumentSigner,
    /// extKeyUsage has id-kp-OCSPSigning.
    OcspSigning,
    /// extKeyUsage is absent or has this purpose.
    Extended(Oid),
}

/// What happens where no usable list exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Revocation {
    /// Lists are not looked at.
    Unchecked,
    /// A listed certificate is refused; one no list speaks about is not.
    #[default]
    IfListed,
    /// Every certificate below the trust anchor needs a list that speaks about it.
    Required,
}

/// How to validate.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// The time for which everything must be valid.
    pub now: Timestamp,
    /// What the certificate is for.
    pub purpose: Purpose,
    /// The lists at hand.
    pub crls: &'a [Crl],
    /// What to do without a list.
    pub revocation: Revocation,
    /// The most intermediates that are not self-issued.
    pub max_intermediates: usize,
    /// user-initial-policy-set: the policies that are good enough; empty for any.
    pub policies: &'a [Oid],
    /// initial-explicit-policy: one of them must hold for the whole path.
    pub require_explicit_policy: bool,
    /// initial-policy-mapping-inhibit: nobody's policy counts as another's.
    pub inhibit_policy_mapping: bool,
    /// initial-any-policy-inhibit: anyPolicy in a certificate counts for nothing.
    pub inhibit_any_policy: bool,
}

impl<'a> Options<'a> {
    /// At this time, for any purpose, with no lists.
    pub const fn at(now: Timestamp) -> Self {
        Self {
            now,
            purpose: Purpose::Any,
            crls: &[],
            revocation: Revocation::IfListed,
            max_intermediates: 8,
            policies: &[],
            require_explicit_policy: false,
            inhibit_policy_mapping: false,
            inhibit_any_policy: false,
        }
    }

    /// Only under one of these policies, asked for from the start of the path.
    #[must_use]
    pub const fn policies(mut self, policies: &'a [Oid]) -> Self {
        self.policies = policies;
        self.require_explicit_policy = true;
        self
    }

    /// For this purpose.
    #[must_use]
    pub const fn purpose(mut self, purpose: Purpose) -> Self {
        self.purpose = purpose;
        self
    }

    /// With these lists.
    #[must_use]
    pub const fn crls(mut self, crls: &'a [Crl], revocation: Revocation) -> Self {
        self.crls = crls;
        self.revocation = revocation;
        self
    }
}

/// Why a path was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// No trust anchor is reached.
    #[error("no path to a trust anchor")]
    NoPath,
    /// More work than one validation may cause.
    #[error("too many signatures to check")]
    TooMuchWork,
    /// The path is longer than allowed.
    #[error("the path is too long")]
    TooLong,
    /// A signature does not verify.
    #[error("a signature in the path does not verify")]
    Signature,
    /// Before notBefore.
    #[error("a certificate in the path is not valid yet")]
    NotYetValid,
    /// After notAfter.
    #[error("a certificate in the path has expired")]
    Expired,
    /// A certificate issued others without being a CA.
    #[error("an issuer in the path is not a CA")]
    NotCa,
    /// pathLenConstraint.
    #[error("more CAs in the path than a CA allows")]
    PathLength,
    /// The end entity's key is none this system accepts.
    #[error("the public key is not accepted")]
    PublicKey,
    /// keyUsage or extKeyUsage.
    #[error("a key in the path is used for what it is not meant for")]
    KeyUsage,
    /// A critical extension this system does not process.
    #[error("a certificate in the path has a critical extension that is not processed: {0}")]
    CriticalExtension(Oid),
    /// nameConstraints.
    #[error("a name in the path is not one that a CA above it may certify")]
    Name,
    /// certificatePolicies, policyMappings, policyConstraints, inhibitAnyPolicy.
    #[error("no acceptable policy holds for the whole path")]
    Policy,
    /// A MUST of RFC 5280 §4.
    #[error("a certificate in the path is malformed: {0}")]
    Malformed(&'static str),
    /// Listed.
    #[error("a certificate in the path is revoked")]
    Revoked {
        /// Its place in the path, 0 for the end entity.
        depth: usize,
        /// Since when.
        at: Timestamp,
        /// Why.
        reason: Reason,
    },
    /// No list speaks about a certificate although one is required.
    #[error("the status of a certificate in the path is not known")]
    StatusUnknown,
}

/// A validated path, from the end entity to the trust anchor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path<'a> {
    certificates: Vec<&'a Certificate>,
    policies: Vec<Oid>,
}

impl<'a> Path<'a> {
    /// All certificates, end entity first.
    pub fn certificates(&self) -> &[&'a Certificate] {
        &self.certificates
    }

    /// The policies under which the path is valid, as the trust anchor's domain calls them, as far as they were asked for;
    /// anyPolicy stands for itself.
    pub fn policies(&self) -> &[Oid] {
        &self.policies
    }

    /// The trust anchor.
    pub fn anchor(&self) -> Option<&'a Certificate> {
        self.certificates.last().copied()
    }
}

/// Finds and validates a path from `leaf` over any of `intermediates` to one of `anchors`.
pub fn validate<'a>(
    leaf: &'a Certificate,
    intermediates: &'a [Certificate],
    anchors: &'a [Certificate],
    options: &Options<'_>,
) -> Result<Path<'a>, Refusal> {
    inspect::end_entity(leaf, options)?;
    if anchors.iter().any(|a| a.der() == leaf.der()) {
        return Ok(Path { certificates: vec![leaf], policies: Vec::new() });
    }
    let mut search =
        Search { intermediates, anchors, options, signatures: 0, refusal: None, policies: Vec::new() };
    let mut chain = vec![leaf];
    if search.extend(&mut chain)? {
        Ok(Path { certificates: chain, policies: search.policies })
    } else {
        Err(search.refusal.unwrap_or(Refusal::NoPath))
    }
}

struct Search<'a, 'o> {
    intermediates: &'a [Certificate],
    anchors: &'a [Certificate],
    options: &'o Options<'o>,
    signatures: usize,
    // The first refusal of a certificate that would otherwise have continued the path.
    refusal: Option<Refusal>,
    policies: Vec<Oid>,
}

impl<'a> Search<'a, '_> {
    /// Extends `chain` until it ends in a trust anchor; depth first, trust anchors before intermediates.
    fn extend(&mut self, chain: &mut Vec<&'a Certificate>) -> Result<bool, Refusal> {
        let (anchors, intermediates) = (self.anchors, self.intermediates);
        for (candidates, is_anchor) in [(anchors, true), (intermediates, false)] {
            for issuer in candidates {
                let Some(subject) = chain.last() else { return Ok(false) };
                if !may_have_issued(issuer, subject) || chain.iter().any(|c| same_key_and_name(c, issuer)) {
                    continue;
                }
                match self.step(chain, issuer, is_anchor) {
                    Ok(()) => {
                        chain.push(issuer);
                        if is_anchor {
                            match self.whole(chain) {
                                Ok(()) => return Ok(true),
                                Err(Refusal::TooMuchWork) => return Err(Refusal::TooMuchWork),
                                Err(refusal) => self.note(refusal),
                            }
                        } else if self.extend(chain)? {
                            return Ok(true);
                        }
                        chain.pop();
                    }
                    Err(Refusal::TooMuchWork) => return Err(Refusal::TooMuchWork),
                    Err(refusal) => self.note(refusal),
                }
            }
        }
        Ok(false)
    }

    /// Whether `issuer` may follow at the end of `chain`.
    fn step(&mut self, chain: &[&Certificate], issuer: &Certificate, is_anchor: bool) -> Result<(), Refusal> {
        let Some((subject, below)) = chain.split_last().map(|(last, _)| (*last, &chain[1..])) else {
            return Err(Refusal::NoPath);
        };
        // RFC 5280 §6.1.4 (l), (m): self-issued certificates do not count; nor does the end entity.
        let cas = below.iter().filter(|c| !c.is_self_issued()).count();
        inspect::issuer(issuer, cas, is_anchor, self.options)?;
        let own = usize::from(!is_anchor && !issuer.is_self_issued());
        if cas + own > self.options.max_intermediates {
            return Err(Refusal::TooLong);
        }
        self.signatures += 1;
        if self.signatures > MAX_SIGNATURES {
            return Err(Refusal::TooMuchWork);
        }
        subject.verify_signature(issuer.spki()).map_err(|_| Refusal::Signature)
    }

    /// What is asked of a path from end to end.
    fn whole(&mut self, chain: &[&Certificate]) -> Result<(), Refusal> {
        names::check(chain)?;
        self.policies = policy::check(chain, self.options)?;
        revocation::check(chain, self.options)
    }

    fn note(&mut self, refusal: Refusal) {
        self.refusal.get_or_insert(refusal);
    }
}

// RFC 5280 §6.1.3 (a)(4), §4.2.1.1: names chain; key identifiers tell generations of one name apart.
fn may_have_issued(issuer: &Certificate, subject: &Certificate) -> bool {
    let key_fits = match (subject.authority_key_identifier(), issuer.subject_key_identifier()) {
        (Some(a), Some(b)) => a == b,
        _ => true,
    };
    key_fits && name::same(subject.issuer(), issuer.subject())
}

fn same_key_and_name(a: &Certificate, b: &Certificate) -> bool {
    a.der() == b.der() || (a.spki() == b.spki() && a.subject() == b.subject())
}

impl Purpose {
    fn allows(self, c: &Certificate) -> bool {
        const ANY_EXTENDED_KEY_USAGE: Oid = Oid::new_unwrap("2.5.29.37.0");
        let has = |usage| c.key_usage().is_some_and(|u| u.contains(usage));
        let extended = c.extended_key_usage();
        match self {
            Self::Any => true,
            Self::DigitalSignature => has(KeyUsage::DIGITAL_SIGNATURE),
            Self::Encryption => has(KeyUsage::KEY_ENCIPHERMENT) || has(KeyUsage::KEY_AGREEMENT),
            Self::DocumentSigner => has(KeyUsage::DIGITAL_SIGNATURE) && extended.is_empty() && !c.is_ca(),
            Self::OcspSigning => extended.contains(&oid::KP_OCSP_SIGNING),
            Self::Extended(purpose) => {
                extended.is_empty()
                    || extended.contains(&purpose)
                    || extended.contains(&ANY_EXTENDED_KEY_USAGE)
            }
        }
    }
}
