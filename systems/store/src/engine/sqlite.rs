//! SQLite: one file, one writer at a time, several readers.

use std::borrow::Cow;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use log::LevelFilter;
use sqlx::pool::PoolConnection;
use sqlx::query::Query;
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool,
    SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, ConnectOptions, SqlStr, Sqlite};

use super::{Boxed, Connections, SLOW, Session};
use crate::error::{Failure, Retry};
use crate::row::{Inner as RowInner, Row};
use crate::{Engine, Kind, Result, StoreError, Value};

/// One connection writes, several read.
pub(super) struct Lite {
    writer: SqlitePool,
    reader: SqlitePool,
}

impl Lite {
    pub(super) async fn open(file: &Path) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(10))
            .statement_cache_capacity(200)
            .log_slow_statements(LevelFilter::Warn, SLOW);
        let pool = || SqlitePoolOptions::new().idle_timeout(None).max_lifetime(None);
        // Two processes that open a new file at once race for the switch to WAL, which does not wait for the busy timeout.
        let mut attempt = 0;
        let writer = loop {
            let pool = pool().max_connections(1).after_release(|connection, _| {
                Box::pin(async move {
                    roll_back(connection).await;
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
            .statement_cache_capacity(200)
            .log_slow_statements(LevelFilter::Warn, SLOW);
        let reader = pool().max_connections(READERS).connect_lazy_with(reading);
        Ok(Self { writer, reader })
    }
}

impl Connections for Lite {
    fn engine(&self) -> Engine {
        Engine::Sqlite
    }

    fn begin(&self) -> Boxed<'_, Result<Box<dyn Session>, Failure>> {
        Box::pin(async move {
            let mut connection = self.writer.acquire().await?;
            sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut *connection).await?;
            Ok(Box::new(Transaction(connection)) as Box<dyn Session>)
        })
    }

    fn all<'a>(&'a self, sql: SqlStr, values: &'a [Value<'a>]) -> Boxed<'a, Result<Vec<Row>, Failure>> {
        Box::pin(async move { Ok(rows(query(sql, values).fetch_all(&self.reader).await?)) })
    }

    fn optional<'a>(
        &'a self,
        sql: SqlStr,
        values: &'a [Value<'a>],
    ) -> Boxed<'a, Result<Option<Row>, Failure>> {
        Box::pin(async move {
            let row = query(sql, values).fetch_optional(&self.reader).await?;
            Ok(row.map(|row| Row(RowInner::Lite(row))))
        })
    }

    fn close(&self) -> Boxed<'_, ()> {
        Box::pin(async move {
            self.reader.close().await;
            self.writer.close().await;
        })
    }
}

/// SQLite ends a transaction by itself when the disk is full, which sqlx's own transaction does not expect: its
/// connection would be unusable from then on. So begin and end are plain statements here, and the pool rolls back
/// whatever a connection that comes home left open.
struct Transaction(PoolConnection<Sqlite>);

impl Session for Transaction {
    fn engine(&self) -> Engine {
        Engine::Sqlite
    }

    fn all<'a>(&'a mut self, sql: SqlStr, values: &'a [Value<'a>]) -> Boxed<'a, Result<Vec<Row>, Failure>> {
        Box::pin(async move { Ok(rows(query(sql, values).fetch_all(&mut *self.0).await?)) })
    }

    fn execute<'a>(&'a mut self, sql: SqlStr, values: &'a [Value<'a>]) -> Boxed<'a, Result<u64, Failure>> {
        Box::pin(async move { Ok(query(sql, values).execute(&mut *self.0).await?.rows_affected()) })
    }

    fn execute_arrays<'a>(
        &'a mut self,
        _: SqlStr,
        _: &'a [(&'static str, Kind)],
        _: &'a [Vec<Value<'a>>],
    ) -> Boxed<'a, Result<u64, Failure>> {
        Box::pin(async { Err(StoreError::Missing.into()) })
    }

    fn all_arrays<'a>(
        &'a mut self,
        _: SqlStr,
        _: &'a [(&'static str, Kind)],
        _: &'a [Vec<Value<'a>>],
    ) -> Boxed<'a, Result<Vec<Row>, Failure>> {
        Box::pin(async { Err(StoreError::Missing.into()) })
    }

    fn script(&mut self, sql: Cow<'static, str>) -> Boxed<'_, Result<(), Failure>> {
        Box::pin(async move {
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *self.0).await?;
            Ok(())
        })
    }

    fn commit(mut self: Box<Self>) -> Boxed<'static, Result<(), Failure>> {
        Box::pin(async move {
            sqlx::raw_sql("COMMIT").execute(&mut *self.0).await?;
            Ok(())
        })
    }

    fn rollback(mut self: Box<Self>) -> Boxed<'static, Result<(), Failure>> {
        Box::pin(async move {
            roll_back(&mut self.0).await;
            Ok(())
        })
    }
}

fn query<'q>(sql: SqlStr, values: &[Value<'_>]) -> Query<'q, Sqlite, SqliteArguments> {
    values.iter().fold(sqlx::query(sql), |query, value| match value {
        Value::Null(_) => query.bind(None::<i64>),
        Value::Integer(value) => query.bind(*value),
        Value::Text(value) => query.bind(value.to_string()),
        Value::Bytes(value) => query.bind(value.to_vec()),
        Value::Bool(value) => query.bind(*value),
    })
}

fn rows(rows: Vec<sqlx::sqlite::SqliteRow>) -> Vec<Row> {
    rows.into_iter().map(|row| Row(RowInner::Lite(row))).collect()
}

/// Ends whatever transaction is open on a connection; that none is open is no error.
async fn roll_back(connection: &mut SqliteConnection) {
    let _ = sqlx::raw_sql("ROLLBACK").execute(connection).await;
}

pub(crate) fn file_of(path: &str, schema: &str) -> Result<PathBuf> {
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
        std::io::ErrorKind::StorageFull => StoreError::Full(crate::DiskFull),
        _ => StoreError::Unavailable(format!("{}: {error}", file.display())),
    };
    if let Some(parent) = file.parent().filter(|p| !p.as_os_str().is_empty()) {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(unavailable)?;
    }
    // SQLite gives its journal files the mode of the database, so the mode is set once, here.
    std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(&file).map_err(unavailable)?;
    Ok(file)
}

const READERS: u32 = 4;
