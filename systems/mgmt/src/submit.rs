//! Taking an application in: every check before anything is stored, then the case with its photo in one transaction.

use jiff::Timestamp;
use model::{
    Application, ApplicationKind, CaseNo, Channel, NationalIdNo, RevocationReason, RocDate, VoidReason,
};
use store::{Tx, params};

use crate::application::{certificate_allowed, entitled, names_complete};
use crate::books::{CardEntry, allowed, cards_of, log, stamp, step_card, to_json};
use crate::photo;
use crate::photo_metadata::Metadata;
use crate::review::PhotoReason;
use crate::service::Mgmt;
use crate::vault::{APPLICANT, PHOTO, PhotoFacts, RowKey, StoredApplicant};
use crate::{MgmtError, NewApplication, Refusal};

impl Mgmt {
    /// Takes an application in and gives it its case number (MGMT-17). `actor` is the account of the clerk, or of the
    /// online service.
    pub async fn submit(
        &self,
        application: NewApplication,
        actor: &str,
        now: Timestamp,
    ) -> Result<CaseNo, MgmtError> {
        let NewApplication {
            id,
            kind,
            channel,
            photo,
            photo_taken,
            wants_certificate,
            foreign_name,
            portrait_exemption,
            office,
            contact,
            profile,
        } = application;
        registry::office(office).ok_or(Refusal::OfficeUnknown)?;
        contact.check()?;
        let today = RocDate::in_taipei(now);
        let person = self.register.person(&id).await?;
        let person = entitled(person.as_ref())?;
        if wants_certificate {
            certificate_allowed(person, today, self.config.certificate_age)?;
            // NPC-55: while issuing is stopped no application for certificates is taken.
            if self.certificates.issuing_is_stopped().await? {
                return Err(Refusal::IssuingStopped.into());
            }
        }
        names_complete(person, foreign_name)?;
        let (photo, facts) = accept_photo(photo, photo_taken, today).await?;

        let link = self.keys.person(&id);
        let applicant = StoredApplicant { id, contact, foreign_name, portrait_exemption, photo: Some(facts) };
        let submitted = store::transaction!(self.db, |tx| {
            let open =
                tx.optional("SELECT case_no FROM application WHERE open_person = $1", params![link]).await?;
            if open.is_some() {
                return Err(Refusal::CaseOpen.into());
            }
            let old = cards_of(tx, &link).await?;
            let sql = "SELECT 1 FROM paper_loss WHERE person = $1";
            let paper_lost = tx.optional(sql, params![link]).await?.is_some();
            check_kind(kind, channel, &old, paper_lost)?;
            let no = next_case_no(tx, today).await?;
            let mut random = self.random();
            let (key, wrapped_key) = RowKey::new_case(&self.keys, no, &mut random)?;
            let (state, event) = allowed(Application::draft().submit(stamp(now, actor)))?;
            tx.execute_one(
                "INSERT INTO application (case_no, person, open_person, kind, channel, profile, office, certificate, \
                 state, content, stage, wrapped_key, submitted_at, changed_at) \
                 VALUES ($1, $2, $2, $3, $4, $5, $6, $7, $8, $9, 'idle', $10, $11, $11)",
                params![
                    no.as_str(),
                    link,
                    kind.as_str(),
                    channel.as_str(),
                    profile.as_str(),
                    office.as_str(),
                    wants_certificate,
                    state.state().as_str(),
                    to_json(&state)?,
                    wrapped_key,
                    now,
                ],
            )
            .await?;
            tx.execute_one(
                "INSERT INTO case_event (case_no, step, content) VALUES ($1, 1, $2)",
                params![no.as_str(), to_json(&event)?],
            )
            .await?;
            put_data(tx, no, APPLICANT, &key.seal(APPLICANT, &applicant, &mut random)?).await?;
            put_data(tx, no, PHOTO, &key.seal_bytes(PHOTO, &photo, &mut random)?).await?;
            log(
                tx,
                &event.stamp,
                "application-submitted",
                no.as_str(),
                serde_json::json!({
                    "kind": kind, "channel": channel, "certificate": wants_certificate, "office": office,
                    "portrait_exempted": portrait_exemption.is_some(),
                }),
            )
            .await?;
            if kind == ApplicationKind::Replacement {
                // LOSS-09, OPEN-19: from now on the lost card is void and its certificates are revoked.
                for card in old {
                    self.void(
                        tx,
                        card,
                        VoidReason::Replaced,
                        RevocationReason::CessationOfOperation,
                        now,
                        actor,
                    )
                    .await?;
                }
            }
            Ok(no)
        });
        match submitted {
            // Another program was quicker between the look and the write; the database refused the second case.
            Err(MgmtError::Store(store::StoreError::Unique { constraint }))
                if constraint.contains("open_person") =>
            {
                Err(Refusal::CaseOpen.into())
            }
            other => other,
        }
    }

    /// Takes the report that somebody lost the paper identity card of before New eID (LOSS-14). Again is harmless. Refused for
    /// whoever has a New eID, whose loss is that card's.
    pub async fn report_paper_loss(
        &self,
        person: &NationalIdNo,
        actor: &str,
        now: Timestamp,
    ) -> Result<(), MgmtError> {
        let registered = self.register.person(person).await?;
        entitled(registered.as_ref())?;
        let link = self.keys.person(person);
        store::transaction!(self.db, |tx| {
            if !cards_of(tx, &link).await?.is_empty() {
                return Err(MgmtError::from(Refusal::CardExists));
            }
            let sql = "INSERT INTO paper_loss (person, at, actor) VALUES ($1, $2, $3) ON CONFLICT (person) DO NOTHING";
            if tx.execute(sql, params![link, now, actor]).await? == 1 {
                log(tx, &stamp(now, actor), "paper-card-loss", "paper-card", serde_json::json!({})).await?;
            }
            Ok(())
        })
    }

