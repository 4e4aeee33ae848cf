//! The client's side: channels that connect to exactly the server that is expected.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::{WebPkiServerVerifier, verify_server_cert_signed_by_trust_anchor};
use tokio_rustls::rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};
use tonic::transport::{Channel, Endpoint};

use super::TlsError;
use crate::config::SecretRef;
use crate::identity::{Principal, principal_of_certificate};

/// Where a client's certificates are.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientTlsConfig {
    /// The authorities whose certificates servers may show, in PEM form.
    pub server_ca: PathBuf,
    /// The client's certificate and the chain behind it, in PEM form; none to call without one.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
    /// The private key of the certificate, in PEM form.
    #[serde(default)]
    pub key: Option<SecretRef>,
}

/// The server that a client expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerIdentity {
    /// Exactly this member of the federation, on whatever machine it runs.
    Spiffe(Principal),
    /// Whoever has a certificate for the host in the address, as in the public web.
    Host,
}

/// How a channel behaves.
#[derive(Debug, Clone)]
pub struct ChannelOptions {
    /// For looking up the name, connecting and the handshake together.
    pub connect_timeout: Duration,
    /// How often the connection is probed, calls or no calls. Without probes every call of a channel hangs after a
    /// partition, until the system gives the connection up after many minutes.
    pub keep_alive_interval: Duration,
    /// How long a probe may go unanswered.
    pub keep_alive_timeout: Duration,
    /// How many bytes one stream may have under way.
    pub stream_window_bytes: u32,
    /// How many bytes all streams of the connection may have under way.
    pub connection_window_bytes: u32,
}

impl Default for ChannelOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(3),
            keep_alive_interval: Duration::from_secs(10),
            keep_alive_timeout: Duration::from_secs(5),
            stream_window_bytes: 1 << 20,
            connection_window_bytes: 8 << 20,
        }
    }
}

/// The client's side of TLS. Clones share the certificates, and a reload reaches the channels of all of them.
#[derive(Clone)]
pub struct ClientTls {
    files: Arc<ClientTlsConfig>,
    federation: Arc<str>,
    current: Arc<RwLock<Arc<Material>>>,
}

struct Material {
    roots: Arc<RootCertStore>,
    identity: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
}

impl ClientTls {
    /// Reads the certificates of a client in `federation`.
    pub fn load(files: &ClientTlsConfig, federation: &str) -> Result<Self, TlsError> {
        let federation = super::checked_federation(federation)?;
        let current = Arc::new(RwLock::new(Arc::new(Material::read(files)?)));
        Ok(Self { files: Arc::new(files.clone()), federation: federation.into(), current })
    }

    /// The federation that the client is in.
    pub fn federation(&self) -> &str {
        &self.federation
    }

    /// Reads the files again; channels use them from their next connection on. When something is wrong with the files,
    /// the certificates stay as they are.
    pub fn reload(&self) -> Result<(), TlsError> {
        let fresh = Arc::new(Material::read(&self.files)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// TLS over a socket to whoever has a certificate for `name`, for a protocol that is not HTTP and agrees on none in the
    /// handshake.
    pub async fn secure(
        &self,
        name: &str,
        socket: TcpStream,
    ) -> io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
        let material = self.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut config = material.config(&ServerIdentity::Host).map_err(io::Error::other)?;
        config.alpn_protocols.clear();
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        TlsConnector::from(Arc::new(config)).connect(name, socket).await.map_err(clearly)
    }

    /// A channel to `endpoint` (`https://host:port`) that connects with its first call, and again whenever the
    /// connection was lost. It takes no other server than `expect`.
    ///
    /// A server that refuses the client's certificate says so in TLS 1.3 only after the handshake: the first call
    /// fails.
    pub fn channel(
        &self,
        endpoint: &str,
        expect: ServerIdentity,
        options: &ChannelOptions,
    ) -> Result<Channel, TlsError> {
        let target = Target::parse(endpoint)?;
        let connector = Arc::new(Connector {
            tls: self.clone(),
            expect,
            target: target.clone(),
            timeout: options.connect_timeout,
            built: Mutex::new(None),
        });
        connector.config()?;
        let invalid = || TlsError::Endpoint { endpoint: endpoint.to_owned() };
        // The scheme that tonic sees is http, since the encryption is ours; the requests say https.
        let builder = Endpoint::from_shared(format!("http://{}", target.authority))
            .map_err(|_| invalid())?
            .origin(endpoint.parse().map_err(|_| invalid())?)
            .http2_keep_alive_interval(options.keep_alive_interval)
            .keep_alive_timeout(options.keep_alive_timeout)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(options.stream_window_bytes)
            .initial_connection_window_size(options.connection_window_bytes);
        Ok(builder.connect_with_connector_lazy(tower::service_fn(move |_: Uri| {
            let connector = connector.clone();
            async move { connector.connect().await.map(TokioIo::new) }
        })))
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls").field("files", &self.files).field("federation", &self.federation).finish()
    }
}

impl Material {
    fn read(files: &ClientTlsConfig) -> Result<Self, TlsError> {
        let identity = match (&files.certificate, &files.key) {
            (None, None) => None,
            (Some(certificate), Some(key)) => {
                Some((super::certificates(certificate)?, super::private_key(key, certificate)?))
            }
            _ => return Err(TlsError::HalfIdentity),
        };
        let material = Self { roots: super::authorities(&files.server_ca)?, identity };
        // A key that does not fit its certificate is found here and not by the first call.
        material.config(&ServerIdentity::Host)?;
        Ok(material)
    }

