//! The people who work at the console: who they are, what their role allows, and how they prove to be themselves.
//!
//! An operator is made by name and role, without a password: a one-time enrolment code lets the person set one.
//! Passwords follow SECURITY-16 and are kept as Argon2id hashes with their salts in a column of their own
//! (SECURITY-23). Every attempt is counted before it is compared; three failures lock the account for half an hour. A session
//! is a random number of which only the hash is stored; it ends after 15 idle minutes, after eight hours, at sign-out, and
//! when the account is disabled. What a role may do is one table, [`Role::may`], and is read anew with every request.
//!
//! Every change and every attempt is an entry of this system's audit chain, in the same transaction.
//!
//! What this crate leaves out: HTTP (the application's), and decisions of two persons, which the system concerned
//! enforces by itself: a console that forgot them could still not approve its own proposal.

mod accounts;
mod error;
mod password;
mod role;
mod schema;
mod session;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use curve::Random;
use jiff::{SignedDuration, Timestamp};
use store::{Db, Tx};

pub use accounts::{EnrolmentCode, Operator};
pub use error::OperatorError;
pub use password::{Cost, Weakness, check as check_password};
pub use role::{Right, Role};
pub use session::{Session, Token};

/// What a call of this crate returns.
pub type Result<T, E = OperatorError> = std::result::Result<T, E>;

/// Periods and limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Failures after which an account is locked (SECURITY-17).
    pub attempts: u32,
    /// For how long it is locked.
    pub lock: SignedDuration,
    /// After how long without a request a session ends (SECURITY-24): [`LONGEST_IDLE`] at most, whatever stands here.
    pub idle: SignedDuration,
    /// After how long it ends at the latest (SECURITY-27).
    pub longest: SignedDuration,
    /// How old a password may become (SECURITY-16).
    pub password_age: SignedDuration,
    /// For how long an enrolment code may be used.
    pub code_life: SignedDuration,
    /// What a guess at a password costs.
    pub cost: Cost,
}

/// The hard limit of [`Config::idle`].
// OPEN-27.
pub const LONGEST_IDLE: SignedDuration = SignedDuration::from_mins(30);

impl Default for Config {
    fn default() -> Self {
        Self {
            attempts: 3,
            lock: SignedDuration::from_mins(30),
            idle: SignedDuration::from_mins(15),
            longest: SignedDuration::from_hours(8),
            password_age: SignedDuration::from_hours(45 * 24),
            code_life: SignedDuration::from_hours(24),
            cost: Cost::default(),
        }
    }
}

/// The operators of one country.
#[derive(Clone)]
pub struct Operators {
    db: Db,
    config: Config,
    random: Arc<Mutex<Box<dyn Random + Send>>>,
    hasher: password::Hasher,
}

impl Operators {
    /// Opens the tables, making them if they are missing.
    pub async fn open(db: Db, config: Config, random: Box<dyn Random + Send>) -> Result<Self> {
        db.migrate(&[audit::MIGRATION, schema::INIT]).await?;
        let config = Config { idle: config.idle.min(LONGEST_IDLE), ..config };
        let hasher = password::Hasher::new(config.cost);
        Ok(Self { db, config, random: Arc::new(Mutex::new(random)), hasher })
    }

    /// Periods and limits in force.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// The database, for the browser of audit chains and tests.
    pub const fn db(&self) -> &Db {
        &self.db
    }

    /// Writes down what an operator looked at or was refused: reads are events too (SECURITY-40).
    pub async fn note(&self, actor: &str, action: &str, subject: &str, now: Timestamp) -> Result<()> {
        store::transaction!(self.db, |tx| log(tx, now, actor, action, subject, serde_json::json!({})).await)
    }

    fn random(&self) -> MutexGuard<'_, Box<dyn Random + Send>> {
        self.random.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn draw<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.random().fill(&mut bytes);
        bytes
    }
}

async fn log(
    tx: &mut Tx,
    at: Timestamp,
    actor: &str,
    action: &str,
    subject: &str,
    detail: serde_json::Value,
) -> Result<()> {
    let event = audit::Event { at, actor, system: SYSTEM, action, subject, detail };
    audit::append(tx, &event).await?;
    Ok(())
}

/// The name of this system in audit entries.
const SYSTEM: &str = "operators";
