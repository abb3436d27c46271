//! The rules a finished certificate must keep, checked on its bytes and not on the input it was made from.
//!
//! RFC 5280 MUSTs first, then those of the profile. A finding stops the signature.

use std::fmt;

use const_oid::ObjectIdentifier as Oid;
use tlv::oid;

use super::{Certificate, Kind};
use crate::extension::KeyUsage;
use crate::{PublicKey, key_identifier, name};

/// A broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The section of the standard.
    pub rule: &'static str,
    /// What is wrong.
    pub what: &'static str,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.what)
    }
}

struct Findings(Vec<Finding>);

impl Findings {
    fn require(&mut self, holds: bool, rule: &'static str, what: &'static str) {
        if !holds {
            self.0.push(Finding { rule, what });
        }
    }
}

/// All broken rules of a certificate that claims to be of `kind`.
pub fn inspect(c: &Certificate, kind: Kind) -> Vec<Finding> {
    let mut findings = Findings(Vec::new());
    rfc_5280(c, kind, &mut findings);
    profile(c, kind, &mut findings);
    findings.0
}

fn rfc_5280(c: &Certificate, kind: Kind, f: &mut Findings) {
    let ca = kind.is_ca();
    f.require(c.version() == 3, "RFC 5280 §4.1.2.1", "version is not 3");
    f.require(c.serial().is_ok(), "RFC 5280 §4.1.2.2", "serial number is not positive or too long");
    f.require(
        c.signature_algorithm().is_some(),
        "RFC 5280 §4.1.1.2",
        "signature algorithm is not one of ours",
    );
    f.require(c.issuer_name().is_ok_and(|n| !n.is_empty()), "RFC 5280 §4.1.2.4", "issuer is empty");
    f.require(c.subject_name().is_ok_and(|n| !n.is_empty()), "RFC 5280 §4.1.2.6", "subject is empty");
    f.require(c.not_before() <= c.not_after(), "RFC 5280 §4.1.2.5", "notAfter lies before notBefore");
    f.require(
        PublicKey::from_spki(c.spki()).is_ok(),
        "RFC 5280 §4.1.2.7",
        "the public key is no key of ours",
    );
    // A foreign root's identifier is made as that root made it.
    let identified = match kind {
        Kind::NpcCross => c.subject_key_identifier().is_some(),
        _ => c.subject_key_identifier() == key_identifier(c.spki()).ok().as_deref(),
    };
    f.require(identified, "RFC 5280 §4.2.1.2", "subjectKeyIdentifier is missing or is not of this key");
    let self_issued = name::same(c.issuer(), c.subject());
    f.require(
        c.authority_key_identifier().is_some() || (self_issued && ca),
        "RFC 5280 §4.2.1.1",
        "authorityKeyIdentifier is missing",
    );
    let usage = c.key_usage().unwrap_or_default();
    f.require(!usage.is_empty(), "RFC 5280 §4.2.1.3", "keyUsage is missing");
    f.require(c.is_ca() == ca, "RFC 5280 §4.2.1.9", "basicConstraints does not fit the profile");
    f.require(
        usage.contains(KeyUsage::KEY_CERT_SIGN) == ca,
        "RFC 5280 §4.2.1.3",
        "keyCertSign does not fit basicConstraints",
    );
    for (oid, critical, rule) in [
        (oid::AUTHORITY_KEY_IDENTIFIER, false, "RFC 5280 §4.2.1.1"),
        (oid::SUBJECT_KEY_IDENTIFIER, false, "RFC 5280 §4.2.1.2"),
        (oid::KEY_USAGE, true, "RFC 5280 §4.2.1.3"),
        (oid::SUBJECT_DIRECTORY_ATTRIBUTES, false, "RFC 5280 §4.2.1.8"),
        (oid::BASIC_CONSTRAINTS, true, "RFC 5280 §4.2.1.9"),
        (oid::NAME_CONSTRAINTS, true, "RFC 5280 §4.2.1.10"),
        (oid::POLICY_CONSTRAINTS, true, "RFC 5280 §4.2.1.11"),
        (oid::INHIBIT_ANY_POLICY, true, "RFC 5280 §4.2.1.14"),
        (oid::CRL_DISTRIBUTION_POINTS, false, "RFC 5280 §4.2.1.13"),
        (oid::AUTHORITY_INFO_ACCESS, false, "RFC 5280 §4.2.2.1"),
        (oid::PRIVATE_KEY_USAGE_PERIOD, false, "RFC 3280 §4.2.1.4"),
    ] {
        let fits = c.extension(oid).is_none_or(|e| e.critical == critical);
        f.require(fits, rule, "an extension has the wrong criticality");
    }
}

