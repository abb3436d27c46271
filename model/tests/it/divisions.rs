//! The division tables: whole, consistent, and found by code and by name.

use std::collections::HashSet;

use model::{Address, Divisions, Error, VillageCode};
use proptest::prelude::*;

#[test]
fn the_tables_are_whole() {
    let divisions = Divisions::bundled();
    let counts = (divisions.counties().len(), divisions.districts().len(), divisions.villages().len());
    assert_eq!(counts, (22, 368, 7747));
    let lines = [
        include_str!("../../data/divisions/counties.tsv"),
        include_str!("../../data/divisions/villages.tsv"),
    ];
    assert_eq!(lines.map(|table| table.lines().count()), [22, 7747]);
    let codes: HashSet<VillageCode> = divisions.villages().iter().map(|v| v.code).collect();
    assert_eq!(codes.len(), 7747);
}

#[test]
fn every_village_belongs_to_a_district_of_a_county_and_is_found_again() {
    let divisions = Divisions::bundled();
    for village in divisions.villages() {
        let place = divisions.place(village.code).expect("belongs");
        assert!(village.code.to_string().starts_with(&place.district.code.to_string()));
        assert!(place.district.code.to_string().starts_with(&place.county.code.to_string()[..5]));
        assert!(!village.name.is_empty() && !village.english.is_empty());
        assert_eq!(divisions.find(place.county.name, place.district.name, village.name), Some(place));
    }
    let by_county: usize = divisions.counties().iter().map(|c| divisions.districts_of(c.code).len()).sum();
    let by_district: usize = divisions.districts().iter().map(|d| divisions.villages_of(d.code).len()).sum();
    assert_eq!((by_county, by_district), (368, 7747));
}

#[test]
fn names_are_looked_up_with_either_form_of_tai() {
    let divisions = Divisions::bundled();
    let place = divisions.find("台北市", "中正區", "黎明里").expect("a village of Taipei");
    assert_eq!(place.zh(), "臺北市中正區黎明里");
    assert_eq!(place.en(), "Liming Vil., Zhongzheng District, Taipei City");
    assert_eq!(divisions.find("臺北市", "中正區", "無此里"), None);
    // The name of a district of another county is not found under this one.
    assert_eq!(divisions.find("臺北市", "南竿鄉", "介壽村"), None);
}

#[test]
fn addresses_are_checked_hidden_and_written_out() {
    let village = Divisions::bundled().find("臺北市", "中正區", "黎明里").expect("a village").village.code;
    let address = Address::new(village, 3, "徐州路5號").expect("valid");
    assert_eq!(address.zh(), "臺北市中正區黎明里3鄰徐州路5號");
    assert_eq!(format!("{address:?}"), "Address(***)");
    let json = serde_json::to_string(&address).expect("serialises");
    assert_eq!(serde_json::from_str::<Address>(&json).expect("reads"), address);
    assert_eq!(Address::new(village, 0, "徐州路5號"), Err(Error::Address));
    assert_eq!(Address::new(village, 1000, "徐州路5號"), Err(Error::Address));
    assert_eq!(Address::new(village, 1, ""), Err(Error::Address));
    assert_eq!(Address::new(village, 1, &"路".repeat(121)), Err(Error::Address));
    assert_eq!(Address::new("99999999999".parse().expect("form"), 1, "路"), Err(Error::DivisionUnknown));
}

proptest! {
    #[test]
    fn any_text_is_a_code_or_refused(text in ".{0,12}") {
        let code = text.parse::<VillageCode>();
        prop_assert_eq!(code.is_ok(), text.len() == 11 && text.bytes().all(|b| b.is_ascii_digit()));
    }

    #[test]
    fn any_code_is_looked_up_without_fault(code in 0u64..100_000_000_000) {
        let code: VillageCode = format!("{code:011}").parse().expect("form");
        let _ = Divisions::bundled().place(code);
        let _ = Divisions::bundled().districts_of(code.district().county());
    }
}
