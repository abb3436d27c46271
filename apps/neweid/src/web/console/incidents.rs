//! Incidents: propose, approve, see how far each is. Who may approve what is the CA's decision.

use super::layout::{Frame, Query, grouped, taipei};
use super::{Fields, Site, answered, approved, refused, shown};
use crate::cli::{Action, Make, Selection};
use crate::clock;
use crate::commands::npc_incident;
use crate::country::Country;
use crate::failure::Failure;
use askama::Template;
use axum::Extension;
use axum::extract::{Query as QueryOf, State};
use axum::response::Response;
use mgmt::RecallPlan;
use model::RocDate;
use npc::{Incident, Measure};
use operators::{Right, Session};
use std::sync::Arc;
use std::time::Duration;

/// How long an approval's answer waits for the work: most is done by then, the rest is looked at later.
const WAIT: Duration = Duration::from_secs(2);

/// Cards of a proposed recall that are shown; `neweid recall cards` has all.
const PREVIEW: u32 = 20;

#[derive(Template)]
#[template(path = "console/incidents.html")]
struct Page {
    frame: Frame,
    may_decide: bool,
    rows: Vec<Row>,
    carriers: Vec<&'static str>,
    reasons: Vec<&'static str>,
    makers: Vec<String>,
    applets: Vec<String>,
    chip_types: Vec<String>,
    recalls: Vec<Recalled>,
}

/// A recall with the progress of the offices.
struct Recalled {
    number: u64,
    level_zh: &'static str,
    level: &'static str,
    treatment_zh: String,
    treatment: String,
    // Its cards go on with their other keys.
    rekey: bool,
    criteria: String,
    reason: String,
    cards: String,
    proposed_by: String,
    proposed_at: String,
    approved_by: Option<String>,
    closed_at: Option<String>,
    lapsed: bool,
    /// While nobody has approved it, the first of its cards.
    preview: Vec<mgmt::RecallCard>,
    progress: Vec<mgmt::RecallProgress>,
}

struct Row {
    number: u64,
    measure_zh: &'static str,
    measure: String,
    cohort: String,
    concerned: String,
    also_held: u64,
    changed: String,
    looked_at: u64,
    proposed_by: String,
    proposed_at: String,
    approved_by: Option<String>,
    finished_at: Option<String>,
    lapsed: bool,
    may_approve: bool,
    most: u64,
    /// The queue of its reissue as it was last counted, and when that was.
    queue: Option<(String, Vec<npc::ClassReport>)>,
}

/// `GET /console/incidents`
pub async fn page(
    State(country): Site,
    Extension(session): Extension<Session>,
    QueryOf(query): QueryOf<Query>,
) -> Response {
    let frame = Frame::new(&session, "/console/incidents").noticed(&query);
    shown(make(&country, &session, frame).await, &session)
}

async fn make(country: &Country, session: &Session, frame: Frame) -> Result<String, Failure> {
    let all = country.npc.incidents().await.map_err(Failure::from_system)?;
    let mut rows = Vec::new();
    for incident in all.into_iter().take(50) {
        let queue = country.npc.queue_counts(incident.number).await.map_err(Failure::from_system)?;
        rows.push(row(incident, queue, session));
    }
    let types = country.centre.chip_types().await.map_err(Failure::from_system)?;
    let all = types.iter().flat_map(|t| t.entry.applets.iter().map(|a| format!("{} {}", a.name, a.version)));
    let (mut applets, mut makers): (Vec<_>, Vec<_>) =
        (all.collect(), types.iter().map(|t| t.entry.manufacturer.clone()).collect());
    for list in [&mut applets, &mut makers] {
        list.sort();
        list.dedup();
    }
    let page = Page {
        frame,
        may_decide: session.may(Right::DecideIncidents),
        rows,
        carriers: npc::Carrier::ALL.map(npc::Carrier::as_str).to_vec(),
        reasons: REASONS.to_vec(),
        makers,
        applets,
        chip_types: types.into_iter().map(|t| t.entry.name).collect(),
        recalls: recalls(country).await?,
    };
    page.render().map_err(Failure::ours)
}

