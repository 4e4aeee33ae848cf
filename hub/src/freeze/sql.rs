//! The rows of what people freeze.

use std::collections::BTreeMap;

use domain::freeze::{Channel, Freezing, HolderFreeze, HolderOrder};
use domain::payment::{FrozenInstrument, Instrument, PayerGuard};
use domain::text::Line;
use domain::{BankId, OrderId, PersonId, Reason, Timestamp};
use server_kit::store::{Dialect, Row, Store, StoreError, Table, Tx, Value};
use uuid::Uuid;

use super::tell::Telling;
use crate::payment::sql::load_guards;

const FREEZES: Table = Table {
    name: "freezes",
    key: &["bank_id", "instrument_id"],
    columns: &[
        "bank_id",
        "instrument_id",
        "version",
        "instrument",
        "person_id",
        "masked",
        "order_number",
        "frozen",
        "channel",
        "ordered_at",
        "confirmed_number",
        "confirmed_frozen",
        "effective_at",
        "signature",
        "public_key",
        "refusal",
        "due_at",
        "tries",
    ],
};

const FREEZE_ORDERS: Table =
    Table { name: "freeze_orders", key: &["order_id"], columns: &["order_id", "person_id", "content", "taken_at"] };

/// What a bank has signed, and the key for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Signature {
    pub(super) bytes: Vec<u8>,
    pub(super) public_key: Vec<u8>,
}

/// What is kept of an account or a card that there was ever an order about.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) freezing: Freezing,
    pub(super) channel: Channel,
    pub(super) ordered_at: Timestamp,
    pub(super) signature: Option<Signature>,
    pub(super) tries: i64,
    /// That of the row; none is 0.
    pub(super) version: i64,
}

impl Kept {
    pub(super) const fn new(freezing: Freezing, channel: Channel, ordered_at: Timestamp) -> Self {
        Self { freezing, channel, ordered_at, signature: None, tries: 0, version: 0 }
    }
}

/// An account or a card that a person has bound.
#[derive(Clone, Debug)]
pub(super) struct Bound {
    pub(super) name: FrozenInstrument,
    pub(super) bank_name: Line,
    pub(super) masked: String,
    pub(super) is_default: bool,
    pub(super) kept: Option<Kept>,
}

fn name_of(row: &Row, (bank, kind, id): (usize, usize, usize)) -> Result<FrozenInstrument, StoreError> {
    let instrument_id = row.id(id)?;
    let instrument = row.parsed(kind, |kind| Instrument::of(kind, instrument_id))?;
    Ok(FrozenInstrument { bank_id: row.parsed(bank, BankId::parse)?, instrument })
}

/// What the person has bound, the default first.
const OF_PERSON: &str = "SELECT b.bank_id, b.instrument, b.instrument_id, b.masked, b.is_default, k.display_name, \
     f.version, f.order_number, f.frozen, f.channel, f.ordered_at, f.confirmed_number, f.confirmed_frozen, \
     f.effective_at, f.signature, f.public_key, f.refusal, f.tries \
     FROM bindings b JOIN banks k ON k.bank_id = b.bank_id \
     LEFT JOIN freezes f ON f.bank_id = b.bank_id AND f.instrument_id = b.instrument_id \
     WHERE b.person_id = $1 ORDER BY b.is_default DESC, b.bound_at, b.instrument_id";

pub(super) async fn of_person(tx: &mut Tx, person_id: PersonId) -> Result<Vec<Bound>, StoreError> {
    tx.fetch(OF_PERSON, vec![person_id.uuid().into()]).await?.iter().map(bound_of).collect()
}

pub(super) async fn read_of_person(store: &Store, person_id: PersonId) -> Result<Vec<Bound>, StoreError> {
    store.fetch(OF_PERSON, vec![person_id.uuid().into()]).await?.iter().map(bound_of).collect()
}

fn bound_of(row: &Row) -> Result<Bound, StoreError> {
    Ok(Bound {
        name: name_of(row, (0, 1, 2))?,
        masked: row.text(3)?,
        is_default: row.flag(4)?,
        bank_name: row.parsed(5, Line::parse)?,
        kept: kept_of(row)?,
    })
}

