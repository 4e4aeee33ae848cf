//! Keys of columns, as operators of the hub and of banks see them.

use domain::key_rotation::{ColumnStatus, KeyStatus};

use crate::common;

impl From<KeyStatus> for common::KeyStatus {
    fn from(status: KeyStatus) -> Self {
        let KeyStatus { key, current, versions, lacking } = status;
        Self { key: key.to_owned(), current_version: current, versions, lacking }
    }
}

impl From<ColumnStatus> for common::KeyColumn {
    fn from(status: ColumnStatus) -> Self {
        let ColumnStatus { column, key, rows, unknown, damaged } = status;
        let rows = rows.into_iter().map(|(version, rows)| common::KeyRows { version, rows }).collect();
        Self { column, key: key.to_owned(), rows, unknown_rows: unknown, damaged }
    }
}
