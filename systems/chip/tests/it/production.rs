//! Key sets, life cycle, sealing: what the card centre and the ministry may do and when.

use apdu::{CardChannel, Command};
use chip::{Chip, Interface, LifeCycle};
use terminal::perso::{self, ChipLifeCycle, InitialisationRequest, PersoError, Session, read_cplc};

use crate::eac_pki;
use crate::support::*;

fn try_open(stage: Stage, version: u8, keys: &scp::KeySet) -> Result<Session<Contact>, PersoError> {
    Session::open(contact(stage.chip()), version, keys, &mut rng("host"))
}

fn sw<T: std::fmt::Debug>(result: Result<T, PersoError>) -> u16 {
    result.unwrap_err().status_word().expect("the card refused").0
}

const STAGES: [Stage; 4] =
    [Stage::Delivered, Stage::Washed, Stage::Initialised("national"), Stage::Personalised("national", true)];

// proves: PRODUCTION-15
#[test]
fn each_key_set_opens_the_card_in_its_own_time_only() {
    let sets = [(0x01, transport_keys()), (0x20, centre_keys()), (0x31, management_keys())];
    for (stage, opens) in STAGES.into_iter().zip([0x01, 0x20, 0x20, 0x31]) {
        for (version, keys) in &sets {
            let outcome = try_open(stage, *version, keys);
            if *version == opens {
                outcome.unwrap();
            } else {
                assert_eq!(sw(outcome), 0x6A88, "{stage:?} {version:02X}");
            }
        }
        // The right version with other keys.
        let outcome = try_open(stage, opens, &scp::KeySet::new(&[9; 32], &[9; 32], &[9; 32]).unwrap());
        assert!(matches!(outcome, Err(PersoError::SecureChannel(_))));
    }
}

// proves: PRODUCTION-15
#[test]
fn a_card_that_was_not_washed_is_not_initialised() {
    let mut session = try_open(Stage::Delivered, 0x01, &transport_keys()).unwrap();
    assert_eq!(sw(session.initialise(&request("national"))), 0x6985);
    session.put_keys(0x20, &centre_keys()).unwrap();
    // The manufacturer's session, still open, has no power over the centre's card.
    assert_eq!(sw(session.initialise(&request("national"))), 0x6982);
    let channel = session.into_channel();
    let mut session = Session::open(channel, 0x20, &centre_keys(), &mut rng("host")).unwrap();
    session.initialise(&request("national")).unwrap();
}

// proves: CARD-37, CARD-48, DOCPKI-08, PRODUCTION-26
#[test]
fn initialisation_makes_six_different_key_pairs_on_the_chip() {
    let flash = Stage::Initialised("national").flash();
    let mut session = centre(&flash);
    let card = session.initialised_card().unwrap();
    assert_eq!(card.chip_id, CHIP_ID);
    let mut keys = vec![card.aa_spki.clone(), card.ca_spki.clone()];
    for (slot, der) in &card.csrs {
        let request = x509::csr::Csr::parse(der).unwrap();
        request.verify().unwrap();
        assert_eq!(request.subject().common_name(), Some(SERIAL));
        match slot {
            1 | 2 => assert_eq!(curve::rsa::RsaPublicKey::from_spki(request.spki()).unwrap().bits(), 2048),
            _ => assert_eq!(curve::point_from_spki(request.spki()).unwrap().curve(), curve::Curve::P521),
        }
        keys.push(request.spki().to_vec());
    }
    assert_eq!(curve::point_from_spki(&card.aa_spki).unwrap().curve(), curve::Curve::P521);
    assert_eq!(curve::point_from_spki(&card.ca_spki).unwrap().curve(), curve::Curve::P521);
    let different: std::collections::BTreeSet<_> = keys.iter().collect();
    assert_eq!(different.len(), 6);
    // Again: the same; for another card: refused.
    assert_eq!(session.initialise(&request("national")).unwrap(), card);
    assert_eq!(sw(session.initialise(&request("interop"))), 0x6985);
    let other = InitialisationRequest { serial: "AB1234568".into(), profile: "national".into() };
    assert_eq!(sw(session.initialise(&other)), 0x6985);
}

