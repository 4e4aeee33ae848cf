//! A transaction of either engine, and the set-oriented statements that run in it.

use std::cmp::Ordering;
use std::sync::{LazyLock, Mutex, PoisonError};

use domain::Timestamp;
use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments as _, AssertSqlSafe, SqlSafeStr, SqlStr, Sqlite, Transaction};

use super::columns::arrays;
use super::lent::{Lent, bounded};
use super::table::{MOST_ROWS, Shape, Texts, Written, filled_up};
use super::{Dialect, Keys, Row, StoreError, Table, Value};

/// The texts of this process: the tables are few, and so are the sizes of their sets.
static TEXTS: LazyLock<Mutex<Texts>> = LazyLock::new(Mutex::default);

/// One transaction. Dropped without [`Tx::commit`] it leaves nothing behind.
#[derive(Debug)]
pub struct Tx {
    pub(super) inner: Inner,
    /// The point in time of this transaction, by the database's clock.
    pub(super) now: Timestamp,
}

#[derive(Debug)]
pub(super) enum Inner {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Lent),
}

/// A query that loads the rows that a set of keys names.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Up to and with the key's column: `SELECT … FROM payments WHERE id`.
    pub select: &'static str,
    /// What follows the keys, such as ` ORDER BY id`; a row lock is added by `lock`.
    pub tail: &'static str,
    /// Whether the rows are locked until the end of the transaction.
    pub lock: bool,
}

impl Tx {
    pub fn dialect(&self) -> Dialect {
        match self.inner {
            Inner::Sqlite(_) => Dialect::Sqlite,
            Inner::Postgres(_) => Dialect::Postgres,
        }
    }

    /// The point in time at which this transaction decides, by the database's clock: replicas whose own clocks differ
    /// agree on it.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Runs a query and gives all its rows.
    pub async fn fetch(&mut self, sql: &'static str, args: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        self.fetch_sql(sql.into_sql_str(), args).await
    }

    async fn fetch_sql(&mut self, sql: SqlStr, args: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        match &mut self.inner {
            Inner::Sqlite(tx) => {
                let rows = sqlx::query_with(sql, sqlite_arguments(args)?).fetch_all(&mut **tx).await?;
                Ok(rows.into_iter().map(Row::Sqlite).collect())
            }
            Inner::Postgres(tx) => {
                let rows = bounded(sqlx::query_with(sql, postgres_arguments(args)?).fetch_all(tx.get()?)).await?;
                Ok(rows.into_iter().map(Row::Postgres).collect())
            }
        }
    }

    /// Runs a statement and gives the number of rows that it touched.
    pub async fn execute(&mut self, sql: &'static str, args: Vec<Value>) -> Result<u64, StoreError> {
        self.execute_sql(sql.into_sql_str(), args).await
    }

    async fn execute_sql(&mut self, sql: SqlStr, args: Vec<Value>) -> Result<u64, StoreError> {
        match &mut self.inner {
            Inner::Sqlite(tx) => {
                let done = sqlx::query_with(sql, sqlite_arguments(args)?).execute(&mut **tx).await?;
                Ok(done.rows_affected())
            }
            Inner::Postgres(tx) => {
                let done = bounded(sqlx::query_with(sql, postgres_arguments(args)?).execute(tx.get()?)).await?;
                Ok(done.rows_affected())
            }
        }
    }

    /// Loads the rows that the keys name, in key order.
    pub async fn load(&mut self, load: Load, keys: Keys) -> Result<Vec<Row>, StoreError> {
        let keys = keys.sorted();
        if keys.len() == 0 {
            return Ok(Vec::new());
        }
        match self.dialect() {
            // An array is one parameter, so one prepared statement serves every size.
            Dialect::Postgres => {
                let lock = if load.lock { " FOR UPDATE" } else { "" };
                let sql = format!("{} = ANY($1){}{lock}", load.select, load.tail);
                self.fetch_array(AssertSqlSafe(sql).into_sql_str(), keys).await
            }
            // SQLite has no arrays and, with one writer, needs no row locks. The list is filled up to a power of two
            // with the last key again, which finds nothing new.
            Dialect::Sqlite => {
                let mut rows = Vec::new();
                for part in keys.values().chunks(256) {
                    let mut part = part.to_vec();
                    if let Some(last) = part.last().cloned() {
                        part.resize(part.len().next_power_of_two(), last);
                    }
                    let marks = vec!["?"; part.len()].join(", ");
                    let sql = format!("{} IN ({marks}){}", load.select, load.tail);
                    rows.extend(self.fetch_sql(AssertSqlSafe(sql).into_sql_str(), part).await?);
                }
                Ok(rows)
            }
        }
    }

