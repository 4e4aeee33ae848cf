//! The tables of reported purchases, and the rows that their intake adds to the record and the feed.

use domain::purchase::{Carrier, PurchaseState};
use domain::record::{Cursor, Report, Standing};
use domain::{BankId, Currency, Money, PaymentId, PersonId, Reason};
use server_kit::store::{Keys, Load, Row, StoreError, Table, Tx, Value};
use std::collections::{BTreeMap, BTreeSet};

use super::holder::instrument_id;
use crate::directory::snapshot;

const BANK_REPORTS: Table = Table {
    name: "bank_reports",
    key: &["bank_id"],
    columns: &["bank_id", "version", "through_sequence", "last_fingerprint"],
};

const REFUSED_REPORTS: Table = Table {
    name: "refused_reports",
    key: &["bank_id", "sequence"],
    columns: &["bank_id", "sequence", "purchase_id", "reason", "refused_at"],
};

const REPORTED_PURCHASES: Table = Table {
    name: "reported_purchases",
    key: &["purchase_id", "bank_id"],
    columns: &[
        "purchase_id",
        "bank_id",
        "version",
        "person_id",
        "sequence",
        "report_version",
        "state",
        "currency",
        "amount_minor",
        "given_back_minor",
        "fingerprint",
        "instrument_id",
    ],
};

/// The record, in the columns that the table of `payment` has, and the two that say what banks report.
const PURCHASES: Table = Table {
    name: "purchases",
    key: &["person_id", "sequence"],
    columns: &[
        "person_id",
        "sequence",
        "version",
        "occurred_at",
        "payment_id",
        "currency",
        "amount_minor",
        "given_back_minor",
        "bank_id",
        "account_masked",
        "merchant",
        "category",
        "terminal_id",
        "items",
        "nature",
        "credit_minor",
        "state",
        "carrier",
    ],
};

/// How far a bank's reports are taken in.
#[derive(Clone, Debug, Default)]
pub(super) struct BankCursor {
    pub(super) value: Cursor,
    version: i64,
    pub(super) changed: bool,
}

pub(super) async fn load_cursors(
    tx: &mut Tx,
    banks: BTreeSet<&BankId>,
) -> Result<BTreeMap<BankId, BankCursor>, StoreError> {
    let load = Load {
        select: "SELECT bank_id, version, through_sequence, last_fingerprint FROM bank_reports WHERE bank_id",
        tail: " ORDER BY bank_id",
        lock: true,
    };
    let rows = tx.load(load, Keys::Names(banks.into_iter().map(ToString::to_string).collect())).await?;
    let read = |row: &Row| {
        let value = Cursor { through_sequence: row.int(2)?, last_fingerprint: hash(row, 3)? };
        Ok((row.parsed(0, BankId::parse)?, BankCursor { value, version: row.int(1)?, changed: false }))
    };
    rows.iter().map(read).collect()
}

pub(super) async fn put_cursors(tx: &mut Tx, cursors: BTreeMap<BankId, BankCursor>) -> Result<(), StoreError> {
    let changed = cursors.into_iter().filter(|(_, cursor)| cursor.changed);
    let row = |(bank_id, cursor): (BankId, BankCursor)| {
        let Cursor { through_sequence, last_fingerprint } = cursor.value;
        let version = cursor.version + 1;
        vec![bank_id.as_str().into(), version.into(), through_sequence.into(), last_fingerprint.to_vec().into()]
    };
    tx.put(&BANK_REPORTS, changed.map(row).collect()).await
}

/// A reported purchase in the record.
#[derive(Clone, Debug)]
pub(super) struct RecordRow {
    pub(super) person_id: PersonId,
    /// Its place in the person's feed.
    pub(super) sequence: i64,
    pub(super) standing: Standing,
    version: i64,
    /// What is to be written of it.
    report: Option<Box<Report>>,
}

impl RecordRow {
    pub(super) fn new(person_id: PersonId, sequence: i64, report: &Report) -> Self {
        let (standing, report) = (report.standing(), Some(Box::new(report.clone())));
        Self { person_id, sequence, standing, version: 0, report }
    }

    /// It stands as the report says.
    pub(super) fn follow(&mut self, report: &Report) {
        self.standing = report.standing();
        self.report = Some(Box::new(report.clone()));
    }
}

