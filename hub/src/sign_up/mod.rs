//! Sign-ups through mobile carriers (M1, M2), and what carriers say of numbers (M5).
//!
//! A sign-up is a row that says what is to be done next (ADR 29). `steps` are the durable ones, each one transaction: `ask` takes one in, `open` chooses
//! its bank and binds what the bank has opened, `tell` lets everybody know. `carry` takes it from one to the next by asking the bank, and
//! does for whatever a lost answer or a killed process left behind. `report` is what a carrier's word does to a number; `service` and
//! `operator` are the calls.

mod ask;
mod carriers;
mod carry;
mod number_sql;
mod open;
mod operator;
mod report;
mod sealed;
mod service;
mod sql;
mod steps;
mod tell;
#[cfg(test)]
mod tests;
mod wire;
mod words;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use domain::{Reason, SignUpId};
use server_kit::audit::{Chain, HeldChain};
use server_kit::clock::SharedClock;
use server_kit::keystore::SharedKeyStore;
use server_kit::rng::IdMaker;
use server_kit::store::{GroupWriter, Owner, Store, StoreError, WriterOptions};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;

use crate::bank::Banks;
use crate::directory::Directory;
use crate::feed::Feed;
use crate::lookups::Lookups;
use crate::zone::Zone;
use steps::{Done, SignUpSteps, Step};

pub(crate) use carry::carry_on;
pub(crate) use operator::check_carrier;
pub(crate) use sealed::phone_of;
pub(crate) use service::CarrierApi;
pub(crate) use sql::CHECKS;

/// Sign-ups that are carried at once by a replica. What finds no place comes back with the sweeper.
const MOST_CARRIED: usize = 64;

/// What sign-ups work with.
#[derive(Debug)]
pub struct SignUpParts {
    pub store: Store,
    pub keys: SharedKeyStore,
    pub clock: SharedClock,
    /// Makes the ids of people and of accounts.
    pub ids: IdMaker,
    pub directory: Directory,
    pub banks: Banks,
    /// What people are told by.
    pub feed: Feed,
    pub owner: Arc<Owner>,
    /// By which the day is told on which nobody is born yet.
    pub zone: Zone,
}

/// The sign-ups of this replica. Cheap to clone; it keeps no state that matters.
#[derive(Clone, Debug)]
pub struct SignUps {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Store,
    keys: SharedKeyStore,
    clock: SharedClock,
    ids: IdMaker,
    banks: Banks,
    zone: Zone,
    writer: GroupWriter<SignUpSteps>,
    /// Those about which this replica is asking banks, so that the sweeper does not ask twice at once.
    busy: Mutex<HashSet<SignUpId>>,
    places: Arc<Semaphore>,
    /// How much carriers may find out about whose a number is.
    lookups: Lookups,
    /// Rings when a sign-up was decided here.
    decided: Arc<Notify>,
}

impl SignUps {
    /// The task is the writer's; it ends when the last clone is gone and all queued steps are durable.
    pub fn start(parts: SignUpParts) -> (Self, JoinHandle<()>) {
        let SignUpParts { store, keys, clock, ids, directory, banks, feed, owner, zone } = parts;
        let chain = HeldChain::from(Chain::new(&format!("{}/sign-ups", owner.name()), keys.clone()));
        let decided = Arc::new(Notify::new());
        let lookups = directory.lookups().clone();
        let steps = SignUpSteps { chain, owner, feed, keys: keys.clone(), directory, decided: decided.clone() };
        let (writer, task) = GroupWriter::start(store.clone(), Arc::new(steps), WriterOptions::default());
        let places = Arc::new(Semaphore::new(MOST_CARRIED));
        let inner =
            Inner { store, keys, clock, ids, banks, zone, writer, busy: Mutex::default(), places, lookups, decided };
        (Self { inner: Arc::new(inner) }, task)
    }

    async fn step(&self, step: Step) -> Result<Result<Done, Reason>, StoreError> {
        Ok(self.inner.writer.write(step).await?.done)
    }
}
