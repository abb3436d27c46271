//! The power is cut at every write of every command, in three ways each, and what is left is compared with the states that
//! may be: a script says, by hand, what each write of each command changes. What is not in the script cannot be left behind.
//!
//! The second half asks what somebody gains who cuts the power while guessing: all reachable states of a counter are
//! explored, so that the answer holds for sequences of any length.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use apdu::{CardChannel, Command};
use chip::{COMMANDS, Cut, Flash, Interface, Memory, RamMemory};
use curve::Hash;
use eac::auxiliary_data::{AuxiliaryData, verify_command};
use eac::bac::{self, AccessKeys};
use eac::chip_authentication::{self, Parameters};
use eac::cvc::{Body, Chat, Extension, Extensions, Rights, Role, UpdateRights};
use eac::terminal_authentication::terminal::{self as ta, EphemeralKey};
use eac::{Cipher, Password, pace};
use terminal::perso::{PinReference, Session};

use crate::document_pki::COUNTRY;
use crate::eac_pki::{self, TERMINAL, Terminal, VERIFIER};
use crate::encrypted_zone;
use crate::support::*;

const CUTS: [Cut; 3] = [Cut::Before, Cut::Torn, Cut::After];

/// The memory in words. Its records are named here once more: this test does not ask the chip what it has stored.
fn seen(flash: &Flash) -> BTreeMap<String, String> {
    let memory = RamMemory::open(Flash::from_image(flash.image())).unwrap();
    let mut seen = BTreeMap::new();
    for (key, _) in memory.records() {
        let value = memory.load(key).unwrap();
        let number = || value[0].to_string();
        let digits = || String::from_utf8(value.to_vec()).unwrap();
        let (name, value) = match key {
            0x0001 => ("life".into(), number()),
            0x0002 => ("chip id".into(), if value[10..18] == CHIP_ID { "there" } else { "sealed" }.into()),
            0x0003 => ("profile".into(), digits()),
            0x0004 => ("serial".into(), digits()),
            0x0010 => ("keys".into(), format!("{:02X}", value[0])),
            0x0011 => ("next keys".into(), format!("{:02X}", value[0])),
            0x0012 => ("key failures".into(), number()),
            0x0020 => ("PIN1".into(), digits()),
            0x0021 => ("PIN1 tries".into(), number()),
            0x0022 => ("PIN2".into(), digits()),
            0x0023 => ("PIN2 tries".into(), number()),
            0x0024 => ("access failures".into(), number()),
            0x0025 => ("suspended".into(), number()),
            0x0031..=0x0037 => (format!("key {}", key - 0x30), "private".into()),
            0x0301..=0x0304 => (format!("request {}", key & 0xF), "made".into()),
            // Signed anew in every run.
            0x0480 => ("file 0480".into(), "made".into()),
            _ => {
                let hash = curve::Hash::Sha256.digest(value);
                (format!("file {key:04X}"), hex::encode(&hash[..4]))
            }
        };
        seen.insert(name, value);
    }
    // A counter that was never needed counts nothing.
    for counter in ["key failures", "access failures", "suspended"] {
        seen.entry(counter.into()).or_insert_with(|| "0".into());
    }
    seen
}

/// What one write has changed, in words: files only by name.
fn change(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> String {
    let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let mut words = Vec::new();
    for name in names {
        let terse = name.starts_with("file")
            || name.starts_with("key ") && !name.contains("failures")
            || name.starts_with("request");
        match (before.get(name), after.get(name)) {
            (a, b) if a == b => {}
            (None, Some(_)) if terse => words.push(format!("+{name}")),
            (Some(_), None) if terse => words.push(format!("-{name}")),
            (Some(_), Some(_)) if terse => words.push(format!("~{name}")),
            (None, Some(to)) => words.push(format!("{name} {to}")),
            (Some(_), None) => words.push(format!("{name} gone")),
            (Some(from), Some(to)) => words.push(format!("{name} {from}>{to}")),
            (None, None) => unreachable!(),
        }
    }
    words.join(", ")
}

/// One line of the script: a command, or the commands a host sends for one purpose.
struct Line {
    /// Commands of the table that it is about.
    about: &'static [&'static str],
    start: Flash,
    /// Sends it; whether everything was answered as it must be.
    run: Box<dyn Fn(&Flash) -> bool>,
    /// What each write changes.
    writes: Vec<String>,
}