fn kept_of(row: &Row) -> Result<Option<Kept>, StoreError> {
    let Some(version) = row.maybe_int(6)? else { return Ok(None) };
    let confirmed = match row.maybe_int(11)? {
        None => None,
        Some(order_number) => Some(HolderFreeze { order_number, frozen: row.flag(12)?, effective_at: row.time(13)? }),
    };
    let refusal = row
        .maybe_text(16)?
        .map(|code| Reason::from_code(&code).ok_or_else(|| StoreError::Unreadable { column: 16, what: code.clone() }));
    let signature = match (row.maybe_bytes(14)?, row.maybe_bytes(15)?) {
        (Some(bytes), Some(public_key)) => Some(Signature { bytes, public_key }),
        _ => None,
    };
    let order = HolderOrder { number: row.int(7)?, frozen: row.flag(8)? };
    Ok(Some(Kept {
        freezing: Freezing { order, confirmed, refusal: refusal.transpose()? },
        channel: row.parsed(9, Channel::parse)?,
        ordered_at: row.time(10)?,
        signature,
        tries: row.int(17)?,
        version,
    }))
}

/// Writes what has changed; of what is to be told, when.
pub(super) async fn put(
    tx: &mut Tx,
    person_id: PersonId,
    changed: &[Bound],
    due_at: Option<Timestamp>,
) -> Result<(), StoreError> {
    let row = |bound: &Bound| -> Option<Vec<Value>> {
        let kept = bound.kept.as_ref()?;
        let Freezing { order, confirmed, refusal } = kept.freezing;
        Some(vec![
            bound.name.bank_id.as_str().into(),
            bound.name.instrument.uuid().into(),
            kept.version.saturating_add(1).into(),
            bound.name.instrument.kind().into(),
            person_id.uuid().into(),
            bound.masked.as_str().into(),
            order.number.into(),
            order.frozen.into(),
            kept.channel.as_str().into(),
            kept.ordered_at.into(),
            confirmed.map(|left| left.order_number).into(),
            confirmed.map(|left| i64::from(left.frozen)).into(),
            confirmed.map(|left| left.effective_at).into(),
            kept.signature.as_ref().map(|signature| signature.bytes.clone()).into(),
            kept.signature.as_ref().map(|signature| signature.public_key.clone()).into(),
            refusal.map(|reason| reason.code().to_owned()).into(),
            due_at.into(),
            kept.tries.into(),
        ])
    };
    tx.put(&FREEZES, changed.iter().filter_map(row).collect()).await
}

/// Whose order this was, and what it said.
pub(super) async fn find_order(tx: &mut Tx, id: OrderId) -> Result<Option<(PersonId, String)>, StoreError> {
    let sql = "SELECT person_id, content FROM freeze_orders WHERE order_id = $1";
    let rows = tx.fetch(sql, vec![id.uuid().into()]).await?;
    rows.first().map(|row| Ok((PersonId::from_uuid(row.id(0)?), row.text(1)?))).transpose()
}

pub(super) async fn insert_order(
    tx: &mut Tx,
    id: OrderId,
    person_id: PersonId,
    content: String,
    at: Timestamp,
) -> Result<(), StoreError> {
    let row = vec![id.uuid().into(), person_id.uuid().into(), content.into(), at.into()];
    tx.insert(&FREEZE_ORDERS, vec![row]).await
}

/// The counters of a payer, and the keyed hash of the transaction password; none for somebody who is not known.
pub(crate) async fn load_guard(tx: &mut Tx, person_id: PersonId) -> Result<Option<(PayerGuard, Vec<u8>)>, StoreError> {
    let mut guards = load_guards(tx, vec![person_id.uuid()], true).await?;
    Ok(guards.remove(&person_id).map(|(stored, password)| (stored.value, password)))
}

// The payer's row is locked by whoever calls these. Its version goes on, so that no replica decides by what it remembers.

/// Writes the counters of wrong tries.
pub(crate) async fn count_tries(tx: &mut Tx, guard: &PayerGuard) -> Result<(), StoreError> {
    let sql = "UPDATE payers SET failures = $1, blocked_until = $2, version = version + 1 WHERE person_id = $3";
    let args = vec![i64::from(guard.failures).into(), guard.blocked_until.into(), guard.person_id.uuid().into()];
    tx.execute(sql, args).await.map(|_| ())
}

