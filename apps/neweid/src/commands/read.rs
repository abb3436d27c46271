//! `neweid read`: reads household and public zone of any card, verifies what can be verified, and writes
//! the card's files, the photo and a report. With the certificates and the key of a terminal it goes on to the encrypted zone
//! of a New eID, which PIN1 opens: every field the terminal may read, and for every other which right is missing. With the
//! public keys of its sectors it asks a sample card for its identifiers there. Where neither access number nor MRZ is given, a
//! terminal that may read the access number takes it from the encrypted zone, in a session that asks for nothing else (OPEN-04). With a card status list it says whether the card
//! may be accepted; one that may not keeps its encrypted zone closed.
//!
//! Exit codes: 0 verified; 2 wrong arguments; 3 nothing failed but signature or chip could not be checked (the document has
//! no active authentication, or uses an algorithm not known here); 4 no reader or no card; 10 to 16 refused, by the first
//! check that failed: see [`refused`]; what the encrypted zone refuses counts after that. Without `--trust` nobody is trusted, so the signer is refused.

use crate::card_status::{CardStatusList, Edition};
use crate::cli::{AccessChoice, Read};
use crate::clock;
use crate::directory::write_atomically;
use crate::failure::{Failure, Fault, exit_code};
use crate::hand::{Stop, work};
use crate::questions::{self, Answer, Question};
use crate::{secrets, terminals};
use apdu::CardChannel;
use eac::Password;
use eac::auxiliary_data::AuxiliaryData;
use eac::cvc::{Rights, UpdateRights};
use eac::pace::Mapping;
use eac::restricted_identification::{Identifiers, SectorKey};
use jiff::Timestamp;
use serde::Serialize;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;
use terminal::eid::{
    self, EidError, EncryptedZoneReport, FieldOutcome, Grant, Session, TerminalIdentity, read_access_number,
    read_encrypted_zone,
};
use terminal::{
    Access, CONSENT, CardStatus, CheckKind, Outcome, Portrait, ReadOptions, ReadReport, Refusal, TrustStore,
    Verdict, pin1, read_card,
};

/// Exit code: nothing failed, but not everything could be checked.
const UNPROVEN: u8 = 3;

/// Runs the command.
pub async fn run(arguments: Read) -> Result<ExitCode, Failure> {
    work(move |stop| read(&arguments, stop)).await
}

