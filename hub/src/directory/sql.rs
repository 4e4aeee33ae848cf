//! The tables of the directory and what their rows mean.

mod bins;

use domain::payment::Instrument;
use domain::purchase::{CategoryCode, Location, Merchant, Terminal};
use domain::text::Line;
use domain::{BankId, CardId, Currency, MerchantId, Money, PaymentId, PersonId, TerminalId, Timestamp};
use server_kit::store::{Row, Store, StoreError, Table, Tx, Value};

use super::inspect::PaymentRow;
use super::{BankEntry, NOBODY, Payer, PayingInstrument};
use crate::payment::sql::times_of;

pub(super) use bins::{
    count_suspensions, load_bin_ranges, load_suspension, put_suspension, read_bin_table, replace_bin_ranges, table_of,
};

const BANKS: Table = Table {
    name: "banks",
    key: &["bank_id"],
    columns: &["bank_id", "version", "display_name", "endpoint", "suspended"],
};

const MERCHANTS: Table = Table {
    name: "merchants",
    key: &["merchant_id"],
    columns: &["merchant_id", "version", "display_name", "category"],
};

const TERMINALS: Table = Table {
    name: "terminals",
    key: &["terminal_id"],
    columns: &["terminal_id", "version", "merchant_id", "place", "latitude", "longitude", "suspended"],
};

const PERSONS: Table = Table {
    name: "persons",
    key: &["person_id"],
    columns: &["person_id", "version", "phone_hash", "phone_sealed", "name_sealed", "password_mac", "registered_at"],
};

/// What guards a payer; the payment capability changes it, and it is there from the day on which the person is.
const PAYERS: Table = Table {
    name: "payers",
    key: &["person_id"],
    columns: &["person_id", "version", "failures", "blocked_until", "codes_sent", "last_sequence"],
};

const BINDINGS: Table = Table {
    name: "bindings",
    key: &["bank_id", "instrument_id"],
    columns: &[
        "bank_id",
        "instrument_id",
        "version",
        "instrument",
        "person_id",
        "masked",
        "active",
        "is_default",
        "bound_at",
    ],
};

const ENROLMENT_CODES: Table = Table {
    name: "enrolment_codes",
    key: &["person_id"],
    columns: &["person_id", "version", "code_mac", "expires_at", "attempts_left"],
};

/// A row with the version that its next change must find.
#[derive(Debug)]
pub(super) struct Stored<T> {
    pub(super) version: i64,
    pub(super) value: T,
}

fn only<T>(rows: Vec<Row>, read: impl Fn(&Row) -> Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    rows.first().map(read).transpose()
}

// Banks.

const BANK_COLUMNS: &str = "SELECT bank_id, display_name, endpoint, suspended, version FROM banks WHERE bank_id = $1";

fn bank_of(row: &Row) -> Result<BankEntry, StoreError> {
    Ok(BankEntry {
        bank_id: row.parsed(0, BankId::parse)?,
        display_name: row.parsed(1, Line::parse)?,
        endpoint: row.text(2)?,
        suspended: row.flag(3)?,
    })
}

pub(super) async fn read_bank(store: &Store, id: &BankId) -> Result<Option<BankEntry>, StoreError> {
    only(store.fetch(BANK_COLUMNS, vec![id.as_str().into()]).await?, bank_of)
}

pub(super) async fn read_banks(store: &Store) -> Result<Vec<BankEntry>, StoreError> {
    let sql = "SELECT bank_id, display_name, endpoint, suspended FROM banks ORDER BY bank_id";
    store.fetch(sql, Vec::new()).await?.iter().map(bank_of).collect()
}

pub(super) async fn load_bank(tx: &mut Tx, id: &BankId) -> Result<Option<Stored<BankEntry>>, StoreError> {
    let rows = tx.fetch(BANK_COLUMNS, vec![id.as_str().into()]).await?;
    only(rows, |row| Ok(Stored { value: bank_of(row)?, version: row.int(4)? }))
}

