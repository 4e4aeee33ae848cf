//! The rows of numbers that carriers speak of, and of what they have reported.

use domain::sign_up::Number;
use domain::{CarrierId, PersonId, Timestamp};
use server_kit::store::{Keys, Load, Row, StoreError, Table, Tx};
use uuid::Uuid;

const NUMBERS: Table = Table {
    name: "numbers",
    key: &["phone_hash"],
    columns: &["phone_hash", "version", "person_id", "phone_sealed", "carrier_id", "epoch", "signed_up_at"],
};

const NUMBER_REPORTS: Table = Table {
    name: "number_reports",
    key: &["report_id"],
    columns: &["report_id", "carrier_id", "content_mac", "epoch", "taken_at"],
};

const COLUMNS: &str = "SELECT phone_hash, version, person_id, phone_sealed, carrier_id, epoch, signed_up_at FROM numbers WHERE phone_hash";

/// A number as it is stored.
#[derive(Clone, Debug)]
pub(super) struct StoredNumber {
    pub(super) phone_hash: Vec<u8>,
    pub(super) person_id: PersonId,
    pub(super) phone_sealed: Vec<u8>,
    pub(super) number: Number,
    pub(super) signed_up_at: Timestamp,
    /// 0 when it is not there yet.
    pub(super) version: i64,
}

fn number_of(row: &Row) -> Result<StoredNumber, StoreError> {
    Ok(StoredNumber {
        phone_hash: row.bytes(0)?,
        person_id: PersonId::from_uuid(row.id(2)?),
        phone_sealed: row.bytes(3)?,
        number: Number { carrier_id: row.parsed(4, CarrierId::parse)?, epoch: row.int(5)? },
        signed_up_at: row.time(6)?,
        version: row.int(1)?,
    })
}

/// Loads a number by its hashes, locked.
pub(super) async fn load(tx: &mut Tx, hashes: &[[u8; 32]; 2]) -> Result<Option<StoredNumber>, StoreError> {
    let load = Load { select: COLUMNS, tail: "", lock: true };
    let rows = tx.load(load, Keys::Blobs(hashes.iter().map(|hash| hash.to_vec()).collect())).await?;
    rows.first().map(number_of).transpose()
}

pub(super) async fn put(tx: &mut Tx, stored: &StoredNumber) -> Result<(), StoreError> {
    let row = vec![
        stored.phone_hash.clone().into(),
        stored.version.saturating_add(1).into(),
        stored.person_id.uuid().into(),
        stored.phone_sealed.clone().into(),
        stored.number.carrier_id.as_str().into(),
        stored.number.epoch.into(),
        stored.signed_up_at.into(),
    ];
    tx.put(&NUMBERS, vec![row]).await
}

/// Takes a number from its person.
pub(super) async fn end(tx: &mut Tx, phone_hash: &[u8]) -> Result<(), StoreError> {
    tx.execute("DELETE FROM numbers WHERE phone_hash = $1", vec![phone_hash.to_vec().into()]).await.map(|_| ())
}

/// The hash and the seal of the number that a person has had longest.
pub(super) async fn first_of(tx: &mut Tx, person_id: PersonId) -> Result<Option<(Vec<u8>, Vec<u8>)>, StoreError> {
    let sql =
        "SELECT phone_hash, phone_sealed FROM numbers WHERE person_id = $1 ORDER BY signed_up_at, phone_hash LIMIT 1";
    let rows = tx.fetch(sql, vec![person_id.uuid().into()]).await?;
    rows.first().map(|row| Ok((row.bytes(0)?, row.bytes(1)?))).transpose()
}

/// Who has made a report, the keyed hash of what it said, and its answer.
pub(super) async fn report(tx: &mut Tx, id: Uuid) -> Result<Option<(CarrierId, Vec<u8>, i64)>, StoreError> {
    let sql = "SELECT carrier_id, content_mac, epoch FROM number_reports WHERE report_id = $1";
    let rows = tx.fetch(sql, vec![id.into()]).await?;
    rows.first().map(|row| Ok((row.parsed(0, CarrierId::parse)?, row.bytes(1)?, row.int(2)?))).transpose()
}

pub(super) async fn insert_report(
    tx: &mut Tx,
    id: Uuid,
    carrier_id: &CarrierId,
    content_mac: &[u8],
    (epoch, now): (i64, Timestamp),
) -> Result<(), StoreError> {
    let row = vec![id.into(), carrier_id.as_str().into(), content_mac.to_vec().into(), epoch.into(), now.into()];
    tx.insert(&NUMBER_REPORTS, vec![row]).await
}

/// How a person's number stands from now on: it has changed once more, and codes are sent to it no more, or again.
pub(super) async fn close(tx: &mut Tx, person_id: PersonId, closed: Option<&'static str>) -> Result<(), StoreError> {
    let sql = "UPDATE payers SET number_epoch = number_epoch + 1, number_closed = $1, version = version + 1 \
               WHERE person_id = $2";
    let args = vec![closed.map(str::to_owned).into(), person_id.uuid().into()];
    tx.execute(sql, args).await.map(|_| ())
}
