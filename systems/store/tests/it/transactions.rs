//! Isolation, conflicts and retries.

use store::{Db, Migration, StoreError, params, testkit::each_engine, testkit::each_engine_url, transaction};

const COUNTER: Migration = Migration::new(
    1,
    "counter",
    "CREATE TABLE counter (id BIGINT PRIMARY KEY, n BIGINT NOT NULL); INSERT INTO counter VALUES (1, 0);",
);

async fn raise(db: &Db) -> Result<i64, StoreError> {
    transaction!(db, |tx| {
        // Read, then write what was read plus one: lost without isolation.
        let n = tx.one("SELECT n FROM counter WHERE id = 1", params![]).await?.read::<i64>(0)?;
        tokio::task::yield_now().await;
        tx.execute_one("UPDATE counter SET n = $1 WHERE id = 1", params![n + 1]).await?;
        Ok(n + 1)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_update_is_lost_among_tasks_and_processes() {
    each_engine_url(async |url| {
        // Two handles have nothing in common but the database: as two processes.
        let first = Db::open(&url, "test").await.unwrap();
        let second = Db::open(&url, "test").await.unwrap();
        let (one, two) = tokio::join!(first.migrate(&[COUNTER]), second.migrate(&[COUNTER]));
        one.unwrap();
        two.unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        for task in 0..16 {
            let db = if task % 2 == 0 { first.clone() } else { second.clone() };
            tasks.spawn(async move {
                for _ in 0..10 {
                    raise(&db).await.unwrap();
                }
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
        let row = second.one("SELECT n FROM counter WHERE id = 1", params![]).await.unwrap();
        assert_eq!(row.read::<i64>(0).unwrap(), 160);
        first.close().await;
        second.close().await;
    })
    .await;
}

#[tokio::test]
async fn write_skew_is_refused() {
    each_engine("test", async |db| {
        db.migrate(&[COUNTER]).await.unwrap();
        // Each adds a row only while there is one: both adding would need an order in which one saw the other's.
        let add = async |id: i64| -> Result<bool, StoreError> {
            transaction!(db, |tx| {
                let n = tx.one("SELECT count(*) FROM counter", params![]).await?.read::<i64>(0)?;
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                if n == 1 {
                    tx.execute("INSERT INTO counter VALUES ($1, 0)", params![id]).await?;
                }
                Ok(n == 1)
            })
        };
        let (one, two) = tokio::join!(add(2), add(3));
        assert_eq!([one.unwrap(), two.unwrap()].iter().filter(|added| **added).count(), 1);
        let row = db.one("SELECT count(*) FROM counter", params![]).await.unwrap();
        assert_eq!(row.read::<i64>(0).unwrap(), 2);
    })
    .await;
}

/// PostgreSQL may report the race as a duplicate key; the block that looked first must not see that.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn look_then_insert_is_idempotent_in_a_race() {
    each_engine("test", async |db| {
        db.migrate(&[COUNTER]).await.unwrap();
        for id in 10..30i64 {
            let mut tasks = tokio::task::JoinSet::new();
            for _ in 0..4 {
                let db = db.clone();
                tasks.spawn(async move {
                    transaction!(db, |tx| {
                        let found = tx.optional("SELECT n FROM counter WHERE id = $1", params![id]).await?;
                        if found.is_none() {
                            tx.execute("INSERT INTO counter VALUES ($1, 0)", params![id]).await?;
                        }
                        Ok::<_, StoreError>(found.is_none())
                    })
                });
            }
            let made = tasks.join_all().await.into_iter().filter(|made| *made.as_ref().unwrap()).count();
            assert_eq!(made, 1);
        }
    })
    .await;
}

#[tokio::test]
async fn an_error_of_the_block_undoes_everything() {
    each_engine("test", async |db| {
        db.migrate(&[COUNTER]).await.unwrap();
        let refused: Result<(), StoreError> = transaction!(db, |tx| {
            tx.execute_one("UPDATE counter SET n = 9 WHERE id = 1", params![]).await?;
            Err(StoreError::Missing)
        });
        assert_eq!(refused.unwrap_err().code(), "STORE-MISSING");
        assert_eq!(raise(&db).await.unwrap(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_failed_statement_cannot_be_ignored() {
    each_engine("test", async |db| {
        db.migrate(&[COUNTER]).await.unwrap();
        let result: Result<(), StoreError> = transaction!(db, |tx| {
            tx.execute_one("UPDATE counter SET n = 9 WHERE id = 1", params![]).await?;
            let _ = tx.execute("INSERT INTO counter VALUES (1, 1)", params![]).await;
            Ok(())
        });
        assert_eq!(result.unwrap_err().code(), "STORE-POISONED");
        let result: Result<(), StoreError> = transaction!(db, |tx| {
            let _ = tx.execute_one("UPDATE counter SET n = 9 WHERE id = 77", params![]).await;
            Ok(())
        });
        assert_eq!(result.unwrap_err().code(), "STORE-POISONED");
        assert_eq!(raise(&db).await.unwrap(), 1);
    })
    .await;
}

#[tokio::test]
async fn readers_do_not_wait_for_a_writer_and_see_only_what_is_committed() {
    each_engine("test", async |db| {
        db.migrate(&[COUNTER]).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        tx.execute_one("UPDATE counter SET n = 5 WHERE id = 1", params![]).await.unwrap();
        let n = async || db.one("SELECT n FROM counter", params![]).await.unwrap().read::<i64>(0).unwrap();
        assert_eq!(n().await, 0);
        tx.commit().await.unwrap();
        assert_eq!(n().await, 5);
        let mut tx = db.begin().await.unwrap();
        tx.execute_one("UPDATE counter SET n = 6 WHERE id = 1", params![]).await.unwrap();
        tx.rollback().await.unwrap();
        let mut tx = db.begin().await.unwrap();
        tx.execute_one("UPDATE counter SET n = 7 WHERE id = 1", params![]).await.unwrap();
        drop(tx);
        assert_eq!(raise(&db).await.unwrap(), 6);
    })
    .await;
}

#[tokio::test]
async fn a_read_connection_cannot_write() {
    each_engine("test", async |db| {
        db.migrate(&[COUNTER]).await.unwrap();
        if db.engine() == store::Engine::Sqlite {
            let written = db.all("UPDATE counter SET n = 3 RETURNING n", params![]).await;
            assert_eq!(written.err().unwrap().code(), "STORE-UNAVAILABLE");
        }
    })
    .await;
}

/// Long transactions of one process, one after the other without a pause, and short ones of another: those that queue before they look
/// never lose, those that look first lose once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_queues_has_a_turn_and_loses_once_at_most() {
    each_engine_url(async |url| {
        if url.starts_with("sqlite:") {
            // One writer at a time, who waits for the file and in no queue.
            return;
        }
        let (long, short) = (Db::open(&url, "test").await.unwrap(), Db::open(&url, "test").await.unwrap());
        long.migrate(&[COUNTER]).await.unwrap();
        let done = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let worked = {
            let done = done.clone();
            tokio::spawn(async move {
                let (mut transactions, mut attempts) = (0, 0);
                while !done.load(std::sync::atomic::Ordering::SeqCst) {
                    transaction!(long, |tx| {
                        attempts += 1;
                        tx.read_committed().await?;
                        tx.queue_at("counter").await?;
                        tx.execute_one("UPDATE counter SET n = n + 1 WHERE id = 1", params![]).await?;
                        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                        Ok::<_, StoreError>(())
                    })
                    .unwrap();
                    transactions += 1;
                }
                long.close().await;
                (transactions, attempts)
            })
        };
        for early in [true, false].into_iter().cycle().take(20) {
            let mut attempts = 0;
            transaction!(short, |tx| {
                attempts += 1;
                if early {
                    tx.queue_at("counter").await?;
                }
                let n = tx.one("SELECT n FROM counter WHERE id = 1", params![]).await?.read::<i64>(0)?;
                tx.queue_at("counter").await?;
                tx.execute_one("UPDATE counter SET n = $1 WHERE id = 1", params![n + 1]).await?;
                Ok::<_, StoreError>(())
            })
            .unwrap();
            assert!(attempts <= if early { 1 } else { 2 }, "{attempts} attempts");
        }
        done.store(true, std::sync::atomic::Ordering::SeqCst);
        let (transactions, attempts) = worked.await.unwrap();
        assert_eq!(transactions, attempts);
        let n = short.one("SELECT n FROM counter", params![]).await.unwrap().read::<i64>(0).unwrap();
        assert_eq!(n, 20 + transactions, "none is lost");
        short.close().await;
    })
    .await;
}

/// Futures that hold a transaction can be sent between threads, also when they borrow.
#[tokio::test]
async fn transactions_can_be_spawned() {
    fn sendable<T: Send>(value: T) -> T {
        value
    }
    each_engine("test", async |db| {
        db.migrate(&[COUNTER]).await.unwrap();
        let name = String::from("x");
        let future = sendable(async {
            let name = &name;
            transaction!(db, |tx| {
                tx.execute("UPDATE counter SET n = $1", params![name.len() as i64]).await?;
                Ok::<_, StoreError>(())
            })
        });
        future.await.unwrap();
    })
    .await;
}

/// One long transaction after the other, as fast as they go, and somebody else with one short transaction: it comes through.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_has_lost_passes_those_who_let_losers_first() {
    each_engine_url(async |url| {
        let db = Db::open(&url, "test").await.unwrap();
        db.migrate(&[COUNTER]).await.unwrap();
        let done = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let busy = {
            let (db, done) = (db.clone(), done.clone());
            tokio::spawn(async move {
                while !done.load(std::sync::atomic::Ordering::SeqCst) {
                    db.losers_first().await;
                    raise(&db).await.unwrap();
                }
            })
        };
        for _ in 0..20 {
            raise(&db).await.unwrap();
        }
        done.store(true, std::sync::atomic::Ordering::SeqCst);
        busy.await.unwrap();
        db.close().await;
    })
    .await;
}
