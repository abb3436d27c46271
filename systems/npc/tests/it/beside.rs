//! An incident beside everybody else who writes to the same database: holders who report losses, and lists made because somebody asks.
//! PostgreSQL alone: on SQLite there is one writer at a time as it is.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use curve::SystemRandom;
use model::{CardSerial, KeySlot, SuspensionCause};
use npc::{CertificateAuthority, Cohort, DrillLot, Measure, Npc, NpcConfig, QueuePlan, Scope};
use store::testkit::OwnServer;
use store::{AssertSqlSafe, Db, params, transaction};

use crate::support::*;

const CARDS: u32 = 1_500;

/// Longer than any batch on a busy machine.
const MOST: Duration = Duration::from_secs(20);

async fn opened(url: &str) -> Npc {
    let config = NpcConfig { incident_batch: 100, partitions: 8, ..config() };
    let db = Db::open(url, "npc").await.unwrap();
    Npc::open(db, shared_keys(), config, Box::new(SystemRandom), now()).await.unwrap()
}

async fn count(npc: &Npc, sql: &str) -> i64 {
    npc.db().one(AssertSqlSafe(sql.to_owned()), params![]).await.unwrap().read(0).unwrap()
}

/// Thirty batches while another process of the CA suspends, resumes and fetches lists as fast as it can: neither fails, neither waits for
/// the other to end, and both are right in the end.
// proves: RECALL-14
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_incident_and_the_reports_of_holders_keep_each_other_going() {
    let server = OwnServer::start();
    let url = server.url();
    let (npc, desk) = (opened(&url).await, opened(&url).await);
    let mut pattern = request(&npc, 999_999, KeySlot::SigningRsa, 0).await;
    pattern.chip_model = None;
    let pattern = npc.issue(&pattern, now()).await.unwrap().serial;
    let cards: Vec<CardSerial> = (1..=CARDS).map(card).collect();
    let lot = DrillLot { cards: &cards, chip_model: "NE-0144", fingerprint: "roca" };
    npc.write_drill_lot(&pattern, lot, now()).await.unwrap();
    // As on a database that has been in use for a while.
    transaction!(npc.db(), |tx| tx.execute("ANALYZE", params![]).await).unwrap();

    let lot = Cohort { chip_model: Some("NE-0144".into()), ..Cohort::default() };
    let proposed = npc.propose_incident(lot, Measure::Suspend, "anna", now()).await.unwrap();
    let over = AtomicBool::new(false);
    let plan = QueuePlan {
        classes: vec!["all".into()],
        per_day: 100,
        offices: std::collections::BTreeMap::new(),
        weekdays: vec![1, 2, 3, 4, 5],
        tries: 3,
    };
    let work = async {
        let done = npc.approve_incident(proposed.number, "bert", now()).await.unwrap();
        npc.open_queue(proposed.number, &plan, "anna", now()).await.unwrap();
        let listed: Vec<_> =
            cards.iter().map(|card| (*card, "all".to_owned(), Some("office".to_owned()))).collect();
        npc.assign_queue(proposed.number, &listed, "anna", now()).await.unwrap();
        npc.plan_queue(proposed.number, date("2026-08-06"), "anna", now()).await.unwrap();
        over.store(true, Ordering::SeqCst);
        done
    };
    let reports = async {
        let mut reports = 0u64;
        for (n, card) in cards.iter().cycle().enumerate() {
            let report = desk.suspend(*card, SuspensionCause::Loss, "hotline", now());
            tokio::time::timeout(MOST, report).await.expect("no report waits for the end").unwrap();
            if n % 3 > 0 {
                desk.resume(*card, SuspensionCause::Loss, "hotline", now()).await.unwrap();
            }
            desk.crl(Scope::Partition((n % 8) as u16), now()).await.unwrap();
            reports += 1;
            if over.load(Ordering::SeqCst) {
                break;
            }
        }
        reports
    };
    let (done, reports) = tokio::join!(work, reports);
    let all = u64::from(CARDS) * 2;
    assert_eq!((done.concerned, done.looked_at, done.changed), (all, all, all));
    // One turn for each batch, and more.
    assert!(reports >= 30, "{reports} reports");
    let held = "SELECT count(*) FROM certificate_state WHERE status = 1 AND state LIKE '%\"incident\"%'";
    assert_eq!(count(&npc, held).await, i64::from(CARDS) * 2);
    let events = "SELECT count(DISTINCT serial) FROM event WHERE incident = 1";
    assert_eq!(count(&npc, events).await, i64::from(CARDS) * 2);
    let twice = "SELECT count(*) - count(DISTINCT state_seq) FROM certificate_state";
    assert_eq!(count(&npc, twice).await, 0, "each change has a number of its own");
    let planned = "SELECT count(*) FROM reissue WHERE day IS NOT NULL";
    assert_eq!(count(&npc, planned).await, i64::from(CARDS));
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    assert_eq!(count(&npc, deadlocks).await, 0);
    npc.verify_audit(None).await.unwrap();
    npc.db().close().await;
    desk.db().close().await;
}

/// A certificate of the cohort comes into being when everything is counted and noted, a moment before the approval: it is refused.
// proves: NPC-55
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_into_being_in_the_last_moment_has_grown() {
    let server = OwnServer::start();
    let npc = opened(&server.url()).await;
    let one = issued(&npc, 1, KeySlot::SigningRsa, 0).await.serial;
    let lot = Cohort { chip_model: Some("NE-0144".into()), ..Cohort::default() };
    let proposed = npc.propose_incident(lot, Measure::Suspend, "anna", now()).await.unwrap();
    let mut other = npc.db().begin().await.unwrap();
    audit::append_all(&mut other, &[]).await.unwrap();
    let approved = async { npc.approve_incident(proposed.number, "bert", now()).await };
    let late = async {
        while count(&npc, "SELECT count(*) FROM pg_locks WHERE NOT granted").await == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let noted = "SELECT count(*) FROM incident_certificate";
        assert_eq!(count(&npc, noted).await, 1);
        for sql in [
            "INSERT INTO certificate (serial, request_id, request_hash, card, slot, holder, profile, not_before, \
             not_after, partition_no, spki_hash, tbs, der, carrier, key_class, chip_model, fingerprint, issuer) \
             SELECT $2, $2, request_hash, 'TWA000002', slot, holder, profile, not_before, not_after, partition_no, \
             $2, tbs, NULL, carrier, key_class, chip_model, fingerprint, issuer FROM certificate WHERE serial = $1",
            "INSERT INTO certificate_state (serial, generation, signed, state_seq, status, status_at, reason, ends, \
             state) SELECT $2, generation, FALSE, 0, status, status_at, reason, ends, state \
             FROM certificate_state WHERE serial = $1",
        ] {
            other.execute_one(sql, params![one.octets(), &[7u8; 16][..]]).await.unwrap();
        }
        other.commit().await.unwrap();
    };
    let (approved, ()) = tokio::join!(approved, late);
    assert_eq!(approved.unwrap_err().code(), "NPC-GROWN");
    assert_eq!(npc.incidents().await.unwrap()[0].approved_by, None);
    let state = npc.certificates_of(card(1), now()).await.unwrap()[0].state.as_str();
    assert_eq!(state, "good");
    npc.db().close().await;
}
