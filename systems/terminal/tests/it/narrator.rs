//! APDUs in plain words: complete for our card, the same on both sides of the channel, and without secrets.

use std::sync::{Arc, Mutex};

use apdu::{CardChannel, Command, Response, StatusWord};
use chip::files::{Directory, FILES};
use chip::{Application, Interface};
use curve::{Hash, SecretBytes, rsa};
use eac::auxiliary_data::{self, AuxiliaryData};
use eac::chip_authentication::SetAuthenticationTemplate as ChipTemplate;
use eac::cvc::{Rights, UpdateRights};
use eac::restricted_identification;
use eac::terminal_authentication::set_dst;
use model::KeySlot;
use terminal::eid::{Grant, Session};
use terminal::narrator::{Line, Narrator, Protection, status_words};
use terminal::npc_card::{NpcCard, NpcError};
use terminal::{Event, Traced, pin1};
use x509::Certificate;

use crate::country::{COUNTRY, now};
use crate::eid;
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

/// Why the last of these commands was refused, in English, as somebody is told who saw all of them.
fn told(before: &[Command], protection: Protection, command: &Command, sw: u16) -> Line {
    let mut narrator = Narrator::new();
    for command in before {
        narrator.exchange(protection, command, &Response::ok([]));
    }
    narrator.exchange(protection, command, &Response::from(StatusWord(sw)))
}

