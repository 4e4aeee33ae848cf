//! Limits on payments (M9; ADR 33): operators set them, and the set of steps that commits a payment looks at them and counts.
//!
//! The rules are `domain::limit`. All limits are in memory, since there are few; what was paid lately stands in the database, in rows that are only there for whom a
//! limit asks. A hub without limits reads and writes nothing for them.

mod operator;
pub(crate) mod sql;
mod steps;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use domain::limit::{LimitKey, Limits};
use domain::{OperatorId, Reason};
use server_kit::audit::{Chain, HeldChain};
use server_kit::keystore::SharedKeyStore;
use server_kit::store::{GroupWriter, Owner, Store, StoreError, WriterOptions};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use sql::Kept;
use steps::{LimitSteps, Set};

pub(crate) use operator::{read_raise, to_pb, words};

/// How often it is looked what another replica has changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The limits of this hub. Cheap to clone.
#[derive(Clone, Debug)]
pub struct PaymentLimits {
    store: Store,
    current: Arc<RwLock<Arc<Limits>>>,
    writer: GroupWriter<LimitSteps>,
}

impl PaymentLimits {
    /// Reads what stands. The task is the writer's; it ends when the last clone is gone.
    pub async fn start(
        store: Store,
        keys: SharedKeyStore,
        owner: Arc<Owner>,
    ) -> Result<(Self, JoinHandle<()>), StoreError> {
        let (limits, task) = Self::unread(store, keys, owner);
        limits.look().await?;
        Ok((limits, task))
    }

    /// The same before the first look.
    pub(crate) fn unread(store: Store, keys: SharedKeyStore, owner: Arc<Owner>) -> (Self, JoinHandle<()>) {
        let chain = HeldChain::from(Chain::new(&format!("{}/limits", owner.name()), keys));
        let steps = Arc::new(LimitSteps { owner, chain });
        let (writer, task) = GroupWriter::start(store.clone(), steps, WriterOptions::default());
        (Self { store, current: Arc::default(), writer }, task)
    }

    /// What stands, as of the last look.
    pub(crate) fn current(&self) -> Arc<Limits> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn look(&self) -> Result<(), StoreError> {
        let found = sql::read_all(&self.store).await?.iter().filter_map(Kept::limit).collect();
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(found);
        Ok(())
    }

    pub(crate) async fn list(&self) -> Result<Vec<Kept>, StoreError> {
        sql::read_all(&self.store).await
    }

    /// Sets a limit, or removes it; it holds here at once and at other replicas within seconds.
    pub(crate) async fn set(
        &self,
        by: OperatorId,
        (key, most): (LimitKey, Option<i64>),
        may_rise: bool,
    ) -> Result<Result<Kept, Reason>, StoreError> {
        let done = self.writer.write(Set { key, most, by, may_rise }).await?;
        self.look().await?;
        Ok(done)
    }
}

/// Looks for what other replicas have changed, until the server drains.
pub async fn follow_limits(limits: PaymentLimits, draining: CancellationToken) {
    let look = || async { limits.look().await.map(|()| false) };
    crate::sweep::sweep("limits", LOOK_EVERY, draining, look).await;
}
