//! Signature algorithms, their identifiers, and the checking of signatures.

use const_oid::ObjectIdentifier as Oid;
use curve::{Curve, Hash};
use tlv::oid;

use crate::asn1::{Der, NULL};
use crate::{Error, PublicKey};

/// The signature algorithms of this country. SHA-1 is not among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SignatureAlgorithm {
    /// sha256WithRSAEncryption
    RsaSha256,
    /// sha384WithRSAEncryption
    RsaSha384,
    /// sha512WithRSAEncryption
    RsaSha512,
    /// ecdsa-with-SHA256
    EcdsaSha256,
    /// ecdsa-with-SHA384
    EcdsaSha384,
    /// ecdsa-with-SHA512
    EcdsaSha512,
    /// id-ml-dsa-65 (FIPS 204, RFC 9881): under trial.
    MlDsa65,
}

impl SignatureAlgorithm {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::RsaSha256,
        Self::RsaSha384,
        Self::RsaSha512,
        Self::EcdsaSha256,
        Self::EcdsaSha384,
        Self::EcdsaSha512,
        Self::MlDsa65,
    ];

    /// The algorithm whose hash matches the strength of `curve`.
    pub fn for_curve(curve: Curve) -> Self {
        match curve.hash() {
            Hash::Sha384 => Self::EcdsaSha384,
            Hash::Sha512 => Self::EcdsaSha512,
            _ => Self::EcdsaSha256,
        }
    }

    /// RSA (PKCS #1 v1.5) or ECDSA with `hash`, where that combination is one of ours.
    pub fn new(rsa: bool, hash: Hash) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.is_rsa() == rsa && a.hash() == hash)
    }

    /// The object identifier.
    pub const fn oid(self) -> Oid {
        match self {
            Self::RsaSha256 => oid::SHA256_WITH_RSA,
            Self::RsaSha384 => oid::SHA384_WITH_RSA,
            Self::RsaSha512 => oid::SHA512_WITH_RSA,
            Self::EcdsaSha256 => oid::ECDSA_WITH_SHA256,
            Self::EcdsaSha384 => oid::ECDSA_WITH_SHA384,
            Self::EcdsaSha512 => oid::ECDSA_WITH_SHA512,
            Self::MlDsa65 => oid::ML_DSA_65,
        }
    }

    /// The algorithm with this identifier.
    pub fn from_oid(oid: Oid) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.oid() == oid)
    }

    /// The hash that is signed; with ML-DSA, which signs the message itself, the digest of CMS attributes (RFC 9882 §3.3).
    pub const fn hash(self) -> Hash {
        match self {
            Self::RsaSha256 | Self::EcdsaSha256 => Hash::Sha256,
            Self::RsaSha384 | Self::EcdsaSha384 => Hash::Sha384,
            Self::RsaSha512 | Self::EcdsaSha512 | Self::MlDsa65 => Hash::Sha512,
        }
    }

    /// Whether the key is an RSA key.
    pub const fn is_rsa(self) -> bool {
        matches!(self, Self::RsaSha256 | Self::RsaSha384 | Self::RsaSha512)
    }

    /// Whether the key is an elliptic-curve key.
    pub const fn is_ecdsa(self) -> bool {
        matches!(self, Self::EcdsaSha256 | Self::EcdsaSha384 | Self::EcdsaSha512)
    }

    /// The DER AlgorithmIdentifier.
    pub fn identifier(self) -> Vec<u8> {
        let oid = tlv::encode_oid(self.oid());
        if self.is_rsa() {
            // RFC 4055 §5: the parameters MUST be NULL.
            tlv::sequence(&[&oid, &[NULL as u8, 0]])
        } else {
            // RFC 5758 §3.2, RFC 9881 §2: the parameters MUST be absent.
            tlv::sequence(&[&oid])
        }
    }

    /// Reads a DER AlgorithmIdentifier; `Ok(None)` for an algorithm that is not ours.
    pub(crate) fn from_identifier(der: &[u8]) -> Result<Option<Self>, Error> {
        let mut inner = Der::outer(der)?;
        let Some(algorithm) = Self::from_oid(inner.oid()?) else { return Ok(None) };
        if algorithm.identifier() == der {
            Ok(Some(algorithm))
        } else {
            Err(Error::Malformed("AlgorithmIdentifier"))
        }
    }
}

/// Checks a signature in its X.509 encoding (ECDSA: `SEQUENCE { r, s }`) with the key of a SubjectPublicKeyInfo.
pub fn verify(
    spki: &[u8],
    algorithm: SignatureAlgorithm,
    message: &[u8],
    signature: &[u8],
) -> Result<(), Error> {
    verify_with(&PublicKey::from_spki(spki)?, algorithm, message, signature)
}

/// As [`verify`], with a key already read.
pub(crate) fn verify_with(
    key: &PublicKey,
    algorithm: SignatureAlgorithm,
    message: &[u8],
    signature: &[u8],
) -> Result<(), Error> {
    let digest = || algorithm.hash().digest(message);
    match key {
        PublicKey::Rsa(key) if algorithm.is_rsa() => {
            key.verify_pkcs1(algorithm.hash(), &digest(), signature).map_err(|_| Error::Signature)
        }
        PublicKey::Ec(point) if algorithm.is_ecdsa() => {
            let signature =
                curve::Signature::from_der(point.curve(), signature).map_err(|_| Error::Signature)?;
            curve::verify_digest(point, &digest(), &signature).map_err(|_| Error::Signature)
        }
        PublicKey::MlDsa65(key) if algorithm == SignatureAlgorithm::MlDsa65 => {
            key.verify(message, signature).map_err(|_| Error::Signature)
        }
        _ => Err(Error::UnsupportedAlgorithm("the signature algorithm does not fit the key")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_come_back() {
        for algorithm in SignatureAlgorithm::ALL {
            assert_eq!(SignatureAlgorithm::from_identifier(&algorithm.identifier()), Ok(Some(algorithm)));
        }
    }

    #[test]
    fn parameters_are_exactly_as_demanded() {
        let rsa_without_null = tlv::sequence(&[&tlv::encode_oid(oid::SHA256_WITH_RSA)]);
        let ecdsa_with_null = tlv::sequence(&[&tlv::encode_oid(oid::ECDSA_WITH_SHA256), &[5, 0]]);
        assert!(SignatureAlgorithm::from_identifier(&rsa_without_null).is_err());
        assert!(SignatureAlgorithm::from_identifier(&ecdsa_with_null).is_err());
    }
}
