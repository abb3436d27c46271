//! PostgreSQL: one schema for each system.

use std::borrow::Cow;
use std::str::FromStr;
use std::time::Duration;

use log::LevelFilter;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Postgres, SqlStr};

use super::{Boxed, Connections, SLOW, Session};
use crate::error::Failure;
use crate::row::{Inner as RowInner, Row};
use crate::{Engine, Kind, Result, StoreError, Value};

pub(super) struct Pg(PgPool);

impl Pg {
    pub(super) async fn open(url: &str, schema: &str) -> Result<Self> {
        let options = PgConnectOptions::from_str(url)
            .map_err(|_| StoreError::Address("postgres".into()))?
            .application_name(&format!("neweid-{schema}"))
            .options([("search_path", schema)])
            .log_slow_statements(LevelFilter::Warn, SLOW);
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
        Ok(Self(pool))
    }
}

impl Connections for Pg {
    fn engine(&self) -> Engine {
        Engine::Postgres
    }

    fn begin(&self) -> Boxed<'_, Result<Box<dyn Session>, Failure>> {
        Box::pin(async move {
            let transaction = self.0.begin_with("BEGIN ISOLATION LEVEL SERIALIZABLE").await?;
            Ok(Box::new(Transaction(transaction)) as Box<dyn Session>)
        })
    }

    fn all<'a>(&'a self, sql: SqlStr, values: &'a [Value<'a>]) -> Boxed<'a, Result<Vec<Row>, Failure>> {
        Box::pin(async move { Ok(rows(query(sql, values).fetch_all(&self.0).await?)) })
    }

    fn optional<'a>(
        &'a self,
        sql: SqlStr,
        values: &'a [Value<'a>],
    ) -> Boxed<'a, Result<Option<Row>, Failure>> {
        Box::pin(async move {
            let row = query(sql, values).fetch_optional(&self.0).await?;
            Ok(row.map(|row| Row(RowInner::Pg(row))))
        })
    }

    fn close(&self) -> Boxed<'_, ()> {
        Box::pin(self.0.close())
    }
}

struct Transaction(sqlx::Transaction<'static, Postgres>);

impl Session for Transaction {
    fn engine(&self) -> Engine {
        Engine::Postgres
    }

    fn all<'a>(&'a mut self, sql: SqlStr, values: &'a [Value<'a>]) -> Boxed<'a, Result<Vec<Row>, Failure>> {
        Box::pin(async move { Ok(rows(query(sql, values).fetch_all(&mut *self.0).await?)) })
    }

    fn execute<'a>(&'a mut self, sql: SqlStr, values: &'a [Value<'a>]) -> Boxed<'a, Result<u64, Failure>> {
        Box::pin(async move { Ok(query(sql, values).execute(&mut *self.0).await?.rows_affected()) })
    }

    fn execute_arrays<'a>(
        &'a mut self,
        sql: SqlStr,
        columns: &'a [(&'static str, Kind)],
        rows: &'a [Vec<Value<'a>>],
    ) -> Boxed<'a, Result<u64, Failure>> {
        Box::pin(async move {
            let query = bind_columns(sqlx::query(sql), columns, rows);
            Ok(query.execute(&mut *self.0).await?.rows_affected())
        })
    }

    fn all_arrays<'a>(
        &'a mut self,
        sql: SqlStr,
        columns: &'a [(&'static str, Kind)],
        values: &'a [Vec<Value<'a>>],
    ) -> Boxed<'a, Result<Vec<Row>, Failure>> {
        Box::pin(async move {
            let query = bind_columns(sqlx::query(sql), columns, values);
            Ok(rows(query.fetch_all(&mut *self.0).await?))
        })
    }

    fn script(&mut self, sql: Cow<'static, str>) -> Boxed<'_, Result<(), Failure>> {
        Box::pin(async move {
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *self.0).await?;
            Ok(())
        })
    }

    fn commit(self: Box<Self>) -> Boxed<'static, Result<(), Failure>> {
        Box::pin(async move { Ok(self.0.commit().await?) })
    }

    fn rollback(self: Box<Self>) -> Boxed<'static, Result<(), Failure>> {
        Box::pin(async move { Ok(self.0.rollback().await?) })
    }
}

type PgQuery<'q> = Query<'q, Postgres, PgArguments>;

fn query<'q>(sql: SqlStr, values: &'q [Value<'q>]) -> PgQuery<'q> {
    values.iter().fold(sqlx::query(sql), |query, value| match value {
        Value::Null(Kind::Integer) => query.bind(None::<i64>),
        Value::Null(Kind::Text) => query.bind(None::<&str>),
        Value::Null(Kind::Bytes) => query.bind(None::<&[u8]>),
        Value::Null(Kind::Bool) => query.bind(None::<bool>),
        Value::Integer(value) => query.bind(*value),
        Value::Text(value) => query.bind(value.as_ref()),
        Value::Bytes(value) => query.bind(value.as_ref()),
        Value::Bool(value) => query.bind(*value),
    })
}

fn rows(rows: Vec<sqlx::postgres::PgRow>) -> Vec<Row> {
    rows.into_iter().map(|row| Row(RowInner::Pg(row))).collect()
}

fn bind_columns<'q>(
    mut query: PgQuery<'q>,
    columns: &[(&'static str, Kind)],
    rows: &[Vec<Value<'_>>],
) -> PgQuery<'q> {
    for (place, (_, kind)) in columns.iter().enumerate() {
        query = bind_column(query, *kind, rows.iter().filter_map(|row| row.get(place)));
    }
    query
}

/// The values of one column, which are of this kind or null, as an array.
fn bind_column<'q, 'a>(
    query: PgQuery<'q>,
    kind: Kind,
    values: impl Iterator<Item = &'a Value<'a>>,
) -> PgQuery<'q> {
    match kind {
        Kind::Integer => query.bind(
            values.map(|v| if let Value::Integer(v) = v { Some(*v) } else { None }).collect::<Vec<_>>(),
        ),
        Kind::Text => query.bind(
            values
                .map(|v| if let Value::Text(v) = v { Some(v.to_string()) } else { None })
                .collect::<Vec<_>>(),
        ),
        Kind::Bytes => query.bind(
            values.map(|v| if let Value::Bytes(v) = v { Some(v.to_vec()) } else { None }).collect::<Vec<_>>(),
        ),
        Kind::Bool => query
            .bind(values.map(|v| if let Value::Bool(v) = v { Some(*v) } else { None }).collect::<Vec<_>>()),
    }
}

const PG_CONNECTIONS: u32 = 10;
