//! Where offices update chips outside of their counters, as they have announced it (UPDATE-11).

use super::Site;
use crate::clock::{self, taipei};
use crate::commands::outing;
use crate::failure::Failure;
use askama::Template;
use axum::extract::State;
use axum::response::Html;

#[derive(Template)]
#[template(path = "outings.html")]
struct Page {
    outings: Vec<Row>,
}

struct Row {
    office: String,
    place: String,
    from: String,
    until: String,
}

/// `GET /outings`: those that have not ended.
pub async fn page(State(site): State<Site>) -> Result<Html<String>, Failure> {
    let announced = outing::all(&site.country, Some(clock::now())).await?;
    let row = |outing: mgmt::Outing| Row {
        office: registry::office(outing.announced.office).map_or(String::new(), |office| office.name),
        place: outing.announced.place,
        from: taipei(outing.announced.from),
        until: taipei(outing.announced.until),
    };
    // What comes soonest stands first.
    let page = Page { outings: announced.into_iter().rev().map(row).collect() };
    page.render().map(Html).map_err(Failure::ours)
}
