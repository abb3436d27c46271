//! The command table, completely: every command in every state of the chip, on both interfaces, in the clear, through a
//! channel of PACE without and with an announced terminal, of Basic Access Control and of an authenticated terminal, and
//! inside SCP03, in every application, on every profile. The commands come from the chip's own table; what must happen is
//! written here once more, by hand. Each command is a good one: it fails only if the card refuses it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::LazyLock;

use apdu::{Command, Response};
use chip::{COMMANDS, CommandRule, Flash, Interface, LifeCycle, Memory, Profile, RamMemory, Through};
use curve::Hash;
use eac::auxiliary_data::AuxiliaryData;
use eac::bac::{self, AccessKeys};
use eac::cvc::{Rights, UpdateRights};
use eac::terminal_authentication::terminal as ta;
use eac::terminal_authentication::{external_authenticate, set_dst, verify_certificate};
use terminal::perso::Session;

use crate::document_pki::COUNTRY;
use crate::eac_pki::{self, TERMINAL, Terminal};
use crate::encrypted_zone::{ALL_READS, PACKAGE, household, reader};
use crate::support::*;

/// How a command comes to the card.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Messaging {
    Clear,
    /// A channel of the access number and, where that can be, of PIN1 inside it.
    Pace,
    /// The same, and a terminal was announced that has not proved itself yet.
    Announced,
    /// The channel of a terminal that has proved itself, as the chip has, with every right.
    Terminal,
    /// A channel of Basic Access Control.
    Basic,
    Scp,
}

const MESSAGINGS: [Messaging; 6] = [
    Messaging::Clear,
    Messaging::Pace,
    Messaging::Announced,
    Messaging::Terminal,
    Messaging::Basic,
    Messaging::Scp,
];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum App {
    Master,
    Household,
    Public,
    Emrtd,
    Eid,
    Hsm,
    Pkcs15,
    Issuer,
}

const APPS: [App; 8] =
    [App::Master, App::Household, App::Public, App::Emrtd, App::Eid, App::Hsm, App::Pkcs15, App::Issuer];

/// What must work, by hand. States: Delivered, Washed, Initialised, Personalised (no PIN yet), Operational (both PINs set),
/// Suspended. Sides: Contact, contactLess. Messaging: clear, pace, announced, terminal, basic access, scp. Applications:
/// Master, Household, public under its national and its Travel document name, Eid, SmartCard-HSM (K), PKCS #15 (5), Issuer.
#[rustfmt::skip]
const WORKS: &[(&str, &str, &str, &str, &str)] = &[
    // command                       states    sides  messaging  applications
    ("SELECT",                       "DWIPOS", "CL",  "cpatb",   "MHPTEK5I"),
    ("READ BINARY",                  "PO",     "CL",  "cpatb",   "MHPTK5"),
    // A field of the encrypted zone: PIN1 and the right for it.
    ("READ BINARY",                  "O",      "C",   "t",       "E"),
    ("READ BINARY (odd)",            "PO",     "CL",  "cpatb",   "MHPTK5"),
    ("READ BINARY (odd)",            "O",      "C",   "t",       "E"),
    ("GET CHALLENGE",                "PO",     "CL",  "cpatb",   "MHPTEK5I"),
    ("MANAGE SECURITY ENVIRONMENT",  "PO",     "CL",  "cpatb",   "MHPTEK5I"),
    ("GENERAL AUTHENTICATE",         "PO",     "CL",  "cpatb",   "MHPTEK5I"),
    ("INTERNAL AUTHENTICATE",        "PO",     "CL",  "patb",    "PT"),
    // The holder with PIN1; a terminal with the right for it where there is no PIN1 yet, too.
    ("RESET RETRY COUNTER",          "O",      "C",   "pat",     "MHPTEK5I"),
    ("RESET RETRY COUNTER",          "P",      "C",   "t",       "MHPTEK5I"),
    ("PSO: VERIFY CERTIFICATE",      "PO",     "C",   "a",       "MHPTEK5I"),
    ("EXTERNAL AUTHENTICATE (terminal)", "PO", "C",   "a",       "MHPTEK5I"),
    ("EXTERNAL AUTHENTICATE (BAC)",  "PO",     "CL",  "c",       "PT"),
    ("VERIFY (auxiliary data)",      "O",      "C",   "t",       "E"),
    ("STORE DATA (update)",          "PO",     "C",   "t",       "MHPTEK5I"),
    // Inside SCP03 the same bytes are STORE DATA.
    ("STORE DATA (update)",          "I",      "C",   "s",       "I"),
    ("COMMIT (update)",              "PO",     "C",   "t",       "MHPTEK5I"),
    ("VERIFY",                       "O",      "C",   "cpatb",   "K5"),
    ("CHANGE REFERENCE DATA",        "O",      "C",   "cpatb",   "K5"),
    ("ENUMERATE OBJECTS",            "PO",     "C",   "cpatb",   "K"),
    ("SIGN",                         "O",      "C",   "cpatb",   "K5"),
    ("DECIPHER",                     "O",      "C",   "cpatb",   "K5"),
    ("GET DATA (CPLC)",              "DWIPOS", "C",   "cs",      "I"),
    ("INITIALIZE UPDATE",            "DWIPOS", "C",   "c",       "I"),
    ("EXTERNAL AUTHENTICATE",        "DWIPOS", "C",   "s",       "I"),
    ("GET DATA",                     "DWIPOS", "C",   "s",       "I"),
    ("PUT KEY",                      "DWI",    "C",   "s",       "I"),
    ("INITIALISE",                   "WI",     "C",   "s",       "I"),
    ("BEGIN PERSONALISATION",        "I",      "C",   "s",       "I"),
    ("STORE DATA",                   "IPO",    "C",   "s",       "I"),
    // In the channel of a terminal the same bytes are STORE DATA (update), and bring no package.
    ("COMMIT",                       "I",      "C",   "s",       "I"),
    ("RESET RETRY COUNTER (issuer)", "PO",     "C",   "s",       "I"),
    ("SET STATUS",                   "POS",    "C",   "s",       "I"),
];

