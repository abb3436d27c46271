//! RSA: both operations, encodings, refusals. Key generation is slow, so one key serves all tests.

use curve::rsa::{RsaPrivateKey, RsaPublicKey, remove_encryption_padding};
use curve::{Error, Hash};
use std::sync::OnceLock;

fn key() -> &'static RsaPrivateKey {
    static KEY: OnceLock<RsaPrivateKey> = OnceLock::new();
    KEY.get_or_init(|| RsaPrivateKey::generate(2048).expect("generates"))
}

#[test]
fn what_is_signed_verifies_and_nothing_else() {
    for hash in Hash::ALL {
        let digest = hash.digest(b"message");
        let signature = key().sign_pkcs1(hash, &digest).expect("signs");
        assert_eq!(signature.len(), 256);
        assert_eq!(key().public().verify_pkcs1(hash, &digest, &signature), Ok(()));
        let mut wrong = signature.clone();
        wrong[255] ^= 1;
        assert_eq!(key().public().verify_pkcs1(hash, &digest, &wrong), Err(Error::WrongSignature));
        assert!(key().public().verify_pkcs1(hash, &hash.digest(b"other"), &signature).is_err());
        assert!(key().public().verify_pkcs1(hash, &digest, &signature[1..]).is_err());
    }
    let digest = Hash::Sha256.digest(b"message");
    let signature = key().sign_pkcs1(Hash::Sha256, &digest).expect("signs");
    assert!(key().public().verify_pkcs1(Hash::Sha384, &digest, &signature).is_err());
    assert_eq!(key().sign_pkcs1(Hash::Sha384, &digest), Err(Error::Length));
}

#[test]
fn the_raw_operation_is_the_inverse_of_the_public_one() {
    let mut block = vec![0; 256];
    block[1..].fill(0x5A);
    let result = key().private_raw(&block).expect("in range");
    assert_eq!(key().public().public_raw(&result), Ok(block.clone()));
    // The padded hash that a card is given is signed the same way.
    let digest = Hash::Sha256.digest(b"message");
    let signature = key().sign_pkcs1(Hash::Sha256, &digest).expect("signs");
    let padded = key().public().public_raw(&signature).expect("in range");
    assert_eq!(key().private_raw(&padded), Ok(signature));
    // Not smaller than the modulus, or not of its length.
    assert_eq!(key().private_raw(&[0xFF; 256]), Err(Error::InvalidBlock));
    assert_eq!(key().private_raw(key().public().modulus()), Err(Error::InvalidBlock));
    assert_eq!(key().private_raw(&block[1..]), Err(Error::Length));
}

#[test]
fn encryption_is_undone_by_the_card_and_its_terminal() {
    let cipher = key().public().encrypt_pkcs1(b"secret").expect("fits");
    let block = key().private_raw(&cipher).expect("in range");
    assert_eq!(remove_encryption_padding(&block).expect("padded").expose(), b"secret");
    assert!(key().public().encrypt_pkcs1(&[0; 246]).is_err());
    for wrong in [
        &[0u8, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 5][..],
        &[0, 2, 1, 1, 1, 1, 1, 1, 1, 0, 5],
        &[0, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1],
        &[],
    ] {
        assert!(remove_encryption_padding(wrong).is_err());
    }
}

#[test]
fn keys_survive_their_encodings() {
    let pkcs8 = key().to_pkcs8();
    let back = RsaPrivateKey::from_pkcs8(pkcs8.expose()).expect("reads its own output");
    assert_eq!(back.public(), key().public());
    let spki = key().public().spki();
    let public = RsaPublicKey::from_spki(&spki).expect("reads its own output");
    assert_eq!(public, key().public());
    assert_eq!(public.exponent(), [1, 0, 1]);
    assert_eq!((public.modulus().len(), public.bits()), (256, 2048));
    assert!(RsaPublicKey::from_spki(&[&spki[..], &[0]].concat()).is_err());
    // A key whose numbers do not belong together is refused.
    let mut broken = pkcs8.expose().to_vec();
    let last = broken.len() - 1;
    broken[last] ^= 1;
    assert!(RsaPrivateKey::from_pkcs8(&broken).is_err());
    assert_eq!(format!("{:?}", key()), "RsaPrivateKey(2048 bits, ..)");
}

#[test]
fn weak_and_odd_keys_are_refused() {
    assert!(matches!(RsaPrivateKey::generate(1024), Err(Error::Unsupported)));
    assert!(matches!(RsaPrivateKey::generate(2056), Err(Error::Unsupported)));
    let small = [&[0x80][..], &[0x01; 127]].concat();
    assert!(matches!(RsaPublicKey::from_numbers(&small, &[1, 0, 1]), Err(Error::Unsupported)));
    let mut even = key().public().modulus().to_vec();
    even[255] &= 0xFE;
    assert!(RsaPublicKey::from_numbers(&even, &[1, 0, 1]).is_err());
    assert!(RsaPublicKey::from_numbers(key().public().modulus(), &[1]).is_err());
    assert!(RsaPublicKey::from_numbers(key().public().modulus(), &[4]).is_err());
    assert!(RsaPublicKey::from_numbers(&[], &[]).is_err());
}