#[test]
fn initialisation_refuses_what_is_no_serial_and_no_profile() {
    for (serial, profile, expected) in [
        ("AB123456", "national", 0x6A80),
        ("AB12345678", "national", 0x6A80),
        ("ABC12345X", "national", 0x6A80),
        ("ab1234567", "national", 0x6A80),
        ("", "national", 0x6A80),
        (SERIAL, "passport", 0x6A88),
        (SERIAL, "", 0x6A88),
    ] {
        let mut session = try_open(Stage::Washed, 0x20, &centre_keys()).unwrap();
        let request = InitialisationRequest { serial: serial.into(), profile: profile.into() };
        assert_eq!(sw(session.initialise(&request)), expected, "{serial} {profile}");
        assert_eq!(session.life_cycle().unwrap(), ChipLifeCycle::Washed);
    }
}

// A profile that is not of the chip's program comes as its text, for a sample card; the card keeps it.
#[test]
fn initialisation_takes_the_text_of_a_profile_of_ones_own() {
    let interop = chip::Profile::text("interop").unwrap().replace("name = \"interop\"", "name = \"lab-7\"");
    let own = chip::Profile::without_comments(&interop.replace("13 AES-128, 18 CAM", "16 AES-192, 18 CAM"));
    for (text, expected) in [
        (own.replace("tries = 3", "tries = 9"), 0x6A88),
        (own.replace("sample = true", "sample = false"), 0x6A88),
        (own.replace("name = \"lab-7\"", "name = \"national\""), 0x6A88),
        (own.replace("type = \"0144\"", "type = \"0180\""), 0x6A88),
    ] {
        assert_ne!(text, own);
        let mut session = try_open(Stage::Washed, 0x20, &centre_keys()).unwrap();
        assert_eq!(sw(session.initialise(&request(&text))), expected);
        assert_eq!(session.life_cycle().unwrap(), ChipLifeCycle::Washed);
    }
    let flash = Stage::Washed.flash();
    let card = centre(&flash).initialise(&request(&own)).unwrap();
    // After another start the chip is what the text says; the same again changes nothing, another profile is refused.
    assert_eq!(centre(&flash).initialise(&request(&own)).unwrap(), card);
    assert_eq!(sw(centre(&flash).initialise(&request("interop"))), 0x6985);
    let profile = chip::Profile::given(&own).unwrap();
    assert!(profile.card_access() != chip::Profile::by_name("interop").unwrap().card_access());
    assert_eq!(open(&flash).profile(), Some(profile));
}

