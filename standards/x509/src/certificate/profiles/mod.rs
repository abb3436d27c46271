//! The certificate profiles of this country: a checked function per profile that gives the bytes to be signed.
//!
//! | function | certificate | source |
//! |---|---|---|
//! | [`csca_root`], [`csca_link`] | country signing CA and its link certificates | ICAO Doc 9303-12 §7.1 |
//! | [`document_signer`] | signer of security objects | ICAO Doc 9303-12 §7.1 |
//! | [`list_signer`] | signer of master lists | ICAO Doc 9303-12 §7.1 |
//! | [`file_signer`] | signer of electronic files of paper documents | RFC 9336 |
//! | [`npc_root`], [`npc_intermediate`] | natural-person certification authority | RFC 5280, GPKI |
//! | [`npc_root_link`] | link between two roots of one name | RFC 9810 §4.4 |
//! | [`npc_cross`] | cross certificate for a foreign root | RFC 5280 §3.2, §4.2.1.5, .10, .11, .14 |
//! | [`npc_citizen_signing`], [`npc_citizen_encryption`] | the holder's certificates | GPKI profile of natural persons |
//! | [`ocsp_responder`] | delegated OCSP responder | RFC 6960 §4.2.2.2 |
//! | [`timestamp_authority`] | time stamping authority | RFC 3161 §2.3 |
//! | [`status_signer`] | signer of revocation filters and card status lists | own |
//! | [`cmp_signer`] | signer of answers to registration authorities | RFC 9810 §4.5 |
//!
//! A profile refuses what contradicts itself: a period that outlives its issuer, a name without country, a key of the
//! wrong kind, an identifier of the wrong form.

mod hierarchy;
mod icao;
mod npc;

pub use hierarchy::{NpcCross, NpcRootLink, npc_cross, npc_root_link};
pub use icao::{
    Authority, CscaLink, CscaRoot, Delegate, DocumentSigner, csca_link, csca_root, document_signer,
    file_signer, list_signer,
};
pub use npc::{
    Citizen, NpcIntermediate, NpcRoot, OcspResponder, StatusLocations, StatusService, cmp_signer,
    npc_citizen_encryption, npc_citizen_signing, npc_intermediate, npc_root, ocsp_responder, status_signer,
    timestamp_authority,
};

use crate::asn1::{explicit, integer};
use crate::certificate::TbsCertificate;
use crate::{
    Certificate, Error, Name, PublicKey, Serial, SignatureAlgorithm, Signer, Validity, key_identifier,
};

/// Which profile a certificate was made by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// Country signing CA, self-signed.
    CscaRoot,
    /// Link from one country signing CA key to the next.
    CscaLink,
    /// Document signer.
    DocumentSigner,
    /// Master list signer.
    MasterListSigner,
    /// Signer of electronic files of paper documents.
    FileSigner,
    /// Root of the natural-person PKI.
    NpcRoot,
    /// Issuing CA of the natural-person PKI.
    NpcIntermediate,
    /// Link between two roots of the natural-person PKI.
    NpcRootLink,
    /// Cross certificate for a foreign root.
    NpcCross,
    /// The holder's signature certificate.
    NpcCitizenSigning,
    /// The holder's encryption or key-agreement certificate.
    NpcCitizenEncryption,
    /// OCSP responder.
    OcspResponder,
    /// Time stamping authority.
    TimestampAuthority,
    /// Signer of revocation filters and card status lists.
    StatusSigner,
    /// Signer of the CA's answers to registration authorities.
    CmpSigner,
}

impl Kind {
    /// All profiles with a stable name for storage.
    pub const ALL: [(Self, &'static str); 15] = [
        (Self::CscaRoot, "csca-root"),
        (Self::CscaLink, "csca-link"),
        (Self::DocumentSigner, "document-signer"),
        (Self::MasterListSigner, "master-list-signer"),
        (Self::FileSigner, "file-signer"),
        (Self::NpcRoot, "npc-root"),
        (Self::NpcIntermediate, "npc-intermediate"),
        (Self::NpcRootLink, "npc-root-link"),
        (Self::NpcCross, "npc-cross"),
        (Self::NpcCitizenSigning, "npc-citizen-signing"),
        (Self::NpcCitizenEncryption, "npc-citizen-encryption"),
        (Self::OcspResponder, "ocsp-responder"),
        (Self::TimestampAuthority, "timestamp-authority"),
        (Self::StatusSigner, "status-signer"),
        (Self::CmpSigner, "cmp-signer"),
    ];

    /// The stable name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(k, _)| *k == self).map_or("", |(_, name)| name)
    }

