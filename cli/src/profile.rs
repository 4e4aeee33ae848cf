//! What a client of the federation needs to call the hub: who it is, where the hub is, and its certificate. The same layers
//! as a server's configuration: a TOML file, the environment, flags.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bank_adapter::hsm::HsmError;
use domain::{BankId, Reason, TerminalId};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use server_kit::clock::SystemClock;
use server_kit::config::{ConfigError, HumanDuration, SecretRef};
use server_kit::identity::{IdentityError, Principal};
use server_kit::rng::SystemRng;
use server_kit::tls::{ChannelOptions, ClientTls, ClientTlsConfig, ServerIdentity, TlsError};
use server_kit::trace::{self, Exporting, Service, TraceConfig, TraceError};
use tonic::transport::Channel;

use crate::terminal::{Pad, Terminal, TerminalError, TerminalOptions};

/// The prefix of the variables that change a terminal's profile.
pub const TERMINAL_PREFIX: &str = "BANKHUB_TERMINAL_";
/// The prefix of the variables that change a carrier's profile.
pub const CARRIER_PREFIX: &str = "BANKHUB_CARRIER_";
/// The prefix of the variables that change an operator's profile.
pub const OPERATOR_PREFIX: &str = "BANKHUB_OPERATOR_";

/// Why a client could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error("{0:?} cannot be used as a name: {1}")]
    Name(String, Reason),
    #[error("the key of the PIN pad: {0}")]
    Pad(#[from] HsmError),
    #[error(transparent)]
    Terminal(#[from] TerminalError),
    #[error(transparent)]
    Trace(#[from] TraceError),
}

/// A terminal's `terminal.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TerminalProfile {
    /// The federation in every certificate.
    pub federation: String,
    /// The terminal's name, as in its certificate.
    pub id: String,
    /// Where the hub is, `https://host:port`.
    pub hub: String,
    pub tls: ClientTlsConfig,
    /// The journal, written before every send.
    pub journal: PathBuf,
    /// The key of a PIN pad in software: an AES key of 16 bytes in hexadecimal digits. For trials.
    #[serde(default)]
    pub pin_key: Option<SecretRef>,
    /// The key that the pad shares with the hub for transaction passwords, of the same form. For trials.
    #[serde(default)]
    pub hub_pin_key: Option<SecretRef>,
    #[serde(default = "default_call_timeout")]
    pub call_timeout: HumanDuration,
    /// How long to ask before giving up.
    #[serde(default = "default_patience")]
    pub patience: HumanDuration,
    /// Where spans of traces go; nowhere unless `endpoint` is set.
    #[serde(default)]
    pub trace: TraceConfig,
}

const fn default_call_timeout() -> HumanDuration {
    HumanDuration::from_secs(15)
}

const fn default_patience() -> HumanDuration {
    HumanDuration::from_secs(45)
}

impl TerminalProfile {
    pub fn load(file: &Path, overrides: &[(String, String)]) -> Result<Self, ProfileError> {
        load(file, TERMINAL_PREFIX, overrides)
    }

    /// Makes the traces of this process.
    pub fn traces(&self) -> Result<Exporting, ProfileError> {
        let (instance, federation) = (self.id.clone(), self.federation.clone());
        let service = Service { name: "bankhub-terminal", instance, federation };
        Ok(trace::start(&self.trace, &service, SystemClock::shared(), SystemRng::shared())?)
    }

    /// The terminal's PIN pad; none when it has no key.
    pub fn pad(&self) -> Result<Option<Pad>, ProfileError> {
        let key = self.pin_key.as_ref().map(SecretRef::read).transpose()?;
        Ok(key.map(|key| Pad::new(&self.id, &key)).transpose()?)
    }

    /// The same pad with the key that the hub has; none when it has none.
    pub fn hub_pad(&self) -> Result<Option<Pad>, ProfileError> {
        let key = self.hub_pin_key.as_ref().map(SecretRef::read).transpose()?;
        Ok(key.map(|key| Pad::new(&self.id, &key)).transpose()?)
    }

    /// The terminal, with its journal open. The connection is made by the first call.
    pub fn open(&self) -> Result<Terminal, ProfileError> {
        let id = TerminalId::parse(&self.id).map_err(|reason| ProfileError::Name(self.id.clone(), reason))?;
        let options = TerminalOptions {
            call_timeout: self.call_timeout.get(),
            patience: self.patience.get(),
            ..TerminalOptions::new(id, self.journal.clone())
        };
        Ok(Terminal::open(options, Link::new(&self.federation, &self.tls)?.hub(&self.hub)?)?)
    }
}

/// An operator's `operator.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatorProfile {
    /// The federation in every certificate.
    pub federation: String,
    /// The operator's name, as in its certificate.
    pub id: String,
    /// Where the hub is, `https://host:port`.
    pub hub: String,
    pub tls: ClientTlsConfig,
}

impl OperatorProfile {
    pub fn load(file: &Path, overrides: &[(String, String)]) -> Result<Self, ProfileError> {
        load(file, OPERATOR_PREFIX, overrides)
    }
}

/// A carrier's `carrier.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CarrierProfile {
    /// The federation in every certificate.
    pub federation: String,
    /// The carrier's name, as in its certificate.
    pub id: String,
    /// Where the hub is, `https://host:port`.
    pub hub: String,
    pub tls: ClientTlsConfig,
}

impl CarrierProfile {
    pub fn load(file: &Path, overrides: &[(String, String)]) -> Result<Self, ProfileError> {
        load(file, CARRIER_PREFIX, overrides)
    }
}

fn load<T: DeserializeOwned>(file: &Path, prefix: &str, overrides: &[(String, String)]) -> Result<T, ProfileError> {
    Ok(server_kit::config::load(Some(file), prefix, overrides)?)
}

/// Channels to the members of one federation, under one certificate.
#[derive(Clone, Debug)]
pub struct Link {
    tls: ClientTls,
    options: ChannelOptions,
}

impl Link {
    pub fn new(federation: &str, tls: &ClientTlsConfig) -> Result<Self, ProfileError> {
        let options = ChannelOptions { connect_timeout: Duration::from_secs(3), ..ChannelOptions::default() };
        Ok(Self { tls: ClientTls::load(tls, federation)?, options })
    }

    /// A channel to the hub and nobody else.
    pub fn hub(&self, endpoint: &str) -> Result<Channel, ProfileError> {
        let expected = ServerIdentity::Spiffe(Principal::hub(self.tls.federation())?);
        Ok(self.tls.channel(endpoint, expected, &self.options)?)
    }

    /// A channel to this bank's adapter and nobody else.
    pub fn bank(&self, bank: &BankId, endpoint: &str) -> Result<Channel, ProfileError> {
        let expected = ServerIdentity::Spiffe(Principal::bank(self.tls.federation(), bank.as_str())?);
        Ok(self.tls.channel(endpoint, expected, &self.options)?)
    }

    /// A channel to whoever has a certificate for the host, as phones and browsers connect.
    pub fn host(&self, endpoint: &str) -> Result<Channel, ProfileError> {
        Ok(self.tls.channel(endpoint, ServerIdentity::Host, &self.options)?)
    }
}
