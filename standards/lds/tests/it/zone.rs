//! The Public Zone as a whole: to data groups and back.

use curve::Hash;
use lds::com::Com;
use lds::dg13::Term;
use lds::public_zone::{Address, Files, PublicZone};
use lds::{DataGroup, Date, Error, LdsSecurityObject, dg2};
use proptest::prelude::*;

/// The smallest beginning of a JPEG that names its size: start of image, an application segment, a frame header.
pub(crate) fn jpeg(width: u16, height: u16, body: &[u8]) -> Vec<u8> {
    let mut out = vec![0xFF, 0xD8, 0xFF, 0xE0, 0, 4, 0, 0, 0xFF, 0xC0, 0, 11, 8];
    out.extend(height.to_be_bytes());
    out.extend(width.to_be_bytes());
    out.extend([1, 1, 0x11, 0]);
    out.extend(body);
    out
}

pub(crate) fn sample() -> PublicZone {
    PublicZone {
        chinese_name: "陳\u{2000B}\u{FE270}".into(),
        cns: vec![Some([1, 0x61, 0x45]), Some([3, 0x21, 0x44]), Some([1, 0x23, 0x4F])],
        romanised_name: Some("Tân A-bí".into()),
        foreign_name: None,
        mrz_name: "Tân, A-bí".into(),
        id_number: "A123456789".into(),
        birth: Date::new(1952, 2, 29).expect("valid"),
        address: Address {
            county: "臺北市".into(),
            district: "中正區".into(),
            village: "黎明里".into(),
            village_code: "63000050013".into(),
            neighbourhood: 300,
            rest: "徐州路5號".into(),
        },
        marital_status: Term::new("married", "有", "Married"),
        military_service: Term::new("exempt", "免役", "Exempt"),
        card_serial: "TWA000123".into(),
        renewal: None,
        issue: Date::new(2026, 11, 20).expect("valid"),
        portrait: Some(jpeg(413, 531, &[7; 300])),
        issuing_authority: "測試用內政部 SPECIMEN".into(),
        security_infos: vec![0x31, 0],
        active_authentication_key: vec![0x30, 2, 0x30, 0],
    }
}

// proves: CARD-23, CARD-55
#[test]
fn every_field_returns_from_the_data_groups() {
    let zone = sample();
    let files = zone.data_groups().expect("encodes");
    assert!(PublicZone::from_data_groups(&files) == Ok(zone.clone()));
    let with_renewal = PublicZone {
        renewal: Some(Date::new(2036, 11, 20).expect("valid")),
        foreign_name: Some("CHEN, ELAINE".into()),
        romanised_name: None,
        ..zone
    };
    let files = with_renewal.data_groups().expect("encodes");
    assert!(PublicZone::from_data_groups(&files) == Ok(with_renewal));
}

// proves: OPEN-09
#[test]
fn a_card_without_renewal_has_the_field_present_and_empty() {
    let files = sample().data_groups().expect("encodes");
    let body = DataGroup::Dg13.unwrap(&files[&DataGroup::Dg13]).expect("tag");
    let renewal = tlv::find(body, 0xA9).expect("present");
    assert_eq!(renewal.child(0x80).map(|digits| digits.value), Some(&[][..]));
    assert_eq!(renewal.child(0x81).map(|text| text.value), Some("無".as_bytes()));
}

// proves: OPEN-62
#[test]
fn an_exempted_portrait_is_a_field_present_and_empty() {
    let zone = PublicZone { portrait: None, ..sample() };
    let files = zone.data_groups().expect("encodes");
    assert_eq!(files[&DataGroup::Dg2], [0x75, 6, 0x7F, 0x61, 3, 2, 1, 0]);
    assert!(PublicZone::from_data_groups(&files) == Ok(zone));
}

// proves: CARD-24
#[test]
fn the_portrait_is_the_picture_byte_for_byte() {
    let zone = sample();
    let files = zone.data_groups().expect("encodes");
    let portrait = dg2::decode(&files[&DataGroup::Dg2]).expect("reads").expect("present");
    assert_eq!((portrait.width, portrait.height, portrait.kind), (413, 531, dg2::ImageKind::Jpeg));
    assert_eq!(Some(portrait.data), zone.portrait.as_deref());
}

// proves: CARD-18, OPEN-10
#[test]
fn dates_stand_in_both_calendars_and_machine_forms_are_padded() {
    let files = sample().data_groups().expect("encodes");
    let body = DataGroup::Dg13.unwrap(&files[&DataGroup::Dg13]).expect("tag");
    let birth = tlv::find(body, 0xA7).expect("present");
    assert_eq!(birth.child(0x80).map(|digits| digits.value), Some(&b"19520229"[..]));
    assert_eq!(birth.child(0x81).map(|text| text.value), Some("民國41年2月29日".as_bytes()));
    // Every other date as well, and the values of closed sets in both languages.
    for (tag, day) in [(0xA8, Some(sample().issue)), (0xA9, sample().renewal)] {
        let both = tlv::find(body, tag).expect("present");
        let texts = [0x80, 0x81].map(|tag| both.child(tag).map(|text| text.value.to_vec()));
        let expected = day.map(|day| [day.compact().into_bytes(), day.roc().into_bytes()]);
        if let Some(expected) = expected {
            assert_eq!(texts, expected.map(Some), "{tag:X}");
        }
    }
    for tag in [0xA5, 0xA6] {
        let term = tlv::find(body, tag).expect("present");
        let [zh, en] =
            [0x81, 0x82].map(|tag| String::from_utf8(term.child(tag).expect("present").value.to_vec()));
        assert!(zh.is_ok_and(|zh| !zh.is_empty() && !zh.is_ascii()), "{tag:X}");
        assert!(en.is_ok_and(|en| !en.is_empty() && en.is_ascii()), "{tag:X}");
    }
}