// proves: CARD-25, CARD-40, PRODUCTION-33
#[test]
fn a_package_for_another_card_or_with_something_missing_is_refused() {
    let flash = Stage::Initialised("national").flash();
    let card = centre(&flash).initialised_card().unwrap();
    let good = files(&card, true);
    type Spoil = Box<dyn Fn(&mut perso::PersonalisationFiles)>;
    let mut spoiled: Vec<(String, Spoil)> = vec![
        ("other serial".into(), Box::new(|f| f.serial = "AB1234568".into())),
        ("CAN is not of the serial".into(), Box::new(|f| f.can = "123456".into())),
        ("no MRZ".into(), Box::new(|f| f.mrz_information.clear())),
        (
            "another chip's DG15".into(),
            Box::new(|f| {
                let other = curve::SecretKey::generate(curve::Curve::P521, &mut rng("other chip"));
                f.public[7].1 = tlv::encode(0x6F, &curve::spki_from_point(&other.public_key()));
            }),
        ),
        (
            "EF.CardAccess with another curve".into(),
            Box::new(|f| {
                let other = eac::pace::Parameters { curve: curve::Curve::P256, ..P521 };
                f.card_access = eac::security_infos::encode_set_in_order(&[P521.info(), other.info()]);
            }),
        ),
        ("EF.CardAccess without PACE".into(), Box::new(|f| f.card_access = tlv::encode(0x31, &[]))),
        ("EF.CardAccess is noise".into(), Box::new(|f| f.card_access = vec![1, 2, 3])),
        ("no root".into(), Box::new(|f| f.certificates.retain(|c| c.0 != 5))),
        ("no intermediate".into(), Box::new(|f| f.certificates.retain(|c| c.0 != 6))),
        ("authorities only".into(), Box::new(|f| f.certificates.retain(|c| c.0 > 4))),
        (
            "certificates in each other's slots".into(),
            Box::new(|f| {
                f.certificates[0].0 = 3;
                f.certificates[2].0 = 1;
            }),
        ),
        ("certificate is noise".into(), Box::new(|f| f.certificates[0].1 = vec![0x30, 0x01, 0x00])),
        ("slot 7".into(), Box::new(|f| f.certificates.push((7, vec![0x30, 0])))),
        ("empty household".into(), Box::new(|f| f.household.clear())),
        (
            "EF.CardSecurity with another key".into(),
            Box::new(|f| {
                let other =
                    curve::SecretKey::generate(curve::Curve::P521, &mut rng("other chip")).public_key();
                let info = eac::security_infos::SecurityInfo::chip_authentication_public_key(&other, None);
                let infos = eac::security_infos::encode_set(&[info]);
                f.card_security = signed(tlv::oid::CARD_SECURITY_OBJECT, &infos);
            }),
        ),
        ("a citizen's EF.CardSecurity with Restricted Identification".into(), {
            let chip = curve::point_from_spki(&card.ca_spki).unwrap();
            Box::new(move |f| {
                use eac::security_infos::{SecurityInfo, encode_set};
                let mut infos = vec![SecurityInfo::chip_authentication_public_key(&chip, None)];
                infos.extend(chip::Profile::by_name("interop").unwrap().restricted_identification_infos());
                f.card_security = signed(tlv::oid::CARD_SECURITY_OBJECT, &encode_set(&infos));
            })
        }),
        ("a field of the encrypted zone missing".into(), Box::new(|f| drop(f.encrypted.groups.remove(8)))),
        ("a field altered after signing".into(), Box::new(|f| f.encrypted.groups[8].1[4] ^= 1)),
        (
            "a salt altered after signing".into(),
            Box::new(|f| *f.encrypted.groups[8].1.last_mut().unwrap() ^= 1),
        ),
        ("no security object".into(), Box::new(|f| f.encrypted.security_object.clear())),
        (
            "the encrypted zone of another chip".into(),
            Box::new(|f| {
                let other =
                    curve::SecretKey::generate(curve::Curve::P521, &mut rng("other chip")).public_key();
                f.encrypted = encrypted(&zone("national"), 0, &curve::spki_from_point(&other));
            }),
        ),
        ("fields placed as on the sample card".into(), {
            let chip = card.ca_spki.clone();
            Box::new(move |f| f.encrypted = encrypted(&zone("interop"), 0, &chip))
        }),
        ("no trust point".into(), Box::new(|f| f.trust_point.clear())),
        ("a document verifier as trust point".into(), {
            Box::new(|f| f.trust_point = eac_pki::verifier().body().encode())
        }),
    ];
    for i in [0, 1, 6, 7, 8] {
        spoiled.push((format!("public file {i} missing"), Box::new(move |f| drop(f.public.remove(i)))));
    }
    for (what, spoil) in spoiled {
        let mut package = good.clone();
        spoil(&mut package);
        let sw = sw(centre(&flash).personalise(&package));
        assert!(matches!(sw, 0x6A80 | 0x6A88), "{what}: {sw:04X}");
        assert_eq!(centre(&flash).life_cycle().unwrap(), ChipLifeCycle::Initialised, "{what}");
    }
    centre(&flash).personalise(&good).unwrap();
    // Twice is not possible: the centre's keys are gone.
    let again = Session::open(contact(open(&flash)), 0x20, &centre_keys(), &mut rng("host"));
    assert_eq!(self::sw(again), 0x6A88);
}

#[test]
fn a_commit_with_another_manifest_is_refused() {
    // The host's own manifest is right by construction; here the card is asked by hand.
    let flash = Stage::Initialised("national").flash();
    let card = centre(&flash).initialised_card().unwrap();
    let mut package = files(&card, true);
    let right = package.household.clone();
    package.household.push(0);
    // Interrupted after everything was stored, then committed with the manifest of other data.
    flash.cut_power(2 + 1 + 35 + 1 + 1, chip::Cut::Before);
    centre(&flash).personalise(&package).unwrap_err();
    flash.restore_power();
    package.household = right;
    let channel = contact(open(&flash));
    let mut host = Host::open(channel, 0x20, &centre_keys());
    let objects: Vec<u8> = vec![0; 32];
    assert_eq!(host.send(&Command::new(0x80, 0x34, 0, 0).with_data(objects)).sw.0, 0x6A80);
    assert_eq!(open(&flash).life_cycle(), LifeCycle::Initialised);
}