fn row(incident: Incident, queue: Option<npc::QueueCounts>, session: &Session) -> Row {
    let lapsed = incident.lapsed(clock::now());
    let may_decide = session.may(Right::DecideIncidents) && !lapsed;
    Row {
        number: incident.number,
        measure_zh: measure_zh(incident.measure),
        measure: npc_incident::measure(incident.measure),
        cohort: npc_incident::cohort(&incident.cohort),
        concerned: grouped(incident.concerned),
        also_held: incident.also_held,
        changed: grouped(incident.changed),
        looked_at: incident.looked_at,
        most: incident.concerned.max(incident.looked_at).max(1),
        proposed_at: taipei(incident.proposed_at),
        may_approve: may_decide && incident.approved_by.is_none() && incident.proposed_by != session.name,
        proposed_by: incident.proposed_by,
        approved_by: incident.approved_by,
        finished_at: incident.finished_at.map(taipei),
        lapsed,
        queue: queue.map(|counted| (taipei(counted.at), counted.classes)),
    }
}

async fn recalls(country: &Country) -> Result<Vec<Recalled>, Failure> {
    let mut shown = Vec::new();
    for recall in country.mgmt.recalls().await.map_err(Failure::from_system)?.into_iter().take(20) {
        let progress = match recall.approved_by {
            Some(_) => country.mgmt.recall_progress(recall.number).await.map_err(Failure::from_system)?,
            None => Vec::new(),
        };
        let lapsed = recall.lapsed(clock::now());
        let preview = match recall.approved_by {
            None if !lapsed => country
                .mgmt
                .recall_cards(recall.number, None, None, PREVIEW)
                .await
                .map_err(Failure::from_system)?,
            _ => Vec::new(),
        };
        let (treatment_zh, treatment) = recall.plan.treatment_words();
        shown.push(Recalled {
            number: recall.number,
            level_zh: recall.plan.level.zh(),
            level: recall.plan.level.as_str(),
            treatment_zh,
            treatment,
            rekey: recall.plan.treatment == mgmt::Treatment::Rekey,
            criteria: recall.plan.criteria.words(),
            reason: recall.plan.reason,
            cards: grouped(recall.cards),
            proposed_by: recall.proposed_by,
            proposed_at: taipei(recall.proposed_at),
            approved_by: recall.approved_by,
            closed_at: recall.closed_at.map(taipei),
            lapsed,
            preview,
            progress,
        });
    }
    Ok(shown)
}

/// Reasons of a revocation that an incident may have.
const REASONS: [&str; 5] =
    ["key_compromise", "superseded", "cessation_of_operation", "affiliation_changed", "unspecified"];

/// `POST /console/incidents/propose`
pub async fn propose(
    State(country): Site,
    Extension(session): Extension<Session>,
    Extension(fields): Extension<Fields>,
) -> Response {
    let selection = match selection(&fields) {
        Ok(selection) => selection,
        Err(failure) => return refused(&failure, &session),
    };
    let proposed = npc_incident::propose(&country, &selection, &session.name).await;
    answered(proposed.map(|_| "proposed"), "/console/incidents", &session)
}

/// `POST /console/incidents/recall`: proposes a recall. Its list of cards is made with it, and shown before anybody approves.
pub async fn recall(
    State(country): Site,
    Extension(session): Extension<Session>,
    Extension(fields): Extension<Fields>,
) -> Response {
    let proposed = match plan(&fields) {
        Ok(plan) => country
            .mgmt
            .propose_recall(&plan, &session.name, clock::now())
            .await
            .map_err(Failure::from_system),
        Err(failure) => Err(failure),
    };
    answered(proposed.map(|_| "proposed"), "/console/incidents", &session)
}

