//! The rows of accounts that the hub has asked for.

use std::collections::HashMap;

use domain::{AccountId, Timestamp};
use server_kit::store::{Keys, Load, Row, Store, StoreError, Table, Tx};
use uuid::Uuid;

use super::Said;

const ACCOUNT_OPENINGS: Table = Table {
    name: "account_openings",
    key: &["account_id"],
    columns: &["account_id", "content_mac", "said", "citizen_sealed", "decided_at"],
};

/// What was answered first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Opening {
    pub(super) content_mac: Vec<u8>,
    pub(super) said: Said,
    pub(super) citizen_sealed: Option<Vec<u8>>,
    pub(super) decided_at: Timestamp,
}

fn opening_of(row: &Row) -> Result<Opening, StoreError> {
    Ok(Opening {
        content_mac: row.bytes(1)?,
        said: row.parsed(2, Said::parse)?,
        citizen_sealed: row.maybe_bytes(3)?,
        decided_at: row.time(4)?,
    })
}

pub(super) async fn load(tx: &mut Tx, ids: Vec<Uuid>) -> Result<HashMap<Uuid, Opening>, StoreError> {
    let load = Load {
        select: "SELECT account_id, content_mac, said, citizen_sealed, decided_at FROM account_openings WHERE account_id",
        tail: "",
        lock: false,
    };
    let rows = tx.load(load, Keys::Ids(ids)).await?;
    rows.iter().map(|row| Ok((row.id(0)?, opening_of(row)?))).collect()
}

pub(super) async fn find(store: &Store, id: AccountId) -> Result<Option<Opening>, StoreError> {
    let sql =
        "SELECT account_id, content_mac, said, citizen_sealed, decided_at FROM account_openings WHERE account_id = $1";
    store.fetch_one(sql, vec![id.uuid().into()]).await?.as_ref().map(opening_of).transpose()
}

pub(super) async fn insert<'o>(
    tx: &mut Tx,
    openings: impl Iterator<Item = (Uuid, &'o Opening)>,
) -> Result<(), StoreError> {
    let rows = openings.map(|(id, opening)| {
        vec![
            id.into(),
            opening.content_mac.clone().into(),
            opening.said.as_str().into(),
            opening.citizen_sealed.clone().into(),
            opening.decided_at.into(),
        ]
    });
    tx.insert(&ACCOUNT_OPENINGS, rows.collect()).await
}
