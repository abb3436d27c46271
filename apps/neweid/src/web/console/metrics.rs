//! `/metrics`: the figures as Prometheus reads them (text format 0.0.4). Numbers alone; nothing names a person, a card or
//! a certificate. docs/operations.md lists every name, which a test compares.

use super::{Site, broken};
use crate::clock;
use crate::country::Country;
use crate::failure::Failure;
use crate::meter;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use std::fmt::{Display, Write};

/// Names, kinds and meanings.
const NAMES: [(&str, &str, &str); 21] = [
    ("neweid_issuing_stopped", "gauge", "1 while issuing is stopped"),
    ("neweid_database_went_back", "gauge", "1 once the CA's database has gone back, until issuing goes on"),
    ("neweid_repository_closed", "gauge", "1 while the repository of holders' certificates is closed"),
    ("neweid_certificates_issued_total", "counter", "certificates issued, by profile and carrier"),
    ("neweid_certificates_known", "gauge", "certificates whose states the status services know"),
    (
        "neweid_authority_certificate_seconds",
        "gauge",
        "time left of the newest certificate of each kind of the CA",
    ),
    ("neweid_signatures_total", "counter", "signatures made, by system and purpose of the key"),
    ("neweid_signature_failures_total", "counter", "signatures that the key store could not make"),
    ("neweid_signature_seconds_total", "counter", "time spent signing"),
    ("neweid_signature_seconds_max", "gauge", "the longest signature since the start"),
    ("neweid_answers_total", "counter", "answers of the status services, by service and kind"),
    ("neweid_published_number", "gauge", "number of a list or document"),
    ("neweid_published_age_seconds", "gauge", "time since its thisUpdate"),
    ("neweid_published_left_seconds", "gauge", "time until its nextUpdate; negative when overdue"),
    ("neweid_published_bytes", "gauge", "its size"),
    ("neweid_feed_age_seconds", "gauge", "how old the states are that relying parties are told"),
    ("neweid_waiting", "gauge", "work of the CA that waits, by kind"),
    ("neweid_queue_length", "gauge", "jobs that wait, by system and queue"),
    ("neweid_queue_dead", "gauge", "jobs that wait for a person"),
    (
        "neweid_key_assessments_overdue",
        "gauge",
        "algorithms whose key risk was not assessed in time, by chip type",
    ),
    ("neweid_errors_total", "counter", "errors and warnings of the log, by code"),
];

/// `GET /metrics`
pub async fn page(State(country): Site) -> Response {
    match collect(&country, clock::now()).await {
        Ok(text) => {
            ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
        }
        Err(failure) => broken(failure, None),
    }
}

/// The text under way.
#[derive(Default)]
struct Text(String);

impl Text {
    // Values of one name stand together, under what it means.
    fn name(&mut self, name: &'static str) -> &mut Self {
        if let Some((name, kind, help)) = NAMES.iter().find(|known| known.0 == name) {
            let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
        }
        self
    }

    fn value(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<String> = labels
            .iter()
            .map(|(key, value)| format!("{key}=\"{}\"", value.replace(['"', '\\', '\n'], "_")))
            .collect();
        let braces = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.0, "{name}{braces} {value}");
    }
}