fn line(
    about: &'static [&'static str],
    start: Flash,
    run: impl Fn(&Flash) -> bool + 'static,
    writes: &[&str],
) -> Line {
    Line { about, start, run: Box::new(run), writes: writes.iter().map(|w| (*w).to_owned()).collect() }
}

/// Runs something in a session of a key set.
fn with(
    version: u8,
    keys: fn() -> scp::KeySet,
    act: impl Fn(&mut Session<Contact>) -> bool + 'static,
) -> impl Fn(&Flash) -> bool + 'static {
    move |flash| {
        Session::open(contact(open(flash)), version, &keys(), &mut rng("host"))
            .is_ok_and(|mut session| act(&mut session))
    }
}

fn managing(act: impl Fn(&mut Session<Contact>) -> bool + 'static) -> impl Fn(&Flash) -> bool + 'static {
    with(0x31, management_keys, act)
}

/// Sends plain commands to an interop card; the last answer must be `sw`.
fn plain(commands: Vec<Command>, sw: u16) -> impl Fn(&Flash) -> bool + 'static {
    move |flash| {
        let mut channel = contact(open(flash));
        let answers: Vec<_> = commands.iter().map(|command| channel.exchange(command)).collect();
        answers.last().unwrap().as_ref().is_ok_and(|answer| answer.sw.0 == sw)
    }
}

/// Opens channels one inside the other, then sends commands; the last answer must be `sw`.
fn through(passwords: Vec<Password>, commands: Vec<Command>, sw: u16) -> impl Fn(&Flash) -> bool + 'static {
    move |flash| {
        let mut reader = Reader::new(open(flash), Interface::Contact);
        let mut last = None;
        for password in &passwords {
            match reader.try_pace(BRAINPOOL, password) {
                Ok(outcome) => last = Some(outcome.err().unwrap_or(0x9000)),
                Err(apdu::ChannelError::CardGone) => return false,
                Err(error) => panic!("{error}"),
            }
        }
        for command in &commands {
            match reader.try_send(command) {
                Ok(response) => last = Some(response.sw.0),
                Err(_) => return false,
            }
        }
        last == Some(sw)
    }
}

/// The whole way of a terminal with every right, from PACE to the channel of Chip Authentication, then its commands; all of
/// them must be taken.
fn by_terminal(password: Password, commands: Vec<Command>) -> impl Fn(&Flash) -> bool + 'static {
    let rights = Rights::CAN_ALLOWED | Rights::PIN_MANAGEMENT | Rights::AGE_VERIFICATION;
    let updates = UpdateRights::ALL;
    // Its certificate begins later than the card's date.
    let own = eac_pki::body(VERIFIER, TERMINAL, Role::Terminal, rights, updates);
    let own = eac_pki::issue(Body { effective: eac_pki::date(2026, 6, 1), ..own }, VERIFIER);
    let terminal = Terminal { chain: vec![eac_pki::verifier(), own], rights, updates };
    move |flash| {
        let mut reader = encrypted_zone::reader(flash, Interface::Contact);
        // Whatever else goes wrong shows in the writes that do not come.
        run_terminal(&mut reader, &password, &terminal).is_ok()
            && commands
                .iter()
                .all(|command| reader.try_send(command).is_ok_and(|answer| answer.sw.0 == 0x9000))
    }
}

fn run_terminal(reader: &mut Reader, password: &Password, terminal: &Terminal) -> Result<(), eac::Error> {
    fn send(reader: &mut Reader, command: &Command) -> Result<apdu::Response, eac::Error> {
        // The card is gone.
        reader.try_send(command).map_err(|_| eac::Error::Crypto)
    }
    let chat = Chat::authentication(Role::Terminal, terminal.rights).to_value();
    let updates = Extensions::new(vec![Extension::updates(terminal.updates)]).unwrap().encode();
    let start = pace::terminal::Start::new(BRAINPOOL, password)?.with_chat(chat);
    let channel = pace::terminal::establish(start, &mut rng("terminal"), |command: &Command| {
        let mut command = command.clone();
        if [command.ins, command.p1] == [0x22, 0xC1] {
            command.data.extend(&updates);
        }
        send(reader, &command)
    })?;
    reader.sm = Some(channel.sm);
    let chip_key = reader.chip_key();
    let key = EphemeralKey::generate(chip_key.curve(), &mut rng("ephemeral"));
    let questions = AuxiliaryData::new().born_on_or_before("20200101");
    let holder = terminal.chain.last().unwrap().body().holder.clone();
    let start = ta::Start::new(holder, tlv::oid::TA_ECDSA_SHA512, &questions, &key, channel.id_picc);
    let signer = eac_pki::key(TERMINAL);
    let sign = |message: &[u8]| Ok(signer.sign_digest(&Hash::Sha512.digest(message)));
    ta::authenticate(&terminal.chain, start, sign, |command: &Command| send(reader, command))?;
    let parameters = Parameters { curve: chip_key.curve(), cipher: Cipher::Aes256, key_id: None };
    let start = chip_authentication::terminal::Start::new(parameters, chip_key, key)?;
    reader.sm =
        Some(chip_authentication::terminal::authenticate(start, |command: &Command| send(reader, command))?);
    Ok(())
}

