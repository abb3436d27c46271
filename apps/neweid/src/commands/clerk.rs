//! `neweid clerk`: whose signed requests begin updates of cards.

use super::pki_ceremony::check_operator;
use crate::cli::Clerk;
use crate::clock;
use crate::country::Country;
use crate::failure::Failure;
use std::process::ExitCode;

/// Runs the command.
pub async fn run(clerk: &Clerk) -> Result<ExitCode, Failure> {
    match clerk {
        Clerk::Add { account, office, certificate, operator, dir } => {
            check_operator(operator)?;
            check_operator(account)?;
            let certificate = std::fs::read(certificate)
                .map_err(|error| crate::terminals::unreadable(certificate, &error))?;
            let certificate = super::der(&certificate, &["CERTIFICATE"]);
            let country = Country::open(dir).await?;
            let appointed =
                country.mgmt.appoint_clerk(account, *office, &certificate, operator, clock::now()).await;
            appointed.map_err(Failure::from_system)?;
            say!("已登錄承辦人員 registered: {account} ({office})");
        }
        Clerk::Remove { account, operator, dir } => {
            check_operator(operator)?;
            let country = Country::open(dir).await?;
            let gone = country.mgmt.dismiss_clerk(account, operator, clock::now()).await;
            gone.map_err(Failure::from_system)?;
            say!("已移除承辦人員 removed: {account}");
        }
        Clerk::List { dir, json } => {
            let country = Country::open(dir).await?;
            let clerks = country.mgmt.clerks().await.map_err(Failure::from_system)?;
            if *json {
                let list: Vec<_> = clerks
                    .iter()
                    .map(|clerk| serde_json::json!({ "account": clerk.account, "office": clerk.office.as_str() }))
                    .collect();
                say!("{}", serde_json::to_string_pretty(&list).map_err(Failure::ours)?);
            } else if clerks.is_empty() {
                say!("沒有承辦人員。 There is no clerk.");
            } else {
                clerks.iter().for_each(|clerk| say!("{}  {}", clerk.account, clerk.office));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
