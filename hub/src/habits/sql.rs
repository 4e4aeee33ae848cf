//! The tables of habits, and what they are counted from.

use std::collections::{BTreeMap, BTreeSet};

use domain::habit::{Bought, Days, Facet, Key, Observation, Row as HabitRow};
use domain::purchase::Purchase;
use domain::{Currency, PersonId};
use server_kit::store::{Keys, Load, Row, Store, StoreError, Table, Tx};

use super::observed;
use super::steps::Counted;
use crate::records::row::{PURCHASE_COLUMNS, purchase_columns, purchase_of};

const CURSORS: Table =
    Table { name: "habit_cursors", key: &["person_id"], columns: &["person_id", "version", "through_sequence"] };

const HABITS: Table = Table {
    name: "habits",
    key: &["person_id", "facet", "key", "currency"],
    columns: &["person_id", "facet", "key", "currency", "version", "count", "sum_minor", "days"],
};

const COUNTED: Table = Table {
    name: "counted_purchases",
    key: &["person_id", "sequence"],
    columns: &["person_id", "sequence", "version", "observation"],
};

/// How far a person's feed is counted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cursor {
    pub(super) through_sequence: i64,
    version: i64,
    changed: bool,
}

impl Cursor {
    pub(super) const fn go_to(&mut self, sequence: i64) {
        self.through_sequence = sequence;
        self.changed = true;
    }
}

pub(super) async fn load_cursors(
    tx: &mut Tx,
    persons: &BTreeSet<PersonId>,
) -> Result<BTreeMap<PersonId, Cursor>, StoreError> {
    let load = Load {
        select: "SELECT person_id, version, through_sequence FROM habit_cursors WHERE person_id",
        tail: " ORDER BY person_id",
        lock: true,
    };
    let rows = tx.load(load, Keys::Ids(persons.iter().map(|id| id.uuid()).collect())).await?;
    let read = |row: &Row| {
        let cursor = Cursor { version: row.int(1)?, through_sequence: row.int(2)?, changed: false };
        Ok((PersonId::from_uuid(row.id(0)?), cursor))
    };
    rows.iter().map(read).collect()
}

pub(super) async fn put_cursors(tx: &mut Tx, cursors: BTreeMap<PersonId, Cursor>) -> Result<(), StoreError> {
    let changed = cursors.into_iter().filter(|(_, cursor)| cursor.changed);
    let row = |(id, cursor): (PersonId, Cursor)| {
        vec![id.uuid().into(), (cursor.version + 1).into(), cursor.through_sequence.into()]
    };
    tx.put(&CURSORS, changed.map(row).collect()).await
}

/// What has happened to a person after a place in the feed.
#[derive(Debug, Default)]
pub(super) struct News {
    /// The last place that was looked at; none when there is nothing.
    pub(super) last: Option<i64>,
    /// There may be more.
    pub(super) is_full: bool,
    /// The places of the records that it is about.
    pub(super) records: BTreeSet<i64>,
}

/// Of a refund through the hub, which is a payment of its own, the record is that of the payment that it gives back from.
const NEWS: &str = "SELECT sequence, record FROM (\
     SELECT sequence, sequence AS record FROM purchases WHERE person_id = $1 AND sequence > $2 \
     UNION ALL SELECT e.sequence, COALESCE(e.record_sequence, o.charge_sequence) FROM events e \
     LEFT JOIN payments p ON p.payment_id = e.payment_id AND e.record_sequence IS NULL AND e.kind IN ('REFUND', 'REVERSAL') \
     LEFT JOIN payments o ON o.payment_id = COALESCE(p.original_id, p.payment_id) \
     WHERE e.person_id = $1 AND e.sequence > $2) news ORDER BY sequence LIMIT $3";

pub(super) async fn read_news(tx: &mut Tx, person_id: PersonId, after: i64, most: i64) -> Result<News, StoreError> {
    let rows = tx.fetch(NEWS, vec![person_id.uuid().into(), after.into(), most.into()]).await?;
    let mut news = News { is_full: i64::try_from(rows.len()).is_ok_and(|len| len == most), ..News::default() };
    for row in &rows {
        news.last = Some(row.int(0)?);
        news.records.extend(row.maybe_int(1)?);
    }
    Ok(news)
}

