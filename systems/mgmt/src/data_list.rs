//! Chip data lists (國民身分證晶片資料清單): chosen fields of a card's Public Zone on paper, for agencies that cannot read the chip. A
//! list is good together with its card alone, so its state is read off the card's row and never kept beside it: suspended and good
//! again with the card (LOSS-06, LOSS-08), void when the card is void or its chip says something else by now (OPEN-47).
//!
//! What is kept of a list is its number, the hash of its file, which fields it shows and who made it; no value. Its file is signed by
//! the key for paper documents (DOCPKI-14). Left out: the layout on paper with watermark and cross-page seal, and lists made online.

use std::sync::Arc;

use apdu::CardChannel;
use curve::Hash;
use eac::Password;
use jiff::Timestamp;
use lds::PublicZone;
use model::{CardSerial, CardState, OfficeCode};
use serde_json::json;
use store::params;
use terminal::{ReadOptions, Verdict, read_card};

use crate::books::{card_now, log, parse, stamp};
use crate::service::Mgmt;
use crate::{MgmtError, Refusal};

/// A field that a list may show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListedField {
    /// 姓名
    Name,
    /// 外文姓名
    ForeignName,
    /// 統一編號
    Number,
    /// 出生日期
    Birth,
    /// 戶籍地址
    Address,
    /// 結婚狀態
    MaritalStatus,
    /// 役別
    MilitaryService,
    /// 發證日期
    Issue,
    /// 應換領日期
    Renewal,
}

impl ListedField {
    /// All of them, in the order of a list.
    pub const ALL: [Self; 9] = [
        Self::Name,
        Self::ForeignName,
        Self::Number,
        Self::Birth,
        Self::Address,
        Self::MaritalStatus,
        Self::MilitaryService,
        Self::Issue,
        Self::Renewal,
    ];

    /// The stable text form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::ForeignName => "foreign-name",
            Self::Number => "number",
            Self::Birth => "birth",
            Self::Address => "address",
            Self::MaritalStatus => "marital-status",
            Self::MilitaryService => "military-service",
            Self::Issue => "issue",
            Self::Renewal => "renewal",
        }
    }

    /// The mission's word.
    pub const fn zh(self) -> &'static str {
        match self {
            Self::Name => "姓名",
            Self::ForeignName => "外文姓名",
            Self::Number => "統一編號",
            Self::Birth => "出生日期",
            Self::Address => "戶籍地址",
            Self::MaritalStatus => "結婚狀態",
            Self::MilitaryService => "役別",
            Self::Issue => "發證日期",
            Self::Renewal => "應換領日期",
        }
    }

    /// The field with this text form.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.as_str() == name)
    }

    /// What the chip says there.
    fn of(self, zone: &PublicZone) -> String {
        let none = || "無 none".to_owned();
        match self {
            Self::Name => zone.chinese_name.clone(),
            Self::ForeignName => zone.foreign_name.clone().unwrap_or_else(none),
            Self::Number => zone.id_number.clone(),
            Self::Birth => zone.birth.iso(),
            Self::Address => {
                let address = &zone.address;
                let neighbourhood = format!("{}鄰", address.neighbourhood);
                [&address.county, &address.district, &address.village, &neighbourhood, &address.rest]
                    .map(String::as_str)
                    .concat()
            }
            Self::MaritalStatus => zone.marital_status.zh.clone(),
            Self::MilitaryService => zone.military_service.zh.clone(),
            Self::Issue => zone.issue.iso(),
            Self::Renewal => zone.renewal.map_or_else(none, lds::Date::iso),
        }
    }
}

/// A list as it is printed. Names a person: no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct DataList {
    /// Its verification number (驗證序號), which nobody guesses.
    pub number: String,
    /// Its file: UTF-8 text.
    pub file: Vec<u8>,
    /// The signature over it: CMS SignedData, detached (DER).
    pub signature: Vec<u8>,
}

/// How a list stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataListStatus {
    /// 有效, together with its card.
    Valid,
    /// 暫時停止效力: its card is reported lost or under recall.
    Suspended,
    /// 失效: its card is void or replaced, or the chip says something else since.
    Void,
    /// The number is ours, the file is another one.
    Altered,
    /// There is no such number.
    Unknown,
}

