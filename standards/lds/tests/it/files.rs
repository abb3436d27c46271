//! Single files against encodings written by hand from the standard, and files of other issuers.

use curve::Hash;
use lds::dg11::PersonalDetails;
use lds::dg12::DocumentDetails;
use lds::household::HouseholdData;
use lds::{DataGroup, Date, Error, LdsSecurityObject, com::Com, dg1, dg2, dg14, dg15, sod};
use proptest::prelude::*;

fn bytes(hex: &str) -> Vec<u8> {
    hex::decode(hex.split_whitespace().collect::<String>()).expect("hex")
}

// ICAO 9303-10 §4.6.1: the example of EF.COM, LDS 1.7, Unicode 4.0.0, data groups 1, 2, 4 and 12.
#[test]
fn the_example_of_ef_com() {
    let file = bytes("60 16 5F01 04 30313037 5F36 06 303430303030 5C 04 61 75 76 6C");
    let com = Com::decode(&file).expect("reads");
    assert_eq!(com, Com::new([DataGroup::Dg12, DataGroup::Dg1, DataGroup::Dg2, DataGroup::Dg4]));
    assert_eq!(com.encode(), file);
}

#[test]
fn dg1_is_the_zone_in_two_tags() {
    let text = "I<UTOD231458907<<<<<<<<<<<<<<<7408122F1204159UTO<<<<<<<<<<<6ERIKSSON<<ANNA<MARIA<<<<<<<<<<";
    let zone = lds::Td1::parse(text).expect("valid");
    let file = dg1::encode(&zone);
    assert_eq!(file, [&bytes("61 5D 5F1F 5A")[..], text.as_bytes()].concat());
    assert_eq!(dg1::decode(&file), Ok(zone));
    assert!(matches!(dg1::decode(&bytes("61 00")), Err(Error::Missing { file: "DG1", tag: 0x5F1F })));
}

// ISO/IEC 19794-5:2005 §5.4 to §5.7 and 9303-10 §4.7.2, byte by byte.
#[test]
fn dg2_by_hand() {
    let jpeg = bytes("FFD8 FFC0 000B 08 0213 019D 01 011100 FFD9");
    let file = bytes(
        "75 5F 7F61 5C 02 01 01 7F60 56
         A1 12 80 02 0101 81 01 02 82 01 00 87 02 0101 88 02 0008
         5F2E 3F
         46414300 30313000 0000003F 0001
         00000031 0000 00 00 00 000000 0000 000000 000000
         01 00 019D 0213 01 00 0000 0000
         FFD8 FFC0 000B 08 0213 019D 01 011100 FFD9",
    );
    assert_eq!(dg2::encode(Some(&jpeg)), Ok(file.clone()));
    let portrait = dg2::decode(&file).expect("reads").expect("present");
    assert_eq!((portrait.width, portrait.height, portrait.data), (413, 531, jpeg.as_slice()));
}

#[test]
fn jpeg_sizes_are_found_behind_other_segments_and_fill_bytes() {
    let size = dg2::jpeg_dimensions;
    assert_eq!(
        size(&bytes("FFD8 FFE1 0004 AAAA FFDB 0003 00 FFFFC2 000B 08 0213 019D 01 011100")),
        Some((413, 531))
    );
    // A table of Huffman codes (C4) is no frame header.
    assert_eq!(size(&bytes("FFD8 FFC4 000B 08 0001 0001 01 011100 FFDA")), None);
    for bad in [
        "",
        "FFD8",
        "FFD8FF",
        "FFD8FFC0",
        "FFD8FFC00000",
        "FFD8FFC0000108",
        "FFD8FFC000FF080213019D",
        "FFD8FFD9",
        "89504E47",
        "FFD8FFC0000B0800000000010111 00",
    ] {
        assert_eq!(size(&bytes(bad)), None, "{bad}");
    }
}

#[test]
fn a_facial_record_with_feature_points_and_the_constructed_tag_is_read() {
    let record = "46414300 30313000 00000050 0001
        0000003E 0001 00 00 00 000000 0000 000000 000000
        0102030405060708
        01 01 0001 0002 01 00 0000 0000 CAFE";
    let body = bytes(record);
    let file = |tag: u32| {
        let template = [tlv::encode(0xA1, &[]), tlv::encode(tag, &body)].concat();
        let group = [tlv::encode(2, &[1]), tlv::encode(0x7F60, &template)].concat();
        DataGroup::Dg2.wrap(&tlv::encode(0x7F61, &group))
    };
    // The block says 62 bytes and has 44: refused. With the true length it is read.
    assert!(matches!(dg2::decode(&file(0x7F2E)), Err(Error::Malformed { file: "DG2", .. })));
    let body = bytes(&record.replace("0000003E", "0000002A"));
    let template = tlv::encode(0x7F2E, &body);
    let group = [tlv::encode(2, &[1]), tlv::encode(0x7F60, &template)].concat();
    let file = DataGroup::Dg2.wrap(&tlv::encode(0x7F61, &group));
    let portrait = dg2::decode(&file).expect("reads").expect("present");
    assert_eq!(
        (portrait.kind, portrait.width, portrait.height, portrait.data),
        (dg2::ImageKind::Jpeg2000, 1, 2, &[0xCA, 0xFE][..])
    );
}

