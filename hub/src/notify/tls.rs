//! TLS towards those who carry notices: whoever has a certificate for the name that is called, by the authorities of the public web or
//! by one that the operator names.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use super::ChannelError;

/// The client's side of TLS for one channel.
#[derive(Clone)]
pub(super) struct Tls {
    connector: TlsConnector,
}

impl Tls {
    /// Trusts the authorities in `ca`, or those of the public web; agrees on one of `protocols` if there are any.
    pub(super) fn new(ca: Option<&Path>, protocols: &[&[u8]]) -> Result<Self, ChannelError> {
        let mut roots = RootCertStore::empty();
        match ca {
            None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            Some(path) => {
                for certificate in certificates(path)? {
                    roots.add(certificate).map_err(|_| unusable(path))?;
                }
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(ChannelError::Tls)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(Self { connector: TlsConnector::from(Arc::new(config)) })
    }

    /// Connects within a time to `host`, and to nobody else.
    pub(super) async fn connect(&self, host: &str, port: u16, within: Duration) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let connecting = async {
            let socket = TcpStream::connect((host, port)).await?;
            socket.set_nodelay(true)?;
            self.connector.connect(name, socket).await
        };
        timeout(within, connecting).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

/// The certificates of a file in PEM form; one at least.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ChannelError> {
    let bytes = std::fs::read(path).map_err(|_| unusable(path))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    found.ok().filter(|found| !found.is_empty()).ok_or_else(|| unusable(path))
}

fn unusable(path: &Path) -> ChannelError {
    ChannelError::Certificates { path: PathBuf::from(path) }
}
