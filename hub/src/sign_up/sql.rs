//! The rows of sign-ups and of what comes of them.

use domain::sign_up::{SignUp, State};
use domain::{AccountId, BankId, CarrierId, PersonId, Reason, SignUpId, Timestamp};
use server_kit::store::{Dialect, Keys, Load, Row, Store, StoreError, Table, Tx, Value};
use uuid::Uuid;

/// What changes of a sign-up stands first.
const SIGN_UPS: Table = Table {
    name: "sign_ups",
    key: &["sign_up_id"],
    columns: &[
        "sign_up_id",
        "version",
        "state",
        "refusal",
        "bank_id",
        "account_id",
        "person_id",
        "account_masked",
        "answer_sequence",
        "decided_at",
        "due_at",
        "tries",
        "sealed",
        "carrier_id",
        "asked_bank_id",
        "phone_hash",
        "content_mac",
        "consent",
        "asked_at",
    ],
};
const CHANGING: usize = 13;

macro_rules! select_sign_ups {
    ($tail:literal) => {
        concat!(
            "SELECT sign_up_id, version, state, refusal, bank_id, account_id, person_id, account_masked, answer_sequence, \
             decided_at, due_at, tries, sealed, carrier_id, asked_bank_id, phone_hash, content_mac, consent, asked_at \
             FROM sign_ups WHERE ",
            $tail
        )
    };
}

const CITIZENS: Table = Table {
    name: "citizens",
    key: &["citizen_hash"],
    columns: &["citizen_hash", "person_id", "citizen_sealed", "known_since"],
};

/// A sign-up as it is stored.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) sign_up: SignUp,
    /// 0 when it is not there yet.
    pub(super) version: i64,
    /// Who it is; gone when it is decided.
    pub(super) sealed: Option<Vec<u8>>,
    pub(super) phone_hash: Vec<u8>,
    pub(super) content_mac: Vec<u8>,
    pub(super) consent: String,
}

fn unreadable(column: usize, what: &str) -> StoreError {
    StoreError::Unreadable { column, what: what.to_owned() }
}

/// A name that may be missing.
fn maybe<T>(row: &Row, column: usize, read: impl Fn(&str) -> Result<T, Reason>) -> Result<Option<T>, StoreError> {
    row.maybe_text(column)?.map(|text| read(&text).map_err(|_| unreadable(column, &text))).transpose()
}

fn stored_of(row: &Row) -> Result<Stored, StoreError> {
    let bank = maybe(row, 4, BankId::parse)?;
    let person = row.maybe_id(6)?.map(PersonId::from_uuid);
    let sign_up = SignUp {
        id: SignUpId::from_uuid(row.id(0)?),
        carrier_id: row.parsed(13, CarrierId::parse)?,
        state: row.parsed(2, State::parse)?,
        asked_bank: maybe(row, 14, BankId::parse)?,
        account: bank.zip(row.maybe_id(5)?.map(AccountId::from_uuid)),
        bound: person.zip(row.maybe_text(7)?),
        refusal: maybe(row, 3, |code| Reason::from_code(code).ok_or(Reason::FieldUnknown))?,
        answer_sequence: row.maybe_int(8)?,
        asked_at: row.time(18)?,
        decided_at: row.maybe_time(9)?,
        due_at: row.maybe_time(10)?,
        tries: u32::try_from(row.int(11)?).unwrap_or(u32::MAX),
    };
    Ok(Stored {
        sign_up,
        version: row.int(1)?,
        sealed: row.maybe_bytes(12)?,
        phone_hash: row.bytes(15)?,
        content_mac: row.bytes(16)?,
        consent: row.text(17)?,
    })
}

fn changing(stored: &Stored) -> Vec<Value> {
    let sign_up = &stored.sign_up;
    let (account, bound) = (sign_up.account.as_ref(), sign_up.bound.as_ref());
    vec![
        sign_up.id.uuid().into(),
        stored.version.saturating_add(1).into(),
        sign_up.state.name().into(),
        sign_up.refusal.map(|reason| reason.code().to_owned()).into(),
        account.map(|(bank, _)| bank.as_str().to_owned()).into(),
        account.map(|(_, account)| account.uuid()).into(),
        bound.map(|(person, _)| person.uuid()).into(),
        bound.map(|(_, masked)| masked.clone()).into(),
        sign_up.answer_sequence.into(),
        sign_up.decided_at.into(),
        sign_up.due_at.into(),
        i64::from(sign_up.tries).into(),
        stored.sealed.clone().into(),
    ]
}

