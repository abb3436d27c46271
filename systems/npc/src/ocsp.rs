//! OCSP (RFC 6960, RFC 9654): the state is read from the database for every answer, so that a change made by another
//! process is seen at once; a signed answer is used again while it is young and the state is the same.
//!
//! An answer with a nonce is signed for its asker alone. A serial number that was never signed is `unknown`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use store::params;
use x509::Serial;
use x509::crl::Reason;
use x509::ocsp::{Answer, CertId, ErrorStatus, Request, Status, error_response};

use crate::row::GOOD;
use crate::{Npc, NpcError, Result};

/// A response and how long it may be kept.
pub(crate) struct Answered {
    pub(crate) der: Arc<Vec<u8>>,
    /// Until when anybody may use it: no time for errors and answers with a nonce.
    pub(crate) until: Option<Timestamp>,
}

#[derive(Default)]
pub(crate) struct Cache(Mutex<HashMap<Vec<u8>, Cached>>);

struct Cached {
    status: Status,
    this_update: Timestamp,
    next_update: Timestamp,
    der: Arc<Vec<u8>>,
}

impl Cache {
    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Vec<u8>, Cached>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
        let responder = self.authority();
        if !request.certificates.iter().all(|id| responder.responder.responder.issuer().matches(id)) {
            return error(ErrorStatus::Unauthorized);
        }
        match self.signed_answer(&request, now).await {
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

    async fn signed_answer(&self, request: &Request, now: Timestamp) -> Result<Answered> {
        let mut answers = Vec::with_capacity(request.certificates.len());
        for id in &request.certificates {
            let status = match id.serial() {
                Some(serial) => self.ocsp_status(&serial).await?,
                None => Status::Unknown,
            };
            answers.push((id, status));
        }
        let alone = match answers.as_slice() {
            [(id, status)] if request.nonce.is_none() => Some((*id, *status)),
            _ => None,
        };
        if let Some(kept) = alone.and_then(|(id, status)| self.kept_answer(id, status, now)) {
            return Ok(kept);
        }
        let mut authority = self.authority();
        if now + self.config.ocsp_lifetime > authority.responder.certificate.validity().not_after() {
            self.renew_responder(now).await?;
            authority = self.authority();
        }
        let this_update =
            Timestamp::from_second(now.as_second()).map_err(|_| NpcError::Request("time out of range"))?;
        let next_update = this_update + self.config.ocsp_lifetime;
        let responder = &authority.responder;
        let der = responder.responder.sign(
            &answers,
            request.nonce.as_deref(),
            Answer { this_update, next_update },
            now,
            responder.signer.as_ref(),
        )?;
        let der = Arc::new(der);
        let Some((id, status)) = alone else { return Ok(Answered { der, until: None }) };
        // An unknown number costs its asker nothing to make up; such answers are not worth keeping.
        if status != Status::Unknown {
            let mut kept = self.ocsp.lock();
            if kept.len() >= MOST_KEPT {
                kept.clear();
            }
            kept.insert(id.der().to_vec(), Cached { status, this_update, next_update, der: der.clone() });
        }
        Ok(Answered { der, until: Some(next_update) })
    }

    fn kept_answer(&self, id: &CertId, status: Status, now: Timestamp) -> Option<Answered> {
        let kept = self.ocsp.lock();
        let cached = kept.get(id.der())?;
        let young = now >= cached.this_update && now < cached.this_update + self.config.ocsp_lifetime / 2;
        (young && cached.status == status)
            .then(|| Answered { der: cached.der.clone(), until: Some(cached.next_update) })
    }

    async fn ocsp_status(&self, serial: &Serial) -> Result<Status> {
        let sql = "SELECT status, status_at, reason FROM certificate WHERE serial = $1 AND der IS NOT NULL";
        let Some(row) = self.db.optional(sql, params![serial.octets()]).await? else {
            return Ok(Status::Unknown);
        };
        if row.read::<i64>("status")? == GOOD {
            return Ok(Status::Good);
        }
        let reason = Reason::from_code(row.read("reason")?).ok_or(NpcError::Inconsistent("reason"))?;
        Ok(Status::Revoked { at: row.read("status_at")?, reason })
    }
}

fn error(status: ErrorStatus) -> Answered {
    Answered { der: Arc::new(error_response(status).to_vec()), until: None }
}

/// About 40 MB of answers.
const MOST_KEPT: usize = 40_000;
