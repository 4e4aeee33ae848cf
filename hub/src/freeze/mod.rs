//! People freeze what they pay with and set it free (F3, F4): one operation for all channels.
//!
//! An order is durable here before anybody is told, and from then on nothing goes out through the hub: it stands in the payer's row, in
//! which every payment looks when it begins, when its code is handed in, and when it is committed. Then the bank is told, at once and
//! again until it confirms; what it has confirmed, with its signature, is kept.

mod answer;
mod order;
mod phone;
mod sql;
mod steps;
mod tell;
#[cfg(test)]
mod tests;
mod wire;
mod words;

use std::sync::Arc;

use domain::payment::Policy;
use server_kit::audit::{Chain, HeldChain};
use server_kit::clock::SharedClock;
use server_kit::keystore::SharedKeyStore;
use server_kit::store::{GroupWriter, Owner, Store, WriterOptions};
use tokio::task::JoinHandle;

use crate::bank::Banks;
use crate::feed::Feed;
use steps::FreezeSteps;

pub(crate) use sql::{check_marks, count_tries, load_guard};
pub use tell::tell_banks;

/// What freezing works with.
#[derive(Debug)]
pub struct FreezeParts {
    pub store: Store,
    pub keys: SharedKeyStore,
    pub clock: SharedClock,
    pub banks: Banks,
    pub feed: Feed,
    pub owner: Arc<Owner>,
    /// How wrong passwords are counted.
    pub policy: Policy,
}

/// What people have frozen. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Freezes {
    store: Store,
    clock: SharedClock,
    banks: Banks,
    writer: GroupWriter<FreezeSteps>,
}

impl Freezes {
    /// The task is the writer's; it ends when the last clone is gone.
    pub fn start(parts: FreezeParts) -> (Self, JoinHandle<()>) {
        let FreezeParts { store, keys, clock, banks, feed, owner, policy } = parts;
        let chain = HeldChain::from(Chain::new(&format!("{}/freezes", owner.name()), keys.clone()));
        let steps = Arc::new(FreezeSteps { chain, owner, feed, keys, policy });
        let (writer, task) = GroupWriter::start(store.clone(), steps, WriterOptions::default());
        (Self { store, clock, banks, writer }, task)
    }
}
