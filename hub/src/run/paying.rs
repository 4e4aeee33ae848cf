//! What payments are decided by, and over what they are charged.

use server_kit::store::WriterOptions;
use server_kit::tls::ClientTls;
use tokio_util::sync::CancellationToken;

use super::RunError;
use super::ground::Ground;
use crate::bank::{Banks, LinkOptions};
use crate::config::{Config, Payments};
use crate::directory::Directory;
use crate::feed::Feed;
use crate::fees::{FeeParts, Fees, follow_fees};
use crate::limits::{PaymentLimits, follow_limits};
use crate::network::Routing;
use crate::network::issuer::{IssuerParts, Issuers};
use crate::payment::{Desk, DeskOptions, keep_standing, sweep};

/// What is agreed about payments, beside what each of them says.
pub(super) struct Terms {
    pub(super) limits: PaymentLimits,
    pub(super) fees: Fees,
    pub(super) routing: Routing,
}

impl Ground {
    pub(super) async fn terms(&mut self, config: &Config, draining: CancellationToken) -> Result<Terms, RunError> {
        Ok(Terms {
            limits: self.limits(draining.clone()).await?,
            fees: self.fees(config, draining).await?,
            routing: self.routing(config),
        })
    }

    /// What may be paid, and whoever looks what other replicas have changed of it.
    async fn limits(&mut self, draining: CancellationToken) -> Result<PaymentLimits, RunError> {
        let started = PaymentLimits::start(self.store.clone(), self.keys.clone(), self.owner.clone()).await;
        let (limits, task) = started?;
        self.vital.watch("limits", task);
        self.vital.watch("limits of other replicas", tokio::spawn(follow_limits(limits.clone(), draining)));
        Ok(limits)
    }

    /// What merchants are charged, and whoever looks what other replicas have changed of it.
    async fn fees(&mut self, config: &Config, draining: CancellationToken) -> Result<Fees, RunError> {
        let parts = FeeParts {
            store: self.store.clone(),
            keys: self.keys.clone(),
            clock: self.clock.clone(),
            owner: self.owner.clone(),
            zone: config.records.time_zone.rules().clone(),
        };
        let (fees, task) = Fees::start(parts).await?;
        self.vital.watch("fees", task);
        self.vital.watch("fees of other replicas", tokio::spawn(follow_fees(fees.clone(), draining)));
        Ok(fees)
    }

    /// Which links' networks charge by themselves.
    fn routing(&mut self, config: &Config) -> Routing {
        let (keys, owner) = (self.keys.clone(), self.owner.clone());
        let (routing, task) = Routing::start(&config.network, self.store.clone(), keys, owner);
        self.vital.watch("routing", task);
        routing
    }

    pub(super) fn desk(
        &mut self,
        (config, terms): (&Payments, &Terms),
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
            limits: terms.limits.clone(),
            fees: terms.fees.clone(),
            owner: self.owner.clone(),
            writer: WriterOptions::default(),
            answer_within: config.answer_within.get(),
        });
        self.vital.watch("payment", task);
        desk
    }

    /// The banks, by their adapters and over card networks.
    pub(super) fn banks(
        &mut self,
        config: &Config,
        directory: &Directory,
        client_tls: ClientTls,
        draining: CancellationToken,
    ) -> Result<Banks, RunError> {
        let link = LinkOptions { timeout: config.banks.timeout.get(), tries: config.banks.tries };
        let issuers = self.issuers(config, directory, draining)?;
        Ok(Banks::new(directory.clone(), client_tls, link).over_networks(issuers))
    }

    /// Takes up what was left, and tells how payments stand.
    pub(super) fn look_after_payments(&mut self, config: &Payments, desk: &Desk, draining: CancellationToken) {
        let sweeper = tokio::spawn(sweep(desk.clone(), config.sweep_every.get(), draining.clone()));
        self.vital.watch("sweeper", sweeper);
        self.vital.watch("standing", tokio::spawn(keep_standing(desk.clone(), draining)));
    }

    /// The lines to card networks; none unless they are configured.
    fn issuers(
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
