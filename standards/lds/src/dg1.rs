//! DG1 (ICAO 9303-10 §4.7.1): the machine readable zone.

use crate::{DataGroup, Error, MrzError, Td1};

/// Encodes the file.
pub fn encode(zone: &Td1) -> Vec<u8> {
    DataGroup::Dg1.wrap(&tlv::encode(0x5F1F, zone.as_bytes()))
}

/// Reads the file and verifies the check digits.
pub fn decode(file: &[u8]) -> Result<Td1, Error> {
    let body = DataGroup::Dg1.unwrap(file)?;
    let object = tlv::find(body, 0x5F1F).ok_or(Error::Missing { file: "DG1", tag: 0x5F1F })?;
    Td1::from_bytes(object.value).map_err(|error: MrzError| error.into())
}
