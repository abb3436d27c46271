//! Attacks on an open session: messages reordered, stripped, cut short, changed in every byte, counted wrongly, mixed with
//! plain ones, taken from another channel; and games with SELECT between the zones.

use apdu::{CardChannel, Command, Response};
use chip::files::{Directory, FILES};
use chip::{COMMANDS, Interface, Through};
use eac::pace;

use crate::support::*;

/// A reader in a channel of the access number with the public zone selected.
fn in_public_zone() -> Reader {
    let mut reader = Reader::contact(Stage::InUse("national"));
    reader.pace_with(BRAINPOOL, &can()).unwrap();
    assert_eq!(reader.select(PUBLIC), 0x9000);
    reader
}

fn read_dg1() -> Command {
    Command::new(0, 0xB0, 0x81, 0).with_le(256)
}

fn wrap(reader: &mut Reader, command: &Command) -> Command {
    reader.sm.as_mut().unwrap().wrap(command).unwrap()
}

/// Sends bytes that no honest reader sends: they must be refused, in the clear and without data, and the session must be
/// over: what was legitimate before is not any more.
fn ends_the_session(mut reader: Reader, forged: &Command, allowed: &[u16], what: &str) {
    let answer = reader.channel.exchange(forged).unwrap();
    assert!(allowed.contains(&answer.sw.0), "{what}: {}", answer.sw);
    assert!(answer.data.is_empty(), "{what}: refused with data");
    let next = wrap(&mut reader, &read_dg1());
    let answer = reader.channel.exchange(&next).unwrap();
    assert_eq!(answer.sw.0, 0x6982, "{what}: the session has survived");
    reader.sm = None;
    assert_eq!(reader.select(PUBLIC), 0x9000);
    assert_eq!(reader.sw(&read_dg1()), 0x6982, "{what}: rights without a session");
}

// proves: CARD-43, CARD-58
#[test]
fn a_message_out_of_its_order_ends_the_session() {
    // The second before the first.
    let mut reader = in_public_zone();
    let first = wrap(&mut reader, &read_dg1());
    let second = wrap(&mut reader, &read_dg1());
    assert_eq!(reader.channel.exchange(&second).unwrap().sw.0, 0x6988);
    assert_eq!(reader.channel.exchange(&first).unwrap().sw.0, 0x6982, "nor can it be made up for");
    // Counters ahead of the card's by one, two and sixteen.
    for ahead in [1, 2, 16] {
        let mut reader = in_public_zone();
        for _ in 0..ahead {
            wrap(&mut reader, &read_dg1());
        }
        let late = wrap(&mut reader, &read_dg1());
        ends_the_session(reader, &late, &[0x6988], "counter ahead");
    }
    // A message of one session in another of the same card and password.
    let mut reader = in_public_zone();
    let heard = wrap(&mut reader, &read_dg1());
    reader.sm = None;
    reader.pace_with(BRAINPOOL, &can()).unwrap();
    reader.select(PUBLIC);
    ends_the_session(reader, &heard, &[0x6988], "another session");
    // The channel that another one was opened in is over with it.
    let mut reader = in_public_zone();
    let outer = wrap(&mut reader, &read_dg1());
    reader.sm = None;
    reader.pace_with(BRAINPOOL, &can()).unwrap();
    let mut inner = in_public_zone();
    inner.pace_with(BRAINPOOL, &pin1()).unwrap();
    inner.select(PUBLIC);
    ends_the_session(inner, &outer, &[0x6988], "the outer channel");
}

/// The data objects of a protected command.
fn objects(command: &Command) -> Vec<Vec<u8>> {
    tlv::read_all(&command.data).unwrap().iter().map(|object| object.raw.to_vec()).collect()
}

