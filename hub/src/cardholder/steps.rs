//! What phones write, in sets: the decision, the rows and the line in the log are one transaction (M8).

use std::sync::Arc;

use domain::feed::Event;
use domain::{PersonId, Reason, enrolment, payment};
use server_kit::audit::{Chain, Entry, HeldChain};
use server_kit::keystore::SharedKeyStore;
use server_kit::store::{StepSet, StoreError, Tx};

use super::asking_code::AskedCode;
use super::enrol::Enrol;
use super::marks::Batch;
use super::session::OpenSession;
use super::{CardholderParts, sql};
use crate::directory::Directory;
use crate::feed::Feed;
use crate::notify::Notices;

#[derive(Debug)]
pub(super) enum Step {
    Enrol(Enrol),
    /// Somebody wants an enrolment code sent.
    AskCode(AskedCode),
    Open(OpenSession),
    /// Acknowledgements and sessions that go on, gathered.
    Mark(Batch),
    /// Deletes what has ended.
    Tidy,
}

/// How a step went.
#[derive(Debug)]
pub(super) enum Done {
    /// The phone is bound to this person, who was told of it so.
    Enrolled(PersonId, Option<Arc<Event>>),
    /// A code is on its way, or none.
    Asked,
    /// The session is open.
    Opened,
    /// The highest sequence that each phone of the batch has acknowledged, in its order.
    Marked(Vec<Result<i64, Reason>>),
    Tidied,
}

/// The writer's side.
pub(super) struct Phones {
    chain: HeldChain,
    keys: SharedKeyStore,
    with: With,
}

/// What phones' steps need beside their own rows.
pub(super) struct With {
    pub(super) directory: Directory,
    pub(super) feed: Feed,
    pub(super) notices: Notices,
    pub(super) codes: enrolment::Policy,
    /// How wrong transaction passwords are counted.
    pub(super) payments: payment::Policy,
}

impl With {
    pub(super) fn of(parts: &CardholderParts) -> Self {
        Self {
            directory: parts.directory.clone(),
            feed: parts.feed.clone(),
            notices: parts.notices.clone(),
            codes: parts.codes.clone(),
            payments: parts.payments.clone(),
        }
    }
}

impl Phones {
    pub(super) fn new(chain: Chain, keys: SharedKeyStore, with: With) -> Self {
        Self { chain: chain.into(), keys, with }
    }
}

impl StepSet for Phones {
    const NAME: &'static str = "phones-writer";

    type Step = Step;
    type Outcome = Result<Done, Reason>;

    // A phone enrols once and opens a session now and then, so those steps run one after the other and share the
    // flush; the marks, which come with every event, are a set of their own.
    async fn run(&self, tx: &mut Tx, steps: &[Step]) -> Result<Vec<Self::Outcome>, StoreError> {
        let mut log: Vec<Entry> = Vec::new();
        let mut outcomes = Vec::with_capacity(steps.len());
        for step in steps {
            outcomes.push(match step {
                Step::Enrol(enrol) => enrol.apply(tx, &mut log, (&*self.keys, &self.with.payments)).await?,
                Step::AskCode(asked) => {
                    let with = (&*self.keys, &self.with.codes, &self.with.notices);
                    Ok(asked.apply(tx, &mut log, with).await?)
                }
                Step::Open(open) => open.apply(tx, &mut log).await?,
                Step::Mark(batch) => Ok(Done::Marked(batch.apply(tx).await?)),
                Step::Tidy => {
                    sql::delete_ended(tx).await?;
                    Ok(Done::Tidied)
                }
            });
        }
        if !log.is_empty() {
            self.chain.append(tx, log).await?;
        }
        let told: Vec<Arc<Event>> = told(&outcomes).collect();
        self.with.feed.hand_on(tx, &told).await?;
        Ok(outcomes)
    }

    // The writer calls these between two sets, when nobody holds the chain.
    fn committed(&self, _: &[Step], outcomes: &[Self::Outcome]) {
        for outcome in outcomes {
            match outcome {
                // The payment path must see the password that has just been chosen.
                Ok(Done::Enrolled(person_id, _)) => self.with.directory.forget_payer(*person_id),
                Ok(Done::Asked) => self.with.notices.wake(),
                _ => {}
            }
        }
        self.chain.confirm();
        self.with.feed.publish(&told(outcomes).collect::<Vec<_>>());
    }

    fn recovered(&self) {
        self.with.feed.wake_all();
    }

    fn dropped(&self, _: &StoreError) {
        self.chain.forget();
    }

    fn wants_upkeep(&self) -> bool {
        self.chain.is_unsealed()
    }

    async fn upkeep(&self, tx: &mut Tx) -> Result<(), StoreError> {
        self.chain.seal(tx).await
    }
}

/// What the people of a set are told.
fn told(outcomes: &[Result<Done, Reason>]) -> impl Iterator<Item = Arc<Event>> {
    outcomes.iter().filter_map(|outcome| match outcome {
        Ok(Done::Enrolled(_, event)) => event.clone(),
        _ => None,
    })
}
