//! Opening a database and reading from it.

use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Connection, SqlSafeStr};

use crate::error::{Failure, Retry};
use crate::fault::Faults;
use crate::row::{Inner as RowInner, Row};
use crate::{Migration, Result, StoreError, Tx, Value, When};

/// Which engine a database runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// PostgreSQL.
    Postgres,
    /// SQLite.
    Sqlite,
}

/// One system's database. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct Db {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) pools: Pools,
    pub(crate) schema: String,
    pub(crate) faults: Faults,
    /// Held by whoever lost a race once, so that losers queue instead of racing again.
    pub(crate) losers: tokio::sync::Mutex<()>,
}

pub(crate) enum Pools {
    Pg(PgPool),
    /// SQLite knows one writer at a time: one connection writes, several read.
    Lite {
        writer: SqlitePool,
        reader: SqlitePool,
    },
}

impl Db {
    /// Opens the database at `url` for the system named `schema`.
    ///
    /// - `sqlite:PATH`: a directory (existing, or written with a trailing slash) holds one file `SCHEMA.db` per system;
    ///   any other path is the file itself. Missing directories are made, readable by their owner alone.
    /// - `postgres://...`: the schema is made if missing and is the whole search path.
    pub async fn open(url: &str, schema: &str) -> Result<Self> {
        if !schema.starts_with(|c: char| c.is_ascii_lowercase())
            || !schema.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        {
            return Err(StoreError::Address(format!("schema {schema}")));
        }
        let pools = if let Some(path) = url.strip_prefix("sqlite:") {
            open_sqlite(&file_of(path, schema)?).await?
        } else if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            open_postgres(url, schema).await?
        } else {
            // The address may hold a password: only its scheme is repeated.
            return Err(StoreError::Address(url.split(':').next().unwrap_or_default().to_owned()));
        };
        let inner = Inner {
            pools,
            schema: schema.to_owned(),
            faults: Faults::default(),
            losers: tokio::sync::Mutex::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The engine behind this database.
    pub fn engine(&self) -> Engine {
        match self.inner.pools {
            Pools::Pg(_) => Engine::Postgres,
            Pools::Lite { .. } => Engine::Sqlite,
        }
    }

    /// The name of the system whose tables these are.
    pub fn schema(&self) -> &str {
        &self.inner.schema
    }

    /// Brings the tables to the newest version of `migrations`.
    pub async fn migrate(&self, migrations: &[Migration]) -> Result<()> {
        crate::migrate::run(self, migrations).await
    }

    /// All rows of a query.
    pub async fn all(&self, sql: impl SqlSafeStr, values: &[Value<'_>]) -> Result<Vec<Row>> {
        self.inner.faults.alive()?;
        let sql = sql.into_sql_str();
        match &self.inner.pools {
            Pools::Pg(pool) => {
                let query = values.iter().fold(sqlx::query(sql), |query, value| value.bind_pg(query));
                let rows = query.fetch_all(pool).await.map_err(Failure::from);
                rows.map(|rows| rows.into_iter().map(|row| Row(RowInner::Pg(row))).collect())
            }
            Pools::Lite { reader, .. } => {
                let query = values.iter().fold(sqlx::query(sql), |query, value| value.bind_lite(query));
                let rows = query.fetch_all(reader).await.map_err(Failure::from);
                rows.map(|rows| rows.into_iter().map(|row| Row(RowInner::Lite(row))).collect())
            }
        }
        .map_err(|failure| failure.error)
    }

    /// The first row of a query, or `None`.
    pub async fn optional(&self, sql: impl SqlSafeStr, values: &[Value<'_>]) -> Result<Option<Row>> {
        self.inner.faults.alive()?;
        let sql = sql.into_sql_str();
        match &self.inner.pools {
            Pools::Pg(pool) => {
                let query = values.iter().fold(sqlx::query(sql), |query, value| value.bind_pg(query));
                Ok(query.fetch_optional(pool).await?.map(|row| Row(RowInner::Pg(row))))
            }
            Pools::Lite { reader, .. } => {
                let query = values.iter().fold(sqlx::query(sql), |query, value| value.bind_lite(query));
                Ok(query.fetch_optional(reader).await?.map(|row| Row(RowInner::Lite(row))))
            }
        }
    }

    /// The first row of a query that must have one.
    pub async fn one(&self, sql: impl SqlSafeStr, values: &[Value<'_>]) -> Result<Row> {
        self.optional(sql, values).await?.ok_or(StoreError::Missing)
    }

    /// One statement as a transaction of its own. Returns the number of rows it changed.
    pub async fn execute(&self, sql: &'static str, values: &[Value<'_>]) -> Result<u64> {
        crate::transaction!(self, |tx| tx.execute(sql, values).await)
    }

    /// Begins a transaction that is not retried. Use [`crate::transaction!`] unless there is a reason not to.
    pub async fn begin(&self) -> Result<Tx> {
        Tx::begin(self).await.map_err(|failure| failure.error)
    }

    /// For tests: the `n`-th commit from now fails (the transaction kept or lost as `when` says), and every later call
    /// too, as if the program had been killed there. [`Db::revive`] is the restart.
    pub fn fail_after(&self, n: u64, when: When) {
        self.inner.faults.plan(n, when);
    }

    /// For tests: ends what [`Db::fail_after`] began. Returns whether the failure had come.
    pub fn revive(&self) -> bool {
        self.inner.faults.revive()
    }

    /// Closes all connections; every clone of this database is unusable from then on.
    pub async fn close(&self) {
        match &self.inner.pools {
            Pools::Pg(pool) => pool.close().await,
            Pools::Lite { writer, reader } => {
                reader.close().await;
                writer.close().await;
            }
        }
    }
}

fn file_of(path: &str, schema: &str) -> Result<PathBuf> {
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() || path.starts_with(':') {
        return Err(StoreError::Address("sqlite".into()));
    }
    let file = if path.ends_with('/') || Path::new(path).is_dir() {
        Path::new(path).join(format!("{schema}.db"))
    } else {
        PathBuf::from(path)
    };
    let unavailable = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::StorageFull => StoreError::Full,
        _ => StoreError::Unavailable(format!("{}: {error}", file.display())),
    };
    if let Some(parent) = file.parent().filter(|p| !p.as_os_str().is_empty()) {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(unavailable)?;
    }
    // SQLite gives its journal files the mode of the database, so the mode is set once, here.
    std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(&file).map_err(unavailable)?;
    Ok(file)
}

async fn open_sqlite(file: &Path) -> Result<Pools> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(10))
        .statement_cache_capacity(200);
    let pool = || SqlitePoolOptions::new().idle_timeout(None).max_lifetime(None);
    // Two processes that open a new file at once race for the switch to WAL, which does not wait for the busy timeout.
    let mut attempt = 0;
    let writer = loop {
        let pool = pool().max_connections(1).after_release(|connection, _| {
            Box::pin(async move {
                crate::tx::roll_back(connection).await;
                Ok(true)
            })
        });
        match pool.connect_with(options.clone()).await.map_err(Failure::from) {
            Ok(writer) => break writer,
            Err(failure) if failure.retry == Retry::Yes && attempt < 50 => {
                attempt += 1;
                tokio::time::sleep(Duration::from_millis(10 * attempt)).await;
            }
            Err(failure) => return Err(failure.error),
        }
    };
    // The file is in WAL mode now and says so itself; readers must not try to switch it, nor write.
    let reading = SqliteConnectOptions::new()
        .filename(file)
        .busy_timeout(Duration::from_secs(10))
        .pragma("query_only", "on")
        .statement_cache_capacity(200);
    let reader = pool().max_connections(READERS).connect_lazy_with(reading);
    Ok(Pools::Lite { writer, reader })
}

async fn open_postgres(url: &str, schema: &str) -> Result<Pools> {
    let options = PgConnectOptions::from_str(url)
        .map_err(|_| StoreError::Address("postgres".into()))?
        .application_name(&format!("neweid-{schema}"))
        .options([("search_path", schema)]);
    let mut connection = sqlx::PgConnection::connect_with(&options).await?;
    // Two processes that make the schema at once both see it missing; the loser looks again.
    let create = format!("CREATE SCHEMA IF NOT EXISTS {schema}");
    let made = sqlx::raw_sql(sqlx::AssertSqlSafe(create.as_str())).execute(&mut connection).await;
    if made.is_err() {
        sqlx::raw_sql(sqlx::AssertSqlSafe(create.as_str())).execute(&mut connection).await?;
    }
    connection.close().await?;
    let pool = PgPoolOptions::new()
        .max_connections(PG_CONNECTIONS)
        .acquire_timeout(Duration::from_secs(15))
        .connect_lazy_with(options);
    Ok(Pools::Pg(pool))
}

const READERS: u32 = 4;
const PG_CONNECTIONS: u32 = 10;
