//! The encrypted zone: who reads which field, who manages PINs, who writes; and everything that must not open it.

use std::collections::BTreeMap;

use apdu::{Command, Response};
use chip::{Chip, Flash, Interface};
use curve::{Curve, Hash, SecretKey};
use eac::auxiliary_data::{self, AuxiliaryData};
use eac::chip_authentication::{self, Parameters as ChipParameters, version_1};
use eac::cvc::{Body, Certificate, Date, Extension, Extensions, PublicKey, Rights, Role, UpdateRights};
use eac::pace;
use eac::terminal_authentication::terminal as ta;
use eac::terminal_authentication::{get_challenge, set_dst, verify_certificate};
use eac::{Cipher, Password};
use lds::dg13::Term;
use lds::eid::{EncryptedZone, Field, PersonName};
use lds::public_zone::Address;
use lds::{DataGroup, PublicZone};
use terminal::perso::{EncryptedZoneFiles, PinReference};

use crate::document_pki::{self, COUNTRY, Country};
use crate::eac_pki::{self, ROOT, TERMINAL, Terminal, VERIFIER, body, date, issue, key, reference};
use crate::support::*;

const CUTS: [chip::Cut; 3] = [chip::Cut::Before, chip::Cut::Torn, chip::Cut::After];

pub const ALL_READS: Rights = Rights::from_bits(0x1FFF_FF00);

fn reads(fields: &[Field], profile: &str) -> Rights {
    fields.iter().fold(Rights::NONE, |rights, field| {
        rights | Rights::read_dg(zone(profile).placement.group(*field)).unwrap()
    })
}

/// The status word of a command, as an error unless it is 9000.
fn ok(response: Response) -> Result<Vec<u8>, u16> {
    response.into_ok().map_err(|sw| sw.0)
}

impl Reader {
    /// PACE that announces a terminal with these rights.
    pub fn pace_for(&mut self, password: &Password, rights: Rights, updates: UpdateRights) -> Vec<u8> {
        self.announce(P521, password, rights, updates)
    }

    /// The same with these parameters.
    pub fn announce(
        &mut self,
        parameters: pace::Parameters,
        password: &Password,
        rights: Rights,
        updates: UpdateRights,
    ) -> Vec<u8> {
        let chat = eac::cvc::Chat::authentication(Role::Terminal, rights).to_value();
        let start = pace::terminal::Start::new(parameters, password).unwrap().with_chat(chat);
        let extensions = Extensions::new(vec![Extension::updates(updates)]).unwrap().encode();
        let mut random = rng("terminal");
        let session = pace::terminal::establish::<eac::Error>(start, &mut random, |command| {
            let mut command = command.clone();
            if [command.ins, command.p1] == [0x22, 0xC1] {
                command.data.extend(&extensions);
            }
            Ok(self.send(&command))
        })
        .unwrap();
        // The card names its trust point, to whom it may authenticate.
        let trusted = (self.channel.interface() == Interface::Contact).then_some(ROOT.as_bytes());
        assert_eq!(session.certification_authority.as_deref(), trusted);
        self.sm = Some(session.sm);
        session.id_picc
    }

    pub fn present(&mut self, chain: &[Certificate]) -> Result<(), u16> {
        for command in ta::present(chain) {
            ok(self.send(&command))?;
        }
        Ok(())
    }

    /// Terminal Authentication after the chain, with the key that the holder named here has.
    pub fn prove(
        &mut self,
        chain: &[Certificate],
        signer: &SecretKey,
        questions: &AuxiliaryData,
        id_picc: Vec<u8>,
    ) -> Result<ta::EphemeralKey, u16> {
        let holder = chain.last().unwrap().body().holder.clone();
        let ephemeral = ta::EphemeralKey::generate(self.chip_key().curve(), &mut rng("ephemeral"));
        let algorithm = tlv::oid::TA_ECDSA_SHA512;
        let start = ta::Start::new(holder, algorithm, questions, &ephemeral, id_picc);
        let sign = |message: &[u8]| Ok::<_, eac::Error>(signer.sign_digest(&Hash::Sha512.digest(message)));
        let result = ta::authenticate::<eac::Error>(chain, start, sign, |command| Ok(self.send(command)));
        match result {
            Ok(()) => Ok(ephemeral),
            Err(eac::Error::Refused { sw, .. }) => Err(sw.0),
            Err(other) => panic!("{other}"),
        }
    }

    pub fn authenticate_chip(&mut self, ephemeral: ta::EphemeralKey) -> Result<(), u16> {
        let chip_key = self.chip_key();
        let parameters = ChipParameters { curve: chip_key.curve(), cipher: Cipher::Aes256, key_id: None };
        let start = chip_authentication::terminal::Start::new(parameters, chip_key, ephemeral).unwrap();
        let run = chip_authentication::terminal::authenticate::<eac::Error>(start, |c| Ok(self.send(c)));
        match run {
            Ok(sm) => {
                self.sm = Some(sm);
                Ok(())
            }
            Err(eac::Error::Refused { sw, .. }) => Err(sw.0),
            Err(other) => panic!("{other}"),
        }
    }

    /// The chip's key, from its memory: who it is that vouches for it is not what is tested here.
    fn chip_key_record(&self) -> Vec<u8> {
        CHIP_KEY.with(|key| key.borrow().clone())
    }

    pub fn chip_key(&self) -> curve::Point {
        SecretKey::from_pkcs8(&self.chip_key_record()).unwrap().public_key()
    }

    /// The whole way: PACE, certificates, terminal, chip, eID application.
    pub fn open_zone(&mut self, password: &Password, terminal: &Terminal) -> Result<(), u16> {
        self.open_zone_with(password, terminal, &AuxiliaryData::new())
    }

    fn open_zone_with(
        &mut self,
        password: &Password,
        terminal: &Terminal,
        questions: &AuxiliaryData,
    ) -> Result<(), u16> {
        self.open_session_with(password, terminal, questions)?;
        match self.select(EID) {
            0x9000 => Ok(()),
            sw => Err(sw),
        }
    }

    /// The same without selecting the application.
    fn open_session(&mut self, password: &Password, terminal: &Terminal) -> Result<(), u16> {
        self.open_session_with(password, terminal, &AuxiliaryData::new())
    }

    fn open_session_with(
        &mut self,
        password: &Password,
        terminal: &Terminal,
        questions: &AuxiliaryData,
    ) -> Result<(), u16> {
        let id_picc = self.pace_for(password, terminal.rights, terminal.updates);
        let ephemeral = self.prove(&terminal.chain, &key(TERMINAL), questions, id_picc)?;
        self.authenticate_chip(ephemeral)
    }

    /// The data groups that can be read, by all ways to read them.
    fn readable(&mut self) -> Vec<u8> {
        let mut groups = Vec::new();
        for group in 1..=22u8 {
            let short = self.read_sfi(group);
            let selected = self.select_file(0x0100 | u16::from(group));
            let odd = Command::new(0, 0xB1, 0x01, group).with_data([0x54, 1, 0]).with_le(256);
            let odd = self.sw(&odd);
            assert_eq!(short.sw.0 == 0x9000, selected == 0x9000, "DG{group}");
            assert_eq!(short.sw.0 == 0x9000, matches!(odd, 0x9000 | 0x6282), "DG{group}");
            if short.sw.0 == 0x9000 {
                groups.push(group);
            }
        }
        groups
    }
}

