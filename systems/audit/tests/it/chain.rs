//! Appending.

use audit::{AuditError, AuditLog, Event, Head};
use serde_json::json;
use store::testkit::{each_engine, each_engine_url};
use store::{Db, Migration, When, params, transaction};

use crate::{at, event};

const CARD: Migration =
    Migration::new(1, "card", "CREATE TABLE card (serial TEXT PRIMARY KEY, state TEXT NOT NULL)");

// proves: SECURITY-46, OPEN-28
#[tokio::test]
async fn events_chain_and_keep_their_microseconds() {
    each_engine("audit", async |db| {
        let log = AuditLog::open(db.clone()).await.unwrap();
        assert_eq!(log.verify(None).await.unwrap(), Head::EMPTY);
        for n in 1..=3 {
            log.append(&event(n)).await.unwrap();
        }
        let head = log.verify(None).await.unwrap();
        assert_eq!(head.seq, 3);
        let entries = audit::events(&db, None, 0, 10).await.unwrap();
        assert_eq!(
            entries.iter().map(|e| (e.seq, e.at)).collect::<Vec<_>>(),
            [(1, at(1)), (2, at(2)), (3, at(3))]
        );
        assert_eq!(entries[2].hash, head.hash);
        let first: serde_json::Value = serde_json::from_str(&entries[0].detail).unwrap();
        assert_eq!(first, json!({"n": 1, "reason": "掛失"}));
        // Opened again by another run of the program.
        let again = AuditLog::open(db.clone()).await.unwrap();
        assert_eq!(again.append(&event(4)).await.unwrap().seq, 4);
        assert_eq!(again.verify(Some(&head)).await.unwrap().seq, 4);
        assert_eq!(audit::events(&db, Some("TWA000123"), 1, 2).await.unwrap().len(), 2);
        assert_eq!(audit::events(&db, Some("TWA000999"), 0, 2).await.unwrap().len(), 0);
    })
    .await;
}

/// The encoding is fixed for ever: a chain written by any release is verified by every later one. The expected value
/// was computed with Python's hashlib from the description in `Entry::chained`.
#[tokio::test]
async fn the_hash_of_a_known_event_is_the_known_hash() {
    each_engine("audit", async |db| {
        let log = AuditLog::open(db).await.unwrap();
        let head = log
            .append(&Event {
                at: "2026-08-05T01:02:03.000004Z".parse().unwrap(),
                actor: "a",
                system: "npc",
                action: "issue",
                subject: "TWA000001",
                detail: json!({"slot": 1}),
            })
            .await
            .unwrap();
        assert_eq!(format!("{head:?}"), format!("Head(1 {KNOWN})"));
    })
    .await;
}

const KNOWN: &str = "1a40e3f10d5a108d4b5925cdcc016dcb5524ec7f9ee111928435f67462ef687c";

