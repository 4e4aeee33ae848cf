//! The hub as a process: configuration, build, run, drain.

mod ground;
mod operated;
mod paying;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use proto::cardholder::cardholder_service_server::CardholderServiceServer;
use proto::carrier::carrier_service_server::CarrierServiceServer;
use proto::federation::federation_service_server::FederationServiceServer;
use proto::operator::operator_service_server::OperatorServiceServer;
use proto::terminal::terminal_service_server::TerminalServiceServer;
use server_kit::clock::SystemClock;
use server_kit::lifecycle::{self, TaskEnded, VitalTasks};
use server_kit::ops::{self, OpsServer, Readiness};
use server_kit::rng::SystemRng;
use server_kit::serve::{Contract, GrpcServer};
use server_kit::shutdown::Shutdown;
use server_kit::store::{Dialect, Migrations, Owner, OwnershipLost, Store};
use server_kit::telemetry::{self, TelemetryError};
use server_kit::tls::{self, ClientTls, ServerTls};
use server_kit::trace::{self, Exporting, Service, TraceError};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use ground::{Asked, Ground};

use crate::bank::Banks;
use crate::bills::Bills;
use crate::cardholder::CardholderApi;
use crate::config::Config;
use crate::console::Console;
use crate::credit_history::CreditHistory;
use crate::directory::{Directory, OperatorApi};
use crate::federation::FederationApi;
use crate::follow::Followers;
use crate::freeze::Freezes;
use crate::network::{Network, NetworkError, NetworkParts, Routing};
use crate::notify::{ChannelError, Notices};
use crate::offers::Offers;
use crate::operators::{Guarded, Operators};
use crate::pages::serve::Place;
use crate::pages::{Listening, Pages, WebError};
use crate::payment::{Approvals, Desk, TerminalApi, TerminalLimits};
use crate::prices::Prices;
use crate::records::Records;
use crate::repayment::Repayments;
use crate::safety_code::SafetyCodes;
use crate::sign_up::{CarrierApi, SignUps};
use crate::voice::PinPadError;
use crate::web::Web;

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
    Rotation(#[from] server_kit::rotation::RotationError),
    #[error(transparent)]
    Tls(#[from] server_kit::tls::TlsError),
    #[error(transparent)]
    Rng(#[from] server_kit::rng::RngError),
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    #[error(transparent)]
    Trace(#[from] TraceError),
    #[error(transparent)]
    Serve(#[from] server_kit::serve::ServeError),
    #[error("cannot listen on {addr}: {error}")]
    Listen { addr: SocketAddr, error: std::io::Error },
    #[error("cannot write {path}: {error}")]
    PortsFile { path: PathBuf, error: std::io::Error },
    #[error("signals cannot be listened for")]
    Signals(#[source] std::io::Error),
    #[error("the admins in operators.admins cannot be registered: {0}")]
    FirstAdmins(domain::Reason),
    #[error(
        "operators.admins names one admin, and operators.second_person needs two: name another, or turn it off for a trial"
    )]
    OneAdmin,
    #[error(transparent)]
    Channel(#[from] ChannelError),
    #[error(transparent)]
    PinPad(#[from] PinPadError),
    #[error(transparent)]
    Voice(#[from] crate::voice::VoiceError),
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error(transparent)]
    Web(#[from] WebError),
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

/// What the hub measures, and describes by reflection.
const CONTRACT: Contract = Contract {
    descriptors: proto::DESCRIPTORS,
    services: &[
        proto::terminal::terminal_service_server::SERVICE_NAME,
        proto::cardholder::cardholder_service_server::SERVICE_NAME,
        proto::federation::federation_service_server::SERVICE_NAME,
        proto::operator::operator_service_server::SERVICE_NAME,
        proto::carrier::carrier_service_server::SERVICE_NAME,
    ],
    refuse: proto::status,
    reason_of: proto::reason_of,
};

/// The hub's schema, once for each engine.
pub fn migrations() -> Migrations {
    Migrations { sqlite: sqlx::migrate!("./migrations/sqlite"), postgres: sqlx::migrate!("./migrations/postgres") }
}

/// Runs the hub until it has drained, or until its name is lost or one of its tasks fails.
pub async fn run(config: Config, shutdown: Shutdown) -> Result<(), RunError> {
    let metrics = telemetry::start(config.log.format, &config.log.filter)?;
    let traces = traces(&config)?;
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
    hub.serve_links(&config, &shutdown).await?;

    let listener = TcpListener::bind(config.listen).await.map_err(listen(config.listen))?;
    let grpc_addr = listener.local_addr().map_err(listen(config.listen))?;
    tls::reload_on_hangup(server_tls.clone(), client_tls, shutdown.draining()).map_err(RunError::Signals)?;
    let (server, health) = GrpcServer::new(listener, server_tls, hub.routes(&shutdown), shutdown.draining())
        .with_limits(config.limits.clone())
        .with_refusals(proto::unread)
        .with_measures(CONTRACT)?
        .with_traces(CONTRACT)?
        .with_health();
    let server = if config.reflection { server.with_reflection(CONTRACT)? } else { server };
    health.set("", true).await;
    readiness.set(LISTENER, true);
    let pages = hub.serve_pages(&config, &shutdown).await?;
    if let Some(path) = &config.ports_file {
        ops::write_ports(path, grpc_addr, ops_addr, &pages)
            .map_err(|error| RunError::PortsFile { path: path.clone(), error })?;
    }
    tracing::info!(%grpc_addr, %ops_addr, replica = %config.replica, "the hub listens");
    let ended = lifecycle::serve_until(server.run(), hub.failure(&readiness, &shutdown), &shutdown).await;
    shutdown.drain();
    let finished = lifecycle::finish(Box::pin(hub.finish()), FINISH_AT_MOST, &shutdown).await;
    traces.finish().await;
    ops.abort();
    tracing::info!(?ended, finished, "the hub has stopped");
    ended.map(|_| ())
}

/// Makes the traces of this process.
fn traces(config: &Config) -> Result<Exporting, TraceError> {
    let (instance, federation) = (config.replica.clone(), config.federation.clone());
    let service = Service { name: "bankhub-hub", instance, federation };
    trace::start(&config.trace, &service, SystemClock::shared(), SystemRng::shared())
}

/// What a running hub is made of.
struct Hub {
    store: Store,
    owner: Arc<Owner>,
    directory: Directory,
    banks: Banks,
    desk: Desk,
    till: TerminalApi,
    records: Records,
    bills: Bills,
    credit_history: CreditHistory,
    offers: Offers,
    repayments: Repayments,
    freezes: Freezes,
    safety_codes: SafetyCodes,
    sign_ups: SignUps,
    routing: Routing,
    operators: Operators,
    operator_api: OperatorApi,
    cardholder: CardholderApi,
    notices: Notices,
    /// Until somebody serves them.
    web: Option<Web>,
    console: Option<Console>,
    vital: VitalTasks,
}

async fn build(config: &Config, client_tls: ClientTls, shutdown: &Shutdown) -> Result<Hub, RunError> {
    let mut ground = Ground::open(config, shutdown).await?;
    let directory = ground.directory(config);
    let banks = ground.banks(config, &directory, client_tls, shutdown.draining())?;
    let followers = Followers::new(config.notify.is_any(), config.records.compare_prices);
    let feed = ground.feed(&followers, shutdown.draining());
    let terms = ground.terms(config, shutdown.draining()).await?;
    let desk = ground.desk((&config.payments, &terms), (&directory, &banks), &feed);
    let records = ground.records(&feed);
    let prices = ground.prices();
    let zone = || config.records.time_zone.rules().clone();
    let bills = ground.bills(&feed, zone());
    let habits = ground.habits(zone());
    let credit_history = ground.credit_history(config, (&directory, &feed, &habits), shutdown.draining());
    let offers = ground.offers(config, (&feed, &habits), shutdown.draining());
    let repayments = ground.repayments(&config.payments, &banks, &feed, shutdown.draining());
    let notices = ground.notices(&config.notify, shutdown.draining())?;
    let freezes = ground.freezes(config, &banks, &feed, shutdown.draining());
    let safety_codes = ground.safety_codes(config, &feed);
    let sign_ups = ground.sign_ups(config, (&directory, &banks), &feed, shutdown.draining());
    let errands = ground.errands(config, &directory, &feed);
    let desk_of_calls = ground.desk_of_calls(config, (&directory, &banks), (&freezes, &safety_codes))?;
    ground.take_calls(&config.voice, Arc::new(desk_of_calls), zone(), shutdown.draining()).await?;
    let asked = Asked {
        habits,
        bills: bills.clone(),
        credit_history: credit_history.clone(),
        approvals: Approvals::new(desk.clone()),
        freezes: freezes.clone(),
        safety_codes: safety_codes.clone(),
        sign_ins: ground.sign_ins(config, &feed),
        offers: offers.clone(),
        repayments: repayments.clone(),
        notices: notices.clone(),
        reminders: ground.reminders(config, &feed, shutdown.draining()),
    };
    let web = ground.web(config, &directory, &asked);
    let (operators, operator_api) =
        ground.operators(config, (&directory, &banks, &feed), (&asked, &sign_ups, &terms), shutdown.draining()).await?;
    let console = ground.console(config, (&operators, &operator_api), banks.standings(), shutdown.draining());
    let cardholder = ground.cardholder(config, &directory, feed.clone(), asked);
    ground.follow(&followers, (&directory, feed), (&notices, &prices), shutdown.draining());
    ground.look_after_payments(&config.payments, &desk, shutdown.draining());
    let Ground { store, owner, vital, .. } = ground;
    Ok(Hub {
        till: till(config, &store, (&desk, &prices), shutdown).running(errands),
        store,
        owner,
        directory,
        banks,
        desk,
        records,
        bills,
        credit_history,
        offers,
        repayments,
        freezes,
        safety_codes,
        sign_ups,
        routing: terms.routing,
        operators,
        operator_api,
        notices,
        cardholder,
        web: Some(web),
        console: Some(console),
        vital,
    })
}

/// What terminals ask, whichever front they come through: one, so that its limits are.
fn till(config: &Config, store: &Store, (desk, prices): (&Desk, &Prices), shutdown: &Shutdown) -> TerminalApi {
    let limits = TerminalLimits {
        codes_per_minute: config.payments.codes_per_terminal_per_minute,
        reads_per_second: config.payments.reads_per_terminal_per_second,
        writes_per_second: config.payments.writes_per_terminal_per_second,
        refused_cards_per_minute: config.payments.refused_cards_per_terminal_per_minute,
        watches: config.payments.watches_per_terminal,
        watch_every: (store.dialect() == Dialect::Postgres).then_some(Duration::from_secs(1)),
    };
    TerminalApi::new(desk.clone(), prices.clone(), limits, shutdown.draining())
}

impl Hub {
    /// Serves the links to acquirers and a card network that are configured.
    async fn serve_links(&mut self, config: &Config, shutdown: &Shutdown) -> Result<(), NetworkError> {
        let parts = NetworkParts {
            store: self.store.clone(),
            owner: self.owner.clone(),
            keys: self.desk.keys().clone(),
            clock: self.desk.clock().clone(),
            rng: self.desk.rng().clone(),
            zone: config.records.time_zone.rules().clone(),
            till: self.till.clone(),
            federation: config.federation.clone(),
            standings: self.banks.standings().clone(),
            routing: self.routing.clone(),
        };
        let network = Network::start(&config.network, parts, shutdown.draining()).await?;
        network.tasks.into_iter().for_each(|(name, task)| self.vital.watch(name, task));
        Ok(())
    }

    fn routes(&self, shutdown: &Shutdown) -> Routes {
        let (records, bills, history) = (self.records.clone(), self.bills.clone(), self.credit_history.clone());
        let federation = FederationApi::new(
            self.desk.clone(),
            records,
            bills,
            history,
            (self.offers.clone(), self.repayments.clone()),
        )
        .allowing(self.safety_codes.clone());
        let carrier = CarrierApi::new(self.sign_ups.clone(), shutdown.draining());
        let most = proto::MAX_MESSAGE_BYTES;
        let operator = OperatorServiceServer::new(self.operator_api.clone()).max_decoding_message_size(most);
        Routes::new(TerminalServiceServer::new(self.till.clone()).max_decoding_message_size(most))
            .add_service(FederationServiceServer::new(federation).max_decoding_message_size(proto::MAX_REPORT_BYTES))
            .add_service(Guarded::new(operator, self.operators.clone()))
            .add_service(CarrierServiceServer::new(carrier).max_decoding_message_size(most))
            .add_service(CardholderServiceServer::new(self.cardholder.clone()).max_decoding_message_size(most))
    }

    /// Serves the pages for browsers that are to be served, and says where.
    async fn serve_pages(
        &mut self,
        config: &Config,
        shutdown: &Shutdown,
    ) -> Result<Vec<(&'static str, SocketAddr)>, RunError> {
        let (web, console) = (config.web.place(), config.console.place());
        let mut served = Vec::new();
        if let Some(pages) = self.web.take() {
            served.extend(self.serve_one(("web", web), pages, shutdown).await?);
        }
        if let Some(pages) = self.console.take() {
            served.extend(self.serve_one(("console", console), pages, shutdown).await?);
        }
        Ok(served)
    }

    async fn serve_one(
        &mut self,
        (name, place): (&'static str, Place<'_>),
        pages: impl Pages,
        shutdown: &Shutdown,
    ) -> Result<Option<(&'static str, SocketAddr)>, RunError> {
        let unknown = place.listen;
        let Some(listening) = Listening::bind(place).await? else { return Ok(None) };
        let cannot = |error| RunError::Listen { addr: unknown.unwrap_or(ops::DEFAULT_ADDR), error };
        let addr = listening.local_addr().map_err(cannot)?;
        self.vital.watch(name, tokio::spawn(listening.run(pages, shutdown.draining())));
        tracing::info!(%addr, name, "pages are served");
        Ok(Some((name, addr)))
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
        let Self {
            store,
            directory,
            banks,
            desk,
            till,
            records,
            bills,
            credit_history,
            offers,
            repayments,
            freezes,
            safety_codes,
            sign_ups,
            routing,
            operators,
            operator_api,
            notices,
            cardholder,
            vital,
            ..
        } = self;
        drop((directory, banks, desk, till, records, bills, credit_history, offers, repayments, notices, cardholder));
        drop((freezes, safety_codes, sign_ups, routing, operators, operator_api));
        vital.finish().await;
        store.close().await;
    }
}