// ICAO 9303-10 §4.7.11.1: the layout of the example of DG11, with other objects than ours among them.
#[test]
fn dg11_of_another_issuer_is_read() {
    let file = [
        bytes("6B 2D 5C 0A 5F0E 5F11 5F2B 5F42 5F55"),
        bytes("5F0E 0C 534D4954483C3C4A4F484E3C"),
        bytes("5F11 02 4E59"),
        bytes("5F2B 04 19520229"),
        bytes("5F42 03 413C42"),
    ]
    .concat();
    let details = PersonalDetails::decode(&file).expect("reads");
    assert_eq!(details.name, "SMITH<<JOHN<");
    assert_eq!(details.birth, Date::new(1952, 2, 29).ok());
    assert_eq!(details.address, ["A", "B"]);
    assert_eq!(details.personal_number, "");
}

#[test]
fn dg11_and_dg12_by_hand() {
    let details = PersonalDetails {
        name: "王".into(),
        personal_number: "A1".into(),
        birth: Date::new(2006, 8, 5).ok(),
        address: vec!["甲".into(), "乙".into()],
    };
    let file = bytes(
        "6B 2A 5C 08 5F0E 5F10 5F2B 5F42 5F0E 03 E78E8B 5F10 02 4131
         5F2B 08 3230303630383035 5F42 07 E794B2 3C E4B999",
    );
    assert_eq!(details.encode(), Ok(file.clone()));
    assert_eq!(PersonalDetails::decode(&file), Ok(details));

    let details = DocumentDetails { issuing_authority: "MOI".into(), issue: Date::new(2026, 11, 20).ok() };
    let file = bytes("6C 17 5C 04 5F19 5F26 5F19 03 4D4F49 5F26 08 3230323631313230");
    assert_eq!(details.encode(), file);
    assert_eq!(DocumentDetails::decode(&file), Ok(details));
    assert!(matches!(
        DocumentDetails::decode(&bytes("6C 0A 5C 02 5F26 5F26 03 303030")),
        Err(Error::Malformed { file: "DG12", .. })
    ));
}

#[test]
fn dg14_dg15_and_sod_wrap_one_object() {
    assert_eq!(dg14::encode(&[0x31, 0]), Ok(vec![0x6E, 2, 0x31, 0]));
    assert_eq!(dg14::decode(&[0x6E, 2, 0x31, 0]), Ok(&[0x31, 0][..]));
    assert!(dg14::encode(&[0x30, 0]).is_err() && dg14::decode(&[0x6E, 2, 0x30, 0]).is_err());
    assert_eq!(dg15::decode(&dg15::encode(&[0x30, 0]).expect("a sequence")), Ok(&[0x30, 0][..]));
    assert_eq!(sod::wrap(&[0x30, 0]), [0x77, 2, 0x30, 0]);
    assert_eq!(sod::unwrap(&[0x77, 2, 0x30, 0]), Ok(&[0x30, 0][..]));
    assert!(sod::unwrap(&[0x77, 4, 0x30, 0, 0x30, 0]).is_err() && sod::unwrap(&[0x30, 0]).is_err());
}

#[test]
fn the_security_object_by_hand() {
    let object =
        LdsSecurityObject { hash: Hash::Sha256, hashes: [(1, vec![0xAA; 32]), (15, vec![0xBB; 32])].into() };
    let der = bytes(&format!(
        "3060 020100 300B 0609608648016503040201 304E 3025 020101 0420 {} 3025 02010F 0420 {}",
        "AA".repeat(32),
        "BB".repeat(32)
    ));
    assert_eq!(hex::encode(object.encode()), hex::encode(&der));
    assert_eq!(LdsSecurityObject::decode(&der), Ok(object));
}

