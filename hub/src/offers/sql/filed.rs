//! The table of offers.

use std::collections::{BTreeMap, BTreeSet};

use domain::offer::{Filing, Offer, Rule, State, Wording};
use domain::{BankId, OfferId, PersonId, Timestamp};
use server_kit::store::{Dialect, Keys, Load, Row, Store, StoreError, Table, Tx, Value};
use uuid::Uuid;

/// What changes of an offer stands first.
const OFFERS: Table = Table {
    name: "offers",
    key: &["offer_id"],
    columns: &[
        "offer_id",
        "version",
        "state",
        "delivered",
        "sweep_at",
        "sweep_after",
        "bank_id",
        "title_en",
        "title_zh",
        "text_en",
        "text_zh",
        "rule",
        "valid_from",
        "valid_until",
        "budget",
        "filed_at",
    ],
};
const OFFER_CHANGING: usize = 6;

/// The columns that [`offer_of`] reads, in order.
macro_rules! offer_columns {
    () => {
        "o.offer_id, o.version, o.state, o.delivered, o.sweep_at, o.sweep_after, o.bank_id, o.title_en, o.title_zh, \
         o.text_en, o.text_zh, o.rule, o.valid_from, o.valid_until, o.budget, o.filed_at"
    };
}
pub(super) use offer_columns;
/// How many they are.
pub(super) const OFFER_COLUMNS: usize = 16;

/// An offer as it is stored.
#[derive(Clone, Debug)]
pub(in crate::offers) struct StoredOffer {
    pub(in crate::offers) offer: Offer,
    pub(in crate::offers) filed_at: Timestamp,
    /// When those who agreed are gone through next, and after whom.
    pub(in crate::offers) sweep_at: Option<Timestamp>,
    pub(in crate::offers) sweep_after: PersonId,
    /// That of the row; none is 0.
    pub(in crate::offers) version: i64,
}

fn wording(row: &Row, at: usize) -> Result<Wording, StoreError> {
    let read = |column| row.parsed(column, domain::text::Line::parse);
    Ok(Wording { english: read(at)?, chinese: read(at + 1)? })
}

fn count_of(row: &Row, column: usize) -> Result<u32, StoreError> {
    let what = || StoreError::Unreadable { column, what: "it is no number of deliveries".to_owned() };
    u32::try_from(row.int(column)?).map_err(|_| what())
}

pub(super) fn offer_of(row: &Row) -> Result<StoredOffer, StoreError> {
    let filing = Filing {
        id: OfferId::from_uuid(row.id(0)?),
        bank_id: row.parsed(6, BankId::parse)?,
        title: wording(row, 7)?,
        text: wording(row, 9)?,
        rule: row.parsed(11, Rule::parse)?,
        valid_from: row.time(12)?,
        valid_until: row.time(13)?,
        budget: count_of(row, 14)?,
    };
    Ok(StoredOffer {
        offer: Offer { filing, state: row.parsed(2, State::parse)?, delivered: count_of(row, 3)? },
        filed_at: row.time(15)?,
        sweep_at: row.maybe_time(4)?,
        sweep_after: PersonId::from_uuid(row.id(5)?),
        version: row.int(1)?,
    })
}

/// Locks these offers.
pub(in crate::offers) async fn load_offers(
    tx: &mut Tx,
    ids: &BTreeSet<OfferId>,
) -> Result<BTreeMap<OfferId, StoredOffer>, StoreError> {
    let load = Load {
        select: concat!("SELECT ", offer_columns!(), " FROM offers o WHERE o.offer_id"),
        tail: " ORDER BY o.offer_id",
        lock: true,
    };
    let rows = tx.load(load, Keys::Ids(ids.iter().map(|id| id.uuid()).collect())).await?;
    rows.iter().map(|row| offer_of(row).map(|stored| (stored.offer.filing.id, stored))).collect()
}

/// Writes offers over the versions that were found.
pub(in crate::offers) async fn put_offers(tx: &mut Tx, offers: Vec<StoredOffer>) -> Result<(), StoreError> {
    let changing = |stored: &StoredOffer| -> Vec<Value> {
        vec![
            stored.offer.filing.id.uuid().into(),
            (stored.version + 1).into(),
            stored.offer.state.as_str().into(),
            i64::from(stored.offer.delivered).into(),
            stored.sweep_at.into(),
            stored.sweep_after.uuid().into(),
        ]
    };
    let whole = |stored: &StoredOffer| -> Vec<Value> {
        let Filing { bank_id, title, text, rule, valid_from, valid_until, budget, .. } = &stored.offer.filing;
        let mut row = changing(stored);
        row.extend([
            bank_id.as_str().into(),
            title.english.as_str().into(),
            title.chinese.as_str().into(),
            text.english.as_str().into(),
            text.chinese.as_str().into(),
            rule.to_string().into(),
            (*valid_from).into(),
            (*valid_until).into(),
            i64::from(*budget).into(),
            stored.filed_at.into(),
        ]);
        row
    };
    let (new, known): (Vec<_>, Vec<_>) = offers.iter().partition(|stored| stored.version == 0);
    tx.insert(&OFFERS, new.into_iter().map(whole).collect()).await?;
    tx.update(&OFFERS.changing(OFFER_CHANGING), known.into_iter().map(changing).collect()).await
}

