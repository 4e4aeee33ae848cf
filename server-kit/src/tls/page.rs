//! TLS towards browsers: no certificate is asked of them, since a question for one is a window that nobody understands.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;

use super::TlsError;
use crate::config::SecretRef;

/// The certificate that browsers see. Clones share it, and a reload reaches all of them.
#[derive(Clone)]
pub struct PageTls {
    files: Arc<(PathBuf, SecretRef)>,
    current: Arc<RwLock<TlsAcceptor>>,
}

fn build((certificate, key): &(PathBuf, SecretRef)) -> Result<TlsAcceptor, TlsError> {
    let certificates = super::certificates(certificate)?;
    super::note_end(certificate, &certificates);
    let mut config = ServerConfig::builder_with_provider(super::provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(certificates, super::private_key(key, certificate)?)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

impl PageTls {
    /// Reads the certificate, with the chain behind it, and its private key.
    pub fn load(certificate: &Path, key: &SecretRef) -> Result<Self, TlsError> {
        let files = (certificate.to_owned(), key.clone());
        let current = Arc::new(RwLock::new(build(&files)?));
        Ok(Self { files: Arc::new(files), current })
    }

    /// Reads the files again. New connections see what is there now; when something is wrong with the files, the certificate stays as it is.
    pub fn reload(&self) -> Result<(), TlsError> {
        let fresh = build(&self.files)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// Shakes hands with one browser.
    pub async fn accept(&self, socket: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        socket.set_nodelay(true)?;
        let acceptor = self.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        acceptor.accept(socket).await
    }
}

impl fmt::Debug for PageTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PageTls").field("certificate", &self.files.0).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tokio::net::TcpListener;
    use tokio_rustls::TlsConnector;
    use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
    use tokio_rustls::rustls::{ClientConfig, RootCertStore};

    use super::*;
    use crate::certificate::{CertificateShape, TrialAuthority};
    use crate::clock::SystemClock;
    use crate::identity::Principal;

    /// The certificate that a browser sees which trusts these.
    async fn seen(tls: &PageTls, roots: &RootCertStore) -> CertificateDer<'static> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let config = ClientConfig::builder_with_provider(super::super::provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots.clone())
            .with_no_client_auth();
        let connector = TlsConnector::from(Arc::new(config));
        let browser = async {
            let socket = TcpStream::connect(addr).await.unwrap();
            connector.connect(ServerName::try_from("localhost").unwrap(), socket).await.unwrap()
        };
        let server = async { tls.accept(listener.accept().await.unwrap().0).await.unwrap() };
        let (browser, _server) = tokio::join!(browser, server);
        browser.get_ref().1.peer_certificates().unwrap()[0].clone()
    }

    #[tokio::test]
    async fn f3_browsers_see_a_new_certificate_after_a_reload_and_the_old_one_when_the_new_is_broken() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = (folder.path().join("page.crt"), folder.path().join("page.key"));
        let authority = TrialAuthority::create("trial", &SystemClock).unwrap();
        let hub = Principal::hub("demo").unwrap();
        let issue = || {
            let shape = CertificateShape::of(&hub, &SystemClock).reachable_as(&["localhost"]);
            authority.issue(&shape).unwrap().save(&certificate, &key).unwrap();
            crate::tls::certificates(&certificate).unwrap()[0].clone()
        };
        let mut roots = RootCertStore::empty();
        fs::write(folder.path().join("ca.crt"), &authority.pem().certificate).unwrap();
        roots.add(crate::tls::certificates(&folder.path().join("ca.crt")).unwrap()[0].clone()).unwrap();

        let first = issue();
        let tls = PageTls::load(&certificate, &SecretRef::File(key.clone())).unwrap();
        let shared = tls.clone();
        assert_eq!(seen(&shared, &roots).await, first);
        let second = issue();
        assert_eq!(seen(&shared, &roots).await, first, "nobody has asked for it yet");
        tls.reload().unwrap();
        assert_eq!(seen(&shared, &roots).await, second);
        fs::write(&certificate, "nonsense").unwrap();
        assert!(matches!(tls.reload(), Err(TlsError::Pem { wanted: "certificate", .. })));
        assert_eq!(seen(&shared, &roots).await, second);
    }
}
