//! `neweid recall`: cards called in, decided by two persons (RECALL-01 to RECALL-04, RECALL-07, RECALL-11, RECALL-12).

use super::pki_ceremony::check_operator;
use crate::cli::recall::{Level, Place, Propose, Recall, Treatment};
use crate::clock::{self, taipei};
use crate::country::Country;
use crate::failure::Failure;
use mgmt::{RecallCard, RecallPlan, RecallProgress};
use serde_json::{Value, json};
use std::process::ExitCode;

/// Cards read from the books at a time.
const PAGE: u32 = 1_000;

/// Runs the command.
pub async fn run(command: &Recall) -> Result<ExitCode, Failure> {
    match command {
        Recall::Propose(propose) => {
            check_operator(&propose.by.operator)?;
            let country = Country::open(&propose.by.place.dir).await?;
            let proposed =
                country.mgmt.propose_recall(&plan(propose), &propose.by.operator, clock::now()).await;
            let proposed = proposed.map_err(Failure::from_system)?;
            told(&propose.by.place, &proposed)?;
            if !propose.by.place.json {
                let dir = propose.by.place.dir.display();
                say!("另一人核可後才會執行。 Nothing happens until another person approves it:");
                say!("  neweid recall approve {} --operator NAME --dir {dir}", proposed.number);
            }
        }
        Recall::Approve { number, by } => {
            check_operator(&by.operator)?;
            let country = Country::open(&by.place.dir).await?;
            let approved = country.mgmt.approve_recall(*number, &by.operator, clock::now()).await;
            told(&by.place, &approved.map_err(Failure::from_system)?)?;
        }
        Recall::List { place } => {
            let country = Country::open(&place.dir).await?;
            let all = country.mgmt.recalls().await.map_err(Failure::from_system)?;
            let revocations = country.mgmt.recall_revocations().await.map_err(Failure::from_system)?;
            let of = |recall: &mgmt::Recall| revocations.iter().find(|one| one.recall == recall.number);
            if place.json {
                let with_revocation = |recall| {
                    let mut one = document(recall);
                    one["certificates_revocation"] = of(recall).map_or(Value::Null, revocation_document);
                    one
                };
                print(&all.iter().map(with_revocation).collect::<Vec<_>>())?;
            } else if all.is_empty() {
                say!("沒有召回案。 There are no recalls.");
            } else {
                for recall in &all {
                    say!("{}", line(recall));
                    if let Some(revocation) = of(recall) {
                        say!("    {}", revocation_line(revocation));
                    }
                }
            }
        }
        Recall::Cards { number, office, place } => {
            let country = Country::open(&place.dir).await?;
            // A recall that is not there has no cards, and is said not to be there.
            country.mgmt.recall(*number).await.map_err(Failure::from_system)?;
            let (mut all, mut after): (Vec<RecallCard>, _) = (Vec::new(), None);
            loop {
                let page = country.mgmt.recall_cards(*number, *office, after, PAGE).await;
                let page = page.map_err(Failure::from_system)?;
                after = page.last().map(|card| card.serial);
                let last = page.len() < PAGE as usize;
                all.extend(page);
                if last {
                    break;
                }
            }
            if place.json {
                print(&all)?;
            } else {
                for card in &all {
                    let updated = card.updated_to.as_deref().map(|to| format!(" → {to}")).unwrap_or_default();
                    say!("{} {} {}{updated}{}", card.serial, card.office, card.state.zh(), keys(card));
                }
                say!("{} 張 cards", all.len());
            }
        }
        Recall::Treat { number, card, version, office, by } => {
            check_operator(&by.operator)?;
            let country = Country::open(&by.place.dir).await?;
            let place = (*office, by.operator.as_str());
            let treated = country.mgmt.treat_card(*number, *card, version, place, clock::now()).await;
            treated.map_err(Failure::from_system)?;
            match by.place.json {
                true => print(&json!({ "card": card, "version": version }))?,
                false => say!("{card} 已登記更新為 {version}。 It is noted as updated."),
            }
        }
        Recall::Revoke { number, reason, by } => {
            check_operator(&by.operator)?;
            let country = Country::open(&by.place.dir).await?;
            let proposed =
                country.mgmt.propose_recall_revocation(*number, *reason, &by.operator, clock::now()).await;
            revocation(&by.place, &proposed.map_err(Failure::from_system)?)?;
        }
        Recall::ApproveRevocation { number, by } => {
            check_operator(&by.operator)?;
            let country = Country::open(&by.place.dir).await?;
            let approved = country.mgmt.approve_recall_revocation(*number, &by.operator, clock::now()).await;
            revocation(&by.place, &approved.map_err(Failure::from_system)?)?;
        }
        Recall::Persons { number, place } => {
            let country = Country::open(&place.dir).await?;
            let (mut all, mut after): (Vec<mgmt::RecallPerson>, _) = (Vec::new(), None);
            loop {
                let page = country.mgmt.recall_persons(*number, after, PAGE).await;
                let page = page.map_err(Failure::from_system)?;
                after = page.last().map(|person| person.serial);
                let last = page.len() < PAGE as usize;
                all.extend(page);
                if last {
                    break;
                }
            }
            if place.json {
                print(&all)?;
            } else {
                all.iter().for_each(|one| say!("{}", person(one)));
            }
        }
        Recall::Report { number, place } => {
            let country = Country::open(&place.dir).await?;
            let mgmt = &country.mgmt;
            mgmt.recall(*number).await.map_err(Failure::from_system)?;
            let now = mgmt.recall_progress(*number).await.map_err(Failure::from_system)?;
            let noted = mgmt.recall_reports(*number).await.map_err(Failure::from_system)?;
            if place.json {
                let noted: Vec<_> = noted
                    .iter()
                    .map(|(day, office)| json!({ "day": day.iso(), "progress": office }))
                    .collect();
                print(&json!({ "now": now, "noted": noted }))?;
            } else {
                now.iter().for_each(|office| say!("{}", progress(office)));
                for (day, office) in &noted {
                    say!("{} {}", day.iso(), progress(office));
                }
            }
        }
        Recall::Close { number, by } => {
            check_operator(&by.operator)?;
            let country = Country::open(&by.place.dir).await?;
            let closed = country.mgmt.close_recall(*number, &by.operator, clock::now()).await;
            told(&by.place, &closed.map_err(Failure::from_system)?)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn revocation(place: &Place, revocation: &mgmt::RecallRevocation) -> Result<(), Failure> {
    if place.json {
        return print(&revocation_document(revocation));
    }
    say!("{}", revocation_line(revocation));
    if revocation.approved_by.is_none() {
        let (number, dir) = (revocation.number(), place.dir.display());
        say!("另一人核可後才會執行。 Nothing happens until another person approves it:");
        say!("  neweid recall approve-revocation {number} --operator NAME --dir {dir}");
    }
    Ok(())
}

fn revocation_document(revocation: &mgmt::RecallRevocation) -> Value {
    json!({
        "number": revocation.number().to_string(),
        "recall": revocation.recall,
        "reason": revocation.reason,
        "proposed_by": revocation.proposed_by,
        "proposed_at": revocation.proposed_at.to_string(),
        "lapsed": revocation.lapsed(clock::now()),
        "approved_by": revocation.approved_by,
        "revoked": revocation.revoked,
        "waiting": revocation.waiting,
    })
}

fn revocation_line(revocation: &mgmt::RecallRevocation) -> String {
    let (number, reason, by) = (revocation.number(), revocation.reason, &revocation.proposed_by);
    let (revoked, waiting) = (revocation.revoked, revocation.waiting);
    let state = match &revocation.approved_by {
        Some(approved) => format!("{approved} 已核可 approved by {approved}"),
        None if revocation.lapsed(clock::now()) => "逾七日未經核可，失效 lapsed".to_owned(),
        None => "待另一人核可 waits for another person".to_owned(),
    };
    format!(
        "{number} 廢止憑證 revocation of the certificates, {reason}（{by} 提案 proposed by {by}）{state}；等候 waiting {waiting}，已廢止 revoked {revoked}"
    )
}

fn person(one: &mgmt::RecallPerson) -> String {
    let (zh, en) = match one.stage {
        mgmt::RecallStage::Listed => ("列入", "listed"),
        mgmt::RecallStage::Called => ("待通知", "called, to be told"),
        mgmt::RecallStage::Told => ("已通知", "told"),
        mgmt::RecallStage::Updated => ("已更新", "updated"),
        mgmt::RecallStage::Rekeyed => ("已更換金鑰", "rekeyed"),
        mgmt::RecallStage::Exchanged => ("已換發", "exchanged"),
    };
    let how = one.told_by.zip(one.told_at);
    let how =
        how.map(|(way, at)| format!("，{} {} {}", way.zh(), way.as_str(), taipei(at))).unwrap_or_default();
    let revoked = if one.revoked { "，憑證已廢止 certificates revoked" } else { "" };
    format!("{} {} {zh} {en}{how}（未達 in vain {}）{revoked}", one.serial, one.office, one.tries)
}

fn plan(propose: &Propose) -> RecallPlan {
    RecallPlan {
        criteria: production::MakeCriteria {
            cards: propose.cards,
            ..propose.make.criteria(propose.chip_type.as_deref())
        },
        level: match propose.level {
            Level::Immediate => mgmt::RecallLevel::Immediate,
            Level::Scheduled => mgmt::RecallLevel::Scheduled,
        },
        treatment: match propose.treatment {
            Treatment::Update => mgmt::Treatment::Update,
            Treatment::Rekey => mgmt::Treatment::Rekey,
            Treatment::NewCard => mgmt::Treatment::NewCard,
        },
        revocation: propose.revocation,
        reason: propose.reason.clone(),
        cost: propose.cost,
        replacement: propose.replacement,
    }
}

fn told(place: &Place, recall: &mgmt::Recall) -> Result<(), Failure> {
    if place.json {
        return print(&document(recall));
    }
    say!("{}", line(recall));
    Ok(())
}

fn print(value: &impl serde::Serialize) -> Result<(), Failure> {
    say!("{}", serde_json::to_string_pretty(value).map_err(Failure::ours)?);
    Ok(())
}

fn line(recall: &mgmt::Recall) -> String {
    let state = match (&recall.approved_by, recall.closed_at) {
        (None, _) => "待核可 waits".to_owned(),
        (Some(by), None) => format!("{by} 已核可 approved by {by}"),
        (Some(by), Some(at)) => format!("{by} 已核可，{} 結案 approved by {by}, closed", taipei(at)),
    };
    let plan = &recall.plan;
    let (treatment_zh, treatment_en) = plan.treatment_words();
    format!(
        "{} {} {}，{} {}：{}；{} 張卡片 cards；{}（{} 提案 proposed by {}）{state}",
        recall.number,
        plan.level.zh(),
        plan.level.as_str(),
        treatment_zh,
        treatment_en,
        plan.criteria.words(),
        recall.cards,
        plan.reason,
        recall.proposed_by,
        recall.proposed_by,
    )
}

fn document(recall: &mgmt::Recall) -> Value {
    json!({
        "number": recall.number,
        "criteria": recall.plan.criteria,
        "level": recall.plan.level,
        "treatment": recall.plan.treatment,
        "revocation": recall.plan.revocation,
        "reason": recall.plan.reason,
        "cost": recall.plan.cost,
        "replacement": recall.plan.replacement,
        "cards": recall.cards,
        "proposed_by": recall.proposed_by,
        "proposed_at": recall.proposed_at.to_string(),
        "approved_by": recall.approved_by,
        "approved_at": recall.approved_at.map(|at| at.to_string()),
        "closed_at": recall.closed_at.map(|at| at.to_string()),
    })
}

/// The other keys of a card, and how far they are.
fn keys(card: &RecallCard) -> String {
    let Some(pair) = card.other_keys else { return String::new() };
    let (zh, en) = pair.words();
    let how = match (card.rekeyed, card.certified) {
        (true, _) => "已更換 in use",
        (false, true) => "已簽發 certified",
        (false, false) => "未用 unused",
    };
    format!("，{zh} {en}：{how}")
}

fn progress(office: &RecallProgress) -> String {
    let RecallProgress { office, cards, updated, rekeyed, exchanged, waiting } = office;
    format!(
        "{office}：{cards} 張 cards，更新 updated {updated}，更換金鑰 rekeyed {rekeyed}，換發 exchanged {exchanged}，等候 waiting {waiting}"
    )
}