/// A terminal that may everything.
static EVERYTHING: LazyLock<Terminal> = LazyLock::new(|| {
    eac_pki::terminal(ALL_READS | Rights::CAN_ALLOWED | Rights::from_bits(0xFF), UpdateRights::ALL)
});

/// What it asks the card to say yes to.
fn question() -> AuxiliaryData {
    AuxiliaryData::new().born_on_or_before("20000101")
}

/// One place in the space that is searched.
#[derive(Clone, Copy, Debug)]
struct Place {
    profile: &'static Profile,
    state: LifeCycle,
    interface: Interface,
    messaging: Messaging,
    app: App,
}

const fn letter(state: LifeCycle) -> char {
    match state {
        LifeCycle::Delivered => 'D',
        LifeCycle::Washed => 'W',
        LifeCycle::Initialised => 'I',
        LifeCycle::Personalised => 'P',
        LifeCycle::Operational => 'O',
        LifeCycle::Locked => 'S',
        _ => 'X',
    }
}

impl Place {
    fn in_use(self) -> bool {
        matches!(self.state, LifeCycle::Personalised | LifeCycle::Operational)
    }

    fn contact(self) -> bool {
        self.interface == Interface::Contact
    }

    /// Whether the application can be the current one.
    fn exists(self) -> bool {
        match self.app {
            App::Master => true,
            App::Household | App::Public => self.in_use(),
            App::Emrtd => self.in_use() && self.profile.sample,
            App::Eid | App::Hsm | App::Pkcs15 => self.in_use() && self.contact(),
            App::Issuer => self.state != LifeCycle::Terminated && self.contact(),
        }
    }

    /// Whether there is such a messaging at all.
    fn opens(self) -> bool {
        match self.messaging {
            Messaging::Clear => true,
            Messaging::Pace | Messaging::Announced => self.in_use(),
            Messaging::Terminal => self.in_use() && self.contact(),
            Messaging::Basic => self.in_use() && self.profile.bac,
            Messaging::Scp => {
                self.state != LifeCycle::Terminated && self.contact() && self.app == App::Issuer
            }
        }
    }

    fn works(self, name: &str) -> bool {
        let mut rows = WORKS.iter().filter(|row| row.0 == name).peekable();
        assert!(rows.peek().is_some(), "{name} is in the chip's table and nobody has said when it works");
        let app = match self.app {
            App::Master => 'M',
            App::Household => 'H',
            App::Public => 'P',
            App::Emrtd => 'T',
            App::Eid => 'E',
            App::Hsm => 'K',
            App::Pkcs15 => '5',
            App::Issuer => 'I',
        };
        let way = match self.messaging {
            Messaging::Clear => 'c',
            Messaging::Pace => 'p',
            Messaging::Announced => 'a',
            Messaging::Terminal => 't',
            Messaging::Basic => 'b',
            Messaging::Scp => 's',
        };
        let side = if self.contact() { 'C' } else { 'L' };
        let named = |(_, states, sides, messaging, apps): &(_, &str, &str, &str, &str)| {
            states.contains(letter(self.state))
                && sides.contains(side)
                && messaging.contains(way)
                && apps.contains(app)
        };
        rows.any(named) && self.exists() && self.opens() && self.data_allows(name)
    }

