//! From a configuration to a connector that runs.

use std::sync::Arc;

use server_kit::clock::SharedClock;
use server_kit::keystore::SharedKeyStore;
use server_kit::rng::{IdMaker, SharedRng};
use server_kit::store::{Owner, Store};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::config::{CreditSystemConfig, CreditSystemError};
use super::existing::{CardNumbers, ExistingCreditSystem, ExistingParts};
use super::forward::{self, ForwardParts, PinBook};
use super::link::{Link, Started};
use crate::hsm::Hsm;

/// What a connector finds in a node.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// As in the certificates of the federation.
    pub federation: String,
    pub store: Store,
    /// The right to write the ledger.
    pub owner: Arc<Owner>,
    pub hsm: Arc<dyn Hsm>,
    pub keys: SharedKeyStore,
    pub clock: SharedClock,
    pub rng: SharedRng,
    pub ids: IdMaker,
    pub cards: Arc<dyn CardNumbers>,
    pub pins: Arc<dyn PinBook>,
}

/// A connector that runs until it is told to stop.
#[derive(Debug)]
pub struct Connector {
    pub system: ExistingCreditSystem,
    /// Tasks that the node cannot do without, by name. They end after `stop`, when `system` is gone.
    pub tasks: Vec<(&'static str, JoinHandle<()>)>,
}

impl Connector {
    /// Starts the line and the workers. Nothing is waited for: the credit system may be away.
    pub fn start(
        config: &CreditSystemConfig,
        surroundings: Surroundings,
        stop: &CancellationToken,
    ) -> Result<Self, CreditSystemError> {
        let Surroundings { federation, store, owner, hsm, keys, clock, rng, ids, cards, pins } = surroundings;
        let zone = config.zone()?;
        let parts = config.link(&federation, hsm.clone(), clock.clone(), rng.clone())?;
        let Started { link, late, task } = Link::start(parts, stop.clone());
        let system = ExistingCreditSystem::new(ExistingParts { link, cards, hsm, zone, keys, ids });
        let options = config.forward_options();
        let parts = ForwardParts { system: system.clone(), store, owner, clock, rng, pins, late, options };
        let mut tasks = forward::start(parts, stop.clone());
        tasks.push(("credit-line", task));
        Ok(Self { system, tasks })
    }
}
