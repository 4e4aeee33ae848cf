//! How soon a bank has confirmed what a phone freezes and sets free, while half of what can be paid is paid.

use std::path::Path;
use std::time::Duration;

use clap::Args;
use domain::OrderId;
use domain::freeze::Unfreeze;
use proto::cardholder as pb;
use secrecy::SecretString;
use serde_json::{Value, json};
use server_kit::clock::{Clock as _, Stopwatch, SystemClock};
use server_kit::rng::IdMaker;
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::contest::ROUNDS;
use super::latency::Latencies;
use super::payments::{Load, Means, PayError, Payer, Seen};
use super::report::half_and_most;
use super::rounds::median;
use super::scene::Scene;
use super::{BenchError, BenchOptions, WARM_UP};
use crate::output::Output;
use crate::phone::freezing::name_of;

/// How long a bank may take to confirm before the bench gives up.
const PATIENCE: Duration = Duration::from_secs(20);
/// What was not confirmed with the answer is looked at so often.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How long somebody leaves things as they are.
const BETWEEN: Duration = Duration::from_millis(50);

/// What is measured of freezing.
#[derive(Clone, Debug, Args)]
pub struct FreezesBenchArgs {
    /// How long the measurement takes, all its rounds together, in seconds.
    #[arg(long, default_value_t = 10)]
    pub seconds: u64,
    /// People who pay at once.
    #[arg(long, default_value_t = 256)]
    pub payers: usize,
    /// People who freeze all that they have bound and set it free again, over and over.
    #[arg(long, default_value_t = 8)]
    pub holders: usize,
    /// A PostgreSQL server where databases can be made, as postgres://user@host:port/database; without it only SQLite is measured.
    #[arg(long, env = "BANKHUB_BENCH_POSTGRES")]
    pub postgres: Option<String>,
}

/// What was seen on one engine.
#[derive(Debug, Default)]
struct Found {
    paid_per_second: f64,
    seen: Seen,
    /// From the call to a bank that has confirmed it.
    frozen: Latencies,
    freed: Latencies,
}

/// Measures and prints.
pub async fn run(args: &FreezesBenchArgs, out: &Output) -> Result<(), BenchError> {
    let options = BenchOptions {
        span: Duration::from_secs(args.seconds.max(1)),
        payers: args.payers.max(1) + args.holders.max(1),
        in_flight: 1,
        terminals: 8,
        stored: 0,
        postgres: args.postgres.clone(),
    };
    let folder = TempDir::new()?;
    let holders = args.holders.max(1);
    let (mut rows, mut engines) = (Vec::new(), Vec::new());
    for (name, server) in [("SQLite", None), ("PostgreSQL", options.postgres.as_deref())] {
        if name == "PostgreSQL" && server.is_none() {
            continue;
        }
        out.note(&format!("The federation on {name} …"));
        let found = engine(&options, holders, &folder.path().join(name), server).await?;
        rows.extend(found.rows(name));
        engines.push(found.json(name));
    }
    out.table(&["of", "what", "value"], &rows, &json!({ "engines": engines }));
    Ok(())
}

async fn engine(
    options: &BenchOptions,
    holders: usize,
    folder: &Path,
    server: Option<&str>,
) -> Result<Found, BenchError> {
    let mut scene = Scene::open(options, folder, server, "").await?;
    let mut holders = scene.payers.split_off(scene.payers.len().saturating_sub(holders));
    scene.pay(Means::Phone, WARM_UP).await?;
    let span = options.span / ROUNDS;
    let (mut found, mut paid) = (Found::default(), Vec::new());
    for _ in 0..ROUNDS {
        let (at_most, elapsed) = scene.pay(Means::Phone, span).await?;
        let half = (at_most.per_second(elapsed) / 2.0).max(0.1);
        let every = Some(Duration::from_secs_f64(scene.payers.len() as f64 / half));
        let load = Load { means: Means::Phone, span, every };
        let ids = scene.ids.clone();
        let (seen, frozen) = tokio::join!(scene.pay_as(load), freeze_all(&mut holders, span, &ids));
        let ((seen, elapsed), (frozen, freed)) = (seen?, frozen?);
        paid.push(seen.per_second(elapsed));
        found.seen.merge(&seen);
        found.frozen.merge(&frozen);
        found.freed.merge(&freed);
    }
    found.paid_per_second = median(paid);
    drop(holders);
    scene.close().await?;
    Ok(found)
}

