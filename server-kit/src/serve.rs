//! Serving gRPC, and pages beside it, until the server drains.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, Request, StatusCode};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};
use tower_service::Service;

use crate::config::HumanDuration;
use crate::tls::{HandshakeLimits, ServerTls};

mod measured;
mod reflection;
mod traced;

use measured::{Measured, Measures};
pub use reflection::Contract;
use traced::{Traced, Traces};

/// How long connections may take to notice that they were cut.
const CUT_TIMEOUT: Duration = Duration::from_secs(1);

/// The bounds of a server.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServeLimits {
    /// A TLS handshake that takes longer is broken off.
    pub handshake_timeout: HumanDuration,
    /// How many TLS handshakes may be under way at once.
    pub handshakes_in_flight: usize,
    /// How many calls one connection may have open at once.
    pub concurrent_streams: u32,
    /// How many bytes of headers a request may have.
    pub header_list_bytes: u32,
    /// How often an idle connection is probed.
    pub keep_alive_interval: HumanDuration,
    /// How long a probe may go unanswered before the connection is given up.
    pub keep_alive_timeout: HumanDuration,
    /// How long calls may take to finish when the server drains.
    pub grace: HumanDuration,
}

impl Default for ServeLimits {
    fn default() -> Self {
        Self {
            handshake_timeout: HumanDuration::from_secs(5),
            handshakes_in_flight: 1024,
            concurrent_streams: 1024,
            header_list_bytes: 16 * 1024,
            keep_alive_interval: HumanDuration::from_secs(20),
            keep_alive_timeout: HumanDuration::from_secs(10),
            grace: HumanDuration::from_secs(20),
        }
    }
}

/// How a server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Every call was answered.
    Completely,
    /// The grace period was over first, and the connections that were left were cut.
    Cut,
}

