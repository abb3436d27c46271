//! Time stamps.

use std::collections::HashSet;

use curve::Hash;
use jiff::{SignedDuration, Timestamp};
use npc::Npc;
use store::testkit::{each_engine, each_engine_url};
use store::{Db, When, params};
use x509::path::{Options, Purpose, validate};
use x509::tsp::{Failure, Imprint, Request, Response, Token, build_request};

use crate::ceremonies::open_at;
use crate::support::*;

pub(crate) async fn stamp(npc: &Npc, at: Timestamp) -> Token {
    let request = build_request(&Imprint::of(Hash::Sha256, b"document"), None, Some(7));
    let response = Response::parse(&npc.time_stamp(&request, at).await).unwrap();
    let signer = response.verify(&Request::parse(&request).unwrap()).unwrap();
    let made = npc.ca_certificates();
    let options = Options::at(at).purpose(Purpose::Extended(tlv::oid::KP_TIME_STAMPING));
    validate(signer, &[made.ca], &[made.root], &options).unwrap();
    match response {
        Response::Token(token) => *token,
        Response::Refused(why) => panic!("refused: {why:?}"),
    }
}

async fn refused(npc: &Npc, request: &[u8], at: Timestamp) -> Option<Failure> {
    match Response::parse(&npc.time_stamp(request, at).await).unwrap() {
        Response::Refused(why) => why,
        Response::Token(_) => panic!("granted"),
    }
}

/// Whatever dies when, no number is given twice, by no process.
#[tokio::test]
async fn numbers_are_never_given_twice_and_time_never_goes_back() {
    each_engine_url(async |url| {
        let mut seen = HashSet::new();
        let mut last = Timestamp::UNIX_EPOCH;
        for round in 0..3 {
            let db = Db::open(&url, "npc").await.unwrap();
            let here = open(&db).await;
            let there = open(&Db::open(&url, "npc").await.unwrap()).await;
            for n in 0..4 {
                let at = now() + SignedDuration::from_secs(round * 10 + n);
                for npc in [&here, &there] {
                    let token = stamp(npc, at).await;
                    assert!(seen.insert(token.serial.clone()), "{:?}", token.serial);
                    assert!(token.at >= last);
                    last = token.at;
                }
            }
            // Killed while it takes the next block: the block is lost, not given twice.
            db.fail_after(1, When::AfterCommit);
            let later = now() + SignedDuration::from_secs(round * 10 + 5) + SignedDuration::from_mins(2);
            let request = build_request(&Imprint::of(Hash::Sha256, b"document"), None, None);
            if round == 2 {
                assert_eq!(refused(&here, &request, later).await, Some(Failure::SystemFailure));
            }
            db.revive();
            there.db().close().await;
            db.close().await;
        }
    })
    .await;
}

/// Maintenance was missed until the certificate of the service had ended: no token is signed with it.
#[tokio::test]
async fn no_token_is_signed_with_a_certificate_that_has_ended() {
    each_engine("npc", async |db| {
        // Keys of its own: those of services that are renewed are destroyed.
        let directory = tempfile::tempdir().unwrap();
        let npc = open_at(&db, directory.path()).await;
        let before = npc.ca_certificates().tsa;
        let ended = before.validity().not_after() + SignedDuration::from_secs(1);
        // Looks that the signer's certificate holds at that moment.
        stamp(&npc, ended).await;
        assert!(npc.ca_certificates().tsa != before);
        // Another process, for which none can be made.
        let late = npc.ca_certificates().tsa.validity().not_after() + SignedDuration::from_hours(1);
        db.execute("ALTER TABLE authority RENAME TO away", params![]).await.unwrap();
        let request = build_request(&Imprint::of(Hash::Sha256, b"document"), None, None);
        assert_eq!(refused(&npc, &request, late).await, Some(Failure::SystemFailure));
        db.execute("ALTER TABLE away RENAME TO authority", params![]).await.unwrap();
        // Whoever asks in the same second does not try again.
        assert_eq!(refused(&npc, &request, late).await, Some(Failure::SystemFailure));
        stamp(&npc, late + SignedDuration::from_secs(1)).await;

        // Nor does anybody who is told to come back.
        let nobody = npc::NpcConfig { stamps_per_second: 0, ..npc.config().clone() };
        let keys = key_store(directory.path());
        let npc = Npc::open(db.clone(), keys, nobody, Box::new(curve::SystemRandom), late).await.unwrap();
        let before = npc.ca_certificates().tsa;
        let ended = before.validity().not_after() + SignedDuration::from_secs(1);
        assert_eq!(refused(&npc, &request, ended).await, Some(Failure::SystemFailure));
        assert!(npc.ca_certificates().tsa == before);
    })
    .await;
}

