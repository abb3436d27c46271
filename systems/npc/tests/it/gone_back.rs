//! A database that goes back under a running process: a standby that lagged takes over, a backup is restored.

use std::time::Duration;

use curve::Hash;
use jiff::SignedDuration;
use model::{KeySlot, RevocationReason, SuspensionCause};
use npc::{CertificateAuthority, Npc, Population, Scope};
use store::testkit::each_engine;
use store::{Db, Engine, params, transaction};
use x509::Serial;
use x509::ocsp::{BasicResponse, CertId, CertificateStatus, IssuerHashes, build_request};

use crate::stamps::stamp;
use crate::support::*;

async fn is_revoked(npc: &Npc, serial: &Serial) -> bool {
    let hashes = IssuerHashes::new(&npc.ca_certificate()).unwrap();
    let question = build_request(&[CertId::new(&hashes, Hash::Sha256, serial).unwrap()], None);
    let answer = BasicResponse::parse(&npc.ocsp(&question, now()).await).unwrap();
    matches!(answer.answers[0].status, CertificateStatus::Revoked { .. })
}

/// Scope, number, change and times; then the list, its base and what was lifted.
type StoredList = ([i64; 5], Option<Vec<u8>>, Option<i64>, Option<Vec<u8>>);

/// What a backup has: states, sequence of changes, lists, end of the audit log.
struct Backup {
    states: Vec<(Vec<u8>, i64, i64, i64, i64, String)>,
    counters: Vec<(String, i64)>,
    lists: Vec<StoredList>,
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
        let sql = "SELECT scope, number, change, this_update, next_update, der, base, lifted FROM crl";
        let lists = db.all(sql, params![]).await.unwrap();
        let lists = lists.iter().map(|row| {
            let numbers = [0, 1, 2, 3, 4].map(|n: usize| row.read::<i64>(n).unwrap());
            (numbers, row.read(5).unwrap(), row.read(6).unwrap(), row.read(7).unwrap())
        });
        let head = db.one("SELECT seq, hash FROM audit_head", params![]).await.unwrap();
        Self {
            states: states.collect(),
            counters: counters.iter().map(|row| (row.read(0).unwrap(), row.read(1).unwrap())).collect(),
            lists: lists.collect(),
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
            tx.execute("DELETE FROM crl", params![]).await?;
            for ([scope, number, change, this, next], der, base, lifted) in &self.lists {
                let sql = "INSERT INTO crl (scope, number, change, this_update, next_update, der, base, lifted) \
                    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
                let (der, lifted) = (der.as_deref(), lifted.as_deref());
                tx.execute_one(sql, params![*scope, *number, *change, *this, *next, der, *base, lifted])
                    .await?;
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

/// Nothing was listed when the backup was made, and its lists, young as they are, have lower numbers than those that were told since.
#[tokio::test]
async fn no_list_of_the_backup_is_served_though_nothing_is_listed_in_it() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let serial = issued(&npc, 1, KeySlot::SigningRsa, 0).await.serial;
        npc.maintain(now()).await.unwrap();
        let backup = Backup::of(&db).await;
        npc.revoke(card(1), RevocationReason::KeyCompromise, "clerk", now()).await.unwrap();
        let partition = Population::partition_of(&serial, npc.config().partitions);
        let told = npc.crl(Scope::Partition(partition), now()).await.unwrap();
        assert_eq!(x509::crl::Crl::parse(&told.der).unwrap().entries().count(), 1);
        backup.restore(&db).await;
        assert!(!is_revoked(&npc, &serial).await);
        for scope in npc.scopes() {
            let list = npc.crl(scope, now()).await.unwrap();
            assert!(list.number > told.number, "{scope:?}: {} after {}", list.number, told.number);
        }
        // Nor by a process that takes over what is stored.
        let list = open(&db).await.crl(Scope::Partition(partition), now()).await.unwrap();
        assert!(list.number > told.number);
        assert_eq!(x509::crl::Crl::parse(&list.der).unwrap().entries().count(), 0);
    })
    .await;
}

/// The database goes back to where it was read last: only what this process has written since and handed out is missing.
#[tokio::test]
async fn no_number_is_given_twice_where_only_what_was_handed_out_is_lost() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        for number in 1..=2 {
            issued(&npc, number, KeySlot::SigningRsa, number as usize).await;
        }
        npc.revoke(card(1), RevocationReason::KeyCompromise, "clerk", now()).await.unwrap();
        let backup = Backup::of(&db).await;
        let told = npc.crl(Scope::Complete, now()).await.unwrap();
        backup.restore(&db).await;
        npc.suspend(card(2), SuspensionCause::Loss, "hotline", now()).await.unwrap();
        assert_eq!(npc.database_went_back().await.unwrap(), Some(now()));
        let list = npc.crl(Scope::Complete, now()).await.unwrap();
        assert!(list.number > told.number, "{} after {}", list.number, told.number);

        // Time stamps are given without reading anything: a block begins behind the last one.
        npc.start_issuing("anna", now()).await.unwrap();
        npc.maintain(now()).await.unwrap();
        let backup = Backup::of(&db).await;
        let first = stamp(&npc, now()).await.serial;
        backup.restore(&db).await;
        let later = now() + SignedDuration::from_mins(2);
        assert_ne!(stamp(&npc, later).await.serial, first);
        npc.crl(Scope::Complete, later).await.unwrap();
        assert_eq!(npc.database_went_back().await.unwrap(), Some(later), "each block has an entry");
    })
    .await;
}

/// Reading everything anew takes as long as it takes: meanwhile what was known is told, and what changes.
#[tokio::test]
async fn while_everything_is_read_anew_changes_are_told() {
    each_engine("npc", async |db| {
        if db.engine() == Engine::Sqlite {
            // Nobody can be kept from reading there.
            return;
        }
        let npc = open(&db).await;
        let mut serials = Vec::new();
        for number in 1..=3 {
            serials.push(issued(&npc, number, KeySlot::SigningRsa, number as usize).await.serial);
        }
        npc.maintain(now()).await.unwrap();
        let backup = Backup::of(&db).await;
        npc.revoke(card(1), RevocationReason::KeyCompromise, "clerk", now()).await.unwrap();
        backup.restore(&db).await;
        // The first thing that is read anew, and nothing else, waits.
        let mut held = db.begin().await.unwrap();
        held.execute("LOCK TABLE authority IN ACCESS EXCLUSIVE MODE", params![]).await.unwrap();
        let told = async {
            for number in 2..=3 {
                npc.revoke(card(number), RevocationReason::KeyCompromise, "clerk", now()).await.unwrap();
            }
            assert!(is_revoked(&npc, &serials[0]).await, "as it was told");
            assert!(is_revoked(&npc, &serials[2]).await, "changed since it was found out");
        };
        tokio::time::timeout(Duration::from_secs(20), told)
            .await
            .expect("nobody waits for what is read anew");
        assert_eq!(npc.database_went_back().await.unwrap(), Some(now()));
        held.rollback().await.unwrap();
        let mut turns = 0;
        while is_revoked(&npc, &serials[0]).await {
            turns += 1;
            assert!(turns < 200, "it is never taken over");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(is_revoked(&npc, &serials[1]).await && is_revoked(&npc, &serials[2]).await);
        let entries = audit::events(&db, Some("database"), 0, 10).await.unwrap();
        let actions: Vec<_> = entries.iter().map(|entry| entry.action.as_str()).collect();
        assert_eq!(actions, ["database-back", "database-back-lost"]);
        npc.verify_audit(None).await.unwrap();
    })
    .await;
}