    /// What the zone of the file or key demands beside the table (CARD-42).
    fn data_allows(self, name: &str) -> bool {
        let channel = !matches!(self.messaging, Messaging::Clear | Messaging::Scp);
        // No certificate of a terminal has a right for the certificate zone.
        let own_channel = channel && self.messaging != Messaging::Terminal;
        match name {
            "EXTERNAL AUTHENTICATE (BAC)" => self.profile.bac,
            // Who may read DG15 may ask its key; an authenticated terminal reads EF.SOD alone.
            "INTERNAL AUTHENTICATE" => self.messaging != Messaging::Terminal,
            "READ BINARY" | "READ BINARY (odd)" => match self.app {
                App::Household => channel || self.contact(),
                App::Public | App::Emrtd => channel,
                App::Hsm | App::Pkcs15 => own_channel || self.profile.sample,
                _ => true,
            },
            "VERIFY" | "CHANGE REFERENCE DATA" | "ENUMERATE OBJECTS" | "SIGN" | "DECIPHER" => {
                own_channel || self.profile.sample
            }
            _ => true,
        }
    }

    /// The password that opens the last channel, inside one of the access number.
    fn has_pin1(self) -> bool {
        self.state == LifeCycle::Operational && self.contact()
    }

    fn flash(self, name: &str) -> Flash {
        let profile = self.profile.name.as_str();
        match self.state {
            LifeCycle::Delivered => Stage::Delivered.of_type(self.profile.chip),
            LifeCycle::Washed => Stage::Washed.of_type(self.profile.chip),
            LifeCycle::Initialised if name == "COMMIT" => staged(profile),
            LifeCycle::Initialised => Stage::Initialised(profile).flash(),
            LifeCycle::Personalised => Stage::Personalised(profile, true).flash(),
            LifeCycle::Operational => Stage::InUse(profile).flash(),
            LifeCycle::Locked => Stage::Suspended(profile).flash(),
            _ => Stage::Terminated(profile).flash(),
        }
    }

    /// The key set in force.
    fn key_set(self) -> (u8, scp::KeySet) {
        match self.state {
            LifeCycle::Delivered => (0x01, transport_keys()),
            LifeCycle::Washed | LifeCycle::Initialised => (0x20, centre_keys()),
            _ => (0x31, management_keys()),
        }
    }
}

/// An initialised card of which everything is written and nothing committed.
fn staged(profile: &'static str) -> Flash {
    let flash = Stage::Initialised(profile).flash();
    let mut session = centre(&flash);
    let package = files_of(profile, &session.initialised_card().unwrap(), true);
    // BEGIN, 36 objects, the keys; then the power goes before the commit.
    flash.cut_power(1 + 36 + 1 + 1, chip::Cut::Before);
    session.personalise(&package).unwrap_err();
    flash.restore_power();
    flash
}

/// What COMMIT must bring: the hash over what is written, taken from the memory itself.
fn manifest(flash: &Flash) -> Vec<u8> {
    let memory = RamMemory::open(Flash::from_image(flash.image())).unwrap();
    let mut joined = Vec::new();
    for (id, len) in memory.records() {
        if matches!(id, 0x0101..=0x011E | 0x0201 | 0x0401..=0x0406 | 0x051C | 0x051D | 0x0601..=0x0618 | 0x0701 | 0x0704 | 0x1001 | 0x1002)
        {
            joined.extend(id.to_be_bytes());
            joined.extend((len as u32).to_be_bytes());
            joined.extend(memory.load(id).unwrap());
        }
    }
    curve::Hash::Sha256.digest(&joined)
}

/// A card in a reader, with the messaging open where it can be.
enum Line {
    /// With the identifier of the session's key, where a terminal may follow.
    Reader(Box<Reader>, Option<Vec<u8>>),
    Host(Box<Host>),
}

