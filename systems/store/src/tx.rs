//! Transactions: serializable on both engines, retried when the engine asks for it.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

use crate::db::{Db, Inner};
use crate::engine::{Boxed, Session};
use crate::error::{Failure, Retry};
use crate::row::Row;
use crate::{Engine, Kind, Result, StoreError, Value, When};

/// A transaction under way. Dropped without [`Tx::commit`] it is rolled back.
pub struct Tx {
    session: Box<dyn Session>,
    inner: Arc<Inner>,
    retry: Retry,
    poisoned: bool,
    /// The table at which it has queued, for the next attempt to queue there before anything else.
    queued_at: Option<&'static str>,
}

impl Tx {
    pub(crate) fn begin(db: &Db) -> Boxed<'_, Result<Self, Failure>> {
        Box::pin(async move {
            db.inner.faults.alive()?;
            let session = db.inner.connections.begin().await?;
            let inner = db.inner.clone();
            Ok(Self { session, inner, retry: Retry::No, poisoned: false, queued_at: None })
        })
    }

    /// The engine behind this transaction.
    pub fn engine(&self) -> Engine {
        self.session.engine()
    }

    /// Waits until no other transaction is behind this call with the same table, in the order of those who wait; whoever has called it
    /// is alone with the table until it ends, but for readers. For a row that every transaction changes: without this a long
    /// transaction, and whoever comes after it, fail once for each that was faster, and the faster win for ever.
    ///
    /// On PostgreSQL a transaction that does this first sees everything those before it have left, and never fails for them. One that does
    /// it later may fail once; repeated by [`crate::transaction!`] it does it first. SQLite has one writer at a time as it is.
    pub fn queue_at(&mut self, table: &'static str) -> impl Future<Output = Result<()>> + Send + '_ {
        let queued: Boxed<'_, _> = Box::pin(async move {
            if self.engine() == Engine::Postgres && self.queued_at != Some(table) {
                // No query: the state of the database that this transaction sees is not fixed before the lock is there.
                self.run_script(Cow::Owned(format!("LOCK TABLE {table} IN EXCLUSIVE MODE"))).await?;
            }
            self.queued_at = Some(table);
            Ok(())
        });
        queued
    }

    /// Each statement sees what was committed before it, and none fails for what others change. The first statement of a transaction, for one of
    /// two kinds: what it writes means nothing before another transaction says so, or whoever writes what it reads queues at
    /// the same table ([`Tx::queue_at`]), which is its second statement. On SQLite nothing changes.
    pub fn read_committed(&mut self) -> impl Future<Output = Result<()>> + Send + '_ {
        let set: Boxed<'_, _> = Box::pin(async move {
            match self.engine() {
                Engine::Postgres => {
                    self.run_script("SET TRANSACTION ISOLATION LEVEL READ COMMITTED".into()).await
                }
                Engine::Sqlite => Ok(()),
            }
        });
        set
    }

    /// All rows of a query; also of an `INSERT`, `UPDATE` or `DELETE` with `RETURNING`.
    pub fn all<'a>(
        &'a mut self,
        sql: impl SqlSafeStr,
        values: &'a [Value<'a>],
    ) -> impl Future<Output = Result<Vec<Row>>> + Send + 'a {
        self.boxed_all(sql.into_sql_str(), values)
    }

    fn boxed_all<'a>(&'a mut self, sql: SqlStr, values: &'a [Value<'a>]) -> Boxed<'a, Result<Vec<Row>>> {
        Box::pin(async move {
            self.usable()?;
            let rows = self.session.all(sql, values).await;
            self.note(rows)
        })
    }

    /// The first row of a query, or `None`.
    pub async fn optional(&mut self, sql: impl SqlSafeStr, values: &[Value<'_>]) -> Result<Option<Row>> {
        Ok(self.all(sql, values).await?.into_iter().next())
    }

    /// The first row of a query that must have one.
    pub async fn one(&mut self, sql: impl SqlSafeStr, values: &[Value<'_>]) -> Result<Row> {
        self.optional(sql, values).await?.ok_or(StoreError::Missing)
    }

    /// Runs a statement and returns the number of rows it changed.
    pub fn execute<'a>(
        &'a mut self,
        sql: impl SqlSafeStr,
        values: &'a [Value<'a>],
    ) -> impl Future<Output = Result<u64>> + Send + 'a {
        self.boxed_execute(sql.into_sql_str(), values)
    }

    fn boxed_execute<'a>(&'a mut self, sql: SqlStr, values: &'a [Value<'a>]) -> Boxed<'a, Result<u64>> {
        Box::pin(async move {
            self.usable()?;
            let done = self.session.execute(sql, values).await;
            self.note(done)
        })
    }

    /// Runs a statement that must change exactly one row; otherwise the transaction is lost with [`StoreError::Affected`].
    pub async fn execute_one(&mut self, sql: impl SqlSafeStr, values: &[Value<'_>]) -> Result<()> {
        match self.execute(sql, values).await? {
            1 => Ok(()),
            found => {
                self.poisoned = true;
                Err(StoreError::Affected { expected: 1, found })
            }
        }
    }

    /// Inserts many rows with few statements: `insert_many("INSERT INTO t (a, b)", 2, rows)`, each row of `columns` values.
    pub async fn insert_many<'v>(
        &mut self,
        insert: &'static str,
        columns: usize,
        rows: impl IntoIterator<Item = Vec<Value<'v>>>,
    ) -> Result<u64> {
        // `$N` placeholders are quadratic on SQLite; PostgreSQL takes at most 65,535 of them in a statement.
        let (rows_at_once, numbered) = match self.engine() {
            Engine::Postgres => (2_000.min(65_535 / columns.max(1)), true),
            Engine::Sqlite => (500.min(32_766 / columns.max(1)), false),
        };
        let mut changed = 0;
        let mut pending: Vec<Value<'v>> = Vec::new();
        let mut rows = rows.into_iter().peekable();
        while let Some(row) = rows.next() {
            if row.len() != columns {
                return Err(StoreError::Affected { expected: columns as u64, found: row.len() as u64 });
            }
            pending.extend(row);
            let count = pending.len() / columns;
            if count == rows_at_once || rows.peek().is_none() {
                let sql = format!("{insert} VALUES {}", placeholders(count, columns, numbered));
                changed += self.execute(AssertSqlSafe(sql), &pending).await?;
                pending.clear();
            }
        }
        Ok(changed)
    }

    /// Runs a statement over many rows of the program's, which stand in it as the table `given` with these columns:
    ///
    /// `execute_given(&[("id", Kind::Integer), ("label", Kind::Text)], "UPDATE t SET label = given.label FROM given WHERE
    /// t.id = given.id", rows)`. Each row has as many values as there are columns, of these kinds or null. Returns how many
    /// rows the statement changed. It may run several times, each over a part of the rows.
    pub async fn execute_given<'v>(
        &mut self,
        columns: &[(&'static str, Kind)],
        sql: &'static str,
        rows: &[Vec<Value<'v>>],
    ) -> Result<u64> {
        let names = given_names(columns, rows)?;
        let mut changed = 0;
        match self.engine() {
            // One array a column: the statement's text is always the same, however many rows there are.
            Engine::Postgres => {
                let arrays = given_arrays(columns);
                let sql = format!("WITH given({names}) AS (SELECT * FROM unnest({arrays})) {sql}");
                for rows in rows.chunks(GIVEN_AT_ONCE) {
                    changed += self.execute_arrays(sql.clone(), columns, rows).await?;
                }
            }
            Engine::Sqlite => {
                for rows in rows.chunks(500.min(32_766 / columns.len().max(1))) {
                    let values = placeholders(rows.len(), columns.len(), false);
                    let sql = format!("WITH given({names}) AS (VALUES {values}) {sql}");
                    let flat = rows.concat();
                    changed += self.execute(AssertSqlSafe(sql), &flat).await?;
                }
            }
        }
        Ok(changed)
    }

    /// The rows of a statement over many rows of the program's, as in [`Tx::execute_given`]: of a query, or of a change with
    /// `RETURNING`. Rows that are given in two parts are answered in two parts, one after the other.
    pub async fn all_given<'v>(
        &mut self,
        columns: &[(&'static str, Kind)],
        sql: &'static str,
        rows: &[Vec<Value<'v>>],
    ) -> Result<Vec<Row>> {
        let names = given_names(columns, rows)?;
        let mut found = Vec::new();
        match self.engine() {
            Engine::Postgres => {
                let arrays = given_arrays(columns);
                let sql = format!("WITH given({names}) AS (SELECT * FROM unnest({arrays})) {sql}");
                for rows in rows.chunks(GIVEN_AT_ONCE) {
                    found.extend(self.rows_of_arrays(sql.clone(), columns, rows).await?);
                }
            }
            Engine::Sqlite => {
                for rows in rows.chunks(500.min(32_766 / columns.len().max(1))) {
                    let values = placeholders(rows.len(), columns.len(), false);
                    let sql = format!("WITH given({names}) AS (VALUES {values}) {sql}");
                    let flat = rows.concat();
                    found.extend(self.all(AssertSqlSafe(sql), &flat).await?);
                }
            }
        }
        Ok(found)
    }

    fn rows_of_arrays<'a>(
        &'a mut self,
        sql: String,
        columns: &'a [(&'static str, Kind)],
        rows: &'a [Vec<Value<'a>>],
    ) -> Boxed<'a, Result<Vec<Row>>> {
        Box::pin(async move {
            self.usable()?;
            let found = self.session.all_arrays(AssertSqlSafe(sql).into_sql_str(), columns, rows).await;
            self.note(found)
        })
    }

    fn execute_arrays<'a>(
        &'a mut self,
        sql: String,
        columns: &'a [(&'static str, Kind)],
        rows: &'a [Vec<Value<'a>>],
    ) -> Boxed<'a, Result<u64>> {
        Box::pin(async move {
            self.usable()?;
            let done = self.session.execute_arrays(AssertSqlSafe(sql).into_sql_str(), columns, rows).await;
            self.note(done)
        })
    }

    pub(crate) async fn run_script(&mut self, sql: Cow<'static, str>) -> Result<()> {
        self.usable()?;
        let done = self.session.script(sql).await;
        self.note(done)
    }

    /// Makes the changes durable.
    pub async fn commit(self) -> Result<()> {
        self.try_commit().await.map_err(|failure| failure.error)
    }

    fn try_commit(self) -> Boxed<'static, Result<(), Failure>> {
        Box::pin(async move {
            self.inner.faults.alive()?;
            if self.poisoned {
                return Err(Failure { error: StoreError::Poisoned, retry: self.retry });
            }
            self.inner.faults.room()?;
            let planned = self.inner.faults.at_commit();
            if planned == Some(When::BeforeCommit) {
                return Err(StoreError::Injected.into());
            }
            self.session.commit().await?;
            if planned == Some(When::AfterCommit) { Err(StoreError::Injected.into()) } else { Ok(()) }
        })
    }

    /// Undoes everything.
    pub async fn rollback(self) -> Result<()> {
        self.session.rollback().await.map_err(|failure| failure.error)
    }

    fn usable(&self) -> Result<()> {
        self.inner.faults.alive()?;
        // PostgreSQL refuses every statement after a failed one; SQLite would go on. Both refuse here.
        if self.poisoned { Err(StoreError::Poisoned) } else { Ok(()) }
    }

    fn note<T>(&mut self, result: Result<T, Failure>) -> Result<T> {
        result.map_err(|failure| {
            self.poisoned = true;
            self.retry = self.retry.max(failure.retry);
            failure.error
        })
    }
}

