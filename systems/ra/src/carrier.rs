//! What the electronic invoice platform asks about certificate barcodes (NPC-65): whether one is in force, and whether a carrier of
//! invoices (載具: a transport card, a member's number) is aggregated to it (歸戶). The platform is a firm under contract for the
//! class `invoice`, and signs each question as firms do (CMS, see [`crate::Inquiry`]). The answer is yes or no, never who it is.
//!
//! A carrier is aggregated, or released again, with the holder's signature alone, made with a good certificate of the card whose
//! barcode it is, over words that name platform, barcode and carrier. Kept is a keyed hash of the carrier, for that platform.

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use store::params;

use crate::barcode::{Barcode, Standing};
use crate::ics::{Admission, UseClass, hex, unhex};
use crate::{Ra, RaError, Result};

/// A question about a barcode, as the platform signs it. What it names is the holder's: no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct CarrierInquiry {
    /// The barcode that was shown.
    pub barcode: Barcode,
    /// What about it.
    pub ask: Ask,
    /// When it was made.
    pub at: Timestamp,
    /// Drawn for this question, 16 bytes.
    pub nonce: [u8; 16],
}

/// What is asked about a barcode. No `Debug`.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ask {
    /// Whether it was given to a card whose certificate is in force.
    InForce,
    /// Whether it has taken the place of this one, whose card has ended.
    Follows(Barcode),
    /// Whether this carrier is aggregated to it, be it by way of a card before.
    Aggregated(String),
    /// Aggregate this carrier to it, with the holder's signature over [`CarrierInquiry::consent`] (CMS, detached).
    Aggregate(String, Vec<u8>),
    /// Release this carrier, with the same.
    Release(String, Vec<u8>),
}

impl Ask {
    /// The stable text form.
    const fn as_str(&self) -> &'static str {
        match self {
            Self::InForce => "in-force",
            Self::Follows(_) => "follows",
            Self::Aggregated(_) => "aggregated",
            Self::Aggregate(..) => "aggregate",
            Self::Release(..) => "release",
        }
    }
}

impl CarrierInquiry {
    /// The content that is signed: JSON with `ask`, `barcode`, `at`, `nonce`, and what the question needs: `earlier`, a barcode, or
    /// `carrier` and `consent`.
    pub fn encode(&self) -> Vec<u8> {
        let mut fields = json!({
            "ask": self.ask.as_str(), "barcode": self.barcode.as_str(), "at": self.at.to_string(),
            "nonce": hex(&self.nonce),
        });
        match &self.ask {
            Ask::InForce => {}
            Ask::Follows(earlier) => fields["earlier"] = json!(earlier.as_str()),
            Ask::Aggregated(carrier) => fields["carrier"] = json!(carrier),
            Ask::Aggregate(carrier, consent) | Ask::Release(carrier, consent) => {
                fields["carrier"] = json!(carrier);
                fields["consent"] = json!(hex(consent));
            }
        }
        fields.to_string().into_bytes()
    }

    /// Reads it back. Nothing of what was read is told.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(bytes).ok()?;
        let fields = value.as_object()?;
        let text = |name: &str| fields.get(name).and_then(Value::as_str);
        let signed = || Some((carrier(fields)?, unhex(text("consent")?)?));
        let (ask, more) = match text("ask")? {
            "in-force" => (Ask::InForce, 0),
            "follows" => (Ask::Follows(text("earlier")?.parse().ok()?), 1),
            "aggregated" => (Ask::Aggregated(carrier(fields)?), 1),
            "aggregate" => signed().map(|(carrier, consent)| (Ask::Aggregate(carrier, consent), 2))?,
            "release" => signed().map(|(carrier, consent)| (Ask::Release(carrier, consent), 2))?,
            _ => return None,
        };
        Some(Self {
            barcode: text("barcode")?.parse().ok()?,
            ask,
            at: text("at")?.parse().ok()?,
            nonce: unhex(text("nonce")?)?.try_into().ok()?,
        })
        .filter(|_| fields.len() == 4 + more)
    }

    /// The words that the holder signs with PIN2 for this question of a platform; none for questions that need no consent.
    pub fn consent(&self, firm: &str) -> Option<String> {
        let (zh, carrier) = match &self.ask {
            Ask::Aggregate(carrier, _) => ("歸戶", carrier),
            Ask::Release(carrier, _) => ("取消歸戶", carrier),
            _ => return None,
        };
        Some(format!(
            "New eID 電子發票載具 invoice carrier\nplatform: {firm}\naction: {} {zh}\nbarcode: {}\ncarrier: {carrier}\ntime: {}\nnumber: {}\n",
            self.ask.as_str(),
            self.barcode.as_str(),
            self.at,
            hex(&self.nonce),
        ))
    }
}

