//! Time stamps (RFC 3161, RFC 5816).
//!
//! The serial number of a token is the number of this node above 64 bits of a sequence. The sequence is taken from the
//! database in blocks, so that a number is never given twice, whatever dies when; what is left of a block is lost. Each block has an
//! entry in the audit log, and begins behind the last of this process: a database that has gone back gives none a second time. With each
//! block the time is noted, and a block serves for a minute at most. No token is dated before one that this process gave
//! out, nor before the time noted last by any process: a clock that goes back by more than a second stops the service until
//! it has caught up.
//!
//! A token is always signed for its asker alone, and anybody may ask: so many are made in a second
//! ([`crate::NpcConfig::stamps_per_second`]), and whoever comes beyond that is told to come back, before a number is taken or
//! anything is signed. RFC 3161 §2.4.2 has systemFailure for that; over HTTP it comes with 503 and Retry-After (RFC 9110
//! §15.6.4), for those who read no further.

use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use store::{params, transaction};
use x509::tsp::{Failure, Request, Stamp, rejection};

use crate::authority::{Authority, has_ended};
use crate::crl::whole_second;
use crate::feed::next_number_after;
use crate::ocsp::Admission;
use crate::{Npc, NpcError, Result, SYSTEM};

#[derive(Default)]
pub(crate) struct Stamper {
    state: Mutex<State>,
    reserving: tokio::sync::Mutex<()>,
    // When a request last tried to have the certificate renewed.
    renewing: tokio::sync::Mutex<Option<Timestamp>>,
    admission: Admission,
}

/// A TimeStampResp.
pub(crate) struct Stamped {
    pub(crate) der: Vec<u8>,
    /// Whether there was too much to do: the same request may be granted in a second.
    pub(crate) later: bool,
}

#[derive(Default, Clone, Copy)]
struct State {
    next: u64,
    end: u64,
    last: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl State {
    fn serves(&self, now: Timestamp) -> bool {
        self.next < self.end && self.until.is_some_and(|until| now <= until)
    }
}

impl Stamper {
    /// The highest number that this process may give out or has given out.
    pub(crate) fn newest(&self) -> u64 {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).end.saturating_sub(1)
    }
}

impl Npc {
    /// Answers a DER TimeStampReq with a DER TimeStampResp, whatever the request is.
    pub async fn time_stamp(&self, request: &[u8], now: Timestamp) -> Vec<u8> {
        self.stamp(request, now).await.der
    }

    pub(crate) async fn stamp(&self, request: &[u8], now: Timestamp) -> Stamped {
        let refused = |failure, text| Stamped { der: rejection(failure, text), later: false };
        let request = match Request::parse(request) {
            Ok(request) => request,
            Err(error) => return refused(Failure::of(&error), "the request cannot be read"),
        };
        if request.policy.is_some_and(|policy| policy != self.authority().tsa.authority.policy()) {
            return refused(Failure::UnacceptedPolicy, "this authority has another policy");
        }
        if !self.stamper.admission.enter(now, self.config.stamps_per_second) {
            let der = rejection(Failure::SystemFailure, "too many requests now; try again in a second");
            return Stamped { der, later: true };
        }
        // RFC 3161 §2.3: the certificate holds at the moment the token is dated. Where nobody has renewed it in time, this request does.
        self.renew_ended(|authority| has_ended(authority.tsa.authority.certificate(), now), now).await;
        let authority = self.authority();
        let tsa = &authority.tsa;
        if has_ended(tsa.authority.certificate(), now) {
            return refused(Failure::SystemFailure, "the certificate of the time stamps has ended");
        }
        let made = match self.next_stamp(now).await {
            Ok(Some(stamp)) => {
                tsa.authority.stamp(&request, stamp, tsa.signer.as_ref()).map_err(NpcError::from)
            }
            Ok(None) => return refused(Failure::TimeNotAvailable, "the clock went back"),
            Err(error) => Err(error),
        };
        match made {
            Ok(der) => Stamped { der, later: false },
            Err(error) => {
                tracing::error!(code = error.code(), "no time stamp could be made");
                refused(Failure::SystemFailure, "no token can be made now")
            }
        }
    }