thread_local! {
    static CHIP_KEY: std::cell::RefCell<Vec<u8>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// A reader with the card of a memory, on one interface.
pub fn reader(flash: &Flash, interface: Interface) -> Reader {
    let memory = chip::RamMemory::open(Flash::from_image(flash.image())).unwrap();
    let record = chip::Memory::load(&memory, 0x0036).unwrap().to_vec();
    CHIP_KEY.with(|key| *key.borrow_mut() = record);
    Reader::new(open(flash), interface)
}

fn in_use(profile: &'static str) -> Reader {
    reader(&Stage::InUse(profile).flash(), Interface::Contact)
}

// proves: CARD-28, CARD-29, CARD-32, CARD-33, EACPKI-04, PRIVACY-10
#[test]
fn a_terminal_reads_the_fields_of_its_certificate_and_no_other() {
    for profile in ["national", "interop"] {
        let placement = zone(profile).placement;
        let cases: [(&[Field], &[u8]); 4] = [
            (&[], &[]),
            (&[Field::Birthplace], &[placement.group(Field::Birthplace)]),
            (&[Field::Sex, Field::Mother], &{
                let mut groups = [placement.group(Field::Sex), placement.group(Field::Mother)];
                groups.sort_unstable();
                groups
            }),
            (&Field::ALL, &{
                let mut groups = Field::ALL.map(|field| placement.group(field));
                groups.sort_unstable();
                groups
            }),
        ];
        for (fields, groups) in cases {
            let terminal = eac_pki::terminal(reads(fields, profile), UpdateRights::NONE);
            let mut reader = in_use(profile);
            reader.open_zone(&pin1(), &terminal).unwrap();
            assert_eq!(reader.readable(), groups, "{profile} {fields:?}");
            // Two fields can be verified without the others.
            assert_eq!(reader.read_sfi(0x18).sw.0, 0x9000, "the hashes are for every authenticated terminal");
        }
        let all = eac_pki::terminal(ALL_READS, UpdateRights::NONE);
        let mut reader = in_use(profile);
        reader.open_zone(&pin1(), &all).unwrap();
        assert_eq!(reader.readable(), placement.groups());
        let files = zone(profile).files().unwrap();
        for (group, file) in files {
            assert!(reader.read_sfi(group).data.starts_with(&file), "DG{group}");
        }
    }
}

// proves: CARD-29, CARD-32, OPEN-05
#[test]
fn nothing_is_read_before_the_last_step_and_no_step_can_be_left_out() {
    let terminal = eac_pki::terminal(ALL_READS, UpdateRights::NONE);
    let mut reader = in_use("national");
    let closed = |reader: &mut Reader| {
        assert_eq!(reader.select(EID), 0x9000);
        assert_eq!(reader.readable(), [0u8; 0]);
        assert_eq!(reader.read_sfi(0x18).sw.0, 0x6982);
    };
    closed(&mut reader);
    let id_picc = reader.pace_for(&pin1(), terminal.rights, terminal.updates);
    closed(&mut reader);
    // Chip Authentication does not come before Terminal Authentication.
    let set_at = chip_authentication::SetAuthenticationTemplate {
        protocol: tlv::oid::CA_ECDH_AES_CBC_CMAC_256,
        key_id: None,
    };
    assert_eq!(reader.sw(&set_at.command()), 0x6982);
    reader.present(&terminal.chain).unwrap();
    closed(&mut reader);
    let ephemeral =
        reader.prove(&[terminal.chain[1].clone()], &key(TERMINAL), &AuxiliaryData::new(), id_picc);
    let ephemeral = ephemeral.expect("the verifier is known in this session");
    closed(&mut reader);
    reader.authenticate_chip(ephemeral).unwrap();
    reader.select(EID);
    assert_eq!(reader.readable(), zone("national").placement.groups());
    // A new channel begins from nothing.
    reader.pace(&can()).unwrap();
    closed(&mut reader);
}

// proves: CARD-29, OPEN-04, PRIVACY-10
#[test]
fn with_the_access_number_alone_nothing_is_read_whatever_the_certificate_says() {
    let all = Rights::from_bits(0x1FFF_FF00) | Rights::CAN_ALLOWED | Rights::PIN_MANAGEMENT;
    let mut reader = in_use("national");
    reader.open_zone(&can(), &eac_pki::terminal(all, UpdateRights::NONE)).unwrap();
    assert_eq!(reader.readable(), [0u8; 0]);
    // And without the right to use it, not even the terminal is accepted.
    let mut reader = in_use("national");
    assert_eq!(reader.open_zone(&can(), &eac_pki::terminal(ALL_READS, UpdateRights::NONE)), Err(0x6982));
    // TR-03110-2 §3.2 grants the CAN: with the MRZ no terminal is accepted, whatever it may do and whatever went before.
    for updates in [UpdateRights::NONE, UpdateRights::ALL] {
        for before in [None, Some(can())] {
            let mut reader = in_use("national");
            if let Some(before) = &before {
                reader.pace(before).unwrap();
            }
            assert_eq!(reader.open_zone(&mrz(), &eac_pki::terminal(all, updates)), Err(0x6982));
        }
        let mut reader = in_use("national");
        reader.pace(&mrz()).unwrap();
        assert_eq!(reader.open_zone(&can(), &eac_pki::terminal(all, updates)), Ok(()));
    }
    // PIN1 inside the channel of the access number is PIN1 (OPEN-04).
    let mut reader = in_use("national");
    reader.pace(&can()).unwrap();
    reader.open_zone(&pin1(), &eac_pki::terminal(ALL_READS, UpdateRights::NONE)).unwrap();
    assert_eq!(reader.readable(), zone("national").placement.groups());
    // The number that it may read opens the public zone, in a channel of that number.
    reader.pace(&can()).unwrap();
    reader.select(PUBLIC);
    assert_eq!(reader.read_sfi(1).sw.0, 0x9000);
}

// ADR 39: PIN1 is proved in a channel of the access number. The terminal, which may be a server far away, is to learn from that
// which document the chip belongs to, and nothing that its certificate has no right for.
#[test]
fn an_authenticated_terminal_reads_no_more_of_the_public_zone_than_its_security_object() {
    let asks_for_age = eac_pki::terminal(Rights::AGE_VERIFICATION, UpdateRights::NONE);
    let everything = eac_pki::terminal(ALL_READS | Rights::from_bits(0xFF), UpdateRights::ALL);
    let application = |profile| if profile == "interop" { vec![PUBLIC, EMRTD] } else { vec![PUBLIC] };
    let internal = Command::new(0, 0x88, 0, 0).with_data([7; 8]).with_le(256);
    let sees = |reader: &mut Reader, application: &[u8]| -> Vec<&'static str> {
        assert_eq!(reader.select(application), 0x9000);
        let public =
            chip::files::FILES.iter().filter(|file| file.directory == chip::files::Directory::Public);
        let seen = public.filter(|file| {
            let [hi, lo] = file.fid.to_be_bytes();
            let odd = Command::new(0, 0xB1, hi, lo).with_data([0x54, 1, 0]).with_le(256);
            let answers =
                [reader.read_sfi(file.sfi.unwrap()).sw.0, reader.select_file(file.fid), reader.sw(&odd)];
            assert!(answers == [0x9000; 3] || answers == [0x6982; 3], "{}: {answers:04X?}", file.name);
            answers[0] == 0x9000
        });
        seen.map(|file| file.name).collect()
    };
    for profile in ["national", "interop"] {
        for application in application(profile) {
            for terminal in [&asks_for_age, &everything] {
                for password in [can(), mrz()] {
                    let mut reader = in_use(profile);
                    reader.pace(&password).unwrap();
                    assert_eq!(sees(&mut reader, application).len(), 9, "the holder's own device");
                    // A terminal that is announced is still nobody; one that has proved its key is.
                    let id_picc = reader.pace_for(&pin1(), terminal.rights, terminal.updates);
                    assert_eq!(sees(&mut reader, application).len(), 9, "announced");
                    let ephemeral = reader
                        .prove(&terminal.chain, &key(TERMINAL), &AuxiliaryData::new(), id_picc)
                        .unwrap();
                    assert_eq!(sees(&mut reader, application), ["EF.SOD"], "{profile}");
                    reader.authenticate_chip(ephemeral).unwrap();
                    assert_eq!(sees(&mut reader, application), ["EF.SOD"], "{profile}");
                    assert_eq!(reader.sw(&internal), 0x6982, "nor does the key of DG15 sign for it");
                }
            }
        }
    }
}

// A terminal has the rights of its certificate alone, and no certificate has one for the certificate zone: it learns nobody's
// name there, wakes no key, and spends no try of either PIN. What a right to manage PINs does stays.
// proves: CARD-33
#[test]
fn an_authenticated_terminal_reaches_neither_the_certificate_zone_nor_a_try_of_a_pin() {
    let asks_for_age = eac_pki::terminal(Rights::AGE_VERIFICATION, UpdateRights::NONE);
    let everything = eac_pki::terminal(ALL_READS | Rights::from_bits(0xFF), UpdateRights::ALL);
    for (terminal, manages) in [(&asks_for_age, false), (&everything, true)] {
        for application in [SC_HSM, PKCS15] {
            let mut reader = in_use("national");
            reader.pace(&can()).unwrap();
            // What the holder's own device does before, a terminal does not go on with.
            assert_eq!(reader.select(application), 0x9000);
            assert_eq!(reader.verify(PIN2), 0x9000);
            let id_picc = reader.pace_for(&pin1(), terminal.rights, terminal.updates);
            assert_eq!(reader.verify(PIN2), 0x9000, "announced");
            let ephemeral =
                reader.prove(&terminal.chain, &key(TERMINAL), &AuxiliaryData::new(), id_picc).unwrap();
            let refused = |reader: &mut Reader| {
                let zone = chip::files::FILES.iter().filter(|file| file.zone == chip::Zone::Certificate);
                let here = if application == SC_HSM {
                    chip::files::Directory::SmartCardHsm
                } else {
                    chip::files::Directory::Pkcs15
                };
                let stored = |file: &&chip::files::File| {
                    file.directory == here && !matches!(file.content, chip::files::Content::PrivateKey(_))
                };
                for file in zone.filter(stored) {
                    let [hi, lo] = file.fid.to_be_bytes();
                    let odd = Command::new(0, 0xB1, hi, lo).with_data([0x54, 1, 0]).with_le(256);
                    assert_eq!([reader.sw(&odd), reader.select_file(file.fid)], [0x6982; 2], "{}", file.name);
                }
                for command in [
                    Command::new(0, 0x20, 0, 0x81),
                    Command::new(0, 0x20, 0, 0x81).with_data(*b"11111111"),
                    Command::new(0, 0x24, 0, 0x81).with_data(*b"1111111122222222"),
                    Command::new(0x80, 0x68, 3, 0x70).with_data([7; 32]).with_le(256),
                    Command::new(0x80, 0x62, 2, 0x21).with_data([7; 256]).with_le(256),
                ] {
                    assert_eq!(reader.sw(&command), 0x6982, "{:02X}", command.ins);
                }
                if application == SC_HSM {
                    assert_eq!(reader.sw(&Command::new(0x80, 0x58, 0, 0).with_le(256)), 0x6982);
                }
                // With the access number proved before, even the last try would be its to use.
                for password in [wrong_pin1(), pin1()] {
                    assert_eq!(reader.pace(&password), Err(0x6985));
                }
            };
            refused(&mut reader);
            reader.authenticate_chip(ephemeral).unwrap();
            assert_eq!(reader.select(application), 0x9000);
            refused(&mut reader);
            let unblocks = reader.sw(&Command::new(0, 0x2C, 3, 0x81));
            assert_eq!(unblocks, if manages { 0x9000 } else { 0x6982 });

            // The holder opens another session, and finds every try there.
            reader.reset();
            assert_eq!(reader.pin1_status(), 0x9000);
            reader.pace(&can()).unwrap();
            reader.pace(&pin1()).unwrap();
            assert_eq!(reader.select(application), 0x9000);
            assert_eq!(reader.sw(&Command::new(0, 0x20, 0, 0x81)), 0x63C3);
            assert_eq!(reader.verify(PIN2), 0x9000);
        }
    }
}

// The holder, or a program between, can only take rights away.
#[test]
fn what_pace_announces_narrows_the_rights_and_never_widens_them() {
    let one = reads(&[Field::Birthplace], "national");
    let two = reads(&[Field::Birthplace, Field::Sex], "national");
    let cases = [
        // Certificate, announced, what remains.
        (one, ALL_READS, vec![9]),
        (two, one, vec![9]),
        (one, reads(&[Field::Sex], "national"), vec![]),
        (two, Rights::NONE, vec![]),
    ];
    for (certified, announced, groups) in cases {
        let mut terminal = eac_pki::terminal(certified, UpdateRights::NONE);
        terminal.rights = announced;
        let mut reader = in_use("national");
        reader.open_zone(&pin1(), &terminal).unwrap();
        assert_eq!(reader.readable(), groups);
    }
}

// proves: EACPKI-04
#[test]
fn a_document_verifier_cannot_give_more_than_it_has() {
    let poor =
        body(ROOT, VERIFIER, Role::OfficialVerifier, reads(&[Field::Sex], "national"), UpdateRights::NONE);
    let rich =
        body(VERIFIER, TERMINAL, Role::Terminal, ALL_READS | Rights::PIN_MANAGEMENT, UpdateRights::ALL);
    let terminal = Terminal {
        chain: vec![issue(poor, ROOT), issue(rich, VERIFIER)],
        rights: ALL_READS | Rights::PIN_MANAGEMENT,
        updates: UpdateRights::ALL,
    };
    let mut reader = in_use("national");
    reader.open_zone(&pin1(), &terminal).unwrap();
    assert_eq!(reader.readable(), [11]);
    assert_eq!(reader.sw(&Command::new(0, 0x2C, 0x03, 0x81)), 0x6982, "nor manages PINs");
    let store = Command::new(0x80, 0xE2, 0x80, 0).with_data([0x06, 0x09, 0x69]);
    assert_eq!(reader.sw(&store), 0x6982, "nor writes");
}

