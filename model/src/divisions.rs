//! The administrative divisions: 22 counties and cities, 368 townships and districts, 7,747 villages, by code and by name.
//!
//! The tables of `data/divisions` are read on first use. A village belongs to the district that its first eight digits name,
//! a district to the county that its first five digits name.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::Error;

macro_rules! code {
    ($(#[$doc:meta])* $name:ident, $digits:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(u64);

        impl FromStr for $name {
            type Err = Error;
            fn from_str(text: &str) -> Result<Self, Error> {
                if text.len() != $digits || !text.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(Error::DivisionCode);
                }
                text.parse().map(Self).map_err(|_| Error::DivisionCode)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!("{:0", $digits, "}"), self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:0", $digits, "})"), self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;
            fn try_from(text: String) -> Result<Self, Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(code: $name) -> String {
                code.to_string()
            }
        }
    };
}

code!(
    /// The code of a county or city: eight digits, the last three 0.
    CountyCode, 8
);
code!(
    /// The code of a township or district: eight digits.
    DistrictCode, 8
);
code!(
    /// The code of a village (村里代碼): eleven digits.
    VillageCode, 11
);

impl VillageCode {
    /// The district the village belongs to.
    pub const fn district(self) -> DistrictCode {
        DistrictCode(self.0 / 1000)
    }
}

impl DistrictCode {
    /// The county or city the district belongs to.
    pub const fn county(self) -> CountyCode {
        CountyCode(self.0 / 1000 * 1000)
    }
}

/// A county or city (縣市).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct County {
    /// Its code.
    pub code: CountyCode,
    /// Its Chinese name: 臺北市.
    pub name: &'static str,
    /// Its English name.
    pub english: &'static str,
}

/// A township or district (鄉鎮市區).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct District {
    /// Its code.
    pub code: DistrictCode,
    /// Its Chinese name.
    pub name: &'static str,
    /// Its English name.
    pub english: &'static str,
}

/// A village (村里).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Village {
    /// Its code.
    pub code: VillageCode,
    /// Its Chinese name.
    pub name: &'static str,
    /// Its English name.
    pub english: &'static str,
}

/// The three tables, sorted by code.
pub struct Divisions {
    counties: Vec<County>,
    districts: Vec<District>,
    villages: Vec<Village>,
}

impl Divisions {
    /// The divisions built into the program.
    pub fn bundled() -> &'static Self {
        static DIVISIONS: OnceLock<Divisions> = OnceLock::new();
        DIVISIONS.get_or_init(|| Divisions {
            counties: rows(include_str!("../data/divisions/counties.tsv"))
                .map(|(code, name, english)| County { code: CountyCode(code), name, english })
                .collect(),
            districts: rows(include_str!("../data/divisions/districts.tsv"))
                .map(|(code, name, english)| District { code: DistrictCode(code), name, english })
                .collect(),
            villages: rows(include_str!("../data/divisions/villages.tsv"))
                .map(|(code, name, english)| Village { code: VillageCode(code), name, english })
                .collect(),
        })
    }

    /// All counties and cities.
    pub fn counties(&self) -> &[County] {
        &self.counties
    }

    /// All townships and districts.
    pub fn districts(&self) -> &[District] {
        &self.districts
    }

    /// All villages.
    pub fn villages(&self) -> &[Village] {
        &self.villages
    }

    /// The districts of a county.
    pub fn districts_of(&self, county: CountyCode) -> &[District] {
        let start = self.districts.partition_point(|d| d.code.county() < county);
        let len = self.districts[start..].partition_point(|d| d.code.county() == county);
        &self.districts[start..start + len]
    }

    /// The villages of a district.
    pub fn villages_of(&self, district: DistrictCode) -> &[Village] {
        let start = self.villages.partition_point(|v| v.code.district() < district);
        let len = self.villages[start..].partition_point(|v| v.code.district() == district);
        &self.villages[start..start + len]
    }

    /// The county with this code.
    pub fn county(&self, code: CountyCode) -> Option<&County> {
        self.counties.binary_search_by_key(&code, |c| c.code).ok().map(|i| &self.counties[i])
    }

    /// The district with this code.
    pub fn district(&self, code: DistrictCode) -> Option<&District> {
        self.districts.binary_search_by_key(&code, |d| d.code).ok().map(|i| &self.districts[i])
    }

    /// The village with this code.
    pub fn village(&self, code: VillageCode) -> Option<&Village> {
        self.villages.binary_search_by_key(&code, |v| v.code).ok().map(|i| &self.villages[i])
    }

    /// A village with the district and county above it.
    pub fn place(&self, code: VillageCode) -> Option<Place<'_>> {
        let village = self.village(code)?;
        let district = self.district(code.district())?;
        let county = self.county(district.code.county())?;
        Some(Place { county, district, village })
    }

    /// The place with these three names. 台 is read as 臺.
    pub fn find(&self, county: &str, district: &str, village: &str) -> Option<Place<'_>> {
        let same = |name: &str, wanted: &str| name.chars().map(plain).eq(wanted.chars().map(plain));
        let county = self.counties.iter().find(|c| same(c.name, county))?;
        let district = self.districts_of(county.code).iter().find(|d| same(d.name, district))?;
        let village = self.villages_of(district.code).iter().find(|v| same(v.name, village))?;
        Some(Place { county, district, village })
    }
}

/// A village with what it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// The county or city.
    pub county: &'a County,
    /// The township or district.
    pub district: &'a District,
    /// The village.
    pub village: &'a Village,
}

impl Place<'_> {
    /// `臺北市中正區黎明里`.
    pub fn zh(&self) -> String {
        [self.county.name, self.district.name, self.village.name].concat()
    }

    /// `Liming Vil., Zhongzheng District, Taipei City`.
    pub fn en(&self) -> String {
        [self.village.english, self.district.english, self.county.english].join(", ")
    }
}

fn plain(character: char) -> char {
    if character == '台' { '臺' } else { character }
}

/// The rows of a bundled table. Its form is checked by the tests, so that a row of another form cannot occur.
fn rows(table: &'static str) -> impl Iterator<Item = (u64, &'static str, &'static str)> {
    table.lines().filter_map(|line| {
        let mut fields = line.split('\t');
        Some((fields.next()?.parse().ok()?, fields.next()?, fields.next()?))
    })
}
