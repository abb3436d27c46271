//! Requests that are refused before they are begun stand in the audit log (NPC-54): who tries codes or signatures is seen.
//!
//! Anybody can be refused, so the log takes so many of them in an hour, for a card and in all. What is beyond is counted, and the
//! sum stands in the log when the hour is over.

use jiff::Timestamp;
use serde_json::json;
use store::{Tx, params};
use uuid::Uuid;

use crate::authorise::named;
use crate::functions::{Channel, Function};
use crate::request::{HOLDER, Proof, Request};
use crate::{Ra, RaError, Result, SYSTEM};

/// What was tried, and of which card; of what names none, in its place what stands for the person.
pub(crate) struct Tried<'a> {
    pub(crate) channel: Channel,
    pub(crate) function: Function,
    pub(crate) id: Uuid,
    pub(crate) subject: &'a str,
}

impl Ra {
    /// Notes a refusal, or counts it. What failed without being refused is nobody's doing.
    pub(crate) async fn note_refused(
        &self,
        channel: Channel,
        request: &Request,
        proof: &Proof,
        error: &RaError,
        now: Timestamp,
    ) -> Result<()> {
        let Request { id, function, .. } = *request;
        let tried = Tried { channel, function, id, subject: request.card.as_str() };
        self.note_refusal(tried, proof, error, now).await
    }

    /// The same of what names no card.
    pub(crate) async fn note_refusal(
        &self,
        tried: Tried<'_>,
        proof: &Proof,
        error: &RaError,
        now: Timestamp,
    ) -> Result<()> {
        if !error.is_refusal() {
            return Ok(());
        }
        let (card, hour) = (tried.subject, hour_of(now));
        let actor = proof.actor();
        // Nothing that was not an account stands where one is read.
        let actor = if named(actor).is_ok() { actor } else { HOLDER };
        store::transaction!(self.db, |tx| {
            self.close_hours(tx, now).await?;
            let (noted, counted) = tally(tx, ALL, hour).await?;
            let of_card = tally(tx, card, hour).await?.0;
            if noted >= self.config.refusals_an_hour || of_card >= self.config.refusals_of_a_card_an_hour {
                return set(tx, ALL, hour, noted, counted + 1).await;
            }
            set(tx, ALL, hour, noted + 1, counted).await?;
            set(tx, card, hour, of_card + 1, 0).await?;
            let detail = json!({
                "request": tried.id.simple().to_string(), "function": tried.function.as_str(),
                "channel": tried.channel.as_str(), "authorised_by": proof.kind().as_str(), "code": error.code(),
            });
            self.audit(tx, "request-refuse", card, actor, detail, now).await?;
            Ok::<_, RaError>(())
        })
    }

    /// Writes down how many refusals of hours that are over were counted alone.
    pub async fn sum_up_refusals(&self, now: Timestamp) -> Result<()> {
        let sql = "SELECT 1 FROM refused WHERE hour < $1 LIMIT 1";
        if self.db.optional(sql, params![hour_of(now)]).await?.is_none() {
            return Ok(());
        }
        store::transaction!(self.db, |tx| self.close_hours(tx, now).await)
    }

    async fn close_hours(&self, tx: &mut Tx, now: Timestamp) -> Result<()> {
        let hour = hour_of(now);
        let sql = "SELECT hour, counted FROM refused WHERE card = $1 AND hour < $2 AND counted > 0";
        if let Some(row) = tx.optional(sql, params![ALL, hour]).await? {
            let begins = Timestamp::from_second(row.read::<i64>("hour")? * SECONDS).unwrap_or(now);
            let detail = json!({ "hour": begins.to_string(), "more": row.read::<i64>("counted")? });
            self.audit(tx, "request-refuse-more", SYSTEM, SYSTEM, detail, now).await?;
        }
        tx.execute("DELETE FROM refused WHERE hour < $1", params![hour]).await?;
        Ok(())
    }
}

/// Noted and counted.
async fn tally(tx: &mut Tx, card: &str, hour: i64) -> Result<(i64, i64)> {
    let sql = "SELECT noted, counted FROM refused WHERE card = $1 AND hour = $2";
    let row = tx.optional(sql, params![card, hour]).await?;
    row.map_or(Ok((0, 0)), |row| Ok((row.read("noted")?, row.read("counted")?)))
}

async fn set(tx: &mut Tx, card: &str, hour: i64, noted: i64, counted: i64) -> Result<()> {
    let sql = "INSERT INTO refused (card, hour, noted, counted) VALUES ($1, $2, $3, $4) \
        ON CONFLICT (card) DO UPDATE SET hour = EXCLUDED.hour, noted = EXCLUDED.noted, counted = EXCLUDED.counted";
    tx.execute_one(sql, params![card, hour, noted, counted]).await?;
    Ok(())
}

fn hour_of(now: Timestamp) -> i64 {
    now.as_second().div_euclid(SECONDS)
}

const SECONDS: i64 = 3600;

/// The row of the sums.
const ALL: &str = "";
