//! ICS, the identity confirmation service (自然人憑證用戶身分確認服務, NPC-62, NPC-64): a firm under contract asks whether a certificate belongs to
//! the person whose full number it was told. The answer is yes or no.
//!
//! A firm signs each inquiry (CMS) with the certificate it registered, and may ask for the classes of use that its contract
//! names. What is kept is how often each firm asked in a day: neither certificate nor person (PRIVACY-01). Only wrong numbers
//! leave a mark, under a key of the day, until the day is over: whoever guesses at a certificate's number is stopped.

use jiff::{SignedDuration, Timestamp};
use model::{CertificateState, NationalIdNo, RocDate};
use serde_json::{Value, json};
use store::{Tx, params};
use x509::Certificate;
use x509::cms::SignedData;

use crate::{Ra, RaError, Refusal, Result};

/// What a firm uses the answer for (NPC-64): the stages in which financial use was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UseClass {
    /// 契約同意: agreement to a contract.
    Contract,
    /// 低風險交易
    LowRisk,
    /// 高風險交易
    HighRisk,
    /// 開戶、申請金融憑證: opening an account, obtaining a financial certificate.
    Account,
    /// 電子發票載具: barcodes and what is aggregated to them ([`crate::CarrierInquiry`]), and no person (NPC-65).
    Invoice,
}

impl UseClass {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Contract, Self::LowRisk, Self::HighRisk, Self::Account, Self::Invoice];

    /// The stable text form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Contract => "contract",
            Self::LowRisk => "low-risk",
            Self::HighRisk => "high-risk",
            Self::Account => "account",
            Self::Invoice => "invoice",
        }
    }

    /// The class with this text form.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == name)
    }
}

/// A firm under contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Firm {
    /// Its name here.
    pub name: String,
    /// The certificate it signs inquiries with (DER).
    pub certificate: Vec<u8>,
    /// What it may ask for.
    pub classes: Vec<UseClass>,
    /// The last day of the contract.
    pub until: RocDate,
    /// Inquiries a minute.
    pub per_minute: u32,
}

/// How often a firm asked in a day, for its bill and its auditor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// The firm.
    pub firm: String,
    /// The day in Taipei.
    pub day: String,
    /// What for.
    pub class: UseClass,
    /// Inquiries answered.
    pub answered: u64,
}

/// An inquiry, as the firm signs it. Names a person: no `Debug`.
#[derive(Clone)]
pub struct Inquiry {
    /// What for.
    pub class: UseClass,
    /// The certificate (DER).
    pub certificate: Vec<u8>,
    /// The number that the firm was told.
    pub number: NationalIdNo,
    /// When it was made.
    pub at: Timestamp,
    /// Drawn for this inquiry, 16 bytes.
    pub nonce: [u8; 16],
}

impl Inquiry {
    /// The content that is signed: JSON with `class`, `certificate` (hexadecimal), `number`, `at` and `nonce`.
    pub fn encode(&self) -> Vec<u8> {
        json!({
            "class": self.class.as_str(), "certificate": hex(&self.certificate), "number": self.number.as_str(),
            "at": self.at.to_string(), "nonce": hex(&self.nonce),
        })
        .to_string()
        .into_bytes()
    }

    /// Reads it back. Nothing of what was read is told.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(bytes).ok()?;
        let fields = value.as_object().filter(|fields| fields.len() == 5)?;
        let text = |name: &str| fields.get(name).and_then(Value::as_str);
        Some(Self {
            class: UseClass::from_name(text("class")?)?,
            certificate: unhex(text("certificate")?)?,
            number: text("number")?.parse().ok()?,
            at: text("at")?.parse().ok()?,
            nonce: unhex(text("nonce")?)?.try_into().ok()?,
        })
    }
}

/// A question that is let in: once, and within the contract.
pub(crate) struct Admission {
    /// What for.
    pub(crate) class: UseClass,
    pub(crate) at: Timestamp,
    pub(crate) nonce: [u8; 16],
    /// Under which wrong answers for one certificate are counted, where guessing pays.
    pub(crate) mark: Option<[u8; 32]>,
}

/// The most bytes of a signed inquiry.
pub const MAX_INQUIRY: usize = 32 * 1024;
/// Wrong numbers for one certificate in a day, over all firms.
const WRONG_A_DAY: u32 = 5;
/// How far the time of an inquiry may lie from now; its nonce is remembered as long.
const SKEW: SignedDuration = SignedDuration::from_mins(5);

