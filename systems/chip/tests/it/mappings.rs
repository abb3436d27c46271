//! The three mappings of PACE on the chip, Basic Access Control, chip types, and commands of any length.

use apdu::{CardChannel, Command, Response, StatusWord};
use chip::{ChipType, Interface, Profile};
use curve::{Curve, SecretKey};
use eac::bac::{self, AccessKeys};
use eac::chip_authentication::{self, Parameters as ChipParameters, version_1};
use eac::pace::{Mapping, Parameters, SetAuthenticationTemplate, terminal as pace_terminal};
use eac::security_infos::SecurityInfo;
use eac::{Cipher, PasswordReference};

use crate::support::*;

const INTEROP: Stage = Stage::Personalised("interop", false);
const BAC_LAB: Stage = Stage::Personalised("bac-lab", false);

/// The public key of chip authentication the card told at its initialisation.
fn chip_authentication_key(profile: &'static str) -> curve::Point {
    let card = centre(&Stage::Initialised(profile).flash()).initialised_card().unwrap();
    curve::point_from_spki(&card.ca_spki).unwrap()
}

/// Runs PACE and gives the whole session.
fn run(reader: &mut Reader, parameters: Parameters) -> pace_terminal::Session {
    let start = pace_terminal::Start::new(parameters, &can()).unwrap();
    let mut random = rng("mappings");
    pace_terminal::establish::<eac::Error>(start, &mut random, |command| Ok(reader.send(command))).unwrap()
}

// proves: CARD-08, CARD-25, CARD-26
#[test]
fn every_offer_of_every_profile_opens_the_public_zone_on_both_interfaces() {
    let mut count = 0;
    for (stage, name) in [(Stage::Personalised("national", false), "national"), (INTEROP, "interop")] {
        for parameters in &Profile::by_name(name).unwrap().pace {
            for interface in Interface::ALL {
                let mut reader = Reader::new(stage.chip(), interface);
                let session = run(&mut reader, *parameters);
                if parameters.mapping == Mapping::ChipAuthentication {
                    let proof = session.chip_proof.as_ref().unwrap();
                    let key = chip_authentication_key(name);
                    assert_eq!(proof.verify(&key), Ok(()), "the static key is the one EF.CardSecurity names");
                    let infos = [SecurityInfo::chip_authentication_public_key(&key, None)];
                    assert_eq!(proof.verify_with_infos(&infos), Ok(()));
                    let other = SecretKey::generate(Curve::P521, &mut rng("other")).public_key();
                    assert_eq!(proof.verify(&other), Err(eac::Error::ChipProof));
                } else {
                    assert!(session.chip_proof.is_none());
                }
                reader.sm = Some(session.sm);
                assert_eq!(reader.select(PUBLIC), 0x9000);
                assert_eq!(reader.read_sfi(1).sw.0, 0x9000, "{name} {parameters:?}");
                count += 1;
            }
        }
    }
    assert_eq!(count, 2 * (3 + 5));
}

// Downgrade: what the profile does not offer is refused, stronger or weaker, whatever the mapping.
#[test]
fn parameters_that_are_not_offered_are_refused() {
    let national = Profile::by_name("national").unwrap();
    let mut refused = 0;
    let mut reader = Reader::contact(Stage::Personalised("national", false));
    for curve in Curve::STANDARDISED {
        for mapping in Mapping::ALL {
            for cipher in Cipher::ALL {
                let parameters = Parameters { mapping, curve, cipher };
                let template = |parameter_id| SetAuthenticationTemplate {
                    protocol: parameters.protocol(),
                    password: PasswordReference::Can as u8,
                    parameter_id,
                    chat: None,
                };
                let sw = reader.sw(&template(Some(curve.parameter_id())).command());
                let offered = national.pace.contains(&parameters);
                assert_eq!(sw, if offered { 0x9000 } else { 0x6A80 }, "{parameters:?}");
                refused += usize::from(!offered);
                // Without a number the protocol alone must say which.
                let named = national.pace.iter().any(|p| p.protocol() == parameters.protocol());
                let sw = reader.sw(&template(None).command());
                assert_eq!(sw, if named { 0x9000 } else { 0x6A80 }, "{parameters:?}");
            }
        }
    }
    assert_eq!(refused, 11 * 9 - 3);
}