#[test]
fn certificates_that_are_not_accepted() {
    let good = || body(VERIFIER, TERMINAL, Role::Terminal, ALL_READS, UpdateRights::NONE);
    let verifier = eac_pki::verifier;
    type Case = (&'static str, Vec<Certificate>, u16);
    let cases: Vec<Case> = vec![
        ("signed by somebody else", vec![verifier(), issue(good(), "TWOTHER00001")], 0x6300),
        ("signed by itself", vec![verifier(), issue(good(), TERMINAL)], 0x6300),
        (
            "below the root, without document verifier",
            vec![issue(Body { authority: reference(ROOT), ..good() }, ROOT)],
            0x6300,
        ),
        (
            "expired before its verifier began",
            vec![
                verifier(),
                issue(
                    Body { effective: date(2025, 1, 1), expiration: date(2025, 12, 31), ..good() },
                    VERIFIER,
                ),
            ],
            0x6300,
        ),
        (
            "begins after the end of its verifier",
            vec![
                verifier(),
                issue(
                    Body { effective: date(2049, 1, 1), expiration: date(2049, 1, 31), ..good() },
                    VERIFIER,
                ),
            ],
            0x6300,
        ),
        (
            "a way back to the root under its own name, with another key",
            vec![issue(
                Body {
                    public_key: PublicKey::explicit(&key("a thief").public_key()),
                    ..body(ROOT, ROOT, Role::Cvca, ALL_READS, UpdateRights::NONE)
                },
                ROOT,
            )],
            0x6300,
        ),
        (
            "a circle of verifiers",
            vec![
                verifier(),
                issue(
                    body(VERIFIER, VERIFIER, Role::OfficialVerifier, ALL_READS, UpdateRights::NONE),
                    VERIFIER,
                ),
            ],
            0x6300,
        ),
        (
            "a verifier that a verifier made",
            vec![
                verifier(),
                issue(
                    body(VERIFIER, "TWDVCB00001", Role::OfficialVerifier, ALL_READS, UpdateRights::NONE),
                    VERIFIER,
                ),
            ],
            0x6300,
        ),
        (
            "of an unknown root",
            vec![issue(Body { authority: reference("XXCVCA00001"), ..good() }, ROOT)],
            0x6A88,
        ),
    ];
    for (what, chain, sw) in cases {
        let mut reader = in_use("national");
        reader.pace_for(&pin1(), ALL_READS, UpdateRights::NONE);
        assert_eq!(reader.present(&chain), Err(sw), "{what}");
    }
    // A certificate that was stolen: the key is missing.
    let mut reader = in_use("national");
    let id_picc = reader.pace_for(&pin1(), ALL_READS, UpdateRights::NONE);
    let terminal = eac_pki::terminal(ALL_READS, UpdateRights::NONE);
    let stolen = reader.prove(&terminal.chain, &key("a thief"), &AuxiliaryData::new(), id_picc.clone());
    assert_eq!(stolen.err(), Some(0x6300));
    // The signature over another session's key of the card.
    let mut other = id_picc;
    other[5] ^= 1;
    let replayed = reader.prove(&terminal.chain[1..], &key(TERMINAL), &AuxiliaryData::new(), other);
    assert_eq!(replayed.err(), Some(0x6300));
}

// proves: CARD-57, EACPKI-03
#[test]
fn the_card_learns_the_date_and_a_new_root_and_keeps_them_without_power() {
    let flash = Stage::InUse("national").flash();
    let mut first = reader(&flash, Interface::Contact);
    let link = Body {
        effective: date(2027, 6, 1),
        expiration: date(2030, 1, 1),
        ..body(ROOT, "TWCVCA00002", Role::Cvca, !Rights::NONE, UpdateRights::ALL)
    };
    first.pace_for(&pin1(), ALL_READS, UpdateRights::NONE);
    first.present(&[issue(link, ROOT)]).unwrap();
    drop(first);
    // After the next power on the new root stands first, and a verifier that had expired by then is refused.
    let mut second = Reader::new(open(&flash), Interface::Contact);
    let start = pace::terminal::Start::new(P521, &can()).unwrap();
    let session =
        pace::terminal::establish::<eac::Error>(start, &mut rng("again"), |c| Ok(second.send(c))).unwrap();
    assert_eq!(session.certification_authority.as_deref(), Some(&b"TWCVCA00002"[..]));
    assert_eq!(session.certification_authority_previous.as_deref(), Some(ROOT.as_bytes()));
    second.reset();
    let chat = eac::cvc::Chat::authentication(Role::Terminal, ALL_READS).to_value();
    let start = pace::terminal::Start::new(P521, &pin1()).unwrap().with_chat(chat);
    let session =
        pace::terminal::establish::<eac::Error>(start, &mut rng("once more"), |c| Ok(second.send(c)))
            .unwrap();
    second.sm = Some(session.sm);
    let old = Body {
        effective: date(2026, 2, 1),
        expiration: date(2027, 5, 31),
        ..body(ROOT, VERIFIER, Role::OfficialVerifier, ALL_READS, UpdateRights::NONE)
    };
    assert_eq!(second.present(&[issue(old, ROOT)]), Err(0x6300), "expired on the day the card knows");
    assert_eq!(Date::EARLIEST, date(2000, 1, 1));
}

// proves: CARD-31
#[test]
fn on_the_contactless_side_the_zone_is_absent_in_every_order() {
    let flash = Stage::InUse("national").flash();
    let terminal = eac_pki::terminal(ALL_READS | Rights::CAN_ALLOWED, UpdateRights::ALL);
    let commands = || {
        let mut list = ta::present(&terminal.chain);
        list.push(Command::new(0, 0xA4, 4, 0x0C).with_data(EID));
        list.push(Command::new(0, 0xA4, 0, 0x0C).with_data([0x65, 0x01]));
        list.push(Command::new(0, 0xB0, 0x89, 0).with_le(256));
        list.push(Command::new(0x80, 0xE2, 0x80, 0).with_data([0x06, 0x09, 0x69]));
        list.push(Command::new(0x80, 0x34, 0, 0).with_data([0; 32]));
        list.push(auxiliary_data::verify_command(tlv::oid::AUXILIARY_DATE_OF_BIRTH));
        list.push(Command::new(0, 0x2C, 0x02, 0x03).with_data(*b"111111"));
        list
    };
    // In the clear, then after PACE, each command first and the rest after it.
    for first in 0..commands().len() {
        for password in [None, Some(can()), Some(mrz())] {
            let mut reader = Reader::new(open(&flash), Interface::Contactless);
            if let Some(password) = &password {
                reader.pace(password).unwrap();
            }
            let mut list = commands();
            list.rotate_left(first);
            for command in list {
                let sw = reader.sw(&command);
                assert!(sw >> 8 >= 0x69, "{command:?}: {sw:04X}");
            }
        }
    }
    // A session of the contact side ends when the card is moved over.
    let mut contact = reader(&flash, Interface::Contact);
    contact.open_zone(&pin1(), &eac_pki::terminal(ALL_READS, UpdateRights::NONE)).unwrap();
    let command = Command::new(0, 0xB0, 0x89, 0).with_le(256);
    let wrapped = contact.sm.as_mut().unwrap().wrap(&command).unwrap().to_bytes();
    let answer = contact.channel.chip().process(Interface::Contactless, &wrapped);
    assert!(answer.len() == 2 && answer[0] >= 0x69, "{answer:02X?}");
}

// proves: OPEN-02
#[test]
fn pace_on_the_contactless_side_says_nothing_that_tells_cards_apart() {
    let mut reader = Reader::new(Stage::InUse("national").chip(), Interface::Contactless);
    let chat = eac::cvc::Chat::authentication(Role::Terminal, ALL_READS).to_value();
    let start = pace::terminal::Start::new(P521, &can()).unwrap().with_chat(chat);
    let session =
        pace::terminal::establish::<eac::Error>(start, &mut rng("passer-by"), |c| Ok(reader.send(c)))
            .unwrap();
    assert_eq!(session.certification_authority, None);
}

// Somebody in possession of a running session sends something without it, strips it, or replays it.
#[test]
fn a_plain_command_stripped_protection_or_a_replay_ends_the_session() {
    let terminal = eac_pki::terminal(ALL_READS, UpdateRights::NONE);
    let read = Command::new(0, 0xB0, 0x89, 0).with_le(256);
    type Attack = fn(&mut Reader, &Command) -> u16;
    let attacks: [(&str, Attack); 4] = [
        ("plain", |reader, read| reader.send_plain(read).sw.0),
        ("class byte without protection", |reader, read| {
            let mut wrapped = reader.sm.as_mut().unwrap().wrap(read).unwrap();
            wrapped.cla &= !0x0C;
            reader.send_plain(&wrapped).sw.0
        }),
        ("truncated checksum", |reader, read| {
            let mut wrapped = reader.sm.as_mut().unwrap().wrap(read).unwrap();
            wrapped.data.truncate(wrapped.data.len() - 1);
            reader.send_plain(&wrapped).sw.0
        }),
        ("replay", |reader, read| {
            let wrapped = reader.sm.as_mut().unwrap().wrap(read).unwrap();
            assert_eq!(reader.send_plain(&wrapped).sw.0, 0x9000);
            reader.send_plain(&wrapped).sw.0
        }),
    ];
    for (what, attack) in attacks {
        let mut reader = in_use("national");
        reader.open_zone(&pin1(), &terminal).unwrap();
        assert_ne!(attack(&mut reader, &read), 0x9000, "{what}");
        // The next protected command finds no session, and nothing in the clear is left of it.
        let wrapped = reader.sm.as_mut().unwrap().wrap(&read).unwrap();
        assert_ne!(reader.send_plain(&wrapped).sw.0, 0x9000, "{what}");
        reader.sm = None;
        assert_eq!(reader.select(EID), 0x9000);
        assert_eq!(reader.readable(), [0u8; 0], "{what}");
    }
}

// proves: CARD-33
#[test]
fn no_other_zone_opens_the_encrypted_zone_nor_the_other_way_round() {
    let mut reader = in_use("interop");
    reader.pace(&can()).unwrap();
    for aid in [PUBLIC, EMRTD, HOUSEHOLD, SC_HSM, PKCS15] {
        assert_eq!(reader.select(aid), 0x9000);
        if aid == SC_HSM {
            assert_eq!(reader.verify(PIN2), 0x9000);
        }
        for path in [&[0x65, 0x01, 0x01, 0x09][..], &[0x65, 0x01], &[0x01, 0x09]] {
            for p1 in [0x08, 0x09] {
                assert_ne!(reader.sw(&Command::new(0, 0xA4, p1, 0x0C).with_data(path)), 0x9000);
            }
        }
        assert_eq!(reader.select(EID), 0x9000);
        assert_eq!(reader.readable(), [0u8; 0]);
    }
    // An authenticated terminal with PIN1 does not get the certificate zone's keys, nor the public zone without CAN.
    let mut reader = in_use("national");
    reader.open_zone(&pin1(), &eac_pki::terminal(ALL_READS, UpdateRights::NONE)).unwrap();
    reader.select(PUBLIC);
    assert_eq!(reader.read_sfi(1).sw.0, 0x6982);
    reader.select(SC_HSM);
    assert_eq!(reader.sw(&Command::new(0x80, 0x68, 1, 0x20).with_data([0; 256]).with_le(256)), 0x6982);
}

// proves: CARD-51, OPEN-11, OPEN-64
#[test]
fn a_terminal_with_the_right_sets_and_unblocks_both_pins() {
    let rights = Rights::CAN_ALLOWED | Rights::PIN_MANAGEMENT;
    let terminal = eac_pki::terminal(rights, UpdateRights::NONE);
    let set = |pin: PinReference, value: &[u8]| Command::new(0, 0x2C, 0x02, pin as u8).with_data(value);
    let unblock = |pin: PinReference| Command::new(0, 0x2C, 0x03, pin as u8);

    // As the card leaves production: no PIN at all.
    let flash = Stage::Personalised("national", true).flash();
    let mut office = reader(&flash, Interface::Contact);
    office.open_zone(&can(), &terminal).unwrap();
    assert_eq!(office.sw(&unblock(PinReference::Pin1)), 0x6984, "there is nothing to unblock");
    assert_eq!(office.sw(&set(PinReference::Pin1, b"12345")), 0x6A80);
    assert_eq!(office.sw(&set(PinReference::Pin1, PIN1)), 0x9000);
    assert_eq!(office.sw(&set(PinReference::Pin2, PIN2)), 0x9000);
    drop(office);
    let mut holder = Reader::new(open(&flash), Interface::Contact);
    assert_eq!(holder.pace(&pin1()), Ok(()));

    // Blocked by three wrong ones; the office unblocks it, and the old value is still right.
    holder.reset();
    holder.pace(&wrong_pin1()).unwrap_err();
    holder.pace(&wrong_pin1()).unwrap_err();
    holder.pace(&can()).unwrap();
    assert_eq!(holder.pace(&wrong_pin1()), Err(0x63C0));
    drop(holder);
    let mut office = reader(&flash, Interface::Contact);
    office.open_zone(&can(), &terminal).unwrap();
    assert_eq!(office.sw(&unblock(PinReference::Pin1)), 0x9000);
    drop(office);
    let mut holder = Reader::new(open(&flash), Interface::Contact);
    assert_eq!(holder.pace(&pin1()), Ok(()));
    drop(holder);

    // Neither the access number, nor PIN1, nor a terminal without the right does that; nor one that has the right, may not use the
    // access number, and was let in with it because it writes a field (OPEN-41).
    for (password, rights, updates) in [
        (can(), Rights::CAN_ALLOWED, UpdateRights::NONE),
        (pin1(), ALL_READS, UpdateRights::NONE),
        (can(), Rights::PIN_MANAGEMENT, UpdateRights::SPOUSE),
    ] {
        let mut other = reader(&flash, Interface::Contact);
        other.open_zone(&password, &eac_pki::terminal(rights, updates)).unwrap();
        for command in [
            unblock(PinReference::Pin1),
            unblock(PinReference::Pin2),
            set(PinReference::Pin1, b"975310"),
            set(PinReference::Pin2, PIN2),
        ] {
            assert_eq!(other.sw(&command), 0x6982);
        }
    }
    // With PIN1 the same terminal does.
    let mut office = reader(&flash, Interface::Contact);
    office.open_zone(&pin1(), &eac_pki::terminal(Rights::PIN_MANAGEMENT, UpdateRights::SPOUSE)).unwrap();
    assert_eq!(office.sw(&unblock(PinReference::Pin2)), 0x9000);
    drop(office);
    // CARD-40: a card without certificates has no PIN2.
    let flash = Stage::Personalised("national", false).flash();
    let mut office = reader(&flash, Interface::Contact);
    office.open_zone(&can(), &terminal).unwrap();
    assert_eq!(office.sw(&set(PinReference::Pin2, PIN2)), 0x6A88);
}

// TR-03127 §4.4: what comes after Terminal Authentication may come from a server far away, which knows no PIN1.
// proves: CARD-51, EACPKI-04
#[test]
fn pin1_is_the_holders_until_a_terminal_is_authenticated() {
    let new: &[u8] = b"975310";
    let change = Command::new(0, 0x2C, 0x02, PinReference::Pin1 as u8).with_data(new);
    let agency = eac_pki::terminal(ALL_READS, UpdateRights::NONE);
    let chip = ChipParameters { curve: Curve::P521, cipher: Cipher::Aes256, key_id: None };
    for profile in ["national", "interop"] {
        let flash = Stage::InUse(profile).flash();
        // The terminal is authenticated, the chip not yet; then both.
        let mut server = reader(&flash, Interface::Contact);
        server.pace(&can()).unwrap();
        let id_picc = server.pace_for(&pin1(), agency.rights, agency.updates);
        let ephemeral = server.prove(&agency.chain, &key(TERMINAL), &AuxiliaryData::new(), id_picc).unwrap();
        assert_eq!(server.sw(&change), 0x6982);
        server.authenticate_chip(ephemeral).unwrap();
        assert_eq!(server.sw(&change), 0x6982);
        // A passport's Chip Authentication gives it no channel without a terminal.
        assert_eq!(server.select(PUBLIC), 0x9000);
        let start = version_1::Start::new(chip, server.chip_key(), &mut rng("version 1")).unwrap();
        let run = version_1::authenticate::<eac::Error>(start, |command| Ok(server.send(command)));
        assert!(matches!(run, Err(eac::Error::Refused { sw, .. }) if sw.0 == 0x6982), "{profile}");
        assert_eq!(server.sw(&change), 0x6982);
        drop(server);
        // PIN1 is what it was. Its holder changes it, also where PACE announced a terminal that has not come.
        let mut holder = reader(&flash, Interface::Contact);
        holder.pace_for(&pin1(), agency.rights, agency.updates);
        assert_eq!(holder.sw(&change), 0x9000);
        drop(holder);
        let mut holder = reader(&flash, Interface::Contact);
        assert_eq!(holder.pace(&Password::pin(new)), Ok(()), "{profile}");
    }
}

#[test]
fn questions_are_answered_with_yes_or_no_and_only_if_they_were_signed() {
    let rights = Rights::AGE_VERIFICATION;
    let ask = |reader: &mut Reader, oid| reader.sw(&auxiliary_data::verify_command(oid));
    let (birth, expiry) = (tlv::oid::AUXILIARY_DATE_OF_BIRTH, tlv::oid::AUXILIARY_DATE_OF_EXPIRY);
    for (questions, oid, sw) in [
        (AuxiliaryData::new().born_on_or_before("19900228"), birth, 0x9000),
        (AuxiliaryData::new().born_on_or_before("19900227"), birth, 0x6300),
        (AuxiliaryData::new().valid_on("20360131"), expiry, 0x9000),
        (AuxiliaryData::new().valid_on("20360201"), expiry, 0x6300),
        (AuxiliaryData::new().valid_on("20360201"), birth, 0x6A88),
    ] {
        let mut reader = in_use("national");
        reader.open_zone_with(&pin1(), &eac_pki::terminal(rights, UpdateRights::NONE), &questions).unwrap();
        assert_eq!(ask(&mut reader, oid), sw);
        assert_eq!(reader.readable(), [0u8; 0], "the date itself stays in the card");
    }
    // No end is an answer; a file that says nothing is none, and is never taken for it.
    let digits = |text: &str| tlv::encode(0x63, &tlv::encode(0x12, text.as_bytes()));
    for (group, file, oid, sw) in [
        (3, digits(""), expiry, 0x9000),
        (3, digits("20360131"), expiry, 0x6300),
        (3, digits("2036013"), expiry, 0x6A88),
        (3, tlv::encode(0x63, &[0x0C, 0x01, b'x']), expiry, 0x6A88),
        (3, tlv::encode(0x63, &[]), expiry, 0x6A88),
        (3, tlv::encode(0x63, &[]), birth, 0x9000),
        (8, tlv::encode(0x68, &tlv::encode(0x12, b"")), birth, 0x6A88),
        (8, tlv::encode(0x68, &[]), birth, 0x6A88),
    ] {
        let flash = with_group("national", group, &file);
        let questions = AuxiliaryData::new().born_on_or_before("20261231").valid_on("20991231");
        let mut reader = reader(&flash, Interface::Contact);
        reader.open_zone_with(&pin1(), &eac_pki::terminal(rights, UpdateRights::NONE), &questions).unwrap();
        assert_eq!(ask(&mut reader, oid), sw, "DG{group} {file:02X?}");
    }
    // Without the right, and without a session.
    let questions = AuxiliaryData::new().born_on_or_before("20000101");
    let mut reader = in_use("national");
    reader.open_zone_with(&pin1(), &eac_pki::terminal(Rights::NONE, UpdateRights::NONE), &questions).unwrap();
    assert_eq!(ask(&mut reader, birth), 0x6982);
    let mut reader = in_use("national");
    reader.select(EID);
    assert_eq!(ask(&mut reader, birth), 0x6982);
}

/// A card of which one data group of the encrypted zone was written as these bytes.
fn with_group(profile: &'static str, group: u8, content: &[u8]) -> Flash {
    let flash = Stage::Initialised(profile).flash();
    let mut centre = centre(&flash);
    let card = centre.initialised_card().unwrap();
    let mut package = files_of(profile, &card, false);
    let groups = &mut package.encrypted.groups;
    groups.iter_mut().find(|(number, _)| *number == group).unwrap().1 =
        lds::field_security::with_salt(content, &[group; lds::field_security::SALT_LEN]);
    package.encrypted.security_object = security_object(groups, 0, &card.ca_spki);
    centre.personalise(&package).unwrap();
    drop(centre);
    management(&flash).set_pin(PinReference::Pin1, &PIN1.into()).unwrap();
    flash
}

/// Another spouse and another birthplace, with what stays, signed as the next content of the zone.
fn changed(profile: &str, sequence: u16, ca_spki: &[u8]) -> (EncryptedZone, EncryptedZoneFiles) {
    let new = EncryptedZone {
        spouse: Some(PersonName { text: "王小明".into(), cns: Vec::new() }),
        birthplace: "高雄市".into(),
        ..zone(profile)
    };
    let old = encrypted(&zone(profile), 0, ca_spki);
    let all = encrypted(&new, sequence, ca_spki);
    let placement = new.placement;
    let updated = [placement.group(Field::Spouse), placement.group(Field::Birthplace)];
    let groups: Vec<_> = all.groups.into_iter().filter(|(group, _)| updated.contains(group)).collect();
    let mut whole = old.groups;
    for (group, file) in &groups {
        whole.iter_mut().find(|(g, _)| g == group).unwrap().1.clone_from(file);
    }
    (new, EncryptedZoneFiles { security_object: security_object(&whole, sequence, ca_spki), groups })
}

fn objects(files: &EncryptedZoneFiles) -> Vec<(u16, Vec<u8>)> {
    let mut objects: Vec<_> =
        files.groups.iter().map(|(group, file)| (0x0600 | u16::from(*group), file.clone())).collect();
    objects.push((0x0618, files.security_object.clone()));
    objects.sort();
    objects
}

/// Gives the card these records in the country's first package; the first status word that is not 9000.
fn update(reader: &mut Reader, objects: &[(u16, Vec<u8>)]) -> Result<(), u16> {
    let package = COUNTRY.update(&chip_point(reader), 0, objects);
    give(reader, &[(PACKAGE, package)])
}

/// Stores and commits.
fn give(reader: &mut Reader, objects: &[(u16, Vec<u8>)]) -> Result<(), u16> {
    let mut hasher = Hash::Sha256.hasher();
    for (object, content) in objects {
        let data = [&object.to_be_bytes()[..], content].concat();
        ok(reader.send(&Command::new(0x80, 0xE2, 0x80, 0).with_data(data)))?;
        hasher.update(&object.to_be_bytes());
        hasher.update(&(content.len() as u32).to_be_bytes());
        hasher.update(content);
    }
    ok(reader.send(&Command::new(0x80, 0x34, 0, 0).with_data(hasher.finish()))).map(drop)
}

/// The receipt for the last update.
fn receipt(office: &mut Reader) -> Result<lds::UpdateReceipt, u16> {
    let answer = ok(office.send(&Command::new(0x80, 0x34, 0, 1).with_le(65_536)))?;
    Ok(lds::UpdateReceipt::decode(&answer).unwrap())
}

/// Objects of an update.
pub const PACKAGE: u16 = 0x0801;
const LINKS: u16 = 0x0802;

/// The chip's key as an uncompressed point.
fn chip_point(reader: &Reader) -> Vec<u8> {
    reader.chip_key().to_uncompressed()
}

fn ca_spki(flash: &Flash) -> Vec<u8> {
    let memory = chip::RamMemory::open(Flash::from_image(flash.image())).unwrap();
    let record = chip::Memory::load(&memory, 0x0036).unwrap().to_vec();
    curve::spki_from_point(&SecretKey::from_pkcs8(&record).unwrap().public_key())
}

const FAMILY: UpdateRights = UpdateRights::SPOUSE.with(UpdateRights::BIRTHPLACE);

// proves: CARD-45, CARD-47, OPEN-41, UPDATE-02
#[test]
fn an_update_terminal_writes_without_pin1_and_does_not_read_the_old_values() {
    for profile in ["national", "interop"] {
        // A card whose PIN1 was never set is updated just as well.
        let flash = Stage::Personalised(profile, true).flash();
        let mut office = reader(&flash, Interface::Contact);
        office.open_zone(&can(), &eac_pki::terminal(Rights::NONE, FAMILY)).unwrap();
        assert_eq!(office.readable(), [0u8; 0]);
        let (new, files) = changed(profile, 1, &ca_spki(&flash));
        assert_eq!(update(&mut office, &objects(&files)), Ok(()), "{profile}");
        // Once: the same package, or an older one, is refused from now on.
        assert_eq!(update(&mut office, &objects(&files)), Err(0x6985));
        drop(office);
        management(&flash).set_pin(PinReference::Pin1, &PIN1.into()).unwrap();
        let mut agency = reader(&flash, Interface::Contact);
        agency.open_zone(&pin1(), &eac_pki::terminal(ALL_READS, UpdateRights::NONE)).unwrap();
        for (group, file) in new.files().unwrap() {
            assert!(agency.read_sfi(group).data.starts_with(&file), "DG{group}");
        }
        assert_eq!(agency.read_sfi(0x18).data, files.security_object);
    }
}

// proves: CARD-45, CARD-46, CARD-47, CARDFACE-24, DOCPKI-15
#[test]
fn updates_that_are_refused_leave_everything_as_it_was() {
    let flash = Stage::InUse("national").flash();
    let before = flash.image();
    let key = ca_spki(&flash);
    let (_, good) = changed("national", 1, &key);
    type Objects = Vec<(u16, Vec<u8>)>;
    let other_chip = curve::spki_from_point(&eac_pki::key("another chip").public_key());
    let spoil = |change: &dyn Fn(&mut Objects)| {
        let mut objects = objects(&good);
        change(&mut objects);
        objects
    };
    let cases: Vec<(&str, UpdateRights, Objects, u16)> = vec![
        ("no right to write", UpdateRights::HOUSEHOLD, objects(&good), 0x6982),
        ("one of two rights", UpdateRights::SPOUSE, objects(&good), 0x6982),
        (
            "without the security object",
            FAMILY,
            spoil(&|o| o.retain(|(object, _)| *object != 0x0618)),
            0x6A80,
        ),
        ("a field the signature does not cover", FAMILY, spoil(&|o| o[0].1[5] ^= 1), 0x6A80),
        ("for another chip", FAMILY, objects(&changed("national", 1, &other_chip).1), 0x6A80),
        ("a number left out", FAMILY, objects(&changed("national", 2, &key).1), 0x6985),
        ("the number of today", FAMILY, objects(&changed("national", 0, &key).1), 0x6985),
        // CARD-45, table 4: never, whatever the certificate says.
        ("the sex", UpdateRights::ALL, vec![(0x060B, vec![0x6B, 0])], 0x6982),
        ("the access number", UpdateRights::ALL, vec![(0x060C, vec![0x6C, 0])], 0x6982),
        ("the portrait", UpdateRights::ALL, vec![(0x0102, vec![0x75, 0])], 0x6982),
        ("the name", UpdateRights::ALL, vec![(0x0101, vec![0x61, 0])], 0x6982),
        ("a date in the encrypted zone", UpdateRights::ALL, vec![(0x0608, vec![0x68, 0])], 0x6982),
        ("a PIN", UpdateRights::ALL, vec![(0x0020, b"000000".to_vec())], 0x6A88),
        ("a private key", UpdateRights::ALL, vec![(0x0036, vec![0x30, 0])], 0x6A88),
        ("the trust point", UpdateRights::ALL, vec![(0x0702, vec![0x7F, 0x4E, 0])], 0x6A88),
        ("household data that nobody signed", UpdateRights::ALL, vec![(0x0201, vec![0x30, 0])], 0x6A80),
        ("too much", UpdateRights::ALL, vec![(0x0201, vec![0x30; 45_000])], 0x6A84),
    ];
    for (what, updates, objects, sw) in cases {
        let mut office = reader(&flash, Interface::Contact);
        office.open_zone(&can(), &eac_pki::terminal(Rights::NONE, updates)).unwrap();
        assert_eq!(update(&mut office, &objects), Err(sw), "{what}");
        let after = office.sw(&Command::new(0x80, 0x34, 0, 0).with_data([0; 32]));
        assert!(matches!(after, 0x6985 | 0x6A80), "{what}: {after:04X}");
    }
    // An update that was begun in one channel is not committed in another.
    let mut office = reader(&flash, Interface::Contact);
    let terminal = eac_pki::terminal(Rights::NONE, FAMILY);
    office.open_zone(&can(), &terminal).unwrap();
    let package = COUNTRY.update(&chip_point(&office), 0, &objects(&good));
    let data = [&PACKAGE.to_be_bytes()[..], &package].concat();
    assert_eq!(office.sw(&Command::new(0x80, 0xE2, 0x80, 0).with_data(data)), 0x9000);
    office.open_zone(&can(), &terminal).unwrap();
    assert_eq!(office.sw(&Command::new(0x80, 0x34, 0, 0).with_data([0; 32])), 0x6985);
    drop(office);
    let values = |image: Vec<u8>| {
        let memory = chip::RamMemory::open(Flash::from_image(image)).unwrap();
        (0x0600..=0x0618u16)
            .map(|key| chip::Memory::load(&memory, key).map(<[u8]>::to_vec))
            .collect::<Vec<_>>()
    };
    assert_eq!(values(flash.image()), values(before));
}

// What is suspended takes no update and says nothing of the holder; what is not goes on.
#[test]
fn a_suspended_zone_takes_no_update_and_gives_no_identifier() {
    use sectors::{RIGHT, sector, terminal};
    let flash = Stage::InUse("interop").flash();
    let (_, family) = changed("interop", 1, &ca_spki(&flash));
    let visit = |updates, objects: &[(u16, Vec<u8>)]| {
        let mut office = reader(&flash, Interface::Contact);
        office.open_session(&can(), &eac_pki::terminal(Rights::NONE, updates)).unwrap();
        update(&mut office, objects)
    };
    let identify = || {
        let mut agency = reader(&flash, Interface::Contact);
        agency.open_session(&pin1(), &terminal(RIGHT, sector("bank").raw(), None)).unwrap();
        agency.identifiers("bank", None).map(drop)
    };
    management(&flash).suspend_application(EID).unwrap();
    let signed = || {
        let memory = chip::RamMemory::open(Flash::from_image(flash.image())).unwrap();
        chip::Memory::load(&memory, 0x0618).map(<[u8]>::to_vec)
    };
    let before = signed();
    assert_eq!(reader(&flash, Interface::Contact).select(EID), 0x6283);
    assert_eq!(visit(FAMILY, &objects(&family)), Err(0x6985));
    assert_eq!(identify(), Err(0x6985));
    assert_eq!(signed(), before, "nothing was written");
    management(&flash).suspend_application(HOUSEHOLD).unwrap();
    management(&flash).resume_application(EID).unwrap();
    assert_eq!(visit(UpdateRights::HOUSEHOLD, &household(9)), Err(0x6985));
    assert_eq!(identify(), Ok(()));
    assert_eq!(visit(FAMILY, &objects(&family)), Ok(()));
    assert_ne!(signed(), before);
}

/// Household data of a neighbourhood with this number.
pub fn household(neighbourhood: u16) -> Vec<(u16, Vec<u8>)> {
    let data = lds::household::HouseholdData {
        county: "臺北市".into(),
        district: "中正區".into(),
        village: "黎明里".into(),
        village_code: "63000050013".into(),
        neighbourhood,
    };
    vec![(0x0201, COUNTRY.sign(tlv::oid::HOUSEHOLD_DATA, &data.encode().unwrap()))]
}

// Whoever stole a terminal's key can say nothing of his own, and whoever signs cannot write.
// proves: DOCPKI-15, UPDATE-06, UPDATE-07
#[test]
fn an_update_is_the_countrys_for_this_chip_and_none_comes_twice() {
    let flash = Stage::InUse("national").flash();
    let terminal = eac_pki::terminal(Rights::NONE, UpdateRights::ALL);
    let open = |flash: &Flash| {
        let mut office = reader(flash, Interface::Contact);
        office.open_zone(&can(), &terminal).unwrap();
        office
    };
    let key = chip_point(&open(&flash));
    let other_key = eac_pki::key("another chip").public_key().to_uncompressed();
    let files = household(7);
    let good = COUNTRY.update(&key, 0, &files);
    let another = Country::new("another");
    let expired = Country::with_signer_until("country", "2025-12-01T00:00:00Z");
    let changed_byte = |n: usize| {
        let mut cms = good.clone();
        let place = if n == 0 { cms.len() - 1 } else { n };
        cms[place] ^= 1;
        cms
    };
    let own = document_pki::package(&key, 0, &files);
    let as_household = COUNTRY.sign(tlv::oid::HOUSEHOLD_DATA, &own);
    let self_made = signed(tlv::oid::CHIP_UPDATE, &own);
    let forged_link = Country::new("third").link_to(&another);
    type Objects = Vec<(u16, Vec<u8>)>;
    let cases: Vec<(&str, Objects, u16)> = vec![
        ("a self-made signer", vec![(PACKAGE, self_made)], 0x6300),
        ("another country", vec![(PACKAGE, another.update(&key, 0, &files))], 0x6300),
        (
            "and a link of its own",
            vec![(PACKAGE, another.update(&key, 0, &files)), (LINKS, forged_link)],
            0x6300,
        ),
        ("a signer of lists", vec![(PACKAGE, COUNTRY.update_by_list_signer(&key, &files))], 0x6300),
        ("an expired signer", vec![(PACKAGE, expired.update(&key, 0, &files))], 0x6300),
        ("a changed signature", vec![(PACKAGE, changed_byte(0))], 0x6300),
        ("another kind of document", vec![(PACKAGE, as_household)], 0x6A80),
        ("no package", vec![(LINKS, COUNTRY.link_to(&another))], 0x6A80),
        ("nothing of the kind", vec![(PACKAGE, vec![0x30, 0])], 0x6A80),
        ("links that are none", vec![(PACKAGE, good.clone()), (LINKS, vec![0x30, 0])], 0x6A80),
        ("another chip's", vec![(PACKAGE, COUNTRY.update(&other_key, 0, &files))], 0x6A80),
        ("files without a package", household(7), 0x6A88),
    ];
    for (what, objects, sw) in cases {
        assert_eq!(give(&mut open(&flash), &objects), Err(sw), "{what}");
    }
    // The number of an update that was taken, and every one below it, is over, in whatever zone; a gap is none.
    assert_eq!(give(&mut open(&flash), &[(PACKAGE, good.clone())]), Ok(()));
    assert_eq!(give(&mut open(&flash), &[(PACKAGE, good.clone())]), Err(0x6985));
    assert_eq!(give(&mut open(&flash), &[(PACKAGE, COUNTRY.update(&key, 0, &household(8)))]), Err(0x6985));
    assert_eq!(give(&mut open(&flash), &[(PACKAGE, COUNTRY.update(&key, 4, &household(9)))]), Ok(()));
    assert_eq!(give(&mut open(&flash), &[(PACKAGE, COUNTRY.update(&key, 3, &household(8)))]), Err(0x6985));
    // The CSCA has rolled over since the card was made: the link leads from the one to the other, and nothing else does.
    let next = Country::new("next");
    let last = household(10);
    let signed_by_next = next.update(&key, 5, &last);
    assert_eq!(give(&mut open(&flash), &[(PACKAGE, signed_by_next.clone())]), Err(0x6300));
    let link = COUNTRY.link_to(&next);
    assert_eq!(give(&mut open(&flash), &[(PACKAGE, signed_by_next), (LINKS, link)]), Ok(()));
    let memory = chip::RamMemory::open(Flash::from_image(flash.image())).unwrap();
    let record = chip::Memory::load(&memory, 0x0201).unwrap().to_vec();
    assert_eq!(record, last[0].1);
}

// proves: UPDATE-08
#[test]
fn the_chip_signs_what_it_took_for_terminals_that_write_and_for_nobody_else() {
    let flash = Stage::InUse("national").flash();
    let memory = chip::RamMemory::open(Flash::from_image(flash.image())).unwrap();
    let record = chip::Memory::load(&memory, 0x0035).unwrap().to_vec();
    let proof_key = curve::spki_from_point(&SecretKey::from_pkcs8(&record).unwrap().public_key());
    let open = |updates, rights, password: &Password| {
        let mut office = reader(&flash, Interface::Contact);
        office.open_zone(password, &eac_pki::terminal(rights, updates)).unwrap();
        office
    };
    let writer = || open(UpdateRights::ALL, Rights::NONE, &can());
    assert_eq!(receipt(&mut writer()).err(), Some(0x6A88), "nothing was taken yet");
    let mut office = writer();
    let key = chip_point(&office);
    for (last, number) in [(0, 1), (1, 2), (6, 7)] {
        let package = COUNTRY.update(&key, last, &household(number));
        let content = x509::cms::SignedData::parse(&package).unwrap().content().unwrap().to_vec();
        give(&mut office, &[(PACKAGE, package)]).unwrap();
        let receipt = receipt(&mut office).unwrap();
        assert_eq!((receipt.number, &receipt.package), (number, &Hash::Sha256.digest(&content)));
        assert!(receipt.is_signed_by(&proof_key));
        // A refused update changes nothing about it.
        assert_eq!(give(&mut office, &[(PACKAGE, COUNTRY.update(&key, 0, &household(9)))]), Err(0x6985));
        let again = self::receipt(&mut office).unwrap();
        assert_eq!((again.number, again.package), (number, receipt.package));
    }
    let mut reading = open(UpdateRights::NONE, ALL_READS | Rights::PIN_MANAGEMENT, &pin1());
    assert_eq!(receipt(&mut reading).err(), Some(0x6982));
    let ask = Command::new(0x80, 0x34, 0, 1).with_le(256);
    for interface in Interface::ALL {
        let mut stranger = reader(&flash, interface);
        assert_eq!(stranger.sw(&ask), 0x6982);
        stranger.pace(&can()).unwrap();
        assert_eq!(stranger.sw(&ask), 0x6982);
    }
    assert_eq!(office.sw(&Command::new(0x80, 0x34, 1, 0).with_le(256)), 0x6A86);
    assert_eq!(office.sw(&Command::new(0x80, 0x34, 0, 2).with_le(256)), 0x6A86);
}

/// A card in use whose public zone says something, as table 4 is about its meaning.
fn with_public_zone() -> (Flash, PublicZone) {
    let flash = Stage::Initialised("national").flash();
    let mut centre = centre(&flash);
    let card = centre.initialised_card().unwrap();
    let zone = PublicZone {
        chinese_name: "陳小玲".into(),
        cns: vec![None; 3],
        romanised_name: None,
        foreign_name: None,
        mrz_name: "CHEN, HSIAO-LING".into(),
        id_number: "A223456781".into(),
        birth: lds::Date::new(1990, 2, 28).unwrap(),
        address: Address {
            county: "臺北市".into(),
            district: "中正區".into(),
            village: "黎明里".into(),
            village_code: "63000050013".into(),
            neighbourhood: 3,
            rest: "測試路5號".into(),
        },
        marital_status: Term::new("married", "有", "Married"),
        military_service: Term::new("none", "無", "None"),
        card_serial: SERIAL.into(),
        renewal: lds::Date::new(2036, 1, 31).ok(),
        issue: lds::Date::new(2026, 1, 31).unwrap(),
        portrait: None,
        issuing_authority: "測試用 SPECIMEN".into(),
        security_infos: card_access(),
        active_authentication_key: card.aa_spki.clone(),
    };
    let mut package = files(&card, true);
    package.public = public_files(&zone).into_iter().collect();
    centre.personalise(&package).unwrap();
    drop(centre);
    let mut management = management(&flash);
    management.set_pin(PinReference::Pin1, &PIN1.into()).unwrap();
    (flash, zone)
}

/// The files of a public zone with their security object.
fn public_files(zone: &PublicZone) -> BTreeMap<u16, Vec<u8>> {
    let mut files = zone.data_groups().unwrap();
    let object = PublicZone::security_object(Hash::Sha512, &files);
    let signed = COUNTRY.sign(tlv::oid::LDS_SECURITY_OBJECT, &object.encode());
    files.insert(DataGroup::Sod, lds::sod::wrap(&signed));
    files.into_iter().map(|(group, file)| (group.fid(), file)).collect()
}

/// What a reader with every right gets of the three zones, as the records that the chip keeps them in.
fn read_all(flash: &Flash) -> BTreeMap<u16, Vec<u8>> {
    let agency = eac_pki::terminal(ALL_READS, UpdateRights::NONE);
    let mut reader = reader(flash, Interface::Contact);
    reader.pace(&can()).unwrap();
    let mut all = BTreeMap::new();
    let mut zone = |reader: &mut Reader, aid: &[u8], first: u16, files: &[u8]| {
        assert_eq!(reader.select(aid), 0x9000);
        for file in files {
            all.insert(first + u16::from(*file), ok(reader.read_sfi(*file)).unwrap());
        }
    };
    zone(&mut reader, PUBLIC, 0x0100, &[0x01, 0x0B, 0x0C, 0x0D, 0x0E, 0x0F, 0x1D, 0x1E]);
    zone(&mut reader, HOUSEHOLD, 0x0200, &[0x01]);
    reader.open_zone(&pin1(), &agency).unwrap();
    let groups = [&crate::support::zone("national").placement.groups()[..], &[0x18]].concat();
    zone(&mut reader, EID, 0x0600, &groups);
    all
}

// proves: CARD-47, UPDATE-13
#[test]
fn a_torn_update_leaves_the_old_zones_or_the_new_ones_whichever_they_are() {
    let (start, public) = with_public_zone();
    let old = read_all(&start);
    let moved = PublicZone {
        address: Address { rest: "新測試路1號".into(), ..public.address.clone() },
        military_service: Term::new("reserve", "後備役", "Reserve"),
        ..public
    };
    let moved = public_files(&moved);
    let of_public = [0x010B, 0x010D, 0x011D].map(|file| (file, moved[&file].clone()));
    let of_encrypted = objects(&changed("national", 1, &ca_spki(&start)).1);
    let of_all = [&household(7)[..], &of_public, &of_encrypted].concat();
    let address = UpdateRights::ADDRESS.with(UpdateRights::MILITARY_SERVICE);
    for (what, rights, objects) in [
        ("household", UpdateRights::HOUSEHOLD, household(7)),
        ("public", address, of_public.to_vec()),
        ("encrypted", FAMILY, of_encrypted),
        ("all three", UpdateRights::ALL, of_all),
    ] {
        let terminal = eac_pki::terminal(Rights::NONE, rights);
        let mut new = old.clone();
        new.extend(objects.iter().cloned());
        assert!(objects.iter().all(|(record, content)| old[record] != *content), "{what} changes each file");
        let mut seen = [0; 2];
        for (n, cut) in (1..).flat_map(|n| CUTS.map(|cut| (n, cut))) {
            let flash = Flash::from_image(start.image());
            let mut office = reader(&flash, Interface::Contact);
            office.open_zone(&can(), &terminal).unwrap();
            let already = flash.writes();
            flash.cut_power(n, cut);
            let result =
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| update(&mut office, &objects)));
            let reached = flash.writes() >= already + n;
            drop(office);
            flash.restore_power();
            if !reached {
                assert!(matches!(result, Ok(Ok(()))), "{what}: {result:?}");
                break;
            }
            let read = read_all(&flash);
            assert!(read == old || read == new, "{what}, write {n}, {cut:?}: something between");
            seen[usize::from(read == new)] += 1;
            // And the receipt says which.
            let mut office = reader(&flash, Interface::Contact);
            office.open_zone(&can(), &terminal).unwrap();
            let receipt = receipt(&mut office);
            assert_eq!(receipt.map(|receipt| receipt.number), if read == new { Ok(1) } else { Err(0x6A88) });
            // Whatever it is, the security objects are those of these files.
            let cms = x509::cms::SignedData::parse(&read[&0x0618]).unwrap();
            let object = lds::FieldSecurityObject::decode(cms.content().unwrap()).unwrap();
            for (record, file) in read.range(0x0601..0x0618) {
                let check = object.check((record - 0x0600) as u8, file);
                assert_eq!(check, lds::field_security::FieldCheck::Unaltered, "{what}: {record:04X}");
            }
            let cms = x509::cms::SignedData::parse(lds::sod::unwrap(&read[&0x011D]).unwrap()).unwrap();
            let object = lds::LdsSecurityObject::decode(cms.content().unwrap()).unwrap();
            for group in [DataGroup::Dg1, DataGroup::Dg11, DataGroup::Dg12, DataGroup::Dg13] {
                let hash = object.hash.digest(&read[&group.fid()]);
                assert_eq!(object.hash_of(group), Some(&hash[..]), "{what}");
            }
        }
        assert!(seen[0] > 0 && seen[1] > 0, "{what}: both were seen");
    }
}