/// The carrier in a question: what it is on one line, so that it cannot say something else below it.
fn carrier(fields: &Map<String, Value>) -> Option<String> {
    let carrier = fields.get("carrier")?.as_str()?;
    let formed = (1..=MAX_CARRIER).contains(&carrier.len()) && carrier.bytes().all(|b| b.is_ascii_graphic());
    formed.then(|| carrier.to_owned())
}

/// Characters of a carrier.
const MAX_CARRIER: usize = 64;

impl Ra {
    /// Answers a question about a barcode that a platform has signed: yes or no.
    pub async fn answer_about_barcode(&self, signed: &[u8], now: Timestamp) -> Result<bool> {
        let (firm, inquiry) = self.authentic(signed, CarrierInquiry::decode).await?;
        let asked = Admission { class: UseClass::Invoice, at: inquiry.at, nonce: inquiry.nonce, mark: None };
        self.admit(&firm, &asked, now).await?;
        let Some(given) = self.given(&inquiry.barcode).await? else { return Ok(false) };
        if self.standing(given.card, now).await? != Standing::InForce {
            return Ok(false);
        }
        match &inquiry.ask {
            Ask::InForce => Ok(true),
            Ask::Follows(earlier) if *earlier == inquiry.barcode => Ok(false),
            Ask::Follows(earlier) => self.is_followed_by(earlier, &inquiry.barcode, now).await,
            Ask::Aggregated(carrier) => {
                let Some(to) = self.aggregated_to(&firm.name, carrier).await? else { return Ok(false) };
                self.is_followed_by(&to, &inquiry.barcode, now).await
            }
            Ask::Aggregate(carrier, consent) | Ask::Release(carrier, consent) => {
                let words = inquiry.consent(&firm.name).unwrap_or_default();
                self.signed_by_holder(given.card, consent, &words, now).await?;
                let release = matches!(inquiry.ask, Ask::Release(..));
                self.aggregate(&firm.name, carrier, &inquiry.barcode, release, now).await
            }
        }
    }

    /// Whether what was aggregated to one barcode now belongs to the other.
    async fn is_followed_by(&self, from: &Barcode, to: &Barcode, now: Timestamp) -> Result<bool> {
        let Some(from) = self.given(from).await? else { return Ok(false) };
        Ok(self.stands_for(from, now).await?.is_some_and(|now| now.barcode == *to))
    }

    /// Aggregates a carrier to a barcode in force, or releases it. A carrier that is another's stays the other's.
    async fn aggregate(
        &self,
        firm: &str,
        carrier: &str,
        barcode: &Barcode,
        release: bool,
        now: Timestamp,
    ) -> Result<bool> {
        let before = self.aggregated_to(firm, carrier).await?;
        let own = match &before {
            None => None,
            Some(before) => {
                let Some(before) = self.given(before).await? else { return Err(RaError::Data("barcode")) };
                // One that stands for nobody any more is nobody's.
                let stands_for = self.stands_for(before, now).await?;
                Some(stands_for.is_none_or(|stands_for| stands_for.barcode == *barcode))
            }
        };
        match own {
            Some(false) => return Ok(false),
            None if release => return Ok(false),
            _ => {}
        }
        let (mark, action) =
            (self.mark(firm, carrier), if release { "carrier-release" } else { "carrier-aggregate" });
        let (to, before) = (barcode.as_str(), before.as_ref().map(Barcode::as_str));
        store::transaction!(self.db, |tx| {
            let changed = match before {
                None => {
                    let sql = "INSERT INTO aggregation (firm, carrier, barcode, at) VALUES ($1, $2, $3, $4) \
                        ON CONFLICT (firm, carrier) DO NOTHING";
                    tx.execute(sql, params![firm, mark, to, now]).await?
                }
                Some(before) if release => {
                    let sql = "DELETE FROM aggregation WHERE firm = $1 AND carrier = $2 AND barcode = $3";
                    tx.execute(sql, params![firm, mark, before]).await?
                }
                Some(before) => {
                    let sql = "UPDATE aggregation SET barcode = $4, at = $5 \
                        WHERE firm = $1 AND carrier = $2 AND barcode = $3";
                    tx.execute(sql, params![firm, mark, before, to, now]).await?
                }
            };
            // Somebody else was quicker: what was looked at is not so any more, and the platform asks again.
            if changed == 1 {
                // Neither card nor holder: who uses what for which invoices is nobody's business (PRIVACY-01).
                self.audit(tx, action, firm, firm, json!({ "carrier": hex(&mark[..8]) }), now).await?;
            }
            Ok::<_, RaError>(changed == 1)
        })
    }

