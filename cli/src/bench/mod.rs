//! How fast it is, measured in one run on one machine: what the machine can do at most, then whole phone payments, on each engine.
//! Absolute figures of shared machines do not hold; the ratios within one run do.

mod ceiling;
pub mod command;
mod flush;
mod latency;
mod payments;
mod postgres;
mod report;
mod usage;

use std::path::Path;
use std::time::Duration;

use domain::Currency;
use server_kit::clock::{Stopwatch, SystemClock};
use server_kit::rng::{IdMaker, SystemRng};
use tempfile::TempDir;
use tonic::transport::Channel;

use crate::output::Output;
use crate::trial::{Federation, NewPerson, ServerOptions, Shop, TrialError, TrialOptions};
use payments::{PayError, Payer};
use report::{EngineReport, ProcessUsage, Report};
use usage::Usage;

pub use postgres::PostgresError;

/// What is measured.
#[derive(Clone, Debug)]
pub struct BenchOptions {
    /// How long each measurement takes.
    pub span: Duration,
    /// Payers that pay at once, each at their own pace.
    pub payers: usize,
    /// Calls in flight when the machine's ceiling is measured.
    pub in_flight: usize,
    /// Terminals; each has a connection of its own.
    pub terminals: usize,
    /// A PostgreSQL server on which databases can be created; without one only SQLite is measured.
    pub postgres: Option<String>,
}

/// Why the bench could not be run.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    #[error(transparent)]
    Trial(#[from] TrialError),
    #[error(transparent)]
    Pay(#[from] PayError),
    #[error("an empty call failed: {0}")]
    Ceiling(#[from] Box<tonic::Status>),
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    #[error("the temporary folder: {0}")]
    Folder(#[from] std::io::Error),
}

/// Measures and prints.
pub async fn run(options: &BenchOptions, out: &Output) -> Result<(), BenchError> {
    let folder = TempDir::new()?;
    out.note("The disk …");
    let flushes = flush::per_second(folder.path(), Duration::from_secs(2))?;
    out.note("The federation on SQLite …");
    let sqlite = engine("SQLite", options, &folder.path().join("sqlite"), None, out).await?;
    let mut engines = vec![sqlite];
    let mut tpcb = None;
    if let Some(server) = &options.postgres {
        out.note("pgbench …");
        tpcb = Some(postgres::tpcb(server, options.span).await?);
        out.note("The federation on PostgreSQL …");
        engines.push(engine("PostgreSQL", options, &folder.path().join("postgres"), Some(server), out).await?);
    }
    let report = Report { flushes, tpcb, engines, payers: options.payers, in_flight: options.in_flight };
    report.print(out);
    Ok(())
}

async fn engine(
    name: &'static str,
    options: &BenchOptions,
    folder: &Path,
    server: Option<&String>,
    out: &Output,
) -> Result<EngineReport, BenchError> {
    std::fs::create_dir_all(folder)?;
    let mut federation = Federation::start(trial(folder, server).await?).await?;
    let (terminals, mut payers) = set_up(&federation, options).await?;
    out.note("  empty calls …");
    let (ceiling, _) = ceiling::run(&terminals, options.in_flight, options.span).await?;
    out.note("  payments …");
    let ids = IdMaker::new(SystemClock::shared(), SystemRng::shared());
    payments::run(&mut payers, &ids, Duration::from_secs(2)).await?;
    let before = usages(&federation);
    let watch = Stopwatch::start();
    let seen = payments::run(&mut payers, &ids, options.span).await?;
    let elapsed = watch.elapsed();
    let processes = usages(&federation)
        .into_iter()
        .zip(before)
        .map(|((name, after), (_, before))| ProcessUsage {
            name,
            cpu_per_payment: after.cpu.saturating_sub(before.cpu)
                / u32::try_from(seen.approved.count()).unwrap_or(1).max(1),
            peak_kib: after.peak_kib,
        })
        .collect();
    drop((terminals, payers));
    federation.stop().await?;
    Ok(EngineReport { name, ceiling, seen, elapsed, processes })
}

async fn trial(folder: &Path, server: Option<&String>) -> Result<TrialOptions, BenchError> {
    // Each payer pays all the time, which the limits of real life would rightly refuse.
    let mut hub = ServerOptions::named("hub-1");
    for (key, value) in [
        ("payments.sends_per_minute", "0"),
        ("payments.sends_per_ten_minutes", "0"),
        ("payments.sends_per_day", "0"),
        ("payments.codes_per_terminal_per_minute", "1000000000"),
        ("payments.writes_per_terminal_per_second", "1000000000"),
        ("phones.calls_per_address", "100000"),
        ("phones.calls_per_address_burst", "100000"),
        ("phones.calls_in_all", "100000"),
        ("phones.calls_in_all_burst", "100000"),
    ] {
        hub = hub.with(key, value);
    }
    let mut banks = vec![ServerOptions::named("bank-a"), ServerOptions::named("bank-b")];
    if let Some(server) = server {
        hub = hub.on(&postgres::new_database(server, "hub").await?);
        let mut placed = Vec::new();
        for bank in banks {
            let database = postgres::new_database(server, &bank.name).await?;
            placed.push(bank.on(&database));
        }
        banks = placed;
    }
    let mut trial = TrialOptions::in_folder(folder)?;
    trial.hubs = vec![hub];
    trial.banks = banks;
    trial.log_filter = "warn".to_owned();
    Ok(trial)
}

async fn set_up(federation: &Federation, options: &BenchOptions) -> Result<(Vec<Channel>, Vec<Payer>), BenchError> {
    let endpoint = federation.hub_endpoint()?;
    let mut terminals = Vec::new();
    for n in 1..=options.terminals {
        let terminal = format!("till-{n}");
        let shop = Shop {
            merchant: "noodles",
            name: "Noodle House",
            category: "5812",
            terminal: &terminal,
            place: "Shanghai",
            location: Some((31.23, 121.47)),
        };
        federation.shop(&shop).await?;
        terminals.push(federation.terminal_channel(&terminal, &endpoint)?);
    }
    let mut payers = Vec::new();
    for (n, terminal) in (0..options.payers).zip(terminals.iter().cycle()) {
        let number = format!("+8613{:09}", 900_000_000 + n);
        let person = NewPerson {
            name: "Wang Xiaoming",
            phone: &number,
            bank: if n % 2 == 0 { "bank-a" } else { "bank-b" },
            balance_minor: 100_000_000_000,
            currency: Currency::CNY,
            password: "246810",
        };
        let person = federation.person(&person).await?;
        payers.push(Payer {
            terminal: terminal.clone(),
            phone: person.device,
            phone_number: number,
            password: "246810".to_owned(),
            cursor: 0,
        });
    }
    Ok((terminals, payers))
}

/// What each process has used so far, this one (terminals and phones) included.
fn usages(federation: &Federation) -> Vec<(String, Usage)> {
    let servers = federation.servers().filter_map(|server| Some((server.name().to_owned(), server.process_id()?)));
    let own = [("terminals and phones".to_owned(), std::process::id())];
    servers.chain(own).map(|(name, pid)| (name, usage::of(pid).unwrap_or_default())).collect()
}
