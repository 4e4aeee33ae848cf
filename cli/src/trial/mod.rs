//! A whole federation on one machine: hubs and bank adapters as processes of their own, with a throw-away authority and
//! mutual TLS. The demo, `bankhub dev`, the tests and the bench stand on it.
//!
//! ```no_run
//! # async fn example() -> Result<(), bankhub::trial::TrialError> {
//! use bankhub::trial::{Federation, ServerOptions, TrialOptions};
//! let mut options = TrialOptions::in_folder(std::path::Path::new("/tmp/trial"))?;
//! options.hubs = vec![ServerOptions::named("hub-1").with("payments.code_ttl", "4s")];
//! options.banks = vec![ServerOptions::named("bank-a"), ServerOptions::named("bank-b")];
//! let mut federation = Federation::start(options).await?;
//! let operator = federation.operator()?;
//! let till = federation.terminal("till-1")?;
//! federation.server_mut("bank-b")?.kill().await?;
//! federation.server_mut("bank-b")?.start().await?;
//! federation.stop().await?;
//! # Ok(()) }
//! ```

mod cards;
mod carriers;
mod people;
mod ports;
pub mod postgres;
mod ready;
mod server;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::{BankId, TerminalId};
use proto::bank::bank_service_client::BankServiceClient;
use server_kit::config::SecretRef;
use server_kit::identity::Role;
use server_kit::tls::ClientTlsConfig;
use tonic::transport::Channel;

use crate::carrier::CarrierError;
use crate::hsm;
use crate::identity_simulator::{Rules, Simulator, SimulatorError};
use crate::init::{
    Authority, CardRange, InitError, Member, ServerSettings, adapter_toml, hub_toml, operator_toml, terminal_toml,
};
use crate::operator::{Operator, OperatorError};
use crate::phone::PhoneError;
use crate::profile::{Link, ProfileError};
use crate::terminal::{Pad, Terminal, TerminalError, TerminalOptions};

pub use cards::{IssuedCard, NewCard};
pub use people::{NewPerson, Person, Shop};
pub use server::{Kind, Server};

/// The one operator of a trial federation, at the hub and at every bank's counter.
pub const OPERATOR: &str = "founder";

