//! The household office: receipt against the roster, check, notice, hand-over (MGMT-46 to MGMT-56).

use jiff::Timestamp;
use model::{
    ApplicationState, CardSerial, CardState, CaseNo, OfficeCode, RevocationReason, UserCode, VoidReason,
};
use registry::Person;
use serde_json::json;
use store::{Tx, params};

use crate::acceptance::{CertificateContent, received};
use crate::application::{entitled, printed_fields};
use crate::books::{
    CardEntry, Case, allowed, card, cards_of, case, case_now, log, parse, save_case, stamp, step_card,
};
use crate::service::Mgmt;
use crate::{MgmtError, Refusal};

/// The result of counting a box against its roster (MGMT-47).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Cases whose card was received now or before.
    pub received: Vec<CaseNo>,
    /// Cards of the roster that were not in the box.
    pub missing: Vec<CardSerial>,
    /// Cards in the box that are not on the roster.
    pub unexpected: Vec<CardSerial>,
}

/// What the clerk finds on a received card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inspection {
    /// Face and chip are as they should be.
    Good,
    /// Face or chip is defective: punched, cut, remade (MGMT-48).
    Flawed {
        /// What is wrong.
        defect: String,
    },
}

/// What the check at the office led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    /// The applicant was called.
    Ready,
    /// The applicant was called; the certificates were revoked because of a guardianship (NPC-33).
    ReadyWithoutCertificates,
    /// The card is flawed and is made again.
    Remade,
    /// A printed field changed: the card is void and is made again (MGMT-51).
    Outdated,
    /// The person is no longer entitled: the card is void.
    Void,
}

/// What is printed and handed over with the card (領證確認書). The default user code stands on it and nowhere else.
#[derive(Clone)]
pub struct CollectionConfirmation {
    /// The case.
    pub case: CaseNo,
    /// The card.
    pub serial: CardSerial,
    /// The default user code, to be changed before it can set PINs (MGMT-59).
    pub default_user_code: UserCode,
    /// What the certificates say, which the holder accepts by receiving this and not objecting (NPC-39); none where there are
    /// none, or where they were revoked.
    pub certificates: Vec<CertificateContent>,
    /// Cards that became void with this hand-over and whose corner the clerk cuts.
    pub voided: Vec<CardSerial>,
    /// The reminders the clerk gives (MGMT-56), Traditional Chinese and English.
    pub reminders: &'static [(&'static str, &'static str)],
}

impl std::fmt::Debug for CollectionConfirmation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CollectionConfirmation({}, {:?})", self.case, self.serial)
    }
}

/// MGMT-56.
const REMINDERS: &[(&str, &str)] = &[
    (
        "部分機關尚無法讀取晶片；如有需要，可申請國民身分證晶片資料清單。",
        "Some agencies cannot read chips yet; a chip data list can be requested.",
    ),
    ("請先變更用戶代碼，再設定 PIN1 與 PIN2。", "Change the user code first, then set PIN1 and PIN2."),
];

impl Mgmt {
    /// Counts a box against its roster (MGMT-46, MGMT-47). What is missing stays on the way and is told; nothing is
    /// received that the roster does not name.
    pub async fn receive_box(
        &self,
        office: OfficeCode,
        box_no: &str,
        counted: &[CardSerial],
        clerk: &str,
        now: Timestamp,
    ) -> Result<Receipt, MgmtError> {
        // The report that the box was shipped may still be under way.
        self.take_reports(now).await?;
        let roster = self.centre.roster(box_no).await?.filter(|roster| roster.office == office);
        let roster = roster.ok_or(Refusal::BoxUnknown)?;
        let listed: Vec<CardSerial> = roster.cards.iter().map(|(_, serial)| *serial).collect();
        let mut receipt = Receipt {
            unexpected: counted.iter().filter(|serial| !listed.contains(serial)).copied().collect(),
            missing: listed.iter().filter(|serial| !counted.contains(serial)).copied().collect(),
            received: Vec::new(),
        };
        store::transaction!(self.db, |tx| {
            receipt.received.clear();
            for (order, serial) in &roster.cards {
                if !counted.contains(serial) {
                    continue;
                }
                let mut case = case(tx, order.case).await?;
                let entry = card(tx, *serial).await?;
                if entry.state() == CardState::Shipped && case.serial == Some(*serial) {
                    step_card(tx, entry, |card| card.receive(stamp(now, clerk))).await?;
                    let before = case.application.clone();
                    let (application, event) = allowed(case.application.receive(office, stamp(now, clerk)))?;
                    case.application = application;
                    save_case(tx, &case, &before, &event).await?;
                }
                receipt.received.push(case.no);
            }
            let detail = json!({
                "received": receipt.received.len(), "missing": receipt.missing, "unexpected": receipt.unexpected,
            });
            log(tx, &stamp(now, clerk), "box-receive", box_no, detail).await
        })?;
        Ok(receipt)
    }