// proves: CARD-52, PRODUCTION-35
#[test]
fn personalisation_seals_the_chip_identifier() {
    for stage in STAGES {
        let mut channel = contact(stage.chip());
        let cplc = read_cplc(&mut channel).unwrap();
        let personalised = matches!(stage, Stage::Personalised(..));
        assert_eq!(cplc.chip_id(), (!personalised).then_some(CHIP_ID));
        assert_eq!(cplc.ic_type(), [0x4E45, 0x0144], "the type of the chip remains");
        if personalised {
            assert!(cplc.as_bytes()[10..].iter().all(|b| *b == 0));
        }
        // INITIALIZE UPDATE does not tell either.
        let update = Command::new(0x80, 0x50, 0, 0).with_data([0; 8]).with_le(256);
        let response = channel.exchange(&update).unwrap();
        assert_eq!(response.data.windows(8).any(|w| w == CHIP_ID), !personalised);
    }
    // It is gone from the memory, not hidden; so are the centre's keys.
    let flash = Stage::Personalised("national", true).flash();
    let image = flash.image();
    assert!(!image.windows(8).any(|w| w == CHIP_ID));
    assert!(!image.windows(32).any(|w| w == centre_keys().enc.expose()));
    assert!(Stage::Initialised("national").flash().image().windows(8).any(|w| w == CHIP_ID));
}

// proves: CARD-52
#[test]
fn the_contactless_identifier_is_fixed_in_production_and_random_afterwards() {
    let uids = |stage: Stage| -> Vec<[u8; 4]> {
        let mut chip = stage.chip();
        (0..20)
            .map(|_| {
                chip.power_on(Interface::Contactless);
                let uid = chip.uid();
                chip.power_off();
                uid
            })
            .collect()
    };
    for stage in &STAGES[..3] {
        assert!(uids(*stage).iter().all(|uid| *uid == [0xEE, 0x01, 0x00, 0x07]));
    }
    let random = uids(STAGES[3]);
    assert!(random.iter().all(|uid| uid[0] == 0x08), "ISO/IEC 14443-3 marks random identifiers so");
    let different: std::collections::BTreeSet<_> = random.iter().collect();
    assert_eq!(different.len(), random.len());
    // The answer to reset is the same for all cards.
    assert_eq!(
        Stage::Delivered.chip().power_on(Interface::Contact),
        Stage::InUse("interop").chip().power_on(Interface::Contact)
    );
}

#[test]
fn nothing_in_the_clear_before_personalisation() {
    for stage in &STAGES[..3] {
        for interface in Interface::ALL {
            let mut reader = Reader::new(stage.chip(), interface);
            for aid in [HOUSEHOLD, PUBLIC, EMRTD, EID, SC_HSM, PKCS15] {
                assert_eq!(reader.select(aid), 0x6A82);
            }
            reader.select_mf();
            assert_eq!(reader.select_file(0x011C), 0x6A82);
            assert_eq!(reader.sw(&Command::new(0, 0x84, 0, 0).with_le(8)), 0x6985);
            let mse = eac::pace::terminal::Start::new(P521, &can()).unwrap().mse_set_at();
            assert_eq!(reader.sw(&mse), 0x6985);
        }
    }
}

