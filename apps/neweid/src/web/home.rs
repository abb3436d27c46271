//! The start page.

use super::Site;
use crate::clock;
use crate::failure::Failure;
use askama::Template;
use axum::extract::State;
use axum::response::Html;
use jiff::tz;
use model::CardState;

/// What the start page shows.
#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    cards: Counts,
    cases: Counts,
    population: u64,
    persons: Vec<Person>,
    services: Vec<Service>,
    version: &'static str,
    made_at: String,
}

/// How many of what are in which state.
#[derive(Default)]
struct Counts {
    rows: Vec<Count>,
    total: u64,
}

impl FromIterator<Count> for Counts {
    fn from_iter<I: IntoIterator<Item = Count>>(rows: I) -> Self {
        let rows: Vec<Count> = rows.into_iter().collect();
        let total = rows.iter().map(|row| row.count).sum();
        Self { rows, total }
    }
}

struct Count {
    zh: &'static str,
    en: String,
    count: u64,
}

struct Person {
    name: String,
    persona_zh: &'static str,
    persona_en: &'static str,
    serial: Option<String>,
    has_face: bool,
    state_zh: &'static str,
    state_en: String,
    profile: String,
}

struct Service {
    zh: &'static str,
    en: &'static str,
    url: String,
}

/// Most cases looked through for the sample persons.
const CASES: u32 = 200;

/// `GET /`
pub async fn page(State(site): State<Site>) -> Result<Html<String>, Failure> {
    let country = &site.country;
    let counts = country.mgmt.counts().await.map_err(Failure::from_system)?;
    let row = |zh, state: &str, count| Count { zh, en: words(state), count };
    let cards = counts.cards.iter().map(|(state, count)| row(state.zh(), state.as_str(), *count)).collect();
    let cases = counts.cases.iter().map(|(state, count)| row(state.zh(), state.as_str(), *count)).collect();
    let mut persons = Vec::new();
    for case in country.mgmt.cases(None, None, CASES).await.map_err(Failure::from_system)? {
        let Some(persona) = &case.persona else { continue };
        let card = match case.serial {
            Some(serial) => country.mgmt.card(serial).await.ok(),
            None => None,
        };
        let (persona_zh, persona_en) = situation(persona);
        let (state_zh, state_en) = match &card {
            Some(card) => (card.state.zh(), words(card.state.as_str())),
            None => (case.state.zh(), words(case.state.as_str())),
        };
        persons.push(Person {
            name: case.applicant.unwrap_or_default(),
            persona_zh,
            persona_en,
            serial: case.serial.map(|serial| serial.to_string()),
            has_face: card
                .as_ref()
                .is_some_and(|card| !matches!(card.state, CardState::Paired | CardState::Initialised)),
            state_zh,
            state_en,
            profile: card.map_or_else(|| "–".into(), |card| card.profile.as_str().to_owned()),
        });
    }
    let service = |key: &str, zh, en| site.endpoints.get(key).map(|url| Service { zh, en, url: url.clone() });
    let services = [
        service("crl", "自然人憑證廢止清冊（CRL）", "natural-person certificate revocation list"),
        service("ca_issuers", "自然人憑證中繼憑證", "issuing CA certificate"),
        service("pkd", "公鑰目錄", "public key directory"),
        service("csca", "文件簽署根憑證（CSCA）", "country signing CA certificate"),
        service("csca_crl", "文件簽署憑證廢止清冊", "country signing CA revocation list"),
    ];
    let home = Home {
        cards,
        cases,
        population: country.register.count().await.map_err(Failure::from_system)?,
        persons,
        services: services.into_iter().flatten().collect(),
        version: env!("CARGO_PKG_VERSION"),
        made_at: clock::now()
            .to_zoned(tz::TimeZone::fixed(tz::offset(8)))
            .strftime("%Y-%m-%d %H:%M:%S")
            .to_string(),
    };
    home.render().map(Html).map_err(Failure::ours)
}

fn words(state: &str) -> String {
    state.replace('_', " ")
}

// Personas as people read them.
fn situation(persona: &str) -> (&'static str, &'static str) {
    match persona {
        "just_applied" => ("剛提出申請", "has just applied"),
        "in_production" => ("製卡中", "card in production"),
        "ready" => ("待領取", "card awaits collection"),
        "active_national" => ("使用中", "card in use"),
        "active_interop" => ("使用中（開發者樣卡）", "card in use (developers' profile)"),
        "pin_blocked" => ("PIN2 已鎖", "PIN2 blocked"),
        "suspended" => ("已掛失", "card reported lost"),
        "recalled" => ("卡片召回", "card under recall"),
        "no_certificate" => ("未申請自然人憑證", "without certificate"),
        "minor" => ("未滿 14 歲", "younger than 14"),
        "senior" => ("65 歲以上，無應換領日期", "65 or older, no date of renewal"),
        "rare_characters" => ("罕用字姓名", "rare characters in the name"),
        _ => ("其他", "other"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_persona_has_words() {
        for sample in registry::sample_persons() {
            assert_ne!(situation(sample.persona).1, "other", "{}", sample.persona);
        }
    }

    #[test]
    fn names_on_the_page_are_escaped() {
        let person = Person {
            name: "<script>".into(),
            persona_zh: "",
            persona_en: "",
            serial: None,
            has_face: false,
            state_zh: "",
            state_en: String::new(),
            profile: String::new(),
        };
        let home = Home {
            cards: Counts::default(),
            cases: Counts::default(),
            population: 0,
            persons: vec![person],
            services: Vec::new(),
            version: "",
            made_at: String::new(),
        };
        let page = home.render().expect("renders");
        assert!(!page.contains("<script>") && page.contains("script"));
    }
}
