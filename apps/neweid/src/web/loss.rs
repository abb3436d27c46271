//! Loss reports and their withdrawal by the holder, at any hour (LOSS-03, LOSS-08): number and user code, which the registration
//! authority judges. Nothing is remembered between two requests, and an answer shows nothing of a person.

use super::Site;
use crate::clock;
use crate::failure::{Failure, Fault};
use askama::Template;
use axum::extract::{Form, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use curve::{Random, SystemRandom};
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;
use zeroize::Zeroizing;

#[derive(Template)]
#[template(path = "loss.html")]
struct Page {
    done: Option<Done>,
    failure: Option<Failure>,
}

struct Done {
    receipt: String,
    lost: bool,
}

/// `GET /loss`
pub async fn page() -> Response {
    shown(StatusCode::OK, Page { done: None, failure: None })
}

/// `POST /loss`: `number`, `code`, and `what` is `report` or `withdraw`.
pub async fn act(State(site): State<Site>, Form(mut fields): Form<HashMap<String, String>>) -> Response {
    let number = fields.remove("number").and_then(|text| text.trim().parse().ok());
    let code = fields.remove("code").map(Zeroizing::new).and_then(|text| text.trim().parse().ok());
    let lost = match fields.get("what").map(String::as_str) {
        Some("report") => Some(true),
        Some("withdraw") => Some(false),
        _ => None,
    };
    let (Some(number), Some(code), Some(lost)) = (number, code, lost) else {
        return shown(StatusCode::BAD_REQUEST, Page { done: None, failure: Some(malformed()) });
    };
    let mut id = [0; 16];
    SystemRandom.fill(&mut id);
    let id = uuid::Builder::from_random_bytes(id).into_uuid();
    let begun = Instant::now();
    let answer = site.country.ra.loss_online(id, &number, &code, lost, clock::now()).await;
    if answer.is_err() {
        // Nobody learns from the time of an answer how far a number and a code have come.
        let steps = begun.elapsed().as_millis() / STEP.as_millis() + 1;
        tokio::time::sleep_until(begun + STEP * u32::try_from(steps).unwrap_or(1)).await;
    }
    match answer {
        Ok(done) => {
            let done = Some(Done { receipt: done.receipt, lost });
            shown(StatusCode::OK, Page { done, failure: None })
        }
        Err(error) => {
            let refused = error.is_refusal();
            let failure = Failure::from_system(error);
            if !refused {
                return failure.into_response();
            }
            shown(StatusCode::FORBIDDEN, Page { done: None, failure: Some(failure) })
        }
    }
}

/// Refusals are answered at whole steps of this length after their question.
const STEP: Duration = Duration::from_millis(500);

fn malformed() -> Failure {
    Failure::new(
        "NEWEID-E-LOSS-FORM",
        Fault::Caller,
        "統一編號或用戶代碼格式不符。",
        "The number or the user code is not of its form.",
        "統一編號為一個英文字母及 9 位數字；用戶代碼為 6 至 10 個英數字 A letter and nine digits; six to ten letters and digits.",
    )
}

fn shown(status: StatusCode, page: Page) -> Response {
    match page.render() {
        Ok(text) => (status, [(header::CACHE_CONTROL, "no-store")], Html(text)).into_response(),
        Err(error) => Failure::ours(error).into_response(),
    }
}
