//! EF.COM (ICAO 9303-10 §4.6.1): the version of the structure and the data groups present. Not signed, so never a basis of trust.

use crate::{DataGroup, Error};

/// The content of EF.COM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Com {
    /// Four digits: `0107` is LDS 1.7.
    pub lds_version: String,
    /// Six digits: `040000` is Unicode 4.0.0.
    pub unicode_version: String,
    /// The data groups present, in the order of their numbers. Unknown tags are left out.
    pub data_groups: Vec<DataGroup>,
}

impl Com {
    /// Version 1.7 with Unicode 4.0.0, as 9303-10 names them.
    pub fn new(data_groups: impl IntoIterator<Item = DataGroup>) -> Self {
        let mut data_groups: Vec<DataGroup> =
            data_groups.into_iter().filter(|dg| dg.number().is_some()).collect();
        data_groups.sort_unstable_by_key(|dg| dg.number());
        data_groups.dedup();
        Self { lds_version: "0107".into(), unicode_version: "040000".into(), data_groups }
    }

    /// Encodes the file.
    pub fn encode(&self) -> Vec<u8> {
        let tags: Vec<u8> = self.data_groups.iter().map(|dg| dg.tag() as u8).collect();
        let body = [
            tlv::encode(0x5F01, self.lds_version.as_bytes()),
            tlv::encode(0x5F36, self.unicode_version.as_bytes()),
            tlv::encode(0x5C, &tags),
        ];
        DataGroup::Com.wrap(&body.concat())
    }

    /// Reads the file.
    pub fn decode(file: &[u8]) -> Result<Self, Error> {
        let body = DataGroup::Com.unwrap(file)?;
        let find = |tag: u32| tlv::find(body, tag).ok_or(Error::Missing { file: "EF.COM", tag });
        let digits = |tag: u32, length: usize| match find(tag)?.value {
            value if value.len() == length && value.iter().all(u8::is_ascii_digit) => {
                Ok(String::from_utf8_lossy(value).into_owned())
            }
            _ => Err(Error::Malformed { file: "EF.COM", what: "version" }),
        };
        Ok(Self {
            lds_version: digits(0x5F01, 4)?,
            unicode_version: digits(0x5F36, 6)?,
            data_groups: find(0x5C)?
                .value
                .iter()
                .filter_map(|tag| DataGroup::from_tag(u32::from(*tag)))
                .collect(),
        })
    }
}
