//! The natural-person certificates: root, issuing CA, the holder's two certificates per key family, OCSP responder.
//!
//! The holder's profile follows the certificates in the field: subject `C, CN, serialNumber`; extensions in the order
//! authorityKeyIdentifier, subjectKeyIdentifier, keyUsage (critical), certificatePolicies, subjectDirectoryAttributes,
//! cRLDistributionPoints (partition first, complete list second), authorityInfoAccess; no extKeyUsage, no
//! basicConstraints, no subjectAltName, no nonRepudiation.

use const_oid::ObjectIdentifier as Oid;
use tlv::oid;

use super::{Fields, Issuer, Kind, check_uri, require_country, self_signed_key};
use crate::certificate::TbsCertificate;
use crate::extension::{self, DirectoryValue, KeyUsage};
use crate::name::is_printable;
use crate::{Error, Name, PublicKey, Serial, SignatureAlgorithm, Validity, key_identifier};

/// Input of [`npc_root`].
#[derive(Debug, Clone)]
pub struct NpcRoot<'a> {
    /// The serial number.
    pub serial: Serial,
    /// Subject and issuer.
    pub subject: &'a Name,
    /// The period.
    pub validity: Validity,
    /// The key, RSA-4096 or elliptic-curve.
    pub spki: &'a [u8],
    /// What it signs with.
    pub algorithm: SignatureAlgorithm,
}

/// A self-signed root.
pub fn npc_root(p: &NpcRoot<'_>) -> Result<TbsCertificate, Error> {
    let key_identifier = self_signed_key(p.spki, p.algorithm)?;
    require_country(p.subject)?;
    let extensions = [
        extension::subject_key_identifier(&key_identifier),
        extension::key_usage(KeyUsage::KEY_CERT_SIGN.and(KeyUsage::CRL_SIGN)),
        extension::basic_constraints_ca(None),
    ];
    let fields = Fields {
        serial: p.serial,
        algorithm: p.algorithm,
        issuer: p.subject,
        validity: p.validity,
        subject: p.subject,
        spki: p.spki,
    };
    Ok(fields.tbs(Kind::NpcRoot, &extensions))
}

/// Input of [`npc_intermediate`].
#[derive(Debug, Clone)]
pub struct NpcIntermediate<'a> {
    /// The serial number.
    pub serial: Serial,
    /// The root.
    pub issuer: &'a Issuer,
    /// The CA's name. All generations may have the same one; the key identifier tells them apart.
    pub subject: &'a Name,
    /// The period.
    pub validity: Validity,
    /// The key.
    pub spki: &'a [u8],
    /// The policy it issues under.
    pub policy: Oid,
    /// Where the root's list of revoked CAs is.
    pub crl_uri: &'a str,
    /// Where the root's certificate is.
    pub ca_issuers_uri: &'a str,
}

/// An issuing CA below the root; no CA below it.
pub fn npc_intermediate(p: &NpcIntermediate<'_>) -> Result<TbsCertificate, Error> {
    p.issuer.must_outlive(&p.validity)?;
    require_country(p.subject)?;
    PublicKey::from_spki(p.spki)?;
    let own = key_identifier(p.spki)?;
    // RFC 5280 §6.1: the same name as the root would make it a self-issued certificate, which no path counts.
    if crate::name::same(p.subject.der(), p.issuer.name().der()) {
        return Err(Error::Profile("the issuing CA has the root's name"));
    }
    check_uri(p.crl_uri)?;
    check_uri(p.ca_issuers_uri)?;
    let extensions = [
        extension::authority_key_identifier(p.issuer.key_identifier()),
        extension::subject_key_identifier(&own),
        extension::key_usage(KeyUsage::KEY_CERT_SIGN.and(KeyUsage::CRL_SIGN)),
        extension::certificate_policies(&[p.policy]),
        extension::basic_constraints_ca(Some(0)),
        extension::crl_distribution_points(&[p.crl_uri]),
        extension::authority_info_access(&[(oid::AD_CA_ISSUERS, p.ca_issuers_uri)]),
    ];
    let fields = Fields {
        serial: p.serial,
        algorithm: p.issuer.algorithm(),
        issuer: p.issuer.name(),
        validity: p.validity,
        subject: p.subject,
        spki: p.spki,
    };
    Ok(fields.tbs(Kind::NpcIntermediate, &extensions))
}

/// Where relying parties find the issuer's certificate and the status of a certificate.
#[derive(Debug, Clone, Copy)]
pub struct StatusLocations<'a> {
    /// The partition of the CRL this certificate belongs to, forever.
    pub partition_crl: &'a str,
    /// The complete CRL without issuingDistributionPoint.
    pub complete_crl: &'a str,
    /// The issuer's certificate.
    pub ca_issuers: &'a str,
    /// The OCSP responder.
    pub ocsp: &'a str,
}

