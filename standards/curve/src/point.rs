//! Points: finite, on the curve, in affine coordinates.

use crate::{Curve, Error, ffi};
use zeroize::Zeroize;

/// A finite point on a named curve. There is no way to hold an invalid one.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Point {
    curve: Curve,
    /// TR-03111 §3.2.1: 04, x, y with coordinates of fixed length.
    encoded: Vec<u8>,
}

impl Point {
    /// Reads the uncompressed encoding (TR-03111 §3.2.1) and checks the point.
    ///
    /// SEC 1 §3.2.2.1: not infinity, both coordinates smaller than p, on the curve. The cofactor of every curve here is
    /// one, so such a point generates the whole group.
    pub fn from_uncompressed(curve: Curve, encoded: &[u8]) -> Result<Self, Error> {
        if encoded.len() != curve.point_len() || encoded[0] != 0x04 {
            return Err(Error::InvalidPoint);
        }
        ffi::ec::check_point(curve, encoded)?;
        Ok(Self { curve, encoded: encoded.to_vec() })
    }

    /// Reads a point from its two coordinates, each of fixed length.
    pub fn from_coordinates(curve: Curve, x: &[u8], y: &[u8]) -> Result<Self, Error> {
        if x.len() != curve.field_len() || y.len() != curve.field_len() {
            return Err(Error::InvalidPoint);
        }
        Self::from_uncompressed(curve, &[&[0x04], x, y].concat())
    }

    /// For encodings that AWS-LC itself has written.
    pub(crate) fn trusted(curve: Curve, encoded: Vec<u8>) -> Self {
        debug_assert_eq!(encoded.len(), curve.point_len());
        Self { curve, encoded }
    }

    /// 04, x, y.
    pub fn to_uncompressed(&self) -> Vec<u8> {
        self.encoded.clone()
    }

    /// 04, x, y, without a copy.
    pub fn as_uncompressed(&self) -> &[u8] {
        &self.encoded
    }

    /// The x-coordinate, of fixed length.
    pub fn x(&self) -> Vec<u8> {
        self.encoded[1..=self.curve.field_len()].to_vec()
    }

    /// The y-coordinate, of fixed length.
    pub fn y(&self) -> Vec<u8> {
        self.encoded[1 + self.curve.field_len()..].to_vec()
    }

    /// The curve of this point.
    pub const fn curve(&self) -> Curve {
        self.curve
    }

    /// The sum of two points.
    pub fn add(&self, other: &Self) -> Result<Self, Error> {
        if self.curve != other.curve {
            return Err(Error::CurveMismatch);
        }
        let sum = ffi::ec::add(self.curve, &self.encoded, &other.encoded)?;
        Ok(Self::trusted(self.curve, sum))
    }
}

impl Drop for Point {
    /// A point may be a shared secret.
    fn drop(&mut self) {
        self.encoded.zeroize();
    }
}

impl std::fmt::Debug for Point {
    /// Shows the curve only: a point may be a mapped generator or a shared secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Point({})", self.curve)
    }
}
