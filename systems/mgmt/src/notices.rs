//! What holders are to be told, for the gateway that sends SMS and mail, the office that prints letters and the clerk who calls
//! (MGMT-50, RECALL-07): each notice waits until somebody says that it reached its holder, and each try stands in the audit log.
//!
//! Where a notice goes is read off the card's row when it is fetched, and is kept nowhere else.

use jiff::Timestamp;
use model::{CardSerial, CardState, OfficeCode};
use serde::Serialize;
use serde_json::json;
use store::{Row, params};
use uuid::Uuid;

use crate::application::{Contact, NoticeWay};
use crate::books::{card_now, log, parse, parse_optional, stamp};
use crate::service::Mgmt;
use crate::{MgmtError, Refusal};

/// How a holder was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ToldBy {
    /// 簡訊
    Sms,
    /// 電子郵件
    Email,
    /// 電話: a clerk called.
    Telephone,
    /// 郵寄
    Post,
}

impl ToldBy {
    /// The stable text form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sms => "sms",
            Self::Email => "email",
            Self::Telephone => "telephone",
            Self::Post => "post",
        }
    }

    /// The mission's word.
    pub const fn zh(self) -> &'static str {
        match self {
            Self::Sms => "簡訊",
            Self::Email => "電子郵件",
            Self::Telephone => "電話",
            Self::Post => "郵寄",
        }
    }

    /// The way with this text form.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Sms, Self::Email, Self::Telephone, Self::Post].into_iter().find(|way| way.as_str() == name)
    }
}

impl std::str::FromStr for ToldBy {
    type Err = MgmtError;

    fn from_str(text: &str) -> Result<Self, MgmtError> {
        Self::from_name(text).ok_or(MgmtError::Data("way of a notice"))
    }
}

/// A notice that waits. Names how a person is reached: no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Notice {
    /// Its number.
    pub id: Uuid,
    /// The card it is about.
    pub card: CardSerial,
    /// What it is about: `recall-update`, `recall-rekey`, `recall-exchange`, `collect`, `content-outdated`.
    pub kind: String,
    /// The way the holder chose.
    pub way: NoticeWay,
    /// The number or address; of a letter the serial number of the card, by which the office finds the registered address.
    pub to: String,
    /// The holder's mobile number, where a clerk may call.
    pub telephone: Option<String>,
    /// What it says, Traditional Chinese first.
    pub text: String,
    /// How often it was tried in vain.
    pub tries: u32,
    /// Since when it waits.
    pub at: Timestamp,
}

/// Which of the waiting notices are asked for; by default all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WhichNotices {
    /// Of one recall.
    pub recall: Option<u64>,
    /// Of holders who chose this way.
    pub way: Option<NoticeWay>,
    /// Behind this one, in the order of the list.
    pub after: Option<Uuid>,
}

/// How far one holder's card is in a recall (RECALL-07). Names nobody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecallPerson {
    /// The card.
    pub serial: CardSerial,
    /// The office that gave it out.
    pub office: OfficeCode,
    /// How far it is.
    pub stage: RecallStage,
    /// How its holder was told.
    pub told_by: Option<ToldBy>,
    /// When.
    pub told_at: Option<Timestamp>,
    /// How often somebody tried in vain.
    pub tries: u32,
    /// Whether its certificates were revoked because of the recall.
    pub revoked: bool,
}

/// The steps of one holder's card in a recall.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecallStage {
    /// On the list.
    Listed,
    /// Called in; the notice waits.
    Called,
    /// Told.
    Told,
    /// The chip was updated.
    Updated,
    /// The card goes on with its other keys.
    Rekeyed,
    /// Void: exchanged, or given up for another reason.
    Exchanged,
}

impl Mgmt {
    /// The notices that wait, oldest first, at most `limit`. What a recall has said of a card waits no more once that recall has
    /// treated the card, or the card is void. They hold addresses: for whoever sends them alone.
    pub async fn notices(&self, which: &WhichNotices, limit: u32) -> Result<Vec<Notice>, MgmtError> {
        let (mut at, mut id) = (Timestamp::UNIX_EPOCH, Uuid::nil());
        if let Some(after) = which.after {
            let row = self.db.optional("SELECT at FROM notice WHERE id = $1", params![after]).await?;
            (at, id) = (row.ok_or(Refusal::WrongState)?.read("at")?, after);
        }
        let sql = "SELECT id, serial, kind, tries, at FROM notice \
            WHERE told_at IS NULL AND (at > $1 OR (at = $1 AND id > $2)) AND ($7 OR recall = $3) \
            AND (recall IS NULL OR EXISTS (SELECT 1 FROM recall_card JOIN card ON card.serial = recall_card.serial \
            WHERE recall_card.recall = notice.recall AND recall_card.serial = notice.serial \
            AND updated_at IS NULL AND rekeyed_at IS NULL AND state NOT IN ($4, $5))) \
            ORDER BY at, id LIMIT $6";
        let [void, destroyed] = [CardState::Void, CardState::Destroyed].map(CardState::as_str);
        let recall = which.recall.unwrap_or(0) as i64;
        let mut waiting = Vec::new();
        // The way stands in the card's sealed row alone, so it is compared here.
        while waiting.len() < limit as usize {
            let rows = self
                .db
                .all(sql, params![at, id, recall, void, destroyed, limit, which.recall.is_none()])
                .await?;
            for row in &rows {
                (at, id) = (row.read("at")?, row.read("id")?);
                let notice = self.notice(row).await?;
                if which.way.is_none_or(|way| way == notice.way) && waiting.len() < limit as usize {
                    waiting.push(notice);
                }
            }
            if rows.len() < limit as usize {
                break;
            }
        }
        Ok(waiting)
    }