// proves: SECURITY-47
#[tokio::test]
async fn there_is_no_change_without_its_event_nor_event_without_its_change() {
    each_engine("audit", async |db| {
        db.migrate(&[audit::MIGRATION, CARD]).await.unwrap();
        let change = async |serial: &str, actor: &str| -> audit::Result<Head> {
            transaction!(db, |tx| {
                let sql = "INSERT INTO card (serial, state) VALUES ($1, 'active')";
                tx.execute_one(sql, params![serial]).await?;
                audit::append(tx, &Event { actor, subject: serial, ..event(1) }).await
            })
        };
        change("TWA000001", "clerk").await.unwrap();
        // The change is refused: no event.
        assert_eq!(change("TWA000001", "clerk").await.unwrap_err().code(), "STORE-UNIQUE");
        // The event is refused: no change.
        assert_eq!(change("TWA000002", "").await.unwrap_err().code(), "AUDIT-REFUSED");
        // Killed before the commit: neither. After it: both.
        db.fail_after(1, When::BeforeCommit);
        change("TWA000003", "clerk").await.unwrap_err();
        db.revive();
        db.fail_after(1, When::AfterCommit);
        change("TWA000004", "clerk").await.unwrap_err();
        db.revive();
        // The log cannot be written at all: no change.
        db.execute("ALTER TABLE audit_entry RENAME TO elsewhere", params![]).await.unwrap();
        assert_eq!(change("TWA000005", "clerk").await.unwrap_err().code(), "STORE-SQL");
        db.execute("ALTER TABLE elsewhere RENAME TO audit_entry", params![]).await.unwrap();

        let cards = db.all("SELECT serial FROM card ORDER BY serial", params![]).await.unwrap();
        let cards: Vec<String> = cards.iter().map(|row| row.read(0).unwrap()).collect();
        assert_eq!(cards, ["TWA000001", "TWA000004"]);
        let entries = audit::events(&db, None, 0, 10).await.unwrap();
        assert_eq!(
            entries.iter().map(|e| e.subject.as_str()).collect::<Vec<_>>(),
            ["TWA000001", "TWA000004"]
        );
        audit::verify(&db, None).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_in_two_processes_make_one_chain() {
    each_engine_url(async |url| {
        let one = AuditLog::open(Db::open(&url, "audit").await.unwrap()).await.unwrap();
        let two = AuditLog::open(Db::open(&url, "audit").await.unwrap()).await.unwrap();
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..8 {
            let log = if writer % 2 == 0 { one.clone() } else { two.clone() };
            writers.spawn(async move {
                for n in 0..10 {
                    log.append(&event(writer * 100 + n)).await.unwrap();
                }
            });
        }
        writers.join_all().await;
        assert_eq!(one.verify(None).await.unwrap().seq, 80);
        one.db().close().await;
        two.db().close().await;
    })
    .await;
}

#[tokio::test]
async fn many_events_of_one_change_are_one_append() {
    each_engine("audit", async |db| {
        db.migrate(&[audit::MIGRATION]).await.unwrap();
        let all: Vec<_> = (0..2_500).map(event).collect();
        let head = transaction!(db, |tx| audit::append_all(tx, &all).await).unwrap();
        assert_eq!((head.seq, audit::verify(&db, None).await.unwrap()), (2_500, head));
        assert_eq!(transaction!(db, |tx| audit::append_all(tx, &[]).await).unwrap(), head);
        // The same entries, byte for byte, as if they had come one after the other.
        let one_by_one = AuditLog::open(db.clone()).await.unwrap();
        db.execute("DELETE FROM audit_entry WHERE seq > 40", params![]).await.unwrap();
        let kept = audit::events(&db, None, 0, 100).await.unwrap();
        db.execute("DELETE FROM audit_entry", params![]).await.unwrap();
        db.execute("UPDATE audit_head SET seq = 0, hash = NULL", params![]).await.unwrap();
        for event in &all[..40] {
            one_by_one.append(event).await.unwrap();
        }
        assert!(audit::events(&db, None, 0, 100).await.unwrap() == kept && kept.len() == 40);
    })
    .await;
}

#[tokio::test]
async fn what_identifies_a_person_is_refused() {
    each_engine("audit", async |db| {
        let log = AuditLog::open(db).await.unwrap();
        let id = model::NationalIdNo::sample(model::Sex::Female, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        let id = id.as_str();
        let lower = id.to_lowercase();
        for bad in [
            Event { subject: id, ..event(1) },
            Event { subject: &lower, ..event(1) },
            Event { actor: id, ..event(1) },
            Event { detail: json!({"deep": [{"x": format!("for {id}!")}]}), ..event(1) },
            Event { subject: "王小明", ..event(1) },
            Event { subject: "", ..event(1) },
            Event { action: "", ..event(1) },
            Event { actor: &"x".repeat(101), ..event(1) },
            Event { detail: json!("x".repeat(20_000)), ..event(1) },
        ] {
            let error = log.append(&bad).await.unwrap_err();
            assert!(matches!(error, AuditError::Refused(_)), "{error}");
            assert!(!error.to_string().contains(id));
        }
        assert_eq!(log.verify(None).await.unwrap(), Head::EMPTY);
    })
    .await;
}
