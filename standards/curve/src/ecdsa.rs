//! ECDSA signatures (TR-03111 §4.2.1, X9.62): plain r ‖ s for cards, DER for certificates.

use crate::{Curve, Error, Point, ffi};

/// An ECDSA signature: two numbers of the length of the order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Signature {
    curve: Curve,
    plain: Vec<u8>,
}

impl Signature {
    /// TR-03111 §5.2.1: the plain format, r ‖ s, each of the length of the order.
    pub fn from_plain(curve: Curve, plain: &[u8]) -> Result<Self, Error> {
        if plain.len() != 2 * curve.order_len() {
            return Err(Error::MalformedSignature);
        }
        Ok(Self { curve, plain: plain.to_vec() })
    }

    /// RFC 3279 §2.2.3: Ecdsa-Sig-Value, strictly DER: shortest integers, no negative ones, nothing after the end.
    pub fn from_der(curve: Curve, der: &[u8]) -> Result<Self, Error> {
        let malformed = |_| Error::MalformedSignature;
        let mut parts = tlv::expect(der, 0x30).map_err(malformed)?.children();
        let mut plain = Vec::with_capacity(2 * curve.order_len());
        for _ in 0..2 {
            let integer = parts.expect(0x02).map_err(malformed)?.value;
            if integer.first().is_none_or(|first| first & 0x80 != 0) {
                return Err(Error::MalformedSignature);
            }
            let digits = strip_zeros(integer);
            let padding = curve.order_len().checked_sub(digits.len()).ok_or(Error::MalformedSignature)?;
            plain.resize(plain.len() + padding, 0);
            plain.extend_from_slice(digits);
        }
        let signature = Self { curve, plain };
        // DER has one encoding for each value: whatever differs from ours is not DER.
        if signature.to_der() != der {
            return Err(Error::MalformedSignature);
        }
        Ok(signature)
    }

    pub(crate) fn trusted(curve: Curve, plain: Vec<u8>) -> Self {
        Self { curve, plain }
    }

    /// r ‖ s, each of the length of the order.
    pub fn to_plain(&self) -> Vec<u8> {
        self.plain.clone()
    }

    /// Ecdsa-Sig-Value.
    pub fn to_der(&self) -> Vec<u8> {
        tlv::sequence(&[&tlv::integer_unsigned(self.r()), &tlv::integer_unsigned(self.s())])
    }

    /// The number r, of fixed length.
    pub fn r(&self) -> &[u8] {
        &self.plain[..self.curve.order_len()]
    }

    /// The number s, of fixed length.
    pub fn s(&self) -> &[u8] {
        &self.plain[self.curve.order_len()..]
    }

    /// The curve this signature was made on.
    pub const fn curve(&self) -> Curve {
        self.curve
    }
}

/// Verifies a signature over a hash value that has been computed already.
pub fn verify_digest(point: &Point, digest: &[u8], signature: &Signature) -> Result<(), Error> {
    if point.curve() != signature.curve {
        return Err(Error::CurveMismatch);
    }
    ffi::ec::verify(point.curve(), point.as_uncompressed(), digest, signature.r(), signature.s())
}

fn strip_zeros(integer: &[u8]) -> &[u8] {
    &integer[integer.iter().take_while(|b| **b == 0).count()..]
}
