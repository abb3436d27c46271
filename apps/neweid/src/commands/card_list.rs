//! `neweid card list`: the cards of a country.

use crate::country::Country;
use crate::failure::Failure;
use mgmt::{CardSummary, MgmtError};
use model::CardSerial;
use serde::Serialize;
use std::path::Path;
use std::process::ExitCode;

/// Cards fetched from the store at a time.
const PAGE: u32 = 500;

/// A card as scripts see it. The names of the fields are a contract.
#[derive(Serialize)]
struct Row {
    serial: String,
    holder: String,
    can: String,
    mrz: [String; 3],
    state: String,
    profile: String,
    persona: Option<String>,
    user_code: Option<String>,
    pin1: Option<String>,
    pin2: Option<String>,
    certificate: bool,
    issue_date: String,
    renewal_date: Option<String>,
    outdated: Option<Outdated>,
}

/// Why a card is to be updated.
#[derive(Serialize)]
struct Outdated {
    since: String,
    /// The kind of change in the household register.
    register: String,
}

impl From<CardSummary> for Row {
    fn from(card: CardSummary) -> Self {
        let state = card.state.as_str().to_lowercase();
        let sample = card.sample;
        // A secret is shown once it is in force: what is not set yet opens nothing.
        let secret = |in_force: bool, pick: fn(&mgmt::SampleSecrets) -> Option<String>| {
            sample.as_ref().filter(|_| in_force).and_then(pick)
        };
        let pins_set = card.pins_set.is_some();
        Self {
            serial: card.serial.to_string(),
            holder: card.holder,
            can: card.serial.can().as_str().to_owned(),
            mrz: card.mrz,
            state,
            profile: card.profile.as_str().to_owned(),
            user_code: secret(card.user_code_set, |s| s.user_code.clone()),
            pin1: secret(pins_set, |s| s.pin1.clone()),
            pin2: secret(pins_set && card.certificate, |s| s.pin2.clone()),
            persona: secret(true, |s| Some(s.persona.clone())),
            certificate: card.certificate,
            issue_date: card.issue.iso(),
            renewal_date: card.renewal.map(|date| date.iso()),
            outdated: card.outdated.map(|(since, register)| Outdated { since: since.to_string(), register }),
        }
    }
}

/// Runs the command.
pub async fn run(dir: &Path, outdated: bool, json: bool) -> Result<ExitCode, Failure> {
    let country = Country::open(dir).await?;
    let cards = if outdated { self::outdated(&country).await? } else { all(&country).await? };
    let rows: Vec<Row> = cards.into_iter().map(Row::from).collect();
    if json {
        say!("{}", serde_json::to_string_pretty(&rows).map_err(Failure::ours)?);
        return Ok(ExitCode::SUCCESS);
    }
    if outdated && rows.is_empty() {
        say!("沒有內容過時的卡片。 No card's content is out of date.");
        return Ok(ExitCode::SUCCESS);
    }
    say!("{:<10}  {:<20}{:<10}{:<17}{:<10}holder", "serial", "state", "profile", "persona", "PIN2");
    for row in &rows {
        say!(
            "{:<10}  {:<20}{:<10}{:<17}{:<10}{}",
            row.serial,
            row.state,
            row.profile,
            row.persona.as_deref().unwrap_or("-"),
            row.pin2.as_deref().unwrap_or("-"),
            row.holder
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// Every card there is.
pub async fn all(country: &Country) -> Result<Vec<CardSummary>, Failure> {
    pages(async |after| country.mgmt.cards(after, PAGE).await).await
}

/// The cards whose content is out of date.
pub async fn outdated(country: &Country) -> Result<Vec<CardSummary>, Failure> {
    pages(async |after| country.mgmt.outdated_cards(after, PAGE).await).await
}

async fn pages(
    page: impl AsyncFn(Option<CardSerial>) -> Result<Vec<CardSummary>, MgmtError>,
) -> Result<Vec<CardSummary>, Failure> {
    let mut cards: Vec<CardSummary> = Vec::new();
    loop {
        let after = cards.last().map(|card| card.serial);
        let page = page(after).await.map_err(Failure::from_system)?;
        let last = page.len() < PAGE as usize;
        cards.extend(page);
        if last {
            return Ok(cards);
        }
    }
}