/// Everybody freezes and sets free until the time is over.
async fn freeze_all(
    holders: &mut Vec<Payer>,
    span: Duration,
    ids: &IdMaker,
) -> Result<(Latencies, Latencies), PayError> {
    let mut tasks = JoinSet::new();
    for holder in std::mem::take(holders) {
        tasks.spawn(freeze_until(holder, span, ids.clone()));
    }
    let (mut frozen, mut freed) = (Latencies::default(), Latencies::default());
    while let Some(done) = tasks.join_next().await {
        let (holder, of_one) = done.map_err(|_| PayError::StreamEnded)??;
        holders.push(holder);
        frozen.merge(&of_one.0);
        freed.merge(&of_one.1);
    }
    Ok((frozen, freed))
}

async fn freeze_until(
    holder: Payer,
    span: Duration,
    ids: IdMaker,
) -> Result<(Payer, (Latencies, Latencies)), PayError> {
    let password = SecretString::from(holder.password.clone());
    let order = || ids.uuid().map(OrderId::from_uuid).map_err(|_| PayError::NoId);
    let (mut frozen, mut freed) = (Latencies::default(), Latencies::default());
    let whole = Stopwatch::start();
    while whole.elapsed() < span {
        let watch = Stopwatch::start();
        let instruments = holder.phone.freeze(order()?, Vec::new()).await?;
        confirmed(&holder, instruments, pb::FreezeState::Frozen, &watch).await?;
        frozen.record(watch.elapsed());
        tokio::time::sleep(BETWEEN).await;
        let names = holder.phone.instruments().await?.iter().filter_map(name_of).collect();
        let unfreeze = Unfreeze { order_id: order()?, signed_at: SystemClock.now(), instruments: names };
        let watch = Stopwatch::start();
        let instruments = holder.phone.unfreeze(&unfreeze, &password).await?;
        confirmed(&holder, instruments, pb::FreezeState::Free, &watch).await?;
        freed.record(watch.elapsed());
        tokio::time::sleep(BETWEEN).await;
    }
    Ok((holder, (frozen, freed)))
}

/// Waits until the bank has confirmed all of it.
async fn confirmed(
    holder: &Payer,
    mut instruments: Vec<pb::Instrument>,
    state: pb::FreezeState,
    watch: &Stopwatch,
) -> Result<(), PayError> {
    while instruments.is_empty() || instruments.iter().any(|it| it.freeze_state() != state) {
        if watch.elapsed() > PATIENCE {
            return Err(PayError::NothingHeard);
        }
        tokio::time::sleep(LOOK_EVERY).await;
        instruments = holder.phone.instruments().await?;
    }
    Ok(())
}

impl Found {
    fn json(&self, engine: &str) -> Value {
        let micros = |latencies: &Latencies, share| latencies.quantile(share).as_micros() as u64;
        json!({
            "engine": engine,
            "payments_per_second": self.paid_per_second,
            "frozen_p50_micros": micros(&self.frozen, 0.5),
            "frozen_p99_micros": micros(&self.frozen, 0.99),
            "freed_p50_micros": micros(&self.freed, 0.5),
            "freed_p99_micros": micros(&self.freed, 0.99),
            "fed_p50_micros": micros(&self.seen.fed, 0.5),
            "fed_p99_micros": micros(&self.seen.fed, 0.99),
            "not_approved": self.seen.failed,
        })
    }

    fn rows(&self, engine: &str) -> Vec<Vec<String>> {
        let row = |what: String, value: String| vec![engine.to_owned(), what, value];
        let orders = |latencies: &Latencies| format!("{} ({} orders)", half_and_most(latencies), latencies.count());
        vec![
            row("phone payments a second, half of the peak".to_owned(), format!("{:.0}", self.paid_per_second)),
            row("call to freeze until its bank has confirmed, p50 / p99".to_owned(), orders(&self.frozen)),
            row("call to set free until its bank has confirmed, p50 / p99".to_owned(), orders(&self.freed)),
            row("commit to the phone's charge, p50 / p99".to_owned(), half_and_most(&self.seen.fed)),
            row("payments that were not approved".to_owned(), self.seen.failed.to_string()),
        ]
    }
}
