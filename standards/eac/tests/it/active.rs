use curve::{Curve, Hash, SecretKey, SeedRandom, spki_from_point};
use eac::Error;
use eac::active_authentication::{algorithm_of, hash_of, internal_authenticate, sign, verify};

const CHALLENGE: [u8; 8] = [1, 2, 3, 4, 5, 6, 7, 8];

#[test]
fn every_curve_and_hash_signs_and_verifies() {
    let hashes = [Hash::Sha1, Hash::Sha224, Hash::Sha256, Hash::Sha384, Hash::Sha512];
    for curve in Curve::ALL {
        let key = SecretKey::generate(curve, &mut SeedRandom::new(b"aa"));
        let other = SecretKey::generate(curve, &mut SeedRandom::new(b"copy"));
        let spki = spki_from_point(&key.public_key());
        for hash in hashes {
            assert_eq!(hash_of(algorithm_of(hash)), Some(hash));
            let signature = sign(&key, hash, &CHALLENGE);
            assert_eq!(signature.len(), 2 * curve.order_len());
            assert_eq!(verify(&spki, hash, &CHALLENGE, &signature), Ok(()));
            // A copy of the data with another key, or with an old signature, is found out.
            assert_eq!(
                verify(&spki, hash, &CHALLENGE, &sign(&other, hash, &CHALLENGE)),
                Err(Error::Signature)
            );
            assert_eq!(verify(&spki, hash, &[0; 8], &signature), Err(Error::Signature));
        }
    }
}

#[test]
fn signatures_of_another_shape_are_refused() {
    let key = SecretKey::generate(Curve::P521, &mut SeedRandom::new(b"aa"));
    let spki = spki_from_point(&key.public_key());
    let signature = sign(&key, Hash::Sha512, &CHALLENGE);
    for wrong in [&[][..], &signature[1..], &[&signature[..], &[0]].concat(), &[0; 132], &[0xFF; 132]] {
        assert_eq!(verify(&spki, Hash::Sha512, &CHALLENGE, wrong), Err(Error::Signature));
    }
    for position in [0, 1, 65, 66, 131] {
        let mut changed = signature.clone();
        changed[position] ^= 1;
        assert_eq!(verify(&spki, Hash::Sha512, &CHALLENGE, &changed), Err(Error::Signature));
    }
    assert_eq!(verify(b"no key", Hash::Sha512, &CHALLENGE, &signature), Err(Error::Unsupported));
}

#[test]
fn two_hundred_rounds_on_p521_have_fixed_length() {
    let mut rng = SeedRandom::new(b"rounds");
    for round in 0u64..200 {
        let key = SecretKey::generate(Curve::P521, &mut rng);
        let challenge = round.to_be_bytes();
        let signature = sign(&key, Hash::Sha512, &challenge);
        assert_eq!(signature.len(), 132);
        verify(&spki_from_point(&key.public_key()), Hash::Sha512, &challenge, &signature).expect("verifies");
    }
}

#[test]
fn the_command() {
    assert_eq!(
        internal_authenticate(&CHALLENGE, false).to_bytes(),
        [0, 0x88, 0, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0]
    );
    assert_eq!(internal_authenticate(&CHALLENGE, true).le, Some(65_536));
}
