//! The production line: what has to be done to which card, as jobs with leases.
//!
//! A job does its work on the card first and records it second, in one transaction with the job's end. Killed in
//! between, the job runs again when its lease is over, finds on the card what was done, and records it.

use jiff::Timestamp;
use lds::DataGroup;
use model::{CardSerial, CardState, KeySlot};
use serde::{Deserialize, Serialize};
use store::jobs::{self, Job, NewJob};
use store::{StoreError, Tx, params};
use tokio::task::JoinSet;

use crate::ProductionError;
use crate::books::{self, By, CardRow, report};
use crate::centre::{OrderNo, PairedCard, ReportKind};
use crate::chip_types;
use crate::machine;
use crate::package::{Bytes, Package};
use crate::quality;
use crate::system::{Centre, blocking};
use chip::Interface;

/// What a job does to its card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Step {
    /// Key changeover.
    Wash,
    /// Key pairs and requests.
    Initialise,
    /// Personalisation, quality control, proof of the face.
    Personalise,
}

/// The payload of a job. Stored form.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Task {
    step: Step,
    serial: CardSerial,
}

/// What an initialised card told about itself. Stored form; public keys and requests only.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredAnswers {
    requests: Vec<(u8, Bytes)>,
    active_authentication: Bytes,
    chip_authentication: Bytes,
}

/// The jobs of the line.
pub(crate) const QUEUE: &str = "line";
/// Those that come first (RECALL-13): cards made in the place of recalled ones.
pub(crate) const RECALLS: &str = "line-recall";

impl Centre {
    pub(crate) async fn queue(
        &self,
        tx: &mut Tx,
        step: Step,
        serial: &str,
        now: Timestamp,
    ) -> Result<(), ProductionError> {
        self.queue_in(tx, QUEUE, step, serial, now).await
    }

    pub(crate) async fn queue_in(
        &self,
        tx: &mut Tx,
        queue: &str,
        step: Step,
        serial: &str,
        now: Timestamp,
    ) -> Result<(), ProductionError> {
        let serial = serial.parse()?;
        let payload = serde_json::to_vec(&Task { step, serial }).map_err(|_| ProductionError::Data("job"))?;
        let key = format!("{step:?}/{serial}");
        let job = NewJob {
            queue,
            dedupe: Some(&key),
            payload: &payload,
            due: now,
            most_attempts: self.inner.config.attempts,
        };
        jobs::enqueue(tx, job, now, &mut self.inner.random.clone()).await?;
        Ok(())
    }

    /// Does all work that is due: wash, initialise what is ordered, personalise and inspect. Returns how many steps were
    /// done. Several processes may work at the same time.
    pub async fn work(&self, now: Timestamp) -> Result<usize, ProductionError> {
        let mut done = 0;
        loop {
            self.plan(now).await?;
            let config = &self.inner.config;
            let most = u32::try_from(config.machines * 4).unwrap_or(u32::MAX);
            let mut claimed = jobs::claim(&self.inner.db, RECALLS, most, config.lease, now).await?;
            let others = most.saturating_sub(u32::try_from(claimed.len()).unwrap_or(u32::MAX));
            if others > 0 {
                claimed.extend(jobs::claim(&self.inner.db, QUEUE, others, config.lease, now).await?);
            }
            if claimed.is_empty() {
                return Ok(done);
            }
            let mut running = JoinSet::new();
            for job in claimed {
                if running.len() >= config.machines {
                    finished(running.join_next().await, &mut done)?;
                }
                let centre = self.clone();
                running.spawn(async move { centre.run(&job, now).await });
            }
            while !running.is_empty() {
                finished(running.join_next().await, &mut done)?;
            }
        }
    }

    /// Chooses washed cards for what is ordered and for the reserve, and queues their initialisation.
    async fn plan(&self, now: Timestamp) -> Result<(), ProductionError> {
        for profile in model::CardProfile::ALL {
            let reserve =
                if *profile == model::CardProfile::National { i64::from(self.inner.config.ready) } else { 0 };
            let card_type = chip_types::chip_type_of(*profile)?;
            let profile = profile.as_str();
            let values = params![profile];
            // What is ordered on a stopped type waits until the type is used again, or another profile is ordered.
            match self.usable_chip_type(&card_type).await {
                Err(ProductionError::ChipTypeStopped) => continue,
                other => other.map(drop)?,
            }
            let inspected = !self.inner.config.inspect_face;
            let missing = reserve + self.inner.db.one(MISSING, values).await?.read::<i64>(0)?;
            if missing <= 0
                || self.inner.db.optional(WASHED, params![&card_type, 1i64, inspected]).await?.is_none()
            {
                continue;
            }
            store::transaction!(self.inner.db, |tx| {
                let missing = reserve + tx.one(MISSING, values).await?.read::<i64>(0)?;
                for row in tx.all(WASHED, params![&card_type, missing.max(0), inspected]).await? {
                    let serial = books::serial(&row)?;
                    tx.execute_one(
                        "UPDATE card SET profile = $2, changed_at = $3 WHERE serial = $1",
                        params![serial.as_str(), profile, now],
                    )
                    .await?;
                    self.queue(tx, Step::Initialise, serial.as_str(), now).await?;
                }
                Ok::<_, ProductionError>(())
            })?;
        }
        Ok(())
    }