impl Mgmt {
    /// Makes a list of these fields from the card in a reader, which is verified first. Only of a card in force.
    pub async fn make_data_list<C: CardChannel + Send + 'static>(
        &self,
        serial: CardSerial,
        channel: C,
        fields: &[ListedField],
        (office, clerk): (OfficeCode, &str),
        now: Timestamp,
    ) -> Result<DataList, MgmtError> {
        let office = registry::office(office).ok_or(Refusal::OfficeUnknown)?;
        if card_now(&self.db, serial).await?.state() != CardState::Active {
            return Err(Refusal::WrongState.into());
        }
        let content = self.content_of(serial).await?;
        let trust = Arc::new(self.trust(now).await?);
        let mut random = self.random();
        let read = tokio::task::spawn_blocking(move || {
            let can = Password::can(serial.can().as_str());
            read_card(channel, &can, &trust, &ReadOptions::default(), now, &mut random)
        });
        let report = read.await.map_err(|_| MgmtError::Data("a worker died"))?;
        let zone = match report.public_zone() {
            Some(zone) if report.verdict == Verdict::Verified => zone,
            _ => return Err(Refusal::CardUntrusted.into()),
        };
        if zone.card_serial != serial.as_str() {
            return Err(Refusal::OtherCard.into());
        }
        let number = format!("CDL-{}", letters(self.draw::<20>()));
        let mut file = format!(
            "國民身分證晶片資料清單 Chip data list\n驗證序號 Verification number: {number}\n卡片序號 Card: {serial}\n製表 Made: {now} {}\n\n",
            office.name
        );
        let shown: Vec<ListedField> =
            ListedField::ALL.into_iter().filter(|field| fields.contains(field)).collect();
        for field in &shown {
            file.push_str(&format!("{} {}: {}\n", field.zh(), field.as_str(), field.of(zone)));
        }
        file.push_str("\n與國民身分證併同使用，並應查驗是否有效。 Good together with the card alone; ask whether it is valid.\n");
        let file = file.into_bytes();
        let hash = Hash::Sha512.digest(&file);
        let names: Vec<_> = shown.iter().map(|field| field.as_str()).collect();
        store::transaction!(self.db, |tx| {
            // What became of the card while it was read decides: a list of a lost card is not made.
            if crate::books::card(tx, serial).await?.state() != CardState::Active {
                return Err(MgmtError::from(Refusal::WrongState));
            }
            tx.execute_one(
                "INSERT INTO data_list (number, serial, content_hash, chip_content, fields, office, clerk, at) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
                params![
                    &number,
                    serial.as_str(),
                    &hash,
                    content,
                    names.join(" "),
                    office.code.as_str(),
                    clerk,
                    now
                ],
            )
            .await?;
            let detail = json!({ "fields": &names, "office": office.code });
            log(tx, &stamp(now, clerk), "data-list", serial.as_str(), detail).await
        })?;
        let signature = self.signing.sign_paper(&number, &file, clerk, now).await?;
        Ok(DataList { number, file, signature })
    }

    /// How the list with this number stands; with its file, whether that is what was made.
    pub async fn data_list_status(
        &self,
        number: &str,
        file: Option<&[u8]>,
    ) -> Result<DataListStatus, MgmtError> {
        let sql = "SELECT serial, content_hash, chip_content FROM data_list WHERE number = $1";
        let Some(row) = self.db.optional(sql, params![number]).await? else {
            return Ok(DataListStatus::Unknown);
        };
        if file
            .is_some_and(|file| row.read::<Vec<u8>>("content_hash").ok() != Some(Hash::Sha512.digest(file)))
        {
            return Ok(DataListStatus::Altered);
        }
        let serial: CardSerial = parse(&row, "serial")?;
        let same = self.content_of(serial).await? == row.read::<i64>("chip_content")?;
        Ok(match card_now(&self.db, serial).await?.state() {
            CardState::Void | CardState::Destroyed => DataListStatus::Void,
            _ if !same => DataListStatus::Void,
            CardState::Active => DataListStatus::Valid,
            _ => DataListStatus::Suspended,
        })
    }

    /// The number of the last update that the chip may have taken.
    async fn content_of(&self, serial: CardSerial) -> Result<i64, MgmtError> {
        let sql = "SELECT COALESCE(MAX(number), 0) FROM card_update WHERE serial = $1 AND result IN ('signed', 'written')";
        Ok(self.db.one(sql, params![serial.as_str()]).await?.read(0)?)
    }
}

/// A hundred random bits as capital letters and digits that are not taken for each other.
fn letters(random: [u8; 20]) -> String {
    let alphabet = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    random.iter().map(|byte| char::from(alphabet[usize::from(byte % 32)])).collect()
}
