//! The access table, completely: every file, on both interfaces, in every state of a session, on both profiles and with
//! the certificate zone open and closed. What is expected is written here once more, by hand and by zone.

use apdu::Command;
use chip::files::{Content, Directory, FILES, File};
use chip::{Interface, Zone};
use eac::cvc::{Rights, UpdateRights};

use crate::eac_pki;
use crate::encrypted_zone::reader;
use crate::support::*;

/// What the reader has shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Shown {
    Nothing,
    Can,
    Mrz,
    Pin1,
    CanThenPin1,
    Pin2,
    CanAndPin2,
    /// CAN, then PIN1 for a terminal that is authenticated and may read no field.
    Terminal,
}

const SHOWN: [Shown; 8] = [
    Shown::Nothing,
    Shown::Can,
    Shown::Mrz,
    Shown::Pin1,
    Shown::CanThenPin1,
    Shown::Pin2,
    Shown::CanAndPin2,
    Shown::Terminal,
];

/// What a reader may do with a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Expected {
    Read,
    /// 6982.
    Refused,
    /// The application is not there: 6A82.
    Absent,
    /// The file is not there.
    Empty,
}

fn expected(file: &File, profile: &str, interface: Interface, shown: Shown) -> Expected {
    let contact = interface == Interface::Contact;
    // PIN1 opens nothing on the contactless side: CARD-31.
    let channel = match shown {
        Shown::Nothing | Shown::Pin2 => false,
        Shown::Pin1 => contact,
        _ => true,
    };
    let access_number = channel && shown != Shown::Pin1;
    let national = profile == "national";
    // No terminal is authenticated on the contactless side.
    let terminal = contact && shown == Shown::Terminal;
    let allowed = match file.zone {
        Zone::Card if file.name == "EF.CardSecurity" => channel,
        Zone::Card => true,
        // OPEN-02.
        Zone::Household => contact || access_number,
        // Which document it is, and nothing of what it says: ADR 39.
        Zone::Public if terminal => file.name == "EF.SOD",
        Zone::Public => access_number,
        Zone::Encrypted if !contact => return Expected::Absent,
        Zone::Encrypted => terminal && file.name == "EF.SOD (eID)",
        Zone::Certificate if !contact => return Expected::Absent,
        Zone::Certificate if matches!(file.content, Content::PrivateKey(_)) => return Expected::Empty,
        // A terminal has the rights of its certificate alone, and there is none for this zone.
        Zone::Certificate => !national || channel && !terminal,
        Zone::System => unreachable!("no file"),
    };
    if allowed { Expected::Read } else { Expected::Refused }
}

fn aid(directory: Directory) -> Option<&'static [u8]> {
    Some(match directory {
        Directory::Master => return None,
        Directory::Household => HOUSEHOLD,
        Directory::Public => PUBLIC,
        Directory::Eid => EID,
        Directory::SmartCardHsm => SC_HSM,
        Directory::Pkcs15 => PKCS15,
    })
}

fn show_pin1(reader: &mut Reader) {
    let contact = reader.channel.interface() == Interface::Contact;
    assert_eq!(reader.pace(&pin1()), if contact { Ok(()) } else { Err(0x6A88) });
}

/// Shows what is to be shown; PIN2 needs its application, which must then stay selected.
fn show(reader: &mut Reader, shown: Shown, directory: Directory, profile: &str) -> u16 {
    match shown {
        Shown::Nothing => {}
        Shown::Can | Shown::CanAndPin2 => reader.pace(&can()).unwrap(),
        Shown::Mrz => reader.pace(&mrz()).unwrap(),
        Shown::Pin1 => show_pin1(reader),
        Shown::CanThenPin1 => {
            reader.pace(&can()).unwrap();
            show_pin1(reader);
        }
        Shown::Pin2 => {}
        Shown::Terminal => {
            reader.pace(&can()).unwrap();
            if reader.channel.interface() == Interface::Contact {
                let terminal = eac_pki::terminal(Rights::AGE_VERIFICATION, UpdateRights::NONE);
                reader.open_zone(&pin1(), &terminal).unwrap();
            }
        }
    }
    let selected = match aid(directory) {
        Some(aid) => reader.select(aid),
        None => reader.select_mf(),
    };
    if matches!(shown, Shown::Pin2 | Shown::CanAndPin2)
        && matches!(directory, Directory::SmartCardHsm | Directory::Pkcs15)
        && selected == 0x9000
    {
        let expected = if profile == "national" && shown == Shown::Pin2 { 0x6982 } else { 0x9000 };
        assert_eq!(reader.verify(PIN2), expected);
    }
    selected
}

/// The three ways to read: select the file, short identifier, odd instruction with the file identifier.
fn read_all_ways(reader: &mut Reader, file: &File) -> Vec<u16> {
    let mut answers = Vec::new();
    let selected = reader.select_file(file.fid);
    answers.push(match selected {
        0x9000 => reader.sw(&Command::new(0, 0xB0, 0, 0).with_le(256)),
        sw => sw,
    });
    if let Some(sfi) = file.sfi {
        answers.push(reader.sw(&Command::new(0, 0xB0, 0x80 | sfi, 0).with_le(256)));
    }
    let [hi, lo] = file.fid.to_be_bytes();
    answers.push(reader.sw(&Command::new(0, 0xB1, hi, lo).with_data([0x54, 0x01, 0x00]).with_le(256)));
    answers
}

