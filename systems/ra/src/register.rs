//! Changes of the household register that concern certificate-only cards (NPC-33, NPC-51). Management follows them for its own
//! cards; a person's other carriers are known here alone.

use jiff::Timestamp;
use model::{CardSerial, CertificateState, RevocationReason};
use npc::NpcError;
use registry::EventKind;
use serde_json::json;
use store::{Row, params};

use crate::{Ra, RaError, Result};

impl Ra {
    /// Follows the register: death, a registration moved abroad and guardianship revoke. The certificates first, the note
    /// that the change was followed afterwards: revoking twice changes nothing. Returns how many changes were followed. Second
    /// pairs of keys whose certification was interrupted follow their first ones here too.
    pub async fn follow_register(&self, now: Timestamp) -> Result<usize> {
        if let Err(error) = self.follow_pairs(now).await {
            // A death waits for no pair of keys.
            tracing::error!(code = error.code(), "second pairs of keys are not followed");
        }
        let mut followed = 0;
        loop {
            let sql = "SELECT position FROM bookmark WHERE name = 'register'";
            let row = self.db.optional(sql, params![]).await?;
            let after: u64 = row.map(|row| row.read("position")).transpose()?.unwrap_or(0);
            let events = self.register.events_after(after, 100).await?;
            let Some(last) = events.last().map(|event| event.sequence) else {
                self.end_late_certificates(now).await?;
                return Ok(followed);
            };
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
            self.end_certificate_card(card(&row)?, kind.as_str(), now).await?;
        }
        Ok(())
    }

    /// Ends a card for what the register says: first here, so that it gets nothing any more, then its certificates.
    pub(crate) async fn end_certificate_card(
        &self,
        card: CardSerial,
        why: &str,
        now: Timestamp,
    ) -> Result<()> {
        store::transaction!(self.db, |tx| {
            let sql = "UPDATE certificate_card SET ended_at = $2 WHERE card = $1 AND ended_at IS NULL";
            if tx.execute(sql, params![card.as_str(), now]).await? == 1 {
                let detail = json!({ "register": why });
                self.audit(tx, "card-end", card.as_str(), REGISTER, detail, now).await?;
            }
            Ok::<_, RaError>(())
        })?;
        match self.authority.revoke(card, RevocationReason::PrivilegeWithdrawn, REGISTER, now).await {
            // Entered here, and nothing issued yet; what was on its way is revoked when it has come.
            Ok(_) | Err(NpcError::NoCertificate(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Revokes what was issued for a card after the register had ended it: by a request that was killed before it looked.
    async fn end_late_certificates(&self, now: Timestamp) -> Result<()> {
        let sql = "SELECT DISTINCT card FROM request JOIN certificate_card USING (card) \
            WHERE receipt IS NULL AND ended_at IS NOT NULL ORDER BY card";
        for row in self.db.all(sql, params![]).await? {
            let card = card(&row)?;
            let in_force = |state: &CertificateState| {
                matches!(state, CertificateState::Good | CertificateState::Suspended { .. })
            };
            let all = self.authority.certificates_of(card, now).await?;
            if all.iter().any(|certificate| in_force(&certificate.state)) {
                self.authority.revoke(card, RevocationReason::PrivilegeWithdrawn, REGISTER, now).await?;
            }
        }
        Ok(())
    }
}

fn card(row: &Row) -> Result<CardSerial> {
    row.read::<String>("card")?.parse().map_err(|_| RaError::Data("card"))
}

/// The account under which register events act.
const REGISTER: &str = "register-events";