// proves: CARD-49
#[test]
fn wrong_production_keys_are_counted_slow_the_card_and_close_the_set_in_the_end() {
    let flash = Stage::Washed.flash();
    let wrong = Command::new(0x84, 0x82, 0x33, 0).with_data([0; 16]);
    let update = Command::new(0x80, 0x50, 0x20, 0).with_data([0; 8]).with_le(256);
    let mut chip = open(&flash);
    let mut delays = Vec::new();
    for attempt in 0..64 {
        chip.power_on(Interface::Contact);
        let outcome = chip.process_timed(Interface::Contact, &update.to_bytes());
        assert_eq!(outcome.response[outcome.response.len() - 2..], [0x90, 0x00], "{attempt}");
        delays.push(outcome.busy.as_secs());
        assert_eq!(chip.process(Interface::Contact, &wrong.to_bytes()), [0x63, 0x00]);
    }
    assert_eq!(delays[..9], [0, 0, 0, 1, 2, 4, 8, 16, 30]);
    assert_eq!(chip.process(Interface::Contact, &update.to_bytes()), [0x69, 0x83]);
    let right = Session::open(contact(chip), 0x20, &centre_keys(), &mut rng("host"));
    assert_eq!(sw(right), 0x6983);
    // Success in between starts the count anew.
    let flash = Stage::Washed.flash();
    let mut chip = open(&flash);
    for _ in 0..3 {
        chip.process(Interface::Contact, &update.to_bytes());
        chip.process(Interface::Contact, &wrong.to_bytes());
    }
    drop(Session::open(contact(chip), 0x20, &centre_keys(), &mut rng("host")).unwrap());
    assert_eq!(open(&flash).process_timed(Interface::Contact, &update.to_bytes()).busy.as_secs(), 0);
}

#[test]
fn pin_management_may_manage_pins_and_nothing_else() {
    let flash = Stage::Personalised("national", true).flash();
    let mut session = management(&flash);
    assert_eq!(sw(session.put_keys(0x20, &centre_keys())), 0x6985);
    assert_eq!(sw(session.put_keys(0x31, &centre_keys())), 0x6985);
    assert_eq!(sw(session.initialise(&request("national"))), 0x6985);
    drop(session);
    let mut host = Host::open(contact(open(&flash)), 0x31, &management_keys());
    // Household file, DG1, CAN: written once, for good (CARD-46).
    for object in
        [[0x02, 0x01], [0x01, 0x01], [0x10, 0x01], [0x01, 0x0B], [0x05, 0x1C], [0x04, 0x80], [0x00, 0x01]]
    {
        let store = Command::new(0x80, 0xE2, 0x80, 0).with_data([object[0], object[1], 0x61, 0x00]);
        let sw = host.send(&store).sw.0;
        assert!(matches!(sw, 0x6985 | 0x6A88), "{object:02X?}: {sw:04X}");
    }
    // No private key, by any number.
    for tag in 0x0000..=0xFFFFu16 {
        let [p1, p2] = tag.to_be_bytes();
        let response = host.send(&Command::new(0x80, 0xCA, p1, p2).with_le(65_536));
        if response.sw.is_ok() {
            assert!(matches!(tag, 0x9F7F | 0x00E0 | 0x0305 | 0x0306), "{tag:04X}");
        }
    }
}

#[test]
fn suspending_an_application_silences_its_zone_until_it_is_resumed() {
    let flash = Stage::InUse("interop").flash();
    management(&flash).suspend_application(SC_HSM).unwrap();
    assert_eq!(management(&flash).status().unwrap().suspended, [SC_HSM, PKCS15], "both views of the zone");
    let mut reader = Reader::new(open(&flash), Interface::Contact);
    for aid in [SC_HSM, PKCS15] {
        assert_eq!(reader.select(aid), 0x6283);
        assert_eq!(reader.verify(PIN2), 0x6A88);
    }
    assert_eq!(reader.select(HOUSEHOLD), 0x9000);
    drop(reader);
    management(&flash).resume_application(SC_HSM).unwrap();
    let mut reader = Reader::new(open(&flash), Interface::Contact);
    assert_eq!(reader.select(SC_HSM), 0x9000);
    assert_eq!(reader.verify(PIN2), 0x9000);
    assert_eq!(sw(management(&flash).suspend_application(ISSUER)), 0x6A88, "never the door itself");
    assert_eq!(sw(management(&flash).suspend_application(&[1, 2, 3, 4, 5])), 0x6A88);
}

