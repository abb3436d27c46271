//! Strict reading: every object in its shortest form, nothing left over.

use tlv::{Reader, Tlv};

use super::CvcError;

/// Reads the next object, which must have `tag` and the shortest length field.
pub(super) fn next<'a>(reader: &mut Reader<'a>, tag: u32, what: &'static str) -> Result<Tlv<'a>, CvcError> {
    strict(reader.expect(tag).map_err(|_| CvcError::Malformed(what))?, what)
}

/// Reads the next object if it has `tag`.
pub(super) fn optional<'a>(
    reader: &mut Reader<'a>,
    tag: u32,
    what: &'static str,
) -> Result<Option<Tlv<'a>>, CvcError> {
    let object = reader.optional(tag).map_err(|_| CvcError::Malformed(what))?;
    object.map(|object| strict(object, what)).transpose()
}

/// Reads one object that must have `tag` and end the input.
pub(super) fn sole<'a>(input: &'a [u8], tag: u32, what: &'static str) -> Result<Tlv<'a>, CvcError> {
    let mut reader = Reader::new(input);
    let object = next(&mut reader, tag, what)?;
    finish(&reader, what)?;
    Ok(object)
}

/// Fails unless everything has been read.
pub(super) fn finish(reader: &Reader<'_>, what: &'static str) -> Result<(), CvcError> {
    reader.finish().map_err(|_| CvcError::Malformed(what))
}

/// Fails if the length field could be shorter.
pub(super) fn strict<'a>(object: Tlv<'a>, what: &'static str) -> Result<Tlv<'a>, CvcError> {
    let tag_len = match object.tag {
        0..=0xFF => 1,
        0x100..=0xFFFF => 2,
        _ => 3,
    };
    let header = object.raw.len() - object.value.len();
    if header == tag_len + tlv::length_of_length(object.value.len()) {
        Ok(object)
    } else {
        Err(CvcError::Malformed(what))
    }
}
