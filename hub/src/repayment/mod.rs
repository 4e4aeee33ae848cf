//! Repayments (R8, C7): a person repays a card at one bank from an account at another, or at the same one, by a signed text.
//!
//! It is a payment with two legs (ADR 21), of its own kind and in its own table, so that the others pay nothing for it. `steps` are the
//! durable ones, decided by `domain::repayment`; `carry` takes a repayment from one to the next by asking both banks; `sweep` carries on
//! whatever a lost answer or a killed process left behind; `phone` is what phones call.

mod carry;
mod phone;
mod sql;
mod steps;
mod sweep;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod wire;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::payment::{Policy, Verdict};
use domain::{BankId, LegId, PaymentId, Reason};
use server_kit::audit::{Chain, HeldChain};
use server_kit::clock::SharedClock;
use server_kit::keystore::SharedKeyStore;
use server_kit::rng::IdMaker;
use server_kit::store::{GroupWriter, Owner, Store, StoreError, WriterOptions};
use tokio::task::JoinHandle;

use crate::bank::Banks;
use crate::feed::Feed;
use steps::RepaymentSteps;

pub use sweep::sweep;

/// What repayments work with.
#[derive(Debug)]
pub struct RepaymentParts {
    pub store: Store,
    pub banks: Banks,
    /// What people are told by.
    pub feed: Feed,
    /// Of the log.
    pub keys: SharedKeyStore,
    pub clock: SharedClock,
    /// Makes the ids of legs.
    pub ids: IdMaker,
    pub owner: Arc<Owner>,
    /// How long there is to decide, and how often is tried: as of every payment.
    pub policy: Policy,
    /// How long a phone's call waits for the banks before it is told PENDING.
    pub answer_within: Duration,
}

/// The repayments of this replica. Cheap to clone; it keeps no state that matters.
#[derive(Clone, Debug)]
pub struct Repayments {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Store,
    banks: Banks,
    clock: SharedClock,
    ids: IdMaker,
    answer_within: Duration,
    writer: GroupWriter<RepaymentSteps>,
    /// Those about which this replica is asking banks, so that the sweeper does not ask twice at once.
    busy: Mutex<HashSet<PaymentId>>,
}

impl Repayments {
    /// The task is the writer's; it ends when the last clone is gone and all queued steps are durable.
    pub fn start(parts: RepaymentParts) -> (Self, JoinHandle<()>) {
        let RepaymentParts { store, banks, feed, keys, clock, ids, owner, policy, answer_within } = parts;
        let chain = HeldChain::from(Chain::new(&format!("{}/repayment", owner.name()), keys));
        let steps = RepaymentSteps { chain, owner, feed, policy };
        let (writer, task) = GroupWriter::start(store.clone(), Arc::new(steps), WriterOptions::default());
        let inner = Inner { store, banks, clock, ids, answer_within, writer, busy: Mutex::default() };
        (Self { inner: Arc::new(inner) }, task)
    }

    /// What a bank is told of a leg that it holds for a repayment (DESIGN §2, rule 1); nothing when it is of none. `Err(NotYours)` for the
    /// leg of another bank.
    pub(crate) async fn verdict(
        &self,
        bank: &BankId,
        id: PaymentId,
        leg: LegId,
    ) -> Result<Result<Option<Verdict>, Reason>, StoreError> {
        let found = sql::find(&self.inner.store, id).await?;
        Ok(found.map_or(Ok(None), |repayment| repayment.verdict_on(bank, leg)))
    }
}