/// The commands of an update with other household data for this card.
fn household_update(flash: &Flash) -> Vec<Command> {
    let chip_key = encrypted_zone::reader(flash, Interface::Contact).chip_key();
    let package = COUNTRY.update(chip_key.as_uncompressed(), 0, &encrypted_zone::household(7));
    let object = encrypted_zone::PACKAGE.to_be_bytes();
    let length = u32::try_from(package.len()).unwrap().to_be_bytes();
    let manifest = Hash::Sha256.digest(&[&object[..], &length, &package].concat());
    vec![
        Command::new(0x80, 0xE2, 0x80, 0).with_data([&object[..], &package].concat()),
        Command::new(0x80, 0x34, 0, 0).with_data(manifest),
    ]
}

const WRONG_MRZ: &str = "AB1234567485010183101010";

/// Basic Access Control with this MRZ; it must be answered as it deserves.
fn basic_access(mrz: &'static str) -> impl Fn(&Flash) -> bool + 'static {
    move |flash| {
        let mut channel = contact(open(flash));
        let start = bac::Start::new(AccessKeys::from_mrz_information(mrz.as_bytes()).unwrap());
        let before = [select(EMRTD), start.get_challenge()].map(|command| channel.exchange(&command));
        let [_, Ok(challenge)] = before else { return false };
        let (command, _) = start.step(&challenge, &mut rng("basic access")).unwrap();
        let expected = if mrz == MRZ { 0x9000 } else { 0x6300 };
        channel.exchange(&command).is_ok_and(|answer| answer.sw.0 == expected)
    }
}

fn select(aid: &[u8]) -> Command {
    Command::new(0, 0xA4, 4, 0x0C).with_data(aid)
}

fn verify(pin: &[u8]) -> Command {
    Command::new(0, 0x20, 0, 0x81).with_data(pin)
}

const WRONG: &[u8] = b"99999999";
/// What opening a session of SCP03 writes: the failure counted before the comparison, and forgiven after.
const OPENS: [&str; 2] = ["key failures 0>1", "key failures 1>0"];

fn opens_and(writes: &[&'static str]) -> Vec<&'static str> {
    [&OPENS[..], writes].concat()
}

fn prepared(stage: Stage, prepare: impl Fn(&mut Session<Contact>)) -> Flash {
    let flash = stage.flash();
    prepare(&mut management(&flash));
    flash
}

/// A card on which a password was tried wrongly.
fn after_wrong(stage: Stage, password: &Password, times: usize) -> Flash {
    let flash = stage.flash();
    for _ in 0..times {
        let mut reader = Reader::new(open(&flash), Interface::Contact);
        reader.pace_with(BRAINPOOL, password).unwrap_err();
    }
    flash
}

fn barred() -> Flash {
    let flash = Stage::InUse("national").flash();
    let mut channel = contact(open(&flash));
    let update = Command::new(0x80, 0x50, 0, 0).with_data([0; 8]).with_le(256);
    channel.exchange(&select(ISSUER)).unwrap();
    for _ in 0..64 {
        assert_eq!(channel.exchange(&update).unwrap().sw.0, 0x9000);
        let wrong = Command::new(0x84, 0x82, 0x33, 0).with_data([0; 16]);
        assert_eq!(channel.exchange(&wrong).unwrap().sw.0, 0x6300);
    }
    assert_eq!(channel.exchange(&update).unwrap().sw.0, 0x6983);
    flash
}

fn script() -> Vec<Line> {
    let in_use = || Stage::InUse("interop").flash();
    let personalised = || Stage::Personalised("interop", true).flash();
    let initialised = Stage::Initialised("interop").flash();
    let card = centre(&initialised).initialised_card().unwrap();
    let package = files_of("interop", &card, true);
    let authority = curve::SecretKey::generate(curve::Curve::P256, &mut rng("another authority"));
    let spki = x509::Certificate::parse(&certificates(&card)[0].1).unwrap().spki().to_vec();
    let renewed = certificate(&authority, "holder, reissued", &spki, 77);
    let hsm = |command| vec![select(SC_HSM), command];
    let change = Command::new(0, 0x24, 0, 0x81).with_data([PIN2, b"1122334455"].concat());
    let wrong_change = Command::new(0, 0x24, 0, 0x81).with_data([WRONG, b"1122334455"].concat());
    let new_pin1 = Command::new(0, 0x2C, 2, 3).with_data(*b"246802");
    let mut decipher = vec![0; 256];
    decipher[255] = 2;
    let mse = eac::pace::terminal::Start::new(BRAINPOOL, &can()).unwrap().mse_set_at();
    let first = Command::new(0x10, 0x86, 0, 0).with_data([0x7C, 0x00]).with_le(256);
    let update = Command::new(0x80, 0x50, 0, 0).with_data([0; 8]).with_le(256);
    let wrong_keys = Command::new(0x84, 0x82, 0x33, 0).with_data([0; 16]);

    let objects = [
        0x0101, 0x0102, 0x010B, 0x010C, 0x010D, 0x010E, 0x010F, 0x011D, 0x011E, 0x0201, 0x0401, 0x0402,
        0x0403, 0x0404, 0x0405, 0x0406, 0x051C, 0x051D, 0x0601, 0x0602, 0x0603, 0x0604, 0x0605, 0x0607,
        0x0608, 0x0609, 0x060A, 0x060D, 0x0612, 0x0613, 0x0614, 0x0618, 0x0701, 0x0704, 0x1001, 0x1002,
    ];
    let mut personalisation: Vec<String> = OPENS.map(str::to_owned).to_vec();
    // BEGIN drops what was left; here there is nothing.
    personalisation.push(String::new());
    personalisation.extend(objects.map(|object: u16| format!("+file {object:04X}")));
    personalisation.push("next keys 31".into());
    personalisation.push(
        "chip id there>sealed, +file 0480, -file 0701, +file 0702, +file 0703, +file 0705, keys 20>31, life 3>4, next keys gone, -request 1, -request 2, -request 3, -request 4".into(),
    );

    let mut lines = vec![
        // Production.
        line(
            &["INITIALIZE UPDATE", "EXTERNAL AUTHENTICATE", "PUT KEY"],
            Stage::Delivered.flash(),
            with(0x01, transport_keys, |s| s.put_keys(0x20, &centre_keys()).is_ok()),
            &opens_and(&["keys 01>20, life 1>2"]),
        ),
        line(
            &["PUT KEY"],
            Stage::Washed.flash(),
            with(0x20, centre_keys, |s| s.put_keys(0x21, &centre_keys()).is_ok()),
            &opens_and(&["keys 20>21"]),
        ),
        line(
            &["INITIALISE", "GET DATA"],
            Stage::Washed.flash(),
            with(0x20, centre_keys, |s| s.initialise(&request("interop")).is_ok()),
            &opens_and(&[
                "+key 1, +key 2, +key 3, +key 4, +key 5, +key 6, +key 7, life 2>3, profile interop, +request 1, +request 2, +request 3, +request 4, serial AB1234567",
            ]),
        ),
        line(
            &["INITIALISE"],
            initialised.clone(),
            with(0x20, centre_keys, |s| s.initialise(&request("interop")).is_ok()),
            &OPENS,
        ),
        Line {
            about: &["BEGIN PERSONALISATION", "STORE DATA", "PUT KEY", "COMMIT"],
            start: Flash::from_image(initialised.image()),
            run: Box::new(with(0x20, centre_keys, move |s| s.personalise(&package).is_ok())),
            writes: personalisation,
        },
        line(
            &["EXTERNAL AUTHENTICATE"],
            Stage::InUse("national").flash(),
            plain(vec![select(ISSUER), update.clone(), wrong_keys.clone()], 0x6300),
            &["key failures 0>1"],
        ),
        // PIN management.
        line(
            &["RESET RETRY COUNTER (issuer)"],
            personalised(),
            managing(|s| s.set_pin(PinReference::Pin1, &PIN1.into()).is_ok()),
            &opens_and(&["PIN1 135790, PIN1 tries 3"]),
        ),
        line(
            &["RESET RETRY COUNTER (issuer)"],
            in_use(),
            managing(|s| s.set_pin(PinReference::Pin2, &b"1122334455"[..].into()).is_ok()),
            &opens_and(&["PIN2 24681357>1122334455"]),
        ),
        line(
            &["RESET RETRY COUNTER (issuer)"],
            after_wrong(Stage::InUse("interop"), &wrong_pin1(), 2),
            managing(|s| s.unblock_pin(PinReference::Pin1).is_ok()),
            &opens_and(&["PIN1 tries 1>3"]),
        ),
        line(
            &["STORE DATA"],
            in_use(),
            managing(move |s| s.replace_certificate(1, &renewed).is_ok()),
            &opens_and(&["~file 0401"]),
        ),
        line(
            &["STORE DATA"],
            in_use(),
            managing(|s| {
                s.replace_certificate(1, b"no certificate").is_err_and(|e| e.status_word().is_some())
            }),
            &OPENS,
        ),
        line(
            &["SET STATUS"],
            in_use(),
            managing(|s| s.suspend_application(SC_HSM).is_ok()),
            &opens_and(&["suspended 0>16"]),
        ),
        line(
            &["SET STATUS"],
            prepared(Stage::InUse("interop"), |s| s.suspend_application(SC_HSM).unwrap()),
            managing(|s| s.resume_application(SC_HSM).is_ok()),
            &opens_and(&["suspended 16>0"]),
        ),
        line(&["SET STATUS"], in_use(), managing(|s| s.lock_card().is_ok()), &opens_and(&["life 4>5"])),
        line(
            &["SET STATUS"],
            Stage::Suspended("interop").flash(),
            managing(|s| s.unlock_card().is_ok()),
            &opens_and(&["life 5>4"]),
        ),
        // The holder's PINs.
        line(&["VERIFY"], in_use(), plain(hsm(verify(PIN2)), 0x9000), &["PIN2 tries 3>2", "PIN2 tries 2>3"]),
        line(&["VERIFY"], in_use(), plain(hsm(verify(WRONG)), 0x63C2), &["PIN2 tries 3>2"]),
        line(&["VERIFY"], in_use(), plain(hsm(verify(b"")), 0x63C3), &[]),
        line(
            &["CHANGE REFERENCE DATA"],
            in_use(),
            plain(hsm(change), 0x9000),
            &["PIN2 tries 3>2", "PIN2 tries 2>3", "PIN2 24681357>1122334455"],
        ),
        line(&["CHANGE REFERENCE DATA"], in_use(), plain(hsm(wrong_change), 0x63C2), &["PIN2 tries 3>2"]),
        line(
            &["GENERAL AUTHENTICATE"],
            in_use(),
            through(vec![pin1()], vec![], 0x9000),
            &["PIN1 tries 3>2", "PIN1 tries 2>3"],
        ),
        line(
            &["GENERAL AUTHENTICATE"],
            in_use(),
            through(vec![wrong_pin1()], vec![], 0x63C2),
            &["PIN1 tries 3>2"],
        ),
        line(
            &["GENERAL AUTHENTICATE"],
            after_wrong(Stage::InUse("interop"), &wrong_can(), 2),
            through(vec![can()], vec![], 0x9000),
            &["access failures 2>3", "access failures 3>0"],
        ),
        line(
            &["GENERAL AUTHENTICATE"],
            in_use(),
            through(vec![wrong_can()], vec![], 0x6300),
            &["access failures 0>1"],
        ),
        line(
            &["GENERAL AUTHENTICATE"],
            after_wrong(Stage::InUse("interop"), &wrong_pin1(), 2),
            through(vec![can(), pin1()], vec![], 0x9000),
            &["access failures 0>1", "access failures 1>0", "PIN1 tries 1>0", "PIN1 tries 0>3"],
        ),
        line(
            &["EXTERNAL AUTHENTICATE (BAC)"],
            Stage::Personalised("bac-lab", false).flash(),
            basic_access(MRZ),
            &["access failures 0>1", "access failures 1>0"],
        ),
        line(
            &["EXTERNAL AUTHENTICATE (BAC)"],
            Stage::Personalised("bac-lab", false).flash(),
            basic_access(WRONG_MRZ),
            &["access failures 0>1"],
        ),
        line(
            &["EXTERNAL AUTHENTICATE (BAC)"],
            after_wrong(Stage::Personalised("bac-lab", false), &wrong_can(), 2),
            basic_access(MRZ),
            &["access failures 2>3", "access failures 3>0"],
        ),
        line(
            &["GENERAL AUTHENTICATE", "INITIALIZE UPDATE"],
            barred(),
            through(vec![mrz()], vec![], 0x9000),
            &["access failures 0>1", "access failures 1>0, key failures 64>63"],
        ),
        line(
            &["RESET RETRY COUNTER"],
            in_use(),
            through(vec![pin1()], vec![new_pin1], 0x9000),
            &["PIN1 tries 3>2", "PIN1 tries 2>3", "PIN1 135790>246802"],
        ),
        // An authenticated terminal: what its certificates teach the card, what it asks, a new PIN1, PIN1's tries, an update. Link
        // certificates and updates of every zone are torn in encrypted_zone.rs.
        line(
            &["PSO: VERIFY CERTIFICATE", "EXTERNAL AUTHENTICATE (terminal)", "VERIFY (auxiliary data)"],
            in_use(),
            by_terminal(pin1(), vec![select(EID), verify_command(tlv::oid::AUXILIARY_DATE_OF_BIRTH)]),
            &["PIN1 tries 3>2", "PIN1 tries 2>3", "~file 0703"],
        ),
        line(
            &["RESET RETRY COUNTER"],
            in_use(),
            by_terminal(can(), vec![Command::new(0, 0x2C, 2, 3).with_data(*b"246802")]),
            &["access failures 0>1", "access failures 1>0", "~file 0703", "PIN1 135790>246802"],
        ),
        line(
            &["RESET RETRY COUNTER"],
            after_wrong(Stage::InUse("interop"), &wrong_pin1(), 2),
            by_terminal(can(), vec![Command::new(0, 0x2C, 3, 3)]),
            &["access failures 0>1", "access failures 1>0", "~file 0703", "PIN1 tries 1>3"],
        ),
        line(
            &["STORE DATA (update)", "COMMIT (update)"],
            in_use(),
            by_terminal(can(), household_update(&in_use())),
            &[
                "access failures 0>1",
                "access failures 1>0",
                "~file 0703",
                "~file 0201, ~file 0705, +file 0706",
            ],
        ),
        // What never writes.
        line(
            &["MANAGE SECURITY ENVIRONMENT", "GENERAL AUTHENTICATE"],
            in_use(),
            plain(vec![mse, first], 0x9000),
            &[],
        ),
        line(&["INITIALIZE UPDATE"], in_use(), plain(vec![select(ISSUER), update], 0x9000), &[]),
        line(
            &["GET DATA (CPLC)"],
            in_use(),
            plain(vec![select(ISSUER), Command::new(0x80, 0xCA, 0x9F, 0x7F).with_le(256)], 0x9000),
            &[],
        ),
        line(
            &["SELECT", "READ BINARY"],
            in_use(),
            plain(vec![select(HOUSEHOLD), Command::new(0, 0xB0, 0x81, 0).with_le(256)], 0x9000),
            &[],
        ),
        line(
            &["READ BINARY (odd)", "ENUMERATE OBJECTS"],
            in_use(),
            plain(
                vec![
                    select(SC_HSM),
                    Command::new(0x80, 0x58, 0, 0).with_le(256),
                    Command::new(0, 0xB1, 0xCE, 0x01).with_data([0x54, 1, 0]).with_le(256),
                ],
                0x9000,
            ),
            &[],
        ),
        line(&["GET CHALLENGE"], in_use(), plain(vec![Command::new(0, 0x84, 0, 0).with_le(8)], 0x9000), &[]),
        line(
            &["INTERNAL AUTHENTICATE"],
            in_use(),
            through(
                vec![can()],
                vec![select(PUBLIC), Command::new(0, 0x88, 0, 0).with_data([1; 8]).with_le(256)],
                0x9000,
            ),
            &["access failures 0>1", "access failures 1>0"],
        ),
        line(
            &["SIGN"],
            in_use(),
            plain(
                vec![
                    select(SC_HSM),
                    verify(PIN2),
                    Command::new(0x80, 0x68, 3, 0x70).with_data([9; 32]).with_le(256),
                ],
                0x9000,
            ),
            &["PIN2 tries 3>2", "PIN2 tries 2>3"],
        ),
        line(
            &["DECIPHER"],
            in_use(),
            plain(
                vec![
                    select(SC_HSM),
                    verify(PIN2),
                    Command::new(0x80, 0x62, 2, 0x21).with_data(decipher).with_le(256),
                ],
                0x9000,
            ),
            &["PIN2 tries 3>2", "PIN2 tries 2>3"],
        ),
    ];
    // The end of a card: everything goes in one write, but that it was a card.
    let all: Vec<String> = seen(&in_use())
        .into_iter()
        .filter(|(name, _)| {
            !matches!(name.as_str(), "life" | "chip id" | "access failures" | "suspended" | "key failures")
        })
        .map(|(name, _)| {
            if name.starts_with("file") || name.starts_with("key ") {
                format!("-{name}")
            } else {
                format!("{name} gone")
            }
        })
        .collect();
    let mut end: Vec<(String, String)> =
        all.into_iter().map(|word| (word.trim_start_matches('-').to_owned(), word)).collect();
    end.push(("life".into(), "life 4>6".into()));
    end.sort();
    lines.push(Line {
        about: &["SET STATUS"],
        start: in_use(),
        run: Box::new(managing(|s| s.terminate_card().is_ok())),
        writes: OPENS
            .map(str::to_owned)
            .into_iter()
            .chain([end.into_iter().map(|(_, word)| word).collect::<Vec<_>>().join(", ")])
            .collect(),
    });
    lines
}

// proves: CARD-47, CARD-49, CARD-58
#[test]
fn after_a_cut_at_any_write_of_any_command_the_card_is_in_a_state_of_the_script() {
    let script = script();
    for rule in COMMANDS {
        assert!(
            script.iter().any(|l| l.about.contains(&rule.name)),
            "the script knows nothing of {}",
            rule.name
        );
    }
    let mut cuts = 0;
    for (number, line) in script.iter().enumerate() {
        let what = format!("line {number}, {}", line.about.join(", "));
        let mut before = seen(&line.start);
        for (n, expected) in line.writes.iter().enumerate() {
            let mut after = None;
            for cut in CUTS {
                let flash = Flash::from_image(line.start.image());
                flash.cut_power(n + 1, cut);
                assert!(!(line.run)(&flash), "{what}: write {} did not come", n + 1);
                flash.restore_power();
                let left = seen(&flash);
                if cut == Cut::After {
                    assert_eq!(change(&before, &left), *expected, "{what}: write {}", n + 1);
                    after = Some(left);
                } else {
                    assert_eq!(change(&before, &left), "", "{what}: write {} {cut:?}", n + 1);
                }
                // Whatever is left is a card that opens.
                open(&flash);
                cuts += 1;
            }
            before = after.unwrap();
        }
        // Not cut it ends where the last write led, and writes no more.
        let flash = Flash::from_image(line.start.image());
        let writes = flash.writes();
        assert!((line.run)(&flash), "{what}: fails without a cut");
        assert_eq!(flash.writes() - writes, line.writes.len(), "{what}: number of writes");
        assert_eq!(change(&before, &seen(&flash)), "", "{what}: where it ends");
    }
    assert!(cuts > 265, "{cuts}");
}

/// One attempt of somebody who guesses: with the right or a wrong secret, with the power cut somewhere or not.
#[derive(Clone, Copy, Debug)]
struct Attempt {
    right: bool,
    cut: Option<(usize, Cut)>,
}

fn attempts(first_write: usize) -> Vec<Attempt> {
    let mut all = Vec::new();
    for right in [true, false] {
        all.push(Attempt { right, cut: None });
        for n in [first_write, first_write + 1] {
            all.extend(CUTS.map(|cut| Attempt { right, cut: Some((n, cut)) }));
        }
    }
    all
}

/// Makes every attempt in every state that attempts lead to, until there are no new states; compares the counter with what
/// it must be. Returns the counters reached.
fn explore(
    start: &Flash,
    counter: &str,
    first_write: usize,
    attempt: impl Fn(&Flash, bool) -> Option<u16>,
    must_be: impl Fn(u8, Attempt) -> u8,
) -> BTreeSet<u8> {
    let count = |flash: &Flash| seen(flash)[counter].parse::<u8>().unwrap();
    let (mut known, mut queue) =
        (BTreeSet::from([format!("{:?}", seen(start))]), VecDeque::from([start.image()]));
    let mut reached = BTreeSet::from([count(start)]);
    while let Some(image) = queue.pop_front() {
        for kind in attempts(first_write) {
            let flash = Flash::from_image(image.clone());
            let before = count(&flash);
            if let Some((n, cut)) = kind.cut {
                flash.cut_power(n, cut);
            }
            let answer = attempt(&flash, kind.right);
            flash.restore_power();
            let after = count(&flash);
            assert_eq!(after, must_be(before, kind), "{counter} {before}: {kind:?} answered {answer:04X?}");
            reached.insert(after);
            if known.insert(format!("{:?}", seen(&flash))) {
                queue.push_back(flash.image());
            }
            assert!(known.len() < 500, "the states have no end");
        }
    }
    reached
}

/// What the tries of a PIN must be: taken before the comparison, given back only when the right one was compared and the
/// giving back was written whole.
fn tries(before: u8, attempt: Attempt, first_write: usize) -> u8 {
    if before == 0 {
        return 0;
    }
    match (attempt.right, attempt.cut) {
        (_, Some((n, Cut::Before | Cut::Torn))) if n == first_write => before,
        (_, Some((n, Cut::After))) if n == first_write => before - 1,
        (false, _) => before - 1,
        (true, Some((_, Cut::Before | Cut::Torn))) => before - 1,
        (true, _) => 3,
    }
}

// proves: CARD-30, CARD-35, CARD-49
#[test]
fn no_sequence_of_guesses_and_cuts_wins_a_try() {
    let start = Stage::InUse("interop").flash();
    let sw = |flash: &Flash, command: Command| {
        let mut channel = contact(open(flash));
        channel.exchange(&select(SC_HSM)).ok()?;
        channel.exchange(&command).ok().map(|answer| answer.sw.0)
    };
    let reached = explore(
        &start,
        "PIN2 tries",
        1,
        |flash, right| sw(flash, verify(if right { PIN2 } else { WRONG })),
        |before, attempt| tries(before, attempt, 1),
    );
    assert_eq!(reached, BTreeSet::from([0, 1, 2, 3]));
    // By changing PIN2 instead: the same one again, so that a third write changes nothing.
    let reached = explore(
        &start,
        "PIN2 tries",
        1,
        |flash, right| {
            let old = if right { PIN2 } else { WRONG };
            sw(flash, Command::new(0, 0x24, 0, 0x81).with_data([old, PIN2].concat()))
        },
        |before, attempt| tries(before, attempt, 1),
    );
    assert_eq!(reached, BTreeSet::from([0, 1, 2, 3]));
    // PIN1, in a channel of the access number, where the last try is open too. Its own two writes come first.
    let reached = explore(
        &start,
        "PIN1 tries",
        3,
        |flash, right| {
            let mut reader = Reader::new(open(flash), Interface::Contact);
            reader.try_pace(BRAINPOOL, &can()).ok()?.ok()?;
            let outcome = reader.try_pace(BRAINPOOL, &if right { pin1() } else { wrong_pin1() }).ok()?;
            Some(outcome.err().unwrap_or(0x9000))
        },
        |before, attempt| tries(before, attempt, 3),
    );
    assert_eq!(reached, BTreeSet::from([0, 1, 2, 3]));
}

// proves: CARD-49
#[test]
fn no_sequence_of_wrong_keys_and_cuts_wins_an_attempt() {
    for (stage, version, keys) in
        [(Stage::Washed, 0x20, centre_keys()), (Stage::InUse("national"), 0x31, management_keys())]
    {
        let reached = explore(
            &stage.flash(),
            "key failures",
            1,
            |flash, right| authenticate(&mut contact(open(flash)), version, right.then_some(&keys)),
            |before, attempt| match (attempt.right, attempt.cut) {
                _ if before >= 64 => before,
                (_, Some((1, Cut::Before | Cut::Torn))) => before,
                (_, Some((1, Cut::After))) | (false, _) => before + 1,
                (true, Some((_, Cut::Before | Cut::Torn))) => before + 1,
                (true, _) => 0,
            },
        );
        assert_eq!(reached, (0..=64).collect());
    }
}

/// INITIALIZE UPDATE and EXTERNAL AUTHENTICATE: with the keys, or with a guessed cryptogram.
fn authenticate(channel: &mut Contact, version: u8, keys: Option<&scp::KeySet>) -> Option<u16> {
    channel.exchange(&select(ISSUER)).ok()?;
    let (command, host) = scp::Host::initialize_update(version, &[7; 8]).unwrap();
    let answer = channel.exchange(&command).ok()?;
    if answer.sw.0 != 0x9000 {
        return Some(answer.sw.0);
    }
    let command = match keys {
        Some(keys) => {
            let pending = host.on_response(&answer, keys).unwrap();
            pending.external_authenticate(scp::SecurityLevel::Full).unwrap().0
        }
        None => Command::new(0x84, 0x82, 0x33, 0).with_data([0; 16]),
    };
    channel.exchange(&command).ok().map(|answer| answer.sw.0)
}
