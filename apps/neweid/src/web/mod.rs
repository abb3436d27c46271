//! The first web page of the country: counts by state, the sample persons, their cards' faces, and the public key
//! directory. Everything works without script, and no page changes anything but that of lost cards (`/loss`). Beside the pages stands the
//! door for firms under contract (`/ics`).

pub mod console;
mod home;
mod ics;
mod loss;
mod outings;
mod personas;
mod pkd;

use crate::cards::{self, CardFile};
use crate::country::Country;
use crate::failure::Failure;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use std::collections::BTreeMap;
use std::sync::Arc;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::set_header::SetResponseHeaderLayer;

/// Style of every page.
const STYLE: &str = include_str!("../../../../web/static/style.css");
/// Resolution of a face on a page, dots per inch.
const FACE_DPI: u32 = 300;
/// Both sides.
const WHOLE: cardface::Sheet = cardface::Sheet::Both(cardface::Arrangement::Vertical);
/// What a page may load: our own style and pictures, no script.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// What handlers share.
#[derive(Clone)]
pub struct Site {
    country: Arc<Country>,
    endpoints: Arc<BTreeMap<&'static str, String>>,
    // Faces cost some hundred milliseconds each: one at a time.
    drawing: Arc<tokio::sync::Mutex<()>>,
}

/// The routes of the site.
pub fn router(country: Arc<Country>, endpoints: BTreeMap<&'static str, String>) -> Router {
    let site = Site { country, endpoints: Arc::new(endpoints), drawing: Arc::default() };
    let pages = Router::new()
        .route("/", get(home::page))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/static/style.css", get(style))
        .route("/cards/{serial}/face.png", get(face_png))
        .route("/cards/{serial}/face.pdf", get(face_pdf))
        .route("/pkd/", get(pkd::page))
        .route("/pkd/{name}", get(pkd::file))
        .route("/loss", get(loss::page).post(loss::act))
        .route("/outings", get(outings::page))
        .route("/ics", post(ics::answer))
        .route("/ics/barcode", post(ics::barcode))
        .route("/personas/", get(personas::page))
        .route("/personas/trust/{file}", get(personas::trust))
        .route("/personas/{profile}/{file}", get(personas::file))
        .fallback(|| async { not_found() })
        .with_state(site);
    hardened(pages)
}

/// Largest body of any request.
const LARGEST_BODY: usize = 64 * 1024;

/// Refuses bodies that announce more than anything here takes, and puts the security headers on every answer, also on
/// those the router gives by itself.
pub fn hardened(router: Router) -> Router {
    let header = |name, value| SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value));
    router
        .layer(RequestBodyLimitLayer::new(LARGEST_BODY))
        .layer(header(header::CONTENT_SECURITY_POLICY, POLICY))
        .layer(header(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(header(header::REFERRER_POLICY, "no-referrer"))
        .layer(header(header::X_FRAME_OPTIONS, "DENY"))
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = match self.code.as_str() {
            "NEWEID-E-CARD-SERIAL"
            | "NEWEID-E-CARD-NOT-FOUND"
            | "NEWEID-E-CARD-EMPTY"
            | "NEWEID-E-PERSONA-UNKNOWN"
            | "NEWEID-E-PAGE-NOT-FOUND" => StatusCode::NOT_FOUND,
            "NEWEID-E-CARD-IN-USE" => StatusCode::CONFLICT,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        // What failed inside is for the operator's log: it may name files and hosts.
        let text = if status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(code = self.code, "{}", self.message);
            format!("{}\n系統目前無法提供此頁。\nThe page cannot be shown now.\n", self.code)
        } else {
            format!("{}\n{}\n{}\n→ {}\n", self.code, self.message_zh, self.message, self.remedy)
        };
        (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
    }
}

fn not_found() -> Response {
    Failure::new(
        "NEWEID-E-PAGE-NOT-FOUND",
        crate::failure::Fault::Caller,
        "沒有這個網頁。",
        "There is no such page.",
        "/",
    )
    .into_response()
}

async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "max-age=3600")], STYLE)
}

async fn face_png(State(site): State<Site>, Path(serial): Path<String>) -> Result<Response, Failure> {
    let bytes = site.face(&serial, |face| face.render_proof(FACE_DPI)).await?;
    Ok(([(header::CONTENT_TYPE, "image/png"), (header::CACHE_CONTROL, "no-store")], bytes).into_response())
}

async fn face_pdf(State(site): State<Site>, Path(serial): Path<String>) -> Result<Response, Failure> {
    let bytes = site.face(&serial, |face| face.render_pdf(WHOLE)).await?;
    Ok(([(header::CONTENT_TYPE, "application/pdf"), (header::CACHE_CONTROL, "no-store")], bytes)
        .into_response())
}

impl Site {
    // Draws the face of a sample person's card. Nobody else's card is shown on a page.
    async fn face<F>(&self, serial: &str, draw: F) -> Result<Vec<u8>, Failure>
    where
        F: FnOnce(&cardface::Face) -> Result<Vec<u8>, cardface::Error> + Send + 'static,
    {
        let serial = cards::parse_serial(serial)?;
        let summary = self.country.mgmt.card(serial).await.map_err(|_| card_unknown(serial))?;
        if summary.sample.is_none() {
            return Err(card_unknown(serial));
        }
        let turn = Arc::clone(&self.drawing).lock_owned().await;
        let directory = self.country.directory.clone();
        tokio::task::spawn_blocking(move || {
            // Held until the drawing ends, also when whoever asked for it has left.
            let _turn = turn;
            let face = cards::face(&CardFile::of(&directory, serial), cardface::Symbology::default())?;
            draw(&face).map_err(Failure::ours)
        })
        .await
        .map_err(Failure::ours)?
    }
}

fn card_unknown(serial: model::CardSerial) -> Failure {
    Failure::new(
        "NEWEID-E-CARD-NOT-FOUND",
        crate::failure::Fault::Caller,
        format!("沒有可顯示的卡片 {serial}。"),
        format!("There is no card {serial} to show."),
        "/",
    )
}
