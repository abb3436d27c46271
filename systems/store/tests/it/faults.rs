//! Injected deaths, full disks and servers that go away.

use store::{Db, Migration, StoreError, When, params, testkit::each_engine};

const TABLE: Migration = Migration::new(1, "a", "CREATE TABLE a (id BIGINT PRIMARY KEY, body BYTEA)");

async fn insert(db: &Db, id: i64) -> Result<u64, StoreError> {
    db.execute("INSERT INTO a (id) VALUES ($1)", params![id]).await
}

async fn ids(db: &Db) -> Vec<i64> {
    let rows = db.all("SELECT id FROM a ORDER BY id", params![]).await.unwrap();
    rows.iter().map(|row| row.read(0).unwrap()).collect()
}

#[tokio::test]
async fn death_comes_at_the_chosen_commit_and_lasts() {
    each_engine("test", async |db| {
        db.migrate(&[TABLE]).await.unwrap();
        db.fail_after(2, When::BeforeCommit);
        insert(&db, 1).await.unwrap();
        assert_eq!(insert(&db, 2).await.unwrap_err().code(), "STORE-INJECTED");
        assert_eq!(insert(&db, 3).await.unwrap_err().code(), "STORE-INJECTED");
        assert_eq!(db.all("SELECT id FROM a", params![]).await.err().unwrap().code(), "STORE-INJECTED");
        assert!(db.revive());
        assert_eq!(ids(&db).await, [1]);

        db.fail_after(1, When::AfterCommit);
        assert_eq!(insert(&db, 4).await.unwrap_err().code(), "STORE-INJECTED");
        assert!(db.revive());
        assert_eq!(ids(&db).await, [1, 4]);

        db.fail_after(5, When::AfterCommit);
        insert(&db, 5).await.unwrap();
        assert!(!db.revive(), "the plan had not come true");
        insert(&db, 6).await.unwrap();
    })
    .await;
}

/// SQLite's own limit on the size of a file answers as a full disk does.
#[tokio::test]
async fn a_full_disk_has_its_own_error_and_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let db = Db::open(&format!("sqlite:{}/x.db", directory.path().display()), "test").await.unwrap();
    db.migrate(&[TABLE]).await.unwrap();
    insert(&db, 1).await.unwrap();
    // A pragma answers with a row; the connection that writes is the one that has to have the limit.
    let mut tx = db.begin().await.unwrap();
    tx.all("PRAGMA max_page_count = 20", params![]).await.unwrap();
    tx.commit().await.unwrap();
    let big = vec![0u8; 1 << 20];
    let error = db.execute("INSERT INTO a (id, body) VALUES (2, $1)", params![&big]).await.unwrap_err();
    assert_eq!(error.code(), "STORE-FULL", "{error}");
    assert_eq!(ids(&db).await, [1]);
    insert(&db, 3).await.unwrap();
}