pub(super) async fn put_bank(tx: &mut Tx, bank: &BankEntry, version: i64) -> Result<(), StoreError> {
    let row = vec![
        bank.bank_id.as_str().into(),
        version.into(),
        bank.display_name.as_str().into(),
        bank.endpoint.as_str().into(),
        bank.suspended.into(),
    ];
    tx.put(&BANKS, vec![row]).await
}

// Merchants and their terminals.

fn merchant_of(row: &Row) -> Result<Merchant, StoreError> {
    Ok(Merchant {
        id: row.parsed(0, MerchantId::parse)?,
        name: row.parsed(1, Line::parse)?,
        category: row.parsed(2, CategoryCode::parse)?,
    })
}

pub(super) async fn load_merchant(tx: &mut Tx, id: &MerchantId) -> Result<Option<Merchant>, StoreError> {
    let sql = "SELECT merchant_id, display_name, category FROM merchants WHERE merchant_id = $1";
    only(tx.fetch(sql, vec![id.as_str().into()]).await?, merchant_of)
}

pub(super) async fn insert_merchant(tx: &mut Tx, merchant: &Merchant) -> Result<(), StoreError> {
    let row = vec![
        merchant.id.as_str().into(),
        Value::Int(1),
        merchant.name.as_str().into(),
        merchant.category.as_str().into(),
    ];
    tx.insert(&MERCHANTS, vec![row]).await
}

const TERMINAL_COLUMNS: &str = "SELECT m.merchant_id, m.display_name, m.category, t.terminal_id, t.place, t.latitude, \
                                t.longitude, t.suspended, t.version \
                                FROM terminals t JOIN merchants m ON m.merchant_id = t.merchant_id \
                                WHERE t.terminal_id = $1";

fn terminal_of(row: &Row) -> Result<Terminal, StoreError> {
    let location = match (row.real(5)?, row.real(6)?) {
        (Some(latitude), Some(longitude)) => Some(Location { latitude, longitude }),
        _ => None,
    };
    Ok(Terminal {
        id: row.parsed(3, TerminalId::parse)?,
        merchant: merchant_of(row)?,
        place: maybe_line(row, 4)?,
        location,
        suspended: row.flag(7)?,
    })
}

fn maybe_line(row: &Row, column: usize) -> Result<Option<Line>, StoreError> {
    let line = row.maybe_text(column)?.as_deref().map(Line::parse).transpose();
    line.map_err(|reason| StoreError::Unreadable { column, what: format!("{reason:?}") })
}

pub(super) async fn read_terminal(store: &Store, id: &TerminalId) -> Result<Option<Terminal>, StoreError> {
    only(store.fetch(TERMINAL_COLUMNS, vec![id.as_str().into()]).await?, terminal_of)
}

pub(super) async fn load_terminal(tx: &mut Tx, id: &TerminalId) -> Result<Option<Stored<Terminal>>, StoreError> {
    let rows = tx.fetch(TERMINAL_COLUMNS, vec![id.as_str().into()]).await?;
    only(rows, |row| Ok(Stored { value: terminal_of(row)?, version: row.int(8)? }))
}

pub(super) async fn put_terminal(tx: &mut Tx, terminal: &Terminal, version: i64) -> Result<(), StoreError> {
    let row = vec![
        terminal.id.as_str().into(),
        version.into(),
        terminal.merchant.id.as_str().into(),
        terminal.place.as_ref().map(|place| place.as_str().to_owned()).into(),
        Value::Real(terminal.location.map(|location| location.latitude)),
        Value::Real(terminal.location.map(|location| location.longitude)),
        terminal.suspended.into(),
    ];
    tx.put(&TERMINALS, vec![row]).await
}

// People.

/// The columns of a payer out of `$from`, which has a `person_id` and stands before the rows of that person.
macro_rules! payer_columns {
    ($from:literal) => {
        concat!(
            "SELECT p.person_id, p.password_mac, b.bank_id, b.instrument_id, b.masked, b.active, k.suspended, b.instrument, \
             COALESCE(y.number_epoch, 0) \
             FROM ",
            $from,
            " LEFT JOIN persons p ON p.person_id = w.person_id LEFT JOIN payers y ON y.person_id = w.person_id \
             LEFT JOIN bindings b ON b.person_id = w.person_id AND b.is_default = 1 LEFT JOIN banks k ON k.bank_id = b.bank_id"
        )
    };
}

