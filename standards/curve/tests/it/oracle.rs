//! RustCrypto's curves as a second opinion: base and point multiplication, addition, agreement, ECDSA both ways.
//!
//! brainpoolP512r1 has no released RustCrypto crate; RFC 7027 and Wycheproof stand in for it.

use crate::random;
use curve::{Curve, Generator, Point, Random, SecretKey, Signature, verify_digest};
use proptest::prelude::*;

macro_rules! oracle {
    ($module:ident, $peer:ident, $curve:expr $(, ecdsa $ecdsa:ident)?) => {
        mod $module {
            use super::*;
            use $peer::elliptic_curve::sec1::{FromSec1Point, ToSec1Point};
            use $peer::{AffinePoint, ProjectivePoint, Scalar, SecretKey as PeerKey};

            fn peer_scalar(bytes: &[u8]) -> Scalar {
                *PeerKey::from_slice(bytes).expect("in range").to_nonzero_scalar()
            }

            fn encode(point: &ProjectivePoint) -> Vec<u8> {
                point.to_affine().to_sec1_point(false).as_bytes().to_vec()
            }

            fn decode(point: &Point) -> ProjectivePoint {
                let encoded = $peer::Sec1Point::from_bytes(point.as_uncompressed()).expect("encoded");
                Option::<AffinePoint>::from(AffinePoint::from_sec1_point(&encoded)).expect("on curve").into()
            }

            proptest! {
                #![proptest_config(ProptestConfig::with_cases(40))]

                #[test]
                fn agrees_with_the_other_implementation(seed in any::<[u8; 16]>()) {
                    let mut rng = curve::SeedRandom::new(&seed);
                    let (a, b) = (SecretKey::generate($curve, &mut rng), SecretKey::generate($curve, &mut rng));
                    let (sa, sb) = (peer_scalar(a.to_bytes().expose()), peer_scalar(b.to_bytes().expose()));
                    let (pa, pb) = (ProjectivePoint::GENERATOR * sa, ProjectivePoint::GENERATOR * sb);
                    prop_assert_eq!(a.public_key().to_uncompressed(), encode(&pa));
                    prop_assert_eq!(b.public_key().to_uncompressed(), encode(&pb));
                    prop_assert_eq!(decode(&a.public_key()), pa);
                    // a·B, its x-coordinate, A + B, 2·A.
                    let shared = a.agree_point(&b.public_key()).expect("one curve");
                    prop_assert_eq!(shared.to_uncompressed(), encode(&(pb * sa)));
                    let agreed = a.agree(&b.public_key()).expect("one curve");
                    prop_assert_eq!(agreed.expose(), &shared.x()[..]);
                    prop_assert_eq!(
                        a.public_key().add(&b.public_key()).expect("finite").to_uncompressed(),
                        encode(&(pa + pb))
                    );
                    prop_assert_eq!(
                        a.public_key().add(&a.public_key()).expect("finite").to_uncompressed(),
                        encode(&(pa + pa))
                    );
                    // Generic mapping with a nonce of 128 bits, then a key on the mapped generator.
                    let mut nonce = vec![0; $curve.order_len()];
                    rng.fill(&mut nonce[$curve.order_len() - 16..]);
                    nonce[$curve.order_len() - 1] |= 1;
                    let mapped = Generator::map_generic(&nonce[$curve.order_len() - 16..], &shared).expect("finite");
                    let expected = ProjectivePoint::GENERATOR * peer_scalar(&nonce) + pb * sa;
                    prop_assert_eq!(mapped.public_key(&b).to_uncompressed(), encode(&(expected * sb)));
                }
            }

            $(
                proptest! {
                    #![proptest_config(ProptestConfig::with_cases(40))]

                    #[test]
                    fn signatures_verify_both_ways(seed in any::<[u8; 16]>(), flip in 0usize..64) {
                        use $peer::ecdsa::signature::hazmat::{PrehashSigner, PrehashVerifier};
                        let mut rng = curve::SeedRandom::new(&seed);
                        let key = SecretKey::generate($curve, &mut rng);
                        let digest = $curve.hash().digest(&seed);
                        let theirs = $peer::ecdsa::$ecdsa::from_slice(key.to_bytes().expose()).expect("a key");
                        let ours = key.sign_digest(&digest);
                        let parsed = $peer::ecdsa::Signature::from_slice(&ours.to_plain()).expect("r and s in range");
                        prop_assert!(theirs.verifying_key().verify_prehash(&digest, &parsed).is_ok());
                        let made: $peer::ecdsa::Signature = theirs.sign_prehash(&digest).expect("signs");
                        let made = Signature::from_plain($curve, &made.to_bytes()).expect("length");
                        prop_assert_eq!(verify_digest(&key.public_key(), &digest, &made), Ok(()));
                        // Any flipped bit of digest or signature is noticed.
                        let mut wrong = digest.clone();
                        wrong[flip % digest.len()] ^= 1 << (flip % 8);
                        prop_assert!(verify_digest(&key.public_key(), &wrong, &made).is_err());
                        let mut wrong = made.to_plain();
                        let at = wrong.len() - 1 - flip;
                        wrong[at] ^= 1 << (flip % 8);
                        let wrong = Signature::from_plain($curve, &wrong).expect("length");
                        prop_assert!(verify_digest(&key.public_key(), &digest, &wrong).is_err());
                    }
                }
            )?
        }
    };
}

