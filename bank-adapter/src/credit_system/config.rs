//! `[credit_system]`: the bank's existing credit system. Without this table the ledger holds the credit accounts itself.

use std::path::PathBuf;
use std::sync::Arc;

use iso8583::named::{DialectName, Framing};
use serde::Deserialize;
use server_kit::clock::SharedClock;
use server_kit::config::{HumanDuration, SecretRef};
use server_kit::rng::SharedRng;
use server_kit::tls::{ClientTls, ClientTlsConfig, TlsError};

use super::forward::ForwardOptions;
use super::link::{LinkOptions, LinkParts};
use super::message::Manner;
use super::seal::Sealer;
use crate::hsm::{Hsm, HsmError, KeyId, KeyName};

/// `[credit_system]`. Keys that are not listed here are refused.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreditSystemConfig {
    /// `host:port`. Must be set.
    pub address: String,
    /// `[credit_system.tls]`: TLS on the connection. Default: none, for a line that is private by other means.
    #[serde(default)]
    pub tls: Option<PeerTlsConfig>,
    /// How messages are written. Default `iso-1987-ascii`.
    #[serde(default = "ascii")]
    pub dialect: DialectName,
    /// How a message tells its length: `binary-2`, two octets big-endian, or `ascii-4`, four digits. Default `binary-2`.
    #[serde(default)]
    pub framing: Framing,
    /// The octets before the message type as hexadecimal digits, as many as the dialect has: 11 for `union-pay`. Default: zeros.
    #[serde(default)]
    pub header: Option<String>,
    /// The longest message that is taken in, in octets. Default 4096.
    #[serde(default = "default_longest")]
    pub longest_message: usize,
    /// This bank as the sender, field 32: 1 to 11 digits. Must be set.
    pub institution: String,
    /// Who passes messages on, field 33: 1 to 11 digits. Default: the field is left out.
    #[serde(default)]
    pub forwarder: Option<String>,
    /// The name of this front as a terminal, field 41: 1 to 8 printable characters of ASCII. Default `BANKHUB`.
    #[serde(default = "default_terminal")]
    pub terminal: String,
    /// The key of authentication codes: `mac:<this>` in the key store. Default: messages have none, and none is asked for.
    #[serde(default)]
    pub mac_key: Option<String>,
    /// The key of PIN blocks: `zone-pin:<this>` in the key store, triple DES. Default: PINs are not shared, and not changed.
    #[serde(default)]
    pub zone_key: Option<String>,
    /// Connecting and the TLS handshake. Default `3s`.
    #[serde(default = "default_connect")]
    pub connect_timeout: HumanDuration,
    /// How long an answer is waited for, with the wait for a turn. Default `3s`.
    #[serde(default = "default_answer")]
    pub answer_timeout: HumanDuration,
    /// Within which time after its beginning a message must have come wholly. Default `5s`.
    #[serde(default = "default_rest")]
    pub message_timeout: HumanDuration,
    /// An echo is sent after so long without a message. Default `30s`.
    #[serde(default = "default_echo")]
    pub echo_every: HumanDuration,
    /// The pause before connecting again; it doubles. Default `250ms`.
    #[serde(default = "default_reconnect")]
    pub reconnect_pause: HumanDuration,
    /// The longest such pause. Default `30s`.
    #[serde(default = "default_reconnect_at_most")]
    pub reconnect_pause_at_most: HumanDuration,
    /// Requests that may wait for their answers at once, 1 to 10000. Default 32.
    #[serde(default = "default_window")]
    pub window: usize,
    /// Requests that may wait for their turn, 1 to 100000; more are refused with `TOO_BUSY`. Default 256.
    #[serde(default = "default_queue")]
    pub queue: usize,
    /// The pause before an advice that was not acknowledged is told again; it doubles. Default `1s`.
    #[serde(default = "default_repeat")]
    pub repeat_pause: HumanDuration,
    /// The longest such pause. Default `5m`.
    #[serde(default = "default_repeat_at_most")]
    pub repeat_pause_at_most: HumanDuration,
    /// How often advices that wait are looked for. Default `1s`.
    #[serde(default = "default_sweep")]
    pub sweep_every: HumanDuration,
}

/// `[credit_system.tls]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerTlsConfig {
    /// The authorities whose certificates the credit system may show, in PEM form. Must be set.
    pub server_ca: PathBuf,
    /// The host name or address that its certificate is for. Default: that of `credit_system.address`.
    #[serde(default)]
    pub server_name: Option<String>,
    /// This bank's certificate and the chain behind it, in PEM form. Default: none is shown.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
    /// The private key of the certificate, in PEM form. Must be set if the certificate is.
    #[serde(default)]
    pub key: Option<SecretRef>,
}

