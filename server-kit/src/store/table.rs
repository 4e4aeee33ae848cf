//! How a table is written: many rows in one statement, from a few fixed sizes so that prepared statements are found again.

use std::fmt::Write as _;

/// A table that is written in sets.
#[derive(Clone, Copy, Debug)]
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

impl Table {
    /// `INSERT INTO t (…) …` with the rows in the given shape.
    pub(super) fn insert_sql(&self, shape: Shape) -> String {
        let mut sql = format!("INSERT INTO {} ({}) ", self.name, self.columns.join(", "));
        match shape {
            Shape::Places(rows) => {
                let row = format!("({})", vec!["?"; self.columns.len()].join(", "));
                let _ = write!(sql, "VALUES {}", vec![row; rows].join(", "));
            }
            Shape::Arrays => {
                let arrays: Vec<String> = (1..=self.columns.len()).map(|n| format!("${n}")).collect();
                let _ = write!(sql, "SELECT * FROM UNNEST({})", arrays.join(", "));
            }
        }
        sql
    }

    /// The insert that becomes an update where the key is there already and the stored version is the one before.
    pub(super) fn put_sql(&self, shape: Shape) -> String {
        let mut sql = self.insert_sql(shape);
        let _ = write!(sql, " ON CONFLICT ({}) DO UPDATE SET ", self.key.join(", "));
        for (i, column) in self.columns.iter().filter(|column| !self.key.contains(column)).enumerate() {
            let _ = write!(sql, "{}{column} = excluded.{column}", if i == 0 { "" } else { ", " });
        }
        let _ = write!(sql, " WHERE {}.{VERSION} = excluded.{VERSION} - 1", self.name);
        sql
    }
}

/// Cuts a set of `rows` into powers of two, the largest first.
pub(super) fn chunks(mut rows: usize) -> impl Iterator<Item = usize> {
    const MOST: usize = 128;
    std::iter::from_fn(move || {
        let size = if rows >= MOST { MOST } else { prev_power_of_two(rows)? };
        rows -= size;
        Some(size)
    })
}

fn prev_power_of_two(n: usize) -> Option<usize> {
    n.checked_ilog2().map(|bits| 1 << bits)
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
    fn any_number_of_rows_is_a_few_fixed_sizes() {
        for rows in 0..1000 {
            let sizes: Vec<usize> = chunks(rows).collect();
            assert_eq!(sizes.iter().sum::<usize>(), rows);
            assert!(sizes.iter().all(|size| size.is_power_of_two() && *size <= 128));
        }
        assert_eq!(chunks(300).collect::<Vec<_>>(), [128, 128, 32, 8, 4]);
    }
}