#[test]
fn a_locked_card_answers_nobody_but_the_ministry_and_a_terminated_one_nobody() {
    let flash = Stage::InUse("interop").flash();
    management(&flash).lock_card().unwrap();
    assert_eq!(open(&flash).life_cycle(), LifeCycle::Locked);
    for interface in Interface::ALL {
        let mut reader = Reader::new(open(&flash), interface);
        for aid in [HOUSEHOLD, PUBLIC, EMRTD, EID, SC_HSM, PKCS15] {
            assert!(matches!(reader.select(aid), 0x6985 | 0x6A82));
        }
        assert_eq!(reader.read_sfi(0x1C).sw.0, 0x6985);
        let mse = eac::pace::terminal::Start::new(P521, &can()).unwrap().mse_set_at();
        assert_eq!(reader.sw(&mse), 0x6985);
    }
    assert_eq!(sw(management(&flash).set_pin(perso::PinReference::Pin1, &PIN1.into())), 0x6985);
    management(&flash).unlock_card().unwrap();
    let mut reader = Reader::new(open(&flash), Interface::Contact);
    assert_eq!(reader.pace(&can()), Ok(()));
    drop(reader);

    let before = flash.image().len();
    management(&flash).terminate_card().unwrap();
    assert!(flash.image().len() < before / 10, "keys and files are erased");
    let mut reader = Reader::new(open(&flash), Interface::Contact);
    assert_eq!(reader.select_mf(), 0x6285);
    assert_eq!(reader.select(ISSUER), 0x6285);
    assert_eq!(reader.sw(&Command::new(0x80, 0x50, 0, 0).with_data([0; 8]).with_le(256)), 0x6985);
    assert_eq!(reader.sw(&Command::new(0x80, 0xCA, 0x9F, 0x7F).with_le(256)), 0x6985);
}

#[test]
fn production_is_done_on_contact_only() {
    for stage in STAGES {
        let channel = chip::InProcessChannel::new(stage.chip(), Interface::Contactless);
        let error = Session::open(channel, 0, &centre_keys(), &mut rng("host")).unwrap_err();
        assert_eq!(error.status_word().unwrap().0, 0x6A82);
    }
}

#[test]
fn production_commands_outside_scp03_are_refused() {
    for stage in STAGES {
        let mut reader = Reader::contact(stage);
        reader.select(ISSUER);
        for ins in [0xD8, 0x30, 0x32, 0xE2, 0x34, 0x2C, 0xF0] {
            // STORE DATA and COMMIT exist once more, for terminals that update a card in use.
            let sw = reader.sw(&Command::new(0x80, ins, 0, 0).with_data([1]));
            assert!(sw == 0x6982 || (sw == 0x6985 && matches!(ins, 0xE2 | 0x34)), "{ins:02X} {sw:04X}");
            assert_eq!(reader.sw(&Command::new(0x84, ins, 0, 0).with_data([1])), 0x6982, "{ins:02X}");
        }
        assert_eq!(reader.sw(&Command::new(0x80, 0xCA, 0x00, 0xE0).with_le(256)), 0x6982);
    }
    // Any other command ends the session.
    let flash = Stage::Washed.flash();
    let mut host = Host::open(contact(open(&flash)), 0x20, &centre_keys());
    assert_eq!(host.send(&Command::new(0x80, 0xCA, 0x00, 0xE0).with_le(65_536)).sw.0, 0x9000);
    host.channel.exchange(&Command::new(0x80, 0xCA, 0x9F, 0x7F).with_le(256)).unwrap();
    assert_eq!(host.send(&Command::new(0x80, 0xCA, 0x00, 0xE0).with_le(65_536)).sw.0, 0x6982);
    // A lower security level than 33.
    let mut channel = contact(open(&flash));
    let update = Command::new(0x80, 0x50, 0x20, 0).with_data([0; 8]).with_le(256);
    let (_, pending) = scp::Host::initialize_update(0x20, &[0; 8]).unwrap();
    let pending = pending.on_response(&channel.exchange(&update).unwrap(), &centre_keys()).unwrap();
    let (command, _) = pending.external_authenticate(scp::SecurityLevel::CMac).unwrap();
    assert_eq!(channel.exchange(&command).unwrap().sw.0, 0x6985);
}

