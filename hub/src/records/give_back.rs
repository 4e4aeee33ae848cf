//! What came back of purchases, each by itself, as it is stored.

use std::collections::BTreeMap;

use domain::purchase::GiveBack;
use domain::{PaymentId, PersonId, Timestamp};
use server_kit::store::{Row, Store, StoreError, Table, Tx, Value};

pub(super) const GIVE_BACKS: Table = Table {
    name: "give_backs",
    key: &["person_id", "sequence", "number"],
    columns: &["person_id", "sequence", "number", "given_at", "amount_minor", "reversal", "payment_id"],
};

/// A give-back of the purchase at this place of the person's feed, in the order of the table's columns.
pub(super) fn row(person_id: PersonId, sequence: i64, given: &GiveBack) -> Vec<Value> {
    vec![
        person_id.uuid().into(),
        sequence.into(),
        given.number.into(),
        given.given_at.into(),
        given.amount_minor.into(),
        i64::from(given.reversal).into(),
        given.payment_id.map(PaymentId::uuid).into(),
    ]
}

/// Money that came back by a payment that the hub carried.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Returned {
    pub(crate) given_at: Timestamp,
    pub(crate) amount_minor: i64,
    pub(crate) reversal: bool,
    pub(crate) payment_id: PaymentId,
}

/// Adds the next give-back of a purchase. Money seldom goes back, so that it has a statement of its own; the purchase's row is locked by
/// its change before.
pub(crate) async fn add(
    tx: &mut Tx,
    person_id: PersonId,
    sequence: i64,
    returned: &Returned,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO give_backs (person_id, sequence, number, given_at, amount_minor, reversal, payment_id) \
               SELECT $1, $2, COALESCE(max(number), 0) + 1, $3, $4, $5, $6 FROM give_backs \
               WHERE person_id = $1 AND sequence = $2";
    let args = vec![
        person_id.uuid().into(),
        sequence.into(),
        returned.given_at.into(),
        returned.amount_minor.into(),
        i64::from(returned.reversal).into(),
        returned.payment_id.uuid().into(),
    ];
    tx.execute(sql, args).await.map(|_| ())
}

/// What came back of the person's purchases between two places of the feed, both included, by place and in order.
pub(super) async fn read(
    store: &Store,
    person_id: PersonId,
    first: i64,
    last: i64,
) -> Result<BTreeMap<i64, Vec<GiveBack>>, StoreError> {
    let sql = "SELECT sequence, number, given_at, amount_minor, reversal, payment_id FROM give_backs \
               WHERE person_id = $1 AND sequence BETWEEN $2 AND $3 ORDER BY sequence, number";
    let rows = store.fetch(sql, vec![person_id.uuid().into(), first.into(), last.into()]).await?;
    let mut found: BTreeMap<i64, Vec<GiveBack>> = BTreeMap::new();
    for row in &rows {
        found.entry(row.int(0)?).or_default().push(given_of(row)?);
    }
    Ok(found)
}

fn given_of(row: &Row) -> Result<GiveBack, StoreError> {
    Ok(GiveBack {
        number: row.int(1)?,
        given_at: row.time(2)?,
        amount_minor: row.int(3)?,
        reversal: row.int(4)? != 0,
        payment_id: row.maybe_id(5)?.map(PaymentId::from_uuid),
    })
}
