//! Both sides of PACE against each other: every curve and cipher, wrong passwords, tampering, reflection, reordering.

use apdu::{Command, Response, StatusWord};
use curve::{Curve, Point, SecretKey, SeedRandom};
use eac::pace::terminal::{self, Session, Start};
use eac::pace::{Mapping, Parameters, SetAuthenticationTemplate};
use eac::security_infos::SecurityInfo;
use eac::{Cipher, Error, Password, Step};
use proptest::prelude::*;

use crate::support::PaceChip;

const PARAMETERS: Parameters = Parameters::generic(Curve::P256, Cipher::Aes128);

/// Every mapping on every curve with every cipher, as far as they go together.
fn all_parameters() -> Vec<Parameters> {
    let of_curve = |curve| {
        let of_mapping = move |mapping| Cipher::ALL.map(|cipher| Parameters { mapping, curve, cipher });
        Mapping::ALL.into_iter().flat_map(of_mapping)
    };
    Curve::STANDARDISED.into_iter().flat_map(of_curve).filter(|p| p.is_possible()).collect()
}

/// The static key of the chip in these tests.
fn chip_key(curve: Curve) -> SecretKey {
    SecretKey::generate(curve, &mut SeedRandom::new(b"static key"))
}

/// Runs PACE with the two passwords; `tamper` sees every message (step, from the card?, bytes).
fn run(
    parameters: Parameters,
    knows: &Password,
    tries: &Password,
    seed: &[u8],
    mut tamper: impl FnMut(usize, bool, &mut Vec<u8>),
) -> (Result<Session, Error>, PaceChip) {
    let mut rng = SeedRandom::new(seed);
    let mut chip_rng = SeedRandom::new(&[seed, b"chip"].concat());
    let mut chip = PaceChip::new(&[parameters], knows.key(parameters.cipher).expect("a key"));
    chip.chip_key = Some(chip_key(parameters.curve));
    let mut step = 0;
    let start = Start::new(parameters, tries).expect("start");
    let result = terminal::establish(start, &mut rng, |command: &Command| {
        let mut command = command.clone();
        tamper(step, false, &mut command.data);
        let mut response = chip.process(&command, &mut chip_rng);
        tamper(step, true, &mut response.data);
        step += 1;
        Ok(response)
    });
    (result, chip)
}

fn can() -> Password {
    Password::can("471147")
}

// proves: CARD-08, CARD-25
#[test]
fn every_mapping_curve_and_cipher_opens_a_channel() {
    let mut count = 0;
    for parameters in all_parameters() {
        let (session, chip) = run(parameters, &can(), &can(), b"all", |_, _, _| ());
        let mut session = session.expect("the password is right");
        let mut chip = chip.session.expect("the chip is satisfied");
        assert_eq!(session.id_picc, chip.id_picc);
        assert_eq!(session.id_picc.len(), parameters.curve.field_len());
        let proof = session.chip_proof.as_ref();
        assert_eq!(proof.is_some(), parameters.mapping == Mapping::ChipAuthentication, "{parameters:?}");
        if let Some(proof) = proof {
            assert_eq!(proof.verify(&chip_key(parameters.curve).public_key()), Ok(()));
        }
        let command = Command::new(0, 0xB0, 0x9E, 0).with_le(256);
        let wrapped = session.sm.wrap(&command).expect("wrapped");
        assert!(chip.sm.unwrap(&wrapped) == Ok(command), "{parameters:?}");
        let answer = Response::ok(*b"hello");
        assert!(session.sm.unwrap(&chip.sm.wrap(&answer)) == Ok(answer));
        count += 1;
    }
    assert_eq!(count, 11 * 3 * 3 - 3, "integrated mapping does not exist on secp224r1");
}

#[test]
fn two_hundred_rounds_on_p521() {
    let parameters = Parameters::generic(Curve::P521, Cipher::Aes256);
    for round in 0u32..200 {
        let (session, chip) = run(parameters, &can(), &can(), &round.to_be_bytes(), |_, _, _| ());
        assert_eq!(session.expect("a channel").id_picc, chip.session.expect("a channel").id_picc);
    }
}

