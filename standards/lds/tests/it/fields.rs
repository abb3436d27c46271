//! The security object of the Encrypted Zone and the update package.

use curve::{Hash, SecretBytes};
use lds::chip_update::{ChipUpdate, NotForThisChip, UpdatedFile};
use lds::field_security::{FieldCheck, FieldSecurityObject, SALT_LEN, salt, with_salt, without_salt};
use proptest::prelude::*;

const CARD: &str = "N5A000001";
const CHIP: &[u8] = &[4; 133];

fn key() -> SecretBytes {
    SecretBytes::new(&[9; 32])
}

fn field(number: u8, text: &str) -> Vec<u8> {
    tlv::encode(0x60 + u32::from(number), &tlv::encode(0x0C, text.as_bytes()))
}

fn file(number: u8, text: &str, sequence: u16) -> Vec<u8> {
    with_salt(&field(number, text), &salt(&key(), CARD, number, sequence))
}

fn sample() -> FieldSecurityObject {
    let files = [(9, file(9, "臺北市", 0)), (11, file(11, "F", 0)), (14, file(14, "林測試", 0))];
    let files = files.iter().map(|(number, file)| (*number, file.as_slice()));
    FieldSecurityObject::over(Hash::Sha512, CHIP, 0, files).expect("salted")
}

// proves: DOCPKI-04
#[test]
fn two_fields_are_verified_and_the_others_cannot_be_guessed() {
    let object = FieldSecurityObject::decode(&sample().encode()).expect("well formed");
    assert_eq!(object, sample());
    assert_eq!(object.check(9, &file(9, "臺北市", 0)), FieldCheck::Unaltered);
    assert_eq!(object.check(11, &file(11, "M", 0)), FieldCheck::Altered);
    assert_eq!(object.check(15, &file(15, "林父親", 0)), FieldCheck::Unlisted);
    // A field under another's number: the hash is of that number.
    assert_eq!(object.check(9, &file(11, "F", 0)), FieldCheck::Altered);
    // Whoever reads DG9 with its salt has nothing with which to try the two values of DG11.
    let read = file(9, "臺北市", 0);
    let known = &read[read.len() - SALT_LEN..];
    for guess in ["F", "M"] {
        for guess in [field(11, guess), with_salt(&field(11, guess), known.try_into().expect("a salt"))] {
            assert_ne!(object.check(11, &guess), FieldCheck::Unaltered);
        }
    }
    // Salts differ by card, field and sequence, and the same inputs give the same salt.
    let salts = [
        salt(&key(), CARD, 11, 0),
        salt(&key(), "N5A000002", 11, 0),
        salt(&key(), CARD, 9, 0),
        salt(&key(), CARD, 11, 1),
        salt(&SecretBytes::new(&[8; 32]), CARD, 11, 0),
    ];
    assert!((0..salts.len()).all(|i| !salts[i + 1..].contains(&salts[i])));
    assert_eq!(salts[0], salt(&key(), CARD, 11, 0));
}

#[test]
fn a_field_without_salt_is_never_signed() {
    let bare = field(11, "F");
    for bad in [bare.clone(), [&bare[..], &tlv::encode(0x53, &[1; 31])].concat(), Vec::new()] {
        assert!(FieldSecurityObject::over(Hash::Sha512, CHIP, 0, [(11, bad.as_slice())]).is_err());
        assert!(without_salt(&bad).is_err());
    }
    assert_eq!(without_salt(&file(11, "F", 0)).expect("salted"), bare);
    let good = file(11, "F", 0);
    for number in [0, 23] {
        assert!(FieldSecurityObject::over(Hash::Sha512, CHIP, 0, [(number, good.as_slice())]).is_err());
    }
}

// proves: DOCPKI-07
#[test]
fn the_object_names_its_chip() {
    assert!(sample().is_of_chip(CHIP));
    assert!(!sample().is_of_chip(&[5; 133]));
}