oracle!(secp256r1, p256, Curve::P256, ecdsa SigningKey);
oracle!(secp384r1, p384, Curve::P384, ecdsa SigningKey);
oracle!(secp521r1, p521, Curve::P521, ecdsa SigningKey);
oracle!(brainpool_p256r1, bp256_r1, Curve::BrainpoolP256r1);
oracle!(brainpool_p384r1, bp384_r1, Curve::BrainpoolP384r1);

/// `oracle!` wants all names of a curve under one path.
mod bp256_r1 {
    pub(super) use ::bp256::elliptic_curve;
    pub(super) use ::bp256::r1::{AffinePoint, ProjectivePoint, Scalar, Sec1Point, SecretKey};
}
mod bp384_r1 {
    pub(super) use ::bp384::elliptic_curve;
    pub(super) use ::bp384::r1::{AffinePoint, ProjectivePoint, Scalar, Sec1Point, SecretKey};
}

// The laws that need no oracle, so that brainpoolP512r1 is covered too.
#[test]
fn agreement_is_symmetric_and_mapping_is_linear_on_every_curve() {
    for curve in Curve::ALL {
        let mut rng = random(curve.name());
        for _ in 0..20 {
            let (a, b) = (SecretKey::generate(curve, &mut rng), SecretKey::generate(curve, &mut rng));
            assert_eq!(
                a.agree(&b.public_key()).expect("agrees").expose(),
                b.agree(&a.public_key()).expect("agrees").expose()
            );
            // (s·G + H) with H = b·G is (s + b)·G, which a multiplication by 1 shows: 1·G' = s·G + b·G.
            let mut one = vec![0; curve.order_len()];
            one[curve.order_len() - 1] = 1;
            let one = SecretKey::from_bytes(curve, &one).expect("1 is a key");
            let mapped = Generator::map_generic(a.to_bytes().expose(), &b.public_key()).expect("finite");
            assert_eq!(mapped.public_key(&one), a.public_key().add(&b.public_key()).expect("finite"));
            let digest = curve.hash().digest(b"message");
            let signature = a.sign_digest(&digest);
            assert_eq!(verify_digest(&a.public_key(), &digest, &signature), Ok(()));
            assert!(verify_digest(&b.public_key(), &digest, &signature).is_err());
        }
    }
}

// The groups are shared by all threads, and the first use of each makes it.
#[test]
fn threads_share_the_groups() {
    let expected: Vec<_> =
        Curve::ALL.map(|c| SecretKey::generate(c, &mut random("threads")).public_key()).into();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..20 {
                    for (curve, public) in Curve::ALL.into_iter().zip(&expected) {
                        let key = SecretKey::generate(curve, &mut random("threads"));
                        assert_eq!(key.public_key(), *public);
                        let digest = curve.hash().digest(b"shared");
                        assert_eq!(verify_digest(public, &digest, &key.sign_digest(&digest)), Ok(()));
                    }
                }
            });
        }
    });
}
