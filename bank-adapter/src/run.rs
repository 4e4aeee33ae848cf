//! From a configuration to a running node: build, spawn, drain.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use domain::card::{BinRange, BinTable, Product};
use domain::{BankId, Reason};
use server_kit::clock::{ClockAhead, SharedClock, SystemClock};
use server_kit::config::ConfigError;
use server_kit::identity::{self, IdentityError, Principal};
use server_kit::keystore::{KeyFileError, SealedFile};
use server_kit::lifecycle::{self, TaskEnded, VitalTasks};
use server_kit::ops::{self, OpsServer, Readiness};
use server_kit::rng::{IdMaker, Rng, SharedRng, SystemRng};
use server_kit::rotation::{KeyFile, Rotation, RotationError};
use server_kit::serve::{Contract, GrpcServer, ServeError};
use server_kit::shutdown::Shutdown;
use server_kit::store::{OwnershipLost, Store, StoreError, StoreOptions, WriterOptions};
use server_kit::telemetry::{self, PrometheusHandle, TelemetryError};
use server_kit::tls::{self, ChannelOptions, ClientTls, ClientTlsConfig, ServerIdentity, ServerTls, TlsError};
use server_kit::trace::{self, Service, TraceError};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use crate::card::{self, CardParts, CardRules, Cards};
use crate::config::{CardProduct, CardsConfig, Config};
use crate::counter::CounterService;
use crate::credit::{Calendar, DayCloser, Schedule};
use crate::credit_system::{Connector, CreditSystemError};
use crate::hsm::{self, Hsm, HsmError};
use crate::identity::{Citizens, Desk};
use crate::ledger::{
    BankService, CreditHolds, CreditSystem, HubClient, Ledger, LedgerParts, PinSettler, ResolveOptions, Resolver,
};
use crate::report::{BillSender, Sender, SenderOptions};

/// The full names of the services, for `grpc.health.v1`.
const SERVICES: [&str; 2] =
    [proto::bank::bank_service_server::SERVICE_NAME, proto::counter::counter_service_server::SERVICE_NAME];
/// What the node describes by reflection.
const CONTRACT: Contract = Contract {
    descriptors: proto::DESCRIPTORS,
    services: &SERVICES,
    refuse: proto::status,
    reason_of: proto::reason_of,
};
/// The readiness check that says whether the ledger can be written.
const LEDGER: &str = "ledger";
/// How long the last steps may take to become durable after the last call was answered.
const FINISH_AT_MOST: Duration = Duration::from_secs(10);