    async fn fetch_array(&mut self, sql: SqlStr, keys: Keys) -> Result<Vec<Row>, StoreError> {
        let Inner::Postgres(tx) = &mut self.inner else {
            return Err(StoreError::Refused("arrays are PostgreSQL's".to_owned()));
        };
        let mut args = PgArguments::default();
        match keys {
            Keys::Ids(ids) => args.add(ids),
            Keys::Names(names) => args.add(names),
            Keys::Blobs(blobs) => args.add(blobs),
        }
        .map_err(|error| StoreError::Refused(error.to_string()))?;
        let rows = bounded(sqlx::query_with(sql, args).fetch_all(tx.get()?)).await?;
        Ok(rows.into_iter().map(Row::Postgres).collect())
    }

    /// Adds rows. A key that is there already is a [`StoreError::Conflict`].
    pub async fn insert(&mut self, table: &Table, rows: Vec<Vec<Value>>) -> Result<(), StoreError> {
        self.write(table, rows, Written::Insert).await
    }

    /// Adds the rows of version 1 and updates the others, each guarded by its version. If any row is not at the version
    /// before, it is a [`StoreError::Conflict`] and the transaction is to be dropped.
    pub async fn put(&mut self, table: &Table, rows: Vec<Vec<Value>>) -> Result<(), StoreError> {
        self.write(table, rows, Written::Put).await
    }

    /// Updates rows that are there, each guarded by its version, in the columns that the table names; the others stay. If any
    /// row is not at the version before, it is a [`StoreError::Conflict`] and the transaction is to be dropped.
    pub async fn update(&mut self, table: &Table, rows: Vec<Vec<Value>>) -> Result<(), StoreError> {
        self.write(table, rows, Written::Update).await
    }

    async fn write(&mut self, table: &Table, mut rows: Vec<Vec<Value>>, written: Written) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        // In key order, so that two replicas that write the same new rows wait for each other instead of deadlocking.
        let key_columns = table.key.len();
        rows.sort_by(|a, b| compare_keys(a.get(..key_columns), b.get(..key_columns)));
        let count = rows.len() as u64;
        let touched = match &mut self.inner {
            Inner::Postgres(tx) => {
                let sql = AssertSqlSafe(table.sql(written, Shape::Arrays));
                bounded(sqlx::query_with(sql, arrays(rows)?).execute(tx.get()?)).await?.rows_affected()
            }
            Inner::Sqlite(_) => {
                let mut touched = 0;
                while !rows.is_empty() {
                    let rest = rows.split_off(rows.len().min(MOST_ROWS));
                    let mut set = std::mem::replace(&mut rows, rest);
                    let size = filled_up(set.len());
                    if let Some(last) = set.last().cloned() {
                        set.resize(size, last);
                    }
                    let args: Vec<Value> = set.into_iter().flatten().collect();
                    let sql = {
                        let mut texts = TEXTS.lock().unwrap_or_else(PoisonError::into_inner);
                        AssertSqlSafe(texts.places(table, written, size))
                    };
                    touched += self.execute_sql(sql.into_sql_str(), args).await?;
                }
                touched
            }
        };
        if touched == count { Ok(()) } else { Err(StoreError::Conflict) }
    }

    /// Makes the transaction durable. When this returns `Ok` it is on disk.
    pub async fn commit(self) -> Result<(), StoreError> {
        let done = match self.inner {
            Inner::Sqlite(tx) => tx.commit().await.map_err(StoreError::from),
            Inner::Postgres(tx) => tx.commit().await,
        };
        done.map_err(|error| match error {
            StoreError::Away(what) => StoreError::CommitUnknown(what),
            other => other,
        })
    }
}

fn compare_keys(a: Option<&[Value]>, b: Option<&[Value]>) -> Ordering {
    let pairs = a.unwrap_or_default().iter().zip(b.unwrap_or_default());
    pairs.map(|(a, b)| compare_values(a, b)).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

fn compare_values(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Id(a), Value::Id(b)) => a.cmp(b),
        (Value::Int(a), Value::Int(b)) => a.cmp(b),
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        (Value::Bytes(a), Value::Bytes(b)) => a.cmp(b),
        _ => Ordering::Equal,
    }
}

macro_rules! arguments {
    ($name:ident, $arguments:ty) => {
        pub(super) fn $name(values: Vec<Value>) -> Result<$arguments, StoreError> {
            let mut arguments = <$arguments>::default();
            arguments.reserve(values.len(), values.len() * 16);
            for value in values {
                match value {
                    Value::Id(v) => arguments.add(v),
                    Value::MaybeId(v) => arguments.add(v),
                    Value::Int(v) => arguments.add(v),
                    Value::MaybeInt(v) => arguments.add(v),
                    Value::Real(v) => arguments.add(v),
                    Value::Text(v) => arguments.add(v),
                    Value::MaybeText(v) => arguments.add(v),
                    Value::Bytes(v) => arguments.add(v),
                    Value::MaybeBytes(v) => arguments.add(v),
                }
                .map_err(|error| StoreError::Refused(error.to_string()))?;
            }
            Ok(arguments)
        }
    };
}

arguments!(sqlite_arguments, SqliteArguments);
arguments!(postgres_arguments, PgArguments);
