//! The book of links: what came over each, and on which of its days.

use std::sync::Arc;

use domain::network::Totals;
use domain::{Currency, PaymentId, Reason};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use server_kit::audit::{Chain, HeldChain};
use server_kit::clock::SharedClock;
use server_kit::keystore::SharedKeyStore;
use server_kit::store::{GroupWriter, Owner, Store, StoreError, WriterOptions};
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::sql::{self, Compared, Noted};
use super::steps::{NetworkSteps, Step};

/// What is stored of links. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Journal {
    store: Store,
    clock: SharedClock,
    zone: TimeZone,
    writer: GroupWriter<NetworkSteps>,
}

fn machinery(error: &StoreError) -> Reason {
    tracing::error!(error = error as &dyn std::error::Error, "a link's message could not be stored or read");
    error.reason()
}

impl Journal {
    /// The task is the writer's; it ends when the last clone is gone.
    pub(super) fn start(
        (store, owner): (Store, Arc<Owner>),
        keys: SharedKeyStore,
        clock: SharedClock,
        zone: TimeZone,
    ) -> (Self, JoinHandle<()>) {
        let chain = HeldChain::from(Chain::new(&format!("{}/network", owner.name()), keys));
        let steps = NetworkSteps { owner, chain };
        let (writer, task) = GroupWriter::start(store.clone(), Arc::new(steps), WriterOptions::default());
        (Self { store, clock, zone, writer }, task)
    }

    async fn step(&self, step: Step) -> Result<(), Reason> {
        self.writer.write(step).await.map_err(|error| machinery(&error))
    }

    pub(super) async fn note(&self, noted: Noted) -> Result<(), Reason> {
        self.step(Step::Note(Box::new(noted))).await
    }

    pub(super) async fn payment_of(&self, message: Uuid) -> Result<Option<PaymentId>, Reason> {
        sql::payment_of(&self.store, message).await.map_err(|error| machinery(&error))
    }

    /// The day by the clock, for a link that was never cut over.
    pub(super) fn today(&self) -> Result<Date, Reason> {
        sql::today(self.clock.now(), &self.zone).map_err(|error| machinery(&error))
    }

    /// The day on which what comes now counts.
    pub(super) async fn day(&self, link: &str) -> Result<Date, Reason> {
        match sql::day_of_link(&self.store, link).await.map_err(|error| machinery(&error))? {
            Some(day) => Ok(day),
            None => self.today(),
        }
    }

    pub(super) async fn cut_over(&self, link: &str, day: Date) -> Result<(), Reason> {
        self.step(Step::CutOver { link: link.to_owned(), day }).await
    }

    pub(super) async fn totals(&self, link: &str, day: Date, currency: Currency) -> Result<Totals, Reason> {
        sql::totals(&self.store, link, day, currency).await.map_err(|error| machinery(&error))
    }

    pub(super) async fn compared(&self, compared: Compared) -> Result<(), Reason> {
        self.step(Step::Compare(Box::new(compared))).await
    }
}
