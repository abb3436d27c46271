//! Periodic assessment of key risk (CARD-12): for each type of chip and each algorithm of its keys, when somebody last looked whether
//! the keys are still sound (new attacks, notices of the maker, findings of a laboratory), who did, what came of it, and when the next
//! look is due.
//!
//! One person enters an assessment, a second one approves it; from then on it counts. The first one is due an interval after the
//! centre received its first chips of the type: that they were sound then is what the certificates say with which the type was
//! entered (CARD-09), and before it there are no keys. What is not assessed in time is overdue. An assessment judges the keys and changes nothing by itself: the judgement of the type is another
//! decision ([`Centre::propose_chip_risk`]), and so is a recall.

use chip::Profile;
use jiff::Timestamp;
use model::ChipRisk;
use serde::Serialize;
use store::{Row, params};

use crate::ProductionError;
use crate::chip_types::{LAPSES, by_name, log};
use crate::system::Centre;

/// An assessment that waits for its second person, or that was approved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyAssessment {
    /// Its number.
    pub number: u64,
    /// The type of chip.
    pub name: String,
    /// The algorithm of the keys: `RSA-2048`, `secp521r1`.
    pub algorithm: String,
    /// How the keys are judged.
    pub result: ChipRisk,
    /// What was looked at and found.
    pub findings: String,
    /// Who made it.
    pub assessed_by: String,
    /// When.
    pub assessed_at: Timestamp,
    /// Who approved it, once somebody has.
    pub approved_by: Option<String>,
}

/// How the keys of one algorithm stand on one type of chip.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyRisk {
    /// The type of chip.
    pub name: String,
    /// The algorithm.
    pub algorithm: String,
    /// The last assessment that was approved; none where nobody has made one.
    pub last: Option<KeyAssessment>,
    /// When the next one is due: an interval after the last one, or after the first chips of the type were received. `None`: none
    /// were, so that there are no keys to assess.
    pub due: Option<Timestamp>,
    /// Whether it is overdue.
    pub overdue: bool,
}

impl KeyAssessment {
    /// Whether nobody approved it in time: it is made again, or forgotten.
    pub fn lapsed(&self, now: Timestamp) -> bool {
        self.approved_by.is_none() && now >= self.assessed_at + LAPSES
    }

    /// Whether a later one of the same keys counts already, so that this one cannot be approved any more.
    pub fn outdone(&self, all: &[Self]) -> bool {
        let later =
            |one: &Self| one.number > self.number && one.name == self.name && one.algorithm == self.algorithm;
        self.approved_by.is_none() && all.iter().any(|one| later(one) && one.approved_by.is_some())
    }
}

/// The algorithms of the keys that a type of chip makes, under whatever profile.
fn key_algorithms(name: &str) -> Vec<String> {
    let profiles = Profile::built_in().iter().filter(|profile| Some(profile.chip) == by_name(name));
    let of = |profile: &Profile| [format!("RSA-{}", profile.rsa_bits), profile.curve.name().to_owned()];
    let mut all: Vec<_> = profiles.flat_map(of).collect();
    all.sort();
    all.dedup();
    all
}

impl Centre {
    /// Enters an assessment of the keys of one algorithm on one type of chip. It counts once another person approves it.
    pub async fn assess_keys(
        &self,
        name: &str,
        algorithm: &str,
        result: ChipRisk,
        findings: &str,
        actor: &str,
        now: Timestamp,
    ) -> Result<KeyAssessment, ProductionError> {
        if findings.trim().is_empty() || actor.trim().is_empty() {
            return Err(ProductionError::DualControl("an assessment has findings and a person"));
        }
        if !key_algorithms(name).iter().any(|known| known == algorithm) {
            return Err(ProductionError::ChipTypeRefused("the type makes no keys of this algorithm"));
        }
        store::transaction!(self.inner.db, |tx| {
            let known = tx.optional("SELECT 1 FROM chip_type WHERE name = $1", params![name]).await?;
            known.ok_or(ProductionError::ChipTypeUnknown)?;
            let sql = "SELECT COALESCE(MAX(number), 0) FROM key_assessment";
            let number = tx.one(sql, params![]).await?.read::<i64>(0)? + 1;
            tx.execute_one(
                "INSERT INTO key_assessment (number, name, algorithm, result, findings, assessed_by, assessed_at) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7)",
                params![number, name, algorithm, result.as_str(), findings.trim(), actor, now],
            )
            .await?;
            let detail = serde_json::json!({
                "number": number, "algorithm": algorithm, "result": result, "findings": findings.trim(),
            });
            log(tx, now, actor, "key-assess", name, detail).await?;
            Ok(KeyAssessment {
                number: number.unsigned_abs(),
                name: name.to_owned(),
                algorithm: algorithm.to_owned(),
                result,
                findings: findings.trim().to_owned(),
                assessed_by: actor.to_owned(),
                assessed_at: now,
                approved_by: None,
            })
        })
    }

