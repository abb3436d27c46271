//! Versions of the tables.

use store::{Db, Migration, StoreError, params, testkit::each_engine, testkit::each_engine_url};

const FIRST: Migration = Migration::new(1, "first", "CREATE TABLE a (id BIGINT PRIMARY KEY)");
const SECOND: Migration = Migration::new(
    2,
    "second",
    "CREATE TABLE b (id BIGINT PRIMARY KEY); INSERT INTO b VALUES (1); CREATE INDEX bi ON b (id)",
);

#[tokio::test]
async fn migrations_are_applied_once_and_in_order() {
    each_engine("test", async |db| {
        db.migrate(&[FIRST]).await.unwrap();
        db.migrate(&[SECOND, FIRST]).await.unwrap();
        db.migrate(&[FIRST, SECOND]).await.unwrap();
        let row = db.one("SELECT count(*) FROM b", params![]).await.unwrap();
        assert_eq!(row.read::<i64>(0).unwrap(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_database_of_a_newer_program_is_refused_untouched() {
    each_engine("test", async |db| {
        db.migrate(&[FIRST, SECOND]).await.unwrap();
        let error = db.migrate(&[FIRST]).await.unwrap_err();
        assert!(
            matches!(&error, StoreError::NewerVersion { schema, found: 2, known: 1 } if schema == "test"),
            "{error:?}"
        );
        assert_eq!(error.code(), "STORE-NEWER-VERSION");
    })
    .await;
}

#[tokio::test]
async fn an_edited_migration_is_refused() {
    each_engine("test", async |db| {
        db.migrate(&[FIRST]).await.unwrap();
        let edited = Migration { sql: "CREATE TABLE a (id BIGINT PRIMARY KEY, x TEXT)", ..FIRST };
        assert_eq!(db.migrate(&[edited]).await.unwrap_err().code(), "STORE-MIGRATION-CHANGED");
    })
    .await;
}

#[tokio::test]
async fn a_failing_migration_leaves_nothing() {
    each_engine("test", async |db| {
        let broken = Migration::new(
            1,
            "broken",
            "CREATE TABLE a (id BIGINT PRIMARY KEY); INSERT INTO nowhere VALUES (1)",
        );
        assert_eq!(db.migrate(&[broken]).await.unwrap_err().code(), "STORE-SQL");
        db.migrate(&[FIRST]).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn systems_in_one_place_do_not_see_each_others_tables() {
    each_engine_url(async |url| {
        let one = Db::open(&url, "one").await.unwrap();
        let two = Db::open(&url, "two").await.unwrap();
        one.migrate(&[FIRST]).await.unwrap();
        two.migrate(&[FIRST]).await.unwrap();
        one.execute("INSERT INTO a VALUES (1)", params![]).await.unwrap();
        assert!(two.optional("SELECT id FROM a", params![]).await.unwrap().is_none());
        one.close().await;
        two.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_processes_may_start_at_once() {
    each_engine_url(async |url| {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let url = url.clone();
            tasks.spawn(async move {
                let db = Db::open(&url, "test").await?;
                db.migrate(&[FIRST, SECOND]).await?;
                db.close().await;
                Ok::<_, StoreError>(())
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap().unwrap();
        }
    })
    .await;
}
