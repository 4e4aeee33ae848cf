//! The hub as a process: configuration, build, run, drain.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use proto::cardholder::cardholder_service_server::CardholderServiceServer;
use proto::federation::federation_service_server::FederationServiceServer;
use proto::operator::operator_service_server::OperatorServiceServer;
use proto::terminal::terminal_service_server::TerminalServiceServer;
use server_kit::clock::SystemClock;
use server_kit::keystore::{SealedFile, SharedKeyStore};
use server_kit::lifecycle::{self, TaskEnded, VitalTasks};
use server_kit::ops::{self, OpsServer, Readiness};
use server_kit::rng::{IdMaker, SystemRng};
use server_kit::serve::{Contract, GrpcServer};
use server_kit::shutdown::Shutdown;
use server_kit::store::{Dialect, Migrations, Owner, OwnershipLost, Store, StoreOptions, WriterOptions};
use server_kit::telemetry::{self, TelemetryError};
use server_kit::tls::{self, ClientTls, ServerTls};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use crate::bank::{Banks, LinkOptions};
use crate::cardholder::{CardholderApi, CardholderParts};
use crate::config::Config;
use crate::directory::{Directory, DirectoryOptions, DirectoryParts, OperatorApi};
use crate::feed::{Feed, FeedOptions, FeedParts};
use crate::notify::{ChannelError, Notices, NoticesOptions, NoticesParts, Telling};
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
    PortsFile { path: PathBuf, error: std::io::Error },
    #[error("signals cannot be listened for")]
    Signals(#[source] std::io::Error),
    #[error(transparent)]
    Channel(#[from] ChannelError),
    #[error(transparent)]
    Ownership(#[from] OwnershipLost),
    #[error(transparent)]
    TaskEnded(#[from] TaskEnded),
}

/// The readiness checks: whether the database can be written, and whether callers are listened to.
const DATABASE: &str = "database";
const LISTENER: &str = "listener";
/// How often it is checked that no other process has taken this replica's name over.
const OWNERSHIP_EVERY: Duration = Duration::from_secs(5);
/// How long the last steps may take to become durable after the last call was answered. A payment that is still carried then,
/// for as long as a bank takes to answer, is left to the sweeper.
const FINISH_AT_MOST: Duration = Duration::from_secs(10);

/// What the hub describes by reflection.
const CONTRACT: Contract = Contract {
    descriptors: proto::DESCRIPTORS,
    services: &[
        proto::terminal::terminal_service_server::SERVICE_NAME,
        proto::cardholder::cardholder_service_server::SERVICE_NAME,
        proto::federation::federation_service_server::SERVICE_NAME,
        proto::operator::operator_service_server::SERVICE_NAME,
    ],
    refuse: proto::status,
};

/// The hub's schema, once for each engine.
pub fn migrations() -> Migrations {
    Migrations { sqlite: sqlx::migrate!("./migrations/sqlite"), postgres: sqlx::migrate!("./migrations/postgres") }
}

/// Runs the hub until it has drained, or until its name is lost or one of its tasks fails.
pub async fn run(config: Config, shutdown: Shutdown) -> Result<(), RunError> {
    let metrics = telemetry::start(config.log.format, &config.log.filter)?;
    let readiness = Readiness::waiting_for(&[DATABASE, LISTENER]);
    let listen = |addr| move |error| RunError::Listen { addr, error };
    let ops = OpsServer::bind(config.ops.listen, metrics, readiness.clone(), shutdown.draining()).await;
    let ops = ops.map_err(listen(config.ops.listen))?;
    let ops_addr = ops.local_addr().map_err(listen(config.ops.listen))?;
    let ops = tokio::spawn(ops.run(shutdown.now()));

    let server_tls = ServerTls::load(&config.tls.server(), &config.federation)?;
    let client_tls = ClientTls::load(&config.tls.client(), &config.federation)?;
    let mut hub = build(&config, client_tls.clone(), &shutdown).await?;
    readiness.set(DATABASE, true);

    let listener = TcpListener::bind(config.listen).await.map_err(listen(config.listen))?;
    let grpc_addr = listener.local_addr().map_err(listen(config.listen))?;
    tls::reload_on_hangup(server_tls.clone(), client_tls, shutdown.draining()).map_err(RunError::Signals)?;
    let (server, health) = GrpcServer::new(listener, server_tls, hub.routes(&config, &shutdown), shutdown.draining())
        .with_limits(config.limits.clone())
        .with_refusals(proto::unread)
        .with_health();
    let server = if config.reflection { server.with_reflection(CONTRACT)? } else { server };
    health.set("", true).await;
    readiness.set(LISTENER, true);
    if let Some(path) = &config.ports_file {
        ops::write_ports(path, grpc_addr, ops_addr)
            .map_err(|error| RunError::PortsFile { path: path.clone(), error })?;
    }
    tracing::info!(%grpc_addr, %ops_addr, replica = %config.replica, "the hub listens");
    let ended = lifecycle::serve_until(server.run(), hub.failure(&readiness, &shutdown), &shutdown).await;
    shutdown.drain();
    let finished = lifecycle::finish(hub.finish(), FINISH_AT_MOST, &shutdown).await;
    ops.abort();
    tracing::info!(?ended, finished, "the hub has stopped");
    ended.map(|_| ())
}

/// What a running hub is made of.
struct Hub {
    store: Store,
    owner: Arc<Owner>,
    directory: Directory,
    banks: Banks,
    desk: Desk,
    cardholder: CardholderApi,
    notices: Notices,
    vital: VitalTasks,
}

async fn build(config: &Config, client_tls: ClientTls, shutdown: &Shutdown) -> Result<Hub, RunError> {
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
    let telling = telling(config, &parts, shutdown)?;
    let (directory, directory_task) = Directory::start(parts, DirectoryOptions::default());
    let link = LinkOptions { timeout: config.banks.timeout.get(), tries: config.banks.tries };
    let banks = Banks::new(directory.clone(), client_tls, link);
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
    let sweeper = tokio::spawn(sweep(desk.clone(), config.payments.sweep_every.get(), shutdown.draining()));
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
    let (cardholder, phone_tasks) = CardholderApi::start(parts, config.phones.options());
    let mut vital = VitalTasks::default();
    let tasks = [("directory", directory_task), ("payment", desk_task), ("sweeper", sweeper)];
    for (name, task) in tasks.into_iter().chain(telling.tasks) {
        vital.watch(name, task);
    }
    for task in phone_tasks {
        vital.watch("cardholder", task);
    }
    Ok(Hub { store, owner, directory, banks, desk, cardholder, notices: telling.notices, vital })
}

/// The outbox, with what the directory works with.
fn telling(config: &Config, parts: &DirectoryParts, shutdown: &Shutdown) -> Result<Telling, ChannelError> {
    let DirectoryParts { store, keys, clock, rng, .. } = parts.clone();
    let ids = IdMaker::new(clock.clone(), rng.clone());
    let parts = NoticesParts { store, keys, clock, rng, ids };
    Telling::start(&config.notify, parts, NoticesOptions::default(), &shutdown.draining())
}

impl Hub {
    fn routes(&self, config: &Config, shutdown: &Shutdown) -> Routes {
        let limits = TerminalLimits {
            codes_per_minute: config.payments.codes_per_terminal_per_minute,
            reads_per_second: config.payments.reads_per_terminal_per_second,
            writes_per_second: config.payments.writes_per_terminal_per_second,
            refused_cards_per_minute: config.payments.refused_cards_per_terminal_per_minute,
            watches: config.payments.watches_per_terminal,
            watch_every: (self.store.dialect() == Dialect::Postgres).then_some(Duration::from_secs(1)),
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

    /// Why the hub has to end although nobody told it to.
    async fn failure(&mut self, readiness: &Readiness, shutdown: &Shutdown) -> RunError {
        tokio::select! {
            Err(lost) = self.owner.keep(OWNERSHIP_EVERY, CancellationToken::new(), |held| readiness.set(DATABASE, held)) => {
                lost.into()
            }
            ended = self.vital.failure(shutdown) => ended.into(),
        }
    }

    /// Waits until what was queued is durable, then closes the database.
    async fn finish(self) {
        let Self { store, directory, banks, desk, cardholder, notices, vital, .. } = self;
        drop((directory, banks, desk, cardholder, notices));
        vital.finish().await;
        store.close().await;
    }
}
