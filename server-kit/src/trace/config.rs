//! Where spans go.

use std::net::IpAddr;
use std::path::PathBuf;

use http::Uri;
use serde::Deserialize;

use crate::tls::TlsError;

/// Traces. Ids are made and logged in any case; spans are kept nowhere unless `endpoint` is set.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TraceConfig {
    /// The collector that takes OTLP over gRPC, such as `http://127.0.0.1:4317`. Without TLS only on this machine.
    pub endpoint: Option<String>,
    /// The certificates that the collector's one is held against, for `https`.
    pub ca: Option<PathBuf>,
    /// The share of the traces begun here whose spans are kept, from 0 to 1.
    pub sample_ratio: f64,
    /// Spans that may wait for the collector; more are dropped and counted.
    pub queue: usize,
}

impl Default for TraceConfig {
    fn default() -> Self {
        Self { endpoint: None, ca: None, sample_ratio: 0.1, queue: 8192 }
    }
}

/// Why spans cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    #[error("`trace.sample_ratio` is {0}, and a share is from 0 to 1")]
    Ratio(f64),
    #[error("`trace.queue` is 0, and no span could wait there")]
    Queue,
    #[error("`trace.endpoint` {0:?} is not an address such as http://127.0.0.1:4317")]
    Endpoint(String),
    #[error("`trace.endpoint` {0:?} is on another machine: spans go there over https alone")]
    Plain(String),
    #[error("`trace.endpoint` is reached by https, and `trace.ca` does not say by whom its certificate must be")]
    NoAuthority,
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("the exporter of spans cannot be made: {0}")]
    Exporter(String),
}

/// How the collector is reached.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Road<'a> {
    /// In plain, on this machine.
    Here(&'a str),
    Tls {
        endpoint: &'a str,
        ca: PathBuf,
    },
}

impl TraceConfig {
    pub(super) fn checked_ratio(&self) -> Result<f64, TraceError> {
        let is_share = (0.0..=1.0).contains(&self.sample_ratio);
        if is_share { Ok(self.sample_ratio) } else { Err(TraceError::Ratio(self.sample_ratio)) }
    }

    /// None where nothing is to be sent.
    pub(super) fn road(&self) -> Result<Option<Road<'_>>, TraceError> {
        let Some(endpoint) = self.endpoint.as_deref() else { return Ok(None) };
        if self.queue == 0 {
            return Err(TraceError::Queue);
        }
        let unreadable = || TraceError::Endpoint(endpoint.to_owned());
        let uri: Uri = endpoint.parse().map_err(|_| unreadable())?;
        let host = uri.host().ok_or_else(unreadable)?;
        let is_bare = matches!(uri.path(), "" | "/") && uri.query().is_none() && !endpoint.contains('@');
        match uri.scheme_str() {
            Some(_) if uri.port_u16().is_none() || !is_bare => Err(unreadable()),
            Some("http") if is_here(host) => Ok(Some(Road::Here(endpoint))),
            Some("http") => Err(TraceError::Plain(endpoint.to_owned())),
            Some("https") => {
                let ca = self.ca.clone().ok_or(TraceError::NoAuthority)?;
                Ok(Some(Road::Tls { endpoint, ca }))
            }
            _ => Err(unreadable()),
        }
    }

    /// Whether spans could be sent as this says.
    pub fn check(&self) -> Result<(), TraceError> {
        self.checked_ratio()?;
        self.road().map(|_| ())
    }
}

fn is_here(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare == "localhost" || bare.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(endpoint: &str) -> TraceConfig {
        TraceConfig { endpoint: Some(endpoint.to_owned()), ..TraceConfig::default() }
    }

    #[test]
    fn spans_leave_the_machine_over_tls_alone() {
        for endpoint in ["http://127.0.0.1:4317", "http://localhost:4317/", "http://[::1]:4317"] {
            assert_eq!(at(endpoint).road().unwrap(), Some(Road::Here(endpoint)));
        }
        for endpoint in ["http://collector.example:4317", "http://10.0.0.7:4317", "http://127.0.0.1.example:4317"] {
            assert!(matches!(at(endpoint).road(), Err(TraceError::Plain(_))), "{endpoint}");
        }
        let far = "https://collector.example:4317";
        assert!(matches!(at(far).road(), Err(TraceError::NoAuthority)));
        let ca = PathBuf::from("ca.pem");
        let known = TraceConfig { ca: Some(ca.clone()), ..at(far) };
        assert_eq!(known.road().unwrap(), Some(Road::Tls { endpoint: far, ca }));
        assert_eq!(TraceConfig::default().road().unwrap(), None);
    }

    #[test]
    fn what_cannot_be_meant_is_said() {
        for endpoint in [
            "",
            "collector:4317",
            "http://127.0.0.1",
            "ftp://127.0.0.1:1",
            "http://me@127.0.0.1:1",
            "http://127.0.0.1:1/x",
        ] {
            assert!(matches!(at(endpoint).road(), Err(TraceError::Endpoint(_))), "{endpoint}");
        }
        for ratio in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            let config = TraceConfig { sample_ratio: ratio, ..TraceConfig::default() };
            assert!(matches!(config.check(), Err(TraceError::Ratio(_))), "{ratio}");
        }
        let none = TraceConfig { queue: 0, ..at("http://127.0.0.1:4317") };
        assert!(matches!(none.check(), Err(TraceError::Queue)));
    }
}