/// The names of the columns, once every row has a value for each, of its kind or null.
fn given_names(columns: &[(&'static str, Kind)], rows: &[Vec<Value<'_>>]) -> Result<String> {
    for row in rows {
        if row.len() != columns.len() {
            return Err(StoreError::Affected { expected: columns.len() as u64, found: row.len() as u64 });
        }
        if let Some(((name, _), _)) = columns.iter().zip(row).find(|((_, kind), v)| v.kind() != *kind) {
            let problem = "a value of another type".to_owned();
            return Err(StoreError::Column { column: (*name).to_owned(), problem });
        }
    }
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    Ok(names.join(", "))
}

fn given_arrays(columns: &[(&'static str, Kind)]) -> String {
    let array = |(n, (_, kind)): (usize, &(&str, Kind))| format!("${n}::{}[]", kind.postgres_name());
    (1..).zip(columns).map(array).collect::<Vec<_>>().join(", ")
}

fn placeholders(rows: usize, columns: usize, numbered: bool) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(rows * columns * 4);
    for row in 0..rows {
        text.push_str(if row == 0 { "(" } else { ",(" });
        for column in 0..columns {
            if column > 0 {
                text.push(',');
            }
            if numbered {
                let _ = write!(text, "${}", row * columns + column + 1);
            } else {
                text.push('?');
            }
        }
        text.push(')');
    }
    text
}

/// The retry loop behind [`crate::transaction!`].
pub struct Attempts<'a> {
    db: &'a Db,
    lost: u32,
    doubted: bool,
    turn: Option<tokio::sync::MutexGuard<'a, ()>>,
    /// Where the attempt before has queued.
    queued_at: Option<&'static str>,
}

impl<'a> Attempts<'a> {
    /// Starts counting.
    pub fn new(db: &'a Db) -> Self {
        Self { db, lost: 0, doubted: false, turn: None, queued_at: None }
    }

    /// Begins the next attempt.
    pub fn begin(&mut self) -> impl Future<Output = Result<Tx>> + Send + use<'_, 'a> {
        let begun: Boxed<'_, _> = Box::pin(async move {
            loop {
                match Tx::begin(self.db).await {
                    Ok(mut tx) => {
                        let Some(table) = self.queued_at else { return Ok(tx) };
                        match tx.queue_at(table).await {
                            Ok(()) => return Ok(tx),
                            Err(_) if tx.retry == Retry::Yes && self.lost < MOST_ATTEMPTS => {
                                self.wait().await
                            }
                            Err(error) => return Err(error),
                        }
                    }
                    // The engine itself has waited for its busy timeout before it said so.
                    Err(failure) if failure.retry == Retry::Yes && self.lost < MOST_BEGINS => {
                        self.wait().await;
                    }
                    Err(failure) => return Err(failure.error),
                }
            }
        });
        begun
    }

    /// Ends an attempt: commits, gives the error back, or asks for another attempt.
    pub async fn finish<T, E: From<StoreError>>(
        &mut self,
        tx: Tx,
        result: Result<T, E>,
    ) -> ControlFlow<Result<T, E>> {
        match (self.end(tx, result.is_ok()).await, result) {
            (End::Again, _) => ControlFlow::Continue(()),
            (End::Lost(error), _) => ControlFlow::Break(Err(error.into())),
            (End::AsItIs, result) => ControlFlow::Break(result),
        }
    }

    /// Commits or rolls back, and waits if there is to be another attempt.
    fn end(&mut self, tx: Tx, keep: bool) -> Boxed<'_, End> {
        Box::pin(async move {
            self.queued_at = tx.queued_at;
            let (retry, lost) = if keep {
                match tx.try_commit().await {
                    Ok(()) => return End::AsItIs,
                    Err(failure) => (failure.retry, End::Lost(failure.error)),
                }
            } else {
                let retry = tx.retry;
                // A failed rollback leaves nothing behind either: the connection is closed.
                let _ = tx.rollback().await;
                (retry, End::AsItIs)
            };
            match retry {
                Retry::No => return lost,
                Retry::Once if self.doubted => return lost,
                Retry::Once => self.doubted = true,
                Retry::Yes if self.lost >= MOST_ATTEMPTS => return End::Lost(StoreError::Busy(self.lost)),
                Retry::Yes => {}
            }
            self.wait().await;
            End::Again
        })
    }

    async fn wait(&mut self) {
        self.lost += 1;
        if self.turn.is_none() {
            // Losers of this process take turns, so each of them races only with fresh attempts and other processes.
            self.turn = Some(self.db.inner.losers.lock().await);
        } else {
            tokio::time::sleep(Duration::from_millis(u64::from(self.lost.min(20)).pow(2) / 2)).await;
        }
    }
}

