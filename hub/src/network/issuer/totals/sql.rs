//! The rows of days' totals, and what the hub counts of a day.

use domain::network::{Balance, Counted, Sum, Totals};
use domain::{Currency, Timestamp};
use jiff::ToSpan as _;
use jiff::civil::Date;
use server_kit::store::{Dialect, Row, Store, StoreError, Table, Tx, Value};

use crate::network::issuer::steps::MOST_DUE;

const TOTALS: Table = Table {
    name: "network_totals",
    key: &["link", "business_day", "currency"],
    columns: &[
        "link",
        "business_day",
        "currency",
        "version",
        "state",
        "stan",
        "sent_at",
        "due_at",
        "tries",
        "ours",
        "theirs",
        "began_at",
        "changed_at",
        "sealed_message",
    ],
};

/// Of which line, day and currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::network::issuer) struct Key {
    pub(in crate::network::issuer) link: String,
    pub(in crate::network::issuer) day: Date,
    pub(in crate::network::issuer) currency: Currency,
}

/// The totals of a day as they are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::network::issuer) struct DayTotals {
    pub(in crate::network::issuer) key: Key,
    /// 0 for what is not there yet.
    pub(in crate::network::issuer) version: i64,
    pub(in crate::network::issuer) balance: Balance,
    pub(in crate::network::issuer) stan: i64,
    pub(in crate::network::issuer) sent_at: Timestamp,
    pub(in crate::network::issuer) due_at: Option<Timestamp>,
    pub(in crate::network::issuer) tries: i64,
    /// In words.
    pub(in crate::network::issuer) ours: String,
    pub(in crate::network::issuer) theirs: String,
    pub(in crate::network::issuer) began_at: Timestamp,
    pub(in crate::network::issuer) sealed: Vec<u8>,
}

macro_rules! select_totals {
    ($tail:literal) => {
        concat!(
            "SELECT link, business_day, currency, version, state, stan, sent_at, due_at, tries, ours, theirs, began_at, \
             sealed_message FROM network_totals WHERE ",
            $tail
        )
    };
}

fn read(row: &Row) -> Result<DayTotals, StoreError> {
    let key =
        Key { link: row.text(0)?, day: row.parsed(1, str::parse::<Date>)?, currency: row.parsed(2, Currency::parse)? };
    Ok(DayTotals {
        key,
        version: row.int(3)?,
        balance: row.parsed(4, Balance::parse)?,
        stan: row.int(5)?,
        sent_at: row.time(6)?,
        due_at: row.maybe_time(7)?,
        tries: row.int(8)?,
        ours: row.text(9)?,
        theirs: row.text(10)?,
        began_at: row.time(11)?,
        sealed: row.bytes(12)?,
    })
}

/// Writes rows over the versions before theirs.
pub(super) async fn put(tx: &mut Tx, rows: &[DayTotals]) -> Result<(), StoreError> {
    let now = tx.now();
    let write = |row: &DayTotals| -> Vec<Value> {
        vec![
            row.key.link.as_str().into(),
            row.key.day.to_string().into(),
            row.key.currency.code().into(),
            (row.version + 1).into(),
            row.balance.as_str().into(),
            row.stan.into(),
            row.sent_at.into(),
            row.due_at.into(),
            row.tries.into(),
            row.ours.as_str().into(),
            row.theirs.as_str().into(),
            row.began_at.into(),
            now.into(),
            row.sealed.clone().into(),
        ]
    };
    tx.put(&TOTALS, rows.iter().map(write).collect()).await
}

/// What is due, at most so many, locked so that another replica takes other rows.
pub(in crate::network::issuer) async fn load_due(tx: &mut Tx, most: i64) -> Result<Vec<DayTotals>, StoreError> {
    // SQLite has one writer and knows no row locks.
    let sql = match tx.dialect() {
        Dialect::Sqlite => select_totals!("due_at <= $1 ORDER BY due_at LIMIT $2"),
        Dialect::Postgres => select_totals!("due_at <= $1 ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED"),
    };
    tx.fetch(sql, vec![tx.now().into(), most.into()]).await?.iter().map(read).collect()
}

pub(super) async fn load(tx: &mut Tx, key: &Key) -> Result<Option<DayTotals>, StoreError> {
    let sql = select_totals!("link = $1 AND business_day = $2 AND currency = $3");
    tx.fetch(sql, args(key)).await?.first().map(read).transpose()
}

/// The same, unlocked, for who looks beforehand.
pub(super) async fn read_due(store: &Store, now: Timestamp) -> Result<Vec<DayTotals>, StoreError> {
    let sql = select_totals!("due_at <= $1 ORDER BY due_at LIMIT $2");
    store.fetch(sql, vec![now.into(), MOST_DUE.into()]).await?.iter().map(read).collect()
}

