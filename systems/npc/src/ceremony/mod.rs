//! Ceremonies: what is done with the keys of CAs, by script, by two persons, and written down.
//!
//! A ceremony is proposed by one operator and approved by another. What is approved is a *script*: the act with every
//! number fixed, and its steps. It is carried out one step after the other, each by an operator before a witness; a step
//! leaves what is there as it is and is written down when it is done, so that a ceremony that was interrupted goes on
//! where it was. Who does it and who witnesses are two persons, and one of them proposed or approved.
//!
//! At the end stands a record: who, when, what was found at each step (fingerprints of keys, hashes of certificates). Its
//! hash is in the audit log, and it has a time stamp; [`Npc::verify_ceremony`] compares it with what is there.
//!
//! The operators' names are what the caller says they are: who signs in as whom is the application's business.

mod abandon;
mod act;
mod adoption;
pub(crate) mod founding;
mod inherit;
mod record;
mod work;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use store::{Db, Row, Tx, params, transaction};

pub use abandon::Abandonment;
pub use act::{Plan, Step};
pub use adoption::{Adopted, Adoption, Belongings, KeySource, Serves};
pub use founding::Founding;
pub use inherit::certificates_in;
pub use record::{Finding, Record};
pub(crate) use work::FOREIGN_CROSS;
pub use work::Provisions;

use act::{Act, Script};

use crate::authority::hex;
use crate::feed::next_number;
use crate::request::sha256;
use crate::{Npc, NpcError, Result};

/// A ceremony and how far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ceremony {
    /// Its number.
    pub number: u64,
    /// What is done: `generation`, `root`, `cross`, ...
    pub kind: &'static str,
    /// The script as it was approved, JSON.
    pub script: String,
    /// SHA-256 of the script.
    pub script_hash: [u8; 32],
    /// The steps in their order.
    pub steps: Vec<Step>,
    /// What was done so far.
    pub done: Vec<Done>,
    /// Who proposed it.
    pub proposed_by: String,
    /// When.
    pub proposed_at: Timestamp,
    /// Who approved it, and when.
    pub approved: Option<(String, Timestamp)>,
    /// When all was done, or it was given up.
    pub finished_at: Option<Timestamp>,
    /// How it was given up, if it was; while that is not finished, `finished_at` is none.
    pub abandonment: Option<Abandonment>,
    act: Act,
}

/// A step that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// Who did it.
    pub operator: String,
    /// Who saw it.
    pub witness: String,
    /// When.
    pub at: Timestamp,
    /// What was found: names and values.
    pub found: Vec<(String, String)>,
}

/// The two persons of a step.
#[derive(Debug, Clone, Copy)]
pub struct Hands<'a> {
    /// Who does it.
    pub operator: &'a str,
    /// Who sees it.
    pub witness: &'a str,
}

impl Ceremony {
    /// What is expected, in lines of Chinese and English: printed before, and again in the record.
    pub fn expected(&self) -> Vec<(&'static str, &'static str, String)> {
        self.act.expected()
    }

    /// Whether nobody approved it in time: it is proposed again, or forgotten.
    pub fn lapsed(&self, now: Timestamp) -> bool {
        self.approved.is_none() && self.finished_at.is_none() && now >= self.proposed_at + LAPSES
    }

    /// Whether it was given up before its last step.
    pub fn is_abandoned(&self) -> bool {
        self.finished_at.is_some() && self.next().is_some()
    }

    /// The two are two, and one of them proposed or approved it.
    fn expect_persons(&self, hands: Hands<'_>) -> Result<()> {
        check_person(hands.operator)?;
        check_person(hands.witness)?;
        if hands.operator == hands.witness {
            return Err(NpcError::SamePerson);
        }
        let approver = self.approved.iter().map(|(by, _)| by.as_str());
        if approver.chain([self.proposed_by.as_str()]).any(|by| by == hands.operator || by == hands.witness) {
            Ok(())
        } else {
            Err(NpcError::Ceremony("neither person proposed or approved it"))
        }
    }

    /// The step that is next, if something is left to do.
    pub fn next(&self) -> Option<Step> {
        self.steps.get(self.done.len()).copied()
    }
}

