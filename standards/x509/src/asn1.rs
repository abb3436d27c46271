//! Strict DER on top of `tlv`: the primitive types X.509 is made of, read and written.
//!
//! ITU-T X.690 (2021) §10 and §11 are the rules obeyed here.

use const_oid::ObjectIdentifier as Oid;
use jiff::Timestamp;
use tlv::{Reader, Tlv, encode};

use crate::{Error, time};

pub(crate) const BOOLEAN: u32 = 0x01;
pub(crate) const INTEGER: u32 = 0x02;
pub(crate) const BIT_STRING: u32 = 0x03;
pub(crate) const OCTET_STRING: u32 = 0x04;
pub(crate) const NULL: u32 = 0x05;
pub(crate) const OID: u32 = 0x06;
pub(crate) const ENUMERATED: u32 = 0x0A;
pub(crate) const UTF8_STRING: u32 = 0x0C;
pub(crate) const PRINTABLE_STRING: u32 = 0x13;
pub(crate) const IA5_STRING: u32 = 0x16;
pub(crate) const UTC_TIME: u32 = 0x17;
pub(crate) const GENERALIZED_TIME: u32 = 0x18;
pub(crate) const SEQUENCE: u32 = 0x30;
pub(crate) const SET: u32 = 0x31;

/// `[n]` constructed.
pub(crate) const fn explicit(n: u32) -> u32 {
    0xA0 | n
}

/// `[n]` primitive.
pub(crate) const fn implicit(n: u32) -> u32 {
    0x80 | n
}

/// A cursor that accepts DER only.
#[derive(Debug, Clone)]
pub(crate) struct Der<'a> {
    reader: Reader<'a>,
}

impl<'a> Der<'a> {
    pub(crate) const fn new(input: &'a [u8]) -> Self {
        Self { reader: Reader::new(input) }
    }

    /// The contents of the one SEQUENCE that is the whole of `input`.
    pub(crate) fn outer(input: &'a [u8]) -> Result<Self, Error> {
        let mut outer = Self::new(input);
        let inner = outer.sequence()?;
        outer.finish()?;
        Ok(inner)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.reader.is_empty()
    }

    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.reader.rest()
    }

    pub(crate) fn peek(&self) -> Option<u32> {
        self.reader.peek_tag()
    }

    pub(crate) fn finish(&self) -> Result<(), Error> {
        Ok(self.reader.finish()?)
    }

    pub(crate) fn any(&mut self) -> Result<Tlv<'a>, Error> {
        strict(self.reader.read()?)
    }

    pub(crate) fn expect(&mut self, tag: u32) -> Result<Tlv<'a>, Error> {
        strict(self.reader.expect(tag)?)
    }

    pub(crate) fn optional(&mut self, tag: u32) -> Result<Option<Tlv<'a>>, Error> {
        self.reader.optional(tag)?.map(strict).transpose()
    }

    pub(crate) fn sequence(&mut self) -> Result<Self, Error> {
        Ok(Self::new(self.expect(SEQUENCE)?.value))
    }

    /// The content octets of an INTEGER, which are minimal.
    pub(crate) fn integer(&mut self) -> Result<&'a [u8], Error> {
        minimal_integer(self.expect(INTEGER)?.value)
    }

    /// A small non-negative INTEGER.
    pub(crate) fn small(&mut self) -> Result<u32, Error> {
        small_integer(self.integer()?)
    }

    pub(crate) fn oid(&mut self) -> Result<Oid, Error> {
        oid_value(self.expect(OID)?.value)
    }

    pub(crate) fn octets(&mut self) -> Result<&'a [u8], Error> {
        Ok(self.expect(OCTET_STRING)?.value)
    }

    /// A BIT STRING of whole octets.
    pub(crate) fn bits(&mut self) -> Result<&'a [u8], Error> {
        match self.expect(BIT_STRING)?.value {
            [0, rest @ ..] => Ok(rest),
            _ => Err(Error::Malformed("BIT STRING")),
        }
    }

    /// `BOOLEAN DEFAULT FALSE`: absent or TRUE. DER forbids writing the default.
    pub(crate) fn default_false(&mut self) -> Result<bool, Error> {
        match self.optional(BOOLEAN)?.map(|t| t.value) {
            None => Ok(false),
            Some([0xFF]) => Ok(true),
            Some(_) => Err(Error::Malformed("BOOLEAN")),
        }
    }

    /// A `Time` (RFC 5280 §4.1.2.5): UTCTime or GeneralizedTime.
    pub(crate) fn time(&mut self) -> Result<Timestamp, Error> {
        let tlv = self.any()?;
        time::parse(tlv.tag, tlv.value)
    }
}

