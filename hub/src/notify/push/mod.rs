//! Vendor push: a phone is woken and told an id. What happened it reads from the hub, over its own session; no vendor learns of it.

mod bearer;
mod http;
#[cfg(test)]
mod tests;
mod vendor;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use domain::notice::ChannelKind;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use secrecy::ExposeSecret as _;
use server_kit::clock::SharedClock;
use tokio::time::timeout;

use super::ChannelError;
use super::channel::{Address, Channel, Letter, PushTarget, SendError, Sent, Vendor};
use super::tls::Tls;
use bearer::{Bearer, Token};
use http::{Answer, Http};

pub use bearer::TokenSource;

/// One vendor's service and the app there.
#[derive(Clone, Debug)]
pub struct PushOptions {
    pub vendor: Vendor,
    /// `https://host`, with a port and a path if it needs them.
    pub endpoint: String,
    /// The project (FCM), the topic (APNs) or the id (HMS) of the app.
    pub app: String,
    /// What says who sends.
    pub token: TokenSource,
    /// The authorities of the service's certificate and of its token endpoint's, in PEM form; without it those of the public web.
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
    bearer: Bearer,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("vendor", &self.options.vendor).finish_non_exhaustive()
    }
}

impl Push {
    pub fn new(services: Vec<PushOptions>, clock: &SharedClock) -> Result<Self, ChannelError> {
        let open = |options: PushOptions| {
            if !is_app(&options.app) {
                return Err(ChannelError::App { app: options.app });
            }
            let tls = Tls::new(options.ca.as_deref(), &[b"h2", b"http/1.1"])?;
            let http = Http::new(&options.endpoint, tls, options.answer_within)?;
            let PushOptions { vendor, token, ca, answer_within, .. } = &options;
            let bearer = Bearer::open(vendor.name(), token, ca.clone(), *answer_within, clock.clone())?;
            Ok(Service { options, http, bearer })
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
        let vendor = self.options.vendor;
        let token = self.bearer.token().await?;
        let answer = self.ask(letter, target, &token).await?;
        if !vendor::doubts_token(vendor, &answer) {
            self.bearer.is_taken();
            return vendor::meaning(vendor, &answer);
        }
        // It may have ended before its time: with another one the letter is sent once more.
        let Some(another) = self.bearer.after(&token).await? else { return vendor::meaning(vendor, &answer) };
        let answer = self.ask(letter, target, &another).await?;
        if vendor::doubts_token(vendor, &answer) {
            self.bearer.is_refused(&another);
        } else {
            self.bearer.is_taken();
        }
        vendor::meaning(vendor, &answer)
    }

    async fn ask(&self, letter: &Letter, target: &PushTarget, token: &Token) -> Result<Answer, SendError> {
        let request = vendor::request(&self.options, letter.notice_id, target, token.text.expose_secret())
            .ok_or_else(|| SendError::Gone { code: "TOKEN".to_owned() })?;
        let away = |code: &str| SendError::Away { code: code.to_owned() };
        let connecting = timeout(self.options.answer_within, self.http.connection()).await;
        let connection = connecting.map_err(|_| away("TIMED_OUT"))?.map_err(|_| away("CONNECTION"))?;
        let answering = timeout(self.options.answer_within, self.http.ask(connection, request)).await;
        match answering {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(SendError::Unknown { code: "CONNECTION".to_owned() }),
            Err(_) => Err(SendError::Unknown { code: "TIMED_OUT".to_owned() }),
        }
    }
}
