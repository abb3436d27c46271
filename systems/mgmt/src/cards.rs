//! A card in use: loss, suspension, revocation, recall, void, and the certificates that follow it.
//!
//! The certificates and the mark in the household register are other systems', so they follow by a queue: the change and the job
//! stand in one transaction, and the job brings both to the state that the card's row asks for *when it runs*, and ends when both
//! have answered. However often it runs, in whatever order, the last state wins (LOSS-11). From the change on until then the row says
//! that nobody knows what the others have heard: what was told by a program that died is taken back as well.

use jiff::Timestamp;
use model::{CardSerial, CardState, RevocationReason, Stamp, SuspensionCause, UserCode, VoidReason};
use registry::CardMark;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::{Tx, params};

use crate::books::{CardEntry, card, from_json, log, stamp, step_card, to_json};
use crate::produce::{Worked, give_back, lost_lease};
use crate::service::{CANCELS, CERTIFICATES, Mgmt, RETURNS};
use crate::{MgmtError, Refusal};

/// What certificate system and register were told last about a card. Stored form.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Told {
    #[serde(default)]
    loss: bool,
    #[serde(default)]
    holder: bool,
    #[serde(default)]
    authority: bool,
    #[serde(default)]
    revoked: Option<RevocationReason>,
    #[serde(default)]
    mark: CardMark,
    /// Something else has been asked for since, and may have been told by somebody who could not note it down.
    #[serde(default)]
    unsure: bool,
}

impl Told {
    /// What it has to be told about the card as it is now.
    pub(crate) fn wanted(entry: &CardEntry) -> Self {
        let mark = match entry.state() {
            _ if entry.card.lost() => CardMark::Lost,
            CardState::Void | CardState::Destroyed => CardMark::Void,
            _ => CardMark::InForce,
        };
        if entry.revoked.is_some() {
            return Self { revoked: entry.revoked, mark, ..Self::default() };
        }
        Self {
            // LOSS-06: a lost card's certificates are suspended with it.
            loss: entry.card.lost(),
            // LOSS-10: the holder's own suspension is remembered beside the loss.
            holder: entry.held_by_holder,
            authority: entry.state() == CardState::Recalled,
            revoked: None,
            mark,
            unsure: false,
        }
    }

    /// The same, until everybody has been told what is wanted by now.
    pub(crate) fn unsure(self) -> Self {
        Self { unsure: true, ..self }
    }
}

impl Mgmt {
    /// Loss report (掛失): the card is suspended at once, and with it its certificates and its chip data lists (LOSS-06); the register
    /// is marked (LOSS-11). A recalled card stays recalled, and is lost as well.
    pub async fn report_loss(
        &self,
        serial: CardSerial,
        actor: &str,
        now: Timestamp,
    ) -> Result<(), MgmtError> {
        store::transaction!(self.db, |tx| {
            let entry = card(tx, serial).await?;
            let by = loss_stamp(&entry, "loss-reported", actor, now);
            let entry = step_card(tx, entry, |card| card.report_loss(by)).await?;
            self.follow(tx, &entry, now).await
        })?;
        self.follow_now(serial, now).await
    }

    /// Withdrawal of a loss report (撤銷掛失), refused once a replacement was applied for (LOSS-08, LOSS-09).
    pub async fn withdraw_loss(
        &self,
        serial: CardSerial,
        actor: &str,
        now: Timestamp,
    ) -> Result<(), MgmtError> {
        store::transaction!(self.db, |tx| {
            let entry = card(tx, serial).await?;
            let replaced = matches!(entry.card, model::Card::Void { reason: VoidReason::Replaced });
            if replaced {
                return Err(MgmtError::from(Refusal::ReplacementApplied));
            }
            let by = loss_stamp(&entry, "loss-withdrawn", actor, now);
            let entry = step_card(tx, entry, |card| card.withdraw_loss(by)).await?;
            self.follow(tx, &entry, now).await
        })?;
        self.follow_now(serial, now).await
    }

    /// Suspends a card's certificates at its holder's wish (NPC-47). The card itself stays valid.
    pub async fn suspend_certificates(
        &self,
        serial: CardSerial,
        actor: &str,
        now: Timestamp,
    ) -> Result<(), MgmtError> {
        self.hold(serial, true, actor, now).await
    }

