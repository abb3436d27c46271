//! Secure messaging: a recorded session, both sides against each other, and what ends a session.

use apdu::{Command, Response, StatusWord};
use curve::SecretBytes;
use eac::sm::{Chip, SmError, Terminal, max_plain_response};
use proptest::prelude::*;

use crate::support::Vectors;

fn pair(len: usize) -> (Terminal, Chip) {
    let (enc, mac) = (SecretBytes::from(vec![0x11; len]), SecretBytes::from(vec![0x22; len]));
    (Terminal::new(&enc, &mac).expect("keys"), Chip::new(&enc, &mac).expect("keys"))
}

#[test]
fn a_recorded_session_from_both_ends() {
    let vectors = Vectors::read("recorded/aes-128-session.txt");
    let keys = (vectors.secret("k_enc"), vectors.secret("k_mac"));
    let mut terminal = Terminal::new(&keys.0, &keys.1).expect("keys");
    let mut chip = Chip::new(&keys.0, &keys.1).expect("keys");
    let mut file = Vec::new();
    let exchanges = vectors.exchanges();
    assert_eq!(exchanges.len(), 11);
    for (i, (command, response)) in exchanges.iter().enumerate() {
        let wrapped = Command::parse(command).expect("a command");
        let plain = chip.unwrap(&wrapped).expect("the chip accepts the recorded command");
        let (data, le) = match i {
            // The SELECT of the recording asks for response data although P2 says none.
            0 => (vec![0x01, 0x1D], None),
            1 => (vec![], Some(4)),
            10 => (vec![], Some(0x4A)),
            _ => (vec![], Some(0xDF)),
        };
        assert_eq!((plain.header()[0], plain.data.clone()), (0, data));
        if i > 0 {
            assert_eq!(plain.p1 as usize * 256 + plain.p2 as usize, file.len());
        }
        assert!(plain.le == le || plain.le == Some(256), "command {i}");
        assert_eq!(hex::encode(terminal.wrap(&plain).expect("wrapped").to_bytes()), hex::encode(command));
        let recorded = Response::parse(response).expect("a response");
        let opened = terminal.unwrap(&recorded).expect("the terminal accepts the recorded response");
        file.extend_from_slice(&opened.data);
        assert_eq!(hex::encode(chip.wrap(&opened).to_bytes()), hex::encode(response));
    }
    // The file is EF.CardSecurity: one SEQUENCE that begins with id-signedData.
    let signed_data =
        tlv::expect(&file, 0x30).expect("whole").children().next().expect("a type").expect("DER");
    assert_eq!(signed_data.value, tlv::oid::CMS_SIGNED_DATA.as_bytes());
}

#[test]
fn a_plain_command_ends_the_session() {
    let (mut terminal, mut chip) = pair(32);
    let plain = Command::new(0, 0x22, 0xC1, 0xA4);
    assert_eq!(chip.unwrap(&plain).err(), Some(SmError::Plain(StatusWord::SM_DATA_MISSING)));
    assert_eq!(SmError::Plain(StatusWord::OK).status_word(), StatusWord::SM_DATA_MISSING);
    assert!(!chip.is_open());
    // Not even a well-protected command opens it again, and answers go out bare.
    let wrapped = terminal.wrap(&plain).expect("wrapped");
    assert_eq!(chip.unwrap(&wrapped).err(), Some(SmError::Ended));
    assert!(chip.wrap(&StatusWord::SM_DATA_MISSING.into()) == Response::from(StatusWord::SM_DATA_MISSING));
}

#[test]
fn a_bare_status_word_ends_the_terminals_session() {
    let (mut terminal, _) = pair(16);
    terminal.wrap(&Command::new(0, 0xB0, 0, 0).with_le(256)).expect("wrapped");
    let answer = Response::from(StatusWord::SM_DATA_INCORRECT);
    assert_eq!(terminal.unwrap(&answer).err(), Some(SmError::Plain(StatusWord::SM_DATA_INCORRECT)));
    assert!(!terminal.is_open());
    assert_eq!(terminal.wrap(&Command::new(0, 0xB0, 0, 0)).err(), Some(SmError::Ended));
}

