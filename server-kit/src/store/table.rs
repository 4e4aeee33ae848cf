//! How a table is written: many rows in one statement, from a few fixed sizes so that prepared statements are found again.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

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
    /// So many rows, one place for each value. SQLite looks the name of a numbered place up in a list, for each value of each
    /// run of the statement, which with thousands of values cost more than all else; so the places have no names.
    Places(usize),
    /// One array for each column, as PostgreSQL has them: the same statement for any number of rows.
    Arrays,
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
    pub(super) fn sql(&self, written: Written, shape: Shape) -> String {
        match written {
            Written::Insert => self.insert_sql(shape),
            Written::Put => self.put_sql(shape),
            Written::Update => self.update_sql(shape),
        }
    }

    /// The rows in the given shape.
    fn rows_sql(&self, shape: Shape) -> String {
        match shape {
            Shape::Places(rows) => {
                let row = format!("({})", vec!["?"; self.columns.len()].join(", "));
                format!("VALUES {}", vec![row; rows].join(", "))
            }
            Shape::Arrays => {
                let arrays: Vec<String> = (1..=self.columns.len()).map(|n| format!("${n}")).collect();
                format!("SELECT * FROM UNNEST({})", arrays.join(", "))
            }
        }
    }

    /// `INSERT INTO t (…) …` with the rows in the given shape. A row that is there already is passed over, and missed in the count.
    fn insert_sql(&self, shape: Shape) -> String {
        format!("{} ON CONFLICT DO NOTHING", self.rows_into_sql(shape))
    }

    fn rows_into_sql(&self, shape: Shape) -> String {
        format!("INSERT INTO {} ({}) {}", self.name, self.columns.join(", "), self.rows_sql(shape))
    }

    /// `UPDATE t SET … FROM (…) v` over the stored versions before.
    fn update_sql(&self, shape: Shape) -> String {
        // SQLite names the columns of a VALUES list column1, column2, …; PostgreSQL takes names for those of UNNEST.
        let (rows, given): (String, Vec<String>) = match shape {
            Shape::Places(_) => {
                let given = (1..=self.columns.len()).map(|n| format!("v.column{n}")).collect();
                (format!("({}) AS v", self.rows_sql(shape)), given)
            }
            Shape::Arrays => {
                let given = self.columns.iter().map(|column| format!("v.{column}")).collect();
                (format!("({}) AS v({})", self.rows_sql(shape), self.columns.join(", ")), given)
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
        format!("UPDATE {} SET {} FROM {rows} WHERE {}", self.name, set.join(", "), matching.join(" AND "))
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

/// The texts of statements that were made before: for a set of many rows a text is long, and a handful of them serves for ever.
#[derive(Debug, Default)]
pub(super) struct Texts {
    known: HashMap<(Table, Written, usize), Arc<str>>,
}

impl Texts {
    /// The statement that writes so many rows, in SQLite's shape.
    pub(super) fn places(&mut self, table: &Table, written: Written, rows: usize) -> Arc<str> {
        let known = self.known.entry((*table, written, rows));
        known.or_insert_with(|| table.sql(written, Shape::Places(rows)).into()).clone()
    }
}

/// The most rows of one statement in SQLite's shape, well below its bound on values.
pub(super) const MOST_ROWS: usize = 256;

/// The size of statement that `rows` rows fill up to: 1, 2, 3, 4, 6, 8, 12, 16, 24, … A set is filled up with its last row again,
/// which by key and version changes nothing: that costs less than a second statement, and the few sizes are found prepared.
pub(super) fn filled_up(rows: usize) -> usize {
    let above = rows.next_power_of_two();
    let between = above / 4 * 3;
    if rows <= between { between } else { above }
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
        let places = ACCOUNTS.put_sql(Shape::Places(2));
        assert_eq!(places, format!("{insert}VALUES (?, ?, ?), (?, ?, ?){update}"));
        let arrays = ACCOUNTS.put_sql(Shape::Arrays);
        assert_eq!(arrays, format!("{insert}SELECT * FROM UNNEST($1, $2, $3){update}"));
    }

    #[test]
    fn an_update_goes_by_key_and_version() {
        let set = |value: &str| format!("balance = {value}, version = ");
        assert_eq!(
            ACCOUNTS.sql(Written::Update, Shape::Places(2)),
            format!(
                "UPDATE accounts SET {}v.column3 FROM (VALUES (?, ?, ?), (?, ?, ?)) AS v \
                 WHERE accounts.id = v.column1 AND accounts.version = v.column3 - 1",
                set("v.column2")
            )
        );
        assert_eq!(
            ACCOUNTS.sql(Written::Update, Shape::Arrays),
            format!(
                "UPDATE accounts SET {}v.version FROM (SELECT * FROM UNNEST($1, $2, $3)) AS v(id, balance, version) \
                 WHERE accounts.id = v.id AND accounts.version = v.version - 1",
                set("v.balance")
            )
        );
    }

    #[test]
    fn any_number_of_rows_fills_up_to_one_of_a_few_sizes() {
        let mut sizes: Vec<usize> = (1..=MOST_ROWS).map(filled_up).collect();
        assert!(sizes.iter().zip(1..).all(|(size, rows)| *size >= rows && *size * 2 <= rows * 3));
        sizes.dedup();
        assert_eq!(sizes, [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256]);
    }
}
