//! One column of a table, read in pages and changed value by value: what rewrites a table while others write it needs neither its
//! other columns nor its version.

use sqlx::AssertSqlSafe;
use sqlx::postgres::PgArguments;

use super::columns::add_arrays;
use super::lent::{Lent, bounded};
use super::table::{Shape, places};
use super::tx::{Inner, postgres_arguments};
use super::{Dialect, Pools, Row, Store, StoreError, Tx, Value};

/// A column, and by what its rows are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cells {
    pub table: &'static str,
    /// The columns that name a row, in whose order pages are read. The column itself may be one of them.
    pub by: &'static [&'static str],
    pub column: &'static str,
    /// Columns that are read with it.
    pub also: &'static [&'static str],
}

/// Which cells a page has: those that are neither NULL nor empty.
#[derive(Clone, Debug)]
pub struct Page {
    /// What names the row after which it begins; the first page without.
    pub after: Option<Vec<Value>>,
    pub most: i64,
}

/// The new value of a cell.
#[derive(Clone, Debug)]
pub struct Swap {
    /// What names the row.
    pub by: Vec<Value>,
    /// The value that has to stand there.
    pub old: Vec<u8>,
    pub new: Vec<u8>,
}

impl Cells {
    /// A row of a page: what names it, the cell, what is read with it. `lock` keeps others from changing the rows, and passes over those
    /// that others have locked.
    fn page_sql(&self, page: &Page, lock: bool) -> String {
        let (by, column) = (self.by.join(", "), self.column);
        let also: String = self.also.iter().map(|also| format!(", {also}")).collect();
        let mut sql = format!("SELECT {by}, {column}{also} FROM {} WHERE length({column}) > 0", self.table);
        let mut place = 1;
        if page.after.is_some() {
            let after: Vec<String> = (place..).take(self.by.len()).map(|n| format!("${n}")).collect();
            sql.push_str(&format!(" AND ({by}) > ({})", after.join(", ")));
            place += self.by.len();
        }
        sql.push_str(&format!(" ORDER BY {by} LIMIT ${place}"));
        if lock {
            sql.push_str(" FOR UPDATE SKIP LOCKED");
        }
        sql
    }

    fn page_args(page: Page) -> Vec<Value> {
        page.after.into_iter().flatten().chain([Value::Int(page.most)]).collect()
    }

    fn swap_sql(&self, shape: Shape) -> String {
        let (table, column, width) = (self.table, self.column, self.by.len() + 2);
        let (from, given) = match shape {
            Shape::Row => (String::new(), places(width)),
            Shape::Arrays { .. } => {
                let names: Vec<String> = (1..=width).map(|n| format!("c{n}")).collect();
                let arrays: Vec<String> = (1..=width).map(|n| format!("UNNEST(${n})")).collect();
                let from = format!(" FROM (SELECT {}) AS v({})", arrays.join(", "), names.join(", "));
                (from, names.iter().map(|name| format!("v.{name}")).collect())
            }
        };
        let matching: Vec<String> = self
            .by
            .iter()
            .chain([&column])
            .zip(&given)
            .map(|(name, value)| format!("{table}.{name} = {value}"))
            .collect();
        let new = given.last().map(String::as_str).unwrap_or_default();
        format!("UPDATE {table} SET {column} = {new}{from} WHERE {}", matching.join(" AND "))
    }
}

impl Tx {
    /// Reads a page. On PostgreSQL its rows are locked, and rows that somebody else has locked are passed over: nobody waits for anybody.
    pub async fn page(&mut self, cells: &Cells, page: Page) -> Result<Vec<Row>, StoreError> {
        // SQLite has one writer and knows no row locks.
        let sql = cells.page_sql(&page, self.dialect() == Dialect::Postgres);
        let args = Cells::page_args(page);
        match &mut self.inner {
            Inner::Sqlite(tx) => tx.fetch(&sql, &args),
            Inner::Postgres(tx) => tx.fetch_made(sql, postgres_arguments(args)?).await,
        }
    }

