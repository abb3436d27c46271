//! Transactions: each happens once, and a certificate that nobody confirms does not stay.

use jiff::Timestamp;
use model::KeySlot;
use serde_json::json;
use store::{Migration, params, transaction};
use uuid::Uuid;
use x509::cmp::{FailureInfo, Message};
use x509::{Certificate, Serial};

use super::enrolment::RegistrationAuthority;
use super::{Refused, kind};
use crate::request::sha256;
use crate::row::serial;
use crate::{Npc, NpcError, Result, SYSTEM};

/// The certReqId of the request, by which its confirmation names it; -1 of a p10cr, which has none. Transactions of before do not say
/// it, and are over within the hour.
pub(crate) const MIGRATION: Migration = Migration::new(
    36,
    "certReqId of a transaction",
    "ALTER TABLE cmp_transaction ADD COLUMN cert_req_id BIGINT;",
);

/// What is stored about a transaction together with its answer.
pub(super) struct Keep {
    pub(super) ra: String,
    pub(super) issued: Option<Issued>,
}

/// The certificate that an answer brings.
pub(super) struct Issued {
    pub(super) certificate: Certificate,
    /// The number of the enrolment that it comes from.
    pub(super) request: Uuid,
    pub(super) card: model::CardSerial,
    pub(super) slot: KeySlot,
    /// certReqId of what was asked; none of a p10cr.
    pub(super) asked: Option<u32>,
    /// Whether it waits for confirmation.
    pub(super) waits: bool,
}

/// What a transaction waits to have confirmed.
pub(super) struct Awaited {
    pub(super) serial: Serial,
    // As it is stored.
    asked: Option<i64>,
}

impl Awaited {
    /// Whether a confirmation of this certReqId is the one of the request.
    pub(super) fn is_named(&self, id: Option<u32>) -> bool {
        self.asked.is_none_or(|asked| asked == id.map_or(NO_ID, i64::from))
    }
}

/// The certReqId of what has none (RFC 9810 §5.3.4).
const NO_ID: i64 = -1;

impl Npc {
    /// The answer to this message if it was answered before.
    pub(super) async fn known_transaction(
        &self,
        ra: &RegistrationAuthority,
        message: &Message,
    ) -> Result<Option<Vec<u8>>, Refused> {
        let sql = "SELECT request_hash, reply FROM cmp_transaction WHERE id = $1";
        let found =
            self.db.optional(sql, params![number(&ra.name, message)]).await.map_err(crate::NpcError::from)?;
        let Some(row) = found else { return Ok(None) };
        let read = || -> Result<([u8; 32], Vec<u8>)> { Ok((row.read("request_hash")?, row.read("reply")?)) };
        let (hash, reply) = read()?;
        if hash == sha256(message.protected_part()) {
            Ok(Some(reply))
        } else {
            Err(Refused::new(FailureInfo::TransactionIdInUse, "the transaction number was used before"))
        }
    }

    /// Stores the answer; what was enrolled is enrolled no longer. An enrolment that was taken back since, or a certificate that was
    /// revoked since, is answered to nobody as accepted.
    pub(super) async fn keep_transaction(
        &self,
        message: &Message,
        keep: Keep,
        nonce: [u8; 16],
        reply: &[u8],
        now: Timestamp,
    ) -> Result<()> {
        let waits = keep.issued.as_ref().is_some_and(|issued| issued.waits);
        let serial = keep.issued.as_ref().map(|issued| issued.certificate.serial()).transpose()?;
        let asked = keep.issued.as_ref().map(|issued| issued.asked.map_or(NO_ID, i64::from));
        let id = number(&keep.ra, message);
        transaction!(self.db, |tx| {
            let sql = "INSERT INTO cmp_transaction \
                (id, ra, request_hash, nonce, serial, waits, reply, at, cert_req_id) \
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
            let octets = serial.as_ref().map(Serial::octets);
            let hash = sha256(message.protected_part());
            let values = params![id, &keep.ra, hash, nonce, octets, i64::from(waits), reply, now, asked];
            tx.execute_one(sql, values).await?;
            let mut subject = keep.ra.clone();
            if let Some(Issued { request, card, slot, .. }) = &keep.issued {
                let sql = "DELETE FROM enrolment WHERE card = $1 AND slot = $2 AND request_id = $3";
                if tx.execute(sql, params![card.as_str(), slot.id(), *request]).await? == 0 {
                    return Err(NpcError::Request(
                        "what was enrolled was taken back, or answered, meanwhile",
                    ));
                }
                let sql = "SELECT 1 FROM certificate_state WHERE serial = $1 AND status = 2";
                if tx.optional(sql, params![octets]).await?.is_some() {
                    return Err(NpcError::Revoked(card.as_str().to_owned()));
                }
                card.as_str().clone_into(&mut subject);
            }
            let detail = json!({ "kind": kind(message.tag), "ra": keep.ra, "confirm": waits });
            self.audit(tx, "cmp", &subject, &actor(&keep.ra), detail, now).await?;
            Ok(())
        })
    }

