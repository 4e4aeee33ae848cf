//! `bankhub bench records`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{RecordsError, RecordsOptions};
use crate::output::Output;

/// What is measured of records.
#[derive(Clone, Debug, Args)]
pub struct RecordsBenchArgs {
    /// Records of the large past: each person has 10 a month for a year. The small past has a hundredth of them. A million records take
    /// about 1.5 GB of disk.
    #[arg(long, default_value_t = 1_000_000)]
    pub records: u64,
    /// Prices that shops publish.
    #[arg(long, default_value_t = 1_000_000)]
    pub prices: u64,
    /// How long each measurement by time takes, all its rounds together, in seconds.
    #[arg(long, default_value_t = 10)]
    pub seconds: u64,
    /// What the past is made up from.
    #[arg(long, default_value_t = 20_260_401)]
    pub seed: u64,
    /// How many turns of a hundred questions of each sort each of the two hubs has.
    #[arg(long, default_value_t = 11)]
    pub turns: u64,
    /// Idle feeds, each over a connection of its own: two open files each.
    #[arg(long, default_value_t = 10_000)]
    pub idle_feeds: usize,
    /// People who pay while it is measured how soon their feeds tell them.
    #[arg(long, default_value_t = 1_000)]
    pub payers: usize,
    /// Empty calls in flight, when the machine's ceiling is measured.
    #[arg(long, default_value_t = 256)]
    pub in_flight: usize,
    /// Where the databases of SQLite are made and removed; without it in the system's temporary folder.
    #[arg(long, value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
    /// A PostgreSQL server where databases can be made, as postgres://user@host:port/database; without it only SQLite is measured.
    #[arg(long, env = "BANKHUB_BENCH_POSTGRES")]
    pub postgres: Option<String>,
    /// Leave SQLite out.
    #[arg(long, requires = "postgres")]
    pub postgres_only: bool,
}

pub async fn run(args: &RecordsBenchArgs, out: &Output) -> Result<(), RecordsError> {
    let options = RecordsOptions {
        records: args.records.max(1),
        prices: args.prices.max(1),
        seed: args.seed,
        span: Duration::from_secs(args.seconds.max(1)),
        turns: args.turns.max(1),
        idle_feeds: args.idle_feeds.max(1),
        payers: args.payers.max(1),
        in_flight: args.in_flight.max(1),
        terminals: 8,
        sqlite: !args.postgres_only,
        postgres: args.postgres.clone(),
        folder: args.folder.clone(),
    };
    super::run(&options, out).await
}
