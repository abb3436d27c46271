//! docs/security-parameters.md against the code, and the parameters that no other test is about.

use std::fmt::Write;
use std::path::Path;

use apdu::{CardChannel, Command};
use chip::files::{Directory, FILES, Write as MayWrite};
use chip::{Application, Condition, Flash, Interface, Profile, Zone};
use curve::rsa::RsaPublicKey;
use curve::{Curve, Hash, SecretKey};
use eac::cvc::{Rights, Role, UpdateRights};
use terminal::perso::{PinReference, Session};

use crate::eac_pki;
use crate::encrypted_zone::reader;
use crate::mappings::basic;
use crate::support::*;

fn document() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/security-parameters.md");
    std::fs::read_to_string(path).unwrap()
}

/// The first table, from the profile of citizens' cards.
fn zones() -> String {
    let profile = Profile::by_name("national").unwrap();
    let mut out = String::new();
    for (zone, name, application, read, uses) in [
        (
            Zone::Household,
            "戶籍地區 Household",
            Application::Household,
            format!(
                "contact {}, contactless {}",
                profile.read_household(Interface::Contact).name(),
                profile.read_household(Interface::Contactless).name()
            ),
            None,
        ),
        (Zone::Public, "公開區 Public", Application::PublicNational, profile.read_public.name().into(), None),
        (Zone::Encrypted, "加密區 Encrypted", Application::Eid, profile.read_encrypted.name().into(), None),
        (
            Zone::Certificate,
            "自然人憑證區 Certificate",
            Application::SmartCardHsm,
            profile.read_certificate.name().into(),
            Some(profile.use_certificate),
        ),
    ] {
        let contactless = application.answers(profile, Interface::Contactless);
        let changeable: Vec<_> = FILES
            .iter()
            .filter(|f| f.zone == zone && f.write != MayWrite::Never && f.directory != Directory::Pkcs15)
            .map(|f| f.name)
            .collect();
        writeln!(
            out,
            "| {name} | {} | {read} | {} | {} |",
            if contactless { "contact, contactless" } else { "contact" },
            uses.map_or("-", Condition::name),
            changeable.join(", ")
        )
        .unwrap();
    }
    out
}

/// The tests that the page names: file and function.
fn named(text: &str) -> Vec<(String, String)> {
    text.split('`')
        .filter_map(|quoted| quoted.split_once(".rs "))
        .map(|(file, name)| (format!("{file}.rs"), name.to_owned()))
        .collect()
}

// proves: CARD-58
#[test]
fn the_design_document_is_the_code_and_names_tests_that_exist() {
    let document = document();
    let zones = zones();
    assert!(document.contains(&zones), "docs/security-parameters.md should contain:\n{zones}");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let tests = named(&document);
    assert!(tests.len() > 50, "{} tests are named", tests.len());
    for (file, name) in &tests {
        let source = std::fs::read_to_string(root.join(file)).unwrap_or_else(|_| panic!("no file {file}"));
        let test = source.split(&format!("fn {name}(")).collect::<Vec<_>>();
        assert_eq!(test.len(), 2, "{file} has no test {name}");
        let head = &test[0][test[0].len().saturating_sub(400)..];
        assert!(
            head.contains("#[test]") || head.contains("::test]") || head.contains("#![proptest_config"),
            "{file} {name} is no test"
        );
    }
    // The twelve measures, each with a test.
    let measures = document.split("\n## 4.").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows: Vec<_> = measures.lines().filter(|l| l.starts_with("| ") && !l.starts_with("| #")).collect();
    assert_eq!(rows.len(), 12);
    for (n, row) in rows.iter().enumerate() {
        assert!(row.starts_with(&format!("| {} |", n + 1)));
        assert!(!named(row).is_empty(), "nothing verifies: {row}");
    }
    // Nothing else in the two tables of tests is without one.
    for section in ["\n## 5.", "\n## 6."] {
        let rows = document.split(section).nth(1).unwrap().split("\n## ").next().unwrap();
        for row in rows.lines().filter(|l| l.starts_with("| ") && !l.contains("Verified by")) {
            assert!(!named(row).is_empty() || row.contains("`bench timing`"), "nothing verifies: {row}");
        }
    }
}

