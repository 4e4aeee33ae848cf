//! What the console reads. However much is stored, each query looks at no more rows than it says.

use domain::{Currency, Money, Timestamp};
use server_kit::store::{Row, Store, StoreError};
use uuid::Uuid;

/// Payments that one page looks through.
pub(super) const LOOKED_THROUGH: i64 = 2_000;
/// What is counted is counted so far and no further.
pub(super) const MOST_COUNTED: i64 = 1_000;

/// A payment in a list.
#[derive(Clone, Debug)]
pub(super) struct Payment {
    pub(super) id: Uuid,
    pub(super) state: String,
    pub(super) kind: String,
    pub(super) terminal_id: String,
    pub(super) bank_id: Option<String>,
    pub(super) amount: Money,
    pub(super) merchant: String,
    pub(super) created_at: Timestamp,
    pub(super) decided_at: Option<Timestamp>,
    pub(super) refusal: Option<String>,
}

macro_rules! payments {
    ($rest:literal) => {
        concat!(
            "SELECT payment_id, state, kind, terminal_id, bank_id, currency, amount_minor, merchant, created_at, decided_at, \
             refusal FROM payments",
            $rest
        )
    };
}

fn payment_of(row: &Row) -> Result<Payment, StoreError> {
    Ok(Payment {
        id: row.id(0)?,
        state: row.text(1)?,
        kind: row.text(2)?,
        terminal_id: row.text(3)?,
        bank_id: row.maybe_text(4)?,
        amount: Money::new(row.parsed(5, Currency::parse)?, row.int(6)?),
        merchant: row.text(7)?,
        created_at: row.time(8)?,
        decided_at: row.maybe_time(9)?,
        refusal: row.maybe_text(10)?,
    })
}

/// The newest payments below an id and not below another, by their ids, which have the time of the terminal in them.
pub(super) async fn newest(store: &Store, below: Uuid, least: Uuid, limit: i64) -> Result<Vec<Payment>, StoreError> {
    let sql = payments!(" WHERE payment_id < $1 AND payment_id >= $2 ORDER BY payment_id DESC LIMIT $3");
    let rows = store.fetch(sql, vec![below.into(), least.into(), limit.into()]).await?;
    rows.iter().map(payment_of).collect()
}

/// Payments of which a bank still has to hear, those that are due first before the others.
pub(super) async fn in_doubt(store: &Store, limit: i64) -> Result<Vec<Payment>, StoreError> {
    let sql = payments!(
        " WHERE due_at IS NOT NULL AND leg_id IS NOT NULL AND state <> 'AUTHORISED' ORDER BY due_at LIMIT $1"
    );
    let rows = store.fetch(sql, vec![limit.into()]).await?;
    rows.iter().map(payment_of).collect()
}

/// Repayments that are not final, the ones that are due first before the others: id, state, amount, when they began.
pub(super) async fn open_repayments(
    store: &Store,
    limit: i64,
) -> Result<Vec<(Uuid, String, Money, Timestamp)>, StoreError> {
    let sql = "SELECT repayment_id, state, currency, amount_minor, created_at FROM repayments WHERE due_at IS NOT NULL \
               ORDER BY due_at LIMIT $1";
    let rows = store.fetch(sql, vec![limit.into()]).await?;
    let read = |row: &Row| {
        Ok((row.id(0)?, row.text(1)?, Money::new(row.parsed(2, Currency::parse)?, row.int(3)?), row.time(4)?))
    };
    rows.iter().map(read).collect()
}

/// Notices that wait, those that were given up, and since when the oldest waits; each counted so far and no further.
pub(super) async fn outbox(store: &Store) -> Result<(i64, i64, Option<Timestamp>), StoreError> {
    let sql = "SELECT (SELECT count(*) FROM (SELECT 1 FROM notices WHERE state = 'QUEUED' LIMIT $1) q), \
               (SELECT count(*) FROM (SELECT 1 FROM notices WHERE state = 'DEAD' LIMIT $1) d), \
               (SELECT min(due_at) FROM (SELECT due_at FROM notices WHERE state = 'QUEUED' LIMIT $1) w)";
    let row = store.fetch_one(sql, vec![MOST_COUNTED.into()]).await?;
    let row = row.ok_or_else(|| StoreError::Refused("a count gave no row".to_owned()))?;
    Ok((row.int(0)?, row.int(1)?, row.maybe_time(2)?))
}

/// A terminal with its merchant.
pub(super) struct Till {
    pub(super) id: String,
    pub(super) merchant_id: String,
    pub(super) merchant: String,
    pub(super) category: String,
    pub(super) place: String,
    pub(super) suspended: bool,
}

/// Terminals after this name, in order.
pub(super) async fn terminals(store: &Store, after: &str, limit: i64) -> Result<Vec<Till>, StoreError> {
    let sql = "SELECT t.terminal_id, t.merchant_id, m.display_name, m.category, t.place, t.suspended FROM terminals t \
               JOIN merchants m ON m.merchant_id = t.merchant_id WHERE t.terminal_id > $1 ORDER BY t.terminal_id LIMIT $2";
    let rows = store.fetch(sql, vec![after.into(), limit.into()]).await?;
    let read = |row: &Row| {
        Ok(Till {
            id: row.text(0)?,
            merchant_id: row.text(1)?,
            merchant: row.text(2)?,
            category: row.text(3)?,
            place: row.maybe_text(4)?.unwrap_or_default(),
            suspended: row.int(5)? != 0,
        })
    };
    rows.iter().map(read).collect()
}

/// A freeze of which its bank has yet to hear, or to confirm.
pub(super) struct Waiting {
    pub(super) bank_id: String,
    pub(super) masked: String,
    pub(super) person_id: Uuid,
    pub(super) frozen: bool,
    pub(super) channel: String,
    pub(super) ordered_at: Timestamp,
}

/// Freezes that banks have not confirmed, those that are due first before the others.
pub(super) async fn waiting_freezes(store: &Store, limit: i64) -> Result<Vec<Waiting>, StoreError> {
    let sql = "SELECT bank_id, masked, person_id, frozen, channel, ordered_at FROM freezes WHERE due_at IS NOT NULL \
               ORDER BY due_at LIMIT $1";
    let rows = store.fetch(sql, vec![limit.into()]).await?;
    let read = |row: &Row| {
        Ok(Waiting {
            bank_id: row.text(0)?,
            masked: row.text(1)?,
            person_id: row.id(2)?,
            frozen: row.int(3)? != 0,
            channel: row.text(4)?,
            ordered_at: row.time(5)?,
        })
    };
    rows.iter().map(read).collect()
}

/// The newest answers to inquiries into credit histories before a time: inquiry, who asked, when, and what was answered.
pub(super) async fn inquiries(
    store: &Store,
    before: Timestamp,
    limit: i64,
) -> Result<Vec<(Uuid, String, Timestamp, String)>, StoreError> {
    let sql = "SELECT inquiry_id, asker, answered_at, answer FROM inquiry_answers WHERE answered_at < $1 \
               ORDER BY answered_at DESC LIMIT $2";
    let rows = store.fetch(sql, vec![before.into(), limit.into()]).await?;
    rows.iter().map(|row| Ok((row.id(0)?, row.text(1)?, row.time(2)?, row.text(3)?))).collect()
}