impl Npc {
    /// Proposes a ceremony. Nothing happens until another person approves it.
    pub async fn propose_ceremony(&self, plan: Plan, operator: &str, now: Timestamp) -> Result<Ceremony> {
        check_person(operator)?;
        self.follow_authority(now).await?;
        let number = transaction!(self.db, |tx| next_number(tx, "ceremony", 1).await)?;
        let act = self.decide(plan, number, now).await?;
        self.still_fits(&act)?;
        let script = Script { steps: act.steps().iter().map(|step| step.name().to_owned()).collect(), act };
        let script = serde_json::to_string(&script).map_err(|_| NpcError::Inconsistent("script"))?;
        let script_hash = sha256(script.as_bytes());
        let kind = act_kind(&script)?;
        transaction!(self.db, |tx| {
            let sql = "INSERT INTO ceremony (number, kind, script, script_hash, proposed_by, proposed_at) \
                VALUES ($1, $2, $3, $4, $5, $6)";
            tx.execute_one(sql, params![number as i64, kind, &script, script_hash, operator, now]).await?;
            let detail = json!({ "kind": kind, "script": hex(&script_hash) });
            self.audit(tx, "ceremony-propose", &subject(number), operator, detail, now).await?;
            Ok::<_, NpcError>(())
        })?;
        self.ceremony(number).await
    }

    /// Approves a ceremony of another person's. One ceremony is under way at a time.
    pub async fn approve_ceremony(&self, number: u64, operator: &str, now: Timestamp) -> Result<Ceremony> {
        check_person(operator)?;
        let ceremony = self.ceremony(number).await?;
        match &ceremony.approved {
            Some((by, _)) if by == operator => return Ok(ceremony),
            Some(_) => return Err(NpcError::Ceremony("it is approved already")),
            None => {}
        }
        if ceremony.proposed_by == operator {
            return Err(NpcError::SamePerson);
        }
        if ceremony.lapsed(now) {
            return Err(NpcError::Ceremony("the proposal has lapsed; propose it again"));
        }
        if ceremony.abandonment.is_some() || ceremony.finished_at.is_some() {
            return Err(GIVEN_UP);
        }
        self.follow_authority(now).await?;
        let authority = self.authority().version();
        self.still_fits(&ceremony.act)?;
        transaction!(self.db, |tx| {
            let sql = "SELECT number FROM ceremony WHERE approved_by IS NOT NULL AND finished_at IS NULL";
            if tx.optional(sql, params![]).await?.is_some() {
                return Err(NpcError::Ceremony("another ceremony is under way"));
            }
            // The numbers were compared with a hierarchy that another process may have changed since.
            if version(tx).await? != authority {
                return Err(CHANGED);
            }
            let sql = "UPDATE ceremony SET approved_by = $2, approved_at = $3 \
                WHERE number = $1 AND approved_by IS NULL";
            tx.execute_one(sql, params![number as i64, operator, now]).await?;
            let detail = json!({ "script": hex(&ceremony.script_hash) });
            self.audit(tx, "ceremony-approve", &subject(number), operator, detail, now).await?;
            Ok(())
        })?;
        self.ceremony(number).await
    }

    /// Does the next step of an approved ceremony. Gives the ceremony as it is then.
    pub async fn ceremony_step(
        &self,
        number: u64,
        hands: Hands<'_>,
        provisions: Provisions<'_>,
        now: Timestamp,
    ) -> Result<Ceremony> {
        let ceremony = self.ceremony(number).await?;
        if ceremony.approved.is_none() {
            return Err(NpcError::Ceremony("nobody has approved it yet"));
        }
        ceremony.expect_persons(hands)?;
        if ceremony.abandonment.is_some() || ceremony.is_abandoned() {
            return Err(GIVEN_UP);
        }
        let Some(step) = ceremony.next() else {
            // Killed between the last step and the record.
            self.finish(&ceremony, now).await?;
            return self.ceremony(number).await;
        };
        self.follow_authority(now).await?;
        let found = self.work(&ceremony, step, provisions, now).await?;
        let text = serde_json::to_string(&found).map_err(|_| NpcError::Inconsistent("step"))?;
        let place = ceremony.done.len() as i64;
        transaction!(self.db, |tx| {
            // Holds the row, so that nobody gives it up meanwhile.
            let sql = "UPDATE ceremony SET kind = kind WHERE number = $1 AND abandonment IS NULL";
            if tx.execute(sql, params![number as i64]).await? != 1 {
                return Err(GIVEN_UP);
            }
            let sql = "INSERT INTO ceremony_step (ceremony, step, done_by, witnessed_by, done_at, found) \
                VALUES ($1, $2, $3, $4, $5, $6)";
            let values = params![number as i64, place, hands.operator, hands.witness, now, &text];
            tx.execute_one(sql, values).await?;
            let detail = json!({ "step": step.name(), "witness": hands.witness, "found": text });
            self.audit(tx, "ceremony-step", &subject(number), hands.operator, detail, now).await?;
            Ok::<_, NpcError>(())
        })?;
        let ceremony = self.ceremony(number).await?;
        if ceremony.next().is_none() {
            self.finish(&ceremony, now).await?;
        }
        self.ceremony(number).await
    }

