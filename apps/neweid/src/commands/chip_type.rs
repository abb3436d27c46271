//! `neweid chip-type`: the register of chip types (CARD-13), the cards on each, and what two persons decide about them.

use crate::clock;
use crate::country::Country;
use crate::failure::{Failure, Fault};
use model::ChipRisk;
use production::{CertifiedPart, ChipTypeEntry, KeyAssessment, KeyRisk, RegisteredChip, RiskProposal};
use serde_json::Value;
use std::path::Path;
use std::process::ExitCode;

/// Lists the register.
pub async fn list(dir: &Path, json: bool) -> Result<ExitCode, Failure> {
    let country = Country::open(dir).await?;
    let types = country.centre.chip_types().await.map_err(Failure::from_system)?;
    let cards = country.centre.cards_by_type().await.map_err(Failure::from_system)?;
    let risks = country.centre.key_risks(clock::now()).await.map_err(Failure::from_system)?;
    let of = |chip: &RegisteredChip| -> Vec<&KeyRisk> {
        risks.iter().filter(|risk| risk.name == chip.entry.name).collect()
    };
    let count = |chip: &RegisteredChip| cards.get(&chip.entry.name).copied().unwrap_or(0);
    if json {
        let mut list = Vec::new();
        for chip in &types {
            let mut one = serde_json::to_value(chip).map_err(Failure::ours)?;
            one["cards"] = count(chip).into();
            one["key_risks"] = serde_json::to_value(of(chip)).map_err(Failure::ours)?;
            list.push(one);
        }
        say!("{}", serde_json::to_string_pretty(&list).map_err(Failure::ours)?);
    } else {
        types.iter().for_each(|chip| show(chip, count(chip), &of(chip)));
    }
    Ok(ExitCode::SUCCESS)
}

fn show(chip: &RegisteredChip, cards: u64, risks: &[&KeyRisk]) {
    let entry = &chip.entry;
    let reason = chip.reason.as_deref().map(|reason| format!("（{reason}）")).unwrap_or_default();
    say!("{}  {} {}{reason}", entry.name, chip.risk.zh(), chip.risk);
    say!("  卡廠 manufacturer      {}", entry.manufacturer);
    say!("  晶片 chip              {}", entry.chip);
    say!("  作業系統 system        {}", entry.operating_system);
    let applets: Vec<_> = entry.applets.iter().map(|a| format!("{} {}", a.name, a.version)).collect();
    say!("  應用程式 applets       {}", applets.join(", "));
    let patchable = if entry.patchable { "可 yes" } else { "否 no" };
    say!("  可更新韌體 patchable   {patchable}");
    if let Some(hardware) = &entry.hardware {
        let rates: Vec<_> = hardware.bit_rates.iter().map(u16::to_string).collect();
        say!("  卡體 body              {}，{} 年 years", hardware.body, hardware.service_years);
        say!("  非接觸介面 contactless {} {} kbit/s", hardware.contactless, rates.join(", "));
        say!("  記憶體寫入 endurance   {}", hardware.endurance);
    }
    for certificate in &entry.certificates {
        let part = match certificate.part {
            CertifiedPart::Chip => "晶片 chip",
            CertifiedPart::OperatingSystem => "系統 system",
            CertifiedPart::Applets => "應用 applets",
        };
        let profiles = certificate.profiles.join(", ");
        say!("  安全認證 certificate   {part}: {} {} ({profiles})", certificate.level, certificate.reference);
    }
    say!("  ATR                    {}", chip.atr);
    say!("  ATS                    {}", chip.ats);
    for algorithms in &chip.algorithms {
        say!("  金鑰演算法 keys        {algorithms}");
    }
    for risk in risks {
        say!("  金鑰風險 key risk      {}", key_risk(risk));
    }
    say!("  卡片 cards             {}", cards);
    say!("");
}

/// How the keys of an algorithm stand.
fn key_risk(risk: &KeyRisk) -> String {
    let day = |at: jiff::Timestamp| model::RocDate::in_taipei(at).iso();
    let overdue = if risk.overdue { "△ 逾期 overdue，" } else { "" };
    let Some(due) = risk.due else {
        return format!("{}：尚無晶片 no chips yet", risk.algorithm);
    };
    let Some(last) = &risk.last else {
        return format!("{}：{overdue}尚未評估 not assessed yet，期限 due {}", risk.algorithm, day(due));
    };
    format!(
        "{}：{overdue}{} {}，{} {} / {}，下次 next {}（{}）",
        risk.algorithm,
        last.result.zh(),
        last.result,
        day(last.assessed_at),
        last.assessed_by,
        last.approved_by.as_deref().unwrap_or("-"),
        day(due),
        last.findings
    )
}

/// Lists the cards on one type.
pub async fn cards(dir: &Path, name: &str, json: bool) -> Result<ExitCode, Failure> {
    let country = Country::open(dir).await?;
    let cards = country.centre.cards_of_type(name).await.map_err(Failure::from_system)?;
    if json {
        say!("{}", serde_json::to_string_pretty(&cards).map_err(Failure::ours)?);
        return Ok(ExitCode::SUCCESS);
    }
    for card in &cards {
        let algorithms = card.algorithms.as_deref().unwrap_or("-");
        say!(
            "{}  {:<13} {algorithms}  {}",
            card.serial,
            card.state.as_str(),
            card.applets.as_deref().unwrap_or("-")
        );
    }
    say!("{} 張 cards", cards.len());
    Ok(ExitCode::SUCCESS)
}

