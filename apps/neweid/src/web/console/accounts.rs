//! Signing in and out, setting a password, and the list of operators.

use super::layout::{Frame, Query, problem, taipei};
use super::{COOKIE, Fields, Site, broken, done, form, refused, shown, token};
use crate::clock;
use crate::failure::Failure;
use askama::Template;
use axum::Extension;
use axum::body::Body;
use axum::extract::{Query as QueryOf, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use operators::{OperatorError, Session};

#[derive(Template)]
#[template(path = "console/sign_in.html")]
struct SignIn {
    frame: Frame,
    name: String,
    problem: Option<(String, String)>,
}

#[derive(Template)]
#[template(path = "console/enrol.html")]
struct Enrol {
    frame: Frame,
    name: String,
    problem: Option<(String, String)>,
}

#[derive(Template)]
#[template(path = "console/password.html")]
struct Password {
    frame: Frame,
    is_old: bool,
}

#[derive(Template)]
#[template(path = "console/operators.html")]
struct List {
    frame: Frame,
    rows: Vec<Row>,
}

struct Row {
    name: String,
    role_zh: &'static str,
    role: &'static str,
    state: (&'static str, &'static str),
    last: String,
    added_by: String,
    added: String,
}

/// `GET /console/sign-in`
pub async fn sign_in_page(QueryOf(query): QueryOf<Query>) -> Response {
    let frame = Frame::open("登入", "Sign in").noticed(&query);
    render(StatusCode::OK, &SignIn { frame, name: String::new(), problem: None })
}

/// `POST /console/sign-in`
pub async fn sign_in(State(country): Site, body: Body) -> Response {
    let fields = match form(body).await {
        Ok(fields) => fields,
        Err(failure) => return problem(StatusCode::BAD_REQUEST, &failure, None),
    };
    let name = fields.text("name").to_lowercase();
    match country.operators.sign_in(&name, fields.raw("password"), clock::now()).await {
        Ok(token) => {
            let cookie = format!("{COOKIE}={}; Path=/console; HttpOnly; SameSite=Strict", token.expose());
            ([(header::SET_COOKIE, cookie)], Redirect::to("/console/")).into_response()
        }
        Err(error) if error.is_refusal() => {
            let frame = Frame::open("登入", "Sign in");
            render(StatusCode::FORBIDDEN, &SignIn { frame, name, problem: Some(words(error)) })
        }
        Err(error) => broken(Failure::from_system(error), None),
    }
}

/// `GET /console/enrol`
pub async fn enrol_page() -> Response {
    let frame = Frame::open("設定密碼", "Set a password");
    render(StatusCode::OK, &Enrol { frame, name: String::new(), problem: None })
}

/// `POST /console/enrol`
pub async fn enrol(State(country): Site, body: Body) -> Response {
    let fields = match form(body).await {
        Ok(fields) => fields,
        Err(failure) => return problem(StatusCode::BAD_REQUEST, &failure, None),
    };
    let name = fields.text("name").to_lowercase();
    let again = |problem| {
        let frame = Frame::open("設定密碼", "Set a password");
        render(StatusCode::FORBIDDEN, &Enrol { frame, name: name.clone(), problem: Some(problem) })
    };
    if fields.raw("new") != fields.raw("again") {
        return again(differ());
    }
    let set = country.operators.enrol(&name, fields.text("code"), fields.raw("new"), clock::now()).await;
    match set {
        Ok(()) => done("/console/sign-in", "enrolled"),
        Err(error) if error.is_refusal() => again(words(error)),
        Err(error) => broken(Failure::from_system(error), None),
    }
}

/// `GET /console/password`
pub async fn password_page(Extension(session): Extension<Session>) -> Response {
    let frame = Frame::new(&session, "").titled("變更密碼", "Change the password");
    render(StatusCode::OK, &Password { frame, is_old: session.password_is_old })
}

/// `POST /console/password`
pub async fn password(
    State(country): Site,
    Extension(session): Extension<Session>,
    Extension(fields): Extension<Fields>,
) -> Response {
    if fields.raw("new") != fields.raw("again") {
        let (zh, en) = differ();
        let failure =
            Failure::new("NEWEID-E-CONSOLE-FORM", crate::failure::Fault::Caller, zh, en, "/console/password");
        return problem(StatusCode::BAD_REQUEST, &failure, Some(&session));
    }
    let (old, new) = (fields.raw("password"), fields.raw("new"));
    match country.operators.change_password(&session.name, old, new, clock::now()).await {
        Ok(()) => done("/console/sign-in", "password"),
        Err(error) if error.is_refusal() => {
            problem(StatusCode::FORBIDDEN, &Failure::from_system(error), Some(&session))
        }
        Err(error) => refused(&Failure::from_system(error), &session),
    }
}

/// `POST /console/sign-out`
pub async fn sign_out(
    State(country): Site,
    Extension(session): Extension<Session>,
    headers: HeaderMap,
) -> Response {
    if let Some(token) = token(&headers)
        && let Err(error) = country.operators.sign_out(&token, &session.name, clock::now()).await
    {
        return broken(Failure::from_system(error), Some(&session));
    }
    let cookie = format!("{COOKIE}=; Path=/console; HttpOnly; SameSite=Strict; Max-Age=0");
    ([(header::SET_COOKIE, cookie)], done("/console/sign-in", "signed-out")).into_response()
}

/// `GET /console/operators`
pub async fn list(State(country): Site, Extension(session): Extension<Session>) -> Response {
    let now = clock::now();
    let rows = country.operators.list().await.map_err(Failure::from_system).map(|all| {
        let row = |o: operators::Operator| Row {
            role_zh: o.role.map_or("無角色", operators::Role::zh),
            role: o.role.map_or("none", operators::Role::as_str),
            state: match (o.enabled, o.enrolled, o.locked_until.is_some_and(|until| until > now)) {
                (false, ..) => ("✗ 已停用", "disabled"),
                (true, _, true) => ("△ 已鎖定", "locked"),
                (true, false, _) => ("– 未註冊", "not enrolled"),
                (true, true, false) => ("✓ 使用中", "in use"),
            },
            last: o.last_sign_in.map_or("–".to_owned(), taipei),
            name: o.name,
            added_by: o.added_by,
            added: taipei(o.added_at),
        };
        List { frame: Frame::new(&session, "/console/operators"), rows: all.into_iter().map(row).collect() }
    });
    shown(rows.and_then(|page| page.render().map_err(Failure::ours)), &session)
}

fn words(error: OperatorError) -> (String, String) {
    let failure = Failure::from_system(error);
    (failure.message_zh, failure.message)
}

fn differ() -> (String, String) {
    ("兩次輸入的新密碼不同。".to_owned(), "The new password was typed in two different ways.".to_owned())
}

fn render(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(page) => (status, Html(page)).into_response(),
        Err(error) => broken(Failure::ours(error), None),
    }
}