// proves: CARD-17
#[test]
fn the_zone_has_no_data_group_for_fingers_irises_or_other_persons() {
    let files = sample().data_groups().expect("encodes");
    let mut expected = DataGroup::PUBLIC_ZONE.to_vec();
    expected.retain(|group| *group != DataGroup::Sod);
    expected.sort();
    assert_eq!(files.keys().copied().collect::<Vec<_>>(), expected);
    let com = Com::decode(&files[&DataGroup::Com]).expect("reads");
    assert_eq!((com.lds_version.as_str(), com.unicode_version.as_str()), ("0107", "040000"));
    let numbers: Vec<u8> = com.data_groups.iter().filter_map(|group| group.number()).collect();
    assert_eq!(numbers, [1, 2, 11, 12, 13, 14, 15]);
}

#[test]
fn the_security_object_covers_every_data_group() {
    let files = sample().data_groups().expect("encodes");
    let object = PublicZone::security_object(Hash::Sha512, &files);
    assert_eq!(object.hashes.keys().copied().collect::<Vec<_>>(), [1, 2, 11, 12, 13, 14, 15]);
    assert_eq!(object.hash_of(DataGroup::Dg1), Some(Hash::Sha512.digest(&files[&DataGroup::Dg1]).as_slice()));
    assert_eq!(LdsSecurityObject::decode(&object.encode()), Ok(object));
}

#[test]
fn contradictions_between_data_groups_are_found() {
    let files = sample().data_groups().expect("encodes");
    let other = |change: &dyn Fn(&mut PublicZone)| {
        let mut zone = sample();
        change(&mut zone);
        zone.data_groups().expect("encodes")
    };
    let swap = |from: &Files, group: DataGroup| {
        let mut files = files.clone();
        files.insert(group, from[&group].clone());
        PublicZone::from_data_groups(&files).map(|_| ())
    };
    let day = Date::new(1953, 1, 1).expect("valid");
    assert_eq!(
        swap(&other(&|z| z.birth = day), DataGroup::Dg11),
        Err(Error::Contradiction("the date of birth"))
    );
    assert_eq!(
        swap(&other(&|z| z.birth = day), DataGroup::Dg1),
        Err(Error::Contradiction("the date of birth"))
    );
    assert_eq!(
        swap(&other(&|z| z.issue = day), DataGroup::Dg12),
        Err(Error::Contradiction("the date of issue"))
    );
    assert_eq!(
        swap(&other(&|z| z.renewal = Some(day)), DataGroup::Dg1),
        Err(Error::Contradiction("the date of renewal"))
    );
    assert_eq!(
        swap(&other(&|z| z.address.neighbourhood = 3), DataGroup::Dg11),
        Err(Error::Contradiction("the neighbourhood"))
    );
    assert_eq!(
        swap(&other(&|z| z.mrz_name = "Wang".into()), DataGroup::Dg1),
        Err(Error::Contradiction("the machine readable zone"))
    );
    let mut absent = files.clone();
    absent.remove(&DataGroup::Dg13);
    assert_eq!(PublicZone::from_data_groups(&absent).map(|_| ()), Err(Error::Absent("DG13")));
}

#[test]
fn what_cannot_be_written_is_refused() {
    let refuse = |change: &dyn Fn(&mut PublicZone)| {
        let mut zone = sample();
        change(&mut zone);
        assert!(zone.data_groups().is_err());
    };
    refuse(&|z| z.portrait = Some(b"GIF89a".to_vec()));
    refuse(&|z| z.portrait = Some(Vec::new()));
    refuse(&|z| z.mrz_name = "陳".into());
    refuse(&|z| z.card_serial = "twa".into());
    refuse(&|z| z.address.rest = "a<b".into());
    refuse(&|z| z.address.rest = String::new());
    refuse(&|z| z.chinese_name = String::new());
    refuse(&|z| z.foreign_name = Some(String::new()));
    refuse(&|z| z.cns.clear());
    refuse(&|z| z.security_infos = vec![0x30, 0]);
    refuse(&|z| z.active_authentication_key = vec![0x30, 5]);
}

#[test]
fn debug_shows_nothing_personal() {
    let zone = sample();
    let td1 = zone.td1().expect("valid");
    let shown =
        format!("{zone:?} {td1:?} {:?} {:?} {:?} {:?}", td1.name(), td1.birth(), zone.birth, zone.address);
    for secret in ["A123456789", "1952", "520229", "TAN", "陳", "臺北"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

proptest! {
    #[test]
    fn any_names_and_addresses_return(
        name in "\\PC{1,20}",
        rest in "[^<\\pC]{1,40}",
        foreign in prop::option::of("[A-Z]{1,20}, [A-Z]{1,20}"),
        neighbourhood in 1u16..,
        year in 1u16..=9999,
    ) {
        prop_assume!(!name.contains('<'));
        let cns = name.chars().map(|c| (c > 'z').then_some([1, 0x21, 0x21])).collect();
        let zone = PublicZone {
            chinese_name: name,
            cns,
            foreign_name: foreign,
            birth: Date::new(year, 6, 1).expect("valid"),
            address: Address { rest, neighbourhood, ..sample().address },
            ..sample()
        };
        let files = zone.data_groups().expect("encodes");
        prop_assert!(PublicZone::from_data_groups(&files) == Ok(zone));
    }
}
