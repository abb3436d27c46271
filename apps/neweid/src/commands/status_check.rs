//! `neweid status check`: the status of a certificate from a revocation filter on this machine. Nobody is asked.
//!
//! Exit code 0 good, 3 suspended, 4 revoked, 5 not covered by the filter, 6 the chain is not in order.

use crate::cli::StatusCheck;
use crate::clock;
use crate::failure::{Failure, Fault};
use status::check::{Verdict, check};
use status::filter::{Filter, State, Trust};
use std::path::Path;
use std::process::ExitCode;
use x509::Certificate;

/// Runs the command.
pub fn run(arguments: &StatusCheck) -> Result<ExitCode, Failure> {
    let now = arguments.at.unwrap_or_else(clock::now);
    let certificate = certificates(&arguments.certificate)?.into_iter().next();
    let certificate = certificate.ok_or_else(|| unreadable(&arguments.certificate, "no certificate"))?;
    let (anchors, intermediates) = trusted(&arguments.trust)?;
    let trust = Trust { anchors: &anchors, intermediates: &intermediates };
    let document = read(&arguments.filter)?;
    let filter = Filter::open(&document, &trust, now).map_err(|error| {
        Failure::new(
            "NEWEID-E-FILTER",
            Fault::Peer,
            format!("廢止篩選檔不可採信：{error}"),
            format!("The revocation filter is not to be believed: {error}"),
            "重新下載，並確認 --trust 內有其根憑證 Download it again, and see that --trust has its root.",
        )
        .exit(2)
    })?;
    let (code, word, zh, detail) = match check(&certificate, &filter, &trust, now) {
        Verdict::State(State::Good) => (0, "good", "有效", String::new()),
        Verdict::State(State::Suspended) => (3, "suspended", "停用", String::new()),
        Verdict::State(State::Revoked) => (4, "revoked", "廢止", String::new()),
        Verdict::NotCovered(why) => (5, "not covered", "篩選檔未涵蓋", why.as_str().to_owned()),
        Verdict::Invalid(refusal) => (6, "invalid", "憑證鏈不符", refusal.to_string()),
        _ => (5, "not covered", "篩選檔未涵蓋", String::new()),
    };
    let serial = certificate.serial().map(|serial| serial.to_string()).unwrap_or_default();
    if arguments.json {
        let document = serde_json::json!({
            "status": word,
            "detail": detail,
            "serial": serial,
            "filter": { "number": filter.number(), "this_update": filter.this_update().to_string(),
                "next_update": filter.next_update().to_string(), "certificates": filter.certificates() },
        });
        say!("{document:#}");
    } else {
        say!("{zh} {word}  {detail}");
        say!("  憑證 Certificate  {serial}");
        say!("  篩選檔 Filter  {} ({} – {})", filter.number(), filter.this_update(), filter.next_update());
    }
    Ok(ExitCode::from(code))
}

// Self-issued CA certificates are anchors; the other CA certificates may lead to them.
fn trusted(path: &Path) -> Result<(Vec<Certificate>, Vec<Certificate>), Failure> {
    let all = ca_certificates(path)?;
    let (anchors, intermediates): (Vec<_>, Vec<_>) = all.into_iter().partition(Certificate::is_self_issued);
    if anchors.is_empty() {
        return Err(Failure::new(
            "NEWEID-E-TRUST",
            Fault::Caller,
            format!("{} 內沒有根憑證。", path.display()),
            format!("There is no root certificate in {}.", path.display()),
            "neweid pki export --out DIR",
        )
        .exit(2));
    }
    Ok((anchors, intermediates))
}

/// The CA certificates in a directory, or in one file.
pub fn ca_certificates(path: &Path) -> Result<Vec<Certificate>, Failure> {
    let mut files = vec![path.to_path_buf()];
    if path.is_dir() {
        files = std::fs::read_dir(path)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
        let known = |path: &Path| {
            path.extension().is_some_and(|e| ["pem", "cer", "crt", "der"].iter().any(|k| e == *k))
        };
        files.retain(|path| known(path));
    }
    let mut all = Vec::new();
    for file in &files {
        all.extend(certificates(file)?);
    }
    all.retain(Certificate::is_ca);
    Ok(all)
}

fn certificates(path: &Path) -> Result<Vec<Certificate>, Failure> {
    let bytes = read(path)?;
    let ders = match std::str::from_utf8(&bytes) {
        Ok(text) if text.contains("-----BEGIN") => {
            let blocks = x509::pem::decode_all(text).map_err(|error| unreadable(path, error))?;
            blocks.into_iter().filter(|block| block.label == "CERTIFICATE").map(|block| block.der).collect()
        }
        _ => vec![bytes],
    };
    ders.iter().map(|der| Certificate::parse(der).map_err(|error| unreadable(path, error))).collect()
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| unreadable(path, error))
}

fn unreadable(path: &Path, error: impl std::fmt::Display) -> Failure {
    Failure::new(
        "NEWEID-E-FILE-READ",
        Fault::Caller,
        format!("無法讀取 {}：{error}", path.display()),
        format!("{} cannot be read: {error}", path.display()),
        "檢查路徑與內容 Check the path and what is in it.",
    )
    .exit(2)
}
