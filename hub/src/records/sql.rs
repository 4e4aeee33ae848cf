//! The tables of reported purchases, and the rows that their intake adds to the record and the feed.

use domain::purchase::{Carrier, GiveBack, PurchaseState};
use domain::record::{Cursor, Report, Standing};
use domain::{BankId, Currency, Money, PaymentId, PersonId, Reason, Timestamp};
use server_kit::store::{Keys, Load, Row, StoreError, Table, Tx, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::give_back;
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
        "give_backs",
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
    /// The number of the last give-back.
    give_backs: i64,
    version: i64,
    /// What is to be written of it.
    report: Option<Arc<Report>>,
    given_back: Vec<GiveBack>,
}

impl RecordRow {
    pub(super) fn new(person_id: PersonId, sequence: i64, report: &Arc<Report>, at: Timestamp) -> Self {
        let standing = report.standing();
        let given_back: Vec<GiveBack> = report.give_back(None, 0, at).into_iter().collect();
        let give_backs = given_back.last().map_or(0, |last| last.number);
        Self { person_id, sequence, standing, give_backs, version: 0, report: Some(report.clone()), given_back }
    }

    /// It stands as the report says, which is heard of at this time.
    pub(super) fn follow(&mut self, report: &Arc<Report>, at: Timestamp) {
        if let Some(given) = report.give_back(Some(&self.standing), self.give_backs, at) {
            self.give_backs = given.number;
            self.given_back.push(given);
        }
        self.standing = report.standing();
        self.report = Some(report.clone());
    }
}

pub(super) async fn load_records(
    tx: &mut Tx,
    purchases: Vec<PaymentId>,
) -> Result<BTreeMap<(PaymentId, BankId), RecordRow>, StoreError> {
    let load = Load {
        select: "SELECT purchase_id, bank_id, version, person_id, sequence, report_version, state, currency, amount_minor, \
                 given_back_minor, fingerprint, give_backs FROM reported_purchases WHERE purchase_id",
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
        let (give_backs, report, given_back) = (row.int(11)?, None, Vec::new());
        Ok((key, RecordRow { person_id, sequence, standing, give_backs, version, report, given_back }))
    };
    rows.iter().map(read).collect()
}

/// Adds what is new and changes what was known. Nearly all of it is new, and to be added alone costs less than to be looked for first.
pub(super) async fn put_records(
    tx: &mut Tx,
    records: BTreeMap<(PaymentId, BankId), RecordRow>,
) -> Result<(), StoreError> {
    let (mut new, mut changed, mut given_back) = (Rows::default(), Rows::default(), Vec::new());
    for ((purchase_id, bank_id), record) in &records {
        let Some(report) = &record.report else { continue };
        let version = record.version + 1;
        let rows = if record.version == 0 { &mut new } else { &mut changed };
        rows.reported.push(reported_row((*purchase_id, bank_id), record, report, version));
        rows.purchases.push(purchase_row(record, report, version));
        given_back.extend(record.given_back.iter().map(|it| give_back::row(record.person_id, record.sequence, it)));
    }
    tx.insert(&give_back::GIVE_BACKS, given_back).await?;
    tx.insert(&REPORTED_PURCHASES, new.reported).await?;
    tx.insert(&PURCHASES, new.purchases).await?;
    tx.update(&REPORTED_PURCHASES, changed.reported).await?;
    tx.update(&PURCHASES, changed.purchases).await
}

/// What is to be written to each of the two tables.
#[derive(Default)]
struct Rows {
    reported: Vec<Vec<Value>>,
    purchases: Vec<Vec<Value>>,
}

fn reported_row(
    (purchase_id, bank_id): (PaymentId, &BankId),
    record: &RecordRow,
    report: &Report,
    version: i64,
) -> Vec<Value> {
    let standing = &record.standing;
    vec![
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
        record.give_backs.into(),
        standing.fingerprint.to_vec().into(),
        report.instrument.uuid().into(),
    ]
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
