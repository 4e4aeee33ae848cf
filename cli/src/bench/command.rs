//! `bankhub bench`.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::audit::{self, AuditBenchArgs};
use super::codec::{self, CodecArgs};
use super::console::{self, ConsoleBenchArgs};
use super::freezes::{self, FreezesBenchArgs};
use super::hsm::{self, HsmBenchArgs};
use super::network::{self, NetworkBenchArgs};
use super::records::command::{self as records, RecordsBenchArgs};
use super::{BenchError, BenchOptions, run as measure};
use crate::error::CliError;
use crate::output::Output;

/// What is measured.
#[derive(Clone, Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct BenchArgs {
    #[command(subcommand)]
    pub part: Option<BenchPart>,
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

/// What is measured apart from whole payments.
#[derive(Clone, Debug, Subcommand)]
pub enum BenchPart {
    /// Measure the codec of card messages on one core, beside jPOS and pyiso8583 where they are there.
    Codec(CodecArgs),
    /// Measure what a card payment asks of the key store: a sealed file, and a PKCS#11 module.
    Hsm(HsmBenchArgs),
    /// Measure how fast the records of people are taken in, asked for and told, with a small past and with a large one.
    Records(RecordsBenchArgs),
    /// Measure how soon banks confirm what phones freeze and set free, at half of the peak.
    Freezes(FreezesBenchArgs),
    /// Measure phone payments over a link of a card network beside those by the calls of the contract.
    Network(NetworkBenchArgs),
    /// Measure how fast the hash-chained log is verified.
    Audit(AuditBenchArgs),
    /// Measure how long the operators' pages take, beside a past of many payments.
    Console(ConsoleBenchArgs),
}

pub async fn run(args: &BenchArgs, out: &Output) -> Result<(), CliError> {
    match &args.part {
        Some(BenchPart::Codec(args)) => return Ok(codec::run(args, out).map_err(BenchError::from)?),
        Some(BenchPart::Hsm(args)) => return Ok(hsm::run(args, out).map_err(BenchError::from)?),
        Some(BenchPart::Records(args)) => return Ok(records::run(args, out).await.map_err(BenchError::from)?),
        Some(BenchPart::Freezes(args)) => return Ok(freezes::run(args, out).await?),
        Some(BenchPart::Network(args)) => return Ok(network::run(args, out).await?),
        Some(BenchPart::Console(args)) => return Ok(console::run(args, out).await?),
        Some(BenchPart::Audit(args)) => return Ok(audit::run(*args, out).await?),
        None => {}
    }
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