/// Why a server ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The transport failed.
    #[error("the server failed")]
    Transport(#[from] tonic::transport::Error),
    /// The listener has no address.
    #[error("the listener cannot be used")]
    Listener(#[from] io::Error),
    /// What reflection is to describe cannot be read.
    #[error("the descriptors of the services cannot be read")]
    Descriptors(#[from] tonic_reflection::server::Error),
    /// What is to be measured cannot be read.
    #[error("the services that are to be measured cannot be read")]
    Undecodable(#[from] prost::DecodeError),
}

/// A server on one port.
#[derive(Debug)]
pub struct GrpcServer {
    listener: TcpListener,
    tls: ServerTls,
    router: axum::Router,
    measures: Measures,
    traces: Traces,
    health: Option<HealthHandle>,
    draining: CancellationToken,
    limits: ServeLimits,
}

impl GrpcServer {
    /// A server that answers `routes` on `listener` until `draining` is cancelled.
    ///
    /// A stream that stays open must end itself when `draining` is cancelled, or it uses up the grace period.
    pub fn new(listener: TcpListener, tls: ServerTls, routes: Routes, draining: CancellationToken) -> Self {
        let router = routes.into_axum_router();
        let (measures, traces) = (Measures::none(), Traces::none());
        Self { listener, tls, router, measures, traces, health: None, draining, limits: ServeLimits::default() }
    }

    /// Sets other bounds.
    #[must_use]
    pub fn with_limits(self, limits: ServeLimits) -> Self {
        Self { limits, ..self }
    }

    /// Answers `retell(status)` in place of a call's status, where it gives one: so that also what tonic refuses before a
    /// service sees it is told as the services tell theirs. It is asked about statuses that come without a message.
    #[must_use]
    pub fn with_refusals(self, retell: fn(&Status) -> Option<Status>) -> Self {
        let retold = move |answer: Response| async move {
            let status = Status::from_header_map(answer.headers());
            status.and_then(|status| retell(&status)).map_or(answer, Status::into_http)
        };
        let router = self.router.layer(axum::middleware::map_response(retold));
        Self { router, ..self }
    }

    /// Serves pages on the same port. What neither the pages nor the services know is answered in the caller's own way.
    #[must_use]
    pub fn with_pages(self, pages: axum::Router) -> Self {
        // tonic's own fallback would answer every unknown page with 200 and a gRPC status.
        let router = pages.merge(self.router.reset_fallback()).fallback(unknown);
        Self { router, ..self }
    }

    /// Adds `grpc.health.v1`, which says that the server as a whole is serving until it drains.
    #[must_use]
    pub fn with_health(self) -> (Self, HealthHandle) {
        let health = HealthHandle::new();
        let service = HealthServer::new(HealthService::from_health_reporter(health.reporter.clone()));
        let router = self.router.merge(Routes::new(service).into_axum_router().reset_fallback());
        (Self { router, health: Some(health.clone()), ..self }, health)
    }

    /// Counts the calls of `contract` and how long they take; see [`measured`].
    pub fn with_measures(self, contract: Contract) -> Result<Self, ServeError> {
        Ok(Self { measures: Measures::of(contract.descriptors, contract.services)?, ..self })
    }

    /// Has each call of `contract` belong to a trace; see [`crate::trace`].
    pub fn with_traces(self, contract: Contract) -> Result<Self, ServeError> {
        Ok(Self { traces: Traces::of(contract)?, ..self })
    }

    /// Adds `grpc.reflection.v1`, which describes the services in `contract`, the health service if there is one by then, and
    /// itself.
    ///
    /// It is for the workbench, and servers have it off unless they are told otherwise: who has the contract needs no
    /// description, and who has not should not be handed the names of all calls, operators' ones among them, or one more
    /// service that reads what strangers send. So it answers whoever has a certificate of the federation, in whatever role,
    /// and nobody else: not even where phones call without one.
    pub fn with_reflection(self, contract: Contract) -> Result<Self, ServeError> {
        let reflection = reflection::router(contract, self.health.is_some(), self.draining.clone())?;
        let router = self.router.merge(reflection);
        Ok(Self { router, ..self })
    }

    /// Serves until the server is drained: no new connections, calls under way finish within the grace period, then
    /// whatever is left is cut.
    pub async fn run(self) -> Result<Drained, ServeError> {
        let Self { listener, tls, router, measures, traces, health, draining, limits } = self;
        let addr = listener.local_addr()?;
        let handshakes =
            HandshakeLimits { timeout: limits.handshake_timeout.get(), in_flight: limits.handshakes_in_flight };
        let cut = CancellationToken::new();
        let incoming = tls.accept(listener, handshakes, cut.clone());
        let drained = draining.clone();
        let signal = async move {
            drained.cancelled().await;
            if let Some(health) = health {
                health.drain().await;
            }
        };
        let measured = Measured { inner: Deadline { inner: router.with_state(()) }, measures };
        let service = Traced { inner: measured, traces };
        let serving = tonic::transport::Server::builder()
            .accept_http1(true)
            .max_concurrent_streams(limits.concurrent_streams)
            .http2_max_header_list_size(limits.header_list_bytes)
            .http2_keepalive_interval(Some(limits.keep_alive_interval.get()))
            .http2_keepalive_timeout(Some(limits.keep_alive_timeout.get()))
            .initial_stream_window_size(256 * 1024)
            .initial_connection_window_size(4 * 1024 * 1024)
            .serve_with_incoming_shutdown(service, incoming, signal);
        let mut serving = Box::pin(serving);
        tracing::info!(%addr, "serving");
        let grace_is_over = async {
            draining.cancelled().await;
            tokio::time::sleep(limits.grace.get()).await;
        };
        tokio::select! {
            ended = &mut serving => {
                ended?;
                return Ok(Drained::Completely);
            }
            () = grace_is_over => {}
        }
        tracing::warn!(%addr, grace = %limits.grace, "calls were still open when the grace period ended");
        cut.cancel();
        // Whether the rest ends in an error or not at all, it is cut.
        let _ = tokio::time::timeout(CUT_TIMEOUT, serving).await;
        Ok(Drained::Cut)
    }
}

async fn unknown(headers: HeaderMap) -> Response {
    let content_type = headers.get(http::header::CONTENT_TYPE);
    if content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/grpc")) {
        Status::unimplemented("unknown service").into_http()
    } else {
        StatusCode::NOT_FOUND.into_response()
    }
}

/// What `grpc.health.v1` says.
#[derive(Clone)]
pub struct HealthHandle {
    reporter: HealthReporter,
    services: Arc<Mutex<Vec<String>>>,
}

impl HealthHandle {
    fn new() -> Self {
        // The reporter begins with the empty name, which stands for the server as a whole.
        Self { reporter: HealthReporter::new(), services: Arc::new(Mutex::new(vec![String::new()])) }
    }

    /// Says whether `service` (its full name, as `bankhub.terminal.v1.TerminalService`; empty for the whole) is
    /// serving.
    pub async fn set(&self, service: &str, serving: bool) {
        self.remember(service);
        let status = if serving { ServingStatus::Serving } else { ServingStatus::NotServing };
        self.reporter.set_service_status(service, status).await;
    }

    /// Says that nothing is serving any more, and ends the streams of those who watch, which would hold up the drain.
    async fn drain(mut self) {
        let services = std::mem::take(&mut *self.services.lock().unwrap_or_else(PoisonError::into_inner));
        for service in services {
            self.reporter.set_service_status(&service, ServingStatus::NotServing).await;
            self.reporter.clear_service_status(&service).await;
        }
    }

    fn remember(&self, service: &str) {
        let mut services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        if !services.iter().any(|known| known == service) {
            services.push(service.to_owned());
        }
    }
}

impl std::fmt::Debug for HealthHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HealthHandle").field("services", &self.services).finish_non_exhaustive()
    }
}

