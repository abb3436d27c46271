//! The register of chip types (CARD-13): how each is judged, and who proposes and approves another judgement.

use super::layout::{Frame, Query, taipei};
use super::{Fields, Site, answered, approved, refused, shown};
use crate::clock;
use crate::country::Country;
use crate::failure::Failure;
use askama::Template;
use axum::Extension;
use axum::extract::{Query as QueryOf, State};
use axum::response::Response;
use model::ChipRisk;
use operators::{Right, Session};
use production::CertifiedPart;

#[derive(Template)]
#[template(path = "console/chip_types.html")]
struct Page {
    frame: Frame,
    may_decide: bool,
    types: Vec<Type>,
    proposals: Vec<Proposal>,
    assessments: Vec<Assessment>,
    // Of all types together: what the form offers.
    algorithms: Vec<String>,
}

struct Type {
    name: String,
    maker: String,
    chip: String,
    system: String,
    applets: Vec<String>,
    patchable: bool,
    hardware: Option<Hardware>,
    certificates: Vec<Certificate>,
    algorithms: Vec<String>,
    key_risks: Vec<KeyRisk>,
    profiles: String,
    atr: String,
    ats: String,
    sign: &'static str,
    risk_zh: &'static str,
    risk: String,
    reason: String,
    since: String,
}

/// How the keys of an algorithm stand (CARD-12).
struct KeyRisk {
    algorithm: String,
    overdue: bool,
    // What the last assessment found, who made and approved it, and its day.
    last: Option<Assessment>,
    // When the next one is due, where there are keys.
    due: Option<String>,
}

/// An assessment of keys.
struct Assessment {
    number: u64,
    // Of the form that approves it.
    form: String,
    name: String,
    algorithm: String,
    result_zh: &'static str,
    result: String,
    findings: String,
    assessed_by: String,
    assessed_at: String,
    approved_by: Option<String>,
    lapsed: bool,
    // A later one of the same keys counts already.
    outdone: bool,
    may_approve: bool,
}

struct Hardware {
    body: String,
    service_years: u8,
    contactless: String,
    bit_rates: String,
    endurance: u32,
}

struct Certificate {
    part_zh: &'static str,
    part: &'static str,
    level: String,
    reference: String,
    profiles: String,
}

struct Proposal {
    number: u64,
    name: String,
    risk_zh: &'static str,
    risk: String,
    reason: String,
    proposed_by: String,
    proposed_at: String,
    approved_by: Option<String>,
    lapsed: bool,
    may_approve: bool,
}

/// `GET /console/chip-types`
pub async fn page(
    State(country): Site,
    Extension(session): Extension<Session>,
    QueryOf(query): QueryOf<Query>,
) -> Response {
    let frame = Frame::new(&session, "/console/chip-types").noticed(&query);
    shown(make(&country, &session, frame).await, &session)
}

