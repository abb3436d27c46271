//! Everything that waits for a second person, whichever system it belongs to.

use super::layout::{Frame, Query, taipei};
use super::{Fields, Site, approved, ceremonies, incidents, shown};
use crate::clock;
use crate::commands::{npc_incident, npc_ra, pki_ceremony};
use crate::country::Country;
use crate::failure::Failure;
use askama::Template;
use axum::Extension;
use axum::extract::{Query as QueryOf, State};
use axum::response::Response;
use operators::{Right, Session};

#[derive(Template)]
#[template(path = "console/approvals.html")]
struct Page {
    frame: Frame,
    items: Vec<Item>,
}

/// A proposal that waits.
pub struct Item {
    pub system_zh: &'static str,
    pub system: &'static str,
    /// The number, as the form sends it back.
    pub number: String,
    pub what_zh: String,
    pub what: String,
    pub proposed_by: String,
    pub proposed_at: String,
    /// Where the form goes.
    pub action: &'static str,
    /// Whether this person may be the second one.
    pub may_approve: bool,
    pub own: bool,
}

/// `GET /console/approvals`
pub async fn page(
    State(country): Site,
    Extension(session): Extension<Session>,
    QueryOf(query): QueryOf<Query>,
) -> Response {
    let frame = Frame::new(&session, "/console/approvals").noticed(&query);
    let items = open(&country, &session).await;
    shown(items.and_then(|items| Page { frame, items }.render().map_err(Failure::ours)), &session)
}