// proves: CARD-25
#[test]
fn a_wrong_password_is_found_out_in_the_last_step() {
    let wrong = [
        Password::can("471148"),
        Password::can("47114"),
        Password::pin(b"471148"),
        Password::mrz("A00000001", "900101", "300101"),
    ];
    for (i, wrong) in wrong.iter().enumerate() {
        let mut last = 0;
        let (session, chip) = run(PARAMETERS, &can(), wrong, &[i as u8], |step, _, _| last = step);
        assert_eq!(session.err(), Some(Error::WrongPassword { tries_left: None }));
        assert!(chip.session.is_none());
        assert_eq!(last, 4, "MSE:Set AT and four GENERAL AUTHENTICATE");
    }
}

#[test]
fn the_card_must_know_the_password_too() {
    // A relay answers the last step with something else than the token.
    let forged = tlv::encode(0x7C, &tlv::encode(0x86, &[0; 8]));
    let (session, _) = run(PARAMETERS, &can(), &can(), b"relay", |step, from_card, data| {
        if step == 4 && from_card {
            data.clone_from(&forged);
        }
    });
    assert_eq!(session.err(), Some(Error::CardToken));
}

#[test]
fn reflected_keys_are_refused_by_the_terminal() {
    for (step, tag, error_step) in [(2, 0x82, "mapping"), (3, 0x84, "key agreement")] {
        let mut own = Vec::new();
        let (session, _) = run(PARAMETERS, &can(), &can(), b"mirror", |at, from_card, data| {
            if at == step && !from_card {
                let template = tlv::expect(data, 0x7C).expect("7C");
                own = tlv::read_one(template.value).expect("a key").0.value.to_vec();
            } else if at == step {
                *data = tlv::encode(0x7C, &tlv::encode(tag, &own));
            }
        });
        let error = session.err().expect("refused");
        assert!(matches!(error, Error::SameKey(_)), "{error} in {error_step}");
    }
}

#[test]
fn reflected_keys_are_refused_by_the_chip() {
    // The terminal can send the chip's own key back only if it is known before: give both sides one random source.
    for (step, tag) in [(2, 0x81), (3, 0x83)] {
        let password = can();
        let key = password.key(PARAMETERS.cipher).expect("a key");
        let chip_answers = |steps: usize, replace: Option<(usize, Vec<u8>)>| {
            let mut chip_rng = SeedRandom::new(b"fixed");
            let mut rng = SeedRandom::new(b"terminal");
            let mut chip = PaceChip::new(&[PARAMETERS], key.clone());
            let mut at = 0;
            let mut last = Response::ok([]);
            let start = Start::new(PARAMETERS, &password).expect("start");
            let _ = terminal::establish::<Error>(start, &mut rng, |command| {
                let mut command = command.clone();
                if let Some((_, data)) = replace.as_ref().filter(|(when, _)| *when == at) {
                    command.data.clone_from(data);
                }
                let response = chip.process(&command, &mut chip_rng);
                if at == steps {
                    last = response.clone();
                }
                at += 1;
                Ok(response)
            });
            last
        };
        let honest = chip_answers(step, None);
        let template = tlv::expect(&honest.data, 0x7C).expect("7C");
        let chip_key = tlv::read_one(template.value).expect("a key").0.value;
        let mirrored = tlv::encode(0x7C, &tlv::encode(tag, chip_key));
        assert_eq!(chip_answers(step, Some((step, mirrored))).sw, StatusWord::WRONG_DATA);
    }
}

#[test]
fn impossible_points_are_refused_by_both_sides() {
    let other_curve =
        curve::SecretKey::generate(Curve::BrainpoolP256r1, &mut SeedRandom::new(b"x")).public_key();
    let good = curve::SecretKey::generate(Curve::P256, &mut SeedRandom::new(b"y")).public_key();
    let good = good.to_uncompressed();
    let mut compressed = good[..33].to_vec();
    compressed[0] = 0x02;
    let mut off_curve = good.clone();
    off_curve[64] ^= 1;
    let bad = [
        vec![],
        vec![0x00],
        vec![0x04],
        vec![0x04; 65],
        [&[0x04][..], &[0; 64]].concat(),
        [&[0x04][..], &[0xFF; 64]].concat(),
        good[..64].to_vec(),
        [&good[..], &[0]].concat(),
        compressed,
        off_curve,
        other_curve.to_uncompressed(),
    ];
    for point in bad {
        for (step, from_card, tag) in [(2, false, 0x81), (2, true, 0x82), (3, false, 0x83), (3, true, 0x84)] {
            let (session, _) = run(PARAMETERS, &can(), &can(), b"points", |at, card, data| {
                if (at, card) == (step, from_card) {
                    *data = tlv::encode(0x7C, &tlv::encode(tag, &point));
                }
            });
            let error = session.err().expect("refused");
            if from_card {
                assert!(matches!(error, Error::InvalidPoint(_)), "{error}");
            } else {
                assert!(matches!(error, Error::Refused { sw: StatusWord::WRONG_DATA, .. }), "{error}");
            }
        }
    }
}

