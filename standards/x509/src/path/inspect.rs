//! What every certificate of a path must keep by itself.

use tlv::oid;

use super::{Options, Refusal, names, policy};
use crate::extension::KeyUsage;
use crate::{Certificate, PublicKey};

/// The certificate at the end of the path.
pub(super) fn end_entity(c: &Certificate, options: &Options<'_>) -> Result<(), Refusal> {
    every(c, options)?;
    serial_number(c)?;
    PublicKey::from_spki(c.spki()).map_err(|_| Refusal::PublicKey)?;
    // RFC 5280 §4.2.1.9: keyCertSign MUST NOT be asserted without cA.
    if !c.is_ca() && c.key_usage().is_some_and(|u| u.contains(KeyUsage::KEY_CERT_SIGN)) {
        return Err(Refusal::Malformed("keyCertSign without cA"));
    }
    // RFC 5280 §4.2.1.1: keyIdentifier MUST be included except in self-signed CA certificates.
    if c.authority_key_identifier().is_none() && !c.is_self_issued() {
        return Err(Refusal::Malformed("no authorityKeyIdentifier"));
    }
    if options.purpose.allows(c) { Ok(()) } else { Err(Refusal::KeyUsage) }
}

/// A certificate that issued another, below which `cas` CAs already stand in the path.
pub(super) fn issuer(
    c: &Certificate,
    cas: usize,
    is_anchor: bool,
    options: &Options<'_>,
) -> Result<(), Refusal> {
    every(c, options)?;
    // Roots with serial number 0 are in use; nobody looks a root up in a list.
    if !is_anchor {
        serial_number(c)?;
    }
    // RFC 5280 §6.1.4 (k): basicConstraints present with cA; §4.2.1.9: critical.
    let constraints = c.basic_constraints().filter(|b| b.ca).ok_or(Refusal::NotCa)?;
    if c.extension(oid::BASIC_CONSTRAINTS).is_some_and(|e| !e.critical) {
        return Err(Refusal::Malformed("basicConstraints of a CA not critical"));
    }
    // RFC 5280 §6.1.4 (n): keyCertSign if keyUsage is present.
    if c.key_usage().is_some_and(|u| !u.contains(KeyUsage::KEY_CERT_SIGN)) {
        return Err(Refusal::KeyUsage);
    }
    if constraints.path_len.is_some_and(|max| cas > max as usize) {
        return Err(Refusal::PathLength);
    }
    // RFC 5280 §4.2.1.2: MUST appear in all CA certificates.
    if c.subject_key_identifier().is_none() {
        return Err(Refusal::Malformed("CA without subjectKeyIdentifier"));
    }
    if c.authority_key_identifier().is_none() && !c.is_self_issued() {
        return Err(Refusal::Malformed("no authorityKeyIdentifier"));
    }
    // RFC 5280 §4.1.2.6: a CA has a name.
    if c.subject_name().map_or(true, |n| n.is_empty()) {
        return Err(Refusal::Malformed("CA without a name"));
    }
    Ok(())
}

// RFC 5280 §4.1.2.2: positive, at most 20 octets.
fn serial_number(c: &Certificate) -> Result<(), Refusal> {
    c.serial().map(|_| ()).map_err(|_| Refusal::Malformed("serial number"))
}

fn every(c: &Certificate, options: &Options<'_>) -> Result<(), Refusal> {
    if options.now < c.not_before() {
        return Err(Refusal::NotYetValid);
    }
    if !c.validity().contains(options.now) {
        return Err(Refusal::Expired);
    }
    if c.version() != 3 {
        return Err(Refusal::Malformed("not version 3"));
    }
    if c.issuer_name().map_or(true, |n| n.is_empty()) {
        return Err(Refusal::Malformed("empty issuer"));
    }
    for e in c.extensions() {
        match e.oid {
            oid::AUTHORITY_KEY_IDENTIFIER | oid::SUBJECT_KEY_IDENTIFIER | oid::AUTHORITY_INFO_ACCESS
                if e.critical =>
            {
                // RFC 5280 §4.2.1.1, §4.2.1.2, §4.2.2.1: MUST be non-critical.
                return Err(Refusal::Malformed("an extension is critical that must not be"));
            }
            oid::NAME_CONSTRAINTS
            | oid::POLICY_MAPPINGS
            | oid::POLICY_CONSTRAINTS
            | oid::INHIBIT_ANY_POLICY
            | oid::BASIC_CONSTRAINTS
            | oid::KEY_USAGE
            | oid::EXTENDED_KEY_USAGE
            | oid::SUBJECT_ALT_NAME
            | oid::CERTIFICATE_POLICIES
            | oid::CRL_DISTRIBUTION_POINTS => {}
            // RFC 5280 §4.2: MUST reject a critical extension it does not recognise or cannot process.
            _ if e.critical => return Err(Refusal::CriticalExtension(e.oid)),
            _ => {}
        }
    }
    names::inspect(c)?;
    policy::inspect(c)?;
    // RFC 5280 §4.2.1.6: with an empty subject the alternative name is critical.
    let nameless = c.subject_name().map_or(true, |n| n.is_empty());
    if nameless && !c.extension(oid::SUBJECT_ALT_NAME).is_some_and(|e| e.critical) {
        return Err(Refusal::Malformed("empty subject without critical subjectAltName"));
    }
    Ok(())
}