// One status word, another reason for each command and protocol: the documented pairs of docs/card-commands.md.
#[test]
fn a_refusal_is_told_by_command_protocol_and_protection() {
    use Protection::{None as Clear, Scp03, SecureMessaging as Channel};
    let command = |cla, ins, p1, p2| Command::new(cla, ins, p1, p2);
    let select = |aid: &[u8]| terminal::commands::select_application(aid);
    let nothing: &[Command] = &[];
    let dst = set_dst(&"XXCVCA00001".parse().expect("a reference"));
    let set_ta = command(0, 0x22, 0x81, 0xA4).with_data(tlv::encode(0x83, b"XXTERM00001"));
    let chip = ChipTemplate { protocol: tlv::oid::CA_ECDH_AES_CBC_CMAC_256, key_id: None }.command();
    let sector = restricted_identification::set_at(Hash::Sha256, 1).expect("a command");
    let pace = |data: &[u8]| command(0, 0x22, 0xC1, 0xA4).with_data(data);
    let can = [0x80, 0x0A, 4, 0, 0x7F, 0, 7, 2, 2, 4, 2, 4, 0x83, 1, 2, 0x84, 1, 18];
    let general = command(0, 0x86, 0, 0).with_data([0x7C, 0]);
    let token = command(0, 0x86, 0, 0).with_data([0x7C, 2, 0x85, 0]);
    let certificate = command(0, 0x2A, 0, 0xBE).with_data(
        [
            tlv::encode(
                0x7F4E,
                &[tlv::encode(0x42, b"XXDVCA00001"), tlv::encode(0x5F20, b"XXTERM00001")].concat(),
            ),
            tlv::encode(0x5F37, &[0; 8]),
        ]
        .concat(),
    );
    let external = command(0, 0x82, 0, 0);
    let age = auxiliary_data::verify_command(tlv::oid::AUXILIARY_DATE_OF_BIRTH);
    let place = auxiliary_data::verify_command(tlv::oid::AUXILIARY_MUNICIPALITY);
    let valid = auxiliary_data::verify_command(tlv::oid::AUXILIARY_DATE_OF_EXPIRY);
    let (store, commit, receipt) =
        (command(0x80, 0xE2, 0x80, 0), command(0x80, 0x34, 0, 0), command(0x80, 0x34, 0, 1));
    let reset = |p1, p2| command(0, 0x2C, p1, p2);
    let (ta, ca, ri) = (&[set_ta.clone()][..], &[chip.clone()][..], &[sector.clone()][..]);
    let announced = &[pace(&can)][..];
    let public = &[select(terminal::commands::AID_PUBLIC)][..];
    type Case<'a> = (&'a [Command], Protection, &'a Command, u16, &'a str);
    let cases: &[Case<'_>] = &[
        // PACE.
        (nothing, Clear, &pace(&can), 0x6A88, "no such password"),
        (nothing, Clear, &pace(&can), 0x6A80, "does not offer these parameters"),
        (nothing, Clear, &pace(b"?"), 0x6A80, "the data of the command are malformed"),
        (announced, Clear, &general, 0x6985, "not prepared by MSE"),
        (announced, Clear, &general, 0x6A80, "no point of the curve"),
        (announced, Clear, &token, 0x6300, "the access number (CAN) is wrong"),
        (nothing, Clear, &general, 0x6985, "not prepared by MSE"),
        // Terminal Authentication.
        (nothing, Channel, &dst, 0x6A88, "XXCVCA00001 is neither a trust point of the card nor"),
        (nothing, Channel, &dst, 0x6982, "whose PACE announced a terminal"),
        (nothing, Clear, &dst, 0x6A81, "contact interface only"),
        (nothing, Channel, &dst, 0x6A80, "the data of the command are malformed"),
        (
            nothing,
            Channel,
            &certificate,
            0x6300,
            "the certificate of XXTERM00001 was not accepted: not signed by XXDVCA00001, expired, or of a role that XXDVCA00001 cannot give",
        ),
        (nothing, Channel, &certificate, 0x6A80, "the certificate is malformed"),
        (nothing, Channel, &certificate, 0x6A88, "another issuer than MSE:Set DST"),
        (nothing, Channel, &certificate, 0x6985, "MSE:Set DST must name the issuer first"),
        (nothing, Channel, &certificate, 0x6982, "whose PACE announced a terminal"),
        (nothing, Channel, &set_ta, 0x6A88, "accepted last is not that of XXTERM00001"),
        (nothing, Channel, &set_ta, 0x6A80, "another algorithm"),
        (nothing, Channel, &set_ta, 0x6982, "whose PACE announced a terminal"),
        (ta, Channel, &external, 0x6300, "its key does not belong to its certificate"),
        (ta, Channel, &external, 0x6982, "CAN_ALLOWED"),
        (ta, Channel, &external, 0x6985, "MSE:Set AT and GET CHALLENGE come first"),
        (nothing, Channel, &external, 0x6985, "MSE:Set AT and GET CHALLENGE come first"),
        // Basic Access Control, and SCP03.
        (public, Clear, &external, 0x6300, "the MRZ is wrong"),
        (public, Clear, &external, 0x6985, "GET CHALLENGE come right before"),
        (public, Clear, &external, 0x6D00, "does not offer basic access control"),
        (nothing, Scp03, &command(0x84, 0x82, 0x33, 0), 0x6300, "the keys of SCP03 are wrong"),
        (nothing, Scp03, &command(0x84, 0x82, 0x33, 0), 0x6983, "this key set is barred"),
        // Chip Authentication.
        (nothing, Channel, &chip, 0x6982, "comes after terminal authentication"),
        (nothing, Channel, &chip, 0x6A88, "no chip authentication key"),
        (nothing, Channel, &chip, 0x6A80, "chip authentication by this protocol"),
        (nothing, Clear, &chip, 0x6A81, "contact interface only"),
        (ca, Channel, &general, 0x6A80, "not the ephemeral key that terminal authentication announced"),
        (ca, Channel, &general, 0x6985, "another application was selected after it"),
        // Restricted Identification.
        (nothing, Channel, &sector, 0x6982, "needs a secure channel"),
        (nothing, Channel, &sector, 0x6A88, "no key of restricted identification"),
        (nothing, Channel, &sector, 0x6A80, "does not offer restricted identification"),
        (ri, Channel, &general, 0x6982, "the right RESTRICTED_IDENTIFICATION"),
        (ri, Channel, &general, 0x6A88, "does not have the hash of this sector key"),
        (ri, Channel, &general, 0x6A80, "the sector key is malformed"),
        // Questions.
        (nothing, Channel, &age, 0x6982, "chip authentication, and the right AGE_VERIFICATION"),
        (nothing, Channel, &place, 0x6982, "the right MUNICIPALITY_VERIFICATION"),
        (
            nothing,
            Channel,
            &valid,
            0x6982,
            "needs a channel opened with PIN1, terminal and chip authentication",
        ),
        (nothing, Channel, &age, 0x6A88, "the terminal did not sign this question"),
        (nothing, Channel, &age, 0x6985, "the encrypted zone must be selected first"),
        (nothing, Channel, &command(0, 0x20, 0, 0x81), 0x6A88, "the certificate zone must be selected first"),
        (nothing, Clear, &command(0, 0x20, 0, 0x81), 0x6982, "a secure channel must be opened first"),
        // Updates, and what the same instructions are in production.
        (nothing, Channel, &store, 0x6982, "a terminal with an update right"),
        (nothing, Channel, &store, 0x6A88, "only an update (0801)"),
        (nothing, Channel, &store, 0x6A84, "the update is too large"),
        (nothing, Channel, &commit, 0x6982, "no update right for a file of the update"),
        (nothing, Channel, &commit, 0x6300, "not signed by a document signer"),
        (nothing, Channel, &commit, 0x6A80, "the update is for another card"),
        (nothing, Channel, &commit, 0x6985, "the card has had this update or a later one"),
        (nothing, Channel, &commit, 0x6A88, "a file that does not exist on the card"),
        (nothing, Channel, &receipt, 0x6A88, "the card has had no update"),
        (nothing, Channel, &receipt, 0x6982, "a terminal with an update right"),
        (nothing, Clear, &commit, 0x6982, "belongs inside SCP03"),
        (
            nothing,
            Scp03,
            &commit,
            0x6985,
            "not in the present state of the card's life, or not in the application",
        ),
        // PINs.
        (
            nothing,
            Channel,
            &reset(2, 3),
            0x6982,
            "opened with PIN1 in which no terminal has been authenticated, or",
        ),
        (nothing, Channel, &reset(3, 3), 0x6982, "needs a terminal with the right PIN_MANAGEMENT"),
        (nothing, Channel, &reset(2, 0x81), 0x6982, "needs a terminal with the right PIN_MANAGEMENT"),
        (nothing, Channel, &reset(3, 3), 0x6984, "nothing to unblock"),
        (nothing, Channel, &reset(2, 0x81), 0x6A88, "no certificate zone"),
        (nothing, Channel, &reset(2, 3), 0x6A80, "the right digits"),
    ];
    for (before, protection, command, sw, expected) in cases {
        let line = told(before, *protection, command, *sw);
        let why = line.why.as_ref().unwrap_or_else(|| panic!("no reason: {line}"));
        assert!(why.en.contains(expected), "{expected}: {line}");
        assert!(!why.zh_hant.is_ascii(), "{line}");
    }
    // The answer to a question is no failure, and what is told of an update is not personalisation.
    let no = told(nothing, Channel, &age, 0x6300);
    assert_eq!((no.answer.en.as_str(), no.why), ("no", None));
    assert_eq!(told(nothing, Channel, &age, 0x9000).answer.en, "yes");
    let action = |protection, command| told(nothing, protection, command, 0x9000).action.en;
    assert_eq!(action(Channel, &commit), "COMMIT: the update takes effect at once");
    assert_eq!(action(Channel, &receipt), "COMMIT: the receipt for the last update");
    assert_eq!(action(Scp03, &commit), "COMMIT: personalisation takes effect at once");
    assert_eq!(action(Channel, &store), "STORE DATA: the update (hidden)");
}