#[test]
fn security_objects_of_version_1_and_with_null_parameters_are_read_and_faulty_ones_refused() {
    let build = |version: &str, algorithm: &str, values: &str, end: &str| {
        let part = |hex: &str, tag: u32| tlv::encode(tag, &bytes(hex));
        tlv::encode(0x30, &[part(version, 2), part(algorithm, 0x30), part(values, 0x30), bytes(end)].concat())
    };
    let sha256 = "0609608648016503040201";
    let entry = |number: &str| format!("3025 0201{number} 0420 {}", "AA".repeat(32));
    let good = LdsSecurityObject { hash: Hash::Sha256, hashes: [(1, vec![0xAA; 32])].into() };
    let read = |der: Vec<u8>| LdsSecurityObject::decode(&der);
    assert_eq!(read(build("00", &format!("{sha256}0500"), &entry("01"), "")), Ok(good.clone()));
    // 9303-10 §4.6.2.2: ldsVersionInfo in version 1.
    assert_eq!(read(build("01", sha256, &entry("01"), "300E 130430313038 1306303430303030")), Ok(good));
    assert_eq!(
        read(build("02", sha256, &entry("01"), "")),
        Err(Error::Version { file: "the LDS security object", version: 2 })
    );
    for faulty in [
        build("00", sha256, &entry("11"), ""),
        build("00", sha256, &entry("00"), ""),
        build("00", sha256, &format!("{}{}", entry("01"), entry("01")), ""),
        build("00", sha256, "3006 020101 0401 AA", ""),
        build("00", "06022A03", &entry("01"), ""),
        build("00", sha256, &entry("01"), "0500"),
        build("0000", sha256, &entry("01"), ""),
    ] {
        assert!(read(faulty).is_err());
    }
}

fn household() -> HouseholdData {
    HouseholdData {
        county: "臺北市".into(),
        district: "中正區".into(),
        village: "黎明里".into(),
        village_code: "63000050013".into(),
        neighbourhood: 3,
    }
}

// proves: CARD-20, CARD-22
#[test]
fn the_household_zone_has_codes_and_names_and_nothing_else() {
    let der = household().encode().expect("encodes");
    let expected = bytes(
        "30 32 020100 130B 3633303030303530303133 020103
         0C09 E887BAE58C97E5B882 0C09 E4B8ADE6ADA3E58D80 0C09 E9BB8EE6988EE9878C",
    );
    assert_eq!(hex::encode(&der[2..]), hex::encode(&expected[2..]));
    assert_eq!(HouseholdData::decode(&der), Ok(household()));
}

#[test]
fn another_neighbourhood_has_another_household_zone() {
    assert_ne!(HouseholdData { neighbourhood: 4, ..household() }.encode(), household().encode());
}

#[test]
fn faulty_household_zones_are_refused() {
    assert!(HouseholdData { village_code: "6300005001".into(), ..household() }.encode().is_err());
    assert!(HouseholdData { neighbourhood: 0, ..household() }.encode().is_err());
    let der = household().encode().expect("encodes");
    let change =
        |from: &str, to: &str| HouseholdData::decode(&bytes(&hex::encode(&der).replacen(from, to, 1)));
    assert_eq!(change("020100", "020101"), Err(Error::Version { file: "the Household Zone", version: 1 }));
    assert!(change("020103", "020180").is_err());
    assert!(change("020103", "020100").is_err());
    assert!(change("e887ba", "ffffff").is_err());
    assert!(change("363330", "413330").is_err());
}

proptest! {
    #[test]
    fn household_zones_return(county in "\\PC{0,9}", village in "\\PC{0,9}", neighbourhood in 1u16.., code in "[0-9]{11}") {
        let data = HouseholdData { county, village, neighbourhood, village_code: code, ..household() };
        prop_assert_eq!(HouseholdData::decode(&data.encode().expect("encodes")), Ok(data));
    }

    #[test]
    fn security_objects_return(hashes in prop::collection::btree_map(1u8..=16, prop::collection::vec(any::<u8>(), 64), 0..16)) {
        let object = LdsSecurityObject { hash: Hash::Sha512, hashes };
        prop_assert_eq!(LdsSecurityObject::decode(&object.encode()), Ok(object));
    }
}

#[test]
fn security_objects_of_other_issuers_are_read() {
    for (hex, hash, numbers) in [
        (include_str!("../vectors/foreign/version-1-sha384.hex"), Hash::Sha384, &[1, 2, 3, 14][..]),
        (include_str!("../vectors/foreign/version-0-sha256.hex"), Hash::Sha256, &[1, 2, 3, 11, 12, 14][..]),
    ] {
        let object = LdsSecurityObject::decode(&bytes(hex)).expect("reads");
        assert_eq!(
            (object.hash, object.hashes.keys().copied().collect::<Vec<u8>>().as_slice()),
            (hash, numbers)
        );
    }
}
