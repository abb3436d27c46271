//! The integrated mapping of PACE (ICAO 9303-11 §4.4.3.3.2 and appendix B).

use curve::{Curve, Generator, SecretBytes, aes};
use zeroize::Zeroizing;

use super::BLOCK;
use crate::error::Step;
use crate::{Cipher, Error};

/// Bytes of the chip's nonce s: the smallest multiple of the block that is as long as the key.
pub(super) const fn chip_nonce_len(cipher: Cipher) -> usize {
    cipher.key_len().next_multiple_of(BLOCK)
}

/// Bytes of the terminal's nonce t.
pub(super) const fn terminal_nonce_len(cipher: Cipher) -> usize {
    cipher.key_len()
}

/// The generator of a session: the point that encodes R_p(s, t).
pub(super) fn map(curve: Curve, cipher: Cipher, s: &[u8], t: &[u8]) -> Result<Generator, Error> {
    let random = pseudo_random(curve, cipher, s, t)?;
    // 0, 1 and -1 have no encoding: somebody has found a nonce that should not exist, or was very unlucky.
    Generator::map_integrated(curve, random.expose()).map_err(|error| match error {
        curve::Error::Unsupported => Error::Unsupported,
        _ => Error::InvalidPoint(Step::Mapping),
    })
}

/// R(s, t): x_1 || .. || x_n with n blocks of the length of s, so that there are 64 bits more than p has.
// k_0 = E(t, s); x_i = E(k_i-1, c1), k_i = E(k_i-1, c0); CBC with IV zero. Keys are cut to the key length (AES-192).
fn pseudo_random(curve: Curve, cipher: Cipher, s: &[u8], t: &[u8]) -> Result<SecretBytes, Error> {
    if s.len() != chip_nonce_len(cipher) || t.len() != terminal_nonce_len(cipher) {
        return Err(Error::Malformed(Step::Mapping));
    }
    let encrypt = |key: &[u8], data: &[u8]| {
        let out = aes::cbc_encrypt(&key[..cipher.key_len()], &[0; BLOCK], data);
        out.map(Zeroizing::new).map_err(|_| Error::Crypto)
    };
    let (c0, c1): (&[u8], &[u8]) = match cipher {
        Cipher::Aes128 => (&C0_128, &C1_128),
        Cipher::Aes192 | Cipher::Aes256 => (&C0_256, &C1_256),
    };
    let bits = 8 * s.len();
    let count = (field_bits(curve) + 64).div_ceil(bits);
    let mut key = encrypt(t, s)?;
    let mut out = Zeroizing::new(Vec::with_capacity(count * s.len()));
    for _ in 0..count {
        out.extend_from_slice(&encrypt(&key, c1)?);
        key = encrypt(&key, c0)?;
    }
    Ok(SecretBytes::new(&out))
}

/// log2 p, rounded up.
const fn field_bits(curve: Curve) -> usize {
    match curve {
        Curve::P521 => 521,
        _ => 8 * curve.field_len(),
    }
}

const C0_128: [u8; 16] = 0xa668892a7c41e3ca739f40b057d85904u128.to_be_bytes();
const C1_128: [u8; 16] = 0xa4e136ac725f738b01c1f60217c188adu128.to_be_bytes();
const C0_256: [u8; 32] = two(0xd463d65234124ef7897054986dca0a17, 0x4e28df758cbaa03f240616414d5a1676);
const C1_256: [u8; 32] = two(0x54bd7255f0aaf831bec3423fcf39d69b, 0x6cbf066677d0faae5aadd99df8e53517);

/// Two halves, big-endian.
const fn two(high: u128, low: u128) -> [u8; 32] {
    let (high, low) = (high.to_be_bytes(), low.to_be_bytes());
    let mut out = [0; 32];
    let mut i = 0;
    while i < 16 {
        out[i] = high[i];
        out[16 + i] = low[i];
        i += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Vec<u8> {
        hex::decode(text).expect("hex")
    }

    // ICAO 9303-11 §H.1.
    #[test]
    fn the_pseudo_random_function_and_the_point_of_the_worked_example() {
        let s = bytes("2923BE84E16CD6AE529049F1F1BBE9EB");
        let t = bytes("5DD4CBFC96F5453B130D890A1CDBAE32");
        let random = pseudo_random(Curve::BrainpoolP256r1, Cipher::Aes128, &s, &t).expect("lengths fit");
        assert_eq!(
            hex::encode_upper(random.expose()),
            "E4447E2DFB3586BAC05DDB00156B57FBB2179A3949294C97254189800C517BAA8DA0FF397ED8C445D3E421E4FEB57322"
        );
        let generator = map(Curve::BrainpoolP256r1, Cipher::Aes128, &s, &t).expect("a point");
        let one = [&[0; 31][..], &[1]].concat();
        let one = curve::SecretKey::from_bytes(Curve::BrainpoolP256r1, &one).expect("one");
        assert_eq!(
            hex::encode_upper(generator.public_key(&one).as_uncompressed()),
            "048E82D31559ED0FDE92A4D0498ADD3C23BABA94FB77691E31E90AEA77FB17D4274C1AE14BD0C3DBAC0C871B7F3608169364437CA30AC243A089D3F266C1E60FAD"
        );
    }

    // ICAO 9303-11 §H.2: the same function over a prime of 1,024 bits; here as many blocks as the curve needs.
    #[test]
    fn the_pseudo_random_function_of_the_other_worked_example() {
        let s = bytes("FA5B7E3E49753A0DB9178B7B9BD898C8");
        let t = bytes("B3A6DB3C870C3E99245E0D1C06B747DE");
        let random = pseudo_random(Curve::P521, Cipher::Aes128, &s, &t).expect("lengths fit");
        let published = "EAB98D13E09052952AA729907C3C946184DEA0FE74AD2B3AF506F0A83018459C38099CD1F7FF4EA0A078DB1FAC136550\
                         5E3DC85500EF95E20B4EEF2E88489233BEE0546B472F994B618D168702406791";
        assert_eq!(hex::encode_upper(random.expose()), published);
    }

    #[test]
    fn lengths_of_nonces_and_numbers() {
        for (cipher, s, t) in [(Cipher::Aes128, 16, 16), (Cipher::Aes192, 32, 24), (Cipher::Aes256, 32, 32)] {
            assert_eq!((chip_nonce_len(cipher), terminal_nonce_len(cipher)), (s, t));
            for curve in Curve::STANDARDISED {
                let random = pseudo_random(curve, cipher, &vec![1; s], &vec![2; t]).expect("lengths fit");
                assert!(8 * random.expose().len() >= field_bits(curve) + 64);
                assert!(
                    8 * (random.expose().len() - s) < field_bits(curve) + 64,
                    "no block more than needed"
                );
                assert_eq!(
                    pseudo_random(curve, cipher, &vec![1; s - 1], &vec![2; t]).err(),
                    Some(Error::Malformed(Step::Mapping))
                );
            }
        }
    }
}
