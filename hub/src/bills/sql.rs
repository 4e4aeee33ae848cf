//! The table of bills.

use std::collections::BTreeMap;

use domain::bill::{AccountKey, Bill, StatementLine};
use domain::credit_history::{Entry, EntryKey, Standing};
use domain::{AccountId, BankId, BillId, CardId, Currency, PersonId};
use jiff::civil::Date;
use server_kit::store::{Keys, Load, Row, Store, StoreError, Table, Tx};
use uuid::Uuid;

use super::intake::{Sent, day};
use super::lines;

const BILLS: Table = Table {
    name: "bills",
    key: &["account_id", "bank_id", "currency", "closed_on"],
    columns: &[
        "account_id",
        "bank_id",
        "currency",
        "closed_on",
        "version",
        "bill_id",
        "person_id",
        "card_id",
        "report_version",
        "account_masked",
        "opened_on",
        "due_on",
        "closing_minor",
        "minimum_minor",
        "paid_minor",
        "standing",
        "fingerprint",
        "relation_ended_on",
        "in_total",
    ],
};

/// The mark of a row that the transaction has loaded, and of which nothing else changes.
const MARKS: Table =
    Table { name: "bills", key: BILLS.key, columns: &["account_id", "bank_id", "currency", "closed_on", "in_total"] };

const LINES: Table = Table { name: "bill_lines", key: &["bill_id"], columns: &["bill_id", "version", "lines"] };

/// The columns of a bill that [`bill_of`] reads, in order.
macro_rules! bill_columns {
    () => {
        "account_id, bank_id, currency, closed_on, account_masked, opened_on, due_on, closing_minor, minimum_minor, paid_minor"
    };
}
/// How many columns those are.
const BILL_COLUMNS: usize = 10;

fn bill_of(row: &Row) -> Result<Bill, StoreError> {
    Ok(Bill {
        account: AccountKey { account_id: AccountId::from_uuid(row.id(0)?), bank_id: row.parsed(1, BankId::parse)? },
        masked: row.text(4)?,
        currency: row.parsed(2, Currency::parse)?,
        from: row.parsed(5, day)?,
        closed_on: row.parsed(3, day)?,
        due_on: row.parsed(6, day)?,
        closing_minor: row.int(7)?,
        minimum_due_minor: row.int(8)?,
        paid_minor: row.int(9)?,
    })
}

/// A bill that is known, as far as its next report needs it.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) entry: Entry,
    pub(super) bill_id: BillId,
    pub(super) fingerprint: [u8; 32],
    pub(super) version: i64,
    /// When the relation over its account ended.
    pub(super) relation_ended_on: Option<Date>,
    /// Whether it is marked as one that stands in the total.
    pub(super) in_total: bool,
    /// What is to be written of it.
    pub(super) sent: Option<Box<Sent>>,
}

pub(super) type KnownBills = BTreeMap<BillKey, Known>;

