//! `neweid outing`: an office updates chips at an announced place and time. What is announced stands on the country's site (`/outings`).

use super::pki_ceremony::check_operator;
use crate::clock::{self, taipei};
use crate::country::Country;
use crate::failure::Failure;
use clap::Subcommand;
use jiff::Timestamp;
use mgmt::{NewOuting, Outing as Announced};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

/// Outings read from the books at a time.
const PAGE: u32 = 1_000;

#[derive(Subcommand, Debug)]
pub enum Outing {
    /// 公告 Announce an outing of the clerk's office, before it begins.
    Announce {
        /// 機關 The office.
        #[arg(long)]
        office: model::OfficeCode,
        /// 地點 Where, in words that people find it by.
        #[arg(long)]
        place: String,
        /// 起 From when: 2026-12-01T01:00:00Z.
        #[arg(long)]
        from: Timestamp,
        /// 迄 Until when.
        #[arg(long)]
        until: Timestamp,
        /// 載具 A device that is taken along; repeat it.
        #[arg(long = "device", value_name = "NAME", required = true)]
        devices: Vec<String>,
        /// 承辦人帳號 Account of the clerk, as registered with `neweid clerk add`.
        #[arg(long)]
        clerk: String,
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
        /// 輸出 JSON Print one JSON document instead of text.
        #[arg(long)]
        json: bool,
    },
    /// 列出 List the outings, those to come first, with how many chips were updated on each.
    List {
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
        /// 輸出 JSON Print one JSON document instead of text.
        #[arg(long)]
        json: bool,
    },
}

impl Outing {
    /// Whether failures are to be printed as JSON.
    pub const fn wants_json(&self) -> bool {
        match self {
            Self::Announce { json, .. } | Self::List { json, .. } => *json,
        }
    }
}

/// Runs the command.
pub async fn run(command: Outing) -> Result<ExitCode, Failure> {
    match command {
        Outing::Announce { office, place, from, until, devices, clerk, dir, json } => {
            check_operator(&clerk)?;
            let country = Country::open(&dir).await?;
            let outing = NewOuting { office, place, from, until, devices };
            let announced = country.mgmt.announce_outing(outing, &clerk, clock::now()).await;
            tell(&[announced.map_err(Failure::from_system)?], json)?;
        }
        Outing::List { dir, json } => {
            let country = Country::open(&dir).await?;
            tell(&all(&country, None).await?, json)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The outings that have not ended at this time, or all: those that begin last first.
pub async fn all(country: &Country, open_at: Option<Timestamp>) -> Result<Vec<Announced>, Failure> {
    let (mut all, mut after): (Vec<Announced>, _) = (Vec::new(), None);
    loop {
        let page = country.mgmt.outings(open_at, after, PAGE).await.map_err(Failure::from_system)?;
        after = page.last().map(|outing| outing.number);
        let last = page.len() < PAGE as usize;
        all.extend(page);
        if last {
            return Ok(all);
        }
    }
}

fn tell(outings: &[Announced], json: bool) -> Result<(), Failure> {
    if json {
        let list: Vec<Value> = outings.iter().map(document).collect();
        say!("{}", serde_json::to_string_pretty(&list).map_err(Failure::ours)?);
        return Ok(());
    }
    if outings.is_empty() {
        say!("沒有行動化更新。 There are no outings.");
    }
    for one in outings {
        let (of, devices) = (&one.announced, one.announced.devices.join(", "));
        say!(
            "{} {} {}，{}–{}（{devices}）",
            one.number,
            of.office,
            of.place,
            taipei(of.from),
            taipei(of.until)
        );
        say!("    {} 公告 announced by {}；已更新 updated {}", one.clerk, one.clerk, one.updates);
    }
    Ok(())
}

fn document(one: &Announced) -> Value {
    let of = &one.announced;
    json!({
        "number": one.number, "office": of.office.as_str(), "place": of.place, "from": of.from.to_string(),
        "until": of.until.to_string(), "devices": of.devices, "clerk": one.clerk, "at": one.at.to_string(),
        "updates": one.updates,
    })
}
