//! What only real processes show: many of them on one file, one killed while it writes, a server that drops connections.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use store::{Db, Engine, Migration, StoreError, params, testkit::each_engine, transaction};

const TABLE: Migration = Migration::new(
    1,
    "log",
    "CREATE TABLE log (id BIGINT PRIMARY KEY); CREATE TABLE total (id BIGINT PRIMARY KEY, n BIGINT NOT NULL);
     INSERT INTO total VALUES (1, 0);",
);

/// This test program once more, as another process that runs [`writer`] on the same file.
fn start_writer(directory: &Path, first: i64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "processes::writer", "--ignored", "--nocapture"])
        .env("NEWEID_TEST_DIRECTORY", directory)
        .env("NEWEID_TEST_FIRST", first.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

async fn open(directory: &Path) -> Db {
    let db = Db::open(&format!("sqlite:{}/", directory.display()), "test").await.unwrap();
    db.migrate(&[TABLE]).await.unwrap();
    db
}

/// Writes rows and says each number after its commit.
#[tokio::test]
#[ignore = "a process of the other tests here"]
#[allow(clippy::disallowed_methods, reason = "the other tests hand the directory over")]
async fn writer() {
    let directory = std::env::var_os("NEWEID_TEST_DIRECTORY").unwrap();
    let first: i64 = std::env::var("NEWEID_TEST_FIRST").unwrap().parse().unwrap();
    let db = open(Path::new(&directory)).await;
    for id in first..first + 1_000 {
        let done: Result<(), StoreError> = transaction!(db, |tx| {
            tx.execute_one("INSERT INTO log (id) VALUES ($1)", params![id]).await?;
            let n: i64 = tx.one("SELECT n FROM total", params![]).await?.read(0)?;
            tx.execute_one("UPDATE total SET n = $1", params![n + 1]).await
        });
        done.unwrap();
        println!("committed {id}");
    }
}

fn read_number(line: &str) -> Option<i64> {
    line.strip_prefix("committed ")?.parse().ok()
}

#[tokio::test]
async fn what_a_killed_process_had_committed_is_there_and_nothing_is_half() {
    let directory = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let mut child = start_writer(directory.path(), round * 10_000);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut said: Vec<i64> = lines.by_ref().filter_map(|line| read_number(&line)).take(50).collect();
        // kill -9, somewhere between two bytes.
        child.kill().unwrap();
        child.wait().unwrap();
        said.extend(lines.filter_map(|line| read_number(&line)));
        let db = open(directory.path()).await;
        for id in said {
            assert!(
                db.optional("SELECT id FROM log WHERE id = $1", params![id]).await.unwrap().is_some(),
                "{id}"
            );
        }
        let row =
            db.one("SELECT (SELECT count(*) FROM log), (SELECT n FROM total)", params![]).await.unwrap();
        assert_eq!(
            row.read::<i64>(0).unwrap(),
            row.read::<i64>(1).unwrap(),
            "both changes of a transaction or none"
        );
        let check = db.one("PRAGMA integrity_check", params![]).await.unwrap();
        assert_eq!(check.read::<String>(0).unwrap(), "ok");
        db.close().await;
    }
}

#[tokio::test]
async fn processes_share_a_file_and_see_each_others_commits() {
    let directory = tempfile::tempdir().unwrap();
    // All three make the file and its tables at the same moment.
    let children: Vec<_> = (0..3).map(|n| start_writer(directory.path(), n * 10_000)).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
    let db = open(directory.path()).await;
    let row = db.one("SELECT (SELECT count(*) FROM log), (SELECT n FROM total)", params![]).await.unwrap();
    assert_eq!((row.read::<i64>(0).unwrap(), row.read::<i64>(1).unwrap()), (3_000, 3_000));
}

#[tokio::test]
async fn a_server_that_drops_its_connections_is_found_again() {
    each_engine("test", async |db| {
        if db.engine() == Engine::Sqlite {
            return;
        }
        db.migrate(&[TABLE]).await.unwrap();
        let drop_all = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
            WHERE datname = current_database() AND pid <> pg_backend_pid()";
        let mut under_way = db.begin().await.unwrap();
        under_way.execute("INSERT INTO log (id) VALUES (1)", params![]).await.unwrap();
        db.all(drop_all, params![]).await.unwrap();
        let lost = under_way.execute("INSERT INTO log (id) VALUES (2)", params![]).await.unwrap_err();
        assert_eq!(lost.code(), "STORE-UNAVAILABLE", "{lost}");
        drop(under_way);
        let row = db.one("SELECT count(*) FROM log", params![]).await.unwrap();
        assert_eq!(row.read::<i64>(0).unwrap(), 0);
        db.execute("INSERT INTO log (id) VALUES (3)", params![]).await.unwrap();
    })
    .await;
}
