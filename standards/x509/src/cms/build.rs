//! Making SignedData.

use const_oid::ObjectIdentifier as Oid;
use curve::Hash;
use jiff::Timestamp;
use tlv::{encode, encode_oid, oid};

use crate::asn1::{NULL, OCTET_STRING, SET, explicit, implicit, integer, sequence_of_parts};
use crate::{Certificate, Error, SignatureAlgorithm, Signer, time, verify};

/// How the SignerInfo names its signer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SignerIdentity {
    /// Issuer and serial number.
    #[default]
    IssuerAndSerial,
    /// subjectKeyIdentifier.
    SubjectKeyIdentifier,
}

/// What is to be signed.
#[derive(Debug, Clone)]
pub struct Spec<'a> {
    /// eContentType.
    pub content_type: Oid,
    /// The content.
    pub content: &'a [u8],
    /// Whether the content stands outside (`true`) or inside the SignedData.
    pub detached: bool,
    /// When it is signed, if that is to be said.
    pub signing_time: Option<Timestamp>,
    /// The signer's certificate, which is put inside.
    pub signer: &'a Certificate,
    /// What the signer's key signs with.
    pub algorithm: SignatureAlgorithm,
    /// How the signer is named.
    pub identity: SignerIdentity,
    /// Further certificates to be put inside.
    pub more_certificates: &'a [&'a Certificate],
    /// Further signed attributes, each the DER of an Attribute.
    pub more_attributes: &'a [&'a [u8]],
    /// Whether the signer's certificate stays outside, as a time stamp token may demand.
    pub without_certificates: bool,
}

impl<'a> Spec<'a> {
    /// Content inside, signer named by issuer and serial number, no signing time: an EF.SOD.
    pub fn new(
        content_type: Oid,
        content: &'a [u8],
        signer: &'a Certificate,
        algorithm: SignatureAlgorithm,
    ) -> Self {
        Self {
            content_type,
            content,
            detached: false,
            signing_time: None,
            signer,
            algorithm,
            identity: SignerIdentity::IssuerAndSerial,
            more_certificates: &[],
            more_attributes: &[],
            without_certificates: false,
        }
    }
}

/// A SignedData that only lacks its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    attributes: Vec<u8>,
    algorithm: SignatureAlgorithm,
    signer_spki: Vec<u8>,
    head: Vec<u8>,
    signer_identity: Vec<u8>,
    signer_version: u64,
}

impl Prepared {
    /// The DER of the signed attributes under the SET OF tag: what the key signs (RFC 5652 §5.4).
    pub fn to_be_signed(&self) -> &[u8] {
        &self.attributes
    }

    /// What the key signs with.
    pub const fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    /// The finished ContentInfo. The signature, in its X.509 encoding, is checked first.
    pub fn finish(&self, signature: &[u8]) -> Result<Vec<u8>, Error> {
        verify(&self.signer_spki, self.algorithm, &self.attributes, signature)?;
        Ok(self.assemble(signature))
    }

    /// As [`Self::finish`], for a signature that needs no check.
    pub(crate) fn assemble(&self, signature: &[u8]) -> Vec<u8> {
        // RFC 5652 §5.3: signedAttrs is [0] IMPLICIT where it stands, SET OF where it is signed.
        let mut attributes = self.attributes.clone();
        attributes[0] = explicit(0) as u8;
        let signer_info = sequence_of_parts(&[
            &integer(self.signer_version),
            &self.signer_identity,
            &digest_algorithm(self.algorithm.hash()),
            &attributes,
            &self.algorithm.identifier(),
            &encode(OCTET_STRING, signature),
        ]);
        let signed_data = sequence_of_parts(&[&self.head, &encode(SET, &signer_info)]);
        tlv::sequence(&[&encode_oid(oid::CMS_SIGNED_DATA), &encode(explicit(0), &signed_data)])
    }
}

/// Everything but the signature.
pub fn prepare(spec: &Spec<'_>) -> Result<Prepared, Error> {
    let hash = spec.algorithm.hash();
    let algorithm = digest_algorithm(hash);
    let attributes = signed_attributes(spec, hash);
    // RFC 5652 §5.1: version 3 where the content is not id-data or a signer is named by key identifier.
    let by_key = spec.identity == SignerIdentity::SubjectKeyIdentifier;
    let version = if spec.content_type == oid::CMS_DATA && !by_key { 1 } else { 3 };
    let content =
        if spec.detached { Vec::new() } else { encode(explicit(0), &encode(OCTET_STRING, spec.content)) };
    let certificates = if spec.without_certificates {
        Vec::new()
    } else {
        let mut certificates = vec![spec.signer.der()];
        certificates.extend(spec.more_certificates.iter().map(|c| c.der()));
        // CertificateSet is a SET OF, hence sorted; [0] IMPLICIT.
        let mut certificates = tlv::set(&certificates);
        certificates[0] = explicit(0) as u8;
        certificates
    };
    let head = [
        integer(version),
        encode(SET, &algorithm),
        tlv::sequence(&[&encode_oid(spec.content_type), &content]),
        certificates,
    ]
    .concat();
    // RFC 5652 §5.3: version 1 with issuerAndSerialNumber, 3 with subjectKeyIdentifier.
    let (signer_version, signer_identity) = if by_key {
        let id = spec.signer.subject_key_identifier();
        (3, encode(implicit(0), id.ok_or(Error::Profile("the signer has no subjectKeyIdentifier"))?))
    } else {
        let serial = encode(crate::asn1::INTEGER, spec.signer.serial_octets());
        (1, tlv::sequence(&[spec.signer.issuer(), &serial]))
    };
    Ok(Prepared {
        attributes,
        algorithm: spec.algorithm,
        signer_spki: spec.signer.spki().to_vec(),
        head,
        signer_identity,
        signer_version,
    })
}

/// Signs with a key at hand.
pub fn sign(spec: &Spec<'_>, signer: &dyn Signer) -> Result<Vec<u8>, Error> {
    if signer.spki() != spec.signer.spki() || signer.algorithm() != spec.algorithm {
        return Err(Error::WrongSigner("the key is not that of the signer's certificate"));
    }
    let prepared = prepare(spec)?;
    let signature = signer.sign(prepared.to_be_signed())?;
    prepared.finish(&signature)
}

// RFC 5652 §11: content-type and message-digest MUST be there, signing-time may.
fn signed_attributes(spec: &Spec<'_>, hash: Hash) -> Vec<u8> {
    let attribute = |oid: Oid, value: &[u8]| tlv::sequence(&[&encode_oid(oid), &encode(SET, value)]);
    let mut list = vec![
        attribute(oid::ATTR_CONTENT_TYPE, &encode_oid(spec.content_type)),
        attribute(oid::ATTR_MESSAGE_DIGEST, &encode(OCTET_STRING, &hash.digest(spec.content))),
    ];
    if let Some(at) = spec.signing_time {
        list.push(attribute(oid::ATTR_SIGNING_TIME, &time::encode(at)));
    }
    let all: Vec<&[u8]> =
        list.iter().map(Vec::as_slice).chain(spec.more_attributes.iter().copied()).collect();
    tlv::set(&all)
}

fn digest_algorithm(hash: Hash) -> Vec<u8> {
    // RFC 5754 §2: parameters SHOULD be absent. BouncyCastle and OpenSSL read both; absent is what DER readers expect.
    let oid = encode_oid(hash.oid());
    if hash == Hash::Sha1 { tlv::sequence(&[&oid, &[NULL as u8, 0]]) } else { tlv::sequence(&[&oid]) }
}
