//! Certificate serial numbers.

use std::fmt;

use crate::Error;
use crate::asn1::minimal_integer;

/// A serial number: the content octets of a positive INTEGER of at most 20 octets (RFC 5280 §4.1.2.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Serial {
    octets: [u8; 20],
    len: u8,
}

impl Serial {
    /// A new number of 128 random bits whose encoding always has 16 octets, so that CRL entries have one size.
    pub fn random(rng: &mut dyn curve::Random) -> Self {
        let mut octets = [0; 20];
        for _ in 0..8 {
            rng.fill(&mut octets[..16]);
            octets[0] &= 0x7F;
            // X.690 §8.3.2: an encoding of 16 octets needs one of the first nine bits set.
            if octets[0] != 0 || octets[1] & 0x80 != 0 {
                break;
            }
            octets[0] = 0x40;
        }
        Self { octets, len: 16 }
    }

    /// From the content octets of an INTEGER.
    pub fn from_octets(value: &[u8]) -> Result<Self, Error> {
        let value = minimal_integer(value)?;
        // RFC 5280 §4.1.2.2: positive, at most 20 octets.
        if value.len() > 20 || value[0] & 0x80 != 0 || value == [0] {
            return Err(Error::Malformed("serial number"));
        }
        let mut octets = [0; 20];
        octets[..value.len()].copy_from_slice(value);
        Ok(Self { octets, len: value.len() as u8 })
    }

    /// From a number that fits in 128 bits; `None` for zero.
    pub fn from_u128(n: u128) -> Option<Self> {
        let der = tlv::integer_unsigned(&n.to_be_bytes());
        Self::from_octets(&der[2..]).ok()
    }

    /// The content octets of the INTEGER.
    pub fn octets(&self) -> &[u8] {
        &self.octets[..usize::from(self.len)]
    }

    /// The number, where it fits in 128 bits.
    pub fn to_u128(&self) -> Option<u128> {
        let digits = match self.octets() {
            [0, rest @ ..] => rest,
            all => all,
        };
        let mut number = [0; 16];
        number.get_mut(16usize.checked_sub(digits.len())?..)?.copy_from_slice(digits);
        Some(u128::from_be_bytes(number))
    }

    /// The INTEGER.
    pub(crate) fn der(&self) -> Vec<u8> {
        tlv::encode(crate::asn1::INTEGER, self.octets())
    }
}

impl Ord for Serial {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        // Without the zero that keeps it positive, the longer number is the greater.
        let digits = |s: &'_ Self| usize::from(s.octets[0] == 0)..usize::from(s.len);
        let (a, b) = (&self.octets[digits(self)], &other.octets[digits(other)]);
        a.len().cmp(&b.len()).then_with(|| a.cmp(b))
    }
}

impl PartialOrd for Serial {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.octets().iter().try_for_each(|b| write!(f, "{b:02X}"))
    }
}

impl fmt::Debug for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Serial({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Constant(u8);
    impl curve::Random for Constant {
        fn fill(&mut self, out: &mut [u8]) {
            out.fill(self.0);
        }
    }

    #[test]
    fn random_numbers_have_sixteen_octets_whatever_the_source() {
        for byte in [0, 1, 0x7F, 0x80, 0xFF] {
            let serial = Serial::random(&mut Constant(byte));
            assert_eq!(serial.octets().len(), 16);
            assert_eq!(Serial::from_octets(serial.octets()), Ok(serial));
        }
    }

    #[test]
    fn zero_negative_and_long_numbers_are_refused() {
        assert!(Serial::from_octets(&[0]).is_err());
        assert!(Serial::from_octets(&[0x80]).is_err());
        assert!(Serial::from_octets(&[1; 21]).is_err());
        assert!(Serial::from_octets(&[1; 20]).is_ok());
    }

    #[test]
    fn order_is_the_order_of_numbers() {
        let n = |v: u128| Serial::from_u128(v).expect("not zero");
        assert!(n(0x7F) < n(0x80) && n(0xFF) < n(0x100));
        assert_eq!(n(u128::MAX).to_u128(), Some(u128::MAX));
        assert_eq!(n(0x80).octets(), [0, 0x80]);
    }
}
