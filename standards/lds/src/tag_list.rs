//! What DG11 and DG12 share (ICAO 9303-10 §4.7.11, §4.7.12): a tag list (5C) that names the data objects that follow.

use crate::{DataGroup, Error};

/// Encodes a data group of a tag list and data objects in the order given. Empty values are left out of both.
pub(crate) fn encode(group: DataGroup, objects: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let present = || objects.iter().filter(|(_, value)| !value.is_empty());
    let mut tags = Vec::new();
    for (tag, _) in present() {
        let bytes = tag.to_be_bytes();
        tags.extend(bytes.iter().skip_while(|b| **b == 0));
    }
    let mut body = tlv::encode(0x5C, &tags);
    for (tag, value) in present() {
        body.extend(tlv::encode(*tag, value));
    }
    group.wrap(&body)
}

/// The data objects of such a data group, without the tag list, which says nothing that the objects do not say.
pub(crate) fn decode(group: DataGroup, file: &[u8]) -> Result<Vec<tlv::Tlv<'_>>, Error> {
    let name = group.name();
    let mut reader = tlv::Reader::new(group.unwrap(file)?);
    reader.expect(0x5C).map_err(Error::tlv(name))?;
    reader.map(|object| object.map_err(Error::tlv(name))).collect()
}

/// The value of the object with `tag` as text, `None` if there is none.
pub(crate) fn text(
    group: DataGroup,
    objects: &[tlv::Tlv<'_>],
    tag: u32,
    what: &'static str,
) -> Result<Option<String>, Error> {
    let Some(object) = objects.iter().find(|object| object.tag == tag) else { return Ok(None) };
    match std::str::from_utf8(object.value) {
        Ok(text) => Ok(Some(text.to_owned())),
        Err(_) => Err(Error::Malformed { file: group.name(), what }),
    }
}
