//! `neweid persona`: the catalogue of sample cards, and the cards as files.

use super::card_profile;
use crate::cli::PersonaProfile;
use crate::country::Country;
use crate::failure::{Failure, Fault};
use crate::personas::{self, Own, PERSONAS};
use model::CardProfile;
use serde::Serialize;
use std::path::Path;
use std::process::ExitCode;
use terminal::{CheckKind, Verdict};

/// One line of the list.
#[derive(Serialize)]
struct Row {
    name: &'static str,
    zh: &'static str,
    en: &'static str,
    finding_zh: &'static str,
    finding_en: &'static str,
    verdict: Verdict,
    check: Option<CheckKind>,
    profiles: Vec<CardProfile>,
}

/// Runs `neweid persona list`.
pub fn list(json: bool) -> Result<ExitCode, Failure> {
    if json {
        let rows: Vec<Row> = PERSONAS
            .iter()
            .map(|persona| Row {
                name: persona.name,
                zh: persona.zh,
                en: persona.en,
                finding_zh: persona.finding_zh,
                finding_en: persona.finding_en,
                verdict: persona.verdict,
                check: persona.check,
                profiles: persona.profiles(),
            })
            .collect();
        say!("{}", serde_json::to_string_pretty(&rows).map_err(Failure::ours)?);
        return Ok(ExitCode::SUCCESS);
    }
    for persona in PERSONAS {
        let mark = if persona.verdict == Verdict::Verified { "✓" } else { "✗" };
        say!("{mark} {:<18}{} {}", persona.name, persona.zh, persona.en);
        say!("{:>20}{}", "", persona.finding_zh);
        say!("{:>20}{}", "", persona.finding_en);
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs `neweid persona export`.
pub async fn export(
    name: Option<&str>,
    dir: &Path,
    out: &Path,
    profile: &PersonaProfile,
    json: bool,
) -> Result<ExitCode, Failure> {
    let wanted: Vec<usize> = match name {
        Some(name) => vec![find(name)?],
        None => (0..PERSONAS.len()).collect(),
    };
    let exports = match profile {
        PersonaProfile::Offered(profile) => {
            let country = Country::open(dir).await?;
            personas::export(&country, &wanted, *profile, out).await?
        }
        PersonaProfile::Own(file) => {
            let own = own(file)?;
            let number = match wanted[..] {
                [number] if PERSONAS[number].takes_own_profiles() => number,
                _ => return Err(no_own_profile()),
            };
            vec![personas::export_own(&Country::open(dir).await?, number, &own, out).await?]
        }
    };
    if json {
        say!("{}", serde_json::to_string_pretty(&exports).map_err(Failure::ours)?);
        return Ok(ExitCode::SUCCESS);
    }
    for export in &exports {
        say!("{}", export.path.display());
    }
    if let Some(first) = exports.first() {
        say!("\n接下來 Next:");
        say!("  neweid card insert {} --interface contactless", first.path.display());
        say!("  neweid card face {} --out card.png", first.path.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// A profile of somebody's own, checked.
fn own(file: &Path) -> Result<Own, Failure> {
    let text = card_profile::read(file)?;
    Own::new(&text).map_err(|findings| {
        let told: Vec<_> =
            findings.iter().map(|finding| (finding.code, card_profile::told(finding))).collect();
        let zh: Vec<String> = told.iter().map(|(code, (zh, _))| format!("{code} {zh}")).collect();
        let en: Vec<String> = told.iter().map(|(code, (_, en))| format!("{code} {en}")).collect();
        Failure::new(
            "NEWEID-E-PROFILE",
            Fault::Caller,
            format!("設定檔不能用以製作樣卡：{}", zh.join("；")),
            format!("No sample card is made of this profile: {}", en.join("; ")),
            format!("neweid card profile check {}", file.display()),
        )
        .exit(2)
    })
}

fn no_own_profile() -> Failure {
    let names: Vec<&str> =
        PERSONAS.iter().filter(|persona| persona.takes_own_profiles()).map(|persona| persona.name).collect();
    Failure::new(
        "NEWEID-E-PERSONA-PROFILE",
        Fault::Caller,
        format!("以自己的設定檔製卡，一次一個人物：{}", names.join("、")),
        format!("With a profile of your own, one persona at a time, of these: {}", names.join(", ")),
        "neweid persona export normal --profile FILE.toml --out DIR",
    )
    .exit(2)
}

/// The number of a persona in the catalogue.
pub fn find(name: &str) -> Result<usize, Failure> {
    personas::by_name(name).map(|(number, _)| number).ok_or_else(|| {
        Failure::new(
            "NEWEID-E-PERSONA-UNKNOWN",
            Fault::Caller,
            format!("沒有名為「{name}」的人物卡。"),
            format!("There is no persona named `{name}`."),
            "neweid persona list",
        )
        .exit(2)
    })
}
