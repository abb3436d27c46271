//! APDUs in plain words: complete for our card, the same on both sides of the channel, and without secrets.

use std::sync::{Arc, Mutex};

use apdu::{CardChannel, Command, Response, StatusWord};
use chip::files::{Directory, FILES};
use chip::{Application, Interface};
use curve::{Hash, SecretBytes, rsa};
use model::KeySlot;
use terminal::narrator::{Line, Narrator, Protection, status_words};
use terminal::npc_card::{NpcCard, NpcError};
use terminal::{Event, Traced, pin1};
use x509::Certificate;

use crate::ours::{OTHER_PIN2, PIN2, can, card, open, rng, secret};

type Lines = Arc<Mutex<Vec<Line>>>;

/// What a program does with the holder's card, and everything that was told of it, by the terminal and by the card.
fn session() -> (Vec<Line>, Vec<Line>, String) {
    let lines = Lines::default();
    let seen = Lines::default();
    let everything = Arc::new(Mutex::new(String::new()));
    let mut channel = open(&card("national"), Interface::Contact);
    let (mut narrator, told) = (Narrator::new(), Arc::clone(&seen));
    channel.chip().observe(move |exchange| {
        let protection = Protection::of(exchange.class);
        assert!(exchange.opened, "nothing is sealed for the card itself");
        let line = narrator.exchange(protection, exchange.command, exchange.response);
        told.lock().expect("nobody died").push(line);
    });
    let (collected, text) = (Arc::clone(&lines), Arc::clone(&everything));
    let traced = Traced::new(channel, move |event| {
        if let Event::Exchange { line, wire } = event {
            collected.lock().expect("nobody died").push(line.clone());
            let wire = wire.map(|(command, answer)| hex::encode_upper([command, answer].concat()));
            *text.lock().expect("nobody died") +=
                &format!("{line} {} {wire:?}\n", serde_json::to_string(line).expect("JSON"));
        }
    });
    let mut zone = NpcCard::open(traced, &can(), &mut rng("holder")).expect("the zone");
    assert_eq!(zone.sign_rsa(Hash::Sha256, b"text").err(), Some(NpcError::PinRequired));
    assert_eq!(zone.verify_pin2(&secret(b"99999999")).err(), Some(NpcError::WrongPin { tries_left: 2 }));
    zone.verify_pin2(&secret(PIN2)).expect("PIN2");
    zone.change_pin2(&secret(PIN2), &secret(OTHER_PIN2)).expect("changed");
    zone.verify_pin2(&secret(OTHER_PIN2)).expect("PIN2");
    let certificate = zone.certificate(KeySlot::EncryptionRsa.into()).expect("a certificate");
    let certificate = Certificate::parse(&certificate).expect("a certificate");
    let key = rsa::RsaPublicKey::from_spki(certificate.spki()).expect("RSA");
    let cryptogram = key.encrypt_pkcs1(b"a secret for the holder").expect("enciphered");
    assert_eq!(zone.decipher_rsa(&cryptogram).expect("deciphered").expose(), b"a secret for the holder");
    drop(zone);
    let (lines, seen) =
        (lines.lock().expect("nobody died").clone(), seen.lock().expect("nobody died").clone());
    let text = everything.lock().expect("nobody died").clone();
    (lines, seen, text)
}

#[test]
fn terminal_and_card_tell_the_same_story() {
    let (lines, seen, _) = session();
    assert_eq!(lines.len(), seen.len());
    for (line, seen) in lines.iter().zip(&seen) {
        assert_eq!(line, seen);
    }
}

#[test]
fn the_story_names_application_password_step_key_and_reason() {
    let (lines, ..) = session();
    let story: Vec<String> = lines.iter().map(ToString::to_string).collect();
    let mut rest = story.iter();
    for expected in [
        "SELECT the master file",
        "EF.ATR/INFO",
        "EF.CardAccess",
        "prepare PACE with the access number (CAN) (generic mapping, secp521r1, AES-256)",
        "PACE step 1 of 4 (the access number (CAN)): the encrypted nonce",
        "PACE step 2 of 4",
        "PACE step 3 of 4",
        "PACE step 4 of 4 (the access number (CAN)): tokens prove the password → 9000 done",
        "SM    SELECT 選取憑證區（SmartCard-HSM） → 9000 成功",
        "READ BINARY: read certificate 1",
        "SIGN with key 1 (RSA signature) (RSA) → 6982 security status not satisfied (PIN2 must be verified first",
        "VERIFY PIN2 (hidden) → 63C2 failed, 2 tries left (wrong PIN)",
        "VERIFY 驗證 PIN2（內容隱藏） → 9000 成功",
        "CHANGE REFERENCE DATA: change PIN2 (hidden) → 9000 done",
        "DECIPHER with key 2 (RSA decipherment) (RSA, the result is hidden) → 9000 done",
    ] {
        assert!(rest.any(|line| line.contains(expected)), "{expected} in {story:#?}");
    }
}

