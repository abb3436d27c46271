//! EF.SOD (ICAO 9303-10 §4.6.2): the wrapper around the CMS SignedData of the document security object.

use crate::{DataGroup, Error};

/// Encodes the file around a CMS ContentInfo.
pub fn wrap(cms: &[u8]) -> Vec<u8> {
    DataGroup::Sod.wrap(cms)
}

/// The CMS ContentInfo in the file.
pub fn unwrap(file: &[u8]) -> Result<&[u8], Error> {
    let body = DataGroup::Sod.unwrap(file)?;
    Ok(tlv::expect(body, 0x30).map_err(Error::tlv("EF.SOD"))?.raw)
}
