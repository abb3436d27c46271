//! Opening a database and reading from it.

use std::sync::Arc;

use sqlx::{SqlSafeStr, SqlStr};

use crate::engine::{self, Boxed, Connections};
use crate::fault::Faults;
use crate::row::Row;
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
    pub(crate) connections: Box<dyn Connections>,
    pub(crate) schema: String,
    pub(crate) faults: Faults,
    /// Held by whoever lost a race once, so that losers queue instead of racing again.
    pub(crate) losers: tokio::sync::Mutex<()>,
}

impl Db {
    /// Opens the database at `url` for the system named `schema`.
    ///
    /// - `sqlite:PATH`: a directory (existing, or written with a trailing slash) holds one file `SCHEMA.db` per system;
    ///   any other path is the file itself. Missing directories are made, readable by their owner alone.
    /// - `postgres://...`: the schema is made if missing and is the whole search path.
    pub fn open<'a>(url: &'a str, schema: &'a str) -> impl Future<Output = Result<Self>> + Send + 'a {
        let opened: Boxed<'a, _> = Box::pin(async move {
            let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
            if !schema.starts_with(|c: char| c.is_ascii_lowercase()) || !schema.bytes().all(plain) {
                return Err(StoreError::Address(format!("schema {schema}")));
            }
            let inner = Inner {
                connections: engine::open(url, schema).await?,
                schema: schema.to_owned(),
                faults: Faults::default(),
                losers: tokio::sync::Mutex::default(),
            };
            Ok(Self { inner: Arc::new(inner) })
        });
        opened
    }

    /// The engine behind this database.
    pub fn engine(&self) -> Engine {
        self.inner.connections.engine()
    }

    /// The name of the system whose tables these are.
    pub fn schema(&self) -> &str {
        &self.inner.schema
    }

    /// Brings the tables to the newest version of `migrations`.
    pub fn migrate<'a>(
        &'a self,
        migrations: &'a [Migration],
    ) -> impl Future<Output = Result<()>> + Send + 'a {
        let done: Boxed<'a, _> = Box::pin(crate::migrate::run(self, migrations));
        done
    }

    /// All rows of a query.
    pub fn all<'a>(
        &'a self,
        sql: impl SqlSafeStr,
        values: &'a [Value<'a>],
    ) -> impl Future<Output = Result<Vec<Row>>> + Send + 'a {
        self.boxed_all(sql.into_sql_str(), values)
    }

    fn boxed_all<'a>(&'a self, sql: SqlStr, values: &'a [Value<'a>]) -> Boxed<'a, Result<Vec<Row>>> {
        Box::pin(async move {
            self.inner.faults.alive()?;
            self.inner.connections.all(sql, values).await.map_err(|failure| failure.error)
        })
    }

    /// The first row of a query, or `None`.
    pub fn optional<'a>(
        &'a self,
        sql: impl SqlSafeStr,
        values: &'a [Value<'a>],
    ) -> impl Future<Output = Result<Option<Row>>> + Send + 'a {
        self.boxed_optional(sql.into_sql_str(), values)
    }

    fn boxed_optional<'a>(&'a self, sql: SqlStr, values: &'a [Value<'a>]) -> Boxed<'a, Result<Option<Row>>> {
        Box::pin(async move {
            self.inner.faults.alive()?;
            self.inner.connections.optional(sql, values).await.map_err(|failure| failure.error)
        })
    }

    /// The first row of a query that must have one.
    pub async fn one(&self, sql: impl SqlSafeStr, values: &[Value<'_>]) -> Result<Row> {
        self.optional(sql, values).await?.ok_or(StoreError::Missing)
    }

    /// One statement as a transaction of its own. Returns the number of rows it changed.
    pub fn execute<'a>(
        &'a self,
        sql: &'static str,
        values: &'a [Value<'a>],
    ) -> impl Future<Output = Result<u64>> + Send + 'a {
        let done: Boxed<'a, _> =
            Box::pin(async move { crate::transaction!(self, |tx| tx.execute(sql, values).await) });
        done
    }

    /// Begins a transaction that is not retried. Use [`crate::transaction!`] unless there is a reason not to.
    pub async fn begin(&self) -> Result<Tx> {
        Tx::begin(self).await.map_err(|failure| failure.error)
    }

    /// Waits until no transaction of this process is being repeated because it had lost against another. Whoever makes one long
    /// transaction after the other lets them pass first: otherwise they would lose again and again.
    pub fn losers_first(&self) -> impl Future<Output = ()> + Send + '_ {
        let passed: Boxed<'_, _> = Box::pin(async { drop(self.inner.losers.lock().await) });
        passed
    }

    /// For tests: the `n`-th commit from now fails (the transaction kept or lost as `when` says), and every later call
    /// too, as if the program had been killed there. [`Db::revive`] is the restart.
    pub fn fail_after(&self, n: u64, when: When) {
        self.inner.faults.plan(n, when);
    }

    /// For tests: from now on every commit fails as on a full disk, or no longer.
    pub fn disk_full(&self, full: bool) {
        self.inner.faults.fill(full);
    }

    /// For tests: ends what [`Db::fail_after`] began. Returns whether the failure had come.
    pub fn revive(&self) -> bool {
        self.inner.faults.revive()
    }

    /// Closes all connections; every clone of this database is unusable from then on.
    pub async fn close(&self) {
        self.inner.connections.close().await;
    }
}
