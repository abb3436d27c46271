//! RSA keys of 2,048, 3,072 and 4,096 bits (RFC 8017): the certificate keys of the card and of the CAs.
//!
//! The private operation is blinded, constant-time and checked against the public exponent before its result leaves
//! AWS-LC, so a computation fault cannot reveal the factors.

use crate::ffi::rsa::{NO_PADDING, PKCS1_PADDING, Rsa};
use crate::spki::bit_string;
use crate::{Error, Hash, SecretBytes, pkcs8};
use std::sync::Arc;
use tlv::oid;

/// An RSA key pair.
#[derive(Clone)]
pub struct RsaPrivateKey {
    key: Arc<Rsa>,
    public: RsaPublicKey,
}

impl RsaPrivateKey {
    /// A new key with public exponent 65537. The primes come from AWS-LC's own generator.
    pub fn generate(bits: u16) -> Result<Self, Error> {
        if !matches!(bits, 2048 | 3072 | 4096) {
            return Err(Error::Unsupported);
        }
        Self::new(Rsa::generate(bits)?)
    }

    /// Reads a PKCS #8 PrivateKeyInfo; the numbers must belong together.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, Error> {
        Self::new(Rsa::from_private_der(pkcs8::parse_rsa(der)?)?)
    }

    /// Writes a PKCS #8 PrivateKeyInfo.
    pub fn to_pkcs8(&self) -> SecretBytes {
        // Only lack of memory can fail.
        let der = self.key.to_private_der().expect("a valid key can be written");
        pkcs8::encode_rsa(der.expose())
    }

    fn new(key: Rsa) -> Result<Self, Error> {
        if !matches!(key.bits(), 2048..=4096) {
            return Err(Error::Unsupported);
        }
        let (modulus, exponent) = key.public_numbers()?;
        Ok(Self { key: Arc::new(key), public: RsaPublicKey::from_numbers(&modulus, &exponent)? })
    }

    /// The public key.
    pub fn public(&self) -> RsaPublicKey {
        self.public.clone()
    }

    /// RSASSA-PKCS1-v1_5 over a hash value that has been computed already.
    pub fn sign_pkcs1(&self, hash: Hash, digest: &[u8]) -> Result<Vec<u8>, Error> {
        if digest.len() != hash.len() {
            return Err(Error::Length);
        }
        self.key.sign_pkcs1(hash, digest)
    }

    /// RSASP1 / RSADP (RFC 8017 §5.1.2, §5.2.1): block to the power of d. The block must be as long as the modulus and
    /// smaller than it.
    pub fn private_raw(&self, block: &[u8]) -> Result<Vec<u8>, Error> {
        if block.len() != self.key.size() {
            return Err(Error::Length);
        }
        self.key.private_raw(block)
    }

    /// Bytes of the modulus.
    pub fn size(&self) -> usize {
        self.key.size()
    }
}

impl std::fmt::Debug for RsaPrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RsaPrivateKey({} bits, ..)", self.key.bits())
    }
}

/// An RSA public key.
#[derive(Clone)]
pub struct RsaPublicKey {
    key: Arc<Rsa>,
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

impl RsaPublicKey {
    /// The key with this modulus of 2,048 to 8,192 bits and this odd exponent of at most 33 bits.
    pub fn from_numbers(modulus: &[u8], exponent: &[u8]) -> Result<Self, Error> {
        if modulus.len() > 1025 || exponent.len() > 8 {
            return Err(Error::Unsupported);
        }
        let key = Rsa::from_public(modulus, exponent)?;
        if !matches!(key.bits(), 2048..=8192) {
            return Err(Error::Unsupported);
        }
        let (modulus, exponent) = key.public_numbers()?;
        Ok(Self { key: Arc::new(key), modulus, exponent })
    }

