//! Schema versions. A migration is applied once, in order, each in its own transaction, and never edited afterwards.

use aws_lc_rs::digest::{SHA256, digest};

use crate::{Db, Result, StoreError, params};

/// One step of a system's schema. A system numbers its own from 1; tables that a library brings are numbered below.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// Its number; the highest applied one is the version of the database.
    pub version: i64,
    /// What it does, in a word or two.
    pub name: &'static str,
    /// The statements, in the words both engines understand.
    pub sql: &'static str,
}

impl Migration {
    /// A migration from its parts.
    pub const fn new(version: i64, name: &'static str, sql: &'static str) -> Self {
        Self { version, name, sql }
    }
}

pub(crate) async fn run(db: &Db, migrations: &[Migration]) -> Result<()> {
    let mut ordered: Vec<_> = migrations.iter().collect();
    ordered.sort_by_key(|m| m.version);
    // What libraries add (jobs, audit) is numbered below 1 and is no version of the system.
    let known = ordered.last().map_or(0, |m| m.version).max(0);
    // Two processes that create the version table at once collide on PostgreSQL's own catalogue; the loser looks again.
    let mut attempt = 0;
    while let Err(error) = prepare(db).await {
        attempt += 1;
        if attempt > 20 || !matches!(error, StoreError::Unique { .. } | StoreError::Sql { .. }) {
            return Err(error);
        }
        tokio::time::sleep(std::time::Duration::from_millis(10 * attempt)).await;
    }
    let found =
        db.one("SELECT COALESCE(MAX(version), 0) FROM store_migration", params![]).await?.read::<i64>(0)?;
    if found > known {
        return Err(StoreError::NewerVersion { schema: db.schema().to_owned(), found, known });
    }
    for migration in ordered {
        apply(db, migration).await?;
    }
    Ok(())
}

async fn prepare(db: &Db) -> Result<()> {
    crate::transaction!(db, |tx| tx.run_script(VERSION_TABLE.into()).await)
}

async fn apply(db: &Db, migration: &Migration) -> Result<()> {
    let checksum = digest(&SHA256, migration.sql.as_bytes());
    crate::transaction!(db, |tx| {
        let row = tx
            .optional("SELECT checksum FROM store_migration WHERE version = $1", params![migration.version])
            .await?;
        if let Some(row) = row {
            if row.read::<Vec<u8>>(0)? != checksum.as_ref() {
                let schema = db.schema().to_owned();
                return Err(StoreError::MigrationChanged { schema, version: migration.version });
            }
            return Ok(());
        }
        // The row first: another process that applies the same migration waits here for our commit, instead of
        // colliding with half of our tables in PostgreSQL's catalogue.
        tx.execute(
            "INSERT INTO store_migration (version, name, checksum) VALUES ($1, $2, $3)",
            params![migration.version, migration.name, checksum.as_ref()],
        )
        .await?;
        tx.run_script(migration.sql.into()).await
    })
}

const VERSION_TABLE: &str = "CREATE TABLE IF NOT EXISTS store_migration \
    (version BIGINT PRIMARY KEY, name TEXT NOT NULL, checksum BYTEA NOT NULL)";