    /// Takes a better photo for a case that was returned for correction (CARDFACE-22).
    pub async fn correct_photo(
        &self,
        no: CaseNo,
        photo: Vec<u8>,
        taken: RocDate,
        actor: &str,
        now: Timestamp,
    ) -> Result<(), MgmtError> {
        let (photo, facts) = accept_photo(photo, taken, RocDate::in_taipei(now)).await?;
        store::transaction!(self.db, |tx| {
            let mut case = crate::books::case(tx, no).await?;
            let before = case.application.clone();
            let (application, event) = allowed(case.application.submit(stamp(now, actor)))?;
            case.application = application;
            let key = RowKey::of_case(&self.keys, no, case.wrapped_key.as_deref().unwrap_or_default())?;
            if PhotoReason::returned(&before).is_some() {
                let refused = key.open_bytes(PHOTO, &data_in(tx, no, PHOTO).await?)?;
                if refused.expose() == photo.as_slice() {
                    return Err(Refusal::PhotoUnchanged.into());
                }
            }
            let mut applicant: StoredApplicant = key.open(APPLICANT, &data_in(tx, no, APPLICANT).await?)?;
            applicant.photo = Some(facts.clone());
            put_data(tx, no, APPLICANT, &key.seal(APPLICANT, &applicant, &mut self.random())?).await?;
            put_data(tx, no, PHOTO, &key.seal_bytes(PHOTO, &photo, &mut self.random())?).await?;
            crate::books::save_case(tx, &case, &before, &event).await
        })
    }

    /// Voids a card and queues what follows: its certificates are revoked.
    pub(crate) async fn void(
        &self,
        tx: &mut Tx,
        entry: CardEntry,
        reason: VoidReason,
        revocation: RevocationReason,
        now: Timestamp,
        actor: &str,
    ) -> Result<CardEntry, MgmtError> {
        let entry =
            step_card(tx, entry, |card| card.void(reason, stamp(now, actor).because(reason.as_str())))
                .await?;
        self.revoke_in(tx, entry, revocation, now).await
    }
}

/// Decodes and scales off the request's thread: a picture of 5 MB keeps a core busy for a while.
async fn accept_photo(
    file: Vec<u8>,
    taken: RocDate,
    application: RocDate,
) -> Result<(Vec<u8>, PhotoFacts), MgmtError> {
    let written = Metadata::read(&file);
    let photo = tokio::task::spawn_blocking(move || photo::accept(&file))
        .await
        .map_err(|_| MgmtError::Data("photo worker"))??;
    photo::check_day(taken.date(), written.taken, application.date())?;
    Ok((photo, PhotoFacts { taken, camera_agrees: written.taken.is_some(), software: written.software }))
}

/// One sealed value of a case, in its transaction.
async fn data_in(tx: &mut Tx, no: CaseNo, what: &str) -> Result<Vec<u8>, MgmtError> {
    let sql = "SELECT sealed FROM case_data WHERE case_no = $1 AND what = $2";
    let row = tx.optional(sql, params![no.as_str(), what]).await?;
    Ok(row.ok_or(MgmtError::Data("case data is missing"))?.read("sealed")?)
}

/// MGMT-02, MGMT-28: the kind of application has to fit the card the person has. LOSS-14: whoever lost the paper card of before
/// reports that, and then may apply for replacement from home; without the report nobody knows that there is anything to replace.
fn check_kind(
    kind: ApplicationKind,
    channel: Channel,
    cards: &[CardEntry],
    paper_lost: bool,
) -> Result<(), Refusal> {
    let lost = cards.iter().any(|entry| entry.card.lost());
    match kind {
        ApplicationKind::First if !cards.is_empty() => Err(Refusal::CardExists),
        ApplicationKind::First => Ok(()),
        ApplicationKind::Replacement if cards.is_empty() && paper_lost => Ok(()),
        ApplicationKind::Replacement if cards.is_empty() && channel == Channel::Online => {
            Err(Refusal::LossNotReported)
        }
        _ if cards.is_empty() => Err(Refusal::NoCard),
        ApplicationKind::Replacement if !lost => Err(Refusal::LossNotReported),
        ApplicationKind::Renewal if lost => Err(Refusal::CardLost),
        ApplicationKind::Replacement | ApplicationKind::Renewal => Ok(()),
    }
}

pub(crate) async fn next_case_no(tx: &mut Tx, today: RocDate) -> Result<CaseNo, MgmtError> {
    let year = today.roc_year();
    let row = tx
        .one(
            "INSERT INTO case_counter (roc_year, last) VALUES ($1, 1) \
             ON CONFLICT (roc_year) DO UPDATE SET last = case_counter.last + 1 RETURNING last",
            params![i64::from(year)],
        )
        .await?;
    let year = u16::try_from(year).map_err(|_| MgmtError::Data("year"))?;
    CaseNo::new(year, row.read("last")?).map_err(|_| MgmtError::Data("case number"))
}

/// Writes one sealed value of a case, in place of an older one.
pub(crate) async fn put_data(tx: &mut Tx, no: CaseNo, what: &str, sealed: &[u8]) -> Result<(), MgmtError> {
    tx.execute_one(
        "INSERT INTO case_data (case_no, what, sealed) VALUES ($1, $2, $3) \
         ON CONFLICT (case_no, what) DO UPDATE SET sealed = EXCLUDED.sealed",
        params![no.as_str(), what, sealed],
    )
    .await?;
    Ok(())
}
