//! The hub as a process: configuration, build, run, drain.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use proto::cardholder::cardholder_service_server::CardholderServiceServer;
use proto::federation::federation_service_server::FederationServiceServer;
use proto::operator::operator_service_server::OperatorServiceServer;
use proto::terminal::terminal_service_server::TerminalServiceServer;
use server_kit::clock::SystemClock;
use server_kit::keystore::{SealedFile, SharedKeyStore};
use server_kit::ops::{OpsServer, Readiness};
use server_kit::rng::{IdMaker, SystemRng};
use server_kit::serve::GrpcServer;
use server_kit::shutdown::Shutdown;
use server_kit::store::{Dialect, Migrations, Owner, Store, StoreOptions, WriterOptions};
use server_kit::telemetry::{self, TelemetryError};
use server_kit::tls::{ClientTls, ClientTlsConfig, ServerTls};
use tokio::net::TcpListener;
use tonic::service::Routes;

use crate::bank::{Banks, LinkOptions};
use crate::cardholder::{CardholderApi, CardholderParts};
use crate::config::Config;
use crate::directory::{Directory, DirectoryOptions, DirectoryParts, OperatorApi};
use crate::feed::{Feed, FeedOptions, FeedParts};
use crate::payment::{Desk, DeskOptions, FederationApi, TerminalApi, TerminalLimits, sweep};

