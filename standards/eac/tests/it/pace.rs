//! Both sides of PACE against each other: every curve and cipher, wrong passwords, tampering, reflection, reordering.

use apdu::{Command, Response, StatusWord};
use curve::{Curve, Point, SeedRandom};
use eac::pace::terminal::{self, Session, Start};
use eac::pace::{Parameters, SetAuthenticationTemplate};
use eac::{Cipher, Error, Password};
use proptest::prelude::*;

use crate::support::PaceChip;

const PARAMETERS: Parameters = Parameters { curve: Curve::P256, cipher: Cipher::Aes128 };

fn all_parameters() -> Vec<Parameters> {
    let curves = Curve::ALL.into_iter();
    curves.flat_map(|curve| Cipher::ALL.map(|cipher| Parameters { curve, cipher })).collect()
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

// proves: CARD-25
#[test]
fn every_curve_and_cipher_opens_a_channel() {
    let mut count = 0;
    for parameters in all_parameters() {
        let (session, chip) = run(parameters, &can(), &can(), b"all", |_, _, _| ());
        let mut session = session.expect("the password is right");
        let mut chip = chip.session.expect("the chip is satisfied");
        assert_eq!(session.id_picc, chip.id_picc);
        assert_eq!(session.id_picc.len(), parameters.curve.field_len());
        let command = Command::new(0, 0xB0, 0x9E, 0).with_le(256);
        let wrapped = session.sm.wrap(&command).expect("wrapped");
        assert!(chip.sm.unwrap(&wrapped) == Ok(command), "{parameters:?}");
        let answer = Response::ok(*b"hello");
        assert!(session.sm.unwrap(&chip.sm.wrap(&answer)) == Ok(answer));
        count += 1;
    }
    assert_eq!(count, 18);
}

#[test]
fn two_hundred_rounds_on_p521() {
    let parameters = Parameters { curve: Curve::P521, cipher: Cipher::Aes256 };
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
    let p521 = Parameters { curve: Curve::P521, cipher: Cipher::Aes256 };
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

/// Every byte of every GENERAL AUTHENTICATE of one run, changed: the run must fail. (MSE:Set AT before it is not
/// authenticated as such: it only selects, and the token covers the protocol.)
#[test]
fn a_changed_byte_anywhere_ends_the_run() {
    let mut messages: Vec<(usize, bool, usize)> = Vec::new();
    let (session, _) = run(PARAMETERS, &can(), &can(), b"tamper", |step, from_card, data| {
        if step > 0 {
            messages.push((step, from_card, data.len()));
        }
    });
    session.expect("the honest run succeeds");
    let mut count = 0;
    for (step, from_card, len) in messages {
        for position in 0..len {
            let (session, chip) = run(PARAMETERS, &can(), &can(), b"tamper", |at, card, data| {
                if (at, card) == (step, from_card) {
                    data[position] ^= 0x01;
                }
            });
            let both = session.is_ok() && chip.session.is_some();
            assert!(!both, "step {step}, from card {from_card}, byte {position}");
            count += 1;
        }
    }
    assert!(count > 300, "{count}");
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
