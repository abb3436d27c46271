//! Elliptic curves: EC_GROUP, EC_POINT and ECDSA.
//!
//! Points and numbers cross this border as bytes: the cost of decoding (a test whether the point is on its curve) is
//! about a thousandth of one multiplication, and nothing but bytes has to be shared between threads.

use super::{Bn, c, check, library_failure, owner, write_padded};
use crate::curves::{
    BRAINPOOL_P192R1, BRAINPOOL_P224R1, BRAINPOOL_P256R1, BRAINPOOL_P320R1, BRAINPOOL_P384R1,
    BRAINPOOL_P512R1, Domain, SECP192R1_DOMAIN,
};
use crate::{Curve, Error};
use std::ptr;
use std::sync::OnceLock;

owner!(
    /// A group while its generator is being set.
    Group, c::EC_GROUP, c::EC_GROUP_free
);
owner!(
    /// A point; cleared when freed, for it may be a shared secret.
    EcPoint, c::EC_POINT, c::EC_POINT_clear_free
);
owner!(
    /// A key for one signature or verification.
    EcKey, c::EC_KEY, c::EC_KEY_free
);
owner!(
    /// The two numbers of a signature.
    EcdsaSig, c::ECDSA_SIG, c::ECDSA_SIG_free
);

// SAFETY: a group is never changed after `group` below has stored it, AWS-LC only reads it (`const EC_GROUP *`) and
// copies it by value where it needs its own; it has no thread affinity.
unsafe impl Send for Group {}
// SAFETY: as above.
unsafe impl Sync for Group {}

static GROUPS: [OnceLock<Option<Group>>; Curve::STANDARDISED.len()] =
    [const { OnceLock::new() }; Curve::STANDARDISED.len()];

/// The group of `curve`, made on first use and kept for the life of the process.
fn group(curve: Curve) -> Result<*const c::EC_GROUP, Error> {
    let made = GROUPS[curve as usize].get_or_init(|| make_group(curve).ok());
    made.as_ref().map(|group| group.as_ptr().cast_const()).ok_or(Error::Library)
}

fn make_group(curve: Curve) -> Result<Group, Error> {
    let nid = match curve {
        Curve::P256 => c::NID_X9_62_prime256v1,
        Curve::P384 => c::NID_secp384r1,
        Curve::P521 => c::NID_secp521r1,
        Curve::BrainpoolP256r1 => return make_custom(&BRAINPOOL_P256R1),
        Curve::BrainpoolP384r1 => return make_custom(&BRAINPOOL_P384R1),
        Curve::BrainpoolP512r1 => return make_custom(&BRAINPOOL_P512R1),
        Curve::P192 => return make_custom(&SECP192R1_DOMAIN),
        Curve::BrainpoolP192r1 => return make_custom(&BRAINPOOL_P192R1),
        Curve::P224 => c::NID_secp224r1,
        Curve::BrainpoolP224r1 => return make_custom(&BRAINPOOL_P224R1),
        Curve::BrainpoolP320r1 => return make_custom(&BRAINPOOL_P320R1),
    };
    // SAFETY: any number may be passed; the result is null or a static group, which EC_GROUP_free leaves alone.
    Group::own(unsafe { c::EC_GROUP_new_by_curve_name(nid) })
}

fn make_custom<const N: usize>(domain: &Domain<N>) -> Result<Group, Error> {
    let [p, a, b, x, y, n, one] = [
        Bn::from_bytes(&domain.p)?,
        Bn::from_bytes(&domain.a)?,
        Bn::from_bytes(&domain.b)?,
        Bn::from_bytes(&domain.x)?,
        Bn::from_bytes(&domain.y)?,
        Bn::from_bytes(&domain.n)?,
        Bn::from_bytes(&[1])?,
    ];
    // SAFETY: all arguments are valid numbers; AWS-LC makes its own context where null is passed.
    let group = Group::own(unsafe {
        c::EC_GROUP_new_curve_GFp(p.as_ptr(), a.as_ptr(), b.as_ptr(), ptr::null_mut())
    })?;
    // SAFETY: the group is valid.
    let base = EcPoint::own(unsafe { c::EC_POINT_new(group.as_ptr()) })?;
    // SAFETY: point and group belong together, the numbers are valid. The call fails if the point is not on the curve.
    check(unsafe {
        c::EC_POINT_set_affine_coordinates_GFp(
            group.as_ptr(),
            base.as_ptr(),
            x.as_ptr(),
            y.as_ptr(),
            ptr::null_mut(),
        )
    })?;
    // SAFETY: as above; the group is not yet shared, so it may be changed.
    check(unsafe { c::EC_GROUP_set_generator(group.as_ptr(), base.as_ptr(), n.as_ptr(), one.as_ptr()) })?;
    Ok(group)
}