// The names are those of the plan; each has its row, and the test that the row names is there.
// proves: CARD-44
#[test]
fn the_twelve_protection_measures_are_one_documented_set() {
    let measures = [
        "BAC",
        "SAC",
        "PA",
        "AA",
        "CA",
        "TA",
        "EAC",
        "PIN Management",
        "Key Management",
        "Secure Channel",
        "Access Condition",
        "資料簽章",
    ];
    let document = document();
    let section = document.split("\n## 4.").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows: Vec<&str> =
        section.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| #")).collect();
    assert_eq!(rows.len(), measures.len());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for (number, (measure, row)) in measures.iter().zip(rows).enumerate() {
        assert!(row.starts_with(&format!("| {} | {measure}", number + 1)), "{measure}: {row}");
        let tests = named(row);
        assert!(!tests.is_empty(), "nothing verifies {measure}");
        for (file, name) in tests {
            let source = std::fs::read_to_string(root.join(&file)).unwrap_or_default();
            assert!(source.contains(&format!("fn {name}(")), "{measure}: {file} has no test {name}");
        }
    }
}

/// Fails EXTERNAL AUTHENTICATE once; what INITIALIZE UPDATE answered, and its delay.
fn fail(chip: &mut chip::Chip) -> (u16, u64) {
    let mut send = |command: &Command| {
        let outcome = chip.process_timed(Interface::Contact, &command.to_bytes());
        let sw = outcome.response[outcome.response.len() - 2..].to_vec();
        (u16::from_be_bytes([sw[0], sw[1]]), outcome.busy.as_secs())
    };
    assert_eq!(send(&Command::new(0, 0xA4, 4, 0x0C).with_data(ISSUER)).0, 0x9000);
    let update = send(&Command::new(0x80, 0x50, 0, 0).with_data([0; 8]).with_le(256));
    send(&Command::new(0x84, 0x82, 0x33, 0).with_data([0; 16]));
    update
}

// proves: CARD-49, CARD-58
#[test]
fn pin_management_is_barred_for_programs_and_never_lost_to_the_holder() {
    let flash = Stage::InUse("national").flash();
    let mut chip = open(&flash);
    let mut waited = 0;
    for _ in 0..64 {
        let (sw, delay) = fail(&mut chip);
        assert_eq!(sw, 0x9000);
        waited += delay;
    }
    assert!(waited > 25 * 60, "64 attempts take about half an hour: {waited} s");
    // A program goes no further, however long it tries, whatever it resets; PINs and files work as before.
    for _ in 0..10 {
        chip.power_off();
        assert_eq!(fail(&mut chip).0, 0x6983);
    }
    let keys = management_keys();
    let right = |flash: &Flash| {
        Session::open(contact(open(flash)), 0x31, &keys, &mut rng("host"))
            .map(drop)
            .map_err(|e| e.status_word().unwrap().0)
    };
    drop(chip);
    assert_eq!(right(&flash), Err(0x6983));
    // PIN1 is not enough: it would let a program that has heard it go on. A wrong access number is not either.
    let mut reader = Reader::new(open(&flash), Interface::Contact);
    reader.pace_with(BRAINPOOL, &pin1()).unwrap();
    reader.sm = None;
    reader.pace_with(BRAINPOOL, &wrong_can()).unwrap_err();
    drop(reader);
    assert_eq!(right(&flash), Err(0x6983));
    // The access number, on either side of the card, frees one attempt: a wrong one is counted again.
    for (interface, password) in [(Interface::Contact, can()), (Interface::Contactless, mrz())] {
        let mut reader = Reader::new(open(&flash), interface);
        reader.pace_with(BRAINPOOL, &password).unwrap();
        drop(reader);
        let mut chip = open(&flash);
        assert_eq!(fail(&mut chip), (0x9000, 30));
        assert_eq!(fail(&mut chip).0, 0x6983);
    }
    Reader::new(open(&flash), Interface::Contact).pace_with(BRAINPOOL, &can()).unwrap();
    assert_eq!(right(&flash), Ok(()));
    assert_eq!(fail(&mut open(&flash)), (0x9000, 0), "the count has started anew");
    management(&flash).set_pin(PinReference::Pin1, &PIN1.into()).unwrap();

    // A suspended card is slow and not barred: the ministry can always resume it.
    let flash = Stage::Suspended("national").flash();
    let mut chip = open(&flash);
    for n in 0..70 {
        let (sw, delay) = fail(&mut chip);
        assert_eq!(sw, 0x9000);
        assert!(n < 8 || delay == 30);
    }
    drop(chip);
    management(&flash).unlock_card().unwrap();

    // A card on its way from the manufacturer is lost to whoever has stolen it.
    for stage in [Stage::Delivered, Stage::Washed, Stage::Initialised("national")] {
        let mut chip = stage.chip();
        for _ in 0..64 {
            assert_eq!(fail(&mut chip).0, 0x9000);
        }
        assert_eq!(fail(&mut chip).0, 0x6983);
        let mut reader = Reader::new(chip, Interface::Contact);
        reader.pace_with(BRAINPOOL, &can()).unwrap_err();
        assert_eq!(fail(&mut reader.channel.into_chip()).0, 0x6983);
    }
}