/// Writes from what of the payer no money goes out.
pub(super) async fn mark_payer(tx: &mut Tx, person_id: PersonId) -> Result<(), StoreError> {
    let sql = "SELECT bank_id, instrument, instrument_id FROM freezes WHERE person_id = $1 AND frozen = 1 \
               ORDER BY bank_id, instrument_id";
    let rows = tx.fetch(sql, vec![person_id.uuid().into()]).await?;
    let words = |row: &Row| name_of(row, (0, 1, 2)).map(|name| name.words());
    let words: Vec<String> = rows.iter().map(words).collect::<Result<_, _>>()?;
    let frozen = (!words.is_empty()).then(|| words.join("\n"));
    let sql = "UPDATE payers SET frozen = $1, version = version + 1 WHERE person_id = $2";
    tx.execute(sql, vec![frozen.into(), person_id.uuid().into()]).await.map(|_| ())
}

/// How often a bank was told in vain of an order that it has yet to be told of.
pub(super) async fn tries(tx: &mut Tx, bank: &BankId, instrument: Instrument) -> Result<Option<i64>, StoreError> {
    let sql = "SELECT tries FROM freezes WHERE bank_id = $1 AND instrument_id = $2 AND due_at IS NOT NULL";
    let rows = tx.fetch(sql, vec![bank.as_str().into(), instrument.uuid().into()]).await?;
    rows.first().map(|row| row.int(0)).transpose()
}

pub(super) async fn tell_later(
    tx: &mut Tx,
    bank: &BankId,
    instrument: Instrument,
    due_at: Timestamp,
) -> Result<(), StoreError> {
    let sql = "UPDATE freezes SET due_at = $1, tries = tries + 1, version = version + 1 \
               WHERE bank_id = $2 AND instrument_id = $3 AND due_at IS NOT NULL";
    tx.execute(sql, vec![due_at.into(), bank.as_str().into(), instrument.uuid().into()]).await.map(|_| ())
}

/// Takes what is due, the longest due first, and has it due again at `until`.
pub(super) async fn claim(
    tx: &mut Tx,
    now: Timestamp,
    until: Timestamp,
    most: i64,
) -> Result<Vec<Telling>, StoreError> {
    macro_rules! due {
        ($lock:literal) => {
            concat!(
                "SELECT bank_id, instrument, instrument_id, person_id, order_number, frozen FROM freezes \
                 WHERE due_at <= $1 ORDER BY due_at LIMIT $2",
                $lock
            )
        };
    }
    // SQLite has one writer and knows no row locks.
    let sql = match tx.dialect() {
        Dialect::Sqlite => due!(""),
        Dialect::Postgres => due!(" FOR UPDATE SKIP LOCKED"),
    };
    let rows = tx.fetch(sql, vec![now.into(), most.into()]).await?;
    let mut tellings = Vec::new();
    for row in &rows {
        let name = name_of(row, (0, 1, 2))?;
        let order = HolderOrder { number: row.int(4)?, frozen: row.flag(5)? };
        Telling::add(&mut tellings, PersonId::from_uuid(row.id(3)?), &name.bank_id, (name.instrument, order));
        let sql = "UPDATE freezes SET due_at = $1, version = version + 1 WHERE bank_id = $2 AND instrument_id = $3";
        let args = vec![until.into(), name.bank_id.as_str().into(), name.instrument.uuid().into()];
        tx.execute(sql, args).await?;
    }
    Ok(tellings)
}

/// The rows of the payer's own mark, for the examination of the books: what it says, and what it should say.
pub(crate) async fn check_marks(store: &Store) -> Result<Vec<String>, StoreError> {
    let marked = store.fetch("SELECT person_id, frozen FROM payers WHERE frozen IS NOT NULL", Vec::new()).await?;
    let sql = "SELECT bank_id, instrument, instrument_id, person_id FROM freezes WHERE frozen = 1 \
               ORDER BY person_id, bank_id, instrument_id";
    let mut wanted: BTreeMap<Uuid, Vec<String>> = BTreeMap::new();
    for row in &store.fetch(sql, Vec::new()).await? {
        wanted.entry(row.id(3)?).or_default().push(name_of(row, (0, 1, 2))?.words());
    }
    let mut faults = Vec::new();
    for row in &marked {
        let person = row.id(0)?;
        if wanted.remove(&person).unwrap_or_default().join("\n") != row.text(1)? {
            faults.push(format!("person {person} is marked as having frozen something else"));
        }
    }
    faults.extend(wanted.keys().map(|person| format!("person {person} is not marked as having frozen something")));
    Ok(faults)
}

/// Whether somebody is registered here.
pub(super) async fn is_person(store: &Store, person_id: PersonId) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM persons WHERE person_id = $1";
    Ok(store.fetch_one(sql, vec![person_id.uuid().into()]).await?.is_some())
}
