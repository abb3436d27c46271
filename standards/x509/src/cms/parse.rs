//! Reading and checking SignedData.

use const_oid::ObjectIdentifier as Oid;
use curve::Hash;
use jiff::Timestamp;
use tlv::oid;

use super::identity::Identity;
use crate::algorithm::verify_with;
use crate::asn1::{Der, NULL, OCTET_STRING, OID, SEQUENCE, SET, explicit, oid_value};
use crate::{Certificate, Error, PublicKey, SignatureAlgorithm, time};

const MAX_CERTIFICATES: usize = 16;
const MAX_SIGNERS: usize = 8;
const MAX_ATTRIBUTES: usize = 64;

/// A parsed SignedData.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedData {
    content_type: Oid,
    content: Option<Vec<u8>>,
    certificates: Vec<Certificate>,
    signers: Vec<SignerInfo>,
}

/// One SignerInfo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignerInfo {
    identity: Identity,
    algorithm: SignatureAlgorithm,
    attributes: Option<Attributes>,
    signature: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Attributes {
    signed_form: Vec<u8>,
    content_type: Oid,
    message_digest: Vec<u8>,
    signing_time: Option<Timestamp>,
}

impl SignedData {
    /// Reads a DER ContentInfo with SignedData.
    pub fn parse(der: &[u8]) -> Result<Self, Error> {
        let mut info = Der::outer(der)?;
        if info.oid()? != oid::CMS_SIGNED_DATA {
            return Err(Error::Malformed("CMS content type: not SignedData"));
        }
        let mut data = Der::outer(info.expect(explicit(0))?.value)?;
        info.finish()?;
        // RFC 5652 §5.1: 1, 3, 4 or 5, depending on what is inside.
        if !matches!(data.small()?, 1 | 3..=5) {
            return Err(Error::Malformed("version of SignedData"));
        }
        data.expect(SET)?;
        let mut encapsulated = data.sequence()?;
        let content_type = encapsulated.oid()?;
        let content = match encapsulated.optional(explicit(0))? {
            Some(content) => Some(tlv::expect(content.value, OCTET_STRING)?.value.to_vec()),
            None => None,
        };
        encapsulated.finish()?;
        let mut certificates = Vec::new();
        if let Some(list) = data.optional(explicit(0))? {
            let mut list = Der::new(list.value);
            while !list.is_empty() {
                let choice = list.any()?;
                // RFC 5652 §10.2.2: other choices are attribute certificates and the like.
                if choice.tag == SEQUENCE {
                    if certificates.len() == MAX_CERTIFICATES {
                        return Err(Error::TooMany("certificates in SignedData"));
                    }
                    certificates.push(Certificate::parse(choice.raw)?);
                }
            }
        }
        data.optional(explicit(1))?;
        let mut list = Der::new(data.expect(SET)?.value);
        data.finish()?;
        let mut signers = Vec::new();
        while !list.is_empty() {
            if signers.len() == MAX_SIGNERS {
                return Err(Error::TooMany("signers of SignedData"));
            }
            signers.push(SignerInfo::read(&mut list)?);
        }
        Ok(Self { content_type, content, certificates, signers })
    }

    /// eContentType.
    pub const fn content_type(&self) -> Oid {
        self.content_type
    }

    /// The content, where it stands inside.
    pub fn content(&self) -> Option<&[u8]> {
        self.content.as_deref()
    }

    /// The certificates inside.
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    /// The signers.
    pub fn signers(&self) -> &[SignerInfo] {
        &self.signers
    }

    /// Checks the one signature over the content inside with the signer's certificate inside, which is returned. Whether
    /// that certificate is to be trusted is the business of [`crate::path`].
    pub fn verify(&self) -> Result<&Certificate, Error> {
        let content = self.content.as_deref().ok_or(Error::Malformed("SignedData without content"))?;
        self.verify_content(content)
    }

    /// As [`Self::verify`], for content that stands outside.
    pub fn verify_detached(&self, content: &[u8]) -> Result<&Certificate, Error> {
        if self.content.as_deref().is_some_and(|inside| inside != content) {
            return Err(Error::Malformed("SignedData has another content inside"));
        }
        self.verify_content(content)
    }

    fn verify_content(&self, content: &[u8]) -> Result<&Certificate, Error> {
        let [signer] = self.signers.as_slice() else {
            return Err(Error::Malformed("SignedData has not exactly one signer"));
        };
        let certificate = self
            .certificates
            .iter()
            .find(|c| signer.is(c))
            .ok_or(Error::Malformed("SignedData without its signer's certificate"))?;
        signer.verify(self.content_type, content, certificate)?;
        Ok(certificate)
    }
}

impl SignerInfo {
    /// Whether `certificate` is the one this SignerInfo names.
    pub fn is(&self, certificate: &Certificate) -> bool {
        self.identity.is(certificate)
    }

    /// When it says it was signed.
    pub fn signing_time(&self) -> Option<Timestamp> {
        self.attributes.as_ref().and_then(|a| a.signing_time)
    }