    /// The ceremonies, newest first.
    pub async fn ceremonies(&self) -> Result<Vec<Ceremony>> {
        let sql = "SELECT number FROM ceremony ORDER BY number DESC LIMIT 100";
        let mut all = Vec::new();
        for row in self.db.all(sql, params![]).await? {
            all.push(self.ceremony(row.read::<i64>(0)? as u64).await?);
        }
        Ok(all)
    }

    /// One ceremony.
    pub async fn ceremony(&self, number: u64) -> Result<Ceremony> {
        load_ceremony(&self.db, number).await
    }
}

async fn load_ceremony(db: &Db, number: u64) -> Result<Ceremony> {
    let key = i64::try_from(number).map_err(|_| NONE)?;
    let sql = "SELECT number, script, script_hash, proposed_by, proposed_at, approved_by, approved_at, \
        finished_at, abandonment FROM ceremony WHERE number = $1";
    let row = db.optional(sql, params![key]).await?.ok_or(NONE)?;
    let sql =
        "SELECT done_by, witnessed_by, done_at, found FROM ceremony_step WHERE ceremony = $1 ORDER BY step";
    let done = db.all(sql, params![key]).await?;
    read(&row, &done)
}

fn read(row: &Row, done: &[Row]) -> Result<Ceremony> {
    const BROKEN: NpcError = NpcError::Inconsistent("ceremony");
    let text: String = row.read("script")?;
    let script: Script = serde_json::from_str(&text).map_err(|_| BROKEN)?;
    let steps: Option<Vec<Step>> = script.steps.iter().map(|name| Step::from_name(name)).collect();
    let by: Option<String> = row.read("approved_by")?;
    let at: Option<Timestamp> = row.read("approved_at")?;
    let step = |row: &Row| -> Result<Done> {
        Ok(Done {
            operator: row.read("done_by")?,
            witness: row.read("witnessed_by")?,
            at: row.read("done_at")?,
            found: serde_json::from_str(&row.read::<String>("found")?).map_err(|_| BROKEN)?,
        })
    };
    Ok(Ceremony {
        number: row.read::<i64>("number")? as u64,
        kind: script.act.kind(),
        script: text,
        script_hash: row.read("script_hash")?,
        steps: steps.ok_or(BROKEN)?,
        done: done.iter().map(step).collect::<Result<_>>()?,
        proposed_by: row.read("proposed_by")?,
        proposed_at: row.read("proposed_at")?,
        approved: by.zip(at),
        finished_at: row.read("finished_at")?,
        abandonment: row.read::<Option<String>>("abandonment")?.map(|t| Abandonment::read(&t)).transpose()?,
        act: script.act,
    })
}

fn act_kind(script: &str) -> Result<&'static str> {
    let script: Script = serde_json::from_str(script).map_err(|_| NpcError::Inconsistent("script"))?;
    Ok(script.act.kind())
}

pub(crate) fn check_person(name: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
    if (1..=64).contains(&name.len()) && name.chars().all(plain) {
        Ok(())
    } else {
        Err(NpcError::Request("an account name has 1 to 64 letters, digits, and -_.@"))
    }
}

/// The number of the last change of the hierarchy.
async fn version(tx: &mut Tx) -> Result<u64> {
    let sql = "SELECT value FROM counter WHERE name = 'authority'";
    Ok(tx.one(sql, params![]).await?.read::<i64>(0)? as u64)
}

/// As the database keeps it, so that a record can be told again from there.
fn kept(now: Timestamp) -> Result<Timestamp> {
    Timestamp::from_microsecond(now.as_microsecond()).map_err(|_| NpcError::Request("time out of range"))
}

fn subject(number: u64) -> String {
    format!("ceremony-{number}")
}

const GIVEN_UP: NpcError = NpcError::Ceremony("it was given up");

const CHANGED: NpcError = NpcError::Ceremony("the hierarchy has changed since; propose it again");

const NONE: NpcError = NpcError::Ceremony("there is no ceremony of this number");

/// How long a proposal waits.
const LAPSES: SignedDuration = SignedDuration::from_hours(7 * 24);