#[test]
fn trust_points_are_announced() {
    use eac::pace::chip::{Next, Pace};
    for previous in [None, Some(b"TWCVCA00001".to_vec())] {
        let key = can().key(PARAMETERS.cipher).expect("a key");
        let mut rng = SeedRandom::new(b"trust");
        let mut chip_rng = SeedRandom::new(b"chip");
        let mut run =
            Some(Pace::start(PARAMETERS, key).with_trust_points(b"TWCVCA00002".to_vec(), previous.clone()));
        let start = Start::new(PARAMETERS, &can()).expect("start");
        let session = terminal::establish::<Error>(start, &mut rng, |command| {
            if command.ins == 0x22 {
                return Ok(Response::ok([]));
            }
            let (data, next) = run.take().expect("a run").step(&command.data, &mut chip_rng)?;
            if let Next::Continue(next) = next {
                run = Some(next);
            }
            Ok(Response::ok(data))
        })
        .expect("a channel");
        assert_eq!(session.certification_authority.as_deref(), Some(&b"TWCVCA00002"[..]));
        assert_eq!(session.certification_authority_previous, previous);
    }
}

#[test]
fn warnings_of_mse_set_at() {
    for (sw, goes_on) in [
        (StatusWord::OK, true),
        (StatusWord::tries_left(2), true),
        (StatusWord::tries_left(1), true),
        (StatusWord::tries_left(0), false),
        (StatusWord::DEACTIVATED, false),
        (StatusWord::REFERENCED_DATA_NOT_FOUND, false),
    ] {
        let start = Start::new(PARAMETERS, &Password::pin(b"123456")).expect("start");
        assert_eq!(start.step(&sw.into()).is_ok(), goes_on, "{sw}");
    }
}

#[test]
fn parameters_are_selected_with_and_without_their_number() {
    let p256 = PARAMETERS;
    let brainpool = Parameters { curve: Curve::BrainpoolP256r1, ..PARAMETERS };
    let p521 = Parameters::generic(Curve::P521, Cipher::Aes256);
    let template = |parameters: Parameters, number: bool| SetAuthenticationTemplate {
        protocol: parameters.protocol(),
        password: 2,
        parameter_id: number.then(|| parameters.curve.parameter_id()),
        chat: None,
    };
    let offers = [p256, brainpool, p521];
    for parameters in offers {
        assert_eq!(template(parameters, true).select(&offers), Ok(parameters));
    }
    assert_eq!(template(p521, false).select(&offers), Ok(p521));
    assert_eq!(template(p256, false).select(&offers), Err(Error::Unsupported), "two sets for one protocol");
    let missing = Parameters { curve: Curve::P384, ..PARAMETERS };
    assert_eq!(template(missing, true).select(&offers), Err(Error::Unsupported));
    assert_eq!(Error::Unsupported.status_word(), StatusWord::WRONG_DATA);
}

#[test]
fn the_template_is_read_back_and_doubles_are_refused() {
    let template = SetAuthenticationTemplate {
        protocol: PARAMETERS.protocol(),
        password: 3,
        parameter_id: Some(18),
        chat: Some(vec![0x06, 0x01, 0x00]),
    };
    let data = template.command().data;
    assert_eq!(SetAuthenticationTemplate::parse(&data).as_ref(), Ok(&template));
    let unknown = [&data[..], &tlv::encode(0x65, &[1])].concat();
    assert_eq!(SetAuthenticationTemplate::parse(&unknown).as_ref(), Ok(&template));
    let doubled = [&data[..], &tlv::encode(0x83, &[3])].concat();
    assert!(SetAuthenticationTemplate::parse(&doubled).is_err());
    assert!(SetAuthenticationTemplate::parse(&tlv::encode(0x83, &[3])).is_err());
}

