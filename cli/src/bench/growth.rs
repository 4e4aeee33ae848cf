//! What growth costs: two federations that differ in what they have stored, measured in turn.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bank_adapter::ledger::fill as bank;
use domain::{BankId, Timestamp};
use hub::payment::fill as hub_fill;
use proto::cardholder::Purchase;
use server_kit::clock::{Clock as _, Stopwatch, SystemClock};
use server_kit::config::ConfigError;
use server_kit::keystore::SharedKeyStore;
use server_kit::rng::IdMaker;
use server_kit::store::{Store, StoreError};

use super::past::{Plan, PlanError, leg_of};
use super::payments::{Means, PayError, Payer};
use super::postgres::{self, PostgresError};
use super::rounds::median;
use super::scene::Scene;
use super::{BenchOptions, WARM_UP};
use crate::doctor::{DoctorError, Files, ServerKind};
use crate::phone::PhoneError;
use crate::trial::{Federation, Kind, Server, TrialError, bank_id};

/// What the past of every bench is made up from.
const SEED: u64 = 20_260_401;
/// Payments of one transaction: more would be quicker to store, and make pages of the log that no hub would make.
const SET: usize = 250;
/// Purchases of a page.
const PAGE: i32 = 50;
/// People whose pages are read, and how often all in all.
const READERS: usize = 8;
const READS: usize = 400;
/// How often each federation is measured.
const ROUNDS: usize = 5;
/// Rounds of a second in which the readers may pay until each has a full page.
const MOST_ROUNDS: usize = 60;