/// All of it is read also where nobody was found, so that this takes no less time.
fn payer_of(row: &Row) -> Result<Option<Payer>, StoreError> {
    let person_id = row.maybe_id(0)?;
    let instrument = match row.maybe_text(2)? {
        None => None,
        Some(_) => Some(PayingInstrument {
            bank_id: row.parsed(2, BankId::parse)?,
            instrument: instrument_of(row, 3, 7)?,
            masked: row.text(4)?,
            active: row.flag(5)?,
            // A bank that is not there any more takes no payments.
            bank_suspended: row.maybe_int(6)? != Some(0),
        }),
    };
    let (password_mac, number_epoch) = (row.maybe_bytes(1)?, row.int(8)?);
    Ok(person_id.map(|id| Payer { person_id: PersonId::from_uuid(id), password_mac, instrument, number_epoch }))
}

pub(super) async fn read_payer_by_phone(
    store: &Store,
    [one, other]: &[[u8; 32]; 2],
) -> Result<Option<Payer>, StoreError> {
    // A person's first number stands with the person; every number that a carrier has signed up stands among the numbers. For a number that nobody
    // has the rows of nobody are looked for, and one comes all the same: no number takes longer than another. The LIMIT keeps
    // PostgreSQL from looking the number up again for each table.
    let sql = payer_columns!(
        "(SELECT COALESCE((SELECT person_id FROM persons WHERE phone_hash IN ($1, $2)), \
         (SELECT person_id FROM numbers WHERE phone_hash IN ($1, $2)), $3) AS person_id LIMIT 1) w"
    );
    let args = vec![one.to_vec().into(), other.to_vec().into(), NOBODY.uuid().into()];
    only(store.fetch(sql, args).await?, payer_of).map(Option::flatten)
}

pub(super) async fn read_payer(store: &Store, person_id: PersonId) -> Result<Option<Payer>, StoreError> {
    let sql = payer_columns!("(SELECT $1 AS person_id) w");
    only(store.fetch(sql, vec![person_id.uuid().into()]).await?, payer_of).map(Option::flatten)
}

/// A person who is there already.
pub(super) struct KnownPerson {
    pub(super) person_id: PersonId,
    pub(super) phone_hash: Vec<u8>,
    pub(super) name_sealed: Vec<u8>,
}

/// A person to register.
pub(super) struct PersonRow {
    pub(super) person_id: PersonId,
    pub(super) phone_hash: Vec<u8>,
    pub(super) phone_sealed: Vec<u8>,
    pub(super) name_sealed: Vec<u8>,
}

/// The persons that have this id or this number: at most two.
pub(super) async fn load_persons(
    tx: &mut Tx,
    id: PersonId,
    [one, other]: &[[u8; 32]; 2],
) -> Result<Vec<KnownPerson>, StoreError> {
    // Two keyed look-ups; an OR over two indexes is one that a planner may scan for.
    let sql = "SELECT person_id, phone_hash, name_sealed FROM persons WHERE person_id = $1 UNION ALL \
               SELECT person_id, phone_hash, name_sealed FROM persons WHERE phone_hash IN ($2, $3) AND person_id <> $1";
    let rows = tx.fetch(sql, vec![id.uuid().into(), one.to_vec().into(), other.to_vec().into()]).await?;
    let read = |row: &Row| {
        Ok(KnownPerson {
            person_id: PersonId::from_uuid(row.id(0)?),
            phone_hash: row.bytes(1)?,
            name_sealed: row.bytes(2)?,
        })
    };
    rows.iter().map(read).collect()
}

pub(super) async fn is_person(tx: &mut Tx, id: PersonId) -> Result<bool, StoreError> {
    let rows = tx.fetch("SELECT 1 FROM persons WHERE person_id = $1", vec![id.uuid().into()]).await?;
    Ok(!rows.is_empty())
}

