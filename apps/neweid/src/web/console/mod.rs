//! The operators' console: its routes, and the one filter in front of them (SECURITY-15).
//!
//! Every page that is not for everybody stands in [`ROUTES`] with the right it needs; the filter finds the session, compares
//! the right, and for whatever changes something the token of the form, and the password where it is asked for once more.
//! Handlers run after that and decide nothing about access. The two-person rules belong to the systems, not to these pages.
//!
//! Everything works without script. No page loads anything from elsewhere, is kept by a cache, or stands in a frame. The
//! listener is on loopback only, and answers to the names of this machine alone, so that no foreign page can reach it by
//! a name of its own.

mod accounts;
mod approvals;
mod audit;
mod authority;
mod ceremonies;
mod chip_types;
mod home;
mod hotline;
mod incidents;
mod issuance;
mod layout;
mod metrics;
mod status;

use crate::clock;
use crate::country::Country;
use crate::failure::{Failure, Fault};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Form, FromRequest, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{MethodRouter, get, post};
use operators::{Right, Session, Token};
use std::collections::HashMap;
use std::str::FromStr;
use std::sync::Arc;
use tower_http::set_header::SetResponseHeaderLayer;

use layout::problem;
pub use layout::taipei;

/// What a page of the console may load, and where its forms may go.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// The cookie with the session's token. Sent back to the console alone, never to a script, never from another site.
const COOKIE: &str = "neweid-console";
/// Largest body of a request.
const LARGEST_BODY: usize = 16 * 1024;

/// What handlers share.
type Site = State<Arc<Country>>;
/// The fields of a form.
#[derive(Clone, Default)]
struct Fields(HashMap<String, String>);