/// What waits, of the systems whose decisions this person may see.
pub async fn open(country: &Country, session: &Session) -> Result<Vec<Item>, Failure> {
    // What nobody approved in time waits for nobody: it stands on the page of its kind, as lapsed.
    let now = clock::now();
    let mut items = Vec::new();
    let sees = |see, decide| session.may(see) || session.may(decide);
    if sees(Right::SeeIncidents, Right::DecideIncidents) {
        for i in country.npc.incidents().await.map_err(Failure::from_system)? {
            if i.approved_by.is_some() || i.lapsed(now) {
                continue;
            }
            let measure = npc_incident::measure(i.measure);
            let cohort = npc_incident::cohort(&i.cohort);
            items.push(Item {
                system_zh: "自然人憑證",
                system: "npc",
                number: i.number.to_string(),
                what_zh: format!(
                    "{}：{cohort}（{} 張{}）",
                    incidents::measure_zh(i.measure),
                    i.concerned,
                    match i.also_held {
                        0 => String::new(),
                        held => format!("，其中 {held} 張亦由另一事件停用，仍維持停用"),
                    }
                ),
                what: format!(
                    "{measure}: {cohort} ({} certificates{})",
                    i.concerned,
                    match i.also_held {
                        0 => String::new(),
                        held => format!("; {held} of them held by another incident too stay suspended"),
                    }
                ),
                own: i.proposed_by == session.name,
                may_approve: session.may(Right::DecideIncidents) && i.proposed_by != session.name,
                proposed_by: i.proposed_by,
                proposed_at: taipei(i.proposed_at),
                action: "/console/incidents/approve",
            });
        }
    }
    if sees(Right::SeeAuthority, Right::DecideCeremonies) {
        for c in country.npc.ceremonies().await.map_err(Failure::from_system)? {
            if !ceremonies::waits(&c, now) {
                continue;
            }
            items.push(Item {
                system_zh: "自然人憑證",
                system: "npc",
                number: c.number.to_string(),
                what_zh: format!("金鑰典禮：{}", ceremonies::kind_zh(c.kind)),
                what: format!("ceremony: {}", c.kind),
                own: c.proposed_by == session.name,
                may_approve: ceremonies::may_approve(&c, session, now),
                proposed_by: c.proposed_by,
                proposed_at: taipei(c.proposed_at),
                action: "/console/ceremonies/approve",
            });
        }
    }
    if sees(Right::SeeAuthority, Right::DecideCeremonies) {
        let (in_force, _) = country.npc.policy().await.map_err(Failure::from_system)?;
        for v in country.npc.policies().await.map_err(Failure::from_system)? {
            // A version before the one in force stays a proposal for ever.
            let (Some((proposed_by, at)), None) = (v.proposed, v.approved) else { continue };
            if v.version < in_force {
                continue;
            }
            items.push(Item {
                system_zh: "自然人憑證",
                system: "npc",
                number: v.version.to_string(),
                what_zh: format!("憑證政策第 {} 版（現行第 {in_force} 版）", v.version),
                what: format!("version {} of the certificate policy; {in_force} is in force", v.version),
                own: proposed_by == session.name,
                may_approve: session.may(Right::DecideCeremonies) && proposed_by != session.name,
                proposed_by,
                proposed_at: taipei(at),
                action: "/console/approvals/policy",
            });
        }
    }
    if sees(Right::SeeAuthority, Right::DecideCeremonies) {
        for p in country.npc.open_ra_proposals(now).await.map_err(Failure::from_system)? {
            let (what_zh, what) = npc_ra::words(&p);
            let fingerprint = hex::encode(p.certificate.fingerprint());
            items.push(Item {
                system_zh: "自然人憑證",
                system: "npc",
                number: p.number.to_string(),
                what_zh: format!("{what_zh}，憑證指紋 {fingerprint}"),
                what: format!("{what}; the certificate has this fingerprint"),
                own: p.proposed_by == session.name,
                may_approve: session.may(Right::DecideCeremonies) && p.proposed_by != session.name,
                proposed_by: p.proposed_by,
                proposed_at: taipei(p.proposed_at),
                action: "/console/approvals/registration-authority",
            });
        }
    }
    if sees(Right::SeeIncidents, Right::DecideIncidents) || session.may(Right::SeeChipTypes) {
        for r in country.mgmt.recalls().await.map_err(Failure::from_system)? {
            if r.approved_by.is_some() || r.closed_at.is_some() || r.lapsed(now) {
                continue;
            }
            let (plan, criteria) = (&r.plan, r.plan.criteria.words());
            let (treatment_zh, treatment) = plan.treatment_words();
            items.push(Item {
                system_zh: "管理系統",
                system: "mgmt",
                number: r.number.to_string(),
                what_zh: format!(
                    "{}，{treatment_zh}：{criteria}（{} 張卡片）；{}",
                    plan.level.zh(),
                    r.cards,
                    plan.reason
                ),
                what: format!("recall, {}, {treatment}: {criteria} ({} cards)", plan.level.as_str(), r.cards),
                own: r.proposed_by == session.name,
                may_approve: session.may(Right::DecideIncidents) && r.proposed_by != session.name,
                proposed_by: r.proposed_by,
                proposed_at: taipei(r.proposed_at),
                action: "/console/approvals/recall",
            });
        }
        for r in country.mgmt.recall_revocations().await.map_err(Failure::from_system)? {
            if r.approved_by.is_some() || r.lapsed(now) {
                continue;
            }
            let (reason, recall, waiting) = (r.reason, r.recall, r.waiting);
            items.push(Item {
                system_zh: "管理系統",
                system: "mgmt",
                number: r.number().to_string(),
                what_zh: format!("廢止召回案 {recall} 之憑證，原因 {reason}（等候處置 {waiting} 張卡片）；不可回復"),
                what: format!(
                    "revocation of the certificates of recall {recall}, for good: {reason} ({waiting} cards wait)"
                ),
                own: r.proposed_by == session.name,
                may_approve: session.may(Right::DecideIncidents) && r.proposed_by != session.name,
                proposed_by: r.proposed_by,
                proposed_at: taipei(r.proposed_at),
                action: "/console/approvals/recall-revocation",
            });
        }
    }
    if sees(Right::SeeAuthority, Right::DecideDocumentSigners) {
        for p in country.docsigner.proposals().await.map_err(Failure::from_system)? {
            if p.approved_by.is_some() || p.lapsed(now) {
                continue;
            }
            let (what_zh, what) = pki_ceremony::words(&p.act);
            items.push(Item {
                system_zh: "文件簽章",
                system: "docsigner",
                number: p.number.to_string(),
                what_zh,
                what,
                own: p.proposed_by == session.name,
                may_approve: session.may(Right::DecideDocumentSigners) && p.proposed_by != session.name,
                proposed_by: p.proposed_by,
                proposed_at: taipei(p.proposed_at),
                action: "/console/approvals/document-signer",
            });
        }
    }
    if sees(Right::SeeChipTypes, Right::DecideChipTypes) {
        for p in country.centre.chip_risk_proposals().await.map_err(Failure::from_system)? {
            if p.approved_by.is_some() || p.lapsed(now) {
                continue;
            }
            items.push(Item {
                system_zh: "卡管中心",
                system: "production",
                number: p.number.to_string(),
                what_zh: format!("{} → {}：{}", p.name, p.risk.zh(), p.reason),
                what: format!("{} → {}", p.name, p.risk),
                own: p.proposed_by == session.name,
                may_approve: session.may(Right::DecideChipTypes) && p.proposed_by != session.name,
                proposed_by: p.proposed_by,
                proposed_at: taipei(p.proposed_at),
                action: "/console/chip-types/approve",
            });
        }
        let assessments = country.centre.key_assessments().await.map_err(Failure::from_system)?;
        for one in assessments.clone() {
            if one.approved_by.is_some() || one.lapsed(now) || one.outdone(&assessments) {
                continue;
            }
            let (name, algorithm) = (&one.name, &one.algorithm);
            items.push(Item {
                system_zh: "卡管中心",
                system: "production",
                number: one.number.to_string(),
                what_zh: format!("金鑰風險評估 {name} {algorithm}：{}；{}", one.result.zh(), one.findings),
                what: format!("assessment of key risk, {name} {algorithm}: {}", one.result),
                own: one.assessed_by == session.name,
                may_approve: session.may(Right::DecideChipTypes) && one.assessed_by != session.name,
                proposed_by: one.assessed_by,
                proposed_at: taipei(one.assessed_at),
                action: "/console/chip-types/approve-assessment",
            });
        }
    }
    Ok(items)
}