/// Loads one, locked.
pub(super) async fn load(tx: &mut Tx, id: SignUpId) -> Result<Option<Stored>, StoreError> {
    let load = Load { select: select_sign_ups!("sign_up_id"), tail: "", lock: true };
    let rows = tx.load(load, Keys::Ids(vec![id.uuid()])).await?;
    rows.first().map(stored_of).transpose()
}

/// Writes one that is new or has changed.
pub(super) async fn write(tx: &mut Tx, stored: &Stored) -> Result<(), StoreError> {
    let mut row = changing(stored);
    if stored.version > 0 {
        return tx.update(&SIGN_UPS.changing(CHANGING), vec![row]).await;
    }
    row.extend([
        stored.sign_up.carrier_id.as_str().into(),
        stored.sign_up.asked_bank.as_ref().map(|bank| bank.as_str().to_owned()).into(),
        stored.phone_hash.clone().into(),
        stored.content_mac.clone().into(),
        stored.consent.as_str().into(),
        stored.sign_up.asked_at.into(),
    ]);
    tx.insert(&SIGN_UPS, vec![row]).await
}

/// Whose sign-up of this number is not decided.
pub(super) async fn under_way(tx: &mut Tx, [one, other]: &[[u8; 32]; 2]) -> Result<Option<CarrierId>, StoreError> {
    let sql = "SELECT carrier_id FROM sign_ups WHERE phone_hash IN ($1, $2) AND answer_sequence IS NULL";
    let rows = tx.fetch(sql, vec![one.to_vec().into(), other.to_vec().into()]).await?;
    rows.first().map(|row| row.parsed(0, CarrierId::parse)).transpose()
}

/// What is due, at most `most`, locked so that another replica takes others. One that this version cannot read is left to whoever can.
pub(super) async fn claim_due(tx: &mut Tx, most: i64) -> Result<Vec<Stored>, StoreError> {
    // SQLite has one writer and knows no row locks.
    let sql = match tx.dialect() {
        Dialect::Sqlite => select_sign_ups!("due_at <= $1 ORDER BY due_at LIMIT $2"),
        Dialect::Postgres => select_sign_ups!("due_at <= $1 ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED"),
    };
    let now = tx.now();
    let rows = tx.fetch(sql, vec![now.into(), most.into()]).await?;
    let read = |row: &Row| {
        stored_of(row).inspect_err(|error| tracing::error!(%error, "a sign-up that is due cannot be read")).ok()
    };
    Ok(rows.iter().filter_map(read).collect())
}

/// Reads one outside of any transaction.
pub(super) async fn find(store: &Store, id: SignUpId) -> Result<Option<Stored>, StoreError> {
    let row = store.fetch_one(select_sign_ups!("sign_up_id = $1"), vec![id.uuid().into()]).await?;
    row.as_ref().map(stored_of).transpose()
}

/// What was decided of a carrier's sign-ups after a place, in order.
pub(super) async fn answers(
    store: &Store,
    carrier: &CarrierId,
    after: i64,
    most: i64,
) -> Result<Vec<SignUp>, StoreError> {
    let sql = select_sign_ups!("carrier_id = $1 AND answer_sequence > $2 ORDER BY answer_sequence LIMIT $3");
    let rows = store.fetch(sql, vec![carrier.as_str().into(), after.into(), most.into()]).await?;
    rows.iter().map(|row| stored_of(row).map(|stored| stored.sign_up)).collect()
}

// Citizens.

/// Whose citizen number this is.
pub(super) async fn citizen(tx: &mut Tx, [one, other]: &[[u8; 32]; 2]) -> Result<Option<PersonId>, StoreError> {
    let sql = "SELECT person_id FROM citizens WHERE citizen_hash IN ($1, $2)";
    let rows = tx.fetch(sql, vec![one.to_vec().into(), other.to_vec().into()]).await?;
    rows.first().map(|row| row.id(0).map(PersonId::from_uuid)).transpose()
}

pub(super) async fn insert_citizen(
    tx: &mut Tx,
    hash: &[u8],
    person_id: PersonId,
    sealed: Vec<u8>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let row = vec![hash.to_vec().into(), person_id.uuid().into(), sealed.into(), now.into()];
    tx.insert(&CITIZENS, vec![row]).await
}

/// What people call a bank that takes part and is not suspended.
pub(super) async fn open_bank(tx: &mut Tx, bank: &BankId) -> Result<Option<String>, StoreError> {
    let sql = "SELECT display_name FROM banks WHERE bank_id = $1 AND suspended = 0";
    let rows = tx.fetch(sql, vec![bank.as_str().into()]).await?;
    rows.first().map(|row| row.text(0)).transpose()
}

