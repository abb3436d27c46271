//! Private keys: the trait that every place which signs asks for, and two signers that hold the key in memory.

use std::fmt;

use curve::rsa::RsaPrivateKey;
use curve::{Hash, SecretKey, mldsa};

use crate::{SignError, SignatureAlgorithm};

/// A private key somewhere: in memory, in a PKCS #11 token, in a chip.
pub trait Signer: Send + Sync {
    /// The algorithm this key signs with.
    fn algorithm(&self) -> SignatureAlgorithm;

    /// The DER SubjectPublicKeyInfo of the key.
    fn spki(&self) -> &[u8];

    /// Signs `message` (hashing it first). The signature is in its X.509 encoding: for ECDSA the DER `SEQUENCE { r, s }`.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError>;
}

impl<S: Signer + ?Sized> Signer for std::sync::Arc<S> {
    fn algorithm(&self) -> SignatureAlgorithm {
        (**self).algorithm()
    }
    fn spki(&self) -> &[u8] {
        (**self).spki()
    }
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        (**self).sign(message)
    }
}

/// An elliptic-curve key in memory.
pub struct EcSigner {
    key: SecretKey,
    spki: Vec<u8>,
    algorithm: SignatureAlgorithm,
}

impl EcSigner {
    /// Signs with the hash that matches the curve.
    pub fn new(key: SecretKey) -> Self {
        let point = key.public_key();
        Self {
            spki: curve::spki_from_point(&point),
            algorithm: SignatureAlgorithm::for_curve(point.curve()),
            key,
        }
    }
}

impl Signer for EcSigner {
    fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    fn spki(&self) -> &[u8] {
        &self.spki
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let digest = self.algorithm.hash().digest(message);
        Ok(self.key.sign_digest(&digest).to_der())
    }
}

/// An RSA key in memory.
pub struct RsaSigner {
    key: RsaPrivateKey,
    spki: Vec<u8>,
    algorithm: SignatureAlgorithm,
}

impl RsaSigner {
    /// Signs with SHA-256, as the certificates in the field do.
    pub fn new(key: RsaPrivateKey) -> Self {
        Self::with_hash(key, Hash::Sha256)
    }

    /// Signs with `hash`; anything but SHA-384 and SHA-512 means SHA-256.
    pub fn with_hash(key: RsaPrivateKey, hash: Hash) -> Self {
        let algorithm = SignatureAlgorithm::new(true, hash).unwrap_or(SignatureAlgorithm::RsaSha256);
        Self { spki: key.public().spki(), algorithm, key }
    }
}

impl Signer for RsaSigner {
    fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    fn spki(&self) -> &[u8] {
        &self.spki
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let hash = self.algorithm.hash();
        self.key.sign_pkcs1(hash, &hash.digest(message)).map_err(|e| SignError::Crypto(e.to_string()))
    }
}

/// An ML-DSA-65 key in memory.
#[derive(Debug)]
pub struct MlDsaSigner {
    key: mldsa::PrivateKey,
    spki: Vec<u8>,
}

impl MlDsaSigner {
    /// Signs messages as they are, with an empty context.
    pub fn new(key: mldsa::PrivateKey) -> Self {
        Self { spki: crate::key::spki_from_mldsa(&key.public_key()), key }
    }
}

impl Signer for MlDsaSigner {
    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::MlDsa65
    }

    fn spki(&self) -> &[u8] {
        &self.spki
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        Ok(self.key.sign(message))
    }
}

impl fmt::Debug for EcSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EcSigner({:?})", self.algorithm)
    }
}

impl fmt::Debug for RsaSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RsaSigner({:?})", self.algorithm)
    }
}
