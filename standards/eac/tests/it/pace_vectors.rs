//! The worked examples of ICAO 9303-11 Appendix G.1 and of TR-03110, replayed through both state machines.

use apdu::{Command, Response};
use curve::{Curve, SecretKey};
use eac::pace::{Parameters, SetAuthenticationTemplate, terminal};
use eac::security_infos::SecurityInfo;
use eac::{Cipher, Password};

use crate::support::{PaceChip, Script, Vectors};

const BRAINPOOL_AES_128: Parameters = Parameters::generic(Curve::BrainpoolP256r1, Cipher::Aes128);

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

/// H.1 prints no APDUs and a key that belongs to no password: the chip gets the key itself, and the terminal's messages are
/// made from the printed values.
#[test]
fn appendix_h_1_integrated_mapping_chip_side() {
    let vectors = Vectors::read("icao-9303-11/appendix-h-1.txt");
    let parameters = Parameters::integrated(Curve::BrainpoolP256r1, Cipher::Aes128);
    let mut rng = Script::new(&[vectors.bytes("nonce"), vectors.bytes("chip_secret")]);
    let mut chip = PaceChip::new(&[parameters], vectors.secret("k_pi"));
    let template = SetAuthenticationTemplate {
        protocol: parameters.protocol(),
        password: 1,
        parameter_id: None,
        chat: None,
    };
    assert!(chip.process(&template.command(), &mut rng).sw.is_ok());
    let object = |tag, name: &str| tlv::encode(0x7C, &tlv::encode(tag, &vectors.bytes(name)));
    for (cla, sent, received) in [
        (0x10, vec![0x7C, 0x00], object(0x80, "encrypted_nonce")),
        (0x10, object(0x81, "terminal_nonce"), vec![0x7C, 0x02, 0x82, 0x00]),
        (0x10, object(0x83, "terminal_public"), object(0x84, "chip_public")),
        (0x00, object(0x85, "token_terminal"), object(0x86, "token_chip")),
    ] {
        let answer = chip.process(&Command::new(cla, 0x86, 0, 0).with_data(sent), &mut rng);
        assert_eq!(hex::encode(answer.data), hex::encode(received));
    }
    let mut channel = chip.session.expect("the token is right").sm;
    let mut terminal =
        eac::sm::Terminal::new(&vectors.secret("k_enc"), &vectors.secret("k_mac")).expect("keys");
    let command = Command::new(0, 0xA4, 2, 0x0C).with_data([0x01, 0x1E]);
    assert!(channel.unwrap(&terminal.wrap(&command).expect("wrapped")) == Ok(command));
}

/// The same values from the terminal's side: the nonce comes encrypted with the key of a password of ours.
#[test]
fn appendix_h_1_integrated_mapping_terminal_side() {
    let vectors = Vectors::read("icao-9303-11/appendix-h-1.txt");
    let parameters = Parameters::integrated(Curve::BrainpoolP256r1, Cipher::Aes128);
    let password = Password::can("471147");
    let key = password.key(Cipher::Aes128).expect("a key");
    let nonce = curve::aes::cbc_encrypt(key.expose(), &[0; 16], &vectors.bytes("nonce")).expect("a block");
    let mut rng = Script::new(&[vectors.bytes("terminal_nonce"), vectors.bytes("terminal_secret")]);
    let object = |tag, value: &[u8]| tlv::encode(0x7C, &tlv::encode(tag, value));
    let mut answers = vec![
        vec![],
        object(0x80, &nonce),
        object(0x82, &[]),
        object(0x84, &vectors.bytes("chip_public")),
        object(0x86, &vectors.bytes("token_chip")),
    ]
    .into_iter();
    let mut sent = Vec::new();
    let start = terminal::Start::new(parameters, &password).expect("start");
    let session = terminal::establish::<eac::Error>(start, &mut rng, |command| {
        sent.push(command.data.clone());
        Ok(Response::ok(answers.next().expect("five commands")))
    })
    .expect("the example succeeds");
    assert_eq!(sent[2], object(0x81, &vectors.bytes("terminal_nonce")));
    assert_eq!(sent[3], object(0x83, &vectors.bytes("terminal_public")));
    assert_eq!(sent[4], object(0x85, &vectors.bytes("token_terminal")));
    assert_channel(session.sm, &vectors);
}

#[test]
fn appendix_i_1_chip_authentication_mapping_both_sides_apdu_for_apdu() {
    let vectors = Vectors::read("icao-9303-11/appendix-i-1.txt");
    let parameters = Parameters::chip_authentication(Curve::BrainpoolP256r1, Cipher::Aes128);
    // The document number of the example has ten characters; the tenth stands in the optional data of the MRZ.
    let password = Password::mrz("C11T002JM", "960812", "231031");
    assert_eq!(password.key(Cipher::Aes128).expect("a key").expose(), vectors.bytes("k_pi"));
    let mut terminal_rng =
        Script::new(&[vectors.bytes("map_terminal_secret"), vectors.bytes("terminal_secret")]);
    let mut chip_rng = Script::new(&[
        vectors.bytes("nonce"),
        vectors.bytes("map_chip_secret"),
        vectors.bytes("chip_secret"),
    ]);
    let mut chip = PaceChip::new(&[parameters], vectors.secret("k_pi"));
    let static_key = SecretKey::from_bytes(parameters.curve, &vectors.bytes("chip_static_secret"));
    chip.chip_key = Some(static_key.expect("a scalar"));
    let mut exchanges = vectors.exchanges().into_iter();
    let start = terminal::Start::new(parameters, &password).expect("start").without_parameter_id();
    let session = terminal::establish::<eac::Error>(start, &mut terminal_rng, |command| {
        let (expected, response) = exchanges.next().expect("no more commands than in the example");
        assert_eq!(hex::encode(command.to_bytes()), hex::encode(expected));
        let answer = chip.process(command, &mut chip_rng);
        assert_eq!(hex::encode(answer.to_bytes()), hex::encode(response));
        Ok(answer)
    })
    .expect("the example succeeds");
    assert_eq!(exchanges.len(), 0);
    let info = SecurityInfo::parse(&vectors.bytes("public_key_info")).expect("a SecurityInfo");
    let proof = session.chip_proof.expect("a proof");
    assert_eq!(proof.verify_with_infos(std::slice::from_ref(&info)), Ok(()));
    assert_eq!(info.encode(), vectors.bytes("public_key_info"));
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
