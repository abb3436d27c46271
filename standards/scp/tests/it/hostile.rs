//! Arbitrary commands and responses: never a panic, never an open session without the keys.

use crate::{DATA, ISD, open};
use apdu::{Command, Response, StatusWord};
use curve::SeedRandom;
use proptest::prelude::*;
use scp::{Card, CardChallenge, Host, KeySet, Options, SecurityLevel};

fn command() -> impl Strategy<Value = Command> {
    let cla = prop_oneof![Just(0x80u8), Just(0x84), any::<u8>()];
    let ins = prop_oneof![Just(0x50u8), Just(0x82), Just(0xD8), any::<u8>()];
    let data = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        prop::collection::vec(any::<u8>(), 8),
        prop::collection::vec(any::<u8>(), 16),
    ];
    (cla, ins, any::<u8>(), prop_oneof![Just(0u8), any::<u8>()], data)
        .prop_map(|(cla, ins, p1, p2, data)| Command::new(cla, ins, p1, p2).with_data(data))
}

proptest! {
    #[test]
    fn a_stranger_never_opens_a_channel(commands in prop::collection::vec(command(), 1..6)) {
        let keys = KeySet::random(16, &mut SeedRandom::new(b"hostile")).expect("a length");
        let mut waiting = None;
        for (n, command) in commands.iter().enumerate() {
            if let Some(card) = waiting.take() {
                let card: Card = card;
                prop_assert!(card.external_authenticate(command).is_err());
            }
            let challenge = CardChallenge::PseudoRandom { sequence_counter: n as u32, aid: &ISD };
            if let Ok((_, card)) = Card::initialize_update(command, &keys, DATA, Options::I70, challenge) {
                waiting = Some(card);
            }
        }
    }

    #[test]
    fn nothing_a_stranger_sends_passes_an_open_channel(command in command(), level in 1usize..6) {
        let mut rng = SeedRandom::new(b"hostile");
        let keys = KeySet::random(16, &mut rng).expect("a length");
        let (_, mut card) = open(&keys, Options::I70, SecurityLevel::ALL[level], &mut rng).expect("opens");
        prop_assert!(card.unwrap(&command).is_err());
        prop_assert!(!card.is_open());
    }

    #[test]
    fn responses_never_panic(data in prop::collection::vec(any::<u8>(), 0..80), sw in any::<u16>()) {
        let mut rng = SeedRandom::new(b"hostile");
        let keys = KeySet::random(16, &mut rng).expect("a length");
        let response = Response::new(data, StatusWord(sw));
        let (_, host) = Host::initialize_update(0, &[1; 8]).expect("8 bytes");
        prop_assert!(host.on_response(&response, &keys).is_err());
        let (mut host, card) = open(&keys, Options::I70, SecurityLevel::Full, &mut rng).expect("opens");
        let _ = host.unwrap(&response);
        let _ = card.decrypt_key(&response.data);
        let _ = card.decrypt_key_set(&response.data);
    }
}