    /// Ends the holder's own suspension. A loss report, if there is one, keeps the certificates suspended.
    pub async fn resume_certificates(
        &self,
        serial: CardSerial,
        actor: &str,
        now: Timestamp,
    ) -> Result<(), MgmtError> {
        self.hold(serial, false, actor, now).await
    }

    /// As [`Mgmt::suspend_certificates`], by the holder online with the user code (MGMT-60, NPC-47).
    pub async fn suspend_certificates_online(
        &self,
        serial: CardSerial,
        code: &UserCode,
        now: Timestamp,
    ) -> Result<(), MgmtError> {
        self.own_user_code(serial, code, now).await?;
        self.hold(serial, true, HOLDER, now).await
    }

    /// As [`Mgmt::resume_certificates`], by the holder online with the user code.
    pub async fn resume_certificates_online(
        &self,
        serial: CardSerial,
        code: &UserCode,
        now: Timestamp,
    ) -> Result<(), MgmtError> {
        self.own_user_code(serial, code, now).await?;
        self.hold(serial, false, HOLDER, now).await
    }

    pub(crate) async fn hold(
        &self,
        serial: CardSerial,
        held: bool,
        actor: &str,
        now: Timestamp,
    ) -> Result<(), MgmtError> {
        store::transaction!(self.db, |tx| {
            let mut entry = card(tx, serial).await?;
            if !entry.certificate {
                return Err(MgmtError::from(Refusal::CertificateZoneClosed));
            }
            if entry.revoked.is_some() || entry.held_by_holder == held {
                return Err(Refusal::WrongState.into());
            }
            entry.held_by_holder = held;
            tx.execute_one(
                "UPDATE card SET held_by_holder = $2, changed_at = $3 WHERE serial = $1",
                params![serial.as_str(), held, now],
            )
            .await?;
            let action = if held { "certificates-suspend" } else { "certificates-resume" };
            log(tx, &stamp(now, actor), action, serial.as_str(), json!({ "cause": SuspensionCause::Holder }))
                .await?;
            self.follow(tx, &entry, now).await
        })?;
        self.follow_now(serial, now).await
    }

    /// Revokes a card's certificates for good (NPC-48). The card itself stays valid.
    pub async fn revoke_certificates(
        &self,
        serial: CardSerial,
        reason: RevocationReason,
        actor: &str,
        now: Timestamp,
    ) -> Result<(), MgmtError> {
        store::transaction!(self.db, |tx| {
            let entry = card(tx, serial).await?;
            if !entry.certificate {
                return Err(MgmtError::from(Refusal::CertificateZoneClosed));
            }
            if entry.revoked.is_some() {
                return Err(Refusal::WrongState.into());
            }
            let by = stamp(now, actor);
            log(tx, &by, "certificates-revoke", serial.as_str(), json!({ "reason": reason })).await?;
            self.revoke_in(tx, entry, reason, now).await.map(drop)
        })?;
        self.follow_now(serial, now).await
    }

    /// Voids a card (作廢); its certificates are revoked (NPC-51).
    pub async fn void_card(
        &self,
        serial: CardSerial,
        reason: VoidReason,
        actor: &str,
        now: Timestamp,
    ) -> Result<(), MgmtError> {
        store::transaction!(self.db, |tx| {
            let entry = card(tx, serial).await?;
            self.void(tx, entry, reason, RevocationReason::CessationOfOperation, now, actor).await.map(drop)
        })?;
        self.follow_now(serial, now).await
    }

    /// Calls a card in (召回); its certificates are suspended until the recall is over.
    pub async fn recall_card(
        &self,
        serial: CardSerial,
        recall: &str,
        actor: &str,
        now: Timestamp,
    ) -> Result<(), MgmtError> {
        store::transaction!(self.db, |tx| {
            let entry = card(tx, serial).await?;
            let entry = step_card(tx, entry, |card| card.recall(recall, stamp(now, actor))).await?;
            self.follow(tx, &entry, now).await
        })?;
        self.follow_now(serial, now).await
    }

