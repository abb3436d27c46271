//! The worked examples of ICAO 9303-11 Appendix G.1 and of TR-03110, replayed through both state machines.

use apdu::{Command, Response};
use curve::Curve;
use eac::pace::{Parameters, terminal};
use eac::{Cipher, Password};

use crate::support::{PaceChip, Script, Vectors};

const BRAINPOOL_AES_128: Parameters = Parameters { curve: Curve::BrainpoolP256r1, cipher: Cipher::Aes128 };

#[test]
fn appendix_g_1_terminal_side_apdu_for_apdu() {
    let vectors = Vectors::read("icao-9303-11/appendix-g-1.txt");
    let mut exchanges = vectors.exchanges().into_iter();
    let mut rng = Script::new(&[vectors.bytes("map_terminal_secret"), vectors.bytes("terminal_secret")]);
    let password = Password::mrz("T22000129", "640812", "101031");
    let start = terminal::Start::new(BRAINPOOL_AES_128, &password).expect("start").without_parameter_id();
    let session = terminal::establish::<eac::Error>(start, &mut rng, |command| {
        let (expected, response) = exchanges.next().expect("no more commands than in the example");
        assert_eq!(hex::encode(command.to_bytes()), hex::encode(expected));
        Ok(Response::parse(&response).expect("a response"))
    })
    .expect("the example succeeds");
    assert_eq!(exchanges.len(), 0);
    assert_eq!(session.id_picc, vectors.bytes("chip_public")[1..33]);
    assert_channel(session.sm, &vectors);
}

#[test]
fn tr_03110_both_sides() {
    let vectors = Vectors::read("tr-03110/pace-ecdh.txt");
    let password = Password::pin(b"123456");
    let mut terminal_rng =
        Script::new(&[vectors.bytes("map_terminal_secret"), vectors.bytes("terminal_secret")]);
    let mut chip_rng = Script::new(&[
        vectors.bytes("nonce"),
        vectors.bytes("map_chip_secret"),
        vectors.bytes("chip_secret"),
    ]);
    let mut chip = PaceChip::new(&[BRAINPOOL_AES_128], password.key(Cipher::Aes128).expect("a key"));
    let (mut sent, mut received) = (Vec::new(), Vec::new());
    let start = terminal::Start::new(BRAINPOOL_AES_128, &password).expect("start");
    let session = terminal::establish::<eac::Error>(start, &mut terminal_rng, |command: &Command| {
        let response = chip.process(command, &mut chip_rng);
        sent.push(command.data.clone());
        received.push(response.data.clone());
        Ok(response)
    })
    .expect("the example succeeds");
    for (data, tag, name) in [
        (&received[1], 0x80, "encrypted_nonce"),
        (&sent[2], 0x81, "map_terminal_public"),
        (&received[2], 0x82, "map_chip_public"),
        (&sent[3], 0x83, "terminal_public"),
        (&received[3], 0x84, "chip_public"),
        (&sent[4], 0x85, "token_terminal"),
        (&received[4], 0x86, "token_chip"),
    ] {
        let expected = tlv::encode(0x7C, &tlv::encode(tag, &vectors.bytes(name)));
        assert_eq!(hex::encode(data), hex::encode(expected), "{name}");
    }
    assert_channel(session.sm, &vectors);
}

/// The channel must have the keys of the example: compared through what it sends.
fn assert_channel(mut channel: eac::sm::Terminal, vectors: &Vectors) {
    let mut expected =
        eac::sm::Terminal::new(&vectors.secret("k_enc"), &vectors.secret("k_mac")).expect("keys");
    let command = Command::new(0, 0xA4, 2, 0x0C).with_data([0x01, 0x1E]).with_le(256);
    assert!(channel.wrap(&command) == expected.wrap(&command));
}

#[test]
fn tr_03110_secure_messaging_values() {
    let vectors = Vectors::read("tr-03110/pace-ecdh.txt");
    let keys = (vectors.secret("k_enc"), vectors.secret("k_mac"));
    let mut terminal = eac::sm::Terminal::new(&keys.0, &keys.1).expect("keys");
    let mut chip = eac::sm::Chip::new(&keys.0, &keys.1).expect("keys");
    // MSE:Set DST with the certification authority reference, as the first protected command.
    let command = Command::new(0, 0x22, 0x81, 0xB6).with_data(vectors.bytes("sm_plain"));
    let wrapped = terminal.wrap(&command).expect("wrapped");
    let cryptogram = tlv::find(&wrapped.data, 0x87).expect("a cryptogram").value;
    assert_eq!(cryptogram[1..], vectors.bytes("sm_cryptogram"));
    assert!(chip.unwrap(&wrapped) == Ok(command));
    let response = chip.wrap(&Response::ok([]));
    let mac = [vectors.bytes("sm_mac_input"), tlv::encode(0x8E, &vectors.bytes("sm_mac"))].concat();
    assert_eq!(response.data, mac);
    assert!(terminal.unwrap(&response) == Ok(Response::ok([])));
}
