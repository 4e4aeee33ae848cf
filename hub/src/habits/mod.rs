//! Spending habits (R4): kept up to date purchase by purchase, taken back when a purchase is.
//!
//! Habits follow the person's feed from a cursor of their own, in transactions of their own: a payment neither waits for them nor
//! pays for them. Whoever asks for habits has them brought up to date first, so that what is read is never behind the
//! record. What of a purchase was counted is stored with it, so that counting again takes away what was counted before: habits are always
//! those of the purchases as they stand (`domain::habit`).

mod observed;
mod sql;
mod steps;
#[cfg(test)]
mod tests;
pub(crate) mod wire;

use std::sync::Arc;

use domain::habit::Habits as PersonsHabits;
use domain::{PersonId, Reason};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use server_kit::store::{GroupWriter, Owner, Store, StoreError, Tx, WriterOptions};
use tokio::task::JoinHandle;

use steps::{CountStep, CountSteps};

/// The habits of all people. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Habits {
    store: Store,
    writer: GroupWriter<CountSteps>,
    zone: TimeZone,
}

/// What a person's habits are counted in, as far as they have been counted, in the transaction of whoever tells of them.
pub(crate) async fn load_rows(tx: &mut Tx, person_id: PersonId) -> Result<Vec<domain::habit::Row>, StoreError> {
    Ok(sql::load_habits(tx, person_id).await?.into_iter().map(|row| row.value).collect())
}

/// The habits of a person on a day.
#[derive(Debug)]
pub struct HabitsOn {
    pub habits: PersonsHabits,
    /// Today in the person's time zone.
    pub today: Date,
}

impl Habits {
    /// The task is the writer's; it ends when the last clone is gone. Days and hours are those of `zone`.
    pub fn start(store: Store, owner: Arc<Owner>, zone: TimeZone) -> (Self, JoinHandle<()>) {
        let steps = Arc::new(CountSteps { owner, zone: zone.clone() });
        let (writer, task) = GroupWriter::start(store.clone(), steps, WriterOptions::default());
        (Self { store, writer, zone }, task)
    }

    /// Counts what has happened to the person since the last time, up to the end of the feed.
    pub async fn catch_up(&self, person_id: PersonId) -> Result<Result<(), Reason>, StoreError> {
        loop {
            match self.writer.write(CountStep { person_id }).await? {
                Ok(more) if more => {}
                other => return Ok(other.map(|_| ())),
            }
        }
    }

    /// The person's habits with all that stands in the record by now.
    pub async fn of(
        &self,
        person_id: PersonId,
        now: domain::Timestamp,
    ) -> Result<Result<HabitsOn, Reason>, StoreError> {
        if let Err(reason) = self.catch_up(person_id).await? {
            return Ok(Err(reason));
        }
        let habits = PersonsHabits::from_rows(sql::read_habits(&self.store, person_id).await?);
        Ok(crate::zone::day_of(now, &self.zone).map(|today| HabitsOn { habits, today }))
    }
}
