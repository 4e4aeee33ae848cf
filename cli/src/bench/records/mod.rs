//! `bankhub bench records`: how fast the records of people over all banks are taken in, asked for and told, with a small past and with
//! one a hundred times as large (issue rows R1, R4, R7, R8, P2, S1).
//!
//! Banks tell the hub of a past out of a seed, over the calls that their adapters make, so that filling it is the measurement of the
//! intake. What nobody calls for, habits of everybody and prices of shops, goes through the hub's own writers while the hub stands still.
//! What was measured of an engine is printed before the books of its databases are examined, which takes as long.

mod banks;
pub mod command;
mod feeds;
mod past;
mod prices;
mod queries;
mod report;
mod world;

use std::path::Path;
use std::time::Duration;

use domain::Reason;
use server_kit::rng::RngError;
use server_kit::store::StoreError;
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};
use tonic::Status;

use super::growth::{self, GrowthError};
use super::payments::PayError;
use super::postgres::PostgresError;
use super::scene::Scene;
use super::{BenchError, flush, proof};
use crate::operator::OperatorError;
use crate::output::Output;
use crate::phone::PhoneError;
use crate::profile::ProfileError;
use crate::trial::TrialError;
use report::{EngineRecords, RecordsReport, Told};
use world::{PARTS, World};

/// How much smaller the small past is.
const SMALLER: u64 = 100;
/// The two federations, as their folders and databases are called.
const SMALL: &str = "records_small";
const LARGE: &str = "records";

/// What is measured.
#[derive(Clone, Debug)]
pub struct RecordsOptions {
    /// How many records the large past has.
    pub records: u64,
    pub prices: u64,
    pub seed: u64,
    /// How long each measurement by time takes, all its rounds together.
    pub span: Duration,
    /// How many turns of questions each of the two federations has.
    pub turns: u64,
    /// Idle feeds, and feeds of people who pay.
    pub idle_feeds: usize,
    pub payers: usize,
    pub in_flight: usize,
    pub terminals: usize,
    /// Whether SQLite is measured.
    pub sqlite: bool,
    /// A PostgreSQL server on which databases can be created; without one only SQLite is measured.
    pub postgres: Option<String>,
    /// Where the databases of SQLite are; the system's temporary folder without it.
    pub folder: Option<std::path::PathBuf>,
}

