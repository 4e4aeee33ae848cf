//! The hub's front for acquirers and a card network, over ISO 8583 on long-lived connections (M6, M7; ADR 30).
//!
//! Their messages take the steps that a terminal of the federation takes, by the same till; docs/network.md has the fields.
//!
//! | file | |
//! |---|---|
//! | `config`, `link` | which links there are, and for whom each may speak |
//! | `session` | one connection: sign-on, echo, keys, what is under way |
//! | `sent` | which message it is: a repeat is the same one |
//! | `carry`, `card`, `turns` | what is done about it |
//! | `route`, `routing` | payments that a link's network charges by itself, and which links may |
//! | `settle` | cut-over and totals |
//! | `reply` | what is answered |
//! | `journal`, `steps`, `sql` | what is kept |
//! | `notification`, `day_file` | a day's messages as a file, and back |
//! | `issuer` | the other way: banks without an adapter, reached over a card network |
//! | `working_key` | authentication codes, PIN blocks and new keys |

mod card;
mod carry;
pub mod config;
mod day_file;
pub mod issuer;
mod journal;
mod link;
pub mod notification;
mod reply;
mod route;
mod routing;
mod sent;
mod session;
mod settle;
mod sql;
mod steps;
mod turns;
mod working_key;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use server_kit::clock::SharedClock;
use server_kit::keystore::SharedKeyStore;
use server_kit::rng::SharedRng;
use server_kit::store::{Owner, Store};
use server_kit::tls::{HandshakeLimits, ServerTls, ServerTlsConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_stream::StreamExt as _;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected as _;

use carry::Carrier;
use config::{LinkConfig, NetworkConfig};
use journal::Journal;
use link::Link;
use session::{Ended, Ground, Stream};
use turns::Turns;

use crate::payment::TerminalApi;
use crate::standing::Standings;
use crate::voice::{PinPadError, VoicePinPad};

pub use day_file::day_file;
pub use routing::Routing;
pub(crate) use routing::{routing_words, state_words};
pub(crate) use sql::{Noted, day_of_link, note};
pub use working_key::{HandedOut, WorkingKey};

/// How long to wait when the system has no more sockets.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Why links cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    #[error("`network.links.{link}.{name}`: {what}")]
    Value { link: String, name: &'static str, what: &'static str },
    /// What was read is not repeated.
    #[error("`network.links.{link}.{name}`: a key has 32 hexadecimal digits, and its halves differ")]
    Key { link: String, name: &'static str },
    #[error("the links {first} and {second} both speak for the acquirer {acquirer}")]
    AcquirerTwice { first: String, second: String, acquirer: String },
    #[error("`network.issuers.{link}.{name}`: {what}")]
    Issuer { link: String, name: &'static str, what: &'static str },
    #[error("cannot listen for the link {link} on {addr}: {error}")]
    Listen { link: String, addr: SocketAddr, error: std::io::Error },
    #[error("network.pin_pad: the name of a PIN pad has 1 to 64 of a-z, 0-9 and '-'")]
    PadName,
    #[error("network.pin_pad_key: the key has 32 hexadecimal digits")]
    PadKey,
    #[error(transparent)]
    Secret(#[from] server_kit::config::ConfigError),
    #[error(transparent)]
    Tls(#[from] server_kit::tls::TlsError),
}

/// What links stand on.
#[derive(Debug)]
pub struct NetworkParts {
    pub store: Store,
    pub owner: Arc<Owner>,
    pub keys: SharedKeyStore,
    pub clock: SharedClock,
    pub rng: SharedRng,
    /// Of the days of links that were never cut over.
    pub zone: TimeZone,
    /// What takes the steps, as for the federation's own terminals.
    pub till: TerminalApi,
    pub federation: String,
    /// Where it is noted who has signed on.
    pub standings: Standings,
    /// Which links route by themselves.
    pub routing: Routing,
}

/// The links that are served.
#[derive(Debug)]
pub struct Network {
    /// Where each listens.
    pub addrs: BTreeMap<String, SocketAddr>,
    /// They end when the hub drains and what is under way has been answered.
    pub tasks: Vec<(&'static str, JoinHandle<()>)>,
}

impl Network {
    /// Serves every link that is configured, until `draining`.
    pub async fn start(
        config: &NetworkConfig,
        parts: NetworkParts,
        draining: CancellationToken,
    ) -> Result<Self, NetworkError> {
        let mut network = Self { addrs: BTreeMap::new(), tasks: Vec::new() };
        if config.links.is_empty() {
            return Ok(network);
        }
        let mut links: Vec<(Arc<Link>, &LinkConfig)> = Vec::with_capacity(config.links.len());
        for (id, config) in &config.links {
            links.push((Arc::new(Link::read(id, config)?), config));
        }
        no_acquirer_twice(&links)?;
        let NetworkParts { store, owner, keys, clock, rng, zone, till, federation, standings, routing } = parts;
        let (journal, task) = Journal::start((store, owner), keys.clone(), clock.clone(), zone);
        network.tasks.push(("messages of links", task));
        let (turns, pad) = (Turns::default(), pad(config)?);
        let carrier = Carrier { till, journal, routing, keys, clock, turns, pad, rng: rng.clone() };
        let ground = Ground { carrier, rng, standings, draining };
        for (link, config) in links {
            ground.standings.link(&link.id);
            let failed = |error| NetworkError::Listen { link: link.id.clone(), addr: config.listen, error };
            let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
            let addr = listener.local_addr().map_err(failed)?;
            tracing::info!(link = link.id, %addr, "a link is served");
            network.addrs.insert(link.id.clone(), addr);
            let tls = config.tls.as_ref().map(|tls| {
                let files = ServerTlsConfig {
                    certificate: tls.certificate.clone(),
                    key: tls.key.clone(),
                    client_ca: tls.client_ca.clone(),
                    revocation: None,
                };
                ServerTls::load(&files, &federation)
            });
            let front = Front { link, ground: ground.clone(), connections: JoinSet::new() };
            let task = match tls.transpose()? {
                Some(tls) => tokio::spawn(front.serve_tls(listener, tls)),
                None => tokio::spawn(front.serve_plain(listener)),
            };
            network.tasks.push(("a link", task));
        }
        Ok(network)
    }
}

/// The hub's own PIN pad for cards that come over links.
fn pad(config: &NetworkConfig) -> Result<Option<Arc<VoicePinPad>>, NetworkError> {
    let Some(key) = &config.pin_pad_key else { return Ok(None) };
    let pad = VoicePinPad::new(&config.pin_pad, &key.read()?).map_err(|error| match error {
        PinPadError::Name => NetworkError::PadName,
        PinPadError::Key => NetworkError::PadKey,
    })?;
    Ok(Some(Arc::new(pad)))
}

fn no_acquirer_twice(links: &[(Arc<Link>, &LinkConfig)]) -> Result<(), NetworkError> {
    let mut known: BTreeMap<&str, &str> = BTreeMap::new();
    for (link, _) in links {
        for acquirer in link.acquirers() {
            if let Some(first) = known.insert(acquirer, &link.id) {
                let (first, second) = (first.to_owned(), link.id.clone());
                return Err(NetworkError::AcquirerTwice { first, second, acquirer: acquirer.clone() });
            }
        }
    }
    Ok(())
}

/// Where a link connects.
struct Front {
    link: Arc<Link>,
    ground: Ground,
    connections: JoinSet<()>,
}

impl Front {
    async fn serve_plain(mut self, listener: TcpListener) {
        let draining = self.ground.draining.clone();
        loop {
            while self.connections.try_join_next().is_some() {}
            let accepted: std::io::Result<(TcpStream, SocketAddr)> = tokio::select! {
                () = draining.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((socket, addr)) => {
                    let _ = socket.set_nodelay(true);
                    self.take(Box::new(socket), addr);
                }
                Err(error) => {
                    tracing::warn!(%error, "no connection of a link can be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        while self.connections.join_next().await.is_some() {}
    }

    async fn serve_tls(mut self, listener: TcpListener, tls: ServerTls) {
        let draining = self.ground.draining.clone();
        let mut incoming = tls.accept(listener, HandshakeLimits::default(), CancellationToken::new());
        loop {
            while self.connections.try_join_next().is_some() {}
            let next = tokio::select! {
                () = draining.cancelled() => break,
                next = incoming.next() => next,
            };
            match next {
                Some(Ok(stream)) => {
                    let peer = stream.connect_info();
                    // Whoever has a certificate of the link's authority is the link, whatever else it names.
                    if peer.principal.is_none() && peer.refused.is_none() {
                        self.turn_away("no_certificate", peer.addr);
                    } else {
                        self.take(Box::new(stream), peer.addr);
                    }
                }
                Some(Err(error)) => tracing::debug!(%error, "a connection of a link did not come about"),
                None => break,
            }
        }
        while self.connections.join_next().await.is_some() {}
    }

    fn turn_away(&self, why: &'static str, addr: SocketAddr) {
        tracing::warn!(link = self.link.id, %addr, why, "a connection of a link is turned away");
        metrics::counter!("bankhub_network_connections_refused_total", "link" => self.link.id.clone(), "why" => why)
            .increment(1);
    }

    fn take(&mut self, stream: Box<dyn Stream>, addr: SocketAddr) {
        if !self.link.from.contains(&addr.ip().to_canonical()) {
            return self.turn_away("address", addr);
        }
        let Ok(place) = self.link.connections.clone().try_acquire_owned() else {
            return self.turn_away("too_many", addr);
        };
        let (link, ground) = (self.link.clone(), self.ground.clone());
        self.connections.spawn(async move {
            let up = metrics::gauge!("bankhub_network_connections", "link" => link.id.clone());
            up.increment(1.0);
            let ended: Ended = Box::pin(session::serve(link.clone(), ground, stream)).await;
            up.decrement(1.0);
            let why = ended.as_str();
            metrics::counter!("bankhub_network_connections_ended_total", "link" => link.id.clone(), "why" => why)
                .increment(1);
            tracing::info!(link = link.id, %addr, ended = why, "a connection of a link has ended");
            drop(place);
        });
    }
}
