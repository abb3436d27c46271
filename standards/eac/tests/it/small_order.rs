//! Points of small order on curves with another b, wherever a protocol takes a point, on either side: whoever computed with one
//! would give the secret away piece by piece.

use apdu::{Command, Response, StatusWord};
use curve::{Curve, Hash, SecretKey, SeedRandom, spki_from_point};
use eac::chip_authentication::{self, Parameters as ChipParameters, version_1};
use eac::cvc::{Extension, Extensions};
use eac::pace::terminal::{Start, establish};
use eac::pace::{Mapping, Parameters};
use eac::restricted_identification::{self, SectorKey};
use eac::security_infos::SecurityInfo;
use eac::{Cipher, Error, Password};
use tlv::oid;

use crate::support::PaceChip;

/// The points for this curve, uncompressed.
fn points(curve: Curve) -> Vec<Vec<u8>> {
    let text = include_str!("../../../curve/tests/vectors/small-order/points.txt");
    let points: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix(&format!("{curve} ")))
        .map(|line| {
            let (_, coordinates) = line.split_once(' ').expect("order and coordinates");
            [vec![0x04], hex::decode(coordinates.replace(' ', "")).expect("hex")].concat()
        })
        .collect();
    assert_eq!(points.len(), 5, "{curve}: of order 2, 3, 4, 5 and 7");
    points
}

/// A SubjectPublicKeyInfo with these bytes in the place of the point.
fn spki(curve: Curve, point: &[u8]) -> Vec<u8> {
    let good = SecretKey::generate(curve, &mut SeedRandom::new(b"good")).public_key();
    let mut spki = spki_from_point(&good);
    let at = spki.len() - point.len();
    spki[at..].copy_from_slice(point);
    spki
}

#[test]
fn pace_takes_none_in_the_mapping_nor_in_the_agreement_on_either_side() {
    let password = Password::can("471147");
    let mut count = 0;
    for curve in [Curve::P256, Curve::P384, Curve::P521, Curve::BrainpoolP256r1, Curve::P224] {
        for mapping in Mapping::ALL {
            let parameters = Parameters { mapping, curve, cipher: Cipher::Aes128 };
            if !parameters.is_possible() {
                continue;
            }
            // In integrated mapping the second step brings a number.
            let steps: &[(usize, u32)] =
                if mapping == Mapping::Integrated { &[(3, 0x83)] } else { &[(2, 0x81), (3, 0x83)] };
            for (step, tag) in steps.iter().copied() {
                for (from_card, point) in points(curve).iter().flat_map(|p| [(false, p), (true, p)]) {
                    let key = password.key(parameters.cipher).expect("a key");
                    let mut chip = PaceChip::new(&[parameters], key);
                    chip.chip_key = Some(SecretKey::generate(curve, &mut SeedRandom::new(b"static")));
                    let (mut rng, mut chip_rng) = (SeedRandom::new(b"terminal"), SeedRandom::new(b"chip"));
                    let mut at = 0;
                    let start = Start::new(parameters, &password).expect("start");
                    let session = establish::<Error>(start, &mut rng, |command: &Command| {
                        let mut command = command.clone();
                        let forged = |tag| tlv::encode(0x7C, &tlv::encode(tag, point));
                        if at == step && !from_card {
                            command.data = forged(tag);
                        }
                        let mut response = chip.process(&command, &mut chip_rng);
                        if at == step && from_card {
                            response.data = forged(tag + 1);
                        }
                        at += 1;
                        Ok(response)
                    });
                    let error = session.err().expect("refused");
                    match from_card {
                        true => assert!(matches!(error, Error::InvalidPoint(_)), "{parameters:?}: {error}"),
                        false => assert!(
                            matches!(error, Error::Refused { sw: StatusWord::WRONG_DATA, .. }),
                            "{parameters:?}: {error}"
                        ),
                    }
                    assert_eq!(at, step + 1, "nothing is said after it");
                    count += 1;
                }
            }
        }
    }
    assert_eq!(count, (4 * (2 + 1 + 2) + (2 + 2)) * 5 * 2);
}