impl Line {
    /// `None` where the application cannot be selected; that it cannot is checked.
    fn open(place: Place, flash: &Flash) -> Option<Self> {
        let mut reader = match place.in_use() {
            true => reader(flash, place.interface),
            false => Reader::new(open(flash), place.interface),
        };
        let mut id_picc = None;
        match place.messaging {
            Messaging::Clear | Messaging::Scp => {}
            Messaging::Basic => {
                let opened = basic_access(&mut reader);
                assert_eq!(opened, place.opens(), "{place:?}");
            }
            Messaging::Pace | Messaging::Announced | Messaging::Terminal => {
                let opened = reader.pace_with(BRAINPOOL, &can()).is_ok();
                assert_eq!(opened, place.in_use(), "{place:?}");
            }
        }
        if place.messaging == Messaging::Pace && place.has_pin1() {
            reader.pace_with(BRAINPOOL, &pin1()).unwrap();
        }
        if matches!(place.messaging, Messaging::Announced | Messaging::Terminal) && place.in_use() {
            let password = if place.has_pin1() { pin1() } else { can() };
            let (rights, updates) = (EVERYTHING.rights, EVERYTHING.updates);
            id_picc = Some(reader.announce(BRAINPOOL, &password, rights, updates));
        }
        if place.messaging == Messaging::Terminal
            && let Some(id_picc) = id_picc.take()
        {
            let proved = reader.prove(&EVERYTHING.chain, &eac_pki::key(TERMINAL), &question(), id_picc);
            assert_eq!(proved.is_ok(), place.opens(), "{place:?}");
            if let Ok(ephemeral) = proved {
                reader.authenticate_chip(ephemeral).unwrap();
            }
        }
        let selected = match place.app {
            App::Master => reader.select_mf(),
            App::Household => reader.select(HOUSEHOLD),
            App::Public => reader.select(PUBLIC),
            App::Emrtd => reader.select(EMRTD),
            App::Eid => reader.select(EID),
            App::Hsm => reader.select(SC_HSM),
            App::Pkcs15 => reader.select(PKCS15),
            App::Issuer => reader.select(ISSUER),
        };
        if place.state == LifeCycle::Terminated {
            assert_eq!(selected, 0x6285);
        } else {
            assert_eq!(selected == 0x9000, place.exists(), "{place:?} {selected:04X}");
        }
        if !place.exists() {
            return None;
        }
        if place.messaging == Messaging::Scp && place.opens() {
            let (version, keys) = place.key_set();
            return Some(Self::Host(Box::new(Host::open(reader.channel, version, &keys))));
        }
        Some(Self::Reader(Box::new(reader), id_picc))
    }

    fn send(&mut self, place: Place, command: &Command) -> Response {
        let bare = |bits| Command { cla: command.cla | bits, ..command.clone() };
        match (self, place.messaging) {
            (Self::Reader(reader, _), Messaging::Clear) => reader.send_plain(command),
            (Self::Reader(reader, _), Messaging::Scp) => reader.send_plain(&bare(0x04)),
            (Self::Reader(reader, _), _) if place.opens() => reader.send(command),
            // No such session can be opened here: the command comes as if there were one.
            (Self::Reader(reader, _), _) => reader.send_plain(&bare(0x0C)),
            (Self::Host(host), _) => host.send(command),
        }
    }

    /// EXTERNAL AUTHENTICATE with the right signature, after all that goes before it; something of its form where the card
    /// refuses that already.
    fn terminal_signature(&mut self, place: Place) -> Command {
        let Self::Reader(reader, Some(id_picc)) = self else { return external_authenticate(&[1; 132]) };
        let holder = EVERYTHING.chain[1].body().holder.clone();
        let ephemeral = ta::EphemeralKey::generate(reader.chip_key().curve(), &mut rng("ephemeral"));
        let algorithm = tlv::oid::TA_ECDSA_SHA512;
        let start = ta::Start::new(holder, algorithm, &question(), &ephemeral, id_picc.clone());
        let presented = reader.present(&EVERYTHING.chain);
        let answer = self.send(place, &start.mse_set_at());
        let Ok((ask, next)) = start.step(&answer) else {
            assert!(!place.contact() && presented.is_err());
            return external_authenticate(&[1; 132]);
        };
        let challenge = self.send(place, &ask);
        let key = eac_pki::key(TERMINAL);
        let sign = |message: &[u8]| Ok::<_, eac::Error>(key.sign_digest(&Hash::Sha512.digest(message)));
        next.step(&challenge, sign).unwrap().0
    }

