//! What is made once: the first value stored counts, whoever else was at work at the same time.

use jiff::Timestamp;
use serde_json::json;
use store::{params, transaction};

use crate::service::SYSTEM;
use crate::{DocSigner, DocSignerError, Result};

/// A place for one value: how it is read, and how it is written where nothing stands yet.
pub(crate) struct Once {
    /// `$1` is the key.
    pub(crate) read: &'static str,
    /// `$1` is the key, `$2` the value, `$3` until when the key pair signs, where that is stored with it.
    pub(crate) write: &'static str,
}

impl DocSigner {
    pub(crate) async fn stored(&self, place: &Once, key: i64) -> Result<Option<Vec<u8>>> {
        Ok(self.db.one(place.read, params![key]).await?.read(0)?)
    }

    /// Stores `value` with its event, unless another call was quicker; gives what stands there.
    pub(crate) async fn keep_first(
        &self,
        place: &Once,
        key: i64,
        value: &[u8],
        sign_until: Option<Timestamp>,
        (action, subject): (&str, &str),
        now: Timestamp,
    ) -> Result<Vec<u8>> {
        transaction!(self.db, |tx| {
            let changed = match sign_until {
                Some(until) => tx.execute(place.write, params![key, value, until]).await?,
                None => tx.execute(place.write, params![key, value]).await?,
            };
            if changed == 1 {
                let detail = json!({"hash": hex(&curve::Hash::Sha256.digest(value))});
                self.audit(tx, now, SYSTEM, action, subject, detail).await?;
                return Ok(value.to_vec());
            }
            let stored = tx.one(place.read, params![key]).await?.read::<Option<Vec<u8>>>(0)?;
            stored.ok_or(DocSignerError::Inconsistent("a value that is neither new nor there"))
        })
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
