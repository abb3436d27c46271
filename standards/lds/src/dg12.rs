//! DG12 (ICAO 9303-10 §4.7.12): additional document details: issuing authority and date of issue.

use crate::tag_list;
use crate::{DataGroup, Date, Error};

/// The details this card has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DocumentDetails {
    /// 5F19: the issuing authority, UTF-8.
    pub issuing_authority: String,
    /// 5F26: the date of issue.
    pub issue: Option<Date>,
}

impl DocumentDetails {
    /// Encodes the file.
    pub fn encode(&self) -> Vec<u8> {
        let issue = self.issue.map(Date::compact).unwrap_or_default();
        tag_list::encode(
            DataGroup::Dg12,
            &[(0x5F19, self.issuing_authority.clone().into_bytes()), (0x5F26, issue.into_bytes())],
        )
    }

    /// Reads the file. Objects that this card does not use are passed over.
    pub fn decode(file: &[u8]) -> Result<Self, Error> {
        let objects = tag_list::decode(DataGroup::Dg12, file)?;
        let issue = match objects.iter().find(|object| object.tag == 0x5F26) {
            Some(object) => Some(
                Date::from_digits_or_packed(object.value)
                    .ok_or(Error::Malformed { file: "DG12", what: "the date of issue" })?,
            ),
            None => None,
        };
        let authority = tag_list::text(DataGroup::Dg12, &objects, 0x5F19, "the issuing authority")?;
        Ok(Self { issuing_authority: authority.unwrap_or_default(), issue })
    }
}
