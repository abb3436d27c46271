//! Both sides against each other.

use crate::{Started, open, start};
use apdu::{Command, Response, StatusWord};
use curve::{SecretBytes, SeedRandom};
use proptest::prelude::*;
use scp::{Error, InitializeUpdateResponse, KeySet, Mode, Options, SecurityLevel, check_value, diversify};

fn options() -> impl Strategy<Value = Options> {
    (any::<bool>(), any::<bool>()).prop_map(|(s16, pseudo_random)| Options {
        mode: if s16 { Mode::S16 } else { Mode::S8 },
        pseudo_random,
        ..Options::I70
    })
}

fn exchange() -> impl Strategy<Value = (Command, Response)> {
    let data = prop_oneof![
        Just(Vec::new()),
        prop::collection::vec(any::<u8>(), 1..40),
        // Around the border between short and extended form, and long.
        prop::collection::vec(any::<u8>(), 225..260),
        prop::collection::vec(any::<u8>(), 260..3000),
    ];
    let sw = prop_oneof![
        4 => Just(StatusWord::OK),
        1 => Just(StatusWord::END_OF_FILE),
        1 => Just(StatusWord::tries_left(2)),
        1 => Just(StatusWord::WRONG_DATA)
    ];
    let le = prop::option::of(prop_oneof![Just(256u32), Just(65_536), 1u32..256]);
    let cla = prop_oneof![Just(0x00u8), Just(0x80)];
    (cla, any::<[u8; 3]>(), data.clone(), le, data, sw).prop_map(
        |(cla, [ins, p1, p2], data, le, answer, sw)| {
            let mut command = Command::new(cla, ins, p1, p2).with_data(data);
            command.le = le;
            let answer = if sw == StatusWord::WRONG_DATA { Vec::new() } else { answer };
            (command, Response::new(answer, sw))
        },
    )
}

/// What the other end sees after the bytes have travelled.
fn travel(command: &Command) -> Command {
    Command::parse(&command.to_bytes()).expect("well formed")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn what_goes_in_comes_out(
        seed in any::<[u8; 8]>(),
        len in prop_oneof![Just(16usize), Just(24), Just(32)],
        options in options(),
        level in 0usize..6,
        exchanges in prop::collection::vec(exchange(), 1..8),
    ) {
        let mut rng = SeedRandom::new(&seed);
        let keys = KeySet::random(len, &mut rng).expect("a length");
        let level = SecurityLevel::ALL[level];
        let (mut host, mut card) = open(&keys, options, level, &mut rng).expect("opens");
        prop_assert_eq!((host.level(), card.level()), (Some(level), Some(level)));
        for (command, response) in exchanges {
            let secured = host.wrap(&command).expect("wraps");
            if level.c_decryption() && command.data.len() > 8 {
                prop_assert!(!secured.data.windows(8).any(|w| w == &command.data[..8]));
            }
            let mut arrived = card.unwrap(&travel(&secured)).expect("verifies");
            arrived.extended = command.extended;
            prop_assert_eq!(&arrived, &command);
            let secured = card.wrap(response.clone());
            if level.r_encryption() && response.data.len() > 8 {
                prop_assert!(!secured.data.windows(8).any(|w| w == &response.data[..8]));
            }
            prop_assert_eq!(host.unwrap(&secured), Ok(response));
        }
    }

    #[test]
    fn one_flipped_bit_ends_the_session(
        seed in any::<[u8; 8]>(), options in options(), level in 1usize..6,
        data in prop::collection::vec(any::<u8>(), 0..60), at in any::<prop::sample::Index>(), bit in 0u8..8,
    ) {
        let mut rng = SeedRandom::new(&seed);
        let keys = KeySet::random(16, &mut rng).expect("a length");
        let level = SecurityLevel::ALL[level];
        let (mut host, mut card) = open(&keys, options, level, &mut rng).expect("opens");
        let command = Command::new(0x80, 0xE2, 1, 2).with_data(data.clone());
        let secured = host.wrap(&command).expect("wraps").to_bytes();
        let mut wrong = secured.clone();
        wrong[at.index(secured.len())] ^= 1 << bit;
        // What is no command any more never reaches the session.
        if let Ok(wrong) = Command::parse(&wrong) {
            prop_assert!(card.unwrap(&wrong).is_err());
            prop_assert!(!card.is_open());
            // Even the right command comes too late, and the answer shows nothing but its status word.
            prop_assert_eq!(card.unwrap(&Command::parse(&secured).expect("whole")), Err(Error::Ended));
            prop_assert_eq!(card.wrap(Response::ok(data)), Response::ok([]));
        }
    }

    #[test]
    fn one_flipped_bit_in_a_response_ends_the_host_session(
        seed in any::<[u8; 8]>(), options in options(), level in 3usize..6,
        data in prop::collection::vec(any::<u8>(), 0..60), at in any::<prop::sample::Index>(), bit in 0u8..8,
    ) {
        let mut rng = SeedRandom::new(&seed);
        let keys = KeySet::random(32, &mut rng).expect("a length");
        let (mut host, mut card) = open(&keys, options, SecurityLevel::ALL[level], &mut rng).expect("opens");
        let secured = host.wrap(&Command::new(0x80, 0xCA, 0, 0x66).with_le(256)).expect("wraps");
        card.unwrap(&secured).expect("verifies");
        let secured = card.wrap(Response::ok(data)).to_bytes();
        let mut wrong = secured.clone();
        wrong[at.index(secured.len())] ^= 1 << bit;
        let wrong = Response::parse(&wrong).expect("whole");
        let result = host.unwrap(&wrong);
        prop_assert!(result.is_err(), "{:?}", result);
        prop_assert_eq!(host.level(), None);
        prop_assert_eq!(host.wrap(&Command::new(0x80, 0xCA, 0, 0)), Err(Error::Ended));
    }
}

