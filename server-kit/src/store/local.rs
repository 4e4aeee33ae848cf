//! The one connection that writes to an SQLite file.
//!
//! SQLite is a library, not a server: a prepared statement with its values takes a microsecond or two where it is called, and
//! ten times that when each statement first wakes another thread. So this connection runs in the thread of whoever has a
//! transaction open, which is a writer's own (see `GroupWriter`), row by row over statements that stay prepared.
//! ADR 7 has the measurements.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, Value as Owned, ValueRef};
use rusqlite::{CachedStatement, Connection, OpenFlags, Statement, ToSql};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::timeout;

use super::checkpoint::{Checkpoints, LogLength};
use super::table::{Shape, Written};
use super::{Keys, Load, Row, StoreError, Table, Value};

/// How long to wait for whoever has a transaction open.
const TURN_WITHIN: Duration = Duration::from_secs(5);
/// Statements that stay prepared; there are a few dozen.
const PREPARED: usize = 256;

/// From this size on, in pages, a database has a larger cache: from here on SQLite does not look through all of it at the end of a
/// transaction that has moved pages (it moves them by way of the page of its locks, which is the one after the first GiB).
const LARGE: i64 = 262_145;
/// 64 MiB: a set that changes thousands of rows, each in a page of its own, has room in it. What has not is written to the log before COMMIT,
/// and once more afterwards.
const CACHE_OF_LARGE: &str = "-65536";

/// The connection, for one transaction at a time. Cheap to clone; nothing is left of it after `close`.
#[derive(Clone, Debug)]
pub(super) struct Local {
    writing: Arc<Mutex<Option<Writing>>>,
}

/// The connection, and what keeps its log short.
#[derive(Debug)]
struct Writing {
    connection: Connection,
    checkpoints: Checkpoints,
}

impl Local {
    /// Opens the file, which is there, with settings that keep what was committed.
    pub(super) fn open(file: &Path, settings: &[(&str, &str)]) -> Result<Self, StoreError> {
        Self::open_with(file, settings, LogLength::USUAL)
    }

    pub(super) fn open_with(file: &Path, settings: &[(&str, &str)], length: LogLength) -> Result<Self, StoreError> {
        let connection = connect(file)?;
        for (setting, value) in settings {
            connection.pragma_update(None, setting, value)?;
        }
        connection.busy_timeout(TURN_WITHIN)?;
        connection.set_prepared_statement_cache_capacity(PREPARED);
        fit_cache(&connection, LARGE);
        let checkpoints = Checkpoints::start(file, &connection, length)?;
        Ok(Self { writing: Arc::new(Mutex::new(Some(Writing { connection, checkpoints }))) })
    }

    /// What the connection answers to a PRAGMA.
    pub(super) async fn setting(&self, name: &str) -> Result<String, StoreError> {
        let writing = self.writing.lock().await;
        let connection = &writing.as_ref().ok_or(StoreError::Stopped)?.connection;
        let value = connection.pragma_query_value(None, name, |row| row.get::<_, Owned>(0))?;
        Ok(match value {
            Owned::Text(text) => text,
            Owned::Integer(number) => number.to_string(),
            other => format!("{other:?}"),
        })
    }

    pub(super) async fn begin(&self) -> Result<LocalTx, StoreError> {
        let turn = timeout(TURN_WITHIN, self.writing.clone().lock_owned()).await;
        let writing = turn.map_err(|_| StoreError::Away(format!("no turn within {} s", TURN_WITHIN.as_secs())))?;
        let mut tx = LocalTx { writing };
        // A transaction that begins by reading cannot become a writing one while another one writes.
        tx.run("BEGIN IMMEDIATE")?;
        Ok(tx)
    }

    /// Waits for the transaction that is open and closes the connection.
    pub(super) async fn close(&self) {
        let writing = self.writing.lock().await.take();
        if let Some(Writing { connection, checkpoints }) = writing {
            checkpoints.stop().await;
            // The last one to be closed copies what is left, and removes the log.
            drop(connection);
        }
    }
}

/// An open transaction. Dropped without a commit it is rolled back.
#[derive(Debug)]
pub(super) struct LocalTx {
    writing: OwnedMutexGuard<Option<Writing>>,
}

impl LocalTx {
    fn connection(&self) -> Result<&Connection, StoreError> {
        Ok(&self.writing.as_ref().ok_or(StoreError::Stopped)?.connection)
    }