    /// What it is signed with.
    pub const fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    /// Checks the signature over `content` with the key of `certificate`.
    pub fn verify(&self, content_type: Oid, content: &[u8], certificate: &Certificate) -> Result<(), Error> {
        let key = PublicKey::from_spki(certificate.spki())?;
        let hash = self.algorithm.hash();
        match &self.attributes {
            Some(attributes) => {
                // RFC 5652 §5.6: both attributes must be those of the content.
                let fits = attributes.content_type == content_type
                    && curve::constant_time_eq(&attributes.message_digest, &hash.digest(content));
                if !fits {
                    return Err(Error::Signature);
                }
                verify_with(&key, self.algorithm, &attributes.signed_form, &self.signature)
            }
            // RFC 5652 §5.3: signedAttrs MUST be present if the content type is not id-data.
            None if content_type == oid::CMS_DATA => {
                verify_with(&key, self.algorithm, content, &self.signature)
            }
            None => Err(Error::Malformed("SignerInfo without signed attributes")),
        }
    }

    fn read(list: &mut Der<'_>) -> Result<Self, Error> {
        let mut inner = list.sequence()?;
        let version = inner.small()?;
        let identity = Identity::read(&mut inner)?;
        // RFC 5652 §5.3: version 1 with issuerAndSerialNumber, 3 with subjectKeyIdentifier.
        if version != if identity.is_by_key() { 3 } else { 1 } {
            return Err(Error::Malformed("version of a SignerInfo"));
        }
        let hash = read_digest_algorithm(&mut inner)?;
        let attributes = match inner.optional(explicit(0))? {
            Some(t) => Some(Attributes::read(t.value)?),
            None => None,
        };
        let algorithm = read_signature_algorithm(inner.any()?.raw, hash)?;
        let signature = inner.octets()?.to_vec();
        inner.optional(explicit(1))?;
        inner.finish()?;
        Ok(Self { identity, algorithm, attributes, signature })
    }
}

impl Attributes {
    fn read(value: &[u8]) -> Result<Self, Error> {
        let mut list = Der::new(value);
        let (mut content_type, mut message_digest, mut signing_time) = (None, None, None);
        let mut seen: Vec<Oid> = Vec::new();
        while !list.is_empty() {
            if seen.len() == MAX_ATTRIBUTES {
                return Err(Error::TooMany("signed attributes"));
            }
            let mut attribute = list.sequence()?;
            let oid = attribute.oid()?;
            let values = attribute.expect(SET)?.value;
            attribute.finish()?;
            // RFC 5652 §11: these attributes stand once, with one value.
            if seen.contains(&oid) {
                return Err(Error::Malformed("signed attribute stands twice"));
            }
            seen.push(oid);
            match oid {
                oid::ATTR_CONTENT_TYPE => content_type = Some(oid_value(tlv::expect(values, OID)?.value)?),
                oid::ATTR_MESSAGE_DIGEST => {
                    message_digest = Some(tlv::expect(values, OCTET_STRING)?.value.to_vec());
                }
                oid::ATTR_SIGNING_TIME => {
                    let mut one = Der::new(values);
                    let at = one.any()?;
                    one.finish()?;
                    signing_time = Some(time::parse(at.tag, at.value)?);
                }
                _ => {}
            }
        }
        Ok(Self {
            signed_form: tlv::encode(SET, value),
            content_type: content_type.ok_or(Error::Malformed("signed attributes without content type"))?,
            message_digest: message_digest
                .ok_or(Error::Malformed("signed attributes without message digest"))?,
            signing_time,
        })
    }
}

fn read_digest_algorithm(inner: &mut Der<'_>) -> Result<Hash, Error> {
    let mut algorithm = inner.sequence()?;
    let oid = algorithm.oid()?;
    algorithm.optional(NULL)?;
    algorithm.finish()?;
    match Hash::from_oid(oid) {
        Some(hash @ (Hash::Sha256 | Hash::Sha384 | Hash::Sha512)) => Ok(hash),
        _ => Err(Error::UnsupportedAlgorithm("digest of a SignerInfo")),
    }
}

// RFC 5652 §5.3, RFC 3370 §3.2: an RSA signer may name rsaEncryption only; the hash is then the digest algorithm's.
fn read_signature_algorithm(der: &[u8], digest: Hash) -> Result<SignatureAlgorithm, Error> {
    let unsupported = Error::UnsupportedAlgorithm("signature of a SignerInfo");
    let algorithm = match SignatureAlgorithm::from_identifier(der)? {
        Some(algorithm) => algorithm,
        None if Der::outer(der)?.oid()? == oid::RSA_ENCRYPTION => {
            SignatureAlgorithm::new(true, digest).ok_or(unsupported.clone())?
        }
        None => return Err(unsupported),
    };
    if algorithm.hash() == digest { Ok(algorithm) } else { Err(unsupported) }
}
