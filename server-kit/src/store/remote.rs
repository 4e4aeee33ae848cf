//! A transaction on PostgreSQL. What it writes waits until something is asked or the end has come, and then goes out as one
//! statement: a round trip costs more than the rows of a table.

use std::fmt::Write as _;

use domain::Timestamp;
use sqlx::postgres::PgArguments;
use sqlx::{Arguments as _, AssertSqlSafe, PgPool, Row as _};

use super::columns::add_arrays;
use super::lent::{Lent, bounded};
use super::table::{Shape, Written};
use super::tx::{compare_keys, postgres_arguments};
use super::{Keys, Load, Row, StoreError, Table, Value};

#[derive(Debug)]
pub(super) struct RemoteTx {
    lent: Lent,
    waiting: Waiting,
}

/// What is to be written.
#[derive(Debug, Default)]
struct Waiting {
    writes: Vec<Write>,
    notices: Vec<(&'static str, String)>,
}

#[derive(Debug)]
struct Write {
    table: Table,
    written: Written,
    rows: Vec<Vec<Value>>,
}

impl RemoteTx {
    pub(super) async fn begin(pool: &PgPool) -> Result<(Self, Timestamp), StoreError> {
        let mut lent = Lent::by(pool).await?;
        let now = lent.begin().await?;
        Ok((Self { lent, waiting: Waiting::default() }, now))
    }

    pub(super) async fn fetch(&mut self, sql: &'static str, args: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        self.flush().await?;
        let rows = bounded(sqlx::query_with(sql, postgres_arguments(args)?).fetch_all(self.lent.get()?)).await?;
        Ok(rows.into_iter().map(Row::Postgres).collect())
    }

    pub(super) async fn execute(&mut self, sql: &'static str, args: Vec<Value>) -> Result<u64, StoreError> {
        self.flush().await?;
        let done = bounded(sqlx::query_with(sql, postgres_arguments(args)?).execute(self.lent.get()?)).await?;
        Ok(done.rows_affected())
    }

    pub(super) async fn load(&mut self, load: Load, keys: Keys) -> Result<Vec<Row>, StoreError> {
        self.flush().await?;
        // An array is one parameter, so one prepared statement serves every size.
        let lock = if load.lock { " FOR UPDATE" } else { "" };
        let sql = AssertSqlSafe(format!("{} = ANY($1){}{lock}", load.select, load.tail));
        let mut args = PgArguments::default();
        match keys {
            Keys::Ids(ids) => args.add(ids),
            Keys::Names(names) => args.add(names),
            Keys::Blobs(blobs) => args.add(blobs),
        }
        .map_err(|error| StoreError::Refused(error.to_string()))?;
        let rows = bounded(sqlx::query_with(sql, args).fetch_all(self.lent.get()?)).await?;
        Ok(rows.into_iter().map(Row::Postgres).collect())
    }

    /// Has the rows, which are in key order, written with what else waits.
    pub(super) async fn write(
        &mut self,
        table: &Table,
        written: Written,
        rows: Vec<Vec<Value>>,
    ) -> Result<(), StoreError> {
        let write = Write { table: *table, written, rows };
        // The parts of one statement do not see each other's rows.
        if self.waiting.writes.iter().any(|waits| waits.shares_rows_with(&write)) {
            self.flush().await?;
        }
        self.waiting.writes.push(write);
        Ok(())
    }

    /// Has those who listen told, when and if the transaction commits.
    pub(super) fn notify(&mut self, channel: &'static str, notice: String) {
        self.waiting.notices.push((channel, notice));
    }

    /// Writes everything that waits. If a row is not at the version before, it is a [`StoreError::Conflict`].
    pub(super) async fn flush(&mut self) -> Result<(), StoreError> {
        if self.waiting.writes.is_empty() && self.waiting.notices.is_empty() {
            return Ok(());
        }
        let waiting = std::mem::take(&mut self.waiting);
        let wanted: usize = waiting.writes.iter().map(|write| write.rows.len()).sum();
        let sql = AssertSqlSafe(waiting.sql());
        let asked = sqlx::query_with(sql, waiting.arguments()?).fetch_one(self.lent.get()?);
        let touched: i64 = bounded(asked).await?.try_get(0)?;
        // None can touch more rows than it was given, so the sum says it of each.
        if usize::try_from(touched) == Ok(wanted) { Ok(()) } else { Err(StoreError::Conflict) }
    }

    pub(super) async fn commit(self) -> Result<(), StoreError> {
        self.lent.commit().await
    }
}

impl Waiting {
    /// `WITH w0 AS (INSERT … RETURNING 1), w1 AS (UPDATE … RETURNING 1) SELECT` how many rows were touched, and the notices.
    fn sql(&self) -> String {
        let (mut sql, mut sum, mut places) = (String::new(), "0".to_owned(), 0);
        for (n, write) in self.writes.iter().enumerate() {
            let statement = write.table.sql(write.written, Shape::Arrays { after: places });
            let _ = write!(sql, "{} w{n} AS ({statement} RETURNING 1)", if n == 0 { "WITH" } else { "," });
            let _ = write!(sum, " + (SELECT count(*) FROM w{n})");
            places += write.table.columns.len();
        }
        let _ = write!(sql, " SELECT {sum}");
        for _ in &self.notices {
            let _ = write!(sql, ", pg_notify(${}, ${})", places + 1, places + 2);
            places += 2;
        }
        sql
    }

    fn arguments(self) -> Result<PgArguments, StoreError> {
        let mut arguments = PgArguments::default();
        for write in self.writes {
            add_arrays(write.rows, &mut arguments)?;
        }
        for (channel, notice) in self.notices {
            let added = arguments.add(channel).and_then(|()| arguments.add(notice));
            added.map_err(|error| StoreError::Refused(error.to_string()))?;
        }
        Ok(arguments)
    }
}

impl Write {
    fn shares_rows_with(&self, other: &Self) -> bool {
        let columns = self.table.key.len();
        let is_here = |row: &Vec<Value>| {
            self.rows.binary_search_by(|own| compare_keys(own.get(..columns), row.get(..columns))).is_ok()
        };
        self.table.name == other.table.name && other.rows.iter().any(is_here)
    }
}