#[test]
fn chip_authentication_mapping_is_a_proof_for_one_key_only() {
    let parameters = Parameters::chip_authentication(Curve::BrainpoolP256r1, Cipher::Aes128);
    let (session, _) = run(parameters, &can(), &can(), b"cam", |_, _, _| ());
    let proof = session.expect("a channel").chip_proof.expect("a proof");
    let own = chip_key(parameters.curve).public_key();
    assert_eq!(proof.verify(&own), Ok(()));
    let other = SecretKey::generate(parameters.curve, &mut SeedRandom::new(b"clone")).public_key();
    assert_eq!(proof.verify(&other), Err(Error::ChipProof), "a clone has another key");
    assert_eq!(proof.verify(&chip_key(Curve::P256).public_key()), Err(Error::ChipProof), "another curve");
    // As EF.CardSecurity has it: several keys, one of them the chip's, in either form.
    let info = |key: &Point, id| SecurityInfo::chip_authentication_public_key(key, id);
    let elsewhere = chip_key(Curve::P521).public_key();
    assert_eq!(proof.verify_with_infos(&[info(&elsewhere, Some(1)), info(&own, Some(2))]), Ok(()));
    let named = SecurityInfo::ChipAuthenticationPublicKey {
        protocol: tlv::oid::PK_ECDH,
        spki: curve::spki_from_point(&own),
        key_id: None,
    };
    assert_eq!(proof.verify_with_infos(&[named]), Ok(()));
    assert_eq!(proof.verify_with_infos(&[info(&elsewhere, None), info(&other, None)]), Err(Error::ChipProof));
    assert_eq!(proof.verify_with_infos(&[]), Err(Error::ChipProof));
}

/// A chip that knows the password but not the static key answers the last step with another scalar, or with none.
#[test]
fn a_clone_cannot_make_the_chip_authentication_data() {
    let parameters = Parameters::chip_authentication(Curve::P256, Cipher::Aes256);
    let key = can().key(parameters.cipher).expect("a key");
    let mut chip = PaceChip::new(&[parameters], key);
    chip.chip_key = Some(SecretKey::generate(parameters.curve, &mut SeedRandom::new(b"made by the forger")));
    let (mut rng, mut chip_rng) = (SeedRandom::new(b"terminal"), SeedRandom::new(b"forger"));
    let start = Start::new(parameters, &can()).expect("start");
    let session =
        terminal::establish::<Error>(start, &mut rng, |command| Ok(chip.process(command, &mut chip_rng)));
    let proof = session.expect("the password is right").chip_proof.expect("a proof of something");
    assert_eq!(proof.verify(&chip_key(parameters.curve).public_key()), Err(Error::ChipProof));
    // Without any key, or with one of another curve, the chip does not begin.
    for key in [None, Some(chip_key(Curve::P384))] {
        let mut chip = PaceChip::new(&[parameters], can().key(parameters.cipher).expect("a key"));
        chip.chip_key = key;
        let start = Start::new(parameters, &can()).expect("start");
        let result = terminal::establish::<Error>(start, &mut rng, |c| Ok(chip.process(c, &mut chip_rng)));
        assert_eq!(result.err(), Some(Error::Refused { step: Step::Nonce, sw: StatusWord::WRONG_DATA }));
    }
}

