//! `neweid npc policy show|list|propose|approve` and `neweid npc cps`.

use super::pki_ceremony::check_operator;
use crate::cli::policy::Policy as Verb;
use crate::clock;
use crate::country::Country;
use crate::directory::write_atomically;
use crate::failure::Failure;
use std::path::Path;
use std::process::ExitCode;

/// Runs `neweid npc policy`.
pub async fn run(verb: &Verb) -> Result<ExitCode, Failure> {
    match verb {
        Verb::Show { dir } => {
            let country = Country::open(dir).await?;
            let (_, policy) = country.npc.policy().await.map_err(Failure::from_system)?;
            say!("{}", serde_json::to_string_pretty(&policy).map_err(Failure::ours)?);
        }
        Verb::List { dir, json } => {
            let country = Country::open(dir).await?;
            let (in_force, _) = country.npc.policy().await.map_err(Failure::from_system)?;
            let all = country.npc.policies().await.map_err(Failure::from_system)?;
            let by = |who: &Option<(String, jiff::Timestamp)>| who.as_ref().map(|(by, _)| by.clone());
            if *json {
                let list = all.iter().map(|v| {
                    serde_json::json!({
                        "version": v.version,
                        "in_force": v.version == in_force,
                        "proposed_by": by(&v.proposed),
                        "approved_by": by(&v.approved),
                        "policy": v.policy,
                    })
                });
                let list: Vec<_> = list.collect();
                say!("{}", serde_json::to_string_pretty(&list).map_err(Failure::ours)?);
                return Ok(ExitCode::SUCCESS);
            }
            for v in &all {
                let state = match (&v.proposed, &v.approved) {
                    _ if v.version == in_force => "現行 in force",
                    (Some(_), None) => "待核可 waits for approval",
                    _ => "已被取代 replaced",
                };
                let people = [by(&v.proposed), by(&v.approved)].into_iter().flatten().collect::<Vec<_>>();
                say!("{} {state} {}", v.version, people.join(", "));
            }
        }
        Verb::Propose { file, operator, dir } => {
            check_operator(operator)?;
            let document = std::fs::read_to_string(file)?;
            let country = Country::open(dir).await?;
            let version = country.npc.propose_policy(&document, operator, clock::now()).await;
            let version = version.map_err(Failure::from_system)?;
            say!("第 {version} 版待另一人核可。 Version {version} waits for another person:");
            say!("  neweid npc policy approve {version} --operator NAME --dir {}", dir.display());
        }
        Verb::Approve { version, operator, dir } => {
            check_operator(operator)?;
            let country = Country::open(dir).await?;
            country
                .npc
                .approve_policy(*version, operator, clock::now())
                .await
                .map_err(Failure::from_system)?;
            say!("第 {version} 版生效。 Version {version} is in force.");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs `neweid npc cps`.
pub async fn practice_statement(out: Option<&Path>, dir: &Path) -> Result<ExitCode, Failure> {
    let country = Country::open(dir).await?;
    let text = country.npc.practice_statement().await.map_err(Failure::from_system)?;
    match out {
        Some(path) => {
            write_atomically(path, text.as_bytes())?;
            say!("{}", path.display());
        }
        None => say!("{text}"),
    }
    Ok(ExitCode::SUCCESS)
}
