//! Household registration offices (戶政事務所): one central office in each of the 368 districts, and the temporary counters (機動櫃檯)
//! that each may open for a while, in a market hall or in the evenings of May (NPC-67). A counter is a number of its office, from 90 on,
//! and no building.

use model::OfficeCode;
use model::divisions::{District, Divisions};

/// An office.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Office {
    /// Its code: the district's code and 00.
    pub code: OfficeCode,
    /// 臺北市中正區戶政事務所
    pub name: String,
    /// Household Registration Office, Zhongzheng District, Taipei City
    pub english: String,
}

/// Every office, in the order of the district codes.
pub fn offices() -> impl Iterator<Item = Office> {
    Divisions::bundled().districts().iter().filter_map(of_district)
}

/// The office with this code.
pub fn office(code: OfficeCode) -> Option<Office> {
    let district = Divisions::bundled().district(code.district().ok()?)?;
    let office = of_district(district)?;
    if office.code == code {
        return Some(office);
    }
    let number: u8 = code.as_str()[8..].parse().ok().filter(|number| *number >= FIRST_TEMPORARY)?;
    let counter = number - FIRST_TEMPORARY + 1;
    Some(Office {
        code,
        name: format!("{}機動櫃檯{counter}", office.name),
        english: format!("Temporary Counter {counter} of the {}", office.english),
    })
}

/// The number of a temporary counter in the code of its office: 90 to 99.
const FIRST_TEMPORARY: u8 = 90;

fn of_district(district: &District) -> Option<Office> {
    let county = Divisions::bundled().county(district.code.county())?;
    Some(Office {
        code: OfficeCode::new(district.code, 0).ok()?,
        name: [county.name, district.name, "戶政事務所"].concat(),
        english: format!("Household Registration Office, {}, {}", district.english, county.english),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_district_has_one_office() {
        let all: Vec<_> = offices().collect();
        assert_eq!(all.len(), 368);
        for one in &all {
            assert_eq!(office(one.code).as_ref(), Some(one));
        }
        let branch = OfficeCode::new(all[0].code.district().expect("a district"), 1).expect("a code");
        assert_eq!(office(branch), None);
    }

    // proves: NPC-67
    #[test]
    fn an_office_may_open_temporary_counters() {
        let central = offices().next().expect("an office");
        let district = central.code.district().expect("a district");
        for (number, name) in [(90, "機動櫃檯1"), (99, "機動櫃檯10")] {
            let code = OfficeCode::new(district, number).expect("a code");
            let counter = office(code).expect("a counter");
            assert_eq!((counter.code, counter.name), (code, format!("{}{name}", central.name)));
        }
        let nowhere: OfficeCode = "9999999990".parse().expect("a code");
        assert_eq!(office(nowhere), None);
    }
}