#[test]
fn chip_authentication_data_are_there_exactly_with_their_mapping() {
    let cam = Parameters::chip_authentication(Curve::P256, Cipher::Aes128);
    let strip = |data: &mut Vec<u8>| {
        let inner = tlv::expect(data, 0x7C).expect("7C").value.to_vec();
        let kept: Vec<u8> = tlv::read_all(&inner)
            .expect("objects")
            .iter()
            .filter(|o| o.tag != 0x8A)
            .flat_map(|o| o.raw.to_vec())
            .collect();
        *data = tlv::encode(0x7C, &kept);
    };
    let add = |value: &[u8], data: &mut Vec<u8>| {
        let mut inner = tlv::expect(data, 0x7C).expect("7C").value.to_vec();
        inner.extend(tlv::encode(0x8A, value));
        *data = tlv::encode(0x7C, &inner);
    };
    let malformed = Some(Error::Malformed(Step::Token));
    let (session, _) = run(cam, &can(), &can(), b"strip", |step, card, data| {
        if step == 4 && card {
            strip(data);
        }
    });
    assert_eq!(session.err(), malformed, "stripped");
    for value in [&[][..], &[7; 32], &[7; 48], &[7; 64], &[0; 4096]] {
        let (session, _) = run(cam, &can(), &can(), b"other", |step, card, data| {
            if step == 4 && card {
                strip(data);
                add(value, data);
            }
        });
        assert_eq!(session.err(), malformed, "{} bytes of something else", value.len());
    }
    for parameters in [PARAMETERS, Parameters::integrated(Curve::P256, Cipher::Aes128)] {
        let (session, _) = run(parameters, &can(), &can(), b"added", |step, card, data| {
            if step == 4 && card {
                add(&[7; 48], data);
            }
        });
        assert_eq!(session.err(), malformed, "unasked for");
    }
}

#[test]
fn integrated_mapping_takes_nonces_of_one_length_and_an_empty_answer() {
    for cipher in Cipher::ALL {
        let parameters = Parameters::integrated(Curve::BrainpoolP256r1, cipher);
        let t = cipher.key_len();
        for len in [0, 1, t - 1, t + 1, 64, 255] {
            let (session, chip) = run(parameters, &can(), &can(), b"t", |step, card, data| {
                if step == 2 && !card {
                    *data = tlv::encode(0x7C, &tlv::encode(0x81, &vec![7; len]));
                }
            });
            assert!(chip.session.is_none());
            assert_eq!(
                session.err(),
                Some(Error::Refused { step: Step::Mapping, sw: StatusWord::WRONG_DATA })
            );
        }
        for len in [16, 32, 48, 64] {
            let (session, _) = run(parameters, &can(), &can(), b"s", |step, card, data| {
                if step == 1 && card {
                    *data = tlv::encode(0x7C, &tlv::encode(0x80, &vec![7; len]));
                }
            });
            let fits = len == t.next_multiple_of(16);
            assert_eq!(session.err() == Some(Error::Malformed(Step::Nonce)), !fits, "{cipher:?} {len}");
        }
        let (session, _) = run(parameters, &can(), &can(), b"82", |step, card, data| {
            if step == 2 && card {
                *data = tlv::encode(0x7C, &tlv::encode(0x82, &[0]));
            }
        });
        assert_eq!(session.err(), Some(Error::Malformed(Step::Mapping)));
    }
}

#[test]
fn wrong_passwords_with_every_mapping() {
    for mapping in Mapping::ALL {
        let parameters = Parameters { mapping, ..PARAMETERS };
        let (session, chip) = run(parameters, &can(), &Password::can("471148"), b"wrong", |_, _, _| ());
        assert_eq!(session.err(), Some(Error::WrongPassword { tries_left: None }));
        assert!(chip.session.is_none());
    }
}

#[test]
fn the_strongest_offer_is_chosen_whatever_the_order() {
    let weak = Parameters::generic(Curve::BrainpoolP256r1, Cipher::Aes128);
    let strong = Parameters::generic(Curve::P521, Cipher::Aes256);
    let cam = Parameters::chip_authentication(Curve::P521, Cipher::Aes256);
    let im = Parameters::integrated(Curve::P521, Cipher::Aes256);
    for order in [[strong, weak, cam, im], [im, cam, weak, strong], [weak, im, strong, cam]] {
        let infos = order.map(Parameters::info);
        assert_eq!(Parameters::choose(&infos), Some(strong));
        assert_eq!(Parameters::choose_among(&infos, &[Mapping::ChipAuthentication]), Some(cam));
        assert_eq!(Parameters::choose_among(&infos, &[Mapping::Integrated, Mapping::Generic]), Some(im));
        assert_eq!(Parameters::offered(&infos), order);
    }
    // Same strength: the card's own order.
    let other = Parameters::generic(Curve::P256, Cipher::Aes128);
    assert_eq!(Parameters::choose(&[weak.info(), other.info()]), Some(weak));
    assert_eq!(Parameters::choose(&[other.info(), weak.info()]), Some(other));
    assert_eq!(Parameters::choose(&[]), None);
    // secp224r1 with integrated mapping does not exist.
    let impossible = Parameters::integrated(Curve::P224, Cipher::Aes128);
    assert_eq!(Parameters::choose(&[impossible.info()]), None);
    assert!(Start::new(impossible, &can()).expect("start").step(&StatusWord::OK.into()).is_ok());
    let (session, _) = run(impossible, &can(), &can(), b"224", |_, _, _| ());
    assert_eq!(session.err(), Some(Error::Refused { step: Step::Nonce, sw: StatusWord::WRONG_DATA }));
}

