//! Requests: the DER form, the GET form, and which issuer they are for.

use base64ct::{Base64, Encoding};
use curve::Hash;
use tlv::{encode, encode_oid, oid};

use super::{MAX_NONCE, MAX_REQUEST_BYTES, MAX_REQUESTS};
use crate::asn1::{Der, NULL, OCTET_STRING, explicit};
use crate::{Certificate, Error, Serial, extension, key};

/// `CertID`: which certificate a request asks about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertId {
    hash: Hash,
    issuer_name_hash: Vec<u8>,
    issuer_key_hash: Vec<u8>,
    serial: Vec<u8>,
    der: Vec<u8>,
}

impl CertId {
    /// The identifier of the certificate `serial` of this issuer.
    pub fn new(issuer: &IssuerHashes, hash: Hash, serial: &Serial) -> Result<Self, Error> {
        let (name, key) =
            issuer.of(hash).ok_or(Error::UnsupportedAlgorithm("hash of a CertID is SHA-1 or SHA-256"))?;
        // RFC 5754 §2 and RFC 3370 §2.1: parameters NULL for SHA-1, which every responder reads for both.
        let algorithm = tlv::sequence(&[&encode_oid(hash.oid()), &[NULL as u8, 0]]);
        let der = tlv::sequence(&[
            &algorithm,
            &encode(OCTET_STRING, name),
            &encode(OCTET_STRING, key),
            &serial.der(),
        ]);
        Ok(Self {
            hash,
            issuer_name_hash: name.to_vec(),
            issuer_key_hash: key.to_vec(),
            serial: serial.octets().to_vec(),
            der,
        })
    }

    pub(crate) fn parse(der: &[u8]) -> Result<Self, Error> {
        let mut inner = Der::outer(der)?;
        let mut algorithm = inner.sequence()?;
        let hash = Hash::from_oid(algorithm.oid()?);
        algorithm.optional(NULL)?;
        algorithm.finish()?;
        let hash = match hash {
            Some(hash @ (Hash::Sha1 | Hash::Sha256)) => hash,
            _ => return Err(Error::UnsupportedAlgorithm("hash of a CertID is SHA-1 or SHA-256")),
        };
        let issuer_name_hash = inner.octets()?.to_vec();
        let issuer_key_hash = inner.octets()?.to_vec();
        let serial = inner.integer()?.to_vec();
        inner.finish()?;
        if issuer_name_hash.len() != hash.len() || issuer_key_hash.len() != hash.len() || serial.len() > 64 {
            return Err(Error::Malformed("CertID"));
        }
        Ok(Self { hash, issuer_name_hash, issuer_key_hash, serial, der: der.to_vec() })
    }

    /// The hash that identifies the issuer.
    pub const fn hash(&self) -> Hash {
        self.hash
    }

    /// The content octets of the serial number.
    pub fn serial_octets(&self) -> &[u8] {
        &self.serial
    }

    /// The serial number, where it is one this system could have issued.
    pub fn serial(&self) -> Option<Serial> {
        Serial::from_octets(&self.serial).ok()
    }

    /// The DER form, which the response repeats.
    pub fn der(&self) -> &[u8] {
        &self.der
    }
}

/// Name and key of an issuer, hashed once in both ways a request may name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerHashes {
    sha1: (Vec<u8>, Vec<u8>),
    sha256: (Vec<u8>, Vec<u8>),
}

impl IssuerHashes {
    /// The hashes of this issuer.
    pub fn new(issuer: &Certificate) -> Result<Self, Error> {
        let key = key::public_key_bits(issuer.spki())?;
        let both = |hash: Hash| (hash.digest(issuer.subject()), hash.digest(key));
        Ok(Self { sha1: both(Hash::Sha1), sha256: both(Hash::Sha256) })
    }

    /// Whether `id` names this issuer.
    pub fn matches(&self, id: &CertId) -> bool {
        self.of(id.hash).is_some_and(|(name, key)| name == id.issuer_name_hash && key == id.issuer_key_hash)
    }

    fn of(&self, hash: Hash) -> Option<(&[u8], &[u8])> {
        match hash {
            Hash::Sha1 => Some((&self.sha1.0, &self.sha1.1)),
            Hash::Sha256 => Some((&self.sha256.0, &self.sha256.1)),
            _ => None,
        }
    }
}

/// A parsed OCSPRequest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What it asks about, 1 to [`MAX_REQUESTS`] certificates.
    pub certificates: Vec<CertId>,
    /// The nonce to be repeated.
    pub nonce: Option<Vec<u8>>,
}

