//! `neweid register`: the simulated household register, as a registration office works with it. Changes name persons, so they
//! are read from a file or standard input and never stand among the arguments.

use crate::cards;
use crate::cli::Register as Verb;
use crate::clock;
use crate::commands::card_list;
use crate::country::Country;
use crate::failure::Failure;
use model::PersonName;
use registry::{Change, Person, Register, RegistryError, Renumbering};
use serde_json::{Value, json};
use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

/// Runs the command.
pub async fn run(verb: &Verb) -> Result<ExitCode, Failure> {
    match verb {
        Verb::Show { serial, dir, json } => show(serial, dir, *json).await,
        Verb::Change { file, serial, dir, json } => change(file, serial, dir, *json).await,
        Verb::Renumber { file, dir, json } => renumber(file, dir, *json).await,
    }
}

async fn show(serial: &str, dir: &Path, json: bool) -> Result<ExitCode, Failure> {
    let serial = cards::parse_serial(serial)?;
    let country = Country::open(dir).await?;
    let (_, id) = country.mgmt.holder_of(serial).await.map_err(Failure::from_system)?;
    let person = country.register.person(&id).await.map_err(Failure::from_system)?;
    let person = person.ok_or_else(|| Failure::from_system(RegistryError::PersonUnknown))?;
    let mark = country.register.card_mark(&id, serial).await.map_err(Failure::from_system)?;
    if json {
        let stored = person.to_stored().map_err(Failure::from_system)?;
        let mut document: Value = serde_json::from_slice(&stored).map_err(Failure::ours)?;
        document["card_mark"] = json!(mark.as_str());
        say!("{document:#}");
        return Ok(ExitCode::SUCCESS);
    }
    print(&person);
    say!("國民身分證註記 Mark of the card：{} {}", mark.zh(), mark.as_str());
    Ok(ExitCode::SUCCESS)
}

fn print(person: &Person) {
    let name =
        |name: &Option<PersonName>| name.as_ref().map_or("（無 none）", PersonName::chinese).to_owned();
    let rows = [
        ("姓名 Name", person.name.chinese().to_owned()),
        ("出生日期 Birth", person.birth.iso()),
        ("戶籍地址 Address", person.address.zh()),
        ("結婚狀態 Marital status", format!("{} {}", person.marital.zh(), person.marital.en())),
        ("役別 Military service", format!("{} {}", person.military.zh(), person.military.en())),
        ("配偶 Spouse", name(&person.spouse)),
        ("父 Father", name(&person.father)),
        ("母 Mother", name(&person.mother)),
        ("出生地 Place of birth", person.birthplace.clone()),
    ];
    for (title, value) in rows {
        say!("{title}：{value}");
    }
}

async fn change(file: &Path, serial: &str, dir: &Path, json: bool) -> Result<ExitCode, Failure> {
    let serial = cards::parse_serial(serial)?;
    let change = Change::from_json(&input(file)?).map_err(Failure::from_system)?;
    let country = Country::open(dir).await?;
    let (_, id) = country.mgmt.holder_of(serial).await.map_err(Failure::from_system)?;
    let now = clock::now();
    let event = country.register.record(&id, &change, now).await.map_err(Failure::from_system)?;
    country.mgmt.follow_register(now).await.map_err(Failure::from_system)?;
    let kind = change.kind().as_str();
    if json {
        say!("{}", json!({ "event": event, "change": kind }));
    } else {
        say!("已登記 Recorded: {kind}（第 {event} 號 event {event}）");
    }
    Ok(ExitCode::SUCCESS)
}

async fn renumber(file: &Path, dir: &Path, json: bool) -> Result<ExitCode, Failure> {
    let notice = Renumbering::from_json(&input(file)?).map_err(Failure::from_system)?;
    let country = Country::open(dir).await?;
    let now = clock::now();
    let persons = country.register.renumber(&notice, now).await.map_err(Failure::from_system)?;
    country.mgmt.follow_register(now).await.map_err(Failure::from_system)?;
    let cards: Vec<String> = card_list::outdated(&country)
        .await?
        .into_iter()
        .filter(|card| card.outdated.as_ref().is_some_and(|(_, by)| by == "renumbered"))
        .map(|card| card.serial.to_string())
        .collect();
    if json {
        say!("{}", json!({ "notice": notice.notice(), "persons": persons, "outdated": cards }));
    } else {
        say!("{}：{persons} 人 persons", notice.notice());
        say!("因整編而內容過時的卡片 Cards out of date by renumbering: {}", cards.len());
        cards.iter().for_each(|serial| say!("  {serial}"));
    }
    Ok(ExitCode::SUCCESS)
}

fn input(file: &Path) -> Result<Vec<u8>, Failure> {
    if file == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes)?;
        return Ok(bytes);
    }
    std::fs::read(file).map_err(|error| crate::terminals::unreadable(file, &error))
}
