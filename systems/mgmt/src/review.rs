//! Review by a clerk, withdrawal, and the batches that go to the card centre.

use jiff::Timestamp;
use model::{
    Application, ApplicationState, CardProfile, CaseNo, PortraitExemption, RocDate, Stamp, validity,
};
use serde_json::json;
use store::{Tx, params};

use crate::application::{certificate_allowed, entitled};
use crate::books::{Case, Stage, allowed, case, case_now, log, parse, parse_optional, save_case, stamp};
use crate::recall::exchanges_of;
use crate::service::{CANCELS, CASES, Mgmt, bookmark, set_bookmark};
use crate::submit::put_data;
use crate::vault::{APPLICANT, PHOTO, PhotoFacts, RowKey, StoredApplicant};
use crate::{MgmtError, Refusal};

// Which approved cases go to production next: those in which a recalled card is exchanged, and the others.
const APPROVED_EXCHANGES: &str = concat!(
    "SELECT case_no FROM application WHERE state = 'approved' AND EXISTS (",
    exchanges_of!("application.person"),
    ") ORDER BY submitted_at, case_no LIMIT $1"
);
const APPROVED_OTHERS: &str = concat!(
    "SELECT case_no FROM application WHERE state = 'approved' AND NOT EXISTS (",
    exchanges_of!("application.person"),
    ") ORDER BY submitted_at, case_no LIMIT $1"
);
const EXCHANGES_OF: &str = concat!(exchanges_of!("$1"), " ORDER BY recall.number");

/// Column of `case_data`: the person as registered when the case was batched.
pub(crate) const PERSON: &str = "person";

/// What a clerk decides (MGMT-37).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The case may go to production: what the clerk found on the photo.
    Approve(PhotoReview),
    /// The case may go to production without a printed portrait: the office approves this exemption, which is that of the
    /// application (CARDFACE-23). The photo is reviewed and filed all the same.
    ApproveExempted(PhotoReview, PortraitExemption),
    /// The photo does not conform; the applicant has to hand in another one (CARDFACE-22).
    RefusePhoto(PhotoReason),
    /// The applicant has to correct something else.
    Return {
        /// What.
        correction: String,
    },
    /// No card is made.
    Reject {
        /// Why.
        reason: String,
    },
}

/// What the reviewing clerk confirms of a photo: what no program decides (CARDFACE-18, CARDFACE-20). Beside the picture the clerk
/// sees the day it was taken on and the programs that left their name in the file ([`Mgmt::photo_facts`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhotoReview {
    /// Height of the head from crown to chin, in percent of the picture's: 3.2 to 3.6 cm of 4.5.
    pub head_percent: u8,
    /// Whether it is neither altered, composed, retouched nor enhanced.
    pub unaltered: bool,
    /// Whether the person is recognisable, without the distortion of a camera that was too near.
    pub recognisable: bool,
}

impl PhotoReview {
    /// What speaks against the photo.
    pub fn fault(self) -> Option<PhotoReason> {
        match self {
            Self { head_percent, .. } if !(70..=80).contains(&head_percent) => Some(PhotoReason::HeadSize),
            Self { unaltered: false, .. } => Some(PhotoReason::Altered),
            Self { recognisable: false, .. } => Some(PhotoReason::NotRecognisable),
            _ => None,
        }
    }
}

/// Why a clerk refuses a photo (CARDFACE-22).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PhotoReason {
    /// 頭部比例不符: the head takes less than 70 or more than 80 %.
    HeadSize,
    /// 拍攝距離過近: taken from less than a metre.
    TooNear,
    /// 非近照: older than declared, by its looks.
    TooOld,
    /// 經修改或合成
    Altered,
    /// 無法辨識
    NotRecognisable,
    /// 背景不符
    Background,
}

impl PhotoReason {
    /// Every reason.
    pub const ALL: [Self; 6] =
        [Self::HeadSize, Self::TooNear, Self::TooOld, Self::Altered, Self::NotRecognisable, Self::Background];