#[test]
fn a_password_the_card_does_not_have_is_not_found() {
    let mut reader = Reader::contact(INTEROP);
    for (password, sw) in [(0, 0x6A88), (1, 0x9000), (2, 0x9000), (3, 0x6283), (4, 0x6A88), (5, 0x6A88)] {
        let template =
            SetAuthenticationTemplate { protocol: P521.protocol(), password, parameter_id: None, chat: None };
        assert_eq!(reader.sw(&template.command()), sw, "password {password}");
    }
}

pub fn basic(reader: &mut Reader, mrz: &str) -> Result<(), eac::Error> {
    let keys = AccessKeys::from_mrz_information(mrz.as_bytes()).unwrap();
    let mut random = rng("bac");
    let channel = bac::establish::<eac::Error>(bac::Start::new(keys), &mut random, |command| {
        Ok(reader.channel.exchange(command).unwrap())
    })?;
    reader.sm = Some(channel);
    Ok(())
}

// proves: CARD-08, OPEN-06
#[test]
fn basic_access_control_opens_the_public_zone_of_the_laboratory_card_alone() {
    for interface in Interface::ALL {
        let mut reader = Reader::new(BAC_LAB.chip(), interface);
        assert_eq!(reader.select(EMRTD), 0x9000);
        assert_eq!(reader.read_sfi(1).sw.0, 0x6982);
        basic(&mut reader, MRZ).unwrap();
        // The application stays selected; ICAO 9303-11 §4.2.
        let dg1 = reader.read_sfi(1);
        assert_eq!((dg1.sw.0, dg1.data), (0x9000, tlv::encode(0x61, &[0x61; 93])));
        assert!(reader.read_sfi(2).data.len() > 8_000, "as much as fits into one answer");
        // A plain command ends the channel as it ends any other.
        assert_eq!(reader.send_plain(&Command::new(0, 0xB0, 0x82, 0).with_le(256)).sw.0, 0x6A82);
        assert_eq!(reader.select(EMRTD), 0x6982);
    }
    // PACE goes on working beside it.
    let mut reader = Reader::contact(BAC_LAB);
    reader.pace(&can()).unwrap();
    assert_eq!(reader.select(EMRTD), 0x9000);
    for profile in ["national", "interop"] {
        let mut reader = Reader::contact(Stage::Personalised(profile, false));
        reader.select(PUBLIC);
        let refused =
            eac::Error::Refused { step: eac::Step::MutualAuthenticate, sw: StatusWord::INS_NOT_SUPPORTED };
        assert_eq!(basic(&mut reader, MRZ), Err(refused), "{profile} refuses it even with the right MRZ");
        assert_eq!(reader.read_sfi(1).sw.0, 0x6982);
    }
}

// proves: CARD-56
#[test]
fn a_wrong_mrz_counts_and_slows_down_whatever_protocol_it_is_tried_with() {
    let mut reader = Reader::contact(BAC_LAB);
    for _ in 0..6 {
        reader.select(EMRTD);
        assert_eq!(
            basic(&mut reader, "AB1234567485010183101010"),
            Err(eac::Error::WrongPassword { tries_left: None })
        );
    }
    reader.reset();
    reader.select(EMRTD);
    let challenge = reader.send(&Command::new(0, 0x84, 0, 0).with_le(8)).data;
    let attempt = Command::new(0, 0x82, 0, 0).with_data(vec![0; 40]).with_le(40);
    assert_eq!(challenge.len(), 8);
    let outcome = reader.channel.chip().process_timed(Interface::Contact, &attempt.to_bytes());
    assert_eq!(outcome.response, [0x63, 0x00]);
    assert_eq!(outcome.busy.as_secs(), 8, "six wrong entries before this one");
    reader.reset();
    assert!(reader.pace(&can()).is_ok());
    reader.reset();
    reader.select(EMRTD);
    basic(&mut reader, MRZ).unwrap();
}

