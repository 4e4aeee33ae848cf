//! The habits of one person, kept up to date record by record.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::{Bought, Days, Facet, Key, Observation, Weekday};
use crate::{Currency, Reason};

/// What was bought under one key in one currency: what is stored, a row of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Under what it counts.
    pub key: Key,
    /// In which currency it was paid.
    pub currency: Currency,
    /// All of it, from the first record on.
    pub total: Bought,
    /// The last weeks of it, day by day. The last time is [`Days::last_on`]: a day, since it has to be right again when the
    /// last purchase is taken back.
    pub days: Days,
}

impl Row {
    /// Whether nothing is left under this key, so that the row is to be deleted.
    pub fn is_gone(&self) -> bool {
        self.total.is_none()
    }

    /// What was bought from one day to another, both counted, on all weekdays or on one.
    pub(crate) fn between(&self, from: Date, to: Date, weekday: Option<Weekday>) -> impl Iterator<Item = Bought> {
        let wanted = move |on: Date| from <= on && on <= to && weekday.is_none_or(|weekday| Weekday::of(on) == weekday);
        self.days.iter().filter(move |(on, _)| wanted(*on)).map(|(_, bought)| bought)
    }
}

/// The habits of one person, or as much of them as a change needs: the rows under the keys of the record that changes.
///
/// A change is all or nothing, and gives the rows that are to be stored or, where they are gone, deleted. Which record is
/// counted is not known here: the caller adds each once, and takes back or adjusts only what it added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Habits {
    rows: BTreeMap<(Key, Currency), Row>,
}

impl Habits {
    /// The habits in these rows.
    pub fn from_rows(rows: impl IntoIterator<Item = Row>) -> Self {
        let rows = rows.into_iter().filter(|row| !row.is_gone());
        Self { rows: rows.map(|row| ((row.key.clone(), row.currency), row)).collect() }
    }

    /// All rows, by facet, key and currency.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.values()
    }

    /// The rows of one facet.
    pub fn of(&self, facet: Facet) -> impl Iterator<Item = &Row> {
        self.rows().filter(move |row| row.key.facet() == facet)
    }

    /// Adds a record. `today` is the day of the person's calendar. `Err(AmountTooLarge)` when a sum passes `i64`.
    pub fn add(&mut self, record: &Observation, today: Date) -> Result<Vec<Row>, Reason> {
        self.change(record, Bought::NONE, record.bought(), today)
    }

    /// Takes back a record that was added, as it stood last. `Err(Fault)` when it cannot have been.
    pub fn take_back(&mut self, record: &Observation, today: Date) -> Result<Vec<Row>, Reason> {
        self.change(record, record.bought(), Bought::NONE, today)
    }

    /// Puts another sum that came back in the place of the one with which the record stands: the sums change, and the counts
    /// when nothing is left of it. `Err` as [`Habits::add`] and [`Habits::take_back`].
    pub fn adjust(&mut self, record: &Observation, given_back_minor: i64, today: Date) -> Result<Vec<Row>, Reason> {
        let after = Observation { given_back_minor, ..record.clone() };
        self.change(record, record.bought(), after.bought(), today)
    }

    /// Drops the days that are too long ago, as every change does in the rows that it touches.
    pub fn forget(&mut self, today: Date) {
        for row in self.rows.values_mut() {
            row.days.forget(today);
        }
    }

    fn change(&mut self, record: &Observation, before: Bought, after: Bought, today: Date) -> Result<Vec<Row>, Reason> {
        if before == after {
            return Ok(Vec::new());
        }
        let mut changed = Vec::new();
        for key in record.keys() {
            let there = self.rows.get(&(key.clone(), record.currency)).cloned();
            let mut row = there.unwrap_or_else(|| Row {
                key,
                currency: record.currency,
                total: Bought::NONE,
                days: Days::until(today),
            });
            row.total = row.total.changed(before, after)?;
            row.days.forget(today);
            row.days.change(record.on, before, after)?;
            changed.push(row);
        }
        for row in &changed {
            let place = (row.key.clone(), row.currency);
            if row.is_gone() {
                self.rows.remove(&place);
            } else {
                self.rows.insert(place, row.clone());
            }
        }
        Ok(changed)
    }
}
