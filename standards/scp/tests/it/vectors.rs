//! Published values.

use crate::{command, unhex};
use apdu::Response;
use scp::{Card, CardChallenge, CardData, Host, KeySet, Options, SecurityLevel, kdf_counter};
use std::collections::BTreeMap;

fn fields(block: &str) -> BTreeMap<&str, &str> {
    block.lines().filter(|l| !l.starts_with('#')).filter_map(|l| l.split_once(' ')).collect()
}

const PLAIN: [(&str, &str); 5] = [
    ("get_eid", "80E2910006BF3E035C015A00"),
    ("case_1", "80F22002"),
    ("case_2", "80CA006600"),
    ("case_3", "80F220020A4F0212345C054F9F70C5"),
    ("case_4", "80F28002024F0000"),
];
/// SGP.02 §2.2.3: AID of the ISD-R, the application that opened these channels.
const ISD_R: [u8; 16] = [0xA0, 0, 0, 0x05, 0x59, 0x10, 0x10, 0xFF, 0xFF, 0xFF, 0xFF, 0x89, 0, 0, 0x01, 0];
const EID: &str = "bf3e125a1089882119900000000000000000000005";

// Sessions that pySim's authors recorded with real cards: AES-128, 192 and 256, levels 11, 03 and 33.
#[test]
fn sessions_of_real_cards_on_both_sides() {
    let text = include_str!("../vectors/pysim/scp03.txt");
    let mut count = 0;
    for block in text.split("\nsession ").skip(1) {
        let v = fields(block);
        let keys = KeySet::new(&unhex(v["enc"]), &unhex(v["mac"]), &unhex(v["dek"])).expect("lengths");
        let initialize = command(v["initialize_update"]);
        let external = command(v["external_authenticate"]);
        let level = SecurityLevel::from_code(external.p1).expect("a level");

        // The host sends what the vector says.
        let (sent, host) = Host::initialize_update(initialize.p1, &initialize.data).expect("8 bytes");
        assert_eq!(sent, initialize);
        let answer = Response::ok(unhex(v["initialize_update_response"]));
        let host = host.on_response(&answer, &keys).expect("card cryptogram");
        assert_eq!(host.card().options, Options::I70);
        let counter = host.card().sequence_counter.expect("pseudo-random");
        assert!((1..=3).contains(&counter));
        let (sent, host) = host.external_authenticate(level).expect("allowed");
        assert_eq!(sent, external);
        let mut host = host.on_response(&Response::ok([])).expect("open");

        // The card answers and takes it.
        let data = CardData { diversification_data: [0; 10], key_version: initialize.p1 };
        let challenge = CardChallenge::PseudoRandom { sequence_counter: counter, aid: &ISD_R };
        let (response, card) =
            Card::initialize_update(&initialize, &keys, data, Options::I70, challenge).expect("answers");
        assert_eq!(response, answer);
        let mut card = card.external_authenticate(&external).expect("host cryptogram and MAC");

        for (name, plain) in PLAIN {
            let plain = command(plain);
            let secured = host.wrap(&plain).expect("wraps");
            assert_eq!(secured, command(v[name]), "{name}");
            assert_eq!(card.unwrap(&secured), Ok(plain), "{name}");
            if name == "get_eid" {
                let secured = card.wrap(Response::ok(unhex(EID)));
                assert_eq!(secured, Response::ok(unhex(v["get_eid_response"])));
                assert_eq!(host.unwrap(&secured), Ok(Response::ok(unhex(EID))));
            }
        }
        count += 1;
    }
    assert_eq!(count, 9);
}

#[test]
fn counter_mode_of_globalplatformpro() {
    let v = fields(include_str!("../vectors/globalplatformpro/kdf3.txt"));
    let derived = kdf_counter(&unhex(v["master"]), &[], &unhex(v["after"]), 32).expect("derives");
    assert_eq!(derived.expose(), unhex(v["derived"]));
}