/// Why the records could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    #[error(transparent)]
    Scene(#[from] Box<BenchError>),
    #[error(transparent)]
    Trial(#[from] TrialError),
    #[error(transparent)]
    Operator(#[from] OperatorError),
    #[error(transparent)]
    Profile(#[from] ProfileError),
    #[error(transparent)]
    Phone(#[from] PhoneError),
    #[error(transparent)]
    Pay(#[from] PayError),
    #[error(transparent)]
    Growth(#[from] GrowthError),
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Rng(#[from] RngError),
    #[error("{}: {}", .0.code(), .0.message())]
    Call(Box<Status>),
    #[error("the temporary folder: {0}")]
    Folder(#[from] std::io::Error),
    #[error("the past: {0}")]
    Rule(Reason),
    #[error("the hub does not take in what a bank tells: {0}")]
    Refused(String),
    #[error("a task of the bench has ended before its time")]
    TaskEnded,
    #[error("nobody has a phone")]
    Nobody,
    #[error("the answer to {0} has nothing in it")]
    Empty(&'static str),
    #[error("the hub does not come to rest")]
    Busy,
    #[error("stopped by hand")]
    Stopped,
}

/// Measures and prints. What was stored is removed, also when it is stopped by hand.
pub async fn run(options: &RecordsOptions, out: &Output) -> Result<(), RecordsError> {
    let folder = match &options.folder {
        Some(folder) => TempDir::new_in(folder)?,
        None => TempDir::new()?,
    };
    let mut terminated = signal(SignalKind::terminate())?;
    let done = tokio::select! {
        done = measure(options, folder.path(), out) => done,
        _ = tokio::signal::ctrl_c() => Err(RecordsError::Stopped),
        _ = terminated.recv() => Err(RecordsError::Stopped),
    };
    if let (Err(_), Some(server)) = (&done, &options.postgres) {
        for name in [SMALL, LARGE] {
            Scene::drop_databases(server, &suffix(name)).await;
        }
    }
    done
}

async fn measure(options: &RecordsOptions, folder: &Path, out: &Output) -> Result<(), RecordsError> {
    out.note("The disk …");
    let flushes = flush::per_second(folder, Duration::from_secs(2))?;
    if options.sqlite {
        let sqlite = RecordsOptions { postgres: None, ..options.clone() };
        Box::pin(engine("SQLite", &sqlite, &folder.join("sqlite"), flushes, out)).await?;
    }
    if options.postgres.is_some() {
        Box::pin(engine("PostgreSQL", options, &folder.join("postgres"), flushes, out)).await?;
    }
    Ok(())
}

async fn engine(
    name: &'static str,
    options: &RecordsOptions,
    folder: &Path,
    flushes: f64,
    out: &Output,
) -> Result<(), RecordsError> {
    let note = |what: &str| out.note(&format!("{name}: {what} …"));
    note("a federation with a small past");
    let size = Size { name: SMALL, records: options.records / SMALLER, payers: 1, parts: 1 };
    let (small, told_small) = fill(options, &size, folder).await?;
    note(&format!("a federation with {} records", options.records));
    let size = Size { name: LARGE, records: options.records, payers: options.payers, parts: PARTS };
    let (mut large, told) = fill(options, &size, folder).await?;
    note(&format!("{} prices, and comparisons with them", options.prices));
    let mark = |world: &World| world.scene.ids.uuid();
    let published =
        large.stand_still(async |world, store, _| prices::publish_all(store, options, mark(world)?).await).await?;
    let compared =
        large.stand_still(async |world, store, _| prices::compare(store, options, mark(world)?).await).await?;
    note("what people ask, at both in turn");
    let asked = queries::ask(&small, &large, options.turns).await?;
    note("open feeds");
    let fed = feeds::measure(&mut large, options).await?;
    RecordsReport { flushes, engine: EngineRecords { name, told_small, told, published, compared, asked, fed } }
        .print(out);
    note("the books");
    for world in [small, large] {
        let federation = world.scene.close().await.map_err(RecordsError::Trial)?;
        proof::check(&federation).await?;
        growth::remove(&federation, options.postgres.as_deref()).await?;
    }
    out.note(&format!("{name}: the books agree."));
    Ok(())
}

/// A federation that is to be.
struct Size {
    name: &'static str,
    records: u64,
    /// People with accounts at banks that run.
    payers: usize,
    /// Into how many parts its past is cut.
    parts: u64,
}

impl Size {
    fn suffix(&self) -> String {
        suffix(self.name)
    }
}

/// What the names of a federation's databases end with: no two benches on one server have the same.
fn suffix(name: &str) -> String {
    format!("_{name}_{}", std::process::id())
}

/// A federation to which banks have told a past, with the habits of everybody, and phones for some.
async fn fill(options: &RecordsOptions, size: &Size, folder: &Path) -> Result<(World, Told), RecordsError> {
    let mut world = World::open(options, size, &folder.join(size.name)).await?;
    let (parts, fresh) = world.tell(size.parts, options).await?;
    let settled = world.settle().await?;
    let bills = world.bill().await?;
    let (habits, ends) = world
        .stand_still(async |world, store, _| {
            let habits = world.count_habits(store).await?;
            Ok((habits, world.feed_ends(store, options.idle_feeds).await?))
        })
        .await?;
    world.enrol(ends).await?;
    let told = Told {
        records: world.past.records(),
        person_months: world.past.person_months(),
        parts,
        fresh,
        settled,
        bills,
        habits,
    };
    Ok((world, told))
}
