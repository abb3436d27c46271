//! The registered address (戶籍地址): village by code, neighbourhood by number, the rest as text.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::divisions::{Divisions, Place, VillageCode};

/// An address. Personal data: `Debug` hides it.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Parts", into = "Parts")]
pub struct Address {
    village: VillageCode,
    neighbourhood: u16,
    rest: String,
}

impl Address {
    /// The longest rest in characters.
    pub const MAX_REST: usize = 120;

    /// Checks that the village exists, that the neighbourhood (鄰) is 1 to 999 and that the rest (road, number, floor) is
    /// not empty.
    pub fn new(village: VillageCode, neighbourhood: u16, rest: &str) -> Result<Self, Error> {
        Divisions::bundled().village(village).ok_or(Error::DivisionUnknown)?;
        let length = rest.chars().take(Self::MAX_REST + 1).count();
        let form = (1..=999).contains(&neighbourhood) && (1..=Self::MAX_REST).contains(&length);
        if !form || rest.trim() != rest || rest.chars().any(char::is_control) {
            return Err(Error::Address);
        }
        Ok(Self { village, neighbourhood, rest: rest.to_owned() })
    }

    /// The code of the village.
    pub const fn village(&self) -> VillageCode {
        self.village
    }

    /// The number of the neighbourhood.
    pub const fn neighbourhood(&self) -> u16 {
        self.neighbourhood
    }

    /// Road, number and floor.
    pub fn rest(&self) -> &str {
        &self.rest
    }

    /// County, district and village with their names.
    pub fn place(&self) -> Option<Place<'static>> {
        Divisions::bundled().place(self.village)
    }

    /// The full address in Chinese: `臺北市中正區黎明里3鄰徐州路5號`.
    pub fn zh(&self) -> String {
        let place = self.place().map(|place| place.zh()).unwrap_or_default();
        format!("{place}{}鄰{}", self.neighbourhood, self.rest)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Address(***)")
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parts {
    village: VillageCode,
    neighbourhood: u16,
    rest: String,
}

impl TryFrom<Parts> for Address {
    type Error = Error;
    fn try_from(parts: Parts) -> Result<Self, Error> {
        Self::new(parts.village, parts.neighbourhood, &parts.rest)
    }
}

impl From<Address> for Parts {
    fn from(address: Address) -> Self {
        Self { village: address.village, neighbourhood: address.neighbourhood, rest: address.rest }
    }
}
