//! Reading EnvelopedData (RFC 5652 §6): content enciphered to a certificate, as `openssl cms -encrypt` and mail programs write
//! it. The private key may be in a chip: [`EnvelopedData::recipient`] says what it must do, and takes the outcome.
//!
//! Done: key transport with RSAES-PKCS1-v1_5 (RFC 3370 §4.2.1), key agreement with ephemeral-static ECDH, the standard KDF
//! and AES key wrap (RFC 5753 §3.1), content in AES-CBC (RFC 3565). Left out: RSAES-OAEP, cofactor ECDH and MQV, passwords,
//! triple DES, authenticated content, and BER.

use const_oid::ObjectIdentifier as Oid;
use curve::{Hash, SecretBytes, aes};
use tlv::{encode, oid};

use super::identity::Identity;
use crate::asn1::{Der, NULL, OCTET_STRING, SEQUENCE, SET, explicit, implicit};
use crate::{Certificate, Error};

const MAX_RECIPIENTS: usize = 64;
const BLOCK: usize = 16;

/// A parsed EnvelopedData.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvelopedData {
    recipients: Vec<Recipient>,
    key_len: usize,
    iv: [u8; BLOCK],
    content: Vec<u8>,
}

/// How a recipient gets the content-encryption key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipient {
    /// It was enciphered with the recipient's RSA key.
    KeyTransport(KeyTransport),
    /// It is wrapped under a key agreed on by ECDH.
    KeyAgreement(KeyAgreement),
}

/// KeyTransRecipientInfo (RFC 5652 §6.2.1) with rsaEncryption.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyTransport {
    recipient: Identity,
    encrypted_key: Vec<u8>,
}

/// KeyAgreeRecipientInfo (RFC 5652 §6.2.2, RFC 5753 §3.1.1) for one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyAgreement {
    recipient: Identity,
    originator: Vec<u8>,
    hash: Hash,
    wrap_len: usize,
    shared_info: Vec<u8>,
    wrapped_key: Vec<u8>,
}

impl EnvelopedData {
    /// Reads a DER ContentInfo with EnvelopedData. Recipients of other kinds are passed over.
    pub fn parse(der: &[u8]) -> Result<Self, Error> {
        let mut info = Der::outer(der)?;
        if info.oid()? != oid::CMS_ENVELOPED_DATA {
            return Err(Error::Malformed("CMS content type: not EnvelopedData"));
        }
        let mut data = Der::outer(info.expect(explicit(0))?.value)?;
        info.finish()?;
        // RFC 5652 §6.1: 0, 2, 3 or 4, depending on what is inside.
        if !matches!(data.small()?, 0 | 2..=4) {
            return Err(Error::Malformed("version of EnvelopedData"));
        }
        data.optional(explicit(0))?;
        let mut list = Der::new(data.expect(SET)?.value);
        let mut recipients = Vec::new();
        while !list.is_empty() {
            let choice = list.any()?;
            match choice.tag {
                SEQUENCE => recipients
                    .extend(KeyTransport::read(Der::new(choice.value))?.map(Recipient::KeyTransport)),
                tag if tag == explicit(1) => recipients.extend(
                    KeyAgreement::read(Der::new(choice.value))?.into_iter().map(Recipient::KeyAgreement),
                ),
                _ => {}
            }
            if recipients.len() > MAX_RECIPIENTS {
                return Err(Error::TooMany("recipients of EnvelopedData"));
            }
        }
        let mut encrypted = data.sequence()?;
        data.optional(explicit(1))?;
        data.finish()?;
        encrypted.oid()?;
        let mut algorithm = encrypted.sequence()?;
        let key_len = match algorithm.oid()? {
            oid::AES128_CBC => 16,
            oid::AES192_CBC => 24,
            oid::AES256_CBC => 32,
            _ => return Err(Error::UnsupportedAlgorithm("content encryption of EnvelopedData")),
        };
        // RFC 3565 §4.1: the parameter is the initialisation vector.
        let iv = algorithm.octets()?.try_into().map_err(|_| Error::Malformed("AES-IV"))?;
        algorithm.finish()?;
        let content = encrypted.expect(implicit(0))?.value.to_vec();
        encrypted.finish()?;
        Ok(Self { recipients, key_len, iv, content })
    }

    /// Every recipient of a kind that is known here.
    pub fn recipients(&self) -> &[Recipient] {
        &self.recipients
    }

    /// What the holder of `certificate` has to do for the key, if the content was enciphered to it.
    pub fn recipient(&self, certificate: &Certificate) -> Option<&Recipient> {
        self.recipients.iter().find(|recipient| match recipient {
            Recipient::KeyTransport(one) => one.recipient.is(certificate),
            Recipient::KeyAgreement(one) => one.recipient.is(certificate),
        })
    }