    /// Marks a card's certificates as revoked and queues it.
    pub(crate) async fn revoke_in(
        &self,
        tx: &mut Tx,
        mut entry: CardEntry,
        reason: RevocationReason,
        now: Timestamp,
    ) -> Result<CardEntry, MgmtError> {
        if entry.certificate && entry.revoked.is_none() {
            entry.revoked = Some(reason);
            tx.execute_one(
                "UPDATE card SET revoked = $2, changed_at = $3 WHERE serial = $1",
                params![entry.serial.as_str(), reason.as_str(), now],
            )
            .await?;
        }
        self.follow(tx, &entry, now).await?;
        Ok(entry)
    }

    /// Queues a card whose certificates and mark have to follow it, if there is anything to tell.
    pub(crate) async fn follow(
        &self,
        tx: &mut Tx,
        entry: &CardEntry,
        now: Timestamp,
    ) -> Result<(), MgmtError> {
        let told: Told = from_json(&entry.told)?;
        if Told::wanted(entry) != told {
            let sql = "UPDATE card SET told = $2 WHERE serial = $1";
            tx.execute_one(sql, params![entry.serial.as_str(), to_json(&told.unsure())?]).await?;
            self.queue(tx, CERTIFICATES, entry.serial.as_str(), now).await?;
        }
        Ok(())
    }

    /// Queues a card that goes back to the card centre.
    pub(crate) async fn send_back(
        &self,
        tx: &mut Tx,
        serial: CardSerial,
        now: Timestamp,
    ) -> Result<(), MgmtError> {
        self.queue(tx, RETURNS, serial.as_str(), now).await
    }

    /// Tries at once what was queued for a card. When the certificate system does not answer, the queue tries again.
    pub(crate) async fn follow_now(&self, serial: CardSerial, now: Timestamp) -> Result<(), MgmtError> {
        match self.work_certificates(now).await {
            Err(MgmtError::Store(error)) => Err(error.into()),
            Err(error) => {
                tracing::warn!(code = error.code(), ?serial, "certificates follow later");
                Ok(())
            }
            Ok(_) => Ok(()),
        }
    }

    /// Works through the cards whose certificates have to follow. Returns how many were brought up to date.
    pub(crate) async fn work_certificates(&self, now: Timestamp) -> Result<usize, MgmtError> {
        let mut worked = Worked::default();
        for job in store::jobs::claim(&self.db, CERTIFICATES, BATCH, self.config.lease, now).await? {
            let serial = job_serial(&job.payload)?;
            match self.tell(serial, &job, now).await {
                Ok(()) => worked.steps += 1,
                Err(error) if lost_lease(&error) => {}
                Err(MgmtError::Store(error)) => return Err(error.into()),
                Err(error) => {
                    tracing::warn!(code = error.code(), ?serial, "certificates could not follow");
                    give_back(&self.db, &job, error, &mut worked, now).await?;
                }
            }
        }
        worked.told()
    }

    /// Brings the certificates of one card and its mark in the register to the state its row asks for, until all agree in one
    /// transaction.
    async fn tell(
        &self,
        serial: CardSerial,
        job: &store::jobs::Job,
        now: Timestamp,
    ) -> Result<(), MgmtError> {
        loop {
            let (entry, step) = store::transaction!(self.db, |tx| {
                let entry = card(tx, serial).await?;
                let sql = "SELECT COALESCE(MAX(step), 0) FROM card_event WHERE serial = $1";
                Ok::<_, MgmtError>((entry, tx.one(sql, params![serial.as_str()]).await?.read::<u64>(0)?))
            })?;
            let wanted = Told::wanted(&entry);
            let told: Told = from_json(&entry.told)?;
            // One that does not answer keeps the other from nothing.
            let changed =
                if entry.certificate { self.change(serial, &told, &wanted, now).await } else { Ok(()) };
            let marked = if told.unsure || told.mark != wanted.mark {
                self.mark(&entry, wanted.mark, step, now).await
            } else {
                Ok(())
            };
            changed.and(marked)?;
            let agreed = store::transaction!(self.db, |tx| {
                // Between reading and telling the card may have changed again; then it is told again.
                if Told::wanted(&card(tx, serial).await?) != wanted {
                    return Ok::<_, MgmtError>(false);
                }
                tx.execute_one(
                    "UPDATE card SET told = $2 WHERE serial = $1",
                    params![serial.as_str(), to_json(&wanted)?],
                )
                .await?;
                store::jobs::complete(tx, job).await?;
                Ok(true)
            })?;
            if agreed {
                return Ok(());
            }
        }
    }

