//! The durable step of habits: what has happened to a person is counted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::habit::{Habits, Observation, Row};
use domain::purchase::Purchase;
use domain::{PersonId, Reason};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use server_kit::fault;
use server_kit::store::{Owner, StepSet, StoreError, Tx};

use super::sql;
use super::sql::Versioned;

/// Places of a feed that one step goes on by.
const AT_ONCE: i64 = 500;

/// Counts what has happened to a person since the last time, as far as one step goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct CountStep {
    pub(super) person_id: PersonId,
}

#[derive(Debug)]
pub(super) struct CountSteps {
    pub(super) owner: Arc<Owner>,
    pub(super) zone: TimeZone,
}

impl StepSet for CountSteps {
    const NAME: &'static str = "habits-writer";

    type Step = CountStep;
    /// Whether there is more to count.
    type Outcome = Result<bool, Reason>;

    async fn run(&self, tx: &mut Tx, steps: &[CountStep]) -> Result<Vec<Self::Outcome>, StoreError> {
        self.owner.fence(tx);
        let today = match crate::zone::day_of(tx.now(), &self.zone) {
            Ok(today) => today,
            Err(reason) => return Ok(steps.iter().map(|_| Err(reason)).collect()),
        };
        let persons: BTreeSet<PersonId> = steps.iter().map(|step| step.person_id).collect();
        let mut cursors = sql::load_cursors(tx, &persons).await?;
        let mut counted = BTreeMap::new();
        let mut more = BTreeMap::new();
        for person_id in persons {
            let cursor = cursors.entry(person_id).or_default();
            let news = sql::read_news(tx, person_id, cursor.through_sequence, AT_ONCE).await?;
            let Some(last) = news.last else {
                more.insert(person_id, Ok(false));
                continue;
            };
            cursor.go_to(last);
            let done = self.count(tx, person_id, news.records, today).await?;
            more.insert(person_id, done.as_ref().map(|_| news.is_full).map_err(|reason| *reason));
            match done {
                Ok(person) => drop(counted.insert(person_id, person)),
                // Nothing of this person is written, so that whoever mends it finds it as it was.
                Err(_) => drop(cursors.remove(&person_id)),
            }
        }
        sql::put_cursors(tx, cursors).await?;
        let has_counted = !counted.is_empty();
        sql::write_counted(tx, counted).await?;
        if has_counted {
            fault::point("H1.before");
        }
        Ok(steps.iter().map(|step| more.get(&step.person_id).copied().unwrap_or(Ok(false))).collect())
    }

    fn committed(&self, _: &[CountStep], _: &[Self::Outcome]) {
        fault::point("H1.after");
    }
}

/// What of a person is to be written, over the versions that were found.
#[derive(Debug, Default)]
pub(super) struct Counted {
    pub(super) rows: Vec<Versioned<Row>>,
    /// Purchases as they are counted now.
    pub(super) purchases: BTreeMap<i64, Versioned<Observation>>,
}

impl CountSteps {
    /// Counts each of these records as it stands now, in the place of how it was counted before.
    async fn count(
        &self,
        tx: &mut Tx,
        person_id: PersonId,
        records: BTreeSet<i64>,
        today: Date,
    ) -> Result<Result<Counted, Reason>, StoreError> {
        let stored = sql::load_habits(tx, person_id).await?;
        let before = sql::load_counted(tx, person_id, &records).await?;
        let purchases = sql::load_purchases(tx, person_id, &records).await?;
        Ok(self.recount(stored, &before, &purchases, today))
    }

    fn recount(
        &self,
        stored: Vec<Versioned<Row>>,
        before: &BTreeMap<i64, Versioned<Observation>>,
        purchases: &BTreeMap<i64, Purchase>,
        today: Date,
    ) -> Result<Counted, Reason> {
        let place = |row: &Row| (row.key.clone(), row.currency);
        let versions: BTreeMap<_, i64> = stored.iter().map(|row| (place(&row.value), row.version)).collect();
        let mut habits = Habits::from_rows(stored.into_iter().map(|row| row.value));
        let (mut rows, mut counted) = (BTreeMap::new(), Counted::default());
        for (sequence, purchase) in purchases {
            let Some(now) = Observation::of(purchase, &self.zone)? else { continue };
            let known = before.get(sequence);
            if known.is_some_and(|known| known.value == now) {
                continue;
            }
            let mut changed = match known {
                Some(known) => habits.take_back(&known.value, today)?,
                None => Vec::new(),
            };
            changed.extend(habits.add(&now, today)?);
            rows.extend(changed.into_iter().map(|row| (place(&row), row)));
            let version = known.map_or(0, |known| known.version);
            counted.purchases.insert(*sequence, Versioned { value: now, version });
        }
        let version = |place: &_| versions.get(place).copied().unwrap_or(0);
        counted.rows = rows.into_iter().map(|(at, value)| Versioned { version: version(&at), value }).collect();
        Ok(counted)
    }
}
