//! `neweid npc queue open|assign|plan|due|fail|settle|report`: who gets new certificates after an incident, in which order
//! and when.

use super::pki_ceremony::check_operator;
use crate::cli::Queues;
use crate::clock;
use crate::country::Country;
use crate::failure::{Failure, Fault};
use model::CardSerial;
use npc::{ClassReport, QueuePlan, Queued};
use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

/// Runs `neweid npc queue`.
pub async fn run(command: &Queues) -> Result<ExitCode, Failure> {
    match command {
        Queues::Open { incident, plan, operator, dir } => {
            check_operator(operator)?;
            let plan = plan_of(&text_of(plan)?)?;
            let country = Country::open(dir).await?;
            let opened = country.npc.open_queue(*incident, &plan, operator, clock::now()).await;
            opened.map_err(Failure::from_system)?;
            report(&country, *incident, false).await?;
        }
        Queues::Assign { incident, file, operator, dir } => {
            check_operator(operator)?;
            let cards = assignments(&text_of(file)?)?;
            let country = Country::open(dir).await?;
            let found = country.npc.assign_queue(*incident, &cards, operator, clock::now()).await;
            let found = found.map_err(Failure::from_system)?;
            say!("{found} / {} 張卡片在佇列中。 cards were found in the queue.", cards.len());
        }
        Queues::Plan { incident, from, operator, dir } => {
            check_operator(operator)?;
            let country = Country::open(dir).await?;
            let planned = country.npc.plan_queue(*incident, *from, operator, clock::now()).await;
            say!("{} 張卡片已排定日期。 cards have a day.", planned.map_err(Failure::from_system)?);
            report(&country, *incident, false).await?;
        }
        Queues::Due { incident, office, day, most, dir } => {
            let country = Country::open(dir).await?;
            let due = country.npc.due_in_queue(*incident, office, *day, *most).await;
            for card in due.map_err(Failure::from_system)? {
                say!("{}", line(&card));
            }
        }
        Queues::Fail { incident, card, problem, operator, dir } => {
            check_operator(operator)?;
            let country = Country::open(dir).await?;
            let failed = country.npc.fail_in_queue(*incident, *card, problem, operator, clock::now()).await;
            match failed.map_err(Failure::from_system)? {
                false => say!("{card} 待重新排定。 It gets another day with the next planning."),
                true => say!("{card} 須由人員處理。 It waits for a person."),
            }
        }
        Queues::Settle { incident, card, replaced, operator, dir } => {
            check_operator(operator)?;
            let country = Country::open(dir).await?;
            let settled =
                country.npc.settle_in_queue(*incident, *card, *replaced, operator, clock::now()).await;
            settled.map_err(Failure::from_system)?;
            say!("{card} 已處理。 It is settled.");
        }
        Queues::Report { incident, dir, json } => {
            let country = Country::open(dir).await?;
            report(&country, *incident, *json).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn report(country: &Country, incident: u64, json: bool) -> Result<(), Failure> {
    let classes = country.npc.queue_report(incident).await.map_err(Failure::from_system)?;
    if json {
        let list: Vec<_> = classes.iter().map(document).collect();
        say!("{}", serde_json::to_string_pretty(&list).map_err(Failure::ours)?);
        return Ok(());
    }
    for class in &classes {
        let until = class.until.map(|day| day.iso()).unwrap_or_else(|| "-".to_owned());
        say!(
            "{}: 等候 waiting {}（須換卡 need another card {}），完成 done {}，待處理 failed {}，排至 until {until}",
            class.class,
            class.waiting,
            class.need_new_card,
            class.done,
            class.failed
        );
    }
    Ok(())
}

fn document(class: &ClassReport) -> serde_json::Value {
    serde_json::json!({
        "class": class.class,
        "waiting": class.waiting,
        "need_new_card": class.need_new_card,
        "done": class.done,
        "failed": class.failed,
        "until": class.until.map(|day| day.iso()),
    })
}

fn line(card: &Queued) -> String {
    let day = card.day.map(|day| day.iso()).unwrap_or_default();
    let new_card = if card.needs_new_card { " 須換卡 needs another card" } else { "" };
    let failures =
        if card.failures > 0 { format!(" 失敗 failed {}", card.failures) } else { String::new() };
    format!("{} {} {day}{new_card}{failures}", card.card, card.class)
}

pub fn plan_of(text: &str) -> Result<QueuePlan, Failure> {
    serde_json::from_str(text).map_err(|_| wrong("--plan"))
}

fn text_of(file: &Path) -> Result<String, Failure> {
    if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        return Ok(text);
    }
    Ok(std::fs::read_to_string(file)?)
}

/// Lines of `card,class` or `card,class,office`; empty lines and lines that begin with `#` say nothing.
pub fn assignments(text: &str) -> Result<Vec<(CardSerial, String, Option<String>)>, Failure> {
    let said = |line: &&str| !line.is_empty() && !line.starts_with('#');
    let read = |line: &str| {
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        match fields.as_slice() {
            [card, class] => Some((card.parse().ok()?, (*class).to_owned(), None)),
            [card, class, office] => {
                Some((card.parse().ok()?, (*class).to_owned(), Some((*office).to_owned())))
            }
            _ => None,
        }
    };
    text.lines()
        .map(str::trim)
        .filter(said)
        .map(|line| read(line).ok_or_else(|| wrong("card,class,office")))
        .collect()
}

fn wrong(what: &str) -> Failure {
    Failure::new(
        "NEWEID-E-QUEUE",
        Fault::Caller,
        format!("佇列計畫或名單內容不符：{what}。"),
        format!("The plan or the list is not what it must be: {what}."),
        "格式見 Their form: docs/cli.md, neweid npc queue",
    )
    .exit(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_a_card_and_its_class_on_each_line() {
        let read =
            assignments("# doctors\nTWA000001,medical,65000010\n\n TWA000002 , courts \n").expect("read");
        assert_eq!(read.len(), 2);
        assert_eq!((read[0].1.as_str(), read[0].2.as_deref()), ("medical", Some("65000010")));
        assert_eq!((read[1].1.as_str(), read[1].2.as_deref()), ("courts", None));
        for bad in ["TWA1,medical", "TWA000001", "TWA000001,a,b,c"] {
            assert_eq!(assignments(bad).expect_err("refused").code, "NEWEID-E-QUEUE");
        }
    }
}
