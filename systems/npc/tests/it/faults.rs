//! What breaks beside the program: random numbers that repeat, a database that goes away in the middle.

use curve::{Random, SystemRandom};
use model::KeySlot;
use npc::{CertificateAuthority, Cohort, IssueRequest, Measure, Npc};
use store::testkit::{each_engine, each_engine_url};
use store::{Db, Engine, params, transaction};

use crate::support::*;

/// A random source that is broken in the worst way.
struct Stuck;

impl Random for Stuck {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill(0x5A);
    }
}

async fn count(db: &Db, sql: &'static str) -> i64 {
    db.one(sql, params![]).await.unwrap().read(0).unwrap()
}

#[tokio::test]
async fn no_serial_number_is_given_twice_even_by_a_random_source_that_repeats() {
    each_engine("npc", async |db| {
        open(&db).await;
        let stuck = Npc::open(db.clone(), shared_keys(), config(), Box::new(Stuck), now()).await.unwrap();
        let first = request(&stuck, 1, KeySlot::SigningRsa, 0).await;
        let issued = stuck.issue(&first, now()).await.unwrap();
        let second = IssueRequest {
            request_id: id(2),
            slot: KeySlot::EncryptionRsa,
            csr: csr_of(&rsa(1)),
            ..first.clone()
        };
        assert_eq!(stuck.issue(&second, now()).await.err().unwrap().code(), "STORE-UNIQUE");
        assert_eq!(count(&db, "SELECT count(*) FROM certificate").await, 1, "nothing is half");
        assert_eq!(count(&db, "SELECT count(*) FROM certificate_state").await, 1);
        // With random numbers again, the same request is issued.
        let mended =
            Npc::open(db.clone(), shared_keys(), config(), Box::new(SystemRandom), now()).await.unwrap();
        assert!(mended.issue(&second, now()).await.unwrap().serial != issued.serial);
        mended.verify_audit(None).await.unwrap();
    })
    .await;
}

/// A server that fails over cuts every connection, wherever a statement is just then.
#[tokio::test]
async fn requests_and_incidents_survive_a_database_that_cuts_its_connections() {
    each_engine_url(async |url| {
        let db = Db::open(&url, "npc").await.unwrap();
        if db.engine() != Engine::Postgres {
            return;
        }
        let outside = Db::open(&url, "outside").await.unwrap();
        let cut = async || {
            let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                WHERE datname = current_database() AND application_name = 'neweid-npc'";
            transaction!(outside, |tx| tx.all(sql, params![]).await.map(drop)).unwrap();
        };
        let npc = open(&db).await;
        for number in 1..=4 {
            let request = request(&npc, number, KeySlot::SigningRsa, number as usize).await;
            let (first, (), ()) = tokio::join!(npc.issue(&request, now()), cut(), cut());
            // Refused or lost, it is nobody's fault but the database's, and asking again helps.
            if let Err(error) = &first {
                assert!(!error.is_refusal(), "{}", error.code());
            }
            let mut issued = npc.issue(&request, now()).await;
            for _ in 0..20 {
                if issued.is_ok() {
                    break;
                }
                issued = npc.issue(&request, now()).await;
            }
            let issued = issued.unwrap();
            if let Ok(first) = first {
                assert!(first == issued);
            }
        }
        assert_eq!(count(&db, "SELECT count(*) FROM certificate WHERE der IS NOT NULL").await, 4);
        assert_eq!(count(&db, "SELECT count(*) FROM event WHERE kind = 'issue'").await, 4);
        let rsa = Cohort { key_class: Some("RSA-2048".into()), ..Cohort::default() };
        let incident = npc.propose_incident(rsa, Measure::Suspend, "anna", now()).await.unwrap();
        let _ = tokio::join!(npc.approve_incident(incident.number, "bert", now()), cut(), cut());
        let mut done = npc.approve_incident(incident.number, "bert", now()).await;
        for _ in 0..20 {
            if done.as_ref().is_ok_and(|incident| incident.finished_at.is_some()) {
                break;
            }
            let _ = npc.maintain(now()).await;
            done = npc.approve_incident(incident.number, "bert", now()).await;
        }
        assert_eq!(done.unwrap().changed, 4);
        assert_eq!(count(&db, "SELECT count(*) FROM event WHERE kind = 'suspend'").await, 4);
        npc.verify_audit(None).await.unwrap();
        outside.close().await;
        db.close().await;
    })
    .await;
}
