//! The data groups of the Encrypted Zone: encodings, round trips, hostile input.

use lds::Date;
use lds::eid::{EncryptedZone, Field, MIRRORS, PersonName, Placement, Sex, Value};
use proptest::prelude::*;

fn sample(placement: Placement) -> EncryptedZone {
    EncryptedZone {
        placement,
        state: "TWN".into(),
        expiry: Date::new(2036, 1, 31).ok(),
        given_names: "HSIAO-LING".into(),
        family_names: "CHEN".into(),
        birth: Date::new(1990, 2, 28).expect("a day"),
        spouse: None,
        father: Some(PersonName {
            text: "陳𠀋明".into(),
            cns: vec![Some([1, 0x5A, 0x21]), None, Some([1, 0x4B, 0x33])],
        }),
        mother: Some(PersonName {
            text: "林美".into(),
            cns: vec![Some([1, 0x4D, 0x21]), Some([1, 0x52, 0x2E])],
        }),
        birthplace: "臺南市".into(),
        sex: Sex::Female,
        access_number: "234567".into(),
    }
}

// The encodings of TR-03110-4, Appendix C, and of other cards: 690AA1080C06... is how a place of birth looks in the field.
#[test]
fn data_groups_are_those_of_the_guideline() {
    let zone = EncryptedZone { birthplace: "BERLIN".into(), ..sample(Placement::NATIONAL) };
    let files = zone.files().expect("encodes");
    let hex = |group: u8| hex::encode_upper(&files[&group]);
    assert_eq!(hex(1), "610413024E45");
    assert_eq!(hex(2), "6205130354574E");
    assert_eq!(hex(3), "630A12083230333630313331");
    assert_eq!(hex(5), "65060C044348454E");
    assert_eq!(hex(8), "680A12083139393030323238");
    assert_eq!(hex(9), "690AA1080C064245524C494E");
    assert_eq!(hex(10), "6A05130354574E");
    assert_eq!(hex(11), "6B03130146");
    assert!(hex(12).starts_with("6C"));
    let interop = sample(Placement::INTEROP).files().expect("encodes");
    assert_eq!(hex::encode_upper(&interop[&1]), "610413024944");
    assert_eq!(hex::encode_upper(&interop[&7]), "67030C0146");
    assert_eq!(hex::encode_upper(&interop[&13]), "6D080C06323334353637");
    assert_eq!(hex::encode_upper(&interop[&18]), "72020400", "present and empty");
}

// proves: CARD-28, CARD-55
#[test]
fn every_field_reads_back_in_both_placements() {
    for placement in Placement::ALL {
        let zone = sample(placement);
        let files = zone.files().expect("encodes");
        assert_eq!(files.keys().copied().collect::<Vec<_>>(), placement.groups());
        let value = |field: Field| {
            let group = placement.group(field);
            assert_eq!(zone.file(field).expect("encodes"), files[&group]);
            Value::decode(&placement, group, &files[&group]).expect("reads back")
        };
        assert!(value(Field::Spouse) == Value::Name(None), "no spouse is a value, too");
        let father = zone.father.clone().expect("there");
        let Value::Name(Some(read)) = value(Field::Father) else { panic!("a name") };
        assert_eq!(read.text, father.text, "with its character of plane 2");
        if placement == Placement::NATIONAL {
            assert!(read == father);
        }
        assert!(value(Field::Sex) == Value::Sex(Sex::Female));
        assert_eq!(value(Field::Birthplace).display(), "臺南市");
        assert_eq!(value(Field::AccessNumber).display(), "234567");
        for group in MIRRORS {
            assert!(Value::decode(&placement, group, &files[&group]).is_ok(), "DG{group}");
        }
    }
    let unlimited = EncryptedZone { expiry: None, ..sample(Placement::NATIONAL) };
    let file = &unlimited.files().expect("encodes")[&3];
    assert!(Value::decode(&Placement::NATIONAL, 3, file) == Ok(Value::Date(None)), "OPEN-09");
}

#[test]
fn what_cannot_be_written_is_refused() {
    let good = sample(Placement::NATIONAL);
    for bad in [
        EncryptedZone { access_number: "23456".into(), ..good.clone() },
        EncryptedZone { access_number: "23456a".into(), ..good.clone() },
        EncryptedZone { state: String::new(), ..good.clone() },
        EncryptedZone {
            mother: Some(PersonName { text: "林".into(), cns: vec![None, None] }),
            ..good.clone()
        },
    ] {
        assert!(bad.files().is_err());
    }
}

#[test]
fn data_groups_cut_and_changed_at_every_byte() {
    for placement in Placement::ALL {
        for (group, file) in sample(placement).files().expect("encodes") {
            for end in 0..file.len() {
                assert!(Value::decode(&placement, group, &file[..end]).is_err());
            }
            for at in 0..file.len() {
                for value in [0x00, 0x01, 0x7F, 0x80, 0x84, 0xFF, file[at] ^ 1] {
                    let mut changed = file.clone();
                    changed[at] = value;
                    let _ = Value::decode(&placement, group, &changed);
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes(group in 0u8..30, body in prop::collection::vec(any::<u8>(), 0..120)) {
        for placement in Placement::ALL {
            let _ = Value::decode(&placement, group, &body);
            let _ = Value::decode(&placement, group, &tlv::encode(0x60 + u32::from(group), &body));
        }
    }
}
