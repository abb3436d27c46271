//! Rows, read by column name or position into the types of [`Field`].

use jiff::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Column as _, ColumnIndex, Row as _, TypeInfo as _};
use uuid::Uuid;

use crate::StoreError;

/// One row of an answer.
pub struct Row(pub(crate) Inner);

pub(crate) enum Inner {
    Pg(PgRow),
    Lite(SqliteRow),
}

impl Row {
    /// Reads one column: `row.read::<String>("serial")?`, `row.read::<Option<i64>>(2)?`.
    pub fn read<T: Field>(&self, column: impl Column) -> Result<T, StoreError> {
        let index = match &self.0 {
            Inner::Pg(row) => column.pg(row)?,
            Inner::Lite(row) => column.lite(row)?,
        };
        T::read(self, index)
    }

    fn problem(&self, index: usize, problem: impl Into<String>) -> StoreError {
        let column = match &self.0 {
            Inner::Pg(row) => row.columns().get(index).map(|c| c.name().to_owned()),
            Inner::Lite(row) => row.columns().get(index).map(|c| c.name().to_owned()),
        };
        StoreError::Column { column: column.unwrap_or_else(|| index.to_string()), problem: problem.into() }
    }
}

/// A column name or position.
pub trait Column {
    #[doc(hidden)]
    fn pg(&self, row: &PgRow) -> Result<usize, StoreError>;
    #[doc(hidden)]
    fn lite(&self, row: &SqliteRow) -> Result<usize, StoreError>;
}

impl<C: ColumnIndex<PgRow> + ColumnIndex<SqliteRow>> Column for C {
    fn pg(&self, row: &PgRow) -> Result<usize, StoreError> {
        Ok(<C as ColumnIndex<PgRow>>::index(self, row)?)
    }

    fn lite(&self, row: &SqliteRow) -> Result<usize, StoreError> {
        Ok(<C as ColumnIndex<SqliteRow>>::index(self, row)?)
    }
}

/// A type a column can be read as.
pub trait Field: Sized {
    /// Reads the column at `index`; `None` for NULL.
    fn read_nullable(row: &Row, index: usize) -> Result<Option<Self>, StoreError>;

    /// Reads the column at `index`; NULL is an error unless the type is an `Option`.
    fn read(row: &Row, index: usize) -> Result<Self, StoreError> {
        Self::read_nullable(row, index)?.ok_or_else(|| row.problem(index, "is null"))
    }
}

impl Field for i64 {
    fn read_nullable(row: &Row, index: usize) -> Result<Option<Self>, StoreError> {
        match &row.0 {
            // A literal in a select list is INT4 on PostgreSQL.
            Inner::Pg(pg) if pg.columns().get(index).is_some_and(|c| c.type_info().name() == "INT4") => {
                Ok(pg.try_get::<Option<i32>, _>(index)?.map(i64::from))
            }
            Inner::Pg(pg) => Ok(pg.try_get(index)?),
            Inner::Lite(lite) => Ok(lite.try_get(index)?),
        }
    }
}

macro_rules! plain {
    ($($type:ty),+) => {$(
        impl Field for $type {
            fn read_nullable(row: &Row, index: usize) -> Result<Option<Self>, StoreError> {
                match &row.0 {
                    Inner::Pg(pg) => Ok(pg.try_get(index)?),
                    Inner::Lite(lite) => Ok(lite.try_get(index)?),
                }
            }
        }
    )+};
}

plain!(String, Vec<u8>, bool);

macro_rules! narrowed {
    ($($type:ty),+) => {$(
        impl Field for $type {
            fn read_nullable(row: &Row, index: usize) -> Result<Option<Self>, StoreError> {
                let Some(value) = i64::read_nullable(row, index)? else { return Ok(None) };
                <$type>::try_from(value).map(Some).map_err(|_| row.problem(index, "out of range"))
            }
        }
    )+};
}

narrowed!(u8, u16, u32, i32, u64, usize);

impl Field for Timestamp {
    fn read_nullable(row: &Row, index: usize) -> Result<Option<Self>, StoreError> {
        let Some(value) = i64::read_nullable(row, index)? else { return Ok(None) };
        Timestamp::from_microsecond(value).map(Some).map_err(|_| row.problem(index, "is no time"))
    }
}

impl Field for Uuid {
    fn read_nullable(row: &Row, index: usize) -> Result<Option<Self>, StoreError> {
        let Some(value) = <[u8; 16]>::read_nullable(row, index)? else { return Ok(None) };
        Ok(Some(Uuid::from_bytes(value)))
    }
}

impl<const N: usize> Field for [u8; N] {
    fn read_nullable(row: &Row, index: usize) -> Result<Option<Self>, StoreError> {
        let Some(value) = Vec::<u8>::read_nullable(row, index)? else { return Ok(None) };
        value.try_into().map(Some).map_err(|_| row.problem(index, format!("is not of {N} bytes")))
    }
}

impl<T: Field> Field for Option<T> {
    fn read_nullable(row: &Row, index: usize) -> Result<Option<Self>, StoreError> {
        Self::read(row, index).map(Some)
    }

    fn read(row: &Row, index: usize) -> Result<Self, StoreError> {
        T::read_nullable(row, index)
    }
}
