//! Machine readable zones against the published examples, and properties of our own.

use lds::mrz::{Fields, MrzDate, MrzName, MrzSex, check_digit, information};
use lds::{MrzError, Td1};
use proptest::prelude::*;

const NAMES: &str = include_str!("../vectors/icao-9303-5/names.txt");
const CHOICES: &str = include_str!("../vectors/icao-9303-5/choices.txt");
const ZONES: &str = include_str!("../vectors/icao-9303-5/zones.txt");

pub(crate) fn fields(name: &str) -> Fields {
    Fields {
        document_code: "ID".into(),
        issuer: "TWN".into(),
        document_number: "TWA000123".into(),
        optional_data_1: String::new(),
        birth: MrzDate::from_bytes(b"060805").expect("digits"),
        sex: MrzSex::Unspecified,
        expiry: MrzDate::from_bytes(b"310701").expect("digits"),
        nationality: "TWN".into(),
        optional_data_2: String::new(),
        name: MrzName::from_latin(name).expect("a name"),
    }
}

fn examples(text: &'static str) -> Vec<[&'static str; 3]> {
    text.lines().map(|line| line.split('|').collect::<Vec<_>>().try_into().expect("three parts")).collect()
}

// proves: CARDFACE-09
#[test]
fn names_of_the_standard_are_encoded_as_it_shows() {
    let examples = examples(NAMES);
    assert_eq!(examples.len(), 8);
    for [primary, secondary, expected] in examples {
        let name = MrzName::new(primary, secondary).expect("letters");
        let zone = Td1::new(&Fields { name, ..fields("") }).expect("valid");
        assert_eq!(zone.lines()[2], expected);
    }
}

#[test]
fn other_choices_of_the_standard_are_read_and_ours_obeys_the_same_rule() {
    let examples = examples(CHOICES);
    assert_eq!(examples.len(), 4);
    for [primary, secondary, theirs] in examples {
        let name = MrzName::new(primary, secondary).expect("letters");
        let zone = Td1::new(&Fields { name: name.clone(), ..fields("") }).expect("valid");
        let line = &zone.lines()[2];
        assert!(line.contains("<<") && line.ends_with(|c: char| c.is_ascii_uppercase()), "{line}");
        let mut bytes = *zone.as_bytes();
        bytes[60..].copy_from_slice(theirs.as_bytes());
        let read = Td1::from_bytes(&bytes).expect("valid").name();
        assert!(primary.starts_with(&read.primary()[..5]) && secondary.starts_with(&read.secondary()[..1]));
    }
}

#[test]
fn published_zones_are_valid() {
    let zones: Vec<&str> = ZONES.split("\n\n").collect();
    assert_eq!(zones.len(), 2);
    let zone = Td1::parse(zones[0]).expect("valid");
    assert_eq!(
        (zone.document_code(), zone.issuer(), zone.document_number().as_str()),
        ("I", "UTO", "D23145890")
    );
    assert_eq!(
        (zone.birth().as_str(), zone.expiry().as_str(), zone.sex()),
        ("740812", "120415", MrzSex::Female)
    );
    assert_eq!((zone.name().primary(), zone.name().secondary()), ("ERIKSSON".into(), "ANNA MARIA".into()));
    // ICAO 9303-11 Appendix D.2 derives its keys from this number and these dates.
    assert_eq!(zone.information(), "D23145890774081221204159");
    // 9303-5 §4.2.2.3 note j: a number of more than nine characters.
    let long = Td1::parse(zones[1]).expect("valid");
    assert_eq!((long.document_number().as_str(), long.optional_data_1()), ("D23145890734", ""));
    assert_eq!(long.information(), "D23145890734934071279507122");
    for text in zones {
        let zone = Td1::parse(text).expect("valid");
        let again = Td1::new(&Fields {
            document_code: zone.document_code().into(),
            issuer: zone.issuer().into(),
            document_number: zone.document_number(),
            optional_data_1: zone.optional_data_1().into(),
            birth: zone.birth(),
            sex: zone.sex(),
            expiry: zone.expiry(),
            nationality: zone.nationality().into(),
            optional_data_2: zone.optional_data_2().into(),
            name: zone.name(),
        });
        assert_eq!(again.expect("valid").lines().join("\n"), text.trim());
    }
}

