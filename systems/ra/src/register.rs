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
    /// Follows the register: death, a registration moved abroad and guardianship revoke. Returns how many changes were followed. Second
    /// pairs of keys whose certification was interrupted follow their first ones here too.
    ///
    /// # Errors
    /// What failed first. A card whose certificates could not be revoked holds up no other one, and no other change; it is tried again
    /// at every call.
    pub async fn follow_register(&self, now: Timestamp) -> Result<usize> {
        if let Err(error) = self.follow_pairs(now).await {
            // A death waits for no pair of keys.
            tracing::error!(code = error.code(), "second pairs of keys are not followed");
        }
        let mut followed = 0;
        let mut revoked = self.revoke_ended(now).await;
        loop {
            let sql = "SELECT position FROM bookmark WHERE name = 'register'";
            let row = self.db.optional(sql, params![]).await?;
            let after: u64 = row.map(|row| row.read("position")).transpose()?.unwrap_or(0);
            let events = self.register.events_after(after, 100).await?;
            let Some(last) = events.last().map(|event| event.sequence) else {
                revoked.and(self.end_late_certificates(now).await)?;
                return Ok(followed);
            };
            for event in &events {
                if matches!(event.kind, EventKind::Death | EventKind::MovedAbroad | EventKind::Guardianship) {
                    let person = self.management.person_link(&event.person);
                    self.end_certificate_cards(&person, event.kind, now).await?;
                }
                followed += 1;
            }
            revoked = revoked.and(self.revoke_ended(now).await);
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

    /// Ends the cards of a person; their certificates are revoked by [`Self::revoke_ended`], each by itself.
    async fn end_certificate_cards(&self, person: &[u8; 32], kind: EventKind, now: Timestamp) -> Result<()> {
        let sql = "SELECT card FROM certificate_card WHERE person = $1 ORDER BY card";
        for row in self.db.all(sql, params![person]).await? {
            self.note_end(card(&row)?, kind.as_str(), now).await?;
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
        self.note_end(card, why, now).await?;
        self.revoke_ended_card(card, now).await
    }

    /// Notes that a card has ended, and that its certificates are to be revoked, for as long as it takes.
    async fn note_end(&self, card: CardSerial, why: &str, now: Timestamp) -> Result<()> {
        store::transaction!(self.db, |tx| {
            let sql = "UPDATE certificate_card SET ended_at = $2 WHERE card = $1 AND ended_at IS NULL";
            if tx.execute(sql, params![card.as_str(), now]).await? == 1 {
                let detail = json!({ "register": why });
                self.audit(tx, "card-end", card.as_str(), REGISTER, detail, now).await?;
            }
            let sql = "INSERT INTO to_revoke (card) VALUES ($1) ON CONFLICT (card) DO NOTHING";
            tx.execute(sql, params![card.as_str()]).await?;
            Ok::<_, RaError>(())
        })
    }

    /// Revokes the certificates of cards that have ended, each card by itself. What fails is told, holds up nobody and is tried again
    /// the next time; the first of it is the answer.
    async fn revoke_ended(&self, now: Timestamp) -> Result<()> {
        let (mut after, mut done) = (String::new(), Ok(()));
        loop {
            let sql = "SELECT card FROM to_revoke WHERE card > $1 ORDER BY card LIMIT 100";
            let rows = self.db.all(sql, params![&after]).await?;
            let Some(last) = rows.last() else { return done };
            after = last.read("card")?;
            for row in &rows {
                let card = card(row)?;
                if let Err(error) = self.revoke_ended_card(card, now).await {
                    tracing::error!(
                        code = error.code(),
                        "the certificates of a card that has ended are not revoked yet"
                    );
                    done = done.and(Err(error));
                }
            }
        }
    }

    async fn revoke_ended_card(&self, card: CardSerial, now: Timestamp) -> Result<()> {
        match self.authority.revoke(card, RevocationReason::PrivilegeWithdrawn, REGISTER, now).await {
            // Entered here, and nothing issued yet; what was on its way is revoked when it has come.
            Ok(_) | Err(NpcError::NoCertificate(_)) => {}
            Err(error) => return Err(error.into()),
        }
        self.db.execute("DELETE FROM to_revoke WHERE card = $1", params![card.as_str()]).await?;
        Ok(())
    }

    /// Revokes what was issued for a card after the register had ended it: by a request that was killed before it looked.
    async fn end_late_certificates(&self, now: Timestamp) -> Result<()> {
        let sql = "SELECT DISTINCT card FROM request JOIN certificate_card USING (card) \
            WHERE receipt IS NULL AND ended_at IS NOT NULL ORDER BY card";
        let mut done = Ok(());
        for row in self.db.all(sql, params![]).await? {
            if let Err(error) = self.end_late(card(&row)?, now).await {
                tracing::error!(
                    code = error.code(),
                    "late certificates of a card that has ended are not revoked yet"
                );
                done = done.and(Err(error));
            }
        }
        done
    }

    async fn end_late(&self, card: CardSerial, now: Timestamp) -> Result<()> {
        let in_force = |state: &CertificateState| {
            matches!(state, CertificateState::Good | CertificateState::Suspended { .. })
        };
        let all = self.authority.certificates_of(card, now).await?;
        if all.iter().any(|certificate| in_force(&certificate.state)) {
            self.authority.revoke(card, RevocationReason::PrivilegeWithdrawn, REGISTER, now).await?;
        }
        Ok(())
    }
}

fn card(row: &Row) -> Result<CardSerial> {
    row.read::<String>("card")?.parse().map_err(|_| RaError::Data("card"))
}

/// The account under which register events act.
const REGISTER: &str = "register-events";