/// Why the node does not start, or ends by itself.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("the configuration is wrong")]
    Config(#[from] ConfigError),
    #[error("`bank_id`: {0}")]
    BankId(Reason),
    #[error("`counter.operators`: {0:?} cannot be the name of an operator")]
    Operator(String),
    #[error("`federation` and `bank_id` make no name")]
    Identity(#[from] IdentityError),
    #[error("`hsm`: the key store for cards cannot be used")]
    Hsm(#[from] HsmError),
    #[error("`trial.clock_ahead` takes SQLite: PostgreSQL tells the time itself")]
    ClockAhead,
    #[error("`cards`: {0}")]
    Cards(Reason),
    #[error("`cards` takes an `hsm`")]
    CardsWithoutHsm,
    #[error("`credit_system` takes `hsm` and `cards`")]
    CreditSystemWithoutCards,
    #[error(transparent)]
    CreditSystem(#[from] CreditSystemError),
    #[error("the key store cannot be opened")]
    Keys(#[from] KeyFileError),
    #[error("the key store is not that of the database")]
    Rotation(#[from] RotationError),
    #[error("the database cannot be used")]
    Store(#[from] StoreError),
    #[error("TLS cannot be set up")]
    Tls(#[from] TlsError),
    #[error("logs or metrics cannot be set up")]
    Telemetry(#[from] TelemetryError),
    #[error("traces cannot be sent")]
    Trace(#[from] TraceError),
    #[error("{addr} cannot be listened on")]
    Listen { addr: SocketAddr, source: io::Error },
    #[error("{path} cannot be written")]
    PortsFile { path: PathBuf, source: io::Error },
    #[error("signals cannot be listened for")]
    Signals(#[source] io::Error),
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error(transparent)]
    Ownership(#[from] OwnershipLost),
    #[error(transparent)]
    TaskEnded(#[from] TaskEnded),
}

/// Where a node is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Running {
    pub grpc_addr: SocketAddr,
    pub ops_addr: SocketAddr,
}

/// Runs a bank's node until `shutdown`: build, announce, serve, drain.
pub async fn run(config: Config, shutdown: Shutdown) -> Result<(), RunError> {
    let metrics = telemetry::start(config.log.format, &config.log.filter)?;
    let (instance, federation) = (config.bank_id.clone(), config.federation.clone());
    let service = Service { name: "bankhub-adapter", instance, federation };
    let traces = trace::start(&config.trace, &service, SystemClock::shared(), SystemRng::shared())?;
    let ended = Box::pin(Adapter::build(config, metrics, &shutdown).await?.serve(shutdown)).await;
    traces.finish().await;
    ended
}

/// A node that listens, and serves when it is told to.
#[derive(Debug)]
pub struct Adapter {
    config: Config,
    running: Running,
    clock: SharedClock,
    store: Store,
    ledger: Ledger,
    cards: Option<Cards>,
    /// None where an existing credit system keeps the credit accounts: it closes their days.
    closer: Option<DayCloser>,
    credit: Option<CreditHolds>,
    /// Who this bank is: what it does by itself stands under its name in the log.
    principal: Principal,
    rotation: Rotation,
    vital: VitalTasks,
    server_tls: ServerTls,
    client_tls: ClientTls,
    /// None where no accounts are opened for the hub.
    citizens: Option<Citizens>,
    hub: HubClient,
    listener: TcpListener,
    ops: OpsServer,
    readiness: Readiness,
}

impl Adapter {
    /// Reads the certificates, opens the keys and the ledger, and binds the listeners.
    pub async fn build(config: Config, metrics: PrometheusHandle, shutdown: &Shutdown) -> Result<Self, RunError> {
        let bank_id = BankId::parse(&config.bank_id).map_err(RunError::BankId)?;
        let principal = Principal::bank(&config.federation, bank_id.as_str())?;
        if let Some(stranger) = config.counter.operators.iter().find(|id| !identity::is_id(id)) {
            return Err(RunError::Operator(stranger.clone()));
        }
        let server_tls = ServerTls::load(&config.tls, &principal.federation)?;
        let client_tls = ClientTls::load(&client_files(&config), &principal.federation)?;
        let hub = hub_client(&config, &client_tls)?;
        let citizens = config.identity.as_ref().map(|service| Citizens::new(service, &client_tls)).transpose()?;

        let (clock, rng) = (clock(&config)?, SystemRng::shared());
        let ids = IdMaker::new(clock.clone(), rng.clone());
        let file = key_file(&config, &*rng)?;
        let keys = file.keys.clone();
        let store = Store::open(&store_options(&config)?, &crate::migrations(), clock.clone()).await?;
        let owner = Ledger::take_ownership(&store, &bank_id, &ids).await?;
        let options =
            WriterOptions { queue: config.ledger.queue, batch: config.ledger.batch, ..WriterOptions::default() };
        let calendar = Calendar::new(config.credit.time_zone.clone(), config.credit.close_at);
        let issuing = issuing(&config, &bank_id, &clock, &rng)?;
        let parts = LedgerParts {
            bank_id,
            store: store.clone(),
            owner,
            keys: keys.clone(),
            rng: rng.clone(),
            calendar: calendar.clone(),
        };
        let (ledger, writer) = Ledger::start(parts, options);
        let (rotation, key_writer) =
            crate::keys::open(&store, &ledger.owner(), file, config.keys.rotation.options()).await?;
        let cards = issuing.map(|(rules, hsm)| {
            let (ledger, clock, calendar) = (ledger.clone(), clock.clone(), calendar.clone());
            Cards::new(CardParts { ledger, hsm, keys, rng, clock, calendar, rules })
        });
        let mut vital = VitalTasks::default();
        vital.watch("ledger", writer);
        vital.watch("keys", key_writer);
        let credit = connect(&config, (cards.as_ref(), &ledger, ids), &mut vital, shutdown.served()).await?;
        let closer = credit.is_none().then(|| DayCloser::new(ledger.clone(), calendar, clock.clone()));

        let readiness = Readiness::waiting_for(&[LEDGER]);
        let (listener, ops, running) = bind(&config, metrics, &readiness, shutdown).await?;
        Ok(Self {
            config,
            running,
            clock,
            store,
            ledger,
            cards,
            closer,
            credit,
            principal,
            rotation,
            vital,
            server_tls,
            client_tls,
            citizens,
            hub,
            listener,
            ops,
            readiness,
        })
    }

    /// Where the node is reached.
    pub const fn running(&self) -> Running {
        self.running
    }

    /// The ledger, for tests and tools in the same process.
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Starts what works beside the calls, until the node drains: who asks the hub about old legs, who tells it of charges that it did not
    /// carry, and who closes days.
    fn watch_workers(&mut self, draining: &CancellationToken) {
        let resolver = resolver(&self.config, &self.ledger, self.hub.clone(), self.clock.clone());
        self.vital.watch("rewriting under new keys", self.rotation.rewrite(draining.clone()));
        self.vital.watch("resolver", tokio::spawn(resolver.run(draining.clone())));
        let sender = Sender::new(self.ledger.clone(), self.hub.clone(), SystemRng::shared(), SenderOptions::default());
        self.vital.watch("reports", tokio::spawn(sender.run(draining.clone())));
        let (ledger, hub) = (self.ledger.clone(), self.hub.clone());
        let bills = BillSender::new(ledger, hub, SystemRng::shared(), SenderOptions::default());
        self.vital.watch("bills", tokio::spawn(bills.run(draining.clone())));
        if let Some(closer) = self.closer.clone() {
            let schedule = Schedule::new(closer, self.principal.clone());
            self.vital.watch("closer", tokio::spawn(schedule.run(draining.clone())));
        }
    }

    /// Serves until `shutdown` drains, or until the ledger is lost or one of its tasks fails; then finishes what is under way.
    pub async fn serve(mut self, shutdown: Shutdown) -> Result<(), RunError> {
        let draining = shutdown.draining();
        self.watch_workers(&draining);
        let served = shutdown.served();
        let ops = tokio::spawn(async move {
            if let Err(error) = self.ops.run(served).await {
                tracing::error!(%error, "the operators' listener failed");
            }
        });
        let mut vital = self.vital;
        let credit: Arc<dyn CreditSystem> = match self.credit {
            None => Arc::new(self.ledger.clone()),
            Some(holds) => Arc::new(holds),
        };
        vital.watch("versions of keys", self.rotation.run(shutdown.served()).map_err(RunError::Signals)?);
        tls::reload_on_hangup(self.server_tls.clone(), self.client_tls, draining.clone()).map_err(RunError::Signals)?;
        let operators = self.config.counter.operators.clone();
        let counter = CounterService::new(
            self.ledger.clone(),
            self.cards.clone(),
            (self.closer, credit.clone()),
            (self.clock.clone(), self.hub.clone()),
            self.rotation,
            operators,
        );
        let desk = Desk::new(self.ledger.clone(), self.citizens, self.clock.clone());
        let bank = BankService::new(self.ledger.clone(), self.cards.clone(), credit.clone(), desk);
        let routes = Routes::new(bank.into_server()).add_service(counter.into_server());
        if let Some(cards) = &self.cards {
            tokio::spawn(card::register_ranges(self.hub.clone(), cards.ranges(), draining.clone()));
            tokio::spawn(cards.clone().reload_on_hangup(draining.clone()));
        }
        let server = GrpcServer::new(self.listener, self.server_tls, routes, draining);
        let server = server.with_limits(self.config.limits.clone()).with_refusals(proto::unread);
        let (server, health) = server.with_traces(CONTRACT)?.with_health();
        let server = if self.config.reflection { server.with_reflection(CONTRACT)? } else { server };
        for service in SERVICES {
            health.set(service, true).await;
        }
        self.readiness.set(LEDGER, true);
        announce(&self.config, self.running)?;

        let (readiness, owner) = (self.readiness, self.ledger.owner());
        let every = self.config.ledger.ownership_every.get();
        let failure = async {
            tokio::select! {
                Err(lost) = owner.keep(every, shutdown.served(), |held| readiness.set(LEDGER, held)) => RunError::from(lost),
                ended = vital.failure(&shutdown) => RunError::from(ended),
            }
        };
        let ended = lifecycle::serve_until(server.run(), failure, &shutdown).await;
        shutdown.drain();
        drop((self.ledger, self.cards, credit));
        // The last step that was queued is durable before the store is closed; unless somebody is in a hurry, or a call that was
        // cut keeps its door to the writer open.
        let finish = async {
            vital.finish().await;
            self.store.close().await;
            let _ = ops.await;
        };
        let finished = lifecycle::finish(finish, FINISH_AT_MOST, &shutdown).await;
        tracing::info!(?ended, finished, "stopped");
        ended.map(|_| ())
    }
}

/// Starts the line to an existing credit system, if the bank has one, which is told of all steps from here on, and settles the holds that a
/// crash has left without an answer.
async fn connect(
    config: &Config,
    (cards, ledger, ids): (Option<&Cards>, &Ledger, IdMaker),
    vital: &mut VitalTasks,
    served: CancellationToken,
) -> Result<Option<CreditHolds>, RunError> {
    let Some(system) = &config.credit_system else { return Ok(None) };
    let cards = cards.ok_or(RunError::CreditSystemWithoutCards)?;
    let pins = PinSettler::new(ledger.clone());
    let surroundings = cards.surroundings(&config.federation, ids, Arc::new(pins.clone()));
    let clock = surroundings.clock.clone();
    let answer_timeout = system.answer_timeout.get();
    let Connector { system, tasks } = Connector::start(system, surroundings, &served)?;
    for (name, task) in tasks {
        vital.watch(name, task);
    }
    ledger.keep_credit_elsewhere(system.bell());
    let holds = CreditHolds::new(ledger.clone(), system, pins, clock, answer_timeout);
    if let Err(error) = holds.recover().await {
        tracing::warn!(%error, "holds without an answer are settled later");
    }
    vital.watch("credit-sweep", tokio::spawn(holds.clone().sweep(served)));
    Ok(Some(holds))
}

/// Listens for callers and for those who operate the node.
async fn bind(
    config: &Config,
    metrics: PrometheusHandle,
    readiness: &Readiness,
    shutdown: &Shutdown,
) -> Result<(TcpListener, OpsServer, Running), RunError> {
    let listen = |addr| move |source| RunError::Listen { addr, source };
    let listener = TcpListener::bind(config.listen).await.map_err(listen(config.listen))?;
    let ops = OpsServer::bind(config.ops.listen, metrics, readiness.clone(), shutdown.draining());
    let ops = ops.await.map_err(listen(config.ops.listen))?;
    let running = Running {
        grpc_addr: listener.local_addr().map_err(listen(config.listen))?,
        ops_addr: ops.local_addr().map_err(listen(config.ops.listen))?,
    };
    Ok((listener, ops, running))
}

fn announce(config: &Config, running: Running) -> Result<(), RunError> {
    let Running { grpc_addr, ops_addr } = running;
    tracing::info!(bank = config.bank_id, grpc = %grpc_addr, ops = %ops_addr, "the bank's node is ready");
    let Some(path) = &config.ports_file else { return Ok(()) };
    ops::write_ports(path, grpc_addr, ops_addr, &[])
        .map_err(|source| RunError::PortsFile { path: path.clone(), source })
}

/// The machine's clock, or one that is ahead of it for a trial.
fn clock(config: &Config) -> Result<SharedClock, RunError> {
    let ahead = config.trial.clock_ahead.get();
    if ahead.is_zero() {
        return Ok(SystemClock::shared());
    }
    if !config.database.url.starts_with("sqlite:") {
        return Err(RunError::ClockAhead);
    }
    tracing::warn!(?ahead, "this is a trial: the bank's clock is ahead of the machine's");
    Ok(Arc::new(ClockAhead(ahead)))
}

/// The rules of a bank that issues cards, and the key store that verifies them.
type IssuedBy = (CardRules, Arc<dyn Hsm>);

/// None where the bank issues no cards.
fn issuing(
    config: &Config,
    bank_id: &BankId,
    clock: &SharedClock,
    rng: &SharedRng,
) -> Result<Option<IssuedBy>, RunError> {
    let rules = config.cards.as_ref().map(|cards| card_rules(cards, bank_id)).transpose()?;
    let hsm = config.hsm.as_ref().map(|hsm| hsm::open(hsm, clock.clone(), rng.clone())).transpose()?;
    match (rules, hsm) {
        (None, _) => Ok(None),
        (Some(_), None) => Err(RunError::CardsWithoutHsm),
        (Some(rules), Some(hsm)) => Ok(Some((rules, hsm))),
    }
}

fn card_rules(config: &CardsConfig, bank_id: &BankId) -> Result<CardRules, RunError> {
    let mut ranges = BinTable::default();
    for range in &config.ranges {
        let product = match range.product {
            CardProduct::Combined => Product::Combined,
            CardProduct::CreditOnly => Product::CreditOnly,
            CardProduct::DebitOnly => Product::DebitOnly,
        };
        let last = range.last.as_ref().unwrap_or(&range.first);
        let range = BinRange::new(&range.first, last, range.digits, product, bank_id.clone());
        ranges.register(range.map_err(RunError::Cards)?).map_err(RunError::Cards)?;
    }
    let (valid_years, without_pin_minor) = (config.valid_years, config.purchase_without_pin_minor);
    Ok(CardRules { ranges, valid_years, without_pin_minor })
}

fn store_options(config: &Config) -> Result<StoreOptions, RunError> {
    let database = &config.database;
    let password = database.password.as_ref().map(server_kit::config::SecretRef::read).transpose()?;
    Ok(StoreOptions { url: database.url.clone(), password, readers: database.readers, writers: database.writers })
}

fn client_files(config: &Config) -> ClientTlsConfig {
    ClientTlsConfig {
        server_ca: config.hub.server_ca.clone().unwrap_or_else(|| config.tls.client_ca.clone()),
        certificate: Some(config.tls.certificate.clone()),
        key: Some(config.tls.key.clone()),
    }
}

fn hub_client(config: &Config, tls: &ClientTls) -> Result<HubClient, RunError> {
    let expected = ServerIdentity::Spiffe(Principal::hub(tls.federation())?);
    let channel = tls.channel(&config.hub.endpoint, expected, &ChannelOptions::default())?;
    Ok(HubClient::new(channel, config.hub.timeout.get()))
}

fn resolver(config: &Config, ledger: &Ledger, hub: HubClient, clock: SharedClock) -> Resolver<HubClient> {
    let options = ResolveOptions {
        after: config.ledger.resolve_after.get(),
        every: config.ledger.resolve_every.get(),
        pause_at_most: config.ledger.resolve_pause_at_most.get(),
        legs_a_round: i64::from(config.ledger.resolve_legs_a_round),
    };
    Resolver::new(ledger.clone(), hub, clock, options)
}

/// The file of keys, made where there is none.
fn key_file(config: &Config, rng: &dyn Rng) -> Result<KeyFile, RunError> {
    let master = &config.keys.master;
    let keys = Arc::new(SealedFile::open_or_create(&config.keys.file, &master.read()?, rng)?);
    Ok(KeyFile { keys, master: master.clone() })
}