/// Enters a type as a file says. What the register shows beside the entry (answers to reset, algorithms, judgement) may stand in the
/// file and is not taken from there: `list --json` is where a clerk begins.
pub async fn register(dir: &Path, file: &Path, operator: &str) -> Result<ExitCode, Failure> {
    let mut document: Value = serde_json::from_slice(&super::input(file)?).map_err(|_| malformed())?;
    let fields = document.as_object_mut().ok_or_else(malformed)?;
    for shown in ["atr", "ats", "algorithms", "profiles", "risk", "reason", "since", "cards", "key_risks"] {
        fields.remove(shown);
    }
    let entry: ChipTypeEntry = serde_json::from_value(document).map_err(|_| malformed())?;
    let country = Country::open(dir).await?;
    let done = country.centre.register_chip_type(&entry, operator, clock::now()).await;
    done.map_err(Failure::from_system)?;
    say!("已登錄 registered: {}", entry.name);
    Ok(ExitCode::SUCCESS)
}

fn malformed() -> Failure {
    Failure::new(
        "NEWEID-E-CHIP-TYPE",
        Fault::Caller,
        "晶片型別登錄檔內容不符。",
        "The file is no entry of a chip type.",
        "自 neweid chip-type list --json 取出一筆修改 Take one from neweid chip-type list --json and change it.",
    )
    .exit(2)
}

/// Proposes to judge a type otherwise.
pub async fn propose(
    dir: &Path,
    name: &str,
    risk: ChipRisk,
    reason: &str,
    operator: &str,
) -> Result<ExitCode, Failure> {
    let country = Country::open(dir).await?;
    let proposal = country
        .centre
        .propose_chip_risk(name, risk, reason, operator, clock::now())
        .await
        .map_err(Failure::from_system)?;
    say!("{}", line(&proposal));
    say!("另一人核可後才會生效。 Nothing changes until another person approves it:");
    say!("  neweid chip-type approve {} --operator NAME --dir {}", proposal.number, dir.display());
    Ok(ExitCode::SUCCESS)
}

/// Approves another person's proposal.
pub async fn approve(dir: &Path, number: u64, operator: &str) -> Result<ExitCode, Failure> {
    let country = Country::open(dir).await?;
    let approved = country.centre.approve_chip_risk(number, operator, clock::now()).await;
    say!("{}", line(&approved.map_err(Failure::from_system)?));
    Ok(ExitCode::SUCCESS)
}

/// Lists the proposals, newest first.
pub async fn proposals(dir: &Path, json: bool) -> Result<ExitCode, Failure> {
    let country = Country::open(dir).await?;
    let proposals = country.centre.chip_risk_proposals().await.map_err(Failure::from_system)?;
    if json {
        say!("{}", serde_json::to_string_pretty(&proposals).map_err(Failure::ours)?);
    } else if proposals.is_empty() {
        say!("沒有提案。 There are no proposals.");
    } else {
        proposals.iter().for_each(|proposal| say!("{}", line(proposal)));
    }
    Ok(ExitCode::SUCCESS)
}

/// Enters an assessment of the keys of a type.
pub async fn assess(
    dir: &Path,
    (name, algorithm): (&str, &str),
    result: ChipRisk,
    findings: &str,
    operator: &str,
) -> Result<ExitCode, Failure> {
    let country = Country::open(dir).await?;
    let entered = country.centre.assess_keys(name, algorithm, result, findings, operator, clock::now()).await;
    let entered = entered.map_err(Failure::from_system)?;
    say!("{}", assessment(&entered));
    say!("另一人核可後才列計。 It counts once another person approves it:");
    say!("  neweid chip-type approve-assessment {} --operator NAME --dir {}", entered.number, dir.display());
    Ok(ExitCode::SUCCESS)
}

/// Approves another person's assessment.
pub async fn approve_assessment(dir: &Path, number: u64, operator: &str) -> Result<ExitCode, Failure> {
    let country = Country::open(dir).await?;
    let approved = country.centre.approve_key_assessment(number, operator, clock::now()).await;
    say!("{}", assessment(&approved.map_err(Failure::from_system)?));
    Ok(ExitCode::SUCCESS)
}

/// Lists the assessments, newest first.
pub async fn assessments(dir: &Path, json: bool) -> Result<ExitCode, Failure> {
    let country = Country::open(dir).await?;
    let all = country.centre.key_assessments().await.map_err(Failure::from_system)?;
    if json {
        say!("{}", serde_json::to_string_pretty(&all).map_err(Failure::ours)?);
    } else if all.is_empty() {
        say!("沒有評估。 There are no assessments.");
    } else {
        all.iter().for_each(|one| say!("{}", assessment(one)));
    }
    Ok(ExitCode::SUCCESS)
}

fn assessment(one: &KeyAssessment) -> String {
    let approved = one
        .approved_by
        .as_ref()
        .map_or_else(|| "待核可 waits for approval".to_owned(), |by| format!("核可 approved by {by}"));
    format!(
        "{}: {} {} {} {}（{}）評估 assessed by {} {}; {approved}",
        one.number,
        one.name,
        one.algorithm,
        one.result.zh(),
        one.result,
        one.findings,
        one.assessed_by,
        one.assessed_at
    )
}

fn line(proposal: &RiskProposal) -> String {
    let RiskProposal { number, name, risk, reason, proposed_by, proposed_at, approved_by } = proposal;
    let approved = approved_by
        .as_ref()
        .map_or_else(|| "待核可 waits for approval".to_owned(), |by| format!("核可 approved by {by}"));
    format!(
        "{number}: {name} {} {risk}（{reason}）提案 proposed by {proposed_by} {proposed_at}; {approved}",
        risk.zh()
    )
}
