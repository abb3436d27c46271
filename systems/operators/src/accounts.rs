//! Accounts: made, given a role, enrolled, disabled.

use curve::{Hash, SecretBytes};
use jiff::Timestamp;
use serde_json::json;
use store::{Row, Tx, params, transaction};

use crate::password::{self, Stored, Weakness};
use crate::{Cost, OperatorError, Operators, Result, Role, log};

/// An operator as the list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// The account's name, as it stands in the logs.
    pub name: String,
    /// What the person is employed for; none for somebody who has left the office.
    pub role: Option<Role>,
    /// Whether the account may be used at all.
    pub enabled: bool,
    /// Whether a password has been set.
    pub enrolled: bool,
    /// Until when the account is locked, after failed attempts.
    pub locked_until: Option<Timestamp>,
    /// When the person last signed in.
    pub last_sign_in: Option<Timestamp>,
    /// Who made the account.
    pub added_by: String,
    /// When.
    pub added_at: Timestamp,
}

/// A code that lets one person set a password once. Has no `Debug`.
pub struct EnrolmentCode {
    text: String,
    /// Until when it may be used.
    pub until: Timestamp,
}

impl EnrolmentCode {
    /// The code, to be shown to the person once.
    pub fn expose(&self) -> &str {
        &self.text
    }
}

impl Operators {
    /// Makes an operator, who can do nothing before [`Operators::new_code`] and the code's use.
    pub async fn add(&self, name: &str, role: Option<Role>, actor: &str, now: Timestamp) -> Result<()> {
        check_name(name)?;
        transaction!(self.db, |tx| {
            let known = tx.optional("SELECT 1 FROM operator WHERE name = $1", params![name]).await?;
            if known.is_some() {
                return Err(OperatorError::Exists(name.to_owned()));
            }
            tx.execute_one(
                "INSERT INTO operator (name, role, enabled, added_by, added_at, failures) \
                 VALUES ($1, $2, $3, $4, $5, 0)",
                params![name, role.map(Role::as_str), true, actor, now],
            )
            .await?;
            let detail = json!({ "role": role.map(Role::as_str) });
            log(tx, now, actor, "operator-add", name, detail).await
        })
    }

    /// A new enrolment code; one given out before is void.
    pub async fn new_code(&self, name: &str, actor: &str, now: Timestamp) -> Result<EnrolmentCode> {
        let text = code_text(&self.draw());
        let until = now.checked_add(self.config.code_life).unwrap_or(Timestamp::MAX);
        transaction!(self.db, |tx| {
            let sql = "UPDATE operator SET code = $2, code_until = $3, failures = 0, locked_until = NULL \
                WHERE name = $1 AND enabled = TRUE";
            if tx.execute(sql, params![name, code_hash(&text), until]).await? == 0 {
                return Err(OperatorError::Unknown(name.to_owned()));
            }
            log(tx, now, actor, "operator-code", name, json!({})).await
        })?;
        Ok(EnrolmentCode { text, until })
    }

    /// Gives an operator another role, or none. Holds from the next request on.
    pub async fn set_role(&self, name: &str, role: Option<Role>, actor: &str, now: Timestamp) -> Result<()> {
        transaction!(self.db, |tx| {
            let sql = "UPDATE operator SET role = $2 WHERE name = $1";
            if tx.execute(sql, params![name, role.map(Role::as_str)]).await? == 0 {
                return Err(OperatorError::Unknown(name.to_owned()));
            }
            let detail = json!({ "role": role.map(Role::as_str) });
            log(tx, now, actor, "operator-role", name, detail).await
        })
    }

    /// Lets an account be used, or not any more; its sessions end at once.
    pub async fn set_enabled(&self, name: &str, enabled: bool, actor: &str, now: Timestamp) -> Result<()> {
        transaction!(self.db, |tx| {
            let sql = "UPDATE operator SET enabled = $2, code = NULL WHERE name = $1";
            if tx.execute(sql, params![name, enabled]).await? == 0 {
                return Err(OperatorError::Unknown(name.to_owned()));
            }
            tx.execute("DELETE FROM session WHERE name = $1", params![name]).await?;
            let action = if enabled { "operator-enable" } else { "operator-disable" };
            log(tx, now, actor, action, name, json!({})).await
        })
    }

    /// Every operator, by name.
    pub async fn list(&self) -> Result<Vec<Operator>> {
        let sql = "SELECT name, role, enabled, locked_until, last_sign_in, added_by, added_at, \
            (SELECT COUNT(*) FROM password WHERE password.name = operator.name) AS passwords \
            FROM operator ORDER BY name";
        self.db.all(sql, params![]).await?.iter().map(operator).collect()
    }

