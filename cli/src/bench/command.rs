//! `bankhub bench`.

use std::time::Duration;

use clap::Args;

use super::{BenchOptions, run as measure};
use crate::error::CliError;
use crate::output::Output;

/// What is measured.
#[derive(Clone, Debug, Args)]
pub struct BenchArgs {
    /// How long each measurement takes, all its rounds together, in seconds.
    #[arg(long, default_value_t = 10)]
    pub seconds: u64,
    /// People who pay at once.
    #[arg(long, default_value_t = 256)]
    pub payers: usize,
    /// Empty calls in flight, when the machine's ceiling is measured.
    #[arg(long, default_value_t = 256)]
    pub in_flight: usize,
    /// Terminals, each with a connection of its own.
    #[arg(long, default_value_t = 8)]
    pub terminals: usize,
    /// Payments of a past that a second federation gets, to see what growth costs; 0 for no such measurement.
    #[arg(long, default_value_t = 0)]
    pub stored: u64,
    /// A PostgreSQL server where databases can be made, as postgres://user@host:port/database; without it only SQLite is measured.
    #[arg(long, env = "BANKHUB_BENCH_POSTGRES")]
    pub postgres: Option<String>,
}

pub async fn run(args: &BenchArgs, out: &Output) -> Result<(), CliError> {
    let options = BenchOptions {
        span: Duration::from_secs(args.seconds.max(1)),
        payers: args.payers.max(1),
        in_flight: args.in_flight.max(1),
        terminals: args.terminals.max(1),
        stored: args.stored,
        postgres: args.postgres.clone(),
    };
    Ok(measure(&options, out).await?)
}
