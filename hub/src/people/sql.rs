//! Look-ups of people, and what is shown of a person.

use domain::{DeviceId, OperatorId, PersonId, Timestamp};
use server_kit::store::{Row, Store, StoreError, Table, Tx};
use uuid::Uuid;

use super::steps::LookUp;

const DAYS: Table = Table {
    name: "person_lookup_days",
    key: &["operator_id", "day"],
    columns: &["operator_id", "day", "version", "looked_up"],
};

const LOOKUPS: Table = Table {
    name: "person_lookups",
    key: &["lookup_id"],
    columns: &["lookup_id", "version", "operator_id", "person_id", "fingerprint", "looked_up_at"],
};

const MICROS_OF_A_DAY: i64 = 86_400_000_000;
/// For so many days the same look-up again is known as the same; the log keeps them all.
const DAYS_KEPT: i64 = 2;
/// Phones that are shown.
const MOST_PHONES: i64 = 20;

fn day_of(at: Timestamp) -> i64 {
    at.micros().div_euclid(MICROS_OF_A_DAY)
}

pub(super) async fn is_person(tx: &mut Tx, person_id: PersonId) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM persons WHERE person_id = $1";
    Ok(!tx.fetch(sql, vec![person_id.uuid().into()]).await?.is_empty())
}

/// How many people an operator has looked up on the day that it is.
#[derive(Debug)]
pub(super) struct Day {
    pub(super) day: i64,
    /// 0 where there was none yet.
    pub(super) version: i64,
    pub(super) looked_up: u32,
}

pub(super) async fn load_day(tx: &mut Tx, operator: &OperatorId) -> Result<Day, StoreError> {
    let day = day_of(tx.now());
    let sql = "SELECT version, looked_up FROM person_lookup_days WHERE operator_id = $1 AND day = $2";
    let rows = tx.fetch(sql, vec![operator.as_str().into(), day.into()]).await?;
    let Some(row) = rows.first() else { return Ok(Day { day, version: 0, looked_up: 0 }) };
    Ok(Day { day, version: row.int(0)?, looked_up: u32::try_from(row.int(1)?).unwrap_or(u32::MAX) })
}

/// Writes it over the version before its own: of two replicas at once one decides again.
pub(super) async fn put_day(tx: &mut Tx, operator: &OperatorId, day: &Day) -> Result<(), StoreError> {
    let row = vec![operator.as_str().into(), day.day.into(), day.version.into(), i64::from(day.looked_up).into()];
    tx.put(&DAYS, vec![row]).await
}

/// A look-up that was answered.
pub(super) struct Before {
    pub(super) operator_id: OperatorId,
    pub(super) person_id: Option<PersonId>,
    pub(super) fingerprint: Vec<u8>,
    pub(super) looked_up_at: Timestamp,
}

pub(super) async fn find_lookup(tx: &mut Tx, id: Uuid) -> Result<Option<Before>, StoreError> {
    let sql = "SELECT operator_id, person_id, fingerprint, looked_up_at FROM person_lookups WHERE lookup_id = $1";
    let read = |row: &Row| {
        Ok(Before {
            operator_id: row.parsed(0, OperatorId::parse)?,
            person_id: row.maybe_id(1)?.map(PersonId::from_uuid),
            fingerprint: row.bytes(2)?,
            looked_up_at: row.time(3)?,
        })
    };
    tx.fetch(sql, vec![id.into()]).await?.first().map(read).transpose()
}

pub(super) async fn insert_lookup(tx: &mut Tx, it: &LookUp, person_id: Option<PersonId>) -> Result<(), StoreError> {
    let row = vec![
        it.id.into(),
        1_i64.into(),
        it.operator.as_str().into(),
        person_id.map(PersonId::uuid).into(),
        it.fingerprint.to_vec().into(),
        tx.now().into(),
    ];
    tx.insert(&LOOKUPS, vec![row]).await
}

