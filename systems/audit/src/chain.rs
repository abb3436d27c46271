//! The chain in the database.

use aws_lc_rs::digest::SHA256_OUTPUT_LEN;
use store::{Db, Kind, Migration, Row, Tx, Value, params, transaction};

use crate::{AuditError, Entry, Event, Head, Result};

/// The tables of the chain, which a system puts among its own migrations (those begin at 1).
pub const MIGRATION: Migration = Migration::new(
    -1,
    "audit",
    "CREATE TABLE audit_entry (
        seq BIGINT PRIMARY KEY,
        at BIGINT NOT NULL,
        actor TEXT NOT NULL,
        system TEXT NOT NULL,
        action TEXT NOT NULL,
        subject TEXT NOT NULL,
        detail TEXT NOT NULL,
        hash BYTEA NOT NULL
    );
    CREATE INDEX audit_entry_subject ON audit_entry (subject, seq);
    CREATE TABLE audit_head (id BIGINT PRIMARY KEY, seq BIGINT NOT NULL, hash BYTEA);
    INSERT INTO audit_head (id, seq) VALUES (1, 0);",
);

/// Appends one event in the caller's transaction.
pub async fn append(tx: &mut Tx, event: &Event<'_>) -> Result<Head> {
    append_all(tx, std::slice::from_ref(event)).await
}

/// Appends events in their order in the caller's transaction. Returns the new head.
///
/// Transactions that append to one chain come one after the other, in the order in which they asked: each reads the head that the one
/// before has written, or is repeated by [`store::transaction!`], which asks first then. A transaction that takes its time asks before
/// anything else, with no events: it is never repeated for those who were faster.
pub async fn append_all(tx: &mut Tx, events: &[Event<'_>]) -> Result<Head> {
    tx.queue_at("audit_head").await?;
    // Writing before reading takes the row's lock: of two transactions the later one waits here and starts over.
    let take = "UPDATE audit_head SET seq = seq WHERE id = 1 RETURNING seq, hash";
    let mut head = read_head(&tx.one(take, params![]).await?)?;
    let mut rows: Vec<Vec<Value<'_>>> = Vec::with_capacity(events.len());
    for event in events {
        let entry = event.after(&head)?;
        head = Head { seq: entry.seq, hash: entry.hash };
        let Entry { seq, at, actor, system, action, subject, detail, hash } = entry;
        rows.push(params![seq as i64, at, actor, system, action, subject, detail, hash].to_vec());
    }
    let insert = "INSERT INTO audit_entry (seq, at, actor, system, action, subject, detail, hash) \
        SELECT seq, at, actor, system, action, subject, detail, hash FROM given";
    tx.execute_given(&ENTRY_COLUMNS, insert, &rows).await?;
    let keep = "UPDATE audit_head SET seq = $1, hash = $2 WHERE id = 1";
    if !events.is_empty() {
        tx.execute_one(keep, params![head.seq as i64, head.hash]).await?;
    }
    Ok(head)
}

/// The end of the chain, to be kept where the database's owner cannot reach it.
pub async fn head(db: &Db) -> Result<Head> {
    read_head(&db.one("SELECT seq, hash FROM audit_head WHERE id = 1", params![]).await?)
}

/// Up to `limit` entries after number `after`, in order; of one subject only if it is named.
pub async fn events(db: &Db, subject: Option<&str>, after: u64, limit: u32) -> Result<Vec<Entry>> {
    let rows = match subject {
        None => {
            let sql = "SELECT seq, at, actor, system, action, subject, detail, hash FROM audit_entry \
                WHERE seq > $1 ORDER BY seq LIMIT $2";
            db.all(sql, params![after as i64, limit]).await?
        }
        Some(subject) => {
            let sql = "SELECT seq, at, actor, system, action, subject, detail, hash FROM audit_entry \
                WHERE seq > $1 AND subject = $3 ORDER BY seq LIMIT $2";
            db.all(sql, params![after as i64, limit, subject]).await?
        }
    };
    rows.iter().map(entry).collect()
}

/// A chain of its own, for what is done outside any other table.
#[derive(Clone)]
pub struct AuditLog {
    db: Db,
}

impl AuditLog {
    /// Opens the chain in `db`, making its tables if they are missing.
    pub async fn open(db: Db) -> Result<Self> {
        db.migrate(&[MIGRATION]).await?;
        Ok(Self { db })
    }

    /// Appends one event.
    pub async fn append(&self, event: &Event<'_>) -> Result<Head> {
        transaction!(self.db, |tx| append(tx, event).await)
    }

    /// Checks the whole chain; see [`crate::verify`].
    pub async fn verify(&self, kept: Option<&Head>) -> Result<Head> {
        crate::verify(&self.db, kept).await
    }

    /// The database of the chain.
    pub fn db(&self) -> &Db {
        &self.db
    }
}

const ENTRY_COLUMNS: [(&str, Kind); 8] = [
    ("seq", Kind::Integer),
    ("at", Kind::Integer),
    ("actor", Kind::Text),
    ("system", Kind::Text),
    ("action", Kind::Text),
    ("subject", Kind::Text),
    ("detail", Kind::Text),
    ("hash", Kind::Bytes),
];

fn read_head(row: &Row) -> Result<Head, AuditError> {
    let hash = row.read::<Option<[u8; SHA256_OUTPUT_LEN]>>("hash")?;
    Ok(Head { seq: row.read("seq")?, hash: hash.unwrap_or(Head::EMPTY.hash) })
}

fn entry(row: &Row) -> Result<Entry, AuditError> {
    Ok(Entry {
        seq: row.read("seq")?,
        at: row.read("at")?,
        actor: row.read("actor")?,
        system: row.read("system")?,
        action: row.read("action")?,
        subject: row.read("subject")?,
        detail: row.read("detail")?,
        hash: row.read("hash")?,
    })
}
