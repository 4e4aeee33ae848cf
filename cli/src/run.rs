//! From the command line to the command, and from its outcome to the exit code.

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};
use server_kit::telemetry::{self, LogFormat};

use crate::args::{Cli, Command};
use crate::effective::{self, ConfigCommand};
use crate::error::CliError;
use crate::output::Output;
use crate::serve::AdapterArgs;
use crate::{
    acquirer, audit, bench, carrier, demo, dev, dictionary, doctor, hsm, identity_simulator, init, keys, operator,
    phone, serve, terminal, voice,
};

/// The whole program.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let out = Output::new(cli.output, cli.color);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => {
            let outcome = runtime.block_on(Box::pin(run(cli.command, &out)));
            // What was to be finished is finished; nothing else may hold the process up.
            runtime.shutdown_background();
            outcome
        }
        Err(source) => Err(CliError::System { what: "the runtime".to_owned(), source }),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            out.error(&error.in_full(), error.reason().map(domain::Reason::code));
            error.exit_code()
        }
    }
}

async fn run(command: Command, out: &Output) -> Result<(), CliError> {
    match command {
        Command::Hub(args) => return serve::hub(&args).await,
        Command::Adapter(AdapterArgs { serve, ask: None }) => return serve::adapter(&serve).await,
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "bankhub", &mut script);
            out.raw(&String::from_utf8_lossy(&script));
            return Ok(());
        }
        _ => {}
    }
    // What a client has to say while it works is for whoever waits; servers have their own configuration for it.
    let filter = std::env::var("BANKHUB_LOG").unwrap_or_else(|_| "warn".to_owned());
    if let Err(error) = telemetry::init(LogFormat::Pretty, &filter) {
        return Err(CliError::Usage(format!("BANKHUB_LOG: {error}")));
    }
    match command {
        Command::Demo(args) => demo::run(&args, out).await,
        Command::Dev(args) => dev::run(&args, out).await,
        Command::Bench(args) => bench::command::run(&args, out).await,
        Command::Init(args) => init::command::run(&args, out),
        Command::Hsm(args) => hsm::command::run(&args, out),
        Command::Config(ConfigCommand::Check(args)) => effective::check(&args, out),
        Command::Dictionary(command) => {
            dictionary::run(command, out);
            Ok(())
        }
        Command::Doctor(args) => doctor::command::run(&args, out).await,
        Command::Audit(args) => audit::run(&args, out).await,
        Command::Keys(args) => keys::run(&args, out),
        Command::Terminal(args) => terminal::command::run(&args, out).await,
        Command::Acquirer(args) => acquirer::command::run(&args, out).await,
        Command::Phone(args) => phone::command::run(&args, out).await,
        Command::Carrier(args) => carrier::command::run(&args, out).await,
        Command::IdentitySimulator(args) => identity_simulator::command::run(&args, out).await,
        Command::Carriers(args) => operator::carriers::carriers(&args, out).await,
        Command::Voice(args) => voice::command::run(&args, out).await,
        Command::Bank(args) => operator::command::bank(&args, out).await,
        Command::Merchant(args) => operator::command::merchant(&args, out).await,
        Command::Till(args) => operator::command::till(&args, out).await,
        Command::Identity(args) => operator::identity::identity(&args, out).await,
        Command::Person(args) => operator::command::person(&args, out).await,
        Command::Account(args) => operator::command::account(&args, out).await,
        Command::Card(args) => operator::cards::card(&args, out).await,
        Command::Credit(args) => operator::credit::credit(&args, out).await,
        Command::Network(args) => operator::network::network(&args, out).await,
        Command::Adapter(AdapterArgs { ask: Some(ask), .. }) => operator::cards::node(&ask, out).await,
        Command::Notices(args) => operator::notices::notices(&args, out).await,
        Command::Offers(args) => operator::offers::offers(&args, out).await,
        Command::Ask(args) => operator::ask::ask(&args, out).await,
        Command::Operator(args) => operator::operators::operator(&args, out).await,
        Command::Payment(args) => operator::command::payment(&args, out).await,
        Command::Overview(args) => operator::command::overview(&args, out).await,
        Command::Hub(_) | Command::Adapter(_) | Command::Completions { .. } => Ok(()),
    }
}
