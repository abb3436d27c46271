//! Country signing CA and document signers, ICAO Doc 9303-12 (8th edition) §7.1, tables 5 and 6.

use tlv::oid;

use super::{Fields, Issuer, Kind, check_uri, require_country, self_signed_key};
use crate::certificate::TbsCertificate;
use crate::extension::{self, GeneralName, KeyUsage};
use crate::name::is_printable;
use crate::{Error, Name, PublicKey, Serial, SignatureAlgorithm, Validity, key_identifier};

/// What the alternative names and distribution points of an issuing country say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// The ICAO country code as in the MRZ, three upper-case letters: `TWN`.
    pub icao_country: String,
    /// Where to write to: a mail address, or a host name or URI.
    pub contact: String,
    /// Where the CRL is.
    pub crl_uri: String,
}

impl Authority {
    // ICAO Doc 9303-12 §7.1.1: the alternative names carry contact information and a directory name whose locality is
    // the ICAO country code.
    fn names(&self) -> Result<Vec<GeneralName>, Error> {
        if self.icao_country.len() != 3 || !self.icao_country.bytes().all(|b| b.is_ascii_uppercase()) {
            return Err(Error::Profile("the ICAO country code is three upper-case letters"));
        }
        if self.contact.is_empty() || !self.contact.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Error::Profile("the contact is not ASCII"));
        }
        let contact = if self.contact.contains("://") {
            GeneralName::Uri(self.contact.clone())
        } else if self.contact.contains('@') {
            GeneralName::Email(self.contact.clone())
        } else {
            GeneralName::Dns(self.contact.clone())
        };
        Ok(vec![contact, GeneralName::Directory(Name::builder().locality(&self.icao_country).build()?)])
    }
}

/// Input of [`csca_root`].
#[derive(Debug, Clone)]
pub struct CscaRoot<'a> {
    /// The serial number.
    pub serial: Serial,
    /// Subject and issuer; needs country and common name.
    pub subject: &'a Name,
    /// When documents signed below it can be verified.
    pub validity: Validity,
    /// When the private key is used.
    pub private_key_usage: Validity,
    /// The key.
    pub spki: &'a [u8],
    /// What it signs with.
    pub algorithm: SignatureAlgorithm,
    /// Contact and CRL.
    pub authority: &'a Authority,
}

/// A self-signed country signing CA certificate.
pub fn csca_root(p: &CscaRoot<'_>) -> Result<TbsCertificate, Error> {
    let key_identifier = self_signed_key(p.spki, p.algorithm)?;
    csca_subject(p.subject)?;
    key_period(&p.private_key_usage, &p.validity)?;
    let extensions = csca_extensions(&key_identifier, &key_identifier, &p.private_key_usage, p.authority)?;
    let fields = Fields {
        serial: p.serial,
        algorithm: p.algorithm,
        issuer: p.subject,
        validity: p.validity,
        subject: p.subject,
        spki: p.spki,
    };
    Ok(fields.tbs(Kind::CscaRoot, &extensions))
}

/// Input of [`csca_link`].
#[derive(Debug, Clone)]
pub struct CscaLink<'a> {
    /// The serial number.
    pub serial: Serial,
    /// The old CSCA, which signs.
    pub issuer: &'a Issuer,
    /// When documents signed below the new key can be verified through the old one.
    pub validity: Validity,
    /// When the new private key is used.
    pub private_key_usage: Validity,
    /// The new key.
    pub spki: &'a [u8],
    /// Contact and CRL.
    pub authority: &'a Authority,
}

/// A link certificate: the new CSCA key, certified by the old one, under the same name.
pub fn csca_link(p: &CscaLink<'_>) -> Result<TbsCertificate, Error> {
    p.issuer.must_outlive(&p.validity)?;
    key_period(&p.private_key_usage, &p.validity)?;
    PublicKey::from_spki(p.spki)?;
    let own = key_identifier(p.spki)?;
    if own == p.issuer.key_identifier() {
        return Err(Error::Profile("a link certificate is for a new key"));
    }
    let extensions = csca_extensions(p.issuer.key_identifier(), &own, &p.private_key_usage, p.authority)?;
    let fields = Fields {
        serial: p.serial,
        algorithm: p.issuer.algorithm(),
        issuer: p.issuer.name(),
        validity: p.validity,
        subject: p.issuer.name(),
        spki: p.spki,
    };
    Ok(fields.tbs(Kind::CscaLink, &extensions))
}

/// Input of [`document_signer`].
#[derive(Debug, Clone)]
pub struct DocumentSigner<'a> {
    /// The serial number.
    pub serial: Serial,
    /// The CSCA.
    pub issuer: &'a Issuer,
    /// Needs the issuer's country and a common name.
    pub subject: &'a Name,
    /// When documents it signed can be verified.
    pub validity: Validity,
    /// When the private key is used.
    pub private_key_usage: Validity,
    /// The key.
    pub spki: &'a [u8],
    /// The document types of the MRZ it signs for: one or two characters each.
    pub document_types: &'a [&'a str],
    /// Contact and CRL.
    pub authority: &'a Authority,
}