    /// The boxes and cards on the way to an office, for its roster.
    pub async fn expected_boxes(
        &self,
        office: OfficeCode,
    ) -> Result<Vec<(String, Vec<CardSerial>)>, MgmtError> {
        let rows = self
            .db
            .all(
                "SELECT box_no, serial FROM application WHERE office = $1 AND state = 'produced' \
                 AND box_no IS NOT NULL ORDER BY box_no, case_no",
                params![office.as_str()],
            )
            .await?;
        let mut boxes: Vec<(String, Vec<CardSerial>)> = Vec::new();
        for row in &rows {
            let (box_no, serial) = (row.read::<String>("box_no")?, parse(row, "serial")?);
            match boxes.last_mut() {
                Some((last, cards)) if *last == box_no => cards.push(serial),
                _ => boxes.push((box_no, vec![serial])),
            }
        }
        Ok(boxes)
    }

    /// The clerk's check of a received card, and the system's check of the person (MGMT-48, MGMT-49, OPEN-53).
    pub async fn check_received(
        &self,
        no: CaseNo,
        inspection: Inspection,
        clerk: &str,
        now: Timestamp,
    ) -> Result<Checked, MgmtError> {
        let read = case_now(&self.db, no).await?;
        if read.application.state() != ApplicationState::Received {
            return Err(Refusal::WrongState.into());
        }
        let serial = read.serial.ok_or(MgmtError::Data("card of the case"))?;
        let person = self.person_of(serial).await?;
        let checked = store::transaction!(self.db, |tx| {
            let mut case = case(tx, no).await?;
            let entry = card(tx, serial).await?;
            if let Inspection::Flawed { defect } = &inspection {
                let by = || stamp(now, clerk).because(defect);
                let entry = step_card(tx, entry, |card| card.flaw(defect, by())).await?;
                let entry = self.revoke_in(tx, entry, RevocationReason::CessationOfOperation, now).await?;
                self.remake(tx, case, &entry, by()).await?;
                self.send_back(tx, serial, now).await?;
                return Ok(Checked::Remade);
            }
            let (checked, entry) =
                match self.check_person(tx, &mut case, entry, person.as_ref(), clerk, now).await? {
                    (Checked::Ready | Checked::ReadyWithoutCertificates, None) => {
                        return Err(MgmtError::Data("checked card"));
                    }
                    (checked @ (Checked::Ready | Checked::ReadyWithoutCertificates), Some(entry)) => {
                        (checked, entry)
                    }
                    (other, _) => return Ok(other),
                };
            step_card(tx, entry, |card| card.accept(stamp(now, clerk))).await?;
            let before = case.application.clone();
            let (application, event) = allowed(case.application.make_ready(stamp(now, clerk)))?;
            case.application = application;
            save_case(tx, &case, &before, &event).await?;
            self.notify(tx, case.no, serial, "collect", now).await?;
            Ok(checked)
        })?;
        self.follow_now(serial, now).await?;
        Ok(checked)
    }

    /// Hands a card over (MGMT-51, MGMT-52): checks the person once more, voids the card it replaces, and gives the default
    /// user code to be printed on the confirmation. If the person lost the entitlement or a printed field changed, the card
    /// is voided and the hand-over refused.
    pub async fn hand_over(
        &self,
        no: CaseNo,
        clerk: &str,
        now: Timestamp,
    ) -> Result<CollectionConfirmation, MgmtError> {
        let read = case_now(&self.db, no).await?;
        if read.application.state() != ApplicationState::Ready {
            return Err(Refusal::WrongState.into());
        }
        let serial = read.serial.ok_or(MgmtError::Data("card of the case"))?;
        let person = self.person_of(serial).await?;
        let code = UserCode::sample(self.draw());
        let hash = self.hasher.hash(&code, self.draw()).await?;
        let handed = store::transaction!(self.db, |tx| {
            let mut case = case(tx, no).await?;
            let entry = card(tx, serial).await?;
            let entry = match self.check_person(tx, &mut case, entry, person.as_ref(), clerk, now).await? {
                (Checked::Void, _) => return Ok(Err(Refusal::NoLongerEntitled)),
                (Checked::Outdated, _) => return Ok(Err(Refusal::FaceOutdated)),
                (_, entry) => entry.ok_or(MgmtError::Data("checked card"))?,
            };
            // MGMT-73: the old card becomes void now and not earlier.
            let mut voided = Vec::new();
            for old in cards_of(tx, &entry.person).await? {
                if old.card.in_hands() && old.serial != serial {
                    voided.push(old.serial);
                    self.void(tx, old, VoidReason::Returned, RevocationReason::Superseded, now, clerk)
                        .await?;
                }
            }
            let entry = step_card(tx, entry, |card| card.hand_over(stamp(now, clerk))).await?;
            let certified = received(tx, &entry, clerk, now).await?;
            tx.execute_one(
                "UPDATE card SET user_code = $2, user_code_state = 'default', failures = 0, locked_until = NULL \
                 WHERE serial = $1",
                params![serial.as_str(), &hash],
            )
            .await?;
            let before = case.application.clone();
            let (application, event) = allowed(case.application.collect(stamp(now, clerk)))?;
            case.application = application;
            save_case(tx, &case, &before, &event).await?;
            let detail = json!({ "reminders": REMINDERS.len() });
            log(tx, &stamp(now, clerk), "collection-confirmation", serial.as_str(), detail).await?;
            Ok::<_, MgmtError>(Ok((voided, certified)))
        })?;
        self.work_certificates_quietly(now).await?;
        let (voided, certified) = handed?;
        let certificates = if certified { self.certificate_contents(serial).await? } else { Vec::new() };
        Ok(CollectionConfirmation {
            case: no,
            serial,
            default_user_code: code,
            certificates,
            voided,
            reminders: REMINDERS,
        })
    }

