//! DG11 (ICAO 9303-10 §4.7.11): additional personal details. Of its objects the Public Zone uses the name in national
//! characters, the personal number, the full date of birth and the permanent address; place of birth belongs to the Encrypted Zone.

use crate::tag_list;
use crate::{DataGroup, Date, Error};

/// The details this card has.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct PersonalDetails {
    /// 5F0E: the name in national characters, UTF-8.
    pub name: String,
    /// 5F10: the national identification number.
    pub personal_number: String,
    /// 5F2B: the full date of birth.
    pub birth: Option<Date>,
    /// 5F42: the permanent address, components from the largest to the smallest.
    pub address: Vec<String>,
}

impl std::fmt::Debug for PersonalDetails {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PersonalDetails(***)")
    }
}

impl PersonalDetails {
    /// Encodes the file.
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        // 9303-10 §4.7.11: `<` separates the components of the address, so that none may contain it.
        if self.address.iter().any(|part| part.contains('<')) || self.name.contains('<') {
            return Err(Error::Unwritable("address or name with <"));
        }
        let birth = self.birth.map(Date::compact).unwrap_or_default();
        Ok(tag_list::encode(
            DataGroup::Dg11,
            &[
                (0x5F0E, self.name.clone().into_bytes()),
                (0x5F10, self.personal_number.clone().into_bytes()),
                (0x5F2B, birth.into_bytes()),
                (0x5F42, self.address.join("<").into_bytes()),
            ],
        ))
    }

    /// Reads the file. Objects that this card does not use are passed over.
    pub fn decode(file: &[u8]) -> Result<Self, Error> {
        let objects = tag_list::decode(DataGroup::Dg11, file)?;
        let text = |tag, what| tag_list::text(DataGroup::Dg11, &objects, tag, what);
        let birth = match objects.iter().find(|object| object.tag == 0x5F2B) {
            Some(object) => Some(
                Date::from_digits_or_packed(object.value)
                    .ok_or(Error::Malformed { file: "DG11", what: "the date of birth" })?,
            ),
            None => None,
        };
        let address = text(0x5F42, "the address")?.unwrap_or_default();
        Ok(Self {
            name: text(0x5F0E, "the name")?.unwrap_or_default(),
            personal_number: text(0x5F10, "the personal number")?.unwrap_or_default(),
            birth,
            address: address.split('<').filter(|part| !part.is_empty()).map(str::to_owned).collect(),
        })
    }
}