/// The person and what guards their payments, both or neither.
pub(super) async fn insert_person(tx: &mut Tx, person: &PersonRow) -> Result<(), StoreError> {
    let id = person.person_id.uuid();
    let row = vec![
        id.into(),
        Value::Int(1),
        person.phone_hash.clone().into(),
        person.phone_sealed.clone().into(),
        person.name_sealed.clone().into(),
        None::<Vec<u8>>.into(),
        tx.now().into(),
    ];
    tx.insert(&PERSONS, vec![row]).await?;
    let guard =
        vec![id.into(), Value::Int(1), Value::Int(0), None::<Timestamp>.into(), Vec::<u8>::new().into(), Value::Int(0)];
    tx.insert(&PAYERS, vec![guard]).await
}

// Accounts and cards of people.

/// An account or a card that is bound to a person.
#[derive(Clone, Debug)]
pub(super) struct Binding {
    pub(super) bank_id: BankId,
    pub(super) instrument: Instrument,
    pub(super) person_id: PersonId,
    pub(super) masked: String,
    pub(super) active: bool,
    pub(super) is_default: bool,
    pub(super) bound_at: Timestamp,
}

macro_rules! binding_columns {
    ($condition:literal) => {
        concat!(
            "SELECT bank_id, instrument_id, person_id, masked, active, is_default, bound_at, version, instrument \
             FROM bindings WHERE ",
            $condition
        )
    };
}

fn instrument_of(row: &Row, id: usize, sort: usize) -> Result<Instrument, StoreError> {
    let id = row.id(id)?;
    row.parsed(sort, |kind| Instrument::of(kind, id))
}

fn binding_of(row: &Row) -> Result<Stored<Binding>, StoreError> {
    let value = Binding {
        bank_id: row.parsed(0, BankId::parse)?,
        instrument: instrument_of(row, 1, 8)?,
        person_id: PersonId::from_uuid(row.id(2)?),
        masked: row.text(3)?,
        active: row.flag(4)?,
        is_default: row.flag(5)?,
        bound_at: row.time(6)?,
    };
    Ok(Stored { value, version: row.int(7)? })
}

/// What is bound under the id of this account or card; a bank that gives both one id is found out by its sort.
pub(super) async fn load_binding(
    tx: &mut Tx,
    bank: &BankId,
    instrument: Instrument,
) -> Result<Option<Stored<Binding>>, StoreError> {
    let sql = binding_columns!("bank_id = $1 AND instrument_id = $2");
    let id = instrument.uuid();
    only(tx.fetch(sql, vec![bank.as_str().into(), id.into()]).await?, binding_of)
}

/// What is shown of the account or the card, if it is bound to anybody.
pub(super) async fn read_masked(
    store: &Store,
    bank: &BankId,
    instrument: Instrument,
) -> Result<Option<String>, StoreError> {
    let sql = "SELECT masked FROM bindings WHERE bank_id = $1 AND instrument_id = $2 AND instrument = $3";
    let (sort, id) = (instrument.kind(), instrument.uuid());
    only(store.fetch(sql, vec![bank.as_str().into(), id.into(), sort.into()]).await?, |row| row.text(0))
}

/// Whose card it is.
pub(super) async fn read_card_holder(
    store: &Store,
    bank: &BankId,
    card: CardId,
) -> Result<Option<PersonId>, StoreError> {
    let sql = "SELECT person_id FROM bindings \
               WHERE bank_id = $1 AND instrument_id = $2 AND instrument = 'CARD' AND active = 1";
    let rows = store.fetch(sql, vec![bank.as_str().into(), card.uuid().into()]).await?;
    only(rows, |row| Ok(PersonId::from_uuid(row.id(0)?)))
}

pub(super) async fn load_default_binding(tx: &mut Tx, id: PersonId) -> Result<Option<Stored<Binding>>, StoreError> {
    let sql = binding_columns!("person_id = $1 AND is_default = 1");
    only(tx.fetch(sql, vec![id.uuid().into()]).await?, binding_of)
}

pub(super) async fn put_binding(tx: &mut Tx, binding: &Binding, version: i64) -> Result<(), StoreError> {
    let (sort, id) = (binding.instrument.kind(), binding.instrument.uuid());
    let row = vec![
        binding.bank_id.as_str().into(),
        id.into(),
        version.into(),
        sort.into(),
        binding.person_id.uuid().into(),
        binding.masked.as_str().into(),
        binding.active.into(),
        binding.is_default.into(),
        binding.bound_at.into(),
    ];
    tx.put(&BINDINGS, vec![row]).await
}

