//! A transaction on PostgreSQL. What it writes waits until something is asked or the end has come, and then goes out as one
//! statement: a round trip costs more than the rows of a table.

use std::fmt::Write as _;

use domain::Timestamp;
use sqlx::postgres::PgArguments;
use sqlx::{Arguments as _, AssertSqlSafe, Executor as _, PgConnection, PgPool, Row as _};
use uuid::Uuid;

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

/// The mark that a name has to bear for as long as the transaction is open.
#[derive(Debug)]
pub(super) struct Fence {
    pub name: String,
    pub mark: Uuid,
}

/// What is to be written.
#[derive(Debug, Default)]
struct Waiting {
    fence: Option<Fence>,
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
        // Reading takes no proof of whose the name is: what is decided from it is not committed without one.
        if !self.waiting.is_fence_alone() {
            self.flush().await?;
        }
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

    pub(super) fn connection(&mut self) -> Result<&mut PgConnection, StoreError> {
        self.lent.get()
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

    /// Has the transaction refused, at its next query that is no load or at the flush, if somebody has taken the name over; until its end nobody can.
    pub(super) fn fence(&mut self, fence: Fence) {
        self.waiting.fence = Some(fence);
    }

    /// Writes everything that waits. If a row is not at the version before, it is a [`StoreError::Conflict`].
    pub(super) async fn flush(&mut self) -> Result<(), StoreError> {
        let waiting = std::mem::take(&mut self.waiting);
        if waiting.is_empty() {
            return Ok(());
        }
        let wanted: usize = waiting.writes.iter().map(|write| write.rows.len()).sum();
        let sql = AssertSqlSafe(waiting.sql());
        let (arguments, fence) = waiting.arguments()?;
        let answer = match bounded(sqlx::query_with(sql, arguments).fetch_one(self.lent.get()?)).await {
            Err(StoreError::Conflict) => return Err(self.why_conflict(fence).await),
            answer => answer?,
        };
        if let Some(Fence { name, mark }) = fence
            && answer.try_get::<Option<Uuid>, _>(0)? != Some(mark)
        {
            return Err(StoreError::Fenced { name });
        }
        // None can touch more rows than it was given, so the sum says it of each.
        let touched: i64 = answer.try_get(1)?;
        if usize::try_from(touched) == Ok(wanted) { Ok(()) } else { Err(StoreError::Conflict) }
    }

    /// A key that is taken may be the doing of whoever has taken the name over.
    async fn why_conflict(&mut self, fence: Option<Fence>) -> StoreError {
        let Some(Fence { name, mark }) = fence else { return StoreError::Conflict };
        match self.mark_of(&name).await {
            Ok(found) if found != Some(mark) => StoreError::Fenced { name },
            _ => StoreError::Conflict,
        }
    }

    /// The mark of a name, asked outside of the transaction, which has failed and is over.
    async fn mark_of(&mut self, name: &str) -> Result<Option<Uuid>, StoreError> {
        bounded(self.lent.get()?.execute("ROLLBACK")).await?;
        let mark = sqlx::query_scalar("SELECT mark FROM owners WHERE name = $1").bind(name);
        bounded(mark.fetch_optional(self.lent.get()?)).await
    }

    pub(super) async fn commit(self) -> Result<(), StoreError> {
        self.lent.commit().await
    }
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.fence.is_none() && self.writes.is_empty() && self.notices.is_empty()
    }

    fn is_fence_alone(&self) -> bool {
        self.fence.is_some() && self.writes.is_empty() && self.notices.is_empty()
    }

    /// `WITH fence AS (SELECT mark …), w0 AS (INSERT … RETURNING 1), w1 AS (UPDATE … RETURNING 1) SELECT` the mark, how many rows
    /// were touched, and the notices.
    fn sql(&self) -> String {
        let (mut parts, mut mark, mut sum, mut places) = (Vec::new(), "NULL", "0::bigint".to_owned(), 0);
        if self.fence.is_some() {
            places += 1;
            parts.push("fence AS (SELECT mark FROM owners WHERE name = $1 FOR SHARE)".to_owned());
            mark = "(SELECT mark FROM fence)";
        }
        for (n, write) in self.writes.iter().enumerate() {
            let statement = write.table.sql(write.written, Shape::Arrays { after: places });
            parts.push(format!("w{n} AS ({statement} RETURNING 1)"));
            let _ = write!(sum, " + (SELECT count(*) FROM w{n})");
            places += write.table.columns.len();
        }
        let with = if parts.is_empty() { "" } else { "WITH " };
        let mut sql = format!("{with}{} SELECT {mark}, {sum}", parts.join(", "));
        for _ in &self.notices {
            let _ = write!(sql, ", pg_notify(${}, ${})", places + 1, places + 2);
            places += 2;
        }
        sql
    }

    fn arguments(self) -> Result<(PgArguments, Option<Fence>), StoreError> {
        let refused = |error: sqlx::error::BoxDynError| StoreError::Refused(error.to_string());
        let mut arguments = PgArguments::default();
        if let Some(fence) = &self.fence {
            arguments.add(fence.name.as_str()).map_err(refused)?;
        }
        for write in self.writes {
            add_arrays(write.rows, &mut arguments)?;
        }
        for (channel, notice) in self.notices {
            arguments.add(channel).and_then(|()| arguments.add(notice)).map_err(refused)?;
        }
        Ok((arguments, self.fence))
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
