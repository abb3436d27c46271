//! Changes of the household register that concern certificate-only cards (NPC-33, NPC-51). Management follows them for its own
//! cards; a person's other carriers are known here alone.

use jiff::Timestamp;
use model::{CardSerial, RevocationReason};
use registry::EventKind;
use serde_json::json;
use store::params;

use crate::{Ra, RaError, Result};

impl Ra {
    /// Follows the register: death, a registration moved abroad and guardianship revoke. The certificates first, the note
    /// that the change was followed afterwards: revoking twice changes nothing. Returns how many changes were followed.
    pub async fn follow_register(&self, now: Timestamp) -> Result<usize> {
        let mut followed = 0;
        loop {
            let sql = "SELECT position FROM bookmark WHERE name = 'register'";
            let row = self.db.optional(sql, params![]).await?;
            let after: u64 = row.map(|row| row.read("position")).transpose()?.unwrap_or(0);
            let events = self.register.events_after(after, 100).await?;
            let Some(last) = events.last().map(|event| event.sequence) else { return Ok(followed) };
            for event in &events {
                if matches!(event.kind, EventKind::Death | EventKind::MovedAbroad | EventKind::Guardianship) {
                    let person = self.management.person_link(&event.person);
                    self.end_certificate_cards(&person, event.kind, now).await?;
                }
                followed += 1;
            }
            let last = i64::try_from(last).map_err(|_| RaError::Data("bookmark"))?;
            self.db
                .execute(
                    "INSERT INTO bookmark (name, position) VALUES ('register', $1) ON CONFLICT (name) DO UPDATE SET \
                     position = CASE WHEN bookmark.position > EXCLUDED.position THEN bookmark.position \
                     ELSE EXCLUDED.position END",
                    params![last],
                )
                .await?;
        }
    }

    async fn end_certificate_cards(&self, person: &[u8; 32], kind: EventKind, now: Timestamp) -> Result<()> {
        let sql = "SELECT card FROM certificate_card WHERE person = $1 ORDER BY card";
        for row in self.db.all(sql, params![person]).await? {
            let card: CardSerial = row.read::<String>("card")?.parse().map_err(|_| RaError::Data("card"))?;
            let reason = RevocationReason::PrivilegeWithdrawn;
            let receipt = self.authority.revoke(card, reason, ACCOUNT, now).await?;
            if receipt.changed.is_empty() {
                continue;
            }
            store::transaction!(self.db, |tx| {
                let detail = json!({ "register": kind.as_str(), "npc": &receipt.number });
                self.audit(tx, "card-end", card.as_str(), ACCOUNT, detail, now).await?;
                Ok::<_, RaError>(())
            })?;
        }
        Ok(())
    }
}

/// The account under which register events act.
const ACCOUNT: &str = "register-events";
