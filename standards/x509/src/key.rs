//! Public keys as certificates carry them.

use curve::{Hash, Point, mldsa, rsa::RsaPublicKey};
use tlv::oid;

use crate::Error;
use crate::asn1::Der;

/// A public key read from a SubjectPublicKeyInfo and checked: a point on its curve, an RSA modulus of at least 2048 bits.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum PublicKey {
    /// rsaEncryption
    Rsa(RsaPublicKey),
    /// id-ecPublicKey on a named curve
    Ec(Point),
    /// id-ml-dsa-65
    MlDsa65(mldsa::PublicKey),
}

impl PublicKey {
    /// Reads a DER SubjectPublicKeyInfo.
    pub fn from_spki(spki: &[u8]) -> Result<Self, Error> {
        let mut outer = Der::outer(spki)?;
        let algorithm = outer.sequence()?.oid()?;
        let bits = outer.bits()?;
        outer.finish()?;
        match algorithm {
            oid::ML_DSA_65 => {
                let key = mldsa::PublicKey::from_bytes(bits)
                    .map_err(|_| Error::PublicKey("not an ML-DSA-65 key"))?;
                // RFC 9881 §4: the parameters MUST be absent.
                if spki_from_mldsa(&key) == spki {
                    Ok(Self::MlDsa65(key))
                } else {
                    Err(Error::PublicKey("ML-DSA-65 key with parameters"))
                }
            }
            oid::RSA_ENCRYPTION => {
                let key = RsaPublicKey::from_spki(spki).map_err(|_| Error::PublicKey("not an RSA key"))?;
                if key.bits() < 2048 || !key.bits().is_multiple_of(8) {
                    return Err(Error::PublicKey("RSA modulus shorter than 2048 bits or not of whole bytes"));
                }
                // RFC 8017 §3.1: the exponent is odd and at least 3, the modulus a product of odd primes.
                let odd = |digits: &[u8]| digits.last().is_some_and(|b| b & 1 == 1);
                if !odd(key.modulus()) || !odd(key.exponent()) || key.exponent() == [1] {
                    return Err(Error::PublicKey("RSA modulus or exponent even, or exponent 1"));
                }
                Ok(Self::Rsa(key))
            }
            oid::EC_PUBLIC_KEY => curve::point_from_spki(spki)
                .map(Self::Ec)
                .map_err(|_| Error::PublicKey("not a point on a named curve")),
            _ => Err(Error::UnsupportedAlgorithm("public key type")),
        }
    }

    /// `RSA-2048`, `P-521`, ...
    pub fn name(&self) -> String {
        match self {
            Self::Rsa(key) => format!("RSA-{}", key.bits()),
            Self::Ec(point) => point.curve().name().to_string(),
            Self::MlDsa65(_) => "ML-DSA-65".to_owned(),
        }
    }

    /// Whether this is an RSA key.
    pub const fn is_rsa(&self) -> bool {
        matches!(self, Self::Rsa(_))
    }
}

/// The SubjectPublicKeyInfo of an ML-DSA-65 key (RFC 9881 §4).
pub fn spki_from_mldsa(key: &mldsa::PublicKey) -> Vec<u8> {
    let bits = [&[0], key.as_bytes()].concat();
    tlv::sequence(&[&tlv::sequence(&[&tlv::encode_oid(oid::ML_DSA_65)]), &tlv::encode(0x03, &bits)])
}

/// The key identifier of RFC 5280 §4.2.1.2 (1): SHA-1 over the content of the subjectPublicKey BIT STRING.
pub fn key_identifier(spki: &[u8]) -> Result<Vec<u8>, Error> {
    Ok(Hash::Sha1.digest(public_key_bits(spki)?))
}

/// The content of the subjectPublicKey BIT STRING, which OCSP hashes too.
pub(crate) fn public_key_bits(spki: &[u8]) -> Result<&[u8], Error> {
    let mut outer = Der::outer(spki)?;
    outer.sequence()?;
    let bits = outer.bits()?;
    outer.finish()?;
    Ok(bits)
}