/// Every byte of every GENERAL AUTHENTICATE of one run, changed: the run must fail. (MSE:Set AT before it is not
/// authenticated as such: it only selects, and the token covers the protocol.)
#[test]
fn a_changed_byte_anywhere_ends_the_run() {
    for mapping in Mapping::ALL {
        let parameters = Parameters { mapping, ..PARAMETERS };
        let mut messages: Vec<(usize, bool, usize)> = Vec::new();
        let (session, _) = run(parameters, &can(), &can(), b"tamper", |step, from_card, data| {
            if step > 0 {
                messages.push((step, from_card, data.len()));
            }
        });
        session.expect("the honest run succeeds");
        let mut count = 0;
        for (step, from_card, len) in messages {
            for position in 0..len {
                let (session, chip) = run(parameters, &can(), &can(), b"tamper", |at, card, data| {
                    if (at, card) == (step, from_card) {
                        data[position] ^= 0x01;
                    }
                });
                // What the chip proves is checked after the run.
                let own = chip_key(parameters.curve).public_key();
                let proved = |s: &Session| s.chip_proof.as_ref().is_none_or(|p| p.verify(&own).is_ok());
                let both = session.is_ok_and(|s| proved(&s)) && chip.session.is_some();
                assert!(!both, "{mapping:?}, step {step}, from card {from_card}, byte {position}");
                count += 1;
            }
        }
        assert!(count > 200, "{count}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn arbitrary_answers_never_panic(step in 0usize..5, answer in prop::collection::vec(any::<u8>(), 0..200), sw in any::<u16>()) {
        let mut rng = SeedRandom::new(b"fuzz");
        let mut chip_rng = SeedRandom::new(b"chip");
        let mut chip = PaceChip::new(&[PARAMETERS], can().key(PARAMETERS.cipher).expect("a key"));
        let mut at = 0;
        let start = Start::new(PARAMETERS, &can()).expect("start");
        let result = terminal::establish::<Error>(start, &mut rng, |command| {
            let honest = chip.process(command, &mut chip_rng);
            at += 1;
            Ok(if at - 1 == step { Response::new(answer.clone(), StatusWord(sw)) } else { honest })
        });
        prop_assert!(step == 0 || result.is_err());
    }

    #[test]
    fn arbitrary_commands_never_panic(inputs in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 1..6)) {
        let mut rng = SeedRandom::new(b"fuzz");
        let mut chip = PaceChip::new(&[PARAMETERS], can().key(PARAMETERS.cipher).expect("a key"));
        chip.process(&Start::new(PARAMETERS, &can()).expect("start").mse_set_at(), &mut rng);
        for input in inputs {
            let command = Command::new(0x10, 0x86, 0, 0).with_data(input);
            let _ = chip.process(&command, &mut rng);
        }
        prop_assert!(chip.session.is_none());
    }

    #[test]
    fn arbitrary_templates_never_panic(data in prop::collection::vec(any::<u8>(), 0..60)) {
        let _ = SetAuthenticationTemplate::parse(&data);
    }

    #[test]
    fn points_of_the_wrong_length_are_no_points(bytes in prop::collection::vec(any::<u8>(), 0..140)) {
        for curve in Curve::ALL {
            prop_assert!(Point::from_uncompressed(curve, &bytes).is_err() || bytes.len() == 1 + 2 * curve.field_len());
        }
    }
}
