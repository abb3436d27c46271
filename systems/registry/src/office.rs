//! Household registration offices (戶政事務所): one central office in each of the 368 districts.

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
    of_district(district).filter(|office| office.code == code)
}

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
}
