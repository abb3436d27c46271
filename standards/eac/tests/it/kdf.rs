use curve::Hash;
use eac::{Cipher, Password, kdf};

use crate::support::Vectors;

#[test]
fn published_values() {
    let mut count = 0;
    for (cipher, line) in Vectors::read("icao-9303-11/kdf.txt").lines() {
        let mut fields = line.split(' ');
        let mut next = || fields.next().expect("three fields");
        let secret = hex::decode(next()).expect("hex");
        let counter = next().parse().expect("a number");
        let expected = hex::decode(next()).expect("hex");
        let (cipher, parity) = match cipher {
            "3des" => (Cipher::Aes128, true),
            "aes128" => (Cipher::Aes128, false),
            "aes192" => (Cipher::Aes192, false),
            "aes256" => (Cipher::Aes256, false),
            other => panic!("{other}"),
        };
        let mut key = kdf::kdf(&secret, counter, cipher).expose().to_vec();
        if parity {
            // Appendix D.1 prints the 3DES keys after the adjustment: an odd number of ones in each byte.
            key.iter_mut()
                .for_each(|byte| *byte = *byte & 0xFE | u8::from((*byte & 0xFE).count_ones() % 2 == 0));
        }
        assert_eq!(key, expected);
        count += 1;
    }
    assert_eq!(count, 7);
}

#[test]
fn key_of_the_mrz_password() {
    let vectors = Vectors::read("icao-9303-11/appendix-g-1.txt");
    let information = eac::mrz_information("T22000129", "640812", "101031");
    assert_eq!(Hash::Sha1.digest(information.as_bytes()), vectors.bytes("mrz_information_sha1"));
    for password in [Password::mrz("T22000129", "640812", "101031"), Password::mrz_information(&information)]
    {
        assert_eq!(password.key(Cipher::Aes128).expect("a key").expose(), vectors.bytes("k_pi"));
    }
}