#[test]
fn a_replayed_or_reordered_command_ends_the_session() {
    for (order, name) in [(vec![0, 0], "replayed"), (vec![1], "out of order"), (vec![0, 2], "one left out")] {
        let mut rng = SeedRandom::new(b"replay");
        let keys = KeySet::random(16, &mut rng).expect("a length");
        let (mut host, mut card) = open(&keys, Options::I70, SecurityLevel::Full, &mut rng).expect("opens");
        let sent: Vec<_> =
            (0..3).map(|i| host.wrap(&Command::new(0x80, 0xE2, i, 0)).expect("wraps")).collect();
        let results: Vec<_> = order.iter().map(|i| card.unwrap(&sent[*i])).collect();
        assert_eq!(results.last(), Some(&Err(Error::WrongMac)), "{name}");
        assert!(!card.is_open());
        assert_eq!(Error::WrongMac.status_word(), StatusWord::SECURITY_STATUS_NOT_SATISFIED);
    }
}

#[test]
fn a_response_cannot_be_replayed() {
    let mut rng = SeedRandom::new(b"replay");
    let keys = KeySet::random(16, &mut rng).expect("a length");
    let (mut host, mut card) = open(&keys, Options::I70, SecurityLevel::Full, &mut rng).expect("opens");
    let read = Command::new(0x80, 0xCA, 0, 0).with_le(256);
    card.unwrap(&host.wrap(&read).expect("wraps")).expect("verifies");
    let first = card.wrap(Response::ok(*b"first"));
    host.unwrap(&first).expect("verifies");
    card.unwrap(&host.wrap(&read).expect("wraps")).expect("verifies");
    assert_eq!(host.unwrap(&first), Err(Error::WrongMac));
}

#[test]
fn an_unsecured_command_ends_the_session() {
    let mut rng = SeedRandom::new(b"plain");
    let keys = KeySet::random(16, &mut rng).expect("a length");
    for level in &SecurityLevel::ALL[1..] {
        let (_, mut card) = open(&keys, Options::I70, *level, &mut rng).expect("opens");
        assert_eq!(card.unwrap(&Command::new(0x80, 0xCA, 0, 0)), Err(Error::NotSecured));
        assert!(!card.is_open());
    }
    // Without secure messaging agreed, a command that claims it is refused as well.
    let (_, mut card) = open(&keys, Options::I70, SecurityLevel::Authenticated, &mut rng).expect("opens");
    assert_eq!(card.unwrap(&Command::new(0x84, 0xCA, 0, 0)), Err(Error::NotSecured));
}