// proves: CARD-43, CARD-58
#[test]
fn a_message_that_was_stripped_or_cut_short_ends_the_session() {
    let select = Command::new(0, 0xA4, 4, 0x00).with_data(PUBLIC).with_le(256);
    // Each data object taken out; each twice; all in reverse.
    let parts = objects(&wrap(&mut in_public_zone(), &select)).len();
    assert_eq!(parts, 3, "cryptogram, expected length, checksum");
    for (left_out, allowed) in [(0, &[0x6988][..]), (1, &[0x6988]), (2, &[0x6987])] {
        let mut reader = in_public_zone();
        let mut forged = wrap(&mut reader, &select);
        let mut rest = objects(&forged);
        rest.remove(left_out);
        forged.data = rest.concat();
        ends_the_session(reader, &forged, allowed, "an object is missing");
    }
    for twice in 0..parts {
        let mut reader = in_public_zone();
        let mut forged = wrap(&mut reader, &select);
        let mut more = objects(&forged);
        more.insert(twice, more[twice].clone());
        forged.data = more.concat();
        ends_the_session(reader, &forged, &[0x6987, 0x6988], "an object twice");
    }
    let mut reader = in_public_zone();
    let mut forged = wrap(&mut reader, &select);
    let mut reversed = objects(&forged);
    reversed.reverse();
    forged.data = reversed.concat();
    ends_the_session(reader, &forged, &[0x6987, 0x6988], "another order");
    // The checksum cut to every shorter length, and longer: eight bytes are compared, or none.
    for length in (0..8).chain([9, 16]) {
        let mut reader = in_public_zone();
        let mut forged = wrap(&mut reader, &select);
        let mut all = objects(&forged);
        let mut mac = tlv::expect(&all.pop().unwrap(), 0x8E).unwrap().value.to_vec();
        mac.resize(length, 0);
        all.push(tlv::encode(0x8E, &mac));
        forged.data = all.concat();
        ends_the_session(reader, &forged, &[0x6987, 0x6988], &format!("checksum of {length} bytes"));
    }
    // Nothing but the class byte of secure messaging.
    let reader = in_public_zone();
    let bare = Command { cla: 0x0C, ..read_dg1() };
    ends_the_session(reader, &bare, &[0x6987], "no objects at all");
    // Secure messaging taken off altogether: a plain command, executed with no rights.
    let reader = in_public_zone();
    let plain = Command { p1: 0x82, ..read_dg1() };
    ends_the_session(reader, &plain, &[0x6A82], "stripped: the MF is current again");
}

// proves: CARD-43, CARD-58
#[test]
fn a_message_changed_in_any_byte_ends_the_session() {
    let select = Command::new(0, 0xA4, 4, 0x0C).with_data(HOUSEHOLD);
    let length = wrap(&mut in_public_zone(), &select).data.len();
    for place in 0..length + 3 {
        let mut reader = in_public_zone();
        let mut forged = wrap(&mut reader, &select);
        match place {
            0 => forged.ins ^= 0x14,
            1 => forged.p1 ^= 0x04,
            2 => forged.p2 ^= 0x08,
            _ => forged.data[place - 3] ^= 1 << (place % 8),
        }
        ends_the_session(reader, &forged, &[0x6987, 0x6988], &format!("byte {place}"));
    }
}

// proves: CARD-43, CARD-58
#[test]
fn any_plain_command_inside_a_session_ends_it() {
    let mut tried = 0;
    for rule in COMMANDS.iter().filter(|rule| rule.through != Through::Scp) {
        let plain = Command::new(rule.cla, rule.ins, 0, 0).with_le(256);
        let mut reader = in_public_zone();
        let answer = reader.channel.exchange(&plain).unwrap();
        assert!(answer.sw.0 != 0x9000 || matches!(rule.name, "SELECT" | "GET CHALLENGE"), "{}", rule.name);
        let next = wrap(&mut reader, &read_dg1());
        assert_eq!(reader.channel.exchange(&next).unwrap().sw.0, 0x6982, "{}", rule.name);
        tried += 1;
    }
    // One of SCP03 ends it as well.
    let mut reader = in_public_zone();
    assert_eq!(reader.send_plain(&Command::new(0x84, 0xCA, 0x00, 0xE0)).sw.0, 0x6982);
    let next = wrap(&mut reader, &read_dg1());
    assert_eq!(reader.channel.exchange(&next).unwrap().sw.0, 0x6982);
    assert!(tried >= 14);
    // So does what is no command at all, or of no class; a reader's own class that came through does not.
    let malformed: [(&[u8], u16, bool); 8] = [
        (&[0x00, 0xB0, 0x00, 0x00, 0x05, 0x01], 0x6700, true),
        (&[0x00, 0xB0], 0x6700, true),
        (&[0x01, 0xB0, 0x00, 0x00, 0x00], 0x6881, true),
        (&[0x04, 0xB0, 0x00, 0x00, 0x00], 0x6882, true),
        (&[0x08, 0xB0, 0x00, 0x00, 0x00], 0x6882, true),
        (&[0x20, 0xB0, 0x00, 0x00, 0x00], 0x6E00, true),
        (&[0x90, 0xB0, 0x00, 0x00, 0x00], 0x6E00, true),
        (&[0xFF, 0xCA, 0x00, 0x00, 0x00], 0x6E00, false),
    ];
    for (bytes, status, ends) in malformed {
        let mut reader = in_public_zone();
        let answer = reader.channel.transmit(bytes).unwrap();
        assert_eq!(answer, status.to_be_bytes(), "{bytes:02X?}");
        let next = wrap(&mut reader, &read_dg1());
        let after = reader.channel.exchange(&next).unwrap().sw.0;
        assert_eq!(after == 0x6982, ends, "{bytes:02X?}: {after:04X}");
    }
}

