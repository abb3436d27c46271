//! OCSP (RFC 6960, nonce RFC 9654, light profile RFC 9919). The state comes from memory ([`crate::population`]): no answer
//! asks the database.
//!
//! A signed answer is used again while it is young and the state is the same; that path signs nothing. Answers that are asked
//! for again and again are signed anew by [`Npc::maintain`] before they are too old, each at a moment of its own, so that nobody
//! who asks waits for a signature; where that did not happen in time, the next who asks has it signed. What has to be
//! signed for its asker alone, because of a nonce, several certificates or a serial number that was never given out, is
//! admitted only so often in a second, and so, apart from it, is what has to be signed because nobody has asked lately: a
//! revocation list names millions to ask about. Beyond that such askers hear `tryLater`, and whoever asks for what is kept is
//! served as before.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use jiff::Timestamp;
use x509::ocsp::{Answer, CertId, ErrorStatus, Request, Status, error_response};

use crate::authority::{Authority, Generation, ResponderParty, has_ended, hex, off_thread};
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
    young: HashMap<Vec<u8>, Entry>,
    old: HashMap<Vec<u8>, Entry>,
}

/// A signed answer, and what it takes to sign it anew.
struct Entry {
    answer: Cached,
    id: CertId,
    generation: u32,
    // When it is to be signed anew, if somebody has asked for it again by then.
    due: Timestamp,
    asked: bool,
}

#[derive(Clone)]
struct Cached {
    status: Status,
    shared: Shared,
    der: Bytes,
}

/// What is asked about again and again.
#[derive(Clone)]
struct Due {
    id: CertId,
    generation: u32,
    due: Timestamp,
}

impl Cache {
    pub(crate) fn clear(&self) {
        *self.lock() = Generations::default();
    }

    fn find(&self, id: &[u8]) -> Option<Cached> {
        let mut all = self.lock();
        if let Some(entry) = all.young.get_mut(id) {
            entry.asked = true;
            return Some(entry.answer.clone());
        }
        let (id, mut entry) = all.old.remove_entry(id)?;
        entry.asked = true;
        let answer = entry.answer.clone();
        all.put(id, entry);
        Some(answer)
    }

    /// The answers to be signed anew, those that have waited longest first; what has ended is forgotten. One that is of
    /// `known` already would become no newer.
    fn due(&self, now: Timestamp, known: Timestamp) -> Vec<Due> {
        let mut due = Vec::new();
        {
            let mut all = self.lock();
            let Generations { young, old } = &mut *all;
            for entries in [young, old] {
                entries.retain(|_, entry| entry.answer.shared.next_update > now);
                let wanted = entries.values().filter(|entry| {
                    entry.asked && entry.due <= now && entry.answer.shared.this_update < known
                });
                due.extend(wanted.map(|entry| Due {
                    id: entry.id.clone(),
                    generation: entry.generation,
                    due: entry.due,
                }));
            }
        }
        due.sort_by_key(|answer| answer.due);
        due.truncate(MOST_IN_A_TURN);
        due
    }