#[tokio::test]
async fn a_clock_that_goes_back_stops_the_service() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let request = build_request(&Imprint::of(Hash::Sha256, b"document"), None, None);
        let first = stamp(&npc, now()).await;
        // Adjusted by a second: the time of before is told again.
        assert_eq!(stamp(&npc, now() - SignedDuration::from_secs(1)).await.at, first.at);
        let back = now() - SignedDuration::from_mins(5);
        assert_eq!(refused(&npc, &request, back).await, Some(Failure::TimeNotAvailable));
        // Also after a restart, which remembers nothing but what the database knows.
        let npc = open(&db).await;
        assert_eq!(refused(&npc, &request, back).await, Some(Failure::TimeNotAvailable));
        stamp(&npc, now()).await;
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_stamped_is_refused() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let imprint = Imprint::of(Hash::Sha256, b"document");
        let other = build_request(&imprint, Some(tlv::oid::GPKI_POLICY_TEST), None);
        assert_eq!(refused(&npc, &other, now()).await, Some(Failure::UnacceptedPolicy));
        assert_eq!(refused(&npc, b"nonsense", now()).await, Some(Failure::BadDataFormat));
        let named = build_request(&imprint, Some(tlv::oid::TIME_STAMP_POLICY), None);
        assert!(matches!(Response::parse(&npc.time_stamp(&named, now()).await).unwrap(), Response::Token(_)));
    })
    .await;
}

/// So many in a second; beyond, nothing is signed and no number taken, others are answered as before, and the next second is another.
#[tokio::test]
async fn a_flood_is_told_to_come_back_and_costs_no_numbers() {
    each_engine("npc", async |db| {
        let config = npc::NpcConfig { stamps_per_second: 5, ..config() };
        let npc =
            Npc::open(db.clone(), shared_keys(), config, Box::new(curve::SystemRandom), now()).await.unwrap();
        let request = build_request(&Imprint::of(Hash::Sha256, b"document"), None, None);
        let mut numbers = Vec::new();
        for second in 0..2 {
            let at = now() + SignedDuration::from_secs(second);
            // What is refused for what it is counts for nothing.
            for _ in 0..20 {
                assert_eq!(refused(&npc, b"nonsense", at).await, Some(Failure::BadDataFormat));
            }
            for _ in 0..5 {
                let serial = stamp(&npc, at).await.serial;
                // The sequence is below the number of the node.
                numbers
                    .push(serial.iter().rev().take(8).rev().fold(0u64, |n, byte| n << 8 | u64::from(*byte)));
            }
            for _ in 0..200 {
                assert_eq!(refused(&npc, &request, at).await, Some(Failure::SystemFailure));
            }
        }
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
        // A clock put right by a second: the budget of that moment, not an endless one.
        for n in 0..8 {
            let answer = Response::parse(&npc.time_stamp(&request, now()).await).unwrap();
            assert_eq!(matches!(answer, Response::Token(_)), n < 5, "{n}");
        }
        npc.crl(npc::Scope::Complete, now()).await.unwrap();
    })
    .await;
}
