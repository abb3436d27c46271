//! The queue.

use curve::SeedRandom;
use jiff::{SignedDuration, Timestamp};
use store::jobs::{self, NewJob};
use store::{Db, testkit::each_engine, transaction};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

const TABLE: [store::Migration; 2] = [jobs::MIGRATION, jobs::failures_apart(1)];

async fn enqueue(db: &Db, dedupe: Option<&str>, payload: &[u8], due: Timestamp) -> Option<uuid::Uuid> {
    transaction!(db, |tx| {
        let job = NewJob { queue: "q", dedupe, payload, due, most_attempts: 3 };
        jobs::enqueue(tx, job, at(0), &mut SeedRandom::new(payload)).await
    })
    .unwrap()
}

const LEASE: SignedDuration = SignedDuration::from_secs(60);

#[tokio::test]
async fn a_job_is_claimed_done_and_gone() {
    each_engine("test", async |db| {
        db.migrate(&TABLE).await.unwrap();
        assert!(enqueue(&db, Some("card 1"), b"a", at(0)).await.is_some());
        assert!(enqueue(&db, Some("card 1"), b"b", at(0)).await.is_none(), "already queued");
        assert!(enqueue(&db, None, b"c", at(100)).await.is_some());
        let claimed = jobs::claim(&db, "q", 10, LEASE, at(1)).await.unwrap();
        assert_eq!(claimed.len(), 1, "the other is not due");
        assert_eq!((claimed[0].payload.as_slice(), claimed[0].attempt), (&b"a"[..], 1));
        assert!(jobs::claim(&db, "q", 10, LEASE, at(2)).await.unwrap().is_empty(), "leased");
        assert!(jobs::claim(&db, "other", 10, LEASE, at(200)).await.unwrap().is_empty());
        transaction!(db, |tx| jobs::complete(tx, &claimed[0]).await).unwrap();
        assert!(enqueue(&db, Some("card 1"), b"d", at(500)).await.is_some(), "done, so it may come again");
        assert_eq!(jobs::claim(&db, "q", 10, LEASE, at(101)).await.unwrap()[0].payload, b"c");
    })
    .await;
}

#[tokio::test]
async fn a_lease_that_ran_out_goes_to_another_worker_and_the_first_may_not_complete() {
    each_engine("test", async |db| {
        db.migrate(&TABLE).await.unwrap();
        enqueue(&db, None, b"a", at(0)).await;
        let first = jobs::claim(&db, "q", 1, LEASE, at(0)).await.unwrap().remove(0);
        jobs::prolong(&db, &first, LEASE, at(30)).await.unwrap();
        assert!(jobs::claim(&db, "q", 1, LEASE, at(61)).await.unwrap().is_empty());
        let second = jobs::claim(&db, "q", 1, LEASE, at(91)).await.unwrap().remove(0);
        assert_eq!((second.id, second.attempt), (first.id, 2));
        let late = transaction!(db, |tx| jobs::complete(tx, &first).await);
        assert_eq!(late.unwrap_err().code(), "STORE-AFFECTED");
        assert_eq!(jobs::fail(&db, &first, "late", at(92)).await.unwrap_err().code(), "STORE-AFFECTED");
        transaction!(db, |tx| jobs::complete(tx, &second).await).unwrap();
    })
    .await;
}

// A worker was killed: the process that comes after it does not wait for the lease, and attempts count anew.
#[tokio::test]
async fn what_a_killed_worker_had_claimed_is_taken_over() {
    each_engine("test", async |db| {
        db.migrate(&TABLE).await.unwrap();
        enqueue(&db, None, b"claimed", at(0)).await;
        let killed = jobs::claim(&db, "q", 10, LEASE, at(0)).await.unwrap();
        enqueue(&db, None, b"later", at(500)).await;
        assert!(jobs::claim(&db, "q", 10, LEASE, at(1)).await.unwrap().is_empty());
        assert_eq!(jobs::take_over(&db, at(1)).await.unwrap(), 1);
        let again = jobs::claim(&db, "q", 10, LEASE, at(1)).await.unwrap();
        assert_eq!(again.len(), 1, "what is due later stays due later");
        assert_eq!((again[0].id, again[0].attempt), (killed[0].id, 1));
    })
    .await;
}