fn read(arguments: &Read, stop: &Stop) -> Result<ExitCode, Failure> {
    let typed = password(arguments)?;
    let trust = match &arguments.trust {
        Some(dir) => trust_store(dir)?,
        None => TrustStore::default(),
    };
    let list = match (&arguments.trust, arguments.card_list.as_slice()) {
        (Some(trust), files @ [_, ..]) => Some(CardStatusList::open(files, trust, clock::now())?),
        _ => None,
    };
    let reader = EncryptedZoneReader::new(arguments)?;
    let mut channel = arguments.card.take(stop)?;
    // Whoever took the access number from the encrypted zone has sent PIN1 already.
    let fresh_pin1 = typed.is_some();
    let password = match (typed, &reader) {
        (Some(password), _) => password,
        (None, Some(reader)) => reader.access_number(&mut channel, &trust, clock::now())?,
        // The arguments ask for one of them.
        (None, None) => return Err(Failure::ours("neither CAN nor MRZ")),
    };
    let started = Instant::now();
    let clock = || started.elapsed();
    let options = ReadOptions {
        clock: Some(&clock),
        access: arguments.access.into(),
        chip_authentication: arguments.chip_authentication,
        address: arguments.address,
        ..ReadOptions::default()
    };
    if !arguments.card.json {
        // OPEN-08: before anything is read. For whoever holds the card, not for whoever reads the output: that begins with the verdict.
        eprintln!("{} {}\n", CONSENT.zh_hant, CONSENT.en);
    }
    let now = clock::now();
    let mut report = read_card(&mut channel, &password, &trust, &options, now, &mut curve::SystemRandom);
    if let Some(list) = &list {
        list.enter(&mut report)?;
    }
    // LOSS-16: with a card that is suspended or void nobody opens the encrypted zone.
    let barred = matches!(report.statements.card_status, CardStatus::Suspended | CardStatus::Void);
    let reader = reader.filter(|_| !barred);
    // Each session must be with the chip whose public zone was read: what they tell is told of one card.
    let document = eid::Document { password: &password, fresh_pin1, report: &report };
    let encrypted = reader.as_ref().map(|reader| reader.read(&mut channel, document, &trust, now));
    // CARD-30: PIN1 was typed once. Until it was right in one session no other sends it: what refused the first is their answer.
    let document = eid::Document { fresh_pin1: false, ..document };
    let unopened = encrypted.as_ref().and_then(EncryptedZoneReport::unopened);
    let identified = reader
        .as_ref()
        .and_then(|reader| reader.identify(&mut channel, document, unopened.as_ref(), &trust, now));
    let refused_pin1 = identified.as_ref().and_then(|answer| answer.as_ref().err());
    let unopened = unopened.or_else(|| refused_pin1.filter(|error| error.refusal.is_of_pin1()).cloned());
    let answers = reader
        .map(|reader| reader.ask(&mut channel, document, unopened.as_ref(), &trust, now))
        .unwrap_or_default();
    drop(channel);

    std::fs::create_dir_all(&arguments.out)?;
    // OPEN-08: the address, most of it, and the military service category stand in these.
    let kept = |name: &str| arguments.address || !["dg11.bin", "dg13.bin", "household.bin"].contains(&name);
    for (name, bytes) in report.files().into_iter().filter(|(name, _)| kept(name)) {
        write_atomically(&arguments.out.join(name), bytes)?;
    }
    let identified = identified.map(RestrictedIdentification::from);
    let document = Document {
        report: &report,
        card_list: list.as_ref().map(CardStatusList::edition),
        encrypted_zone: encrypted.as_ref(),
        restricted_identification: identified.as_ref(),
        answers: &answers,
    };
    let json = serde_json::to_string_pretty(&document).map_err(Failure::ours)?;
    write_atomically(&arguments.out.join("report.json"), json.as_bytes())?;
    if arguments.card.json {
        say!("{json}");
    } else {
        print(&document, &arguments.out);
        if barred && arguments.terminal_key.is_some() {
            say!("\n  加密區未讀取 The encrypted zone was not read.");
        }
    }
    let zone = encrypted.and_then(|report| report.refusal);
    let zone = zone.or_else(|| identified.and_then(|identified| identified.refusal));
    let zone = zone.or_else(|| answers.iter().find_map(|answer| answer.refusal));
    Ok(match (report.verdict, zone) {
        (Verdict::Refused, _) => ExitCode::from(refused(&report)),
        (_, Some(refusal)) => ExitCode::from(exit_code(refusal)),
        (Verdict::Unproven, None) => ExitCode::from(UNPROVEN),
        (Verdict::Verified, None) => ExitCode::SUCCESS,
    })
}

/// What is told: the reading, and beside it that of the encrypted zone.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    report: &'a ReadReport,
    /// The list by which the status of the card was judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    card_list: Option<Edition>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encrypted_zone: Option<&'a EncryptedZoneReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    restricted_identification: Option<&'a RestrictedIdentification>,
    #[serde(skip_serializing_if = "<[Answer]>::is_empty")]
    answers: &'a [Answer],
}

/// What the card is called in the sectors of the terminal, or why it did not say.
#[derive(Serialize, Default)]
struct RestrictedIdentification {
    #[serde(skip_serializing_if = "Option::is_none")]
    identifier: Option<String>,
    /// In the second sector, where there are two.
    #[serde(skip_serializing_if = "Option::is_none")]
    second_identifier: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<Refusal>,
    #[serde(skip_serializing_if = "String::is_empty")]
    detail: String,
}

impl From<Result<Identifiers, EidError>> for RestrictedIdentification {
    fn from(answer: Result<Identifiers, EidError>) -> Self {
        match answer {
            Ok(Identifiers { first, second }) => Self {
                identifier: Some(hex::encode(first)),
                second_identifier: second.map(hex::encode),
                ..Self::default()
            },
            Err(EidError { refusal, detail }) => Self { refusal: Some(refusal), detail, ..Self::default() },
        }
    }
}

/// What opens the encrypted zone: the terminal's rights and the holder's PIN1.
struct EncryptedZoneReader {
    identity: TerminalIdentity,
    pin1: Password,
    sectors: Vec<SectorKey>,
    questions: Vec<Question>,
}