#[test]
fn chip_authentication_takes_none_from_a_terminal_not_even_an_announced_one() {
    for curve in [Curve::P256, Curve::P384, Curve::P521, Curve::BrainpoolP256r1] {
        let parameters = ChipParameters { curve, cipher: Cipher::Aes256, key_id: None };
        let secret = SecretKey::generate(curve, &mut SeedRandom::new(b"chip key"));
        for point in points(curve) {
            let data = tlv::encode(0x7C, &tlv::encode(0x80, &point));
            let refused = version_1::answer(parameters, &secret, &data).err();
            assert!(matches!(refused, Some(Error::InvalidPoint(_))), "{refused:?}");
            // A terminal with a certificate can announce its x and sign that.
            let announced = &point[1..=curve.field_len()];
            let mut rng = SeedRandom::new(b"nonce");
            let refused =
                chip_authentication::chip::authenticate(parameters, &secret, announced, &data, &mut rng);
            let refused = refused.err();
            assert!(matches!(refused, Some(Error::InvalidPoint(_))), "{refused:?}");
        }
    }
}

#[test]
fn a_terminal_takes_none_from_a_card_as_its_static_key() {
    for curve in [Curve::P256, Curve::P384, Curve::P521, Curve::BrainpoolP256r1] {
        let parameters = ChipParameters { curve, cipher: Cipher::Aes256, key_id: None };
        for point in points(curve) {
            let key = |spki| SecurityInfo::ChipAuthenticationPublicKey {
                protocol: oid::PK_ECDH,
                spki,
                key_id: None,
            };
            let forged = key(spki(curve, &point));
            let one = SecurityInfo::chip_authentication_version_1(parameters);
            let two = SecurityInfo::chip_authentication(parameters.cipher, None);
            assert!(ChipParameters::choose_version_1(&[one.clone(), forged.clone()]).is_none());
            assert!(ChipParameters::choose(&[two.clone(), forged.clone()]).is_none());
            // A sound one in its place is taken.
            let good = SecretKey::generate(curve, &mut SeedRandom::new(b"good")).public_key();
            let sound = key(spki(curve, good.as_uncompressed()));
            assert!(ChipParameters::choose_version_1(&[one, sound.clone()]).is_some());
            assert!(ChipParameters::choose(&[two, sound]).is_some());
            // Nor as the key that chip authentication mapping has proved.
            let mapping = Parameters::chip_authentication(curve, Cipher::Aes256);
            let password = Password::can("471147");
            let mut chip = PaceChip::new(&[mapping], password.key(mapping.cipher).expect("a key"));
            chip.chip_key = Some(SecretKey::generate(curve, &mut SeedRandom::new(b"static")));
            let (mut rng, mut chip_rng) = (SeedRandom::new(b"terminal"), SeedRandom::new(b"chip"));
            let start = Start::new(mapping, &password).expect("start");
            let answer = |command: &Command| Ok::<Response, Error>(chip.process(command, &mut chip_rng));
            let session = establish(start, &mut rng, answer).expect("a channel");
            let proof = session.chip_proof.expect("a proof");
            assert_eq!(proof.verify_with_infos(&[forged]), Err(Error::ChipProof));
        }
    }
}

#[test]
fn restricted_identification_takes_none_as_a_sector_key_on_either_side() {
    for curve in [Curve::P256, Curve::P384, Curve::P521, Curve::BrainpoolP256r1] {
        let secret = SecretKey::generate(curve, &mut SeedRandom::new(b"identity"));
        let good = SecretKey::generate(curve, &mut SeedRandom::new(b"sector")).public_key();
        let good = SectorKey::new(&good, Hash::Sha256).expect("a sector");
        for point in points(curve) {
            let sound = good.point().expect("a point").to_uncompressed();
            let at = good.raw().windows(sound.len()).position(|window| window == sound).expect("the point");
            let mut raw = good.raw().to_vec();
            raw[at..at + point.len()].copy_from_slice(&point);
            // The terminal.
            let read = SectorKey::parse(&raw).expect("its form is right");
            assert!(matches!(read.point(), Err(Error::InvalidPoint(_))));
            // The chip, whatever was certified.
            let extension = Extension::sectors(Hash::Sha256.digest(&raw), None);
            let extensions = Extensions::new(vec![extension]).expect("one");
            let command = restricted_identification::command(&read, None).expect("a command");
            let refused = restricted_identification::identify(
                &secret,
                Hash::Sha256,
                &extensions,
                Hash::Sha256,
                &command.data,
            );
            assert!(matches!(refused, Err(Error::InvalidPoint(_))), "{refused:?}");
        }
    }
}
