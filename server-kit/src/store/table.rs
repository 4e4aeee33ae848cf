//! How a table is written: one prepared statement for each way, whatever the number of rows.

use std::fmt::Write as _;

/// A table that is written in sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Table {
    pub name: &'static str,
    /// The columns of the primary key; they come first in `columns`.
    pub key: &'static [&'static str],
    /// All columns, in the order in which rows are given.
    pub columns: &'static [&'static str],
}

/// The column that guards rows that change: an update must find the version before its own.
pub(super) const VERSION: &str = "version";

/// How the rows of a set stand in its statement.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    /// One row, a place for each value: SQLite runs the same statement for each row of a set.
    Row,
    /// One array for each column, as PostgreSQL has them: one statement for any number of rows. So many places of the
    /// statement come before them.
    Arrays { after: usize },
}

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Written {
    /// New rows only.
    Insert,
    /// New rows, and rows over the version before theirs.
    Put,
    /// Rows that are there, over the version before theirs; the table's columns that are not named stay as they are.
    Update,
}

impl Table {
    /// The same table in its first columns only, so many: those that change after a row was added.
    pub const fn changing(self, columns: usize) -> Self {
        Self { columns: self.columns.split_at(columns).0, ..self }
    }

    pub(super) fn sql(&self, written: Written, shape: Shape) -> String {
        match written {
            Written::Insert => self.rows_into_sql(shape),
            Written::Put => self.put_sql(shape),
            Written::Update => self.update_sql(shape),
        }
    }

    /// The rows in the given shape.
    fn rows_sql(&self, shape: Shape) -> String {
        match shape {
            Shape::Row => format!("VALUES ({})", places(self.columns.len()).join(", ")),
            Shape::Arrays { after } => {
                // In the list of a SELECT, and not `FROM UNNEST($1, …)`, which first copies each array into a store of its own.
                let arrays: Vec<String> = (1..=self.columns.len()).map(|n| format!("UNNEST(${})", after + n)).collect();
                format!("SELECT {}", arrays.join(", "))
            }
        }
    }

    /// `INSERT INTO t (…) …` with the rows in the given shape. A row that is there already is an error: to pass over it, as
    /// `ON CONFLICT` would, PostgreSQL looks every key up before it adds it.
    fn rows_into_sql(&self, shape: Shape) -> String {
        format!("INSERT INTO {} ({}) {}", self.name, self.columns.join(", "), self.rows_sql(shape))
    }

    /// `UPDATE t SET …` over the stored versions before.
    fn update_sql(&self, shape: Shape) -> String {
        let (from, given) = match shape {
            Shape::Row => (String::new(), places(self.columns.len())),
            Shape::Arrays { .. } => {
                let from = format!(" FROM ({}) AS v({})", self.rows_sql(shape), self.columns.join(", "));
                (from, self.columns.iter().map(|column| format!("v.{column}")).collect())
            }
        };
        let pairs = || self.columns.iter().zip(&given);
        let set: Vec<String> = pairs()
            .filter(|(column, _)| !self.key.contains(column))
            .map(|(column, value)| format!("{column} = {value}"))
            .collect();
        let matching: Vec<String> = pairs()
            .filter_map(|(column, value)| match *column {
                VERSION => Some(format!("{}.{VERSION} = {value} - 1", self.name)),
                column if self.key.contains(&column) => Some(format!("{}.{column} = {value}", self.name)),
                _ => None,
            })
            .collect();
        format!("UPDATE {} SET {}{from} WHERE {}", self.name, set.join(", "), matching.join(" AND "))
    }

    /// The insert that becomes an update where the key is there already and the stored version is the one before.
    fn put_sql(&self, shape: Shape) -> String {
        let mut sql = self.rows_into_sql(shape);
        let _ = write!(sql, " ON CONFLICT ({}) DO UPDATE SET ", self.key.join(", "));
        for (i, column) in self.columns.iter().filter(|column| !self.key.contains(column)).enumerate() {
            let _ = write!(sql, "{}{column} = excluded.{column}", if i == 0 { "" } else { ", " });
        }
        let _ = write!(sql, " WHERE {}.{VERSION} = excluded.{VERSION} - 1", self.name);
        sql
    }
}

/// `?1`, `?2`, … for so many values.
pub(super) fn places(values: usize) -> Vec<String> {
    (1..=values).map(|n| format!("?{n}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNTS: Table = Table { name: "accounts", key: &["id"], columns: &["id", "balance", "version"] };

    #[test]
    fn a_put_updates_only_over_the_version_before() {
        let update = " ON CONFLICT (id) DO UPDATE SET balance = excluded.balance, version = excluded.version \
                      WHERE accounts.version = excluded.version - 1";
        let insert = "INSERT INTO accounts (id, balance, version) ";
        let row = ACCOUNTS.put_sql(Shape::Row);
        assert_eq!(row, format!("{insert}VALUES (?1, ?2, ?3){update}"));
        let arrays = ACCOUNTS.put_sql(Shape::Arrays { after: 0 });
        assert_eq!(arrays, format!("{insert}SELECT UNNEST($1), UNNEST($2), UNNEST($3){update}"));
    }

    #[test]
    fn an_update_goes_by_key_and_version() {
        assert_eq!(
            ACCOUNTS.sql(Written::Update, Shape::Row),
            "UPDATE accounts SET balance = ?2, version = ?3 WHERE accounts.id = ?1 AND accounts.version = ?3 - 1"
        );
        assert_eq!(
            ACCOUNTS.sql(Written::Update, Shape::Arrays { after: 4 }),
            "UPDATE accounts SET balance = v.balance, version = v.version \
             FROM (SELECT UNNEST($5), UNNEST($6), UNNEST($7)) AS v(id, balance, version) \
             WHERE accounts.id = v.id AND accounts.version = v.version - 1"
        );
    }
}
