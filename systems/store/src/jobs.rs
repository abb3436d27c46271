//! Work to be done later: a queue with leases, attempts, back-off and a place for what cannot be done.
//!
//! A job is enqueued in the transaction of the change that causes it, so neither exists without the other. A worker
//! claims jobs for a lease; if it dies, the lease runs out and another worker claims them, so every job is done *at
//! least* once and its work must be idempotent. A job is completed in the transaction that records its effect. Each claim
//! raises `attempt`, and only the holder of the newest claim may complete or fail the job; what has failed too often is counted
//! apart, since a job is also claimed to find that it has to wait.
//!
//! A system that queues puts [`MIGRATION`] and [`failures_apart`] among its own migrations. Left out: waking workers at once (they poll; a hint
//! may shorten the wait) and priorities (use several queues).

use jiff::{SignedDuration, Timestamp};
use sqlx::SqlSafeStr;
use uuid::Uuid;

use crate::{Db, Engine, Migration, Result, Row, StoreError, Tx, new_id, params};

/// The queue's table: number 0, before a system's own migrations, which begin at 1. Since [`Db::migrate`] applies whatever
/// is missing, a system may also begin to queue later.
pub const MIGRATION: Migration = Migration::new(
    0,
    "jobs",
    "CREATE TABLE job (
        id BYTEA PRIMARY KEY,
        queue TEXT NOT NULL,
        dedupe TEXT,
        payload BYTEA NOT NULL,
        due BIGINT NOT NULL,
        attempt BIGINT NOT NULL,
        most_attempts BIGINT NOT NULL,
        dead BOOLEAN NOT NULL,
        problem TEXT
    );
    CREATE INDEX job_due ON job (queue, dead, due);
    CREATE UNIQUE INDEX job_dedupe ON job (queue, dedupe);",
);

/// Failures are counted apart from claims: a migration of the system that queues, with its next number.
pub const fn failures_apart(number: i64) -> Migration {
    Migration::new(
        number,
        "failures of jobs",
        "ALTER TABLE job ADD COLUMN failures BIGINT NOT NULL DEFAULT 0;",
    )
}

/// What to enqueue.
#[derive(Debug, Clone, Copy)]
pub struct NewJob<'a> {
    /// Which workers it is for.
    pub queue: &'a str,
    /// While a job with the same key waits in the queue, a second one is not added.
    pub dedupe: Option<&'a str>,
    /// What the worker needs to know: keys of rows, not personal data.
    pub payload: &'a [u8],
    /// Not before this time.
    pub due: Timestamp,
    /// After so many failed attempts the job is dead and waits for a person.
    pub most_attempts: u32,
}

/// A claimed or dead job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its key.
    pub id: Uuid,
    /// Which workers it is for.
    pub queue: String,
    /// What the worker needs to know.
    pub payload: Vec<u8>,
    /// Which claim this is, from 1.
    pub attempt: u32,
    /// How many attempts have failed.
    pub failures: u32,
    /// After so many failed attempts the job is dead.
    pub most_attempts: u32,
    /// What went wrong last.
    pub problem: Option<String>,
}

impl Job {
    /// Whether the job is dead if it fails once more.
    pub const fn is_last_attempt(&self) -> bool {
        self.failures.saturating_add(1) >= self.most_attempts
    }
}

/// Adds a job in the caller's transaction. Returns its key, or `None` if one with the same `dedupe` key waits already.
pub async fn enqueue(
    tx: &mut Tx,
    job: NewJob<'_>,
    now: Timestamp,
    random: &mut (dyn curve::Random + Send),
) -> Result<Option<Uuid>> {
    let id = new_id(now, random);
    let added = tx
        .execute(
            "INSERT INTO job (id, queue, dedupe, payload, due, attempt, most_attempts, dead) \
             VALUES ($1, $2, $3, $4, $5, 0, $6, FALSE) ON CONFLICT DO NOTHING",
            params![id, job.queue, job.dedupe, job.payload, job.due, job.most_attempts],
        )
        .await?;
    Ok((added == 1).then_some(id))
}

/// Claims up to `most` due jobs of `queue` until `now + lease`. Two workers never hold the same job.
pub async fn claim(
    db: &Db,
    queue: &str,
    most: u32,
    lease: SignedDuration,
    now: Timestamp,
) -> Result<Vec<Job>> {
    let until = later(now, lease);
    let sql = match db.engine() {
        Engine::Postgres => CLAIM_POSTGRES,
        Engine::Sqlite => CLAIM_SQLITE,
    };
    // Nearly every poll finds nothing: look before taking the writer's place.
    let due = "SELECT id FROM job WHERE queue = $1 AND dead = FALSE AND due <= $2 LIMIT 1";
    if db.optional(due, params![queue, now]).await?.is_none() {
        return Ok(Vec::new());
    }
    let rows =
        crate::transaction!(db, |tx| tx.all(sql.into_sql_str(), params![queue, now, most, until]).await)?;
    rows.iter().map(job).collect()
}

/// Ends every claim and every wait after a failure, claims and failures counted anew. For a process that knows that no other works
/// on this database, as after a restart: what a killed predecessor had claimed need not wait for its lease to run out.
pub async fn take_over(db: &Db, now: Timestamp) -> Result<u64> {
    let sql =
        "UPDATE job SET due = $1, attempt = 0, failures = 0 WHERE dead = FALSE AND attempt > 0 AND due > $1";
    db.execute(sql, params![now]).await
}