    /// Runs one job; a card that fails again and again is taken out. Returns whether the step was done.
    async fn run(&self, job: &Job, now: Timestamp) -> Result<bool, ProductionError> {
        let task: Task = serde_json::from_slice(&job.payload).map_err(|_| ProductionError::Data("job"))?;
        let done = match task.step {
            Step::Wash => self.wash(task.serial, job, now).await,
            Step::Initialise => self.initialise(task.serial, job, now).await,
            Step::Personalise => self.personalise(task.serial, job, now).await,
        };
        match done {
            Ok(()) => Ok(true),
            // The card is at fault, not the disk: after the last attempt it is a bad blank or scrapped.
            Err(error @ (ProductionError::Card(_) | ProductionError::Data(_))) => {
                tracing::warn!(code = error.code(), serial = ?task.serial, failures = job.failures + 1, "card failed");
                if job.is_last_attempt() {
                    kept(self.scrap(task.serial, error.code(), job, now).await)?;
                } else {
                    kept(jobs::fail(&self.inner.db, job, error.code(), now).await)?;
                }
                Ok(false)
            }
            Err(
                error @ (ProductionError::CardFile(_)
                | ProductionError::Face(_)
                | ProductionError::ChipTypeStopped),
            ) => {
                tracing::warn!(code = error.code(), serial = ?task.serial, %error, "waiting");
                // Not counted against the card: the reader that holds the file will let go of it, the missing font
                // will be installed, the chip type may be used again.
                let by = jobs::backoff(job.attempt);
                kept(jobs::put_off(&self.inner.db, job, error.code(), by, now).await)?;
                Ok(false)
            }
            // The lease ran out and another worker took the job over: it goes on from what is stored.
            Err(ProductionError::Store(StoreError::Affected { .. })) => {
                tracing::info!(serial = ?task.serial, "another worker has taken the card over");
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    async fn wash(&self, serial: CardSerial, job: &Job, now: Timestamp) -> Result<(), ProductionError> {
        let card = books::card_now(&self.inner.db, serial).await?;
        if card.state == CardState::Blank {
            let transport = self.transport_keys(&card).await?;
            let inner = self.inner.clone();
            blocking(move || {
                let channel = machine::insert(&inner.shelf, serial, Interface::Contact, &inner.random)?;
                machine::wash(channel, &transport, &inner.keys.card(serial)?, &mut inner.random.clone())
            })
            .await?;
        }
        store::transaction!(self.inner.db, |tx| {
            let card = books::card(tx, serial).await?;
            if card.state == CardState::Blank {
                books::step(tx, &card, CardState::Washed, By::system(now)).await?;
                // With the last card of a lot its transport key has done its duty.
                tx.execute(
                    "UPDATE lot SET transport = NULL WHERE lot = $1 AND NOT EXISTS \
                     (SELECT 1 FROM card WHERE lot = $1 AND state = 'blank')",
                    params![&card.lot],
                )
                .await?;
            }
            Ok(jobs::complete(tx, job).await?)
        })
    }

    async fn initialise(&self, serial: CardSerial, job: &Job, now: Timestamp) -> Result<(), ProductionError> {
        let card = books::card_now(&self.inner.db, serial).await?;
        let mut answers = None;
        if card.state == CardState::Washed {
            let profile = card.profile.clone().ok_or(ProductionError::Data("profile"))?;
            let profile = self.inner.config.own_profile.clone().unwrap_or(profile);
            let chip_type = self.usable_chip_type(&self.chip_type_of_card(serial).await?).await?;
            let made_of = chip_types::made_of(&chip_type, &profile)?;
            let inner = self.inner.clone();
            let made = blocking(move || {
                let channel = machine::insert(&inner.shelf, serial, Interface::Contact, &inner.random)?;
                let keys = inner.keys.card(serial)?;
                machine::initialise(channel, &keys, serial, &profile, &mut inner.random.clone())
            })
            .await?;
            // PRODUCTION-06: the chip is the one of the manufacturer's file.
            if card.chip_id != made.chip_id {
                return Err(ProductionError::Card("the chip is not the one of the card data file".into()));
            }
            check_requests(&made.csrs)?;
            let stored = StoredAnswers {
                requests: made.csrs.into_iter().map(|(slot, der)| (slot, Bytes(der))).collect(),
                active_authentication: Bytes(made.aa_spki),
                chip_authentication: Bytes(made.ca_spki),
            };
            let stored = serde_json::to_string(&stored).map_err(|_| ProductionError::Data("requests"))?;
            answers = Some((stored, made_of));
        }
        store::transaction!(self.inner.db, |tx| {
            let card = books::card(tx, serial).await?;
            if let (CardState::Washed, Some((answers, (applets, algorithms)))) = (card.state, &answers) {
                tx.execute_one(
                    "UPDATE card SET public_data = $2, applets = $3, algorithms = $4 WHERE serial = $1",
                    params![serial.as_str(), answers, applets, algorithms],
                )
                .await?;
                books::step(tx, &card, CardState::Initialised, By::system(now)).await?;
            }
            Ok(jobs::complete(tx, job).await?)
        })
    }

    async fn personalise(
        &self,
        serial: CardSerial,
        job: &Job,
        now: Timestamp,
    ) -> Result<(), ProductionError> {
        let card = books::card_now(&self.inner.db, serial).await?;
        if !matches!(card.state, CardState::Paired | CardState::Personalised) {
            return store::transaction!(self.inner.db, |tx| Ok(jobs::complete(tx, job).await?));
        }
        let chip_type = self.chip_type_of_card(serial).await?;
        if let (CardState::Paired, Err(ProductionError::ChipTypeStopped)) =
            (card.state, self.usable_chip_type(&chip_type).await)
        {
            // Personal data shall not come onto a chip in doubt: the order is made again on another one.
            return self.scrap(serial, "chip type stopped", job, now).await;
        }
        let order = card.order.ok_or(ProductionError::Data("order of the card"))?;
        let package = self.package(order).await?;
        // Compared and printed first: what must not or cannot be printed is found while the chip is still blank.
        let compared = package.clone();
        if let Some(defect) = blocking(move || quality::portrait(&compared)).await? {
            return self.scrap(serial, defect, job, now).await;
        }
        let (inner, printing) = (self.inner.clone(), package.clone());
        let proof = blocking(move || quality::proof(&printing, &inner.config)).await?;
        if card.state == CardState::Paired {
            let (inner, writing) = (self.inner.clone(), package.clone());
            blocking(move || {
                let channel = machine::insert(&inner.shelf, serial, Interface::Contact, &inner.random)?;
                machine::personalise(channel, &inner.keys.card(serial)?, &writing, &mut inner.random.clone())
            })
            .await?;
            store::transaction!(self.inner.db, |tx| {
                let card = books::card(tx, serial).await?;
                if card.state == CardState::Paired {
                    books::step(tx, &card, CardState::Personalised, By::system(now)).await?;
                }
                Ok::<_, ProductionError>(())
            })?;
        }
        let (inner, ordered) = (self.inner.clone(), package);
        let defect = blocking(move || {
            let trust = inner.trust.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
            quality::inspect(&inner.shelf, &ordered, &trust, now, &inner.random)
        })
        .await?;
        match defect {
            Some(defect) => self.scrap(serial, &defect, job, now).await,
            None => self.finish(serial, order, proof, job, now).await,
        }
    }

    /// Quality control is passed: the proof image is kept sealed until the card is packed.
    async fn finish(
        &self,
        serial: CardSerial,
        order: OrderNo,
        proof: Vec<u8>,
        job: &Job,
        now: Timestamp,
    ) -> Result<(), ProductionError> {
        let dek = self.dek(order).await?;
        let proof = dek.seal(&mut self.inner.random.clone(), &proof_context(order), &proof)?;
        store::transaction!(self.inner.db, |tx| {
            let card = books::card(tx, serial).await?;
            if card.state == CardState::Personalised {
                books::step(tx, &card, CardState::Finished, By::system(now)).await?;
                tx.execute_one(
                    "UPDATE card_order SET state = 'finished', proof = $2, changed_at = $3 WHERE order_no = $1",
                    params![order.to_string(), &proof, now],
                )
                .await?;
            }
            Ok(jobs::complete(tx, job).await?)
        })
    }

    /// Takes a card out: a bad blank, or a scrapped card whose order ends here with its data destroyed (PRODUCTION-41, 43).
    pub(crate) async fn scrap(
        &self,
        serial: CardSerial,
        defect: &str,
        job: &Job,
        now: Timestamp,
    ) -> Result<(), ProductionError> {
        store::transaction!(self.inner.db, |tx| {
            let card = books::card(tx, serial).await?;
            if card.state.may_become(CardState::Flawed) {
                scrap_in(tx, &card, defect, now).await?;
            }
            Ok(jobs::complete(tx, job).await?)
        })
    }

    pub(crate) async fn dek(&self, order: OrderNo) -> Result<sealed::DataKey, ProductionError> {
        let row = self
            .inner
            .db
            .one("SELECT wrapped_dek FROM card_order WHERE order_no = $1", params![order.to_string()])
            .await?;
        let wrapped: Option<Vec<u8>> = row.read("wrapped_dek")?;
        self.inner
            .keys
            .dek(order, &wrapped.ok_or(ProductionError::Data("the key of the order is destroyed"))?)
    }

    async fn package(&self, order: OrderNo) -> Result<Package, ProductionError> {
        let dek = self.dek(order).await?;
        let row = self
            .inner
            .db
            .one("SELECT package FROM card_order WHERE order_no = $1", params![order.to_string()])
            .await?;
        let sealed: Option<Vec<u8>> = row.read("package")?;
        let sealed = sealed.ok_or(ProductionError::Data("the package is destroyed"))?;
        Package::decode(dek.open(&package_context(order), &sealed)?.expose())
    }
}

/// A job that another worker has taken over is none of ours any more.
fn kept<T, E: Into<ProductionError>>(result: Result<T, E>) -> Result<(), ProductionError> {
    match result.map(drop).map_err(Into::into) {
        Err(ProductionError::Store(StoreError::Affected { .. })) => Ok(()),
        other => other,
    }
}

/// The card is flawed, its order scrapped, its data destroyed, and management told, all at once.
pub(crate) async fn scrap_in(
    tx: &mut Tx,
    card: &CardRow,
    defect: &str,
    now: Timestamp,
) -> Result<(), ProductionError> {
    books::step(tx, card, CardState::Flawed, By::system(now).because(defect)).await?;
    if let Some(order) = card.order {
        tx.execute_one(
            "UPDATE card_order SET state = 'scrapped', wrapped_dek = NULL, package = NULL, proof = NULL, \
             changed_at = $2 WHERE order_no = $1",
            params![order.to_string(), now],
        )
        .await?;
        report(tx, order, card.serial, &ReportKind::Scrapped { defect: defect.to_owned() }, now).await?;
    }
    Ok(())
}

/// The card given to an order, as management sees it.
pub(crate) fn paired_card(card: &CardRow) -> Result<PairedCard, ProductionError> {
    let stored = card.public_data.as_deref().ok_or(ProductionError::Data("requests of the card"))?;
    let stored: StoredAnswers =
        serde_json::from_str(stored).map_err(|_| ProductionError::Data("requests of the card"))?;
    Ok(PairedCard {
        serial: card.serial,
        chip_id: card.chip_id.clone(),
        requests: stored.requests.into_iter().map(|(slot, der)| (slot, der.0)).collect(),
        active_authentication: stored.active_authentication.0,
        chip_authentication: stored.chip_authentication.0,
    })
}

/// Four requests, one a slot, each signed by the key it names.
fn check_requests(requests: &[(u8, Vec<u8>)]) -> Result<(), ProductionError> {
    if requests.len() != KeySlot::ALL.len() {
        return Err(ProductionError::Card("four requests are expected".into()));
    }
    for (slot, der) in requests {
        KeySlot::from_id(*slot).ok_or(ProductionError::Data("slot"))?;
        let request = x509::csr::Csr::parse(der).map_err(machine::card)?;
        request.verify().map_err(machine::card)?;
    }
    Ok(())
}

fn finished(
    ended: Option<Result<Result<bool, ProductionError>, tokio::task::JoinError>>,
    done: &mut usize,
) -> Result<(), ProductionError> {
    match ended {
        Some(Ok(Ok(stepped))) => *done += usize::from(stepped),
        Some(Ok(Err(error))) => return Err(error),
        Some(Err(_)) => return Err(ProductionError::Worker),
        None => {}
    }
    Ok(())
}

pub(crate) fn package_context(order: OrderNo) -> String {
    format!("production/order/{order}/package")
}

pub(crate) fn proof_context(order: OrderNo) -> String {
    format!("production/order/{order}/proof")
}

/// The files every package must have.
pub(crate) const REQUIRED: [DataGroup; 9] = DataGroup::PUBLIC_ZONE;

/// Orders that wait for a card, less the cards of that profile that are initialised or on the way there.
const MISSING: &str = "SELECT (SELECT count(*) FROM card_order WHERE state = 'placed' AND profile = $1) \
    - (SELECT count(*) FROM card WHERE profile = $1 AND order_no IS NULL AND state IN ('washed', 'initialised'))";
const WASHED: &str = "SELECT serial FROM card JOIN lot ON lot.lot = card.lot WHERE state = 'washed' AND profile IS NULL \
    AND card_type = $1 AND face_fault IS NULL AND ($3 OR face_passed_at IS NOT NULL) ORDER BY serial LIMIT $2";
