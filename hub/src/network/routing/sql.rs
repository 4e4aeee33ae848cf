//! The rows of links that may route, and the totals of days as they are listed.

use std::collections::BTreeMap;

use domain::Timestamp;
use server_kit::store::{Keys, Load, Row, Store, StoreError, Table, Tx};

const ROUTING: Table = Table {
    name: "network_routing",
    key: &["link"],
    columns: &["link", "version", "allowed", "changed_at", "changed_by"],
};

/// What operators have said of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) version: i64,
    pub(super) allowed: bool,
    pub(super) changed_at: Timestamp,
    pub(super) changed_by: String,
}

fn read(row: &Row) -> Result<(String, Kept), StoreError> {
    let (changed_at, changed_by) = (row.time(3)?, row.text(4)?);
    Ok((row.text(0)?, Kept { version: row.int(1)?, allowed: row.flag(2)?, changed_at, changed_by }))
}

pub(super) async fn load(tx: &mut Tx, links: Vec<String>) -> Result<BTreeMap<String, Kept>, StoreError> {
    let select = "SELECT link, version, allowed, changed_at, changed_by FROM network_routing WHERE link";
    let rows = tx.load(Load { select, tail: " ORDER BY link", lock: true }, Keys::Names(links)).await?;
    rows.iter().map(read).collect()
}

pub(super) async fn put(tx: &mut Tx, rows: impl Iterator<Item = (&String, &Kept)>) -> Result<(), StoreError> {
    let write = |(link, kept): (&String, &Kept)| {
        let by = kept.changed_by.as_str();
        vec![link.as_str().into(), kept.version.into(), kept.allowed.into(), kept.changed_at.into(), by.into()]
    };
    tx.put(&ROUTING, rows.map(write).collect()).await
}

pub(super) async fn is_allowed(store: &Store, link: &str) -> Result<bool, StoreError> {
    let row = store.fetch_one("SELECT allowed FROM network_routing WHERE link = $1", vec![link.into()]).await?;
    row.map_or(Ok(false), |row| row.flag(0))
}

pub(super) async fn read_all(store: &Store) -> Result<BTreeMap<String, Kept>, StoreError> {
    let sql = "SELECT link, version, allowed, changed_at, changed_by FROM network_routing ORDER BY link";
    store.fetch(sql, Vec::new()).await?.iter().map(read).collect()
}

/// The totals of a day, whichever side has asked.
#[derive(Clone, Debug)]
pub(crate) struct Settled {
    pub(crate) link: String,
    pub(crate) asked_by_hub: bool,
    pub(crate) day: String,
    pub(crate) currency: String,
    /// As in `network_totals`.
    pub(crate) state: String,
    pub(crate) ours: String,
    pub(crate) theirs: String,
    pub(crate) tries: i64,
    pub(crate) changed_at: Timestamp,
}

impl Settled {
    /// Its place in the list.
    pub(super) fn place(&self) -> (String, String) {
        (self.day.clone(), format!("{}/{}/{}", self.link, self.currency, u8::from(self.asked_by_hub)))
    }
}

/// Where a list begins when nothing came before.
const AFTER_ALL_DAYS: &str = "9999-99-99";

/// Days are few: one row for each link, day and currency.
const SETTLED: &str = "SELECT link, by_hub, business_day, currency, state, ours, theirs, tries, changed_at FROM (\
     SELECT link, CAST(0 AS BIGINT) AS by_hub, business_day, currency, CASE in_balance WHEN 1 THEN 'IN_BALANCE' ELSE 'OUT_OF_BALANCE' END AS state, \
     ours, theirs, CAST(0 AS BIGINT) AS tries, compared_at AS changed_at, link || '/' || currency || '/0' AS place FROM network_settlements UNION ALL \
     SELECT link, CAST(1 AS BIGINT) AS by_hub, business_day, currency, state, ours, theirs, tries, changed_at, \
     link || '/' || currency || '/1' AS place FROM network_totals) days \
     WHERE (business_day < $1 OR business_day = $1 AND place > $2) AND (CAST($3 AS BIGINT) = 0 OR state <> 'IN_BALANCE') \
     ORDER BY business_day DESC, place LIMIT $4";

pub(super) async fn settled(
    store: &Store,
    after: Option<(String, String)>,
    only_troubled: bool,
    most: i64,
) -> Result<Vec<Settled>, StoreError> {
    let (day, place) = after.unwrap_or((AFTER_ALL_DAYS.to_owned(), String::new()));
    let args = vec![day.into(), place.into(), i64::from(only_troubled).into(), most.into()];
    let read = |row: &Row| {
        Ok(Settled {
            link: row.text(0)?,
            asked_by_hub: row.int(1)? == 1,
            day: row.text(2)?,
            currency: row.text(3)?,
            state: row.text(4)?,
            ours: row.text(5)?,
            theirs: row.text(6)?,
            tries: row.int(7)?,
            changed_at: row.time(8)?,
        })
    };
    store.fetch_at_leisure(SETTLED, args).await?.iter().map(read).collect()
}