/// The key of a bill, in the order in which rows are locked.
pub(super) type BillKey = (Uuid, BankId, &'static str, Date);

pub(super) fn key_of(key: &EntryKey) -> BillKey {
    (key.account.account_id.uuid(), key.account.bank_id.clone(), key.currency.code(), key.closed_on)
}

/// All bills of these accounts, without what they list.
pub(super) async fn load_known(tx: &mut Tx, accounts: Vec<AccountId>) -> Result<KnownBills, StoreError> {
    let load = Load {
        select: concat!(
            "SELECT ",
            bill_columns!(),
            ", person_id, report_version, standing, bill_id, fingerprint, version, relation_ended_on, in_total FROM bills WHERE account_id"
        ),
        tail: " ORDER BY account_id, bank_id, currency, closed_on",
        lock: true,
    };
    let rows = tx.load(load, Keys::Ids(accounts.into_iter().map(AccountId::uuid).collect())).await?;
    let read = |row: &Row| {
        let bill = bill_of(row)?;
        let entry = Entry {
            key: EntryKey { account: bill.account, closed_on: bill.closed_on, currency: bill.currency },
            person_id: PersonId::from_uuid(row.id(BILL_COLUMNS)?),
            version: number(row, BILL_COLUMNS + 1)?,
            billed_minor: bill.closing_minor.max(0),
            due_on: bill.due_on,
            standing: row.parsed(BILL_COLUMNS + 2, Standing::parse)?,
        };
        let unreadable = |_| StoreError::Unreadable { column: BILL_COLUMNS + 4, what: "not 32 bytes".to_owned() };
        let fingerprint = <[u8; 32]>::try_from(row.bytes(BILL_COLUMNS + 4)?).map_err(unreadable)?;
        let (bill_id, version) = (BillId::from_uuid(row.id(BILL_COLUMNS + 3)?), row.int(BILL_COLUMNS + 5)?);
        let ended_on = row.maybe_text(BILL_COLUMNS + 6)?.map(|text| day(&text)).transpose();
        let relation_ended_on = ended_on
            .map_err(|reason| StoreError::Unreadable { column: BILL_COLUMNS + 6, what: reason.code().to_owned() })?;
        let in_total = row.int(BILL_COLUMNS + 7)? == 1;
        Ok((
            key_of(&entry.key),
            Known { entry, bill_id, fingerprint, version, relation_ended_on, in_total, sent: None },
        ))
    };
    rows.iter().map(read).collect()
}

fn number<T: TryFrom<i64>>(row: &Row, column: usize) -> Result<T, StoreError> {
    let value = row.int(column)?;
    T::try_from(value).map_err(|_| StoreError::Unreadable { column, what: format!("{value} is out of range") })
}

pub(super) async fn put(tx: &mut Tx, known: KnownBills) -> Result<(), StoreError> {
    let row = |it: Known| {
        let sent = it.sent?;
        let bill = &sent.bill;
        Some(vec![
            bill.account.account_id.uuid().into(),
            bill.account.bank_id.as_str().into(),
            bill.currency.code().into(),
            bill.closed_on.to_string().into(),
            (it.version + 1).into(),
            it.bill_id.uuid().into(),
            it.entry.person_id.uuid().into(),
            sent.card_id.map(CardId::uuid).into(),
            i64::from(sent.version).into(),
            bill.masked.as_str().into(),
            bill.from.to_string().into(),
            bill.due_on.to_string().into(),
            bill.closing_minor.into(),
            bill.minimum_due_minor.into(),
            bill.paid_minor.into(),
            sent.standing.to_string().into(),
            sent.fingerprint.to_vec().into(),
            sent.relation_ended_on.map(|on| on.to_string()).into(),
            i64::from(it.in_total).into(),
        ])
    };
    let listed = |it: &Known| {
        let lines = lines::to_json(&it.sent.as_ref()?.lines);
        Some(vec![it.bill_id.uuid().into(), (it.version + 1).into(), lines.into()])
    };
    tx.put(&LINES, known.values().filter_map(listed).collect()).await?;
    tx.put(&BILLS, known.into_values().filter_map(row).collect()).await
}

/// Marks bills that were loaded as standing in the total, or as not.
pub(super) async fn mark(tx: &mut Tx, marks: Vec<(BillKey, bool)>) -> Result<(), StoreError> {
    let row = |((account_id, bank_id, currency, closed_on), in_total): (BillKey, bool)| {
        let key = [account_id.into(), bank_id.as_str().into(), currency.into(), closed_on.to_string().into()];
        key.into_iter().chain([i64::from(in_total).into()]).collect()
    };
    tx.update(&MARKS, marks.into_iter().map(row).collect()).await
}

/// Says of all bills of an account when its relation ended, or that it lasts.
pub(super) async fn end_relation(
    tx: &mut Tx,
    account_id: Uuid,
    bank_id: &BankId,
    ended_on: Option<Date>,
) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE bills SET relation_ended_on = $1 WHERE account_id = $2 AND bank_id = $3";
    let args = vec![ended_on.map(|on| on.to_string()).into(), account_id.into(), bank_id.as_str().into()];
    tx.execute(SQL, args).await.map(|_| ())
}

/// How many accounts have bills that say different things of their relation. For a check at leisure.
pub(crate) async fn relations_at_odds(store: &Store) -> Result<i64, StoreError> {
    const SQL: &str = "SELECT COUNT(*) FROM (SELECT 1 FROM bills GROUP BY account_id, bank_id \
                       HAVING COUNT(DISTINCT COALESCE(relation_ended_on, '')) > 1) accounts";
    store.fetch_at_leisure(SQL, Vec::new()).await?.first().map_or(Ok(0), |row| row.int(0))
}

