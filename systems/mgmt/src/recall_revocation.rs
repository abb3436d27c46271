//! Revoking the certificates of a recall's cards, by their serial numbers (RECALL-04): what suspends them is the recall itself, and can
//! be undone; this cannot, so it is proposed and approved again by two persons. OCSP and CRL of the certificate system tell it.
//!
//! A card that was treated before is left alone, and one that is void has nothing to revoke any more.

use jiff::Timestamp;
use model::{CardSerial, CardState, RevocationReason};
use serde_json::json;
use store::{Row, params};

use crate::books::{card, log, parse, stamp};
use crate::recall::{CALLED, LAPSES, recall, subject};
use crate::service::Mgmt;
use crate::{MgmtError, Refusal};

/// A revocation that was proposed for a recall.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecallRevocation {
    /// The recall.
    pub recall: u64,
    /// Which proposal of this recall it is: 1, and one more each time that it is replaced.
    pub proposal: u64,
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
    /// How many cards wait in the recall that it has not reached: these it would revoke at this moment.
    pub waiting: u64,
}

impl RecallRevocation {
    /// Whether nobody approved it in time.
    pub fn lapsed(&self, now: Timestamp) -> bool {
        self.approved_by.is_none() && now >= self.proposed_at + LAPSES
    }

    /// Its number, as people name it.
    pub const fn number(&self) -> RevocationNo {
        RevocationNo { recall: self.recall, proposal: self.proposal }
    }
}

/// The number of a proposed revocation: `7.2` is the second one of recall 7, `7` its first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RevocationNo {
    /// The recall.
    pub recall: u64,
    /// Which of its proposals.
    pub proposal: u64,
}

impl std::fmt::Display for RevocationNo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.recall, self.proposal)
    }
}

impl std::str::FromStr for RevocationNo {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (recall, proposal) = text.split_once('.').unwrap_or((text, "1"));
        Ok(Self { recall: recall.parse()?, proposal: proposal.parse()? })
    }
}

impl Mgmt {
    /// Proposes to revoke the certificates of the cards that still wait in an approved recall. A proposal that nobody has approved is
    /// replaced by the next one, which has a number of its own: whoever has looked at the old one does not approve the new one.
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
                proposed_at = EXCLUDED.proposed_at, proposal = recall_revocation.proposal + 1 \
                WHERE recall_revocation.approved_by IS NULL";
            if tx.execute(sql, params![number as i64, reason.as_str(), actor, now]).await? != 1 {
                return Err(MgmtError::from(Refusal::WrongState));
            }
            let detail = json!({ "reason": reason });
            log(tx, &stamp(now, actor), "recall-revocation-propose", &subject(number as i64), detail).await
        })?;
        self.recall_revocation(number).await?.ok_or(MgmtError::Data("revocation of a recall"))
    }

    /// Approves another person's proposal, and no other one that has taken its place since. From then on the cards are reached step
    /// by step with [`Mgmt::advance`].
    pub async fn approve_recall_revocation(
        &self,
        of: RevocationNo,
        actor: &str,
        now: Timestamp,
    ) -> Result<RecallRevocation, MgmtError> {
        let number = of.recall;
        let proposed = self.recall_revocation(number).await?.ok_or(Refusal::RecallUnknown)?;
        if of.proposal > proposed.proposal || of.proposal == 0 {
            return Err(Refusal::RecallUnknown.into());
        }
        store::transaction!(self.db, |tx| {
            if of.proposal < proposed.proposal {
                return Err(MgmtError::from(Refusal::RecallReplaced));
            }
            if recall(tx, number).await?.closed_at.is_some() {
                return Err(Refusal::WrongState.into());
            }
            if now >= proposed.proposed_at + LAPSES {
                return Err(Refusal::RecallLapsed.into());
            }
            if proposed.proposed_by == actor || actor.trim().is_empty() {
                return Err(Refusal::RecallApproval.into());
            }
            // What is approved is what was shown.
            let sql = "UPDATE recall_revocation SET approved_by = $2, approved_at = $3 \
                WHERE recall = $1 AND approved_by IS NULL AND proposal = $4";
            let by = proposed.proposed_by.as_str();
            let values = params![number as i64, actor, now, of.proposal as i64];
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
        Ok(self.revocations(Some(number)).await?.pop())
    }

    /// The revocations of all recalls that are not closed, newest recall first.
    pub async fn recall_revocations(&self) -> Result<Vec<RecallRevocation>, MgmtError> {
        self.revocations(None).await
    }

    async fn revocations(&self, of: Option<u64>) -> Result<Vec<RecallRevocation>, MgmtError> {
        let sql = "SELECT recall_revocation.recall AS recall, proposal, recall_revocation.reason AS reason, \
            recall_revocation.proposed_by AS proposed_by, recall_revocation.proposed_at AS proposed_at, \
            recall_revocation.approved_by AS approved_by, \
            (SELECT count(*) FROM recall_card WHERE recall_card.recall = recall.number AND revoked_at IS NOT NULL) AS revoked, \
            (SELECT count(*) FROM recall_card JOIN card ON card.serial = recall_card.serial \
            WHERE recall_card.recall = recall.number AND updated_at IS NULL AND rekeyed_at IS NULL AND revoked_at IS NULL \
            AND state NOT IN ($1, $2)) AS waiting \
            FROM recall_revocation JOIN recall ON recall.number = recall_revocation.recall \
            WHERE recall.number = $3 OR ($4 AND closed_at IS NULL) ORDER BY recall.number DESC LIMIT 200";
        let [void, destroyed] = [CardState::Void, CardState::Destroyed].map(CardState::as_str);
        let rows = self.db.all(sql, params![void, destroyed, of.unwrap_or(0) as i64, of.is_none()]).await?;
        let read = |row: &Row| {
            Ok(RecallRevocation {
                recall: row.read("recall")?,
                proposal: row.read("proposal")?,
                reason: parse(row, "reason")?,
                proposed_by: row.read("proposed_by")?,
                proposed_at: row.read("proposed_at")?,
                approved_by: row.read("approved_by")?,
                revoked: row.read("revoked")?,
                waiting: row.read("waiting")?,
            })
        };
        rows.iter().map(read).collect()
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