/// Answers DEADLINE_EXCEEDED when the time that the caller gave in `grpc-timeout` is over. tonic by itself would answer
/// CANCELLED, which tells a caller that someone gave up and not that time ran out.
///
/// The timer starts in `call`, just before tonic starts its own around this service, so that this answer comes first.
#[derive(Debug, Clone)]
struct Deadline<S> {
    inner: S,
}

impl<S, B> Service<Request<B>> for Deadline<S>
where
    S: Service<Request<B>, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Some(allowed) = grpc_timeout(request.headers()) else { return Box::pin(self.inner.call(request)) };
        let answer = tokio::time::timeout(allowed, self.inner.call(request));
        Box::pin(async move {
            answer
                .await
                .unwrap_or_else(|_| Ok(Status::deadline_exceeded("the deadline of the call is over").into_http()))
        })
    }
}

/// The header as the gRPC protocol defines it ("gRPC over HTTP/2", Timeout): at most eight digits and a unit.
fn grpc_timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if number.is_empty() || number.len() > 8 || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = number.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number * 3600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_call_that_takes_longer_than_the_caller_allows_is_answered_deadline_exceeded() {
        let never = tower::service_fn(|_: Request<()>| std::future::pending::<Result<Response, Infallible>>());
        let request = Request::builder().header("grpc-timeout", "3S").body(()).unwrap();
        let answer = Deadline { inner: never }.call(request).await.unwrap();
        let status = Status::from_header_map(answer.headers()).unwrap();
        assert_eq!(status.code(), tonic::Code::DeadlineExceeded);
    }

    #[test]
    fn the_time_that_a_caller_gives_is_read_as_the_protocol_says() {
        let read = |text: &str| {
            let headers =
                HeaderMap::from_iter([(http::HeaderName::from_static("grpc-timeout"), text.parse().unwrap())]);
            grpc_timeout(&headers)
        };
        assert_eq!(read("15S"), Some(Duration::from_secs(15)));
        assert_eq!(read("1H"), Some(Duration::from_secs(3600)));
        assert_eq!(read("99999999M"), Some(Duration::from_secs(99_999_999 * 60)));
        assert_eq!(read("250m"), Some(Duration::from_millis(250)));
        assert_eq!(read("7u"), Some(Duration::from_micros(7)));
        for text in ["", "S", "1", "123456789S", "-1S", "+1S", "1x", "1.5S"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