impl Request {
    /// Reads a DER OCSPRequest.
    pub fn parse(der: &[u8]) -> Result<Self, Error> {
        if der.len() > MAX_REQUEST_BYTES {
            return Err(Error::TooMany("bytes in an OCSP request"));
        }
        let mut outer = Der::outer(der)?;
        let mut tbs = outer.sequence()?;
        // RFC 6960 §4.2.1: optionalSignature [0], not needed for an answer.
        outer.optional(explicit(0))?;
        outer.finish()?;
        if let Some(version) = tbs.optional(explicit(0))? {
            // DEFAULT v1(0) is not written in DER, but clients do.
            if version.value != [2, 1, 0] {
                return Err(Error::Malformed("version of an OCSP request"));
            }
        }
        tbs.optional(explicit(1))?;
        let mut list = tbs.sequence()?;
        let mut certificates = Vec::new();
        while !list.is_empty() {
            if certificates.len() == MAX_REQUESTS {
                return Err(Error::TooMany("certificates in an OCSP request"));
            }
            let mut single = list.sequence()?;
            certificates.push(CertId::parse(single.any()?.raw)?);
            if let Some(extensions) = single.optional(explicit(0))? {
                read_extensions(extensions.value)?;
            }
            single.finish()?;
        }
        if certificates.is_empty() {
            return Err(Error::Malformed("OCSP request without a certificate"));
        }
        let nonce = match tbs.optional(explicit(2))? {
            Some(extensions) => read_extensions(extensions.value)?,
            None => None,
        };
        tbs.finish()?;
        Ok(Self { certificates, nonce })
    }
}

/// Reads `Extensions` of a request or response; gives the nonce.
pub(super) fn read_extensions(value: &[u8]) -> Result<Option<Vec<u8>>, Error> {
    let mut list = Der::outer(value)?;
    let mut nonce = None;
    while !list.is_empty() {
        let e = extension::read_extension(&mut list)?;
        match e.oid {
            oid::OCSP_NONCE if nonce.is_none() => {
                let mut inner = Der::new(e.value);
                let octets = inner.octets()?;
                inner.finish()?;
                // RFC 9654 §2.1: a responder MUST reject a nonce of 0 or more than 128 octets.
                if octets.is_empty() || octets.len() > MAX_NONCE {
                    return Err(Error::Malformed("OCSP nonce"));
                }
                nonce = Some(octets.to_vec());
            }
            oid::OCSP_NONCE => return Err(Error::Malformed("OCSP nonce stands twice")),
            _ if e.critical => return Err(Error::Malformed("unknown critical OCSP extension")),
            _ => {}
        }
    }
    Ok(nonce)
}

/// The nonce extension.
pub(super) fn nonce_extension(nonce: &[u8]) -> Vec<u8> {
    extension::extension(oid::OCSP_NONCE, false, &encode(OCTET_STRING, nonce))
}

/// An unsigned request for these certificates.
pub fn build_request(certificates: &[CertId], nonce: Option<&[u8]>) -> Vec<u8> {
    let list: Vec<u8> = certificates.iter().flat_map(|id| tlv::sequence(&[id.der()])).collect();
    let extensions =
        nonce.map(|n| encode(explicit(2), &tlv::sequence(&[&nonce_extension(n)]))).unwrap_or_default();
    tlv::sequence(&[&tlv::sequence(&[&tlv::sequence(&[&list]), &extensions])])
}

/// The request in the path of a GET (RFC 6960 appendix A.1): base64 of the DER, URL-encoded. `path` is what follows the
/// responder's address, with or without a leading slash, percent-encoding still in place.
pub fn decode_get_path(path: &str) -> Result<Vec<u8>, Error> {
    const MALFORMED: Error = Error::Malformed("OCSP GET path");
    if path.len() > MAX_REQUEST_BYTES * 2 {
        return Err(Error::TooMany("bytes in an OCSP request"));
    }
    let path = path.strip_prefix('/').unwrap_or(path);
    let mut text = String::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(b) = bytes.next() {
        let b = if b == b'%' {
            let digit = |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16)).ok_or(MALFORMED);
            (digit(bytes.next())? << 4 | digit(bytes.next())?) as u8
        } else {
            b
        };
        text.push(char::from(b));
    }
    // Some clients leave out the padding; some proxies turn '+' into a space.
    let mut text = text.trim_end_matches('=').replace(' ', "+");
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    Base64::decode_vec(&text).map_err(|_| MALFORMED)
}