fn args(key: &Key) -> Vec<Value> {
    vec![key.link.as_str().into(), key.day.to_string().into(), key.currency.code().into()]
}

/// So many days back it is looked for totals that were not told: a hub that was away for longer is looked at by people.
const DAYS_BACK: i64 = 31;

/// Days and currencies of a line before a day, back to the last that was begun, in which something was sent and whose totals nobody has begun.
pub(super) async fn read_unbegun(store: &Store, link: &str, before: Date) -> Result<Vec<Key>, StoreError> {
    let from = before.checked_sub(DAYS_BACK.days()).unwrap_or(before);
    let sql = "SELECT DISTINCT business_day, currency FROM network_orders o WHERE link = $1 AND business_day < $3 \
               AND business_day >= COALESCE((SELECT max(t.business_day) FROM network_totals t WHERE t.link = $1), $2) \
               AND stan > 0 AND NOT EXISTS (SELECT 1 FROM network_totals t WHERE t.link = o.link AND t.business_day = o.business_day \
               AND t.currency = o.currency) ORDER BY business_day, currency";
    let rows = store.fetch(sql, vec![link.into(), from.to_string().into(), before.to_string().into()]).await?;
    let key = |row: &Row| {
        Ok(Key {
            link: link.to_owned(),
            day: row.parsed(0, str::parse::<Date>)?,
            currency: row.parsed(1, Currency::parse)?,
        })
    };
    rows.iter().map(key).collect()
}

/// Messages of a day of which it is not known what became of them. A charge without an answer is one no more when its reversal was acknowledged.
async fn read_outstanding(store: &Store, key: &Key) -> Result<i64, StoreError> {
    let sql = "SELECT count(*) FROM network_orders o WHERE link = $1 AND business_day = $2 AND currency = $3 AND state = 'ASKED' AND stan > 0 \
               AND NOT (asked IN ('CHARGE', 'AUTHORISATION') AND EXISTS (SELECT 1 FROM network_orders r WHERE r.leg_id = o.leg_id \
               AND r.asked = 'REVERSAL' AND r.state = 'DONE'))";
    store.fetch_one(sql, args(key)).await?.map_or(Ok(0), |row| row.int(0))
}

/// What was charged, taken back and given back on a day, as the network has answered. What was taken back of a charge that was never answered
/// counts on neither side of the hub's books.
const COUNTED: &str = "SELECT counted, count(*), CAST(COALESCE(sum(amount_minor), 0) AS BIGINT) FROM (SELECT amount_minor, \
     CASE WHEN asked IN ('CHARGE', 'COMPLETION') THEN 'DEBIT' WHEN asked = 'REFUND' THEN 'CREDIT' \
     WHEN original_leg_id IS NOT NULL OR EXISTS (SELECT 1 FROM network_orders c WHERE c.leg_id = o.leg_id AND c.asked = 'CHARGE' \
     AND c.state = 'DONE') THEN 'REVERSAL' ELSE 'NOTHING' END AS counted FROM network_orders o \
     WHERE link = $1 AND business_day = $2 AND currency = $3 AND state = 'DONE' AND stan > 0 \
     AND asked <> 'AUTHORISATION') moved GROUP BY counted";

fn totals_of(rows: &[Row]) -> Result<Totals, StoreError> {
    let mut totals = Totals::default();
    for row in rows {
        let sum = Sum { number: row.int(1)?, minor: row.int(2)? };
        match row.text(0)?.as_str() {
            "DEBIT" => totals.set(Counted::Debits, sum),
            "REVERSAL" => totals.set(Counted::DebitReversals, sum),
            "CREDIT" => totals.set(Counted::Credits, sum),
            _ => {}
        }
    }
    Ok(totals)
}

/// What the hub counts of a day.
pub(super) async fn read_counted(store: &Store, key: &Key) -> Result<Totals, StoreError> {
    totals_of(&store.fetch(COUNTED, args(key)).await?)
}

/// How a day that has ended stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::network::issuer) struct DayCount {
    pub(in crate::network::issuer) key: Key,
    pub(in crate::network::issuer) outstanding: i64,
    pub(in crate::network::issuer) ours: Totals,
}

/// Counts first what is under way: where nothing is, everything is counted.
pub(super) async fn read_day(store: &Store, key: Key) -> Result<DayCount, StoreError> {
    let outstanding = read_outstanding(store, &key).await?;
    let ours = read_counted(store, &key).await?;
    Ok(DayCount { key, outstanding, ours })
}
