//! `neweid recall`: its arguments.

use crate::cli::Make;
use clap::{Args, Subcommand, ValueEnum};
use model::CardSerial;
use std::path::PathBuf;

#[derive(Subcommand, Debug)]
pub enum Recall {
    /// 提案 Propose a recall and list the cards it concerns; nothing happens to them until another person approves.
    Propose(Propose),
    /// 核可 Approve another person's recall; from then on its cards are called in.
    Approve {
        /// 提案編號 The number of the proposal.
        number: u64,
        #[command(flatten)]
        by: By,
    },
    /// 召回案清單 List the recalls, each with the revocation that was proposed for its certificates.
    List {
        #[command(flatten)]
        place: Place,
    },
    /// 卡片清單 List the cards of a recall and their number.
    Cards {
        /// 提案編號 The number of the proposal.
        number: u64,
        /// 僅此機關 Of one office alone.
        #[arg(long)]
        office: Option<model::OfficeCode>,
        #[command(flatten)]
        place: Place,
    },
    /// 登記更新 Note that an office has brought the chip of a card to another version.
    Treat {
        /// 提案編號 The number of the proposal.
        number: u64,
        /// 卡片序號 Card serial number.
        card: model::CardSerial,
        /// 現有程式版本 The applet and version the chip has now: 'eid 2.1'.
        #[arg(long)]
        version: String,
        /// 機關 The office.
        #[arg(long)]
        office: model::OfficeCode,
        #[command(flatten)]
        by: By,
    },
    /// 提案廢止 Propose to revoke the certificates of the cards that still wait, for good; nothing happens until another person approves.
    Revoke {
        /// 召回案編號 The number of the recall, which is approved.
        number: u64,
        /// 廢止理由 Why, as RFC 5280 has it: key_compromise, superseded, cessation_of_operation ...
        #[arg(long, value_name = "REASON")]
        reason: model::RevocationReason,
        #[command(flatten)]
        by: By,
    },
    /// 核可廢止 Approve another person's proposal to revoke, as `recall list` shows it; OCSP and CRL tell it.
    ApproveRevocation {
        /// 提案編號 The number of the proposal: 7.2 is the second one of recall 7, and 7 its first.
        number: mgmt::RevocationNo,
        #[command(flatten)]
        by: By,
    },
    /// 逐人進度 How far each holder's card is: listed, called, told (how and when), updated, exchanged.
    Persons {
        /// 召回案編號 The number of the recall.
        number: u64,
        #[command(flatten)]
        place: Place,
    },
    /// 各所進度 Show how far each office is, now and as it was noted each day.
    Report {
        /// 提案編號 The number of the proposal.
        number: u64,
        #[command(flatten)]
        place: Place,
    },
    /// 結案 Close a recall in which no card waits any more.
    Close {
        /// 提案編號 The number of the proposal.
        number: u64,
        #[command(flatten)]
        by: By,
    },
}

/// What is proposed. Every criterion given must hold, and at least one is given.
#[derive(Args, Debug)]
pub struct Propose {
    /// 晶片型別 Type of the chip, as `neweid chip-type list` names it.
    #[arg(long)]
    pub chip_type: Option<String>,
    #[command(flatten)]
    pub make: Make,
    /// 卡片範圍 One card, or FIRST..LAST of one series, both included.
    #[arg(long, value_parser = cards)]
    pub cards: Option<(CardSerial, CardSerial)>,
    /// 急迫程度 How urgent it is.
    #[arg(long, value_enum)]
    pub level: Level,
    /// 處理方式 What is done with the cards.
    #[arg(long, value_enum)]
    pub treatment: Treatment,
    /// 廢止原因 With rekey: why the certificates on the old keys are revoked, as RFC 5280 has it.
    #[arg(long, default_value = "superseded", value_name = "REASON")]
    pub revocation: model::RevocationReason,
    /// 新卡卡別 The profile, and with it the type of chip, that new cards are made with: national or reserve-p384. Without it, the one applied for.
    #[arg(long, value_name = "PROFILE")]
    pub replacement: Option<model::CardProfile>,
    /// 理由 Why.
    #[arg(long)]
    pub reason: String,
    /// 預估費用 What it is estimated to cost, in New Taiwan dollars.
    #[arg(long)]
    pub cost: Option<u64>,
    #[command(flatten)]
    pub by: By,
}

/// One card, or a range of them.
pub fn cards(text: &str) -> Result<(CardSerial, CardSerial), model::Error> {
    let (first, last) = text.split_once("..").unwrap_or((text, text));
    Ok((first.parse()?, last.parse()?))
}

/// Who does it, and where.
#[derive(Args, Debug)]
pub struct By {
    /// 操作者帳號 Account of the person at the keyboard, for the log.
    #[arg(long)]
    pub operator: String,
    #[command(flatten)]
    pub place: Place,
}

/// Where, and how it is told.
#[derive(Args, Debug)]
pub struct Place {
    /// 國家目錄 The directory of the country.
    #[arg(long, default_value = "data")]
    pub dir: PathBuf,
    /// 輸出 JSON Print one JSON document instead of text.
    #[arg(long)]
    pub json: bool,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
pub enum Level {
    /// 立即: the cards are not to be accepted from the approval on.
    Immediate,
    /// 限期: the cards stay valid until they are treated.
    Scheduled,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
pub enum Treatment {
    /// 韌體更新: the chip gets another version.
    Update,
    /// 更換金鑰: the card stays and goes on with its other pair of keys; one that has none is exchanged.
    Rekey,
    /// 換發新卡: another card is issued.
    NewCard,
}

impl Recall {
    /// Whether failures are to be printed as JSON.
    pub const fn wants_json(&self) -> bool {
        match self {
            Self::Propose(Propose { by, .. })
            | Self::Approve { by, .. }
            | Self::Treat { by, .. }
            | Self::Revoke { by, .. }
            | Self::ApproveRevocation { by, .. }
            | Self::Close { by, .. } => by.place.json,
            Self::List { place }
            | Self::Cards { place, .. }
            | Self::Persons { place, .. }
            | Self::Report { place, .. } => place.json,
        }
    }
}