    /// Renews the services if the certificate of one has ended: one request for all that wait for it, and once in a second at most,
    /// however it ends.
    pub(crate) async fn renew_ended(&self, ended: impl Fn(&Authority) -> bool, now: Timestamp) {
        if !ended(&self.authority()) {
            return;
        }
        let tried = self.stamper.renewing.lock().await;
        self.renew_once_a_second(tried, ended, now).await;
    }

    /// The same where the present service still signs: nobody waits for the next one.
    pub(crate) async fn renew_ending(&self, ending: impl Fn(&Authority) -> bool, now: Timestamp) {
        if ending(&self.authority())
            && let Ok(tried) = self.stamper.renewing.try_lock()
        {
            self.renew_once_a_second(tried, ending, now).await;
        }
    }

    async fn renew_once_a_second(
        &self,
        mut tried: tokio::sync::MutexGuard<'_, Option<Timestamp>>,
        ended: impl Fn(&Authority) -> bool,
        now: Timestamp,
    ) {
        let recent =
            tried.is_some_and(|at| at <= now && now.duration_since(at) < SignedDuration::from_secs(1));
        if recent || !ended(&self.authority()) {
            return;
        }
        *tried = Some(now);
        if let Err(error) = self.renew_services(now).await {
            tracing::error!(code = error.code(), "the certificate of a service is not renewed");
        }
    }

    /// The next serial number and the time; no time if the clock went back.
    async fn next_stamp(&self, now: Timestamp) -> Result<Option<Stamp>> {
        let now = whole_second(now)?;
        loop {
            {
                let mut state = self.stamper.state.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(last) = state.last.filter(|last| *last > now)
                    && last.duration_since(now) > TOLERANCE
                {
                    return Ok(None);
                }
                if state.serves(now) {
                    let at = state.last.map_or(now, |last| last.max(now));
                    let serial = u128::from(self.config.node) << 64 | u128::from(state.next);
                    state.next += 1;
                    state.last = Some(at);
                    return Ok(Some(Stamp { serial, at, accuracy: 1 }));
                }
            }
            let _turn = self.stamper.reserving.lock().await;
            let empty = {
                let state = *self.stamper.state.lock().unwrap_or_else(PoisonError::into_inner);
                !state.serves(now)
            };
            if empty && !self.reserve(now).await? {
                return Ok(None);
            }
        }
    }

    /// Takes the next block, unless tokens with a later time were given out before.
    async fn reserve(&self, now: Timestamp) -> Result<bool> {
        let known = self.stamper.newest();
        let reserved = transaction!(self.db, |tx| {
            let sql = "SELECT value FROM counter WHERE name = 'timestamp-clock'";
            let noted = tx.one(sql, params![]).await?.read::<i64>(0)?;
            if noted - now.as_second() > TOLERANCE.as_secs() {
                return Ok(None);
            }
            let sql = "UPDATE counter SET value = $1 WHERE name = 'timestamp-clock'";
            tx.execute_one(sql, params![noted.max(now.as_second())]).await?;
            let last = next_number_after(tx, "timestamp", BLOCK, known).await?;
            let detail = json!({ "last": last, "numbers": BLOCK });
            let entry = self.audit(tx, "timestamp-block", "timestamp", SYSTEM, detail, now).await?;
            Ok::<_, NpcError>(Some((last, noted, entry)))
        })?;
        let Some((end, noted, entry)) = reserved else { return Ok(false) };
        self.note_own_end(entry);
        let mut state = self.stamper.state.lock().unwrap_or_else(PoisonError::into_inner);
        // Numbers begin with 1.
        (state.next, state.end) = (end + 1 - BLOCK as u64, end + 1);
        state.until = Some(now + LEASE);
        let noted = Timestamp::from_second(noted).map_err(|_| NpcError::Inconsistent("counter"))?;
        state.last = Some(state.last.map_or(noted, |last| last.max(noted)));
        Ok(true)
    }
}

/// Serial numbers taken at once.
const BLOCK: i64 = 10_000;

/// How long a block serves.
const LEASE: SignedDuration = SignedDuration::from_mins(1);

/// So far a clock may go back, as when it is adjusted.
const TOLERANCE: SignedDuration = SignedDuration::from_secs(1);