/// Input of [`npc_citizen_signing`] and [`npc_citizen_encryption`].
#[derive(Clone)]
pub struct Citizen<'a> {
    /// The serial number: 128 random bits.
    pub serial: Serial,
    /// The issuing CA.
    pub issuer: &'a Issuer,
    /// The holder's name, Chinese or English.
    pub name: &'a str,
    /// The holder number: 16 digits, not the identification number.
    pub holder_number: &'a str,
    /// The last four characters of the identification number.
    pub id_tail: &'a str,
    /// The serial number of the card.
    pub card_number: &'a str,
    /// HolderRank (正附卡別), where something is to be said of it: `primary`, `secondary`, `mobile`.
    pub holder_rank: Option<&'a str>,
    /// The period; it never ends after the card does.
    pub validity: Validity,
    /// The key from the card's request.
    pub spki: &'a [u8],
    /// The policy.
    pub policy: Oid,
    /// Status and issuer.
    pub locations: StatusLocations<'a>,
}

/// The holder's signature certificate: digitalSignature only.
pub fn npc_citizen_signing(p: &Citizen<'_>) -> Result<TbsCertificate, Error> {
    citizen(p, Kind::NpcCitizenSigning, |_| KeyUsage::DIGITAL_SIGNATURE)
}

/// The holder's encryption certificate: RSA keyEncipherment and dataEncipherment, elliptic-curve keyAgreement.
pub fn npc_citizen_encryption(p: &Citizen<'_>) -> Result<TbsCertificate, Error> {
    citizen(p, Kind::NpcCitizenEncryption, |key| {
        if key.is_rsa() {
            KeyUsage::KEY_ENCIPHERMENT.and(KeyUsage::DATA_ENCIPHERMENT)
        } else {
            // RFC 5480 §3: an id-ecPublicKey of an encryption certificate agrees keys.
            KeyUsage::KEY_AGREEMENT
        }
    })
}

fn citizen(p: &Citizen<'_>, kind: Kind, usage: fn(&PublicKey) -> KeyUsage) -> Result<TbsCertificate, Error> {
    p.issuer.must_outlive(&p.validity)?;
    let key = PublicKey::from_spki(p.spki)?;
    if p.holder_number.len() != 16 || !p.holder_number.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Error::Profile("the holder number is 16 digits"));
    }
    if p.id_tail.len() != 4 || !p.id_tail.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(Error::Profile("the tail of the identification number is four characters"));
    }
    if p.card_number.is_empty() || !is_printable(p.card_number) {
        return Err(Error::Profile("the card number is not printable"));
    }
    if p.holder_rank.is_some_and(|rank| !["primary", "secondary", "mobile"].contains(&rank)) {
        return Err(Error::Profile("the rank of a holder is primary, secondary or mobile"));
    }
    if p.serial.octets().len() != 16 {
        return Err(Error::Profile("the serial number has not 16 octets"));
    }
    let at = &p.locations;
    for uri in [at.partition_crl, at.complete_crl, at.ca_issuers, at.ocsp] {
        check_uri(uri)?;
    }
    let country = require_country(p.issuer.name())?;
    let subject =
        Name::builder().country(country).common_name(p.name).serial_number(p.holder_number).build()?;
    let mut attributes = vec![
        (oid::GPKI_SUBJECT_TYPE, DirectoryValue::Oid(oid::GPKI_NATURAL_PERSON)),
        (oid::GPKI_TAIL_OF_CITIZEN_ID, DirectoryValue::Utf8(p.id_tail.to_owned())),
        (oid::GPKI_CARD_NUMBER, DirectoryValue::Printable(p.card_number.to_owned())),
    ];
    if let Some(rank) = p.holder_rank {
        attributes.insert(1, (oid::GPKI_HOLDER_RANK, DirectoryValue::Printable(rank.to_owned())));
    }
    let extensions = [
        extension::authority_key_identifier(p.issuer.key_identifier()),
        extension::subject_key_identifier(&key_identifier(p.spki)?),
        extension::key_usage(usage(&key)),
        extension::certificate_policies(&[p.policy]),
        extension::subject_directory_attributes(&attributes),
        extension::crl_distribution_points(&[at.partition_crl, at.complete_crl]),
        extension::authority_info_access(&[(oid::AD_CA_ISSUERS, at.ca_issuers), (oid::AD_OCSP, at.ocsp)]),
    ];
    let fields = Fields {
        serial: p.serial,
        algorithm: p.issuer.algorithm(),
        issuer: p.issuer.name(),
        validity: p.validity,
        subject: &subject,
        spki: p.spki,
    };
    Ok(fields.tbs(kind, &extensions))
}

