//! The door of the identity confirmation service (NPC-62): firms under contract send inquiries that they have signed, and hear yes
//! or no. What is asked stands in docs/cli.md; who may ask is the registration authority's business.

use super::Site;
use crate::clock;
use crate::failure::Failure;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ra::{RaError, Refusal};
use serde_json::json;

/// `POST /ics`: CMS SignedData as `application/pkcs7-mime` (RFC 8551 §3.2) or `application/cms` (RFC 7193). The answer is JSON:
/// `{"confirmed": true}`, or `{"error": {...}}` with code, words and remedy.
pub async fn answer(State(site): State<Site>, headers: HeaderMap, body: Bytes) -> Response {
    if !is_cms(&headers) {
        return StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response();
    }
    match site.country.ra.confirm_identity(&body, clock::now()).await {
        Ok(confirmed) => told(StatusCode::OK, &json!({ "confirmed": confirmed })),
        Err(error) => refused(error),
    }
}

/// `POST /ics/barcode`: the same for questions about certificate barcodes (NPC-65). The answer is `{"answer": true}`.
pub async fn barcode(State(site): State<Site>, headers: HeaderMap, body: Bytes) -> Response {
    if !is_cms(&headers) {
        return StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response();
    }
    match site.country.ra.answer_about_barcode(&body, clock::now()).await {
        Ok(answer) => told(StatusCode::OK, &json!({ "answer": answer })),
        Err(error) => refused(error),
    }
}

fn is_cms(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    matches!(kind.as_str(), "application/pkcs7-mime" | "application/cms")
}

fn refused(error: RaError) -> Response {
    let status = match error.refusal() {
        Some(Refusal::FirmRate | Refusal::FirmGuesses) => StatusCode::TOO_MANY_REQUESTS,
        Some(Refusal::FirmContract) => StatusCode::FORBIDDEN,
        Some(_) => StatusCode::BAD_REQUEST,
        None => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let failure = Failure::from_system(error);
    if status == StatusCode::INTERNAL_SERVER_ERROR {
        // What failed inside is for the operator's log.
        tracing::error!(code = failure.code, "{}", failure.message);
        return told(status, &json!({ "error": { "code": failure.code } }));
    }
    let error = json!({
        "code": failure.code, "message_zh": failure.message_zh, "message": failure.message, "remedy": failure.remedy,
    });
    told(status, &json!({ "error": error }))
}

/// What is answered is one firm's business: no cache keeps it.
fn told(status: StatusCode, document: &serde_json::Value) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (status, headers, document.to_string()).into_response()
}