// proves: CARD-16, CARD-21, CARD-26, CARD-31, CARD-34, CARD-42, CARD-43, OPEN-02
#[test]
fn every_file_on_every_interface_in_every_state() {
    let mut checked = 0;
    for profile in ["national", "interop"] {
        for interface in Interface::ALL {
            for directory in [
                Directory::Master,
                Directory::Household,
                Directory::Public,
                Directory::Eid,
                Directory::SmartCardHsm,
                Directory::Pkcs15,
            ] {
                for shown in SHOWN {
                    let mut reader = reader(&Stage::InUse(profile).flash(), interface);
                    let selected = show(&mut reader, shown, directory, profile);
                    for file in FILES.iter().filter(|f| f.directory == directory) {
                        let expected = expected(file, profile, interface, shown);
                        // Where the application is absent nothing was selected, and there is nothing to read from.
                        let answers = match expected {
                            Expected::Absent => vec![selected; if file.sfi.is_some() { 3 } else { 2 }],
                            _ => read_all_ways(&mut reader, file),
                        };
                        for sw in answers {
                            let right = match expected {
                                Expected::Read => sw == 0x9000,
                                Expected::Refused => sw == 0x6982,
                                Expected::Absent => sw == 0x6A82,
                                Expected::Empty => matches!(sw, 0x6982 | 0x6A82),
                            };
                            assert!(
                                right,
                                "{profile} {interface:?} {shown:?} {} in {directory:?}: {sw:04X}, expected {expected:?}",
                                file.name
                            );
                            checked += 1;
                        }
                    }
                }
            }
        }
    }
    // Every row of the table was asked for in every way: 32 sessions for each of its readings.
    let readings: usize = FILES.iter().map(|f| if f.sfi.is_some() { 3 } else { 2 }).sum();
    assert_eq!(checked, readings * 2 * 2 * SHOWN.len());
}

/// The application identifiers in EF.DIR.
fn directory(reader: &mut Reader) -> Vec<Vec<u8>> {
    reader.select_mf();
    let file = reader.read_sfi(0x1E);
    assert_eq!(file.sw.0, 0x9000);
    let templates = tlv::read_all(&file.data).expect("nothing after the last template");
    templates
        .iter()
        .map(|t| {
            assert_eq!(t.tag, 0x61);
            t.child(0x4F).expect("an identifier").value.to_vec()
        })
        .collect()
}

// proves: CARD-31, CARD-34, CARD-40, OPEN-01
#[test]
fn ef_dir_and_select_agree_on_which_applications_there_are() {
    let all = [HOUSEHOLD, PUBLIC, EMRTD, EID, SC_HSM, PKCS15];
    for (profile, certificates, interface, there) in [
        ("national", true, Interface::Contact, &[HOUSEHOLD, PUBLIC, EID, SC_HSM, PKCS15][..]),
        ("national", true, Interface::Contactless, &[HOUSEHOLD, PUBLIC]),
        ("national", false, Interface::Contact, &[HOUSEHOLD, PUBLIC, EID]),
        ("national", false, Interface::Contactless, &[HOUSEHOLD, PUBLIC]),
        ("interop", true, Interface::Contact, &[HOUSEHOLD, PUBLIC, EMRTD, EID, SC_HSM, PKCS15]),
        ("interop", true, Interface::Contactless, &[HOUSEHOLD, PUBLIC, EMRTD]),
        ("interop", false, Interface::Contact, &[HOUSEHOLD, PUBLIC, EMRTD, EID]),
    ] {
        let mut reader = Reader::new(Stage::Personalised(profile, certificates).chip(), interface);
        assert_eq!(directory(&mut reader), there, "{profile} {certificates} {interface:?}");
        for aid in all {
            let sw = if there.contains(&aid) { 0x9000 } else { 0x6A82 };
            assert_eq!(reader.select(aid), sw, "{profile} {certificates} {interface:?} {aid:02X?}");
        }
        assert_eq!(reader.select(ISSUER), if interface == Interface::Contact { 0x9000 } else { 0x6A82 });
        // Nor by path or file identifier.
        reader.select_mf();
        let pkcs15 = if there.contains(&PKCS15) { 0x9000 } else { 0x6A82 };
        assert_eq!(reader.sw(&Command::new(0, 0xA4, 0, 0x0C).with_data([0x50, 0x15])), pkcs15);
        reader.select_mf();
        assert_eq!(reader.sw(&Command::new(0, 0xA4, 8, 0x0C).with_data([0x50, 0x15])), pkcs15);
        // The absolute paths of the directory files, from wherever one stands.
        for from in [&[][..], PKCS15] {
            reader.select(from);
            let path = Command::new(0, 0xA4, 9, 0x0C).with_data([0x3F, 0x00, 0x50, 0x15]);
            assert_eq!(reader.sw(&path), pkcs15, "{from:02X?}");
        }
        // And that of the MF itself, from every application: EF.DIR is there again.
        for from in [&[][..]].into_iter().chain(there.iter().copied()) {
            reader.select(from);
            let path = Command::new(0, 0xA4, 9, 0x04).with_data([0x3F, 0x00]).with_le(256);
            let answer = reader.send(&path);
            assert_eq!(answer.sw.0, 0x9000, "{from:02X?}");
            let parameters = tlv::expect(&answer.data, 0x62).unwrap().value;
            assert_eq!(tlv::find(parameters, 0x83).unwrap().value, [0x3F, 0x00]);
            assert_eq!(reader.read_sfi(0x1E).sw.0, 0x9000, "{from:02X?}");
        }
    }
}