/// How many offers of a bank are not over, withdrawn or used up.
pub(in crate::offers) async fn count_open(tx: &mut Tx, bank_id: &BankId, now: Timestamp) -> Result<i64, StoreError> {
    let sql = "SELECT count(*) FROM offers WHERE bank_id = $1 AND state IN ('FILED', 'RUNNING') AND valid_until > $2";
    let rows = tx.fetch(sql, vec![bank_id.as_str().into(), now.into()]).await?;
    rows.first().map_or(Ok(0), |row| row.int(0))
}

/// What people call a bank, and whether it is suspended.
pub(in crate::offers) async fn load_bank(tx: &mut Tx, bank_id: &BankId) -> Result<Option<(String, bool)>, StoreError> {
    let sql = "SELECT display_name, suspended FROM banks WHERE bank_id = $1";
    let rows = tx.fetch(sql, vec![bank_id.as_str().into()]).await?;
    rows.first().map(|row| Ok((row.text(0)?, row.flag(1)?))).transpose()
}

/// The offers of a bank that run now and that the person does not have. A suspended bank has none.
pub(in crate::offers) async fn read_running(
    store: &Store,
    bank_id: &BankId,
    person_id: PersonId,
    now: Timestamp,
) -> Result<Vec<Offer>, StoreError> {
    const SQL: &str = concat!(
        "SELECT ",
        offer_columns!(),
        " FROM offers o JOIN banks b ON b.bank_id = o.bank_id WHERE o.bank_id = $1 AND o.state = 'RUNNING' \
         AND o.valid_from <= $2 AND o.valid_until > $2 AND b.suspended = 0 AND NOT EXISTS \
         (SELECT 1 FROM offer_deliveries d WHERE d.person_id = $3 AND d.offer_id = o.offer_id) ORDER BY o.offer_id"
    );
    let args = vec![bank_id.as_str().into(), now.into(), person_id.uuid().into()];
    store.fetch(SQL, args).await?.iter().map(|row| offer_of(row).map(|stored| stored.offer)).collect()
}

/// An offer and how many have accepted it.
pub(in crate::offers) type Counted = (StoredOffer, i64);

macro_rules! counted {
    ($tail:literal) => {
        concat!(
            "SELECT ",
            offer_columns!(),
            ", (SELECT count(*) FROM offer_deliveries d WHERE d.offer_id = o.offer_id AND d.answer = 'ACCEPTED') \
             FROM offers o WHERE ",
            $tail
        )
    };
}

fn counted_of(row: &Row) -> Result<Counted, StoreError> {
    Ok((offer_of(row)?, row.int(OFFER_COLUMNS)?))
}

pub(in crate::offers) async fn read_offer(store: &Store, id: OfferId) -> Result<Option<Counted>, StoreError> {
    let row = store.fetch_one(counted!("o.offer_id = $1"), vec![id.uuid().into()]).await?;
    row.map(|row| counted_of(&row)).transpose()
}

/// A bank's offers with lower ids than this, the highest first.
pub(in crate::offers) async fn read_of_bank(
    store: &Store,
    bank_id: &BankId,
    below: Uuid,
    most: i64,
) -> Result<Vec<Counted>, StoreError> {
    let sql = counted!("o.bank_id = $1 AND o.offer_id < $2 ORDER BY o.offer_id DESC LIMIT $3");
    let rows = store.fetch(sql, vec![bank_id.as_str().into(), below.into(), most.into()]).await?;
    rows.iter().map(counted_of).collect()
}

/// The offers of all banks, in one state or in any.
pub(in crate::offers) async fn read_all(
    store: &Store,
    state: Option<State>,
    below: Uuid,
    most: i64,
) -> Result<Vec<Counted>, StoreError> {
    let rows = match state {
        None => {
            let sql = counted!("o.offer_id < $1 ORDER BY o.offer_id DESC LIMIT $2");
            store.fetch(sql, vec![below.into(), most.into()]).await?
        }
        Some(state) => {
            let sql = counted!("o.state = $1 AND o.offer_id < $2 ORDER BY o.offer_id DESC LIMIT $3");
            store.fetch(sql, vec![state.as_str().into(), below.into(), most.into()]).await?
        }
    };
    rows.iter().map(counted_of).collect()
}

/// Takes an offer whose people are to be gone through by now, which nobody else is taking.
pub(in crate::offers) async fn claim_offer(tx: &mut Tx, now: Timestamp) -> Result<Option<OfferId>, StoreError> {
    // SQLite has one writer and knows no row locks.
    let sql = match tx.dialect() {
        Dialect::Sqlite => "SELECT offer_id FROM offers WHERE sweep_at <= $1 ORDER BY sweep_at LIMIT 1",
        Dialect::Postgres => {
            "SELECT offer_id FROM offers WHERE sweep_at <= $1 ORDER BY sweep_at LIMIT 1 FOR UPDATE SKIP LOCKED"
        }
    };
    let rows = tx.fetch(sql, vec![now.into()]).await?;
    rows.first().map(|row| row.id(0).map(OfferId::from_uuid)).transpose()
}

/// Who agreed to a bank's offers, after somebody, in order.
pub(in crate::offers) async fn read_recipients(
    store: &Store,
    bank_id: &BankId,
    after: PersonId,
    most: i64,
) -> Result<Vec<PersonId>, StoreError> {
    let sql =
        "SELECT person_id FROM offer_recipients WHERE bank_id = $1 AND person_id > $2 ORDER BY person_id LIMIT $3";
    let rows = store.fetch(sql, vec![bank_id.as_str().into(), after.uuid().into(), most.into()]).await?;
    rows.iter().map(|row| row.id(0).map(PersonId::from_uuid)).collect()
}
