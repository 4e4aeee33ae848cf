//! The durable steps of freezing. They are seldom, so they run one after the other and share the flush.

use std::sync::Arc;

use domain::Reason;
use domain::feed::Event;
use domain::payment::Policy;
use domain::safety_code;
use server_kit::audit::{Entry, HeldChain};
use server_kit::fault;
use server_kit::keystore::{KeyStore, SharedKeyStore};
use server_kit::store::{Owner, StepSet, StoreError, Tx};

use super::answer::{Answered, Claim, Missed};
use super::order::Order;
use super::sql::Bound;
use super::tell::Telling;
use crate::feed::Feed;

#[derive(Debug)]
pub(super) enum Step {
    /// Somebody wants something frozen or set free.
    Order(Order),
    /// A bank has answered.
    Answered(Answered),
    /// A bank could not be asked.
    Missed(Missed),
    /// What banks are to be told by now.
    Claim(Claim),
}

/// What was done.
#[derive(Debug)]
pub(super) enum Done {
    /// What the order is about as it stands, and what banks are to be told of it.
    Ordered(Vec<Bound>, Vec<Telling>),
    Noted,
    Claimed(Vec<Telling>),
}

#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) done: Result<Done, Reason>,
    events: Vec<Arc<Event>>,
}

/// What a step works with.
pub(super) struct Work<'w> {
    pub(super) tx: &'w mut Tx,
    pub(super) keys: &'w dyn KeyStore,
    pub(super) policy: &'w Policy,
    pub(super) safety: &'w safety_code::Policy,
    pub(super) log: Vec<Entry>,
    pub(super) events: Vec<Arc<Event>>,
}

/// The steps' surroundings.
#[derive(Debug)]
pub(super) struct FreezeSteps {
    pub(super) chain: HeldChain,
    pub(super) owner: Arc<Owner>,
    pub(super) feed: Feed,
    pub(super) keys: SharedKeyStore,
    pub(super) policy: Policy,
    pub(super) safety: safety_code::Policy,
}

impl StepSet for FreezeSteps {
    const NAME: &'static str = "freezes-writer";

    type Step = Step;
    type Outcome = Outcome;

    async fn run(&self, tx: &mut Tx, steps: &[Step]) -> Result<Vec<Outcome>, StoreError> {
        self.owner.fence(tx);
        let (log, events) = (Vec::new(), Vec::new());
        let (keys, policy, safety) = (&*self.keys, &self.policy, &self.safety);
        let mut work = Work { tx, keys, policy, safety, log, events };
        let mut outcomes = Vec::with_capacity(steps.len());
        for step in steps {
            let done = match step {
                Step::Order(order) => order.apply(&mut work).await?,
                Step::Answered(answered) => answered.apply(&mut work).await.map(|()| Ok(Done::Noted))?,
                Step::Missed(missed) => missed.apply(&mut work).await.map(|()| Ok(Done::Noted))?,
                Step::Claim(claim) => Ok(Done::Claimed(claim.apply(&mut work).await?)),
            };
            outcomes.push(Outcome { done, events: std::mem::take(&mut work.events) });
        }
        let Work { tx, log, .. } = work;
        if !log.is_empty() {
            self.chain.append(tx, log).await?;
        }
        let told: Vec<Arc<Event>> = outcomes.iter().flat_map(|it| &it.events).cloned().collect();
        self.feed.hand_on(tx, &told).await?;
        points(steps).for_each(|[before, _]| fault::point(before));
        Ok(outcomes)
    }

    fn committed(&self, steps: &[Step], outcomes: &[Outcome]) {
        self.chain.confirm();
        points(steps).for_each(|[_, after]| fault::point(after));
        for outcome in outcomes {
            self.feed.publish(&outcome.events);
        }
    }

    fn dropped(&self, _: &StoreError) {
        self.chain.forget();
    }

    fn recovered(&self) {
        self.feed.wake_all();
    }

    fn wants_upkeep(&self) -> bool {
        self.chain.is_unsealed()
    }

    async fn upkeep(&self, tx: &mut Tx) -> Result<(), StoreError> {
        self.owner.fence(tx);
        self.chain.seal(tx).await
    }
}

/// The fault points before and after the durable points of a set.
fn points(steps: &[Step]) -> impl Iterator<Item = [&'static str; 2]> {
    steps.iter().filter_map(|step| match step {
        Step::Order(_) => Some(["F1.before", "F1.after"]),
        Step::Answered(_) => Some(["F2.before", "F2.after"]),
        Step::Missed(_) | Step::Claim(_) => None,
    })
}