// proves: OPEN-14, OPEN-18, CARD-38
#[test]
fn reissue_fills_the_slots_of_the_curve_keys() {
    let flash = Stage::Initialised("interop").flash();
    let mut session = centre(&flash);
    let card = session.initialised_card().unwrap();
    let mut package = files_of("interop", &card, true);
    let all = std::mem::take(&mut package.certificates);
    // As issued: the two RSA certificates, root and intermediate.
    package.certificates = all.iter().filter(|(slot, _)| !matches!(slot, 3 | 4)).cloned().collect();
    session.personalise(&package).unwrap();
    drop(session);
    management(&flash).set_pin(PinReference::Pin2, &PIN2.into()).unwrap();
    let logged_in = || {
        let mut reader = Reader::new(open(&flash), Interface::Contact);
        reader.select(SC_HSM);
        assert_eq!(reader.verify(PIN2), 0x9000);
        reader
    };
    let sign = Command::new(0x80, 0x68, 3, 0x70).with_data([9; 64]).with_le(256);
    let peer = SecretKey::generate(Curve::P521, &mut rng("peer"));
    let agree = Command::new(0x80, 0x62, 4, 0x80).with_data(peer.public_key().as_uncompressed()).with_le(256);
    let listed =
        |reader: &mut Reader| reader.send(&Command::new(0x80, 0x58, 0, 0).with_le(256)).data.len() / 2;
    let mut reader = logged_in();
    assert_eq!(
        (reader.sw(&sign), reader.sw(&agree)),
        (0x6A88, 0x6A88),
        "a key without certificate does not work"
    );
    assert_eq!(listed(&mut reader), 18 - 2 * 3);
    drop(reader);
    // Slot by slot; each a transaction. A certificate in the wrong slot is refused, and nothing is changed.
    let of = |wanted: u8| all.iter().find(|(slot, _)| *slot == wanted).unwrap().1.clone();
    let mut session = management(&flash);
    for (slot, wrong) in [(3, 4), (4, 3), (3, 1), (1, 3), (2, 1)] {
        let error = session.replace_certificate(slot, &of(wrong)).unwrap_err();
        assert_eq!(error.status_word().unwrap().0, 0x6A80, "slot {slot}, certificate of key {wrong}");
    }
    session.replace_certificate(3, &of(3)).unwrap();
    session.replace_certificate(4, &of(4)).unwrap();
    drop(session);
    let mut reader = logged_in();
    assert_eq!((reader.sw(&sign), reader.sw(&agree)), (0x9000, 0x9000));
    assert_eq!(listed(&mut reader), 18);
    // The first pair goes on working until its certificates expire: what they have signed is still to be deciphered.
    assert_eq!(reader.sw(&Command::new(0x80, 0x68, 1, 0x33).with_data([1]).with_le(256)), 0x9000);
}