async fn make(country: &Country, session: &Session, frame: Frame) -> Result<String, Failure> {
    let (now, may_decide) = (clock::now(), session.may(Right::DecideChipTypes));
    let types = country.centre.chip_types().await.map_err(Failure::from_system)?;
    let proposals = country.centre.chip_risk_proposals().await.map_err(Failure::from_system)?;
    let risks = country.centre.key_risks(now).await.map_err(Failure::from_system)?;
    let all = country.centre.key_assessments().await.map_err(Failure::from_system)?;
    let assessment = |one: &production::KeyAssessment| Assessment {
        number: one.number,
        form: format!("assessment-{}", one.number),
        name: one.name.clone(),
        algorithm: one.algorithm.clone(),
        result_zh: one.result.zh(),
        result: one.result.to_string(),
        findings: one.findings.clone(),
        assessed_by: one.assessed_by.clone(),
        assessed_at: taipei(one.assessed_at),
        approved_by: one.approved_by.clone(),
        lapsed: one.lapsed(now),
        outdone: one.outdone(&all),
        may_approve: may_decide
            && one.approved_by.is_none()
            && !one.lapsed(now)
            && !one.outdone(&all)
            && one.assessed_by != session.name,
    };
    let mut algorithms: Vec<_> = risks.iter().map(|risk| risk.algorithm.clone()).collect();
    algorithms.sort();
    algorithms.dedup();
    let key_risk = |risk: &production::KeyRisk| KeyRisk {
        algorithm: risk.algorithm.clone(),
        overdue: risk.overdue,
        last: risk.last.as_ref().map(assessment),
        due: risk.due.map(taipei),
    };
    let a_type = |t: production::RegisteredChip| Type {
        key_risks: risks.iter().filter(|risk| risk.name == t.entry.name).map(key_risk).collect(),
        name: t.entry.name,
        maker: t.entry.manufacturer,
        chip: t.entry.chip,
        system: t.entry.operating_system,
        applets: t.entry.applets.iter().map(|a| format!("{} {}", a.name, a.version)).collect(),
        patchable: t.entry.patchable,
        hardware: t.entry.hardware.map(|hardware| Hardware {
            body: hardware.body,
            service_years: hardware.service_years,
            contactless: hardware.contactless,
            bit_rates: hardware.bit_rates.iter().map(u16::to_string).collect::<Vec<_>>().join(", "),
            endurance: hardware.endurance,
        }),
        certificates: t.entry.certificates.into_iter().map(a_certificate).collect(),
        algorithms: t.algorithms,
        profiles: t.profiles.join(", "),
        atr: t.atr,
        ats: t.ats,
        sign: match t.risk {
            ChipRisk::Normal => "✓",
            ChipRisk::Stopped => "✗",
            _ => "△",
        },
        risk_zh: t.risk.zh(),
        risk: t.risk.to_string(),
        reason: t.reason.unwrap_or_default(),
        since: taipei(t.since),
    };
    let proposal = |p: production::RiskProposal| {
        let lapsed = p.lapsed(now);
        Proposal {
            number: p.number,
            name: p.name,
            risk_zh: p.risk.zh(),
            risk: p.risk.to_string(),
            reason: p.reason,
            may_approve: may_decide && p.approved_by.is_none() && !lapsed && p.proposed_by != session.name,
            lapsed,
            proposed_by: p.proposed_by,
            proposed_at: taipei(p.proposed_at),
            approved_by: p.approved_by,
        }
    };
    let page = Page {
        frame,
        may_decide,
        types: types.into_iter().map(a_type).collect(),
        proposals: proposals.into_iter().map(proposal).collect(),
        assessments: all.iter().take(20).map(assessment).collect(),
        algorithms,
    };
    page.render().map_err(Failure::ours)
}

fn a_certificate(c: production::Certification) -> Certificate {
    let (part_zh, part) = match c.part {
        CertifiedPart::Chip => ("晶片", "chip"),
        CertifiedPart::OperatingSystem => ("作業系統", "system"),
        CertifiedPart::Applets => ("應用程式", "applets"),
    };
    Certificate { part_zh, part, level: c.level, reference: c.reference, profiles: c.profiles.join(", ") }
}

/// `POST /console/chip-types/propose`
pub async fn propose(
    State(country): Site,
    Extension(session): Extension<Session>,
    Extension(fields): Extension<Fields>,
) -> Response {
    let Ok(risk) = fields.text("risk").parse::<ChipRisk>() else {
        return refused(&super::malformed(), &session);
    };
    let (name, reason) = (fields.text("name"), fields.text("reason"));
    let proposed = country.centre.propose_chip_risk(name, risk, reason, &session.name, clock::now()).await;
    answered(proposed.map(|_| "proposed").map_err(Failure::from_system), "/console/chip-types", &session)
}

/// `POST /console/chip-types/assess`
pub async fn assess(
    State(country): Site,
    Extension(session): Extension<Session>,
    Extension(fields): Extension<Fields>,
) -> Response {
    let Ok(result) = fields.text("result").parse::<ChipRisk>() else {
        return refused(&super::malformed(), &session);
    };
    let (name, algorithm, findings) =
        (fields.text("name"), fields.text("algorithm"), fields.text("findings"));
    let centre = &country.centre;
    let entered = centre.assess_keys(name, algorithm, result, findings, &session.name, clock::now()).await;
    answered(entered.map(|_| "proposed").map_err(Failure::from_system), "/console/chip-types", &session)
}

/// `POST /console/chip-types/approve-assessment`
pub async fn approve_assessment(
    State(country): Site,
    Extension(session): Extension<Session>,
    Extension(fields): Extension<Fields>,
) -> Response {
    approved(&fields, "/console/chip-types", &session, |number: u64| {
        let (country, session) = (&country, &session);
        async move {
            let done = country.centre.approve_key_assessment(number, &session.name, clock::now()).await;
            done.map(|_| "approved").map_err(Failure::from_system)
        }
    })
    .await
}

/// `POST /console/chip-types/approve`
pub async fn approve(
    State(country): Site,
    Extension(session): Extension<Session>,
    Extension(fields): Extension<Fields>,
) -> Response {
    approved(&fields, "/console/chip-types", &session, |number: u64| {
        let (country, session) = (&country, &session);
        async move {
            let done = country.centre.approve_chip_risk(number, &session.name, clock::now()).await;
            done.map(|_| "approved").map_err(Failure::from_system)
        }
    })
    .await
}
