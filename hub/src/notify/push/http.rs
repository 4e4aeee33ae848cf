//! A small HTTPS client: one connection of HTTP/2 that is shared and made again, or one of HTTP/1.1 for each request.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::{Request, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::super::ChannelError;
use super::super::tls::Tls;

/// More than any answer to a push needs.
const MOST_ANSWER_BYTES: usize = 16 * 1024;

pub(super) type Body = Full<Bytes>;

pub(super) struct Http {
    tls: Tls,
    host: String,
    port: u16,
    within: Duration,
    shared: Mutex<Option<http2::SendRequest<Body>>>,
}

/// A connection for one request.
pub(super) enum Connection {
    Shared(http2::SendRequest<Body>),
    Single(http1::SendRequest<Body>),
}

/// What a service says.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    /// How long it wants to be left alone.
    pub(super) retry_after: Option<Duration>,
}

impl Http {
    pub(super) fn new(endpoint: &str, tls: Tls, within: Duration) -> Result<Self, ChannelError> {
        let unusable = || ChannelError::Endpoint { endpoint: endpoint.to_owned() };
        let uri: Uri = endpoint.parse().map_err(|_| unusable())?;
        let host = uri.host().filter(|_| uri.scheme_str() == Some("https") && uri.query().is_none());
        let host = host.ok_or_else(unusable)?.trim_matches(['[', ']']).to_owned();
        let authority = uri.authority().ok_or_else(unusable)?;
        if authority.as_str().contains('@') {
            return Err(unusable());
        }
        Ok(Self { tls, host, port: uri.port_u16().unwrap_or(443), within, shared: Mutex::default() })
    }

    /// The shared connection while it lasts, otherwise a new one.
    pub(super) async fn connection(&self) -> io::Result<Connection> {
        let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(mut sender) = shared
            && sender.ready().await.is_ok()
        {
            return Ok(Connection::Shared(sender));
        }
        let stream = self.tls.connect(&self.host, self.port, self.within).await?;
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let stream = TokioIo::new(stream);
        if is_http2 {
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder.timer(hyper_util::rt::TokioTimer::new());
            // A connection that a partition has cut is found out and made again.
            builder.keep_alive_interval(Duration::from_secs(30)).keep_alive_timeout(self.within);
            let (sender, driver) = builder.handshake(stream).await.map_err(io::Error::other)?;
            tokio::spawn(driver);
            *self.shared.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender.clone());
            return Ok(Connection::Shared(sender));
        }
        let (sender, driver) = http1::handshake(stream).await.map_err(io::Error::other)?;
        tokio::spawn(driver);
        Ok(Connection::Single(sender))
    }

    pub(super) async fn ask(&self, connection: Connection, request: Request<Body>) -> io::Result<Answer> {
        let response = match connection {
            Connection::Shared(mut sender) => sender.send_request(request).await,
            Connection::Single(mut sender) => sender.send_request(request_of_1(request)).await,
        };
        let response = response.map_err(io::Error::other)?;
        let status = response.status().as_u16();
        let retry_after = response.headers().get(http::header::RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok()?.parse().ok()).map(Duration::from_secs);
        let body = Limited::new(response.into_body(), MOST_ANSWER_BYTES).collect().await;
        let body = body.map_err(io::Error::other)?.to_bytes().to_vec();
        Ok(Answer { status, body, retry_after })
    }
}

/// HTTP/1.1 has the host in a header and the path alone in its first line.
fn request_of_1(request: Request<Body>) -> Request<Body> {
    let (mut parts, body) = request.into_parts();
    let host = parts.uri.authority().and_then(|authority| authority.as_str().parse().ok());
    let path = parts.uri.path_and_query().and_then(|path| path.as_str().parse().ok());
    if let (Some(host), Some(path)) = (host, path) {
        parts.headers.insert(http::header::HOST, host);
        parts.uri = path;
    }
    Request::from_parts(parts, body)
}