// CARD-49: no try is won by cutting the power around the counter of PIN1.
// proves: CARD-49
#[test]
fn no_try_of_pin1_is_won_by_cutting_the_power() {
    let start = Stage::InUse("national").flash();
    let probe = |flash: &Flash| {
        let mut reader = Reader::new(open(flash), Interface::Contact);
        let mse = pace::terminal::Start::new(P521, &pin1()).unwrap().mse_set_at();
        reader.sw(&mse)
    };
    for (password, n, cut, left) in [
        (wrong_pin1(), 1, chip::Cut::Before, 0x9000),
        (wrong_pin1(), 1, chip::Cut::Torn, 0x9000),
        (wrong_pin1(), 1, chip::Cut::After, 0x63C2),
        (pin1(), 1, chip::Cut::After, 0x63C2),
        (pin1(), 2, chip::Cut::Before, 0x63C2),
        (pin1(), 2, chip::Cut::Torn, 0x63C2),
        (pin1(), 2, chip::Cut::After, 0x9000),
    ] {
        let flash = Flash::from_image(start.image());
        flash.cut_power(n, cut);
        let mut reader = Reader::new(open(&flash), Interface::Contact);
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| reader.pace(&password)));
        assert!(result.is_err(), "an answer came: {n} {cut:?}");
        drop(reader);
        flash.restore_power();
        assert_eq!(probe(&flash), left, "{n} {cut:?}");
    }
}

