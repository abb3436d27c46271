//! PKCS #10 certification requests (RFC 2986): built where the key is, read and checked where certificates are issued.

use crate::asn1::{Der, bit_string, explicit, integer, sequence_of_parts};
use crate::{Error, Name, SignatureAlgorithm, verify};

/// The CertificationRequestInfo: what the holder of the key signs. It carries no attributes.
pub fn info(subject: &Name, spki: &[u8]) -> Vec<u8> {
    // RFC 2986 §4.1: version v1(0); attributes [0] IMPLICIT, here the empty set.
    tlv::sequence(&[&integer(0), subject.der(), spki, &tlv::encode(explicit(0), &[])])
}

/// Puts a signature on a CertificationRequestInfo.
pub fn assemble(info: &[u8], algorithm: SignatureAlgorithm, signature: &[u8]) -> Vec<u8> {
    sequence_of_parts(&[info, &algorithm.identifier(), &bit_string(signature)])
}

/// Builds a request; `sign` is given the CertificationRequestInfo and returns the signature in its X.509 encoding.
pub fn build<E>(
    subject: &Name,
    spki: &[u8],
    algorithm: SignatureAlgorithm,
    sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>,
) -> Result<Vec<u8>, E> {
    let info = info(subject, spki);
    let signature = sign(&info)?;
    Ok(assemble(&info, algorithm, &signature))
}

/// A parsed request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Csr {
    der: Vec<u8>,
    info: Vec<u8>,
    subject: Name,
    spki: Vec<u8>,
    algorithm: SignatureAlgorithm,
    signature: Vec<u8>,
}

impl Csr {
    /// Reads a DER request. Attributes are accepted and ignored: the issuer's profile decides, not the request.
    pub fn parse(der: &[u8]) -> Result<Self, Error> {
        let mut outer = Der::outer(der)?;
        let info = outer.any()?.raw;
        let algorithm = SignatureAlgorithm::from_identifier(outer.any()?.raw)?
            .ok_or(Error::UnsupportedAlgorithm("signature of a certification request"))?;
        let signature = outer.bits()?.to_vec();
        outer.finish()?;
        let mut inner = Der::outer(info)?;
        if inner.small()? != 0 {
            return Err(Error::Malformed("version of a certification request"));
        }
        let subject = Name::parse(inner.any()?.raw)?;
        let spki = inner.any()?.raw.to_vec();
        inner.expect(explicit(0))?;
        inner.finish()?;
        Ok(Self { der: der.to_vec(), info: info.to_vec(), subject, spki, algorithm, signature })
    }

    /// Proof of possession: the signature verifies with the key in the request.
    pub fn verify(&self) -> Result<(), Error> {
        verify(&self.spki, self.algorithm, &self.info, &self.signature)
    }

    /// The whole encoding.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The requested subject.
    pub const fn subject(&self) -> &Name {
        &self.subject
    }

    /// The key.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// What the request is signed with.
    pub const fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }
}
