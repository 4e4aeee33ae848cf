//! TLS towards browsers: no certificate is asked of them, since a question for one is a window that nobody understands.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;

use super::TlsError;
use crate::config::SecretRef;

/// The certificate that browsers see.
#[derive(Clone)]
pub struct PageTls {
    certificate: PathBuf,
    acceptor: TlsAcceptor,
}

impl PageTls {
    /// Reads the certificate, with the chain behind it, and its private key.
    pub fn load(certificate_file: &Path, key: &SecretRef) -> Result<Self, TlsError> {
        let certificates = super::certificates(certificate_file)?;
        super::note_end(certificate_file, &certificates);
        let mut config = ServerConfig::builder_with_provider(super::provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(certificates, super::private_key(key, certificate_file)?)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { certificate: certificate_file.to_owned(), acceptor: TlsAcceptor::from(Arc::new(config)) })
    }

    /// Shakes hands with one browser.
    pub async fn accept(&self, socket: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        socket.set_nodelay(true)?;
        self.acceptor.accept(socket).await
    }
}

impl fmt::Debug for PageTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PageTls").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}