// proves: CARD-03, CARD-14
#[test]
fn the_answer_to_reset_says_what_the_card_can() {
    let mut chip = Stage::InUse("national").chip();
    let atr = chip.power_on(Interface::Contact);
    // ISO/IEC 7816-3 §8.2: TS direct, T0 with TA1 and TD1, TD1: T=1 and TD2 ...
    assert_eq!(atr[0], 0x3B);
    let historical_len = usize::from(atr[1] & 0x0F);
    let (mut place, mut more, mut protocols, mut ta1) = (2, atr[1] >> 4, Vec::new(), None);
    while more != 0 {
        let next = |bit: u8, place: &mut usize| {
            (more & bit != 0).then(|| {
                *place += 1;
                atr[*place - 1]
            })
        };
        let ta = next(1, &mut place);
        ta1 = ta1.or(ta.filter(|_| protocols.is_empty()));
        next(2, &mut place);
        next(4, &mut place);
        let td = next(8, &mut place);
        protocols.extend(td.map(|td| td & 0x0F));
        more = td.map_or(0, |td| td >> 4);
    }
    assert!(
        protocols.iter().all(|p| *p == 1) && !protocols.is_empty(),
        "T=1 and nothing else: {protocols:?}"
    );
    // ISO/IEC 7816-3 §8.3, tables 7 and 8: Fi and Di; CARD-03 asks for 115,200 bit/s at 3.579 MHz.
    let ta1 = ta1.unwrap();
    let fi = [372, 372, 558, 744, 1116, 1488, 1860, 0, 0, 512, 768, 1024, 1536, 2048][usize::from(ta1 >> 4)];
    let di = [0, 1, 2, 4, 8, 16, 32, 64, 12, 20][usize::from(ta1 & 0x0F)];
    assert!(3_579_545 * di / fi >= 115_200 * 96 / 100, "{} bit/s", 3_579_545 * di / fi);
    let historical = &atr[place..place + historical_len];
    assert_eq!(place + historical_len + 1, atr.len(), "one checksum ends it");
    // ISO/IEC 7816-4 §12.1.1.2: COMPACT-TLV; capabilities 73: third byte, bit 8 chaining, bit 7 extended length.
    assert_eq!(historical[0], 0x80);
    let mut objects = Vec::new();
    let mut rest = &historical[1..];
    while let Some((head, tail)) = rest.split_first() {
        let (value, after) = tail.split_at(usize::from(head & 0x0F));
        objects.push((head >> 4, value.to_vec()));
        rest = after;
    }
    let capabilities = &objects.iter().find(|(tag, _)| *tag == 7).unwrap().1;
    assert_eq!(capabilities[2] & 0xC0, 0xC0);
    assert!(objects.contains(&(6, b"NeID".to_vec())), "what the client knows the card by");
    // Contactless: PC/SC's form of the same historical bytes; and the same for every card and state.
    for stage in [Stage::Delivered, Stage::InUse("interop"), Stage::Terminated("national")] {
        let mut chip = stage.chip();
        assert_eq!(chip.power_on(Interface::Contact), atr);
        let ats = chip.power_on(Interface::Contactless);
        assert_eq!(ats[..4], [0x3B, 0x80 | historical_len as u8, 0x80, 0x01]);
        assert_eq!(&ats[4..4 + historical_len], historical);
    }
    // CPLC: 42 bytes, with maker and type, readable in every state but the last.
    for stage in [Stage::Delivered, Stage::Washed, Stage::InUse("national"), Stage::Suspended("national")] {
        let mut channel = contact(stage.chip());
        channel.exchange(&Command::new(0, 0xA4, 4, 0x0C).with_data(ISSUER)).unwrap();
        let cplc = channel.exchange(&Command::new(0x80, 0xCA, 0x9F, 0x7F).with_le(256)).unwrap();
        let cplc = tlv::expect(&cplc.data, 0x9F7F).unwrap().value.to_vec();
        assert_eq!((cplc.len(), &cplc[..4]), (42, &[0x4E, 0x45, 0x01, 0x44][..]));
    }
}