    /// Deciphers the content. A wrong key and damaged content are one error: nothing here is authenticated, so whoever
    /// answers strangers with more than that gives the content away.
    pub fn open(&self, key: &SecretBytes) -> Result<SecretBytes, Error> {
        let wrong = Error::Malformed("enciphered content");
        if key.len() != self.key_len || self.content.is_empty() || !self.content.len().is_multiple_of(BLOCK) {
            return Err(wrong);
        }
        let padded: SecretBytes =
            aes::cbc_decrypt(key.expose(), &self.iv, &self.content).map_err(|_| wrong.clone())?.into();
        // RFC 5652 §6.3: k bytes of value k.
        let bytes = padded.expose();
        let count = usize::from(bytes.last().copied().unwrap_or(0));
        let (content, padding) = bytes
            .len()
            .checked_sub(count)
            .filter(|_| (1..=BLOCK).contains(&count))
            .map(|at| bytes.split_at(at))
            .ok_or(wrong.clone())?;
        if padding.iter().any(|byte| usize::from(*byte) != count) {
            return Err(wrong);
        }
        Ok(SecretBytes::new(content))
    }
}

impl KeyTransport {
    /// What RSAES-PKCS1-v1_5 with the recipient's key deciphers to the content-encryption key.
    pub fn encrypted_key(&self) -> &[u8] {
        &self.encrypted_key
    }

    fn read(mut inner: Der<'_>) -> Result<Option<Self>, Error> {
        // RFC 5652 §6.2.1: version 0 with issuerAndSerialNumber, 2 with subjectKeyIdentifier.
        let version = inner.small()?;
        let recipient = Identity::read(&mut inner)?;
        if version != if recipient.is_by_key() { 2 } else { 0 } {
            return Err(Error::Malformed("version of a KeyTransRecipientInfo"));
        }
        let mut algorithm = inner.sequence()?;
        let is_pkcs1 = algorithm.oid()? == oid::RSA_ENCRYPTION;
        let encrypted_key = inner.octets()?.to_vec();
        inner.finish()?;
        Ok(is_pkcs1.then_some(Self { recipient, encrypted_key }))
    }
}

impl KeyAgreement {
    /// The originator's ephemeral public key, `04 x y` on the curve of the recipient's key.
    pub fn originator(&self) -> &[u8] {
        &self.originator
    }

    /// The content-encryption key, from the x-coordinate that ECDH gave.
    pub fn unwrap_key(&self, shared: &SecretBytes) -> Result<SecretBytes, Error> {
        let wrapping = self.derive(shared);
        unwrap(&wrapping, &self.wrapped_key).ok_or(Error::Malformed("wrapped key"))
    }

    /// The KDF of SEC 1 §3.6.1 (ANSI X9.63): hash of secret, counter and shared information, as often as needed.
    fn derive(&self, shared: &SecretBytes) -> SecretBytes {
        let mut key = Vec::with_capacity(self.wrap_len + 64);
        let mut counter = 1u32;
        while key.len() < self.wrap_len {
            key.extend(self.hash.digest_parts(&[shared.expose(), &counter.to_be_bytes(), &self.shared_info]));
            counter += 1;
        }
        let whole = SecretBytes::from(key);
        SecretBytes::new(&whole.expose()[..self.wrap_len])
    }

    /// One for each recipient of the RecipientInfo; none where its algorithms are not known here.
    fn read(mut inner: Der<'_>) -> Result<Vec<Self>, Error> {
        if inner.small()? != 3 {
            return Err(Error::Malformed("version of a KeyAgreeRecipientInfo"));
        }
        let mut choice = Der::new(inner.expect(explicit(0))?.value);
        // RFC 5753 §3.1.1: originatorKey, whose algorithm is id-ecPublicKey.
        let originator = match choice.optional(explicit(1))? {
            Some(key) => {
                let mut key = Der::new(key.value);
                let is_ec = key.sequence()?.oid()? == oid::EC_PUBLIC_KEY;
                let point = key.bits()?.to_vec();
                key.finish()?;
                is_ec.then_some(point)
            }
            None => None,
        };
        let keying_material = match inner.optional(explicit(1))? {
            Some(outer) => Some(tlv::expect(outer.value, OCTET_STRING)?.value),
            None => None,
        };
        let mut algorithm = inner.sequence()?;
        let scheme = algorithm.oid()?;
        let wrapping = algorithm.any()?.raw;
        let mut keys = inner.sequence()?;
        inner.finish()?;
        let (Some(originator), Some(hash), Some(wrap_len)) =
            (originator, hash_of_scheme(scheme), wrapping_key_len(wrapping)?)
        else {
            return Ok(Vec::new());
        };
        let shared_info = shared_info(wrapping, keying_material, wrap_len);
        let mut all = Vec::new();
        while !keys.is_empty() {
            if all.len() == MAX_RECIPIENTS {
                return Err(Error::TooMany("recipients of EnvelopedData"));
            }
            let mut one = keys.sequence()?;
            let recipient = Identity::read_agreeing(&mut one)?;
            let wrapped_key = one.octets()?.to_vec();
            one.finish()?;
            all.push(Self {
                recipient,
                originator: originator.clone(),
                hash,
                wrap_len,
                shared_info: shared_info.clone(),
                wrapped_key,
            });
        }
        Ok(all)
    }
}

