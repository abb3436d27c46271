//! 3DES with two keys (112 bits) in CBC mode, and the retail MAC (ISO/IEC 9797-1 MAC algorithm 3).
//!
//! Basic Access Control is all that uses them (ICAO 9303-11 §4.3), and no profile of an issued card does (OPEN-06,
//! OPEN-52). AWS-LC's DES looks up tables, so its time may tell something of the key to whoever shares the processor's
//! caches: one more reason why BAC stays in the laboratory.

use crate::{Error, ffi};

/// Bytes of one block.
pub const BLOCK: usize = 8;
/// Bytes of a key: two DES keys with their parity bits.
pub const KEY_LEN: usize = 16;

/// An expanded 3DES key.
#[derive(Clone)]
pub struct TripleDes(ffi::des::Schedules);

impl TripleDes {
    /// Expands a key of [`KEY_LEN`] bytes. Parity bits are not looked at.
    pub fn new(key: &[u8]) -> Result<Self, Error> {
        ffi::des::Schedules::new(key).map(Self)
    }

    /// CBC encryption of whole blocks.
    pub fn cbc_encrypt(&self, iv: &[u8; BLOCK], data: &[u8]) -> Result<Vec<u8>, Error> {
        let mut out = data.to_vec();
        self.0.cbc(*iv, &mut out, true)?;
        Ok(out)
    }

    /// CBC decryption of whole blocks.
    pub fn cbc_decrypt(&self, iv: &[u8; BLOCK], data: &[u8]) -> Result<Vec<u8>, Error> {
        let mut out = data.to_vec();
        self.0.cbc(*iv, &mut out, false)?;
        Ok(out)
    }
}

impl std::fmt::Debug for TripleDes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TripleDes(..)")
    }
}

/// An expanded key of the retail MAC.
#[derive(Clone)]
pub struct RetailMac(ffi::des::Schedules);

impl RetailMac {
    /// Expands a key of [`KEY_LEN`] bytes.
    pub fn new(key: &[u8]) -> Result<Self, Error> {
        ffi::des::Schedules::new(key).map(Self)
    }

    /// The MAC over data that have been padded to whole blocks.
    pub fn mac(&self, padded: &[u8]) -> Result<[u8; BLOCK], Error> {
        self.0.retail_mac(padded)
    }
}

impl std::fmt::Debug for RetailMac {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RetailMac(..)")
    }
}

/// Sets each byte to odd parity: the lowest bit makes the number of ones odd (ICAO 9303-11 §9.7.1.1).
pub fn set_odd_parity(key: &mut [u8]) {
    for byte in key {
        *byte = (*byte & 0xFE) | u8::from((*byte & 0xFE).count_ones() % 2 == 0);
    }
}
