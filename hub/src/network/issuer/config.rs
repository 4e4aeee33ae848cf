//! The part of the hub's configuration that says over which card networks banks without an adapter are reached.

use std::collections::BTreeMap;
use std::path::PathBuf;

use domain::BankId;
use domain::card::{BinRange, Product};
use iso8583::named::{DialectName, Framing};
use proto::federation as pb;
use serde::Deserialize;
use server_kit::config::{HumanDuration, SecretRef};

use crate::network::NetworkError;

/// `[network.issuers.<id>]`: a line to a card network, on which the hub is the acquirer. The id has a-z, 0-9 and '-'; a bank is registered
/// with it as its endpoint, `iso8583://<id>`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerConfig {
    /// `host:port`. Must be set.
    pub address: String,
    /// `[network.issuers.<id>.tls]`: TLS on the line. Default: none, for a line that is private by other means.
    #[serde(default)]
    pub tls: Option<IssuerTls>,
    /// How messages are written. Default `union-pay`.
    #[serde(default = "union_pay")]
    pub dialect: DialectName,
    /// How a message tells its length: `binary-2` or `ascii-4`. Default `binary-2`.
    #[serde(default)]
    pub framing: Framing,
    /// The octets before the message type as hexadecimal digits, as many as the dialect has. Default: zeros.
    #[serde(default)]
    pub header: Option<String>,
    /// The longest message that is taken in, in octets. Default 4096.
    #[serde(default = "default_longest")]
    pub longest_message: usize,
    /// The hub as an acquirer, field 32: 1 to 11 digits. Must be set.
    pub institution: String,
    /// Who passes messages on, field 33: 1 to 11 digits. Default: the field is left out.
    #[serde(default)]
    pub forwarder: Option<String>,
    /// The key of authentication codes, triple DES of 32 hexadecimal digits. Default: messages have none, and none is asked for.
    #[serde(default)]
    pub mac_key: Option<SecretRef>,
    /// The key of PIN blocks, as the one before. Default: a card with a PIN is refused.
    #[serde(default)]
    pub pin_key: Option<SecretRef>,
    /// The key under which the network hands new ones out; with it they are asked for after each sign-on. Default: they are not.
    #[serde(default)]
    pub exchange_key: Option<SecretRef>,
    /// Connecting and the TLS handshake. Default `3s`.
    #[serde(default = "default_connect")]
    pub connect_timeout: HumanDuration,
    /// How long the answer to one message is waited for. Default `3s`.
    #[serde(default = "default_answer")]
    pub answer_timeout: HumanDuration,
    /// Within which time after its beginning a message must have come wholly. Default `5s`.
    #[serde(default = "default_rest")]
    pub message_timeout: HumanDuration,
    /// An echo is sent after so long without a message. Default `30s`.
    #[serde(default = "default_echo")]
    pub echo_every: HumanDuration,
    /// The pause before connecting again; it doubles. Default `250ms`.
    #[serde(default = "default_pause")]
    pub reconnect_pause: HumanDuration,
    /// The longest such pause. Default `30s`.
    #[serde(default = "default_pause_at_most")]
    pub reconnect_pause_at_most: HumanDuration,
    /// Messages that may wait for their answers at once, 1 to 10000. Default 256.
    #[serde(default = "default_window")]
    pub window: usize,
    /// Whether the network is told the totals of each day (0500). Default true.
    #[serde(default = "default_totals")]
    pub totals: bool,
    /// How long a day rests after its end before its totals are told, so that what is under way comes to its end. Default `1m`.
    #[serde(default = "default_totals_after")]
    pub totals_after: HumanDuration,
    /// `[network.issuers.<id>.banks.<bank>]`: the banks that are reached over it.
    #[serde(default)]
    pub banks: BTreeMap<String, IssuerBank>,
}

/// `[network.issuers.<id>.tls]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerTls {
    /// The authorities whose certificates the network may show, in PEM form.
    pub server_ca: PathBuf,
    /// The host name that its certificate is for. Default: that of `address`.
    #[serde(default)]
    pub server_name: Option<String>,
    /// This hub's certificate and the chain behind it, in PEM form. Default: none is shown.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
    /// Its private key. Must be set if the certificate is.
    #[serde(default)]
    pub key: Option<SecretRef>,
}

/// `[network.issuers.<id>.banks.<bank>]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerBank {
    /// The bank at the network, field 100: 1 to 11 digits. Default: the field is left out, and the network goes by the card's number.
    #[serde(default)]
    pub institution: Option<String>,
    /// The bank's card numbers, `FIRST-LAST/DIGITS`: the first and the last of their leading digits, and how many digits a number has, as
    /// `62284900-62284999/16`.
    #[serde(default)]
    pub ranges: Vec<String>,
}

/// Digits of an institution (ISO 8583:1987, elements 32, 33 and 100).
pub(super) fn is_institution(text: &str) -> bool {
    (1..=11).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl IssuerBank {
    /// The ranges as an adapter would register them.
    pub(super) fn request(&self, link: &str, bank: &BankId) -> Result<pb::RegisterBinRangesRequest, NetworkError> {
        let refuse = || NetworkError::Issuer {
            link: link.to_owned(),
            name: "banks",
            what: "a range is FIRST-LAST/DIGITS, as 62284900-62284999/16",
        };
        let read = |text: &String| {
            let (span, digits) = text.split_once('/')?;
            let (first, last) = span.split_once('-')?;
            let digits: u8 = digits.parse().ok()?;
            BinRange::new(first, last, digits, Product::Combined, bank.clone()).ok()?;
            let product = pb::CardProduct::Combined.into();
            Some(pb::BinRange { first: first.to_owned(), last: last.to_owned(), digits: digits.into(), product })
        };
        let ranges: Option<Vec<_>> = self.ranges.iter().map(read).collect();
        Ok(pb::RegisterBinRangesRequest { ranges: ranges.ok_or_else(refuse)? })
    }
}

const fn union_pay() -> DialectName {
    DialectName::UnionPay
}

const fn default_longest() -> usize {
    4_096
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

const fn default_pause() -> HumanDuration {
    HumanDuration::from_millis(250)
}

const fn default_pause_at_most() -> HumanDuration {
    HumanDuration::from_secs(30)
}

const fn default_totals() -> bool {
    true
}

const fn default_totals_after() -> HumanDuration {
    HumanDuration::from_secs(60)
}

const fn default_window() -> usize {
    256
}
