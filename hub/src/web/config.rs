//! Where the pages are served, and how much anybody may ask.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

use serde::Deserialize;
use server_kit::config::{HumanDuration, SecretRef};

use crate::pages::serve::Place;

/// The self-service pages.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebConfig {
    /// Where they are served; nowhere without it.
    pub listen: Option<SocketAddr>,
    /// The certificate that browsers see, with the chain behind it, in PEM form, and its private key. Without them the pages are served
    /// over plain HTTP: on the loopback for trials, elsewhere behind a proxy alone.
    pub certificate: Option<PathBuf>,
    pub key: Option<SecretRef>,
    /// Whether a proxy that speaks TLS stands before the pages and hands `Host` on.
    pub behind_proxy: bool,
    /// Whether the last address in `X-Forwarded-For`, which the proxy adds, is taken for the browser's.
    pub trust_forwarded_for: bool,
    /// How long a request may take, with the sending of it.
    pub answer_within: HumanDuration,
    /// Connections at once.
    pub connections: usize,
    /// Requests of one address in a minute, and how many at once; the same of everybody.
    pub requests_per_address_per_minute: NonZeroU32,
    pub requests_in_all_per_minute: NonZeroU32,
    /// Sign-ins, begun or tried, of one address, of one number and of everybody in a minute.
    pub sign_ins_per_address_per_minute: NonZeroU32,
    pub sign_ins_per_number_per_minute: NonZeroU32,
    pub sign_ins_in_all_per_minute: NonZeroU32,
}

impl Default for WebConfig {
    fn default() -> Self {
        let number = |n: u32| NonZeroU32::MIN.saturating_add(n.saturating_sub(1));
        Self {
            listen: None,
            certificate: None,
            key: None,
            behind_proxy: false,
            trust_forwarded_for: false,
            answer_within: HumanDuration::from_secs(15),
            connections: 512,
            requests_per_address_per_minute: number(240),
            requests_in_all_per_minute: number(12_000),
            sign_ins_per_address_per_minute: number(20),
            sign_ins_per_number_per_minute: number(6),
            sign_ins_in_all_per_minute: number(600),
        }
    }
}

impl WebConfig {
    pub(crate) fn place(&self) -> Place<'_> {
        Place {
            section: "web",
            listen: self.listen,
            certificate: self.certificate.as_deref(),
            key: self.key.as_ref(),
            behind_proxy: self.behind_proxy,
            trust_forwarded_for: self.trust_forwarded_for,
            connections: self.connections,
        }
    }

    /// Whether browsers come over TLS, to the hub or to the proxy before it.
    pub(super) fn is_secure(&self) -> bool {
        self.certificate.is_some() || self.behind_proxy
    }
}
