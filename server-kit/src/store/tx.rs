//! A transaction of either engine, and the set-oriented statements that run in it.

use std::cmp::Ordering;

use domain::Timestamp;
use sqlx::Arguments as _;
use sqlx::postgres::PgArguments;
use uuid::Uuid;

use super::local::LocalTx;
use super::remote::{Fence, RemoteTx};
use super::table::Written;
use super::{Dialect, Keys, Row, StoreError, Table, Value};

/// One transaction. Dropped without [`Tx::commit`] it leaves nothing behind.
#[derive(Debug)]
pub struct Tx {
    pub(super) inner: Inner,
    /// The point in time of this transaction, by the database's clock.
    pub(super) now: Timestamp,
}

#[derive(Debug)]
pub(super) enum Inner {
    Sqlite(LocalTx),
    Postgres(RemoteTx),
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
        match &mut self.inner {
            Inner::Sqlite(tx) => tx.fetch(sql, &args),
            Inner::Postgres(tx) => tx.fetch(sql, args).await,
        }
    }

    /// Runs a statement and gives the number of rows that it touched.
    pub async fn execute(&mut self, sql: &'static str, args: Vec<Value>) -> Result<u64, StoreError> {
        match &mut self.inner {
            Inner::Sqlite(tx) => tx.execute(sql, &args),
            Inner::Postgres(tx) => tx.execute(sql, args).await,
        }
    }

    /// Loads the rows that the keys name, in key order.
    pub async fn load(&mut self, load: Load, keys: Keys) -> Result<Vec<Row>, StoreError> {
        let keys = keys.sorted();
        if keys.len() == 0 {
            return Ok(Vec::new());
        }
        match &mut self.inner {
            Inner::Sqlite(tx) => tx.load(load, keys),
            Inner::Postgres(tx) => tx.load(load, keys).await,
        }
    }

    /// Adds rows. A key that is there already is a [`StoreError::Conflict`], here or at the [`flush`](Tx::flush).
    pub async fn insert(&mut self, table: &Table, rows: Vec<Vec<Value>>) -> Result<(), StoreError> {
        self.write(table, rows, Written::Insert).await
    }

    /// Adds the rows of version 1 and updates the others, each guarded by its version. If any row is not at the version
    /// before, it is a [`StoreError::Conflict`], here or at the [`flush`](Tx::flush), and the transaction is to be dropped.
    pub async fn put(&mut self, table: &Table, rows: Vec<Vec<Value>>) -> Result<(), StoreError> {
        self.write(table, rows, Written::Put).await
    }

    /// Updates rows that are there, each guarded by its version, in the columns that the table names; the others stay. If any
    /// row is not at the version before, it is a [`StoreError::Conflict`], here or at the [`flush`](Tx::flush), and the
    /// transaction is to be dropped.
    pub async fn update(&mut self, table: &Table, rows: Vec<Vec<Value>>) -> Result<(), StoreError> {
        self.write(table, rows, Written::Update).await
    }

    async fn write(&mut self, table: &Table, mut rows: Vec<Vec<Value>>, written: Written) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        // SQLite would take the row before it for what is missing.
        if rows.iter().any(|row| row.len() != table.columns.len()) {
            return Err(StoreError::Refused(format!("a row of {} does not have its columns", table.name)));
        }
        // In key order, so that two replicas that write the same new rows wait for each other instead of deadlocking.
        let key_columns = table.key.len();
        rows.sort_by(|a, b| compare_keys(a.get(..key_columns), b.get(..key_columns)));
        match &mut self.inner {
            Inner::Sqlite(tx) => tx.write(table, written, &rows),
            Inner::Postgres(tx) => tx.write(table, written, rows).await,
        }
    }

    /// Tells those who listen on the channel, when and if the transaction commits. SQLite has neither NOTIFY nor anybody to
    /// notify.
    pub fn notify(&mut self, channel: &'static str, notice: String) {
        if let Inner::Postgres(tx) = &mut self.inner {
            tx.notify(channel, notice);
        }
    }

    /// Has the transaction refused if the name bears another mark. On SQLite nobody can take a name over while this process lives.
    pub(super) fn fence(&mut self, name: &str, mark: Uuid) {
        if let Inner::Postgres(tx) = &mut self.inner {
            tx.fence(Fence { name: name.to_owned(), mark });
        }
    }

    /// Writes what was given to be written and may wait for the end: on PostgreSQL only this, a query or the commit says
    /// whether a row was in the way.
    pub async fn flush(&mut self) -> Result<(), StoreError> {
        match &mut self.inner {
            Inner::Sqlite(_) => Ok(()),
            Inner::Postgres(tx) => tx.flush().await,
        }
    }

    /// Makes the transaction durable. When this returns `Ok` it is on disk.
    pub async fn commit(mut self) -> Result<(), StoreError> {
        self.flush().await?;
        let done = match self.inner {
            Inner::Sqlite(tx) => tx.commit(),
            Inner::Postgres(tx) => tx.commit().await,
        };
        done.map_err(|error| match error {
            StoreError::Away(what) => StoreError::CommitUnknown(what),
            other => other,
        })
    }
}

pub(super) fn compare_keys(a: Option<&[Value]>, b: Option<&[Value]>) -> Ordering {
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

pub(super) fn postgres_arguments(values: Vec<Value>) -> Result<PgArguments, StoreError> {
    let mut arguments = PgArguments::default();
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