// proves: OPEN-41
#[test]
fn the_issuer_compares_a_field_it_does_not_read() {
    let object = sample();
    assert!(object.holds(&key(), CARD, 14, &field(14, "林測試")));
    assert!(!object.holds(&key(), CARD, 14, &field(14, "王測試")));
    let married = file(14, "王測試", 1);
    let object = object.updated([(14, married.as_slice())]).expect("salted");
    assert_eq!((object.sequence, object.hashes.len()), (1, 3));
    assert!(object.is_of_chip(CHIP));
    assert!(object.holds(&key(), CARD, 14, &field(14, "王測試")));
    assert!(object.holds(&key(), CARD, 9, &field(9, "臺北市")), "fields that stay keep their salt");
    assert!(!object.holds(&SecretBytes::new(&[8; 32]), CARD, 9, &field(9, "臺北市")));
}

fn update(last: u16) -> ChipUpdate {
    let file = UpdatedFile { application: vec![0xE8, 7], file: [1, 0x0E], content: file(14, "王測試", 1) };
    ChipUpdate::new(CHIP, last, vec![file]).expect("well formed")
}

// proves: DOCPKI-15
#[test]
fn an_update_is_for_one_chip_and_taken_once() {
    let package = ChipUpdate::decode(&update(4).encode()).expect("well formed");
    assert!(package == update(4));
    assert_eq!(package.is_next_for(CHIP, 4), Ok(()));
    assert_eq!(package.is_next_for(CHIP, 5), Err(NotForThisChip::Replayed));
    assert_eq!(package.is_next_for(CHIP, 9), Err(NotForThisChip::Replayed));
    assert_eq!(package.is_next_for(CHIP, 3), Err(NotForThisChip::Early));
    assert_eq!(package.is_next_for(&[5; 133], 4), Err(NotForThisChip::OtherChip));
    assert!(ChipUpdate::new(CHIP, u16::MAX, package.files.clone()).is_err());
    assert!(ChipUpdate::new(CHIP, 0, Vec::new()).is_err());
    let shown = format!("{package:?} {:?}", package.files[0]);
    assert_eq!(shown, "ChipUpdate { sequence: 5, files: 1 } UpdatedFile(***)");
}

#[test]
fn cut_and_changed_objects_are_refused_or_read_back() {
    let (object, package) = (sample().encode(), update(300).encode());
    for end in 0..object.len() {
        assert!(FieldSecurityObject::decode(&object[..end]).is_err());
    }
    for end in 0..package.len() {
        assert!(ChipUpdate::decode(&package[..end]).is_err());
    }
    // Fields out of order, or twice.
    let entry = |n: u8| tlv::sequence(&[&tlv::integer_unsigned(&[n]), &tlv::encode(4, &[0; 64])]);
    let with = |fields: &[Vec<u8>]| {
        tlv::sequence(&[
            &tlv::integer_unsigned(&[0]),
            &tlv::sequence(&[&tlv::encode_oid(Hash::Sha512.oid())]),
            &tlv::encode(4, &[0; 64]),
            &tlv::integer_unsigned(&[0]),
            &tlv::encode(0x30, &fields.concat()),
        ])
    };
    assert!(FieldSecurityObject::decode(&with(&[entry(9), entry(11)])).is_ok());
    for bad in [[entry(11), entry(9)], [entry(9), entry(9)], [entry(0), entry(9)], [entry(9), entry(23)]] {
        assert!(FieldSecurityObject::decode(&with(&bad)).is_err());
    }
}

proptest! {
    #[test]
    fn any_object_returns(sequence: u16, numbers in prop::collection::btree_set(1u8..=22, 0..22)) {
        let files: Vec<_> = numbers.iter().map(|n| (*n, file(*n, "x", sequence))).collect();
        let files = files.iter().map(|(number, file)| (*number, file.as_slice()));
        let object = FieldSecurityObject::over(Hash::Sha384, CHIP, sequence, files).expect("salted");
        prop_assert_eq!(FieldSecurityObject::decode(&object.encode()), Ok(object));
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = FieldSecurityObject::decode(&bytes);
        let _ = ChipUpdate::decode(&bytes);
        let _ = without_salt(&bytes);
    }
}