// proves: CARD-06, OPEN-52
#[test]
fn the_chip_has_the_algorithms_it_must_have() {
    for profile in Profile::built_in() {
        assert!(profile.rsa_bits >= 2048);
        assert!(profile.curve.field_len() >= 48, "at least 384 bits");
        // The secure channel is AES, with 256 bits first.
        assert!(profile.pace.first().is_some_and(|p| p.cipher == eac::Cipher::Aes256));
    }
    let mut reader = Reader::contact(Stage::InUse("interop"));
    reader.select(SC_HSM);
    assert_eq!(reader.verify(PIN2), 0x9000);
    for (hash, algorithm) in
        [(Hash::Sha224, 0x72), (Hash::Sha256, 0x73), (Hash::Sha384, 0x74), (Hash::Sha512, 0x75)]
    {
        let der = reader
            .send(&Command::new(0x80, 0x68, 3, algorithm).with_data(*b"abc").with_le(256))
            .into_ok()
            .unwrap();
        let certificate = Command::new(0, 0xB1, 0xCE, 0x03).with_data([0x54, 1, 0]).with_le(65_536);
        let certificate = reader.send(&certificate).into_ok().unwrap();
        let spki = x509::Certificate::parse(&certificate).unwrap().spki().to_vec();
        let signature = curve::Signature::from_der(Curve::P521, &der).unwrap();
        curve::verify_digest(&curve::point_from_spki(&spki).unwrap(), &hash.digest(b"abc"), &signature)
            .unwrap();
    }
    let certificate = Command::new(0, 0xB1, 0xCE, 0x01).with_data([0x54, 1, 0]).with_le(65_536);
    let certificate = reader.send(&certificate).into_ok().unwrap();
    let rsa = RsaPublicKey::from_spki(x509::Certificate::parse(&certificate).unwrap().spki()).unwrap();
    assert!(rsa.bits() >= 2048);
    let sign = Command::new(0x80, 0x68, 1, 0x33).with_data(*b"abc").with_le(512);
    let signature = reader.send(&sign).into_ok().unwrap();
    rsa.verify_pkcs1(Hash::Sha256, &Hash::Sha256.digest(b"abc"), &signature).unwrap();
    // OPEN-52: DES and 3DES are there for Basic Access Control, whose channel enciphers with the one and whose MAC uses both.
    let mut reader = Reader::contact(Stage::Personalised("bac-lab", false));
    assert_eq!(reader.select(EMRTD), 0x9000);
    basic(&mut reader, MRZ).unwrap();
    assert_eq!(reader.read_sfi(1).data, tlv::encode(0x61, &[0x61; 93]));
}

// The random source of the program, not that of these tests: two chips opened from the same memory have nothing in common.
// proves: CARD-06
#[test]
fn challenges_come_from_a_random_source_that_no_state_of_the_chip_repeats() {
    let flash = Stage::InUse("national").flash();
    let challenges = || {
        let memory = chip::RamMemory::open(Flash::from_image(flash.image())).unwrap();
        let chip = chip::Chip::open(Box::new(memory), Box::new(curve::SystemRandom)).unwrap();
        let mut reader = Reader::new(chip, Interface::Contact);
        let ask = Command::new(0, 0x84, 0, 0).with_le(1_024);
        (0..50).map(|_| reader.send(&ask).into_ok().unwrap()).collect::<Vec<_>>()
    };
    let all = [challenges(), challenges()].concat();
    let different: std::collections::BTreeSet<_> = all.iter().flat_map(|bytes| bytes.chunks(16)).collect();
    assert_eq!(different.len(), 100 * 64, "no sixteen bytes twice");
    // As many ones as zeros, and each byte as often as the others, with far more room than chance needs.
    let bytes = all.concat();
    let ones: u32 = bytes.iter().map(|byte| byte.count_ones()).sum();
    let half = (bytes.len() * 4) as f64;
    assert!((f64::from(ones) - half).abs() < 30.0 * (half / 2.0).sqrt(), "{ones} of {}", bytes.len() * 8);
    let mut counts = [0u32; 256];
    bytes.iter().for_each(|byte| counts[usize::from(*byte)] += 1);
    assert!(counts.iter().all(|count| (200..600).contains(count)), "about 400 of each");
}