/// Why a trial federation could not do something.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    #[error(transparent)]
    Init(#[from] InitError),
    #[error(transparent)]
    Profile(#[from] ProfileError),
    #[error(transparent)]
    Operator(#[from] OperatorError),
    #[error(transparent)]
    Phone(#[from] PhoneError),
    #[error(transparent)]
    Terminal(#[from] TerminalError),
    #[error(transparent)]
    Carrier(#[from] CarrierError),
    #[error(transparent)]
    Simulator(#[from] SimulatorError),
    #[error("PostgreSQL: {0}")]
    Postgres(#[from] sqlx::Error),
    #[error("{path}: {source}")]
    File { path: PathBuf, source: io::Error },
    #[error("{server} could not be started: {source}")]
    Spawn { server: String, source: io::Error },
    #[error("{server} ended while it was starting ({status}); the end of {log}:\n{tail}")]
    Died { server: String, status: String, log: PathBuf, tail: String },
    #[error("{server} was not ready within {} s; see {log}", within.as_secs())]
    NotReady { server: String, within: Duration, log: PathBuf },
    #[error("{server} did not stop within {} s", within.as_secs())]
    NotStopped { server: String, within: Duration },
    #[error("{server} ended with {status}; see {log}")]
    BadExit { server: String, status: String, log: PathBuf },
    #[error("there is no server called {0}")]
    NoSuchServer(String),
    #[error("{0} is not running")]
    NotRunning(String),
    #[error("{name:?} cannot be used as a name: {reason}")]
    Name { name: String, reason: domain::Reason },
}

/// How one server of the federation is set up.
#[derive(Clone, Debug, Default)]
pub struct ServerOptions {
    /// For a bank its id, for a hub the name of the replica.
    pub name: String,
    /// `postgres://…`; SQLite in the server's folder when there is none.
    pub database: Option<String>,
    /// Where the database's password is, `env:NAME` or `file:/path`.
    pub database_password: Option<String>,
    /// Configuration over the generated file, as (`dotted.key`, value).
    pub settings: Vec<(String, String)>,
    /// Variables for the process, such as `BANKHUB_FAULT`.
    pub environment: Vec<(String, String)>,
    /// For a bank, the numbers of the cards that it issues.
    pub cards: Vec<CardRange>,
}

impl ServerOptions {
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// A bank that issues cards of debit and credit with numbers that begin so.
    #[must_use]
    pub fn issuing(mut self, bin: &str) -> Self {
        self.cards.push(CardRange { bin: bin.to_owned(), product: "combined".to_owned() });
        self
    }

    /// With this configuration.
    #[must_use]
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.settings.push((key.to_owned(), value.to_owned()));
        self
    }

    /// With this variable in its environment.
    #[must_use]
    pub fn with_environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// On PostgreSQL.
    #[must_use]
    pub fn on(mut self, database: &str) -> Self {
        self.database = Some(database.to_owned());
        self
    }
}

/// What a trial federation consists of.
#[derive(Clone, Debug)]
pub struct TrialOptions {
    /// Where everything is kept; it is not removed.
    pub folder: PathBuf,
    /// The program to run, with the commands `hub` and `adapter`.
    pub binary: PathBuf,
    pub federation: String,
    /// Replicas of the hub. Several need one PostgreSQL database.
    pub hubs: Vec<ServerOptions>,
    pub banks: Vec<ServerOptions>,
    /// Terminals with a PIN pad, whose keys the banks with cards get.
    pub pin_pads: Vec<String>,
    /// What the banks are told of people's identity, by a simulator that runs in this process.
    pub identity: Rules,
    /// Whether the banks are registered at the hub once they listen.
    pub register_banks: bool,
    /// What servers write to their log, such as `info`.
    pub log_filter: String,
    /// Whether a server listens where it did when the folder was used before.
    pub keep_ports: bool,
    /// How long a server may take to become ready.
    pub ready_within: Duration,
    /// How long a server may take to drain.
    pub stop_within: Duration,
}

impl TrialOptions {
    /// One hub and two banks on SQLite, run by this very program.
    pub fn in_folder(folder: &Path) -> Result<Self, TrialError> {
        let binary = std::env::current_exe();
        let binary = binary.map_err(|source| TrialError::File { path: PathBuf::from("this program"), source })?;
        Ok(Self {
            folder: folder.to_owned(),
            binary,
            federation: "trial.bankhub".to_owned(),
            hubs: vec![ServerOptions::named("hub-1")],
            banks: vec![ServerOptions::named("bank-a"), ServerOptions::named("bank-b")],
            pin_pads: Vec::new(),
            identity: Rules::default(),
            register_banks: true,
            log_filter: "info".to_owned(),
            keep_ports: false,
            ready_within: Duration::from_secs(30),
            stop_within: Duration::from_secs(30),
        })
    }
}

/// A running federation. Dropping it kills the processes.
#[derive(Debug)]
pub struct Federation {
    options: TrialOptions,
    authority: Authority,
    servers: BTreeMap<String, Server>,
    operator: Member,
    hub_member: Member,
    identity: Simulator,
}

impl Federation {
    /// Makes folders, certificates and configurations, and starts the hubs, then the banks.
    pub async fn start(options: TrialOptions) -> Result<Self, TrialError> {
        let folder = options.folder.clone();
        let authority = Authority::open_or_create(&folder.join("authority"), Some(&options.federation))?;
        let operator = authority.member(Role::Operator, OPERATOR, &folder.join("operator"), &[])?;
        let identity = carriers::simulator(&authority, &options).await?;
        let (hub_member, servers) = (operator.clone(), BTreeMap::new());
        let mut federation = Self { hub_member, operator, authority, options, servers, identity };
        for server in federation.options.hubs.clone() {
            federation.start_hub(&server).await?;
        }
        for server in federation.options.banks.clone() {
            federation.start_bank(&server).await?;
        }
        let endpoint = federation.hub_endpoint()?;
        federation.operator.write("operator.toml", &operator_toml(&federation.operator, &endpoint))?;
        if federation.options.register_banks {
            for bank in federation.options.banks.clone() {
                federation.register_bank(&bank.name).await?;
            }
        }
        Ok(federation)
    }

    async fn start_hub(&mut self, options: &ServerOptions) -> Result<(), TrialError> {
        let folder = self.options.folder.join(&options.name);
        let member = self.authority.member(Role::Hub, "", &folder, &["localhost", "127.0.0.1"])?;
        self.share_keys(&member)?;
        let web_listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
        let settings = ServerSettings { web_listen, console_listen: web_listen, ..self.settings(&member, options) };
        let config = member.write("hub.toml", &hub_toml(&member, &options.name, &settings))?;
        self.hub_member = member.clone();
        self.start_server(Kind::Hub, member, config, options).await
    }

    /// Replicas of the hub share one database, so they share its keys.
    fn share_keys(&self, member: &Member) -> Result<(), TrialError> {
        let first = self.servers.values().find(|server| server.kind() == Kind::Hub);
        let Some(first) = first.map(Server::member).filter(|_| !member.sealed_keys().exists()) else {
            member.make_keys()?;
            return Ok(());
        };
        for (from, to) in [(first.sealed_keys(), member.sealed_keys()), (first.master(), member.master())] {
            // A copy keeps the mode 600.
            std::fs::copy(&from, &to).map_err(|source| TrialError::File { path: to, source })?;
        }
        Ok(())
    }

    async fn start_bank(&mut self, options: &ServerOptions) -> Result<(), TrialError> {
        let folder = self.options.folder.join(&options.name);
        let member = self.authority.member(Role::Bank, &options.name, &folder, &["localhost", "127.0.0.1"])?;
        member.make_keys()?;
        if !options.cards.is_empty() {
            let hsm = member.make_card_keys()?;
            for pad in &self.options.pin_pads {
                let key = hsm::pad_key(&self.member(Role::Terminal, pad)?.pin_key())?;
                hsm::pair(&*hsm, pad, &key).map_err(InitError::from)?;
            }
        }
        let settings = self.settings(&member, options);
        let config = member.write("adapter.toml", &adapter_toml(&member, &self.hub_endpoint()?, &settings))?;
        let options = options.clone().with("identity.endpoint", &self.identity.endpoint());
        let options = options.with("identity.name", carriers::IDENTITY);
        self.start_server(Kind::Adapter, member, config, &options).await
    }

    fn settings(&self, member: &Member, options: &ServerOptions) -> ServerSettings {
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        let file = member.folder.join("books.db");
        ServerSettings {
            listen: any_port,
            ops_listen: any_port,
            database_url: options.database.clone().unwrap_or_else(|| format!("sqlite:{}", file.display())),
            database_password: options.database_password.clone(),
            web_listen: None,
            console_listen: None,
            admins: vec![OPERATOR.to_owned()],
            // There is one operator, who is everybody: a trial says so in its configuration, and its hubs in their logs.
            second_person: false,
            ports_file: Some(member.folder.join(server::PORTS_FILE)),
            counter: vec![OPERATOR.to_owned()],
            cards: options.cards.clone(),
        }
    }

    async fn start_server(
        &mut self,
        kind: Kind,
        member: Member,
        config: PathBuf,
        options: &ServerOptions,
    ) -> Result<(), TrialError> {
        let mut server = Server::new(kind, member, config, options, &self.options);
        server.start().await?;
        self.servers.insert(options.name.clone(), server);
        Ok(())
    }

    pub fn folder(&self) -> &Path {
        &self.options.folder
    }

    pub fn name(&self) -> &str {
        &self.options.federation
    }

    /// All servers by name.
    pub fn servers(&self) -> impl Iterator<Item = &Server> {
        self.servers.values()
    }

    pub fn server(&self, name: &str) -> Result<&Server, TrialError> {
        self.servers.get(name).ok_or_else(|| TrialError::NoSuchServer(name.to_owned()))
    }

    pub fn server_mut(&mut self, name: &str) -> Result<&mut Server, TrialError> {
        self.servers.get_mut(name).ok_or_else(|| TrialError::NoSuchServer(name.to_owned()))
    }

    pub(crate) fn first_hub(&self) -> Result<&Server, TrialError> {
        let name = self.options.hubs.first().map(|hub| hub.name.as_str()).unwrap_or_default();
        self.server(name)
    }

    /// Where the first hub is.
    pub fn hub_endpoint(&self) -> Result<String, TrialError> {
        self.first_hub()?.endpoint()
    }

    /// Registers a bank at the hub, at the address where it listens.
    pub async fn register_bank(&self, name: &str) -> Result<(), TrialError> {
        self.register_bank_at(name, &self.server(name)?.endpoint()?).await
    }

    /// Registers a bank at another address, such as a proxy's that cuts the link.
    pub async fn register_bank_at(&self, name: &str, endpoint: &str) -> Result<(), TrialError> {
        let id = bank_id(name)?;
        let spoken = name.strip_prefix("bank-").unwrap_or(name).to_uppercase();
        self.operator()?.register_bank(&id, &format!("Bank {spoken}"), endpoint).await?;
        Ok(())
    }

    /// Where the certificate and the key of a member are, for a client of one's own.
    pub fn client_tls(member: &Member) -> ClientTlsConfig {
        ClientTlsConfig {
            server_ca: member.authority(),
            certificate: Some(member.certificate()),
            key: Some(SecretRef::File(member.key())),
        }
    }

    /// A certificate of any role, made if it is not there, in a folder of its own.
    pub fn member(&self, role: Role, id: &str) -> Result<Member, TrialError> {
        let folder = self.options.folder.join(format!("{role}-{id}"));
        let there = Member { folder: folder.clone(), federation: self.name().to_owned(), id: id.to_owned() };
        if there.certificate().exists() {
            return Ok(there);
        }
        Ok(self.authority.member(role, id, &folder, &[])?)
    }

    /// The authority, for certificates that lie.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The operator's calls at the first hub.
    pub fn operator(&self) -> Result<Operator, TrialError> {
        let link = Link::new(self.name(), &Self::client_tls(&self.operator))?;
        let hub = link.hub(&self.hub_endpoint()?)?;
        Ok(Operator::over(link, hub))
    }

    /// The operator's folder, with `operator.toml`.
    pub fn operator_folder(&self) -> &Path {
        &self.operator.folder
    }

    /// A channel to a hub under a terminal's certificate.
    pub fn terminal_channel(&self, id: &str, hub_endpoint: &str) -> Result<Channel, TrialError> {
        let member = self.member(Role::Terminal, id)?;
        Ok(Link::new(self.name(), &Self::client_tls(&member))?.hub(hub_endpoint)?)
    }

    /// A terminal at the first hub, with its journal and `terminal.toml` in its folder. Register it before it pays.
    pub fn terminal(&self, id: &str) -> Result<Terminal, TrialError> {
        self.terminal_with(id, |options| options)
    }

    /// A terminal with options of its own.
    pub fn terminal_with(
        &self,
        id: &str,
        change: impl FnOnce(TerminalOptions) -> TerminalOptions,
    ) -> Result<Terminal, TrialError> {
        let member = self.member(Role::Terminal, id)?;
        let endpoint = self.hub_endpoint()?;
        member.write("terminal.toml", &terminal_toml(&member, &endpoint))?;
        let terminal_id = TerminalId::parse(id).map_err(|reason| TrialError::Name { name: id.to_owned(), reason })?;
        let options = change(TerminalOptions::new(terminal_id, member.folder.join("journal")));
        Ok(Terminal::open(options, self.terminal_channel(id, &endpoint)?)?)
    }

    /// The PIN pad of a terminal that was named in `pin_pads`.
    pub fn pad(&self, id: &str) -> Result<Pad, TrialError> {
        let key = hsm::pad_key(&self.member(Role::Terminal, id)?.pin_key())?;
        Ok(Pad::new(id, &key).map_err(InitError::from)?)
    }

    /// Where the key is that a terminal's PIN pad shares with the hub.
    pub fn hub_pin_key(&self, id: &str) -> Result<PathBuf, TrialError> {
        Ok(self.member(Role::Terminal, id)?.hub_pin_key())
    }

    /// A channel as phones have it: server TLS, no certificate.
    pub fn phone_channel(&self) -> Result<Channel, TrialError> {
        let tls = ClientTlsConfig { server_ca: self.authority_certificate(), certificate: None, key: None };
        Ok(Link::new(self.name(), &tls)?.host(&self.hub_endpoint()?)?)
    }

    /// The certificate that everybody trusts.
    pub fn authority_certificate(&self) -> PathBuf {
        self.authority.certificate().to_owned()
    }

    /// A bank's service, called under the hub's certificate: to read legs, and for tests that speak as the hub.
    pub fn bank_as_hub(&self, name: &str) -> Result<BankServiceClient<Channel>, TrialError> {
        Ok(BankServiceClient::new(self.bank_channel_as_hub(name)?))
    }

    /// A bank's node, called under the hub's certificate.
    pub fn bank_channel_as_hub(&self, name: &str) -> Result<Channel, TrialError> {
        let link = Link::new(self.name(), &Self::client_tls(&self.hub_member))?;
        Ok(link.bank(&bank_id(name)?, &self.server(name)?.endpoint()?)?)
    }

    /// Starts every server that does not run, where it listened before and on the database that it had.
    pub async fn start_again(&mut self) -> Result<(), TrialError> {
        for kind in [Kind::Hub, Kind::Adapter] {
            for server in self.servers.values_mut().filter(|server| server.kind() == kind && !server.is_running()) {
                server.start().await?;
            }
        }
        Ok(())
    }

    /// Stops every server that runs with SIGTERM, and makes sure that each ended well.
    pub async fn stop(&mut self) -> Result<(), TrialError> {
        for kind in [Kind::Hub, Kind::Adapter] {
            for server in self.servers.values_mut().filter(|server| server.kind() == kind && server.is_running()) {
                server.stop().await?;
            }
        }
        Ok(())
    }
}

pub(crate) fn bank_id(name: &str) -> Result<BankId, TrialError> {
    BankId::parse(name).map_err(|reason| TrialError::Name { name: name.to_owned(), reason })
}