    /// Puts new values in the place of old ones, where these still stand. Gives how many did.
    pub async fn swap(&mut self, cells: &Cells, swaps: Vec<Swap>) -> Result<u64, StoreError> {
        if swaps.is_empty() {
            return Ok(0);
        }
        let row = |Swap { mut by, old, new }: Swap| {
            by.extend([Value::Bytes(old), Value::Bytes(new)]);
            by
        };
        let rows: Vec<Vec<Value>> = swaps.into_iter().map(row).collect();
        match &mut self.inner {
            Inner::Sqlite(tx) => tx.execute_each(&cells.swap_sql(Shape::Row), &rows),
            Inner::Postgres(tx) => {
                let mut args = PgArguments::default();
                add_arrays(rows, &mut args)?;
                tx.execute_made(cells.swap_sql(Shape::Arrays { after: 0 }), args).await
            }
        }
    }
}

impl Store {
    /// Reads a page outside of any transaction, without locking anything.
    pub async fn page(&self, cells: &Cells, page: Page) -> Result<Vec<Row>, StoreError> {
        let sql = cells.page_sql(&page, false);
        self.fetch_made(sql, Cells::page_args(page)).await
    }

    /// How many cells begin with each of the prefixes of this length that there are.
    pub async fn count_prefixes(&self, cells: &Cells, length: usize) -> Result<Vec<(Vec<u8>, u64)>, StoreError> {
        let (table, column) = (cells.table, cells.column);
        let sql = format!(
            "SELECT substr({column}, 1, {length}), count(*) FROM {table} WHERE length({column}) > 0 GROUP BY 1 ORDER BY 1"
        );
        let rows = self.fetch_made(sql, Vec::new()).await?;
        rows.iter().map(|row| Ok((row.bytes(0)?, row.int(1)?.unsigned_abs()))).collect()
    }

    /// A statement that was made of names in the program alone, without a deadline.
    async fn fetch_made(&self, sql: String, args: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        match &self.pools {
            Pools::Sqlite { read, .. } => read.fetch(sql.into(), args).await,
            Pools::Postgres { read, .. } => {
                let mut lent = Lent::by(read).await?;
                let query = sqlx::query_with(AssertSqlSafe(sql), postgres_arguments(args)?);
                let rows = query.fetch_all(lent.get()?).await?;
                lent.give_back();
                Ok(rows.into_iter().map(Row::Postgres).collect())
            }
        }
    }
}

impl super::remote::RemoteTx {
    /// Runs a query that was made of names in the program alone.
    async fn fetch_made(&mut self, sql: String, args: PgArguments) -> Result<Vec<Row>, StoreError> {
        self.flush().await?;
        let rows = bounded(sqlx::query_with(AssertSqlSafe(sql), args).fetch_all(self.connection()?)).await?;
        Ok(rows.into_iter().map(Row::Postgres).collect())
    }

    async fn execute_made(&mut self, sql: String, args: PgArguments) -> Result<u64, StoreError> {
        self.flush().await?;
        let done = bounded(sqlx::query_with(AssertSqlSafe(sql), args).execute(self.connection()?)).await?;
        Ok(done.rows_affected())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CELLS: Cells = Cells { table: "notes", by: &["id", "kind"], column: "sealed", also: &["subject"] };

    #[test]
    fn a_page_is_asked_for_by_what_it_begins_after_and_a_swap_by_what_stands_there() {
        let page = |after| Page { after, most: 5 };
        assert_eq!(
            CELLS.page_sql(&page(None), false),
            "SELECT id, kind, sealed, subject FROM notes WHERE length(sealed) > 0 ORDER BY id, kind LIMIT $1"
        );
        assert_eq!(
            CELLS.page_sql(&page(Some(vec![1.into(), 2.into()])), true),
            "SELECT id, kind, sealed, subject FROM notes WHERE length(sealed) > 0 \
             AND (id, kind) > ($1, $2) ORDER BY id, kind LIMIT $3 FOR UPDATE SKIP LOCKED"
        );
        assert_eq!(
            CELLS.swap_sql(Shape::Row),
            "UPDATE notes SET sealed = ?4 WHERE notes.id = ?1 AND notes.kind = ?2 AND notes.sealed = ?3"
        );
        assert_eq!(
            CELLS.swap_sql(Shape::Arrays { after: 0 }),
            "UPDATE notes SET sealed = v.c4 FROM (SELECT UNNEST($1), UNNEST($2), UNNEST($3), UNNEST($4)) AS \
             v(c1, c2, c3, c4) WHERE notes.id = v.c1 AND notes.kind = v.c2 AND notes.sealed = v.c3"
        );
    }
}