/// A point at infinity, to be written to.
fn new_point(group: *const c::EC_GROUP) -> Result<EcPoint, Error> {
    // SAFETY: `group` comes from `group()` and so is valid for ever.
    EcPoint::own(unsafe { c::EC_POINT_new(group) })
}

/// Decodes 04, x, y. AWS-LC refuses coordinates that are not smaller than p and points that are not on the curve.
fn decode(group: *const c::EC_GROUP, encoded: &[u8]) -> Result<EcPoint, Error> {
    let point = new_point(group)?;
    // SAFETY: group and point belong together; pointer and length describe `encoded`.
    check(unsafe {
        c::EC_POINT_oct2point(group, point.as_ptr(), encoded.as_ptr(), encoded.len(), ptr::null_mut())
    })
    .map_err(|_| Error::InvalidPoint)?;
    Ok(point)
}

/// Encodes as 04, x, y with coordinates of fixed length.
fn encode(curve: Curve, group: *const c::EC_GROUP, point: &EcPoint) -> Result<Vec<u8>, Error> {
    // SAFETY: group and point belong together.
    if unsafe { c::EC_POINT_is_at_infinity(group, point.as_ptr()) } != 0 {
        return Err(Error::Infinity);
    }
    let mut out = vec![0; curve.point_len()];
    let form = c::point_conversion_form_t::POINT_CONVERSION_UNCOMPRESSED;
    // SAFETY: group and point belong together; pointer and length describe `out`.
    let written = unsafe {
        c::EC_POINT_point2oct(group, point.as_ptr(), form, out.as_mut_ptr(), out.len(), ptr::null_mut())
    };
    if written == out.len() { Ok(out) } else { Err(library_failure()) }
}

/// Whether `encoded` is a finite point on the curve.
pub(crate) fn check_point(curve: Curve, encoded: &[u8]) -> Result<(), Error> {
    let group = group(curve)?;
    let point = decode(group, encoded)?;
    // SAFETY: group and point belong together.
    let (on_curve, infinite) = unsafe {
        (
            c::EC_POINT_is_on_curve(group, point.as_ptr(), ptr::null_mut()),
            c::EC_POINT_is_at_infinity(group, point.as_ptr()),
        )
    };
    if on_curve == 1 && infinite == 0 { Ok(()) } else { Err(Error::InvalidPoint) }
}

/// scalar · G with the standard base point.
pub(crate) fn mul_base(curve: Curve, scalar: &[u8]) -> Result<Vec<u8>, Error> {
    let group = group(curve)?;
    let (scalar, product) = (Bn::from_bytes(scalar)?, new_point(group)?);
    multiply_base(group, &product, &scalar)?;
    encode(curve, group, &product)
}

/// scalar · G + point: the generic mapping of PACE.
pub(crate) fn mul_base_add(curve: Curve, scalar: &[u8], point: &[u8]) -> Result<Vec<u8>, Error> {
    let group = group(curve)?;
    let (scalar, sum, point) = (Bn::from_bytes(scalar)?, new_point(group)?, decode(group, point)?);
    multiply_base(group, &sum, &scalar)?;
    // SAFETY: all points belong to the group; source and target may be the same.
    check(unsafe { c::EC_POINT_add(group, sum.as_ptr(), sum.as_ptr(), point.as_ptr(), ptr::null_mut()) })?;
    encode(curve, group, &sum)
}

/// AWS-LC's base multiplication is constant-time in a scalar below the order; a larger one (possible only for a nonce
/// on a 256-bit curve) is reduced first.
fn multiply_base(group: *const c::EC_GROUP, product: &EcPoint, scalar: &Bn) -> Result<(), Error> {
    // SAFETY: point and group belong together; without second point and scalar the result is scalar · G.
    check(unsafe {
        c::EC_POINT_mul(group, product.as_ptr(), scalar.as_ptr(), ptr::null(), ptr::null(), ptr::null_mut())
    })
}

