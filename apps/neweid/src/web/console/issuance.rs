//! What was issued: counts by day, profile and carrier, the last ones, and one certificate by its serial number. No name
//! and no holder number stands on these pages; who looked for which certificate is in the audit log.

use super::layout::{Frame, Query, grouped, taipei};
use super::{Site, shown};
use crate::clock;
use crate::country::Country;
use crate::failure::{Failure, Fault};
use askama::Template;
use axum::Extension;
use axum::extract::{Query as QueryOf, State};
use axum::response::Response;
use jiff::ToSpan;
use model::{CertificateState, RocDate};
use operators::{Right, Session};
use x509::Serial;

/// Days shown.
const DAYS: i32 = 14;
/// Last certificates shown.
const RECENT: u32 = 20;

#[derive(Template)]
#[template(path = "console/issuance.html")]
struct Page {
    frame: Frame,
    may_find: bool,
    days: Vec<Day>,
    in_all: Vec<(String, String, String)>,
    recent: Vec<Recent>,
}

struct Day {
    day: String,
    profile: String,
    carrier: String,
    count: String,
}

struct Recent {
    at: String,
    serial: String,
    profile: String,
    carrier: String,
    key: String,
}

/// `GET /console/issuance`
pub async fn page(
    State(country): Site,
    Extension(session): Extension<Session>,
    QueryOf(query): QueryOf<Query>,
) -> Response {
    let frame = Frame::new(&session, "/console/issuance").noticed(&query);
    shown(make(&country, &session, frame).await, &session)
}

async fn make(country: &Country, session: &Session, frame: Frame) -> Result<String, Failure> {
    let today = model::validity::TAIPEI.to_datetime(clock::now()).date();
    let first = today.checked_sub((DAYS - 1).days()).map_err(Failure::ours)?;
    let days = country.npc.issued_since(first).await.map_err(Failure::from_system)?;
    let in_all = country.npc.issued_in_all().await.map_err(Failure::from_system)?;
    let recent = country.npc.recently_issued(RECENT).await.map_err(Failure::from_system)?;
    let day = |issued: npc::Issued| Day {
        day: RocDate::from(issued.day).face_zh(),
        profile: issued.profile,
        carrier: issued.carrier,
        count: grouped(issued.count),
    };
    let one = |recent: npc::RecentlyIssued| Recent {
        at: taipei(recent.at),
        serial: hex::encode(recent.serial.octets()),
        profile: recent.profile,
        carrier: recent.carrier,
        key: recent.key_class,
    };
    let page = Page {
        frame,
        may_find: session.may(Right::FindCertificate),
        days: days.into_iter().map(day).collect(),
        in_all: in_all.into_iter().map(|(profile, carrier, n)| (profile, carrier, grouped(n))).collect(),
        recent: recent.into_iter().map(one).collect(),
    };
    page.render().map_err(Failure::ours)
}

/// What was asked for.
#[derive(serde::Deserialize, Default)]
#[serde(default)]
pub struct Wanted {
    serial: String,
}

#[derive(Template)]
#[template(path = "console/certificate.html")]
struct Certificate {
    frame: Frame,
    serial: String,
    card: String,
    slot: u8,
    profile: String,
    carrier: String,
    key: String,
    list: String,
    from: String,
    until: String,
    sign: &'static str,
    state_zh: &'static str,
    state_en: String,
    events: Vec<(String, String, String)>,
}

/// `GET /console/certificate?serial=`
pub async fn certificate(
    State(country): Site,
    Extension(session): Extension<Session>,
    QueryOf(wanted): QueryOf<Wanted>,
) -> Response {
    shown(look_up(&country, &session, &wanted.serial).await, &session)
}

async fn look_up(country: &Country, session: &Session, text: &str) -> Result<String, Failure> {
    let now = clock::now();
    let serial = parse(text).ok_or_else(|| {
        Failure::new(
            "NEWEID-E-CONSOLE-SERIAL",
            Fault::Caller,
            "不是憑證序號。",
            "It is no serial number of a certificate.",
            "十六進位數字，可有冒號或空白 Hexadecimal digits; colons and blanks do no harm.",
        )
    })?;
    let number = hex::encode(serial.octets());
    let found = country.npc.find_certificate(&serial, now).await.map_err(Failure::from_system)?;
    country
        .operators
        .note(&session.name, "certificate-look-up", &number, now)
        .await
        .map_err(Failure::from_system)?;
    let Some(found) = found else {
        return Err(Failure::new(
            "NEWEID-E-CONSOLE-NO-CERTIFICATE",
            Fault::Caller,
            format!("沒有序號 {number} 的憑證。"),
            format!("There is no certificate with the serial number {number}."),
            "/console/issuance",
        ));
    };
    let (sign, state_zh, state_en) = match &found.state {
        _ if !found.signed => ("–", "尚未簽章", "not signed yet".to_owned()),
        CertificateState::Good => ("✓", "有效", "good".to_owned()),
        CertificateState::Suspended { causes } => {
            let causes: Vec<&str> = causes.keys().map(|cause| cause.as_str()).collect();
            ("△", "停用", format!("suspended ({})", causes.join(", ")))
        }
        CertificateState::Revoked { reason, at } => {
            ("✗", "廢止", format!("revoked ({}), {}", reason.as_str(), taipei(*at)))
        }
        CertificateState::Expired => ("–", "已到期", "expired".to_owned()),
    };
    let page = Certificate {
        frame: Frame::new(session, "/console/issuance").titled("憑證", "Certificate"),
        serial: number,
        card: found.card,
        slot: found.slot.id(),
        profile: found.profile,
        carrier: found.carrier,
        key: found.key_class,
        list: format!("npc-{}.crl", found.partition),
        from: taipei(found.not_before),
        until: taipei(found.not_after),
        sign,
        state_zh,
        state_en,
        events: found.events.into_iter().map(event).collect(),
    };
    page.render().map_err(Failure::ours)
}

// As programs print it: with or without colons, blanks, a leading 0x, a leading zero byte.
fn parse(text: &str) -> Option<Serial> {
    let text = text.trim().trim_start_matches("0x").trim_start_matches("0X");
    let digits: String = text.chars().filter(|c| !matches!(c, ':' | ' ' | '-')).collect();
    if digits.is_empty() || digits.len() > 42 {
        return None;
    }
    let even = if digits.len() % 2 == 1 { format!("0{digits}") } else { digits };
    let mut octets = hex::decode(even).ok()?;
    while octets.len() > 1 && octets[0] == 0 {
        octets.remove(0);
    }
    Serial::from_octets(&octets).ok().or_else(|| {
        octets.insert(0, 0);
        Serial::from_octets(&octets).ok()
    })
}

/// When, what, who; and by which incident, if by one.
fn event(event: npc::Happened) -> (String, String, String) {
    let kind = match event.incident {
        Some(number) => format!("{}（事件 incident {number}）", event.kind),
        None => event.kind,
    };
    (taipei(event.at), kind, event.actor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_number_is_read_as_programs_print_it() {
        let serial = Serial::random(&mut curve::SeedRandom::new(b"serial"));
        let plain = hex::encode(serial.octets());
        let pairs: Vec<String> =
            plain.as_bytes().chunks(2).map(|p| String::from_utf8_lossy(p).into()).collect();
        for text in [plain.clone(), plain.to_uppercase(), pairs.join(":"), format!(" 0x{plain} ")] {
            assert_eq!(parse(&text), Some(serial), "{text}");
        }
        for bad in ["", "xyz", "12 34 zz", &"ab".repeat(30)] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
