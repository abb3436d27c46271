//! What leads from one root to another: link certificates between the roots of one name (RFC 9810 §4.4), and cross
//! certificates for the roots of others (RFC 5280 §3.2).
//!
//! A link is self-issued: it has the root's name twice, one root's key and another root's signature, and no path counts it.
//! A cross certificate is never without limits: a length, the names that may stand below it, and the policies that count.

use const_oid::ObjectIdentifier as Oid;
use tlv::oid;

use super::{Fields, Issuer, Kind, check_uri, require_country};
use crate::certificate::TbsCertificate;
use crate::extension::{self, KeyUsage};
use crate::{Certificate, Error, Name, PublicKey, Serial, Validity, key_identifier, name};

/// Input of [`npc_root_link`].
#[derive(Debug, Clone)]
pub struct NpcRootLink<'a> {
    /// The serial number.
    pub serial: Serial,
    /// The root that signs.
    pub issuer: &'a Issuer,
    /// The root whose key is certified; of the same name.
    pub subject: &'a Certificate,
    /// The period, within those of both roots.
    pub validity: Validity,
    /// Where the signing root's list of revoked CAs is.
    pub crl_uri: &'a str,
    /// Where the signing root's certificate is.
    pub ca_issuers_uri: &'a str,
}

/// A link from one root to another of the same name: the new key signed with the old one, or the old key with the new.
pub fn npc_root_link(p: &NpcRootLink<'_>) -> Result<TbsCertificate, Error> {
    p.issuer.must_outlive(&p.validity)?;
    if !p.subject.validity().encloses(&p.validity) {
        return Err(Error::Profile("the period does not lie within that of the linked root"));
    }
    // RFC 9810 §4.4: issuer and subject are the same CA.
    if !name::same(p.subject.subject(), p.issuer.name().der()) {
        return Err(Error::Profile("a link leads to a root of the same name"));
    }
    let own = key_identifier(p.subject.spki())?;
    if own == p.issuer.key_identifier() {
        return Err(Error::Profile("a link leads to another key"));
    }
    check_uri(p.crl_uri)?;
    check_uri(p.ca_issuers_uri)?;
    let extensions = [
        extension::authority_key_identifier(p.issuer.key_identifier()),
        extension::subject_key_identifier(&own),
        extension::key_usage(KeyUsage::KEY_CERT_SIGN.and(KeyUsage::CRL_SIGN)),
        // RFC 5280 §6.1.3 (d)(2): a self-issued certificate may let every policy through.
        extension::certificate_policies(&[oid::ANY_POLICY]),
        extension::basic_constraints_ca(None),
        extension::crl_distribution_points(&[p.crl_uri]),
        extension::authority_info_access(&[(oid::AD_CA_ISSUERS, p.ca_issuers_uri)]),
    ];
    let fields = Fields {
        serial: p.serial,
        algorithm: p.issuer.algorithm(),
        issuer: p.issuer.name(),
        validity: p.validity,
        // Byte for byte the issuer's, as quick readers compare.
        subject: p.issuer.name(),
        spki: p.subject.spki(),
    };
    Ok(fields.tbs(Kind::NpcRootLink, &extensions))
}

/// Input of [`npc_cross`].
#[derive(Debug, Clone)]
pub struct NpcCross<'a> {
    /// The serial number.
    pub serial: Serial,
    /// The root that signs.
    pub issuer: &'a Issuer,
    /// The foreign root's own certificate.
    pub subject: &'a Certificate,
    /// The period, within those of both roots.
    pub validity: Validity,
    /// How many CAs may follow the foreign root.
    pub path_len: u32,
    /// Below which names everything issued there must lie; at least one.
    pub permitted: &'a [Name],
    /// The policy of ours, and the policy of theirs that counts as it.
    pub policies: (Oid, Oid),
    /// Where the signing root's list of revoked CAs is.
    pub crl_uri: &'a str,
    /// Where the signing root's certificate is.
    pub ca_issuers_uri: &'a str,
}

/// A certificate for the root of somebody else, with limits.
pub fn npc_cross(p: &NpcCross<'_>) -> Result<TbsCertificate, Error> {
    p.issuer.must_outlive(&p.validity)?;
    if !p.subject.validity().encloses(&p.validity) {
        return Err(Error::Profile("the period does not lie within that of the foreign root"));
    }
    let subject = p.subject.subject_name()?;
    require_country(&subject)?;
    PublicKey::from_spki(p.subject.spki())?;
    if !p.subject.is_ca() || !p.subject.is_self_issued() {
        return Err(Error::Profile("a cross certificate is for a root"));
    }
    if name::same(subject.der(), p.issuer.name().der()) {
        return Err(Error::Profile("a root of our own name is linked, not cross-certified"));
    }
    // What the foreign root issued names it by its own identifier, however that was made.
    let own = p
        .subject
        .subject_key_identifier()
        .ok_or(Error::Profile("the foreign root has no subjectKeyIdentifier"))?;
    if p.permitted.is_empty() || p.permitted.iter().any(Name::is_empty) {
        return Err(Error::Profile("a cross certificate names what may stand below it"));
    }
    let (ours, theirs) = p.policies;
    // RFC 5280 §4.2.1.5: policies are not mapped to or from anyPolicy.
    if [ours, theirs].contains(&oid::ANY_POLICY) {
        return Err(Error::Profile("anyPolicy is not mapped"));
    }
    check_uri(p.crl_uri)?;
    check_uri(p.ca_issuers_uri)?;
    let mut extensions = vec![
        extension::authority_key_identifier(p.issuer.key_identifier()),
        extension::subject_key_identifier(own),
        extension::key_usage(KeyUsage::KEY_CERT_SIGN.and(KeyUsage::CRL_SIGN)),
        extension::certificate_policies(&[ours]),
    ];
    if ours != theirs {
        extensions.push(extension::policy_mappings(&[(ours, theirs)]));
    }
    extensions.extend([
        extension::basic_constraints_ca(Some(p.path_len)),
        extension::permitted_directory_subtrees(p.permitted),
        extension::policy_constraints_strict(),
        extension::crl_distribution_points(&[p.crl_uri]),
        extension::inhibit_any_policy(),
        extension::authority_info_access(&[(oid::AD_CA_ISSUERS, p.ca_issuers_uri)]),
    ]);
    let fields = Fields {
        serial: p.serial,
        algorithm: p.issuer.algorithm(),
        issuer: p.issuer.name(),
        validity: p.validity,
        subject: &subject,
        spki: p.subject.spki(),
    };
    Ok(fields.tbs(Kind::NpcCross, &extensions))
}
