//! Signing in, sessions, and showing the password once more before something important.

use std::fmt;

use curve::{Hash, SecretBytes, constant_time_eq};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use store::{params, transaction};

use crate::accounts::role;
use crate::{OperatorError, Operators, Result, Right, Role, log};

/// The secret of a session, as the browser keeps it. Only its hash is stored, and Debug hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// The token a browser has sent; nothing that is no token.
    pub fn from_text(text: &str) -> Option<Self> {
        let well_formed = text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
        well_formed.then(|| Self(text.to_owned()))
    }

    /// The text for the cookie.
    pub fn expose(&self) -> &str {
        &self.0
    }

    fn id(&self) -> Vec<u8> {
        Hash::Sha256.digest(self.0.as_bytes())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// Somebody who has signed in.
#[derive(Clone, PartialEq, Eq)]
pub struct Session {
    /// The account.
    pub name: String,
    /// The role as it is at this request.
    pub role: Option<Role>,
    /// What every form of this session carries (SECURITY-26).
    pub form_token: String,
    /// Whether the password is too old: nothing but changing it is allowed.
    pub password_is_old: bool,
    /// When the session ends at the latest.
    pub ends_at: Timestamp,
}

impl Session {
    /// Whether the role of this person allows it. With a password that is too old nothing is allowed.
    pub fn may(&self, right: Right) -> bool {
        !self.password_is_old && self.role.is_some_and(|role| role.may(right))
    }

    /// Whether a form comes from a page of this session.
    pub fn owns_form(&self, token: &str) -> bool {
        constant_time_eq(self.form_token.as_bytes(), token.as_bytes())
    }
}

impl Operators {
    /// Begins a session under a new number.
    pub async fn sign_in(&self, name: &str, password: &str, now: Timestamp) -> Result<Token> {
        self.verify(name, password, now).await?;
        let (token, form) = (Token(hex(&self.draw::<32>())), hex(&self.draw::<32>()));
        let oldest = earlier(now, self.config.longest);
        transaction!(self.db, |tx| {
            tx.execute("DELETE FROM session WHERE began_at < $1", params![oldest]).await?;
            tx.execute_one(
                "INSERT INTO session (id, name, form_token, began_at, seen_at) VALUES ($1, $2, $3, $4, $4)",
                params![token.id(), name, &form, now],
            )
            .await?;
            tx.execute_one("UPDATE operator SET last_sign_in = $2 WHERE name = $1", params![name, now])
                .await?;
            log(tx, now, name, "sign-in", name, json!({})).await
        })?;
        Ok(token)
    }

    /// Whose session it is; nothing if it has ended, was never there, or its account is disabled.
    pub async fn session(&self, token: &Token, now: Timestamp) -> Result<Option<Session>> {
        let sql = "SELECT session.name AS name, form_token, began_at, seen_at, role, \
            (SELECT set_at FROM password WHERE password.name = session.name ORDER BY number DESC LIMIT 1) AS set_at \
            FROM session JOIN operator ON operator.name = session.name WHERE id = $1 AND enabled = TRUE";
        let Some(row) = self.db.optional(sql, params![token.id()]).await? else { return Ok(None) };
        let (began_at, seen_at): (Timestamp, Timestamp) = (row.read("began_at")?, row.read("seen_at")?);
        let within = |since: Timestamp, limit| {
            let age = now.duration_since(since);
            // A clock that went back makes no session longer.
            age < limit && age > -SignedDuration::from_mins(5)
        };
        if !within(began_at, self.config.longest) || !within(seen_at, self.config.idle) {
            self.forget(token, row.read("name")?, "session-end", now).await?;
            return Ok(None);
        }
        // Not with every request: a page costs no write.
        if now.duration_since(seen_at) >= NOTED_EVERY {
            let sql = "UPDATE session SET seen_at = $2 WHERE id = $1";
            self.db.execute(sql, params![token.id(), now]).await?;
        }
        let set_at: Option<Timestamp> = row.read("set_at")?;
        Ok(Some(Session {
            name: row.read("name")?,
            role: role(&row)?,
            form_token: row.read("form_token")?,
            password_is_old: set_at.is_none_or(|at| now.duration_since(at) >= self.config.password_age),
            ends_at: began_at.checked_add(self.config.longest).unwrap_or(Timestamp::MAX),
        }))
    }

    /// Ends a session.
    pub async fn sign_out(&self, token: &Token, name: &str, now: Timestamp) -> Result<()> {
        self.forget(token, name.to_owned(), "sign-out", now).await
    }

    /// Shows the password once more, before something important (SECURITY-20). Attempts count as at sign-in; an account that
    /// becomes locked loses its sessions.
    pub async fn confirm(&self, session: &Session, password: &str, now: Timestamp) -> Result<()> {
        self.verify(&session.name, password, now).await
    }

    async fn forget(&self, token: &Token, name: String, action: &str, now: Timestamp) -> Result<()> {
        transaction!(self.db, |tx| {
            if tx.execute("DELETE FROM session WHERE id = $1", params![token.id()]).await? == 1 {
                log(tx, now, &name, action, &name, json!({})).await?;
            }
            Ok(())
        })
    }

    /// Whether the password is the account's.
    pub(crate) async fn verify(&self, name: &str, password: &str, now: Timestamp) -> Result<()> {
        let password = SecretBytes::new(password.as_bytes());
        let counted = self.count_attempt(name, now).await;
        let stored = match &counted {
            Ok(()) => self.passwords(name, 1).await?.pop(),
            Err(_) => None,
        };
        // As slow for an account that is not there, is locked or has no password.
        let right = match &stored {
            Some((stored, _)) => self.hasher.matches(&password, stored).await?,
            None => {
                self.hasher.waste(&password).await?;
                false
            }
        };
        counted?;
        if !right {
            self.refuse(name, "sign-in-refused", now).await?;
            return Err(OperatorError::Refused);
        }
        let sql = "UPDATE operator SET failures = 0, locked_until = NULL WHERE name = $1";
        self.db.execute(sql, params![name]).await?;
        Ok(())
    }

    /// Counts an attempt before it is compared, so that neither a crash nor many at once give a free one (SECURITY-17).
    pub(crate) async fn count_attempt(&self, name: &str, now: Timestamp) -> Result<()> {
        let until = now.checked_add(self.config.lock).unwrap_or(Timestamp::MAX);
        let counted = transaction!(self.db, |tx| {
            let sql = "SELECT enabled, failures, locked_until FROM operator WHERE name = $1";
            let Some(row) = tx.optional(sql, params![name]).await? else {
                // What was typed may be anything, a password among others: it is not repeated.
                log(tx, now, CONSOLE, "sign-in-refused", "unknown-account", json!({})).await?;
                return Ok::<_, OperatorError>(false);
            };
            let locked: Option<Timestamp> = row.read("locked_until")?;
            if !row.read::<bool>("enabled")? || locked.is_some_and(|until| until > now) {
                log(tx, now, CONSOLE, "sign-in-locked", name, json!({})).await?;
                return Ok(false);
            }
            let before: u32 = if locked.is_some() { 0 } else { row.read("failures")? };
            let failures = before + 1;
            let lock = (failures >= self.config.attempts).then_some(until);
            let sql = "UPDATE operator SET failures = $2, locked_until = $3 WHERE name = $1";
            tx.execute_one(sql, params![name, failures, lock]).await?;
            Ok(true)
        })?;
        if counted { Ok(()) } else { Err(OperatorError::Refused) }
    }

    /// Writes down that an attempt failed. If it was the last one allowed, the account's sessions end.
    pub(crate) async fn refuse(&self, name: &str, action: &str, now: Timestamp) -> Result<()> {
        transaction!(self.db, |tx| {
            let sql = "SELECT failures, locked_until FROM operator WHERE name = $1";
            let row = tx.one(sql, params![name]).await?;
            let locked = row.read::<Option<Timestamp>>("locked_until")?.is_some_and(|until| until > now);
            let failures: i64 = row.read("failures")?;
            log(tx, now, CONSOLE, action, name, json!({ "failures": failures, "locked": locked })).await?;
            if locked {
                tx.execute("DELETE FROM session WHERE name = $1", params![name]).await?;
            }
            Ok(())
        })
    }
}

fn earlier(now: Timestamp, by: SignedDuration) -> Timestamp {
    now.checked_sub(by).unwrap_or(Timestamp::MIN)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The actor of what nobody has signed in for.
const CONSOLE: &str = "console";

/// How exactly the last request of a session is known.
const NOTED_EVERY: SignedDuration = SignedDuration::from_secs(30);
