//! `neweid ceremony`: scripts for the keys of the natural-person CAs, decided and done by two persons.

use super::pki_ceremony::check_operator;
use crate::cli::ceremony::{Ceremony as Verb, Founding, Plan as Wanted, Reason as Why, Run};
use crate::clock;
use crate::country::Country;
use crate::directory::{Choices, Directory, Hsm};
use crate::failure::{Failure, Fault};
use curve::SecretBytes;
use keys::Backup;
use npc::{Ceremony, Hands, Plan, Provisions, Step};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::process::ExitCode;
use x509::crl::Reason;
use x509::{Certificate, Name};

/// Runs the command.
pub async fn run(verb: &Verb) -> Result<ExitCode, Failure> {
    if let Some(code) = found(verb).await? {
        return Ok(code);
    }
    match verb {
        Verb::Propose { what, operator, dir } => {
            check_operator(operator)?;
            let plan = plan(what)?;
            let country = Country::open(dir).await?;
            let proposed = country.npc.propose_ceremony(plan, operator, clock::now()).await;
            let proposed = proposed.map_err(Failure::from_system)?;
            say!("{}", proposed.text());
            say!("另一人核可後才可執行。 Nothing can be done until another person approves it:");
            say!("  neweid ceremony approve {} --operator NAME --dir {}", proposed.number, dir.display());
        }
        Verb::Approve { number, operator, dir } => {
            check_operator(operator)?;
            let country = Country::open(dir).await?;
            let approved = country.npc.approve_ceremony(*number, operator, clock::now()).await;
            say!("{}", approved.map_err(Failure::from_system)?.text());
            say!("執行 To carry it out:");
            say!("  neweid ceremony run {number} --operator NAME --witness NAME --dir {}", dir.display());
        }
        Verb::Run(run) => return carry_out(run).await,
        Verb::Abandon { number, operator, witness, because, dir } => {
            check_operator(operator)?;
            check_operator(witness)?;
            let country = Country::open(dir).await?;
            let hands = Hands { operator, witness };
            let left = country.npc.abandon_ceremony(*number, hands, because, clock::now()).await;
            say!("{}", left.map_err(Failure::from_system)?.text());
        }
        Verb::Show { number, dir, json } => {
            let country = Country::open(dir).await?;
            show(&country.npc.ceremony(*number).await.map_err(Failure::from_system)?, *json)?;
        }
        Verb::Record { number, out, dir } => record(*number, out, dir).await?,
        Verb::Verify { number, dir, json } => return verify(*number, dir, *json).await,
        Verb::List { dir, json } => {
            let country = Country::open(dir).await?;
            let all = country.npc.ceremonies().await.map_err(Failure::from_system)?;
            if *json {
                let list: Vec<_> = all.iter().map(document).collect();
                say!("{}", serde_json::to_string_pretty(&list).map_err(Failure::ours)?);
            } else if all.is_empty() {
                say!("沒有典禮。 There are no ceremonies.");
            } else {
                all.iter().for_each(|ceremony| say!("{}", line(ceremony)));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

// The ceremony that founds the hierarchy is held where there is no country yet. `None`: the verb is about another one.
async fn found(verb: &Verb) -> Result<Option<ExitCode>, Failure> {
    let (number, dir) = match verb {
        Verb::Propose { what: Wanted::Founding(_) | Wanted::Adoption { .. }, dir, .. } => (0, dir),
        Verb::Approve { number, dir, .. } | Verb::Show { number, dir, .. } => (*number, dir),
        Verb::Run(run) => (run.number, &run.dir),
        _ => return Ok(None),
    };
    if number != 0 || (dir.join("created").exists() && !matches!(verb, Verb::Propose { .. })) {
        return Ok(None);
    }
    let directory = match verb {
        Verb::Propose {
            what: Wanted::Founding(Founding { place: wanted, .. }) | Wanted::Adoption { place: wanted, .. },
            ..
        } => {
            let hsm = match (&wanted.pkcs11_module, &wanted.pkcs11_token, &wanted.pkcs11_pin_file) {
                (Some(module), Some(token), Some(pin_file)) => {
                    Some(Hsm { module: module.clone(), token: token.clone(), pin_file: pin_file.clone() })
                }
                _ => None,
            };
            let choices = Choices {
                listen: wanted.listen,
                port_base: wanted.port_base,
                database: wanted.database.clone(),
                hsm,
                npc_keys: None,
                npc_partitions: None,
            };
            Directory::open_or_create(dir, choices)?
        }
        _ => Directory::open(dir)?,
    };
    let _lock = directory.lock_for_serving()?;
    directory.settle()?;
    let founding = Country::founding(&directory).await?;
    let now = clock::now;
    match verb {
        Verb::Propose { what: Wanted::Founding(wanted), operator, dir } => {
            check_operator(operator)?;
            let proposed = founding.propose(wanted.root_key.kind(), wanted.key.kind(), operator, now()).await;
            say!("{}", proposed.map_err(Failure::from_system)?.text());
            say!("另一人核可後才可執行。 Nothing can be done until another person approves it:");
            say!("  neweid ceremony approve 0 --operator NAME --dir {}", dir.display());
        }
        Verb::Propose { what: Wanted::Adoption { document, .. }, operator, dir } => {
            check_operator(operator)?;
            let authority = super::adoption::read(document)?;
            let proposed = founding.propose_adoption(&authority, operator, now()).await;
            say!("{}", proposed.map_err(Failure::from_system)?.text());
            say!("另一人核可後才可執行。 Nothing can be done until another person approves it:");
            say!("  neweid ceremony approve 0 --operator NAME --dir {}", dir.display());
        }
        Verb::Approve { operator, dir, .. } => {
            check_operator(operator)?;
            say!("{}", founding.approve(operator, now()).await.map_err(Failure::from_system)?.text());
            say!("執行 To carry it out:");
            say!("  neweid ceremony run 0 --operator NAME --witness NAME --dir {}", dir.display());
        }
        Verb::Run(run) => {
            check_operator(&run.operator)?;
            check_operator(&run.witness)?;
            let hands = Hands { operator: &run.operator, witness: &run.witness };
            let step = async || {
                let mut files = super::adoption::Files::open(run)?;
                founding.step_with(hands, files.belongings(), now()).await.map_err(Failure::from_system)
            };
            let mut done = step().await?;
            while !run.step && done.finished_at.is_none() {
                done = step().await?;
            }
            show(&done, run.json)?;
            if done.finished_at.is_some() && !run.json {
                say!("開始服務 To serve: neweid up --dir {}", run.dir.display());
            }
        }
        Verb::Show { json, .. } => show(&founding.ceremony().await.map_err(Failure::from_system)?, *json)?,
        _ => return Ok(None),
    }
    Ok(Some(ExitCode::SUCCESS))
}

async fn carry_out(run: &Run) -> Result<ExitCode, Failure> {
    check_operator(&run.operator)?;
    check_operator(&run.witness)?;
    let hands = Hands { operator: &run.operator, witness: &run.witness };
    let copy = run.copy.as_deref().map(std::fs::read).transpose()?;
    let mut shares = Vec::with_capacity(run.share.len());
    for path in &run.share {
        shares.push(SecretBytes::from(std::fs::read(path)?));
    }
    let made = run.certificate.as_deref().map(certificate).transpose()?;
    let country = Country::open(&run.dir).await?;
    let mut done = country.npc.ceremony(run.number).await.map_err(Failure::from_system)?;
    loop {
        let mut keep = |backup: &Backup| match &run.out {
            Some(out) => write_backup(out, backup),
            None => Err(std::io::Error::other("--out")),
        };
        let provisions = Provisions {
            keep: run.out.is_some().then_some(&mut keep),
            restore: copy.as_deref().map(|copy| (copy, shares.as_slice())),
            certificate: made.as_deref(),
        };
        if done.next() == Some(Step::Accept) && made.is_none() {
            // The turn of the root's operator.
            break;
        }
        let step = country.npc.ceremony_step(run.number, hands, provisions, clock::now()).await;
        let now = step.map_err(Failure::from_system)?;
        let moved = now.done.len() > done.done.len();
        done = now;
        if run.step || done.finished_at.is_some() || !moved {
            break;
        }
    }
    let request =
        done.done.iter().flat_map(|done| &done.found).find(|(name, _)| name == "certification_request");
    if let (Some(path), Some((_, request))) = (&run.request, request) {
        crate::directory::write_atomically(path, request.as_bytes())?;
    }
    show(&done, run.json)?;
    if done.next() == Some(Step::Accept) && !run.json {
        say!("上層根憑證機構簽發後 Once the root's operator has certified the request:");
        say!(
            "  neweid ceremony run {} --certificate FILE --operator NAME --witness NAME --dir {}",
            run.number,
            run.dir.display()
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// The copy and one file for each custodian, in a directory that is made for them.
fn write_backup(out: &Path, backup: &Backup) -> std::io::Result<()> {
    std::fs::DirBuilder::new().mode(0o700).create(out)?;
    let write = |name: String, bytes: &[u8]| -> std::io::Result<()> {
        let mut file =
            std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(out.join(name))?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write("copy.json".into(), &backup.copy)?;
    for (n, share) in (1..).zip(&backup.shares) {
        write(format!("share-{n}.json"), share.expose())?;
    }
    std::fs::File::open(out)?.sync_all()
}

async fn record(number: u64, out: &Path, dir: &Path) -> Result<(), Failure> {
    let country = Country::open(dir).await?;
    let ceremony = country.npc.ceremony(number).await.map_err(Failure::from_system)?;
    let record = country.npc.ceremony_record(number, clock::now()).await.map_err(Failure::from_system)?;
    std::fs::create_dir_all(out)?;
    let files = [
        ("json", record.document.into_bytes()),
        ("txt", ceremony.text().into_bytes()),
        ("tsr", record.time_stamp),
    ];
    for (kind, content) in files {
        let path = out.join(format!("ceremony-{number}.{kind}"));
        crate::directory::write_atomically(&path, &content)?;
        say!("{}", path.display());
    }
    Ok(())
}

async fn verify(number: u64, dir: &Path, json: bool) -> Result<ExitCode, Failure> {
    let country = Country::open(dir).await?;
    let findings = country.npc.verify_ceremony(number, clock::now()).await.map_err(Failure::from_system)?;
    let right = findings.iter().all(|finding| finding.right);
    if json {
        let list: Vec<_> = findings
            .iter()
            .map(|f| serde_json::json!({ "what": f.what.1, "zh-Hant": f.what.0, "of": f.of, "right": f.right }))
            .collect();
        let document = serde_json::json!({ "ceremony": number, "right": right, "findings": list });
        say!("{}", serde_json::to_string_pretty(&document).map_err(Failure::ours)?);
    } else {
        for finding in &findings {
            let mark = if finding.right { "相符 yes" } else { "不符 NO" };
            say!("{mark}  {} {} {}", finding.what.0, finding.what.1, finding.of);
        }
    }
    Ok(if right { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn plan(wanted: &Wanted) -> Result<Plan, Failure> {
    Ok(match wanted {
        Wanted::Founding(_) => return Err(wrong("founding")),
        Wanted::Adoption { .. } => return Err(wrong("adoption")),
        Wanted::Generation { key, partitions } => {
            Plan::Generation { key: key.kind(), partitions: *partitions }
        }
        Wanted::Root { key } => Plan::Root { key: key.kind() },
        Wanted::Cross { foreign, path_length, permit_country, policy, days } => {
            let foreign = certificate(foreign)?;
            let own = Certificate::parse(&foreign)
                .ok()
                .and_then(|root| root.subject_name().ok().and_then(|name| name.country().map(str::to_owned)));
            let countries =
                if permit_country.is_empty() { own.into_iter().collect() } else { permit_country.clone() };
            let names = countries.iter().map(|code| Name::builder().country(code).build());
            let permitted = names.collect::<Result<Vec<_>, _>>().map_err(|_| wrong("--permit-country"))?;
            Plan::Cross { foreign, path_len: *path_length, permitted, policy: policy.clone(), days: *days }
        }
        Wanted::CrossImport { certificate: path, by } => {
            Plan::CrossImport { certificate: certificate(path)?, by: certificate(by)? }
        }
        Wanted::KeyBackup { label, threshold, shares } => {
            Plan::KeyBackup { label: label.clone(), threshold: *threshold, shares: *shares }
        }
        Wanted::KeyRestore { label } => Plan::KeyRestore { label: label.clone() },
        Wanted::KeyDestruction { label } => Plan::KeyDestruction { label: label.clone() },
        Wanted::Revocation { label, reason } => Plan::Revocation {
            label: label.clone(),
            reason: match reason {
                Why::CaCompromise => Reason::CaCompromise,
                Why::AffiliationChanged => Reason::AffiliationChanged,
                Why::Superseded => Reason::Superseded,
                Why::CessationOfOperation => Reason::CessationOfOperation,
            },
        },
    })
}

/// A certificate as PEM or DER.
pub(super) fn certificate(path: &Path) -> Result<Vec<u8>, Failure> {
    let bytes = std::fs::read(path)?;
    match std::str::from_utf8(&bytes) {
        Ok(text) if text.contains("-----BEGIN") => {
            x509::pem::decode("CERTIFICATE", text).map_err(|_| wrong(&path.display().to_string()))
        }
        _ => Ok(bytes),
    }
}

fn show(ceremony: &Ceremony, json: bool) -> Result<(), Failure> {
    if json {
        say!("{}", serde_json::to_string_pretty(&document(ceremony)).map_err(Failure::ours)?);
    } else {
        say!("{}", ceremony.text());
    }
    Ok(())
}

fn document(ceremony: &Ceremony) -> serde_json::Value {
    let steps = ceremony.steps.iter().enumerate().map(|(n, step)| {
        let (zh, en) = step.words();
        let done = ceremony.done.get(n).map(|done| {
            let found: serde_json::Map<String, serde_json::Value> =
                done.found.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
            serde_json::json!({
                "operator": done.operator,
                "witness": done.witness,
                "at": done.at.to_string(),
                "found": found,
            })
        });
        serde_json::json!({ "step": step.name(), "zh-Hant": zh, "en": en, "done": done })
    });
    serde_json::json!({
        "number": ceremony.number,
        "kind": ceremony.kind,
        "proposed_by": ceremony.proposed_by,
        "proposed_at": ceremony.proposed_at.to_string(),
        "approved_by": ceremony.approved.as_ref().map(|(by, _)| by),
        "finished_at": ceremony.finished_at.map(|at| at.to_string()),
        "steps": steps.collect::<Vec<_>>(),
    })
}

fn line(ceremony: &Ceremony) -> String {
    let state = match (&ceremony.approved, ceremony.finished_at) {
        (_, Some(at)) if ceremony.is_abandoned() => format!("放棄 given up {at}"),
        (_, Some(at)) => format!("完成 finished {at}"),
        (None, None) => "待核可 waits for approval".to_owned(),
        (Some((by, _)), None) => {
            format!("{by} 核可 approved, {}/{} 步 steps", ceremony.done.len(), ceremony.steps.len())
        }
    };
    format!("{} {}（{} 提案 proposed）{state}", ceremony.number, ceremony.kind, ceremony.proposed_by)
}

pub(super) fn wrong(what: &str) -> Failure {
    Failure::new(
        "NEWEID-E-CEREMONY",
        Fault::Caller,
        format!("{what} 無法解讀。"),
        format!("{what} is not understood."),
        "憑證為 PEM 或 DER，國碼為兩個大寫字母 Certificates are PEM or DER, countries two upper-case letters.",
    )
    .exit(2)
}