// Each certificate's effect is stored before its answer; a cut leaves the trust point before or after it.
// proves: CARD-57
#[test]
fn a_torn_link_leaves_the_old_trust_point_or_both() {
    let start = Stage::InUse("national").flash();
    let link = Body {
        effective: date(2027, 6, 1),
        ..body(ROOT, "TWCVCA00002", Role::Cvca, !Rights::NONE, UpdateRights::ALL)
    };
    let link = issue(link, ROOT);
    for (cut, expected) in
        [(chip::Cut::Before, ROOT), (chip::Cut::Torn, ROOT), (chip::Cut::After, "TWCVCA00002")]
    {
        let flash = Flash::from_image(start.image());
        let mut first = reader(&flash, Interface::Contact);
        first.pace_for(&pin1(), ALL_READS, UpdateRights::NONE);
        first.send(&set_dst(&reference(ROOT)));
        flash.cut_power(1, cut);
        let verify = verify_certificate(&link);
        let died = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| first.sw(&verify)));
        assert!(died.is_err(), "an answer came");
        drop(first);
        flash.restore_power();
        let mut second = Reader::new(open(&flash), Interface::Contact);
        let start = pace::terminal::Start::new(P521, &can()).unwrap();
        let session =
            pace::terminal::establish::<eac::Error>(start, &mut rng("again"), |c| Ok(second.send(c)))
                .unwrap();
        assert_eq!(session.certification_authority.as_deref(), Some(expected.as_bytes()), "{cut:?}");
    }
}

