//! Static keys: the three keys of a key set, check values, and keys per card from a master key.

use crate::{Error, kdf};
use curve::{Random, SecretBytes, aes};

/// §4.1.4, table 4-1: the static keys of a secure channel, all of 16, 24 or all of 32 bytes.
#[derive(Clone, Debug)]
pub struct KeySet {
    /// Key-ENC: session keys for encryption are derived from it.
    pub enc: SecretBytes,
    /// Key-MAC: session keys for MACs are derived from it.
    pub mac: SecretBytes,
    /// Key-DEK: sensitive data (keys, PINs) is encrypted with it.
    pub dek: SecretBytes,
}

impl KeySet {
    /// A key set from its three keys.
    pub fn new(enc: &[u8], mac: &[u8], dek: &[u8]) -> Result<Self, Error> {
        let keys =
            Self { enc: SecretBytes::new(enc), mac: SecretBytes::new(mac), dek: SecretBytes::new(dek) };
        keys.check()?;
        Ok(keys)
    }

    /// A random key set with keys of `len` bytes: 16, 24 or 32.
    pub fn random(len: usize, rng: &mut dyn Random) -> Result<Self, Error> {
        let mut key = || SecretBytes::random(len, rng);
        let keys = Self { enc: key(), mac: key(), dek: key() };
        keys.check()?;
        Ok(keys)
    }

    /// Bytes of each key.
    pub fn key_len(&self) -> usize {
        self.enc.len()
    }

    /// The key check values of ENC, MAC and DEK.
    pub fn check_values(&self) -> Result<[[u8; 3]; 3], Error> {
        Ok([check_value(&self.enc)?, check_value(&self.mac)?, check_value(&self.dek)?])
    }

    /// In the order in which PUT KEY carries them: identifiers 01, 02, 03.
    pub(crate) fn in_order(&self) -> [&SecretBytes; 3] {
        [&self.enc, &self.mac, &self.dek]
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let len = self.key_len();
        if matches!(len, 16 | 24 | 32) && self.in_order().iter().all(|k| k.len() == len) {
            Ok(())
        } else {
            Err(Error::KeyLength)
        }
    }
}

/// §4.1.4 (Card Specification §B.6): the leftmost three bytes of sixteen bytes 01 encrypted with the key.
pub fn check_value(key: &SecretBytes) -> Result<[u8; 3], Error> {
    let [a, b, c, ..] = aes::encrypt_block(key.expose(), &[0x01; 16])?;
    Ok([a, b, c])
}

/// The key set of one card from a master key and what tells the card from all others (its chip identifier).
///
/// The scheme is the derivation function of the protocol itself (§4.1.5) with a label of its own, so that no derived
/// key can coincide with a session key: label "NewEID-KEYS" followed by 01 (ENC), 02 (MAC) or 03 (DEK), a zero byte,
/// L in bits, counter, and the diversifier as context. The keys are as long as the master key.
pub fn diversify(master: &SecretBytes, diversifier: &[u8]) -> Result<KeySet, Error> {
    let key = |number: u8| {
        let mut label = *b"NewEID-KEYS\0";
        label[11] = number;
        kdf::derive(master.expose(), &label, diversifier, master.len())
    };
    let keys = KeySet { enc: key(1)?, mac: key(2)?, dek: key(3)? };
    keys.check()?;
    Ok(keys)
}