impl Ra {
    /// Registers a firm, or its new contract.
    pub async fn register_firm(&self, firm: &Firm, actor: &str, now: Timestamp) -> Result<()> {
        Certificate::parse(&firm.certificate).map_err(|_| Refusal::Incomplete)?;
        if firm.name.is_empty() || firm.classes.is_empty() || firm.per_minute == 0 {
            return Err(Refusal::Incomplete.into());
        }
        let classes = firm.classes.iter().map(|class| class.as_str()).collect::<Vec<_>>().join(" ");
        store::transaction!(self.db, |tx| {
            tx.execute_one(
                "INSERT INTO firm (name, certificate, classes, until, per_minute) VALUES ($1, $2, $3, $4, $5) \
                 ON CONFLICT (name) DO UPDATE SET certificate = EXCLUDED.certificate, classes = EXCLUDED.classes, \
                 until = EXCLUDED.until, per_minute = EXCLUDED.per_minute",
                params![&firm.name, &firm.certificate, &classes, firm.until.iso(), firm.per_minute],
            )
            .await?;
            let detail = json!({ "classes": &classes, "until": firm.until.iso() });
            self.audit(tx, "firm-register", &firm.name, actor, detail, now).await?;
            Ok::<_, RaError>(())
        })
    }

    /// The firms under contract.
    pub async fn firms(&self) -> Result<Vec<Firm>> {
        let sql = "SELECT name, certificate, classes, until, per_minute FROM firm ORDER BY name";
        let rows = self.db.all(sql, params![]).await?;
        rows.iter()
            .map(|row| {
                let classes: String = row.read("classes")?;
                Ok(Firm {
                    name: row.read("name")?,
                    certificate: row.read("certificate")?,
                    classes: classes.split(' ').filter_map(UseClass::from_name).collect(),
                    until: row.read::<String>("until")?.parse().map_err(|_| RaError::Data("firm"))?,
                    per_minute: row.read("per_minute")?,
                })
            })
            .collect()
    }

    /// Answers an inquiry that a firm has signed: whether the certificate is good and the person's.
    pub async fn confirm_identity(&self, signed: &[u8], now: Timestamp) -> Result<bool> {
        let (firm, inquiry) = self.authentic(signed, Inquiry::decode).await?;
        // Who asks about barcodes hears of no person.
        if inquiry.class == UseClass::Invoice {
            return Err(Refusal::FirmContract.into());
        }
        let certificate = Certificate::parse(&inquiry.certificate).map_err(|_| Refusal::FirmMessage)?;
        let day = RocDate::in_taipei(now).iso();
        let mark = self.keys.derive(&format!("ics/{day}")).lookup(certificate.serial_octets());
        let Inquiry { class, at, nonce, .. } = inquiry;
        self.admit(&firm, &Admission { class, at, nonce, mark: Some(mark) }, now).await?;
        let yes = self.belongs(&certificate, &inquiry, now).await?;
        if yes {
            // The try was counted before it was compared; a right one is forgotten.
            let sql = "UPDATE ics_wrong SET tries = tries - 1 WHERE mark = $1 AND tries > 0";
            self.db.execute(sql, params![mark]).await?;
        }
        Ok(yes)
    }

    /// How often firms asked, by day and class.
    pub async fn ics_tallies(&self) -> Result<Vec<Tally>> {
        let sql = "SELECT firm, day, class, answered FROM ics_tally ORDER BY day, firm, class";
        let rows = self.db.all(sql, params![]).await?;
        rows.iter()
            .map(|row| {
                Ok(Tally {
                    firm: row.read("firm")?,
                    day: row.read("day")?,
                    class: UseClass::from_name(&row.read::<String>("class")?)
                        .ok_or(RaError::Data("class"))?,
                    answered: row.read("answered")?,
                })
            })
            .collect()
    }