    async fn aggregated_to(&self, firm: &str, carrier: &str) -> Result<Option<Barcode>> {
        let sql = "SELECT barcode FROM aggregation WHERE firm = $1 AND carrier = $2";
        let row = self.db.optional(sql, params![firm, self.mark(firm, carrier)]).await?;
        let read = |text: String| text.parse().map_err(|_| RaError::Data("barcode"));
        row.map(|row| read(row.read("barcode")?)).transpose()
    }

    fn mark(&self, firm: &str, carrier: &str) -> [u8; 32] {
        self.keys.derive("invoice-carrier").lookup(format!("{firm}\n{carrier}").as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inquiry(ask: Ask) -> CarrierInquiry {
        CarrierInquiry {
            barcode: Barcode::sample([3; 16]),
            ask,
            at: "2026-07-01T02:00:00Z".parse().expect("a time"),
            nonce: [9; 16],
        }
    }

    #[test]
    fn a_question_is_read_whole_or_not_at_all() {
        let carrier = || "3J0002/ABC.123".to_owned();
        let all = [
            Ask::InForce,
            Ask::Follows(Barcode::sample([4; 16])),
            Ask::Aggregated(carrier()),
            Ask::Aggregate(carrier(), vec![0x30, 0x00]),
            Ask::Release(carrier(), vec![0x30, 0x00]),
        ];
        for ask in all {
            let bytes = inquiry(ask.clone()).encode();
            assert!(CarrierInquiry::decode(&bytes) == Some(inquiry(ask)), "reads back");
            let text = String::from_utf8(bytes).expect("JSON");
            for (from, to) in [
                ("\"ask\":\"", "\"ask\":\"x"),
                ("\"barcode\":\"", "\"barcode\":\"a"),
                ("2026", "never"),
                ("0909", ""),
                ("{", "{\"more\":\"x\","),
            ] {
                assert!(CarrierInquiry::decode(text.replacen(from, to, 1).as_bytes()).is_none(), "{to}");
            }
            if text.contains("carrier") {
                for to in ["", "a b", "a\\nb", "身", &"x".repeat(65)] {
                    let text = text.replacen(&carrier(), to, 1);
                    assert!(CarrierInquiry::decode(text.as_bytes()).is_none(), "{to}");
                }
            }
        }
        assert!(CarrierInquiry::decode(b"").is_none() && CarrierInquiry::decode(b"[]").is_none());
    }

    #[test]
    fn what_the_holder_signs_names_platform_action_barcode_and_carrier() {
        let asked = inquiry(Ask::Aggregate("3J0002/ABC".into(), Vec::new()));
        let words = asked.consent("platform-1").expect("needs consent");
        let release = inquiry(Ask::Release("3J0002/ABC".into(), Vec::new()));
        for part in ["platform-1", "歸戶", asked.barcode.as_str(), "3J0002/ABC", "2026-07-01", "0909"] {
            assert!(words.contains(part), "{part}");
        }
        assert_ne!(release.consent("platform-1"), Some(words));
        assert_eq!(inquiry(Ask::InForce).consent("platform-1"), None);
    }
}
