//! DG14 (ICAO 9303-10 §4.7.14): security options, a DER SET of SecurityInfos, which `eac` builds and reads.

use crate::{DataGroup, Error};

/// Encodes the file around a SET of SecurityInfos.
pub fn encode(security_infos: &[u8]) -> Result<Vec<u8>, Error> {
    tlv::expect(security_infos, 0x31).map_err(|_| Error::Unwritable("SecurityInfos that are not a SET"))?;
    Ok(DataGroup::Dg14.wrap(security_infos))
}

/// The SET of SecurityInfos in the file.
pub fn decode(file: &[u8]) -> Result<&[u8], Error> {
    let body = DataGroup::Dg14.unwrap(file)?;
    Ok(tlv::expect(body, 0x31).map_err(Error::tlv("DG14"))?.raw)
}