fn profile(c: &Certificate, kind: Kind, f: &mut Findings) {
    let usage = c.key_usage().unwrap_or_default();
    let order: Vec<Oid> = c.extensions().map(|e| e.oid).collect();
    let ca_usage = KeyUsage::KEY_CERT_SIGN.and(KeyUsage::CRL_SIGN);
    let path_len = c.basic_constraints().and_then(|b| b.path_len);
    let countries =
        || Some((c.issuer_name().ok()?.country()?.to_owned(), c.subject_name().ok()?.country()?.to_owned()));
    match kind {
        Kind::CscaRoot | Kind::CscaLink => {
            let rule = "ICAO Doc 9303-12 §7.1 table 6 (CSCA)";
            f.require(usage == ca_usage, rule, "keyUsage is not keyCertSign and cRLSign");
            f.require(path_len == Some(0), rule, "pathLenConstraint is not 0");
            f.require(order == CSCA, rule, "extensions are not those of the profile");
            f.require(countries().is_some_and(|(i, s)| i == s), rule, "countries differ");
            f.require(name::same(c.issuer(), c.subject()), rule, "issuer and subject differ");
            let own = c.authority_key_identifier() == c.subject_key_identifier();
            let what = "the key identifiers are not those of a root, or of a link";
            f.require(own == (kind == Kind::CscaRoot), rule, what);
        }
        Kind::DocumentSigner | Kind::MasterListSigner | Kind::FileSigner => {
            let (rule, extensions, purpose) = match kind {
                Kind::DocumentSigner => {
                    ("ICAO Doc 9303-12 §7.1 table 6 (document signer)", DOCUMENT_SIGNER, None)
                }
                Kind::MasterListSigner => (
                    "ICAO Doc 9303-12 §7.1 table 6 (master list signer)",
                    DELEGATE,
                    Some(oid::MASTER_LIST_SIGNING),
                ),
                _ => ("RFC 9336 §3", DELEGATE, Some(oid::KP_DOCUMENT_SIGNING)),
            };
            f.require(usage == KeyUsage::DIGITAL_SIGNATURE, rule, "keyUsage is not digitalSignature only");
            f.require(order == extensions, rule, "extensions are not those of the profile");
            f.require(countries().is_some_and(|(i, s)| i == s), rule, "countries differ");
            f.require(
                c.extended_key_usage() == purpose.as_slice(),
                rule,
                "extKeyUsage is not that of the profile",
            );
            let critical = c.extension(oid::EXTENDED_KEY_USAGE).is_none_or(|e| e.critical);
            f.require(critical, rule, "extKeyUsage is not critical");
            let (from, to) = c.private_key_usage_period();
            f.require(from.is_some() || to.is_some(), rule, "privateKeyUsagePeriod has no end");
        }
        Kind::NpcRoot => {
            let rule = "profile of the natural-person root";
            f.require(usage == ca_usage, rule, "keyUsage is not keyCertSign and cRLSign");
            f.require(order == NPC_ROOT, rule, "extensions are not those of the profile");
            f.require(name::same(c.issuer(), c.subject()), rule, "not self-issued");
        }
        Kind::NpcIntermediate => {
            let rule = "profile of the natural-person issuing CA";
            f.require(usage == ca_usage, rule, "keyUsage is not keyCertSign and cRLSign");
            f.require(path_len == Some(0), rule, "pathLenConstraint is not 0");
            f.require(order == NPC_INTERMEDIATE, rule, "extensions are not those of the profile");
        }
        Kind::NpcRootLink => {
            let rule = "RFC 9810 §4.4";
            f.require(usage == ca_usage, rule, "keyUsage is not keyCertSign and cRLSign");
            f.require(path_len.is_none(), rule, "a root's link has a pathLenConstraint");
            f.require(order == NPC_INTERMEDIATE, rule, "extensions are not those of the profile");
            f.require(c.issuer() == c.subject(), rule, "not self-issued");
            f.require(c.certificate_policies() == [oid::ANY_POLICY], rule, "the policy is not anyPolicy");
            let own = c.authority_key_identifier() == c.subject_key_identifier();
            f.require(!own, rule, "a link leads to another key");
        }
        Kind::NpcCross => {
            let rule = "profile of cross certificates";
            f.require(usage == ca_usage, rule, "keyUsage is not keyCertSign and cRLSign");
            f.require(path_len.is_some(), rule, "no pathLenConstraint");
            f.require(!name::same(c.issuer(), c.subject()), rule, "self-issued");
            f.require(c.certificate_policies().len() == 1, rule, "not exactly one policy");
            let unmapped: Vec<Oid> = order.iter().copied().filter(|o| *o != oid::POLICY_MAPPINGS).collect();
            f.require(unmapped == NPC_CROSS, rule, "extensions are not those of the profile");
        }
        Kind::NpcCitizenSigning | Kind::NpcCitizenEncryption => {
            let rule = "GPKI profile of natural persons";
            let encryption = KeyUsage::KEY_ENCIPHERMENT.and(KeyUsage::DATA_ENCIPHERMENT);
            let rsa = PublicKey::from_spki(c.spki()).is_ok_and(|k| k.is_rsa());
            let wanted = match (kind, rsa) {
                (Kind::NpcCitizenSigning, _) => KeyUsage::DIGITAL_SIGNATURE,
                (_, true) => encryption,
                (_, false) => KeyUsage::KEY_AGREEMENT,
            };
            f.require(usage == wanted, rule, "keyUsage does not fit the certificate's purpose");
            f.require(order == CITIZEN, rule, "extensions are not those of the profile");
            f.require(c.certificate_policies().len() == 1, rule, "not exactly one policy");
            f.require(c.crl_distribution_points().len() == 2, rule, "not exactly two distribution points");
            f.require(c.access_location(oid::AD_OCSP).is_some(), rule, "no OCSP location");
            f.require(c.access_location(oid::AD_CA_ISSUERS).is_some(), rule, "no caIssuers location");
            let types: Vec<Oid> =
                c.subject_name().map(|n| n.attributes().iter().map(|a| a.oid).collect()).unwrap_or_default();
            let subject = [oid::COUNTRY, oid::COMMON_NAME, oid::SERIAL_NUMBER];
            f.require(types == subject, rule, "the subject is not C, CN, serialNumber");
            let tail = c.directory_attribute(oid::GPKI_TAIL_OF_CITIZEN_ID);
            f.require(tail.is_some_and(|t| t.len() == 4), rule, "the tail is not four characters");
            f.require(c.serial_octets().len() == 16, rule, "the serial number has not 16 octets");
        }
        Kind::OcspResponder => {
            let rule = "RFC 6960 §4.2.2.2";
            f.require(usage == KeyUsage::DIGITAL_SIGNATURE, rule, "keyUsage is not digitalSignature only");
            f.require(
                c.extended_key_usage() == [oid::KP_OCSP_SIGNING],
                rule,
                "extKeyUsage is not OCSPSigning",
            );
            f.require(order == OCSP_RESPONDER, rule, "extensions are not those of the profile");
        }
        Kind::TimestampAuthority | Kind::StatusSigner | Kind::CmpSigner => {
            let (rule, purpose) = match kind {
                Kind::TimestampAuthority => ("RFC 3161 §2.3", oid::KP_TIME_STAMPING),
                Kind::CmpSigner => ("RFC 9810 §4.5", oid::KP_CMC_CA),
                _ => ("profile of the status signer", oid::KP_STATUS_SIGNING),
            };
            f.require(usage == KeyUsage::DIGITAL_SIGNATURE, rule, "keyUsage is not digitalSignature only");
            f.require(c.extended_key_usage() == [purpose], rule, "extKeyUsage is not the one purpose");
            let critical = c.extension(oid::EXTENDED_KEY_USAGE).is_some_and(|e| e.critical);
            f.require(critical, rule, "extKeyUsage is not critical");
            f.require(order == STATUS_SERVICE, rule, "extensions are not those of the profile");
        }
    }
}