// The trace may be pasted into a report: nothing of it opens anything.
#[test]
fn no_secret_is_told() {
    let (.., text) = session();
    for secret in [PIN2, OTHER_PIN2, b"99999999", b"a secret for the holder"] {
        let plain = String::from_utf8_lossy(secret).into_owned();
        let hex = hex::encode_upper(secret);
        assert!(!text.contains(&plain) && !text.contains(&hex), "{plain}");
    }
    // Where PINs travel not even their length is told.
    let verify = text.lines().find(|line| line.contains("VERIFY PIN2 (hidden)")).expect("told");
    assert!(!verify.contains("bytes"), "{verify}");
}

#[test]
fn in_the_clear_pins_and_results_are_not_shown() {
    let everything = Arc::new(Mutex::new(String::new()));
    let text = Arc::clone(&everything);
    let traced = Traced::new(open(&card("interop"), Interface::Contact), move |event| {
        if let Event::Exchange { line, wire } = event {
            *text.lock().expect("nobody died") += &format!("{line} {wire:02X?}\n");
        }
    });
    let mut zone = NpcCard::open_in_clear(traced).expect("the zone");
    zone.verify_pin2(&secret(PIN2)).expect("PIN2");
    zone.sign_ec(Hash::Sha512, b"text").expect("signed");
    drop(zone);
    let text = everything.lock().expect("nobody died").clone();
    let line = |what: &str| text.lines().find(|line| line.contains(what)).expect("told").to_owned();
    assert!(line("SELECT certificate zone").contains("Some("));
    for hidden in ["VERIFY PIN2", "SIGN with key 3", "READ BINARY: read certificate 3"] {
        assert!(line(hidden).ends_with("None"), "{hidden}: {}", line(hidden));
    }
}

#[test]
fn every_instruction_of_the_card_has_words() {
    let mut channel = open(&card("interop"), Interface::Contact);
    let mut known = 0;
    for class in [0x00, 0x80] {
        for ins in 0..=0xFF {
            let command = Command::new(class, ins, 0, 0);
            let response = channel.exchange(&command).expect("answered");
            let told = Narrator::new().exchange(Protection::None, &command, &response);
            if !matches!(response.sw, StatusWord::INS_NOT_SUPPORTED | StatusWord::CLA_NOT_SUPPORTED) {
                known += 1;
                assert!(!told.action.en.contains("unknown instruction"), "{class:02X} {ins:02X}: {told}");
            }
            assert_ne!(told.answer.en, "another status", "{told}");
        }
    }
    assert!(known >= 22, "{known}");
}

#[test]
fn every_application_and_file_of_the_card_has_a_name() {
    let done = Response::ok([]);
    for application in Application::ALL {
        let mut narrator = Narrator::new();
        let select = terminal::commands::select_application(application.aid());
        let told = narrator.exchange(Protection::None, &select, &done);
        assert!(!told.action.en.contains("application "), "{told}");
        let files = Directory::of(application).into_iter();
        for file in files.flat_map(|directory| FILES.iter().filter(move |f| f.directory == directory)) {
            let told = narrator.exchange(Protection::None, &terminal::commands::select_file(file.fid), &done);
            assert!(!told.action.en.contains("SELECT file "), "{}: {told}", file.name);
            if let Some(sfi) = file.sfi {
                let named = told.action.en.strip_prefix("SELECT ").expect("a selection");
                let read = terminal::commands::read_binary_short_id(sfi, 0, 256);
                let told = narrator.exchange(Protection::None, &read, &done);
                assert_eq!(told.action.en, format!("READ BINARY: read {named}"), "{}", file.name);
            }
        }
    }
}

#[test]
fn a_plain_command_in_a_channel_is_told_as_its_end() {
    let (done, read) = (Response::ok([]), terminal::commands::read_binary_short_id(0x1E, 0, 256));
    let mut narrator = Narrator::new();
    assert!(!narrator.exchange(Protection::None, &read, &done).action.en.contains("ends"));
    narrator.exchange(Protection::SecureMessaging, &read, &done);
    assert!(narrator.exchange(Protection::None, &read, &done).action.en.contains("ends the secure channel"));
    assert!(!narrator.exchange(Protection::None, &read, &done).action.en.contains("ends"));
}