#[test]
fn a_challenge_is_good_for_one_signature() {
    let terminal = eac_pki::terminal(ALL_READS, UpdateRights::NONE);
    let mut reader = in_use("national");
    let id_picc = reader.pace_for(&pin1(), ALL_READS, UpdateRights::NONE);
    reader.present(&terminal.chain).unwrap();
    let ephemeral = ta::EphemeralKey::generate(Curve::P521, &mut rng("ephemeral"));
    let holder = reference(TERMINAL);
    let start = ta::Start::new(holder, tlv::oid::TA_ECDSA_SHA512, &AuxiliaryData::new(), &ephemeral, id_picc);
    let set_at = start.mse_set_at();
    let answer = reader.send(&set_at);
    let (command, next) = start.step(&answer).unwrap();
    assert_eq!(command, get_challenge());
    let challenge = reader.send(&command);
    let sign = |message: &[u8]| Ok::<_, eac::Error>(key(TERMINAL).sign_digest(&Hash::Sha512.digest(message)));
    let (command, _) = next.step(&challenge, sign).unwrap();
    // Announced anew, so the signature over the first challenge is none over the second.
    assert_eq!(reader.sw(&set_at), 0x9000);
    assert_eq!(reader.sw(&get_challenge()), 0x9000);
    assert_eq!(reader.sw(&command), 0x6300);
    assert_eq!(reader.sw(&command), 0x6985, "and the second challenge is used up");
}