// RFC 5753 §7.1.4: dhSinglePass-stdDH. OpenSSL takes the one with SHA-1 unless told otherwise; as a KDF it is sound.
fn hash_of_scheme(scheme: Oid) -> Option<Hash> {
    match scheme {
        oid::ECDH_STD_SHA1_KDF => Some(Hash::Sha1),
        oid::ECDH_STD_SHA256_KDF => Some(Hash::Sha256),
        oid::ECDH_STD_SHA384_KDF => Some(Hash::Sha384),
        oid::ECDH_STD_SHA512_KDF => Some(Hash::Sha512),
        _ => None,
    }
}

// RFC 3565 §2.3.2: AES key wrap; parameters absent.
fn wrapping_key_len(identifier: &[u8]) -> Result<Option<usize>, Error> {
    let mut algorithm = Der::outer(identifier)?;
    let len = match algorithm.oid()? {
        oid::AES128_WRAP => Some(16),
        oid::AES192_WRAP => Some(24),
        oid::AES256_WRAP => Some(32),
        _ => None,
    };
    algorithm.optional(NULL)?;
    Ok(len)
}

// RFC 5753 §7.2: ECC-CMS-SharedInfo.
fn shared_info(wrapping: &[u8], keying_material: Option<&[u8]>, wrap_len: usize) -> Vec<u8> {
    let entity = keying_material.map(|bytes| encode(explicit(0), &encode(OCTET_STRING, bytes)));
    let bits = (8 * wrap_len as u32).to_be_bytes();
    let length = encode(explicit(2), &encode(OCTET_STRING, &bits));
    tlv::sequence(&[wrapping, entity.as_deref().unwrap_or_default(), &length])
}

/// AES key unwrap (RFC 3394 §2.2.2).
fn unwrap(wrapping: &SecretBytes, wrapped: &[u8]) -> Option<SecretBytes> {
    const HALF: usize = 8;
    const INITIAL: [u8; HALF] = [0xA6; HALF];
    let n = (wrapped.len() / HALF).checked_sub(1).filter(|n| (2..=8).contains(n))?;
    if !wrapped.len().is_multiple_of(HALF) {
        return None;
    }
    let aes = aes::Aes::new(wrapping.expose()).ok()?;
    let (first, rest) = wrapped.split_first_chunk::<HALF>()?;
    let (mut a, mut r) = (*first, rest.to_vec());
    for j in (0..6).rev() {
        for i in (1..=n).rev() {
            let t = (n * j + i) as u64;
            let mut block = [0; BLOCK];
            block[..HALF].copy_from_slice(&(u64::from_be_bytes(a) ^ t).to_be_bytes());
            let register = (i - 1) * HALF..i * HALF;
            block[HALF..].copy_from_slice(&r[register.clone()]);
            let plain = aes.decrypt_block(&block);
            a.copy_from_slice(&plain[..HALF]);
            r[register].copy_from_slice(&plain[HALF..]);
        }
    }
    let key = SecretBytes::from(r);
    curve::constant_time_eq(&a, &INITIAL).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        hex::decode(text.replace(' ', "")).expect("hexadecimal")
    }

    #[test]
    fn keys_are_unwrapped_as_rfc_3394_shows() {
        // RFC 3394 §4.1, §4.3, §4.6.
        for (kek, wrapped, key) in [
            (
                "000102030405060708090A0B0C0D0E0F",
                "1FA68B0A8112B447 AEF34BD8FB5A7B82 9D3E862371D2CFE5",
                "00112233445566778899AABBCCDDEEFF",
            ),
            (
                "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F",
                "64E8C3F9CE0F5BA2 63E9777905818A2A 93C8191E7D6E8AE7",
                "00112233445566778899AABBCCDDEEFF",
            ),
            (
                "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F",
                "28C9F404C4B810F4 CBCCB35CFB87F826 3F5786E2D80ED326 CBC7F0E71A99F43B FB988B9B7A02DD21",
                "00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F",
            ),
        ] {
            let kek = SecretBytes::from(hex(kek));
            let unwrapped = unwrap(&kek, &hex(wrapped)).expect("unwraps");
            assert_eq!(unwrapped.expose(), hex(key));
            let mut changed = hex(wrapped);
            changed[9] ^= 1;
            assert!(unwrap(&kek, &changed).is_none());
            assert!(unwrap(&kek, &hex(wrapped)[8..]).is_none());
        }
    }
}