/// How an attempt ended.
enum End {
    /// With what the block itself gave back.
    AsItIs,
    /// With an error of the engine.
    Lost(StoreError),
    /// Without effect; the block is to run again.
    Again,
}

/// Runs a block as one transaction on a [`Db`]: `transaction!(db, |tx| { ...; Ok(value) })`.
///
/// The block evaluates to a `Result` whose error is made of [`StoreError`]; `Ok` commits, `Err` rolls back. When the
/// engine reports a conflict with another transaction the block runs again, so it must not consume what it captures nor
/// do anything that cannot be done twice. Inside, use only the transaction: the database's own `execute` would wait for
/// the one writer of SQLite, which the block itself holds.
#[macro_export]
macro_rules! transaction {
    ($db:expr, |$tx:ident| $body:expr) => {{
        let __db: &$crate::Db = &$db;
        let mut __attempts = $crate::Attempts::new(__db);
        loop {
            let mut __tx = match __attempts.begin().await {
                Ok(__tx) => __tx,
                Err(__error) => break Err(::core::convert::From::from(__error)),
            };
            let __result = async {
                let $tx: &mut $crate::Tx = &mut __tx;
                $body
            }
            .await;
            if let ::core::ops::ControlFlow::Break(__result) = __attempts.finish(__tx, __result).await {
                break __result;
            }
        }
    }};
}

/// Rows in one statement over arrays.
const GIVEN_AT_ONCE: usize = 50_000;

const MOST_ATTEMPTS: u32 = 40;
const MOST_BEGINS: u32 = 3;