/// scalar · point, constant-time in the scalar.
pub(crate) fn mul(curve: Curve, point: &[u8], scalar: &[u8]) -> Result<Vec<u8>, Error> {
    let group = group(curve)?;
    let (scalar, product, point) = (Bn::from_bytes(scalar)?, new_point(group)?, decode(group, point)?);
    // SAFETY: both points belong to the group; without first scalar the result is scalar · point.
    check(unsafe {
        c::EC_POINT_mul(
            group,
            product.as_ptr(),
            ptr::null(),
            point.as_ptr(),
            scalar.as_ptr(),
            ptr::null_mut(),
        )
    })?;
    encode(curve, group, &product)
}

/// The numbers p, a and b of a curve.
pub(super) fn equation(curve: Curve) -> Result<[Bn; 3], Error> {
    let group = group(curve)?;
    let numbers = [Bn::new()?, Bn::new()?, Bn::new()?];
    let [p, a, b] = &numbers;
    // SAFETY: the group is valid for ever, the three numbers may be written to; AWS-LC makes its own context.
    check(unsafe { c::EC_GROUP_get_curve_GFp(group, p.as_ptr(), a.as_ptr(), b.as_ptr(), ptr::null_mut()) })?;
    Ok(numbers)
}

/// a + b.
pub(crate) fn add(curve: Curve, a: &[u8], b: &[u8]) -> Result<Vec<u8>, Error> {
    let group = group(curve)?;
    let (a, b, sum) = (decode(group, a)?, decode(group, b)?, new_point(group)?);
    // SAFETY: all points belong to the group.
    check(unsafe { c::EC_POINT_add(group, sum.as_ptr(), a.as_ptr(), b.as_ptr(), ptr::null_mut()) })?;
    encode(curve, group, &sum)
}

fn new_key(group: *const c::EC_GROUP) -> Result<EcKey, Error> {
    // SAFETY: takes no argument.
    let key = EcKey::own(unsafe { c::EC_KEY_new() })?;
    // SAFETY: key and group are valid; the key takes its own copy of the group.
    check(unsafe { c::EC_KEY_set_group(key.as_ptr(), group) })?;
    Ok(key)
}

/// ECDSA: r ‖ s, each of the length of the order. AWS-LC draws the nonce, hedged with key and digest.
pub(crate) fn sign(curve: Curve, scalar: &[u8], digest: &[u8]) -> Result<Vec<u8>, Error> {
    let key = new_key(group(curve)?)?;
    let scalar = Bn::from_bytes(scalar)?;
    // SAFETY: key and number are valid; the key copies the number.
    check(unsafe { c::EC_KEY_set_private_key(key.as_ptr(), scalar.as_ptr()) })?;
    // SAFETY: pointer and length describe `digest`; the key has group and private key.
    let signature = EcdsaSig::own(unsafe { c::ECDSA_do_sign(digest.as_ptr(), digest.len(), key.as_ptr()) })?;
    let mut plain = vec![0; 2 * curve.order_len()];
    let (r, s) = plain.split_at_mut(curve.order_len());
    // SAFETY: the signature is valid and owns both numbers while they are read.
    unsafe {
        write_padded(c::ECDSA_SIG_get0_r(signature.as_ptr()), r)?;
        write_padded(c::ECDSA_SIG_get0_s(signature.as_ptr()), s)?;
    }
    Ok(plain)
}

/// Verifies (r, s) over `digest`; numbers that are zero or not smaller than the order are refused.
pub(crate) fn verify(curve: Curve, public: &[u8], digest: &[u8], r: &[u8], s: &[u8]) -> Result<(), Error> {
    let group = group(curve)?;
    let (key, public) = (new_key(group)?, decode(group, public)?);
    // SAFETY: key and point are valid and of one group; the key copies the point.
    check(unsafe { c::EC_KEY_set_public_key(key.as_ptr(), public.as_ptr()) })?;
    let (r, s) = (Bn::from_bytes(r)?, Bn::from_bytes(s)?);
    // SAFETY: takes no argument.
    let signature = EcdsaSig::own(unsafe { c::ECDSA_SIG_new() })?;
    // SAFETY: the signature is valid and takes ownership of both numbers; the call fails only for null arguments.
    check(unsafe { c::ECDSA_SIG_set0(signature.as_ptr(), r.release(), s.release()) })?;
    // SAFETY: pointer and length describe `digest`; signature and key are valid.
    check(unsafe { c::ECDSA_do_verify(digest.as_ptr(), digest.len(), signature.as_ptr(), key.as_ptr()) })
        .map_err(|_| Error::WrongSignature)
}
