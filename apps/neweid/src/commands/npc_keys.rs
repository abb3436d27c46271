//! `neweid npc keys check-common-factors|common-factors`: RSA keys beside each other.

use super::pki_ceremony::check_operator;
use crate::cli::NpcKeys;
use crate::clock;
use crate::country::Country;
use crate::failure::Failure;
use std::process::ExitCode;

/// Runs `neweid npc keys`.
pub async fn run(command: &NpcKeys) -> Result<ExitCode, Failure> {
    match command {
        NpcKeys::CheckCommonFactors { operator, dir } => {
            check_operator(operator)?;
            let country = Country::open(dir).await?;
            let mut progress = |so_far: npc::Compared| {
                say!("已比對 {0} 把金鑰。 {0} keys compared.", so_far.moduli);
            };
            let all = country.npc.check_common_factors(operator, clock::now(), &mut progress).await;
            let all = all.map_err(Failure::from_system)?;
            say!("✓ 全部 {0} 把 RSA 金鑰均已相互比對。 All {0} RSA keys are compared.", all.moduli);
            list(&country).await
        }
        NpcKeys::CommonFactors { dir, json: false } => list(&Country::open(dir).await?).await,
        NpcKeys::CommonFactors { dir, json: true } => {
            let country = Country::open(dir).await?;
            let found = country.npc.common_factors(clock::now()).await.map_err(Failure::from_system)?;
            let list: Vec<_> = found
                .iter()
                .map(|one| {
                    serde_json::json!({
                        "serial": hex::encode(one.serial.octets()),
                        "card": one.card,
                        "other": hex::encode(one.other.octets()),
                        "found_at": one.found_at.to_string(),
                        "state": one.state,
                    })
                })
                .collect();
            say!("{}", serde_json::to_string_pretty(&list).map_err(Failure::ours)?);
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// What was found; 1 if two persons have something to decide.
async fn list(country: &Country) -> Result<ExitCode, Failure> {
    let found = country.npc.common_factors(clock::now()).await.map_err(Failure::from_system)?;
    if found.is_empty() {
        say!("沒有共用因數之金鑰。 No keys with a common factor were found.");
        return Ok(ExitCode::SUCCESS);
    }
    for one in &found {
        let (serial, other) = (hex::encode(one.serial.octets()), hex::encode(one.other.octets()));
        say!("✗ {serial}（卡片 card {}，{}）與 shares a factor with {other}", one.card, one.state);
    }
    if found.iter().all(|one| matches!(one.state, "revoked" | "expired")) {
        return Ok(ExitCode::SUCCESS);
    }
    say!(
        "其私鑰可由憑證算出，應由二人廢止。 Their private keys follow from their certificates; two persons revoke them:"
    );
    say!(
        "  neweid npc incident propose revoke --reason key_compromise --fingerprint shared-factor --operator NAME"
    );
    Ok(ExitCode::FAILURE)
}
