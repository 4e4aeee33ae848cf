//! Safety codes: by which a person is known who calls or sits at somebody else's PC (F1, F2, F3).
//!
//! A bank or an operator says that somebody's identity was checked, and for a while the person may set the code once ([`allow`]). It is
//! kept as a keyed hash; a try at it is decided and counted in the transaction that uses it ([`prove`]), with the person's row locked, so
//! that replicas count together. Whoever is not known is looked up, compared and logged like everybody else, and refused in the same
//! words (ADR 26).

mod allow;
mod config;
mod federation;
mod operator;
mod phone;
mod prove;
mod set;
mod sql;
mod steps;
#[cfg(test)]
mod tests;
mod words;

use std::sync::Arc;

use domain::safety_code::{Policy, SafetyCode};
use domain::{PersonId, Reason};
use server_kit::audit::{Chain, HeldChain};
use server_kit::clock::SharedClock;
use server_kit::keystore::SharedKeyStore;
use server_kit::store::{GroupWriter, Owner, Store, StoreError, WriterOptions};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::feed::Feed;
use steps::{Done, SafetyCodeSteps, Step};

pub use config::SafetyCodeConfig;
pub(crate) use prove::{Claim, prove};
pub(crate) use set::CardSetting;

/// What safety codes are kept with.
#[derive(Debug)]
pub struct SafetyCodeParts {
    pub store: Store,
    pub keys: SharedKeyStore,
    pub clock: SharedClock,
    pub feed: Feed,
    pub owner: Arc<Owner>,
    pub policy: Policy,
    /// How wrong transaction passwords are counted.
    pub payments: domain::payment::Policy,
}

/// The safety codes of all people. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SafetyCodes {
    store: Store,
    clock: SharedClock,
    writer: GroupWriter<SafetyCodeSteps>,
}

/// Nobody: in whose place whoever is not known is looked up.
pub(crate) const NOBODY: PersonId = PersonId::from_uuid(Uuid::nil());

impl SafetyCodes {
    /// The task is the writer's; it ends when the last clone is gone.
    pub fn start(parts: SafetyCodeParts) -> (Self, JoinHandle<()>) {
        let SafetyCodeParts { store, keys, clock, feed, owner, policy, payments } = parts;
        let chain = HeldChain::from(Chain::new(&format!("{}/safety-codes", owner.name()), keys.clone()));
        let steps = Arc::new(SafetyCodeSteps { chain, owner, feed, keys, policy, payments });
        let (writer, task) = GroupWriter::start(store.clone(), steps, WriterOptions::default());
        (Self { store, clock, writer }, task)
    }

    async fn step(&self, step: Step) -> Result<Result<Done, Reason>, StoreError> {
        Ok(self.writer.write(step).await?.done)
    }

    /// Whether this is the code of the person, [`NOBODY`]'s never; a wrong one is counted. `Err(SafetyCodeRefused)` inside.
    pub(crate) async fn prove(
        &self,
        person_id: PersonId,
        code: SafetyCode,
        by: String,
    ) -> Result<Result<(), Reason>, StoreError> {
        let done = self.step(Step::Prove(Claim { person_id, code, by })).await?;
        Ok(done.map(|_| ()))
    }

    /// Sets a code that was brought with a card that its bank has proved. `Err(SafetyCodeCardRefused)` inside.
    pub(crate) async fn set_by_card(&self, setting: CardSetting) -> Result<Result<(), Reason>, StoreError> {
        let done = self.step(Step::SetByCard(setting)).await?;
        Ok(done.map(|_| ()))
    }
}