/// What people call a bank.
pub(super) async fn bank_name(tx: &mut Tx, bank: &BankId) -> Result<String, StoreError> {
    let rows = tx.fetch("SELECT display_name FROM banks WHERE bank_id = $1", vec![bank.as_str().into()]).await?;
    rows.first().map_or_else(|| Ok(bank.to_string()), |row| row.text(0))
}

/// Counts the rows that must not be there, for the examination of the books: each with what is wrong about it.
pub(crate) const CHECKS: [(&str, &str); 3] = [
    (
        "people were not told once that they were signed up",
        "SELECT count(*) FROM sign_ups s WHERE s.state = 'TOLD' AND (SELECT count(*) FROM events e \
         WHERE e.person_id = s.person_id AND e.payment_id = s.sign_up_id) <> 1",
    ),
    (
        "sign-ups have no account that is bound to their person",
        "SELECT count(*) FROM sign_ups s WHERE s.state IN ('BOUND', 'TOLD') AND NOT EXISTS (SELECT 1 FROM bindings b \
         WHERE b.bank_id = s.bank_id AND b.instrument_id = s.account_id AND b.person_id = s.person_id)",
    ),
    (
        "carriers' answers have gaps",
        "SELECT count(*) FROM carriers c WHERE c.last_answer <> (SELECT count(*) FROM sign_ups s \
         WHERE s.carrier_id = c.carrier_id AND s.answer_sequence BETWEEN 1 AND c.last_answer)",
    ),
];

/// A carrier as it is registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Carrier {
    pub(super) carrier_id: CarrierId,
    pub(super) display_name: String,
    pub(super) banks: Vec<BankId>,
    pub(super) suspended: bool,
    /// Sign-ups that were given to a bank in turn.
    pub(super) turns: i64,
    /// The sequence of the last answer to it.
    pub(super) last_answer: i64,
    pub(super) version: i64,
}

const CARRIERS: Table = Table {
    name: "carriers",
    key: &["carrier_id"],
    columns: &["carrier_id", "version", "display_name", "bank_ids", "suspended", "turns", "last_answer"],
};

macro_rules! select_carriers {
    ($tail:literal) => {
        concat!(
            "SELECT carrier_id, version, display_name, bank_ids, suspended, turns, last_answer FROM carriers ",
            $tail
        )
    };
}

fn carrier_of(row: &Row) -> Result<Carrier, StoreError> {
    let banks = row.text(3)?;
    let banks = banks.split_whitespace().map(BankId::parse).collect::<Result<_, _>>();
    Ok(Carrier {
        carrier_id: row.parsed(0, CarrierId::parse)?,
        display_name: row.text(2)?,
        banks: banks.map_err(|_| unreadable(3, "banks"))?,
        suspended: row.flag(4)?,
        turns: row.int(5)?,
        last_answer: row.int(6)?,
        version: row.int(1)?,
    })
}

/// Loads a carrier, locked.
pub(super) async fn load_carrier(tx: &mut Tx, id: &CarrierId) -> Result<Option<Carrier>, StoreError> {
    let load = Load { select: select_carriers!("WHERE carrier_id"), tail: "", lock: true };
    let rows = tx.load(load, Keys::Names(vec![id.as_str().to_owned()])).await?;
    rows.first().map(carrier_of).transpose()
}

pub(super) async fn put_carrier(tx: &mut Tx, carrier: &Carrier) -> Result<(), StoreError> {
    let banks: Vec<&str> = carrier.banks.iter().map(BankId::as_str).collect();
    let row = vec![
        carrier.carrier_id.as_str().into(),
        carrier.version.saturating_add(1).into(),
        carrier.display_name.as_str().into(),
        banks.join(" ").into(),
        carrier.suspended.into(),
        carrier.turns.into(),
        carrier.last_answer.into(),
    ];
    tx.put(&CARRIERS, vec![row]).await
}

pub(super) async fn read_carrier(store: &Store, id: &CarrierId) -> Result<Option<Carrier>, StoreError> {
    let row = store.fetch_one(select_carriers!("WHERE carrier_id = $1"), vec![id.as_str().into()]).await?;
    row.as_ref().map(carrier_of).transpose()
}

pub(super) async fn read_carriers(store: &Store) -> Result<Vec<Carrier>, StoreError> {
    store.fetch(select_carriers!("ORDER BY carrier_id"), Vec::new()).await?.iter().map(carrier_of).collect()
}

/// The UUID of somebody or something new.
pub(super) fn new_id(ids: &server_kit::rng::IdMaker) -> Result<Uuid, StoreError> {
    ids.uuid().map_err(|error| StoreError::Refused(format!("no id: {error}")))
}
