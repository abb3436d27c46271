//! Master keys of a system and data keys of a row.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf;
use aws_lc_rs::hmac;
use curve::{Random, SecretBytes};
use zeroize::{Zeroize, Zeroizing};

use crate::SealError;

/// Length of every key here: AES-256.
const KEY_LEN: usize = 32;

/// The key of one system, or of one purpose inside it. Wraps data keys and answers look-ups.
#[derive(Clone)]
pub struct MasterKey(Zeroizing<[u8; KEY_LEN]>);

/// The key of one person, case or order. Exists in the clear only while a row is worked on.
pub struct DataKey(Zeroizing<[u8; KEY_LEN]>);

impl MasterKey {
    /// Takes 32 bytes from the key store.
    pub fn from_bytes(bytes: &SecretBytes) -> Result<Self, SealError> {
        fixed(bytes.expose()).map(Self)
    }

    /// A fresh master key.
    pub fn generate(random: &mut dyn Random) -> Self {
        Self(fresh(random))
    }

    /// The key for one purpose. Different purposes give independent keys.
    // RFC 5869 §3.2: the info input binds the derived key to its use.
    pub fn derive(&self, purpose: &str) -> Self {
        Self(expand(self.0.as_slice(), purpose.as_bytes()))
    }

    /// Bytes for another key type (card keys, for instance), derived for one purpose.
    pub fn derive_bytes<const N: usize>(&self, purpose: &str) -> SecretBytes {
        let mut out = Zeroizing::new([0u8; N]);
        expand_into(self.0.as_slice(), purpose.as_bytes(), out.as_mut_slice());
        SecretBytes::from(out.to_vec())
    }

    /// The keyed hash under which a value is found. Same value, same hash; without the key nobody can try values.
    pub fn lookup(&self, value: &[u8]) -> [u8; 32] {
        let key = expand(self.0.as_slice(), b"look-up");
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_slice()), value);
        let mut out = [0; 32];
        out.copy_from_slice(tag.as_ref());
        out
    }

    /// Makes a data key and its wrapped form for the row `context`.
    pub fn new_data_key(
        &self,
        random: &mut dyn Random,
        context: &str,
    ) -> Result<(DataKey, Vec<u8>), SealError> {
        let key = DataKey(fresh(random));
        let wrapped = seal(&self.0, random, context, key.0.as_slice())?;
        Ok((key, wrapped))
    }

    /// Opens a wrapped data key.
    pub fn unwrap_data_key(&self, context: &str, wrapped: &[u8]) -> Result<DataKey, SealError> {
        let plain = open(&self.0, context, wrapped)?;
        fixed(plain.expose()).map(DataKey)
    }

    /// Encrypts a value that has no data key of its own.
    pub fn seal(&self, random: &mut dyn Random, context: &str, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        seal(&self.0, random, context, plain)
    }

    /// Opens what [`MasterKey::seal`] made.
    pub fn open(&self, context: &str, sealed: &[u8]) -> Result<SecretBytes, SealError> {
        open(&self.0, context, sealed)
    }
}

impl DataKey {
    /// Takes a key agreed with another system.
    pub(crate) fn from_array(bytes: [u8; KEY_LEN]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Encrypts `plain` for the row and column `context`.
    pub fn seal(&self, random: &mut dyn Random, context: &str, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        seal(&self.0, random, context, plain)
    }

    /// Opens what [`DataKey::seal`] made for the same context.
    pub fn open(&self, context: &str, sealed: &[u8]) -> Result<SecretBytes, SealError> {
        open(&self.0, context, sealed)
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey(..)")
    }
}

impl std::fmt::Debug for DataKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DataKey(..)")
    }
}

/// HKDF-SHA-512 from a uniformly random key to a key for one purpose.
pub(crate) fn expand(secret: &[u8], info: &[u8]) -> Zeroizing<[u8; KEY_LEN]> {
    let mut out = Zeroizing::new([0u8; KEY_LEN]);
    expand_into(secret, info, out.as_mut_slice());
    out
}

fn expand_into(secret: &[u8], info: &[u8], out: &mut [u8]) {
    // RFC 5869 §2.2: an absent salt is a string of zeros; the input is already uniform or an ECDH secret.
    let prk = hkdf::Salt::new(hkdf::HKDF_SHA512, &[]).extract(secret);
    let parts = [info];
    prk.expand(&parts, OutputLength(out.len()))
        .and_then(|okm| okm.fill(out))
        .expect("HKDF-SHA-512 gives up to 16,320 bytes");
}

struct OutputLength(usize);

impl hkdf::KeyType for OutputLength {
    fn len(&self) -> usize {
        self.0
    }
}

fn seal(
    key: &[u8; KEY_LEN],
    random: &mut dyn Random,
    context: &str,
    plain: &[u8],
) -> Result<Vec<u8>, SealError> {
    // NIST SP 800-38D §8.2.2: a random 96-bit IV; a data key seals a handful of values, a master key wraps
    // far fewer than 2^32.
    let mut nonce = [0u8; NONCE_LEN];
    random.fill(&mut nonce);
    let mut out = Vec::with_capacity(NONCE_LEN + plain.len() + AES_256_GCM.tag_len());
    out.extend_from_slice(&nonce);
    out.extend_from_slice(plain);
    let tag = cipher(key)?
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(context.as_bytes()),
            &mut out[NONCE_LEN..],
        )
        .map_err(|_| SealError::Crypto)?;
    out.extend_from_slice(tag.as_ref());
    Ok(out)
}

fn open(key: &[u8; KEY_LEN], context: &str, sealed: &[u8]) -> Result<SecretBytes, SealError> {
    let (nonce, body) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(SealError::Open)?;
    let mut body = body.to_vec();
    let plain = cipher(key)?
        .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(context.as_bytes()), &mut body)
        .map(|plain| plain.len());
    match plain {
        Ok(len) => {
            body.truncate(len);
            Ok(SecretBytes::from(body))
        }
        Err(_) => {
            body.zeroize();
            Err(SealError::Open)
        }
    }
}

fn cipher(key: &[u8; KEY_LEN]) -> Result<LessSafeKey, SealError> {
    UnboundKey::new(&AES_256_GCM, key).map(LessSafeKey::new).map_err(|_| SealError::Crypto)
}

fn fixed(bytes: &[u8]) -> Result<Zeroizing<[u8; KEY_LEN]>, SealError> {
    <[u8; KEY_LEN]>::try_from(bytes).map(Zeroizing::new).map_err(|_| SealError::KeyLength)
}

fn fresh(random: &mut dyn Random) -> Zeroizing<[u8; KEY_LEN]> {
    let mut key = Zeroizing::new([0u8; KEY_LEN]);
    random.fill(key.as_mut_slice());
    key
}