#[test]
fn whoever_lacks_the_keys_is_refused_on_either_side() {
    let mut rng = SeedRandom::new(b"keys");
    let (keys, other) =
        (KeySet::random(16, &mut rng).expect("a length"), KeySet::random(16, &mut rng).expect("a length"));
    // The host notices a card with other keys.
    let Started { host, response, card } = start(&keys, Options::I70, &mut rng).expect("starts");
    assert!(matches!(host.on_response(&response, &other), Err(Error::WrongCardCryptogram)));
    // The card notices a host that only guesses.
    let guess = Command::new(0x84, 0x82, 0x33, 0).with_data([0; 16]);
    assert!(matches!(card.external_authenticate(&guess), Err(Error::WrongHostCryptogram)));
    // The right cryptogram with a wrong MAC, or for a level that was not asked for.
    for change in [15usize, 7] {
        let Started { host, response, card } = start(&keys, Options::I70, &mut rng).expect("starts");
        let (mut command, _) = host
            .on_response(&response, &keys)
            .and_then(|h| h.external_authenticate(SecurityLevel::Full))
            .expect("authenticates");
        command.data[change] ^= 1;
        let expected = if change == 15 { Error::WrongMac } else { Error::WrongHostCryptogram };
        assert_eq!(card.external_authenticate(&command).map(|_| ()), Err(expected));
    }
    let Started { host, response, card } = start(&keys, Options::I70, &mut rng).expect("starts");
    let (mut command, _) = host
        .on_response(&response, &keys)
        .and_then(|h| h.external_authenticate(SecurityLevel::Full))
        .expect("authenticates");
    command.p1 = SecurityLevel::Authenticated as u8;
    assert_eq!(card.external_authenticate(&command).map(|_| ()), Err(Error::WrongMac));
}

#[test]
fn steps_out_of_order_are_refused() {
    let mut rng = SeedRandom::new(b"order");
    let keys = KeySet::random(16, &mut rng).expect("a length");
    let started = |rng: &mut SeedRandom| start(&keys, Options::I70, rng).expect("starts");
    let refuse = |card: scp::Card, command: Command, expected| {
        assert_eq!(card.external_authenticate(&command).map(|_| ()), Err(expected));
    };
    refuse(started(&mut rng).card, Command::new(0x84, 0xE2, 0x33, 0), Error::NotSecured);
    refuse(started(&mut rng).card, Command::new(0x80, 0x82, 0x33, 0), Error::NotSecured);
    let external = |p1, p2, len| Command::new(0x84, 0x82, p1, p2).with_data(vec![0; len]);
    refuse(started(&mut rng).card, external(0x02, 0, 16), Error::WrongParameters);
    refuse(started(&mut rng).card, external(0x33, 1, 16), Error::WrongParameters);
    refuse(started(&mut rng).card, external(0x33, 0, 15), Error::Malformed);
    // A card that cannot secure responses does not promise it.
    let plain = Options { r_mac: false, r_encryption: false, ..Options::I70 };
    let Started { host, response, card } = start(&keys, plain, &mut rng).expect("starts");
    assert!(matches!(
        host.on_response(&response, &keys).and_then(|h| h.external_authenticate(SecurityLevel::Full)),
        Err(Error::Protocol)
    ));
    refuse(card, external(0x33, 0, 16), Error::WrongParameters);
    // INITIALIZE UPDATE itself.
    let wrong = Command::new(0x80, 0x50, 0x20, 0x01).with_data([0; 8]);
    assert_eq!(scp::Card::requested_key_version(&wrong), Err(Error::WrongParameters));
    let wrong = Command::new(0x80, 0x50, 0x20, 0x00).with_data([0; 9]);
    assert_eq!(scp::Card::requested_key_version(&wrong), Err(Error::Malformed));
}

#[test]
fn the_answer_to_initialize_update_is_read_strictly() {
    let mut rng = SeedRandom::new(b"answer");
    let keys = KeySet::random(16, &mut rng).expect("a length");
    for options in [Options::I60, Options::I61, Options::I70, Options::I71] {
        let response = start(&keys, options, &mut rng).expect("starts").response;
        let answer = InitializeUpdateResponse::parse(&response).expect("reads");
        assert_eq!((answer.options, answer.key_version), (options, 0x20));
        assert_eq!(answer.diversification_data, [7; 10]);
        assert_eq!(answer.sequence_counter, options.pseudo_random.then_some(5));
        for len in 0..response.data.len() {
            assert!(InitializeUpdateResponse::parse(&Response::ok(&response.data[..len])).is_err());
        }
        let mut long = response.data.clone();
        long.push(0);
        assert!(InitializeUpdateResponse::parse(&Response::ok(long)).is_err());
        let mut scp02 = response.data.clone();
        scp02[11] = 0x02;
        assert_eq!(InitializeUpdateResponse::parse(&Response::ok(scp02)), Err(Error::Protocol));
        let refused = Response::from(StatusWord::AUTHENTICATION_BLOCKED);
        assert_eq!(
            InitializeUpdateResponse::parse(&refused),
            Err(Error::Status(StatusWord::AUTHENTICATION_BLOCKED))
        );
    }
}