#[test]
fn missing_and_wrong_objects_are_told_apart() {
    let mac = tlv::encode(0x8E, &[0; 8]);
    for (data, error) in [
        (vec![], SmError::DataMissing),
        (tlv::encode(0x97, &[0]), SmError::DataMissing),
        (mac.clone(), SmError::DataIncorrect),
        ([tlv::encode(0x97, &[0]), tlv::encode(0x97, &[0]), mac.clone()].concat(), SmError::DataIncorrect),
        ([mac.clone(), tlv::encode(0x97, &[0])].concat(), SmError::DataIncorrect),
        ([tlv::encode(0x81, &[0]), mac.clone()].concat(), SmError::DataIncorrect),
        ([tlv::encode(0x87, &[0x02; 17]), mac.clone()].concat(), SmError::DataIncorrect),
        (vec![0x87, 0x20, 0x01], SmError::DataIncorrect),
    ] {
        let (_, mut chip) = pair(16);
        let command = Command::new(0x0C, 0xB0, 0, 0).with_data(data).with_le(256);
        assert_eq!(chip.unwrap(&command).err(), Some(error));
    }
}

#[test]
fn replayed_reordered_and_dropped_messages_are_refused() {
    let read = |offset: u8| Command::new(0, 0xB0, 0, offset).with_le(16);
    // Replay.
    let (mut terminal, mut chip) = pair(32);
    let first = terminal.wrap(&read(0)).expect("wrapped");
    assert!(chip.unwrap(&first).is_ok());
    let answer = chip.wrap(&Response::ok([1; 16]));
    assert_eq!(chip.unwrap(&first).err(), Some(SmError::DataIncorrect));
    assert!(terminal.unwrap(&answer).is_ok());
    terminal.wrap(&read(16)).expect("wrapped");
    assert_eq!(terminal.unwrap(&answer).err(), Some(SmError::DataIncorrect));
    // A command lost on the way.
    let (mut terminal, mut chip) = pair(32);
    terminal.wrap(&read(0)).expect("wrapped");
    let second = terminal.wrap(&read(16)).expect("wrapped");
    assert_eq!(chip.unwrap(&second).err(), Some(SmError::DataIncorrect));
    // A command sent back as if it were a response.
    let (mut terminal, _) = pair(32);
    let command = terminal.wrap(&read(0)).expect("wrapped");
    assert!(terminal.unwrap(&Response::ok(command.data)).is_err());
}

#[test]
fn the_outer_status_word_must_agree() {
    let (mut terminal, mut chip) = pair(16);
    let command = terminal.wrap(&Command::new(0, 0x20, 0, 0x81)).expect("wrapped");
    chip.unwrap(&command).expect("opened");
    let mut answer = chip.wrap(&StatusWord::tries_left(2).into());
    answer.sw = StatusWord::OK;
    assert_eq!(terminal.unwrap(&answer).err(), Some(SmError::DataIncorrect));
}

#[test]
fn the_size_of_a_protected_response_is_foreseen() {
    for limit in [0, 16, 32, 47, 48, 100, 143, 144, 145, 255, 256, 257, 1000, 8190, 65_535] {
        let plain = max_plain_response(limit);
        let len = |plain: usize| {
            let (mut terminal, mut chip) = pair(16);
            let command = terminal.wrap(&Command::new(0, 0xB0, 0, 0).with_le(65_536)).expect("wrapped");
            chip.unwrap(&command).expect("opened");
            chip.wrap(&Response::ok(vec![7; plain])).data.len()
        };
        if plain > 0 {
            assert!(len(plain) <= limit, "{plain} bytes need {} > {limit}", len(plain));
        }
        if limit >= 48 {
            assert!(plain > 0 && len(plain + 17) > limit, "{limit}: {plain} is too careful");
        }
    }
    assert_eq!(max_plain_response(256), 223);
}

