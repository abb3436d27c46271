//! DG15 (ICAO 9303-10 §4.7.15): the SubjectPublicKeyInfo of the Active Authentication key.

use crate::{DataGroup, Error};

/// Encodes the file around a SubjectPublicKeyInfo.
pub fn encode(spki: &[u8]) -> Result<Vec<u8>, Error> {
    tlv::expect(spki, 0x30).map_err(|_| Error::Unwritable("key that is not a SubjectPublicKeyInfo"))?;
    Ok(DataGroup::Dg15.wrap(spki))
}

/// The SubjectPublicKeyInfo in the file.
pub fn decode(file: &[u8]) -> Result<&[u8], Error> {
    let body = DataGroup::Dg15.unwrap(file)?;
    Ok(tlv::expect(body, 0x30).map_err(Error::tlv("DG15"))?.raw)
}