    /// The profile with this stable name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, n)| *n == name).map(|(k, _)| *k)
    }

    /// Whether the profile makes a CA certificate.
    pub const fn is_ca(self) -> bool {
        matches!(
            self,
            Self::CscaRoot
                | Self::CscaLink
                | Self::NpcRoot
                | Self::NpcIntermediate
                | Self::NpcRootLink
                | Self::NpcCross
        )
    }
}

/// What a certificate or list takes from its issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    name: Name,
    key_identifier: Vec<u8>,
    algorithm: SignatureAlgorithm,
    validity: Validity,
}

impl Issuer {
    /// The issuer with this certificate, which must be of the signer's key.
    pub fn new(certificate: &Certificate, signer: &dyn Signer) -> Result<Self, Error> {
        if certificate.spki() != signer.spki() {
            return Err(Error::WrongSigner("the issuer's certificate is of another key"));
        }
        Self::from_certificate(certificate, signer.algorithm())
    }

    /// The issuer with this certificate, which will sign with `algorithm`.
    pub fn from_certificate(certificate: &Certificate, algorithm: SignatureAlgorithm) -> Result<Self, Error> {
        if !certificate.is_ca() {
            return Err(Error::Profile("the issuer is not a CA"));
        }
        let key_identifier = certificate
            .subject_key_identifier()
            .ok_or(Error::Profile("the issuer has no subjectKeyIdentifier"))?;
        Ok(Self {
            name: certificate.subject_name()?,
            key_identifier: key_identifier.to_vec(),
            algorithm,
            validity: certificate.validity(),
        })
    }

    /// The issuer's name.
    pub const fn name(&self) -> &Name {
        &self.name
    }

    /// The issuer's subjectKeyIdentifier.
    pub fn key_identifier(&self) -> &[u8] {
        &self.key_identifier
    }

    /// What the issuer signs with.
    pub const fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    pub(in crate::certificate) fn must_outlive(&self, validity: &Validity) -> Result<(), Error> {
        if self.validity.encloses(validity) {
            Ok(())
        } else {
            Err(Error::Profile("the period does not lie within the issuer's"))
        }
    }
}

/// The fields every certificate has.
struct Fields<'a> {
    serial: Serial,
    algorithm: SignatureAlgorithm,
    issuer: &'a Name,
    validity: Validity,
    subject: &'a Name,
    spki: &'a [u8],
}

impl Fields<'_> {
    // RFC 5280 §4.1.2
    fn tbs(&self, kind: Kind, extensions: &[Vec<u8>]) -> TbsCertificate {
        let version = tlv::encode(explicit(0), &integer(2));
        let extensions = tlv::encode(explicit(3), &tlv::sequence(&[&extensions.concat()]));
        let der = tlv::sequence(&[
            &version,
            &self.serial.der(),
            &self.algorithm.identifier(),
            self.issuer.der(),
            &self.validity.der(),
            self.subject.der(),
            self.spki,
            &extensions,
        ]);
        TbsCertificate::new(der, kind, self.algorithm)
    }
}

/// A self-signed certificate is signed with its own kind of key.
fn self_signed_key(spki: &[u8], algorithm: SignatureAlgorithm) -> Result<Vec<u8>, Error> {
    if PublicKey::from_spki(spki)?.is_rsa() != algorithm.is_rsa() {
        return Err(Error::Profile("the signature algorithm does not fit the key"));
    }
    key_identifier(spki)
}

/// An http or ldap address as it may stand in a certificate.
fn check_uri(uri: &str) -> Result<(), Error> {
    let scheme = ["http://", "https://", "ldap://"].iter().find(|s| uri.starts_with(**s));
    let host_follows =
        scheme.is_some_and(|s| uri.as_bytes().get(s.len()).is_some_and(u8::is_ascii_alphanumeric));
    if host_follows && uri.bytes().all(|b| b.is_ascii_graphic()) {
        Ok(())
    } else {
        Err(Error::Profile("an address is an absolute http, https or ldap URI in ASCII"))
    }
}

fn require_country(name: &Name) -> Result<&str, Error> {
    match name.country() {
        Some(code) if code.len() == 2 && code.bytes().all(|b| b.is_ascii_uppercase()) => Ok(code),
        _ => Err(Error::Profile("the name has no country of two upper-case letters")),
    }
}
