//! `neweid npc ra propose|approve|proposals|list|remove` and `neweid npc enrol`: the registration authorities that may ask the CA for certificates
//! over CMP, and what they may ask for.

use super::pki_ceremony::check_operator;
use crate::cli::Ra;
use crate::clock;
use crate::country::Country;
use crate::failure::{Failure, Fault};
use model::{CardSerial, KeySlot, RocDate};
use npc::{Carrier, Enrolment, RaProposal};
use serde::Deserialize;
use std::io::Read;
use std::path::Path;
use std::process::ExitCode;
use uuid::Uuid;

/// Runs `neweid npc ra`.
pub async fn run(command: &Ra) -> Result<ExitCode, Failure> {
    match command {
        Ra::Propose { name, certificate, operator, dir } => {
            check_operator(operator)?;
            let bytes = std::fs::read(certificate)?;
            let der = match std::str::from_utf8(&bytes) {
                Ok(text) => x509::pem::decode("CERTIFICATE", text).map_err(|_| unreadable())?,
                Err(_) => bytes,
            };
            let country = Country::open(dir).await?;
            let proposal = country.npc.propose_ra(name, &der, operator, clock::now()).await;
            let proposal = proposal.map_err(Failure::from_system)?;
            say!("提案待另一人核可。 The proposal waits for another person: {name}");
            say!("  憑證指紋 certificate {}", hex::encode(proposal.certificate.fingerprint()));
            say!("  neweid npc ra approve {} --operator NAME --dir {}", proposal.number, dir.display());
        }
        Ra::Approve { number, operator, dir } => {
            check_operator(operator)?;
            let country = Country::open(dir).await?;
            let approved = country.npc.approve_ra(*number, operator, clock::now()).await;
            let approved = approved.map_err(Failure::from_system)?;
            say!("已登錄註冊中心 registered: {}", approved.name);
            say!("  憑證指紋 certificate {}", hex::encode(approved.certificate.fingerprint()));
            say!("  {}/cmp", base(&country));
        }
        Ra::Proposals { dir, json } => {
            let country = Country::open(dir).await?;
            let open = country.npc.open_ra_proposals(clock::now()).await.map_err(Failure::from_system)?;
            if *json {
                let list: Vec<_> = open.iter().map(described).collect();
                say!("{}", serde_json::to_string_pretty(&list).map_err(Failure::ours)?);
            } else if open.is_empty() {
                say!("沒有待核可之提案。 Nothing waits for approval.");
            }
            for proposal in open.iter().filter(|_| !*json) {
                let fingerprint = hex::encode(proposal.certificate.fingerprint());
                let (zh, en) = words(proposal);
                say!("{}  {zh} {en}  {fingerprint}  {}", proposal.number, proposal.proposed_by);
            }
        }
        Ra::Remove { name, operator, dir } => {
            check_operator(operator)?;
            let country = Country::open(dir).await?;
            country.npc.remove_ra(name, operator, clock::now()).await.map_err(Failure::from_system)?;
            say!("已移除註冊中心 removed: {name}");
        }
        Ra::List { dir, json } => {
            let country = Country::open(dir).await?;
            let all = country.npc.ras().await.map_err(Failure::from_system)?;
            let list: Vec<_> = all
                .iter()
                .map(|ra| {
                    let subject = ra.certificate.subject_name().map(|name| name.to_string());
                    serde_json::json!({
                        "name": ra.name,
                        "certificate": subject.unwrap_or_default(),
                        "fingerprint": hex::encode(ra.certificate.fingerprint()),
                        "not_after": ra.certificate.not_after().to_string(),
                    })
                })
                .collect();
            if *json {
                say!("{}", serde_json::to_string_pretty(&list).map_err(Failure::ours)?);
            } else if all.is_empty() {
                say!("沒有註冊中心。 There is no registration authority.");
            } else {
                all.iter().for_each(|ra| say!("{}  {}", ra.name, ra.certificate.not_after()));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What is proposed, in both languages.
pub fn words(proposal: &RaProposal) -> (String, String) {
    let name = &proposal.name;
    match proposal.replaces {
        None => (format!("登錄註冊中心 {name}"), format!("register the registration authority {name}")),
        Some(_) => (
            format!("更換註冊中心 {name} 之憑證"),
            format!("another certificate for the registration authority {name}"),
        ),
    }
}

fn described(proposal: &RaProposal) -> serde_json::Value {
    let subject = proposal.certificate.subject_name().map(|name| name.to_string());
    serde_json::json!({
        "number": proposal.number,
        "name": proposal.name,
        "certificate": subject.unwrap_or_default(),
        "fingerprint": hex::encode(proposal.certificate.fingerprint()),
        "replaces": proposal.replaces.as_ref().map(hex::encode),
        "proposed_by": proposal.proposed_by,
        "proposed_at": proposal.proposed_at.to_string(),
    })
}

/// Runs `neweid npc enrol`: what is enrolled names a person, so it comes from a file or standard input.
pub async fn enrol(file: &Path, operator: &str, dir: &Path) -> Result<ExitCode, Failure> {
    check_operator(operator)?;
    let mut text = String::new();
    if file == Path::new("-") {
        std::io::stdin().read_to_string(&mut text)?;
    } else {
        text = std::fs::read_to_string(file)?;
    }
    let enrolment = parse(&text)?;
    let country = Country::open(dir).await?;
    country.npc.enrol(&enrolment, operator, clock::now()).await.map_err(Failure::from_system)?;
    say!("已登記 enrolled: {} {}", enrolment.card, enrolment.slot.id());
    Ok(ExitCode::SUCCESS)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    request_id: String,
    ra: String,
    carrier: String,
    card: CardSerial,
    rests_on: Option<CardSerial>,
    chip_model: Option<String>,
    slot: u8,
    person: String,
    name: String,
    id_tail: String,
    issue_date: RocDate,
    renewal_date: Option<RocDate>,
    reissue: Option<RocDate>,
}

pub fn parse(text: &str) -> Result<Enrolment, Failure> {
    // The parser's own words quote what it read, which names a person.
    let file: File = serde_json::from_str(text).map_err(|_| malformed("JSON"))?;
    let mut person = [0; 32];
    hex::decode_to_slice(&file.person, &mut person).map_err(|_| malformed("person"))?;
    Ok(Enrolment {
        request_id: Uuid::parse_str(&file.request_id).map_err(|_| malformed("request_id"))?,
        ra: file.ra,
        carrier: Carrier::from_name(&file.carrier).ok_or_else(|| malformed("carrier"))?,
        card: file.card,
        rests_on: file.rests_on,
        chip_model: file.chip_model,
        slot: KeySlot::from_id(file.slot).ok_or_else(|| malformed("slot"))?,
        person,
        subject_name: file.name,
        id_tail: file.id_tail,
        issue_date: file.issue_date,
        renewal_date: file.renewal_date,
        reissue: file.reissue,
    })
}

fn malformed(what: &str) -> Failure {
    Failure::new(
        "NEWEID-E-ENROLMENT",
        Fault::Caller,
        format!("登記檔內容不符：{what}。"),
        format!("The enrolment is not what it must be: {what}."),
        "格式見 Its form: docs/cli.md, neweid npc enrol",
    )
    .exit(2)
}

fn unreadable() -> Failure {
    Failure::new(
        "NEWEID-E-RA-CERTIFICATE",
        Fault::Caller,
        "檔案中沒有憑證。",
        "There is no certificate in the file.",
        "PEM 或 DER 格式之憑證 A certificate in PEM or DER",
    )
    .exit(2)
}

fn base(country: &Country) -> &str {
    country.npc.config().urls.ocsp.trim_end_matches("/ocsp")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"request_id":"00000000-0000-0000-0000-000000000001","ra":"counter","carrier":"certificate-card",
        "card":"TWC000001","slot":1,"person":"0101010101010101010101010101010101010101010101010101010101010101",
        "name":"測試用王小明","id_tail":"6789","issue_date":"2026-08-01"}"#;

    #[test]
    fn an_enrolment_is_read_whole_or_not_at_all_and_never_quoted() {
        let enrolment = parse(GOOD).expect("good");
        assert_eq!((enrolment.slot, enrolment.renewal_date), (KeySlot::SigningRsa, None));
        for (from, to) in [
            ("certificate-card", "bus-pass"),
            ("\"slot\":1", "\"slot\":5"),
            ("\"slot\":1", "\"slot\":1,\"pin\":\"1234\""),
            ("0101", "zz01"),
            ("00000000-", "0-"),
            ("2026-08-01", "yesterday"),
        ] {
            let failure = parse(&GOOD.replacen(from, to, 1)).err().expect(to);
            assert_eq!(failure.code, "NEWEID-E-ENROLMENT");
            assert!(!failure.message.contains("王小明"));
        }
    }
}