    /// A notice with where it goes.
    async fn notice(&self, row: &Row) -> Result<Notice, MgmtError> {
        let (serial, kind): (CardSerial, String) = (parse(row, "serial")?, row.read("kind")?);
        let Contact { mobile, email, way } = self.holder(&card_now(&self.db, serial).await?)?.contact;
        let letter = || serial.as_str().to_owned();
        let to = match way {
            NoticeWay::Sms => mobile.clone().unwrap_or_else(letter),
            NoticeWay::Email => email.unwrap_or_else(letter),
            NoticeWay::Post => letter(),
        };
        let text = words(&kind, serial);
        let (id, tries, at) = (row.read("id")?, row.read("tries")?, row.read("at")?);
        Ok(Notice { id, card: serial, kind, way, to, telephone: mobile, text, tries, at })
    }

    /// Notes that a notice reached its holder, or did not and waits on.
    pub async fn notice_told(
        &self,
        id: Uuid,
        way: ToldBy,
        reached: bool,
        actor: &str,
        now: Timestamp,
    ) -> Result<(), MgmtError> {
        store::transaction!(self.db, |tx| {
            let sql = "SELECT serial, kind FROM notice WHERE id = $1 AND told_at IS NULL";
            let row = tx.optional(sql, params![id]).await?.ok_or(Refusal::WrongState)?;
            if reached {
                let sql = "UPDATE notice SET told_at = $2, told_way = $3 WHERE id = $1 AND told_at IS NULL";
                tx.execute_one(sql, params![id, now, way.as_str()]).await?;
            } else {
                tx.execute_one("UPDATE notice SET tries = tries + 1 WHERE id = $1", params![id]).await?;
            }
            let (serial, kind): (String, String) = (row.read("serial")?, row.read("kind")?);
            let detail = json!({ "kind": kind, "way": way, "reached": reached });
            log(tx, &stamp(now, actor), "notice", &serial, detail).await
        })
    }

    /// How far each holder's card of a recall is, at most `limit` after `after` in the order of the serial numbers.
    pub async fn recall_persons(
        &self,
        number: u64,
        after: Option<CardSerial>,
        limit: u32,
    ) -> Result<Vec<RecallPerson>, MgmtError> {
        self.recall(number).await?;
        let sql = "SELECT recall_card.serial AS serial, office, state, called_at, updated_at, rekeyed_at, revoked_at, told_at, \
            told_way, tries \
            FROM recall_card JOIN card ON card.serial = recall_card.serial \
            LEFT JOIN notice ON notice.recall = recall_card.recall AND notice.serial = recall_card.serial \
            WHERE recall_card.recall = $1 AND recall_card.serial > $2 ORDER BY recall_card.serial LIMIT $3";
        let after = after.map_or(String::new(), |serial| serial.to_string());
        self.db.all(sql, params![number as i64, after, limit]).await?.iter().map(person).collect()
    }
}

fn person(row: &Row) -> Result<RecallPerson, MgmtError> {
    let at = |column: &str| -> Result<Option<Timestamp>, MgmtError> { Ok(row.read(column)?) };
    let told_at = at("told_at")?;
    let stage = match parse(row, "state")? {
        _ if at("updated_at")?.is_some() => RecallStage::Updated,
        _ if at("rekeyed_at")?.is_some() => RecallStage::Rekeyed,
        CardState::Void | CardState::Destroyed => RecallStage::Exchanged,
        _ if told_at.is_some() => RecallStage::Told,
        _ if at("called_at")?.is_some() => RecallStage::Called,
        _ => RecallStage::Listed,
    };
    Ok(RecallPerson {
        serial: parse(row, "serial")?,
        office: parse(row, "office")?,
        stage,
        told_by: parse_optional(row, "told_way")?,
        told_at,
        tries: row.read::<Option<u32>>("tries")?.unwrap_or(0),
        revoked: at("revoked_at")?.is_some(),
    })
}

/// What a notice says. Of the card no more than its last four characters.
fn words(kind: &str, serial: CardSerial) -> String {
    let tail = &serial.as_str()[5..];
    let (zh, en) = match kind {
        "recall-update" => (
            "因召回作業須更新晶片軟體，請攜帶國民身分證至任一戶政事務所辦理。",
            "Its chip has to be updated because of a recall: bring it to any household registration office.",
        ),
        "recall-rekey" => (
            "因召回作業須更換憑證金鑰，卡片留用；請以用戶代碼線上辦理，或攜帶國民身分證至任一戶政事務所辦理。",
            "Its certificates have to move to its other keys because of a recall, and the card stays: do it online with the user code, or bring it to any household registration office.",
        ),
        "recall-exchange" => (
            "因召回作業須換發新證，請攜帶國民身分證及相片至任一戶政事務所申請。",
            "It is recalled: bring it and a photo to any household registration office and apply for a new one.",
        ),
        "collect" => (
            "已可領取，請至受理之戶政事務所領證。",
            "It is ready: collect it at the household registration office that took your application.",
        ),
        _ => (
            "晶片內容與戶籍資料不符，請攜帶至任一戶政事務所更新；卡片仍有效。",
            "Its chip no longer says what is registered: have it updated at any household registration office. It stays valid.",
        ),
    };
    format!("國民身分證（末四碼 {tail}）：{zh}\nYour identity card ending in {tail}: {en}")
}
