//! Requests (RFC 3161 §2.4.1).

use const_oid::ObjectIdentifier as Oid;
use curve::Hash;
use tlv::{encode, encode_oid};

use super::{MAX_NONCE, MAX_REQUEST_BYTES};
use crate::asn1::{Der, INTEGER, NULL, OCTET_STRING, boolean_true, integer};
use crate::{Error, extension};

/// `MessageImprint`: the hash of what is stamped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imprint {
    hash: Hash,
    digest: Vec<u8>,
    der: Vec<u8>,
}

impl Imprint {
    /// The imprint of `message`.
    pub fn of(hash: Hash, message: &[u8]) -> Self {
        let digest = hash.digest(message);
        let algorithm = tlv::sequence(&[&encode_oid(hash.oid()), &[NULL as u8, 0]]);
        let der = tlv::sequence(&[&algorithm, &encode(OCTET_STRING, &digest)]);
        Self { hash, digest, der }
    }

    /// The hash.
    pub const fn hash(&self) -> Hash {
        self.hash
    }

    /// The digest.
    pub fn digest(&self) -> &[u8] {
        &self.digest
    }

    /// The DER form, which the token repeats.
    pub(super) fn der(&self) -> &[u8] {
        &self.der
    }

    /// Whether both are of the same message.
    pub fn same(&self, other: &Self) -> bool {
        self.hash == other.hash && self.digest == other.digest
    }

    pub(super) fn parse(der: &[u8]) -> Result<Self, Error> {
        let mut inner = Der::outer(der)?;
        let mut algorithm = inner.sequence()?;
        let hash = Hash::from_oid(algorithm.oid()?);
        algorithm.optional(NULL)?;
        algorithm.finish()?;
        let digest = inner.octets()?.to_vec();
        inner.finish()?;
        // RFC 8933 and common practice: SHA-1 is no hash to rely on for years.
        let Some(hash @ (Hash::Sha256 | Hash::Sha384 | Hash::Sha512)) = hash else {
            return Err(Error::UnsupportedAlgorithm(
                "hash of a message imprint is SHA-256, SHA-384 or SHA-512",
            ));
        };
        if digest.len() != hash.len() {
            return Err(Error::Malformed("message imprint"));
        }
        Ok(Self { hash, digest, der: der.to_vec() })
    }
}

/// A parsed TimeStampReq.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What is to be stamped.
    pub imprint: Imprint,
    /// The policy asked for.
    pub policy: Option<Oid>,
    /// The content octets of the nonce, which is an INTEGER.
    pub nonce: Option<Vec<u8>>,
    /// Whether the authority's certificate is to be in the token.
    pub certificate: bool,
}

impl Request {
    /// Reads a DER TimeStampReq.
    pub fn parse(der: &[u8]) -> Result<Self, Error> {
        if der.len() > MAX_REQUEST_BYTES {
            return Err(Error::TooMany("bytes in a time stamp request"));
        }
        let mut outer = Der::outer(der)?;
        if outer.small()? != 1 {
            return Err(Error::Malformed("version of a time stamp request"));
        }
        let imprint = Imprint::parse(outer.any()?.raw)?;
        let policy = match outer.peek() {
            Some(crate::asn1::OID) => Some(outer.oid()?),
            _ => None,
        };
        let nonce = match outer.peek() {
            Some(INTEGER) => Some(outer.integer()?.to_vec()),
            _ => None,
        };
        if nonce.as_ref().is_some_and(|nonce| nonce.len() > MAX_NONCE) {
            return Err(Error::TooMany("octets in a nonce"));
        }
        // DEFAULT FALSE, which DER does not write and some clients do.
        let certificate = match outer.optional(crate::asn1::BOOLEAN)?.map(|t| t.value) {
            None | Some([0]) => false,
            Some([0xFF]) => true,
            Some(_) => return Err(Error::Malformed("certReq")),
        };
        if let Some(extensions) = outer.optional(crate::asn1::explicit(0))? {
            // RFC 3161 §2.4.1: a server that does not know an extension MUST NOT issue a token.
            let mut list = Der::new(extensions.value);
            while !list.is_empty() {
                extension::read_extension(&mut list)?;
            }
            return Err(Error::Profile("a time stamp request with extensions"));
        }
        outer.finish()?;
        Ok(Self { imprint, policy, nonce, certificate })
    }
}

/// A request as a client sends it, asking for the certificate.
pub fn build_request(imprint: &Imprint, policy: Option<Oid>, nonce: Option<u64>) -> Vec<u8> {
    let policy = policy.map(encode_oid).unwrap_or_default();
    let nonce = nonce.map(integer).unwrap_or_default();
    tlv::sequence(&[&integer(1), imprint.der(), &policy, &nonce, &boolean_true()])
}
