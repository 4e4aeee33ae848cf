//! What merchants are charged for being paid, and what they are paid for a day (M9; ADR 37).
//!
//! The rules are `domain::fee`. Operators set schedules; all that hold now or later are in memory, and the set of steps that commits a payment fixes its charge by them. `settlement` has
//! the entries that are written with it, and their sums by day.

mod check;
mod operator;
pub(crate) mod settlement;
mod sql;
mod steps;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use domain::fee::{Schedule, Schedules};
use domain::{FeeScheduleId, OperatorId, Reason, Timestamp};
use jiff::tz::TimeZone;
use server_kit::audit::{Chain, HeldChain};
use server_kit::clock::SharedClock;
use server_kit::keystore::SharedKeyStore;
use server_kit::store::{GroupWriter, Owner, Store, StoreError, WriterOptions};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::zone;
use steps::{FeeSteps, Step};

pub(crate) use check::CHECKS;
pub(crate) use operator::{read_schedule, terms_words, wanted, words};
pub(crate) use sql::Kept;
pub(crate) use steps::NewSchedule;

/// How often it is looked what another replica has changed; well within [`domain::fee::HEARD_WITHIN`].
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a schedule that another one has followed is still known, for a payment that commits by an earlier time of its database.
const REMEMBERED: Duration = Duration::from_secs(3600);

/// What schedules are kept in, and by whom.
#[derive(Clone, Debug)]
pub struct FeeParts {
    pub store: Store,
    pub keys: SharedKeyStore,
    pub clock: SharedClock,
    pub owner: Arc<Owner>,
    /// Where business days begin and end.
    pub zone: TimeZone,
}

/// The fee schedules of this hub. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Fees {
    store: Store,
    clock: SharedClock,
    zone: TimeZone,
    current: Arc<RwLock<Arc<Schedules>>>,
    writer: GroupWriter<FeeSteps>,
}

impl Fees {
    /// Reads what stands. The task is the writer's; it ends when the last clone is gone.
    pub async fn start(parts: FeeParts) -> Result<(Self, JoinHandle<()>), StoreError> {
        let (fees, task) = Self::unread(parts);
        fees.look().await?;
        Ok((fees, task))
    }

    /// The same before the first look.
    pub(crate) fn unread(parts: FeeParts) -> (Self, JoinHandle<()>) {
        let FeeParts { store, keys, clock, owner, zone } = parts;
        let chain = HeldChain::from(Chain::new(&format!("{}/fees", owner.name()), keys));
        let steps = Arc::new(FeeSteps { owner, chain });
        let (writer, task) = GroupWriter::start(store.clone(), steps, WriterOptions::default());
        (Self { store, clock, zone, current: Arc::default(), writer }, task)
    }

    /// What holds now and later, as of the last look.
    pub(crate) fn current(&self) -> Arc<Schedules> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The business day of a moment, as it is stored.
    pub(crate) fn day_of(&self, at: Timestamp) -> Result<String, Reason> {
        Ok(zone::day_of(at, &self.zone)?.to_string())
    }

    async fn look(&self) -> Result<(), StoreError> {
        let found = sql::read_holding(&self.store, self.clock.now().minus(REMEMBERED))
            .await?
            .into_iter()
            .map(|kept| kept.schedule)
            .collect();
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(found);
        Ok(())
    }

    /// Schedules that hold now or later; or all that ever stood, the latest first of each scope, at most `most`.
    pub(crate) async fn list(&self, with_past: bool, most: i64) -> Result<Vec<Kept>, StoreError> {
        if with_past {
            return sql::read_all(&self.store, most).await;
        }
        let now = self.clock.now();
        let found = sql::read_holding(&self.store, now).await?;
        let schedules: Schedules = found.iter().map(|kept| kept.schedule.clone()).collect();
        let holds = |kept: &Kept| {
            let Schedule { id, scope, valid_from, terms } = &kept.schedule;
            let holding = schedules.holding(scope, now).map(|schedule| schedule.id);
            *valid_from > now || holding == Some(*id) && terms.is_some()
        };
        Ok(found.into_iter().filter(holds).collect())
    }

    /// Sets a schedule; every replica has heard of it when it begins to hold.
    pub(crate) async fn set(&self, by: OperatorId, new: NewSchedule) -> Result<Result<Kept, Reason>, StoreError> {
        let done = self.writer.write(Step::Set { new, by }).await?;
        self.look().await?;
        Ok(done)
    }

    /// Withdraws a schedule that does not hold yet.
    pub(crate) async fn withdraw(&self, by: OperatorId, id: FeeScheduleId) -> Result<Result<Kept, Reason>, StoreError> {
        let done = self.writer.write(Step::Withdraw { id, by }).await?;
        self.look().await?;
        Ok(done)
    }
}

/// Looks for what other replicas have changed, until the server drains.
pub async fn follow_fees(fees: Fees, draining: CancellationToken) {
    let look = || async { fees.look().await.map(|()| false) };
    crate::sweep::sweep("fees", LOOK_EVERY, draining, look).await;
}