/// A document signer certificate.
pub fn document_signer(p: &DocumentSigner<'_>) -> Result<TbsCertificate, Error> {
    let well_formed = |t: &&str| matches!(t.len(), 1 | 2) && is_printable(t);
    if p.document_types.is_empty() || !p.document_types.iter().all(well_formed) {
        return Err(Error::Profile("document types are one or two printable characters"));
    }
    let signer = Delegate {
        serial: p.serial,
        issuer: p.issuer,
        subject: p.subject,
        validity: p.validity,
        private_key_usage: p.private_key_usage,
        spki: p.spki,
        authority: p.authority,
    };
    let extensions =
        [&signer_extensions(&signer)?[..], &[extension::document_type_list(p.document_types)]].concat();
    Ok(signer_fields(&signer).tbs(Kind::DocumentSigner, &extensions))
}

/// What every signer below a CSCA has.
fn signer_extensions(p: &Delegate<'_>) -> Result<[Vec<u8>; 7], Error> {
    p.issuer.must_outlive(&p.validity)?;
    key_period(&p.private_key_usage, &p.validity)?;
    PublicKey::from_spki(p.spki)?;
    csca_subject(p.subject)?;
    // ICAO Doc 9303-12 §7.1.1: the country of issuer and subject MUST match, in the same case.
    if p.subject.country() != p.issuer.name().country() {
        return Err(Error::Profile("the signer's country is not its issuer's"));
    }
    check_uri(&p.authority.crl_uri)?;
    let names = p.authority.names()?;
    Ok([
        extension::authority_key_identifier(p.issuer.key_identifier()),
        extension::subject_key_identifier(&key_identifier(p.spki)?),
        // Table 6: digitalSignature only, critical.
        extension::key_usage(KeyUsage::DIGITAL_SIGNATURE),
        extension::private_key_usage_period(&p.private_key_usage),
        extension::alternative_name(oid::SUBJECT_ALT_NAME, &names),
        extension::alternative_name(oid::ISSUER_ALT_NAME, &names),
        extension::crl_distribution_points(&[&p.authority.crl_uri]),
    ])
}

fn signer_fields<'a>(p: &Delegate<'a>) -> Fields<'a> {
    Fields {
        serial: p.serial,
        algorithm: p.issuer.algorithm(),
        issuer: p.issuer.name(),
        validity: p.validity,
        subject: p.subject,
        spki: p.spki,
    }
}

/// Input of [`list_signer`] and [`file_signer`].
#[derive(Debug, Clone)]
pub struct Delegate<'a> {
    /// The serial number.
    pub serial: Serial,
    /// The CSCA.
    pub issuer: &'a Issuer,
    /// Needs the issuer's country and a common name.
    pub subject: &'a Name,
    /// When what it signed can be verified.
    pub validity: Validity,
    /// When the private key is used.
    pub private_key_usage: Validity,
    /// The key.
    pub spki: &'a [u8],
    /// Contact and CRL.
    pub authority: &'a Authority,
}

/// A master list signer certificate (ICAO Doc 9303-12 §7.1, table 6): nothing but master lists verifies with it.
pub fn list_signer(p: &Delegate<'_>) -> Result<TbsCertificate, Error> {
    delegate(p, Kind::MasterListSigner, oid::MASTER_LIST_SIGNING)
}

/// A signer of paper documents' electronic files (DOCPKI-14). No reader of chips takes it for a document signer: those
/// have no extended key usage.
pub fn file_signer(p: &Delegate<'_>) -> Result<TbsCertificate, Error> {
    delegate(p, Kind::FileSigner, oid::KP_DOCUMENT_SIGNING)
}

fn delegate(
    p: &Delegate<'_>,
    kind: Kind,
    purpose: const_oid::ObjectIdentifier,
) -> Result<TbsCertificate, Error> {
    let extensions = [
        &signer_extensions(p)?[..],
        // Table 6: extKeyUsage, critical.
        &[extension::extended_key_usage(&[purpose], true)],
    ]
    .concat();
    Ok(signer_fields(p).tbs(kind, &extensions))
}

fn csca_extensions(
    authority_key: &[u8],
    own_key: &[u8],
    private_key_usage: &Validity,
    authority: &Authority,
) -> Result<[Vec<u8>; 8], Error> {
    check_uri(&authority.crl_uri)?;
    let names = authority.names()?;
    Ok([
        extension::authority_key_identifier(authority_key),
        extension::subject_key_identifier(own_key),
        // Table 6: keyCertSign and cRLSign only, critical.
        extension::key_usage(KeyUsage::KEY_CERT_SIGN.and(KeyUsage::CRL_SIGN)),
        extension::private_key_usage_period(private_key_usage),
        extension::alternative_name(oid::SUBJECT_ALT_NAME, &names),
        extension::alternative_name(oid::ISSUER_ALT_NAME, &names),
        // Table 6: critical, pathLenConstraint 0.
        extension::basic_constraints_ca(Some(0)),
        extension::crl_distribution_points(&[&authority.crl_uri]),
    ])
}

// ICAO Doc 9303-12 §7.1.1: country and common name MUST be present.
fn csca_subject(name: &Name) -> Result<(), Error> {
    require_country(name)?;
    if name.common_name().is_none() {
        return Err(Error::Profile("the name has no common name"));
    }
    Ok(())
}

fn key_period(usage: &Validity, validity: &Validity) -> Result<(), Error> {
    if validity.encloses(usage) {
        Ok(())
    } else {
        Err(Error::Profile("the key is used outside the certificate's period"))
    }
}