#[test]
fn a_challenge_is_for_one_attempt_and_for_the_next_command() {
    let mut reader = Reader::contact(BAC_LAB);
    reader.select(EMRTD);
    let keys = || AccessKeys::from_mrz_information(MRZ.as_bytes()).unwrap();
    let get = bac::Start::new(keys()).get_challenge();
    let message = |reader: &mut Reader| {
        let challenge = reader.send(&get);
        bac::Start::new(keys()).step(&challenge, &mut rng("one")).unwrap().0
    };
    // Without one.
    let command = message(&mut reader);
    reader.reset();
    reader.select(EMRTD);
    assert_eq!(reader.sw(&command), 0x6985);
    // Another command between.
    let command = message(&mut reader);
    reader.select(EMRTD);
    assert_eq!(reader.sw(&command), 0x6985);
    // A longer or shorter challenge is none for this.
    assert_eq!(reader.send(&Command::new(0, 0x84, 0, 0).with_le(16)).data.len(), 16);
    assert_eq!(reader.sw(&command), 0x6985);
    // Used up by a malformed and by a wrong attempt.
    let command = message(&mut reader);
    assert_eq!(reader.sw(&Command::new(0, 0x82, 0, 0).with_data(vec![0; 39])), 0x6A80);
    assert_eq!(reader.sw(&command), 0x6985);
    let command = message(&mut reader);
    assert_eq!(reader.sw(&Command::new(0, 0x82, 0, 1).with_data(command.data.clone())), 0x6A86);
    assert_eq!(reader.sw(&command), 0x6985);
    // Right once; its replay is a plain command in the channel, which ends it.
    let command = message(&mut reader);
    assert_eq!(reader.sw(&command), 0x9000);
    assert_ne!(reader.sw(&command), 0x9000);
    // Not in another application.
    reader.reset();
    reader.select(HOUSEHOLD);
    let command = message(&mut reader);
    assert_eq!(reader.sw(&command), 0x6985);
}

// proves: CARD-12, CARD-14
#[test]
fn a_profile_is_for_one_type_of_chip_and_the_answer_to_reset_tells_the_type() {
    let reserve = Profile::by_name("reserve-p384").unwrap();
    for (chip, fits, other) in
        [(reserve.chip, "reserve-p384", "national"), (ChipType::PLANNED, "national", "reserve-p384")]
    {
        let flash = Stage::Washed.of_type(chip);
        assert!(centre(&flash).initialise(&request(other)).is_err(), "{other}");
        let card = centre(&flash).initialise(&request(fits)).unwrap();
        let profile = Profile::by_name(fits).unwrap();
        assert_eq!(curve::point_from_spki(&card.aa_spki).unwrap().curve(), profile.curve);
        for interface in Interface::ALL {
            let atr = open(&flash).power_on(interface);
            assert!(atr.windows(4).any(|w| w == chip.pre_issuing), "{atr:02X?}");
            assert_eq!(atr[1..].iter().fold(0, |x, b| x ^ b), 0);
        }
    }
}

// proves: CARD-12, OPEN-15
#[test]
fn the_reserve_chip_works_on_p_384() {
    let reserve = Profile::by_name("reserve-p384").unwrap();
    let card = centre(&Stage::Initialised("reserve-p384").flash()).initialised_card().unwrap();
    let flash = Stage::Personalised("reserve-p384", false).flash();
    for parameters in &reserve.pace {
        let mut reader = Reader::new(open(&flash), Interface::Contactless);
        let session = run(&mut reader, *parameters);
        if let Some(proof) = &session.chip_proof {
            assert_eq!(proof.verify(&curve::point_from_spki(&card.ca_spki).unwrap()), Ok(()));
        }
        reader.sm = Some(session.sm);
        assert_eq!(reader.select(PUBLIC), 0x9000);
        let challenge = [7; 8];
        let answer = reader.send(&eac::active_authentication::internal_authenticate(&challenge, false));
        assert_eq!((answer.sw.0, answer.data.len()), (0x9000, 96));
        let hash = reserve.active_authentication;
        assert_eq!(eac::active_authentication::verify(&card.aa_spki, hash, &challenge, &answer.data), Ok(()));
    }
}

