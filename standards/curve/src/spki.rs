//! SubjectPublicKeyInfo of elliptic-curve keys (RFC 5480 §2): id-ecPublicKey with a named curve.

use crate::{Curve, Error, Point};
use tlv::oid;

/// The DER encoding of the SubjectPublicKeyInfo of `point`.
pub fn spki_from_point(point: &Point) -> Vec<u8> {
    let algorithm =
        tlv::sequence(&[&tlv::encode_oid(oid::EC_PUBLIC_KEY), &tlv::encode_oid(point.curve().oid())]);
    tlv::sequence(&[&algorithm, &bit_string(point.as_uncompressed())])
}

/// Reads a SubjectPublicKeyInfo and checks the point in it.
///
/// RFC 5480 §2.1.1: implicitCurve and specifiedCurve are refused; so is a compressed point (§2.2 leaves it optional).
pub fn point_from_spki(der: &[u8]) -> Result<Point, Error> {
    let mut parts = tlv::expect(der, 0x30)?.children();
    let mut algorithm = parts.expect(0x30)?.children();
    if algorithm.expect(0x06)?.value != oid::EC_PUBLIC_KEY.as_bytes() {
        return Err(Error::Unsupported);
    }
    let named = algorithm.expect(0x06).map_err(|_| Error::Unsupported)?.value;
    algorithm.finish()?;
    let curve = Curve::ALL.into_iter().find(|c| c.oid().as_bytes() == named).ok_or(Error::Unsupported)?;
    let bits = parts.expect(0x03)?.value;
    parts.finish()?;
    let Some((0, encoded)) = bits.split_first() else { return Err(Error::MalformedSpki) };
    let point = Point::from_uncompressed(curve, encoded)?;
    // DER has one encoding for each value: whatever differs from ours is not DER.
    if spki_from_point(&point) == der { Ok(point) } else { Err(Error::MalformedSpki) }
}

/// A BIT STRING of whole bytes.
pub(crate) fn bit_string(bytes: &[u8]) -> Vec<u8> {
    tlv::encode(0x03, &[&[0], bytes].concat())
}