async fn collect(country: &Country, now: Timestamp) -> Result<String, Failure> {
    let npc = &country.npc;
    let mut text = Text::default();
    let stopped = npc.issuing_is_stopped().await.map_err(Failure::from_system)?;
    text.name("neweid_issuing_stopped").value("neweid_issuing_stopped", &[], u8::from(stopped));
    let back = npc.database_went_back().await.map_err(Failure::from_system)?.is_some();
    text.name("neweid_database_went_back").value("neweid_database_went_back", &[], u8::from(back));
    let closed = npc.repository_is_closed().await.map_err(Failure::from_system)?;
    text.name("neweid_repository_closed").value("neweid_repository_closed", &[], u8::from(closed));
    text.name("neweid_certificates_issued_total");
    for (profile, carrier, count) in npc.issued_in_all().await.map_err(Failure::from_system)? {
        let labels = [("profile", profile.as_str()), ("carrier", carrier.as_str())];
        text.value("neweid_certificates_issued_total", &labels, count);
    }
    text.name("neweid_certificates_known").value("neweid_certificates_known", &[], npc.certificates_known());
    text.name("neweid_authority_certificate_seconds");
    let authorities = npc.authorities().await.map_err(Failure::from_system)?;
    for entry in super::authority::current(&authorities) {
        let left = entry.not_after.duration_since(now).as_secs();
        text.value("neweid_authority_certificate_seconds", &[("profile", &entry.profile)], left);
    }
    signatures(country, &mut text);
    text.name("neweid_answers_total");
    for ((service, kind), count) in country.meter.answers() {
        text.value("neweid_answers_total", &[("service", service), ("kind", kind)], count);
    }
    let published = npc.published().await.map_err(Failure::from_system)?;
    type Figure = fn(&npc::Published, Timestamp) -> i64;
    let figures: [(&'static str, Figure); 4] = [
        ("neweid_published_number", |list, _| list.number.cast_signed()),
        ("neweid_published_age_seconds", |list, now| now.duration_since(list.this_update).as_secs()),
        ("neweid_published_left_seconds", |list, now| list.next_update.duration_since(now).as_secs()),
        ("neweid_published_bytes", |list, _| list.bytes.cast_signed()),
    ];
    for (name, figure) in figures {
        text.name(name);
        for list in &published {
            text.value(name, &[("name", &list.name)], figure(list, now));
        }
    }
    // Where the states cannot be read, there is no age to tell; the error is counted below.
    if let Ok(at) = npc.states_known_at(now).await {
        let age = now.duration_since(at).as_secs_f64();
        text.name("neweid_feed_age_seconds").value("neweid_feed_age_seconds", &[], format_args!("{age:.3}"));
    }
    let risks = country.centre.key_risks(now).await.map_err(Failure::from_system)?;
    let mut overdue: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
    for risk in &risks {
        *overdue.entry(&risk.name).or_default() += usize::from(risk.overdue);
    }
    text.name("neweid_key_assessments_overdue");
    for (name, count) in overdue {
        text.value("neweid_key_assessments_overdue", &[("chip_type", name)], count);
    }
    let waiting = npc.waiting(now).await.map_err(Failure::from_system)?;
    text.name("neweid_waiting");
    for (kind, count) in [
        ("unsigned-certificates", waiting.unsigned),
        ("incidents-to-approve", waiting.proposed),
        ("incidents-under-way", waiting.running),
        ("unconfirmed-certificates", waiting.unconfirmed),
        ("certificates-with-common-factor", waiting.common_factors),
    ] {
        text.value("neweid_waiting", &[("kind", kind)], count);
    }
    queues(country, &mut text).await?;
    text.name("neweid_errors_total");
    for (code, errors) in meter::errors() {
        text.value("neweid_errors_total", &[("code", &code)], errors.count);
    }
    Ok(text.0)
}

fn signatures(country: &Country, text: &mut Text) {
    let all = country.meter.signatures();
    type Figure = fn(&meter::Signatures) -> String;
    let figures: [(&'static str, Figure); 4] = [
        ("neweid_signatures_total", |s| s.made.to_string()),
        ("neweid_signature_failures_total", |s| s.failed.to_string()),
        ("neweid_signature_seconds_total", |s| format!("{:.6}", s.spent.as_secs_f64())),
        ("neweid_signature_seconds_max", |s| format!("{:.6}", s.longest.as_secs_f64())),
    ];
    for (name, figure) in figures {
        text.name(name);
        for ((system, purpose), signatures) in &all {
            text.value(name, &[("system", system), ("purpose", purpose)], figure(signatures));
        }
    }
}

async fn queues(country: &Country, text: &mut Text) -> Result<(), Failure> {
    let mut all = Vec::new();
    for (system, db) in country.books.iter().filter(|(system, _)| WITH_QUEUES.contains(system)) {
        for (queue, waiting, dead) in store::jobs::lengths(db).await.map_err(Failure::from_system)? {
            all.push((*system, queue, waiting, dead));
        }
    }
    text.name("neweid_queue_length");
    for (system, queue, waiting, _) in &all {
        text.value("neweid_queue_length", &[("system", system), ("queue", queue)], waiting);
    }
    text.name("neweid_queue_dead");
    for (system, queue, _, dead) in &all {
        text.value("neweid_queue_dead", &[("system", system), ("queue", queue)], dead);
    }
    Ok(())
}

/// The systems that keep jobs.
const WITH_QUEUES: [&str; 2] = ["mgmt", "production"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_is_documented() {
        let doc = include_str!("../../../../../docs/operations.md");
        for (name, kind, _) in NAMES {
            assert!(doc.contains(&format!("| `{name}` | {kind} |")), "docs/operations.md lacks {name}");
        }
    }

    #[test]
    fn a_label_cannot_break_the_line() {
        let mut text = Text::default();
        text.value("a", &[("b", "c\"} 1\nd")], 7);
        assert_eq!(text.0, "a{b=\"c_} 1_d\"} 7\n");
    }
}
