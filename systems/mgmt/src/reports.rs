//! What the card centre reports: a card is finished, shipped, or scrapped.

use jiff::Timestamp;
use model::{CardSerial, RevocationReason, Stamp};
use production::{Report, ReportKind};
use serde_json::json;
use store::Tx;

use crate::books::{
    CardEntry, Case, Stage, allowed, card, case, log, save_case, stamp, step_card, update_case,
};
use crate::review::destroy_data;
use crate::service::{Mgmt, bookmark, set_bookmark};
use crate::submit::put_data;
use crate::vault::{APPLICANT, HOLDER, RowKey, StoredApplicant, StoredHolder};
use crate::{MgmtError, Refusal};

impl Mgmt {
    /// Takes all new reports, each with the note that it was taken in one transaction.
    pub(crate) async fn take_reports(&self, now: Timestamp) -> Result<usize, MgmtError> {
        let mut taken = 0;
        loop {
            let row = self
                .db
                .optional("SELECT position FROM bookmark WHERE name = $1", store::params![REPORTS])
                .await?;
            let after = row.map(|row| row.read("position")).transpose()?.unwrap_or(0);
            let reports = self.centre.reports_after(after, 100).await?;
            if reports.is_empty() {
                return Ok(taken);
            }
            for report in &reports {
                store::transaction!(self.db, |tx| {
                    if bookmark(tx, REPORTS).await? < report.sequence {
                        self.take_report(tx, report, now).await?;
                        set_bookmark(tx, REPORTS, report.sequence).await?;
                    }
                    Ok::<_, MgmtError>(())
                })?;
                taken += 1;
            }
        }
    }

    async fn take_report(&self, tx: &mut Tx, report: &Report, now: Timestamp) -> Result<(), MgmtError> {
        let case = match case(tx, report.order.case).await {
            // An order of a case that was withdrawn before it was stored here does not exist; nothing follows.
            Err(MgmtError::Refused(Refusal::CaseUnknown)) => return Ok(()),
            other => other?,
        };
        if case.serial != Some(report.serial) || case.attempt() != report.order.attempt {
            // A card cancelled after pairing: it never entered these books.
            return Ok(());
        }
        let entry = card(tx, report.serial).await?;
        let by = || stamp(now, CENTRE);
        match &report.kind {
            ReportKind::Finished { box_no } => self.finished(tx, case, entry, box_no, by()).await,
            ReportKind::Shipped { .. } => {
                let office = case.office;
                step_card(tx, entry, |card| card.ship(office, by())).await.map(drop)
            }
            ReportKind::Scrapped { defect } => {
                let entry = step_card(tx, entry, |card| card.flaw(defect, by().because(defect))).await?;
                let entry = self.revoke_in(tx, entry, RevocationReason::CessationOfOperation, now).await?;
                self.remake(tx, case, &entry, by().because(defect)).await
            }
            _ => Ok(()),
        }
    }

    /// MGMT-42: with the report the personal data held for production is destroyed, key first.
    async fn finished(
        &self,
        tx: &mut Tx,
        mut case: Case,
        entry: CardEntry,
        box_no: &str,
        by: Stamp,
    ) -> Result<(), MgmtError> {
        let entry = step_card(tx, entry, |card| card.personalise(by.clone())).await?;
        step_card(tx, entry, |card| card.finish(by.clone())).await?;
        let before = case.application.clone();
        let (application, event) = allowed(case.application.report_produced(by.clone()))?;
        case.application = application;
        case.stage = Stage::Idle;
        case.box_no = Some(box_no.to_owned());
        destroy_data(tx, &mut case).await?;
        save_case(tx, &case, &before, &event).await?;
        log(tx, &by, "case-data-destroyed", case.no.as_str(), json!({ "box": box_no })).await
    }

    /// Sends a case back into the next batch for another card (PRODUCTION-43, MGMT-48). If its data was destroyed, what the
    /// card's row still knows of the applicant is sealed under a new key; the photo is on file in the register.
    pub(crate) async fn remake(
        &self,
        tx: &mut Tx,
        mut case: Case,
        entry: &CardEntry,
        by: Stamp,
    ) -> Result<(), MgmtError> {
        let before = case.application.clone();
        if case.wrapped_key.is_none() {
            let holder: StoredHolder =
                RowKey::of_card(&self.keys, entry.serial, &entry.wrapped_key)?.open(HOLDER, &entry.holder)?;
            let applicant = StoredApplicant {
                id: holder.id,
                contact: holder.contact,
                foreign_name: holder.foreign_name,
                portrait_exemption: holder.portrait_exemption,
                photo: None,
            };
            let mut random = self.random();
            let (key, wrapped) = RowKey::new_case(&self.keys, case.no, &mut random)?;
            case.wrapped_key = Some(wrapped);
            // The case's row first: its data refers to it, and the state guards against a second remake.
            update_case(tx, &case, &before, by.at).await?;
            put_data(tx, case.no, APPLICANT, &key.seal(APPLICANT, &applicant, &mut random)?).await?;
        }
        let (application, event) = allowed(case.application.remake(by))?;
        case.application = application;
        case.stage = Stage::Idle;
        case.serial = None;
        case.box_no = None;
        save_case(tx, &case, &before, &event).await
    }

    /// Whose card it is.
    pub(crate) fn holder(&self, entry: &CardEntry) -> Result<StoredHolder, MgmtError> {
        RowKey::of_card(&self.keys, entry.serial, &entry.wrapped_key)?.open(HOLDER, &entry.holder)
    }

    /// The holder of a card by its serial, for counters: name and number.
    pub async fn holder_of(
        &self,
        serial: CardSerial,
    ) -> Result<(model::PersonName, model::NationalIdNo), MgmtError> {
        let entry = crate::books::card_now(&self.db, serial).await?;
        let holder = self.holder(&entry)?;
        Ok((holder.name, holder.id))
    }
}

const REPORTS: &str = "card centre";
/// The account of the card centre in events.
const CENTRE: &str = "card-centre";
