//! Keys as operators see them.

use domain::Reason;
use proto::operator as pb;
use server_kit::keystore::KeyName;
use server_kit::rotation::{ColumnStatus, KeyStatus, Status};

/// What retiring a version is called in a proposal. `Err` with `KeyUnknown`.
pub(crate) fn words(request: &pb::RetireKeyVersionRequest) -> Result<String, Reason> {
    let key = KeyName::parse(&request.key).filter(|key| key.may_rotate()).ok_or(Reason::KeyUnknown)?;
    Ok(format!("retire version {} of the key {}", request.version, key.as_str()))
}

/// How keys and columns stand.
pub(crate) fn status(status: Status) -> pb::ListKeysResponse {
    pb::ListKeysResponse {
        keys: status.keys.into_iter().map(key).collect(),
        columns: status.columns.into_iter().map(column).collect(),
    }
}

fn key(status: KeyStatus) -> pb::KeyStatus {
    pb::KeyStatus {
        key: status.key.as_str().to_owned(),
        current_version: status.current,
        versions: status.versions,
        lacking: status.lacking,
    }
}

fn column(status: ColumnStatus) -> pb::KeyColumn {
    pb::KeyColumn {
        column: status.column,
        key: status.key.as_str().to_owned(),
        rows: status.rows.into_iter().map(|(version, rows)| pb::KeyRows { version, rows }).collect(),
        unknown_rows: status.unknown,
        damaged: status.damaged,
    }
}
