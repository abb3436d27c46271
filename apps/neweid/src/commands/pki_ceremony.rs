//! `neweid pki propose|approve|proposals`: what two persons decide about the country signing CA and its document signers.

use crate::cli::{Proposed, RevocationReason};
use crate::clock;
use crate::country::Country;
use crate::failure::{Failure, Fault};
use docsigner::{Act, Proposal};
use std::path::Path;
use std::process::ExitCode;
use x509::crl::Reason;

/// Proposes a roll-over or the revocation of a document signer.
pub async fn propose(dir: &Path, proposed: &Proposed, operator: &str) -> Result<ExitCode, Failure> {
    let country = Country::open(dir).await?;
    let act = match proposed {
        Proposed::RollOver => Act::RollOver,
        Proposed::Revoke { signer, reason } => Act::Revoke { number: *signer, reason: reason_of(*reason) },
    };
    let proposal =
        country.docsigner.propose(act, operator, clock::now()).await.map_err(Failure::from_system)?;
    say!("{}", line(&proposal));
    say!("另一人核可後才會執行。 Nothing happens until another person approves it:");
    say!("  neweid pki approve {} --operator NAME --dir {}", proposal.number, dir.display());
    Ok(ExitCode::SUCCESS)
}

/// Approves a proposal of somebody else, which does it.
pub async fn approve(dir: &Path, number: u64, operator: &str) -> Result<ExitCode, Failure> {
    let country = Country::open(dir).await?;
    let proposal = country
        .docsigner
        .approve(number, operator, clock::now(), &mut country.random())
        .await
        .map_err(Failure::from_system)?;
    say!("{}", line(&proposal));
    Ok(ExitCode::SUCCESS)
}

/// Lists the proposals, newest first.
pub async fn proposals(dir: &Path, json: bool) -> Result<ExitCode, Failure> {
    let country = Country::open(dir).await?;
    let proposals = country.docsigner.proposals().await.map_err(Failure::from_system)?;
    if json {
        let list: Vec<_> = proposals
            .iter()
            .map(|p| {
                serde_json::json!({
                    "number": p.number,
                    "act": words(&p.act).1,
                    "proposed_by": p.proposed_by,
                    "proposed_at": p.proposed_at.to_string(),
                    "approved_by": p.approved_by,
                })
            })
            .collect();
        say!("{}", serde_json::to_string_pretty(&list).map_err(Failure::ours)?);
    } else if proposals.is_empty() {
        say!("沒有提案。 There are no proposals.");
    } else {
        proposals.iter().for_each(|proposal| say!("{}", line(proposal)));
    }
    Ok(ExitCode::SUCCESS)
}

/// An operator's name as the log keeps it; refused before a country is opened.
pub fn check_operator(operator: &str) -> Result<(), Failure> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
    if (1..=64).contains(&operator.len()) && operator.chars().all(plain) {
        return Ok(());
    }
    Err(Failure::new(
        "NEWEID-E-OPERATOR",
        Fault::Caller,
        "操作者帳號由 1 至 64 個英數字或 -_.@ 組成。",
        "An operator's account has 1 to 64 letters, digits and -_.@.",
        "例 Example: --operator clerk-7",
    )
    .exit(2))
}

fn line(proposal: &Proposal) -> String {
    let (zh, en) = words(&proposal.act);
    let state = match &proposal.approved_by {
        Some(by) => format!("已由 {by} 核可 approved by {by}"),
        None => "待核可 waits".to_owned(),
    };
    format!(
        "{} {zh} {en}（{} 提案 proposed by {}）{state}",
        proposal.number, proposal.proposed_by, proposal.proposed_by
    )
}

pub fn words(act: &Act) -> (String, String) {
    match act {
        Act::RollOver => ("更換國家簽章金鑰".into(), "roll the country signing key over".into()),
        Act::Revoke { number, .. } => {
            (format!("廢止文件簽章憑證 {number}"), format!("revoke document signer {number}"))
        }
    }
}

const fn reason_of(reason: RevocationReason) -> Reason {
    match reason {
        RevocationReason::KeyCompromise => Reason::KeyCompromise,
        RevocationReason::Superseded => Reason::Superseded,
        RevocationReason::CessationOfOperation => Reason::CessationOfOperation,
    }
}
