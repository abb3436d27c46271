//! Writing: every object in its shortest form, which is DER.

use const_oid::ObjectIdentifier;

/// Encodes one data object with the shortest possible length field.
pub fn encode(tag: u32, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len() + 8);
    let tag_bytes = tag.to_be_bytes();
    let skip = tag_bytes.iter().take(3).take_while(|b| **b == 0).count();
    out.extend_from_slice(&tag_bytes[skip..]);
    let len = value.len();
    if len < 0x80 {
        out.push(len as u8);
    } else {
        let bytes = (len as u32).to_be_bytes();
        let skip = bytes.iter().take_while(|b| **b == 0).count();
        out.push(0x80 | (4 - skip) as u8);
        out.extend_from_slice(&bytes[skip..]);
    }
    out.extend_from_slice(value);
    out
}

/// The size in bytes of the shortest length field for a value of `len` bytes.
pub const fn length_of_length(len: usize) -> usize {
    match len {
        0..=0x7F => 1,
        0x80..=0xFF => 2,
        0x100..=0xFFFF => 3,
        0x1_0000..=0xFF_FFFF => 4,
        _ => 5,
    }
}

/// A SEQUENCE (tag 30) of already encoded parts.
pub fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    encode(0x30, &parts.concat())
}

/// A SET OF (tag 31) of already encoded parts, sorted as DER demands (X.690 §11.6).
pub fn set(parts: &[&[u8]]) -> Vec<u8> {
    let mut sorted = parts.to_vec();
    sorted.sort_unstable();
    encode(0x31, &sorted.concat())
}

/// An INTEGER (tag 02) from unsigned big-endian bytes of any length; an empty slice is zero.
pub fn integer_unsigned(bytes: &[u8]) -> Vec<u8> {
    let skip = bytes.iter().take_while(|b| **b == 0).count();
    let digits = &bytes[skip..];
    let mut value = Vec::with_capacity(digits.len() + 1);
    if digits.first().is_none_or(|b| b & 0x80 != 0) {
        value.push(0);
    }
    value.extend_from_slice(digits);
    encode(0x02, &value)
}

/// An OBJECT IDENTIFIER (tag 06).
pub fn oid(oid: ObjectIdentifier) -> Vec<u8> {
    encode(0x06, oid.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_minimal_and_never_negative() {
        assert_eq!(integer_unsigned(&[]), [2, 1, 0]);
        assert_eq!(integer_unsigned(&[0, 0]), [2, 1, 0]);
        assert_eq!(integer_unsigned(&[0, 0x7F]), [2, 1, 0x7F]);
        assert_eq!(integer_unsigned(&[0x80]), [2, 2, 0, 0x80]);
    }

    #[test]
    fn lengths_take_their_shortest_form() {
        for len in [0usize, 0x7F, 0x80, 0xFF, 0x100, 0xFFFF, 0x1_0000] {
            assert_eq!(encode(0x04, &vec![0; len]).len(), 1 + length_of_length(len) + len);
        }
    }

    #[test]
    fn a_set_is_sorted() {
        assert_eq!(set(&[&[2, 1, 9], &[2, 1, 3]]), [0x31, 6, 2, 1, 3, 2, 1, 9]);
    }
}
