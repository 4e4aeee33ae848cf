//! Errands: what people have done at terminals besides paying (M3). What was opened for a number is activated, and the transaction password
//! is set, changed or reset.
//!
//! A terminal begins an errand, the phone gets a code that is good for it alone, and the terminal brings the code with what else it takes.
//! Passwords travel as PIN blocks under the key of the terminal's PIN pad ([`pin_pad`]); they are opened before the step and are nowhere
//! but in memory. Tries are counted where those of payments are (ADR 32).

mod pin_pad;
mod service;
mod sql;
mod steps;
#[cfg(test)]
mod tests;
mod words;

use std::sync::Arc;

use server_kit::audit::{Chain, HeldChain};
use server_kit::clock::SharedClock;
use server_kit::keystore::SharedKeyStore;
use server_kit::rng::SharedRng;
use server_kit::store::{GroupWriter, Owner, Store, WriterOptions};
use tokio::task::JoinHandle;

use crate::directory::Directory;
use crate::feed::Feed;
use steps::ErrandSteps;

pub(crate) use pin_pad::{PadKey, seal_pad_key};
pub(crate) use words::purpose;

/// What errands work with.
#[derive(Debug)]
pub struct ErrandParts {
    pub store: Store,
    pub keys: SharedKeyStore,
    pub clock: SharedClock,
    /// Makes codes.
    pub rng: SharedRng,
    pub directory: Directory,
    /// What people get their codes by, and are told by what was done.
    pub feed: Feed,
    pub owner: Arc<Owner>,
    /// How codes live, and how wrong tries are counted.
    pub policy: domain::payment::Policy,
    /// How wrong safety codes are counted.
    pub safety: domain::safety_code::Policy,
}

/// The errands of this replica. Cheap to clone; it keeps no state that matters.
#[derive(Clone, Debug)]
pub struct Errands {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Store,
    keys: SharedKeyStore,
    clock: SharedClock,
    rng: SharedRng,
    directory: Directory,
    writer: GroupWriter<ErrandSteps>,
}

impl Errands {
    /// The task is the writer's; it ends when the last clone is gone and all queued steps are durable.
    pub fn start(parts: ErrandParts) -> (Self, JoinHandle<()>) {
        let ErrandParts { store, keys, clock, rng, directory, feed, owner, policy, safety } = parts;
        let chain = HeldChain::from(Chain::new(&format!("{}/errands", owner.name()), keys.clone()));
        let steps = ErrandSteps { chain, owner, feed, keys: keys.clone(), policy, safety };
        let (writer, task) = GroupWriter::start(store.clone(), Arc::new(steps), WriterOptions::default());
        (Self { inner: Arc::new(Inner { store, keys, clock, rng, directory, writer }) }, task)
    }
}

/// Each counts rows that must not exist; for the check of the books.
pub(crate) const CHECKS: [(&str, &str); 4] = [
    (
        "errands are decided and wait for a code, or wait for none and are not decided",
        "SELECT count(*) FROM errands WHERE (state = 'WAITING') <> (code_mac IS NOT NULL) \
         OR (state = 'WAITING') <> (decided_at IS NULL) OR (code_mac IS NULL) <> (code_expires_at IS NULL) \
         OR state = 'REFUSED' AND refusal IS NULL",
    ),
    (
        "people were not told of errands that were done, or were told twice",
        "SELECT count(*) FROM errands a WHERE a.state = 'DONE' AND (SELECT count(*) FROM events e \
         WHERE e.person_id = a.person_id AND e.payment_id = a.errand_id AND e.kind = 'NEWS' AND e.topic = 'SECURITY') <> 1",
    ),
    (
        "codes were sent for errands that are not there",
        "SELECT count(*) FROM events e WHERE e.kind = 'ERRAND_CODE' AND NOT EXISTS \
         (SELECT 1 FROM errands a WHERE a.errand_id = e.payment_id AND a.person_id = e.person_id)",
    ),
    (
        "keys of PIN pads belong to no terminal",
        "SELECT count(*) FROM pin_pads k WHERE NOT EXISTS (SELECT 1 FROM terminals t WHERE t.terminal_id = k.terminal_id)",
    ),
];