impl Fields {
    /// A field without blanks around it; empty if it was not sent.
    fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", |text| text.trim())
    }

    /// A field as it was typed.
    fn raw(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

/// One route behind the filter.
struct Route {
    method: Method,
    path: &'static str,
    /// None: anybody who has signed in, also without a role and with an old password.
    right: Option<Right>,
    /// Whether the password is asked for once more.
    confirm: bool,
    handler: fn() -> MethodRouter<Arc<Country>>,
}

const fn page(path: &'static str, right: Right, handler: fn() -> MethodRouter<Arc<Country>>) -> Route {
    Route { method: Method::GET, path, right: Some(right), confirm: false, handler }
}

const fn act(path: &'static str, right: Right, handler: fn() -> MethodRouter<Arc<Country>>) -> Route {
    Route { method: Method::POST, path, right: Some(right), confirm: true, handler }
}

const fn own(method: Method, path: &'static str, handler: fn() -> MethodRouter<Arc<Country>>) -> Route {
    Route { method, path, right: None, confirm: false, handler }
}

/// Every page that needs a session.
static ROUTES: &[Route] = &[
    page("/console/", Right::Enter, || get(home::page)),
    page("/console/authority", Right::SeeAuthority, || get(authority::page)),
    act("/console/authority/issuing", Right::SwitchIssuing, || post(authority::switch)),
    act("/console/authority/repository", Right::SwitchIssuing, || post(authority::switch_repository)),
    page("/console/ceremonies", Right::SeeAuthority, || get(ceremonies::page)),
    act("/console/ceremonies/approve", Right::DecideCeremonies, || post(ceremonies::approve)),
    page("/console/issuance", Right::SeeIssuance, || get(issuance::page)),
    page("/console/certificate", Right::FindCertificate, || get(issuance::certificate)),
    page("/console/status", Right::SeeStatus, || get(status::page)),
    page("/console/incidents", Right::SeeIncidents, || get(incidents::page)),
    act("/console/incidents/propose", Right::DecideIncidents, || post(incidents::propose)),
    act("/console/incidents/recall", Right::DecideIncidents, || post(incidents::recall)),
    act("/console/incidents/approve", Right::DecideIncidents, || post(incidents::approve)),
    page("/console/approvals", Right::SeeApprovals, || get(approvals::page)),
    act("/console/approvals/policy", Right::DecideCeremonies, || post(approvals::policy)),
    act("/console/approvals/registration-authority", Right::DecideCeremonies, || {
        post(approvals::registration_authority)
    }),
    act("/console/approvals/recall", Right::DecideIncidents, || post(approvals::recall)),
    act("/console/approvals/recall-revocation", Right::DecideIncidents, || {
        post(approvals::recall_revocation)
    }),
    act("/console/approvals/document-signer", Right::DecideDocumentSigners, || {
        post(approvals::document_signer)
    }),
    page("/console/chip-types", Right::SeeChipTypes, || get(chip_types::page)),
    act("/console/chip-types/propose", Right::DecideChipTypes, || post(chip_types::propose)),
    act("/console/chip-types/approve", Right::DecideChipTypes, || post(chip_types::approve)),
    act("/console/chip-types/assess", Right::DecideChipTypes, || post(chip_types::assess)),
    act("/console/chip-types/approve-assessment", Right::DecideChipTypes, || {
        post(chip_types::approve_assessment)
    }),
    page("/console/audit", Right::SeeAudit, || get(audit::page)),
    page("/console/audit/{system}", Right::SeeAudit, || get(audit::chain)),
    page("/console/audit/{system}/verify", Right::SeeAudit, || get(audit::verify)),
    page("/console/audit/{system}/export", Right::SeeAudit, || get(audit::export)),
    page("/console/hotline", Right::SeeHotline, || get(hotline::page)),
    act("/console/hotline/report", Right::TakeLossReports, || post(hotline::report)),
    page("/console/operators", Right::SeeOperators, || get(accounts::list)),
    own(Method::GET, "/console/password", || get(accounts::password_page)),
    own(Method::POST, "/console/password", || post(accounts::password)),
    own(Method::POST, "/console/sign-out", || post(accounts::sign_out)),
];

/// The routes of the console and of its figures.
pub fn router(country: Arc<Country>) -> Router {
    let mut router = Router::new()
        .route("/", get(|| async { Redirect::to("/console/") }))
        .route("/console", get(|| async { Redirect::to("/console/") }))
        .route("/console/sign-in", get(accounts::sign_in_page).post(accounts::sign_in))
        .route("/console/enrol", get(accounts::enrol_page).post(accounts::enrol))
        .route("/static/style.css", get(super::style))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/metrics", get(metrics::page))
        .fallback(|| async { problem(StatusCode::NOT_FOUND, &not_found(), None) });
    for route in ROUTES {
        let filter = middleware::from_fn_with_state((Arc::clone(&country), route), filter);
        router = router.route(route.path, (route.handler)().layer(filter));
    }
    let header = |name, value| SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value));
    router
        .with_state(country)
        .layer(middleware::from_fn(from_here))
        .layer(tower_http::limit::RequestBodyLimitLayer::new(LARGEST_BODY))
        .layer(SetResponseHeaderLayer::if_not_present(
            header::CACHE_CONTROL,
            HeaderValue::from_static("no-store"),
        ))
        .layer(header(header::CONTENT_SECURITY_POLICY, POLICY))
        .layer(header(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(header(header::REFERRER_POLICY, "same-origin"))
        .layer(header(header::X_FRAME_OPTIONS, "DENY"))
}

// Refuses what comes under a foreign name (a page elsewhere whose name was pointed at this machine), and what a page
// elsewhere sends.
async fn from_here(request: Request, next: Next) -> Response {
    let headers = request.headers();
    let host = text(headers, header::HOST.as_str());
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let address = name.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    let ours = name == "localhost" || address.is_ok_and(|address| address.is_loopback());
    let changes = request.method() != Method::GET && request.method() != Method::HEAD;
    let site = text(headers, "sec-fetch-site");
    let origin = text(headers, header::ORIGIN.as_str());
    let elsewhere = match (site, origin) {
        ("", "") => false,
        ("", origin) => origin.split_once("://").is_none_or(|(_, rest)| rest != host),
        (site, _) => site != "same-origin",
    };
    if !ours || (changes && elsewhere) {
        return problem(StatusCode::FORBIDDEN, &foreign(), None);
    }
    next.run(request).await
}

// The one filter: session, right, token, password.
async fn filter(
    State((country, route)): State<(Arc<Country>, &'static Route)>,
    request: Request,
    next: Next,
) -> Response {
    match admit(&country, route, request).await {
        Ok(request) => next.run(request).await,
        Err(answer) => *answer,
    }
}

async fn admit(country: &Arc<Country>, route: &Route, request: Request) -> Result<Request, Box<Response>> {
    let now = clock::now();
    let (mut parts, body) = request.into_parts();
    let failed = |error| Box::new(broken(error, None));
    let session = match token(&parts.headers) {
        Some(token) => {
            country.operators.session(&token, now).await.map_err(Failure::from_system).map_err(failed)?
        }
        None => None,
    };
    let Some(session) = session else {
        return Err(Box::new(Redirect::to("/console/sign-in").into_response()));
    };
    if let Some(right) = route.right {
        if session.password_is_old {
            return Err(Box::new(Redirect::to("/console/password").into_response()));
        }
        if !session.may(right) {
            let noted = country.operators.note(&session.name, "access-refused", right.as_str(), now).await;
            noted.map_err(Failure::from_system).map_err(failed)?;
            return Err(Box::new(problem(StatusCode::FORBIDDEN, &no_right(&session), Some(&session))));
        }
    }
    if route.method == Method::POST {
        let fields = form(body)
            .await
            .map_err(|failure| Box::new(problem(StatusCode::BAD_REQUEST, &failure, Some(&session))))?;
        if !session.owns_form(fields.raw("form")) {
            return Err(Box::new(problem(StatusCode::FORBIDDEN, &foreign(), Some(&session))));
        }
        if route.confirm
            && let Err(error) = country.operators.confirm(&session, fields.raw("password"), now).await
        {
            let status =
                if error.is_refusal() { StatusCode::FORBIDDEN } else { StatusCode::INTERNAL_SERVER_ERROR };
            return Err(Box::new(problem(status, &Failure::from_system(error), Some(&session))));
        }
        parts.extensions.insert(fields);
        parts.extensions.insert(session);
        return Ok(Request::from_parts(parts, Body::empty()));
    }
    parts.extensions.insert(session);
    Ok(Request::from_parts(parts, body))
}

async fn form(body: Body) -> Result<Fields, Failure> {
    let bytes = to_bytes(body, LARGEST_BODY).await.map_err(|_| malformed())?;
    let request = Request::builder()
        .method(Method::POST)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(bytes))
        .map_err(Failure::ours)?;
    let Form(fields) =
        Form::<Vec<(String, String)>>::from_request(request, &()).await.map_err(|_| malformed())?;
    Ok(Fields(fields.into_iter().collect()))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The token a browser has sent.
fn token(headers: &HeaderMap) -> Option<Token> {
    let cookies = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find_map(|(name, value)| (name == COOKIE).then(|| Token::from_text(value)).flatten())
}

/// Where to go after something was done, and what to say there.
fn done(path: &str, what: &str) -> Response {
    Redirect::to(&format!("{path}?done={what}")).into_response()
}

/// Where to go after something was done and what to say there, or why it was not done.
fn answered(what: Result<&str, Failure>, page: &str, session: &Session) -> Response {
    match what {
        Ok(what) => done(page, what),
        Err(failure) => refused(&failure, session),
    }
}

/// The answer to an approval: the number of the proposal stands in the form, and the system it belongs to decides.
async fn approved<N: FromStr, F: Future<Output = Result<&'static str, Failure>>>(
    fields: &Fields,
    page: &str,
    session: &Session,
    approve: impl FnOnce(N) -> F,
) -> Response {
    let what = match fields.text("number").parse() {
        Ok(number) => approve(number).await,
        Err(_) => Err(malformed()),
    };
    answered(what, page, session)
}

/// The answer to something that a system refused, or could not do.
fn refused(failure: &Failure, session: &Session) -> Response {
    match failure.fault {
        Fault::Ours => broken(failure.clone(), Some(session)),
        _ => problem(StatusCode::CONFLICT, failure, Some(session)),
    }
}

/// What failed inside is for the log: it may name files and hosts.
fn broken(failure: Failure, session: Option<&Session>) -> Response {
    tracing::error!(code = failure.code, "{}", failure.message);
    let shown = Failure::new(
        failure.code,
        failure.fault,
        "系統目前無法提供此頁。",
        "The page cannot be shown now.",
        "稍後再試；細節在系統紀錄 Try again later; the log has the details.",
    );
    problem(StatusCode::INTERNAL_SERVER_ERROR, &shown, session)
}

/// A page, or why it cannot be shown.
fn shown(page: Result<String, Failure>, session: &Session) -> Response {
    match page {
        Ok(page) => axum::response::Html(page).into_response(),
        Err(failure) if failure.fault == Fault::Caller => {
            problem(StatusCode::BAD_REQUEST, &failure, Some(session))
        }
        Err(failure) => broken(failure, Some(session)),
    }
}

fn not_found() -> Failure {
    Failure::new(
        "NEWEID-E-PAGE-NOT-FOUND",
        Fault::Caller,
        "沒有這個網頁。",
        "There is no such page.",
        "/console/",
    )
}

fn malformed() -> Failure {
    Failure::new(
        "NEWEID-E-CONSOLE-FORM",
        Fault::Caller,
        "表單內容無法解讀。",
        "The form cannot be read.",
        "回上一頁重新填寫 Go back and fill it in again.",
    )
}

fn foreign() -> Failure {
    Failure::new(
        "NEWEID-E-CONSOLE-FOREIGN",
        Fault::Caller,
        "此要求不是由本控制台的網頁送出。",
        "The request does not come from a page of this console.",
        "由 /console/ 重新登入 Sign in again at /console/; use the address that `neweid up` shows.",
    )
}

fn no_right(session: &Session) -> Failure {
    let (zh, en) = match session.role {
        Some(role) => (
            format!("您的角色「{}」不得使用此頁。", role.zh()),
            format!("Your role, {}, does not allow this page.", role.as_str()),
        ),
        None => (
            "您的帳號目前沒有角色，不得使用任何頁面。".to_owned(),
            "Your account has no role at present, so no page can be shown.".to_owned(),
        ),
    };
    Failure::new(
        "NEWEID-E-CONSOLE-ROLE",
        Fault::Caller,
        zh,
        en,
        "如需此權限，請主管核可後由管理者執行 If you need it, have it approved and let the administrator run: neweid operator role NAME ROLE",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: SECURITY-20, SECURITY-L27, SECURITY-L28
    #[test]
    fn every_route_behind_the_filter_names_its_right_and_changes_only_by_post() {
        for route in ROUTES {
            let changes = route.right.is_some_and(Right::changes);
            assert_eq!(changes, route.method == Method::POST && route.right.is_some(), "{}", route.path);
            // SECURITY-20: whatever changes something asks for the password once more.
            assert_eq!(route.confirm, changes, "{}", route.path);
        }
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        let token_text = "ab".repeat(32);
        let value = format!("a=b; {COOKIE}={token_text}; c=d");
        headers.insert(header::COOKIE, value.parse().expect("a header"));
        assert_eq!(token(&headers).expect("found").expose(), token_text);
        headers.insert(header::COOKIE, format!("{COOKIE}=../../x").parse().expect("a header"));
        assert!(token(&headers).is_none());
    }
}
