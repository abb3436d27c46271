//! The key derivation function (ICAO 9303-11 §9.7.1, TR-03110-3 §A.2.3).

use curve::{Hash, SecretBytes};

use crate::Cipher;

/// Counter of the encryption key of secure messaging.
pub const ENC: u32 = 1;
/// Counter of the MAC key of secure messaging.
pub const MAC: u32 = 2;
/// Counter of the key that encrypts the PACE nonce.
pub const PASSWORD: u32 = 3;

/// KDF(K, c): hash of the secret and a 32-bit counter, cut to the key length.
// ICAO 9303-11 §9.7.1.1-3: SHA-1 for 128-bit keys, SHA-256 for 192 and 256 bits; the leading bytes are the key.
pub fn kdf(secret: &[u8], counter: u32, cipher: Cipher) -> SecretBytes {
    let hash = match cipher {
        Cipher::Aes128 => Hash::Sha1,
        Cipher::Aes192 | Cipher::Aes256 => Hash::Sha256,
    };
    let mut input = zeroize::Zeroizing::new(Vec::with_capacity(secret.len() + 4));
    input.extend_from_slice(secret);
    input.extend_from_slice(&counter.to_be_bytes());
    let mut key = hash.digest(&input);
    zeroize::Zeroize::zeroize(&mut key[cipher.key_len()..]);
    key.truncate(cipher.key_len());
    SecretBytes::from(key)
}

/// KDF(K, c) for 3DES with two keys, parity bits set.
// ICAO 9303-11 §9.7.1.1: octets 1 to 8 and 9 to 16 of SHA-1.
pub fn kdf_3des(secret: &[u8], counter: u32) -> SecretBytes {
    let mut key = zeroize::Zeroizing::new(kdf(secret, counter, Cipher::Aes128).expose().to_vec());
    curve::des::set_odd_parity(&mut key);
    SecretBytes::new(&key)
}
