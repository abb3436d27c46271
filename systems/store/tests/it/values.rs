//! What goes in comes out, on both engines.

use jiff::Timestamp;
use store::{Kind, Migration, StoreError, Value, params, testkit::each_engine, transaction};
use uuid::Uuid;

const TABLE: Migration = Migration::new(
    1,
    "thing",
    "CREATE TABLE thing (id BIGINT PRIMARY KEY, label TEXT, body BYTEA, flag BOOLEAN, at BIGINT, other BYTEA UNIQUE);
     CREATE TABLE part (id BIGINT PRIMARY KEY, thing BIGINT NOT NULL REFERENCES thing (id), n BIGINT CHECK (n > 0));",
);

#[tokio::test]
async fn every_type_and_null_round_trips() {
    each_engine("test", async |db| {
        db.migrate(&[TABLE]).await.unwrap();
        let id = Uuid::from_bytes(*b"0123456789abcdef");
        let at: Timestamp = "2026-08-05T01:02:03.456789Z".parse().unwrap();
        let sql = "INSERT INTO thing (id, label, body, flag, at, other) VALUES ($1, $2, $3, $4, $5, $6)";
        // 𠮷 is outside the basic plane, U+F0000 in the private use plane 15.
        let label = "吉𠮷\u{F0000}'\"\\";
        db.execute(sql, params![i64::MAX, label, &[0u8, 255, 1][..], true, at, id]).await.unwrap();
        let none =
            params![i64::MIN, None::<String>, None::<Vec<u8>>, None::<bool>, None::<Timestamp>, None::<Uuid>];
        db.execute(sql, none).await.unwrap();

        let row = db.one("SELECT * FROM thing WHERE id = $1", params![i64::MAX]).await.unwrap();
        assert_eq!(row.read::<i64>("id").unwrap(), i64::MAX);
        assert_eq!(row.read::<String>("label").unwrap(), label);
        assert_eq!(row.read::<[u8; 3]>("body").unwrap(), [0, 255, 1]);
        assert!(row.read::<bool>("flag").unwrap());
        assert_eq!(row.read::<Timestamp>("at").unwrap(), at);
        assert_eq!(row.read::<Option<Uuid>>(5).unwrap(), Some(id));

        let row = db.one("SELECT * FROM thing WHERE id = $1", params![i64::MIN]).await.unwrap();
        assert_eq!(row.read::<Option<String>>("label").unwrap(), None);
        assert_eq!(row.read::<Option<Vec<u8>>>("body").unwrap(), None);
        assert_eq!(row.read::<Option<bool>>("flag").unwrap(), None);
        assert_eq!(row.read::<Option<Timestamp>>("at").unwrap(), None);
        assert_eq!(row.read::<Option<Uuid>>("other").unwrap(), None);
        assert_eq!(row.read::<String>("label").unwrap_err().code(), "STORE-COLUMN");
        assert_eq!(row.read::<i64>("nowhere").unwrap_err().code(), "STORE-COLUMN");
        assert_eq!(row.read::<u32>("id").unwrap_err().code(), "STORE-COLUMN");

        let row =
            db.one("SELECT 7, count(*), EXISTS (SELECT 1 FROM thing) FROM thing", params![]).await.unwrap();
        assert_eq!((row.read::<i64>(0).unwrap(), row.read::<u8>(1).unwrap()), (7, 2));
        assert!(row.read::<bool>(2).unwrap());
        assert!(db.optional("SELECT id FROM thing WHERE id = 3", params![]).await.unwrap().is_none());
        assert_eq!(
            db.one("SELECT id FROM thing WHERE id = 3", params![]).await.err().unwrap().code(),
            "STORE-MISSING"
        );
    })
    .await;
}

#[tokio::test]
async fn constraints_are_typed_errors() {
    each_engine("test", async |db| {
        db.migrate(&[TABLE]).await.unwrap();
        db.execute("INSERT INTO thing (id, other) VALUES (1, $1)", params![b"x"]).await.unwrap();
        let again = db.execute("INSERT INTO thing (id) VALUES (1)", params![]).await.unwrap_err();
        assert!(again.is_unique(), "{again}");
        let again =
            db.execute("INSERT INTO thing (id, other) VALUES (2, $1)", params![b"x"]).await.unwrap_err();
        assert!(
            matches!(&again, StoreError::Unique { constraint } if constraint.contains("other")),
            "{again:?}"
        );
        for sql in [
            "INSERT INTO part (id, thing, n) VALUES (1, 99, 1)",
            "INSERT INTO part (id, thing, n) VALUES (1, 1, 0)",
            "INSERT INTO part (id, thing, n) VALUES (1, NULL, 1)",
        ] {
            assert_eq!(db.execute(sql, params![]).await.unwrap_err().code(), "STORE-CONSTRAINT", "{sql}");
        }
        assert_eq!(
            db.execute("INSERT INTO nowhere VALUES (1)", params![]).await.unwrap_err().code(),
            "STORE-SQL"
        );
    })
    .await;
}