// ICAO 9303-3 §4.9 and 9303-11 Appendix D: worked check digits.
#[test]
fn published_check_digits() {
    for (field, digit) in
        [("520727", b'3'), ("AB2134<<<", b'5'), ("L898902C<", b'3'), ("690806", b'1'), ("940623", b'6')]
    {
        assert_eq!(check_digit(field.as_bytes()), digit, "{field}");
    }
}

// proves: CARDFACE-10, OPEN-45
#[test]
fn the_layout_of_our_card() {
    let [upper, middle, lower] = Td1::new(&fields("Chen, Hsiao-Ling")).expect("valid").lines();
    assert_eq!(&upper[..14], "IDTWNTWA000123");
    assert_eq!(&upper[15..], "<".repeat(15));
    assert_eq!(
        (&middle[..6], &middle[8..14], &middle[15..18], &middle[18..29]),
        ("060805", "310701", "TWN", "<<<<<<<<<<<")
    );
    assert_eq!(lower, "CHEN<<HSIAO<LING<<<<<<<<<<<<<<");
}

// proves: OPEN-07
#[test]
fn the_sex_of_our_card_is_a_filler() {
    let [_, middle, _] = Td1::new(&fields("Chen")).expect("valid").lines();
    assert_eq!(&middle[7..8], "<");
}

// proves: OPEN-09
#[test]
fn no_date_of_renewal_is_six_fillers_with_their_check_digit() {
    let zone = Td1::new(&Fields { expiry: MrzDate::NONE, ..fields("Chen") }).expect("valid");
    assert_eq!(&zone.lines()[1][8..15], "<<<<<<0");
    assert!(Td1::parse(&zone.lines().join("\n")).expect("valid").expiry().is_none());
    assert!(zone.information().ends_with("<<<<<<0"));
}

#[test]
fn fields_that_do_not_fit_are_refused() {
    let with = |change: &dyn Fn(&mut Fields)| {
        let mut fields = fields("Chen");
        change(&mut fields);
        Td1::new(&fields).map(|_| ())
    };
    assert_eq!(with(&|f| f.document_code = "P".into()), Err(MrzError::Field("document code")));
    assert_eq!(with(&|f| f.document_code = "IV".into()), Err(MrzError::Field("document code")));
    assert_eq!(with(&|f| f.document_code = "AI".into()), Err(MrzError::Field("document code")));
    assert_eq!(with(&|f| f.issuer = "tw".into()), Err(MrzError::Field("issuing State")));
    assert_eq!(with(&|f| f.issuer = "".into()), Err(MrzError::Field("issuing State")));
    assert_eq!(with(&|f| f.document_number = "".into()), Err(MrzError::Field("document number")));
    assert_eq!(with(&|f| f.document_number = "1234567890123456789012".into()), Ok(()));
    assert_eq!(
        with(&|f| f.document_number = "12345678901234567890123".into()),
        Err(MrzError::Field("document number"))
    );
    assert_eq!(with(&|f| f.optional_data_2 = "123456789012".into()), Err(MrzError::Field("optional data")));
    assert_eq!(MrzDate::from_bytes(b"06080"), Err(MrzError::Field("date")));
    assert_eq!(
        information("TWA 00123", MrzDate::NONE, MrzDate::NONE),
        Err(MrzError::Field("document number"))
    );
}

