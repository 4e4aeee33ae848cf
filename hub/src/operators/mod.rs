//! Who runs the hub (M9, ADR 31): operators with their roles, acts that wait for a second person, and the way into the console.
//!
//! Every call of operators passes [`Guarded`], which finds the caller's role in the table of `operators` and asks
//! [`domain::operator::Act`] whether it allows the call. A call that no row of [`calls`] names is refused.

mod calls;
mod carry_out;
mod config;
mod console;
mod gate;
mod propose;
mod read;
mod register;
mod secret;
mod service;
mod sql;
mod steps;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod totp;
mod wire;

use std::sync::Arc;

use domain::operator::{Act, ConsolePolicy, Role};
use domain::{OperatorId, Reason};
use server_kit::audit::{Chain, HeldChain};
use server_kit::clock::SharedClock;
use server_kit::keystore::SharedKeyStore;
use server_kit::rng::{IdMaker, SharedRng};
use server_kit::store::{GroupWriter, Owner, Store, StoreError, WriterOptions};
use tokio::task::JoinHandle;

use crate::sign_in::Hasher;
use steps::{Done, OperatorSteps, Step};

pub(crate) use carry_out::AskedFor;
pub use carry_out::carry_out_approved;
pub use config::OperatorsConfig;
pub(crate) use console::ConsoleSession;
pub use gate::Guarded;
pub(crate) use read::log_filter;
pub(crate) use sql::{Kept, Proposed};
pub(crate) use totp::TotpCode;
pub use totp::code as one_time_password;
pub(crate) use wire::{page_size, proposal, proposal_id};

/// What the operators' part works with.
#[derive(Clone, Debug)]
pub struct OperatorParts {
    pub store: Store,
    pub keys: SharedKeyStore,
    pub clock: SharedClock,
    pub rng: SharedRng,
    pub ids: IdMaker,
    pub owner: Arc<Owner>,
    /// The federation in certificates.
    pub federation: String,
    /// Whether dangerous acts wait for a second person.
    pub second_person: bool,
}

/// Who runs the hub. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Operators {
    pub(super) parts: Arc<OperatorParts>,
    policy: ConsolePolicy,
    hasher: Hasher,
    writer: GroupWriter<OperatorSteps>,
}

impl Operators {
    /// The task is the writer's; it ends when the last clone is gone.
    pub fn start(parts: OperatorParts) -> (Self, JoinHandle<()>) {
        let chain = HeldChain::from(Chain::new(&format!("{}/operators", parts.owner.name()), parts.keys.clone()));
        let policy = ConsolePolicy::default();
        let steps = OperatorSteps {
            chain,
            owner: parts.owner.clone(),
            keys: parts.keys.clone(),
            policy,
            second_person: parts.second_person,
        };
        let (writer, task) = GroupWriter::start(parts.store.clone(), Arc::new(steps), WriterOptions::default());
        // Apart from that of people's passwords, so that nobody on the public pages keeps operators out.
        let hasher = Hasher::new(parts.rng.clone());
        (Self { parts: Arc::new(parts), policy, hasher, writer }, task)
    }

    /// Whether dangerous acts wait for a second person.
    pub(crate) fn second_person(&self) -> bool {
        self.parts.second_person
    }

    /// The operator as registered, if they may do this act by role. `Err` with `OperatorUnknown`, `OperatorSuspended` or
    /// `OperatorRoleLacking`.
    pub(crate) async fn allowed(&self, operator: &OperatorId, act: Act) -> Result<Role, Reason> {
        let kept = sql::read_operator(&self.parts.store, operator).await.map_err(|error| machinery(&error))?;
        let kept = kept.ok_or(Reason::OperatorUnknown)?;
        if kept.suspended {
            return Err(Reason::OperatorSuspended);
        }
        act.allowed_to(kept.role)?;
        Ok(kept.role)
    }

    /// Writes into the log that a call was refused.
    pub(crate) async fn note_refused(&self, operator: &str, call: &'static str, reason: Reason) {
        let step = Step::Refused { by: operator.to_owned(), call, reason };
        if let Err(reason) = self.step(step).await {
            tracing::warn!(reason = reason.code(), "a refused call could not be logged");
        }
    }

    async fn step(&self, step: Step) -> Result<Done, Reason> {
        self.writer.write(step).await.map_err(|error| machinery(&error))?
    }
}

/// What whoever asked is told of a fault of ours.
fn machinery(error: &StoreError) -> Reason {
    tracing::error!(error = error as &dyn std::error::Error, "an operator's step could not be stored or read");
    error.reason()
}

/// The same of a part that has nothing to do with the store.
fn fault(error: &dyn std::fmt::Display) -> Reason {
    tracing::error!(%error, "an operator's step has failed");
    Reason::Fault
}