pub(super) async fn load_records(
    tx: &mut Tx,
    purchases: Vec<PaymentId>,
) -> Result<BTreeMap<(PaymentId, BankId), RecordRow>, StoreError> {
    let load = Load {
        select: "SELECT purchase_id, bank_id, version, person_id, sequence, report_version, state, currency, amount_minor, \
                 given_back_minor, fingerprint FROM reported_purchases WHERE purchase_id",
        tail: " ORDER BY purchase_id",
        lock: true,
    };
    let rows = tx.load(load, Keys::Ids(purchases.into_iter().map(PaymentId::uuid).collect())).await?;
    let read = |row: &Row| {
        let standing = Standing {
            version: row.int(5)?,
            state: row.parsed(6, PurchaseState::parse)?,
            amount: Money::new(row.parsed(7, Currency::parse)?, row.int(8)?),
            given_back_minor: row.int(9)?,
            fingerprint: hash(row, 10)?,
        };
        let (person_id, sequence, version) = (PersonId::from_uuid(row.id(3)?), row.int(4)?, row.int(2)?);
        let key = (PaymentId::from_uuid(row.id(0)?), row.parsed(1, BankId::parse)?);
        Ok((key, RecordRow { person_id, sequence, standing, version, report: None }))
    };
    rows.iter().map(read).collect()
}

pub(super) async fn put_records(
    tx: &mut Tx,
    records: BTreeMap<(PaymentId, BankId), RecordRow>,
) -> Result<(), StoreError> {
    let (mut reported, mut purchases) = (Vec::new(), Vec::new());
    for ((purchase_id, bank_id), record) in &records {
        let Some(report) = &record.report else { continue };
        let (standing, version) = (&record.standing, record.version + 1);
        reported.push(vec![
            purchase_id.uuid().into(),
            bank_id.as_str().into(),
            version.into(),
            record.person_id.uuid().into(),
            record.sequence.into(),
            standing.version.into(),
            standing.state.as_str().into(),
            standing.amount.currency.code().into(),
            standing.amount.minor.into(),
            standing.given_back_minor.into(),
            standing.fingerprint.to_vec().into(),
            instrument_id(report.instrument).into(),
        ]);
        purchases.push(purchase_row(record, report, version));
    }
    tx.put(&REPORTED_PURCHASES, reported).await?;
    tx.put(&PURCHASES, purchases).await
}

fn purchase_row(record: &RecordRow, report: &Report, version: i64) -> Vec<Value> {
    let standing = &record.standing;
    vec![
        record.person_id.uuid().into(),
        record.sequence.into(),
        version.into(),
        report.occurred_at.into(),
        report.purchase_id.uuid().into(),
        standing.amount.currency.code().into(),
        standing.amount.minor.into(),
        standing.given_back_minor.into(),
        report.bank_id.as_str().into(),
        report.account_masked.as_str().into(),
        snapshot::merchant_to_json(&report.seller).into(),
        report.seller.merchant.category.as_str().into(),
        report.seller.id.as_str().into(),
        snapshot::items_to_json(&report.items).into(),
        report.nature.as_str().into(),
        report.credit_minor.into(),
        standing.state.as_str().into(),
        Carrier::Bank.as_str().into(),
    ]
}

/// A report that was passed over.
#[derive(Clone, Debug)]
pub(super) struct Refused {
    pub(super) bank_id: BankId,
    pub(super) sequence: i64,
    pub(super) purchase_id: Option<PaymentId>,
    pub(super) reason: Reason,
}

pub(super) async fn insert_refused(tx: &mut Tx, refused: Vec<Refused>) -> Result<(), StoreError> {
    let now = tx.now();
    let row = |it: Refused| {
        let purchase_id = it.purchase_id.map(PaymentId::uuid);
        vec![it.bank_id.as_str().into(), it.sequence.into(), purchase_id.into(), it.reason.code().into(), now.into()]
    };
    tx.insert(&REFUSED_REPORTS, refused.into_iter().map(row).collect()).await
}

/// What was refused of a bank's reports between two places, both included.
pub(super) async fn read_refused(
    tx: &mut Tx,
    bank_id: &BankId,
    first: i64,
    last: i64,
) -> Result<Vec<(i64, Reason)>, StoreError> {
    let sql = "SELECT sequence, reason FROM refused_reports \
               WHERE bank_id = $1 AND sequence BETWEEN $2 AND $3 ORDER BY sequence";
    let rows = tx.fetch(sql, vec![bank_id.as_str().into(), first.into(), last.into()]).await?;
    let reason = |row: &Row| row.parsed(1, |code| Reason::from_code(code).ok_or("no such reason"));
    rows.iter().map(|row| Ok((row.int(0)?, reason(row)?))).collect()
}

fn hash(row: &Row, column: usize) -> Result<[u8; 32], StoreError> {
    let unreadable = |_| StoreError::Unreadable { column, what: "not 32 bytes".to_owned() };
    <[u8; 32]>::try_from(row.bytes(column)?).map_err(unreadable)
}
