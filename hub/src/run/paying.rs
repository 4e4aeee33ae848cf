//! What payments are decided by, and over what they are charged.

use server_kit::store::WriterOptions;
use tokio_util::sync::CancellationToken;

use super::RunError;
use super::ground::Ground;
use crate::bank::Banks;
use crate::config::{Config, Payments};
use crate::directory::Directory;
use crate::feed::Feed;
use crate::limits::{PaymentLimits, follow_limits};
use crate::network::issuer::{IssuerParts, Issuers};
use crate::payment::{Desk, DeskOptions};

impl Ground {
    /// What may be paid, and whoever looks what other replicas have changed of it.
    pub(super) async fn limits(&mut self, draining: CancellationToken) -> Result<PaymentLimits, RunError> {
        let started = PaymentLimits::start(self.store.clone(), self.keys.clone(), self.owner.clone()).await;
        let (limits, task) = started?;
        self.vital.watch("limits", task);
        self.vital.watch("limits of other replicas", tokio::spawn(follow_limits(limits.clone(), draining)));
        Ok(limits)
    }

    pub(super) fn desk(
        &mut self,
        (config, limits): (&Payments, &PaymentLimits),
        (directory, banks): (&Directory, &Banks),
        feed: &Feed,
    ) -> Desk {
        let (desk, task) = Desk::start(DeskOptions {
            store: self.store.clone(),
            directory: directory.clone(),
            banks: banks.clone(),
            feed: feed.clone(),
            keys: self.keys.clone(),
            rng: self.rng.clone(),
            ids: self.ids.clone(),
            clock: self.clock.clone(),
            policy: config.policy(),
            limits: limits.clone(),
            owner: self.owner.clone(),
            writer: WriterOptions::default(),
            answer_within: config.answer_within.get(),
        });
        self.vital.watch("payment", task);
        desk
    }

    /// The lines to card networks; none unless they are configured.
    pub(super) fn issuers(
        &mut self,
        config: &Config,
        directory: &Directory,
        draining: CancellationToken,
    ) -> Result<Option<Issuers>, RunError> {
        let parts = IssuerParts {
            store: self.store.clone(),
            owner: self.owner.clone(),
            keys: self.keys.clone(),
            clock: self.clock.clone(),
            rng: self.rng.clone(),
            zone: config.records.time_zone.rules().clone(),
            directory: directory.clone(),
            federation: config.federation.clone(),
            tries: config.banks.tries,
        };
        let Some((issuers, tasks)) = Issuers::start(&config.network.issuers, parts, &draining)? else {
            return Ok(None);
        };
        tasks.into_iter().for_each(|(name, task)| self.vital.watch(name, task));
        Ok(Some(issuers))
    }
}
