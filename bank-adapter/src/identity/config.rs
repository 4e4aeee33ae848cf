//! `[identity]`.

use std::num::NonZeroU32;

use serde::Deserialize;
use server_kit::config::HumanDuration;

/// `[identity]`: the citizen-identity service that is asked before an account is opened for the hub.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityConfig {
    /// `https://host:port`. Must be set.
    pub endpoint: String,
    /// The service's name in its certificate: `"citizens"` is `spiffe://<federation>/identity/citizens`. Must be set.
    pub name: String,
    /// How long to wait for an answer. Default `3s`.
    #[serde(default = "default_timeout")]
    pub timeout: HumanDuration,
    /// How often to ask before the hub is told that there is no answer. Default 3.
    #[serde(default = "default_tries")]
    pub tries: NonZeroU32,
}

const fn default_timeout() -> HumanDuration {
    HumanDuration::from_secs(3)
}

const fn default_tries() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(2)
}
