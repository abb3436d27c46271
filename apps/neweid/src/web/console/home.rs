//! The first page after signing in: what needs somebody's attention.

use super::layout::{Frame, Mark, Query, distance, grouped, taipei};
use super::{Site, approvals, shown};
use crate::clock;
use crate::country::Country;
use crate::failure::Failure;
use askama::Template;
use axum::Extension;
use axum::extract::{Query as QueryOf, State};
use axum::response::Response;
use jiff::SignedDuration;
use operators::{Right, Session};

#[derive(Template)]
#[template(path = "console/home.html")]
struct Home {
    frame: Frame,
    tiles: Vec<Tile>,
}

/// One matter: what it is, how it stands, where to look.
struct Tile {
    path: &'static str,
    zh: &'static str,
    en: &'static str,
    sign: &'static str,
    value_zh: String,
    value_en: String,
}

/// `GET /console/`
pub async fn page(
    State(country): Site,
    Extension(session): Extension<Session>,
    QueryOf(query): QueryOf<Query>,
) -> Response {
    let tiles = tiles(&country, &session).await;
    let frame = Frame::new(&session, "/console/").noticed(&query);
    shown(tiles.and_then(|tiles| Home { frame, tiles }.render().map_err(Failure::ours)), &session)
}

async fn tiles(country: &Country, session: &Session) -> Result<Vec<Tile>, Failure> {
    let now = clock::now();
    let npc = &country.npc;
    let mut tiles = Vec::new();
    let mut tile = |path, zh, en, sign, value_zh: String, value_en: String| {
        tiles.push(Tile { path, zh, en, sign, value_zh, value_en });
    };
    if session.may(Right::SeeAuthority) {
        let stopped = npc.issuing_is_stopped().await.map_err(Failure::from_system)?;
        let (sign, zh, en) =
            if stopped { ("✗", "已暫停", "stopped") } else { ("✓", "進行中", "open") };
        tile("/console/authority", "簽發", "Issuing", sign, zh.into(), en.into());
        if let Some(at) = npc.database_went_back().await.map_err(Failure::from_system)? {
            let (zh, en) = (format!("{} 發現倒退", taipei(at)), format!("went back, found {}", taipei(at)));
            tile("/console/audit", "資料庫", "Database", "✗", zh, en);
        }
        if npc.repository_is_closed().await.map_err(Failure::from_system)? {
            tile("/console/authority", "儲存庫", "Repository", "✗", "已關閉".into(), "closed".into());
        }
        let authorities = npc.authorities().await.map_err(Failure::from_system)?;
        // Of each service the newest counts; those before it are meant to end.
        let soonest = super::authority::current(&authorities).into_iter().map(|entry| entry.not_after).min();
        if let Some(soonest) = soonest {
            let (zh, en) = distance(now, soonest);
            let sign = Mark::of(soonest, now, SignedDuration::from_hours(3 * 24)).sign();
            tile(
                "/console/authority",
                "最近到期的憑證",
                "Next certificate to end",
                sign,
                format!("{zh}後"),
                format!("in {en}"),
            );
        }
    }
    if session.may(Right::SeeIssuance) {
        let today = model::validity::TAIPEI.to_datetime(now).date();
        let issued = npc.issued_since(today).await.map_err(Failure::from_system)?;
        let count: u64 = issued.iter().map(|issued| issued.count).sum();
        tile(
            "/console/issuance",
            "今日簽發",
            "Issued today",
            "–",
            format!("{} 張", grouped(count)),
            format!("{} certificates", grouped(count)),
        );
    }
    if session.may(Right::SeeStatus) {
        let published = npc.published().await.map_err(Failure::from_system)?;
        let late = published.iter().filter(|list| list.next_update <= now).count();
        let (sign, zh, en) = match late {
            0 => ("✓", format!("{} 份皆有效", published.len()), format!("all {} in force", published.len())),
            late => ("✗", format!("{late} 份已逾期"), format!("{late} overdue")),
        };
        tile("/console/status", "清冊與篩選檔", "Lists and filter", sign, zh, en);
    }
    if session.may(Right::SeeIncidents) {
        let waiting = npc.waiting(now).await.map_err(Failure::from_system)?;
        let mut sign = if waiting.running + waiting.proposed > 0 { "△" } else { "✓" };
        let mut zh = format!("待核可 {}、執行中 {}", waiting.proposed, waiting.running);
        let mut en = format!("{} proposed, {} under way", waiting.proposed, waiting.running);
        // Anybody can compute these keys: nothing here is more urgent.
        if waiting.common_factors > 0 {
            sign = "✗";
            zh = format!("{} 張憑證之金鑰有共用因數，待提案廢止；{zh}", grouped(waiting.common_factors));
            en = format!(
                "{} certificates whose keys share a factor wait to be revoked; {en}",
                grouped(waiting.common_factors)
            );
        }
        tile("/console/incidents", "事件", "Incidents", sign, zh, en);
    }
    if session.may(Right::SeeApprovals) {
        let open = approvals::open(country, session).await?;
        let mine = open.iter().filter(|item| item.may_approve).count();
        let sign = if mine > 0 { "△" } else { "✓" };
        let zh = format!("{} 件，其中 {mine} 件待您核可", open.len());
        tile(
            "/console/approvals",
            "待核可",
            "Approvals",
            sign,
            zh,
            format!("{} open, {mine} for you", open.len()),
        );
    }
    Ok(tiles)
}
