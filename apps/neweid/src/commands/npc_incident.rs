//! `neweid npc incident propose|approve|list` and `neweid npc issuing stop|start`: many certificates at once, by two persons.

use super::pki_ceremony::check_operator;
use crate::cli::{Action, Incidents, Issuing, Repository, Selection};
use crate::clock::{self, taipei};
use crate::country::Country;
use crate::failure::{Failure, Fault};
use jiff::Timestamp;
use jiff::civil::Time;
use model::{CardSerial, RevocationReason, RocDate};
use npc::{Carrier, Cohort, Incident, Measure};
use std::path::Path;
use std::process::ExitCode;

/// Runs `neweid npc incident`.
pub async fn run(command: &Incidents) -> Result<ExitCode, Failure> {
    match command {
        Incidents::Propose { selection, operator, dir } => {
            check_operator(operator)?;
            read(selection)?;
            let country = Country::open(dir).await?;
            let proposed = propose(&country, selection, operator).await?;
            say!("{}", line(&proposed));
            say!("另一人核可後才會執行。 Nothing happens until another person approves it:");
            say!("  neweid npc incident approve {} --operator NAME --dir {}", proposed.number, dir.display());
        }
        Incidents::Approve { number, operator, dir } => {
            check_operator(operator)?;
            let country = Country::open(dir).await?;
            let done = country.npc.approve_incident(*number, operator, clock::now()).await;
            say!("{}", line(&done.map_err(Failure::from_system)?));
        }
        Incidents::List { dir, json } => {
            let country = Country::open(dir).await?;
            let all = country.npc.incidents().await.map_err(Failure::from_system)?;
            if *json {
                let list: Vec<_> = all.iter().map(document).collect();
                say!("{}", serde_json::to_string_pretty(&list).map_err(Failure::ours)?);
            } else if all.is_empty() {
                say!("沒有事件。 There are no incidents.");
            } else {
                all.iter().for_each(|incident| say!("{}", line(incident)));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Proposes an incident. What only the card centre knows of cards is asked of it, and the incident keeps the list of cards.
pub async fn propose(country: &Country, selection: &Selection, operator: &str) -> Result<Incident, Failure> {
    let (cohort, measure) = read(selection)?;
    let (npc, now) = (&country.npc, clock::now());
    let criteria = selection.make.criteria(None);
    if criteria.is_empty() {
        return npc.propose_incident(cohort, measure, operator, now).await.map_err(Failure::from_system);
    }
    let made = country.centre.select_cards(&criteria).await.map_err(Failure::from_system)?;
    let cards: Vec<CardSerial> = made.into_iter().map(|card| card.serial).collect();
    let proposed = npc.propose_incident_for(&cards, &criteria.words(), cohort, measure, operator, now).await;
    proposed.map_err(Failure::from_system)
}

/// Runs `neweid npc issuing`.
pub async fn issuing(switch: Issuing, operator: &str, dir: &Path) -> Result<ExitCode, Failure> {
    check_operator(operator)?;
    let country = Country::open(dir).await?;
    match switch {
        Issuing::Stop => {
            country.npc.stop_issuing(operator, clock::now()).await.map_err(Failure::from_system)?;
            say!("已暫停簽發。 Issuing is stopped.");
        }
        Issuing::Start => {
            country.npc.start_issuing(operator, clock::now()).await.map_err(Failure::from_system)?;
            say!("已恢復簽發。 Issuing goes on.");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs `neweid npc repository`.
pub async fn repository(switch: Repository, operator: &str, dir: &Path) -> Result<ExitCode, Failure> {
    check_operator(operator)?;
    let country = Country::open(dir).await?;
    match switch {
        Repository::Close => {
            country.npc.close_repository(operator, clock::now()).await.map_err(Failure::from_system)?;
            say!("已關閉儲存庫。 The repository is closed.");
        }
        Repository::Open => {
            country.npc.open_repository(operator, clock::now()).await.map_err(Failure::from_system)?;
            say!("已開放儲存庫。 The repository is open.");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs `neweid npc publish`.
pub async fn publish(operator: &str, dir: &Path) -> Result<ExitCode, Failure> {
    check_operator(operator)?;
    let country = Country::open(dir).await?;
    let number = country.npc.publish_now(operator, clock::now()).await.map_err(Failure::from_system)?;
    say!("清冊與篩選檔第 {number} 號已公布。 Lists, and filter {number}, are published.");
    Ok(ExitCode::SUCCESS)
}

pub fn read(selection: &Selection) -> Result<(Cohort, Measure), Failure> {
    let day = |date: RocDate, time: Time| {
        let at = model::validity::TAIPEI.to_timestamp(date.date().to_datetime(time));
        at.map_err(|_| wrong("日期 date"))
    };
    let from = selection.from.map(|date| day(date, Time::midnight())).transpose()?;
    let to: Option<Timestamp> =
        selection.to.map(|date| day(date, Time::constant(23, 59, 59, 0))).transpose()?;
    let cards = match &selection.cards {
        None => None,
        Some(text) => {
            let (first, last) = text.split_once("..").unwrap_or((text, text));
            let card = |text: &str| text.parse::<CardSerial>().map_err(|_| wrong("--cards"));
            Some((card(first)?, card(last)?))
        }
    };
    let carrier = match &selection.carrier {
        None => None,
        Some(name) => Some(Carrier::from_name(name).ok_or_else(|| wrong("--carrier"))?),
    };
    let measure = match (selection.action, &selection.reason, selection.of) {
        (Action::Suspend, None, None) => Measure::Suspend,
        (Action::Resume, None, Some(of)) => Measure::Resume { of },
        (Action::Resume, None, None) | (Action::Suspend | Action::Revoke, _, Some(_)) => {
            return Err(wrong("--of"));
        }
        (Action::Revoke, Some(reason), None) => {
            Measure::Revoke(reason.parse::<RevocationReason>().map_err(|_| wrong("--reason"))?)
        }
        _ => return Err(wrong("--reason")),
    };
    let cohort = Cohort {
        key_class: selection.key_class.clone(),
        fingerprint: selection.fingerprint.clone(),
        chip_model: selection.chip_model.clone(),
        carrier,
        cards,
        from,
        to,
        listed: None,
    };
    Ok((cohort, measure))
}

pub fn wrong(what: &str) -> Failure {
    Failure::new(
        "NEWEID-E-INCIDENT",
        Fault::Caller,
        format!("事件範圍或處置不正確：{what}。"),
        format!("The cohort or the measure is wrong: {what}."),
        "例 Example: suspend --key-class RSA-2048; resume --of 1; revoke --reason key_compromise --cards TWA000001..TWA000999",
    )
    .exit(2)
}

fn line(incident: &Incident) -> String {
    let state = match (&incident.approved_by, incident.finished_at) {
        (None, _) if incident.lapsed(clock::now()) => "逾七日未經核可，失效 lapsed".to_owned(),
        (None, _) => "待核可 waits".to_owned(),
        (Some(by), None) => format!("{by} 已核可，執行中 approved by {by}, under way"),
        (Some(by), Some(_)) => format!("{by} 已核可，完成 approved by {by}, done"),
    };
    let also_held = match incident.also_held {
        0 => String::new(),
        held => format!(
            "，其中 {held} 張亦由另一事件停用，仍維持停用 {held} held by another incident too stay suspended"
        ),
    };
    format!(
        "{} {} {}：{} 張 certificates{also_held}（{} 提案 proposed by {}）{state}：{} / {}",
        incident.number,
        measure(incident.measure),
        cohort(&incident.cohort),
        incident.concerned,
        incident.proposed_by,
        incident.proposed_by,
        incident.changed,
        incident.looked_at
    )
}

fn document(incident: &Incident) -> serde_json::Value {
    serde_json::json!({
        "number": incident.number,
        "measure": measure(incident.measure),
        "cohort": cohort(&incident.cohort),
        "concerned": incident.concerned,
        "also_held": incident.also_held,
        "proposed_by": incident.proposed_by,
        "proposed_at": incident.proposed_at.to_string(),
        "approved_by": incident.approved_by,
        "lapsed": incident.lapsed(clock::now()),
        "looked_at": incident.looked_at,
        "changed": incident.changed,
        "finished_at": incident.finished_at.map(|at| at.to_string()),
    })
}

/// Whom an incident concerns, in words.
pub fn cohort(cohort: &Cohort) -> String {
    let mut parts = Vec::new();
    parts.extend(cohort.key_class.clone());
    parts.extend(cohort.fingerprint.as_ref().map(|class| format!("指紋 fingerprint {class}")));
    parts.extend(cohort.chip_model.as_ref().map(|model| format!("晶片 chip {model}")));
    parts.extend(cohort.carrier.map(|carrier| carrier.as_str().to_owned()));
    parts.extend(cohort.cards.map(|(first, last)| format!("{first}..{last}")));
    parts.extend(cohort.from.map(|from| format!("≥ {}", taipei(from))));
    parts.extend(cohort.to.map(|to| format!("≤ {}", taipei(to))));
    parts.extend(cohort.listed.as_ref().map(|listed| {
        let (by, cards) = (&listed.selected_by, listed.cards);
        format!("{by}（{cards} 張卡片 cards）")
    }));
    parts.join(", ")
}

/// What is to be done, in the command's words.
pub fn measure(measure: Measure) -> String {
    match measure {
        Measure::Suspend => "suspend".to_owned(),
        Measure::Resume { of } => format!("resume (of {of})"),
        Measure::ResumeAll => "resume".to_owned(),
        Measure::Revoke(reason) => format!("revoke ({})", reason.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selection(action: Action) -> Selection {
        Selection {
            action,
            reason: None,
            of: None,
            key_class: None,
            fingerprint: None,
            chip_model: None,
            carrier: None,
            cards: None,
            from: None,
            to: None,
            make: crate::cli::Make::default(),
        }
    }

    #[test]
    fn a_cohort_is_read_in_days_of_taipei_and_a_revocation_has_a_reason() {
        let chosen = Selection {
            cards: Some("TWA000001..TWA000009".into()),
            from: Some("2026-08-01".parse().expect("date")),
            to: Some("2026-08-01".parse().expect("date")),
            ..selection(Action::Suspend)
        };
        let (cohort, measure) = read(&chosen).expect("read");
        assert_eq!(measure, Measure::Suspend);
        assert_eq!(cohort.from.expect("from").to_string(), "2026-07-31T16:00:00Z");
        assert_eq!(cohort.to.expect("to").to_string(), "2026-08-01T15:59:59Z");
        let (one, _) =
            read(&Selection { cards: Some("TWA000001".into()), ..selection(Action::Suspend) }).expect("one");
        assert!(one.cards.is_some_and(|(a, b)| a == b));
        let resume = Selection { of: Some(7), ..selection(Action::Resume) };
        assert_eq!(read(&resume).expect("read"), (Cohort::default(), Measure::Resume { of: 7 }));
        for bad in [
            selection(Action::Revoke),
            selection(Action::Resume),
            Selection { of: Some(7), ..selection(Action::Suspend) },
            Selection { reason: Some("boredom".into()), ..selection(Action::Revoke) },
            Selection { reason: Some("superseded".into()), ..selection(Action::Suspend) },
            Selection { cards: Some("TWA1..".into()), ..selection(Action::Suspend) },
            Selection { carrier: Some("bus-pass".into()), ..selection(Action::Suspend) },
        ] {
            assert_eq!(read(&bad).expect_err("refused").code, "NEWEID-E-INCIDENT");
        }
    }
}
