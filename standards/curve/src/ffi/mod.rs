//! The calls into AWS-LC's C interface: the only unsafe code of the standards crates.
//!
//! Every function here has a safe signature: slices in, fresh buffers out, an error where C says 0 or null. Every C
//! object is owned by a Rust value that frees it. No pointer leaves this module.

#![allow(unsafe_code)]

pub(crate) mod aes;
pub(crate) mod des;
pub(crate) mod ec;
pub(crate) mod field;
pub(crate) mod mldsa;
pub(crate) mod rsa;

use crate::Error;
use aws_lc_sys as c;

/// Defines an owner of a C object: made from a pointer that may be null, freed when dropped.
macro_rules! owner {
    ($(#[$doc:meta])* $name:ident, $object:ty, $free:path) => {
        $(#[$doc])*
        struct $name(std::ptr::NonNull<$object>);

        impl $name {
            /// Takes ownership of what a C function returned; null means failure.
            fn own(pointer: *mut $object) -> Result<Self, Error> {
                std::ptr::NonNull::new(pointer).map(Self).ok_or_else($crate::ffi::library_failure)
            }

            fn as_ptr(&self) -> *mut $object {
                self.0.as_ptr()
            }

            /// Gives ownership away to C.
            #[allow(dead_code, reason = "some owners only ever free")]
            fn release(self) -> *mut $object {
                std::mem::ManuallyDrop::new(self).0.as_ptr()
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                // SAFETY: the pointer came from the matching constructor, is not null, and is owned by `self` alone.
                unsafe { $free(self.0.as_ptr()) }
            }
        }
    };
}
use owner;

owner!(
    /// A big number; cleared when freed.
    Bn, c::BIGNUM, c::BN_clear_free
);

impl Bn {
    /// Zero, to be written to.
    fn new() -> Result<Self, Error> {
        // SAFETY: takes no argument.
        Self::own(unsafe { c::BN_new() })
    }

    /// The number with these big-endian bytes.
    fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        // SAFETY: pointer and length describe `bytes`; a null result target makes AWS-LC allocate the number.
        Self::own(unsafe { c::BN_bin2bn(bytes.as_ptr(), bytes.len(), std::ptr::null_mut()) })
    }
}

/// Writes `number` big-endian into all of `out`, with leading zeros.
///
/// # Safety
/// `number` must be null or point to a valid number.
unsafe fn write_padded(number: *const c::BIGNUM, out: &mut [u8]) -> Result<(), Error> {
    if number.is_null() {
        return Err(library_failure());
    }
    // SAFETY: `number` is valid by contract; pointer and length describe `out`.
    check(unsafe { c::BN_bn2bin_padded(out.as_mut_ptr(), out.len(), number) })
}

/// 1 is success in AWS-LC, everything else failure.
fn check(result: std::os::raw::c_int) -> Result<(), Error> {
    if result == 1 { Ok(()) } else { Err(library_failure()) }
}

/// AWS-LC leaves a record in the thread's error queue; nobody reads it here, so it is emptied.
fn library_failure() -> Error {
    // SAFETY: takes no argument and touches thread-local state only.
    unsafe { c::ERR_clear_error() }
    Error::Library
}
