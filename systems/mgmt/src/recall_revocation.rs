//! Revoking the certificates of a recall's cards, by their serial numbers (RECALL-04): what suspends them is the recall itself, and can
//! be undone; this cannot, so it is proposed and approved again by two persons. OCSP and CRL of the certificate system tell it.
//!
//! A card that was treated before is left alone, and one that is void has nothing to revoke any more.

use jiff::Timestamp;
use model::{CardSerial, CardState, RevocationReason};
use serde_json::json;
use store::params;

use crate::books::{card, log, parse, parse_optional, stamp};
use crate::recall::{CALLED, LAPSES, recall, subject};
use crate::service::Mgmt;
use crate::{MgmtError, Refusal};

/// A revocation that was proposed for a recall.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecallRevocation {
    /// The recall.
    pub recall: u64,
    /// Why, as the lists will say.
    pub reason: RevocationReason,
    /// Who proposed it.
    pub proposed_by: String,
    /// When.
    pub proposed_at: Timestamp,
    /// Who approved it.
    pub approved_by: Option<String>,
    /// How many cards of the recall it has reached.
    pub revoked: u64,
}

impl Mgmt {
    /// Proposes to revoke the certificates of the cards that still wait in an approved recall. A proposal that nobody has approved is
    /// replaced by the next one.
    pub async fn propose_recall_revocation(
        &self,
        number: u64,
        reason: RevocationReason,
        actor: &str,
        now: Timestamp,
    ) -> Result<RecallRevocation, MgmtError> {
        store::transaction!(self.db, |tx| {
            let recall = recall(tx, number).await?;
            if recall.approved_by.is_none() || recall.closed_at.is_some() || actor.trim().is_empty() {
                return Err(Refusal::WrongState.into());
            }
            let sql = "INSERT INTO recall_revocation (recall, reason, proposed_by, proposed_at) VALUES ($1, $2, $3, $4) \
                ON CONFLICT (recall) DO UPDATE SET reason = EXCLUDED.reason, proposed_by = EXCLUDED.proposed_by, \
                proposed_at = EXCLUDED.proposed_at WHERE recall_revocation.approved_by IS NULL";
            if tx.execute(sql, params![number as i64, reason.as_str(), actor, now]).await? != 1 {
                return Err(MgmtError::from(Refusal::WrongState));
            }
            let detail = json!({ "reason": reason });
            log(tx, &stamp(now, actor), "recall-revocation-propose", &subject(number as i64), detail).await
        })?;
        self.recall_revocation(number).await?.ok_or(MgmtError::Data("revocation of a recall"))
    }

    /// Approves another person's proposal. From then on the cards are reached step by step with [`Mgmt::advance`].
    pub async fn approve_recall_revocation(
        &self,
        number: u64,
        actor: &str,
        now: Timestamp,
    ) -> Result<RecallRevocation, MgmtError> {
        let proposed = self.recall_revocation(number).await?.ok_or(Refusal::RecallUnknown)?;
        store::transaction!(self.db, |tx| {
            if recall(tx, number).await?.closed_at.is_some() {
                return Err(MgmtError::from(Refusal::WrongState));
            }
            if now >= proposed.proposed_at + LAPSES {
                return Err(Refusal::RecallLapsed.into());
            }
            if proposed.proposed_by == actor || actor.trim().is_empty() {
                return Err(Refusal::RecallApproval.into());
            }
            // What is approved is what was shown.
            let sql = "UPDATE recall_revocation SET approved_by = $2, approved_at = $3 \
                WHERE recall = $1 AND approved_by IS NULL AND proposed_by = $4 AND proposed_at = $5 AND reason = $6";
            let (by, at) = (proposed.proposed_by.as_str(), proposed.proposed_at);
            let values = params![number as i64, actor, now, by, at, proposed.reason.as_str()];
            if tx.execute(sql, values).await? != 1 {
                return Err(Refusal::RecallApproval.into());
            }
            let detail = json!({ "reason": proposed.reason, "proposed_by": by });
            log(tx, &stamp(now, actor), "recall-revocation-approve", &subject(number as i64), detail).await
        })?;
        self.recall_revocation(number).await?.ok_or(MgmtError::Data("revocation of a recall"))
    }

    /// The revocation of a recall, if one was proposed.
    pub async fn recall_revocation(&self, number: u64) -> Result<Option<RecallRevocation>, MgmtError> {
        let sql = "SELECT reason, proposed_by, proposed_at, approved_by, \
            (SELECT count(*) FROM recall_card WHERE recall = $1 AND revoked_at IS NOT NULL) AS revoked \
            FROM recall_revocation WHERE recall = $1";
        let Some(row) = self.db.optional(sql, params![number as i64]).await? else { return Ok(None) };
        Ok(Some(RecallRevocation {
            recall: number,
            reason: parse_optional(&row, "reason")?.ok_or(MgmtError::Data("reason"))?,
            proposed_by: row.read("proposed_by")?,
            proposed_at: row.read("proposed_at")?,
            approved_by: row.read("approved_by")?,
            revoked: row.read("revoked")?,
        }))
    }

    /// Revokes what was approved, a few cards at a time. Returns how many.
    pub(crate) async fn work_recall_revocations(&self, now: Timestamp) -> Result<usize, MgmtError> {
        let [void, destroyed] = [CardState::Void, CardState::Destroyed].map(CardState::as_str);
        let sql = "SELECT recall_card.recall AS number, recall_card.serial AS serial, recall_revocation.reason AS reason, \
            recall_revocation.approved_by AS approved_by FROM recall_revocation \
            JOIN recall ON recall.number = recall_revocation.recall \
            JOIN recall_card ON recall_card.recall = recall.number JOIN card ON card.serial = recall_card.serial \
            WHERE recall_revocation.approved_by IS NOT NULL AND closed_at IS NULL AND updated_at IS NULL AND rekeyed_at IS NULL \
            AND revoked_at IS NULL AND state NOT IN ($1, $2) ORDER BY recall_card.recall, recall_card.serial LIMIT $3";
        let rows = self.db.all(sql, params![void, destroyed, CALLED]).await?;
        for row in &rows {
            let (number, reason): (i64, RevocationReason) = (row.read("number")?, parse(row, "reason")?);
            let (serial, actor): (CardSerial, String) = (parse(row, "serial")?, row.read("approved_by")?);
            store::transaction!(self.db, |tx| {
                let sql = "UPDATE recall_card SET revoked_at = $3 \
                    WHERE recall = $1 AND serial = $2 AND revoked_at IS NULL AND updated_at IS NULL \
                    AND rekeyed_at IS NULL";
                if tx.execute(sql, params![number, serial.as_str(), now]).await? != 1 {
                    return Ok(());
                }
                let entry = card(tx, serial).await?;
                if entry.certificate && entry.revoked.is_none() {
                    let detail = json!({ "reason": reason, "recall": number });
                    log(tx, &stamp(now, &actor), "certificates-revoke", serial.as_str(), detail).await?;
                    self.revoke_in(tx, entry, reason, now).await?;
                }
                Ok::<_, MgmtError>(())
            })?;
        }
        if !rows.is_empty() {
            self.work_certificates_quietly(now).await?;
        }
        Ok(rows.len())
    }
}