    /// The certificate that a transaction waits to have confirmed, or that it has had confirmed.
    pub(super) async fn awaited(
        &self,
        ra: &RegistrationAuthority,
        message: &Message,
    ) -> Result<Awaited, Refused> {
        let sql =
            "SELECT serial, nonce, cert_req_id FROM cmp_transaction WHERE id = $1 AND serial IS NOT NULL";
        let found =
            self.db.optional(sql, params![number(&ra.name, message)]).await.map_err(crate::NpcError::from)?;
        let Some(row) = found else {
            return Err(Refused::new(FailureInfo::BadRequest, "no certificate of this transaction waits"));
        };
        let read = || -> Result<(Awaited, [u8; 16])> {
            Ok((Awaited { serial: serial(&row)?, asked: row.read("cert_req_id")? }, row.read("nonce")?))
        };
        let (awaited, nonce) = read()?;
        if message.header.recipient_nonce.as_deref() != Some(&nonce[..]) {
            return Err(Refused::new(FailureInfo::BadRecipientNonce, "recipNonce is not ours"));
        }
        Ok(awaited)
    }

    /// Writes down that a certificate was confirmed, or which one was refused: it is revoked, and its slot is free. False if it waits
    /// for that no more.
    pub(super) async fn settle(
        &self,
        ra: &RegistrationAuthority,
        message: &Message,
        refused: Option<&Serial>,
        now: Timestamp,
    ) -> Result<bool> {
        let (id, by) = (number(&ra.name, message), actor(&ra.name));
        let settled = transaction!(self.db, |tx| {
            if tx.execute(WAITS_NO_MORE, params![id]).await? == 0 {
                return Ok(false);
            }
            if let Some(serial) = refused {
                self.take_back(tx, serial, &by, now).await?;
            }
            let detail = json!({ "accepted": refused.is_none() });
            self.audit(tx, "cmp-confirm", &ra.name, &by, detail, now).await?;
            Ok::<_, NpcError>(true)
        })?;
        if refused.is_some() {
            self.tell_changes(now).await;
        }
        Ok(settled)
    }

    /// Revokes what was not confirmed in time, and forgets answers that nobody can ask for again.
    pub(crate) async fn expire_transactions(&self, now: Timestamp) -> Result<()> {
        let late = now - self.config.confirm_within;
        self.take_back_unanswered(late, now).await?;
        let sql = "SELECT id, serial FROM cmp_transaction WHERE waits = 1 AND at < $1";
        for row in self.db.all(sql, params![late]).await? {
            let (id, serial): (Vec<u8>, Serial) = (row.read("id")?, serial(&row)?);
            transaction!(self.db, |tx| {
                // Confirmed since, or it waits no more for this end: one of the two happens.
                if tx.execute(WAITS_NO_MORE, params![&id]).await? == 0 {
                    return Ok(());
                }
                // RFC 9810 §5.3.18: without confirmation the certificate is taken back.
                self.take_back(tx, &serial, SYSTEM, now).await
            })?;
            self.tell_changes(now).await;
        }
        let old = now - jiff::SignedDuration::from_hours(24);
        self.db.execute("DELETE FROM cmp_transaction WHERE waits = 0 AND at < $1", params![old]).await?;
        Ok(())
    }

    /// Revokes what was issued before `late` and never answered: the program died, or the database failed, before the
    /// transaction was stored, and the registration authority has not come back. The enrolment goes with the answer, so where
    /// one is left beside its certificate nobody has confirmed that (RFC 9810 §5.3.18). Revocation, enrolment and slot go together.
    async fn take_back_unanswered(&self, late: Timestamp, now: Timestamp) -> Result<()> {
        let sql = "SELECT certificate.serial, enrolment.card, enrolment.slot, enrolment.request_id FROM enrolment \
            JOIN certificate ON certificate.card = enrolment.card AND certificate.slot = enrolment.slot \
            JOIN event ON event.serial = certificate.serial AND event.kind = 'issue' \
            WHERE certificate.request_id = enrolment.request_id AND certificate.der IS NOT NULL AND event.at < $1";
        for row in self.db.all(sql, params![late]).await? {
            let (card, slot): (String, i64) = (row.read("card")?, row.read("slot")?);
            let (request, serial): (Uuid, Serial) = (row.read("request_id")?, serial(&row)?);
            transaction!(self.db, |tx| {
                // Answered since, or taken back by another process: one of the two happens.
                let sql = "DELETE FROM enrolment WHERE card = $1 AND slot = $2 AND request_id = $3";
                if tx.execute(sql, params![&card, slot, request]).await? == 0 {
                    return Ok(());
                }
                self.take_back(tx, &serial, SYSTEM, now).await
            })?;
            self.tell_changes(now).await;
        }
        Ok(())
    }
}

const WAITS_NO_MORE: &str = "UPDATE cmp_transaction SET waits = 0 WHERE id = $1 AND waits = 1";

/// The actor in events.
pub(super) fn actor(ra: &str) -> String {
    format!("ra-{ra}")
}

/// Transactions of different senders are different, whatever they call them.
fn number(ra: &str, message: &Message) -> [u8; 32] {
    let id = message.header.transaction.as_deref().unwrap_or_default();
    sha256(&[ra.as_bytes(), &[0], id].concat())
}