/// Input of [`timestamp_authority`], [`status_signer`] and [`cmp_signer`].
#[derive(Debug, Clone)]
pub struct StatusService<'a> {
    /// The serial number.
    pub serial: Serial,
    /// The CA.
    pub issuer: &'a Issuer,
    /// The service's name.
    pub subject: &'a Name,
    /// The period.
    pub validity: Validity,
    /// The key.
    pub spki: &'a [u8],
    /// The policy.
    pub policy: Oid,
    /// Status and issuer; the complete list alone is named.
    pub locations: StatusLocations<'a>,
}

/// A time stamping authority: extKeyUsage critical with id-kp-timeStamping alone (RFC 3161 §2.3).
pub fn timestamp_authority(p: &StatusService<'_>) -> Result<TbsCertificate, Error> {
    status_service(p, Kind::TimestampAuthority, &[oid::KP_TIME_STAMPING])
}

/// The signer of revocation filters and card status lists: extKeyUsage critical with a purpose of its own, so that its
/// signature is good for nothing else.
pub fn status_signer(p: &StatusService<'_>) -> Result<TbsCertificate, Error> {
    status_service(p, Kind::StatusSigner, &[oid::KP_STATUS_SIGNING])
}

/// The signer of the CA's answers to registration authorities: extKeyUsage critical with id-kp-cmcCA alone, so that the
/// CA's own key signs no message (NPC-06).
pub fn cmp_signer(p: &StatusService<'_>) -> Result<TbsCertificate, Error> {
    status_service(p, Kind::CmpSigner, &[oid::KP_CMC_CA])
}

fn status_service(p: &StatusService<'_>, kind: Kind, purposes: &[Oid]) -> Result<TbsCertificate, Error> {
    p.issuer.must_outlive(&p.validity)?;
    require_country(p.subject)?;
    PublicKey::from_spki(p.spki)?;
    let at = &p.locations;
    for uri in [at.complete_crl, at.ca_issuers, at.ocsp] {
        check_uri(uri)?;
    }
    let extensions = [
        extension::authority_key_identifier(p.issuer.key_identifier()),
        extension::subject_key_identifier(&key_identifier(p.spki)?),
        extension::key_usage(KeyUsage::DIGITAL_SIGNATURE),
        extension::extended_key_usage(purposes, true),
        extension::certificate_policies(&[p.policy]),
        extension::crl_distribution_points(&[at.complete_crl]),
        extension::authority_info_access(&[(oid::AD_CA_ISSUERS, at.ca_issuers), (oid::AD_OCSP, at.ocsp)]),
    ];
    let fields = Fields {
        serial: p.serial,
        algorithm: p.issuer.algorithm(),
        issuer: p.issuer.name(),
        validity: p.validity,
        subject: p.subject,
        spki: p.spki,
    };
    Ok(fields.tbs(kind, &extensions))
}

/// Input of [`ocsp_responder`].
#[derive(Debug, Clone)]
pub struct OcspResponder<'a> {
    /// The serial number.
    pub serial: Serial,
    /// The CA whose certificates it answers for.
    pub issuer: &'a Issuer,
    /// The responder's name.
    pub subject: &'a Name,
    /// The period, short because the certificate is not checked for revocation.
    pub validity: Validity,
    /// The key.
    pub spki: &'a [u8],
}

/// A delegated OCSP responder, not checked for revocation itself (id-pkix-ocsp-nocheck).
pub fn ocsp_responder(p: &OcspResponder<'_>) -> Result<TbsCertificate, Error> {
    p.issuer.must_outlive(&p.validity)?;
    require_country(p.subject)?;
    PublicKey::from_spki(p.spki)?;
    let extensions = [
        extension::authority_key_identifier(p.issuer.key_identifier()),
        extension::subject_key_identifier(&key_identifier(p.spki)?),
        extension::key_usage(KeyUsage::DIGITAL_SIGNATURE),
        // RFC 6960 §4.2.2.2: id-kp-OCSPSigning in a certificate issued directly by the CA.
        extension::extended_key_usage(&[oid::KP_OCSP_SIGNING], false),
        extension::ocsp_nocheck(),
    ];
    let fields = Fields {
        serial: p.serial,
        algorithm: p.issuer.algorithm(),
        issuer: p.issuer.name(),
        validity: p.validity,
        subject: p.subject,
        spki: p.spki,
    };
    Ok(fields.tbs(Kind::OcspResponder, &extensions))
}