#[test]
fn blocks_out_of_order_are_refused() {
    let flash = Stage::Initialised("national").flash();
    let mut host = Host::open(contact(open(&flash)), 0x20, &centre_keys());
    let store = |p1, p2, data: &[u8]| Command::new(0x80, 0xE2, p1, p2).with_data(data);
    assert_eq!(host.send(&store(0x00, 0, &[0x01, 0x01, 0x61])).sw.0, 0x9000);
    assert_eq!(host.send(&store(0x80, 2, &[0])).sw.0, 0x6A86, "block 1 is missing");
    assert_eq!(host.send(&store(0x80, 1, &[0])).sw.0, 0x6A86, "and the object has to be begun anew");
    assert_eq!(host.send(&store(0x00, 0, &[0x01, 0x01, 0x61])).sw.0, 0x9000);
    assert_eq!(host.send(&Command::new(0x80, 0x34, 0, 0).with_data([0; 32])).sw.0, 0x6985, "half an object");
    assert_eq!(host.send(&store(0x80, 1, &[0])).sw.0, 0x9000);
    assert_eq!(host.send(&store(0x80, 0, &[0x01])).sw.0, 0x6A80, "shorter than an identifier");
    assert_eq!(host.send(&store(0x80, 0, &[0x01, 0x01])).sw.0, 0x6A88, "nothing in it");
    assert_eq!(host.send(&store(0x40, 0, &[0x01, 0x01, 0x61])).sw.0, 0x6A86);
    // An object without end stops at the limit.
    let mut number = 0;
    let answer = loop {
        let mut data = vec![0x61; 8_000];
        data[..2].copy_from_slice(&[0x01, 0x01]);
        let sw = host.send(&store(0x00, number, &data)).sw.0;
        number += 1;
        if sw != 0x9000 {
            break sw;
        }
    };
    assert_eq!((answer, number), (0x6A84, 9));
}

#[test]
fn factory_data_that_cannot_be_is_refused() {
    let make = |id: [u8; 8]| {
        let data = chip::FactoryData::new(id, transport_keys());
        chip::factory::manufacture(Box::new(chip::RamMemory::new()), &data, boxed_rng("factory"))
    };
    assert!(matches!(make([0; 8]), Err(chip::ChipError::FactoryData(_))));
    let chip = make(CHIP_ID).unwrap();
    assert_eq!(format!("{chip:?}"), "Chip(Delivered)", "Debug never shows memory");
    let again = chip::factory::manufacture(
        chip.into_memory(),
        &chip::FactoryData::new(CHIP_ID, transport_keys()),
        boxed_rng("factory"),
    );
    assert!(matches!(again, Err(chip::ChipError::AlreadyAChip)));
    let empty = Chip::open(Box::new(chip::RamMemory::new()), boxed_rng("chip"));
    assert!(matches!(empty, Err(chip::ChipError::NotAChip)));
}

// proves: CARD-05
#[test]
fn a_card_lives_in_a_file_as_it_does_in_memory() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("card.nvm");
    let data = chip::FactoryData::new(CHIP_ID, transport_keys());
    let memory = chip::FileMemory::create(&path).unwrap();
    drop(chip::factory::manufacture(Box::new(memory), &data, boxed_rng("factory")).unwrap());
    let chip = || Chip::open(Box::new(chip::FileMemory::open(&path).unwrap()), boxed_rng("chip")).unwrap();
    let mut session = Session::open(contact(chip()), 0x01, &transport_keys(), &mut rng("host")).unwrap();
    session.put_keys(0x21, &centre_keys()).unwrap();
    drop(session);
    let mut session = Session::open(contact(chip()), 0x21, &centre_keys(), &mut rng("host")).unwrap();
    let card = session.initialise(&request("interop")).unwrap();
    session.personalise(&files_of("interop", &card, true)).unwrap();
    drop(session);
    let (usage, budget) = chip().memory_use();
    let used: usize = usage.iter().map(|(_, bytes)| bytes).sum();
    assert!(used < budget && budget == chip::BUDGET);
    let size = std::fs::metadata(&path).unwrap().len() as usize;
    assert!(size < used + 1_000, "what was erased is not kept: {size} for {used}");
    let mut reader = Reader::new(chip(), Interface::Contactless);
    reader.pace(&mrz()).unwrap();
    reader.select(EMRTD);
    assert_eq!(reader.read_sfi(1).data, tlv::encode(0x61, &[0x61; 93]));
}
