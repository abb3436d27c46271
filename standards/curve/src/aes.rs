//! AES (FIPS 197) in CBC mode without padding, single blocks, and CMAC (SP 800-38B, RFC 4493).
//!
//! [`Aes`] and [`Cmac`] keep the expanded key for as long as a session lasts; the free functions serve single uses. Keys
//! have 16, 24 or 32 bytes.

use crate::{Error, ffi};

/// An expanded AES key for both directions.
#[derive(Clone)]
pub struct Aes {
    encrypting: ffi::aes::Schedule,
    decrypting: ffi::aes::Schedule,
}

impl Aes {
    /// Expands `key`.
    pub fn new(key: &[u8]) -> Result<Self, Error> {
        Ok(Self {
            encrypting: ffi::aes::Schedule::encrypting(key)?,
            decrypting: ffi::aes::Schedule::decrypting(key)?,
        })
    }

    /// Encrypts one block.
    pub fn encrypt_block(&self, block: &[u8; 16]) -> [u8; 16] {
        self.encrypting.block(block)
    }

    /// Decrypts one block.
    pub fn decrypt_block(&self, block: &[u8; 16]) -> [u8; 16] {
        self.decrypting.block(block)
    }

    /// CBC encryption of whole blocks.
    pub fn cbc_encrypt(&self, iv: &[u8; 16], data: &[u8]) -> Result<Vec<u8>, Error> {
        let (mut iv, mut out) = (*iv, data.to_vec());
        self.encrypting.cbc(&mut iv, &mut out)?;
        Ok(out)
    }

    /// CBC decryption of whole blocks.
    pub fn cbc_decrypt(&self, iv: &[u8; 16], data: &[u8]) -> Result<Vec<u8>, Error> {
        let (mut iv, mut out) = (*iv, data.to_vec());
        self.decrypting.cbc(&mut iv, &mut out)?;
        Ok(out)
    }
}

impl std::fmt::Debug for Aes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Aes(..)")
    }
}

/// An expanded CMAC key.
pub struct Cmac(ffi::aes::CmacKey);

impl Cmac {
    /// Expands `key`.
    pub fn new(key: &[u8]) -> Result<Self, Error> {
        ffi::aes::CmacKey::new(key).map(Self)
    }

    /// The MAC of all `parts` one after the other.
    pub fn mac(&self, parts: &[&[u8]]) -> [u8; 16] {
        // With a valid key only lack of memory can fail.
        self.0.mac(parts).expect("CMAC with a valid key")
    }
}

impl std::fmt::Debug for Cmac {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cmac(..)")
    }
}

/// CBC encryption of whole blocks.
pub fn cbc_encrypt(key: &[u8], iv: &[u8; 16], data: &[u8]) -> Result<Vec<u8>, Error> {
    let (mut iv, mut out) = (*iv, data.to_vec());
    ffi::aes::Schedule::encrypting(key)?.cbc(&mut iv, &mut out)?;
    Ok(out)
}

/// CBC decryption of whole blocks.
pub fn cbc_decrypt(key: &[u8], iv: &[u8; 16], data: &[u8]) -> Result<Vec<u8>, Error> {
    let (mut iv, mut out) = (*iv, data.to_vec());
    ffi::aes::Schedule::decrypting(key)?.cbc(&mut iv, &mut out)?;
    Ok(out)
}

/// Encrypts one block.
pub fn encrypt_block(key: &[u8], block: &[u8; 16]) -> Result<[u8; 16], Error> {
    Ok(ffi::aes::Schedule::encrypting(key)?.block(block))
}

/// Decrypts one block.
pub fn decrypt_block(key: &[u8], block: &[u8; 16]) -> Result<[u8; 16], Error> {
    Ok(ffi::aes::Schedule::decrypting(key)?.block(block))
}

/// The MAC of all `parts` one after the other.
pub fn cmac(key: &[u8], parts: &[&[u8]]) -> Result<[u8; 16], Error> {
    ffi::aes::CmacKey::new(key)?.mac(parts)
}

/// Pads to whole blocks with 80 00.. (ISO/IEC 9797-1 method 2): at least one byte is added.
pub fn pad(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() + 16);
    out.extend_from_slice(data);
    out.push(0x80);
    out.resize(out.len().next_multiple_of(16), 0);
    out
}

/// The data before the padding of [`pad`].
///
/// Only for data whose MAC has been verified: how long it takes tells where the padding begins.
pub fn unpad(padded: &[u8]) -> Result<&[u8], Error> {
    let zeros = padded.iter().rev().take_while(|b| **b == 0).count();
    match padded[..padded.len() - zeros].split_last() {
        Some((0x80, data)) if zeros < 16 => Ok(data),
        _ => Err(Error::InvalidBlock),
    }
}
