//! A database that goes back under a running process: a standby that lagged takes over, a backup is restored.

use curve::Hash;
use model::{KeySlot, RevocationReason, SuspensionCause};
use npc::{CertificateAuthority, Npc, Scope};
use store::testkit::each_engine;
use store::{Db, params, transaction};
use x509::Serial;
use x509::ocsp::{BasicResponse, CertId, CertificateStatus, IssuerHashes, build_request};

use crate::support::*;

async fn is_revoked(npc: &Npc, serial: &Serial) -> bool {
    let hashes = IssuerHashes::new(&npc.ca_certificate()).unwrap();
    let question = build_request(&[CertId::new(&hashes, Hash::Sha256, serial).unwrap()], None);
    let answer = BasicResponse::parse(&npc.ocsp(&question, now()).await).unwrap();
    matches!(answer.answers[0].status, CertificateStatus::Revoked { .. })
}

/// What a backup has: states, sequence of changes, end of the audit log.
struct Backup {
    states: Vec<(Vec<u8>, i64, i64, i64, i64, String)>,
    counters: Vec<(String, i64)>,
    head: (i64, Option<Vec<u8>>),
}

impl Backup {
    async fn of(db: &Db) -> Self {
        let sql = "SELECT serial, state_seq, status, status_at, reason, state FROM certificate_state";
        let rows = db.all(sql, params![]).await.unwrap();
        let states = rows.iter().map(|row| {
            let number = |n: usize| row.read::<i64>(n).unwrap();
            (row.read(0).unwrap(), number(1), number(2), number(3), number(4), row.read(5).unwrap())
        });
        let counters = db.all("SELECT name, value FROM counter", params![]).await.unwrap();
        let head = db.one("SELECT seq, hash FROM audit_head", params![]).await.unwrap();
        Self {
            states: states.collect(),
            counters: counters.iter().map(|row| (row.read(0).unwrap(), row.read(1).unwrap())).collect(),
            head: (head.read(0).unwrap(), head.read(1).unwrap()),
        }
    }

    async fn restore(&self, db: &Db) {
        transaction!(db, |tx| {
            for (serial, seq, status, at, reason, state) in &self.states {
                let sql = "UPDATE certificate_state SET state_seq = $2, status = $3, status_at = $4, reason = $5, \
                    state = $6 WHERE serial = $1";
                tx.execute_one(sql, params![&serial[..], *seq, *status, *at, *reason, state]).await?;
            }
            for (name, value) in &self.counters {
                tx.execute("UPDATE counter SET value = $2 WHERE name = $1", params![name, *value]).await?;
            }
            tx.execute("DELETE FROM audit_entry WHERE seq > $1", params![self.head.0]).await?;
            let hash = self.head.1.as_deref();
            tx.execute("UPDATE audit_head SET seq = $1, hash = $2", params![self.head.0, hash]).await?;
            Ok::<_, store::StoreError>(())
        })
        .unwrap();
    }
}

#[tokio::test]
async fn what_is_changed_after_the_database_has_gone_back_is_told_and_issuing_stops() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let mut serials = Vec::new();
        for number in 1..=3 {
            serials.push(issued(&npc, number, KeySlot::SigningRsa, number as usize).await.serial);
        }
        npc.maintain(now()).await.unwrap();
        let backup = Backup::of(&db).await;
        for number in 1..=2 {
            npc.revoke(card(number), RevocationReason::KeyCompromise, "clerk", now()).await.unwrap();
        }
        let before = npc.crl(Scope::Complete, now()).await.unwrap();
        let told = npc.publish_now("anna", now()).await.unwrap();
        assert!(is_revoked(&npc, &serials[0]).await && is_revoked(&npc, &serials[1]).await);
        assert_eq!(npc.database_went_back().await.unwrap(), None);
        backup.restore(&db).await;

        // The change takes a number that this process knows already.
        npc.revoke(card(3), RevocationReason::KeyCompromise, "clerk", now()).await.unwrap();
        assert!(is_revoked(&npc, &serials[2]).await, "who hears of a change finds it in every answer");
        assert!(!is_revoked(&npc, &serials[0]).await, "as the database has it");
        assert_eq!(npc.database_went_back().await.unwrap(), Some(now()));
        let entries = audit::events(&db, Some("database"), 0, 10).await.unwrap();
        let lost = entries.iter().find(|entry| entry.action == "database-back-lost").unwrap();
        let hex = |serial: &Serial| serial.octets().iter().map(|b| format!("{b:02x}")).collect::<String>();
        assert!(lost.detail.contains(&hex(&serials[0])) && lost.detail.contains(&hex(&serials[1])));
        assert!(lost.detail.contains("\"certificates\":2"), "{}", lost.detail);
        // No process issues until a person has looked, and no number is given a second time.
        let fourth = request(&npc, 4, KeySlot::SigningRsa, 4).await;
        for npc in [&npc, &open(&db).await] {
            assert_eq!(npc.issue(&fourth, now()).await.err().unwrap().code(), "NPC-STOPPED");
            assert!(npc.database_went_back().await.unwrap().is_some());
        }
        npc.revoke(card(1), RevocationReason::KeyCompromise, "clerk", now()).await.unwrap();
        assert!(is_revoked(&npc, &serials[0]).await);
        let after = npc.crl(Scope::Complete, now()).await.unwrap();
        assert!(after.number > before.number);
        assert_eq!(x509::crl::Crl::parse(&after.der).unwrap().entries().count(), 2);
        assert!(npc.publish_now("anna", now()).await.unwrap() > told);
        npc.start_issuing("anna", now()).await.unwrap();
        assert_eq!(npc.database_went_back().await.unwrap(), None);
        npc.issue(&fourth, now()).await.unwrap();
        npc.maintain(now()).await.unwrap();
        let backs = audit::events(&db, Some("database"), 0, 10).await.unwrap();
        assert_eq!(backs.len(), 2, "found once, and what was lost");
        npc.verify_audit(None).await.unwrap();
    })
    .await;
}

/// Another process has written since: the numbers are greater than those this one knows, and only the audit log tells.
#[tokio::test]
async fn a_database_that_went_back_and_was_overtaken_is_noticed_too() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let mut serials = Vec::new();
        for number in 1..=2 {
            serials.push(issued(&npc, number, KeySlot::SigningRsa, number as usize).await.serial);
        }
        let backup = Backup::of(&db).await;
        npc.revoke(card(1), RevocationReason::KeyCompromise, "clerk", now()).await.unwrap();
        backup.restore(&db).await;
        // Opened now, it has nothing to compare.
        let other = open(&db).await;
        other.revoke(card(2), RevocationReason::KeyCompromise, "clerk", now()).await.unwrap();
        for _ in 0..3 {
            other.suspend(card(1), SuspensionCause::Loss, "hotline", now()).await.unwrap();
            other.resume(card(1), SuspensionCause::Loss, "hotline", now()).await.unwrap();
        }
        assert_eq!(other.database_went_back().await.unwrap(), None);
        assert!(is_revoked(&npc, &serials[1]).await, "a question reads it");
        assert!(!is_revoked(&npc, &serials[0]).await);
        assert_eq!(other.database_went_back().await.unwrap(), Some(now()));
        assert!(other.issuing_is_stopped().await.unwrap());
        other.maintain(now()).await.unwrap();
        npc.verify_audit(None).await.unwrap();
    })
    .await;
}
