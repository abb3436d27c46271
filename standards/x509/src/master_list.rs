//! Master lists of country signing CA certificates (ICAO Doc 9303-12 §9): what a country trusts, signed, so that a
//! reader gets every root from one file.
//!
//! ```text
//! CscaMasterList ::= SEQUENCE { version INTEGER (0), certList SET OF Certificate }
//! ```
//!
//! It is the content of a SignedData of type id-icao-mrtd-security-cscaMasterList. Inside stand the certificate of the
//! signer, which has extended key usage id-icao-mrtd-security-cscaMasterListSigningKey, and the CSCA that issued it.

use jiff::Timestamp;
use tlv::oid;

use crate::asn1::{Der, SET, integer};
use crate::cms::{SignedData, Spec};
use crate::path::{self, Options, Purpose};
use crate::{Certificate, Error, SignatureAlgorithm};

/// Certificates of country signing CAs: roots and link certificates.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MasterList {
    /// The certificates in the order of their encoding, none twice.
    pub certificates: Vec<Certificate>,
    /// How many were passed over when the list was read: with keys or encodings this crate does not take.
    pub skipped: usize,
}

/// Far more than all countries have; the largest published list has some six hundred.
const MAX_CERTIFICATES: usize = 4096;

impl MasterList {
    /// A list of these certificates, which must be of country signing CAs.
    pub fn new(certificates: impl IntoIterator<Item = Certificate>) -> Result<Self, Error> {
        let mut certificates: Vec<Certificate> = certificates.into_iter().collect();
        if !certificates.iter().all(is_csca) {
            return Err(Error::Profile("a master list holds certificates of country signing CAs only"));
        }
        certificates.sort_by(|a, b| a.der().cmp(b.der()));
        certificates.dedup_by(|a, b| a.der() == b.der());
        Ok(Self { certificates, skipped: 0 })
    }

    /// The content to be signed.
    pub fn encode(&self) -> Vec<u8> {
        let list: Vec<&[u8]> = self.certificates.iter().map(Certificate::der).collect();
        tlv::sequence(&[&integer(0), &tlv::set(&list)])
    }

    /// Reads the content of a SignedData. The signature is not looked at; see [`Self::verify`].
    pub fn decode(der: &[u8]) -> Result<Self, Error> {
        let mut list = Der::outer(der)?;
        if list.small()? != 0 {
            return Err(Error::Malformed("version of a master list"));
        }
        let mut set = Der::new(list.expect(SET)?.value);
        list.finish()?;
        let (mut certificates, mut skipped) = (Vec::new(), 0);
        while !set.is_empty() {
            if certificates.len() + skipped == MAX_CERTIFICATES {
                return Err(Error::TooMany("certificates in a master list"));
            }
            match Certificate::parse(set.any()?.raw).ok().filter(is_csca) {
                Some(certificate) => certificates.push(certificate),
                None => skipped += 1,
            }
        }
        Ok(Self { skipped, ..Self::new(certificates)? })
    }

    /// How this list is to be signed: ICAO Doc 9303-12 §9.2 asks for signed attributes with the time, and for the signer's CSCA
    /// beside the signer's certificate.
    pub fn spec<'a>(
        content: &'a [u8],
        signer: &'a Certificate,
        algorithm: SignatureAlgorithm,
        csca: &'a [&'a Certificate],
        signed_at: Timestamp,
    ) -> Spec<'a> {
        let mut spec = Spec::new(oid::CSCA_MASTER_LIST, content, signer, algorithm);
        spec.signing_time = Some(signed_at);
        spec.more_certificates = csca;
        spec
    }

    /// Reads a signed list and verifies it: signature, purpose of the signer, and path from the signer to one of
    /// `anchors`, which the caller trusts already. What the list brings is not used to verify the list.
    pub fn verify(
        der: &[u8],
        links: &[Certificate],
        anchors: &[Certificate],
        options: &Options<'_>,
    ) -> Result<Self, MasterListError> {
        let signed = SignedData::parse(der)?;
        if signed.content_type() != oid::CSCA_MASTER_LIST {
            return Err(Error::Malformed("content type of a master list").into());
        }
        let signer = signed.verify()?;
        // Doc 9303-12 §7.1 table 6: the purpose must be named, an absent one does not do.
        if !signer.extended_key_usage().contains(&oid::MASTER_LIST_SIGNING) {
            return Err(MasterListError::Signer(path::Refusal::KeyUsage));
        }
        let options = options.purpose(Purpose::Extended(oid::MASTER_LIST_SIGNING));
        path::validate(signer, links, anchors, &options).map_err(MasterListError::Signer)?;
        let content = signed.content().ok_or(Error::Malformed("master list without content"))?;
        Ok(Self::decode(content)?)
    }
}

/// Why a signed list is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MasterListError {
    /// It cannot be read, or its signature does not verify.
    #[error(transparent)]
    Message(#[from] Error),
    /// Its signer is not to be trusted with it.
    #[error("the signer of the master list: {0}")]
    Signer(path::Refusal),
}

// ICAO Doc 9303-12 §7.1 table 6: a CSCA, or a link between two of its keys.
fn is_csca(c: &Certificate) -> bool {
    c.basic_constraints().is_some_and(|b| b.ca) && c.is_self_issued()
}
