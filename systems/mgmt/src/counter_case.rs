//! Cases of a counter (臨櫃案件): what a holder has come for. A clerk opens one when the holder is identified; every request that the
//! clerk then makes at the registration authority names it, and is refused if it is for another card or for something else (NPC-43,
//! NPC-54). A case is open until a clerk closes it, or for [`Config::counter_case_life`](crate::Config::counter_case_life).

use jiff::Timestamp;
use model::{CardSerial, CaseNo, NationalIdNo, OfficeCode, RocDate};
use serde_json::json;
use store::params;

use crate::books::{card_now, log, stamp};
use crate::service::Mgmt;
use crate::submit::next_case_no;
use crate::{MgmtError, Refusal};

/// What a holder has come for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CaseService {
    /// 新發純憑證卡: certificates for a card that carries nothing else.
    NewCard,
    /// 憑證作業: suspension, resumption, revocation, reissue, changed content, writing again, publication, questions.
    Certificates,
    /// 掛失: a loss, or its withdrawal.
    Loss,
    /// 密碼: blocked PINs, a new user code.
    Codes,
    /// 聯絡方式: how the holder is reached.
    Contact,
}

/// A case to be opened. Names a person: no `Debug`.
#[derive(Clone)]
pub struct NewCounterCase {
    /// The card it is about, whoever issued it.
    pub card: CardSerial,
    /// Who has come. Not needed for a card that is known here.
    pub person: Option<NationalIdNo>,
    /// What for.
    pub services: Vec<CaseService>,
    /// Where.
    pub office: OfficeCode,
}

/// A case as whoever acts under it sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CounterCase {
    /// The card it is about.
    pub card: CardSerial,
    /// The keyed hash of the person who came.
    pub person: [u8; 32],
    /// What for.
    pub services: Vec<CaseService>,
    /// Whether it is open.
    pub open: bool,
}

impl CaseService {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::NewCard, Self::Certificates, Self::Loss, Self::Codes, Self::Contact];

    /// The stable text form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NewCard => "new-card",
            Self::Certificates => "certificates",
            Self::Loss => "loss",
            Self::Codes => "codes",
            Self::Contact => "contact",
        }
    }

    /// The service with this text form.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.as_str() == name)
    }
}

impl Mgmt {
    /// Opens a case. `clerk` is the account of the clerk who identified the person.
    pub async fn open_counter_case(
        &self,
        case: &NewCounterCase,
        clerk: &str,
        now: Timestamp,
    ) -> Result<CaseNo, MgmtError> {
        registry::office(case.office).ok_or(Refusal::OfficeUnknown)?;
        let given = case.person.map(|person| self.keys.person(&person));
        let known = match card_now(&self.db, case.card).await {
            Ok(entry) => Some(entry.person),
            Err(error) if error.refusal() == Some(Refusal::CardUnknown) => None,
            Err(error) => return Err(error),
        };
        let person = match (known, given) {
            (Some(known), Some(given)) if known != given => return Err(Refusal::CasePerson.into()),
            (known, given) => known.or(given).ok_or(Refusal::CasePerson)?,
        };
        let mut services = case.services.clone();
        services.sort_unstable();
        services.dedup();
        let services: Vec<&str> = services.into_iter().map(CaseService::as_str).collect();
        store::transaction!(self.db, |tx| {
            let no = next_case_no(tx, RocDate::in_taipei(now)).await?;
            let sql = "INSERT INTO counter_case (case_no, card, person, services, office, opened_by, opened_at) \
                VALUES ($1, $2, $3, $4, $5, $6, $7)";
            let (card, office) = (case.card.as_str(), case.office.as_str());
            let values = params![no.as_str(), card, person, services.join(" "), office, clerk, now];
            tx.execute_one(sql, values).await?;
            let detail = json!({ "card": card, "services": &services, "office": office });
            log(tx, &stamp(now, clerk), "counter-case-open", no.as_str(), detail).await?;
            Ok::<_, MgmtError>(no)
        })
    }

    /// Closes a case: nothing is begun under it any more. Once is enough.
    pub async fn close_counter_case(&self, no: CaseNo, clerk: &str, now: Timestamp) -> Result<(), MgmtError> {
        store::transaction!(self.db, |tx| {
            let sql = "SELECT closed_at FROM counter_case WHERE case_no = $1";
            let row = tx.optional(sql, params![no.as_str()]).await?.ok_or(Refusal::CaseUnknown)?;
            if row.read::<Option<Timestamp>>("closed_at")?.is_none() {
                let sql = "UPDATE counter_case SET closed_by = $2, closed_at = $3 WHERE case_no = $1";
                tx.execute_one(sql, params![no.as_str(), clerk, now]).await?;
                log(tx, &stamp(now, clerk), "counter-case-close", no.as_str(), json!({})).await?;
            }
            Ok::<_, MgmtError>(())
        })
    }

    pub(crate) async fn counter_case_now(
        &self,
        no: CaseNo,
        now: Timestamp,
    ) -> Result<Option<CounterCase>, MgmtError> {
        let sql = "SELECT card, person, services, opened_at, closed_at FROM counter_case WHERE case_no = $1";
        let Some(row) = self.db.optional(sql, params![no.as_str()]).await? else { return Ok(None) };
        let opened: Timestamp = row.read("opened_at")?;
        let closed: Option<Timestamp> = row.read("closed_at")?;
        let services: String = row.read("services")?;
        let services: Option<_> = services.split_whitespace().map(CaseService::from_name).collect();
        Ok(Some(CounterCase {
            card: row.read::<String>("card")?.parse().map_err(|_| MgmtError::Data("card"))?,
            person: row.read("person")?,
            services: services.ok_or(MgmtError::Data("services of a case"))?,
            open: closed.is_none() && now.duration_since(opened) < self.config.counter_case_life,
        }))
    }
}
