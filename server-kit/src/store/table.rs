//! How a table is written: many rows in one statement, from a few fixed sizes so that prepared statements are found again.

use std::fmt::Write as _;

use super::Dialect;

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

impl Table {
    /// `INSERT INTO t (…) VALUES (…), (…)`.
    pub(super) fn insert_sql(&self, rows: usize, dialect: Dialect) -> String {
        let width = self.columns.len();
        let mut sql = String::with_capacity(64 + rows * width * 6);
        let _ = write!(sql, "INSERT INTO {} ({}) VALUES ", self.name, self.columns.join(", "));
        for row in 0..rows {
            sql.push_str(if row == 0 { "(" } else { ", (" });
            for column in 0..width {
                sql.push_str(if column == 0 { "" } else { ", " });
                mark(&mut sql, row * width + column + 1, dialect);
            }
            sql.push(')');
        }
        sql
    }

    /// The insert that becomes an update where the key is there already and the stored version is the one before.
    pub(super) fn put_sql(&self, rows: usize, dialect: Dialect) -> String {
        let mut sql = self.insert_sql(rows, dialect);
        let _ = write!(sql, " ON CONFLICT ({}) DO UPDATE SET ", self.key.join(", "));
        for (i, column) in self.columns.iter().filter(|column| !self.key.contains(column)).enumerate() {
            let _ = write!(sql, "{}{column} = excluded.{column}", if i == 0 { "" } else { ", " });
        }
        let _ = write!(sql, " WHERE {}.{VERSION} = excluded.{VERSION} - 1", self.name);
        sql
    }
}

/// The place of the `n`-th value. SQLite looks the name of a numbered place up in a list, for each value of each run of the
/// statement: with thousands of values that cost more than all else. Places without a name are in the same order.
pub(super) fn mark(sql: &mut String, n: usize, dialect: Dialect) {
    match dialect {
        Dialect::Sqlite => sql.push('?'),
        Dialect::Postgres => {
            let _ = write!(sql, "${n}");
        }
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
        assert_eq!(
            ACCOUNTS.put_sql(2, Dialect::Postgres),
            "INSERT INTO accounts (id, balance, version) VALUES ($1, $2, $3), ($4, $5, $6) ON CONFLICT (id) DO UPDATE \
             SET balance = excluded.balance, version = excluded.version WHERE accounts.version = excluded.version - 1"
        );
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