// Enrolment codes.

pub(super) async fn put_enrolment_code(
    tx: &mut Tx,
    person_id: PersonId,
    code_mac: &[u8],
    expires_at: Timestamp,
    attempts: i64,
) -> Result<(), StoreError> {
    let sql = "SELECT version FROM enrolment_codes WHERE person_id = $1";
    let before = only(tx.fetch(sql, vec![person_id.uuid().into()]).await?, |row| row.int(0))?;
    let row = vec![
        person_id.uuid().into(),
        (before.unwrap_or(0) + 1).into(),
        code_mac.to_vec().into(),
        expires_at.into(),
        attempts.into(),
    ];
    tx.put(&ENROLMENT_CODES, vec![row]).await
}

// Payments, to look at; they are written by the payment capability.

pub(super) async fn read_payment(store: &Store, id: PaymentId) -> Result<Option<PaymentRow>, StoreError> {
    let sql = "SELECT state, terminal_id, currency, amount_minor, bank_id, leg_id FROM payments WHERE payment_id = $1";
    let read = |row: &Row| {
        Ok(PaymentRow {
            state: row.text(0)?,
            terminal_id: row.text(1)?,
            amount: Money::new(row.parsed(2, Currency::parse)?, row.int(3)?),
            bank_id: row.maybe_text(4)?,
            leg_id: row.maybe_id(5)?,
        })
    };
    only(store.fetch(sql, vec![id.uuid().into()]).await?, read)
}

/// When the log speaks of a payment.
pub(super) async fn read_logged_at(store: &Store, id: PaymentId) -> Result<Vec<Timestamp>, StoreError> {
    let rows = store.fetch("SELECT logged_at FROM payments WHERE payment_id = $1", vec![id.uuid().into()]).await?;
    Ok(only(rows, |row| Ok(times_of(&row.bytes(0)?)))?.unwrap_or_default())
}

/// Everything that is open, by state, and what is final among the newest: however many payments there are, no more than those are read.
pub(super) async fn count_by_state(store: &Store) -> Result<Vec<(String, i64)>, StoreError> {
    let sql = "SELECT state, CAST(sum(n) AS BIGINT) FROM (\
               SELECT state, count(*) AS n FROM payments WHERE due_at IS NOT NULL GROUP BY state UNION ALL \
               SELECT state, count(*) AS n FROM (SELECT state, due_at FROM payments ORDER BY payment_id DESC LIMIT 20000) p \
               WHERE due_at IS NULL GROUP BY state UNION ALL \
               SELECT state, count(*) AS n FROM repayments WHERE due_at IS NOT NULL GROUP BY state UNION ALL \
               SELECT state, count(*) AS n FROM (SELECT state, due_at FROM repayments ORDER BY repayment_id DESC LIMIT 20000) r \
               WHERE due_at IS NULL GROUP BY state) counted GROUP BY state";
    let rows = store.fetch(sql, Vec::new()).await?;
    rows.iter().map(|row| Ok((row.text(0)?, row.int(1)?))).collect()
}

/// Of how many payments and repayments a bank has yet to hear how they went on, and when the oldest of them was made. A payment that only waits for its
/// code concerns no bank, and one that is authorised waits for its terminal.
pub(super) async fn read_unsettled(store: &Store) -> Result<(i64, Option<Timestamp>), StoreError> {
    let sql = "SELECT CAST(sum(n) AS BIGINT), min(created_at) FROM (SELECT count(*) AS n, min(created_at) AS created_at FROM payments \
               WHERE due_at IS NOT NULL AND leg_id IS NOT NULL AND state <> 'AUTHORISED' UNION ALL \
               SELECT count(*), min(created_at) FROM repayments WHERE due_at IS NOT NULL) unsettled";
    let rows = store.fetch(sql, Vec::new()).await?;
    Ok(only(rows, |row| Ok((row.int(0)?, row.maybe_time(1)?)))?.unwrap_or((0, None)))
}
