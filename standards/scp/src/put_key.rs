//! §7.2: PUT KEY with AES keys (Card Specification §11.8).
//!
//! Data field: new key version, then per key: type 88 (AES), length of what follows up to the check value, length of the
//! key, the key encrypted under Key-DEK (CBC, zero initial value, filled up with zeros to whole blocks), length 03 and
//! value of the key check value.

use crate::{Error, KeySet, check_value};
use apdu::Command;
use curve::{SecretBytes, aes::Aes};
use zeroize::Zeroizing;

/// Instruction byte of PUT KEY.
pub const INS_PUT_KEY: u8 = 0xD8;

/// Card Specification §11.1.8: key type AES.
const TYPE_AES: u8 = 0x88;

/// P2: first key identifier 01, and bit 8: more than one key.
const THREE_KEYS_FROM_01: u8 = 0x81;

pub(crate) fn encode_key(dek: &Aes, key: &SecretBytes) -> Result<Vec<u8>, Error> {
    let check_value = check_value(key)?;
    let mut blocks = Zeroizing::new(Vec::with_capacity(32));
    blocks.extend_from_slice(key.expose());
    blocks.resize(key.len().next_multiple_of(16), 0);
    let encrypted = dek.cbc_encrypt(&[0; 16], &blocks)?;
    let mut out = vec![TYPE_AES, encrypted.len() as u8 + 1, key.len() as u8];
    out.extend_from_slice(&encrypted);
    out.push(3);
    out.extend_from_slice(&check_value);
    Ok(out)
}

pub(crate) fn decode_key<'a>(dek: &Aes, field: &'a [u8]) -> Result<(SecretBytes, &'a [u8]), Error> {
    let [TYPE_AES, len, rest @ ..] = field else { return Err(Error::Malformed) };
    let (component, rest) = rest.split_at_checked(usize::from(*len)).ok_or(Error::Malformed)?;
    let Some((&[3, a, b, c], rest)) = rest.split_first_chunk::<4>() else { return Err(Error::Malformed) };
    let (&key_len, encrypted) = component.split_first().ok_or(Error::Malformed)?;
    let key_len = usize::from(key_len);
    if !matches!(key_len, 16 | 24 | 32) || encrypted.len() != key_len.next_multiple_of(16) {
        return Err(Error::KeyLength);
    }
    let blocks = Zeroizing::new(dek.cbc_decrypt(&[0; 16], encrypted)?);
    let key = SecretBytes::new(&blocks[..key_len]);
    if check_value(&key)? != [a, b, c] {
        return Err(Error::WrongCheckValue);
    }
    Ok((key, rest))
}

pub(crate) fn command(dek: &Aes, replaces: u8, version: u8, keys: &KeySet) -> Result<Command, Error> {
    keys.check()?;
    let mut data = vec![version];
    for key in keys.in_order() {
        data.extend_from_slice(&encode_key(dek, key)?);
    }
    Ok(Command::new(0x80, INS_PUT_KEY, replaces, THREE_KEYS_FROM_01).with_data(data).with_le(256))
}

pub(crate) fn decode_key_set(dek: &Aes, data: &[u8]) -> Result<(u8, KeySet), Error> {
    let (&version, rest) = data.split_first().ok_or(Error::Malformed)?;
    let (enc, rest) = decode_key(dek, rest)?;
    let (mac, rest) = decode_key(dek, rest)?;
    let (dek, rest) = decode_key(dek, rest)?;
    if !rest.is_empty() {
        return Err(Error::Malformed);
    }
    let keys = KeySet { enc, mac, dek };
    keys.check()?;
    Ok((version, keys))
}

/// Card Specification §11.8.3.1: what the card answers to PUT KEY, and the host compares: version and check values.
pub fn confirmation(version: u8, keys: &KeySet) -> Result<Vec<u8>, Error> {
    let mut out = vec![version];
    out.extend(keys.check_values()?.into_iter().flatten());
    Ok(out)
}
