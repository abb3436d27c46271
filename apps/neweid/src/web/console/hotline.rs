//! The page of the hotline 1996 (LOSS-05): the caller answers, the operator types, the registration authority decides. Nothing about a
//! holder is shown here, whether the answers were right or wrong.

use super::layout::Frame;
use super::{Fields, Site, malformed, refused, shown};
use crate::clock;
use crate::failure::Failure;
use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use curve::{Random, SystemRandom};
use mgmt::CallerAnswers;
use operators::Session;
use ra::functions::Channel;

#[derive(Template)]
#[template(path = "console/hotline.html")]
struct Page {
    frame: Frame,
    receipt: Option<String>,
}

/// `GET /console/hotline`
pub async fn page(Extension(session): Extension<Session>) -> Response {
    shown(make(&session, None), &session)
}

fn make(session: &Session, receipt: Option<String>) -> Result<String, Failure> {
    Page { frame: Frame::new(session, "/console/hotline"), receipt }.render().map_err(Failure::ours)
}

/// `POST /console/hotline/report`
pub async fn report(
    State(country): Site,
    Extension(session): Extension<Session>,
    Extension(fields): Extension<Fields>,
) -> Response {
    let Some((answers, card)) = answers(&fields) else { return refused(&malformed(), &session) };
    let mut id = [0; 16];
    SystemRandom.fill(&mut id);
    let id = uuid::Builder::from_random_bytes(id).into_uuid();
    let by = (session.name.as_str(), answers);
    match country.ra.loss_by_caller(Channel::Hotline, id, card, by, clock::now()).await {
        Ok(done) => shown(make(&session, Some(done.receipt)), &session),
        Err(error) => refused(&Failure::from_system(error), &session),
    }
}

fn answers(fields: &Fields) -> Option<(CallerAnswers, Option<model::CardSerial>)> {
    let given = |name| Some(fields.text(name)).filter(|text| !text.is_empty());
    let answers = CallerAnswers {
        number: fields.text("number").parse().ok()?,
        birth: fields.text("birth").parse().ok()?,
        district: fields.text("district").to_owned(),
        representative: given("representative").map(str::to_owned),
    };
    let card = match given("card") {
        Some(card) => Some(card.parse().ok()?),
        None => None,
    };
    Some((answers, card))
}
