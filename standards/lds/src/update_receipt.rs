//! The chip's receipt for an update (UPDATE-08): which package it took, as which of its updates, signed with the key of active
//! authentication, whose public half the document signer vouches for (DG15). Whoever has the receipt can show later, without
//! the card, that this chip took this package.
//!
//! ```text
//! UpdateReceipt ::= SEQUENCE {
//!     number    INTEGER (1..65535),      -- of the update
//!     package   OCTET STRING,            -- SHA-256 of the ChipUpdate
//!     signature OCTET STRING }           -- plain ECDSA (TR-03111) over the DER of
//!
//! SEQUENCE { id-update-receipt, number, package }
//! ```
//! What is signed begins with an identifier of its own and is longer than the eight bytes that active authentication signs, so
//! that neither is ever taken for the other.

use curve::{Hash, Signature};
use tlv::oid;

use crate::Error;
use crate::field_security::small;

/// A receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateReceipt {
    /// The number of the update among those of the chip.
    pub number: u16,
    /// SHA-256 of the package, as [`crate::ChipUpdate::encode`] gives it.
    pub package: Vec<u8>,
    /// The chip's signature, r||s.
    pub signature: Vec<u8>,
}

const FILE: &str = "the update receipt";

impl UpdateReceipt {
    /// What the chip signs.
    pub fn to_be_signed(number: u16, package: &[u8]) -> Vec<u8> {
        tlv::sequence(&[
            &tlv::encode_oid(oid::UPDATE_RECEIPT),
            &tlv::integer_unsigned(&number.to_be_bytes()),
            &tlv::encode(0x04, package),
        ])
    }

    /// Whether the chip with this active authentication key (SubjectPublicKeyInfo, as in DG15) signed it.
    pub fn is_signed_by(&self, spki: &[u8]) -> bool {
        let Ok(point) = curve::point_from_spki(spki) else { return false };
        let digest = point.curve().hash().digest(&Self::to_be_signed(self.number, &self.package));
        Signature::from_plain(point.curve(), &self.signature)
            .is_ok_and(|signature| curve::verify_digest(&point, &digest, &signature).is_ok())
    }

    /// Encodes the receipt.
    pub fn encode(&self) -> Vec<u8> {
        tlv::sequence(&[
            &tlv::integer_unsigned(&self.number.to_be_bytes()),
            &tlv::encode(0x04, &self.package),
            &tlv::encode(0x04, &self.signature),
        ])
    }

    /// Reads a receipt. Whether the signature is good is another question.
    pub fn decode(der: &[u8]) -> Result<Self, Error> {
        let malformed = |what| Error::Malformed { file: FILE, what };
        let tlv_error = Error::tlv(FILE);
        let mut reader = tlv::expect(der, 0x30).map_err(tlv_error)?.children();
        let number = small(reader.expect(0x02).map_err(tlv_error)?.value).filter(|number| *number > 0);
        let package = reader.expect(0x04).map_err(tlv_error)?.value.to_vec();
        let signature = reader.expect(0x04).map_err(tlv_error)?.value.to_vec();
        reader.finish().map_err(tlv_error)?;
        if package.len() != Hash::Sha256.len() {
            return Err(malformed("the hash of the package"));
        }
        Ok(Self { number: number.ok_or(malformed("the number of the update"))?, package, signature })
    }
}

#[cfg(test)]
mod tests {
    use curve::{Curve, SecretKey, SeedRandom};

    use super::*;

    #[test]
    fn a_receipt_is_for_one_package_one_number_and_one_chip() {
        let key = |name: &str| SecretKey::generate(Curve::P521, &mut SeedRandom::new(name.as_bytes()));
        let spki = |name: &str| curve::spki_from_point(&key(name).public_key());
        let package = Hash::Sha256.digest(b"package");
        let digest = Hash::Sha512.digest(&UpdateReceipt::to_be_signed(7, &package));
        let signature = key("chip").sign_digest(&digest).to_plain();
        let receipt = UpdateReceipt { number: 7, package, signature };
        let encoded = receipt.encode();
        assert_eq!(UpdateReceipt::decode(&encoded).expect("decodes"), receipt);
        assert!(receipt.is_signed_by(&spki("chip")));
        assert!(!receipt.is_signed_by(&spki("another chip")));
        assert!(!receipt.is_signed_by(&[]));
        // Any byte changed: another receipt, which nobody signed, or none at all.
        for place in 0..encoded.len() {
            let mut changed = encoded.clone();
            changed[place] ^= 1;
            let read = UpdateReceipt::decode(&changed);
            assert!(!read.is_ok_and(|receipt| receipt.is_signed_by(&spki("chip"))), "byte {place}");
            assert!(UpdateReceipt::decode(&encoded[..place]).is_err());
        }
        // What active authentication signs is no receipt, whatever the challenge.
        assert!(UpdateReceipt::to_be_signed(1, &[0; 32]).len() > 8);
    }
}