    /// Approves another person's assessment, with which it counts.
    pub async fn approve_key_assessment(
        &self,
        number: u64,
        actor: &str,
        now: Timestamp,
    ) -> Result<KeyAssessment, ProductionError> {
        let unknown = || ProductionError::DualControl("there is no such assessment");
        let row = i64::try_from(number).map_err(|_| unknown())?;
        store::transaction!(self.inner.db, |tx| {
            let sql = "SELECT number, name, algorithm, result, findings, assessed_by, assessed_at, approved_by \
                FROM key_assessment WHERE number = $1";
            let mut found = assessment(&tx.optional(sql, params![row]).await?.ok_or_else(unknown)?)?;
            if found.assessed_by == actor || actor.trim().is_empty() {
                return Err(ProductionError::DualControl("whoever assesses does not approve"));
            }
            if found.approved_by.is_some() {
                return Err(ProductionError::DualControl("it is approved already"));
            }
            if found.lapsed(now) {
                return Err(ProductionError::DualControl("the assessment has lapsed"));
            }
            // The last one counts; whoever approves an older one would think that it does.
            let sql = "SELECT 1 FROM key_assessment WHERE name = $1 AND algorithm = $2 AND number > $3 \
                AND approved_by IS NOT NULL LIMIT 1";
            if tx.optional(sql, params![found.name.as_str(), found.algorithm.as_str(), row]).await?.is_some()
            {
                return Err(ProductionError::DualControl("a later assessment counts already"));
            }
            tx.execute_one(
                "UPDATE key_assessment SET approved_by = $2, approved_at = $3 WHERE number = $1 AND approved_by IS NULL",
                params![row, actor, now],
            )
            .await?;
            let detail = serde_json::json!({
                "number": row, "algorithm": &found.algorithm, "result": found.result, "assessed_by": &found.assessed_by,
            });
            log(tx, now, actor, "key-assess-approve", &found.name, detail).await?;
            found.approved_by = Some(actor.to_owned());
            Ok(found)
        })
    }

    /// The assessments, newest first.
    pub async fn key_assessments(&self) -> Result<Vec<KeyAssessment>, ProductionError> {
        let sql = "SELECT number, name, algorithm, result, findings, assessed_by, assessed_at, approved_by \
            FROM key_assessment ORDER BY number DESC LIMIT 200";
        self.inner.db.all(sql, params![]).await?.iter().map(assessment).collect()
    }

    /// How the keys stand: every algorithm of every registered type, by name.
    pub async fn key_risks(&self, now: Timestamp) -> Result<Vec<KeyRisk>, ProductionError> {
        let interval = self.inner.config.key_assessment_interval;
        let sql = "SELECT number, name, algorithm, result, findings, assessed_by, assessed_at, approved_by \
            FROM key_assessment WHERE number IN (SELECT MAX(number) FROM key_assessment \
            WHERE approved_by IS NOT NULL GROUP BY name, algorithm)";
        let rows = self.inner.db.all(sql, params![]).await?;
        let last: Vec<KeyAssessment> = rows.iter().map(assessment).collect::<Result<_, _>>()?;
        let mut risks = Vec::new();
        let sql = "SELECT name, (SELECT MIN(received_at) FROM lot WHERE card_type = name) AS first_chips \
            FROM chip_type ORDER BY name";
        for row in self.inner.db.all(sql, params![]).await? {
            let name: String = row.read("name")?;
            let first_chips: Option<Timestamp> = row.read("first_chips")?;
            for algorithm in key_algorithms(&name) {
                let last = last.iter().find(|one| one.name == name && one.algorithm == algorithm).cloned();
                let since = last.as_ref().map(|last| last.assessed_at).or(first_chips);
                let due = since.map(|since| since + interval);
                let overdue = due.is_some_and(|due| now >= due);
                risks.push(KeyRisk { name: name.clone(), algorithm, last, due, overdue });
            }
        }
        Ok(risks)
    }
}

fn assessment(row: &Row) -> Result<KeyAssessment, ProductionError> {
    Ok(KeyAssessment {
        number: row.read("number")?,
        name: row.read("name")?,
        algorithm: row.read("algorithm")?,
        result: row.read::<String>("result")?.parse()?,
        findings: row.read("findings")?,
        assessed_by: row.read("assessed_by")?,
        assessed_at: row.read("assessed_at")?,
        approved_by: row.read("approved_by")?,
    })
}