    fn prepared(&self, sql: &str) -> Result<CachedStatement<'_>, StoreError> {
        Ok(self.connection()?.prepare_cached(sql)?)
    }

    fn run(&mut self, sql: &str) -> Result<(), StoreError> {
        self.prepared(sql)?.raw_execute()?;
        Ok(())
    }

    pub(super) fn fetch(&mut self, sql: &str, args: &[Value]) -> Result<Vec<Row>, StoreError> {
        fetch(self.connection()?, sql, args)
    }

    pub(super) fn execute(&mut self, sql: &str, args: &[Value]) -> Result<u64, StoreError> {
        let mut statement = self.prepared(sql)?;
        bind_named(&mut statement, args)?;
        Ok(statement.raw_execute()? as u64)
    }

    /// Loads the rows of each key, in the order of the keys. With one writer there is nobody to lock them against.
    pub(super) fn load(&mut self, load: Load, keys: Keys) -> Result<Vec<Row>, StoreError> {
        let mut statement = self.prepared(&format!("{} = ?{}", load.select, load.tail))?;
        let mut rows = Vec::with_capacity(keys.len());
        for key in keys.values() {
            statement.raw_bind_parameter(1, &key)?;
            read_into(&mut statement, &mut rows)?;
        }
        Ok(rows)
    }

    /// Writes the rows; each must be new, or at the version before.
    pub(super) fn write(&mut self, table: &Table, written: Written, rows: &[Vec<Value>]) -> Result<(), StoreError> {
        let mut statement = self.prepared(&table.sql(written, Shape::Row))?;
        let mut touched = 0;
        for row in rows {
            for (place, value) in (1..).zip(row) {
                statement.raw_bind_parameter(place, value)?;
            }
            touched += statement.raw_execute()?;
        }
        if touched == rows.len() { Ok(()) } else { Err(StoreError::Conflict) }
    }

    /// Runs one statement for each row of values, and gives how many rows were touched.
    pub(super) fn execute_each(&mut self, sql: &str, rows: &[Vec<Value>]) -> Result<u64, StoreError> {
        let mut statement = self.prepared(sql)?;
        let mut touched = 0;
        for row in rows {
            for (place, value) in (1..).zip(row) {
                statement.raw_bind_parameter(place, value)?;
            }
            touched += statement.raw_execute()? as u64;
        }
        Ok(touched)
    }

    pub(super) fn commit(mut self) -> Result<(), StoreError> {
        self.run("COMMIT")?;
        if let Some(Writing { connection, checkpoints }) = self.writing.as_mut()
            && checkpoints.committed(connection)
        {
            fit_cache(connection, LARGE);
        }
        Ok(())
    }
}

impl Drop for LocalTx {
    fn drop(&mut self) {
        let Some(Writing { connection, .. }) = self.writing.as_ref() else { return };
        // A COMMIT that failed may have left the transaction open, too.
        if !connection.is_autocommit()
            && let Err(error) = connection.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "a transaction could not be rolled back");
        }
    }
}

/// A connection to the file, which is there, for one thread at a time.
pub(super) fn connect(file: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Ok(Connection::open_with_flags(file, flags)?)
}

/// Runs a query over a statement that stays prepared, and gives all its rows.
pub(super) fn fetch(connection: &Connection, sql: &str, args: &[Value]) -> Result<Vec<Row>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    bind_named(&mut statement, args)?;
    let mut rows = Vec::new();
    read_into(&mut statement, &mut rows)?;
    Ok(rows)
}

/// Gives the connection the cache of a large database, if its own has more pages than these.
fn fit_cache(connection: &Connection, large: i64) {
    let fitted = connection.pragma_query_value(None, "page_count", |row| row.get::<_, i64>(0)).and_then(|pages| {
        if pages > large { connection.pragma_update(None, "cache_size", CACHE_OF_LARGE) } else { Ok(()) }
    });
    if let Err(error) = fitted {
        tracing::warn!(%error, "the cache stays as it is");
    }
}

/// SQLite takes `$2` for a name and counts places by first appearance, so values are bound by the number in the name.
fn bind_named(statement: &mut Statement<'_>, args: &[Value]) -> Result<(), StoreError> {
    for place in 1..=statement.parameter_count() {
        let number = statement.parameter_name(place).and_then(|name| name.get(1..)?.parse::<usize>().ok());
        let arg = number.and_then(|number| args.get(number.checked_sub(1)?));
        let arg = arg.ok_or_else(|| StoreError::Refused(format!("the statement's value {place} was not given")))?;
        statement.raw_bind_parameter(place, arg)?;
    }
    Ok(())
}

/// Adds the rows that are found.
fn read_into(statement: &mut Statement<'_>, rows: &mut Vec<Row>) -> Result<(), StoreError> {
    let columns = statement.column_count();
    let mut found = statement.raw_query();
    while let Some(row) = found.next()? {
        let values: Result<Vec<Owned>, _> = (0..columns).map(|column| row.get(column)).collect();
        rows.push(Row::Sqlite(values?));
    }
    Ok(())
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Id(id) | Self::MaybeId(Some(id)) => ValueRef::Blob(id.as_bytes()),
            Self::Int(number) | Self::MaybeInt(Some(number)) => ValueRef::Integer(*number),
            Self::Real(Some(number)) => ValueRef::Real(*number),
            Self::Text(text) | Self::MaybeText(Some(text)) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) | Self::MaybeBytes(Some(bytes)) => ValueRef::Blob(bytes),
            Self::MaybeId(None)
            | Self::MaybeInt(None)
            | Self::Real(None)
            | Self::MaybeText(None)
            | Self::MaybeBytes(None) => ValueRef::Null,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_database_has_a_large_cache() {
        let connection = Connection::open_in_memory().unwrap();
        connection.pragma_update(None, "cache_size", "-16384").unwrap();
        connection.execute_batch("CREATE TABLE rows (id INTEGER PRIMARY KEY)").unwrap();
        let cache = || connection.pragma_query_value(None, "cache_size", |row| row.get::<_, i64>(0)).unwrap();
        fit_cache(&connection, LARGE);
        assert_eq!(cache(), -16_384);
        fit_cache(&connection, 1);
        assert_eq!(cache(), -65_536);
    }
}
