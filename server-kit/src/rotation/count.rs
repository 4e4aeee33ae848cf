//! How many rows are under which version, and how keys stand.

use std::collections::BTreeMap;

use domain::key_rotation::{ColumnStatus, Status};

use super::column::{Column, Found, Kind, cursor_of};
use super::{RotationParts, sql};
use crate::keystore::{KeyStore, SEALED_PREFIX_LEN, sealed_version};
use crate::store::{Page, Store, StoreError};

/// Rows that are read at once where each has to be looked at.
const PAGE: i64 = 1_000;

/// What was counted of a column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) by_version: BTreeMap<u32, u64>,
    /// Under no version that could be found out.
    pub(super) unknown: u64,
}

impl Counted {
    pub(super) fn under(&self, version: u32) -> u64 {
        self.by_version.get(&version).copied().unwrap_or(0)
    }

    /// Rows that are not under this version.
    pub(super) fn other_than(&self, current: u32) -> u64 {
        let others = self.by_version.iter().filter(|(version, _)| **version != current);
        others.map(|(_, rows)| *rows).sum::<u64>().saturating_add(self.unknown)
    }
}

/// Counts a column. What is sealed says its version, which the database counts; what is hashed is looked at row by row.
pub(super) async fn count(store: &Store, keys: &dyn KeyStore, column: &Column) -> Result<Counted, StoreError> {
    let mut counted = Counted::default();
    if matches!(column.kind, Kind::Sealed(_)) {
        for (prefix, rows) in store.count_prefixes(&column.cells, SEALED_PREFIX_LEN).await? {
            match sealed_version(&prefix) {
                Some(version) => *counted.by_version.entry(version).or_default() += rows,
                None => counted.unknown += rows,
            }
        }
        return Ok(counted);
    }
    let mut after = None;
    loop {
        let page = Page { after: after.take(), most: PAGE };
        let rows = store.page(&column.cells, page).await?;
        for row in &rows {
            match column.look(keys, row)? {
                Found::Current => {
                    let current = keys.current_version(column.key).unwrap_or(0);
                    *counted.by_version.entry(current).or_default() += 1;
                }
                Found::Old { version: Some(version), .. } => *counted.by_version.entry(version).or_default() += 1,
                Found::Old { version: None, .. } | Found::Damaged(_) => counted.unknown += 1,
            }
        }
        match rows.last() {
            Some(last) if rows.len() as i64 >= PAGE => after = Some(cursor_of(column.sorts, last)?),
            _ => return Ok(counted),
        }
    }
}

/// How keys and columns stand.
pub(super) async fn status(parts: &RotationParts) -> Result<Status, StoreError> {
    let keys = sql::key_statuses(&parts.store, parts.options.alive).await?;
    let mut damaged = sql::damaged(&parts.store).await?;
    let mut columns = Vec::with_capacity(parts.columns.len());
    for column in parts.columns {
        let counted = count(&parts.store, &*parts.keys, column).await?;
        let name = column.name();
        columns.push(ColumnStatus {
            damaged: damaged.remove(&name).unwrap_or_default(),
            column: name,
            key: column.key.as_str(),
            rows: counted.by_version,
            unknown: counted.unknown,
        });
    }
    Ok(Status { keys, columns })
}
