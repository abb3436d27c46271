//! The repository (儲存庫): certificates whose holders want them published, and no others (NPC-05, NPC-50). Until a holder asks for
//! it a card's certificates are not published; the choice holds for those issued for the card later too.
//!
//! | path | content |
//! |---|---|
//! | `GET /repository/serial/HEX` | the certificate with this serial number |
//! | `GET /repository/key/HEX` | the certificate of this key, by the SHA-256 of its SubjectPublicKeyInfo |
//! | `GET /repository/holder/DIGITS` | all certificates of a holder number, CMS |
//!
//! What is not published is not found, in the same words as what does not exist.
//!
//! In an incident with the holders' keys the repository can be closed (NPC-57): whoever could compute a private key from a public
//! one finds no public keys here. Lists, OCSP, filter and the CA's own certificates go on.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jiff::Timestamp;
use model::CardSerial;
use serde_json::json;
use std::sync::Arc;
use store::{Migration, params, transaction};
use x509::{Certificate, Serial};

use crate::ceremony::check_person;
use crate::switch::REPOSITORY;
use crate::{Npc, NpcError, Receipt, Result};

/// The cards whose certificates are published.
pub(crate) const MIGRATION: Migration = Migration::new(
    9,
    "publication",
    "CREATE TABLE publication (card TEXT PRIMARY KEY, since BIGINT NOT NULL);",
);

/// How a certificate is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Lookup {
    Serial(Vec<u8>),
    Key(Vec<u8>),
    Holder(String),
}

impl Npc {
    /// Publishes the certificates of a card, or takes them out of the repository.
    pub(crate) async fn change_publication(
        &self,
        card: CardSerial,
        published: bool,
        actor: &str,
        now: Timestamp,
    ) -> Result<Receipt> {
        let receipt = transaction!(self.db, |tx| {
            let sql = "SELECT 1 FROM certificate WHERE card = $1 LIMIT 1";
            if tx.optional(sql, params![card.as_str()]).await?.is_none() {
                return Err(NpcError::NoCertificate(card.as_str().to_owned()));
            }
            if published {
                let sql =
                    "INSERT INTO publication (card, since) VALUES ($1, $2) ON CONFLICT (card) DO NOTHING";
                tx.execute(sql, params![card.as_str(), now]).await?;
            } else {
                tx.execute("DELETE FROM publication WHERE card = $1", params![card.as_str()]).await?;
            }
            let action = if published { "certificate-publish" } else { "certificate-hide" };
            let head = self.audit(tx, action, card.as_str(), actor, json!({}), now).await?;
            Ok::<_, NpcError>(Receipt { number: format!("NPC-{:010}", head.seq), changed: Vec::new() })
        })?;
        Ok(receipt)
    }

    /// Whether the certificates of a card are published.
    pub(crate) async fn card_is_published(&self, card: CardSerial) -> Result<bool> {
        let sql = "SELECT 1 FROM publication WHERE card = $1";
        Ok(self.db.optional(sql, params![card.as_str()]).await?.is_some())
    }

    /// Closes the repository at once, in every process: nothing is found until [`Npc::open_repository`]. One person may.
    pub async fn close_repository(&self, operator: &str, now: Timestamp) -> Result<()> {
        self.switch_repository(true, operator, now).await
    }

    /// Opens it again.
    pub async fn open_repository(&self, operator: &str, now: Timestamp) -> Result<()> {
        self.switch_repository(false, operator, now).await
    }

    /// Whether the repository is closed.
    pub async fn repository_is_closed(&self) -> Result<bool> {
        self.is_stopped(&REPOSITORY).await
    }

    async fn switch_repository(&self, closed: bool, operator: &str, now: Timestamp) -> Result<()> {
        check_person(operator)?;
        self.turn(&REPOSITORY, closed, operator, now).await
    }

    /// The published certificates that are meant.
    pub(crate) async fn look_up(&self, lookup: &Lookup) -> Result<Vec<Vec<u8>>> {
        if self.repository_is_closed().await? {
            return Err(NpcError::RepositoryClosed);
        }
        let rows = match lookup {
            Lookup::Serial(serial) => {
                let sql = "SELECT c.der FROM certificate c JOIN publication p ON p.card = c.card \
                    WHERE c.serial = $1 AND c.der IS NOT NULL";
                self.db.all(sql, params![serial]).await?
            }
            Lookup::Key(hash) => {
                let sql = "SELECT c.der FROM certificate c JOIN publication p ON p.card = c.card \
                    WHERE c.spki_hash = $1 AND c.der IS NOT NULL";
                self.db.all(sql, params![hash]).await?
            }
            Lookup::Holder(number) => {
                let sql = "SELECT c.der FROM certificate c JOIN publication p ON p.card = c.card \
                    WHERE c.holder = $1 AND c.der IS NOT NULL ORDER BY c.serial";
                self.db.all(sql, params![number]).await?
            }
        };
        rows.iter().map(|row| Ok(row.read(0)?)).collect()
    }
}

