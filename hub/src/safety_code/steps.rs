//! The durable steps of safety codes. They are seldom, so they run one after the other and share the flush.

use std::sync::Arc;

use domain::feed::Event;
use domain::safety_code::Policy;
use domain::{Reason, Timestamp};
use server_kit::audit::{Entry, HeldChain};
use server_kit::fault;
use server_kit::keystore::{KeyStore, SharedKeyStore};
use server_kit::store::{Owner, StepSet, StoreError, Tx};

use super::allow::Allow;
use super::prove::{Claim, prove};
use super::set::{AppSetting, CardSetting};
use crate::feed::{Feed, Feeds};

#[derive(Debug)]
pub(super) enum Step {
    /// Somebody's identity was checked.
    Allow(Allow),
    /// A phone sets a code.
    SetByApp(AppSetting),
    /// A caller sets a code, with a card that its bank has proved, or has not.
    SetByCard(CardSetting),
    /// Somebody says to know a code.
    Prove(Claim),
}

/// What was done.
#[derive(Debug)]
pub(super) enum Done {
    /// Until when the code may be set.
    Allowed(Timestamp),
    Set(Timestamp),
    Proved,
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
    pub(super) payments: &'w domain::payment::Policy,
    pub(super) log: Vec<Entry>,
    pub(super) events: Vec<Arc<Event>>,
}

/// The steps' surroundings.
#[derive(Debug)]
pub(super) struct SafetyCodeSteps {
    pub(super) chain: HeldChain,
    pub(super) owner: Arc<Owner>,
    pub(super) feed: Feed,
    pub(super) keys: SharedKeyStore,
    pub(super) policy: Policy,
    pub(super) payments: domain::payment::Policy,
}

impl Claim {
    async fn apply(&self, work: &mut Work<'_>) -> Result<Result<Done, Reason>, StoreError> {
        let mut feeds = Feeds::load(work.tx, [self.person_id].into()).await?;
        let proved = prove(work.tx, (work.keys, work.policy), &mut feeds, self).await?;
        feeds.write(work.tx).await?;
        work.tx.flush().await?;
        work.log.extend(proved.log);
        work.events.extend(proved.told);
        Ok(proved.answer.map(|()| Done::Proved))
    }
}

impl StepSet for SafetyCodeSteps {
    const NAME: &'static str = "safety-codes-writer";

    type Step = Step;
    type Outcome = Outcome;

    async fn run(&self, tx: &mut Tx, steps: &[Step]) -> Result<Vec<Outcome>, StoreError> {
        self.owner.fence(tx);
        let (log, events) = (Vec::new(), Vec::new());
        let (keys, policy, payments) = (&*self.keys, &self.policy, &self.payments);
        let mut work = Work { tx, keys, policy, payments, log, events };
        let mut outcomes = Vec::with_capacity(steps.len());
        for step in steps {
            let done = match step {
                Step::Allow(allow) => allow.apply(&mut work).await?,
                Step::SetByApp(setting) => setting.apply(&mut work).await?,
                Step::SetByCard(setting) => setting.apply(&mut work).await?,
                Step::Prove(claim) => claim.apply(&mut work).await?,
            };
            outcomes.push(Outcome { done, events: std::mem::take(&mut work.events) });
        }
        let Work { tx, log, .. } = work;
        if !log.is_empty() {
            self.chain.append(tx, log).await?;
        }
        let told: Vec<Arc<Event>> = outcomes.iter().flat_map(|it| &it.events).cloned().collect();
        self.feed.hand_on(tx, &told).await?;
        fault::point("safety_code.before");
        Ok(outcomes)
    }

    fn committed(&self, _: &[Step], outcomes: &[Outcome]) {
        self.chain.confirm();
        fault::point("safety_code.after");
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
