//! Signing in without the app (F3, R7): account passwords, the codes that go to the phone, and the sessions of browsers (ADR 28).
//!
//! Nothing here tells whether a number is known. A sign-in of an unknown number is a row like any other, answered before it is looked up
//! whose number it is; in the end every password is hashed, be it of nobody, and whatever was wrong is one refusal.

mod begin;
mod check;
mod config;
mod finish;
mod hasher;
mod secret;
mod session;
mod set;
mod sql;
mod steps;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod words;

use std::sync::Arc;

use domain::Reason;
use domain::payment;
use domain::sign_in::Policy;
use server_kit::audit::{Chain, HeldChain};
use server_kit::clock::SharedClock;
use server_kit::keystore::SharedKeyStore;
use server_kit::rng::{IdMaker, SharedRng};
use server_kit::store::{GroupWriter, Owner, Store, StoreError, WriterOptions};
use tokio::task::JoinHandle;

use crate::feed::Feed;
use steps::{Done, SignInSteps, Step};

pub(crate) use check::CHECKS;
pub use config::SignInConfig;
pub(crate) use hasher::Hasher;
pub use secret::WebToken;
pub use session::WebSession;

/// What signing in works with.
#[derive(Clone, Debug)]
pub struct SignInParts {
    pub store: Store,
    pub keys: SharedKeyStore,
    pub clock: SharedClock,
    pub rng: SharedRng,
    pub ids: IdMaker,
    pub feed: Feed,
    pub owner: Arc<Owner>,
    pub policy: Policy,
    /// How wrong transaction passwords are counted.
    pub payments: payment::Policy,
}

/// How people sign in without the app. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SignIns {
    store: Store,
    keys: SharedKeyStore,
    clock: SharedClock,
    rng: SharedRng,
    ids: IdMaker,
    policy: Arc<Policy>,
    hasher: Hasher,
    writer: GroupWriter<SignInSteps>,
}

impl SignIns {
    /// The task is the writer's; it ends when the last clone is gone.
    pub fn start(parts: SignInParts) -> (Self, JoinHandle<()>) {
        let SignInParts { store, keys, clock, rng, ids, feed, owner, policy, payments } = parts;
        let chain = HeldChain::from(Chain::new(&format!("{}/sign-ins", owner.name()), keys.clone()));
        let policy = Arc::new(policy);
        let steps = SignInSteps { chain, owner, feed, keys: keys.clone(), policy: policy.clone(), payments };
        let (writer, task) = GroupWriter::start(store.clone(), Arc::new(steps), WriterOptions::default());
        let hasher = Hasher::new(rng.clone());
        (Self { store, keys, clock, rng, ids, policy, hasher, writer }, task)
    }

    async fn step(&self, step: Step) -> Result<Done, Reason> {
        self.writer.write(step).await.map_err(|error| machinery(&error))?.done
    }
}

/// What whoever asked is told of a fault of ours.
fn machinery(error: &StoreError) -> Reason {
    tracing::error!(error = error as &dyn std::error::Error, "a sign-in could not be stored or read");
    error.reason()
}

/// The same of a part that has nothing to do with the store.
fn fault(error: &dyn std::fmt::Display) -> Reason {
    tracing::error!(%error, "a sign-in has failed");
    Reason::Fault
}