const CSCA: [Oid; 8] = [
    oid::AUTHORITY_KEY_IDENTIFIER,
    oid::SUBJECT_KEY_IDENTIFIER,
    oid::KEY_USAGE,
    oid::PRIVATE_KEY_USAGE_PERIOD,
    oid::SUBJECT_ALT_NAME,
    oid::ISSUER_ALT_NAME,
    oid::BASIC_CONSTRAINTS,
    oid::CRL_DISTRIBUTION_POINTS,
];
const DOCUMENT_SIGNER: [Oid; 8] = [
    oid::AUTHORITY_KEY_IDENTIFIER,
    oid::SUBJECT_KEY_IDENTIFIER,
    oid::KEY_USAGE,
    oid::PRIVATE_KEY_USAGE_PERIOD,
    oid::SUBJECT_ALT_NAME,
    oid::ISSUER_ALT_NAME,
    oid::CRL_DISTRIBUTION_POINTS,
    oid::DOCUMENT_TYPE_LIST,
];
const DELEGATE: [Oid; 8] = [
    oid::AUTHORITY_KEY_IDENTIFIER,
    oid::SUBJECT_KEY_IDENTIFIER,
    oid::KEY_USAGE,
    oid::PRIVATE_KEY_USAGE_PERIOD,
    oid::SUBJECT_ALT_NAME,
    oid::ISSUER_ALT_NAME,
    oid::CRL_DISTRIBUTION_POINTS,
    oid::EXTENDED_KEY_USAGE,
];
const NPC_ROOT: [Oid; 3] = [oid::SUBJECT_KEY_IDENTIFIER, oid::KEY_USAGE, oid::BASIC_CONSTRAINTS];
const NPC_INTERMEDIATE: [Oid; 7] = [
    oid::AUTHORITY_KEY_IDENTIFIER,
    oid::SUBJECT_KEY_IDENTIFIER,
    oid::KEY_USAGE,
    oid::CERTIFICATE_POLICIES,
    oid::BASIC_CONSTRAINTS,
    oid::CRL_DISTRIBUTION_POINTS,
    oid::AUTHORITY_INFO_ACCESS,
];
// Without policyMappings, which stands behind certificatePolicies where the other's policy is not ours.
const NPC_CROSS: [Oid; 10] = [
    oid::AUTHORITY_KEY_IDENTIFIER,
    oid::SUBJECT_KEY_IDENTIFIER,
    oid::KEY_USAGE,
    oid::CERTIFICATE_POLICIES,
    oid::BASIC_CONSTRAINTS,
    oid::NAME_CONSTRAINTS,
    oid::POLICY_CONSTRAINTS,
    oid::CRL_DISTRIBUTION_POINTS,
    oid::INHIBIT_ANY_POLICY,
    oid::AUTHORITY_INFO_ACCESS,
];
const CITIZEN: [Oid; 7] = [
    oid::AUTHORITY_KEY_IDENTIFIER,
    oid::SUBJECT_KEY_IDENTIFIER,
    oid::KEY_USAGE,
    oid::CERTIFICATE_POLICIES,
    oid::SUBJECT_DIRECTORY_ATTRIBUTES,
    oid::CRL_DISTRIBUTION_POINTS,
    oid::AUTHORITY_INFO_ACCESS,
];
const OCSP_RESPONDER: [Oid; 5] = [
    oid::AUTHORITY_KEY_IDENTIFIER,
    oid::SUBJECT_KEY_IDENTIFIER,
    oid::KEY_USAGE,
    oid::EXTENDED_KEY_USAGE,
    oid::OCSP_NOCHECK,
];
const STATUS_SERVICE: [Oid; 7] = [
    oid::AUTHORITY_KEY_IDENTIFIER,
    oid::SUBJECT_KEY_IDENTIFIER,
    oid::KEY_USAGE,
    oid::EXTENDED_KEY_USAGE,
    oid::CERTIFICATE_POLICIES,
    oid::CRL_DISTRIBUTION_POINTS,
    oid::AUTHORITY_INFO_ACCESS,
];
