//! AES key schedules, CBC, single blocks and CMAC.

use super::{c, check, owner};
use crate::Error;
use std::mem::MaybeUninit;
use zeroize::Zeroize;

/// An expanded key for one direction; zeroed when dropped.
#[derive(Clone)]
pub(crate) struct Schedule {
    key: c::AES_KEY,
    direction: i32,
}

impl Schedule {
    pub(crate) fn encrypting(key: &[u8]) -> Result<Self, Error> {
        Self::expand(key, c::AES_ENCRYPT)
    }

    pub(crate) fn decrypting(key: &[u8]) -> Result<Self, Error> {
        Self::expand(key, c::AES_DECRYPT)
    }

    fn expand(key: &[u8], direction: i32) -> Result<Self, Error> {
        let bits = match key.len() {
            16 => 128,
            24 => 192,
            32 => 256,
            _ => return Err(Error::Length),
        };
        // AES-128 leaves part of the schedule unused, so it starts as zeros rather than uninitialised.
        let mut schedule = MaybeUninit::<c::AES_KEY>::zeroed();
        // SAFETY: `key` has as many bytes as `bits` says; the schedule may be written to.
        let result = unsafe {
            match direction {
                c::AES_ENCRYPT => c::AES_set_encrypt_key(key.as_ptr(), bits, schedule.as_mut_ptr()),
                _ => c::AES_set_decrypt_key(key.as_ptr(), bits, schedule.as_mut_ptr()),
            }
        };
        // AES_set_*_key is the exception of the library: 0 is success.
        if result != 0 {
            return Err(Error::Library);
        }
        // SAFETY: all fields are plain integers and were zero or have been written.
        Ok(Self { key: unsafe { schedule.assume_init() }, direction })
    }

    /// CBC without padding, in place; `data` must be a multiple of the block. The last cipher block ends up in `iv`.
    pub(crate) fn cbc(&self, iv: &mut [u8; 16], data: &mut [u8]) -> Result<(), Error> {
        if !data.len().is_multiple_of(16) {
            return Err(Error::Length);
        }
        let pointer = data.as_mut_ptr();
        // SAFETY: source and target are the same buffer of `data.len()` bytes, which AWS-LC allows; the schedule was
        // made for this direction; `iv` has the 16 bytes that are read and written.
        unsafe {
            c::AES_cbc_encrypt(
                pointer.cast_const(),
                pointer,
                data.len(),
                &self.key,
                iv.as_mut_ptr(),
                self.direction,
            );
        }
        Ok(())
    }

    /// One block.
    pub(crate) fn block(&self, block: &[u8; 16]) -> [u8; 16] {
        let mut out = [0; 16];
        // SAFETY: both buffers have 16 bytes; the schedule was made for the direction called.
        unsafe {
            match self.direction {
                c::AES_ENCRYPT => c::AES_encrypt(block.as_ptr(), out.as_mut_ptr(), &self.key),
                _ => c::AES_decrypt(block.as_ptr(), out.as_mut_ptr(), &self.key),
            }
        }
        out
    }
}

impl Drop for Schedule {
    fn drop(&mut self) {
        self.key.rd_key.zeroize();
    }
}

owner!(
    /// A CMAC context.
    Context, c::CMAC_CTX, c::CMAC_CTX_free
);

/// A CMAC key with its subkeys.
pub(crate) struct CmacKey(Context);

// SAFETY: the context has no thread affinity and is owned by this value alone.
unsafe impl Send for CmacKey {}
// SAFETY: after `new` the context is only read, by CMAC_CTX_copy (`const CMAC_CTX *`).
unsafe impl Sync for CmacKey {}

impl CmacKey {
    pub(crate) fn new(key: &[u8]) -> Result<Self, Error> {
        // SAFETY: these functions take no argument and return static tables.
        let cipher = unsafe {
            match key.len() {
                16 => c::EVP_aes_128_cbc(),
                24 => c::EVP_aes_192_cbc(),
                32 => c::EVP_aes_256_cbc(),
                _ => return Err(Error::Length),
            }
        };
        let context = new_context()?;
        // SAFETY: pointer and length describe `key`, whose length fits the cipher; no engine is used.
        check(unsafe {
            c::CMAC_Init(context.as_ptr(), key.as_ptr().cast(), key.len(), cipher, std::ptr::null_mut())
        })?;
        Ok(Self(context))
    }

    pub(crate) fn mac(&self, parts: &[&[u8]]) -> Result<[u8; 16], Error> {
        let context = new_context()?;
        // SAFETY: both contexts are valid.
        check(unsafe { c::CMAC_CTX_copy(context.as_ptr(), self.0.as_ptr()) })?;
        for part in parts.iter().filter(|part| !part.is_empty()) {
            // SAFETY: pointer and length describe `part`.
            check(unsafe { c::CMAC_Update(context.as_ptr(), part.as_ptr(), part.len()) })?;
        }
        let (mut mac, mut len) = ([0; 16], 16);
        // SAFETY: AES-CMAC writes 16 bytes, which `mac` has.
        check(unsafe { c::CMAC_Final(context.as_ptr(), mac.as_mut_ptr(), &mut len) })?;
        Ok(mac)
    }
}

fn new_context() -> Result<Context, Error> {
    // SAFETY: takes no argument.
    Context::own(unsafe { c::CMAC_CTX_new() })
}
