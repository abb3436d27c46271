//! RSA: key generation, the private operation, PKCS #1 v1.5.

use super::{Bn, c, check, library_failure, owner, write_padded};
use crate::{Error, Hash, SecretBytes};
use std::ptr;

owner!(
    /// An RSA key, private or public.
    Key, c::RSA, c::RSA_free
);

// SAFETY: rsa.h: an RSA object may be used by several threads at once as long as none changes it; the lazily made
// Montgomery tables and the blinding cache behind it are guarded by its own locks. Nothing here changes a finished key.
unsafe impl Send for Key {}
// SAFETY: as above.
unsafe impl Sync for Key {}

/// A handle on a key of AWS-LC.
pub(crate) struct Rsa(Key);

impl Rsa {
    /// FIPS 186-5 §A.1.3 with exponent 65537 and a pairwise test of the new key. `bits` must be a multiple of 128.
    pub(crate) fn generate(bits: u16) -> Result<Self, Error> {
        // SAFETY: takes no argument.
        let key = Key::own(unsafe { c::RSA_new() })?;
        // SAFETY: the key is valid and empty; no progress call-back is given.
        check(unsafe { c::RSA_generate_key_fips(key.as_ptr(), i32::from(bits), ptr::null_mut()) })?;
        Ok(Self(key))
    }

    /// Reads RSAPrivateKey; AWS-LC checks that its numbers belong together.
    pub(crate) fn from_private_der(der: &[u8]) -> Result<Self, Error> {
        // SAFETY: pointer and length describe `der`.
        let key = Key::own(unsafe { c::RSA_private_key_from_bytes(der.as_ptr(), der.len()) });
        key.map(Self).map_err(|_| Error::InvalidPrivateKey)
    }

    /// Writes RSAPrivateKey.
    pub(crate) fn to_private_der(&self) -> Result<SecretBytes, Error> {
        let (mut buffer, mut len) = (ptr::null_mut(), 0);
        // SAFETY: the key is valid; both results may be written to.
        check(unsafe { c::RSA_private_key_to_bytes(&mut buffer, &mut len, self.0.as_ptr()) })?;
        // SAFETY: on success AWS-LC has put `len` bytes at `buffer`, which is ours to copy and free; OPENSSL_free
        // erases them.
        unsafe {
            let der = SecretBytes::new(std::slice::from_raw_parts(buffer, len));
            c::OPENSSL_free(buffer.cast());
            Ok(der)
        }
    }

    /// The public key with this modulus and exponent; AWS-LC refuses even numbers and exponents of over 33 bits.
    pub(crate) fn from_public(modulus: &[u8], exponent: &[u8]) -> Result<Self, Error> {
        let (n, e) = (Bn::from_bytes(modulus)?, Bn::from_bytes(exponent)?);
        // SAFETY: both numbers are valid and are copied.
        let key = Key::own(unsafe { c::RSA_new_public_key(n.as_ptr(), e.as_ptr()) });
        key.map(Self).map_err(|_| Error::MalformedSpki)
    }

    /// Bytes of the modulus.
    pub(crate) fn size(&self) -> usize {
        // SAFETY: the key is valid.
        unsafe { c::RSA_size(self.0.as_ptr()) as usize }
    }

    pub(crate) fn bits(&self) -> u32 {
        // SAFETY: the key is valid.
        unsafe { c::RSA_bits(self.0.as_ptr()) }
    }

    /// Modulus and exponent, big-endian, without leading zeros.
    pub(crate) fn public_numbers(&self) -> Result<(Vec<u8>, Vec<u8>), Error> {
        // SAFETY: the key is valid and owns both numbers while they are read; both are set in every finished key.
        unsafe {
            let (n, e) = (c::RSA_get0_n(self.0.as_ptr()), c::RSA_get0_e(self.0.as_ptr()));
            if n.is_null() || e.is_null() {
                return Err(library_failure());
            }
            let (mut modulus, mut exponent) =
                (vec![0; c::BN_num_bytes(n) as usize], vec![0; c::BN_num_bytes(e) as usize]);
            write_padded(n, &mut modulus)?;
            write_padded(e, &mut exponent)?;
            Ok((modulus, exponent))
        }
    }

    /// RSASP1 / RSADP (RFC 8017 §5.1.2, §5.2.1). AWS-LC blinds the input, uses the Chinese remainder theorem in
    /// constant time and applies the public exponent to the result before it hands it out.
    pub(crate) fn private_raw(&self, block: &[u8]) -> Result<Vec<u8>, Error> {
        let mut out = vec![0; self.size()];
        let mut len = 0;
        // SAFETY: pointers and lengths describe `out` and `block`; the key is valid.
        check(unsafe {
            c::RSA_sign_raw(
                self.0.as_ptr(),
                &mut len,
                out.as_mut_ptr(),
                out.len(),
                block.as_ptr(),
                block.len(),
                c::RSA_NO_PADDING,
            )
        })
        .map_err(|_| Error::InvalidBlock)?;
        if len == out.len() { Ok(out) } else { Err(Error::Library) }
    }

    /// RSAVP1 / RSAEP.
    pub(crate) fn public_raw(&self, block: &[u8], padding: i32) -> Result<Vec<u8>, Error> {
        let mut out = vec![0; self.size()];
        let mut len = 0;
        // SAFETY: pointers and lengths describe `out` and `block`; the key is valid.
        check(unsafe {
            c::RSA_encrypt(
                self.0.as_ptr(),
                &mut len,
                out.as_mut_ptr(),
                out.len(),
                block.as_ptr(),
                block.len(),
                padding,
            )
        })
        .map_err(|_| Error::InvalidBlock)?;
        if len == out.len() { Ok(out) } else { Err(Error::Library) }
    }

    /// RSASSA-PKCS1-v1_5 (RFC 8017 §8.2.1) over a hash value.
    pub(crate) fn sign_pkcs1(&self, hash: Hash, digest: &[u8]) -> Result<Vec<u8>, Error> {
        let mut out = vec![0; self.size()];
        let mut len = 0;
        // SAFETY: `out` has RSA_size bytes as the function demands; the other pointers and lengths describe `digest`.
        check(unsafe {
            c::RSA_sign(nid(hash), digest.as_ptr(), digest.len(), out.as_mut_ptr(), &mut len, self.0.as_ptr())
        })?;
        if len as usize == out.len() { Ok(out) } else { Err(Error::Library) }
    }

    /// RSASSA-PKCS1-v1_5 (RFC 8017 §8.2.2) over a hash value.
    pub(crate) fn verify_pkcs1(&self, hash: Hash, digest: &[u8], signature: &[u8]) -> Result<(), Error> {
        // SAFETY: pointers and lengths describe `digest` and `signature`; the key is valid.
        check(unsafe {
            c::RSA_verify(
                nid(hash),
                digest.as_ptr(),
                digest.len(),
                signature.as_ptr(),
                signature.len(),
                self.0.as_ptr(),
            )
        })
        .map_err(|_| Error::WrongSignature)
    }
}

pub(crate) const NO_PADDING: i32 = c::RSA_NO_PADDING;
pub(crate) const PKCS1_PADDING: i32 = c::RSA_PKCS1_PADDING;

fn nid(hash: Hash) -> i32 {
    match hash {
        Hash::Sha1 => c::NID_sha1,
        Hash::Sha224 => c::NID_sha224,
        Hash::Sha256 => c::NID_sha256,
        Hash::Sha384 => c::NID_sha384,
        Hash::Sha512 => c::NID_sha512,
    }
}