/// `POST /console/approvals/policy`
pub async fn policy(
    State(country): Site,
    Extension(session): Extension<Session>,
    Extension(fields): Extension<Fields>,
) -> Response {
    approved(&fields, "/console/approvals", &session, |version: u32| {
        let (country, session) = (&country, &session);
        async move {
            let done = country.npc.approve_policy(version, &session.name, clock::now()).await;
            done.map(|()| "approved").map_err(Failure::from_system)
        }
    })
    .await
}

/// `POST /console/approvals/registration-authority`
pub async fn registration_authority(
    State(country): Site,
    Extension(session): Extension<Session>,
    Extension(fields): Extension<Fields>,
) -> Response {
    approved(&fields, "/console/approvals", &session, |number: u64| {
        let (country, session) = (&country, &session);
        async move {
            let done = country.npc.approve_ra(number, &session.name, clock::now()).await;
            done.map(|_| "approved").map_err(Failure::from_system)
        }
    })
    .await
}

/// `POST /console/approvals/recall`
pub async fn recall(
    State(country): Site,
    Extension(session): Extension<Session>,
    Extension(fields): Extension<Fields>,
) -> Response {
    approved(&fields, "/console/approvals", &session, |number: u64| {
        let (country, session) = (&country, &session);
        async move {
            let done = country.mgmt.approve_recall(number, &session.name, clock::now()).await;
            done.map(|_| "approved").map_err(Failure::from_system)
        }
    })
    .await
}

/// `POST /console/approvals/recall-revocation`
pub async fn recall_revocation(
    State(country): Site,
    Extension(session): Extension<Session>,
    Extension(fields): Extension<Fields>,
) -> Response {
    approved(&fields, "/console/approvals", &session, |number: mgmt::RevocationNo| {
        let (country, session) = (&country, &session);
        async move {
            let done = country.mgmt.approve_recall_revocation(number, &session.name, clock::now()).await;
            done.map(|_| "approved").map_err(Failure::from_system)
        }
    })
    .await
}

/// `POST /console/approvals/document-signer`
pub async fn document_signer(
    State(country): Site,
    Extension(session): Extension<Session>,
    Extension(fields): Extension<Fields>,
) -> Response {
    let mut random = country.random();
    approved(&fields, "/console/approvals", &session, |number: u64| {
        let (country, session) = (&country, &session);
        async move {
            let done = country.docsigner.approve(number, &session.name, clock::now(), &mut random).await;
            done.map(|_| "approved").map_err(Failure::from_system)
        }
    })
    .await
}