    /// Uses an enrolment code: sets the password, ends every session of the account. The attempt counts like one at the
    /// password.
    pub async fn enrol(&self, name: &str, code: &str, password: &str, now: Timestamp) -> Result<()> {
        // The rule is public: refused before the attempt is counted, so that a mistyped password costs nothing.
        password::check(name, password).map_err(OperatorError::Password)?;
        let hash = code_hash(code);
        self.count_attempt(name, now).await?;
        let fits =
            "SELECT 1 FROM operator WHERE name = $1 AND enabled = TRUE AND code = $2 AND code_until > $3";
        if self.db.optional(fits, params![name, &hash, now]).await?.is_none() {
            self.refuse(name, "enrol-refused", now).await?;
            return Err(OperatorError::Refused);
        }
        let stored = self.new_password(name, password).await?;
        transaction!(self.db, |tx| {
            let sql = "UPDATE operator SET code = NULL, code_until = NULL, failures = 0, locked_until = NULL \
                WHERE name = $1 AND code = $2";
            // Used by somebody else at the same moment.
            if tx.execute(sql, params![name, &hash]).await? == 0 {
                return Err(OperatorError::Refused);
            }
            store_password(tx, name, &stored, now).await?;
            log(tx, now, name, "operator-enrol", name, json!({})).await
        })
    }

    /// Sets another password; the present one is needed. Every session of the account ends.
    pub async fn change_password(&self, name: &str, old: &str, new: &str, now: Timestamp) -> Result<()> {
        password::check(name, new).map_err(OperatorError::Password)?;
        self.verify(name, old, now).await?;
        let stored = self.new_password(name, new).await?;
        transaction!(self.db, |tx| {
            store_password(tx, name, &stored, now).await?;
            log(tx, now, name, "password-change", name, json!({})).await
        })
    }

    /// The hash of a password that is none of the last five.
    async fn new_password(&self, name: &str, password: &str) -> Result<Stored> {
        let password = SecretBytes::new(password.as_bytes());
        for earlier in self.passwords(name, KEPT).await? {
            if self.hasher.matches(&password, &earlier.0).await? {
                return Err(OperatorError::Password(Weakness::Reused));
            }
        }
        let salt = self.draw();
        self.hasher.hash(&password, salt).await
    }

    /// The newest passwords of an account, and when each was set.
    pub(crate) async fn passwords(&self, name: &str, count: u32) -> Result<Vec<(Stored, Timestamp)>> {
        let sql = "SELECT salt, hash, memory, passes, set_at FROM password WHERE name = $1 \
            ORDER BY number DESC LIMIT $2";
        let rows = self.db.all(sql, params![name, count]).await?;
        let read = |row: &Row| {
            let cost = Cost { memory: row.read("memory")?, passes: row.read("passes")? };
            let stored = Stored { salt: row.read("salt")?, hash: row.read("hash")?, cost };
            Ok((stored, row.read("set_at")?))
        };
        rows.iter().map(read).collect()
    }
}

async fn store_password(tx: &mut Tx, name: &str, stored: &Stored, now: Timestamp) -> Result<()> {
    let sql = "SELECT COALESCE(MAX(number), 0) FROM password WHERE name = $1";
    let number = tx.one(sql, params![name]).await?.read::<i64>(0)? + 1;
    tx.execute_one(
        "INSERT INTO password (name, number, salt, hash, memory, passes, set_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        params![name, number, stored.salt, stored.hash, stored.cost.memory, stored.cost.passes, now],
    )
    .await?;
    let sql = "DELETE FROM password WHERE name = $1 AND number <= $2";
    tx.execute(sql, params![name, number - i64::from(KEPT)]).await?;
    tx.execute("DELETE FROM session WHERE name = $1", params![name]).await?;
    Ok(())
}

fn operator(row: &Row) -> Result<Operator> {
    Ok(Operator {
        name: row.read("name")?,
        role: role(row)?,
        enabled: row.read("enabled")?,
        enrolled: row.read::<i64>("passwords")? > 0,
        locked_until: row.read("locked_until")?,
        last_sign_in: row.read("last_sign_in")?,
        added_by: row.read("added_by")?,
        added_at: row.read("added_at")?,
    })
}

pub(crate) fn role(row: &Row) -> Result<Option<Role>> {
    let Some(name) = row.read::<Option<String>>("role")? else { return Ok(None) };
    Role::from_name(&name).map(Some).ok_or(OperatorError::Inconsistent("role"))
}

/// An account's name as the logs keep it.
fn check_name(name: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
    let good = (1..=64).contains(&name.len())
        && name.chars().all(plain)
        && name.starts_with(|c: char| c.is_ascii_lowercase());
    if good { Ok(()) } else { Err(OperatorError::Name) }
}

/// Twenty letters and digits that cannot be mistaken for each other, in groups of five: 100 bits.
fn code_text(random: &[u8; 20]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    let mut text = String::with_capacity(23);
    for (place, byte) in random.iter().enumerate() {
        if place > 0 && place % 5 == 0 {
            text.push('-');
        }
        text.push(char::from(ALPHABET[usize::from(byte % 32)]));
    }
    text
}

/// What is stored of a code. Case, hyphens and blanks are the typist's; its 100 bits need no slow hash.
fn code_hash(code: &str) -> Vec<u8> {
    let plain: String =
        code.chars().filter(char::is_ascii_alphanumeric).take(64).map(|c| c.to_ascii_uppercase()).collect();
    Hash::Sha256.digest(plain.as_bytes())
}

/// How many passwords of an account are kept, so that none of them is used again.
const KEPT: u32 = 5;