/// Why the hub cannot run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Config(#[from] server_kit::config::ConfigError),
    #[error(transparent)]
    Store(#[from] server_kit::store::StoreError),
    #[error(transparent)]
    Keys(#[from] server_kit::keystore::KeyFileError),
    #[error(transparent)]
    Tls(#[from] server_kit::tls::TlsError),
    #[error(transparent)]
    Rng(#[from] server_kit::rng::RngError),
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    #[error(transparent)]
    Serve(#[from] server_kit::serve::ServeError),
    #[error("cannot listen on {addr}: {error}")]
    Listen { addr: SocketAddr, error: std::io::Error },
    #[error("cannot write {path}: {error}")]
    PortsFile { path: String, error: std::io::Error },
}

/// The hub's schema, once for each engine.
pub fn migrations() -> Migrations {
    Migrations { sqlite: sqlx::migrate!("./migrations/sqlite"), postgres: sqlx::migrate!("./migrations/postgres") }
}

/// Runs the hub until it has drained.
pub async fn run(config: Config, shutdown: Shutdown) -> Result<(), RunError> {
    match telemetry::init(config.log.format, &config.log.filter) {
        // Whoever runs the hub inside another program has set up the log already.
        Ok(()) | Err(TelemetryError::LogsTaken(_)) => {}
        Err(error) => return Err(error.into()),
    }
    let readiness = Readiness::waiting_for(&["database", "listener"]);
    let metrics = telemetry::install_metrics().or_else(|_| telemetry::detached_metrics())?;
    let ops = OpsServer::bind(config.ops.listen, metrics, readiness.clone(), shutdown.draining()).await;
    let ops = ops.map_err(|error| RunError::Listen { addr: config.ops.listen, error })?;
    let ops_addr = ops.local_addr().map_err(|error| RunError::Listen { addr: config.ops.listen, error })?;
    let ops = tokio::spawn(ops.run(shutdown.now()));

    let tls = ServerTls::load(&config.tls.server(), &config.federation)?;
    let hub = build(&config, &shutdown).await?;
    readiness.set("database", true);

    let listener = TcpListener::bind(config.listen).await;
    let listener = listener.map_err(|error| RunError::Listen { addr: config.listen, error })?;
    let grpc_addr = listener.local_addr().map_err(|error| RunError::Listen { addr: config.listen, error })?;
    tls.reload_on_hangup(shutdown.draining()).map_err(|error| RunError::Listen { addr: config.listen, error })?;
    let (server, health) = GrpcServer::new(listener, tls, hub.routes(&config, &shutdown), shutdown.draining())
        .with_limits(config.limits.clone())
        .with_health();
    health.set("", true).await;
    readiness.set("listener", true);
    if let Some(path) = &config.ports_file {
        write_ports(path, grpc_addr, ops_addr)?;
    }
    tracing::info!(%grpc_addr, %ops_addr, replica = %config.replica, "the hub listens");
    let stop = shutdown.now();
    tokio::select! {
        drained = server.run() => { drained?; }
        () = stop.cancelled() => tracing::warn!("stopped at once"),
        () = watch_ownership(&hub.owner, &shutdown) => {}
    }
    hub.finish().await;
    ops.abort();
    tracing::info!("the hub has drained");
    Ok(())
}

/// What a running hub is made of.
struct Hub {
    store: Store,
    owner: Arc<Owner>,
    directory: Directory,
    banks: Banks,
    desk: Desk,
    cardholder: CardholderApi,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

async fn build(config: &Config, shutdown: &Shutdown) -> Result<Hub, RunError> {
    let clock = SystemClock::shared();
    let rng = SystemRng::shared();
    let ids = IdMaker::new(clock.clone(), rng.clone());
    let keys: SharedKeyStore = Arc::new(SealedFile::open(&config.keys.file, &config.keys.master.read()?)?);
    let password = config.database.password.as_ref().map(|secret| secret.read()).transpose()?;
    let options =
        StoreOptions { password, readers: config.database.readers, ..StoreOptions::new(&config.database.url) };
    let store = Store::open(&options, &migrations(), clock.clone()).await?;
    let mark = ids.uuid()?;
    let owner = Arc::new(Owner::take(&store, &config.replica, mark).await?);
    let parts = DirectoryParts {
        store: store.clone(),
        keys: keys.clone(),
        clock: clock.clone(),
        rng: rng.clone(),
        replica: config.replica.clone(),
    };
    let (directory, directory_task) = Directory::start(parts, DirectoryOptions::default());
    let client = ClientTlsConfig {
        server_ca: config.tls.client_ca.clone(),
        certificate: Some(config.tls.certificate.clone()),
        key: Some(config.tls.key.clone()),
    };
    let link = LinkOptions { timeout: config.banks.timeout.get(), tries: config.banks.tries };
    let banks = Banks::new(directory.clone(), ClientTls::load(&client, &config.federation)?, link);
    let feed = Feed::new(
        FeedParts {
            store: store.clone(),
            keys: keys.clone(),
            clock: clock.clone(),
            replica: mark,
            draining: shutdown.draining(),
        },
        FeedOptions::default(),
    );
    let (desk, desk_task) = Desk::start(DeskOptions {
        store: store.clone(),
        directory: directory.clone(),
        banks: banks.clone(),
        feed: feed.clone(),
        keys: keys.clone(),
        rng: rng.clone(),
        ids: ids.clone(),
        clock: clock.clone(),
        policy: config.payments.policy(),
        owner: owner.clone(),
        writer: WriterOptions::default(),
        answer_within: config.payments.answer_within.get(),
    });
    tokio::spawn(feed.clone().listen());
    tokio::spawn(sweep(desk.clone(), config.payments.sweep_every.get(), shutdown.draining()));
    let parts = CardholderParts {
        store: store.clone(),
        keys,
        clock,
        rng,
        ids,
        directory: directory.clone(),
        feed,
        replica: config.replica.clone(),
    };
    let (cardholder, mut tasks) = CardholderApi::start(parts, config.phones.options());
    tasks.extend([directory_task, desk_task]);
    Ok(Hub { store, owner, directory, banks, desk, cardholder, tasks })
}

impl Hub {
    fn routes(&self, config: &Config, shutdown: &Shutdown) -> Routes {
        let limits = TerminalLimits {
            codes_per_minute: config.payments.codes_per_terminal_per_minute,
            reads_per_second: config.payments.reads_per_terminal_per_second,
            writes_per_second: config.payments.writes_per_terminal_per_second,
            watches: config.payments.watches_per_terminal,
            watch_every: (self.store.dialect() == Dialect::Postgres).then_some(std::time::Duration::from_secs(1)),
        };
        let terminal = TerminalApi::new(self.desk.clone(), limits, shutdown.draining());
        let federation = FederationApi::new(self.desk.clone());
        let operator = OperatorApi::new(self.directory.clone(), Arc::new(self.banks.clone()));
        let most = proto::MAX_MESSAGE_BYTES;
        Routes::new(TerminalServiceServer::new(terminal).max_decoding_message_size(most))
            .add_service(FederationServiceServer::new(federation).max_decoding_message_size(most))
            .add_service(OperatorServiceServer::new(operator).max_decoding_message_size(most))
            .add_service(CardholderServiceServer::new(self.cardholder.clone()).max_decoding_message_size(most))
    }

    /// Waits until what was queued is durable, then closes the database.
    async fn finish(self) {
        let Self { store, directory, banks, desk, cardholder, tasks, .. } = self;
        drop((directory, banks, desk, cardholder));
        let all = futures_util::future::join_all(tasks);
        // Tasks that still carry a payment hold a desk for as long as a bank takes to answer.
        if tokio::time::timeout(std::time::Duration::from_secs(5), all).await.is_err() {
            tracing::warn!("some payments are left to the sweeper");
        }
        store.close().await;
    }
}

/// Ends when this process no longer owns its name.
async fn watch_ownership(owner: &Owner, shutdown: &Shutdown) {
    let mut ticks = tokio::time::interval(std::time::Duration::from_secs(2));
    loop {
        ticks.tick().await;
        if !owner.alive().await {
            tracing::error!(name = owner.name(), "the ownership of this name is lost; stopping");
            shutdown.drain();
            return;
        }
    }
}

/// Tells whoever started this process where it listens.
fn write_ports(path: &Path, grpc: SocketAddr, ops: SocketAddr) -> Result<(), RunError> {
    let text = serde_json::json!({ "grpc": grpc.to_string(), "ops": ops.to_string() }).to_string();
    let partial = path.with_extension("partial");
    std::fs::write(&partial, text)
        .and_then(|()| std::fs::rename(&partial, path))
        .map_err(|error| RunError::PortsFile { path: path.display().to_string(), error })
}
