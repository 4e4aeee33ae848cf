//! Which links' networks charge payments by themselves (M6; ADR 38), and what operators see of links and of the totals of their days.
//!
//! Operators allow it, two together; one suspends it. It is read from the database for each payment, so that it holds at once at every replica.

mod operator;
mod sql;
mod steps;

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::{OperatorId, Reason};
use server_kit::audit::{Chain, HeldChain};
use server_kit::keystore::SharedKeyStore;
use server_kit::store::{GroupWriter, Owner, Store, StoreError, WriterOptions};
use tokio::task::JoinHandle;

pub(crate) use operator::{routing_words, state_words};
use steps::{RoutingSteps, Set};

use super::config::NetworkConfig;

/// Who may route. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Routing {
    store: Store,
    writer: GroupWriter<RoutingSteps>,
    /// Every link that is configured here, and whether it has TLS.
    links: Arc<BTreeMap<String, bool>>,
}

impl Routing {
    /// The task is the writer's; it ends when the last clone is gone.
    pub fn start(
        config: &NetworkConfig,
        store: Store,
        keys: SharedKeyStore,
        owner: Arc<Owner>,
    ) -> (Self, JoinHandle<()>) {
        let chain = HeldChain::from(Chain::new(&format!("{}/routing", owner.name()), keys));
        let steps = Arc::new(RoutingSteps { owner, chain });
        let (writer, task) = GroupWriter::start(store.clone(), steps, WriterOptions::default());
        let links = config.links.iter().map(|(id, link)| (id.clone(), link.tls.is_some())).collect();
        (Self { store, writer, links: Arc::new(links) }, task)
    }

    /// Whether a link's network is told cards at this moment. Without TLS it never is, whatever was allowed before.
    pub(super) async fn is_allowed(&self, link: &str) -> Result<bool, StoreError> {
        match self.links.get(link) {
            Some(true) => sql::is_allowed(&self.store, link).await,
            _ => Ok(false),
        }
    }

    /// Lets a link route, or not any more. `Err` with `LinkUnknown` or `RoutingNeedsTls`.
    async fn set(&self, by: OperatorId, link: &str, allowed: bool) -> Result<(), Reason> {
        match (self.links.get(link), allowed) {
            // What is not configured any more can still be suspended.
            (_, false) => {}
            (None, true) => return Err(Reason::LinkUnknown),
            (Some(false), true) => return Err(Reason::RoutingNeedsTls),
            (Some(true), true) => {}
        }
        let step = Set { link: link.to_owned(), allowed, by, is_known: self.links.contains_key(link) };
        self.writer.write(step).await.map_err(|error| error.reason())?
    }
}

#[cfg(test)]
mod tests;
