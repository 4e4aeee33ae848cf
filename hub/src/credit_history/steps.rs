//! The durable steps of credit history. A person gives a consent now and then and a bank asks now and then, so they run one after
//! the other and share the flush.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::feed::{Event, News};
use domain::{PersonId, Reason};
use jiff::tz::TimeZone;
use server_kit::audit::{Entry, HeldChain};
use server_kit::fault;
use server_kit::keystore::{KeyStore, SharedKeyStore};
use server_kit::store::{Owner, StepSet, StoreError, Tx};

use super::consent::{Give, Revoke};
use super::inquire::{Answered, Inquire};
use super::sql::StoredConsent;
use super::sweep::sweep_once;
use crate::feed::{Feed, Feeds};

#[derive(Debug)]
pub(super) enum Step {
    Give(Give),
    Revoke(Revoke),
    Inquire(Inquire),
    /// Removes some of what may be kept no longer.
    Sweep,
}

/// What was done.
#[derive(Debug)]
pub(super) enum Done {
    Consent(StoredConsent),
    Answered(Answered),
    /// Whether there is more to remove.
    Swept(bool),
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
    pub(super) zone: &'w TimeZone,
    pub(super) habits_floor: i64,
    pub(super) log: Vec<Entry>,
    events: Vec<Arc<Event>>,
}

impl Work<'_> {
    /// The feed of a person, locked.
    pub(super) async fn feed(&mut self, person_id: PersonId) -> Result<Feeds, StoreError> {
        Feeds::load(self.tx, BTreeSet::from([person_id])).await
    }

    /// Tells a person news.
    pub(super) async fn tell(&mut self, mut feed: Feeds, person_id: PersonId, news: News) -> Result<(), StoreError> {
        self.events.extend(feed.tell_news(person_id, news, self.tx.now()));
        feed.write(self.tx).await
    }
}

/// The steps' surroundings.
#[derive(Debug)]
pub(super) struct HistorySteps {
    pub(super) chain: HeldChain,
    pub(super) keys: SharedKeyStore,
    pub(super) owner: Arc<Owner>,
    pub(super) feed: Feed,
    pub(super) zone: TimeZone,
    pub(super) habits_floor: i64,
}

impl StepSet for HistorySteps {
    const NAME: &'static str = "history-writer";

    type Step = Step;
    type Outcome = Outcome;

    async fn run(&self, tx: &mut Tx, steps: &[Step]) -> Result<Vec<Outcome>, StoreError> {
        self.owner.fence(tx);
        let (keys, zone, habits_floor) = (&*self.keys, &self.zone, self.habits_floor);
        let mut work = Work { tx, keys, zone, habits_floor, log: Vec::new(), events: Vec::new() };
        let mut outcomes = Vec::with_capacity(steps.len());
        for step in steps {
            let done = match step {
                Step::Give(give) => give.apply(&mut work).await?.map(Done::Consent),
                Step::Revoke(revoke) => revoke.apply(&mut work).await?.map(Done::Consent),
                Step::Inquire(inquire) => inquire.apply(&mut work).await?.map(Done::Answered),
                Step::Sweep => sweep_once(&mut work).await?.map(Done::Swept),
            };
            outcomes.push(Outcome { done, events: std::mem::take(&mut work.events) });
        }
        let Work { tx, log, .. } = work;
        self.chain.append(tx, log).await?;
        let told: Vec<Arc<Event>> = outcomes.iter().flat_map(|it| &it.events).cloned().collect();
        self.feed.hand_on(tx, &told).await?;
        if is_asked(steps) {
            fault::point("I1.before");
        }
        Ok(outcomes)
    }

    fn committed(&self, steps: &[Step], outcomes: &[Outcome]) {
        self.chain.confirm();
        if is_asked(steps) {
            fault::point("I1.after");
        }
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

/// Whether somebody waits for one of these, and not the sweeper alone.
fn is_asked(steps: &[Step]) -> bool {
    steps.iter().any(|step| !matches!(step, Step::Sweep))
}
