//! `neweid card request` and `neweid card updates`: what begins an update of a card, and what proves it afterwards.

use crate::cards;
use crate::cli::UpdateRequest;
use crate::clock;
use crate::country::Country;
use crate::directory::write_atomically;
use crate::failure::Failure;
use std::path::Path;
use std::process::ExitCode;

/// Exit code: what is kept of an update does not fit together.
const ALTERED: u8 = 13;

/// Writes the request that the clerk signs.
pub async fn request(arguments: &UpdateRequest) -> Result<ExitCode, Failure> {
    let serial = cards::parse_serial(&arguments.serial)?;
    let country = Country::open(&arguments.dir).await?;
    let UpdateRequest { clerk, occasion, applicant, documents, .. } = arguments;
    let (mgmt, now) = (&country.mgmt, clock::now());
    let request = match (arguments.outing, &arguments.device) {
        (Some(outing), Some(device)) => {
            let on = mgmt::OnOuting { outing, device: device.clone() };
            mgmt.request_update_on_outing(serial, clerk, *occasion, *applicant, documents, on, now).await
        }
        _ => mgmt.request_update(serial, clerk, *occasion, *applicant, documents, now).await,
    };
    let request = request.map_err(Failure::from_system)?;
    write_atomically(&arguments.out, &request.to_json())?;
    if arguments.json {
        let document = serde_json::json!({
            "card": serial.as_str(),
            "clerk": &arguments.clerk,
            "request": &arguments.out,
        });
        say!("{}", serde_json::to_string_pretty(&document).map_err(Failure::ours)?);
        return Ok(ExitCode::SUCCESS);
    }
    say!("更新申請待簽章 Request to be signed: {}", arguments.out.display());
    say!("  neweid sign --key rsa-sign --format cms --in {} --out ...", arguments.out.display());
    Ok(ExitCode::SUCCESS)
}

/// Lists the updates of a card, each verified.
pub async fn list(serial: &str, dir: &Path, json: bool) -> Result<ExitCode, Failure> {
    let serial = cards::parse_serial(serial)?;
    let country = Country::open(dir).await?;
    let proofs = country.mgmt.verify_updates(serial).await.map_err(Failure::from_system)?;
    let good = proofs.iter().all(|proof| proof.problems.is_empty());
    if json {
        let list: Vec<_> = proofs
            .iter()
            .map(|proof| {
                let record = &proof.record;
                serde_json::json!({
                    "number": record.number,
                    "at": record.at.to_string(),
                    "fields": record.fields,
                    "office": record.office.as_str(),
                    "clerk": record.clerk,
                    "result": record.result,
                    "package_sha256": hex::encode(&record.package_hash),
                    "request": record.request,
                    "occasion": proof.request.as_ref().map(|request| request.occasion.as_str()),
                    "applicant": proof.request.as_ref().map(|request| request.applicant.as_str()),
                    "outing": proof.request.as_ref().and_then(|request| request.on.as_ref()).map(|on| on.outing),
                    "device": proof.request.as_ref().and_then(|request| request.on.as_ref()).map(|on| &on.device),
                    "receipt": record.receipt.as_ref().map(hex::encode),
                    "receipt_key": record.receipt_key.as_ref().map(hex::encode),
                    "verified": proof.problems.is_empty(),
                    "problems": proof.problems,
                })
            })
            .collect();
        say!("{}", serde_json::to_string_pretty(&list).map_err(Failure::ours)?);
    } else if proofs.is_empty() {
        say!("此卡片未曾更新。 The card has had no update.");
    }
    for proof in proofs.iter().filter(|_| !json) {
        let record = &proof.record;
        let mark = if proof.problems.is_empty() { "查驗相符 verified" } else { "查驗不符 ALTERED" };
        say!("{}  {}  {}  {mark}", record.number, record.at, record.result);
        say!("    {} {} {}", record.office, record.clerk, record.fields.join(" "));
        if let Some(on) = proof.request.as_ref().and_then(|request| request.on.as_ref()) {
            say!("    行動化更新 on outing {}（{}）", on.outing, on.device);
        }
        proof.problems.iter().for_each(|problem| say!("    ✗ {problem}"));
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(ALTERED) })
}
