//! Suspend, resume, revoke.

use jiff::SignedDuration;
use model::{CertificateState, KeySlot, RevocationReason, SuspensionCause};
use npc::{CertificateAuthority, Npc};
use store::{params, testkit::each_engine};

use crate::support::*;

async fn states(npc: &Npc, number: u32) -> Vec<&'static str> {
    npc.certificates_of(card(number), now()).await.unwrap().iter().map(|c| c.state.as_str()).collect()
}

// proves: LOSS-10
#[tokio::test]
async fn a_certificate_its_holder_suspended_stays_so_when_the_loss_is_withdrawn() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        for (n, slot) in [KeySlot::SigningRsa, KeySlot::EncryptionRsa].into_iter().enumerate() {
            issued(&npc, 1, slot, n).await;
            issued(&npc, 2, slot, n + 2).await;
        }
        use SuspensionCause::{Holder, Loss};
        assert_eq!(npc.suspend(card(1), Holder, "holder", now()).await.unwrap().changed.len(), 2);
        for number in [1, 2] {
            assert_eq!(npc.suspend(card(number), Loss, "hotline", now()).await.unwrap().changed.len(), 2);
            assert_eq!(states(&npc, number).await, ["suspended", "suspended"]);
        }
        for number in [1, 2] {
            npc.resume(card(number), Loss, "clerk", now()).await.unwrap();
        }
        assert_eq!(states(&npc, 1).await, ["suspended", "suspended"]);
        assert_eq!(states(&npc, 2).await, ["good", "good"]);
        npc.resume(card(1), Holder, "holder", now()).await.unwrap();
        assert_eq!(states(&npc, 1).await, ["good", "good"]);
    })
    .await;
}

// proves: NPC-48
#[tokio::test]
async fn revocation_is_final_and_everything_can_be_repeated() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let certificate = issued(&npc, 1, KeySlot::SigningRsa, 0).await;
        let suspend = async || npc.suspend(card(1), SuspensionCause::Loss, "clerk", now()).await;
        let first = suspend().await.unwrap();
        let second = suspend().await.unwrap();
        assert_eq!((first.changed.len(), second.changed.len()), (1, 0));
        assert!(first.number.starts_with("NPC-") && second.number > first.number);

        let later = now() + SignedDuration::from_secs(5);
        npc.revoke(card(1), RevocationReason::KeyCompromise, "clerk", now()).await.unwrap();
        let again = npc.revoke(card(1), RevocationReason::Superseded, "clerk", later).await.unwrap();
        assert!(again.changed.is_empty());
        let state = npc.status(&certificate.serial, later).await.unwrap().unwrap();
        assert_eq!(state, CertificateState::Revoked { reason: RevocationReason::KeyCompromise, at: now() });
        assert!(suspend().await.unwrap().changed.is_empty());
        let resumed = npc.resume(card(1), SuspensionCause::Loss, "clerk", later).await.unwrap_err();
        assert_eq!(resumed.code(), "NPC-REVOKED");
        assert_eq!(states(&npc, 1).await, ["revoked"]);

        for refused in [
            npc.suspend(card(9), SuspensionCause::Loss, "clerk", now()).await,
            npc.resume(card(9), SuspensionCause::Loss, "clerk", now()).await,
            npc.revoke(card(9), RevocationReason::Unspecified, "clerk", now()).await,
        ] {
            assert_eq!(refused.unwrap_err().code(), "NPC-NO-CERTIFICATE");
        }
        assert_eq!(npc.status(&x509::Serial::from_u128(1).unwrap(), now()).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn every_change_has_its_event_and_audit_entry() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        issued(&npc, 1, KeySlot::SigningRsa, 0).await;
        let step = |n| now() + SignedDuration::from_secs(n);
        npc.suspend(card(1), SuspensionCause::Loss, "hotline-3", step(1)).await.unwrap();
        npc.resume(card(1), SuspensionCause::Loss, "clerk-1", step(2)).await.unwrap();
        npc.revoke(card(1), RevocationReason::CessationOfOperation, "clerk-2", step(3)).await.unwrap();
        let rows = db.all("SELECT kind, actor, state FROM event ORDER BY at, id", params![]).await.unwrap();
        let read = |row: &store::Row, column: &str| row.read::<String>(column).unwrap();
        let events: Vec<_> = rows.iter().map(|row| (read(row, "kind"), read(row, "actor"))).collect();
        let expected =
            [("issue", "npc"), ("suspend", "hotline-3"), ("resume", "clerk-1"), ("revoke", "clerk-2")];
        assert_eq!(events, expected.map(|(kind, actor)| (kind.to_owned(), actor.to_owned())));
        // The state is what its events made of it.
        let last: CertificateState = serde_json::from_str(&read(rows.last().unwrap(), "state")).unwrap();
        assert_eq!(npc.certificates_of(card(1), step(4)).await.unwrap()[0].state, last);
        let entries = audit::events(&db, Some("TWA000001"), 0, 10).await.unwrap();
        let actions: Vec<_> = entries.iter().map(|entry| entry.action.as_str()).collect();
        assert_eq!(
            actions,
            [
                "certificate-issue",
                "certificate-sign",
                "certificate-suspend",
                "certificate-resume",
                "certificate-revoke"
            ]
        );
        assert_eq!(entries[2].at, step(1));
        npc.verify_audit(None).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_certificate_ends_with_its_last_second() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        issued(&npc, 1, KeySlot::SigningRsa, 0).await;
        issued(&npc, 2, KeySlot::SigningRsa, 1).await;
        npc.revoke(card(2), RevocationReason::Unspecified, "clerk", now()).await.unwrap();
        let state = async |number, when: &str| {
            npc.certificates_of(card(number), at(when)).await.unwrap()[0].state.as_str()
        };
        assert_eq!(state(1, "2031-08-01T15:59:59.9Z").await, "good");
        assert_eq!(state(1, "2031-08-01T16:00:00Z").await, "expired");
        assert_eq!(state(2, "2031-08-01T16:00:00Z").await, "revoked");
        let after = at("2031-08-01T16:00:00Z");
        assert!(
            npc.suspend(card(1), SuspensionCause::Loss, "clerk", after).await.unwrap().changed.is_empty()
        );
        assert!(
            npc.revoke(card(1), RevocationReason::Unspecified, "clerk", after)
                .await
                .unwrap()
                .changed
                .is_empty()
        );
    })
    .await;
}