fn command() -> impl Strategy<Value = Command> {
    let le = prop_oneof![Just(None), (1u32..=65_536).prop_map(Some), Just(Some(256)), Just(Some(65_536))];
    let data = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        prop::collection::vec(any::<u8>(), 200..300),
        prop::collection::vec(any::<u8>(), 0..3000),
    ];
    (prop::sample::select(vec![0x00u8, 0x10, 0x80]), any::<[u8; 3]>(), data, le, any::<bool>()).prop_map(
        |(cla, [ins, p1, p2], data, le, extended)| {
            let mut command = Command::new(cla, ins, p1, p2).with_data(data);
            command.le = le;
            command.extended = extended || command.is_extended();
            command
        },
    )
}

proptest! {
    #[test]
    fn what_is_wrapped_is_unwrapped(
        exchanges in prop::collection::vec((command(), prop::collection::vec(any::<u8>(), 0..2000), any::<u16>()), 1..6),
        key_len in prop::sample::select(vec![16usize, 24, 32]),
    ) {
        let (mut terminal, mut chip) = pair(key_len);
        for (command, data, sw) in exchanges {
            let wrapped = terminal.wrap(&command).expect("open");
            let wrapped = Command::parse(&wrapped.to_bytes()).expect("well formed");
            let opened = chip.unwrap(&wrapped).expect("untouched");
            prop_assert_eq!(opened.header(), command.header());
            prop_assert!(opened.data == command.data);
            prop_assert_eq!(opened.le, command.le);
            let response = Response::new(data, StatusWord(sw));
            let opened = terminal.unwrap(&chip.wrap(&response)).expect("untouched");
            prop_assert!(opened == response);
        }
    }

    #[test]
    fn the_plain_text_is_never_on_the_wire(text in prop::collection::vec(any::<u8>(), 12..100)) {
        let (mut terminal, mut chip) = pair(32);
        let shown = |bytes: &[u8]| bytes.windows(12).any(|window| window == &text[..12]);
        let wrapped = terminal.wrap(&Command::new(0, 0x20, 0, 0x81).with_data(text.clone())).expect("open");
        prop_assert!(!shown(&wrapped.data));
        chip.unwrap(&wrapped).expect("untouched");
        prop_assert!(!shown(&chip.wrap(&Response::ok(text.clone())).data));
    }

    #[test]
    fn a_changed_bit_of_a_command_ends_the_session(command in command(), position in any::<prop::sample::Index>(), bit in 0u8..8) {
        let (mut terminal, mut chip) = pair(16);
        let mut bytes = terminal.wrap(&command).expect("open").to_bytes();
        // The outer Le is outside of the checksum: 00, or 00 00 in an extended command.
        let tail = if bytes[4] == 0 { 2 } else { 1 };
        let position = position.index(bytes.len() - tail);
        bytes[position] ^= 1 << bit;
        if let Ok(changed) = Command::parse(&bytes) {
            prop_assert!(chip.unwrap(&changed).is_err(), "byte {}", position);
            prop_assert!(!chip.is_open());
        }
    }

    #[test]
    fn a_changed_bit_of_a_response_ends_the_session(data in prop::collection::vec(any::<u8>(), 0..300), position in any::<prop::sample::Index>(), bit in 0u8..8) {
        let (mut terminal, mut chip) = pair(24);
        chip.unwrap(&terminal.wrap(&Command::new(0, 0xB0, 0, 0).with_le(256)).expect("open")).expect("untouched");
        let mut bytes = chip.wrap(&Response::ok(data)).to_bytes();
        let position = position.index(bytes.len());
        bytes[position] ^= 1 << bit;
        prop_assert!(terminal.unwrap(&Response::parse(&bytes).expect("a response")).is_err());
        prop_assert!(!terminal.is_open());
    }

    #[test]
    fn arbitrary_messages_never_panic(data in prop::collection::vec(any::<u8>(), 0..120), header in any::<[u8; 3]>()) {
        let (mut terminal, mut chip) = pair(16);
        let command = Command::new(0x0C, header[0], header[1], header[2]).with_data(data.clone());
        prop_assert!(chip.unwrap(&command).is_err());
        prop_assert!(terminal.unwrap(&Response::ok(data)).is_err());
    }
}