// proves: CARD-15, CARD-16
#[test]
fn the_eid_and_the_epki_application_serve_the_four_zones() {
    let mut zones: Vec<Zone> =
        Application::ALL.into_iter().map(Application::zone).filter(|z| *z != Zone::System).collect();
    zones.sort();
    zones.dedup();
    assert_eq!(zones, [Zone::Household, Zone::Public, Zone::Encrypted, Zone::Certificate]);
    let mut reader = Reader::contact(Stage::InUse("national"));
    for aid in [EID, SC_HSM, PKCS15] {
        assert_eq!(reader.select(aid), 0x9000);
    }
}

// A transaction writes each record it changes once. A medium that lasts 100,000 writes of a cell (CARD-11) lasts for ten years
// of using everything every day, even if all records shared one cell.
#[test]
fn no_record_wears_out_in_ten_years() {
    let flash = Stage::InUse("interop").flash();
    let days = 3_653;
    let mut each_day = 0;
    for _ in 0..3 {
        let before = flash.writes();
        let mut reader = Reader::new(open(&flash), Interface::Contact);
        reader.pace_with(BRAINPOOL, &can()).unwrap();
        reader.pace_with(BRAINPOOL, &pin1()).unwrap();
        reader.select(SC_HSM);
        assert_eq!(reader.verify(PIN2), 0x9000);
        assert_eq!(reader.sw(&Command::new(0x80, 0x68, 3, 0x70).with_data([9; 64]).with_le(256)), 0x9000);
        each_day = flash.writes() - before;
    }
    // Two writes of each of three counters; reading and signing write nothing.
    assert_eq!(each_day, 6);
    // A reading with a terminal whose certificates are a day younger each day: a session with PIN1 that takes the access number
    // from the encrypted zone; the public zone with that number; then three sessions, for the fields, the identifier and the
    // questions, each with the access number and PIN1 in its channel. Two writes of a counter for each password, and one of the
    // card's date.
    let mut authenticated = 0;
    for day in 1..=3 {
        let (role, all) = (Role::OfficialVerifier, UpdateRights::ALL);
        let mut verifier = eac_pki::body(eac_pki::ROOT, eac_pki::VERIFIER, role, !Rights::NONE, all);
        verifier.effective = eac_pki::date(2026, 3, day);
        let mut terminal = eac_pki::terminal(Rights::NONE, UpdateRights::NONE);
        terminal.chain[0] = eac_pki::issue(verifier, eac_pki::ROOT);
        let before = flash.writes();
        reader(&flash, Interface::Contact).open_zone(&pin1(), &terminal).unwrap();
        reader(&flash, Interface::Contact).pace(&can()).unwrap();
        for writes in [9, 13, 17] {
            let mut session = reader(&flash, Interface::Contact);
            session.pace(&can()).unwrap();
            session.open_zone(&pin1(), &terminal).unwrap();
            assert_eq!(flash.writes() - before, writes, "day {day}");
        }
        authenticated = authenticated.max(flash.writes() - before);
    }
    each_day += authenticated;
    assert_eq!(each_day, 23);
    assert!(each_day * days <= 100_000, "{each_day} a day");
}
