//! `bankhub identity-simulator`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use server_kit::shutdown::Shutdown;

use super::{Simulator, SimulatorConfig, SimulatorError};
use crate::error::CliError;
use crate::output::Output;

#[derive(Clone, Debug, Args)]
pub struct IdentitySimulatorArgs {
    /// The configuration with the rules, as `bankhub init identity-simulator` writes it.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
}

/// Answers banks until it is told to end.
pub async fn run(args: &IdentitySimulatorArgs, out: &Output) -> Result<(), CliError> {
    let config = SimulatorConfig::load(&args.config)?;
    let shutdown = Shutdown::listen().map_err(|source| CliError::System { what: "signals".to_owned(), source })?;
    let mut simulator = Simulator::start(&config).await?;
    let endpoint = simulator.endpoint();
    out.event(&format!("Simulated answers about citizens at {endpoint}"), &json!({ "endpoint": endpoint }));
    tokio::select! {
        () = shutdown.draining().cancelled_owned() => Ok(()),
        () = simulator.ended() => Err(SimulatorError::Ended.into()),
    }
}
