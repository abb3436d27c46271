//! Private keys of other programs: PKCS #8 (RFC 5958) in PEM or DER, encrypted with PBES2 (RFC 8018), as `openssl pkcs8 -topk8
//! -v2 aes-256-cbc` writes them. For an authority that exists and is taken over; keys that begin here are made here.
//!
//! Left out: the older encryption schemes (PBES1, PKCS #12), and files that are not encrypted: a CA's key does not travel in
//! the clear.

use std::num::NonZeroU32;

use aws_lc_rs::cipher::{
    AES_128, AES_256, Algorithm, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::pbkdf2;
use curve::rsa::RsaPrivateKey;
use curve::{SecretBytes, SecretKey};
use tlv::{Reader, oid};
use zeroize::Zeroizing;

use crate::{KeyError, KeyKind, Result};

/// A private key of another program's, opened.
pub struct ForeignKey(Kind);

enum Kind {
    Rsa(RsaPrivateKey),
    Ec(SecretKey),
}

impl ForeignKey {
    /// Opens an EncryptedPrivateKeyInfo, PEM or DER.
    ///
    /// # Errors
    /// [`KeyError::Foreign`]: not such a file, another passphrase, or a scheme or kind of key that is not used here.
    pub fn open(file: &SecretBytes, passphrase: &SecretBytes) -> Result<Self> {
        let der = match std::str::from_utf8(file.expose()) {
            Ok(text) if text.contains("-----BEGIN") => {
                let found = x509::pem::decode("ENCRYPTED PRIVATE KEY", text);
                Zeroizing::new(found.map_err(|_| KeyError::Foreign("no ENCRYPTED PRIVATE KEY in the file"))?)
            }
            _ => Zeroizing::new(file.expose().to_vec()),
        };
        Self::from_pkcs8(&decrypt(&der, passphrase)?)
    }

    /// Reads a PrivateKeyInfo that is not encrypted.
    ///
    /// # Errors
    /// [`KeyError::Foreign`] if it is none, or of a kind that is not used here.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self> {
        if let Ok(key) = RsaPrivateKey::from_pkcs8(der) {
            return Ok(Self(Kind::Rsa(key)));
        }
        match SecretKey::from_pkcs8(der) {
            Ok(key) => Ok(Self(Kind::Ec(key))),
            Err(_) => Err(KeyError::Foreign("the key is not RSA or of a named curve in use")),
        }
    }

    /// What it is.
    pub fn kind(&self) -> Result<KeyKind> {
        match &self.0 {
            Kind::Rsa(key) => match key.public().bits() {
                bits @ (2048 | 3072 | 4096) => Ok(KeyKind::Rsa(bits as u16)),
                _ => Err(KeyError::Foreign("an RSA key has 2048, 3072 or 4096 bits")),
            },
            Kind::Ec(key) => Ok(KeyKind::Ec(key.curve())),
        }
    }

    /// The DER SubjectPublicKeyInfo of its public key.
    pub fn spki(&self) -> Result<Vec<u8>> {
        Ok(match &self.0 {
            Kind::Rsa(key) => key.public().spki(),
            Kind::Ec(key) => curve::spki_from_point(&key.public_key()),
        })
    }

    pub(crate) fn pkcs8(&self) -> SecretBytes {
        match &self.0 {
            Kind::Rsa(key) => key.to_pkcs8(),
            Kind::Ec(key) => key.to_pkcs8(),
        }
    }
}