    /// The stable code, as it stands in the case.
    pub const fn code(self) -> &'static str {
        match self {
            Self::HeadSize => "photo-head-size",
            Self::TooNear => "photo-too-near",
            Self::TooOld => "photo-too-old",
            Self::Altered => "photo-altered",
            Self::NotRecognisable => "photo-not-recognisable",
            Self::Background => "photo-background",
        }
    }

    /// What the applicant is told, Traditional Chinese and English.
    pub const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::HeadSize => ("頭頂至下顎須占相片 70 至 80 %", "the head takes 70 to 80 % of the picture"),
            Self::TooNear => ("拍攝距離須至少 1 公尺", "the camera is at least 1 m away"),
            Self::TooOld => ("須為最近 6 個月內所攝", "taken within the last six months"),
            Self::Altered => ("不得修改、合成或美化", "not altered, composed or embellished"),
            Self::NotRecognisable => ("須能清楚辨識本人", "the person is clearly recognisable"),
            Self::Background => ("背景須為白色且無雜物", "a plain white background"),
        }
    }

    /// The reason for which a case was returned, if it was for its photo.
    pub(crate) fn returned(application: &Application) -> Option<Self> {
        match application {
            Application::Draft { correction: Some(code) } => {
                Self::ALL.into_iter().find(|reason| reason.code() == code)
            }
            _ => None,
        }
    }
}

impl Mgmt {
    /// What is known of the photo of a case beside the picture, for the clerk who reviews it.
    pub async fn photo_facts(&self, no: CaseNo) -> Result<Option<PhotoFacts>, MgmtError> {
        let read = case_now(&self.db, no).await?;
        let key = RowKey::of_case(&self.keys, no, read.wrapped_key()?)?;
        let applicant: StoredApplicant = key.open(APPLICANT, &self.data(no, APPLICANT).await?)?;
        Ok(applicant.photo)
    }

    /// Registers the result of a review. An approved photo goes to the register's history of photos first, since cards
    /// are made from the photo on file.
    pub async fn review(
        &self,
        no: CaseNo,
        decision: Decision,
        clerk: &str,
        now: Timestamp,
    ) -> Result<(), MgmtError> {
        let read = case_now(&self.db, no).await?;
        if !matches!(read.application.state(), ApplicationState::Submitted | ApplicationState::UnderReview) {
            return Err(Refusal::WrongState.into());
        }
        let approved = match decision {
            Decision::Approve(review) => Some((review, None)),
            Decision::ApproveExempted(review, exemption) => Some((review, Some(exemption))),
            _ => None,
        };
        if let Some((review, exemption)) = approved {
            if review.fault().is_some() {
                return Err(Refusal::PhotoNotConforming.into());
            }
            let key = RowKey::of_case(&self.keys, no, read.wrapped_key()?)?;
            let applicant: StoredApplicant = key.open(APPLICANT, &self.data(no, APPLICANT).await?)?;
            // CARDFACE-23: nobody is exempted by a decision that does not say so.
            if applicant.portrait_exemption != exemption {
                return Err(Refusal::ExemptionUndecided.into());
            }
            let photo = key.open_bytes(PHOTO, &self.data(no, PHOTO).await?)?;
            let filed_for = format!("{no}/{}", read.submitted.as_microsecond());
            self.register.file_portrait(&applicant.id, &filed_for, photo.expose(), now).await?;
        }
        store::transaction!(self.db, |tx| {
            let mut case = case(tx, no).await?;
            if case.application.state() == ApplicationState::Submitted {
                let before = case.application.clone();
                let (application, event) = allowed(case.application.take_up(stamp(now, clerk)))?;
                case.application = application;
                save_case(tx, &case, &before, &event).await?;
            }
            let before = case.application.clone();
            let by = stamp(now, clerk);
            let (application, event) = allowed(match &decision {
                Decision::Approve(_) | Decision::ApproveExempted(..) => case.application.approve(by),
                Decision::RefusePhoto(reason) => {
                    case.application.return_for_correction(reason.code(), by.because(reason.code()))
                }
                Decision::Return { correction } => case.application.return_for_correction(correction, by),
                Decision::Reject { reason } => case.application.reject(reason, by.because(reason)),
            })?;
            case.application = application;
            if let Some((PhotoReview { head_percent, .. }, exemption)) = approved {
                // That there is an exemption; why is the applicant's health, and no log's.
                let detail = json!({
                    "head_percent": head_percent,
                    "unaltered": true,
                    "recognisable": true,
                    "exempted": exemption.is_some(),
                });
                log(tx, &stamp(now, clerk), "photo-review", no.as_str(), detail).await?;
            }
            if matches!(decision, Decision::Reject { .. }) {
                destroy_data(tx, &mut case).await?;
            }
            save_case(tx, &case, &before, &event).await
        })
    }

