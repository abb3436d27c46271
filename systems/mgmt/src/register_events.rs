//! Changes of the household register that concern cards already handed over or still being made (OPEN-53, NPC-51).

use jiff::Timestamp;
use model::{RevocationReason, VoidReason};
use registry::{EventKind, RegisterEvent};
use serde_json::json;
use store::{Tx, params};

use crate::MgmtError;
use crate::books::{cards_of, log, stamp};
use crate::service::{Mgmt, bookmark, set_bookmark};

impl Mgmt {
    /// Follows the register's changes, each with the note that it was followed in one transaction. Returns how many.
    pub async fn follow_register(&self, now: Timestamp) -> Result<usize, MgmtError> {
        let mut followed = 0;
        loop {
            let row =
                self.db.optional("SELECT position FROM bookmark WHERE name = $1", params![REGISTER]).await?;
            let after = row.map(|row| row.read("position")).transpose()?.unwrap_or(0);
            let events = self.register.events_after(after, 100).await?;
            if events.is_empty() {
                break;
            }
            for event in &events {
                store::transaction!(self.db, |tx| {
                    if bookmark(tx, REGISTER).await? < event.sequence {
                        self.follow_event(tx, event, now).await?;
                        set_bookmark(tx, REGISTER, event.sequence).await?;
                    }
                    Ok::<_, MgmtError>(())
                })?;
                followed += 1;
            }
        }
        if followed > 0 {
            self.work_certificates_quietly(now).await?;
        }
        Ok(followed)
    }

    async fn follow_event(
        &self,
        tx: &mut Tx,
        event: &RegisterEvent,
        now: Timestamp,
    ) -> Result<(), MgmtError> {
        let link = self.keys.person(&event.person);
        for entry in cards_of(tx, &link).await? {
            let serial = entry.serial;
            // A card not yet handed over is looked at by the office, which asks the register itself.
            let in_hands = entry.card.in_hands();
            match event.kind {
                // MGMT-49, MGMT-63: no longer entitled.
                EventKind::Death | EventKind::MovedAbroad if in_hands => {
                    let reason = RevocationReason::PrivilegeWithdrawn;
                    self.void(tx, entry, VoidReason::NotEntitled, reason, now, ACCOUNT).await?;
                }
                // NPC-33: the certificates alone; the card stays an identity card.
                EventKind::Guardianship if entry.certificate && entry.revoked.is_none() => {
                    let by = stamp(now, ACCOUNT);
                    let detail = json!({ "reason": RevocationReason::PrivilegeWithdrawn });
                    log(tx, &by, "certificates-revoke", serial.as_str(), detail).await?;
                    self.revoke_in(tx, entry, RevocationReason::PrivilegeWithdrawn, now).await?;
                }
                // UPDATE-14: the card stays valid and says what was true. An office updates it; printed fields mean a new card.
                EventKind::Moved
                | EventKind::Renumbered
                | EventKind::NameChanged
                | EventKind::Married
                | EventKind::MarriageEnded
                | EventKind::MilitaryService
                | EventKind::Corrected => {
                    tx.execute_one(
                        "UPDATE card SET outdated_at = $2, outdated_by = $3 WHERE serial = $1",
                        params![serial.as_str(), event.at, event.kind.as_str()],
                    )
                    .await?;
                    let detail = json!({ "register": event.kind.as_str() });
                    log(tx, &stamp(now, ACCOUNT), "card-outdated", serial.as_str(), detail).await?;
                    if in_hands {
                        self.notify(tx, entry.case, serial, "content-outdated", now).await?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

const REGISTER: &str = "register";
/// The account under which register events act.
const ACCOUNT: &str = "register-events";
