//! The durable steps of those who run the hub. They are seldom, so they run one after the other and share the flush.

use std::sync::Arc;

use domain::Reason;
use domain::operator::ConsolePolicy;
use server_kit::audit::{Entry, HeldChain};
use server_kit::keystore::{KeyStore, SharedKeyStore};
use server_kit::store::{Owner, StepSet, StoreError, Tx};
use uuid::Uuid;

use super::console::{Extend, SetSignIn, SignIn, SignOut};
use super::propose::{CarriedOut, Decide, Propose};
use super::register::{First, Set};
use super::sql::{Kept, Proposed};

#[derive(Debug)]
pub(super) enum Step {
    /// The hub starts with these admins, if it has none.
    First(First),
    /// Somebody is registered, or changed.
    Set(Set),
    /// An act waits for a second person from here on.
    Propose(Propose),
    /// The second person decides.
    Decide(Decide),
    /// What was approved was done, or could not be.
    CarriedOut(CarriedOut),
    /// Somebody sets their own way into the console.
    SetSignIn(SetSignIn),
    /// Somebody says password and one-time password.
    SignIn(SignIn),
    /// A session goes on.
    Extend(Extend),
    SignOut(SignOut),
    /// A call was refused at the gate.
    Refused {
        by: String,
        call: &'static str,
        reason: Reason,
    },
}

/// What was done.
#[derive(Debug)]
pub(super) enum Done {
    Noted,
    Operator(Box<Kept>),
    Proposal(Box<Proposed>),
    SignedIn,
}

/// What a step works with.
pub(super) struct Work<'w> {
    pub(super) tx: &'w mut Tx,
    pub(super) keys: &'w dyn KeyStore,
    pub(super) policy: &'w ConsolePolicy,
    pub(super) second_person: bool,
    pub(super) log: Vec<Entry>,
}

impl Work<'_> {
    /// A line of the log; things that have a slug for a name have the nil id and say their name in `content`.
    pub(super) fn note(&mut self, kind: &'static str, subject: Uuid, content: String) {
        self.log.push(Entry { kind, subject, content });
    }
}

/// The steps' surroundings.
#[derive(Debug)]
pub(super) struct OperatorSteps {
    pub(super) chain: HeldChain,
    pub(super) owner: Arc<Owner>,
    pub(super) keys: SharedKeyStore,
    pub(super) policy: ConsolePolicy,
    pub(super) second_person: bool,
}

impl StepSet for OperatorSteps {
    const NAME: &'static str = "operators-write";

    type Step = Step;
    type Outcome = Result<Done, Reason>;

    async fn run(&self, tx: &mut Tx, steps: &[Step]) -> Result<Vec<Self::Outcome>, StoreError> {
        self.owner.fence(tx);
        let (policy, second_person, log) = (&self.policy, self.second_person, Vec::new());
        let mut work = Work { tx, keys: &*self.keys, policy, second_person, log };
        let mut outcomes = Vec::with_capacity(steps.len());
        for step in steps {
            outcomes.push(match step {
                Step::First(first) => first.apply(&mut work).await.map(Ok)?,
                Step::Set(set) => set.apply(&mut work).await?,
                Step::Propose(propose) => propose.apply(&mut work).await?,
                Step::Decide(decide) => decide.apply(&mut work).await?,
                Step::CarriedOut(carried_out) => carried_out.apply(&mut work).await?,
                Step::SetSignIn(set) => set.apply(&mut work).await?,
                Step::SignIn(sign_in) => sign_in.apply(&mut work).await?,
                Step::Extend(extend) => extend.apply(&mut work).await.map(Ok)?,
                Step::SignOut(out) => out.apply(&mut work).await.map(Ok)?,
                Step::Refused { by, call, reason } => {
                    let content = format!("call={call} reason={} by={by}", reason.code());
                    work.note("CALL_REFUSED", Uuid::nil(), content);
                    Ok(Done::Noted)
                }
            });
            // The next step of the set reads what this one has written.
            work.tx.flush().await?;
        }
        let Work { tx, log, .. } = work;
        if !log.is_empty() {
            self.chain.append(tx, log).await?;
        }
        Ok(outcomes)
    }

    fn committed(&self, _: &[Step], _: &[Self::Outcome]) {
        self.chain.confirm();
    }

    fn dropped(&self, _: &StoreError) {
        self.chain.forget();
    }

    fn wants_upkeep(&self) -> bool {
        self.chain.is_unsealed()
    }

    async fn upkeep(&self, tx: &mut Tx) -> Result<(), StoreError> {
        self.owner.fence(tx);
        self.chain.seal(tx).await
    }
}