#[test]
fn the_fixture_opens_a_chip() {
    let chip: Chip = Stage::InUse("national").chip();
    assert_eq!(chip.life_cycle(), chip::LifeCycle::Operational);
}

// TR-03110-2 §3.6: by the village's code, from its largest part on.
#[test]
fn a_terminal_with_the_right_learns_whether_the_holder_is_registered_in_a_municipality() {
    let flash = Stage::InUse("national").flash();
    let ask = |rights, password: &Password, place: &str| {
        let terminal = eac_pki::terminal(rights, UpdateRights::NONE);
        let mut reader = reader(&flash, Interface::Contact);
        let questions = AuxiliaryData::new().lives_in(place.as_bytes());
        reader.open_zone_with(password, &terminal, &questions).unwrap();
        reader.sw(&auxiliary_data::verify_command(tlv::oid::AUXILIARY_MUNICIPALITY))
    };
    let right = Rights::MUNICIPALITY_VERIFICATION;
    assert_eq!(ask(right, &pin1(), "63000"), 0x6A88, "a household file without a code gives no answer");
    let mut office = reader(&flash, Interface::Contact);
    office.open_zone(&can(), &eac_pki::terminal(Rights::NONE, UpdateRights::ALL)).unwrap();
    let package = COUNTRY.update(&chip_point(&office), 0, &household(7));
    give(&mut office, &[(PACKAGE, package)]).unwrap();
    for (place, sw) in [
        ("63000", 0x9000),
        ("63000050", 0x9000),
        ("63000050013", 0x9000),
        ("63000051", 0x6300),
        ("65000", 0x6300),
        ("630000500130", 0x6300),
        ("", 0x6A88),
    ] {
        assert_eq!(ask(right, &pin1(), place), sw, "{place}");
    }
    assert_eq!(ask(ALL_READS, &pin1(), "63000"), 0x6982, "the right is one of its own");
    assert_eq!(ask(right | Rights::CAN_ALLOWED, &can(), "63000"), 0x6982, "and PIN1 is needed");
}

/// Who asks for identifiers, and in which sectors.
pub mod sectors {
    use eac::restricted_identification::{Identifiers, SectorKey, command, identifiers, set_at};

    use super::*;

    pub const RIGHT: Rights = Rights::RESTRICTED_IDENTIFICATION;

    pub fn sector(name: &str) -> SectorKey {
        SectorKey::new(&key(name).public_key(), Hash::Sha256).unwrap()
    }

    /// A terminal whose certificate names data objects 7F49.
    pub fn terminal(rights: Rights, first: &[u8], second: Option<&[u8]>) -> Terminal {
        let mut own = body(VERIFIER, TERMINAL, Role::Terminal, rights, UpdateRights::NONE);
        let hash = |key: &[u8]| Hash::Sha512.digest(key);
        own.extensions = Extensions::new(vec![Extension::sectors(hash(first), second.map(hash))]).unwrap();
        let chain = vec![eac_pki::verifier(), issue(own, VERIFIER)];
        Terminal { chain, rights, updates: UpdateRights::NONE }
    }