    /// The country's first package for this card, where a terminal may write it.
    fn package(&self, place: Place) -> Option<Vec<u8>> {
        match self {
            Self::Reader(reader, _) if place.messaging == Messaging::Terminal && place.opens() => {
                Some(COUNTRY.update(reader.chip_key().as_uncompressed(), 0, &household(7)))
            }
            _ => None,
        }
    }

    /// EXTERNAL AUTHENTICATE with the right MRZ and the challenge that the card gives, if it gives one.
    fn basic_access(&mut self, place: Place) -> Command {
        let start = bac::Start::new(AccessKeys::from_mrz_information(MRZ.as_bytes()).unwrap());
        let challenge = self.send(place, &start.get_challenge());
        match start.step(&challenge, &mut rng("basic access")) {
            Ok((command, _)) => command,
            Err(_) => Command::new(0x00, 0x82, 0, 0).with_data([0; 40]).with_le(40),
        }
    }
}

/// Opens a channel of Basic Access Control, if the card lets it.
fn basic_access(reader: &mut Reader) -> bool {
    reader.select(PUBLIC);
    let start = bac::Start::new(AccessKeys::from_mrz_information(MRZ.as_bytes()).unwrap());
    let run = bac::establish::<eac::Error>(start, &mut rng("basic access"), |c| Ok(reader.send_plain(c)));
    reader.sm = run.ok();
    reader.sm.is_some()
}

