//! ML-DSA-65: the public key another implementation makes of the same seed, signatures, and what is refused.

use crate::random;
use curve::mldsa::{PUBLIC_KEY_LEN, PrivateKey, PublicKey, SIGNATURE_LEN};
use curve::{Error, Hash, Random};

// The hash of the public key that pyca/cryptography 50.0.2 makes of the seed 00 01 .. 1F.
#[test]
fn a_seed_gives_the_key_it_gives_elsewhere() {
    let seed: [u8; 32] = std::array::from_fn(|i| i as u8);
    let key = PrivateKey::from_seed(&seed).expect("a key");
    assert_eq!(key.to_seed().expose(), seed);
    let public = key.public_key();
    assert_eq!(public.as_bytes().len(), PUBLIC_KEY_LEN);
    assert_eq!(
        hex::encode(Hash::Sha256.digest(public.as_bytes())),
        "d666806e11cee19a7c989f7445f90dd419cf4d2d51db8c0fdb4c0f0a542238c9"
    );
}

#[test]
fn a_signature_verifies_and_nothing_else_does() {
    let key = PrivateKey::generate(&mut random("ml-dsa"));
    let public = PublicKey::from_bytes(key.public_key().as_bytes()).expect("its own encoding");
    let signature = key.sign(b"message");
    assert_eq!(signature.len(), SIGNATURE_LEN);
    assert_eq!(public.verify(b"message", &signature), Ok(()));
    assert_eq!(public.verify(b"messagf", &signature), Err(Error::WrongSignature));
    let other = PrivateKey::generate(&mut random("another")).public_key();
    assert_eq!(other.verify(b"message", &signature), Err(Error::WrongSignature));
    for position in [0, 31, 32, 1_000, 3_000, SIGNATURE_LEN - 1] {
        let mut changed = signature.clone();
        changed[position] ^= 1;
        assert_eq!(public.verify(b"message", &changed), Err(Error::WrongSignature), "{position}");
    }
    for malformed in [&signature[1..], &[&signature[..], &[0]].concat(), &[]] {
        assert_eq!(public.verify(b"message", malformed), Err(Error::MalformedSignature));
    }
    let mut noise = [0; SIGNATURE_LEN];
    random("noise").fill(&mut noise);
    assert_eq!(public.verify(b"message", &noise), Err(Error::WrongSignature));
    assert!(PublicKey::from_bytes(&public.as_bytes()[1..]).is_err());
    assert!(!format!("{key:?}").contains(|c: char| c.is_ascii_digit()));
}