    fn config(&self, expect: &ServerIdentity) -> Result<ClientConfig, TlsError> {
        let provider = super::provider();
        let verifier: Arc<dyn ServerCertVerifier> = match expect {
            ServerIdentity::Spiffe(expected) => Arc::new(ExpectedServer {
                roots: self.roots.clone(),
                algorithms: provider.signature_verification_algorithms,
                expected: expected.clone(),
            }),
            ServerIdentity::Host => WebPkiServerVerifier::builder_with_provider(self.roots.clone(), provider.clone())
                .build()
                .map_err(|error| Error::General(error.to_string()))?,
        };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match &self.identity {
            Some((chain, key)) => builder.with_client_auth_cert(chain.clone(), key.clone_key())?,
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(config)
    }
}

#[derive(Debug, Clone)]
struct Target {
    authority: String,
    host: String,
    port: u16,
    name: ServerName<'static>,
}

impl Target {
    fn parse(endpoint: &str) -> Result<Self, TlsError> {
        Self::of(endpoint).ok_or_else(|| TlsError::Endpoint { endpoint: endpoint.to_owned() })
    }

    fn of(endpoint: &str) -> Option<Self> {
        let uri: Uri = endpoint.parse().ok()?;
        let authority = uri.authority()?;
        let is_bare = matches!(uri.path(), "" | "/") && uri.query().is_none() && !authority.as_str().contains('@');
        if uri.scheme_str() != Some("https") || !is_bare {
            return None;
        }
        let host = authority.host();
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host).to_owned();
        let name = ServerName::try_from(host.clone()).ok()?;
        Some(Self { authority: authority.to_string(), host, port: authority.port_u16()?, name })
    }
}

struct Connector {
    tls: ClientTls,
    expect: ServerIdentity,
    target: Target,
    timeout: Duration,
    /// The configuration and what it was built from, so that sessions can be resumed until the certificates change.
    built: Mutex<Option<(Arc<Material>, Arc<ClientConfig>)>>,
}

impl Connector {
    fn config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let material = self.tls.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, config)) = built.as_ref().filter(|(from, _)| Arc::ptr_eq(from, &material)) {
            return Ok(config.clone());
        }
        let config = Arc::new(material.config(&self.expect)?);
        *built = Some((material, config.clone()));
        Ok(config)
    }

    async fn connect(&self) -> io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
        let connecting = async {
            let socket = TcpStream::connect((self.target.host.as_str(), self.target.port)).await?;
            socket.set_nodelay(true)?;
            let config = self.config().map_err(io::Error::other)?;
            let stream = TlsConnector::from(config).connect(self.target.name.clone(), socket).await.map_err(clearly)?;
            if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
                return Err(io::Error::other("the server does not speak HTTP/2"));
            }
            Ok(stream)
        };
        match tokio::time::timeout(self.timeout, connecting).await {
            Ok(connected) => connected,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

/// Accepts the certificate of one member of the federation. The chain is checked as webpki does it for every server;
/// the name of the machine is not, since a member may run anywhere.
#[derive(Debug)]
struct ExpectedServer {
    roots: Arc<RootCertStore>,
    algorithms: WebPkiSupportedAlgorithms,
    expected: Principal,
}

/// The server is genuine, and another one.
#[derive(Debug, thiserror::Error)]
#[error("expected {expected}, found {found}")]
struct AnotherServer {
    expected: Principal,
    found: Principal,
}

/// rustls writes the refusal of an own verifier as a dump of its fields; a log needs the sentence.
fn clearly(error: io::Error) -> io::Error {
    match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(Error::InvalidCertificate(CertificateError::Other(OtherError(reason)))) => {
            io::Error::new(io::ErrorKind::InvalidData, format!("the server's certificate is refused: {reason}"))
        }
        _ => error,
    }
}

fn refuse(reason: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(reason))))
}

impl ServerCertVerifier for ExpectedServer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let certificate = ParsedCertificate::try_from(end_entity)?;
        verify_server_cert_signed_by_trust_anchor(&certificate, &self.roots, intermediates, now, self.algorithms.all)?;
        let found = principal_of_certificate(end_entity, &self.expected.federation).map_err(refuse)?;
        if found == self.expected {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(refuse(AnotherServer { expected: self.expected.clone(), found }))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_with_host_and_port_is_an_endpoint() {
        for (endpoint, host, port) in [
            ("https://hub.example:7000", "hub.example", 7000),
            ("https://[::1]:1/", "::1", 1),
            ("https://127.0.0.1:9", "127.0.0.1", 9),
        ] {
            let target = Target::parse(endpoint).unwrap();
            assert_eq!((target.host.as_str(), target.port), (host, port));
        }
        for endpoint in [
            "",
            "hub:7000",
            "http://hub:7000",
            "https://hub",
            "https://hub:1/x",
            "https://hub:1?x",
            "https://a@hub:1",
            "https://hub:99999",
        ] {
            assert!(matches!(Target::parse(endpoint), Err(TlsError::Endpoint { .. })), "{endpoint}");
        }
    }
}
