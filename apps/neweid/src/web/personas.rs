//! The personas: a page that lists them, and their files to download.

use super::Site;
use crate::commands::persona;
use crate::failure::{Failure, Fault};
use crate::personas::{self, PERSONAS};
use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};
use model::CardProfile;
use std::sync::Arc;
use terminal::Verdict;

/// What the page shows.
#[derive(Template)]
#[template(path = "personas.html")]
struct Page {
    rows: Vec<Row>,
    trust: Vec<&'static str>,
}

struct Row {
    name: &'static str,
    zh: &'static str,
    en: &'static str,
    finding_zh: &'static str,
    finding_en: &'static str,
    good: bool,
    profiles: Vec<&'static str>,
}

/// `GET /personas/`
pub async fn page() -> Result<Html<String>, Failure> {
    render().map(Html)
}

fn render() -> Result<String, Failure> {
    let rows = PERSONAS
        .iter()
        .map(|persona| Row {
            name: persona.name,
            zh: persona.zh,
            en: persona.en,
            finding_zh: persona.finding_zh,
            finding_en: persona.finding_en,
            good: persona.verdict == Verdict::Verified,
            profiles: persona.profiles().into_iter().map(CardProfile::as_str).collect(),
        })
        .collect();
    let page = Page { rows, trust: vec!["csca.pem", "csca.crl"] };
    page.render().map_err(Failure::ours)
}

/// `GET /personas/{profile}/{file}`: `NAME.card`, or `NAME.json` with what a tester needs.
pub async fn file(
    State(site): State<Site>,
    Path((profile, file)): Path<(String, String)>,
) -> Result<Response, Failure> {
    let unknown = || {
        Failure::new(
            "NEWEID-E-PERSONA-UNKNOWN",
            Fault::Caller,
            "沒有這個人物卡檔案。",
            "There is no such file of a persona.",
            "/personas/",
        )
    };
    let profile: CardProfile = profile.parse().map_err(|_| unknown())?;
    let (name, ending) = file.rsplit_once('.').ok_or_else(unknown)?;
    let kind = match ending {
        "card" => "application/octet-stream",
        "json" => "application/json",
        _ => return Err(unknown()),
    };
    let number = persona::find(name)?;
    if !PERSONAS[number].profiles().contains(&profile) {
        return Err(unknown());
    }
    // Making one takes seconds, on a thread of its own; whoever has left in the meantime does not stop it.
    let turn = Arc::clone(&site.drawing).lock_owned().await;
    let (country, ending) = (Arc::clone(&site.country), ending.to_owned());
    let runtime = tokio::runtime::Handle::current();
    let making = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        runtime.block_on(personas::file(&country, number, profile, &ending))
    });
    let bytes = making.await.map_err(Failure::ours)??;
    let disposition =
        HeaderValue::from_str(&format!("attachment; filename=\"{file}\"")).map_err(Failure::ours)?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CONTENT_DISPOSITION, disposition),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, bytes).into_response())
}

/// `GET /personas/trust/{file}`: what a reader has to trust.
pub async fn trust(State(site): State<Site>, Path(file): Path<String>) -> Result<Response, Failure> {
    let (country, runtime) = (Arc::clone(&site.country), tokio::runtime::Handle::current());
    let found = tokio::task::spawn_blocking(move || runtime.block_on(personas::trust_file(&country, &file)));
    let Some(bytes) = found.await.map_err(Failure::ours)?? else { return Ok(super::not_found()) };
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response())
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_persona_can_be_downloaded_from_the_page() {
        let page = super::render().expect("renders");
        for persona in super::PERSONAS {
            for profile in persona.profiles() {
                let link = format!("/personas/{profile}/{}.card", persona.name);
                assert!(page.contains(&link), "{link}");
            }
            assert!(page.contains(persona.zh) && page.contains(persona.finding_en), "{}", persona.name);
        }
        assert!(!page.contains("<script"));
    }
}
