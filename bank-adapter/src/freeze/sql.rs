//! The rows of what holders have frozen.

use std::collections::HashMap;

use domain::freeze::HolderFreeze;
use domain::payment::Instrument;
use server_kit::store::{Keys, Load, Row, StoreError, Table, Tx, Value};
use uuid::Uuid;

const HOLDER_FREEZES: Table = Table {
    name: "holder_freezes",
    key: &["instrument_id"],
    columns: &["instrument_id", "version", "kind", "order_number", "frozen", "effective_at"],
};

const BY_ID: Load = Load {
    select: "SELECT instrument_id, version, kind, order_number, frozen, effective_at FROM holder_freezes \
             WHERE instrument_id",
    tail: " ORDER BY instrument_id",
    lock: true,
};

const BY_BANK: i64 = 1;
const BY_HOLDER: i64 = 2;

/// The mark of an account or a card as it is stored, of who has frozen it: the bank, the holder.
pub(crate) fn mark(by_bank: bool, by_holder: bool) -> i64 {
    i64::from(by_bank) * BY_BANK + i64::from(by_holder) * BY_HOLDER
}

/// Who has frozen it: the bank, the holder.
pub(crate) fn frozen_by(row: &Row, column: usize) -> Result<(bool, bool), StoreError> {
    match row.int(column)? {
        mark @ 0..=3 => Ok((mark & BY_BANK != 0, mark & BY_HOLDER != 0)),
        _ => Err(StoreError::Unreadable { column, what: "a mark of a freeze that there is not".to_owned() }),
    }
}

/// How the holder has left an account or a card.
#[derive(Clone, Copy, Debug)]
pub(super) struct Left {
    pub(super) instrument: Instrument,
    pub(super) freeze: HolderFreeze,
    pub(super) version: i64,
}

pub(super) async fn load(tx: &mut Tx, ids: Vec<Uuid>) -> Result<HashMap<Uuid, Left>, StoreError> {
    let rows = tx.load(BY_ID, Keys::Ids(ids)).await?;
    rows.iter().map(|row| Ok((row.id(0)?, left_of(row)?))).collect()
}

fn left_of(row: &Row) -> Result<Left, StoreError> {
    let id = row.id(0)?;
    let instrument = row.parsed(2, |kind| Instrument::of(kind, id))?;
    let freeze = HolderFreeze { order_number: row.int(3)?, frozen: row.flag(4)?, effective_at: row.time(5)? };
    Ok(Left { instrument, freeze, version: row.int(1)? })
}

pub(super) async fn save<'l>(tx: &mut Tx, changed: impl Iterator<Item = &'l Left>) -> Result<(), StoreError> {
    let row = |left: &Left| -> Vec<Value> {
        vec![
            left.instrument.uuid().into(),
            left.version.saturating_add(1).into(),
            left.instrument.kind().into(),
            left.freeze.order_number.into(),
            left.freeze.frozen.into(),
            left.freeze.effective_at.into(),
        ]
    };
    tx.put(&HOLDER_FREEZES, changed.map(row).collect()).await
}
