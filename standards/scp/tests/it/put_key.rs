//! PUT KEY and sensitive data.

use crate::open;
use apdu::Response;
use curve::{SecretBytes, SeedRandom};
use proptest::prelude::*;
use scp::{Error, KeySet, Options, SecurityLevel, check_value, confirmation};

// NIST's AES-128 key of FIPS 197 appendix A: sixteen bytes 01 encrypted with it, computed with OpenSSL 3.0.
#[test]
fn check_value_of_a_known_key() {
    let key = SecretBytes::new(&crate::unhex("2b7e151628aed2a6abf7158809cf4f3c"));
    assert_eq!(check_value(&key).map(hex::encode).as_deref(), Ok(CHECK_VALUE));
    assert_eq!(check_value(&SecretBytes::new(&[0; 15])), Err(Error::KeyLength));
}

const CHECK_VALUE: &str = "2cf6a4";

#[test]
fn keys_travel_in_the_form_that_cards_expect() {
    let mut rng = SeedRandom::new(b"form");
    let keys = KeySet::random(16, &mut rng).expect("a length");
    let (host, card) = open(&keys, Options::I70, SecurityLevel::Full, &mut rng).expect("opens");
    for (len, component) in [(16, 0x11), (24, 0x21), (32, 0x21)] {
        let new = KeySet::random(len, &mut rng).expect("a length");
        let field = host.encrypt_key(&new.enc).expect("encrypts");
        assert_eq!(field[..3], [0x88, component, len as u8]);
        assert_eq!(field[field.len() - 4], 3);
        let (key, rest) = card.decrypt_key(&field).expect("decrypts");
        assert_eq!((key.expose(), rest), (new.enc.expose(), &[][..]));
        let command = host.put_key(0x01, 0x20, &new).expect("encrypts");
        assert_eq!(command.header(), [0x80, 0xD8, 0x01, 0x81]);
        let (version, received) = card.decrypt_key_set(&command.data).expect("decrypts");
        assert_eq!(version, 0x20);
        assert_eq!(received.dek.expose(), new.dek.expose());
        assert_eq!(confirmation(version, &received), confirmation(0x20, &new));
        assert_eq!(confirmation(0x20, &new).expect("computes").len(), 10);
    }
}

#[test]
fn damaged_key_blocks_are_refused() {
    let mut rng = SeedRandom::new(b"damaged");
    let keys = KeySet::random(32, &mut rng).expect("a length");
    let (host, card) = open(&keys, Options::I70, SecurityLevel::Full, &mut rng).expect("opens");
    let data = host.put_key(1, 2, &keys).expect("encrypts").data;
    for at in 1..data.len() {
        let mut wrong = data.clone();
        wrong[at] ^= 1;
        assert!(card.decrypt_key_set(&wrong).is_err(), "byte {at}");
        assert!(card.decrypt_key_set(&data[..at]).is_err(), "cut at {at}");
    }
    assert!(card.decrypt_key_set(&[&data[..], &[0]].concat()).is_err());
    // Keys of different lengths make no key set.
    let short = KeySet::random(16, &mut rng).expect("a length");
    let mixed = KeySet { dek: short.dek, ..keys };
    assert!(matches!(host.put_key(1, 2, &mixed), Err(Error::KeyLength)));
}

proptest! {
    #[test]
    fn sensitive_data_survives(seed in any::<[u8; 8]>(), data in prop::collection::vec(any::<u8>(), 0..100)) {
        let mut rng = SeedRandom::new(&seed);
        let keys = KeySet::random(16, &mut rng).expect("a length");
        let (host, card) = open(&keys, Options::I70, SecurityLevel::Full, &mut rng).expect("opens");
        let encrypted = host.encrypt_sensitive(&data).expect("encrypts");
        let decrypted = card.decrypt_sensitive(&encrypted).expect("decrypts");
        prop_assert_eq!(decrypted.expose(), &data[..]);
        prop_assert!(card.decrypt_sensitive(&encrypted[1..]).is_err());
    }
}

#[test]
fn an_ended_session_gives_nothing_away() {
    let mut rng = SeedRandom::new(b"ended");
    let keys = KeySet::random(16, &mut rng).expect("a length");
    let (mut host, mut card) = open(&keys, Options::I70, SecurityLevel::Full, &mut rng).expect("opens");
    let field = host.encrypt_key(&keys.enc).expect("encrypts");
    card.unwrap(&apdu::Command::new(0x80, 0, 0, 0)).expect_err("not secured");
    assert!(matches!(card.decrypt_key(&field), Err(Error::Ended)));
    assert!(matches!(card.decrypt_sensitive(&[0; 16]), Err(Error::Ended)));
    host.unwrap(&Response::ok([1, 2, 3])).expect_err("no MAC");
    assert!(matches!(host.encrypt_key(&keys.enc), Err(Error::Ended)));
}
