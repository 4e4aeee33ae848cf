//! Mutual TLS inside the federation: a server that learns once per connection who is calling, and a client that accepts
//! exactly the server it expects.
//!
//! tonic's own TLS offers neither HTTP/1.1 beside HTTP/2, nor revocation, nor reloading; so the handshakes are ours.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::Reason;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use secrecy::ExposeSecret as _;
use tokio::task::JoinHandle;
use tokio_rustls::rustls;
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_util::sync::CancellationToken;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::config::{ConfigError, SecretRef};
use crate::identity::{IdentityError, Principal, Role};
use crate::shutdown;

mod client;
mod page;
mod server;
#[cfg(test)]
mod tests;

pub use client::{ChannelOptions, ClientTls, ClientTlsConfig, ServerIdentity};
pub use page::PageTls;
pub use server::{HandshakeLimits, Incoming, PeerStream, ServerTls, ServerTlsConfig};

/// Who is on the other end of a connection, found out once when it was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Who it is; none without a certificate, as a phone or a browser comes.
    pub principal: Option<Principal>,
    /// Why a certificate that is genuine names nobody, so that a service can answer it clearly.
    pub refused: Option<IdentityError>,
    /// The address it came from.
    pub addr: SocketAddr,
}

/// Who sent `request`; none when it did not come through a [`ServerTls`].
pub fn peer<T>(request: &tonic::Request<T>) -> Option<Arc<Peer>> {
    request.extensions().get::<Arc<Peer>>().cloned()
}

/// Who sent `request`, whatever their role; otherwise the reason that they are told.
pub fn member<T>(request: &tonic::Request<T>) -> Result<Principal, Reason> {
    let peer = peer(request).ok_or(Reason::CertificateMissing)?;
    match (&peer.principal, &peer.refused) {
        (Some(principal), _) => Ok(principal.clone()),
        (None, Some(_)) => Err(Reason::CertificateRefused),
        (None, None) => Err(Reason::CertificateMissing),
    }
}

/// Who sent `request`, if they have one of the roles in `allowed`; otherwise the reason that they are told. The federation is the
/// right one: whoever is of another names nobody here.
pub fn caller<T>(request: &tonic::Request<T>, allowed: &[Role]) -> Result<Principal, Reason> {
    let principal = member(request)?;
    if allowed.contains(&principal.role) { Ok(principal) } else { Err(Reason::RoleNotAllowed) }
}

/// Reads the certificates again on every SIGHUP until `stop`: those for callers and those towards other servers. From here
/// on the process does not die of SIGHUP.
pub fn reload_on_hangup(server: ServerTls, client: ClientTls, stop: CancellationToken) -> io::Result<JoinHandle<()>> {
    let mut requests = shutdown::reload_requests()?;
    Ok(tokio::spawn(async move {
        while let Some(Some(())) = stop.run_until_cancelled(requests.recv()).await {
            // One that is broken does not keep the other from being read.
            for (whose, outcome) in [("server", server.reload()), ("client", client.reload())] {
                match outcome {
                    Ok(()) => tracing::info!(whose, "certificates reloaded"),
                    Err(error) => tracing::error!(
                        whose,
                        error = &error as &dyn std::error::Error,
                        "certificates could not be reloaded; the ones from before stay in use"
                    ),
                }
            }
        }
    }))
}

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{path} cannot be read")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file holds no PEM of the kind that is needed.
    #[error("{path} holds no {wanted} in PEM form")]
    Pem {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        wanted: &'static str,
    },
    /// The private key cannot be read.
    #[error(transparent)]
    Key(#[from] ConfigError),
    /// The private key is not PEM.
    #[error("the private key of {certificate} is not in PEM form")]
    KeyPem {
        /// The certificate that it belongs to.
        certificate: PathBuf,
    },
    /// Certificate, key and authority do not fit together.
    #[error("the certificates cannot be used")]
    Rustls(#[from] rustls::Error),
    /// The certificates of callers cannot be checked.
    #[error("the certificates of callers cannot be checked with {path}")]
    Verifier {
        /// The bundle of authorities.
        path: PathBuf,
        /// What is wrong.
        source: rustls::server::VerifierBuilderError,
    },
    /// A client has a certificate without a key, or the other way round.
    #[error("a client needs both a certificate and a key, or neither")]
    HalfIdentity,
    /// The address is not of the form that is needed.
    #[error("{endpoint:?} is not of the form https://host:port")]
    Endpoint {
        /// The address.
        endpoint: String,
    },
    /// The name is not one that a federation can have.
    #[error("{name:?} is not the name of a federation")]
    Federation {
        /// The name.
        name: String,
    },
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::Unreadable { path: path.to_owned(), source })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    found
        .ok()
        .filter(|found| !found.is_empty())
        .ok_or_else(|| TlsError::Pem { path: path.to_owned(), wanted: "certificate" })
}

/// Says until when the certificate in `file` is good, in seconds of Unix time, so that somebody is told before it ends.
fn note_end(file: &Path, certificates: &[CertificateDer<'_>]) {
    let ends = certificates.first().and_then(|first| X509Certificate::from_der(first).ok());
    if let Some((_, certificate)) = ends {
        let ends = certificate.validity().not_after.timestamp() as f64;
        metrics::gauge!("bankhub_certificate_ends_seconds", "file" => file.display().to_string()).set(ends);
    }
}

fn revocation_lists(path: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
    let bytes = read(path)?;
    let found: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(&bytes).collect();
    found
        .ok()
        .filter(|found| !found.is_empty())
        .ok_or_else(|| TlsError::Pem { path: path.to_owned(), wanted: "revocation list" })
}

fn authorities(path: &Path) -> Result<Arc<RootCertStore>, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate)?;
    }
    Ok(Arc::new(roots))
}

fn private_key(key: &SecretRef, certificate: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let pem = key.read()?;
    PrivateKeyDer::from_pem_slice(pem.expose_secret().as_bytes())
        .map_err(|_| TlsError::KeyPem { certificate: certificate.to_owned() })
}

fn checked_federation(name: &str) -> Result<String, TlsError> {
    if crate::identity::is_federation(name) {
        Ok(name.to_owned())
    } else {
        Err(TlsError::Federation { name: name.to_owned() })
    }
}
