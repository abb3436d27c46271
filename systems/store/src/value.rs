//! Values bound to a statement. Both engines share five column types; everything else is stored as one of them.

use std::borrow::Cow;

use jiff::Timestamp;
use uuid::Uuid;

/// The column types both engines share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `BIGINT`
    Integer,
    /// `TEXT`
    Text,
    /// `BYTEA`
    Bytes,
    /// `BOOLEAN`
    Bool,
}

impl Kind {
    pub(crate) const fn postgres_name(self) -> &'static str {
        match self {
            Self::Integer => "bigint",
            Self::Text => "text",
            Self::Bytes => "bytea",
            Self::Bool => "boolean",
        }
    }
}

/// One value to bind. Has no `Debug`: values are names, numbers and sealed keys.
#[derive(Clone, PartialEq)]
pub enum Value<'a> {
    /// NULL, with the type of its column, which PostgreSQL wants to know.
    Null(Kind),
    /// A number, or a time in microseconds since 1970.
    Integer(i64),
    /// A text.
    Text(Cow<'a, str>),
    /// Bytes, or a UUID as its 16 bytes.
    Bytes(Cow<'a, [u8]>),
    /// A truth value.
    Bool(bool),
}

/// Binds values to `$1`, `$2`, ... in order: `params![serial, "blank", now, None::<i64>]`.
#[macro_export]
macro_rules! params {
    () => { &[] as &[$crate::Value<'_>] };
    ($($value:expr),+ $(,)?) => { &[$($crate::Value::from($value)),+] as &[$crate::Value<'_>] };
}

impl Value<'_> {
    /// The column type this value goes into.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Null(kind) => *kind,
            Self::Integer(_) => Kind::Integer,
            Self::Text(_) => Kind::Text,
            Self::Bytes(_) => Kind::Bytes,
            Self::Bool(_) => Kind::Bool,
        }
    }
}

/// A type whose absence has a column type: what may stand in `Option`.
pub trait Typed {
    /// The column type.
    const KIND: Kind;
}

macro_rules! values {
    ($($kind:ident: $($type:ty => |$v:ident| $to:expr),+;)+) => {$($(
        impl<'a> From<$type> for Value<'a> {
            fn from($v: $type) -> Self { $to }
        }
        impl<'a> Typed for $type { const KIND: Kind = Kind::$kind; }
    )+)+};
}

values! {
    Integer:
        i64 => |v| Value::Integer(v),
        i32 => |v| Value::Integer(v.into()),
        u32 => |v| Value::Integer(v.into()),
        u16 => |v| Value::Integer(v.into()),
        u8 => |v| Value::Integer(v.into()),
        Timestamp => |v| Value::Integer(v.as_microsecond());
    Bool: bool => |v| Value::Bool(v);
    Text:
        String => |v| Value::Text(Cow::Owned(v)),
        &'a str => |v| Value::Text(Cow::Borrowed(v)),
        &'a String => |v| Value::Text(Cow::Borrowed(v));
    Bytes:
        Vec<u8> => |v| Value::Bytes(Cow::Owned(v)),
        &'a [u8] => |v| Value::Bytes(Cow::Borrowed(v)),
        &'a Vec<u8> => |v| Value::Bytes(Cow::Borrowed(v)),
        Uuid => |v| Value::Bytes(Cow::Owned(v.as_bytes().to_vec())),
        &'a Uuid => |v| Value::Bytes(Cow::Borrowed(v.as_bytes()));
}

impl<const N: usize> From<[u8; N]> for Value<'_> {
    fn from(v: [u8; N]) -> Self {
        Value::Bytes(Cow::Owned(v.to_vec()))
    }
}

impl<const N: usize> Typed for [u8; N] {
    const KIND: Kind = Kind::Bytes;
}

impl<'a, const N: usize> From<&'a [u8; N]> for Value<'a> {
    fn from(v: &'a [u8; N]) -> Self {
        Value::Bytes(Cow::Borrowed(v))
    }
}

impl<const N: usize> Typed for &[u8; N] {
    const KIND: Kind = Kind::Bytes;
}

impl<'a, T: Into<Value<'a>> + Typed> From<Option<T>> for Value<'a> {
    fn from(v: Option<T>) -> Self {
        v.map_or(Value::Null(T::KIND), Into::into)
    }
}