    /// Puts answers in the place of those of before, where these still are.
    fn replace(&self, made: Vec<Entry>) {
        let mut all = self.lock();
        for entry in made {
            let Generations { young, old } = &mut *all;
            let place = match young.get_mut(entry.id.der()) {
                Some(place) => Some(place),
                None => old.get_mut(entry.id.der()),
            };
            if let Some(place) = place {
                *place = entry;
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Generations> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generations {
    fn put(&mut self, id: Vec<u8>, entry: Entry) {
        if self.young.len() >= MOST_KEPT {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(id, entry);
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

/// The same for each of many.
pub(crate) struct AdmissionOfEach<K>(Mutex<(i64, HashMap<K, u32>)>);

impl<K> Default for AdmissionOfEach<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + std::hash::Hash> AdmissionOfEach<K> {
    pub(crate) fn enter(&self, who: K, now: Timestamp, limit: u32) -> bool {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if window.0 != now.as_second() {
            *window = (now.as_second(), HashMap::new());
        }
        let count = window.1.entry(who).or_default();
        *count = count.saturating_add(1);
        *count <= limit
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
        let admitted = match shared {
            Some(_) => self.first_asked.enter(now, self.config.first_asked_per_second),
            None => self.on_demand.enter(now, self.config.on_demand_per_second),
        };
        if !admitted {
            return Ok(error(ErrorStatus::TryLater));
        }
        if now + self.config.ocsp_lifetime > generation.responder.certificate.validity().not_after() {
            let number = generation.number;
            let ending = |authority: &Authority| {
                authority.generation(number).is_some_and(|generation| {
                    now + self.config.ocsp_lifetime > generation.responder.certificate.validity().not_after()
                })
            };
            // Until it has ended it answers, whatever keeps the next one from being made.
            match has_ended(&generation.responder.certificate, now) {
                true => self.renew_ended(ending, now).await,
                false => self.renew_ending(ending, now).await,
            }
            let authority = self.authority();
            let renewed = authority.generation(generation.number);
            generation = renewed.ok_or(NpcError::Inconsistent("generation"))?.clone();
        }
        let responder = &generation.responder;
        if has_ended(&responder.certificate, now) {
            return Ok(error(ErrorStatus::TryLater));
        }
        // RFC 6960 §2.4: thisUpdate is the moment for which the status is known to be right. In the last hour of a CA an answer
        // lasts as long as whoever signed it.
        let this_update = whole_second(as_of)?;
        let end = responder.certificate.validity().not_after();
        let next_update = (this_update + self.config.ocsp_lifetime).min(end);
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
        let times = Answer { this_update, next_update };
        let entry = Entry::new(id.clone(), generation.number, status, times, der.clone());
        let told = entry.answer.shared.clone();
        if shared.is_some() {
            self.ocsp.lock().put(id.der().to_vec(), entry);
        }
        Ok(Answered { der, shared: Some(told) })
    }

    /// Signs anew, before they are too old to be used again, the answers that were asked for since they were signed. Each has
    /// a moment of its own, so that not all become due at once, and a turn signs no more than [`MOST_IN_A_TURN`]. What is
    /// known no better than before is not signed again.
    pub(crate) async fn refresh_answers(&self, now: Timestamp) -> Result<()> {
        let this_update = whole_second(self.known_as_of(now).await?)?;
        let times = Answer { this_update, next_update: this_update + self.config.ocsp_lifetime };
        for part in self.ocsp.due(now, this_update).chunks(AT_ONCE) {
            let authority = self.authority();
            let stated: Vec<(Due, Status)> = {
                let populations = self.populations();
                let state = |due: &Due| {
                    let status = populations.get(due.generation)?.status(&due.id.serial()?);
                    (status != Status::Unknown).then(|| (due.clone(), status))
                };
                part.iter().filter_map(state).collect()
            };
            let sign = move |due: Due, status: Status| -> Result<Option<Entry>> {
                let Some(generation) = authority.generation(due.generation) else { return Ok(None) };
                let ResponderParty { certificate, responder, signer, .. } = &generation.responder;
                if times.next_update > certificate.validity().not_after() {
                    return Ok(None);
                }
                let der = responder.sign(&[(&due.id, status)], None, times, now, signer.as_ref())?;
                Ok(Some(Entry::new(due.id, due.generation, status, times, der.into())))
            };
            // Away from the threads that serve, and they have a turn between two parts.
            let signed = off_thread(move || {
                let signed = stated.into_iter().filter_map(|(due, status)| sign(due, status).transpose());
                signed.collect::<Result<Vec<_>>>()
            });
            self.ocsp.replace(signed.await??);
        }
        Ok(())
    }

    fn kept_answer(&self, id: &CertId, status: Status, as_of: Timestamp, now: Timestamp) -> Option<Answered> {
        let cached = self.ocsp.find(id.der())?;
        let Shared { this_update, next_update, .. } = cached.shared;
        let young = now < this_update + self.config.ocsp_lifetime / 2
            // A new one would be no newer.
            || as_of.as_second() <= this_update.as_second();
        let right = now >= this_update && now < next_update && young && cached.status == status;
        right.then(|| Answered { der: cached.der, shared: Some(cached.shared) })
    }
}

impl Entry {
    fn new(id: CertId, generation: u32, status: Status, times: Answer, der: Bytes) -> Self {
        let Answer { this_update, next_update } = times;
        let hash = sha256(&der);
        let shared = Shared { this_update, next_update, etag: format!("\"{}\"", &hex(&hash[..16])) };
        // Between a quarter and seven sixteenths of its life; at half of it an answer is no longer used.
        let life = next_update.duration_since(this_update);
        let place = i32::from(hash[31]);
        let due = this_update + life / 4 + life * 3 / 16 / 256 * place;
        Self { answer: Cached { status, shared, der }, id, generation, due, asked: false }
    }
}

fn error(status: ErrorStatus) -> Answered {
    Answered { der: Bytes::copy_from_slice(&error_response(status)), shared: None }
}

/// In each generation; about 1.5 kB each.
const MOST_KEPT: usize = 100_000;

/// Answers signed anew in one turn, a minute: half a second of one core, and more than become due when everything that is
/// kept is asked for again.
const MOST_IN_A_TURN: usize = 25_000;

/// Answers signed in one go.
const AT_ONCE: usize = 500;
