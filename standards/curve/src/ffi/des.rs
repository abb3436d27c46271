//! DES key schedules, 3DES in CBC mode, single DES.

use super::c;
use crate::Error;
use zeroize::Zeroize;

/// The two expanded keys of 3DES with 112 bits; zeroed when dropped.
#[derive(Clone)]
pub(crate) struct Schedules([c::DES_key_schedule; 2]);

impl Schedules {
    /// Expands two keys of eight bytes. Parity bits are not looked at.
    pub(crate) fn new(key: &[u8]) -> Result<Self, Error> {
        let (&[first, second], []) = key.as_chunks::<8>() else { return Err(Error::Length) };
        Ok(Self([first, second].map(|bytes| {
            let key = c::DES_cblock { bytes };
            let mut schedule = c::DES_key_schedule { subkeys: [[0; 2]; 16] };
            // SAFETY: `key` has eight bytes, the schedule may be written to.
            unsafe { c::DES_set_key_unchecked(&key, &mut schedule) };
            schedule
        })))
    }

    /// CBC with encrypt-decrypt-encrypt, without padding, in place; `data` must be whole blocks.
    pub(crate) fn cbc(&self, iv: [u8; 8], data: &mut [u8], encrypt: bool) -> Result<(), Error> {
        if !data.len().is_multiple_of(8) {
            return Err(Error::Length);
        }
        let Self([first, second]) = self;
        let (pointer, mut iv) = (data.as_mut_ptr(), c::DES_cblock { bytes: iv });
        // SAFETY: source and target are the same buffer of `data.len()` bytes, which AWS-LC allows; the schedules are
        // valid, `iv` may be written to.
        unsafe {
            c::DES_ede2_cbc_encrypt(
                pointer.cast_const(),
                pointer,
                data.len(),
                first,
                second,
                &mut iv,
                i32::from(encrypt),
            );
        }
        Ok(())
    }

    /// ISO/IEC 9797-1 MAC algorithm 3 over whole blocks: CBC with the first key, the last block once more through the
    /// second key backwards and the first key forwards.
    pub(crate) fn retail_mac(&self, data: &[u8]) -> Result<[u8; 8], Error> {
        if !data.len().is_multiple_of(8) {
            return Err(Error::Length);
        }
        let Self([first, second]) = self;
        let mut block = c::DES_cblock { bytes: [0; 8] };
        for part in data.chunks_exact(8) {
            let mut mixed = c::DES_cblock { bytes: [0; 8] };
            for (out, (a, b)) in mixed.bytes.iter_mut().zip(part.iter().zip(block.bytes)) {
                *out = a ^ b;
            }
            // SAFETY: both blocks have eight bytes, the schedule is valid.
            unsafe { c::DES_ecb_encrypt(&mixed, &mut block, first, 1) };
        }
        let mut out = c::DES_cblock { bytes: [0; 8] };
        // SAFETY: as above.
        unsafe {
            c::DES_ecb_encrypt(&block, &mut out, second, 0);
            c::DES_ecb_encrypt(&out, &mut block, first, 1);
        }
        Ok(block.bytes)
    }
}

impl Drop for Schedules {
    fn drop(&mut self) {
        for schedule in &mut self.0 {
            schedule.subkeys.zeroize();
        }
    }
}
