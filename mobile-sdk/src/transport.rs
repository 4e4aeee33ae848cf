//! The connection to the hub: HTTP/2 over TLS, with the federation's own authority and no other.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::time_provider::TimeProvider;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};
use tonic::transport::{Channel, Endpoint};

use crate::error::Trouble;
use crate::platform::SharedClock;

const HTTPS_PORT: u16 = 443;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection that went silent is found out after an interval and a timeout, also when nothing is being asked.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(20);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Certificates are judged by the phone's clock as the rest of the SDK sees it.
#[derive(Debug)]
struct PhoneTime(SharedClock);

impl TimeProvider for PhoneTime {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = self.0.now().micros().div_euclid(1_000_000);
        Some(UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(seconds).unwrap_or(0))))
    }
}

struct Connector {
    host: String,
    port: u16,
    name: ServerName<'static>,
    tls: TlsConnector,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

impl Connector {
    async fn connect(&self) -> io::Result<TlsStream<TcpStream>> {
        let connecting = async {
            let socket = TcpStream::connect((self.host.as_str(), self.port)).await?;
            socket.set_nodelay(true)?;
            self.tls.connect(self.name.clone(), socket).await
        };
        timeout(CONNECT_TIMEOUT, connecting).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

fn config(authority_pem: &[u8], clock: SharedClock) -> Result<ClientConfig, Trouble> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authority_pem) {
        let certificate = certificate.map_err(|_| Trouble::AuthorityMalformed)?;
        roots.add(certificate).map_err(|_| Trouble::AuthorityMalformed)?;
    }
    if roots.is_empty() {
        return Err(Trouble::AuthorityMalformed);
    }
    let provider = Arc::new(crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_details(provider, Arc::new(PhoneTime(clock)))
        .with_safe_default_protocol_versions()
        .map_err(|_| Trouble::AuthorityMalformed)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

/// A channel to `https://host:port` that connects with its first call, and again whenever the connection was lost.
pub(crate) fn channel(endpoint: &str, authority_pem: &[u8], clock: SharedClock) -> Result<Channel, Trouble> {
    let malformed = Trouble::EndpointMalformed;
    let uri: Uri = endpoint.parse().map_err(|_| malformed)?;
    let (Some("https"), Some(authority)) = (uri.scheme_str(), uri.authority().cloned()) else { return Err(malformed) };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = match authority.port_u16() {
        Some(port) => port,
        None if authority.as_str() == authority.host() => HTTPS_PORT,
        None => return Err(malformed),
    };
    let connector = Arc::new(Connector {
        name: ServerName::try_from(host.clone()).map_err(|_| malformed)?,
        host,
        port,
        tls: TlsConnector::from(Arc::new(config(authority_pem, clock)?)),
    });
    // tonic is told http, since the encryption is done here; the requests say https.
    let builder = Endpoint::from_shared(format!("http://{authority}"))
        .map_err(|_| malformed)?
        .origin(uri)
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true);
    Ok(builder.connect_with_connector_lazy(tower::service_fn(move |_: Uri| {
        let connector = connector.clone();
        async move { connector.connect().await.map(TokioIo::new) }
    })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::SystemClock;

    #[tokio::test]
    async fn s1_what_is_no_address_or_no_authority_is_refused_by_its_reason() {
        let told = |endpoint: &str, pem: &[u8]| channel(endpoint, pem, Arc::new(SystemClock)).err();
        for bad in ["", "hub:7400", "http://hub:7400", "https://", "https://hub:99999999", "https://:7400", "%"] {
            assert_eq!(told(bad, b""), Some(Trouble::EndpointMalformed), "{bad}");
        }
        let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for bad in [&b""[..], b"no certificate", broken] {
            assert_eq!(told("https://hub:7400", bad), Some(Trouble::AuthorityMalformed));
        }
    }
}