// Outside a session a command that is none, or of no class, ends what was under way and nothing else: the security domain that a
// card in production has selected by itself answers on, and a PIN2 that a sample card took in the clear stays verified, as after
// any other command that fails.
#[test]
fn without_a_session_a_malformed_command_deselects_nothing() {
    let malformed: [&[u8]; 5] = [
        &[0x00, 0xB0],
        &[0x00, 0xB0, 0x00, 0x00, 0x05, 0x01],
        &[0x01, 0xB0, 0x00, 0x00, 0x00],
        &[0x20, 0xB0, 0x00, 0x00, 0x00],
        &[0xFF, 0xCA, 0x00, 0x00, 0x00],
    ];
    let sign = Command::new(0x80, 0x68, 3, 0x70).with_data([9; 32]).with_le(256);
    for bytes in malformed {
        for stage in [Stage::Delivered, Stage::Washed, Stage::Initialised("national")] {
            let mut reader = Reader::contact(stage);
            assert!(reader.channel.transmit(bytes).unwrap().len() == 2);
            let begin = Command::new(0x80, 0x50, if stage == Stage::Delivered { 1 } else { 0x20 }, 0)
                .with_data([7; 8]);
            assert_eq!(reader.sw(&begin.with_le(256)), 0x9000, "{stage:?} {bytes:02X?}");
        }
        let mut reader = Reader::contact(Stage::InUse("interop"));
        assert_eq!(reader.select(SC_HSM), 0x9000);
        assert_eq!(reader.verify(PIN2), 0x9000);
        assert!(reader.channel.transmit(bytes).unwrap().len() == 2);
        assert_eq!(reader.pin2_status(), 0x9000, "{bytes:02X?}");
        assert_eq!(reader.sw(&sign), 0x9000, "{bytes:02X?}");
        // What was under way is over, but for what a reader keeps to itself.
        let mut reader = Reader::contact(Stage::InUse("interop"));
        let first = pace::terminal::Start::new(P521, &can()).unwrap().mse_set_at();
        assert_eq!(reader.sw(&first), 0x9000);
        assert!(reader.channel.transmit(bytes).unwrap().len() == 2);
        let next = Command::new(0x10, 0x86, 0, 0).with_data([0x7C, 0x00]).with_le(256);
        assert_eq!(reader.sw(&next), if bytes[0] == 0xFF { 0x9000 } else { 0x6985 }, "{bytes:02X?}");
    }
}

