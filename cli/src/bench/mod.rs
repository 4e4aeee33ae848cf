//! How fast it is, measured in one run on one machine: what the machine can do at most, then whole payments with phones and with
//! cards, on each engine. Apart from them, the codec of card messages and the key store of cards.
//! Absolute figures of shared machines do not hold; the ratios within one run do.

mod audit;
mod cards;
mod ceiling;
mod codec;
pub mod command;
mod console;
mod contest;
mod flush;
mod freezes;
mod growth;
mod hsm;
mod latency;
mod network;
mod past;
mod payments;
mod postgres;
mod proof;
mod records;
mod report;
mod rounds;
mod scene;
mod usage;

use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use crate::output::Output;
use crate::trial::TrialError;
use payments::PayError;
use report::{EngineReport, Report};
use scene::Scene;

pub use codec::CodecError;
pub use growth::GrowthError;
pub use hsm::HsmBenchError;
pub use postgres::PostgresError;
pub use records::RecordsError;

/// How long everybody pays before a measurement.
const WARM_UP: Duration = Duration::from_secs(2);

/// What is measured.
#[derive(Clone, Debug)]
pub struct BenchOptions {
    /// How long each measurement takes, all its rounds together.
    pub span: Duration,
    /// Payers that pay at once, each at their own pace.
    pub payers: usize,
    /// Calls in flight when the machine's ceiling is measured.
    pub in_flight: usize,
    /// Terminals; each has a connection of its own.
    pub terminals: usize,
    /// Payments of a past that are stored in another federation, to see what they cost; 0 for no such measurement.
    pub stored: u64,
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
    #[error("growth: {0}")]
    Growth(#[source] Box<GrowthError>),
    #[error("records: {0}")]
    Records(#[source] Box<RecordsError>),
    #[error(transparent)]
    Codec(#[from] CodecError),
    #[error(transparent)]
    Hsm(#[from] HsmBenchError),
    #[error("the log: {0}")]
    Audit(#[from] Box<audit::AuditBenchError>),
    #[error("the console: {0}")]
    Console(#[source] Box<console::ConsoleBenchError>),
    #[error("the temporary folder: {0}")]
    Folder(#[from] std::io::Error),
}

impl From<GrowthError> for BenchError {
    fn from(error: GrowthError) -> Self {
        Self::Growth(Box::new(error))
    }
}

impl From<RecordsError> for BenchError {
    fn from(error: RecordsError) -> Self {
        Self::Records(Box::new(error))
    }
}

/// Measures and prints.
pub async fn run(options: &BenchOptions, out: &Output) -> Result<(), BenchError> {
    let folder = TempDir::new()?;
    out.note("The disk …");
    let flushes = flush::per_second(folder.path(), Duration::from_secs(2))?;
    out.note("The federation on SQLite …");
    let sqlite = engine("SQLite", options, &folder.path().join("sqlite"), None, out).await?;
    let mut engines = vec![sqlite];
    if let Some(server) = &options.postgres {
        out.note("The federation on PostgreSQL …");
        engines.push(engine("PostgreSQL", options, &folder.path().join("postgres"), Some(server), out).await?);
    }
    let report = Report { flushes, engines, payers: options.payers, in_flight: options.in_flight };
    report.print(out);
    Ok(())
}

async fn engine(
    name: &'static str,
    options: &BenchOptions,
    folder: &Path,
    server: Option<&str>,
    out: &Output,
) -> Result<EngineReport, BenchError> {
    let mut scene = Scene::open(options, &folder.join("first"), server, "").await?;
    let tpcb = match server {
        Some(server) => Some(postgres::Tpcb::prepare(server).await?),
        None => None,
    };
    scene.issue_cards().await?;
    let also = if tpcb.is_some() { ", pgbench" } else { "" };
    out.note(&format!("  empty calls, payments with phones and with cards{also} …"));
    let rounds = rounds::measure(&mut scene, tpcb.as_ref(), options).await?;
    let mut growth = None;
    if options.stored > 0 {
        out.note(&format!("  another federation, with {} payments …", options.stored));
        let mut grown = Scene::open(options, &folder.join("grown"), server, "_grown").await?;
        let filled_in = growth::grow(&mut grown, options.stored).await?;
        out.note("  both in turn …");
        growth = Some(growth::compare(&mut scene, &mut grown, options, filled_in).await?);
        out.note("  the books …");
        let grown = grown.close().await?;
        proof::check(&grown).await?;
        growth::remove(&grown, server).await?;
    }
    scene.close().await?;
    Ok(EngineReport { name, rounds, growth })
}