/// What goes before a command, and the command: one that the card has no reason to refuse but its table. Where what goes
/// before has an answer that matters, it has been sent already.
fn good(rule: &CommandRule, place: Place, flash: &Flash, line: &mut Line) -> (Vec<Command>, Command) {
    let verify = || Command::new(0x00, 0x20, 0, 0x81).with_data(PIN2);
    let select = |fid: u16| Command::new(0x00, 0xA4, 0x02, 0x0C).with_data(fid.to_be_bytes());
    let mse = || eac::pace::terminal::Start::new(BRAINPOOL, &can()).unwrap().mse_set_at();
    let plain = |cla, ins, p1, p2| Command::new(cla, ins, p1, p2);
    let serial = tlv::encode(0xC0, SERIAL.as_bytes());
    match rule.name {
        "SELECT" => (vec![], plain(0x00, 0xA4, 0x00, 0x0C).with_data([0x3F, 0x00])),
        "READ BINARY" => match place.app {
            App::Hsm => (vec![select(0x2F02)], plain(0x00, 0xB0, 0, 0).with_le(256)),
            App::Pkcs15 => (vec![], plain(0x00, 0xB0, 0x92, 0).with_le(256)),
            App::Master | App::Issuer => (vec![], plain(0x00, 0xB0, 0x9E, 0).with_le(256)),
            App::Eid => (vec![], plain(0x00, 0xB0, 0x89, 0).with_le(256)),
            // An authenticated terminal reads the security object of the public zone alone.
            App::Public | App::Emrtd if place.messaging == Messaging::Terminal => {
                (vec![], plain(0x00, 0xB0, 0x9D, 0).with_le(256))
            }
            _ => (vec![], plain(0x00, 0xB0, 0x81, 0).with_le(256)),
        },
        "READ BINARY (odd)" => {
            let [hi, lo] = match place.app {
                App::Hsm => [0x2F, 0x02],
                App::Pkcs15 => [0x50, 0x32],
                App::Master | App::Issuer => [0x2F, 0x00],
                App::Eid => [0x01, 0x09],
                App::Public | App::Emrtd if place.messaging == Messaging::Terminal => [0x01, 0x1D],
                _ => [0x01, 0x01],
            };
            (vec![], plain(0x00, 0xB1, hi, lo).with_data([0x54, 0x01, 0x00]).with_le(256))
        }
        "GET CHALLENGE" => (vec![], plain(0x00, 0x84, 0, 0).with_le(8)),
        "MANAGE SECURITY ENVIRONMENT" => (vec![], mse()),
        "GENERAL AUTHENTICATE" => (vec![mse()], plain(0x10, 0x86, 0, 0).with_data([0x7C, 0x00]).with_le(256)),
        "INTERNAL AUTHENTICATE" => (vec![], plain(0x00, 0x88, 0, 0).with_data([7; 8]).with_le(256)),
        "RESET RETRY COUNTER" => (vec![], plain(0x00, 0x2C, 0x02, 0x03).with_data(PIN1)),
        "PSO: VERIFY CERTIFICATE" => {
            let announce = set_dst(&eac_pki::reference(eac_pki::ROOT));
            (vec![announce], verify_certificate(&eac_pki::verifier()))
        }
        "EXTERNAL AUTHENTICATE (terminal)" => (vec![], line.terminal_signature(place)),
        "EXTERNAL AUTHENTICATE (BAC)" => (vec![], line.basic_access(place)),
        "VERIFY (auxiliary data)" => {
            (vec![], eac::auxiliary_data::verify_command(tlv::oid::AUXILIARY_DATE_OF_BIRTH))
        }
        "STORE DATA (update)" => match line.package(place) {
            Some(package) => (vec![], store(&package)),
            None => (vec![], plain(0x80, 0xE2, 0x80, 0).with_data([0x02, 0x01, 0x30, 0x00])),
        },
        "COMMIT (update)" => match line.package(place) {
            Some(package) => {
                let length = (package.len() as u32).to_be_bytes();
                let manifest = [&PACKAGE.to_be_bytes()[..], &length, &package].concat();
                let commit = plain(0x80, 0x34, 0, 0).with_data(Hash::Sha256.digest(&manifest));
                (vec![store(&package)], commit)
            }
            None => (vec![], plain(0x80, 0x34, 0, 0).with_data([0; 32])),
        },
        "VERIFY" => (vec![], verify()),
        "CHANGE REFERENCE DATA" => (vec![], plain(0x00, 0x24, 0x00, 0x81).with_data([PIN2, PIN2].concat())),
        "ENUMERATE OBJECTS" => (vec![], plain(0x80, 0x58, 0, 0).with_le(256)),
        "SIGN" => (vec![verify()], plain(0x80, 0x68, 3, 0x70).with_data([9; 32]).with_le(256)),
        "DECIPHER" => {
            let mut block = vec![0; 256];
            block[255] = 2;
            (vec![verify()], plain(0x80, 0x62, 2, 0x21).with_data(block).with_le(256))
        }
        "GET DATA (CPLC)" => (vec![], plain(0x80, 0xCA, 0x9F, 0x7F).with_le(256)),
        "INITIALIZE UPDATE" => (vec![], plain(0x80, 0x50, 0, 0).with_data([7; 8]).with_le(256)),
        "EXTERNAL AUTHENTICATE" => (vec![], plain(0x80, 0x82, 0x33, 0).with_data([0; 16])),
        "GET DATA" => (vec![], plain(0x80, 0xCA, 0x00, 0xE0).with_le(65_536)),
        "PUT KEY" => {
            let (old, new, keys) = match place.state {
                LifeCycle::Delivered => (0x01, 0x20, centre_keys()),
                LifeCycle::Washed => (0x20, 0x21, centre_keys()),
                _ => (0x00, 0x31, management_keys()),
            };
            match line {
                Line::Host(host) => (vec![], host.session.put_key(old, new, &keys).unwrap()),
                Line::Reader(..) => (vec![], plain(0x80, 0xD8, old, 0x81).with_data([0; 100])),
            }
        }
        "INITIALISE" => {
            let profile = tlv::encode(0xC1, place.profile.name.as_bytes());
            (vec![], plain(0x80, 0x30, 0, 0).with_data([serial, profile].concat()))
        }
        "BEGIN PERSONALISATION" => (vec![], plain(0x80, 0x32, 0, 0).with_data(serial)),
        "STORE DATA" => {
            let data = match place.state {
                LifeCycle::Personalised | LifeCycle::Operational => {
                    let card =
                        centre(&Stage::Initialised(&place.profile.name).flash()).initialised_card().unwrap();
                    [&[0x04, 0x01], &certificates(&card)[0].1[..]].concat()
                }
                _ => vec![0x02, 0x01, 0x30, 0x00],
            };
            (vec![], plain(0x80, 0xE2, 0x80, 0x00).with_data(data))
        }
        "COMMIT" => (vec![], plain(0x80, 0x34, 0, 0).with_data(manifest(flash))),
        "RESET RETRY COUNTER (issuer)" => (vec![], plain(0x80, 0x2C, 0x02, 0x03).with_data(PIN1)),
        "SET STATUS" => (vec![], plain(0x80, 0xF0, 0x80, 0x7F)),
        name => panic!("nobody has said what a good {name} is"),
    }
}