/// Between which places some records lie; none for none.
fn span(records: &BTreeSet<i64>) -> Option<(i64, i64)> {
    Some((*records.first()?, *records.last()?))
}

/// The records at these places. A person's records lie together, so that reading those between costs little, and a set of places
/// would need a statement for each number of them.
pub(super) async fn load_purchases(
    tx: &mut Tx,
    person_id: PersonId,
    records: &BTreeSet<i64>,
) -> Result<BTreeMap<i64, Purchase>, StoreError> {
    const SQL: &str = concat!(
        "SELECT ",
        purchase_columns!(),
        ", sequence FROM purchases WHERE person_id = $1 AND sequence BETWEEN $2 AND $3"
    );
    let Some((first, last)) = span(records) else { return Ok(BTreeMap::new()) };
    let rows = tx.fetch(SQL, vec![person_id.uuid().into(), first.into(), last.into()]).await?;
    let mut found = BTreeMap::new();
    for row in &rows {
        let sequence = row.int(PURCHASE_COLUMNS)?;
        if records.contains(&sequence) {
            found.insert(sequence, purchase_of(row, 0, person_id)?);
        }
    }
    Ok(found)
}

pub(super) async fn load_counted(
    tx: &mut Tx,
    person_id: PersonId,
    records: &BTreeSet<i64>,
) -> Result<BTreeMap<i64, Versioned<Observation>>, StoreError> {
    let sql = "SELECT sequence, observation, version FROM counted_purchases WHERE person_id = $1 AND sequence BETWEEN $2 AND $3";
    let Some((first, last)) = span(records) else { return Ok(BTreeMap::new()) };
    let rows = tx.fetch(sql, vec![person_id.uuid().into(), first.into(), last.into()]).await?;
    let read =
        |row: &Row| Ok((row.int(0)?, Versioned { value: row.parsed(1, observed::from_json)?, version: row.int(2)? }));
    rows.iter().map(read).collect()
}

/// A row with the version that its next change must find; none is 0.
#[derive(Clone, Debug)]
pub(super) struct Versioned<T> {
    pub(super) value: T,
    pub(super) version: i64,
}

const SELECT: &str = "SELECT facet, key, currency, count, sum_minor, days, version FROM habits WHERE person_id = $1";

pub(super) async fn load_habits(tx: &mut Tx, person_id: PersonId) -> Result<Vec<Versioned<HabitRow>>, StoreError> {
    tx.fetch(SELECT, vec![person_id.uuid().into()]).await?.iter().map(habit_of).collect()
}

pub(super) async fn read_habits(store: &Store, person_id: PersonId) -> Result<Vec<HabitRow>, StoreError> {
    let rows = store.fetch(SELECT, vec![person_id.uuid().into()]).await?;
    rows.iter().map(|row| habit_of(row).map(|habit| habit.value)).collect()
}

fn habit_of(row: &Row) -> Result<Versioned<HabitRow>, StoreError> {
    let facet = row.parsed(0, Facet::parse)?;
    let value = HabitRow {
        key: row.parsed(1, |key| Key::parse(facet, key))?,
        currency: row.parsed(2, Currency::parse)?,
        total: Bought { count: row.int(3)?, sum_minor: row.int(4)? },
        days: row.parsed(5, Days::parse)?,
    };
    Ok(Versioned { value, version: row.int(6)? })
}

/// Writes what has changed, one statement for each table.
pub(super) async fn write_counted(tx: &mut Tx, counted: BTreeMap<PersonId, Counted>) -> Result<(), StoreError> {
    let (mut habits, mut purchases) = (Vec::new(), Vec::new());
    for (person_id, Counted { rows, purchases: seen }) in counted {
        habits.extend(rows.into_iter().map(|Versioned { value: row, version }| {
            vec![
                person_id.uuid().into(),
                row.key.facet().as_str().into(),
                row.key.to_string().into(),
                row.currency.code().into(),
                (version + 1).into(),
                row.total.count.into(),
                row.total.sum_minor.into(),
                row.days.to_string().into(),
            ]
        }));
        purchases.extend(seen.into_iter().map(|(sequence, Versioned { value, version })| {
            vec![person_id.uuid().into(), sequence.into(), (version + 1).into(), observed::to_json(&value).into()]
        }));
    }
    tx.put(&HABITS, habits).await?;
    tx.put(&COUNTED, purchases).await
}