// Chains and extended commands as long as the standard allows, in the clear and in the channel: refused or executed, never
// kept for ever.
#[test]
fn long_commands_and_chains_without_end_are_bounded_in_and_outside_the_channel() {
    for secured in [false, true] {
        let mut reader = Reader::contact(INTEROP);
        if secured {
            reader.pace(&can()).unwrap();
        }
        let part = |len: usize| Command::new(0x10, 0xA4, 0x04, 0x0C).with_data(vec![0xA0; len]);
        // Three parts of 21,845 bytes are the most a chain may hold; one byte more voids it.
        for _ in 0..3 {
            assert_eq!(reader.sw(&part(21_845)), 0x9000);
        }
        assert_eq!(reader.sw(&part(1)), 0x6700);
        // The chain is gone: a whole command works at once.
        assert_eq!(reader.select(EMRTD), 0x9000);
        // Empty parts, however many, build nothing.
        for _ in 0..200 {
            assert_eq!(reader.sw(&Command::new(0x10, 0xA4, 0x04, 0x0C)), 0x9000);
        }
        assert_eq!(reader.select(EMRTD), 0x9000, "and end with a command that is executed");
        // The same command in one, two and many parts.
        for size in [1, 3, 7] {
            let whole = Command::new(0x00, 0xA4, 0x04, 0x0C).with_data(EMRTD);
            let parts = apdu::split(&whole, size);
            let last = parts.len() - 1;
            for (i, part) in parts.iter().enumerate() {
                assert_eq!(reader.sw(part), 0x9000, "part {i} of {last}");
            }
        }
        // The longest extended command there is. In the channel there is a little less room.
        let longest = if secured { 65_500 } else { 65_535 };
        assert_eq!(reader.sw(&Command::new(0x00, 0xA4, 0x04, 0x0C).with_data(vec![0xA0; longest])), 0x6A82);
        assert_eq!(reader.select(EMRTD), 0x9000);
    }
}

#[test]
fn bytes_after_the_longest_command_are_refused() {
    let mut reader = Reader::contact(INTEROP);
    let mut bytes = Command::new(0x00, 0xA4, 0x04, 0x0C).with_data(vec![0xA0; 65_535]).to_bytes();
    bytes.extend([0; 100_000]);
    assert_eq!(Response::parse(&reader.channel.transmit(&bytes).unwrap()).unwrap().sw.0, 0x6700);
    assert_eq!(reader.select(EMRTD), 0x9000);
}

const CHIP: ChipParameters = ChipParameters { curve: Curve::P521, cipher: Cipher::Aes256, key_id: None };

/// A reader with a PACE channel and the public zone under this identifier.
fn public_zone(stage: Stage, interface: Interface, application: &[u8]) -> Reader {
    let mut reader = Reader::new(stage.chip(), interface);
    let session = run(&mut reader, P521);
    reader.sm = Some(session.sm);
    assert_eq!(reader.select(application), 0x9000);
    reader
}

fn version_1(reader: &mut Reader, chip_key: curve::Point) -> Result<(), eac::Error> {
    let start = version_1::Start::new(CHIP, chip_key, &mut rng("chip authentication")).unwrap();
    reader.sm = Some(version_1::authenticate::<eac::Error>(start, |command| Ok(reader.send(command)))?);
    Ok(())
}

// proves: CARD-08
#[test]
fn a_passport_reader_authenticates_the_chip_and_reads_on_in_the_new_channel() {
    let key = chip_authentication_key("interop");
    for interface in Interface::ALL {
        for application in [EMRTD, PUBLIC] {
            let mut reader = public_zone(INTEROP, interface, application);
            version_1(&mut reader, key.clone()).unwrap();
            assert_eq!(reader.read_sfi(1).sw.0, 0x9000, "the zone is as open as before");
            // And once more, in that channel.
            version_1(&mut reader, key.clone()).unwrap();
            assert_eq!(reader.read_sfi(2).sw.0, 0x9000);
            assert_eq!(reader.read_sfi(1).data, tlv::encode(0x61, &[0x61; 93]));
        }
    }
}

// A chip without the private key cannot speak in the channel that its copied public key leads to.
// proves: DOCPKI-09
#[test]
fn a_chip_with_another_key_is_found_out_by_its_first_answer() {
    let other = SecretKey::generate(Curve::P521, &mut rng("other")).public_key();
    let mut reader = public_zone(INTEROP, Interface::Contactless, EMRTD);
    version_1(&mut reader, other).unwrap();
    let mut terminal = reader.sm.take().unwrap();
    let command = terminal.wrap(&Command::new(0x00, 0xB0, 0x81, 0x00).with_le(256)).unwrap();
    let answer = reader.channel.exchange(&command).unwrap();
    assert!(terminal.unwrap(&answer).is_err(), "{answer:?}");
    // The chip for its part took the terminal's command for a forged one: the session is over.
    assert_eq!(reader.select(EMRTD), 0x9000);
    assert_eq!(reader.read_sfi(1).sw.0, 0x6982);
}

