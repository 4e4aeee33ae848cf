//! Vendor push: a phone is woken and told an id. What happened it reads from the hub, over its own session; no vendor learns of it.

mod http;
#[cfg(test)]
mod tests;
mod vendor;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::notice::ChannelKind;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret as _, SecretString};
use server_kit::clock::Stopwatch;
use server_kit::config::SecretRef;
use tokio::time::timeout;

use super::ChannelError;
use super::channel::{Address, Channel, Letter, PushTarget, SendError, Sent, Vendor};
use super::tls::Tls;
use http::{Answer, Http};

/// How long a token is believed before it is read again: whoever renews it writes it into its file.
const TOKEN_FOR: Duration = Duration::from_secs(30);

/// One vendor's service and the app there.
#[derive(Clone, Debug)]
pub struct PushOptions {
    pub vendor: Vendor,
    /// `https://host`, with a port and a path if it needs them.
    pub endpoint: String,
    /// The project (FCM), the topic (APNs) or the id (HMS) of the app.
    pub app: String,
    /// The bearer token, which is read again every half minute.
    pub token: SecretRef,
    /// The authorities of the service's certificate, in PEM form; without it those of the public web.
    pub ca: Option<PathBuf>,
    /// How long connecting and an answer may take.
    pub answer_within: Duration,
}

/// Push, by the services of one or more vendors.
#[derive(Debug)]
pub struct Push {
    services: Vec<Service>,
}

struct Service {
    options: PushOptions,
    http: Http,
    token: Mutex<Option<(SecretString, Stopwatch)>>,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("vendor", &self.options.vendor).finish_non_exhaustive()
    }
}

impl Push {
    pub fn new(services: Vec<PushOptions>) -> Result<Self, ChannelError> {
        let open = |options: PushOptions| {
            options.token.read()?;
            if !is_app(&options.app) {
                return Err(ChannelError::App { app: options.app });
            }
            let tls = Tls::new(options.ca.as_deref(), &[b"h2", b"http/1.1"])?;
            let http = Http::new(&options.endpoint, tls, options.answer_within)?;
            Ok(Service { options, http, token: Mutex::default() })
        };
        Ok(Self { services: services.into_iter().map(open).collect::<Result<_, _>>()? })
    }
}

/// It stands in paths and headers.
fn is_app(app: &str) -> bool {
    (1..=100).contains(&app.len()) && app.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
}

impl Channel for Push {
    fn kind(&self) -> ChannelKind {
        ChannelKind::Push
    }

    fn send<'a>(&'a self, letter: &'a Letter) -> BoxFuture<'a, Result<Sent, SendError>> {
        async move {
            let Address::Push(target) = &letter.to else {
                return Err(SendError::Refused { code: "NOT_A_PHONE".to_owned() });
            };
            match self.services.iter().find(|service| service.options.vendor == target.vendor) {
                Some(service) => service.send(letter, target).await,
                None => Err(SendError::Refused { code: "NO_SUCH_VENDOR".to_owned() }),
            }
        }
        .boxed()
    }
}

impl Service {
    async fn send(&self, letter: &Letter, target: &PushTarget) -> Result<Sent, SendError> {
        let token = self.token()?;
        let request = vendor::request(&self.options, letter.notice_id, target, &token)
            .ok_or_else(|| SendError::Gone { code: "TOKEN".to_owned() })?;
        let away = |code: &str| SendError::Away { code: code.to_owned() };
        let connecting = timeout(self.options.answer_within, self.http.connection()).await;
        let connection = connecting.map_err(|_| away("TIMED_OUT"))?.map_err(|_| away("CONNECTION"))?;
        let answering = timeout(self.options.answer_within, self.http.ask(connection, request)).await;
        let answer = match answering {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => return Err(SendError::Unknown { code: "CONNECTION".to_owned() }),
            Err(_) => return Err(SendError::Unknown { code: "TIMED_OUT".to_owned() }),
        };
        let said = vendor::meaning(self.options.vendor, &answer);
        if matches!(answer, Answer { status: 401 | 403, .. }) {
            // The next try reads it again.
            *self.token.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        said
    }

    fn token(&self) -> Result<String, SendError> {
        let mut known = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((token, _)) = known.as_ref().filter(|(_, since)| since.elapsed() < TOKEN_FOR) {
            return Ok(token.expose_secret().to_owned());
        }
        let token = self.options.token.read().map_err(|_| SendError::Away { code: "TOKEN_FILE".to_owned() })?;
        let text = token.expose_secret().to_owned();
        *known = Some((token, Stopwatch::start()));
        Ok(text)
    }
}