/// STORE DATA of a package of the country.
fn store(package: &[u8]) -> Command {
    Command::new(0x80, 0xE2, 0x80, 0).with_data([&PACKAGE.to_be_bytes()[..], package].concat())
}

/// Tries every command in one place; says which worked.
fn try_all(place: Place, worked: &mut BTreeMap<&'static str, usize>) -> usize {
    let mut kept: Option<(Flash, Line)> = None;
    let mut tried = 0;
    for rule in COMMANDS {
        // A session goes on as long as everything is refused; what has worked may have changed the card.
        let keeps = rule.name != "COMMIT" && place.messaging != Messaging::Scp;
        let reused = kept.take().filter(|_| keeps);
        let (flash, mut line) = match reused {
            Some(kept) => kept,
            None => {
                let flash = place.flash(rule.name);
                let Some(line) = Line::open(place, &flash) else { return tried };
                (flash, line)
            }
        };
        let expected = place.works(rule.name);
        tried += 1;
        if rule.name == "EXTERNAL AUTHENTICATE" && place.messaging == Messaging::Scp {
            // It is what opens the session.
            assert_eq!(matches!(line, Line::Host(_)), expected, "{place:?}");
            *worked.entry(rule.name).or_default() += usize::from(expected);
            continue;
        }
        let (before, command) = good(rule, place, &flash, &mut line);
        assert_eq!((command.cla & 0x80, command.ins), (rule.cla, rule.ins), "{}", rule.name);
        for command in &before {
            line.send(place, command);
        }
        let writes = flash.writes();
        let response = line.send(place, &command);
        let works = response.sw.0 == 0x9000;
        assert_eq!(works, expected, "{} at {place:?}: {}", rule.name, response.sw);
        if works {
            *worked.entry(rule.name).or_default() += 1;
        } else {
            assert!(response.data.is_empty(), "{} at {place:?} is refused with data", rule.name);
            assert_eq!(flash.writes(), writes, "{} at {place:?} is refused and writes", rule.name);
            let open = !matches!(&line, Line::Reader(r, _) if r.sm.as_ref().is_some_and(|sm| !sm.is_open()));
            // A terminal that has begun to prove itself is no longer one that was only announced.
            let untouched = before.is_empty() && rule.name != "EXTERNAL AUTHENTICATE (terminal)";
            kept = (open && untouched).then_some((flash, line));
        }
    }
    tried
}

// proves: CARD-40, CARD-42, CARD-49, CARD-50, PRODUCTION-15
#[test]
fn every_command_in_every_state_on_every_interface_through_every_messaging_in_every_application() {
    let names: Vec<_> = COMMANDS.iter().map(|rule| rule.name).collect();
    for (name, ..) in WORKS {
        assert!(names.contains(name), "{name} is no command of the chip");
    }
    // To the chip mldsa-lab is interop: profile.rs has a test that they differ in the signer of their documents alone.
    let profiles = Profile::built_in().iter().filter(|profile| profile.name != "mldsa-lab");
    let places: Vec<Place> = profiles
        .flat_map(|profile| LifeCycle::ALL.map(|state| (profile, state)))
        .flat_map(|(profile, state)| Interface::ALL.map(|interface| (profile, state, interface)))
        .flat_map(|(profile, state, interface)| {
            MESSAGINGS.into_iter().flat_map(move |messaging| {
                APPS.map(|app| Place { profile, state, interface, messaging, app })
            })
        })
        // Where nothing can be opened the same bytes are sent as for a channel of PACE that cannot be.
        .filter(|place| match place.messaging {
            Messaging::Announced | Messaging::Terminal => place.in_use(),
            Messaging::Basic => place.opens(),
            _ => true,
        })
        .collect();
    let (mut worked, mut tried) = (BTreeMap::new(), 0);
    std::thread::scope(|scope| {
        let halves: Vec<_> = places
            .chunks(places.len().div_ceil(2))
            .map(|half| {
                scope.spawn(move || {
                    let mut worked = BTreeMap::new();
                    let tried: usize = half.iter().map(|place| try_all(*place, &mut worked)).sum();
                    (worked, tried)
                })
            })
            .collect();
        for half in halves {
            let (some, count) = half.join().unwrap();
            tried += count;
            for (name, count) in some {
                *worked.entry(name).or_insert(0) += count;
            }
        }
    });
    // Nothing was left out: each place where its application exists has tried each command, and each command has worked
    // exactly where it must.
    assert_eq!(tried, places.iter().filter(|p| p.exists()).count() * COMMANDS.len());
    for name in names {
        let must = places.iter().filter(|place| place.works(name)).count();
        assert!(must > 0, "{name} works nowhere");
        assert_eq!(worked.get(name).copied().unwrap_or(0), must, "{name}");
    }
}

