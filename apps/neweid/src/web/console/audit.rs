//! The audit logs of all systems: browsed, checked from their first entry, exported with their hashes. Reading a log is an
//! event itself.

use super::layout::{Frame, grouped, taipei};
use super::{Site, not_found, problem, shown};
use crate::clock;
use crate::country::Country;
use crate::failure::Failure;
use ::audit::{AuditError, Entry};
use askama::Template;
use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use operators::Session;
use serde_json::json;
use std::fmt::Write;
use store::Db;

/// Entries on one page.
const PAGE: u32 = 50;
/// Entries in one file.
const EXPORT: u32 = 10_000;

#[derive(Template)]
#[template(path = "console/audit.html")]
struct Page {
    frame: Frame,
    chains: Vec<Chain>,
}

struct Chain {
    system: &'static str,
    entries: String,
    head: String,
}

#[derive(Template)]
#[template(path = "console/audit_chain.html")]
struct ChainPage {
    frame: Frame,
    system: &'static str,
    subject: String,
    rows: Vec<Row>,
    earlier: Option<u64>,
    later: Option<u64>,
    verdict: Option<Verdict>,
}

struct Row {
    seq: u64,
    at: String,
    actor: String,
    action: String,
    subject: String,
    detail: String,
}

/// What the check of a chain has found.
struct Verdict {
    good: bool,
    zh: String,
    en: String,
}

/// Which part of a chain.
#[derive(serde::Deserialize, Default)]
#[serde(default)]
pub struct Part {
    /// Entries after this number; without it the last ones.
    after: Option<u64>,
    /// Of one subject only.
    subject: String,
}

fn find<'a>(country: &'a Country, system: &str) -> Option<&'a (&'static str, Db)> {
    country.books.iter().find(|(name, _)| *name == system)
}

/// `GET /console/audit`
pub async fn page(State(country): Site, Extension(session): Extension<Session>) -> Response {
    shown(overview(&country, &session).await, &session)
}

async fn overview(country: &Country, session: &Session) -> Result<String, Failure> {
    let mut chains = Vec::new();
    for (system, db) in &country.books {
        let head = ::audit::head(db).await.map_err(Failure::from_system)?;
        chains.push(Chain { system, entries: grouped(head.seq), head: hex::encode(head.hash) });
    }
    Page { frame: Frame::new(session, "/console/audit"), chains }.render().map_err(Failure::ours)
}

/// `GET /console/audit/{system}`
pub async fn chain(
    State(country): Site,
    Extension(session): Extension<Session>,
    Path(system): Path<String>,
    Query(part): Query<Part>,
) -> Response {
    let Some((system, db)) = find(&country, &system) else {
        return problem(StatusCode::NOT_FOUND, &not_found(), Some(&session));
    };
    shown(browse(&country, &session, system, db, part, None).await, &session)
}

/// `GET /console/audit/{system}/verify`
pub async fn verify(
    State(country): Site,
    Extension(session): Extension<Session>,
    Path(system): Path<String>,
) -> Response {
    let Some((system, db)) = find(&country, &system) else {
        return problem(StatusCode::NOT_FOUND, &not_found(), Some(&session));
    };
    let verdict = match ::audit::verify(db, None).await {
        Ok(head) => Verdict {
            good: true,
            zh: format!("{} 筆紀錄完整，首尾相連。", grouped(head.seq)),
            en: format!(
                "The chain of {} entries is whole. Head: {}",
                grouped(head.seq),
                hex::encode(head.hash)
            ),
        },
        Err(AuditError::Broken { seq, problem }) => Verdict {
            good: false,
            zh: format!("第 {seq} 筆遭竄改或遺失。"),
            en: format!("The chain is broken at entry {seq}: {problem}."),
        },
        Err(error) => return super::broken(Failure::from_system(error), Some(&session)),
    };
    shown(browse(&country, &session, system, db, Part::default(), Some(verdict)).await, &session)
}

async fn browse(
    country: &Country,
    session: &Session,
    system: &'static str,
    db: &Db,
    part: Part,
    verdict: Option<Verdict>,
) -> Result<String, Failure> {
    let action = if verdict.is_some() { "audit-verify" } else { "audit-read" };
    country
        .operators
        .note(&session.name, action, system, clock::now())
        .await
        .map_err(Failure::from_system)?;
    let subject = part.subject.trim();
    let head = ::audit::head(db).await.map_err(Failure::from_system)?;
    let page = u64::from(PAGE);
    let after = match (part.after, subject) {
        (Some(after), _) => after,
        (None, "") => head.seq.saturating_sub(page),
        (None, _) => 0,
    };
    let only = Some(subject).filter(|subject| !subject.is_empty());
    let entries = ::audit::events(db, only, after, PAGE).await.map_err(Failure::from_system)?;
    let last = entries.last().map_or(after, |entry| entry.seq);
    let full = entries.len() == PAGE as usize;
    let mut rows: Vec<Row> = entries.into_iter().map(row).collect();
    if only.is_none() {
        rows.reverse();
    }
    let page = ChainPage {
        frame: Frame::new(session, "/console/audit"),
        system,
        earlier: (only.is_none() && after > 0).then(|| after.saturating_sub(page)),
        later: (full && last < head.seq).then_some(last),
        subject: subject.to_owned(),
        rows,
        verdict,
    };
    page.render().map_err(Failure::ours)
}

fn row(entry: Entry) -> Row {
    Row {
        seq: entry.seq,
        at: taipei(entry.at),
        actor: entry.actor,
        action: entry.action,
        subject: entry.subject,
        detail: if entry.detail == "{}" { String::new() } else { entry.detail },
    }
}

/// `GET /console/audit/{system}/export?after=N`: up to 10,000 entries, one JSON document a line, each with the hash that
/// chains it. Whoever has the file can compute the chain again: docs/operations.md says how.
pub async fn export(
    State(country): Site,
    Extension(session): Extension<Session>,
    Path(system): Path<String>,
    Query(part): Query<Part>,
) -> Response {
    let Some((system, db)) = find(&country, &system) else {
        return problem(StatusCode::NOT_FOUND, &not_found(), Some(&session));
    };
    let after = part.after.unwrap_or(0);
    let noted = country.operators.note(&session.name, "audit-export", system, clock::now()).await;
    let entries = match noted {
        Ok(()) => ::audit::events(db, None, after, EXPORT).await.map_err(Failure::from_system),
        Err(error) => Err(Failure::from_system(error)),
    };
    let entries = match entries {
        Ok(entries) => entries,
        Err(failure) => return super::broken(failure, Some(&session)),
    };
    let mut text = String::new();
    for entry in &entries {
        let line = json!({
            "seq": entry.seq,
            "at": entry.at.to_string(),
            "at_microseconds": entry.at.as_microsecond(),
            "actor": entry.actor,
            "system": entry.system,
            "action": entry.action,
            "subject": entry.subject,
            "detail": entry.detail,
            "hash": hex::encode(entry.hash),
        });
        let _ = writeln!(text, "{line}");
    }
    let last = entries.last().map_or(after, |entry| entry.seq);
    let name = format!("attachment; filename=\"audit-{system}-{}-{last}.jsonl\"", after + 1);
    let head = [
        (header::CONTENT_TYPE, "application/jsonl; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, name),
    ];
    (head, text).into_response()
}
