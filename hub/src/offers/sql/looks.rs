//! The table of purchases after which it is looked which offers are for their buyers.

use std::collections::BTreeMap;

use domain::PersonId;
use server_kit::store::{Row, Store, StoreError, Table, Tx};

const LOOKS: Table =
    Table { name: "offer_looks", key: &["person_id", "sequence"], columns: &["person_id", "sequence"] };

/// Notes purchases by their places in the feeds.
pub(in crate::offers) async fn insert_looks(tx: &mut Tx, places: Vec<(PersonId, i64)>) -> Result<(), StoreError> {
    let row = |(person_id, sequence): (PersonId, i64)| vec![person_id.uuid().into(), sequence.into()];
    tx.insert(&LOOKS, places.into_iter().map(row).collect()).await
}

/// Of some people that are noted, the last place of each.
pub(in crate::offers) async fn read_looks(store: &Store, most: i64) -> Result<BTreeMap<PersonId, i64>, StoreError> {
    let sql = "SELECT person_id, sequence FROM offer_looks ORDER BY person_id, sequence LIMIT $1";
    let rows = store.fetch(sql, vec![most.into()]).await?;
    // In order, so that the last one stays.
    rows.iter().map(|row: &Row| Ok((PersonId::from_uuid(row.id(0)?), row.int(1)?))).collect()
}

/// Strikes out what is noted of somebody up to a place.
pub(in crate::offers) async fn strike_out(tx: &mut Tx, person_id: PersonId, through: i64) -> Result<(), StoreError> {
    let sql = "DELETE FROM offer_looks WHERE person_id = $1 AND sequence <= $2";
    tx.execute(sql, vec![person_id.uuid().into(), through.into()]).await.map(|_| ())
}
