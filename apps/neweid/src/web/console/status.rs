//! How the status services are: lists, filter, card lists, OCSP, the feed, and the last errors.

use super::layout::{Frame, Mark, Query, distance, grouped, taipei};
use super::{Site, shown};
use crate::clock;
use crate::country::Country;
use crate::failure::Failure;
use crate::meter;
use askama::Template;
use axum::Extension;
use axum::extract::{Query as QueryOf, State};
use axum::response::Response;
use jiff::SignedDuration;
use operators::Session;

#[derive(Template)]
#[template(path = "console/status.html")]
struct Page {
    frame: Frame,
    known: String,
    feed: Result<(String, String), String>,
    lists: Vec<Row>,
    answers: Vec<(&'static str, &'static str, String)>,
    errors: Vec<(String, String, String)>,
}

struct Row {
    name: String,
    number: u64,
    this: String,
    age: (String, String),
    next: String,
    bytes: String,
    mark: Mark,
}

/// `GET /console/status`
pub async fn page(
    State(country): Site,
    Extension(session): Extension<Session>,
    QueryOf(query): QueryOf<Query>,
) -> Response {
    let frame = Frame::new(&session, "/console/status").noticed(&query);
    shown(make(&country, frame).await, &session)
}

async fn make(country: &Country, frame: Frame) -> Result<String, Failure> {
    let now = clock::now();
    let npc = &country.npc;
    let published = npc.published().await.map_err(Failure::from_system)?;
    let row = |list: npc::Published| Row {
        this: taipei(list.this_update),
        age: distance(list.this_update, now),
        next: taipei(list.next_update),
        bytes: grouped(list.bytes),
        // A tenth of its life is left: whoever makes the next one is late.
        mark: Mark::of(list.next_update, now, list.next_update.duration_since(list.this_update) / 10),
        name: list.name,
        number: list.number,
    };
    let feed = match npc.states_known_at(now).await {
        Ok(at) if now.duration_since(at) < SignedDuration::from_secs(5) => {
            Ok(("即時".to_owned(), "up to date".to_owned()))
        }
        Ok(at) => Ok(distance(at, now)),
        Err(error) => Err(error.code().to_owned()),
    };
    let answers = country.meter.answers();
    let answers =
        answers.into_iter().map(|((service, kind), count)| (service, kind, grouped(count))).collect();
    let mut errors: Vec<_> = meter::errors().into_iter().collect();
    errors.sort_by_key(|(_, e)| std::cmp::Reverse(e.last));
    let errors =
        errors.into_iter().take(20).map(|(code, e)| (code, grouped(e.count), taipei(e.last))).collect();
    let page = Page {
        frame,
        known: grouped(npc.certificates_known()),
        feed,
        lists: published.into_iter().map(row).collect(),
        answers,
        errors,
    };
    page.render().map_err(Failure::ours)
}
