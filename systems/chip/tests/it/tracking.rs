//! What somebody learns who holds a reader against strangers' pockets: everything that can be asked without the access
//! number is asked twice of one card and once of another. What a card answers the same both times, the other card must
//! answer too; otherwise it would be a name to follow the card by.

use apdu::Command;
use chip::files::FILES;
use chip::{Chip, FactoryData, Flash, Interface, Outcome, RamMemory, factory};
use terminal::perso::{self, InitialisationRequest, Session};

use crate::support::*;

/// Another card of the same profile: other chip, keys, number, holder and PIN states, no certificates.
fn another(profile: &str) -> Flash {
    let memory = RamMemory::new();
    let flash = memory.flash();
    let data = FactoryData::new([9; 8], transport_keys());
    factory::manufacture(Box::new(memory), &data, boxed_rng("another factory")).unwrap();
    let open = |version, keys: &scp::KeySet| {
        let chip = chip_of(&flash, "another chip");
        Session::open(contact(chip), version, keys, &mut rng("host")).unwrap()
    };
    open(perso::TRANSPORT_KEY_VERSION, &transport_keys()).put_keys(0x20, &centre_keys()).unwrap();
    let request = InitialisationRequest { serial: "XY9876543".into(), profile: profile.into() };
    let mut centre = open(0x20, &centre_keys());
    let card = centre.initialise(&request).unwrap();
    let mut package = files_of(profile, &card, false);
    package.serial = "XY9876543".into();
    package.can = "876543".into();
    package.mrz_information = "XY9876543190123123301016".into();
    package.household = tlv::encode(0x30, &[7; 500]);
    package.public[1].1 = tlv::encode(0x61, &[0x44; 93]);
    package.public[2].1 = tlv::encode(0x75, &[0x45; 9_000]);
    package.pin_management_keys = scp::KeySet::random(32, &mut rng("its own")).unwrap();
    centre.personalise(&package).unwrap();
    drop(centre);
    flash
}

fn chip_of(flash: &Flash, seed: &str) -> Chip {
    Chip::open(Box::new(RamMemory::open(flash.clone()).unwrap()), boxed_rng(seed)).unwrap()
}

/// Everything that can be asked before PACE.
fn questions() -> Vec<(String, Vec<Vec<u8>>)> {
    let mut all = Vec::new();
    let mut ask = |name: String, commands: &[Command]| {
        all.push((name, commands.iter().map(Command::to_bytes).collect()));
    };
    let mf = Command::new(0, 0xA4, 0, 0x0C).with_data([0x3F, 0x00]);
    let places: Vec<(String, Command)> = [HOUSEHOLD, PUBLIC, EMRTD, EID, SC_HSM, PKCS15, ISSUER]
        .into_iter()
        .map(|aid| (hex::encode_upper(aid), Command::new(0, 0xA4, 4, 0x00).with_data(aid).with_le(256)))
        .chain([("MF".into(), Command { p2: 0x00, ..mf.clone() }.with_le(256))])
        .collect();
    for (name, select) in &places {
        ask(format!("SELECT {name}"), std::slice::from_ref(select));
        for sfi in 1..=0x1Eu8 {
            let read = Command::new(0, 0xB0, 0x80 | sfi, 0).with_le(256);
            ask(format!("{name}: read short identifier {sfi:02X}"), &[select.clone(), read]);
        }
        for file in FILES {
            let fid = file.fid.to_be_bytes();
            let choose = Command::new(0, 0xA4, 2, 0x04).with_data(fid).with_le(256);
            let read = Command::new(0, 0xB1, fid[0], fid[1]).with_data([0x54, 1, 0]).with_le(256);
            ask(format!("{name}: select {:04X}", file.fid), &[select.clone(), choose]);
            ask(format!("{name}: read {:04X}", file.fid), &[select.clone(), read]);
        }
        for (what, command) in [
            ("challenge", Command::new(0, 0x84, 0, 0).with_le(8)),
            ("CPLC", Command::new(0x80, 0xCA, 0x9F, 0x7F).with_le(256)),
            ("status", Command::new(0x80, 0xCA, 0x00, 0xE0).with_le(256)),
            ("INITIALIZE UPDATE", Command::new(0x80, 0x50, 0, 0).with_data([7; 8]).with_le(256)),
            ("active authentication", Command::new(0, 0x88, 0, 0).with_data([7; 8]).with_le(256)),
            ("PIN2", Command::new(0, 0x20, 0, 0x81)),
            ("objects", Command::new(0x80, 0x58, 0, 0).with_le(256)),
            ("sign", Command::new(0x80, 0x68, 1, 0x20).with_data([0; 256]).with_le(256)),
        ] {
            ask(format!("{name}: {what}"), &[select.clone(), command]);
        }
    }
    let first = Command::new(0x10, 0x86, 0, 0).with_data([0x7C, 0x00]).with_le(256);
    for parameters in [P521, BRAINPOOL] {
        for (what, password) in
            [("CAN", can()), ("MRZ", mrz()), ("PIN1", pin1()), ("PUK", eac::Password::puk(b"1234567890"))]
        {
            let mse = eac::pace::terminal::Start::new(parameters, &password).unwrap().mse_set_at();
            ask(format!("PACE with {what}"), std::slice::from_ref(&mse));
            ask(format!("nonce for {what}"), &[mse, first.clone()]);
        }
    }
    for cla in [0x00u8, 0x0C, 0x10, 0x80, 0x84, 0x8C] {
        for ins in 0..=255u8 {
            ask(format!("{cla:02X} {ins:02X}"), &[mf.clone(), Command::new(cla, ins, 0, 0).with_le(256)]);
        }
    }
    all
}

