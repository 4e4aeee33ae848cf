//! The servers' commands: configuration, logs, run, drain.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use server_kit::config::ConfigError;
use server_kit::shutdown::Shutdown;
use server_kit::telemetry::{self, TelemetryError};

use crate::error::CliError;
use crate::operator::cards::NodeCommand;
use crate::typed;

/// The prefix of the variables that change a hub's configuration.
pub const HUB_PREFIX: &str = "BANKHUB_HUB_";
/// The prefix of the variables that change a bank adapter's configuration.
pub const ADAPTER_PREFIX: &str = "BANKHUB_ADAPTER_";

/// A server's configuration and what goes over it.
#[derive(Clone, Debug, Args)]
pub struct ServeArgs {
    /// The configuration, as `bankhub init` writes it.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// One setting over file and environment, such as payments.code_ttl=60s. May be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = typed::setting)]
    pub settings: Vec<(String, String)>,
    /// Drain when standard input ends, so that the server never outlives whoever started it.
    #[arg(long, hide = true)]
    pub until_stdin_closes: bool,
}

/// `bankhub adapter`: run one, or ask one that runs.
#[derive(Clone, Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct AdapterArgs {
    #[command(flatten)]
    pub serve: ServeArgs,
    #[command(subcommand)]
    pub ask: Option<NodeCommand>,
}

/// The hub's configuration from its three layers.
pub fn hub_config(file: &Path, settings: &[(String, String)]) -> Result<hub::Config, ConfigError> {
    server_kit::config::load(Some(file), HUB_PREFIX, settings)
}

/// An adapter's configuration from its three layers.
pub fn adapter_config(file: &Path, settings: &[(String, String)]) -> Result<bank_adapter::Config, ConfigError> {
    server_kit::config::load(Some(file), ADAPTER_PREFIX, settings)
}

/// Runs the hub until it has drained.
pub async fn hub(args: &ServeArgs) -> Result<(), CliError> {
    let config = hub_config(&args.config, &args.settings)?;
    match telemetry::init(config.log.format, &config.log.filter) {
        Ok(()) | Err(TelemetryError::LogsTaken(_)) => {}
        Err(error) => return Err(CliError::Usage(error.to_string())),
    }
    let shutdown = listen(args)?;
    Ok(Box::pin(hub::run(config, shutdown)).await?)
}

/// Runs a bank adapter until it has drained.
pub async fn adapter(args: &ServeArgs) -> Result<(), CliError> {
    let config = adapter_config(&args.config, &args.settings)?;
    let shutdown = listen(args)?;
    Ok(Box::pin(bank_adapter::run(config, shutdown)).await?)
}

fn listen(args: &ServeArgs) -> Result<Shutdown, CliError> {
    let shutdown = Shutdown::listen().map_err(|source| CliError::System { what: "signals".to_owned(), source })?;
    if args.until_stdin_closes {
        let shutdown = shutdown.clone();
        // A thread of its own: a read that blocks would keep the runtime from ending.
        let thread = std::thread::Builder::new().name("stdin".to_owned());
        let spawned = thread.spawn(move || drain_with_stdin(&shutdown));
        spawned.map_err(|source| CliError::System { what: "a thread".to_owned(), source })?;
    }
    Ok(shutdown)
}

fn drain_with_stdin(shutdown: &Shutdown) {
    let mut ignored = [0_u8; 64];
    // Whatever comes is ignored; an error means as much as the end.
    while matches!(std::io::stdin().read(&mut ignored), Ok(read) if read > 0) {}
    tracing::info!("standard input has ended: draining");
    shutdown.drain();
}