    /// Reads a SubjectPublicKeyInfo with rsaEncryption (RFC 3279 §2.3.1).
    pub fn from_spki(der: &[u8]) -> Result<Self, Error> {
        let mut parts = tlv::expect(der, 0x30)?.children();
        let mut algorithm = parts.expect(0x30)?.children();
        if algorithm.expect(0x06)?.value != oid::RSA_ENCRYPTION.as_bytes() {
            return Err(Error::Unsupported);
        }
        // RFC 3279 §2.3.1: the parameters field MUST be NULL.
        if !algorithm.expect(0x05)?.value.is_empty() {
            return Err(Error::MalformedSpki);
        }
        algorithm.finish()?;
        let bits = parts.expect(0x03)?.value;
        parts.finish()?;
        let Some((0, key)) = bits.split_first() else { return Err(Error::MalformedSpki) };
        let mut numbers = tlv::expect(key, 0x30)?.children();
        let (modulus, exponent) =
            (unsigned(numbers.expect(0x02)?.value)?, unsigned(numbers.expect(0x02)?.value)?);
        numbers.finish()?;
        Self::from_numbers(modulus, exponent)
    }

    /// The SubjectPublicKeyInfo.
    pub fn spki(&self) -> Vec<u8> {
        let numbers =
            tlv::sequence(&[&tlv::integer_unsigned(&self.modulus), &tlv::integer_unsigned(&self.exponent)]);
        tlv::sequence(&[&pkcs8::rsa_algorithm(), &bit_string(&numbers)])
    }

    /// The modulus, big-endian.
    pub fn modulus(&self) -> &[u8] {
        &self.modulus
    }

    /// The public exponent, big-endian.
    pub fn exponent(&self) -> &[u8] {
        &self.exponent
    }

    /// Bits of the modulus.
    pub fn bits(&self) -> u32 {
        self.key.bits()
    }

    /// Verifies RSASSA-PKCS1-v1_5 over a hash value that has been computed already.
    pub fn verify_pkcs1(&self, hash: Hash, digest: &[u8], signature: &[u8]) -> Result<(), Error> {
        if digest.len() != hash.len() || signature.len() != self.key.size() {
            return Err(Error::WrongSignature);
        }
        self.key.verify_pkcs1(hash, digest, signature)
    }

    /// RSAES-PKCS1-v1_5 encryption (RFC 8017 §7.2.1). The padding comes from AWS-LC's own generator.
    pub fn encrypt_pkcs1(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        self.key.public_raw(message, PKCS1_PADDING)
    }

    /// RSAEP / RSAVP1: block to the power of e. The block must be as long as the modulus and smaller than it.
    pub fn public_raw(&self, block: &[u8]) -> Result<Vec<u8>, Error> {
        if block.len() != self.key.size() {
            return Err(Error::Length);
        }
        self.key.public_raw(block, NO_PADDING)
    }
}

impl PartialEq for RsaPublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.modulus == other.modulus && self.exponent == other.exponent
    }
}

impl Eq for RsaPublicKey {}

impl std::fmt::Debug for RsaPublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RsaPublicKey({} bits)", self.key.bits())
    }
}

/// The message inside an RSAES-PKCS1-v1_5 block (RFC 8017 §7.2.2) that the card has deciphered for its holder.
///
/// For the holder's own terminal only. Answering a stranger with the difference between right and wrong padding would
/// give him the message (Bleichenbacher), so no service may use it.
pub fn remove_encryption_padding(block: &[u8]) -> Result<SecretBytes, Error> {
    let [0x00, 0x02, rest @ ..] = block else { return Err(Error::InvalidBlock) };
    let separator = rest.iter().position(|b| *b == 0).ok_or(Error::InvalidBlock)?;
    // RFC 8017 §7.2.2 step 3: the padding string has at least eight bytes.
    if separator < 8 {
        return Err(Error::InvalidBlock);
    }
    Ok(SecretBytes::new(&rest[separator + 1..]))
}

/// The magnitude of a DER INTEGER that must be positive and written in the shortest way.
fn unsigned(integer: &[u8]) -> Result<&[u8], Error> {
    match integer {
        [0] | [] => Err(Error::MalformedSpki),
        [0, rest @ ..] if rest[0] & 0x80 != 0 => Ok(rest),
        [first, ..] if *first != 0 && first & 0x80 == 0 => Ok(integer),
        _ => Err(Error::MalformedSpki),
    }
}