/// Prolongs the claim on a job that takes longer than its lease.
pub async fn prolong(db: &Db, job: &Job, lease: SignedDuration, now: Timestamp) -> Result<()> {
    let until = later(now, lease);
    crate::transaction!(db, |tx| {
        let sql = "UPDATE job SET due = $3 WHERE id = $1 AND attempt = $2 AND dead = FALSE";
        tx.execute_one(sql, params![job.id, job.attempt, until]).await
    })
}

/// Removes a finished job in the transaction that records its effect. Fails with [`StoreError::Affected`] if the lease ran
/// out and another worker claimed the job since.
pub async fn complete(tx: &mut Tx, job: &Job) -> Result<()> {
    tx.execute_one("DELETE FROM job WHERE id = $1 AND attempt = $2", params![job.id, job.attempt]).await
}

/// Gives a job back after a failure: due again after `backoff` for its failures, or dead after the last one. Returns whether
/// it is dead now. `problem` is kept and shown; it must hold no personal data.
pub async fn fail(db: &Db, job: &Job, problem: &str, now: Timestamp) -> Result<bool> {
    let (failures, dead) = (job.failures.saturating_add(1), job.is_last_attempt());
    let due = later(now, backoff(failures));
    crate::transaction!(db, |tx| {
        let sql =
            "UPDATE job SET due = $3, dead = $4, problem = $5, failures = $6 WHERE id = $1 AND attempt = $2";
        tx.execute_one(sql, params![job.id, job.attempt, due, dead, problem, failures]).await
    })?;
    Ok(dead)
}

/// Gives a job back that could not be done yet, by no fault of its own: due again after `by`, and no failure is counted.
/// `problem` is kept and shown.
pub async fn put_off(db: &Db, job: &Job, problem: &str, by: SignedDuration, now: Timestamp) -> Result<()> {
    let due = later(now, by);
    crate::transaction!(db, |tx| {
        let sql = "UPDATE job SET due = $3, problem = $4 WHERE id = $1 AND attempt = $2 AND dead = FALSE";
        tx.execute_one(sql, params![job.id, job.attempt, due, problem]).await
    })
}

/// The jobs of `queue` that wait for a person, oldest first.
pub async fn dead(db: &Db, queue: &str) -> Result<Vec<Job>> {
    let sql = "SELECT id, queue, payload, attempt, failures, most_attempts, problem FROM job \
        WHERE queue = $1 AND dead = TRUE ORDER BY id";
    db.all(sql, params![queue]).await?.iter().map(job).collect()
}

/// How many jobs of each queue wait, and how many of them are dead.
pub async fn lengths(db: &Db) -> Result<Vec<(String, u64, u64)>> {
    let sql = "SELECT queue, COUNT(*) AS waiting, COUNT(CASE WHEN dead = TRUE THEN 1 END) AS dead FROM job \
        GROUP BY queue ORDER BY queue";
    let rows = db.all(sql, params![]).await?;
    rows.iter().map(|row| Ok((row.read("queue")?, row.read("waiting")?, row.read("dead")?))).collect()
}

/// Puts a dead job back into its queue with its failures counted anew.
pub async fn revive(tx: &mut Tx, id: Uuid, now: Timestamp) -> Result<()> {
    let sql =
        "UPDATE job SET dead = FALSE, attempt = 0, failures = 0, due = $2 WHERE id = $1 AND dead = TRUE";
    tx.execute_one(sql, params![id, now]).await
}

/// The time to wait after so many failures: a second, doubled each time, at most an hour.
pub fn backoff(failures: u32) -> SignedDuration {
    SignedDuration::from_secs(1 << failures.saturating_sub(1).min(12)).min(SignedDuration::from_hours(1))
}

fn later(now: Timestamp, by: SignedDuration) -> Timestamp {
    now.checked_add(by).unwrap_or(Timestamp::MAX)
}

fn job(row: &Row) -> Result<Job, StoreError> {
    Ok(Job {
        id: row.read("id")?,
        queue: row.read("queue")?,
        payload: row.read("payload")?,
        attempt: row.read("attempt")?,
        failures: row.read("failures")?,
        most_attempts: row.read("most_attempts")?,
        problem: row.read("problem")?,
    })
}

// While a job is claimed, `due` is the end of its lease.
const CLAIM_POSTGRES: &str = "UPDATE job SET due = $4, attempt = attempt + 1 WHERE id IN \
    (SELECT id FROM job WHERE queue = $1 AND dead = FALSE AND due <= $2 ORDER BY due LIMIT $3 FOR UPDATE SKIP LOCKED) \
    RETURNING id, queue, payload, attempt, failures, most_attempts, problem";
const CLAIM_SQLITE: &str = "UPDATE job SET due = $4, attempt = attempt + 1 WHERE id IN \
    (SELECT id FROM job WHERE queue = $1 AND dead = FALSE AND due <= $2 ORDER BY due LIMIT $3) \
    RETURNING id, queue, payload, attempt, failures, most_attempts, problem";
