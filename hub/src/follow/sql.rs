//! The table of what is to be done about events.

use domain::PersonId;
use server_kit::store::{Row, Store, StoreError, Tx};

/// What is noted for a follower.
pub(super) async fn read_noted(
    store: &Store,
    follower: &'static str,
    most: i64,
) -> Result<Vec<(PersonId, i64)>, StoreError> {
    let sql =
        "SELECT person_id, sequence FROM followed_events WHERE follower = $1 ORDER BY person_id, sequence LIMIT $2";
    let rows = store.fetch(sql, vec![follower.into(), most.into()]).await?;
    rows.iter().map(|row: &Row| Ok((PersonId::from_uuid(row.id(0)?), row.int(1)?))).collect()
}

/// Strikes out; whether it was there.
pub(super) async fn strike_out(
    tx: &mut Tx,
    follower: &'static str,
    person_id: PersonId,
    sequence: i64,
) -> Result<bool, StoreError> {
    let sql = "DELETE FROM followed_events WHERE follower = $1 AND person_id = $2 AND sequence = $3";
    Ok(tx.execute(sql, vec![follower.into(), person_id.uuid().into(), sequence.into()]).await? == 1)
}
