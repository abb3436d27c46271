//! Mutual verification of management and registration authority (NPC-43 item 1): each signs the same fresh statement with its
//! key, and each knows the other's key from the first time they met.

use curve::{Curve, Random, SecretKey};
use jiff::Timestamp;
use mgmt::{PeerProof, PeerStatement};
use serde_json::json;
use store::params;

use crate::{Ra, RaError, Refusal, Result, SYSTEM};

impl Ra {
    /// Verifies management and lets it verify this system. Gives the receipt number.
    pub async fn verify_management(&self, now: Timestamp) -> Result<String> {
        let mut nonce = [0; 32];
        self.random.clone().fill(&mut nonce);
        let statement = PeerStatement { at: now, nonce };
        let key = SecretKey::from_bytes(Curve::P256, self.keys.derive_bytes::<32>("system").expose());
        let key = key.map_err(|_| RaError::Data("the system's key"))?;
        let answer = self.management.verify_peer(&PeerProof::sign(SYSTEM, &key, statement), now).await?;
        let fresh = answer.statement == statement && answer.name != SYSTEM && answer.holds(now);
        let receipt = store::transaction!(self.db, |tx| {
            let row = tx.optional("SELECT spki FROM peer WHERE name = $1", params![&answer.name]).await?;
            let known: Option<Vec<u8>> = row.map(|row| row.read("spki")).transpose()?;
            let good = fresh && known.as_ref().is_none_or(|known| *known == answer.spki);
            if good && known.is_none() {
                let sql = "INSERT INTO peer (name, spki) VALUES ($1, $2)";
                tx.execute_one(sql, params![&answer.name, &answer.spki]).await?;
            }
            let action = if good { "peer-verify" } else { "peer-refuse" };
            let head = self.audit(tx, action, &answer.name, SYSTEM, json!({}), now).await?;
            Ok::<_, RaError>(good.then(|| format!("RA-{:010}", head.seq)))
        })?;
        receipt.ok_or_else(|| Refusal::PeerUnknown.into())
    }
}