    /// The firm whose certificate signed the message, and what it says.
    pub(crate) async fn authentic<T>(
        &self,
        signed: &[u8],
        decode: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Result<(Firm, T)> {
        if signed.len() > MAX_INQUIRY {
            return Err(Refusal::FirmMessage.into());
        }
        let cms = SignedData::parse(signed).map_err(|_| Refusal::FirmMessage)?;
        let signer = cms.verify().map_err(|_| Refusal::FirmMessage)?.der();
        let firm = self.firms().await?.into_iter().find(|firm| firm.certificate == signer);
        let inquiry = cms.content().and_then(decode);
        firm.zip(inquiry).ok_or_else(|| Refusal::FirmMessage.into())
    }

    /// Lets an inquiry in: under the contract, fresh, once by its nonce, within the firm's rate, and within the wrong numbers a
    /// certificate may have. It is counted.
    pub(crate) async fn admit(&self, firm: &Firm, asked: &Admission, now: Timestamp) -> Result<()> {
        let today = RocDate::in_taipei(now);
        if firm.until < today || !firm.classes.contains(&asked.class) {
            return Err(Refusal::FirmContract.into());
        }
        if now.duration_since(asked.at).abs() > SKEW {
            return Err(Refusal::Stale.into());
        }
        let day = today.iso();
        let minute = now.as_second().div_euclid(60);
        let refusal = store::transaction!(self.db, |tx| {
            tx.execute("DELETE FROM ics_nonce WHERE until <= $1", params![now]).await?;
            tx.execute("DELETE FROM ics_wrong WHERE day <> $1", params![&day]).await?;
            if tx
                .execute(
                    "INSERT INTO ics_nonce (firm, nonce, until) VALUES ($1, $2, $3) ON CONFLICT (firm, nonce) DO NOTHING",
                    params![&firm.name, asked.nonce, asked.at + SKEW + SKEW],
                )
                .await?
                == 0
            {
                return Ok(Some(Refusal::FirmMessage));
            }
            let in_minute = counted(
                tx,
                "INSERT INTO ics_rate (firm, minute, asked) VALUES ($1, $2, 1) ON CONFLICT (firm) DO UPDATE SET \
                 asked = CASE WHEN ics_rate.minute = EXCLUDED.minute THEN ics_rate.asked + 1 ELSE 1 END, \
                 minute = EXCLUDED.minute RETURNING asked",
                params![&firm.name, minute],
            )
            .await?;
            if in_minute > firm.per_minute {
                return Ok(Some(Refusal::FirmRate));
            }
            if let Some(mark) = &asked.mark {
                let tries = counted(
                    tx,
                    "INSERT INTO ics_wrong (mark, day, tries) VALUES ($1, $2, 1) \
                     ON CONFLICT (mark) DO UPDATE SET tries = ics_wrong.tries + 1 RETURNING tries",
                    params![mark, &day],
                )
                .await?;
                if tries > WRONG_A_DAY {
                    return Ok(Some(Refusal::FirmGuesses));
                }
            }
            tx.execute_one(
                "INSERT INTO ics_tally (firm, day, class, answered) VALUES ($1, $2, $3, 1) \
                 ON CONFLICT (firm, day, class) DO UPDATE SET answered = ics_tally.answered + 1",
                params![&firm.name, &day, asked.class.as_str()],
            )
            .await?;
            Ok::<_, RaError>(None)
        })?;
        refusal.map_or(Ok(()), |refusal| Err(refusal.into()))
    }

    /// Whether the certificate is one of this CA, in force, and the person's.
    async fn belongs(&self, certificate: &Certificate, inquiry: &Inquiry, now: Timestamp) -> Result<bool> {
        let Ok(serial) = certificate.serial() else { return Ok(false) };
        let issued = self.authority.certificate(&serial, now).await?;
        let Some(issued) = issued.filter(|issued| issued.der == certificate.der()) else { return Ok(false) };
        if issued.state != CertificateState::Good || !issued.validity.contains(now) {
            return Ok(false);
        }
        let sql = "SELECT person FROM certificate_card WHERE card = $1";
        if let Some(row) = self.db.optional(sql, params![issued.card.as_str()]).await? {
            let person: Vec<u8> = row.read("person")?;
            return Ok(curve::constant_time_eq(&person, &self.management.person_link(&inquiry.number)));
        }
        match self.management.is_holder(issued.card, &inquiry.number).await {
            Ok(yes) => Ok(yes),
            Err(error) if error.refusal() == Some(mgmt::Refusal::CardUnknown) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

async fn counted(tx: &mut Tx, sql: &'static str, values: &[store::Value<'_>]) -> Result<u32> {
    Ok(tx.one(sql, values).await?.read(0)?)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inquiry_is_read_whole_or_not_at_all() {
        let inquiry = Inquiry {
            class: UseClass::Contract,
            certificate: vec![0x30, 0x00],
            number: NationalIdNo::sample(model::Sex::Male, [1; 9]),
            at: "2026-07-01T02:00:00Z".parse().expect("a time"),
            nonce: [9; 16],
        };
        let bytes = inquiry.encode();
        let read = Inquiry::decode(&bytes).expect("reads back");
        assert_eq!((read.certificate, read.nonce), (inquiry.certificate, inquiry.nonce));
        let text = String::from_utf8(bytes).expect("JSON");
        for (from, to) in [
            ("contract", "everything"),
            ("3000", "300"),
            ("3000", "30zz"),
            ("0909", ""),
            ("{", "{\"more\":\"x\","),
            ("2026", "never"),
        ] {
            assert!(Inquiry::decode(text.replacen(from, to, 1).as_bytes()).is_none(), "{to}");
        }
        assert!(Inquiry::decode(b"").is_none() && Inquiry::decode(b"[]").is_none());
    }
}