    /// Gives a case up before its card is made. Once the card centre has begun it is refused until the card is reported.
    pub async fn withdraw(
        &self,
        no: CaseNo,
        reason: &str,
        actor: &str,
        now: Timestamp,
    ) -> Result<(), MgmtError> {
        store::transaction!(self.db, |tx| {
            let mut case = case(tx, no).await?;
            let before = case.application.clone();
            if !matches!(
                before.state(),
                ApplicationState::Draft
                    | ApplicationState::Submitted
                    | ApplicationState::UnderReview
                    | ApplicationState::Approved
                    | ApplicationState::Batched
            ) {
                return Err(MgmtError::from(Refusal::WrongState));
            }
            let order = case.order();
            let (application, event) =
                allowed(case.application.withdraw(reason, stamp(now, actor).because(reason)))?;
            case.application = application;
            case.stage = Stage::Idle;
            destroy_data(tx, &mut case).await?;
            save_case(tx, &case, &before, &event).await?;
            if before.state() == ApplicationState::Batched {
                self.queue(tx, CANCELS, &order.to_string(), now).await?;
            }
            Ok(())
        })?;
        self.work_cancels(now).await.map(drop)
    }

    /// Sends up to `capacity` approved cases to production, oldest first (MGMT-38), with the register's data of this
    /// moment (MGMT-39). Fixes the date of issue, which certificates and card share (CARDFACE-07). Returns the cases sent.
    ///
    /// Cases in which a recalled card is exchanged are a queue of their own with the same capacity, and come first: they take no
    /// other case's place (RECALL-13).
    pub async fn batch(&self, capacity: u32, clerk: &str, now: Timestamp) -> Result<Vec<CaseNo>, MgmtError> {
        let mut rows = self.db.all(APPROVED_EXCHANGES, params![capacity]).await?;
        rows.extend(self.db.all(APPROVED_OTHERS, params![capacity]).await?);
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let number = store::transaction!(self.db, |tx| {
            let number = bookmark(tx, "batch").await? + 1;
            set_bookmark(tx, "batch", number).await?;
            Ok::<_, MgmtError>(number)
        })?;
        let name = format!("B{number:06}");
        let mut sent = Vec::new();
        let mut orders = Vec::new();
        for row in rows {
            let no: CaseNo = parse(&row, "case_no")?;
            if let Some(case) = self.batch_one(no, &name, clerk, now).await? {
                orders.push(production::Order {
                    order: case.order(),
                    profile: case.profile,
                    office: case.office,
                    class: case.class(),
                });
                sent.push(no);
            }
        }
        // Announced together, so that the centre initialises all of them at once. Should this fail, each case places its
        // own order in its next step.
        if let Err(error) = self.centre.place(&orders, now).await {
            tracing::warn!(code = error.code(), "orders could not be announced");
        }
        Ok(sent)
    }

