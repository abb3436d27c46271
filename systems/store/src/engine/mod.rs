//! What an engine does for this crate: one trait for its connections and one for a transaction, with one implementation each.
//!
//! Every call that reaches a driver returns a boxed future, made in a function without type parameters. The body of an
//! `async fn` is compiled in each crate that awaits it; without the box every function of every system, and every test
//! program, would compile the drivers anew.

mod postgres;
mod sqlite;

use std::borrow::Cow;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use sqlx::SqlStr;

use crate::error::Failure;
use crate::row::Row;
use crate::{Engine, Kind, Result, StoreError, Value};

/// From here on a statement is slow, which the log says: longer than the greatest batch of an incident takes on a busy disk, and as long
/// as a writer of SQLite waits for another.
const SLOW: Duration = Duration::from_secs(10);

/// A future whose type says no more than what comes out of it.
pub(crate) type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The connections to one database.
pub(crate) trait Connections: Send + Sync {
    fn engine(&self) -> Engine;

    /// A serializable transaction.
    fn begin(&self) -> Boxed<'_, Result<Box<dyn Session>, Failure>>;

    /// All rows of a query that changes nothing, outside any transaction.
    fn all<'a>(&'a self, sql: SqlStr, values: &'a [Value<'a>]) -> Boxed<'a, Result<Vec<Row>, Failure>>;

    /// The first row of such a query.
    fn optional<'a>(
        &'a self,
        sql: SqlStr,
        values: &'a [Value<'a>],
    ) -> Boxed<'a, Result<Option<Row>, Failure>>;

    fn close(&self) -> Boxed<'_, ()>;
}

/// The connection of one transaction. Dropped, it is rolled back.
pub(crate) trait Session: Send {
    fn engine(&self) -> Engine;

    fn all<'a>(&'a mut self, sql: SqlStr, values: &'a [Value<'a>]) -> Boxed<'a, Result<Vec<Row>, Failure>>;

    fn execute<'a>(&'a mut self, sql: SqlStr, values: &'a [Value<'a>]) -> Boxed<'a, Result<u64, Failure>>;

    /// A statement whose parameters are one array for each column. SQLite has no arrays.
    fn execute_arrays<'a>(
        &'a mut self,
        sql: SqlStr,
        columns: &'a [(&'static str, Kind)],
        rows: &'a [Vec<Value<'a>>],
    ) -> Boxed<'a, Result<u64, Failure>>;

    /// The rows of such a statement.
    fn all_arrays<'a>(
        &'a mut self,
        sql: SqlStr,
        columns: &'a [(&'static str, Kind)],
        rows: &'a [Vec<Value<'a>>],
    ) -> Boxed<'a, Result<Vec<Row>, Failure>>;

    /// Several statements without values.
    fn script(&mut self, sql: Cow<'static, str>) -> Boxed<'_, Result<(), Failure>>;

    fn commit(self: Box<Self>) -> Boxed<'static, Result<(), Failure>>;

    fn rollback(self: Box<Self>) -> Boxed<'static, Result<(), Failure>>;
}

/// Opens the engine that `url` names; see [`crate::Db::open`].
pub(crate) async fn open(url: &str, schema: &str) -> Result<Box<dyn Connections>> {
    if let Some(path) = url.strip_prefix("sqlite:") {
        let file = sqlite::file_of(path, schema)?;
        Ok(Box::new(sqlite::Lite::open(Path::new(&file)).await?))
    } else if url.starts_with("postgres:") || url.starts_with("postgresql:") {
        Ok(Box::new(postgres::Pg::open(url, schema).await?))
    } else {
        // The address may hold a password: only its scheme is repeated.
        Err(StoreError::Address(url.split(':').next().unwrap_or_default().to_owned()))
    }
}
