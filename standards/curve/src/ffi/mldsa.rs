//! ML-DSA keys, signatures and their verification, through AWS-LC's general key interface.

use super::{c, check, library_failure, owner};
use crate::Error;
use std::ptr;

owner!(
    /// A key, public or private.
    Pkey, c::EVP_PKEY, c::EVP_PKEY_free
);
owner!(
    /// One signature or verification under way.
    Context, c::EVP_MD_CTX, c::EVP_MD_CTX_free
);

/// A key that is never changed once it is made.
pub(crate) struct Key(Pkey);

// SAFETY: the key has no thread affinity and is owned by this value alone.
unsafe impl Send for Key {}
// SAFETY: after it was made the key is only read; AWS-LC counts references atomically.
unsafe impl Sync for Key {}

impl Key {
    /// The key pair a seed of 32 bytes gives (FIPS 204 §6.1).
    pub(crate) fn from_seed(seed: &[u8; 32]) -> Result<Self, Error> {
        // SAFETY: pointer and length describe `seed`.
        let key = unsafe { c::EVP_PKEY_pqdsa_new_raw_private_key(c::NID_MLDSA65, seed.as_ptr(), seed.len()) };
        Pkey::own(key).map(Self)
    }

    /// A public key of 1,952 bytes.
    pub(crate) fn from_public(public: &[u8]) -> Result<Self, Error> {
        // SAFETY: pointer and length describe `public`; AWS-LC checks the length.
        let key =
            unsafe { c::EVP_PKEY_pqdsa_new_raw_public_key(c::NID_MLDSA65, public.as_ptr(), public.len()) };
        Pkey::own(key).map(Self)
    }

    /// The public key.
    pub(crate) fn public(&self, len: usize) -> Result<Vec<u8>, Error> {
        let (mut out, mut written) = (vec![0; len], len);
        // SAFETY: the key is valid; pointer and length describe `out`.
        check(unsafe { c::EVP_PKEY_get_raw_public_key(self.0.as_ptr(), out.as_mut_ptr(), &mut written) })?;
        if written == len { Ok(out) } else { Err(library_failure()) }
    }

    /// Signs with an empty context string; AWS-LC draws the randomness.
    pub(crate) fn sign(&self, message: &[u8], len: usize) -> Result<Vec<u8>, Error> {
        let context = new_context()?;
        let (mut out, mut written) = (vec![0; len], len);
        // SAFETY: context and key are valid, and the context keeps its own reference to the key; no digest and no engine
        // are used. Pointers and lengths describe `message` and `out`.
        unsafe {
            let (no_digest, no_engine) = (ptr::null(), ptr::null_mut());
            let key = self.0.as_ptr();
            check(c::EVP_DigestSignInit(context.as_ptr(), ptr::null_mut(), no_digest, no_engine, key))?;
            let (to, from) = (out.as_mut_ptr(), message.as_ptr());
            check(c::EVP_DigestSign(context.as_ptr(), to, &mut written, from, message.len()))?;
        }
        if written == len { Ok(out) } else { Err(library_failure()) }
    }

    /// Verifies a signature with an empty context string.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Error> {
        let context = new_context()?;
        // SAFETY: as above; pointers and lengths describe `message` and `signature`.
        let verified = unsafe {
            let (no_digest, no_engine) = (ptr::null(), ptr::null_mut());
            let key = self.0.as_ptr();
            check(c::EVP_DigestVerifyInit(context.as_ptr(), ptr::null_mut(), no_digest, no_engine, key))?;
            let (given, data) = (signature.as_ptr(), message.as_ptr());
            check(c::EVP_DigestVerify(context.as_ptr(), given, signature.len(), data, message.len()))
        };
        verified.map_err(|_| Error::WrongSignature)
    }
}

fn new_context() -> Result<Context, Error> {
    // SAFETY: takes no argument.
    Context::own(unsafe { c::EVP_MD_CTX_new() })
}