    /// Batches one case, or rejects it if the person is no longer entitled.
    async fn batch_one(
        &self,
        no: CaseNo,
        batch: &str,
        clerk: &str,
        now: Timestamp,
    ) -> Result<Option<Case>, MgmtError> {
        let read = case_now(&self.db, no).await?;
        if read.application.state() != ApplicationState::Approved {
            return Ok(None);
        }
        let key = RowKey::of_case(&self.keys, no, read.wrapped_key()?)?;
        let applicant: StoredApplicant = key.open(APPLICANT, &self.data(no, APPLICANT).await?)?;
        let person = self.register.person(&applicant.id).await?;
        let portrait = self.register.portrait(&applicant.id).await?;
        let application_day = RocDate::in_taipei(read.submitted);
        store::transaction!(self.db, |tx| {
            let mut case = case(tx, no).await?;
            if case.application.state() != ApplicationState::Approved {
                // Another program batched it since it was read.
                return Ok(None);
            }
            let before = case.application.clone();
            let by = stamp(now, clerk);
            let person = match entitled(person.as_ref()) {
                Ok(person) => person,
                Err(refusal) => {
                    let (application, event) =
                        allowed(case.application.reject(refusal.code(), by.because(refusal.code())))?;
                    case.application = application;
                    destroy_data(tx, &mut case).await?;
                    save_case(tx, &case, &before, &event).await?;
                    return Ok(None);
                }
            };
            let mut random = self.random();
            put_data(tx, no, PERSON, &key.seal_bytes(PERSON, &person.to_stored()?, &mut random)?).await?;
            if let Some(portrait) = &portrait {
                put_data(tx, no, PHOTO, &key.seal_bytes(PHOTO, portrait, &mut random)?).await?;
            }
            let allowed_now = certificate_allowed(person, application_day, self.config.certificate_age);
            if let (true, Err(refusal)) = (case.certificate, allowed_now) {
                case.certificate = false;
                log(tx, &by, "certificate-dropped", no.as_str(), json!({ "because": refusal.code() }))
                    .await?;
            }
            self.note_exchange(tx, &mut case, &by).await?;
            let issue = RocDate::in_taipei(now);
            case.issue = Some(issue);
            case.renewal = validity::renewal_date(person.birth, application_day, issue);
            let (application, event) = allowed(case.application.batch(batch, by))?;
            case.application = application;
            case.stage = Stage::Pair;
            save_case(tx, &case, &before, &event).await?;
            self.queue(tx, CASES, no.as_str(), now).await?;
            Ok(Some(case))
        })
    }

    /// RECALL-13: whether the person's card is exchanged because of a recall, and as what the new one is then made.
    async fn note_exchange(&self, tx: &mut Tx, case: &mut Case, by: &Stamp) -> Result<(), MgmtError> {
        let (mut recall, mut profile) = (None, case.profile);
        // The newest recall counts, and the newest that says what new cards are.
        for row in tx.all(EXCHANGES_OF, params![case.person]).await? {
            recall = Some(row.read("number")?);
            let replacement: Option<CardProfile> = parse_optional(&row, "replacement")?;
            if let (Some(replacement), false) = (replacement, profile.is_sample()) {
                profile = replacement;
            }
        }
        if (recall, profile) == (case.recall, case.profile) {
            return Ok(());
        }
        (case.recall, case.profile) = (recall, profile);
        let sql = "UPDATE application SET recall = $2, profile = $3 WHERE case_no = $1";
        let number: Option<i64> = recall.map(|number| number as i64);
        tx.execute_one(sql, params![case.no.as_str(), number, profile.as_str()]).await?;
        log(tx, by, "recall-exchange", case.no.as_str(), json!({ "recall": recall, "profile": profile }))
            .await
    }

    /// Puts a case on hold, or lets it go on. While it is held nothing of the person is sent to the certificate system
    /// or the card centre.
    pub async fn hold_case(
        &self,
        no: CaseNo,
        held: bool,
        reason: &str,
        clerk: &str,
        now: Timestamp,
    ) -> Result<(), MgmtError> {
        store::transaction!(self.db, |tx| {
            let case = case(tx, no).await?;
            if case.held == held || !case.application.state().is_open() {
                return Err(MgmtError::from(Refusal::WrongState));
            }
            tx.execute_one("UPDATE application SET held = $2 WHERE case_no = $1", params![no.as_str(), held])
                .await?;
            let action = if held { "case-hold" } else { "case-release" };
            log(tx, &stamp(now, clerk), action, no.as_str(), json!({ "reason": reason })).await?;
            if !held && !matches!(case.stage, Stage::Idle | Stage::Report) {
                self.queue(tx, CASES, no.as_str(), now).await?;
            }
            Ok(())
        })
    }

    /// One sealed value of a case.
    pub(crate) async fn data(&self, no: CaseNo, what: &str) -> Result<Vec<u8>, MgmtError> {
        let row = self
            .db
            .optional(
                "SELECT sealed FROM case_data WHERE case_no = $1 AND what = $2",
                params![no.as_str(), what],
            )
            .await?;
        Ok(row.ok_or(MgmtError::Data("case data is missing"))?.read("sealed")?)
    }
}

/// Destroys the personal data of a case: the rows, and the key without which no copy of them opens (MGMT-42).
pub(crate) async fn destroy_data(tx: &mut Tx, case: &mut Case) -> Result<(), MgmtError> {
    tx.execute("DELETE FROM case_data WHERE case_no = $1", params![case.no.as_str()]).await?;
    case.wrapped_key = None;
    Ok(())
}