/// Why the growth could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum GrowthError {
    #[error(transparent)]
    Trial(#[from] TrialError),
    #[error(transparent)]
    Pay(#[from] PayError),
    #[error(transparent)]
    Phone(#[from] PhoneError),
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Doctor(#[from] DoctorError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    #[error("the keys of {server}: {detail}")]
    Keys { server: String, detail: String },
    #[error("after {MOST_ROUNDS} seconds a person still has fewer than {PAGE} payments")]
    ShortPage,
    #[error("the filled databases do not pass: {0}")]
    Unsound(String),
}

/// What was measured without and with a past.
#[derive(Clone, Debug)]
pub struct Growth {
    pub stored: u64,
    pub filled_in: Duration,
    pub without: Figures,
    pub with: Figures,
    /// The payments a second with the past as a share of those without it: the median of the rounds.
    pub payments_ratio: f64,
}

/// What is compared.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    /// The median of the rounds.
    pub payments_per_second: f64,
    /// One page of a person's payments, as the phone waits for it: the median.
    pub page: Duration,
}

impl Growth {
    /// The time of a page with the past as a multiple of that without it.
    pub fn page_ratio(&self) -> f64 {
        self.with.page.as_secs_f64() / self.without.page.as_secs_f64()
    }
}

/// Stops a federation, fills a past in, and starts it again on the same databases. Says how long the filling took.
pub async fn grow(scene: &mut Scene, stored: u64) -> Result<Duration, GrowthError> {
    scene.federation.stop().await?;
    let watch = Stopwatch::start();
    fill(scene, stored).await?;
    let filled_in = watch.elapsed();
    scene.federation.start_again().await?;
    Ok(filled_in)
}

/// Measures both federations in turn, so that whatever else the machine does meanwhile slows one as much as the other.
pub async fn compare(
    without: &mut Scene,
    with: &mut Scene,
    options: &BenchOptions,
    filled_in: Duration,
) -> Result<Growth, GrowthError> {
    for scene in [&mut *without, &mut *with] {
        for payer in &scene.payers {
            // A session that has ended while the past was filled in is opened again.
            payer.phone.payments(1, "").await?;
        }
        scene.pay(Means::Phone, WARM_UP).await?;
    }
    let (mut before, mut after, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        // Each goes first as often as the other, or nearly.
        let (empty, full) = if round % 2 == 0 {
            let empty = rate(without, options.span).await?;
            (empty, rate(with, options.span).await?)
        } else {
            let full = rate(with, options.span).await?;
            (rate(without, options.span).await?, full)
        };
        before.push(empty);
        after.push(full);
        ratios.push(full / empty);
    }
    fill_first_pages(without).await?;
    fill_first_pages(with).await?;
    let (short, long) = pages(&without.payers, &with.payers).await?;
    Ok(Growth {
        stored: options.stored,
        filled_in,
        without: Figures { payments_per_second: median(before), page: short },
        with: Figures { payments_per_second: median(after), page: long },
        payments_ratio: median(ratios),
    })
}

async fn rate(scene: &mut Scene, span: Duration) -> Result<f64, GrowthError> {
    let (seen, elapsed) = scene.pay(Means::Phone, span).await?;
    Ok(seen.per_second(elapsed))
}

/// Has people pay until the first page of each reader is full of what was paid in the bench, so that the pages of both
/// federations say as much.
async fn fill_first_pages(scene: &mut Scene) -> Result<(), GrowthError> {
    let past = past_ends();
    let is_of_the_bench =
        |purchase: &Purchase| purchase.occurred_at.as_ref().is_some_and(|at| proto::from_timestamp(at) > past);
    for _ in 0..MOST_ROUNDS {
        let mut all_full = true;
        for reader in scene.payers.iter().take(READERS) {
            let page = reader.phone.payments(PAGE, "").await?.purchases;
            all_full &= page.len() == PAGE as usize && page.iter().all(is_of_the_bench);
        }
        if all_full {
            return Ok(());
        }
        scene.pay(Means::Phone, Duration::from_secs(1)).await?;
    }
    Err(GrowthError::ShortPage)
}

/// The median time of a reader's first page, one call at a time, at each federation in turn.
async fn pages(without: &[Payer], with: &[Payer]) -> Result<(Duration, Duration), GrowthError> {
    let (mut short, mut long) = (Vec::with_capacity(READS), Vec::with_capacity(READS));
    let readers = without.iter().zip(with).take(READERS);
    for (one, other) in readers.cycle().take(READS) {
        for (reader, times) in [(one, &mut short), (other, &mut long)] {
            let watch = Stopwatch::start();
            reader.phone.payments(PAGE, "").await?;
            times.push(watch.elapsed().as_secs_f64());
        }
    }
    Ok((Duration::from_secs_f64(median(short)), Duration::from_secs_f64(median(long))))
}

/// The past ends a day before it is filled in, so that it lies before all that is paid for the measurements.
fn past_ends() -> Timestamp {
    SystemClock.now().minus(Duration::from_secs(24 * 60 * 60))
}

/// The databases of a federation that stands still.
struct Stores {
    hub: Store,
    hub_past: hub_fill::Past,
    banks: BTreeMap<BankId, (Store, bank::Past)>,
}

impl Stores {
    async fn open(federation: &Federation, ids: &IdMaker) -> Result<Self, GrowthError> {
        let mut banks = BTreeMap::new();
        for server in federation.servers().filter(|server| server.kind() == Kind::Adapter) {
            let (store, keys) = open(server).await?;
            let bank_id = bank_id(server.name())?;
            let past = bank::Past::open(&store, &bank_id, keys, ids).await?;
            banks.insert(bank_id, (store, past));
        }
        let (hub, keys) = open(federation.first_hub()?).await?;
        Ok(Self { hub_past: hub_fill::Past::new(&hub, keys), hub, banks })
    }

    async fn close(mut self) -> Result<(), GrowthError> {
        self.hub_past.seal().await?;
        self.hub.close().await;
        for (store, mut past) in self.banks.into_values() {
            past.seal().await?;
            drop(past);
            store.close().await;
        }
        Ok(())
    }
}

/// What kind of server the doctor is to take it for.
pub(super) fn kind_of(server: &Server) -> ServerKind {
    match server.kind() {
        Kind::Hub => ServerKind::Hub,
        Kind::Adapter => ServerKind::Adapter,
    }
}

/// The database and the keys of a server that stands still.
pub(super) async fn open(server: &Server) -> Result<(Store, SharedKeyStore), GrowthError> {
    let kind = kind_of(server);
    let files = Files::load(kind, server.config(), &[])?;
    let keys = files.open_keys().map_err(|detail| GrowthError::Keys { server: server.name().to_owned(), detail })?;
    Ok((files.open_store(kind).await?, Arc::new(keys)))
}

async fn fill(scene: &mut Scene, count: u64) -> Result<(), GrowthError> {
    let mut stores = Stores::open(&scene.federation, &scene.ids).await?;
    let holders = scene.payers.iter().map(|payer| payer.holder.clone()).collect();
    let mut plan = Plan::new(SEED, holders, scene.tills.clone(), count, past_ends());
    loop {
        let set = plan.next_set(SET)?;
        if set.is_empty() {
            break;
        }
        stores.hub_past.add(&set).await?;
        for (bank_id, (_, past)) in &mut stores.banks {
            let of_bank = set.iter().filter(|payment| payment.account.bank_id == *bank_id);
            past.add(&of_bank.map(leg_of).collect::<Vec<_>>()).await?;
        }
    }
    // The phones have seen the past, so that they are not told of it now.
    for payer in &mut scene.payers {
        payer.cursor = hub::feed::read_last_sequence(&stores.hub, payer.holder.person_id).await?;
    }
    stores.close().await?;
    for url in postgres_urls(&scene.federation)? {
        postgres::tidy_up(&url).await?;
    }
    Ok(())
}

/// The databases of a federation that are not files in its folder.
pub(super) fn postgres_urls(federation: &Federation) -> Result<Vec<String>, GrowthError> {
    let url = |server: &Server| Ok(Files::load(kind_of(server), server.config(), &[])?.database.url);
    let urls = federation.servers().map(url).collect::<Result<Vec<_>, GrowthError>>()?;
    Ok(urls.into_iter().filter(|url| !url.starts_with("sqlite:")).collect())
}

/// Removes a federation that has stopped, with all that it has stored: it is large.
pub async fn remove(federation: &Federation, server: Option<&str>) -> Result<(), GrowthError> {
    if let Some(server) = server {
        for url in postgres_urls(federation)? {
            postgres::drop_database(server, &url).await?;
        }
    }
    let folder = federation.folder();
    std::fs::remove_dir_all(folder).map_err(|source| TrialError::File { path: folder.to_owned(), source })?;
    Ok(())
}