impl Lookup {
    /// What a path asks for; nothing where it cannot be.
    fn parse(by: &str, value: &str) -> Option<Self> {
        match by {
            "serial" => {
                let octets = unhex(value)?;
                Serial::from_octets(&octets).is_ok().then_some(Self::Serial(octets))
            }
            "key" => unhex(value).filter(|hash| hash.len() == 32).map(Self::Key),
            "holder" => {
                let digits = value.len() == 16 && value.bytes().all(|b| b.is_ascii_digit());
                digits.then(|| Self::Holder(value.to_owned()))
            }
            _ => None,
        }
    }
}

pub(crate) fn router(npc: Arc<Npc>) -> Router {
    Router::new().route("/repository/{by}/{value}", get(find)).with_state(npc)
}

async fn find(
    State(npc): State<Arc<Npc>>,
    Path((by, value)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let Some(lookup) = Lookup::parse(&by, &value) else { return StatusCode::NOT_FOUND.into_response() };
    let found = match npc.look_up(&lookup).await {
        Ok(found) => found,
        Err(NpcError::RepositoryClosed) => return closed(&headers),
        Err(error) => {
            tracing::error!(code = error.code(), "the repository does not answer");
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
    };
    // The holder may change the choice at any time: nobody keeps an answer.
    let head = |media_type| -> [(HeaderName, &'static str); 2] {
        [(CONTENT_TYPE, media_type), (CACHE_CONTROL, "no-store")]
    };
    match (lookup, found.as_slice()) {
        (_, []) => StatusCode::NOT_FOUND.into_response(),
        (Lookup::Holder(_), all) => {
            let parsed: Result<Vec<_>, _> = all.iter().map(|der| Certificate::parse(der)).collect();
            match parsed {
                Ok(all) => {
                    let all: Vec<&Certificate> = all.iter().collect();
                    (head("application/pkcs7-mime"), crate::http::certificates_only(&all)).into_response()
                }
                Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
            }
        }
        // RFC 2585 §4.1
        (_, [one, ..]) => (head("application/pkix-cert"), one.clone()).into_response(),
    }
}

/// What a closed repository says: to a person a page, to a program the document of every failure.
fn closed(asked: &HeaderMap) -> Response {
    const ZH: &str = "憑證儲存庫因事件暫停服務。憑證狀態請查廢止清冊、OCSP 或廢止篩選檔。";
    const EN: &str = "The repository of certificates is closed because of an incident. For the status of a certificate there are \
        revocation lists, OCSP and the revocation filter.";
    // RFC 9110 §15.6.4, §10.2.3: when to come again, as far as it is known.
    let head = |media_type| [(CONTENT_TYPE, media_type), (CACHE_CONTROL, "no-store"), (RETRY_AFTER, "3600")];
    let code = NpcError::RepositoryClosed.code();
    let page =
        asked.get(ACCEPT).and_then(|value| value.to_str().ok()).is_some_and(|a| a.contains("text/html"));
    if page {
        let body = format!(
            "<!DOCTYPE html>\n<html lang=\"zh-Hant\"><head><meta charset=\"utf-8\"><title>儲存庫暫停服務 Repository closed</title>\
             </head><body><h1>儲存庫暫停服務</h1><p>{ZH}</p><p lang=\"en\">{EN}</p><p><code>{code}</code></p></body></html>\n"
        );
        return (StatusCode::SERVICE_UNAVAILABLE, head("text/html; charset=utf-8"), body).into_response();
    }
    let error = json!({ "error": { "code": code, "message_zh": ZH, "message": EN, "fault": "environment" } });
    (StatusCode::SERVICE_UNAVAILABLE, head("application/json"), error.to_string()).into_response()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let even = text.len().is_multiple_of(2) && (2..=64).contains(&text.len());
    if !even || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_asks_for_one_thing_or_for_nothing() {
        assert_eq!(Lookup::parse("serial", "0a0B"), Some(Lookup::Serial(vec![0x0a, 0x0b])));
        assert_eq!(Lookup::parse("key", &"ab".repeat(32)), Some(Lookup::Key(vec![0xab; 32])));
        let holder = "1234567890123456";
        assert_eq!(Lookup::parse("holder", holder), Some(Lookup::Holder(holder.into())));
        for (by, value) in [
            ("serial", ""),
            ("serial", "0"),
            ("serial", "zz"),
            ("serial", "é1"),
            ("serial", "+1"),
            ("key", "abcd"),
            ("holder", "123"),
            ("holder", "123456789012345x"),
            ("name", "x"),
        ] {
            assert_eq!(Lookup::parse(by, value), None, "{by} {value}");
        }
        assert_eq!(Lookup::parse("serial", &"ab".repeat(33)), None);
    }
}
