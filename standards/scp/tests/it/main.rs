//! Integration tests: sessions of real cards, both sides against each other, hostile input.

mod hostile;
mod put_key;
mod sessions;
mod vectors;

use apdu::{Command, Response};
use curve::{Random, SeedRandom};
use scp::{
    Card, CardChallenge, CardData, CardSession, Error, Host, HostSession, KeySet, Options, SecurityLevel,
};

/// AID of the issuer security domain.
const ISD: [u8; 8] = [0xA0, 0, 0, 0x01, 0x51, 0, 0, 0];
const DATA: CardData = CardData { diversification_data: [7; 10], key_version: 0x20 };

fn unhex(digits: &str) -> Vec<u8> {
    hex::decode(digits).expect("vector is hexadecimal")
}

fn command(digits: &str) -> Command {
    Command::parse(&unhex(digits)).expect("vector is a command")
}

/// An INITIALIZE UPDATE that the card has answered.
struct Started {
    host: Host,
    response: Response,
    card: Card,
}

fn start(keys: &KeySet, options: Options, rng: &mut SeedRandom) -> Result<Started, Error> {
    let mut challenge = vec![0; options.mode.len()];
    rng.fill(&mut challenge);
    let (command, host) = Host::initialize_update(0x20, &challenge)?;
    assert_eq!(Card::requested_key_version(&command), Ok(0x20));
    let challenge = if options.pseudo_random {
        CardChallenge::PseudoRandom { sequence_counter: 5, aid: &ISD }
    } else {
        CardChallenge::Random(rng)
    };
    let (response, card) = Card::initialize_update(&command, keys, DATA, options, challenge)?;
    Ok(Started { host, response, card })
}

/// An open channel, both ends.
fn open(
    keys: &KeySet,
    options: Options,
    level: SecurityLevel,
    rng: &mut SeedRandom,
) -> Result<(HostSession, CardSession), Error> {
    let Started { host, response, card } = start(keys, options, rng)?;
    let (command, host) = host.on_response(&response, keys)?.external_authenticate(level)?;
    let card = card.external_authenticate(&command)?;
    Ok((host.on_response(&Response::ok([]))?, card))
}