impl EncryptedZoneReader {
    fn new(arguments: &Read) -> Result<Option<Self>, Failure> {
        let Some(key) = &arguments.terminal_key else { return Ok(None) };
        let identity = terminals::identity(&arguments.terminal_cert, key)?;
        let pin1 = secrets::pin(arguments.pin1.as_deref(), "PIN1（讀取加密區）", "PIN1 (encrypted zone)")?;
        let pin1 = pin1::password(&pin1)?;
        let sectors = arguments.restricted_id.as_deref().map_or(Ok(Vec::new()), sectors)?;
        let questions = questions(arguments)?;
        Ok(Some(Self { identity, pin1, sectors, questions }))
    }

    /// The access number as the encrypted zone has it.
    fn access_number(
        &self,
        channel: impl CardChannel,
        trust: &TrustStore,
        now: Timestamp,
    ) -> Result<Password, EidError> {
        read_access_number(channel, &self.pin1, &self.identity, trust, now, &mut curve::SystemRandom)
    }

    /// Asks for the identifiers in the sectors, if there are any, in a session of its own: beside the fields of the zone the
    /// terminal need not be granted more than this. Where the session before was not opened for a reason, neither is this one.
    fn identify(
        &self,
        channel: impl CardChannel,
        document: eid::Document<'_>,
        unopened: Option<&EidError>,
        trust: &TrustStore,
        now: Timestamp,
    ) -> Option<Result<Identifiers, EidError>> {
        let (first, second) = (self.sectors.first()?, self.sectors.get(1));
        if let Some(error) = unopened {
            return Some(Err(error.clone()));
        }
        let (document, questions) = (Some(document), AuxiliaryData::new());
        let grant = Grant { rights: Rights::RESTRICTED_IDENTIFICATION, updates: UpdateRights::NONE };
        let (identity, random) = (&self.identity, &mut curve::SystemRandom);
        let session =
            Session::open(channel, &self.pin1, document, identity, grant, &questions, trust, now, random);
        Some(session.and_then(|mut session| session.sector_identifiers(first, second)))
    }

    /// Asks the questions, if there are any, in a session of its own: what the card answers needs no field of the zone. Where
    /// the session before was not opened for a reason, neither is this one.
    fn ask(
        &self,
        channel: impl CardChannel,
        document: eid::Document<'_>,
        unopened: Option<&EidError>,
        trust: &TrustStore,
        now: Timestamp,
    ) -> Vec<Answer> {
        let Some(first) = self.questions.first() else { return Vec::new() };
        if let Some(error) = unopened {
            return vec![Answer::new(first, Err(error.clone()))];
        }
        let (document, signed) = (Some(document), questions::auxiliary_data(&self.questions));
        let grant = Grant { rights: questions::rights(&self.questions), updates: UpdateRights::NONE };
        let (identity, random) = (&self.identity, &mut curve::SystemRandom);
        let session =
            Session::open(channel, &self.pin1, document, identity, grant, &signed, trust, now, random);
        let selected = session.and_then(|mut session| session.select().map(|()| session));
        match selected {
            Ok(mut session) => self.questions.iter().map(|q| Answer::new(q, session.ask(q.oid()))).collect(),
            Err(error) => vec![Answer::new(first, Err(error))],
        }
    }

    fn read(
        &self,
        channel: impl CardChannel,
        document: eid::Document<'_>,
        trust: &TrustStore,
        now: Timestamp,
    ) -> EncryptedZoneReport {
        let (document, random) = (Some(document), &mut curve::SystemRandom);
        read_encrypted_zone(channel, &self.pin1, document, &self.identity, Grant::ALL, trust, now, random)
    }
}

impl From<AccessChoice> for Access {
    fn from(choice: AccessChoice) -> Self {
        match choice {
            AccessChoice::Pace => Self::Strongest,
            AccessChoice::Gm => Self::Mapping(Mapping::Generic),
            AccessChoice::Im => Self::Mapping(Mapping::Integrated),
            AccessChoice::Cam => Self::Mapping(Mapping::ChipAuthentication),
            AccessChoice::Bac => Self::Basic,
        }
    }
}

