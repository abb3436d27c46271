//! ML-DSA-65 (FIPS 204), pure and with an empty context string, as RFC 9881 (certificates) and RFC 9882 (CMS) use it.
//!
//! For the laboratory profile that shows that documents, readers and budgets bear an algorithm a quantum computer does not
//! break; nothing that is issued is signed with it.

use crate::{Error, Random, SecretBytes, ffi};
use zeroize::Zeroizing;

/// Bytes of the seed a key pair is made from.
pub const SEED_LEN: usize = 32;
/// Bytes of a public key.
pub const PUBLIC_KEY_LEN: usize = 1952;
/// Bytes of a signature.
pub const SIGNATURE_LEN: usize = 3309;

/// A private key, kept as its seed.
pub struct PrivateKey {
    seed: SecretBytes,
    key: ffi::mldsa::Key,
}

impl PrivateKey {
    /// A random key.
    pub fn generate(rng: &mut dyn Random) -> Self {
        let mut seed = Zeroizing::new([0; SEED_LEN]);
        rng.fill(&mut *seed);
        // Any seed gives a key; only lack of memory remains.
        Self::from_seed(&seed).expect("a seed gives a key")
    }

    /// The key with this seed.
    pub fn from_seed(seed: &[u8; SEED_LEN]) -> Result<Self, Error> {
        Ok(Self { seed: SecretBytes::new(seed), key: ffi::mldsa::Key::from_seed(seed)? })
    }

    /// The seed.
    pub fn to_seed(&self) -> SecretBytes {
        self.seed.clone()
    }

    /// The public key.
    pub fn public_key(&self) -> PublicKey {
        let encoded = self.key.public(PUBLIC_KEY_LEN).expect("a private key has its public key");
        PublicKey(encoded)
    }

    /// Signs `message`. AWS-LC draws the randomness.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        // With a valid key only lack of memory or entropy can fail.
        self.key.sign(message, SIGNATURE_LEN).expect("a valid key signs")
    }
}

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("mldsa::PrivateKey(..)")
    }
}

/// A public key.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(Vec<u8>);

impl PublicKey {
    /// Reads the encoding of FIPS 204 §7.2.
    pub fn from_bytes(encoded: &[u8]) -> Result<Self, Error> {
        if encoded.len() != PUBLIC_KEY_LEN {
            return Err(Error::Length);
        }
        ffi::mldsa::Key::from_public(encoded)?;
        Ok(Self(encoded.to_vec()))
    }

    /// The encoding.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Verifies a signature.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Error> {
        if signature.len() != SIGNATURE_LEN {
            return Err(Error::MalformedSignature);
        }
        ffi::mldsa::Key::from_public(&self.0)?.verify(message, signature)
    }
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("mldsa::PublicKey")
    }
}
