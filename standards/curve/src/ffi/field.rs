//! Arithmetic modulo the prime of a curve and modulo its order, from AWS-LC's Montgomery functions: what the integrated and
//! the chip authentication mapping of PACE need and no point operation gives.
//!
//! Both handle secrets (a value that depends on the password, and two private keys), so only functions are called whose
//! time does not depend on the numbers: Montgomery multiplication, quick addition and subtraction, and exponentiation with
//! a public exponent. Inverses are powers (Fermat); the choice between two results is made by a mask.

use super::{Bn, c, check, ec, library_failure, owner, write_padded};
use crate::{Curve, Error, constant_time_eq};
use zeroize::Zeroizing;

owner!(
    /// A modulus prepared for Montgomery's method.
    Montgomery, c::BN_MONT_CTX, c::BN_MONT_CTX_free
);
owner!(
    /// Room for intermediate results.
    Room, c::BN_CTX, c::BN_CTX_free
);

/// A prime field. Elements are numbers in Montgomery form.
struct Field {
    modulus: Bn,
    montgomery: Montgomery,
    room: Room,
}

impl Field {
    fn new(modulus: Bn) -> Result<Self, Error> {
        // SAFETY: takes no argument.
        let room = Room::own(unsafe { c::BN_CTX_new() })?;
        // SAFETY: modulus and room are valid.
        let montgomery =
            Montgomery::own(unsafe { c::BN_MONT_CTX_new_for_modulus(modulus.as_ptr(), room.as_ptr()) })?;
        Ok(Self { modulus, montgomery, room })
    }

    /// Runs one function that writes to a fresh number.
    fn make(&self, write: impl FnOnce(*mut c::BIGNUM) -> std::os::raw::c_int) -> Result<Bn, Error> {
        let number = Bn::new()?;
        check(write(number.as_ptr()))?;
        Ok(number)
    }

    /// Into Montgomery form; `number` must be smaller than the modulus.
    fn enter(&self, number: &Bn) -> Result<Bn, Error> {
        // SAFETY: all pointers are valid; the target may be written to.
        self.make(|r| unsafe {
            c::BN_to_montgomery(r, number.as_ptr(), self.montgomery.as_ptr(), self.room.as_ptr())
        })
    }

    /// Out of Montgomery form.
    fn leave(&self, element: &Bn) -> Result<Bn, Error> {
        // SAFETY: as above.
        self.make(|r| unsafe {
            c::BN_from_montgomery(r, element.as_ptr(), self.montgomery.as_ptr(), self.room.as_ptr())
        })
    }

    fn word(&self, word: u64) -> Result<Bn, Error> {
        self.enter(&Bn::from_bytes(&word.to_be_bytes())?)
    }

    fn mul(&self, a: &Bn, b: &Bn) -> Result<Bn, Error> {
        // SAFETY: as above.
        self.make(|r| unsafe {
            let (montgomery, room) = (self.montgomery.as_ptr(), self.room.as_ptr());
            c::BN_mod_mul_montgomery(r, a.as_ptr(), b.as_ptr(), montgomery, room)
        })
    }

    fn add(&self, a: &Bn, b: &Bn) -> Result<Bn, Error> {
        // SAFETY: as above; both numbers are smaller than the modulus.
        self.make(|r| unsafe { c::BN_mod_add_quick(r, a.as_ptr(), b.as_ptr(), self.modulus.as_ptr()) })
    }

    fn sub(&self, a: &Bn, b: &Bn) -> Result<Bn, Error> {
        // SAFETY: as above.
        self.make(|r| unsafe { c::BN_mod_sub_quick(r, a.as_ptr(), b.as_ptr(), self.modulus.as_ptr()) })
    }

    /// base to the power of a public exponent.
    fn pow(&self, base: &Bn, exponent: &Bn) -> Result<Bn, Error> {
        let base = self.leave(base)?;
        // SAFETY: as above; the base is smaller than the modulus, which is odd.
        let power = self.make(|r| unsafe {
            let (modulus, room) = (self.modulus.as_ptr(), self.room.as_ptr());
            let (base, exponent) = (base.as_ptr(), exponent.as_ptr());
            c::BN_mod_exp_mont_consttime(r, base, exponent, modulus, room, self.montgomery.as_ptr())
        })?;
        self.enter(&power)
    }

    /// 1 / element; zero for zero.
    // Fermat: the modulus is prime.
    fn invert(&self, element: &Bn) -> Result<Bn, Error> {
        let exponent = self.modulus_with(|m| {
            // SAFETY: the number may be written to.
            check(unsafe { c::BN_sub_word(m, 2) })
        })?;
        self.pow(element, &exponent)
    }