/// RFC 5958 §3: EncryptedPrivateKeyInfo ::= SEQUENCE { encryptionAlgorithm, encryptedData }; RFC 8018 §6.2, appendix A.4.
fn decrypt(der: &[u8], passphrase: &SecretBytes) -> Result<Zeroizing<Vec<u8>>> {
    const FORM: KeyError = KeyError::Foreign("not an encrypted PKCS #8 file");
    let form = |_| FORM;
    let mut file = tlv::expect(der, 0x30).map_err(form)?.children();
    let mut algorithm = file.expect(0x30).map_err(form)?.children();
    let mut sealed = Zeroizing::new(file.expect(0x04).map_err(form)?.value.to_vec());
    file.finish().map_err(form)?;
    if algorithm.expect(0x06).map_err(form)?.value != PBES2 {
        return Err(KeyError::Foreign("it is not encrypted with PBES2"));
    }
    let mut parameters = algorithm.expect(0x30).map_err(form)?.children();
    let mut derivation = parameters.expect(0x30).map_err(form)?.children();
    let mut encryption = parameters.expect(0x30).map_err(form)?.children();
    if derivation.expect(0x06).map_err(form)?.value != PBKDF2 {
        return Err(KeyError::Foreign("its passphrase is not used by PBKDF2"));
    }
    let mut how = derivation.expect(0x30).map_err(form)?.children();
    let salt = how.expect(0x04).map_err(form)?.value;
    let rounds = number(&mut how).and_then(NonZeroU32::new).filter(|n| n.get() <= MOST_ROUNDS).ok_or(FORM)?;
    let length = if how.peek_tag() == Some(0x02) { Some(number(&mut how).ok_or(FORM)?) } else { None };
    let hash = match how.optional(0x30).map_err(form)? {
        // RFC 8018 appendix A.2: DEFAULT algid-hmacWithSHA1.
        None => pbkdf2::PBKDF2_HMAC_SHA1,
        Some(hash) => match hash.children().expect(0x06).map_err(form)?.value {
            HMAC_SHA1 => pbkdf2::PBKDF2_HMAC_SHA1,
            HMAC_SHA256 => pbkdf2::PBKDF2_HMAC_SHA256,
            HMAC_SHA384 => pbkdf2::PBKDF2_HMAC_SHA384,
            HMAC_SHA512 => pbkdf2::PBKDF2_HMAC_SHA512,
            _ => return Err(KeyError::Foreign("the hash of its PBKDF2 is not used here")),
        },
    };
    how.finish().map_err(form)?;
    let scheme = encryption.expect(0x06).map_err(form)?.raw.to_vec();
    let (cipher, bytes): (&'static Algorithm, usize) = match scheme {
        scheme if scheme == tlv::encode_oid(oid::AES128_CBC) => (&AES_128, 16),
        scheme if scheme == tlv::encode_oid(oid::AES256_CBC) => (&AES_256, 32),
        _ => return Err(KeyError::Foreign("it is not encrypted with AES-128 or AES-256 in CBC mode")),
    };
    if length.is_some_and(|length| length as usize != bytes) {
        return Err(FORM);
    }
    let iv = encryption.expect(0x04).map_err(form)?.value;
    let iv = FixedLength::<16>::try_from(iv).map_err(|_| FORM)?;
    let mut key = Zeroizing::new([0; 32]);
    pbkdf2::derive(hash, rounds, salt, passphrase.expose(), &mut key[..bytes]);
    const WRONG: KeyError = KeyError::Foreign("it does not open with this passphrase");
    let key = UnboundCipherKey::new(cipher, &key[..bytes]).map_err(|_| WRONG)?;
    let key = PaddedBlockDecryptingKey::cbc_pkcs7(key).map_err(|_| WRONG)?;
    let opened = key.decrypt(&mut sealed, DecryptionContext::Iv128(iv)).map_err(|_| WRONG)?;
    // One wrong passphrase in 256 leaves what looks like padding.
    if tlv::expect(opened, 0x30).is_err() {
        return Err(WRONG);
    }
    Ok(Zeroizing::new(opened.to_vec()))
}

fn number(reader: &mut Reader<'_>) -> Option<u32> {
    let value = reader.expect(0x02).ok()?.value;
    let positive = value.first().is_some_and(|first| first & 0x80 == 0);
    (positive && value.len() <= 4).then(|| value.iter().fold(0, |n, byte| n << 8 | u32::from(*byte)))
}

