//! A certificate that its registration authority refused, or never confirmed, is revoked, and its slot is free again: the card was
//! not left with it (RFC 9810 §5.3.18), and a card has one slot for each key and no other to try with.
//!
//! The certificate stays with all that is known of it. Its slot is written as one of another hundred, and its key makes way, so that
//! the card may ask for the same key again and no other card may. Nobody mints without end in this way: each certificate wants an
//! enrolment of its own, by a person, and a slot is freed [`REJECTIONS`] times at most.

use jiff::Timestamp;
use model::RevocationReason;
use serde_json::json;
use store::{Migration, Tx, params};
use x509::Serial;

use crate::authority::hex;
use crate::request::sha256;
use crate::row::FREED;
use crate::status::Which;
use crate::{Npc, Result};

pub(crate) const MIGRATION: Migration = Migration::new(
    32,
    "rejected certificates",
    "-- certificates that were refused or never confirmed: the slot that is free again, and the key it had
    CREATE TABLE rejected (
        serial BYTEA PRIMARY KEY,
        card TEXT NOT NULL,
        slot BIGINT NOT NULL,
        spki_hash BYTEA NOT NULL,
        at BIGINT NOT NULL
    );
    CREATE INDEX rejected_slot ON rejected (card, slot);
    CREATE INDEX rejected_key ON rejected (spki_hash);",
);

impl Npc {
    /// Revokes a certificate that was refused, or not confirmed, and frees its slot with that. What was revoked before, by whomever
    /// and for whatever reason, keeps its slot, and its key with it: that may be known to others.
    pub(super) async fn take_back(
        &self,
        tx: &mut Tx,
        serial: &Serial,
        by: &str,
        now: Timestamp,
    ) -> Result<()> {
        let reason = RevocationReason::CessationOfOperation;
        let revoked = self.revoke_in(tx, Which::One(*serial), reason, by, now).await?;
        if revoked.changed.contains(serial) { self.free_slot(tx, serial, by, now).await } else { Ok(()) }
    }

    async fn free_slot(&self, tx: &mut Tx, serial: &Serial, by: &str, now: Timestamp) -> Result<()> {
        let sql = "SELECT card, slot, spki_hash FROM certificate WHERE serial = $1 AND slot < $2";
        let Some(row) = tx.optional(sql, params![serial.octets(), FREED]).await? else { return Ok(()) };
        let (card, slot): (String, i64) = (row.read("card")?, row.read("slot")?);
        let key: Vec<u8> = row.read("spki_hash")?;
        let sql = "SELECT COUNT(*) FROM rejected WHERE card = $1 AND slot = $2";
        let before: i64 = tx.one(sql, params![&card, slot]).await?.read(0)?;
        if before >= REJECTIONS {
            return Ok(());
        }
        // No key has this hash.
        let instead = sha256(&[&key[..], b"rejected", serial.octets()].concat());
        let sql = "UPDATE certificate SET slot = $2, spki_hash = $3 WHERE serial = $1";
        tx.execute_one(sql, params![serial.octets(), slot + (before + 1) * FREED, instead]).await?;
        let sql = "INSERT INTO rejected (serial, card, slot, spki_hash, at) VALUES ($1, $2, $3, $4, $5)";
        tx.execute_one(sql, params![serial.octets(), &card, slot, &key[..], now]).await?;
        // A queue that had what it waited for waits again.
        let sql = "UPDATE reissue SET state = 'waiting', changed_at = $2 WHERE card = $1 AND state = 'done' \
            AND new_card = FALSE AND needs > (SELECT COUNT(*) FROM certificate JOIN certificate_state USING (serial) \
            WHERE certificate.card = reissue.card AND slot > 2 AND signed = TRUE AND status <> 2)";
        tx.execute(sql, params![&card, now]).await?;
        let detail = json!({ "serial": hex(serial.octets()), "slot": slot, "times": before + 1 });
        self.audit(tx, "slot-free", &card, by, detail, now).await?;
        Ok(())
    }
}

/// How often the slot of a card is freed: whoever refuses again and again has a fault that another certificate does not mend.
const REJECTIONS: i64 = 3;