    impl Reader {
        pub(super) fn identifiers(&mut self, first: &str, second: Option<&str>) -> Result<Identifiers, u16> {
            ok(self.send(&set_at(Hash::Sha256, 1).unwrap()))?;
            let answer = self.send(&command(&sector(first), second.map(sector).as_ref()).unwrap());
            identifiers(&answer).map_err(|_| answer.sw.0)
        }
    }
}

// TR-03110-2 §3.5.
#[test]
fn sectors_know_the_card_by_identifiers_that_have_nothing_in_common() {
    use sectors::{RIGHT, sector, terminal};
    let flash = Stage::InUse("interop").flash();
    let visit = |rights, password: &Password, of: &str, asked: &str| {
        let mut reader = reader(&flash, Interface::Contact);
        reader.open_zone(password, &terminal(rights, sector(of).raw(), None)).unwrap();
        reader.identifiers(asked, None).map(|both| both.first)
    };
    let bank = visit(RIGHT, &pin1(), "bank", "bank").unwrap();
    assert_eq!(bank.len(), 32);
    assert_eq!(visit(RIGHT, &pin1(), "bank", "bank").unwrap(), bank, "the same at every visit");
    let post = visit(RIGHT, &pin1(), "post", "post").unwrap();
    assert_ne!(post, bank);
    // A service that moves from one sector to the other gets both at once, each in its place.
    let (first, second) = (sector("bank"), sector("post"));
    let mut moving = reader(&flash, Interface::Contact);
    moving.open_zone(&pin1(), &terminal(RIGHT, first.raw(), Some(second.raw()))).unwrap();
    let both = moving.identifiers("bank", Some("post")).unwrap();
    assert_eq!((both.first, both.second), (bank.clone(), Some(post)));
    assert_eq!(moving.identifiers("post", Some("bank")), Err(0x6A88));
    // The identifier is that of the key that the card keeps for this, and of no other.
    let memory = chip::RamMemory::open(Flash::from_image(flash.image())).unwrap();
    let record =
        |slot: u16| SecretKey::from_pkcs8(chip::Memory::load(&memory, 0x0030 + slot).unwrap()).unwrap();
    let expected =
        |slot| Hash::Sha256.digest(record(slot).agree(&key("bank").public_key()).unwrap().expose());
    assert_eq!(bank, expected(7));
    assert!((3..=6).all(|slot| expected(slot) != bank));
    // Somebody else's sector; without the right; without PIN1.
    assert_eq!(visit(RIGHT, &pin1(), "bank", "post"), Err(0x6A88));
    assert_eq!(visit(ALL_READS, &pin1(), "bank", "bank"), Err(0x6982));
    assert_eq!(visit(RIGHT | Rights::CAN_ALLOWED, &can(), "bank", "bank"), Err(0x6982));
}

#[test]
fn identifiers_are_given_in_their_session_alone_and_to_sound_keys() {
    use eac::restricted_identification::{command, set_at};
    use sectors::{RIGHT, sector, terminal};
    let flash = Stage::InUse("interop").flash();
    let bank = sector("bank");
    let announce = set_at(Hash::Sha256, 1).unwrap();
    let mut reader = self::reader(&flash, Interface::Contact);
    reader.open_zone(&pin1(), &terminal(RIGHT, bank.raw(), None)).unwrap();
    let identifiers = reader.identifiers("bank", None).unwrap();
    // Another key, another hash; out of order.
    assert_eq!(reader.sw(&set_at(Hash::Sha256, 2).unwrap()), 0x6A88);
    assert_eq!(reader.sw(&set_at(Hash::Sha512, 1).unwrap()), 0x6A80);
    assert_eq!(reader.sw(&command(&bank, None).unwrap()), 0x6985, "not announced");
    for data in [vec![], vec![0x7C, 0], vec![0x7C, 2, 0xA0, 0], vec![0x7C, 4, 0xA2, 0, 0xA0, 0]] {
        assert_eq!(reader.sw(&announce), 0x9000);
        let refused = reader.sw(&Command::new(0, 0x86, 0, 0).with_data(data).with_le(256));
        assert!(matches!(refused, 0x6A80 | 0x6A88), "{refused:04X}");
    }
    assert_eq!(reader.identifiers("bank", None).unwrap(), identifiers, "and the session goes on");
    // A verifier that certifies the hash of a point off the curve, or of a key on another one, learns nothing of the key.
    let off_curve = {
        let point = bank.point().unwrap();
        let at = bank.raw().windows(133).position(|window| window == point.as_uncompressed()).unwrap();
        let mut raw = bank.raw().to_vec();
        raw[at + 132] ^= 1;
        raw
    };
    let small = SecretKey::generate(Curve::P256, &mut rng("small")).public_key();
    let small = eac::restricted_identification::SectorKey::new(&small, Hash::Sha256).unwrap();
    for raw in [off_curve, small.raw().to_vec()] {
        let mut attacker = self::reader(&flash, Interface::Contact);
        attacker.open_zone(&pin1(), &terminal(RIGHT, &raw, None)).unwrap();
        assert_eq!(attacker.sw(&announce), 0x9000);
        let value = tlv::expect(&raw, 0x7F49).unwrap().value;
        let data = tlv::encode(0x7C, &tlv::encode(0xA0, value));
        let command = Command::new(0, 0x86, 0, 0).with_data(data).with_le(256);
        assert_eq!(attacker.sw(&command), 0x6A80);
    }
    // Before the terminal has proved itself, in the clear, on the other side, on a citizen's card: nothing.
    let mut early = self::reader(&flash, Interface::Contact);
    assert_ne!(early.sw(&announce), 0x9000);
    early.pace(&pin1()).unwrap();
    assert_eq!(early.identifiers("bank", None), Err(0x6982));
    let mut passer_by = self::reader(&flash, Interface::Contactless);
    passer_by.pace(&can()).unwrap();
    assert_eq!(passer_by.identifiers("bank", None), Err(0x6A81));
    let mut citizen = in_use("national");
    citizen.open_zone(&pin1(), &terminal(RIGHT, bank.raw(), None)).unwrap();
    assert_eq!(citizen.identifiers("bank", None), Err(0x6A80));
}

// Reading the zones, face to face or over a network, verifies data. It never gives what a relying party could take for the
// holder's identity on the network or for the holder's signature: that is the certificate zone's, with PIN2.
// proves: CARD-41
#[test]
fn whoever_reads_every_zone_has_neither_an_identity_nor_a_signature() {
    let every_right = ALL_READS | Rights::CAN_ALLOWED | Rights::from_bits(0xFF);
    let terminal = eac_pki::terminal(every_right, UpdateRights::ALL);
    for profile in ["national", "interop"] {
        let mut reader = in_use(profile);
        reader.pace(&can()).unwrap();
        reader.open_zone(&pin1(), &terminal).unwrap();
        assert_eq!(reader.readable(), zone(profile).placement.groups(), "everything there is to read");
        // All that was won: no key of the certificates does anything.
        let mut holder = in_use(profile);
        holder.pace(&can()).unwrap();
        holder.select(SC_HSM);
        let certified: Vec<Vec<u8>> = (1..=4u8)
            .map(|slot| {
                let command = Command::new(0, 0xB1, 0xCE, slot).with_data([0x54, 1, 0]).with_le(65_536);
                let der = ok(holder.send(&command)).unwrap();
                x509::Certificate::parse(&der).unwrap().spki().to_vec()
            })
            .collect();
        let signing = [0x20, 0x30, 0x33, 0x34, 0x35, 0x40, 0x43, 0x44, 0x45, 0x70, 0x72, 0x73, 0x74, 0x75];
        for view in [SC_HSM, PKCS15, PUBLIC, EID, HOUSEHOLD] {
            reader.select(view);
            for key in 0..=6u8 {
                for (ins, algorithms) in [(0x68, &signing[..]), (0x62, &[0x21, 0x80])] {
                    for algorithm in algorithms {
                        for length in [32, 64, 133, 256] {
                            let command = Command::new(0x80, ins, key, *algorithm)
                                .with_data(vec![4; length])
                                .with_le(512);
                            let answer = reader.send(&command);
                            assert!(
                                answer.sw.0 >= 0x6982 && answer.data.is_empty(),
                                "{command:?}: {answer:?}"
                            );
                        }
                    }
                }
            }
        }
        // What the chip does sign is eight bytes to prove itself, with a key that no certificate has, and for whoever holds the
        // card alone.
        let challenge = [7; 8];
        let command = Command::new(0, 0x88, 0, 0).with_data(challenge).with_le(65_536);
        reader.select(PUBLIC);
        assert_eq!(reader.sw(&command), 0x6982);
        reader.pace(&can()).unwrap();
        reader.select(PUBLIC);
        for length in (0..=64).filter(|length| *length != 8) {
            let command = Command::new(0, 0x88, 0, 0).with_data(vec![7; length]).with_le(65_536);
            assert_eq!(reader.sw(&command), 0x6A80, "{length} bytes");
        }
        let proof = ok(reader.send(&command)).unwrap();
        let dg15 = reader.read_sfi(0x0F).data;
        let own = tlv::expect(&dg15, 0x6F).unwrap().value;
        let verifies =
            |spki: &[u8]| eac::active_authentication::verify(spki, Hash::Sha512, &challenge, &proof).is_ok();
        assert!(verifies(own));
        assert!(certified.iter().all(|spki| spki != own && !verifies(spki)));
        let chip_key =
            curve::spki_from_point(&SecretKey::from_pkcs8(&reader.chip_key_record()).unwrap().public_key());
        assert!(!certified.contains(&chip_key), "nor the key of chip authentication");
        // PIN2 alone is the second factor: with it, and nothing else of the above, the certificate zone signs.
        let mut holder = in_use(profile);
        holder.pace(&can()).unwrap();
        holder.select(SC_HSM);
        assert_eq!(holder.verify(PIN2), 0x9000);
        let sign = Command::new(0x80, 0x68, 3, 0x75).with_data(*b"document").with_le(512);
        let signature = ok(holder.send(&sign)).unwrap();
        let signature = curve::Signature::from_der(Curve::P521, &signature).unwrap();
        let point = curve::point_from_spki(&certified[2]).unwrap();
        curve::verify_digest(&point, &Hash::Sha512.digest(b"document"), &signature).unwrap();
        // On the contactless side there is no such thing at all.
        let mut passer_by = self::reader(&Stage::InUse(profile).flash(), Interface::Contactless);
        passer_by.pace(&can()).unwrap();
        assert_eq!(passer_by.sw(&sign), 0x6985);
        assert_eq!(passer_by.select(SC_HSM), 0x6A82);
    }
}