#[test]
fn zones_that_are_not_zones_are_refused() {
    let good = Td1::new(&fields("Chen")).expect("valid");
    let text = good.lines().join("\n");
    assert!(Td1::parse(&text.replace('\n', "")).is_ok() && Td1::parse(&text.replace('\n', "\r\n")).is_ok());
    assert_eq!(Td1::parse(""), Err(MrzError::Length));
    assert_eq!(Td1::parse(&text[..89]), Err(MrzError::Length));
    assert_eq!(Td1::parse(&format!("{text}\n{text}")), Err(MrzError::Length));
    assert_eq!(Td1::parse(&text.to_lowercase()), Err(MrzError::Character));
    assert_eq!(Td1::parse(&text.replacen("TWA", "身", 1)), Err(MrzError::Character));
}

prop_compose! {
    fn any_fields()(
        document_number in "[A-Z0-9]{1,22}",
        optional_data_2 in "[A-Z0-9]{0,11}",
        birth in "[0-9]{6}",
        expiry in "[0-9]{6}|<<<<<<",
        primary in prop::collection::vec("[A-Z]{1,34}", 1..5),
        secondary in prop::collection::vec("[A-Z]{1,34}", 0..5),
    ) -> Fields {
        Fields {
            document_number,
            optional_data_2,
            birth: MrzDate::from_bytes(birth.as_bytes()).expect("digits"),
            expiry: MrzDate::from_bytes(expiry.as_bytes()).expect("digits"),
            name: MrzName::new(&primary.join(" "), &secondary.join(" ")).expect("letters"),
            ..fields("")
        }
    }
}

proptest! {
    #[test]
    fn what_is_built_is_read_back(fields in any_fields()) {
        let zone = Td1::new(&fields).expect("valid");
        let read = Td1::parse(&zone.lines().join("\n"));
        prop_assert_eq!(&read, &Ok(zone.clone()));
        prop_assert_eq!(zone.document_number(), fields.document_number.clone());
        prop_assert_eq!(zone.optional_data_2(), fields.optional_data_2.as_str());
        prop_assert_eq!((zone.birth(), zone.expiry()), (fields.birth, fields.expiry));
        let information = information(&fields.document_number, fields.birth, fields.expiry);
        prop_assert_eq!(information, Ok(zone.information()));
    }

    /// 9303-5 §4.2.2.3: a name that fits stands whole; another fills the line and ends in a letter, and what stands of it is
    /// the beginning of each component.
    #[test]
    fn names_are_whole_or_fill_the_line(fields in any_fields()) {
        let line = Td1::new(&fields).expect("valid").lines()[2].clone();
        let (primary, secondary) = (fields.name.primary(), fields.name.secondary());
        let whole = format!("{primary}{}{secondary}", if secondary.is_empty() { "" } else { "<<" }).replace(' ', "<");
        if whole.len() <= 30 {
            prop_assert_eq!(line.trim_end_matches('<'), whole);
        } else {
            prop_assert!(line.ends_with(|c: char| c.is_ascii_uppercase()));
            prop_assert_eq!(line.contains("<<"), !secondary.is_empty());
            let (first, second) = line.split_once("<<").unwrap_or((&line, ""));
            for (shown, name) in [(first, primary), (second, secondary)] {
                for (part, component) in shown.split('<').zip(name.split(' ')) {
                    prop_assert!(component.starts_with(part), "{part} {component}");
                }
            }
        }
    }

    #[test]
    fn one_changed_character_of_a_checked_field_is_found(fields in any_fields(), at in 5usize..60, change in 1u8..10) {
        let zone = Td1::new(&fields).expect("valid");
        let mut bytes = *zone.as_bytes();
        prop_assume!(bytes[at].is_ascii_digit());
        bytes[at] = b'0' + (bytes[at] - b'0' + change) % 10;
        // Weights 7, 3 and 1 have no factor in common with ten: every changed digit of a checked field is found.
        prop_assert!(Td1::from_bytes(&bytes).is_err());
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[A-Z0-9<]{88,92}|.{0,100}") {
        let _ = Td1::parse(&text);
    }
}
