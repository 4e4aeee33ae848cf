//! Values that go into a statement and rows that come out of it, the same for both engines.

use rusqlite::types::{FromSql, Value as Owned};
use sqlx::postgres::PgRow;
use sqlx::{Decode, Postgres, Row as _, Type};
use uuid::Uuid;

use super::StoreError;

/// One value of a statement. Both engines keep whole numbers as 64-bit integers, times as UTC microseconds and
/// UUIDs in 16 bytes, so there is no more to choose from than this.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Id(Uuid),
    MaybeId(Option<Uuid>),
    Int(i64),
    MaybeInt(Option<i64>),
    Real(Option<f64>),
    Text(String),
    MaybeText(Option<String>),
    Bytes(Vec<u8>),
    MaybeBytes(Option<Vec<u8>>),
}

impl From<Uuid> for Value {
    fn from(value: Uuid) -> Self {
        Self::Id(value)
    }
}

impl From<Option<Uuid>> for Value {
    fn from(value: Option<Uuid>) -> Self {
        Self::MaybeId(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<Option<i64>> for Value {
    fn from(value: Option<i64>) -> Self {
        Self::MaybeInt(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Int(i64::from(value))
    }
}

impl From<domain::Timestamp> for Value {
    fn from(value: domain::Timestamp) -> Self {
        Self::Int(value.micros())
    }
}

impl From<Option<domain::Timestamp>> for Value {
    fn from(value: Option<domain::Timestamp>) -> Self {
        Self::MaybeInt(value.map(domain::Timestamp::micros))
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<Option<String>> for Value {
    fn from(value: Option<String>) -> Self {
        Self::MaybeText(value)
    }
}

impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(value)
    }
}

impl From<Option<Vec<u8>>> for Value {
    fn from(value: Option<Vec<u8>>) -> Self {
        Self::MaybeBytes(value)
    }
}

/// The keys of a load: all of one sort.
#[derive(Clone, Debug)]
pub enum Keys {
    Ids(Vec<Uuid>),
    Names(Vec<String>),
    Blobs(Vec<Vec<u8>>),
}

impl Keys {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Ids(keys) => keys.len(),
            Self::Names(keys) => keys.len(),
            Self::Blobs(keys) => keys.len(),
        }
    }

    /// The keys once each and in order, so that two writers lock rows in the same order.
    pub(super) fn sorted(self) -> Self {
        fn in_order<T: Ord>(mut keys: Vec<T>) -> Vec<T> {
            keys.sort_unstable();
            keys.dedup();
            keys
        }
        match self {
            Self::Ids(keys) => Self::Ids(in_order(keys)),
            Self::Names(keys) => Self::Names(in_order(keys)),
            Self::Blobs(keys) => Self::Blobs(in_order(keys)),
        }
    }

    pub(super) fn values(self) -> Vec<Value> {
        match self {
            Self::Ids(keys) => keys.into_iter().map(Value::Id).collect(),
            Self::Names(keys) => keys.into_iter().map(Value::Text).collect(),
            Self::Blobs(keys) => keys.into_iter().map(Value::Bytes).collect(),
        }
    }
}

/// A row of either engine. Columns are read by their place in the SELECT.
#[derive(Debug)]
pub enum Row {
    Sqlite(Vec<Owned>),
    Postgres(PgRow),
}

impl Row {
    fn get<'r, T>(&'r self, column: usize) -> Result<T, StoreError>
    where
        T: Decode<'r, Postgres> + Type<Postgres> + FromSql,
    {
        let value = match self {
            Self::Postgres(row) => row.try_get(column).map_err(|error| error.to_string()),
            Self::Sqlite(row) => match row.get(column) {
                Some(value) => T::column_result(value.into()).map_err(|error| error.to_string()),
                None => Err("there is no such column".to_owned()),
            },
        };
        value.map_err(|what| StoreError::Unreadable { column, what })
    }

    pub fn id(&self, column: usize) -> Result<Uuid, StoreError> {
        self.get(column)
    }

    pub fn maybe_id(&self, column: usize) -> Result<Option<Uuid>, StoreError> {
        self.get(column)
    }

    pub fn int(&self, column: usize) -> Result<i64, StoreError> {
        self.get(column)
    }

    pub fn maybe_int(&self, column: usize) -> Result<Option<i64>, StoreError> {
        self.get(column)
    }

    pub fn flag(&self, column: usize) -> Result<bool, StoreError> {
        self.int(column).map(|value| value != 0)
    }

    pub fn real(&self, column: usize) -> Result<Option<f64>, StoreError> {
        self.get(column)
    }

    pub fn text(&self, column: usize) -> Result<String, StoreError> {
        self.get(column)
    }

    pub fn maybe_text(&self, column: usize) -> Result<Option<String>, StoreError> {
        self.get(column)
    }

    pub fn bytes(&self, column: usize) -> Result<Vec<u8>, StoreError> {
        self.get(column)
    }

    pub fn maybe_bytes(&self, column: usize) -> Result<Option<Vec<u8>>, StoreError> {
        self.get(column)
    }

    pub fn time(&self, column: usize) -> Result<domain::Timestamp, StoreError> {
        self.int(column).map(domain::Timestamp::from_micros)
    }

    pub fn maybe_time(&self, column: usize) -> Result<Option<domain::Timestamp>, StoreError> {
        Ok(self.maybe_int(column)?.map(domain::Timestamp::from_micros))
    }

    /// Text that `read` understands, such as a state or a currency.
    pub fn parsed<T, E: std::fmt::Debug>(
        &self,
        column: usize,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, StoreError> {
        let text = self.text(column)?;
        read(&text).map_err(|error| StoreError::Unreadable { column, what: format!("{error:?}") })
    }
}
