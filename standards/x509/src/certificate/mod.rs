//! Certificates: the parsed view, and the way from a profile to a signed certificate.
//!
//! A certificate is made in three steps so that the caller can store what is about to be signed before it is signed:
//! a function of [`profiles`] checks its input and gives a [`TbsCertificate`]; [`lint`] looks at the finished bytes once
//! more, a [`Rehearsal`] at the whole certificate under a throw-away key; [`issue`] signs, checks the signature and assembles. [`issue`] runs the lint itself and signs nothing that has
//! a finding.

pub mod lint;
mod parsed;
pub mod profiles;
mod rehearsal;

pub use parsed::Certificate;
pub use profiles::{Issuer, Kind};
pub use rehearsal::Rehearsal;

use crate::asn1::{bit_string, sequence_of_parts};
use crate::{Error, SignatureAlgorithm, Signer, verify};

/// A certificate before its signature: bytes that can be stored, shown to a second person and signed later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TbsCertificate {
    der: Vec<u8>,
    kind: Kind,
    algorithm: SignatureAlgorithm,
}

impl TbsCertificate {
    /// Takes bytes back from storage; they are checked against the profile again.
    pub fn from_stored(kind: Kind, der: &[u8]) -> Result<Self, Error> {
        let parsed = Certificate::parse_unsigned(der)?;
        let algorithm = parsed
            .signature_algorithm()
            .ok_or(Error::UnsupportedAlgorithm("signature of a stored certificate"))?;
        let tbs = Self { der: der.to_vec(), kind, algorithm };
        tbs.inspect().map(|()| tbs)
    }

    pub(crate) const fn new(der: Vec<u8>, kind: Kind, algorithm: SignatureAlgorithm) -> Self {
        Self { der, kind, algorithm }
    }

    /// The bytes to be signed.
    pub fn tbs_der(&self) -> &[u8] {
        &self.der
    }

    /// The profile it was made by.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The algorithm the issuer must sign with.
    pub const fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    /// Every rule of RFC 5280 and of the profile over the finished bytes.
    pub fn inspect(&self) -> Result<(), Error> {
        let findings = lint::inspect(&Certificate::parse_unsigned(&self.der)?, self.kind);
        if findings.is_empty() { Ok(()) } else { Err(Error::Lint(findings)) }
    }
}

/// `Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signatureValue }`
pub fn assemble(tbs: &[u8], algorithm: SignatureAlgorithm, signature: &[u8]) -> Vec<u8> {
    sequence_of_parts(&[tbs, &algorithm.identifier(), &bit_string(signature)])
}

/// Lints, signs, checks the signature (a faulty computation must not leave the signer) and assembles.
pub fn issue(tbs: &TbsCertificate, signer: &dyn Signer) -> Result<Certificate, Error> {
    if signer.algorithm() != tbs.algorithm {
        return Err(Error::WrongSigner("another signature algorithm"));
    }
    tbs.inspect()?;
    let signature = signer.sign(&tbs.der)?;
    verify(signer.spki(), tbs.algorithm, &tbs.der, &signature)?;
    Certificate::parse(&assemble(&tbs.der, tbs.algorithm, &signature))
}