#[test]
fn the_state_of_pin1_is_told_without_a_try() {
    for (sw, words) in [
        (0x9000, "three tries"),
        (0x63C2, "2 tries"),
        (0x63C1, "suspended"),
        (0x63C0, "blocked"),
        (0x6283, "not set"),
    ] {
        let command = Command::new(0, 0x22, 0xC1, 0xA4)
            .with_data([0x80, 0x0A, 4, 0, 0x7F, 0, 7, 2, 2, 4, 2, 4, 0x83, 1, 3, 0x84, 1, 18]);
        let told = Narrator::new().exchange(Protection::None, &command, &Response::from(StatusWord(sw)));
        assert!(told.answer.en.contains(words), "{told}");
        assert!(told.action.en.contains("PIN1 (generic mapping, secp521r1"), "{told}");
    }
}

#[test]
fn bytes_that_mean_nothing_are_told_without_a_panic() {
    let mut narrator = Narrator::new();
    let mut random = rng("noise");
    for _ in 0..20_000 {
        let mut bytes = [0; 24];
        curve::Random::fill(&mut random, &mut bytes);
        let length = usize::from(bytes[0] % 16);
        let command =
            Command::new(bytes[1] & 0x8F, bytes[2], bytes[3], bytes[4]).with_data(&bytes[5..5 + length]);
        let sw = StatusWord(u16::from_be_bytes([0x60 | bytes[22] & 0x0F, bytes[23]]));
        let response = Response::new(&bytes[6..6 + length], sw);
        let protection = Protection::of(bytes[1]);
        let line = narrator.exchange(protection, &command, &response).to_string();
        assert!(line.contains(" | ") && !line.contains('\n'));
        narrator.sealed(protection, &command, &response);
    }
    assert_eq!(status_words(StatusWord(0x63C3)).en, "failed, 3 tries left");
}

// proves: CARD-30, CARD-51
#[test]
fn pin1_is_changed_by_whoever_knows_it() {
    let flash = card("national");
    let mut reader = terminal::Card::new(open(&flash, Interface::Contact));
    reader.connect().expect("a card");
    let parameters = reader.pace_parameters().expect("offered");
    // Not set: the card is as delivered to its holder.
    assert_eq!(pin1::status(&mut reader, parameters), Ok(pin1::Pin1Status::NotSet));
    let number = can();
    let (old, new) = (SecretBytes::new(b"135790"), SecretBytes::new(b"975310"));
    let mut change = |old: &SecretBytes, new: &SecretBytes, can| {
        reader.connect().expect("a card");
        pin1::change(&mut reader, parameters, old, new, can, &mut rng("holder"))
    };
    let refusal = |result: Result<(), pin1::Pin1Error>| result.map_err(|error| error.refusal().code());
    assert_eq!(refusal(change(&old, &new, None)), Err("TERMINAL-E-PIN1-NOT-SET"));
    drop(reader);
    crate::ours::set_pin1(&flash, &old);

    let mut reader = terminal::Card::new(open(&flash, Interface::Contact));
    let mut change = |old: &SecretBytes, new: &SecretBytes, can| {
        reader.connect().expect("a card");
        pin1::change(&mut reader, parameters, old, new, can, &mut rng("holder"))
    };
    for form in [&b""[..], b"12345", b"1234567", b"12345a"] {
        assert_eq!(refusal(change(&old, &SecretBytes::new(form), None)), Err("TERMINAL-E-PIN1-FORM"));
        assert_eq!(refusal(change(&SecretBytes::new(form), &new, None)), Err("TERMINAL-E-PIN1-FORM"));
    }
    assert_eq!(change(&old, &new, None), Ok(()));
    assert_eq!(change(&old, &new, None), Err(pin1::Pin1Error::Wrong { tries_left: 2 }));
    assert_eq!(change(&old, &new, None), Err(pin1::Pin1Error::Wrong { tries_left: 1 }));
    // Suspended: nothing is sent without the access number, so the last try is not lost.
    assert_eq!(refusal(change(&new, &old, None)), Err("TERMINAL-E-PIN1-SUSPENDED"));
    assert_eq!(refusal(change(&new, &old, None)), Err("TERMINAL-E-PIN1-SUSPENDED"));
    assert_eq!(change(&new, &old, Some(&number)), Ok(()));
    // Down to blocked.
    for _ in 0..2 {
        change(&new, &old, None).expect_err("wrong");
    }
    assert_eq!(refusal(change(&new, &old, Some(&number))), Err("TERMINAL-E-PIN1-BLOCKED"));
    assert_eq!(refusal(change(&old, &new, Some(&number))), Err("TERMINAL-E-PIN1-BLOCKED"));
    reader.connect().expect("a card");
    assert_eq!(pin1::status(&mut reader, parameters), Ok(pin1::Pin1Status::Blocked));
    // Absent for whoever passes by.
    let mut contactless = terminal::Card::new(open(&flash, Interface::Contactless));
    contactless.connect().expect("a card");
    assert_eq!(pin1::status(&mut contactless, parameters), Ok(pin1::Pin1Status::Absent));
}