/// OpenSSL's default is 2,048; a file that asks for hours is refused.
const MOST_ROUNDS: u32 = 10_000_000;

// RFC 8018 appendix C, contents of the object identifiers: pkcs-5 13, pkcs-5 12; digestAlgorithm 7, 9, 10, 11.
const PBES2: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x05, 0x0D];
const PBKDF2: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x05, 0x0C];
const HMAC_SHA1: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x02, 0x07];
const HMAC_SHA256: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x02, 0x09];
const HMAC_SHA384: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x02, 0x0A];
const HMAC_SHA512: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x02, 0x0B];

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    const MISSING: &str = "openssl is missing: apt-get install -y --no-install-recommends openssl";

    /// Keys that the openssl program made and encrypted.
    fn made(arguments: &[&str], scheme: &[&str]) -> SecretBytes {
        let directory = tempfile::tempdir().unwrap();
        let run = |arguments: &[&str]| {
            let done = Command::new("openssl").args(arguments).current_dir(directory.path()).output();
            assert!(done.expect(MISSING).status.success(), "{arguments:?}");
        };
        std::fs::write(directory.path().join("word"), "correct horse\n").unwrap();
        run(&[&["genpkey", "-out", "key.pem"], arguments].concat());
        let seal = ["pkcs8", "-topk8", "-in", "key.pem", "-out", "sealed", "-passout", "file:word"];
        run(&[&seal, scheme].concat());
        SecretBytes::from(std::fs::read(directory.path().join("sealed")).unwrap())
    }

    fn why(file: &SecretBytes, passphrase: &str) -> String {
        ForeignKey::open(file, &SecretBytes::new(passphrase.as_bytes())).err().unwrap().to_string()
    }

    #[test]
    fn keys_that_openssl_encrypted_open() {
        let rsa = ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"];
        let ec = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"];
        let word = SecretBytes::new(b"correct horse");
        for (arguments, scheme, kind) in [
            (rsa, &["-v2", "aes-256-cbc"][..], KeyKind::Rsa(2048)),
            (ec, &["-v2", "aes-128-cbc", "-v2prf", "hmacWithSHA1"], KeyKind::Ec(curve::Curve::P384)),
            (ec, &["-v2prf", "hmacWithSHA512", "-outform", "DER"], KeyKind::Ec(curve::Curve::P384)),
        ] {
            let file = made(&arguments, scheme);
            assert_eq!(ForeignKey::open(&file, &word).unwrap().kind().unwrap(), kind);
            assert!(why(&file, "correct horsf").contains("passphrase"));
        }
        for (scheme, text) in [
            (&["-v2", "des3"][..], "AES-128 or AES-256"),
            (&["-v1", "PBE-SHA1-3DES"], "PBES2"),
            (&["-nocrypt"], "no ENCRYPTED PRIVATE KEY"),
        ] {
            assert!(why(&made(&ec, scheme), "correct horse").contains(text), "{scheme:?}");
        }
        let curve = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"];
        assert!(why(&made(&curve, &[]), "correct horse").contains("named curve"));
    }

    #[test]
    fn no_changed_file_panics_or_takes_for_ever() {
        let ec = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
        let file = made(&ec, &["-outform", "DER", "-iter", "1"]);
        let word = SecretBytes::new(b"correct horse");
        for at in 0..file.expose().len() {
            for change in [0x01, 0x80, 0xFF] {
                let mut changed = file.expose().to_vec();
                changed[at] ^= change;
                let _ = ForeignKey::open(&SecretBytes::from(changed), &word);
            }
            assert!(ForeignKey::open(&SecretBytes::new(&file.expose()[..at]), &word).is_err());
        }
        let rounds = [0x30, 0x80, 0xFF];
        assert!(ForeignKey::open(&SecretBytes::new(&rounds), &word).is_err());
    }
}
