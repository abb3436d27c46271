//! `neweid card accept` and `neweid card paper-loss`: what a holder says at a counter and management writes down.

use super::pki_ceremony::check_operator;
use crate::cards;
use crate::clock;
use crate::country::Country;
use crate::failure::Failure;
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;

/// The holder confirms the content of the certificates, or objects to it (NPC-39).
pub async fn accept(
    serial: &str,
    accepted: bool,
    clerk: &str,
    dir: &Path,
    json: bool,
) -> Result<ExitCode, Failure> {
    check_operator(clerk)?;
    let serial = cards::parse_serial(serial)?;
    let country = Country::open(dir).await?;
    let answered = country.mgmt.answer_certificates(serial, accepted, clerk, clock::now()).await;
    answered.map_err(Failure::from_system)?;
    match (json, accepted) {
        (true, _) => say!("{}", json!({ "card": serial.as_str(), "accepted": accepted })),
        (false, true) => say!("已確認憑證內容 The content of the certificates is confirmed: {serial}"),
        (false, false) => say!("已提出異議，憑證廢止 Objected, and the certificates are revoked: {serial}"),
    }
    Ok(ExitCode::SUCCESS)
}

/// The loss of a paper identity card (LOSS-14). Whose it was is in no output.
pub async fn paper_loss(person: &Path, clerk: &str, dir: &Path, json: bool) -> Result<ExitCode, Failure> {
    check_operator(clerk)?;
    let person = super::ra::person_of(person)?;
    let country = Country::open(dir).await?;
    let reported = country.mgmt.report_paper_loss(&person, clerk, clock::now()).await;
    reported.map_err(Failure::from_system)?;
    if json {
        say!("{}", json!({ "reported": true }));
    } else {
        say!(
            "已受理紙本身分證掛失，得於線上申請補領。 The loss is noted; a replacement can be applied for online."
        );
    }
    Ok(ExitCode::SUCCESS)
}
