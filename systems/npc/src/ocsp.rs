//! OCSP (RFC 6960, nonce RFC 9654, light profile RFC 9919). The state comes from memory ([`crate::population`]): no answer
//! asks the database.
//!
//! A signed answer is used again while it is young and the state is the same; that path signs nothing. What has to be
//! signed for its asker alone, because of a nonce, several certificates or a serial number that was never given out, is
//! admitted only so often in a second; beyond that such askers hear `tryLater`, and the others are served as before.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use jiff::Timestamp;
use x509::ocsp::{Answer, CertId, ErrorStatus, Request, Status, error_response};

use crate::authority::{Authority, Generation, hex};
use crate::crl::whole_second;
use crate::request::sha256;
use crate::{Npc, NpcError, Result};

/// A response and how long it may be kept.
pub(crate) struct Answered {
    pub(crate) der: Bytes,
    /// For anybody; not there for errors and answers with a nonce.
    pub(crate) shared: Option<Shared>,
}

#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) this_update: Timestamp,
    pub(crate) next_update: Timestamp,
    pub(crate) etag: String,
}

/// Signed answers in two generations: when the young one is full it becomes the old one, so that what is asked for stays.
#[derive(Default)]
pub(crate) struct Cache(Mutex<Generations>);

#[derive(Default)]
struct Generations {
    young: HashMap<Vec<u8>, Cached>,
    old: HashMap<Vec<u8>, Cached>,
}

#[derive(Clone)]
struct Cached {
    status: Status,
    shared: Shared,
    der: Bytes,
}

impl Cache {
    pub(crate) fn clear(&self) {
        *self.lock() = Generations::default();
    }

    fn find(&self, id: &[u8]) -> Option<Cached> {
        let mut all = self.lock();
        if let Some(cached) = all.young.get(id) {
            return Some(cached.clone());
        }
        let (id, cached) = all.old.remove_entry(id)?;
        all.put(id, cached.clone());
        Some(cached)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Generations> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generations {
    fn put(&mut self, id: Vec<u8>, cached: Cached) {
        if self.young.len() >= MOST_KEPT {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(id, cached);
    }
}

/// So many a second, counted anew with each second.
#[derive(Default)]
pub(crate) struct Admission(Mutex<(i64, u32)>);

impl Admission {
    pub(crate) fn enter(&self, now: Timestamp, limit: u32) -> bool {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if window.0 != now.as_second() {
            *window = (now.as_second(), 0);
        }
        window.1 = window.1.saturating_add(1);
        window.1 <= limit
    }
}

impl Authority {
    /// The generation that issued everything a request asks about, by the hashes of its name and key.
    fn answering(&self, request: &Request) -> Option<Arc<Generation>> {
        let asked = |generation: &&Arc<Generation>| {
            let issuer = generation.responder.responder.issuer();
            request.certificates.iter().all(|id| issuer.matches(id))
        };
        self.generations.iter().find(asked).cloned()
    }
}

impl Npc {
    /// Answers a DER OCSPRequest with a DER OCSPResponse, whatever the request is.
    pub async fn ocsp(&self, request: &[u8], now: Timestamp) -> Vec<u8> {
        self.answer(request, now).await.der.to_vec()
    }

    pub(crate) async fn answer(&self, request: &[u8], now: Timestamp) -> Answered {
        let request = match Request::parse(request) {
            Ok(request) => request,
            // A CertID whose hash is none of ours names no issuer of ours.
            Err(x509::Error::UnsupportedAlgorithm(_)) => return error(ErrorStatus::Unauthorized),
            Err(_) => return error(ErrorStatus::MalformedRequest),
        };
        let mut generation = self.authority().answering(&request);
        if generation.is_none() && self.follow_if_due(now).await.is_ok() {
            generation = self.authority().answering(&request);
        }
        let Some(generation) = generation else { return error(ErrorStatus::Unauthorized) };
        match self.signed_answer(&request, generation, now).await {
            Ok(answered) => answered,
            Err(NpcError::Store(problem)) => {
                tracing::error!(code = problem.code(), "OCSP: the database does not answer");
                error(ErrorStatus::TryLater)
            }
            Err(problem) => {
                tracing::error!(code = problem.code(), "OCSP: no answer could be signed");
                error(ErrorStatus::InternalError)
            }
        }
    }

    async fn signed_answer(
        &self,
        request: &Request,
        mut generation: Arc<Generation>,
        now: Timestamp,
    ) -> Result<Answered> {
        let as_of = self.known_as_of(now).await?;
        let answers: Vec<(&CertId, Status)> = {
            let populations = self.populations();
            let population = populations.get(generation.number);
            let known = |serial| population.map_or(Status::Unknown, |all| all.status(&serial));
            let status = |id: &CertId| id.serial().map_or(Status::Unknown, known);
            request.certificates.iter().map(|id| (id, status(id))).collect()
        };
        let alone = match answers.as_slice() {
            [(id, status)] if request.nonce.is_none() => Some((*id, *status)),
            _ => None,
        };
        if let Some(kept) = alone.and_then(|(id, status)| self.kept_answer(id, status, as_of, now)) {
            return Ok(kept);
        }
        // A number that was never given out costs its asker nothing to make up: such answers are not kept.
        let shared = alone.filter(|(_, status)| *status != Status::Unknown);
        if shared.is_none() && !self.on_demand.enter(now, self.config.on_demand_per_second) {
            return Ok(error(ErrorStatus::TryLater));
        }
        if now + self.config.ocsp_lifetime > generation.responder.certificate.validity().not_after() {
            self.renew_services(now).await?;
            let authority = self.authority();
            let renewed = authority.generation(generation.number);
            generation = renewed.ok_or(NpcError::Inconsistent("generation"))?.clone();
        }
        // RFC 6960 §2.4: thisUpdate is the moment for which the status is known to be right.
        let this_update = whole_second(as_of)?;
        let next_update = this_update + self.config.ocsp_lifetime;
        let responder = &generation.responder;
        let der: Bytes = responder
            .responder
            .sign(
                &answers,
                request.nonce.as_deref(),
                Answer { this_update, next_update },
                now,
                responder.signer.as_ref(),
            )?
            .into();
        let Some((id, status)) = alone else { return Ok(Answered { der, shared: None }) };
        let etag = format!("\"{}\"", &hex(&sha256(&der))[..32]);
        let times = Shared { this_update, next_update, etag };
        if shared.is_some() {
            let cached = Cached { status, shared: times.clone(), der: der.clone() };
            self.ocsp.lock().put(id.der().to_vec(), cached);
        }
        Ok(Answered { der, shared: Some(times) })
    }

    fn kept_answer(&self, id: &CertId, status: Status, as_of: Timestamp, now: Timestamp) -> Option<Answered> {
        let cached = self.ocsp.find(id.der())?;
        let Shared { this_update, next_update, .. } = cached.shared;
        let young = now < this_update + self.config.ocsp_lifetime / 2
            // A new one would be no newer.
            || (as_of.as_second() <= this_update.as_second() && now < next_update);
        let right = now >= this_update && young && cached.status == status;
        right.then(|| Answered { der: cached.der, shared: Some(cached.shared) })
    }
}

fn error(status: ErrorStatus) -> Answered {
    Answered { der: Bytes::copy_from_slice(&error_response(status)), shared: None }
}

/// In each generation; about 1 kB each.
const MOST_KEPT: usize = 100_000;