// The same on a card: what it refuses is told with the right that is missing.
#[test]
fn a_session_that_the_card_refuses_is_told_with_the_missing_right() {
    let flash = eid::card("interop");
    let lines = Lines::default();
    let traced = || {
        let lines = Arc::clone(&lines);
        Traced::new(open(&flash, Interface::Contact), move |event| {
            if let Event::Exchange { line, .. } = event {
                lines.lock().expect("nobody died").push(line.clone());
            }
        })
    };
    let agency = eid::identity(eid::read(&[9]), UpdateRights::NONE);
    eid::session(traced(), &can(), &agency).err().expect("no right to use the access number");
    let asking = eid::identity(Rights::AGE_VERIFICATION, UpdateRights::NONE);
    for (identity, day) in [(&agency, "20000101"), (&asking, "18000101")] {
        let questions = AuxiliaryData::new().born_on_or_before(day);
        let (trust, random) = (COUNTRY.trust(), &mut rng("asking"));
        let mut session = Session::open(
            traced(),
            &eid::pin1(),
            None,
            identity,
            Grant::ALL,
            &questions,
            &trust,
            now(),
            random,
        )
        .expect("a session");
        session.select().expect("the zone");
        let answer = session.ask(tlv::oid::AUXILIARY_DATE_OF_BIRTH);
        assert_eq!(answer.ok(), if day == "18000101" { Some(false) } else { None });
    }
    let office = eid::identity(Rights::NONE, UpdateRights::SPOUSE);
    let mut session = eid::session(traced(), &can(), &office).expect("a session");
    session.update(&[0x30, 0x00], &[]).expect_err("no update");
    session.last_update().expect("none yet");
    drop(session);
    let story: Vec<String> = lines.lock().expect("nobody died").iter().map(ToString::to_string).collect();
    let mut rest = story.iter();
    for expected in [
        "EXTERNAL AUTHENTICATE: terminal authentication, the terminal signs the challenge → 6982 security status not satisfied (PACE announced no terminal; or the MRZ opened the channel; or the access number did, and the terminal has neither the right CAN_ALLOWED",
        "VERIFY: compare auxiliary data (age, validity) → 6982 security status not satisfied (needs a channel opened with PIN1, terminal and chip authentication, and the right AGE_VERIFICATION)",
        "VERIFY: compare auxiliary data (age, validity) → 6300 no",
        "STORE DATA: the update (hidden) → 9000 done",
        "COMMIT: the update takes effect at once → 6A80 incorrect data (the update is for another card",
        "COMMIT: the receipt for the last update → 6A88 referenced data or key not found (there is no receipt",
    ] {
        assert!(rest.any(|line| line.contains(expected)), "{expected} in {story:#?}");
    }
}
