//! Where the console is served, and how much anybody may ask.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

use serde::Deserialize;
use server_kit::config::{HumanDuration, SecretRef};

use crate::pages::serve::Place;

/// The operators' console.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConsoleConfig {
    /// Where it is served; nowhere without it. Keep it on a network of the operators.
    pub listen: Option<SocketAddr>,
    /// The certificate that browsers see, with the chain behind it, in PEM form, and its private key. Without them it is served over plain
    /// HTTP: on the loopback, elsewhere behind a proxy alone.
    pub certificate: Option<PathBuf>,
    pub key: Option<SecretRef>,
    /// Whether a proxy that speaks TLS stands before it and hands `Host` on.
    pub behind_proxy: bool,
    /// How long a request may take, with the sending of it.
    pub answer_within: HumanDuration,
    /// Connections at once.
    pub connections: usize,
    /// Pages that are kept up to date at once; whoever comes when there are as many reads the page again.
    pub streams: usize,
    /// Requests of one address in a minute, and sign-ins that it tries.
    pub requests_per_address_per_minute: NonZeroU32,
    pub sign_ins_per_address_per_minute: NonZeroU32,
}

impl Default for ConsoleConfig {
    fn default() -> Self {
        let number = |n: u32| NonZeroU32::MIN.saturating_add(n.saturating_sub(1));
        Self {
            listen: None,
            certificate: None,
            key: None,
            behind_proxy: false,
            answer_within: HumanDuration::from_secs(15),
            connections: 64,
            streams: 32,
            requests_per_address_per_minute: number(600),
            sign_ins_per_address_per_minute: number(10),
        }
    }
}

impl ConsoleConfig {
    /// Whether browsers come over TLS, to the hub or to the proxy before it.
    pub(super) fn is_secure(&self) -> bool {
        self.certificate.is_some() || self.behind_proxy
    }

    pub(crate) fn place(&self) -> Place<'_> {
        Place {
            section: "console",
            listen: self.listen,
            certificate: self.certificate.as_deref(),
            key: self.key.as_ref(),
            behind_proxy: self.behind_proxy,
            trust_forwarded_for: false,
            connections: self.connections,
        }
    }
}