/// What is wrong with `[credit_system]`.
#[derive(Debug, thiserror::Error)]
pub enum CreditSystemError {
    #[error("`credit_system.{key}`: {what}")]
    Value { key: &'static str, what: &'static str },
    #[error("`credit_system.{key}` cannot be the id of a key")]
    Key { key: &'static str, source: HsmError },
    #[error("TLS to the credit system cannot be set up")]
    Tls(#[from] TlsError),
}

impl CreditSystemConfig {
    /// What the line is started with. `hsm` makes and verifies the authentication codes, if there are to be any; `federation`
    /// is only what the certificates' reader wants to know.
    pub fn link(
        &self,
        federation: &str,
        hsm: Arc<dyn Hsm>,
        clock: SharedClock,
        rng: SharedRng,
    ) -> Result<LinkParts, CreditSystemError> {
        let manner = self.manner()?;
        let key = self.key("mac_key", self.mac_key.as_deref())?.map(|id| (hsm, KeyName::Mac(id)));
        let sealer = Sealer::new(manner.dialect, key);
        let (address, tls) = (self.address.clone(), self.client_tls(federation)?);
        Ok(LinkParts { address, tls, manner, sealer, options: self.link_options()?, clock, rng })
    }

    /// The zone under whose key PIN blocks go out.
    pub fn zone(&self) -> Result<Option<KeyId>, CreditSystemError> {
        self.key("zone_key", self.zone_key.as_deref())
    }

    pub fn forward_options(&self) -> ForwardOptions {
        ForwardOptions {
            every: self.sweep_every.get(),
            pause: self.repeat_pause.get(),
            pause_at_most: self.repeat_pause_at_most.get(),
            // Half of the window, so that holds, for which somebody waits, always have the other half.
            at_once: i64::try_from(self.window / 2).unwrap_or(1).max(1),
        }
    }

    fn key(&self, key: &'static str, id: Option<&str>) -> Result<Option<KeyId>, CreditSystemError> {
        id.map(|id| KeyId::parse(id).map_err(|source| CreditSystemError::Key { key, source })).transpose()
    }

    fn client_tls(&self, federation: &str) -> Result<Option<(ClientTls, String)>, CreditSystemError> {
        let Some(tls) = &self.tls else { return Ok(None) };
        let files = ClientTlsConfig {
            server_ca: tls.server_ca.clone(),
            certificate: tls.certificate.clone(),
            key: tls.key.clone(),
        };
        let host = self.address.rsplit_once(':').map_or(self.address.as_str(), |(host, _)| host);
        let name = tls.server_name.as_deref().unwrap_or(host).trim_matches(['[', ']']).to_owned();
        Ok(Some((ClientTls::load(&files, federation)?, name)))
    }

    fn manner(&self) -> Result<Manner, CreditSystemError> {
        let refuse = |key, what| CreditSystemError::Value { key, what };
        let is_institution =
            |text: &str| (1..=11).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        let dialect = self.dialect.dialect();
        if !is_institution(&self.institution) {
            return Err(refuse("institution", "it has 1 to 11 digits"));
        }
        if self.forwarder.as_deref().is_some_and(|forwarder| !is_institution(forwarder)) {
            return Err(refuse("forwarder", "it has 1 to 11 digits"));
        }
        let is_printable = self.terminal.bytes().all(|byte| (0x20..0x7F).contains(&byte));
        if !(1..=8).contains(&self.terminal.len()) || !is_printable {
            return Err(refuse("terminal", "it has 1 to 8 printable characters of ASCII"));
        }
        let header = self.header.as_deref().map(|text| {
            let header = unhex(text).filter(|header| header.len() == usize::from(dialect.header_octets));
            header
                .ok_or_else(|| refuse("header", "it has two hexadecimal digits for each octet of the dialect's header"))
        });
        Ok(Manner {
            dialect,
            header: header.transpose()?,
            acquirer: self.institution.as_str().into(),
            forwarder: self.forwarder.as_deref().map(Into::into),
            terminal: self.terminal.as_str().into(),
        })
    }

    fn link_options(&self) -> Result<LinkOptions, CreditSystemError> {
        let refuse = |key, what| Err(CreditSystemError::Value { key, what });
        if !(1..=10_000).contains(&self.window) {
            return refuse("window", "it is 1 to 10000");
        }
        if !(1..=100_000).contains(&self.queue) {
            return refuse("queue", "it is 1 to 100000");
        }
        if self.answer_timeout.get().is_zero() || self.message_timeout.get().is_zero() {
            return refuse("answer_timeout", "neither it nor `message_timeout` is zero");
        }
        if self.echo_every.get().is_zero() || self.reconnect_pause.get().is_zero() {
            return refuse("echo_every", "neither it nor `reconnect_pause` is zero");
        }
        Ok(LinkOptions {
            window: self.window,
            queue: self.queue,
            longest_message: self.longest_message,
            framing: self.framing.header(),
            connect_within: self.connect_timeout.get(),
            answer_within: self.answer_timeout.get(),
            rest_within: self.message_timeout.get(),
            echo_every: self.echo_every.get(),
            pause: self.reconnect_pause.get(),
            pause_at_most: self.reconnect_pause_at_most.get(),
        })
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

const fn ascii() -> DialectName {
    DialectName::Ascii
}

const fn default_longest() -> usize {
    4_096
}

fn default_terminal() -> String {
    "BANKHUB".to_owned()
}

const fn default_connect() -> HumanDuration {
    HumanDuration::from_secs(3)
}

const fn default_answer() -> HumanDuration {
    HumanDuration::from_secs(3)
}

const fn default_rest() -> HumanDuration {
    HumanDuration::from_secs(5)
}

const fn default_echo() -> HumanDuration {
    HumanDuration::from_secs(30)
}

const fn default_reconnect() -> HumanDuration {
    HumanDuration::from_millis(250)
}

const fn default_reconnect_at_most() -> HumanDuration {
    HumanDuration::from_secs(30)
}

const fn default_window() -> usize {
    32
}

const fn default_queue() -> usize {
    256
}

const fn default_repeat() -> HumanDuration {
    HumanDuration::from_secs(1)
}

const fn default_repeat_at_most() -> HumanDuration {
    HumanDuration::from_secs(300)
}

const fn default_sweep() -> HumanDuration {
    HumanDuration::from_secs(1)
}

#[cfg(test)]
mod tests {
    use iso8583::frame::LengthHeader;

    use super::*;

    fn config(more: &str) -> Result<CreditSystemConfig, serde_json::Error> {
        serde_json::from_str(&format!(r#"{{"address": "host:1", "institution": "66280000"{more}}}"#))
    }

    #[test]
    fn what_is_not_set_has_its_default() {
        let config = config("").unwrap();
        let options = config.link_options().unwrap();
        assert_eq!((options.window, options.framing, options.rest_within.as_secs()), (32, LengthHeader::Binary2, 5));
        assert_eq!(config.manner().unwrap().dialect.name, "ISO 8583:1987 ASCII");
        assert_eq!((config.zone().unwrap(), config.forward_options().at_once), (None, 16));
        let set = super::tests::config(
            r#", "dialect": "union-pay", "header": "6000030000602200000000", "framing": "ascii-4""#,
        );
        assert_eq!(set.unwrap().manner().unwrap().header.unwrap()[..3], [0x60, 0, 3]);
    }

    #[test]
    fn what_no_line_can_have_is_refused_with_its_key() {
        for (more, key) in [
            (r#", "institution": """#, "duplicate field"),
            (r#", "forwarder": "66280000000x""#, "forwarder"),
            (r#", "terminal": "TOO LONG!""#, "terminal"),
            (r#", "terminal": "\u00e9""#, "terminal"),
            (r#", "header": "60""#, "header"),
            (r#", "dialect": "union-pay", "header": "600003000060220000000g""#, "header"),
            (r#", "window": 0"#, "window"),
            (r#", "queue": 100001"#, "queue"),
            (r#", "answer_timeout": "0s""#, "answer_timeout"),
            (r#", "echo_every": "0s""#, "echo_every"),
            (r#", "mac_key": "A B""#, "mac_key"),
            (r#", "dialect": "iso-2003""#, "unknown variant"),
            (r#", "windows": 3"#, "unknown field"),
        ] {
            let error = match config(more) {
                Err(error) => error.to_string(),
                Ok(config) => {
                    let key = config.key("mac_key", config.mac_key.as_deref());
                    let checked = config.manner().and(config.link_options().map(drop)).and(key.map(drop));
                    checked.unwrap_err().to_string()
                }
            };
            assert!(error.contains(key), "{more}: {error}");
        }
    }
}
