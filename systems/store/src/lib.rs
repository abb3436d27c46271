//! One SQL text on two engines: SQLite, embedded and the default, and PostgreSQL for production.
//!
//! Every system with a database opens a [`Db`] of its own: on SQLite one file, on PostgreSQL one schema. A statement is
//! written once, with `$1` placeholders and the column types both engines share (`BIGINT`, `TEXT`, `BYTEA`, `BOOLEAN`),
//! and its values are bound with [`params!`]. Reads go through [`Db::one`], [`Db::optional`] and [`Db::all`]; whatever
//! changes something goes through [`transaction!`], which retries what the engine asks to be retried:
//!
//! ```no_run
//! # async fn f(db: store::Db) -> Result<i64, store::StoreError> {
//! use store::{params, transaction};
//! let serial = "ABC000001";
//! transaction!(db, |tx| {
//!     tx.execute("INSERT INTO card (serial, state) VALUES ($1, $2)", params![serial, "blank"]).await?;
//!     let row = tx.one("SELECT count(*) FROM card", params![]).await?;
//!     row.read::<i64>(0)
//! })
//! # }
//! ```
//!
//! The transaction is a macro and not a method taking a closure because the future of an async closure that borrows
//! cannot be shown to be `Send` (rust-lang/rust#110338), and every request handler needs that. Inside, `?` and `return` leave the block
//! as they would leave a closure; the block must be repeatable, since a conflict runs it again.
//!
//! What is left out on purpose: no statement differs by engine outside this crate (bulk insert, queue claims and
//! isolation are here), no clock is read, and no ORM stands between a query and its text.

mod db;
mod engine;
mod error;
mod fault;
mod id;
pub mod jobs;
mod migrate;
mod row;
pub mod testkit;
mod tx;
mod value;

pub use db::{Db, Engine};
pub use error::{DiskFull, StoreError, is_disk_full};
pub use fault::When;
pub use id::new_id;
pub use migrate::Migration;
pub use row::{Column, Field, Row};
pub use sqlx::{AssertSqlSafe, SqlSafeStr};
pub use tx::{Attempts, Tx};
pub use value::{Kind, Typed, Value};

/// What a store call returns.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;