#[test]
fn chip_authentication_of_passports_is_for_sample_cards_in_the_public_zone_alone() {
    let set_at = chip_authentication::SetAuthenticationTemplate { protocol: CHIP.protocol(), key_id: None };
    let announce = set_at.command();
    let key = SecretKey::generate(Curve::P521, &mut rng("reader")).public_key();
    let authenticate = |point: &[u8]| {
        Command::new(0x00, 0x86, 0x00, 0x00)
            .with_data(tlv::encode(0x7C, &tlv::encode(0x80, point)))
            .with_le(256)
    };
    // A citizen's card proves itself by active authentication.
    let national = Stage::Personalised("national", false);
    assert_eq!(public_zone(national, Interface::Contact, PUBLIC).sw(&announce), 0x6982);
    assert_eq!(public_zone(national, Interface::Contactless, PUBLIC).sw(&announce), 0x6A81);
    // No channel, another application.
    let mut reader = Reader::contact(INTEROP);
    assert_eq!(reader.select(EMRTD), 0x9000);
    assert_eq!(reader.sw(&announce), 0x6982);
    assert_eq!(public_zone(INTEROP, Interface::Contact, HOUSEHOLD).sw(&announce), 0x6982);
    assert_eq!(public_zone(INTEROP, Interface::Contactless, HOUSEHOLD).sw(&announce), 0x6A81);
    // Announced in the zone, done elsewhere.
    let mut reader = public_zone(INTEROP, Interface::Contact, EMRTD);
    assert_eq!(reader.sw(&announce), 0x9000);
    assert_eq!(reader.select(HOUSEHOLD), 0x9000);
    assert_eq!(reader.sw(&authenticate(key.as_uncompressed())), 0x6985);
    // Not announced; a key number; another cipher; a point that is none, or of another curve.
    let mut reader = public_zone(INTEROP, Interface::Contact, EMRTD);
    assert_eq!(reader.sw(&authenticate(key.as_uncompressed())), 0x6985);
    let numbered = chip_authentication::SetAuthenticationTemplate { key_id: Some(1), ..set_at };
    assert_eq!(public_zone(INTEROP, Interface::Contact, EMRTD).sw(&numbered.command()), 0x6A88);
    let weaker = ChipParameters { cipher: Cipher::Aes128, ..CHIP }.protocol();
    let weaker = chip_authentication::SetAuthenticationTemplate { protocol: weaker, key_id: None };
    assert_eq!(public_zone(INTEROP, Interface::Contact, EMRTD).sw(&weaker.command()), 0x6A80);
    let mut off_curve = key.as_uncompressed().to_vec();
    *off_curve.last_mut().unwrap() ^= 1;
    let small = SecretKey::generate(Curve::P256, &mut rng("small")).public_key();
    for point in [off_curve, small.as_uncompressed().to_vec(), vec![0], Vec::new()] {
        let mut reader = public_zone(INTEROP, Interface::Contact, EMRTD);
        assert_eq!(reader.sw(&announce), 0x9000);
        assert_eq!(reader.sw(&authenticate(&point)), 0x6A80, "{} bytes", point.len());
        // The try is over.
        assert_ne!(reader.sw(&authenticate(key.as_uncompressed())), 0x9000);
    }
}

// DOCPKI-07: what DG14 names is what the document signer vouches for.
#[test]
fn a_card_that_announces_another_key_in_dg14_is_not_personalised() {
    for (profile, own, sw) in
        [("interop", true, None), ("interop", false, Some(())), ("national", true, Some(()))]
    {
        let flash = Stage::Initialised(profile).flash();
        let mut centre = centre(&flash);
        let card = centre.initialised_card().unwrap();
        let key = if own {
            curve::point_from_spki(&card.ca_spki).unwrap()
        } else {
            SecretKey::generate(Curve::P521, &mut rng("other")).public_key()
        };
        let infos = eac::security_infos::encode_set(&[
            SecurityInfo::chip_authentication_version_1(CHIP),
            SecurityInfo::chip_authentication_named_key(&key, None),
        ]);
        let mut files = files_of(profile, &card, false);
        files.public.iter_mut().find(|(fid, _)| *fid == 0x010E).unwrap().1 = tlv::encode(0x6E, &infos);
        assert_eq!(centre.personalise(&files).is_err(), sw.is_some(), "{profile} {own}");
    }
}