fn strict(tlv: Tlv<'_>) -> Result<Tlv<'_>, Error> {
    let tag_len = match tlv.tag {
        0..=0xFF => 1,
        0x100..=0xFFFF => 2,
        _ => 3,
    };
    let header = tlv.raw.len() - tlv.value.len();
    // X.690 §10.1: the definite form with the minimum number of octets.
    if header != tag_len + tlv::length_of_length(tlv.value.len()) {
        return Err(tlv::Error::Length.into());
    }
    Ok(tlv)
}

pub(crate) fn minimal_integer(value: &[u8]) -> Result<&[u8], Error> {
    // X.690 §8.3.2: the first nine bits are neither all zero nor all one.
    match value {
        [] => Err(Error::Malformed("INTEGER")),
        [0, second, ..] if second & 0x80 == 0 => Err(Error::Malformed("INTEGER")),
        [0xFF, second, ..] if second & 0x80 != 0 => Err(Error::Malformed("INTEGER")),
        _ => Ok(value),
    }
}

pub(crate) fn small_integer(value: &[u8]) -> Result<u32, Error> {
    match minimal_integer(value)? {
        [first, ..] if first & 0x80 != 0 => Err(Error::Malformed("negative INTEGER")),
        bytes if bytes.len() > 5 || (bytes.len() == 5 && bytes[0] != 0) => {
            Err(Error::Malformed("large INTEGER"))
        }
        bytes => Ok(bytes.iter().fold(0, |n, b| n << 8 | u32::from(*b))),
    }
}

pub(crate) fn oid_value(value: &[u8]) -> Result<Oid, Error> {
    Oid::from_bytes(value).map_err(|_| Error::Malformed("OBJECT IDENTIFIER"))
}

pub(crate) fn bit_string(octets: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(octets.len() + 1);
    value.push(0);
    value.extend_from_slice(octets);
    encode(BIT_STRING, &value)
}

pub(crate) fn boolean_true() -> Vec<u8> {
    vec![0x01, 0x01, 0xFF]
}

/// An INTEGER from a small number.
pub(crate) fn integer(n: u64) -> Vec<u8> {
    tlv::integer_unsigned(&n.to_be_bytes())
}

/// Tag and length for a value of `len` bytes that follows.
pub(crate) fn header(tag: u8, len: usize) -> Vec<u8> {
    let mut out = vec![tag];
    let bytes = (len as u32).to_be_bytes();
    match tlv::length_of_length(len) {
        1 => out.push(len as u8),
        n => {
            out.push(0x80 | (n as u8 - 1));
            out.extend_from_slice(&bytes[5 - n..]);
        }
    }
    out
}

/// `parts` concatenated under a SEQUENCE without an intermediate copy.
pub(crate) fn sequence_of_parts(parts: &[&[u8]]) -> Vec<u8> {
    let len = parts.iter().map(|p| p.len()).sum();
    let mut out = header(0x30, len);
    out.reserve_exact(len);
    parts.iter().for_each(|p| out.extend_from_slice(p));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_form_of_a_short_length_is_refused() {
        assert!(Der::new(&[0x30, 0x81, 0x01, 0x00]).any().is_err());
        assert!(Der::new(&[0x30, 0x01, 0x00]).any().is_ok());
    }

    #[test]
    fn integers_are_minimal_and_bounded() {
        assert!(minimal_integer(&[]).is_err());
        assert!(minimal_integer(&[0, 1]).is_err());
        assert!(minimal_integer(&[0xFF, 0x80]).is_err());
        assert_eq!(small_integer(&[0x00, 0xFF, 0xFF, 0xFF, 0xFF]), Ok(u32::MAX));
        assert!(small_integer(&[0x01, 0, 0, 0, 0]).is_err());
        assert!(small_integer(&[0x80]).is_err());
    }

    #[test]
    fn a_written_default_is_not_der() {
        assert_eq!(Der::new(&[1, 1, 0xFF]).default_false(), Ok(true));
        assert!(Der::new(&[1, 1, 0]).default_false().is_err());
        assert!(Der::new(&[1, 1, 1]).default_false().is_err());
    }

    #[test]
    fn headers_are_what_encode_writes() {
        for len in [0usize, 1, 0x7F, 0x80, 0xFF, 0x100, 0xFFFF, 0x1_0000] {
            let whole = tlv::encode(0x30, &vec![0; len]);
            assert_eq!(header(0x30, len), whole[..whole.len() - len]);
        }
    }
}
