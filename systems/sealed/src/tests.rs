//! Round trips, and every way a value may have been moved or changed.

use curve::{Curve, SecretBytes, SecretKey, SeedRandom};
use proptest::prelude::*;

use crate::{MasterKey, SealError, package};

fn random() -> SeedRandom {
    SeedRandom::new(b"sealed tests")
}

#[test]
fn a_destroyed_data_key_leaves_nothing_to_open_the_row_with() {
    let mut random = random();
    let master = MasterKey::generate(&mut random);
    let (key, wrapped) = master.new_data_key(&mut random, "case/1").expect("wraps");
    let sealed = key.seal(&mut random, "case/1/photo", b"portrait").expect("seals");
    let again = master.unwrap_data_key("case/1", &wrapped).expect("unwraps");
    assert_eq!(again.open("case/1/photo", &sealed).expect("opens").expose(), b"portrait");
    // A key of the same master for the same row does not open it: only the stored wrapped key does.
    let (other, _) = master.new_data_key(&mut random, "case/1").expect("wraps");
    assert!(matches!(other.open("case/1/photo", &sealed), Err(SealError::Open)));
}

#[test]
fn a_value_copied_to_another_row_does_not_open() {
    let mut random = random();
    let master = MasterKey::generate(&mut random);
    let (key, wrapped) = master.new_data_key(&mut random, "case/1").expect("wraps");
    let sealed = key.seal(&mut random, "case/1/photo", b"portrait").expect("seals");
    assert!(matches!(key.open("case/1/name", &sealed), Err(SealError::Open)));
    assert!(matches!(master.unwrap_data_key("case/2", &wrapped), Err(SealError::Open)));
}

#[test]
fn look_up_depends_on_value_and_key() {
    let mut random = random();
    let (one, two) = (MasterKey::generate(&mut random), MasterKey::generate(&mut random));
    assert_eq!(one.lookup(b"A123456789"), one.lookup(b"A123456789"));
    assert_ne!(one.lookup(b"A123456789"), one.lookup(b"A123456798"));
    assert_ne!(one.lookup(b"A123456789"), two.lookup(b"A123456789"));
    assert_ne!(one.derive("a").lookup(b"A123456789"), one.derive("b").lookup(b"A123456789"));
}

#[test]
fn a_package_opens_only_for_its_recipient_and_purpose() {
    let mut random = random();
    let centre = SecretKey::generate(Curve::P521, &mut random);
    let stranger = SecretKey::generate(Curve::P521, &mut random);
    let sealed = package::seal(&centre.public_key(), &mut random, "order/7", b"zones").expect("seals");
    assert_eq!(package::open(&centre, "order/7", &sealed).expect("opens").expose(), b"zones");
    assert!(matches!(package::open(&stranger, "order/7", &sealed), Err(SealError::Open)));
    assert!(matches!(package::open(&centre, "order/8", &sealed), Err(SealError::Open)));
    let brainpool = SecretKey::generate(Curve::BrainpoolP512r1, &mut random);
    assert_eq!(
        package::seal(&brainpool.public_key(), &mut random, "", b"").err(),
        Some(SealError::Recipient)
    );
}

#[test]
fn keys_print_nothing_of_themselves() {
    let master = MasterKey::from_bytes(&SecretBytes::from(vec![0xA5; 32])).expect("32 bytes");
    assert_eq!(format!("{master:?}"), "MasterKey(..)");
    assert!(matches!(MasterKey::from_bytes(&SecretBytes::from(vec![0; 31])), Err(SealError::KeyLength)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_changed_byte_is_noticed(plain in proptest::collection::vec(any::<u8>(), 0..200), at in any::<prop::sample::Index>()) {
        let mut random = random();
        let master = MasterKey::generate(&mut random);
        let mut sealed = master.seal(&mut random, "row", &plain).expect("seals");
        let opened = master.open("row", &sealed).expect("opens");
        prop_assert_eq!(opened.expose(), plain.as_slice());
        let at = at.index(sealed.len());
        sealed[at] ^= 1;
        prop_assert!(matches!(master.open("row", &sealed), Err(SealError::Open)));
    }

    #[test]
    fn any_bytes_as_a_package_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let centre = SecretKey::generate(Curve::P521, &mut random());
        prop_assert!(matches!(package::open(&centre, "order", &bytes), Err(SealError::Open)));
    }
}
