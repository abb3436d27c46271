//! What two persons decide (SECURITY-08): a roll-over of the country signing key, and the revocation of a document signer.
//! One proposes, another approves; the approval does it. A proposal nobody approves lapses after a week.

use curve::Random;
use jiff::Timestamp;
use serde_json::json;
use store::{Row, params, transaction};
use x509::crl::Reason;

use crate::config::later;
use crate::{DocSigner, DocSignerError, Result, SignerState};

/// What is to be decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// A new generation of the country signing CA.
    RollOver,
    /// The revocation of a document signer, for good.
    Revoke {
        /// Its number.
        number: u32,
        /// Why; never a suspension.
        reason: Reason,
    },
}

/// An act that waits for its approval, or has been approved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// Its number.
    pub number: u64,
    /// What is to be done.
    pub act: Act,
    /// Who proposed it.
    pub proposed_by: String,
    /// When.
    pub proposed_at: Timestamp,
    /// Who approved it, once somebody has.
    pub approved_by: Option<String>,
}

impl Proposal {
    /// Whether nobody approved it in time: it is proposed again, or forgotten.
    pub fn lapsed(&self, now: Timestamp) -> bool {
        self.approved_by.is_none() && later(self.proposed_at, LAPSES_DAYS).is_ok_and(|end| now >= end)
    }
}

/// How long a proposal waits.
const LAPSES_DAYS: u32 = 7;

impl DocSigner {
    /// Proposes an act. Nothing happens until another person approves it.
    pub async fn propose(&self, act: Act, actor: &str, now: Timestamp) -> Result<Proposal> {
        check_actor(actor)?;
        let (name, signer, reason) = match act {
            Act::RollOver => ("roll-over", None, None),
            Act::Revoke { reason: Reason::CertificateHold | Reason::RemoveFromCrl, .. } => {
                return Err(DocSignerError::Refused("a document signer is revoked, never suspended"));
            }
            Act::Revoke { number, reason } => {
                ("revoke", Some(i64::from(number)), Some(i64::from(reason.code())))
            }
        };
        let number = transaction!(self.db, |tx| {
            if let Act::Revoke { number, .. } = act {
                let sql =
                    "SELECT count(*) FROM document_signer WHERE number = $1 AND certificate IS NOT NULL";
                if tx.one(sql, params![number]).await?.read::<i64>(0)? == 0 {
                    return Err(DocSignerError::NoSuchSigner(number));
                }
            }
            let sql = "SELECT COALESCE(MAX(number), 0) FROM ceremony";
            let number = tx.one(sql, params![]).await?.read::<i64>(0)? + 1;
            tx.execute_one(
                "INSERT INTO ceremony (number, act, signer, reason, proposed_by, proposed_at) \
                 VALUES ($1, $2, $3, $4, $5, $6)",
                params![number, name, signer, reason, actor, now],
            )
            .await?;
            let detail = json!({"number": number, "signer": signer, "reason": reason});
            self.audit(tx, now, actor, &format!("{name}-propose"), &format!("ceremony-{number}"), detail)
                .await?;
            Ok(number as u64)
        })?;
        Ok(Proposal { number, act, proposed_by: actor.to_owned(), proposed_at: now, approved_by: None })
    }