// The card takes each kind of question once.
fn questions(arguments: &Read) -> Result<Vec<Question>, Failure> {
    let mut kinds: Vec<_> = arguments.ask.iter().map(Question::kind).collect();
    kinds.sort_unstable();
    if kinds.windows(2).all(|pair| pair[0] != pair[1]) {
        return Ok(arguments.ask.clone());
    }
    Err(Failure::new(
        "NEWEID-E-ASK",
        Fault::Caller,
        "同一種問題問了兩次。",
        "The same kind of question was asked twice.",
        "每種一次，其餘另讀一次 Each kind once; read again for the other.",
    )
    .exit(2))
}

/// The public keys of one or two sectors.
fn sectors(file: &Path) -> Result<Vec<SectorKey>, Failure> {
    let bytes = std::fs::read(file).map_err(|error| terminals::unreadable(file, &error))?;
    let keys = SectorKey::parse_all(&bytes).map_err(|error| terminals::unreadable(file, &error))?;
    match keys.len() {
        1 | 2 => Ok(keys),
        n => Err(terminals::unreadable(file, &format_args!("{n} × 7F49"))),
    }
}

/// What opens the public zone, if it was given: the MRZ, the access number, or a serial number that ends in it.
fn password(arguments: &Read) -> Result<Option<Password>, Failure> {
    let Some(path) = &arguments.mrz else { return arguments.card.access_number() };
    let text = std::fs::read_to_string(path).map_err(|error| mrz_file(path, &error))?;
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let mrz = lds::mrz::Td1::parse(&lines.join("\n")).map_err(|error| {
        Failure::new(
            "NEWEID-E-MRZ-FORMAT",
            Fault::Caller,
            format!("機讀碼不正確：{error}"),
            format!("The machine readable zone is wrong: {error}"),
            "檔案應有三行，每行 30 字 The file holds three lines of 30 characters.",
        )
        .exit(2)
    })?;
    Ok(Some(Password::mrz_information(&mrz.information())))
}

fn mrz_file(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(
        "NEWEID-E-MRZ-FILE",
        Fault::Caller,
        format!("無法讀取機讀碼檔案 {}：{error}", path.display()),
        format!("The file {} with the machine readable zone cannot be read: {error}", path.display()),
        "檔案是三行文字，每行 30 字 A text file of three lines of 30 characters.",
    )
    .exit(2)
}

pub(super) fn trust_store(dir: &Path) -> Result<TrustStore, Failure> {
    let mut trust = TrustStore::from_dir(dir).map_err(|error| trust_failure(dir, &error))?;
    trust.open_master_lists(clock::now());
    Ok(trust)
}

/// What is said when the directory given with `--trust` is of no use.
pub fn trust_failure(dir: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(
        "NEWEID-E-TRUST",
        Fault::Caller,
        format!("無法載入信任憑證 {}：{error}", dir.display()),
        format!("The trust anchors in {} cannot be loaded: {error}", dir.display()),
        "neweid pki export --out DIR",
    )
    .exit(2)
}

// The exit code of the first check that failed. A card that left or a reader that broke says nothing about what was just
// being checked.
fn refused(report: &ReadReport) -> u8 {
    let failed = report.checks.iter().find(|check| check.outcome == Outcome::Failed);
    let lost = [Some(Refusal::CardGone), Some(Refusal::ReaderFailed)];
    match failed.filter(|check| !lost.contains(&check.refusal)).map(|check| check.check) {
        None | Some(CheckKind::Card | CheckKind::Files) => 10,
        Some(CheckKind::SecureChannel) => 11,
        Some(CheckKind::SecurityObject | CheckKind::Signer | CheckKind::SignerRevocation) => 12,
        Some(CheckKind::DataGroups | CheckKind::Contents) => 13,
        Some(CheckKind::Chip) => 14,
        Some(CheckKind::Household) => 15,
        Some(CheckKind::Expiry | CheckKind::CardStatus) => 16,
    }
}

const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Verified => "驗證通過 VERIFIED",
        Verdict::Refused => "不採信 REFUSED",
        Verdict::Unproven => "無法完全驗證 NOT PROVEN",
    }
}

