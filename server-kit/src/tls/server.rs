//! The server's side: handshakes in tasks of their own, and streams that know their peer.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;

use super::{Peer, TlsError};
use crate::config::SecretRef;
use crate::identity::principal_of_certificate;

/// How long to wait when the system has no more sockets: long enough not to spin, short enough not to be noticed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Where a server's certificates are.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerTlsConfig {
    /// The server's certificate and the chain behind it, in PEM form.
    pub certificate: PathBuf,
    /// The private key of the certificate, in PEM form.
    pub key: SecretRef,
    /// The authorities whose certificates callers may show, in PEM form.
    pub client_ca: PathBuf,
    /// Lists of revoked certificates of callers, in PEM form.
    #[serde(default)]
    pub revocation: Option<PathBuf>,
}

/// How many handshakes may be under way, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct HandshakeLimits {
    /// A handshake that takes longer is broken off.
    pub timeout: Duration,
    /// More connections than this wait in the system's queue.
    pub in_flight: usize,
}

impl Default for HandshakeLimits {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(5), in_flight: 1024 }
    }
}

/// Authenticated connections, as they come out of their handshakes.
pub type Incoming = ReceiverStream<io::Result<PeerStream>>;

/// The server's side of TLS. Clones share the certificates, and a reload reaches all of them.
#[derive(Clone)]
pub struct ServerTls {
    files: Arc<ServerTlsConfig>,
    federation: Arc<str>,
    current: Arc<RwLock<Arc<ServerConfig>>>,
}

impl ServerTls {
    /// Reads the certificates. Callers are known by their names in `federation`.
    pub fn load(files: &ServerTlsConfig, federation: &str) -> Result<Self, TlsError> {
        let federation = super::checked_federation(federation)?;
        let current = Arc::new(RwLock::new(Arc::new(build(files)?)));
        Ok(Self { files: Arc::new(files.clone()), federation: federation.into(), current })
    }

    /// Reads the files again. New connections use what is there now, and no session from before is resumed; open
    /// connections stay as they are. When something is wrong with the files, the certificates stay as they are.
    pub fn reload(&self) -> Result<(), TlsError> {
        let fresh = Arc::new(build(&self.files)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// Accepts connections in a task of its own until the stream that is given back is dropped. When `cut` is
    /// cancelled, every connection breaks, whatever it is doing.
    pub fn accept(&self, listener: TcpListener, limits: HandshakeLimits, cut: CancellationToken) -> Incoming {
        let (ready, incoming) = mpsc::channel(64);
        let in_flight = Arc::new(Semaphore::new(limits.in_flight));
        let tls = self.clone();
        tokio::spawn(async move {
            loop {
                let next = async {
                    let permit = in_flight.clone().acquire_owned().await.map_err(io::Error::other)?;
                    Ok::<_, io::Error>((permit, listener.accept().await?))
                };
                let accepted = tokio::select! {
                    accepted = next => accepted,
                    () = ready.closed() => return,
                };
                match accepted {
                    Ok((permit, (socket, addr))) => {
                        let cut = cut.child_token();
                        tokio::spawn(tls.clone().finish(
                            Arrival { permit, socket, addr, cut },
                            limits.timeout,
                            ready.clone(),
                        ));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "no connection can be accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        });
        ReceiverStream::new(incoming)
    }

    async fn finish(self, arrival: Arrival, timeout: Duration, ready: mpsc::Sender<io::Result<PeerStream>>) {
        let addr = arrival.addr;
        let outcome = match tokio::time::timeout(timeout, self.handshake(arrival)).await {
            Ok(Ok(stream)) => {
                // Nobody is there to receive it while the server drains; then the connection just closes.
                let _ = ready.send(Ok(stream)).await;
                "ok"
            }
            Ok(Err(error)) => {
                tracing::debug!(%addr, %error, "TLS handshake failed");
                "failed"
            }
            Err(_) => {
                tracing::debug!(%addr, "TLS handshake took too long");
                "timeout"
            }
        };
        metrics::counter!("tls_handshakes_total", "outcome" => outcome).increment(1);
    }

    async fn handshake(&self, arrival: Arrival) -> io::Result<PeerStream> {
        let Arrival { permit: _permit, socket, addr, cut } = arrival;
        socket.set_nodelay(true)?;
        let config = self.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        let stream = TlsAcceptor::from(config).accept(socket).await?;
        let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        let (principal, refused) = match certificate.map(|der| principal_of_certificate(der, &self.federation)) {
            None => (None, None),
            Some(Ok(principal)) => (Some(principal), None),
            Some(Err(reason)) => {
                tracing::warn!(%addr, %reason, "a genuine certificate names nobody");
                (None, Some(reason))
            }
        };
        let peer = Arc::new(Peer { principal, refused, addr });
        Ok(PeerStream { stream, peer, cut: Box::pin(cut.cancelled_owned()), is_cut: false })
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").field("files", &self.files).field("federation", &self.federation).finish()
    }
}

struct Arrival {
    permit: OwnedSemaphorePermit,
    socket: TcpStream,
    addr: std::net::SocketAddr,
    cut: CancellationToken,
}

fn build(files: &ServerTlsConfig) -> Result<ServerConfig, TlsError> {
    let provider = super::provider();
    let mut verifier =
        WebPkiClientVerifier::builder_with_provider(super::authorities(&files.client_ca)?, provider.clone());
    if let Some(lists) = &files.revocation {
        // An authority without a list has revoked nothing yet; the chain above the caller is the operator's own.
        verifier = verifier
            .with_crls(super::revocation_lists(lists)?)
            .only_check_end_entity_revocation()
            .allow_unknown_revocation_status();
    }
    // Phones and browsers come without a certificate, on the same port; the services decide whom they answer.
    let verifier = verifier
        .allow_unauthenticated()
        .build()
        .map_err(|source| TlsError::Verifier { path: files.client_ca.clone(), source })?;
    let certificates = super::certificates(&files.certificate)?;
    super::note_end(&files.certificate, &certificates);
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(certificates, super::private_key(&files.key, &files.certificate)?)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // Tickets hold the sessions of many phones at the phones; the keys are new with every reload and every start.
    config.ticketer = tokio_rustls::rustls::crypto::ring::Ticketer::new()?;
    Ok(config)
}

/// An encrypted connection whose peer is known.
pub struct PeerStream {
    stream: TlsStream<TcpStream>,
    peer: Arc<Peer>,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    is_cut: bool,
}

impl PeerStream {
    /// Breaks the connection once it is cut. Looked at with every reading, since a connection is always being read.
    fn check_cut(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        self.is_cut = self.is_cut || self.cut.as_mut().poll(cx).is_ready();
        if self.is_cut { Err(io::ErrorKind::ConnectionAborted.into()) } else { Ok(()) }
    }
}

impl fmt::Debug for PeerStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerStream").field("peer", &self.peer).finish_non_exhaustive()
    }
}

impl Connected for PeerStream {
    type ConnectInfo = Arc<Peer>;

    fn connect_info(&self) -> Arc<Peer> {
        self.peer.clone()
    }
}

impl AsyncRead for PeerStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.check_cut(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for PeerStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