/// The table as the document has it.
fn table() -> String {
    let mut out = String::from("| Command | CLA INS | Through | Interface | Application |");
    let states = LifeCycle::ALL;
    for state in states {
        write!(out, " {state:?} |").unwrap();
    }
    writeln!(out, "\n|{}", "---|".repeat(5 + states.len())).unwrap();
    for rule in COMMANDS {
        let cla = match rule.through {
            Through::Scp => rule.cla | 0x04,
            _ => rule.cla,
        };
        let applications: Vec<_> = rule.applications.iter().map(|a| format!("{a:?}")).collect();
        write!(
            out,
            "| {} | {cla:02X} {:02X} | {} | {} | {} |",
            rule.name,
            rule.ins,
            rule.through.name(),
            if rule.contactless { "both" } else { "contact" },
            if applications.is_empty() { "any".to_owned() } else { applications.join(", ") },
        )
        .unwrap();
        for state in states {
            write!(out, " {} |", if rule.states.contains(&state) { "x" } else { "" }).unwrap();
        }
        writeln!(out).unwrap();
    }
    out
}

#[test]
fn the_document_shows_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/card-commands.md");
    let document = std::fs::read_to_string(path).unwrap();
    let table = table();
    assert!(document.contains(&table), "docs/card-commands.md should contain:\n{table}");
}

// The other direction: no instruction byte that is not in the table does anything.
#[test]
fn what_is_not_in_the_table_is_no_command() {
    let flash = Stage::InUse("interop").flash();
    for (profile, basic_access) in [("interop", false), ("bac-lab", true)] {
        let mut reader = Reader::new(Stage::InUse(profile).chip(), Interface::Contact);
        for cla in [0x00u8, 0x80] {
            for ins in 0..=255u8 {
                reader.select(ISSUER);
                let sw = reader.sw(&Command::new(cla, ins, 0, 0));
                let known = COMMANDS.iter().any(|rule| (rule.cla, rule.ins) == (cla, ins));
                // In the clear this is Basic Access Control, which is on the laboratory's card alone.
                let known = known && ((cla, ins) != (0x00, 0x82) || basic_access);
                assert_eq!(sw != 0x6D00, known, "{profile} {cla:02X} {ins:02X}: {sw:04X}");
            }
        }
    }
    for ins in 0..=255u8 {
        let mut host = Host::open(contact(open(&flash)), 0x31, &management_keys());
        let sw = host.send(&Command::new(0x80, ins, 0, 0)).sw.0;
        let known = COMMANDS.iter().any(|rule| (rule.cla, rule.ins) == (0x80, ins));
        assert_eq!(sw != 0x6D00, known, "84 {ins:02X}: {sw:04X}");
    }
}

// proves: CARD-50
#[test]
fn the_first_pin_makes_a_personalised_card_operational() {
    use terminal::perso::{ChipLifeCycle, PinReference};
    for pin in [PinReference::Pin1, PinReference::Pin2] {
        let flash = Stage::Personalised("national", true).flash();
        assert_eq!(open(&flash).life_cycle(), LifeCycle::Personalised);
        // Suspended and resumed it is what it was.
        management(&flash).lock_card().unwrap();
        assert_eq!(management(&flash).life_cycle().unwrap(), ChipLifeCycle::Locked);
        management(&flash).unlock_card().unwrap();
        assert_eq!(open(&flash).life_cycle(), LifeCycle::Personalised);
        let mut session: Session<_> = management(&flash);
        let digits = if pin == PinReference::Pin1 { PIN1 } else { PIN2 };
        session.set_pin(pin, &digits.into()).unwrap();
        assert_eq!(session.life_cycle().unwrap(), ChipLifeCycle::Operational);
        session.lock_card().unwrap();
        session.unlock_card().unwrap();
        assert_eq!(session.life_cycle().unwrap(), ChipLifeCycle::Operational);
        drop(session);
        assert_eq!(open(&flash).life_cycle(), LifeCycle::Operational);
    }
}