// A verified PIN2 is worth nothing in another channel, in no channel, and in another application.
// proves: CARD-35, CARD-58
#[test]
fn what_was_won_in_one_session_is_lost_with_it() {
    let sign = Command::new(0x80, 0x68, 3, 0x70).with_data([9; 32]).with_le(256);
    let logged_in = || {
        let mut reader = Reader::contact(Stage::InUse("national"));
        reader.pace_with(BRAINPOOL, &can()).unwrap();
        assert_eq!(reader.select(SC_HSM), 0x9000);
        assert_eq!(reader.verify(PIN2), 0x9000);
        reader
    };
    let mut reader = logged_in();
    assert_eq!(reader.sw(&sign), 0x9000);
    // Plain.
    assert_ne!(reader.send_plain(&sign).sw.0, 0x9000);
    // A new channel inside: the application stays selected, the PIN does not stay verified.
    let mut reader = logged_in();
    reader.pace_with(BRAINPOOL, &mrz()).unwrap();
    assert_eq!(reader.sw(&sign), 0x6982);
    // A failed PACE inside.
    let mut reader = logged_in();
    reader.pace_with(BRAINPOOL, &wrong_can()).unwrap_err();
    reader.sm = None;
    assert_ne!(reader.sw(&sign), 0x9000);
    // A forged message, then a new channel.
    let mut reader = logged_in();
    let mut forged = wrap(&mut reader, &sign);
    *forged.data.last_mut().unwrap() ^= 1;
    assert_eq!(reader.channel.exchange(&forged).unwrap().sw.0, 0x6988);
    reader.sm = None;
    reader.pace_with(BRAINPOOL, &can()).unwrap();
    reader.select(SC_HSM);
    assert_eq!(reader.sw(&sign), 0x6982);
    // The other view of the same zone.
    let mut reader = logged_in();
    reader.select(PKCS15);
    assert_eq!(reader.sw(&sign), 0x6982);
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

fn select(reader: &mut Reader, directory: Directory) {
    let sw = match aid(directory) {
        Some(aid) => reader.select(aid),
        None => reader.select_mf(),
    };
    assert_eq!(sw, 0x9000);
}

const DIRECTORIES: [Directory; 6] = [
    Directory::Master,
    Directory::Household,
    Directory::Public,
    Directory::Eid,
    Directory::SmartCardHsm,
    Directory::Pkcs15,
];

// proves: CARD-42, CARD-58
#[test]
fn no_zone_is_read_through_the_selection_of_another() {
    let mut reader = Reader::contact(Stage::InUse("national"));
    reader.pace_with(BRAINPOOL, &can()).unwrap();
    let current = Command::new(0, 0xB0, 0, 0).with_le(256);
    let odd = |fid: u16| {
        let [hi, lo] = fid.to_be_bytes();
        Command::new(0, 0xB1, hi, lo).with_data([0x54, 1, 0]).with_le(256)
    };
    // What each file begins with, read as it should be.
    let mut contents: Vec<(Directory, u16, Vec<u8>)> = Vec::new();
    for directory in DIRECTORIES {
        select(&mut reader, directory);
        for file in FILES.iter().filter(|f| f.directory == directory) {
            if reader.select_file(file.fid) == 0x9000 {
                contents.push((directory, file.fid, reader.send(&current).into_ok().unwrap()));
            }
        }
    }
    assert!(contents.len() > 25 && contents.iter().all(|(d, ..)| *d != Directory::Eid));
    for from in DIRECTORIES {
        for to in DIRECTORIES.into_iter().filter(|to| *to != from) {
            // A file that was current in one application is not in the next.
            select(&mut reader, from);
            if let Some((_, fid, _)) = contents.iter().find(|(d, ..)| *d == from) {
                assert_eq!(reader.select_file(*fid), 0x9000);
            }
            select(&mut reader, to);
            assert_eq!(reader.sw(&current), 0x6986, "{from:?} {to:?}");
            // Identifiers of the one mean the files of the other, or nothing.
            for file in FILES.iter().filter(|f| f.directory == from) {
                let own = contents.iter().find(|(d, fid, _)| (*d, *fid) == (to, file.fid)).map(|c| &c.2);
                let mut answers: Vec<Response> = vec![reader.send(&odd(file.fid))];
                if reader.select_file(file.fid) == 0x9000 {
                    answers.push(reader.send(&current));
                }
                if let Some(sfi) = file.sfi {
                    let short = FILES.iter().find(|f| f.directory == to && f.sfi == Some(sfi));
                    let answer = reader.read_sfi(sfi);
                    if short.is_none_or(|f| f.fid != file.fid) {
                        assert!(answer.sw.0 != 0x9000 || short.is_some(), "{from:?} {to:?} {}", file.name);
                    }
                }
                for answer in answers.iter().filter(|a| a.sw.0 == 0x9000) {
                    let own = own.unwrap_or_else(|| panic!("{to:?} shows {} of {from:?}", file.name));
                    let shown = match tlv::expect(&answer.data, 0x53) {
                        Ok(object) if !own.starts_with(&answer.data[..8.min(answer.data.len())]) => {
                            object.value
                        }
                        _ => &answer.data,
                    };
                    assert!(
                        own.starts_with(&shown[..shown.len().min(own.len())]),
                        "{from:?} {to:?} {}",
                        file.name
                    );
                }
            }
        }
    }
}

// What a session of SCP03 may do is written in its rows of the table; files of the zones are not among it.
// proves: CARD-42, CARD-58
#[test]
fn the_issuer_reads_no_zone() {
    let flash = Stage::InUse("interop").flash();
    for class in [0x00u8, 0x80] {
        for ins in [0xA4, 0xB0, 0xB1, 0x20, 0x24, 0x84, 0x86, 0x88, 0x58, 0x62, 0x68] {
            let mut host = Host::open(contact(open(&flash)), 0x31, &management_keys());
            let answer = host.send(&Command::new(class, ins, 0x81, 0).with_le(256));
            assert!(answer.sw.0 != 0x9000 && answer.data.is_empty(), "{class:02X} {ins:02X}");
        }
    }
    // Selecting a zone ends the session before anything is read.
    let mut host = Host::open(contact(open(&flash)), 0x31, &management_keys());
    host.channel.exchange(&Command::new(0, 0xA4, 4, 0x0C).with_data(PUBLIC)).unwrap();
    assert_eq!(host.channel.exchange(&read_dg1()).unwrap().sw.0, 0x6982);
    assert_eq!(host.send(&Command::new(0x80, 0xCA, 0x00, 0xE0).with_le(65_536)).sw.0, 0x6982);
}

/// One thing a reader does on the contactless side.
#[derive(Clone, Copy, Debug)]
enum Move {
    Select(&'static [u8]),
    SelectByIdentifier,
    Pace(bool),
    Pin1,
    VerifyPin2,
    ReadCertificate,
    ReadShort,
}

const MOVES: [Move; 12] = [
    Move::Select(EID),
    Move::Select(SC_HSM),
    Move::Select(PKCS15),
    Move::Select(ISSUER),
    Move::Select(PUBLIC),
    Move::SelectByIdentifier,
    Move::Pace(true),
    Move::Pace(false),
    Move::Pin1,
    Move::VerifyPin2,
    Move::ReadCertificate,
    Move::ReadShort,
];

/// Makes a move; whether it got through to something that is on contact only.
fn make(reader: &mut Reader, step: Move) -> bool {
    match step {
        Move::Select(aid) => reader.select(aid) == 0x9000 && aid != PUBLIC,
        Move::SelectByIdentifier => [0x00, 0x08]
            .into_iter()
            .any(|p1| reader.sw(&Command::new(0, 0xA4, p1, 0x0C).with_data([0x50, 0x15])) == 0x9000),
        Move::Pace(can_or_mrz) => {
            let password = if can_or_mrz { can() } else { mrz() };
            reader.pace_with(BRAINPOOL, &password).unwrap();
            false
        }
        Move::Pin1 => reader.pace_with(BRAINPOOL, &pin1()) != Err(0x6A88),
        Move::VerifyPin2 => {
            reader.verify(PIN2) != 0x6A88
                || reader.sw(&Command::new(0x80, 0x68, 3, 0x70).with_data([9; 32]).with_le(256)) == 0x9000
        }
        Move::ReadCertificate => {
            let odd = Command::new(0, 0xB1, 0xCE, 0x01).with_data([0x54, 1, 0]).with_le(256);
            reader.sw(&odd) == 0x9000 || reader.sw(&Command::new(0x80, 0x58, 0, 0).with_le(256)) == 0x9000
        }
        // Anything read must be of the card as a whole, the household or the public zone.
        Move::ReadShort => (1..=0x1E).any(|sfi| {
            let answer = reader.read_sfi(sfi);
            answer.sw.0 == 0x9000 && !known(&answer.data)
        }),
    }
}

/// Whether this is content of a file that contactless readers may see; recognised by its first byte.
fn known(content: &[u8]) -> bool {
    content.is_empty()
        || [0x60, 0x61, 0x75, 0x6B, 0x6C, 0x6D, 0x6E, 0x6F, 0x77, 0x30, 0x31, 0x43].contains(&content[0])
}

// proves: CARD-31, CARD-34, CARD-42
#[test]
fn contactless_readers_reach_no_contact_only_zone_in_any_order() {
    let flash = Stage::InUse("interop").flash();
    let before = flash.image();
    let mut sequences = 0;
    let mut chip = open(&flash);
    for first in MOVES {
        for second in MOVES {
            for third in MOVES {
                let mut reader = Reader::new(chip, Interface::Contactless);
                for (n, step) in [first, second, third].into_iter().enumerate() {
                    assert!(!make(&mut reader, step), "{:?}", &[first, second, third][..=n]);
                }
                sequences += 1;
                chip = reader.channel.into_chip();
            }
        }
    }
    assert_eq!(sequences, 1728);
    // Nor has any of them cost the holder a try: beside the access number's own count nothing was written.
    drop(chip);
    let again = Reader::new(open(&flash), Interface::Contact).pin1_status();
    assert_eq!(again, 0x9000);
    let was = chip::RamMemory::open(chip::Flash::from_image(before)).unwrap();
    let is = chip::RamMemory::open(chip::Flash::from_image(flash.image())).unwrap();
    for (key, _) in chip::Memory::records(&was) {
        assert_eq!(chip::Memory::load(&was, key), chip::Memory::load(&is, key), "record {key:04X}");
    }
}