    /// Approves a proposal of another person and does what it says. Again for the same proposal by the same person: what
    /// was interrupted is finished.
    pub async fn approve(
        &self,
        number: u64,
        actor: &str,
        now: Timestamp,
        rng: &mut (dyn Random + Send),
    ) -> Result<Proposal> {
        check_actor(actor)?;
        let row =
            i64::try_from(number).map_err(|_| DocSignerError::DualControl("there is no such proposal"))?;
        let proposal = transaction!(self.db, |tx| {
            let sql = "SELECT number, act, signer, reason, proposed_by, proposed_at, approved_by FROM ceremony \
                WHERE number = $1";
            let found = tx.optional(sql, params![row]).await?;
            let found = found.ok_or(DocSignerError::DualControl("there is no such proposal"))?;
            let mut proposal = Proposal::from_row(&found)?;
            if proposal.proposed_by == actor {
                return Err(DocSignerError::DualControl("whoever proposes does not approve"));
            }
            if let Some(by) = &proposal.approved_by {
                let same = by == actor;
                return if same {
                    Ok(proposal)
                } else {
                    Err(DocSignerError::DualControl("it is approved already"))
                };
            }
            if proposal.lapsed(now) {
                return Err(DocSignerError::DualControl("the proposal has lapsed"));
            }
            let sql = "UPDATE ceremony SET approved_by = $2, approved_at = $3 \
                WHERE number = $1 AND approved_by IS NULL";
            tx.execute_one(sql, params![row, actor, now]).await?;
            match proposal.act {
                Act::RollOver => {
                    let sql = "SELECT count(*) FROM country_signer \
                        WHERE certificate IS NULL OR (link IS NULL AND generation > 1)";
                    if tx.one(sql, params![]).await?.read::<i64>(0)? > 0 {
                        return Err(DocSignerError::DualControl("a roll-over is under way"));
                    }
                    self.plan_generation(tx, actor, now).await?;
                }
                Act::Revoke { number, reason } => {
                    let sql = "UPDATE document_signer SET state = $2, revoked_at = $3, revoked_reason = $4 \
                        WHERE number = $1 AND state <> $2";
                    let values = params![number, SignerState::Revoked.as_str(), now, reason.code()];
                    if tx.execute(sql, values).await? == 1 {
                        let detail = json!({"reason": reason.code(), "ceremony": row});
                        let subject = format!("ds-{number}");
                        self.audit(tx, now, actor, "signer-revoke", &subject, detail).await?;
                    }
                }
            }
            proposal.approved_by = Some(actor.to_owned());
            let detail = json!({"number": row, "proposed_by": proposal.proposed_by});
            self.audit(tx, now, actor, "ceremony-approve", &format!("ceremony-{row}"), detail).await?;
            Ok(proposal)
        })?;
        match proposal.act {
            Act::RollOver => {
                self.renew(now, rng).await?;
            }
            Act::Revoke { number, reason } => {
                tracing::warn!(number, reason = reason.code(), "document signer revoked");
                self.csca_crls(now).await?;
            }
        }
        Ok(proposal)
    }

    /// The proposals that wait, and those approved, newest first.
    pub async fn proposals(&self) -> Result<Vec<Proposal>> {
        let sql = "SELECT number, act, signer, reason, proposed_by, proposed_at, approved_by FROM ceremony \
            ORDER BY number DESC LIMIT 100";
        self.db.all(sql, params![]).await?.iter().map(Proposal::from_row).collect()
    }
}

impl Proposal {
    fn from_row(row: &Row) -> Result<Self> {
        let inconsistent = || DocSignerError::Inconsistent("a proposal");
        let act = match (
            row.read::<String>("act")?.as_str(),
            row.read::<Option<u32>>("signer")?,
            row.read::<Option<u8>>("reason")?.and_then(Reason::from_code),
        ) {
            ("roll-over", None, None) => Act::RollOver,
            ("revoke", Some(number), Some(reason)) => Act::Revoke { number, reason },
            _ => return Err(inconsistent()),
        };
        Ok(Self {
            number: u64::try_from(row.read::<i64>("number")?).map_err(|_| inconsistent())?,
            act,
            proposed_by: row.read("proposed_by")?,
            proposed_at: row.read("proposed_at")?,
            approved_by: row.read("approved_by")?,
        })
    }
}

fn check_actor(actor: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
    if (1..=64).contains(&actor.len()) && actor.chars().all(plain) {
        Ok(())
    } else {
        Err(DocSignerError::DualControl("an account name has 1 to 64 letters, digits, and -_.@"))
    }
}