/// `POST /console/incidents/approve`
pub async fn approve(
    State(country): Site,
    Extension(session): Extension<Session>,
    Extension(fields): Extension<Fields>,
) -> Response {
    approved(&fields, "/console/incidents", &session, |number: u64| {
        let (country, session) = (&country, &session);
        async move {
            // A million certificates take longer than a browser waits: the work goes on by itself.
            let (npc, name) = (Arc::clone(&country.npc), session.name.clone());
            let mut work =
                tokio::spawn(async move { npc.approve_incident(number, &name, clock::now()).await });
            match tokio::time::timeout(WAIT, &mut work).await {
                Err(_) => {
                    tokio::spawn(async move {
                        if let Ok(Err(error)) = work.await {
                            tracing::error!(code = error.code(), number, "an incident was interrupted");
                        }
                    });
                    Ok("running")
                }
                Ok(Err(died)) => Err(Failure::ours(died)),
                Ok(Ok(done)) => done.map(|_| "approved").map_err(Failure::from_system),
            }
        }
    })
    .await
}

fn selection(fields: &Fields) -> Result<Selection, Failure> {
    let given = |name| given(fields, name);
    let action = match fields.text("action") {
        "suspend" => Action::Suspend,
        "resume" => Action::Resume,
        "revoke" => Action::Revoke,
        _ => return Err(super::malformed()),
    };
    Ok(Selection {
        action,
        // The form has the field with every action.
        reason: given("reason").filter(|_| action == Action::Revoke),
        of: given("of")
            .map(|of| of.parse().map_err(|_| npc_incident::wrong("事件編號 incident")))
            .transpose()?,
        key_class: given("key_class"),
        fingerprint: given("fingerprint"),
        chip_model: given("chip_model"),
        carrier: given("carrier"),
        cards: given("cards"),
        from: date(fields, "from")?,
        to: date(fields, "to")?,
        make: make_of(fields)?,
    })
}

/// What a recall's form says.
fn plan(fields: &Fields) -> Result<RecallPlan, Failure> {
    let cost = given(fields, "cost").map(|cost| cost.parse()).transpose();
    let cards = given(fields, "cards").map(|text| crate::cli::recall::cards(&text)).transpose();
    Ok(RecallPlan {
        criteria: production::MakeCriteria {
            cards: cards.map_err(|_| npc_incident::wrong("卡片範圍 cards"))?,
            ..make_of(fields)?.criteria(given(fields, "chip_type").as_deref())
        },
        level: fields.text("level").parse().map_err(|_| super::malformed())?,
        treatment: fields.text("treatment").parse().map_err(|_| super::malformed())?,
        revocation: match given(fields, "revocation") {
            Some(reason) => reason.parse().map_err(|_| super::malformed())?,
            None => model::RevocationReason::Superseded,
        },
        reason: fields.text("why").to_owned(),
        cost: cost.map_err(|_| super::malformed())?,
        replacement: given(fields, "replacement")
            .map(|profile| profile.parse().map_err(|_| super::malformed()))
            .transpose()?,
    })
}

/// Cards by what the card centre's books say of them.
fn make_of(fields: &Fields) -> Result<Make, Failure> {
    let given = |name| given(fields, name);
    Ok(Make {
        manufacturer: given("manufacturer"),
        applet: given("applet"),
        algorithm: given("algorithm"),
        lot: given("lot"),
        made_from: date(fields, "made_from")?,
        made_to: date(fields, "made_to")?,
    })
}

fn given(fields: &Fields, name: &str) -> Option<String> {
    Some(fields.text(name)).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn date(fields: &Fields, name: &str) -> Result<Option<RocDate>, Failure> {
    let read = |text: String| text.parse().map_err(|_| npc_incident::wrong("日期 date"));
    given(fields, name).map(read).transpose()
}

/// What is to be done, in Chinese.
pub const fn measure_zh(measure: Measure) -> &'static str {
    match measure {
        Measure::Suspend => "停用",
        Measure::Resume { .. } | Measure::ResumeAll => "復用",
        Measure::Revoke(_) => "廢止",
    }
}