/// Deletes what is older than anybody asks again.
pub(super) async fn forget_old(tx: &mut Tx) -> Result<(), StoreError> {
    let first = day_of(tx.now()).saturating_sub(DAYS_KEPT);
    tx.execute("DELETE FROM person_lookup_days WHERE day < $1", vec![first.into()]).await?;
    let before = first.saturating_mul(MICROS_OF_A_DAY);
    tx.execute("DELETE FROM person_lookups WHERE looked_up_at < $1", vec![before.into()]).await.map(|_| ())
}

/// A person as stored.
pub(super) struct PersonSeen {
    pub(super) phone_sealed: Vec<u8>,
    pub(super) name_sealed: Vec<u8>,
    pub(super) registered_at: Timestamp,
    pub(super) number_in_doubt: bool,
    pub(super) failures: i64,
    pub(super) blocked_until: Option<Timestamp>,
    pub(super) number_epoch: i64,
}

pub(super) async fn read_person(store: &Store, person_id: PersonId) -> Result<Option<PersonSeen>, StoreError> {
    let sql = "SELECT p.phone_sealed, p.name_sealed, p.registered_at, y.number_closed, COALESCE(y.failures, 0), \
               y.blocked_until, COALESCE(y.number_epoch, 0) \
               FROM persons p LEFT JOIN payers y ON y.person_id = p.person_id WHERE p.person_id = $1";
    let read = |row: Row| {
        Ok(PersonSeen {
            phone_sealed: row.bytes(0)?,
            name_sealed: row.bytes(1)?,
            registered_at: row.time(2)?,
            number_in_doubt: row.maybe_text(3)?.is_some(),
            failures: row.int(4)?,
            blocked_until: row.maybe_time(5)?,
            number_epoch: row.int(6)?,
        })
    };
    store.fetch_one(sql, vec![person_id.uuid().into()]).await?.map(read).transpose()
}

/// An account or a card that a person has bound.
pub(super) struct InstrumentSeen {
    pub(super) bank_id: String,
    pub(super) is_card: bool,
    pub(super) masked: String,
    pub(super) active: bool,
    pub(super) is_default: bool,
    pub(super) frozen: bool,
}

pub(super) async fn read_instruments(store: &Store, person_id: PersonId) -> Result<Vec<InstrumentSeen>, StoreError> {
    let sql = "SELECT b.bank_id, b.instrument, b.masked, b.active, b.is_default, COALESCE(f.frozen, 0) FROM bindings b \
               LEFT JOIN freezes f ON f.bank_id = b.bank_id AND f.instrument_id = b.instrument_id \
               AND f.person_id = b.person_id WHERE b.person_id = $1 ORDER BY b.bank_id, b.instrument_id";
    let read = |row: &Row| {
        Ok(InstrumentSeen {
            bank_id: row.text(0)?,
            is_card: row.text(1)? == "CARD",
            masked: row.text(2)?,
            active: row.flag(3)?,
            is_default: row.flag(4)?,
            frozen: row.flag(5)?,
        })
    };
    store.fetch(sql, vec![person_id.uuid().into()]).await?.iter().map(read).collect()
}

/// A phone of a person: its id, when it was enrolled, and whether it is revoked.
pub(super) type PhoneSeen = (DeviceId, Timestamp, bool);

pub(super) async fn read_phones(store: &Store, person_id: PersonId) -> Result<Vec<PhoneSeen>, StoreError> {
    let sql = "SELECT device_id, enrolled_at, revoked FROM devices WHERE person_id = $1 \
               ORDER BY enrolled_at DESC, device_id LIMIT $2";
    let read = |row: &Row| Ok((DeviceId::from_uuid(row.id(0)?), row.time(1)?, row.flag(2)?));
    store.fetch(sql, vec![person_id.uuid().into(), MOST_PHONES.into()]).await?.iter().map(read).collect()
}
