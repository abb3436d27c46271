//! A secret divided among custodians: any `threshold` of them have it, fewer have nothing (Shamir, "How to share a secret",
//! 1979, over the field of 256 elements of FIPS 197).
//!
//! Each byte of the secret is the value at 0 of a random polynomial of degree `threshold - 1`; custodian x has its value at x.

use curve::{Random, SecretBytes};
use zeroize::Zeroizing;

/// One custodian's share.
pub(crate) struct Point {
    /// Which custodian, from 1.
    pub(crate) x: u8,
    /// The values, one for each byte.
    pub(crate) y: SecretBytes,
}

/// Divides `secret` so that `threshold` of `shares` are needed; both from 1 to 255, the first not above the second.
pub(crate) fn divide(secret: &[u8], threshold: u8, shares: u8, random: &mut dyn Random) -> Vec<Point> {
    let degree = usize::from(threshold.saturating_sub(1));
    let mut coefficients = Zeroizing::new(vec![0; degree * secret.len()]);
    random.fill(&mut coefficients);
    let value = |place: usize, byte: u8, x: u8| {
        // Horner, from the highest coefficient down.
        let of = &coefficients[place * degree..(place + 1) * degree];
        times(of.iter().fold(0, |sum, c| times(sum, x) ^ c), x) ^ byte
    };
    (1..=shares)
        .map(|x| {
            let y: Zeroizing<Vec<u8>> = Zeroizing::new(
                secret.iter().enumerate().map(|(place, byte)| value(place, *byte, x)).collect(),
            );
            Point { x, y: SecretBytes::new(&y) }
        })
        .collect()
}

/// The secret of these shares; none if two are the same custodian's, or of another length. Whether they were enough, and
/// the right ones, the caller sees by what the secret opens.
pub(crate) fn combine(points: &[Point]) -> Option<SecretBytes> {
    let length = points.first()?.y.expose().len();
    let distinct = points.iter().enumerate().all(|(n, p)| points[..n].iter().all(|other| other.x != p.x));
    if !distinct || points.iter().any(|point| point.x == 0 || point.y.expose().len() != length) {
        return None;
    }
    let mut secret = Zeroizing::new(vec![0; length]);
    for point in points {
        // Lagrange at 0: in this field minus is plus.
        let weight = points
            .iter()
            .filter(|other| other.x != point.x)
            .fold(1, |weight, other| times(weight, times(other.x, inverse(other.x ^ point.x))));
        for (byte, value) in secret.iter_mut().zip(point.y.expose()) {
            *byte ^= times(*value, weight);
        }
    }
    Some(SecretBytes::new(&secret))
}

/// Multiplication modulo x^8 + x^4 + x^3 + x + 1, without a branch or a table that would tell the factors.
fn times(mut a: u8, mut b: u8) -> u8 {
    let mut product = 0;
    for _ in 0..8 {
        product ^= a & 0u8.wrapping_sub(b & 1);
        let carry = 0u8.wrapping_sub(a >> 7);
        a = (a << 1) ^ (carry & 0x1B);
        b >>= 1;
    }
    product
}

/// a^254, the inverse of all but 0.
fn inverse(a: u8) -> u8 {
    let mut power = a;
    let mut product = 1;
    for _ in 0..7 {
        power = times(power, power);
        product = times(product, power);
    }
    product
}

#[cfg(test)]
mod tests {
    use super::*;
    use curve::SeedRandom;

    #[test]
    fn the_field_is_that_of_fips_197() {
        // FIPS 197 §4.2 and §4.2.1.
        assert_eq!(times(0x57, 0x83), 0xC1);
        assert_eq!(times(0x57, 0x13), 0xFE);
        for a in 1..=255 {
            assert_eq!(times(a, inverse(a)), 1, "{a}");
        }
    }

    #[test]
    fn any_threshold_of_the_shares_has_the_secret_and_fewer_have_not() {
        let secret: Vec<u8> = (0..32).collect();
        let mut random = SeedRandom::new(b"shares");
        for (threshold, shares) in [(2, 2), (2, 3), (3, 5), (5, 5)] {
            let all = divide(&secret, threshold, shares, &mut random);
            let of = |mask: u32| -> Vec<Point> {
                let chosen = all.iter().filter(|point| mask >> point.x & 1 == 1);
                chosen.map(|point| Point { x: point.x, y: point.y.clone() }).collect()
            };
            for mask in (2..1u32 << (shares + 1)).filter(|mask| mask & 1 == 0) {
                let points = of(mask);
                let combined = combine(&points).expect("well formed");
                let enough = points.len() >= usize::from(threshold);
                assert_eq!(combined.expose() == secret, enough, "{threshold} of {shares}, {mask:b}");
            }
        }
    }

    #[test]
    fn the_same_share_twice_is_one() {
        let all = divide(&[7; 32], 2, 3, &mut SeedRandom::new(b"twice"));
        let twice = [&all[0], &all[0]].map(|point| Point { x: point.x, y: point.y.clone() });
        assert!(combine(&twice).is_none());
        assert!(combine(&[]).is_none());
    }

    /// One share is as likely under any secret: each value of the secret has exactly one polynomial through it.
    #[test]
    fn one_share_of_two_says_nothing() {
        struct Fixed(u8);
        impl Random for Fixed {
            fn fill(&mut self, bytes: &mut [u8]) {
                bytes.fill(self.0);
            }
        }
        for secret in [0u8, 1, 0xA5, 0xFF] {
            let mut seen: Vec<u8> =
                (0..=255).map(|c| divide(&[secret], 2, 2, &mut Fixed(c))[0].y.expose()[0]).collect();
            seen.sort_unstable();
            assert_eq!(seen, (0..=255).collect::<Vec<u8>>());
        }
    }
}