#[tokio::test]
async fn many_rows_go_in_with_few_statements() {
    each_engine("test", async |db| {
        db.migrate(&[TABLE]).await.unwrap();
        let changed = transaction!(db, |tx| {
            let rows = (0..4_321i64).map(|n| params![n, format!("label {n}")].to_vec());
            tx.insert_many("INSERT INTO thing (id, label)", 2, rows).await
        });
        assert_eq!(changed.unwrap(), 4_321);
        let row = db.one("SELECT count(*), min(label), max(id) FROM thing", params![]).await.unwrap();
        assert_eq!((row.read::<i64>(0).unwrap(), row.read::<i64>(2).unwrap()), (4_321, 4_320));
        assert_eq!(row.read::<String>(1).unwrap(), "label 0");
    })
    .await;
}

#[tokio::test]
async fn one_statement_takes_many_rows_of_the_program() {
    each_engine("test", async |db| {
        db.migrate(&[TABLE]).await.unwrap();
        let columns = [("id", Kind::Integer), ("label", Kind::Text), ("other", Kind::Bytes)];
        let rows = |suffix: &str| -> Vec<Vec<Value<'static>>> {
            let other = |n: i64| (n % 2 == 0).then(|| n.to_be_bytes().to_vec());
            (0..4_321i64).map(|n| params![n, format!("{n}{suffix}"), other(n)].to_vec()).collect()
        };
        let done = transaction!(db, |tx| {
            let insert = "INSERT INTO thing (id, label, other) SELECT id, label, other FROM given";
            let added = tx.execute_given(&columns, insert, &rows("")).await?;
            let update =
                "UPDATE thing SET label = given.label FROM given WHERE thing.id = given.id AND given.id > 0";
            let changed = tx.execute_given(&columns, update, &rows("'; --")).await?;
            Ok::<_, StoreError>((added, changed, tx.execute_given(&columns, insert, &[]).await?))
        });
        assert_eq!(done.unwrap(), (4_321, 4_320, 0));
        let row = db.one("SELECT label, other FROM thing WHERE id = 4320", params![]).await.unwrap();
        assert_eq!(row.read::<String>(0).unwrap(), "4320'; --");
        assert_eq!(row.read::<Vec<u8>>(1).unwrap(), 4_320i64.to_be_bytes());
        let nulls = db.one("SELECT count(*) FROM thing WHERE other IS NULL", params![]).await.unwrap();
        assert_eq!(nulls.read::<i64>(0).unwrap(), 2_160);
        let changed = transaction!(db, |tx| {
            let found = tx
                .all_given(&columns, "SELECT id FROM thing WHERE id IN (SELECT id FROM given)", &rows(""))
                .await?;
            let update = "UPDATE thing SET label = given.label FROM given WHERE thing.id = given.id \
                AND thing.id >= 4319 RETURNING thing.label";
            let changed = tx.all_given(&columns, update, &rows("!")).await?;
            let nothing = tx.all_given(&columns, "SELECT id FROM given", &[]).await?;
            let labels = changed.iter().map(|row| row.read(0)).collect::<Result<Vec<String>, _>>()?;
            Ok::<_, StoreError>((found.len(), labels, nothing.len()))
        });
        assert_eq!(changed.unwrap(), (4_321, vec!["4319!".into(), "4320!".into()], 0));
        for (row, code) in [
            (params![1i64].to_vec(), "STORE-AFFECTED"),
            (params![1i64, b"label", b"other"].to_vec(), "STORE-COLUMN"),
        ] {
            let odd = transaction!(db, |tx| {
                tx.execute_given(&columns, "DELETE FROM thing", std::slice::from_ref(&row)).await
            });
            assert_eq!(odd.unwrap_err().code(), code);
        }
    })
    .await;
}

#[tokio::test]
async fn addresses_that_mean_nothing_are_refused_without_repeating_a_password() {
    for url in ["mysql://root:secret@x/y", "sqlite::memory:", "sqlite:", "secret"] {
        let error = store::Db::open(url, "test").await.err().unwrap();
        assert_eq!(error.code(), "STORE-ADDRESS", "{url}");
        assert!(!error.to_string().contains("root"), "{error}");
    }
    assert_eq!(store::Db::open("sqlite:x", "a; DROP").await.err().unwrap().code(), "STORE-ADDRESS");
    let nobody = store::Db::open("postgres://nobody@127.0.0.1:1/none", "test").await.err().unwrap();
    assert_eq!(nobody.code(), "STORE-UNAVAILABLE");
}

#[tokio::test]
async fn sqlite_files_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}/deep/data/", directory.path().display());
    let db = store::Db::open(&url, "test").await.unwrap();
    db.migrate(&[TABLE]).await.unwrap();
    let mut seen = 0;
    for entry in std::fs::read_dir(directory.path().join("deep/data")).unwrap() {
        let mode = entry.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0);
        seen += 1;
    }
    assert!(seen >= 2, "the database and its journal");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_named_as_damaged() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("x.db");
    std::fs::write(&file, [b'x'; 8192]).unwrap();
    let error = store::Db::open(&format!("sqlite:{}", file.display()), "test").await.err().unwrap();
    assert_eq!(error.code(), "STORE-CORRUPT", "{error}");
}
