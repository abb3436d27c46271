//! The user code (用戶代碼): kept as a salted slow hash, counted, locked, never shown again (MGMT-59, 60, 62).

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use jiff::Timestamp;
use model::{CardSerial, CardState, UserCode};
use serde_json::json;
use store::params;
use tokio::sync::Semaphore;

use crate::books::{card, log, stamp};
use crate::config::UserCodeCost;
use crate::service::Mgmt;
use crate::{MgmtError, Refusal};

/// Hashes and compares user codes with Argon2id, off the requests' threads and no more at a time than the machine has
/// processors: each takes 19 MiB, and a flood of guesses must wait for memory, not take it.
#[derive(Clone)]
pub struct UserCodeHasher {
    cost: UserCodeCost,
    places: Arc<Semaphore>,
}

impl UserCodeHasher {
    /// A hasher of this cost, with a place for each processor.
    pub fn new(cost: UserCodeCost) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self { cost, places: Arc::new(Semaphore::new(processors)) }
    }

    /// The salted hash to be stored. It names its own parameters (PHC string).
    pub async fn hash(&self, code: &UserCode, salt: [u8; 16]) -> Result<String, MgmtError> {
        let (code, cost) = (code.clone(), self.cost);
        self.off_thread(move || {
            let params =
                Params::new(cost.memory, cost.passes, 1, None).map_err(|_| MgmtError::Data("hash cost"))?;
            let hash: PasswordHash = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
                .hash_password_with_salt(code.expose().as_bytes(), &salt)
                .map_err(|_| MgmtError::Data("user code hash"))?;
            Ok(hash.to_string())
        })
        .await
    }

    /// Whether the code is the one the hash was made of.
    pub async fn matches(&self, code: &UserCode, hash: String) -> Result<bool, MgmtError> {
        let code = code.clone();
        self.off_thread(move || {
            let hash = PasswordHash::new(&hash).map_err(|_| MgmtError::Data("user code hash"))?;
            Ok(Argon2::default().verify_password(code.expose().as_bytes(), &hash).is_ok())
        })
        .await
    }

    /// The same where there is no hash: never, and in the same time.
    pub async fn matches_nothing(&self, code: &UserCode) -> Result<bool, MgmtError> {
        self.hash(code, [0; 16]).await.map(|_| false)
    }

    async fn off_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, MgmtError> + Send + 'static,
    ) -> Result<T, MgmtError> {
        let died = || MgmtError::Data("hash worker");
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| died())?;
        let worker = tokio::task::spawn_blocking(move || {
            let done = work();
            // Kept by the work, not by the request: one that was given up still computes.
            drop(place);
            done
        });
        worker.await.map_err(|_| died())?
    }
}

impl Mgmt {
    /// Changes the user code. The default one has to be changed before it can set PINs (MGMT-59).
    pub async fn change_user_code(
        &self,
        serial: CardSerial,
        old: &UserCode,
        new: &UserCode,
        now: Timestamp,
    ) -> Result<(), MgmtError> {
        self.verify_user_code(serial, old, now).await?;
        if old == new {
            return Err(Refusal::UserCodeUnchanged.into());
        }
        let hash = self.hasher.hash(new, self.draw()).await?;
        self.store_user_code(serial, &hash, "set", "user-code-change", "holder", now).await
    }

    /// Gives a new default user code at a counter, after the clerk has identified the holder (MGMT-61). The old one is void.
    pub async fn reset_user_code(
        &self,
        serial: CardSerial,
        clerk: &str,
        now: Timestamp,
    ) -> Result<UserCode, MgmtError> {
        let code = UserCode::sample(self.draw());
        let hash = self.hasher.hash(&code, self.draw()).await?;
        self.store_user_code(serial, &hash, "default", "user-code-reset", clerk, now).await?;
        Ok(code)
    }

    async fn store_user_code(
        &self,
        serial: CardSerial,
        hash: &str,
        state: &str,
        action: &str,
        actor: &str,
        now: Timestamp,
    ) -> Result<(), MgmtError> {
        store::transaction!(self.db, |tx| {
            let entry = card(tx, serial).await?;
            if !matches!(entry.state(), CardState::Active | CardState::Suspended | CardState::Recalled) {
                return Err(MgmtError::from(Refusal::WrongState));
            }
            tx.execute_one(
                "UPDATE card SET user_code = $2, user_code_state = $3, failures = 0, locked_until = NULL, \
                 changed_at = $4 WHERE serial = $1",
                params![serial.as_str(), hash, state, now],
            )
            .await?;
            log(tx, &stamp(now, actor), action, serial.as_str(), json!({})).await
        })
    }

    /// The right code, and no longer the default one: what a holder must show to set PINs or act online.
    pub(crate) async fn own_user_code(
        &self,
        serial: CardSerial,
        code: &UserCode,
        now: Timestamp,
    ) -> Result<(), MgmtError> {
        self.verify_user_code(serial, code, now).await?;
        // MGMT-59: the default code must be changed first.
        match crate::books::card_now(&self.db, serial).await?.user_code_state.as_str() {
            "set" => Ok(()),
            _ => Err(Refusal::UserCodeDefault.into()),
        }
    }

    /// Whether the code is the holder's. Each try is counted before it is compared, so that neither a crash nor many
    /// tries at once give a free one; after too many failures the code is locked for a while.
    pub(crate) async fn verify_user_code(
        &self,
        serial: CardSerial,
        code: &UserCode,
        now: Timestamp,
    ) -> Result<(), MgmtError> {
        let lock = now.checked_add(self.config.user_code_lock).unwrap_or(Timestamp::MAX);
        let hash = store::transaction!(self.db, |tx| {
            let row = tx
                .optional(
                    "SELECT user_code, failures, locked_until FROM card WHERE serial = $1",
                    params![serial.as_str()],
                )
                .await?
                .ok_or(Refusal::CardUnknown)?;
            // A card whose holder never got one answers as to a wrong one, as late, and locks as early.
            let hash = row.read::<Option<String>>("user_code")?;
            let locked: Option<Timestamp> = row.read("locked_until")?;
            let mut failures: u32 = row.read("failures")?;
            if let Some(until) = locked {
                if until > now {
                    return Err(MgmtError::from(Refusal::UserCodeLocked));
                }
                failures = 0;
            }
            let failures = failures + 1;
            let until = (failures >= self.config.user_code_attempts).then_some(lock);
            tx.execute_one(
                "UPDATE card SET failures = $2, locked_until = $3 WHERE serial = $1",
                params![serial.as_str(), failures, until],
            )
            .await?;
            Ok(hash)
        })?;
        let right = match hash {
            Some(hash) => self.hasher.matches(code, hash).await?,
            None => self.hasher.matches_nothing(code).await?,
        };
        if !right {
            store::transaction!(self.db, |tx| {
                log(tx, &stamp(now, "holder"), "user-code-wrong", serial.as_str(), json!({})).await
            })?;
            return Err(Refusal::UserCodeWrong.into());
        }
        self.db
            .execute(
                "UPDATE card SET failures = 0, locked_until = NULL WHERE serial = $1",
                params![serial.as_str()],
            )
            .await?;
        Ok(())
    }
}