/// A bill as it is kept, without its lines.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) bill_id: BillId,
    pub(crate) bill: Bill,
    pub(crate) card_id: Option<CardId>,
}

const OF_PERSON: &str = concat!(
    "SELECT ",
    bill_columns!(),
    ", bill_id, card_id FROM bills WHERE person_id = $1 ORDER BY bank_id, account_id, currency, closed_on DESC"
);

fn kept_of(row: &Row) -> Result<Kept, StoreError> {
    Ok(Kept {
        bill: bill_of(row)?,
        bill_id: BillId::from_uuid(row.id(BILL_COLUMNS)?),
        card_id: row.maybe_id(BILL_COLUMNS + 1)?.map(CardId::from_uuid),
    })
}

/// All bills of a person, by account and currency, the newest first.
pub(crate) async fn of_person(store: &Store, person_id: PersonId) -> Result<Vec<Kept>, StoreError> {
    store.fetch(OF_PERSON, vec![person_id.uuid().into()]).await?.iter().map(kept_of).collect()
}

macro_rules! in_total {
    () => {
        concat!("SELECT ", bill_columns!(), ", standing FROM bills WHERE person_id = $1 AND in_total = 1")
    };
}

/// The person's bills that are marked as standing in the total, each with how it stands. What is read of them is in the index that names them.
pub(super) async fn in_total(store: &Store, person_id: PersonId) -> Result<Vec<(Bill, Standing)>, StoreError> {
    let rows = store.fetch(in_total!(), vec![person_id.uuid().into()]).await?;
    rows.iter().map(|row| Ok((bill_of(row)?, row.parsed(BILL_COLUMNS, Standing::parse)?))).collect()
}

/// The same as [`of_person`] within a transaction.
pub(crate) async fn load_of_person(tx: &mut Tx, person_id: PersonId) -> Result<Vec<Kept>, StoreError> {
    tx.fetch(OF_PERSON, vec![person_id.uuid().into()]).await?.iter().map(kept_of).collect()
}

/// A person's bill with what it lists.
pub(super) async fn with_lines(
    store: &Store,
    person_id: PersonId,
    bill_id: BillId,
) -> Result<Option<(Kept, Vec<StatementLine>)>, StoreError> {
    const SQL: &str = concat!(
        "SELECT ",
        bill_columns!(),
        ", bill_id, card_id, (SELECT lines FROM bill_lines l WHERE l.bill_id = bills.bill_id) FROM bills \
         WHERE bill_id = $1 AND person_id = $2"
    );
    let row = store.fetch_one(SQL, vec![bill_id.uuid().into(), person_id.uuid().into()]).await?;
    row.map(|row| Ok((kept_of(&row)?, row.parsed(BILL_COLUMNS + 2, lines::from_json)?))).transpose()
}

/// How a person's accounts and cards at banks are masked, by bank and id.
pub(super) async fn masks(store: &Store, person_id: PersonId) -> Result<BTreeMap<(BankId, Uuid), String>, StoreError> {
    let sql = "SELECT bank_id, instrument_id, masked FROM bindings WHERE person_id = $1";
    let rows = store.fetch(sql, vec![person_id.uuid().into()]).await?;
    rows.iter().map(|row| Ok(((row.parsed(0, BankId::parse)?, row.id(1)?), row.text(2)?))).collect()
}

#[cfg(test)]
mod tests {
    use server_kit::store::testing::TestDatabase;

    #[tokio::test]
    async fn r8_what_a_total_reads_is_in_one_index_on_sqlite() {
        crate::testing::on(&TestDatabase::sqlite(), &async |hub: crate::testing::TestHub| {
            let sql = concat!("EXPLAIN QUERY PLAN ", in_total!());
            let plan = hub.store.fetch(sql, vec![hub.id().into()]).await.unwrap();
            let plan: Vec<String> = plan.iter().map(|row| row.text(3).unwrap()).collect();
            assert_eq!(plan, ["SEARCH bills USING COVERING INDEX bills_in_total (person_id=?)"]);
        })
        .await;
    }
}