/// The answers of one session: the last one to each question, and how long the card says it takes.
fn answers(chip: &mut Chip, questions: &[(String, Vec<Vec<u8>>)]) -> (Vec<u8>, Vec<Outcome>) {
    let atr = chip.power_on(Interface::Contactless);
    let answers = questions
        .iter()
        .map(|(_, commands)| {
            let mut last = None;
            for command in commands {
                last = Some(chip.process_timed(Interface::Contactless, command));
            }
            last.unwrap()
        })
        .collect();
    chip.power_off();
    (atr, answers)
}

// proves: CARD-52, CARD-58, PRIVACY-12
#[test]
fn nothing_a_contactless_card_answers_before_pace_tells_it_from_another() {
    let questions = questions();
    for profile in ["national", "interop"] {
        let flash = Stage::InUse(profile).flash();
        // Its holder has mistyped both PINs, at a counter; a stranger must not see it.
        let mut reader = Reader::new(open(&flash), Interface::Contact);
        reader.pace(&wrong_pin1()).unwrap_err();
        reader.pace(&can()).unwrap();
        reader.select(SC_HSM);
        assert_eq!(reader.verify(b"99999999"), 0x63C2);
        drop(reader);
        let mut one = chip_of(&flash, "one");
        let mut other = chip_of(&another(profile), "other");
        let (atr, first) = answers(&mut one, &questions);
        let first_uid = one.uid();
        let (again, second) = answers(&mut one, &questions);
        let (other_atr, third) = answers(&mut other, &questions);
        assert_eq!(atr, again);
        assert_eq!(atr, other_atr);
        assert_ne!(first_uid, one.uid(), "the identifier of the anticollision is new each time");
        let mut random = 0;
        for (((name, _), a), (b, c)) in questions.iter().zip(&first).zip(second.iter().zip(&third)) {
            let shape = |o: &Outcome| (o.response.len(), o.response[o.response.len() - 2..].to_vec(), o.busy);
            assert_eq!(shape(a), shape(c), "{profile} {name}: another length, status or time");
            if a == b {
                assert_eq!(a, c, "{profile} {name}: the same each time, and another card's is different");
            } else {
                random += 1;
            }
        }
        // Challenges and nonces, and nothing else: a stable part would have been seen in the other half of them.
        assert!(random >= 5, "{random} answers were random");
    }
}

// What is random must be random in every part: no fixed number behind a changing one.
// proves: CARD-52
#[test]
fn random_answers_have_no_stable_part() {
    let mut chip = chip_of(&Stage::InUse("national").flash(), "stable");
    let mse = eac::pace::terminal::Start::new(BRAINPOOL, &can()).unwrap().mse_set_at();
    let first = Command::new(0x10, 0x86, 0, 0).with_data([0x7C, 0x00]).with_le(256);
    let challenge = Command::new(0, 0x84, 0, 0).with_le(8);
    let mut kept: Vec<Vec<u8>> = Vec::new();
    for _ in 0..64 {
        chip.power_on(Interface::Contactless);
        let mut answer = chip.uid()[1..].to_vec();
        answer.extend(&chip.process(Interface::Contactless, &challenge.to_bytes())[..8]);
        chip.process(Interface::Contactless, &mse.to_bytes());
        let nonce = chip.process(Interface::Contactless, &first.to_bytes());
        answer.extend(&nonce[4..nonce.len() - 2]);
        kept.push(answer);
    }
    assert_eq!(kept[0].len(), 3 + 8 + 16);
    for place in 0..kept[0].len() {
        for bit in 0..8 {
            let ones = kept.iter().filter(|answer| answer[place] >> bit & 1 == 1).count();
            assert!((1..64).contains(&ones), "bit {bit} of byte {place} is always {}", ones / 64);
        }
    }
}
