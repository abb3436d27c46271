//! SCP03 of both sides.

use crate::standards::pieces;
use ::scp::{Card, CardChallenge, CardData, Host, InitializeUpdateResponse, KeySet, Options};
use apdu::{Command, Response};

fn keys() -> KeySet {
    KeySet::new(&[1; 16], &[2; 16], &[3; 16]).expect("three keys")
}

/// The pieces of the input are the commands of a host that does not know the keys.
pub(crate) fn card(data: &[u8]) {
    let identity = CardData { diversification_data: [0; 10], key_version: 0x20 };
    let mut waiting: Option<Card> = None;
    for (n, piece) in pieces(data, 60).enumerate() {
        let Ok(command) = Command::parse(piece) else { continue };
        if let Some(card) = waiting.take() {
            assert!(card.external_authenticate(&command).is_err(), "a stranger has opened a channel");
        }
        let challenge = CardChallenge::PseudoRandom { sequence_counter: n as u32, aid: b"fuzz" };
        if let Ok((response, card)) =
            Card::initialize_update(&command, &keys(), identity, Options::I70, challenge)
        {
            InitializeUpdateResponse::parse(&response).expect("own answer");
            waiting = Some(card);
        }
    }
}

/// The input is the response of a card that does not know the keys.
pub(crate) fn host(data: &[u8]) {
    let Some(response) = Response::parse(data) else { return };
    for challenge in [&[0; 8][..], &[0; 16]] {
        let (_, host) = Host::initialize_update(0, challenge).expect("a challenge");
        assert!(host.on_response(&response, &keys()).is_err(), "a stranger has passed for a card");
    }
}