#[test]
fn a_card_that_answers_another_key_version_or_mode_is_refused() {
    let mut rng = SeedRandom::new(b"version");
    let keys = KeySet::random(16, &mut rng).expect("a length");
    let response = start(&keys, Options::I70, &mut rng).expect("starts").response;
    let (_, host) = scp::Host::initialize_update(0x31, &[0; 8]).expect("8 bytes");
    assert!(matches!(host.on_response(&response, &keys), Err(Error::Protocol)));
    let (_, host) = scp::Host::initialize_update(0x20, &[0; 16]).expect("16 bytes");
    assert!(matches!(host.on_response(&response, &keys), Err(Error::Protocol)));
    assert!(matches!(scp::Host::initialize_update(0x20, &[0; 9]), Err(Error::Length)));
}

#[test]
fn the_challenge_follows_counter_and_application() {
    let mut rng = SeedRandom::new(b"challenge");
    let keys = KeySet::random(16, &mut rng).expect("a length");
    let command = Command::new(0x80, 0x50, 0, 0).with_data([1; 8]);
    let answer = |sequence_counter, aid: &[u8]| {
        let challenge = scp::CardChallenge::PseudoRandom { sequence_counter, aid };
        scp::Card::initialize_update(&command, &keys, crate::DATA, Options::I70, challenge)
            .map(|(response, _)| response.data[13..21].to_vec())
    };
    assert_eq!(answer(1, &crate::ISD), answer(1, &crate::ISD));
    assert_ne!(answer(1, &crate::ISD), answer(2, &crate::ISD));
    assert_ne!(answer(1, &crate::ISD), answer(1, &crate::ISD[..7]));
    assert_eq!(answer(1 << 24, &crate::ISD), Err(Error::Length));
}

#[test]
fn other_channels_and_too_long_commands_are_not_wrapped() {
    let mut rng = SeedRandom::new(b"class");
    let keys = KeySet::random(16, &mut rng).expect("a length");
    let (mut host, mut card) = open(&keys, Options::I70, SecurityLevel::Full, &mut rng).expect("opens");
    for cla in [0x01, 0x04, 0x84, 0x40, 0x83] {
        assert_eq!(host.wrap(&Command::new(cla, 0xCA, 0, 0)), Err(Error::Class));
    }
    let long = Command::new(0x80, 0xE2, 0, 0).with_data(vec![0; 65_535]);
    assert_eq!(host.wrap(&long), Err(Error::Length));
    assert_eq!(card.unwrap(&Command::new(0x85, 0xCA, 0, 0)), Err(Error::Class));
}

#[test]
fn derived_keys_differ_by_card_purpose_and_master() {
    let master = SecretBytes::new(&[3; 32]);
    let keys = diversify(&master, b"chip 1").expect("derives");
    let same = diversify(&master, b"chip 1").expect("derives");
    let other = diversify(&master, b"chip 2").expect("derives");
    let stranger = diversify(&SecretBytes::new(&[4; 32]), b"chip 1").expect("derives");
    assert_eq!(keys.check_values(), same.check_values());
    let mut seen = std::collections::BTreeSet::new();
    for set in [&keys, &other, &stranger] {
        assert_eq!(set.key_len(), 32);
        for value in [&set.enc, &set.mac, &set.dek] {
            assert!(seen.insert(value.expose().to_vec()));
        }
    }
    assert!(diversify(&SecretBytes::new(&[3; 15]), b"chip 1").is_err());
    // The scheme is fixed for ever: cards in the field depend on it.
    assert_eq!(check_value(&keys.enc).map(hex::encode).as_deref(), Ok(ENC_CHECK_VALUE));
    assert_eq!(
        format!("{keys:?}"),
        "KeySet { enc: SecretBytes(..), mac: SecretBytes(..), dek: SecretBytes(..) }"
    );
}

// Computed with `openssl mac -cipher AES-256-CBC ... CMAC` and `openssl enc -aes-256-ecb`, not with this crate.
const ENC_CHECK_VALUE: &str = "68e18a";
