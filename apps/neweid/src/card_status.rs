//! The card status list in a reader's hand (OPEN-37): the full list and the delta to it, as files that somebody has fetched;
//! nobody is asked about a card. What a good list does not name is in use as of its time.

use crate::commands::status_check::ca_certificates;
use crate::failure::{Failure, Fault};
use jiff::Timestamp;
use model::CardSerial;
use serde::Serialize;
use status::cards::{CardList, Listed, Trust};
use std::path::{Path, PathBuf};
use terminal::{CardStatus, Outcome, ReadReport};
use x509::Certificate;

/// The list that counts, for scripts.
#[derive(Serialize, Clone, Copy)]
pub struct Edition {
    pub number: u64,
    pub this_update: Timestamp,
    pub next_update: Timestamp,
}

/// A list whose signature, signer and age are good.
pub struct CardStatusList(CardList);

impl CardStatusList {
    /// Opens the list in one or two files, with the root certificates in `trust`.
    pub fn open(files: &[PathBuf], trust: &Path, now: Timestamp) -> Result<Self, Failure> {
        let certificates = ca_certificates(trust)?;
        let (mut anchors, intermediates): (Vec<_>, Vec<_>) =
            certificates.into_iter().partition(Certificate::is_self_issued);
        // ICAO Doc 9303-12 §7.1.1: a country signing CA (pathLenConstraint 0) vouches for documents; that of another country
        // beside ours must not say which of our cards are good.
        anchors.retain(|anchor| anchor.basic_constraints().is_none_or(|b| b.path_len != Some(0)));
        let documents = files.iter().map(|file| read(file)).collect::<Result<Vec<_>, _>>()?;
        let trust = Trust { anchors: &anchors, intermediates: &intermediates };
        CardList::current(&documents, &trust, now).map(Self).map_err(refuse)
    }

    /// Its number and times.
    pub const fn edition(&self) -> Edition {
        Edition {
            number: self.0.number(),
            this_update: self.0.this_update(),
            next_update: self.0.next_update(),
        }
    }

    /// What it says of a card.
    pub fn status(&self, card: CardSerial) -> Result<CardStatus, Failure> {
        Ok(match self.0.status(card).map_err(refuse)? {
            None => CardStatus::Valid,
            Some(Listed::Suspended) => CardStatus::Suspended,
            Some(Listed::Void) => CardStatus::Void,
        })
    }

    /// Enters into a reading what the list says of the card that was read.
    pub fn enter(&self, report: &mut ReadReport) -> Result<(), Failure> {
        let serial = report.public_zone().and_then(|zone| zone.card_serial.parse().ok());
        let Some(serial) = serial else {
            report.set_card_status(CardStatus::Unknown, "沒有卡片序號 no card serial number".into());
            return Ok(());
        };
        let as_of = format!("截至 as of {}", self.0.this_update());
        match self.status(serial)? {
            // Not to be named speaks for a card only if somebody vouches for its number.
            CardStatus::Valid if report.statements.signature_valid != Outcome::Passed => {
                report.set_card_status(
                    CardStatus::Unknown,
                    "序號未經簽章證實 serial number not vouched for".into(),
                );
            }
            status => report.set_card_status(status, as_of),
        }
        Ok(())
    }
}

/// The word for a status, in Traditional Chinese and English.
pub const fn words(status: CardStatus) -> (&'static str, &'static str) {
    match status {
        CardStatus::Unknown => ("不明", "unknown"),
        CardStatus::Valid => ("有效", "good"),
        CardStatus::Suspended => ("停用", "suspended"),
        CardStatus::Void => ("作廢", "void"),
    }
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(file).map_err(|error| {
        Failure::new(
            "NEWEID-E-FILE-READ",
            Fault::Caller,
            format!("無法讀取 {}：{error}", file.display()),
            format!("{} cannot be read: {error}", file.display()),
            "檢查 --card-list 的路徑 Check the path given with --card-list.",
        )
        .exit(2)
    })
}

fn refuse(error: status::Error) -> Failure {
    use status::Error as E;
    let again = "重新下載 Download it again: endpoints.json, card_status, card_status_delta";
    let (code, fault, zh, en, remedy) = match &error {
        E::Untrusted(_) | E::NotForStatus => (
            "NEWEID-E-CARD-LIST-UNTRUSTED",
            Fault::Peer,
            "卡片狀態清單的簽署者不可信任",
            "The signer of the card status list is not trusted",
            "確認 --trust 內有本國的根憑證 See that --trust has the country's root: neweid pki export",
        ),
        E::OutOfDate { .. } => (
            "NEWEID-E-CARD-LIST-STALE",
            Fault::Caller,
            "卡片狀態清單不在可用期間",
            "The card status list is not in time",
            again,
        ),
        E::OtherBase | E::NotOneList => (
            "NEWEID-E-CARD-LIST-BASE",
            Fault::Caller,
            "檔案不是一份完整清單及其增量",
            "The files are not a full list and the delta to it",
            "同時下載兩者 Download both at the same time: endpoints.json, card_status, card_status_delta",
        ),
        _ => (
            "NEWEID-E-CARD-LIST",
            Fault::Peer,
            "卡片狀態清單的格式或簽章不正確",
            "Form or signature of the card status list is wrong",
            again,
        ),
    };
    Failure::new(code, fault, format!("{zh}：{error}"), format!("{en}: {error}"), remedy).exit(2)
}