    /// A copy of the modulus, changed.
    fn modulus_with(&self, change: impl FnOnce(*mut c::BIGNUM) -> Result<(), Error>) -> Result<Bn, Error> {
        // SAFETY: the modulus is valid.
        let copy = Bn::own(unsafe { c::BN_dup(self.modulus.as_ptr()) })?;
        change(copy.as_ptr())?;
        Ok(copy)
    }

    /// A big-endian number of any length, reduced.
    // Horner's scheme byte by byte: division would take a time that depends on the number.
    fn reduce(&self, bytes: &[u8]) -> Result<Bn, Error> {
        let shift = self.word(256)?;
        let mut sum = self.word(0)?;
        for byte in bytes {
            sum = self.add(&self.mul(&sum, &shift)?, &self.word(u64::from(*byte))?)?;
        }
        Ok(sum)
    }

    /// The element as a big-endian number of `len` bytes.
    fn bytes(&self, element: &Bn, len: usize) -> Result<Zeroizing<Vec<u8>>, Error> {
        let (number, mut out) = (self.leave(element)?, Zeroizing::new(vec![0; len]));
        // SAFETY: the number is valid.
        unsafe { write_padded(number.as_ptr().cast_const(), &mut out)? };
        Ok(out)
    }
}

/// 04, x, y of the point that encodes `t` modulo p. For t = 0, 1 and -1, which nobody meets by chance, there is none.
// ICAO 9303-11 §B.2, steps 1 to 9; the cofactor is one.
pub(crate) fn encode_point(curve: Curve, t: &[u8]) -> Result<Vec<u8>, Error> {
    let [p, a, b] = ec::equation(curve)?;
    let f = Field::new(p)?;
    let (a, b, one) = (f.enter(&a)?, f.enter(&b)?, f.word(1)?);
    let zero = f.word(0)?;
    let t = f.reduce(t)?;
    let t2 = f.mul(&t, &t)?;
    let alpha = f.sub(&zero, &t2)?;
    let sum = f.add(&alpha, &f.mul(&alpha, &alpha)?)?;
    if constant_time_eq(&f.bytes(&sum, curve.field_len())?, &vec![0; curve.field_len()]) {
        return Err(Error::InvalidPoint);
    }
    // X2 = -b (1 + alpha + alpha²) / (a (alpha + alpha²))
    let numerator = f.sub(&zero, &f.mul(&b, &f.add(&one, &sum)?)?)?;
    let x2 = f.mul(&numerator, &f.invert(&f.mul(&a, &sum)?)?)?;
    let x3 = f.mul(&alpha, &x2)?;
    let h2 = f.add(&f.mul(&f.add(&f.mul(&x2, &x2)?, &a)?, &x2)?, &b)?;
    let u = f.mul(&f.mul(&t2, &t)?, &h2)?;
    // A = h2 to the power of p - 1 - (p + 1) / 4, which is (3p - 5) / 4 for p = 3 mod 4.
    let exponent = f.modulus_with(|m| {
        // SAFETY: the number may be written to. 3p - 5 is positive and a multiple of four.
        unsafe {
            check(c::BN_mul_word(m, 3))?;
            check(c::BN_sub_word(m, 5))?;
            check(c::BN_rshift(m, m.cast_const(), 2))
        }
    })?;
    let root = f.pow(&h2, &exponent)?;
    let square = f.mul(&f.mul(&root, &root)?, &h2)?;
    let (y2, y3) = (f.mul(&root, &h2)?, f.mul(&root, &u)?);
    let len = curve.field_len();
    let first = u8::from(constant_time_eq(&f.bytes(&square, len)?, &f.bytes(&one, len)?));
    let mask = 0u8.wrapping_sub(first);
    let mut out = vec![0x04];
    for (when_square, otherwise) in [(&x2, &x3), (&y2, &y3)] {
        let (when_square, otherwise) = (f.bytes(when_square, len)?, f.bytes(otherwise, len)?);
        out.extend(when_square.iter().zip(otherwise.iter()).map(|(s, o)| (s & mask) | (o & !mask)));
    }
    Ok(out)
}

/// dividend / divisor modulo the order of the group.
pub(crate) fn divide(curve: Curve, dividend: &[u8], divisor: &[u8]) -> Result<Vec<u8>, Error> {
    let f = Field::new(Bn::from_bytes(curve.order())?)?;
    let dividend = f.enter(&Bn::from_bytes(dividend)?)?;
    let inverse = f.invert(&f.enter(&Bn::from_bytes(divisor)?)?)?;
    let mut quotient = f.bytes(&f.mul(&dividend, &inverse)?, curve.order_len())?;
    if quotient.iter().all(|byte| *byte == 0) {
        return Err(library_failure());
    }
    Ok(std::mem::take(&mut *quotient))
}