    /// The person of a card as registered at this moment.
    async fn person_of(&self, serial: CardSerial) -> Result<Option<Person>, MgmtError> {
        let entry = crate::books::card_now(&self.db, serial).await?;
        Ok(self.register.person(&self.holder(&entry)?.id).await?)
    }

    /// MGMT-49, MGMT-51: what the register says now decides what becomes of a card not yet handed over.
    async fn check_person(
        &self,
        tx: &mut Tx,
        case: &mut Case,
        entry: CardEntry,
        person: Option<&Person>,
        clerk: &str,
        now: Timestamp,
    ) -> Result<(Checked, Option<CardEntry>), MgmtError> {
        let person = match entitled(person) {
            Ok(person) => person,
            Err(refusal) => {
                let serial = entry.serial;
                let reason = RevocationReason::PrivilegeWithdrawn;
                self.void(tx, entry, VoidReason::NotEntitled, reason, now, clerk).await?;
                let before = case.application.clone();
                let by = stamp(now, clerk).because(refusal.code());
                let (application, event) = allowed(before.clone().withdraw(refusal.code(), by))?;
                case.application = application;
                save_case(tx, case, &before, &event).await?;
                self.send_back(tx, serial, now).await?;
                return Ok((Checked::Void, None));
            }
        };
        let holder = self.holder(&entry)?;
        let fields = printed_fields(person, holder.foreign_name);
        if self.keys.face(&fields.each_ref().map(String::as_str)) != entry.face {
            let serial = entry.serial;
            let reason = RevocationReason::AffiliationChanged;
            let entry = self.void(tx, entry, VoidReason::DataChanged, reason, now, clerk).await?;
            self.remake(tx, case.clone(), &entry, stamp(now, clerk).because("printed field changed")).await?;
            self.send_back(tx, serial, now).await?;
            return Ok((Checked::Outdated, None));
        }
        if person.guardianship && entry.certificate && entry.revoked.is_none() {
            let entry = self.revoke_in(tx, entry, RevocationReason::PrivilegeWithdrawn, now).await?;
            return Ok((Checked::ReadyWithoutCertificates, Some(entry)));
        }
        Ok((Checked::Ready, Some(entry)))
    }

    /// Notes that applicant or holder is to be told, by the way they chose (MGMT-50, UPDATE-14). Sending is another system's.
    pub(crate) async fn notify(
        &self,
        tx: &mut Tx,
        no: CaseNo,
        serial: CardSerial,
        kind: &str,
        now: Timestamp,
    ) -> Result<(), MgmtError> {
        self.notify_of(tx, no, serial, kind, None, now).await
    }

    /// The same, because of a recall: for each card one notice of each recall.
    pub(crate) async fn notify_of(
        &self,
        tx: &mut Tx,
        no: CaseNo,
        serial: CardSerial,
        kind: &str,
        recall: Option<i64>,
        now: Timestamp,
    ) -> Result<(), MgmtError> {
        let entry = card(tx, serial).await?;
        let way = self.holder(&entry)?.contact.way;
        tx.execute_one(
            "INSERT INTO notice (id, case_no, serial, kind, way, at, recall) VALUES ($1, $2, $3, $4, $5, $6, $7)",
            params![
                store::new_id(now, &mut self.random()),
                no.as_str(),
                serial.as_str(),
                kind,
                way.as_str(),
                now,
                recall
            ],
        )
        .await?;
        Ok(())
    }

    /// Works through the certificates that have to follow, and leaves failures of the certificate system to the queue.
    pub(crate) async fn work_certificates_quietly(&self, now: Timestamp) -> Result<(), MgmtError> {
        match self.work_certificates(now).await {
            Err(MgmtError::Store(error)) => Err(error.into()),
            _ => Ok(()),
        }
    }
}
