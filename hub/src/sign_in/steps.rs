//! The durable steps of signing in. They are seldom, so they run one after the other and share the flush.

use std::sync::Arc;

use domain::feed::Event;
use domain::sign_in::Policy;
use domain::{PersonId, Reason, payment};
use server_kit::audit::{Entry, HeldChain};
use server_kit::fault;
use server_kit::keystore::{KeyStore, SharedKeyStore};
use server_kit::store::{Owner, StepSet, StoreError, Tx};

use super::begin::{Begin, SendCode};
use super::finish::Finish;
use super::session::{Extend, SignOut};
use super::set::SetPassword;
use super::sql;
use crate::feed::Feed;

#[derive(Debug)]
pub(super) enum Step {
    /// A phone's owner wants another account password.
    Set(SetPassword),
    /// Somebody says a number.
    Begin(Begin),
    /// A code goes out, if there is anybody to get it.
    Send(SendCode),
    /// Somebody says code and password.
    Finish(Finish),
    /// A session goes on.
    Extend(Extend),
    SignOut(SignOut),
}

/// What was done.
#[derive(Debug)]
pub(super) enum Done {
    Noted,
    SignedIn(PersonId),
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
    pub(super) payments: &'w payment::Policy,
    pub(super) log: Vec<Entry>,
    pub(super) events: Vec<Arc<Event>>,
}

/// The steps' surroundings.
#[derive(Debug)]
pub(super) struct SignInSteps {
    pub(super) chain: HeldChain,
    pub(super) owner: Arc<Owner>,
    pub(super) feed: Feed,
    pub(super) keys: SharedKeyStore,
    pub(super) policy: Arc<Policy>,
    pub(super) payments: payment::Policy,
}

impl StepSet for SignInSteps {
    const NAME: &'static str = "sign-ins-writer";

    type Step = Step;
    type Outcome = Outcome;

    async fn run(&self, tx: &mut Tx, steps: &[Step]) -> Result<Vec<Outcome>, StoreError> {
        self.owner.fence(tx);
        let (log, events) = (Vec::new(), Vec::new());
        let (policy, payments) = (&*self.policy, &self.payments);
        let mut work = Work { tx, keys: &*self.keys, policy, payments, log, events };
        let mut outcomes = Vec::with_capacity(steps.len());
        // What has ended goes with what begins, so that the tables stay as small as what goes on.
        if steps.iter().any(|step| matches!(step, Step::Begin(_))) {
            sql::delete_ended(work.tx).await?;
        }
        for step in steps {
            let done = match step {
                Step::Set(set) => set.apply(&mut work).await?,
                Step::Begin(begin) => begin.apply(&mut work).await.map(Ok)?,
                Step::Send(send) => send.apply(&mut work).await.map(Ok)?,
                Step::Finish(finish) => finish.apply(&mut work).await?,
                Step::Extend(extend) => extend.apply(&mut work).await.map(Ok)?,
                Step::SignOut(out) => out.apply(&mut work).await.map(Ok)?,
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
        Step::Set(_) => Some(["sign_in.set.before", "sign_in.set.after"]),
        Step::Send(_) => Some(["sign_in.send.before", "sign_in.send.after"]),
        Step::Finish(_) => Some(["sign_in.finish.before", "sign_in.finish.after"]),
        // What begins, lives on or ends without a code is asked for again by whoever got no answer.
        Step::Begin(_) | Step::Extend(_) | Step::SignOut(_) => None,
    })
}
