//! Samples printed in RFCs.

use crate::unhex;
use curve::{Curve, Hash, Point, SecretKey, aes};

// RFC 7027 appendix A.
#[test]
fn brainpool_agreement_of_rfc_7027() {
    let text = include_str!("../vectors/rfc7027/ecdh.txt");
    let mut count = 0;
    for block in text.split("curve ").skip(1) {
        let mut lines = block.lines();
        let curve = Curve::from_name(lines.next().expect("a name")).expect("a known curve");
        let [d_a, x_a, y_a, d_b, x_b, y_b, z]: [Vec<u8>; 7] = lines
            .filter_map(|l| l.split_once(' '))
            .map(|(_, v)| unhex(v))
            .collect::<Vec<_>>()
            .try_into()
            .expect("seven values");
        let (a, b) = (
            SecretKey::from_bytes(curve, &d_a).expect("d_a"),
            SecretKey::from_bytes(curve, &d_b).expect("d_b"),
        );
        assert_eq!(a.public_key(), Point::from_coordinates(curve, &x_a, &y_a).expect("A"));
        assert_eq!(b.public_key(), Point::from_coordinates(curve, &x_b, &y_b).expect("B"));
        assert_eq!(a.agree(&b.public_key()).expect("agrees").expose(), z);
        assert_eq!(b.agree(&a.public_key()).expect("agrees").expose(), z);
        count += 1;
    }
    assert_eq!(count, 3);
}

// RFC 4493 section 4.
#[test]
fn cmac_of_rfc_4493() {
    let text = include_str!("../vectors/rfc4493/aes_cmac.txt");
    let mut lines = text.lines().filter(|l| !l.starts_with('#')).filter_map(|l| l.split_once(' '));
    let key = unhex(lines.next().expect("the key").1);
    let kept = aes::Cmac::new(&key).expect("16 bytes");
    let mut count = 0;
    for (message, mac) in lines {
        let message = unhex(message.trim_start_matches('-'));
        let mac = unhex(mac);
        assert_eq!(aes::cmac(&key, &[&message]).expect("16 bytes").to_vec(), mac);
        // The same in pieces, from one kept key.
        for cut in 0..=message.len() {
            assert_eq!(kept.mac(&[&message[..cut], &[], &message[cut..]]).to_vec(), mac);
        }
        count += 1;
    }
    assert_eq!(count, 4);
}

// FIPS 197 appendix C: one block under each key size.
#[test]
fn blocks_of_fips_197() {
    let key = unhex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
    let plain: [u8; 16] = unhex("00112233445566778899aabbccddeeff").try_into().expect("16 bytes");
    for (len, expected) in [
        (16, "69c4e0d86a7b0430d8cdb78070b4c55a"),
        (24, "dda97ca4864cdfe06eaf70a0ec0d7191"),
        (32, "8ea2b7ca516745bfeafc49904b496089"),
    ] {
        let key = aes::Aes::new(&key[..len]).expect("a key");
        let cipher = key.encrypt_block(&plain);
        assert_eq!(cipher.to_vec(), unhex(expected));
        assert_eq!(key.decrypt_block(&cipher), plain);
    }
    assert!(aes::Aes::new(&key[..17]).is_err());
}

// SP 800-38A F.2.5: CBC-AES256.
#[test]
fn cbc_of_sp_800_38a() {
    let key = unhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4");
    let iv: [u8; 16] = unhex("000102030405060708090a0b0c0d0e0f").try_into().expect("16 bytes");
    let plain = unhex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51");
    let cipher = unhex("f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d");
    assert_eq!(aes::cbc_encrypt(&key, &iv, &plain), Ok(cipher.clone()));
    assert_eq!(aes::cbc_decrypt(&key, &iv, &cipher), Ok(plain.clone()));
    assert!(aes::cbc_encrypt(&key, &iv, &plain[1..]).is_err());
}

// RFC 2202 / RFC 4231 test case 2, FIPS 180-4 examples "abc".
#[test]
fn hashes_and_hmac() {
    for (hash, abc, hmac) in [
        (Hash::Sha1, "a9993e364706816aba3e25717850c26c9cd0d89d", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
        (
            Hash::Sha224,
            "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7",
            "a30e01098bc6dbbf45690f3a7e9e6d0f8bbea2a39e6148008fd05e44",
        ),
        (
            Hash::Sha256,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
    ] {
        assert_eq!(hash.digest(b"abc"), unhex(abc));
        assert_eq!(hash.digest_parts(&[b"a", b"", b"bc"]), unhex(abc));
        assert_eq!(hash.hmac(b"Jefe", &[b"what do ya want ", b"for nothing?"]), unhex(hmac));
        assert_eq!(hash.len(), unhex(abc).len());
    }
}
