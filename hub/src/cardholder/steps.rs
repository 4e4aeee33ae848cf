//! What phones write, in sets: the decision, the rows and the line in the log are one transaction (M8).

use domain::Reason;
use server_kit::audit::{Chain, Entry, HeldChain};
use server_kit::keystore::SharedKeyStore;
use server_kit::store::{StepSet, StoreError, Tx};

use super::enrol::Enrol;
use super::marks::Batch;
use super::session::OpenSession;
use super::sql;
use crate::directory::Directory;

#[derive(Debug)]
pub(super) enum Step {
    Enrol(Enrol),
    Open(OpenSession),
    /// Acknowledgements and sessions that go on, gathered.
    Mark(Batch),
    /// Deletes what has ended.
    Tidy,
}

/// How a step went.
#[derive(Debug)]
pub(super) enum Done {
    /// The phone is bound to this person.
    Enrolled(domain::PersonId),
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
    directory: Directory,
}

impl Phones {
    pub(super) fn new(chain: Chain, keys: SharedKeyStore, directory: Directory) -> Self {
        Self { chain: chain.into(), keys, directory }
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
                Step::Enrol(enrol) => enrol.apply(tx, &mut log, &*self.keys).await?,
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
        Ok(outcomes)
    }

    // The writer calls these between two sets, when nobody holds the chain.
    fn committed(&self, _: &[Step], outcomes: &[Self::Outcome]) {
        for outcome in outcomes {
            if let Ok(Done::Enrolled(person_id)) = outcome {
                // The payment path must see the password that has just been chosen.
                self.directory.forget_payer(*person_id);
            }
        }
        self.chain.confirm();
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
