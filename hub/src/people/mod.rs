//! Operators look people up (M9, ADR 41): one person at a time, by what is known exactly, for a purpose that is said. Each look-up is counted,
//! written into the log and told to the person in one transaction, before anything is answered.

mod find;
mod sql;
mod steps;
#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;

use domain::operator::PersonLookupPolicy;
use server_kit::audit::{Chain, HeldChain};
use server_kit::keystore::SharedKeyStore;
use server_kit::store::{GroupWriter, Owner, Store, WriterOptions};
use tokio::task::JoinHandle;

use crate::feed::Feed;
use steps::PeopleSteps;

/// What looking people up works with.
#[derive(Clone, Debug)]
pub struct PeopleParts {
    pub store: Store,
    pub keys: SharedKeyStore,
    pub feed: Feed,
    pub owner: Arc<Owner>,
    pub policy: PersonLookupPolicy,
}

/// The people whom operators look up. Cheap to clone.
#[derive(Clone, Debug)]
pub struct People {
    store: Store,
    keys: SharedKeyStore,
    writer: GroupWriter<PeopleSteps>,
}

impl People {
    /// The task is the writer's; it ends when the last clone is gone.
    pub fn start(parts: PeopleParts) -> (Self, JoinHandle<()>) {
        let PeopleParts { store, keys, feed, owner, policy } = parts;
        let chain = HeldChain::from(Chain::new(&format!("{}/people", owner.name()), keys.clone()));
        let steps = PeopleSteps { chain, owner, feed, keys: keys.clone(), policy };
        let (writer, task) = GroupWriter::start(store.clone(), Arc::new(steps), WriterOptions::default());
        (Self { store, keys, writer }, task)
    }
}
