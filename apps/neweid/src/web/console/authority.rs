//! The CA: its certificates, their keys, when each ends, whether it issues, and whether its repository is open.

use super::layout::{Frame, Mark, Query, distance, taipei};
use super::{Fields, Site, answered, refused, shown};
use crate::clock;
use crate::country::Country;
use crate::failure::Failure;
use askama::Template;
use axum::Extension;
use axum::extract::{Query as QueryOf, State};
use axum::response::Response;
use jiff::SignedDuration;
use npc::AuthorityEntry;
use operators::{Right, Session};
use std::collections::BTreeMap;
use x509::PublicKey;

#[derive(Template)]
#[template(path = "console/authority.html")]
struct Page {
    frame: Frame,
    stopped: bool,
    closed: bool,
    may_switch: bool,
    rows: Vec<Row>,
}

struct Row {
    label: String,
    zh: &'static str,
    en: &'static str,
    subject: String,
    serial: String,
    key: String,
    fingerprint: String,
    until: String,
    left: (String, String),
    mark: Mark,
    current: bool,
}

/// `GET /console/authority`
pub async fn page(
    State(country): Site,
    Extension(session): Extension<Session>,
    QueryOf(query): QueryOf<Query>,
) -> Response {
    let frame = Frame::new(&session, "/console/authority").noticed(&query);
    shown(make(&country, &session, frame).await, &session)
}

async fn make(country: &Country, session: &Session, frame: Frame) -> Result<String, Failure> {
    let now = clock::now();
    let entries = country.npc.authorities().await.map_err(Failure::from_system)?;
    let newest: Vec<&str> = current(&entries).into_iter().map(|entry| entry.label.as_str()).collect();
    let row = |entry: &AuthorityEntry| {
        let (zh, en) = words(&entry.profile);
        let certificate = entry.certificate.as_ref();
        let name = certificate.and_then(|c| c.subject_name().ok());
        let hex = |bytes: &[u8]| hex::encode(bytes);
        Row {
            label: entry.label.clone(),
            zh,
            en,
            subject: name.as_ref().map_or_else(String::new, subject),
            serial: certificate.map_or_else(|| "–".to_owned(), |c| hex(c.serial_octets())),
            key: certificate.map_or_else(String::new, |c| key(c.spki())),
            fingerprint: certificate
                .map_or_else(|| "尚未簽章 not signed yet".to_owned(), |c| hex(&c.fingerprint())),
            until: taipei(entry.not_after),
            left: distance(now, entry.not_after),
            mark: Mark::of(entry.not_after, now, SignedDuration::from_hours(3 * 24)),
            current: newest.contains(&entry.label.as_str()),
        }
    };
    let page = Page {
        frame,
        stopped: country.npc.issuing_is_stopped().await.map_err(Failure::from_system)?,
        closed: country.npc.repository_is_closed().await.map_err(Failure::from_system)?,
        may_switch: session.may(Right::SwitchIssuing),
        rows: entries.iter().map(row).collect(),
    };
    page.render().map_err(Failure::ours)
}

/// `POST /console/authority/issuing`
pub async fn switch(
    State(country): Site,
    Extension(session): Extension<Session>,
    Extension(fields): Extension<Fields>,
) -> Response {
    let now = clock::now();
    let (switched, what) = match fields.text("switch") {
        "stop" => (country.npc.stop_issuing(&session.name, now).await, "stopped"),
        "start" => (country.npc.start_issuing(&session.name, now).await, "started"),
        _ => return refused(&super::malformed(), &session),
    };
    answered(switched.map(|()| what).map_err(Failure::from_system), "/console/authority", &session)
}

/// `POST /console/authority/repository`
pub async fn switch_repository(
    State(country): Site,
    Extension(session): Extension<Session>,
    Extension(fields): Extension<Fields>,
) -> Response {
    let now = clock::now();
    let (switched, what) = match fields.text("switch") {
        "close" => (country.npc.close_repository(&session.name, now).await, "repository-closed"),
        "open" => (country.npc.open_repository(&session.name, now).await, "repository-open"),
        _ => return refused(&super::malformed(), &session),
    };
    answered(switched.map(|()| what).map_err(Failure::from_system), "/console/authority", &session)
}

/// The newest certificate of each profile: services have had others before, which are meant to end.
pub fn current(entries: &[AuthorityEntry]) -> Vec<&AuthorityEntry> {
    let mut newest: BTreeMap<&str, &AuthorityEntry> = BTreeMap::new();
    for entry in entries {
        let kept = newest.entry(&entry.profile).or_insert(entry);
        if entry.not_after > kept.not_after {
            *kept = entry;
        }
    }
    newest.into_values().collect()
}

fn subject(name: &x509::Name) -> String {
    let common = name.common_name().map(str::to_owned);
    common.unwrap_or_else(|| {
        let values: Vec<&str> = name.attributes().iter().map(|attribute| attribute.value.as_str()).collect();
        values.last().copied().unwrap_or_default().to_owned()
    })
}

fn key(spki: &[u8]) -> String {
    match PublicKey::from_spki(spki) {
        Ok(PublicKey::Rsa(key)) => format!("RSA-{}", key.modulus().len() * 8),
        Ok(PublicKey::Ec(key)) => key.curve().name().to_owned(),
        Ok(_) => "ML-DSA-65".to_owned(),
        Err(_) => "?".to_owned(),
    }
}

fn words(profile: &str) -> (&'static str, &'static str) {
    match profile {
        "npc-root" => ("憑證總管理中心（根）", "root"),
        "npc-intermediate" => ("自然人憑證管理中心", "issuing CA"),
        "ocsp-responder" => ("OCSP 回應", "OCSP responder"),
        "timestamp-authority" => ("時戳", "time stamps"),
        "status-signer" => ("狀態清單簽章", "status lists"),
        "cmp-signer" => ("註冊中心介面", "CMP answers"),
        _ => ("其他", "other"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_each_profile_the_newest_counts() {
        let entry = |label: &str, profile: &str, end: i64| AuthorityEntry {
            label: label.into(),
            profile: profile.into(),
            certificate: None,
            not_after: jiff::Timestamp::from_second(end).expect("in range"),
        };
        let all = [entry("o-1", "ocsp", 10), entry("o-2", "ocsp", 20), entry("ca", "npc-intermediate", 15)];
        let newest: Vec<&str> = current(&all).into_iter().map(|entry| entry.label.as_str()).collect();
        assert_eq!(newest, ["ca", "o-2"]);
    }
}
