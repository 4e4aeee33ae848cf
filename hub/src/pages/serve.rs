//! The listener: connections are few, headers come in time, and a drain lets requests under way finish.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use server_kit::config::SecretRef;
use server_kit::shutdown;
use server_kit::tls::{PageTls, TlsError};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::Signal;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use http::Request;
use hyper::body::Incoming;

use super::response::Answer;

/// Headers that take longer are nobody's browser.
const HEADERS_WITHIN: Duration = Duration::from_secs(10);
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(5);
const MOST_HEADER_BYTES: usize = 16 * 1024;
/// How long to wait when the system has no more sockets.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What answers browsers. Cheap to clone.
pub trait Pages: Clone + Send + Sync + 'static {
    /// Answers one request that came from this address.
    fn answer(&self, request: Request<Incoming>, from: IpAddr) -> impl Future<Output = Answer> + Send;
}

/// Where pages are served, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'c> {
    /// The section of the configuration.
    pub(crate) section: &'static str,
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) certificate: Option<&'c Path>,
    pub(crate) key: Option<&'c SecretRef>,
    pub(crate) behind_proxy: bool,
    pub(crate) trust_forwarded_for: bool,
    pub(crate) connections: usize,
}

/// Why the pages cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    #[error(
        "{0}.listen is {1}, which browsers elsewhere can reach: {0}.certificate and {0}.key are missing, or {0}.behind_proxy"
    )]
    Plain(&'static str, SocketAddr),
    #[error("{0}.certificate and {0}.key go together")]
    HalfTls(&'static str),
    #[error("{0}.trust_forwarded_for without {0}.behind_proxy believes whoever asks")]
    TrustsAnybody(&'static str),
    #[error("cannot listen on {addr}: {error}")]
    Listen { addr: SocketAddr, error: io::Error },
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// A listener that is bound.
#[derive(Debug)]
pub struct Listening {
    listener: TcpListener,
    tls: Option<PageTls>,
    connections: usize,
}

impl Listening {
    /// Binds the listener of a configuration that has one.
    pub(crate) async fn bind(place: Place<'_>) -> Result<Option<Self>, WebError> {
        let Some(addr) = place.listen else { return Ok(None) };
        if place.trust_forwarded_for && !place.behind_proxy {
            return Err(WebError::TrustsAnybody(place.section));
        }
        let tls = match (place.certificate, place.key) {
            (Some(certificate), Some(key)) => Some(PageTls::load(certificate, key)?),
            (None, None) if place.behind_proxy || addr.ip().is_loopback() => None,
            (None, None) => return Err(WebError::Plain(place.section, addr)),
            _ => return Err(WebError::HalfTls(place.section)),
        };
        let listener = TcpListener::bind(addr).await.map_err(|error| WebError::Listen { addr, error })?;
        Ok(Some(Self { listener, tls, connections: place.connections.max(1) }))
    }

    /// Where it is bound.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers until the hub drains; then waits for what is under way. On every SIGHUP the certificate is read again.
    pub async fn run(self, web: impl Pages, draining: CancellationToken) {
        let (room, tasks) = (Arc::new(Semaphore::new(self.connections)), TaskTracker::new());
        let mut hangups = shutdown::reload_requests().ok().filter(|_| self.tls.is_some());
        loop {
            let next = async {
                let permit = room.clone().acquire_owned().await.map_err(io::Error::other)?;
                Ok::<_, io::Error>((permit, self.listener.accept().await?))
            };
            let accepted = tokio::select! {
                accepted = next => accepted,
                () = asked_to_reload(&mut hangups) => {
                    self.reload();
                    continue;
                }
                () = draining.cancelled() => break,
            };
            match accepted {
                Ok((permit, (socket, addr))) => {
                    let (web, tls, draining) = (web.clone(), self.tls.clone(), draining.clone());
                    tasks.spawn(async move {
                        serve_one(web, tls, socket, addr.ip(), draining).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "no browser can be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        tasks.close();
        tasks.wait().await;
    }

    fn reload(&self) {
        match self.tls.as_ref().map(PageTls::reload) {
            Some(Ok(())) => tracing::info!("the certificate of the pages was reloaded"),
            Some(Err(error)) => tracing::error!(
                error = &error as &dyn std::error::Error,
                "the certificate of the pages could not be reloaded; the one from before stays in use"
            ),
            None => {}
        }
    }
}

/// Waits until an administrator asks for certificates to be read again; for ever where there are none.
async fn asked_to_reload(hangups: &mut Option<Signal>) {
    if let Some(hangups) = hangups
        && hangups.recv().await.is_some()
    {
        return;
    }
    std::future::pending().await
}

async fn serve_one(
    web: impl Pages,
    tls: Option<PageTls>,
    socket: TcpStream,
    from: IpAddr,
    draining: CancellationToken,
) {
    let Some(tls) = tls else { return converse(web, socket, from, draining).await };
    match tokio::time::timeout(HANDSHAKE_WITHIN, tls.accept(socket)).await {
        Ok(Ok(stream)) => converse(web, stream, from, draining).await,
        Ok(Err(error)) => tracing::debug!(%from, %error, "a browser's TLS handshake failed"),
        Err(_) => tracing::debug!(%from, "a browser's TLS handshake took too long"),
    }
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    web: impl Pages,
    stream: S,
    from: IpAddr,
    draining: CancellationToken,
) {
    let answer = service_fn(move |request| {
        let web = web.clone();
        async move { Ok::<_, std::convert::Infallible>(web.answer(request, from).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADERS_WITHIN).max_buf_size(MOST_HEADER_BYTES);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), answer));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = draining.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.as_mut().await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%from, %error, "a browser's connection broke");
    }
}