// proves: CARD-40
#[test]
fn a_closed_certificate_zone_refuses_every_command() {
    for profile in ["national", "interop"] {
        let flash = Stage::Personalised(profile, false).flash();
        // The pairs that were made for it before anybody chose are gone from the memory; those of the chip itself are not.
        let keys = |flash: &chip::Flash| -> Vec<u16> {
            let memory = chip::RamMemory::open(chip::Flash::from_image(flash.image())).unwrap();
            let mut records: Vec<u16> =
                chip::Memory::records(&memory).into_iter().map(|(record, _)| record).collect();
            records.retain(|record| (0x31..=0x36).contains(record));
            records.sort_unstable();
            records
        };
        let pairs = keys(&Stage::Initialised(profile).flash());
        assert!(pairs.starts_with(&[0x31, 0x32, 0x33, 0x34]), "{pairs:02X?}");
        assert_eq!(keys(&Stage::Personalised(profile, true).flash()), pairs);
        assert_eq!(keys(&flash), [0x35, 0x36], "{profile}");
        let error =
            management(&flash).set_pin(terminal::perso::PinReference::Pin2, &PIN2.into()).unwrap_err();
        assert_eq!(error.status_word().unwrap().0, 0x6A88, "not even PIN management opens it");
        let error = management(&flash).replace_certificate(1, &[0x30, 0x00]).unwrap_err();
        assert_eq!(error.status_word().unwrap().0, 0x6985);
        let mut reader = Reader::new(open(&flash), Interface::Contact);
        reader.pace(&can()).unwrap();
        for aid in [SC_HSM, PKCS15] {
            assert_eq!(reader.select(aid), 0x6A82);
            for command in [
                Command::new(0, 0x20, 0, 0x81),
                Command::new(0, 0x20, 0, 0x81).with_data(PIN2),
                Command::new(0, 0x24, 0, 0x81).with_data([PIN2, PIN2].concat()),
                Command::new(0x80, 0x58, 0, 0).with_le(256),
                Command::new(0x80, 0x68, 1, 0x20).with_data([0; 256]).with_le(256),
                Command::new(0x80, 0x62, 2, 0x21).with_data([0; 256]).with_le(256),
                Command::new(0, 0xB1, 0xCE, 0x01).with_data([0x54, 1, 0]).with_le(256),
                Command::new(0, 0xA4, 2, 0x0C).with_data([0xCE, 0x01]),
            ] {
                assert!(reader.sw(&command) >> 8 >= 0x69, "{command:?}");
            }
        }
    }
}

// proves: CARD-17
#[test]
fn there_is_no_file_for_any_other_biometric() {
    for file in FILES.iter().filter(|f| f.directory == Directory::Public) {
        assert!(!matches!(file.fid, 0x0103 | 0x0104), "no fingers, no irises");
    }
    // And nowhere to store them.
    let flash = Stage::Initialised("national").flash();
    let mut centre = centre(&flash);
    let card = centre.initialised_card().unwrap();
    let mut package = files(&card, true);
    package.public.push((0x0103, tlv::encode(0x63, &[0; 100])));
    assert_eq!(centre.personalise(&package).unwrap_err().status_word().unwrap().0, 0x6A88);
}

// proves: CARD-46
#[test]
fn nothing_a_reader_sends_writes_a_file() {
    let mut reader = Reader::contact(Stage::InUse("interop"));
    reader.pace(&can()).unwrap();
    reader.select(PUBLIC);
    reader.select_file(0x0101);
    for ins in [0xD0, 0xD1, 0xD6, 0xD7, 0xDA, 0xDB, 0xE0, 0xE2, 0xE4, 0x0E, 0x0F, 0x44, 0x04] {
        for cla in [0x00, 0x80] {
            let sw = reader.sw(&Command::new(cla, ins, 0, 0).with_data([1, 2, 3]));
            assert!(matches!(sw, 0x6D00 | 0x6982), "{cla:02X} {ins:02X}: {sw:04X}");
        }
    }
    assert_eq!(reader.read_sfi(1).data, tlv::encode(0x61, &[0x61; 93]));
}
