//! Ceremonies: what was decided about the keys of the CA, and how far each is. They are approved here and carried out at the
//! command line, where operator and witness stand beside each other.

use super::layout::{Frame, Query, taipei};
use super::{Fields, Site, approved, shown};
use crate::clock;
use crate::country::Country;
use crate::failure::Failure;
use askama::Template;
use axum::Extension;
use axum::extract::{Query as QueryOf, State};
use axum::response::Response;
use jiff::Timestamp;
use npc::Ceremony;
use operators::{Right, Session};

#[derive(Template)]
#[template(path = "console/ceremonies.html")]
struct Page {
    frame: Frame,
    rows: Vec<Row>,
}

struct Row {
    number: u64,
    kind: &'static str,
    kind_zh: &'static str,
    expected: Vec<(&'static str, &'static str, String)>,
    steps: Vec<StepRow>,
    proposed_by: String,
    proposed_at: String,
    approved: Option<(String, String)>,
    finished_at: Option<String>,
    abandoned: bool,
    lapsed: bool,
    may_approve: bool,
}

struct StepRow {
    zh: &'static str,
    en: &'static str,
    done: Option<StepDone>,
}

struct StepDone {
    operator: String,
    witness: String,
    at: String,
    found: Vec<(String, String)>,
}

/// `GET /console/ceremonies`
pub async fn page(
    State(country): Site,
    Extension(session): Extension<Session>,
    QueryOf(query): QueryOf<Query>,
) -> Response {
    let frame = Frame::new(&session, "/console/ceremonies").noticed(&query);
    shown(make(&country, &session, frame).await, &session)
}

async fn make(country: &Country, session: &Session, frame: Frame) -> Result<String, Failure> {
    let all = country.npc.ceremonies().await.map_err(Failure::from_system)?;
    let rows = all.into_iter().map(|ceremony| row(ceremony, session)).collect();
    Page { frame, rows }.render().map_err(Failure::ours)
}

fn row(ceremony: Ceremony, session: &Session) -> Row {
    let mut all_done = ceremony.done.iter();
    let steps = ceremony.steps.iter().map(|step| {
        let (zh, en) = step.words();
        let done = all_done.next().map(|done| StepDone {
            operator: done.operator.clone(),
            witness: done.witness.clone(),
            at: taipei(done.at),
            found: done.found.clone(),
        });
        StepRow { zh, en, done }
    });
    Row {
        number: ceremony.number,
        kind: ceremony.kind,
        kind_zh: kind_zh(ceremony.kind),
        expected: ceremony.expected(),
        steps: steps.collect(),
        may_approve: may_approve(&ceremony, session, clock::now()),
        lapsed: ceremony.lapsed(clock::now()),
        abandoned: ceremony.is_abandoned(),
        approved: ceremony.approved.map(|(by, at)| (by, taipei(at))),
        finished_at: ceremony.finished_at.map(taipei),
        proposed_at: taipei(ceremony.proposed_at),
        proposed_by: ceremony.proposed_by,
    }
}

/// Whether somebody else than its proposer has still to decide.
pub fn waits(ceremony: &Ceremony, now: Timestamp) -> bool {
    ceremony.approved.is_none() && ceremony.finished_at.is_none() && !ceremony.lapsed(now)
}

/// Whether this person may be the second one.
pub fn may_approve(ceremony: &Ceremony, session: &Session, now: Timestamp) -> bool {
    waits(ceremony, now) && session.may(Right::DecideCeremonies) && ceremony.proposed_by != session.name
}

/// What a ceremony is about, in Chinese.
pub fn kind_zh(kind: &str) -> &'static str {
    match kind {
        "founding" => "建立憑證體系",
        "generation" => "新一代簽發金鑰",
        "root" => "新的根憑證機構金鑰",
        "cross" => "交互憑證",
        "cross-import" => "收存他方簽發之交互憑證",
        "key-backup" => "金鑰備份",
        "key-restore" => "金鑰復原",
        "key-destruction" => "金鑰銷毀",
        "revocation" => "廢止憑證機構憑證",
        _ => "金鑰典禮",
    }
}

/// `POST /console/ceremonies/approve`
pub async fn approve(
    State(country): Site,
    Extension(session): Extension<Session>,
    Extension(fields): Extension<Fields>,
) -> Response {
    approved(&fields, "/console/ceremonies", &session, |number: u64| {
        let (country, session) = (&country, &session);
        async move {
            let done = country.npc.approve_ceremony(number, &session.name, clock::now()).await;
            done.map(|_| "scripted").map_err(Failure::from_system)
        }
    })
    .await
}
