//! Reminders of what is due (R10): set by phones, sent as news on the day and at the hour that the person set.
//!
//! `domain::reminder` says what is to be sent and when next. A reminder's row has the time at which it is looked at next; what was sent
//! is a row in the transaction that tells of it, so that it is sent once, whatever is killed and however many replicas look. A bill
//! that comes or changes has the person's reminders looked at again in its own transaction.

mod sql;
mod steps;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
pub(crate) mod wire;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use domain::bill::Bill;
use domain::reminder::{Due, FiringKey, Reminder};
use domain::{PersonId, Reason, ReminderId, Timestamp};
use jiff::tz::TimeZone;
use proto::cardholder as pb;
use server_kit::audit::{Chain, HeldChain};
use server_kit::clock::SharedClock;
use server_kit::keystore::SharedKeyStore;
use server_kit::store::{GroupWriter, Owner, Store, StoreError, WriterOptions};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::bills;
use crate::feed::Feed;
use steps::{Done, MOST_LOOKED_AT, ReminderSteps, Step};
use wire::Asked;

pub(crate) use sql::look_again;

/// What reminders are kept with.
#[derive(Debug)]
pub struct ReminderParts {
    pub store: Store,
    pub keys: SharedKeyStore,
    /// When something is to be sent. Replicas whose clocks differ do not send twice: what was sent is stored.
    pub clock: SharedClock,
    pub feed: Feed,
    pub owner: Arc<Owner>,
    /// Of people who name none.
    pub zone: TimeZone,
}

/// The reminders of all people. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Reminders {
    store: Store,
    clock: SharedClock,
    zone: TimeZone,
    writer: GroupWriter<ReminderSteps>,
}

/// A reminder with the zone of its time of day.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Planned {
    pub(crate) reminder: Reminder,
    pub(crate) zone: TimeZone,
    pub(crate) zone_name: String,
}

impl Planned {
    /// When it comes next.
    fn next_at(&self, now: Timestamp, dues: &[Due], sent: &BTreeSet<FiringKey>) -> Option<Timestamp> {
        self.reminder.next(now, &self.zone, dues, sent).map(|firing| firing.at)
    }
}

/// What is left to pay of bills.
fn dues_of<'b>(bills: impl Iterator<Item = &'b Bill>) -> Vec<Due> {
    bills.filter_map(Due::of).collect()
}

impl Reminders {
    /// The task is the writer's; it ends when the last clone is gone.
    pub fn start(parts: ReminderParts) -> (Self, JoinHandle<()>) {
        let ReminderParts { store, keys, clock, feed, owner, zone } = parts;
        let chain = HeldChain::from(Chain::new(&format!("{}/reminders", owner.name()), keys));
        let steps = Arc::new(ReminderSteps { chain, owner, feed, clock: clock.clone() });
        let (writer, task) = GroupWriter::start(store.clone(), steps, WriterOptions::default());
        (Self { store, clock, zone, writer }, task)
    }

    /// Sets a reminder of this person, or changes it.
    pub(crate) async fn set(
        &self,
        person_id: PersonId,
        request: &pb::SetReminderRequest,
    ) -> Result<Result<(), Reason>, StoreError> {
        match Asked::read(request, &self.zone) {
            Ok(asked) => self.edit(Step::Set { person_id, asked }).await,
            Err(reason) => Ok(Err(reason)),
        }
    }

    /// Takes a reminder of this person away, if there is one.
    pub(crate) async fn delete(
        &self,
        person_id: PersonId,
        reminder_id: ReminderId,
    ) -> Result<Result<(), Reason>, StoreError> {
        self.edit(Step::Delete { person_id, reminder_id }).await
    }

    async fn edit(&self, step: Step) -> Result<Result<(), Reason>, StoreError> {
        Ok(self.writer.write(step).await?.map(|_| ()))
    }

    /// The person's reminders, each with when it comes next.
    pub(crate) async fn list(&self, person_id: PersonId) -> Result<Vec<(Planned, Option<Timestamp>)>, StoreError> {
        let kept = bills::sql::of_person(&self.store, person_id).await?;
        let dues = dues_of(bills::query::newest(&kept));
        let now = self.clock.now();
        let mut all = Vec::new();
        for planned in sql::of_person(&self.store, person_id).await? {
            let sent = sql::read_sent(&self.store, planned.reminder.id()).await?;
            let next_at = planned.next_at(now, &dues, &sent);
            all.push((planned, next_at));
        }
        Ok(all)
    }

    /// Sends what is to be sent by now, up to a set, and gives how many reminders were looked at.
    async fn look(&self) -> Result<usize, StoreError> {
        match self.writer.write(Step::Look).await? {
            Ok(Done::Looked { count, .. }) => Ok(count),
            _ => Ok(0),
        }
    }
}

/// Looks for reminders that are to be sent every `every`, until the server drains.
pub async fn remind(reminders: Reminders, every: Duration, draining: CancellationToken) {
    // A full set means that more may be due.
    let look = || async { Ok(reminders.look().await? == MOST_LOOKED_AT) };
    crate::sweep::sweep("reminders", every, draining, look).await;
}