    /// Tells the certificate system what differs. Every call may be repeated.
    async fn change(
        &self,
        serial: CardSerial,
        told: &Told,
        wanted: &Told,
        now: Timestamp,
    ) -> Result<(), MgmtError> {
        let calls = async {
            if let Some(reason) = wanted.revoked {
                self.certificates.revoke(serial, reason, ACTOR, now).await?;
                return Ok(());
            }
            let causes = [
                (told.loss, wanted.loss, SuspensionCause::Loss),
                (told.holder, wanted.holder, SuspensionCause::Holder),
                (told.authority, wanted.authority, SuspensionCause::Authority),
            ];
            // Every cause that holds before any that ends: what is to stay suspended is good at no moment.
            for (_, _, cause) in causes.iter().filter(|(_, is, _)| *is) {
                // A call that was made but not noted down is made again: suspending twice changes nothing.
                self.certificates.suspend(serial, *cause, ACTOR, now).await?;
            }
            for (_, _, cause) in causes.iter().filter(|(was, is, _)| !is && (*was || told.unsure)) {
                self.certificates.resume(serial, *cause, ACTOR, now).await?;
            }
            Ok(())
        };
        match calls.await {
            // A card voided before its certificates were issued has none to revoke.
            Err(npc::NpcError::NoCertificate(_)) => Ok(()),
            other => other.map_err(MgmtError::from),
        }
    }

    /// Marks the card on its holder's entry in the register.
    async fn mark(
        &self,
        entry: &CardEntry,
        mark: CardMark,
        step: u64,
        now: Timestamp,
    ) -> Result<(), MgmtError> {
        let holder = self.holder(entry)?;
        Ok(self.register.mark_card(&holder.id, entry.serial, mark, step, now).await?)
    }

    async fn finish_job(&self, job: &store::jobs::Job) -> Result<(), MgmtError> {
        let finished: Result<(), MgmtError> =
            store::transaction!(self.db, |tx| Ok(store::jobs::complete(tx, job).await?));
        match finished {
            Err(error) if lost_lease(&error) => Ok(()),
            other => other,
        }
    }

    /// Sends queued cards back to the card centre (MGMT-66).
    pub(crate) async fn work_returns(&self, now: Timestamp) -> Result<usize, MgmtError> {
        let mut worked = Worked::default();
        for job in store::jobs::claim(&self.db, RETURNS, BATCH, self.config.lease, now).await? {
            let serial = job_serial(&job.payload)?;
            match self.centre.take_back(serial, "returned by office", now).await {
                Ok(()) => {
                    self.finish_job(&job).await?;
                    worked.steps += 1;
                }
                Err(error) => {
                    give_back(&self.db, &job, error.into(), &mut worked, now).await?;
                }
            }
        }
        worked.told()
    }

    /// Tells the card centre which orders were given up.
    pub(crate) async fn work_cancels(&self, now: Timestamp) -> Result<usize, MgmtError> {
        let mut worked = Worked::default();
        for job in store::jobs::claim(&self.db, CANCELS, BATCH, self.config.lease, now).await? {
            let order = std::str::from_utf8(&job.payload).map_err(|_| MgmtError::Data("job"))?.parse()?;
            match self.centre.cancel(order, now).await {
                Ok(()) => {
                    self.finish_job(&job).await?;
                    worked.steps += 1;
                }
                Err(error) => {
                    give_back(&self.db, &job, error.into(), &mut worked, now).await?;
                }
            }
        }
        worked.told()
    }
}

/// Who reported a loss, or withdrew it. The state of a recalled card does not say which: the reason does.
fn loss_stamp(entry: &CardEntry, what: &str, actor: &str, now: Timestamp) -> Stamp {
    let by = stamp(now, actor);
    if entry.state() == CardState::Recalled { by.because(what) } else { by }
}

pub(crate) fn job_serial(payload: &[u8]) -> Result<CardSerial, MgmtError> {
    std::str::from_utf8(payload).ok().and_then(|text| text.parse().ok()).ok_or(MgmtError::Data("job"))
}

/// Jobs claimed at a time.
pub(crate) const BATCH: u32 = 32;
/// The account of a holder who acts online.
pub(crate) const HOLDER: &str = "holder";
/// The account under which management calls other systems.
pub(crate) const ACTOR: &str = "mgmt";