fn print(document: &Document<'_>, out: &Path) {
    let report = document.report;
    // LOSS-16: signature and chip alone never make a card look valid.
    let status = match (report.verdict, report.statements.card_status) {
        (Verdict::Verified, CardStatus::Unknown) => "，卡片狀態未查 STATUS NOT LOOKED UP",
        _ => "",
    };
    say!("{}{status}\n", verdict(report.verdict));
    for check in &report.checks {
        let mark = match check.outcome {
            Outcome::Passed => "通過 pass",
            Outcome::Failed => "失敗 FAIL",
            Outcome::Unknown => "未做 -   ",
        };
        say!("  {mark}  {} {}  {}", check.title.zh_hant, check.title.en, check.detail);
        if let Some(refusal) = check.refusal {
            say!("             {refusal}");
            say!("             → {} {}", refusal.remedy().0, refusal.remedy().1);
        }
    }
    if let Some(zone) = &report.household {
        say!("\n  戶籍地區 Household {}", zone.shown);
        if let Some(registered) = &zone.registered {
            say!("                     {}", registered.en);
        }
        say!("  村里代碼 Village   {}", zone.village_code);
    }
    if let Some(fields) = report.holder.as_ref().and_then(|holder| holder.public_zone.as_ref()) {
        say!("\n  姓名 Name          {}", fields.chinese_name);
        say!("  出生日期 Birth     {} ({})", fields.birth.roc, fields.birth.iso);
        say!("  卡片序號 Serial    {}", fields.card_serial);
        if let Some(address) = &fields.registered_address {
            say!("  戶籍地址 Address   {address}");
        }
        if let Some(category) = &fields.military_service {
            say!("  役別 Military      {} {}", category.zh_hant, category.en);
        }
    }
    // OPEN-62: nothing is missing from the chip of a card without a portrait.
    if report.holder.as_ref().is_some_and(|holder| holder.portrait == Some(Portrait::Exempted)) {
        say!("  相片 Portrait      免列印相片，晶片亦無 portrait exempted, none in the chip");
    }
    if let Some(report) = document.encrypted_zone {
        print_encrypted(report);
    }
    if let Some(identified) = document.restricted_identification {
        print_identified(identified);
    }
    print_answers(document.answers);
    for timing in &report.timings {
        say!("  {:<24}{:>8.1} ms", timing.phase, timing.micros as f64 / 1000.0);
    }
    say!("\n  {}", out.display());
}

fn print_answers(answers: &[Answer]) {
    for Answer { words, value, answer, refusal, detail, .. } in answers {
        let said = match answer {
            Some(true) => "是 yes",
            Some(false) => "否 no",
            None => "未答 -",
        };
        say!("\n  詢問 Question      {words} {value}: {said} {detail}");
        if let Some(refusal) = refusal {
            say!("             {refusal}");
            say!("             → {} {}", refusal.remedy().0, refusal.remedy().1);
        }
    }
}

fn print_identified(identified: &RestrictedIdentification) {
    let RestrictedIdentification { identifier, second_identifier, refusal, detail } = identified;
    for (identifier, number) in [(identifier, "1"), (second_identifier, "2")] {
        if let Some(identifier) = identifier {
            say!("\n  行業識別碼 Identifier in sector {number}  {identifier}");
        }
    }
    if let Some(refusal) = refusal {
        say!("\n  行業識別碼 Identifier in a sector");
        say!("             {refusal} {detail}");
        say!("             → {} {}", refusal.remedy().0, refusal.remedy().1);
    }
}

fn print_encrypted(report: &EncryptedZoneReport) {
    say!("\n  加密區 Encrypted zone   {}", verdict(report.verdict));
    if let Some(refusal) = report.refusal {
        say!("             {refusal} {}", report.detail);
        say!("             → {} {}", refusal.remedy().0, refusal.remedy().1);
    }
    say!("  終端 Terminal      {} ← {}", report.terminal, report.trust_point);
    say!("  權限 Rights        {}", report.rights.join(" "));
    if !report.signer.is_empty() {
        say!("  簽章 Signed by     {}, 版本 version {}", report.signer, report.version);
    }
    for field in &report.fields {
        let mark = if field.outcome == FieldOutcome::Verified { "通過 pass" } else { "拒絕 -   " };
        let name = format!("{} {}", field.zh, field.name);
        match (&field.value, &field.cause) {
            (Some(value), _) if value.is_empty() => say!("  {mark}  {name}  （無 none）"),
            (Some(value), _) => say!("  {mark}  {name}  {value}"),
            (None, Some(cause)) => {
                say!("  {mark}  {name}  {}", field.detail);
                say!("             {} {}", cause.zh_hant, cause.en);
            }
            (None, None) => say!("  {mark}  {name}  {}", field.detail),
        }
    }
}