#[tokio::test]
async fn failures_back_off_and_end_dead_until_revived() {
    each_engine("test", async |db| {
        db.migrate(&TABLE).await.unwrap();
        let id = enqueue(&db, None, b"a", at(0)).await.unwrap();
        let mut now = at(0);
        for attempt in 1..=3u32 {
            let job = jobs::claim(&db, "q", 1, LEASE, now).await.unwrap().remove(0);
            assert_eq!(job.attempt, attempt);
            assert_eq!(jobs::fail(&db, &job, "no answer", now).await.unwrap(), attempt == 3);
            assert!(jobs::claim(&db, "q", 1, LEASE, now).await.unwrap().is_empty(), "backs off");
            now += jobs::backoff(attempt);
        }
        assert!(jobs::claim(&db, "q", 1, LEASE, at(1_000_000)).await.unwrap().is_empty(), "dead");
        let dead = jobs::dead(&db, "q").await.unwrap();
        assert_eq!((dead[0].id, dead[0].problem.as_deref()), (id, Some("no answer")));
        transaction!(db, |tx| jobs::revive(tx, id, now).await).unwrap();
        assert_eq!(jobs::claim(&db, "q", 1, LEASE, now).await.unwrap()[0].attempt, 1);
    })
    .await;
}

// A job that has to wait for something is claimed again and again, and has failed no more often for it.
#[tokio::test]
async fn waiting_is_no_failure() {
    each_engine("test", async |db| {
        db.migrate(&TABLE).await.unwrap();
        enqueue(&db, None, b"a", at(0)).await;
        let mut now = at(0);
        for _ in 0..10 {
            let job = jobs::claim(&db, "q", 1, LEASE, now).await.unwrap().remove(0);
            jobs::put_off(&db, &job, "the disk is full", LEASE, now).await.unwrap();
            assert!(jobs::claim(&db, "q", 1, LEASE, now).await.unwrap().is_empty(), "put off");
            now += LEASE;
            let job = jobs::claim(&db, "q", 1, LEASE, now).await.unwrap().remove(0);
            assert_eq!(job.problem.as_deref(), Some("the disk is full"));
            jobs::prolong(&db, &job, jiff::SignedDuration::ZERO, now).await.unwrap();
        }
        let job = jobs::claim(&db, "q", 1, LEASE, now).await.unwrap().remove(0);
        assert_eq!((job.attempt, job.failures), (21, 0));
        assert!(!jobs::fail(&db, &job, "no answer", now).await.unwrap(), "the first failure of three");
        let again = jobs::claim(&db, "q", 1, LEASE, now + jobs::backoff(1)).await.unwrap().remove(0);
        assert_eq!(jobs::put_off(&db, &job, "late", LEASE, now).await.unwrap_err().code(), "STORE-AFFECTED");
        assert_eq!((again.failures, again.is_last_attempt()), (1, false));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn workers_never_share_a_job() {
    each_engine("test", async |db| {
        db.migrate(&TABLE).await.unwrap();
        for n in 0..60u8 {
            enqueue(&db, None, &[n], at(0)).await;
        }
        let mut workers = tokio::task::JoinSet::new();
        for _ in 0..6 {
            let db = db.clone();
            workers.spawn(async move {
                let mut mine = Vec::new();
                loop {
                    let claimed = jobs::claim(&db, "q", 3, LEASE, at(1)).await.unwrap();
                    if claimed.is_empty() {
                        return mine;
                    }
                    mine.extend(claimed.into_iter().map(|job| job.payload[0]));
                }
            });
        }
        let mut all = workers.join_all().await.concat();
        all.sort();
        assert_eq!(all, (0..60).collect::<Vec<_>>());
    })
    .await;
}

#[test]
fn back_off_doubles_up_to_an_hour() {
    let seconds: Vec<_> = [1, 2, 3, 12, 13, 14, 1000].map(|n| jobs::backoff(n).as_secs()).into();
    assert_eq!(seconds, [1, 2, 4, 2048, 3600, 3600, 3600]);
}
