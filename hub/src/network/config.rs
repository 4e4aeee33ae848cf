//! The part of the hub's configuration that says which acquirers and networks connect.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use domain::clearing::Bic;
pub use iso8583::named::{DialectName, Framing};
use serde::Deserialize;
use server_kit::config::{HumanDuration, SecretRef};

use super::issuer::config::IssuerConfig;

/// `[network]`: links over ISO 8583, `[network.links.<id>]` each. None is there unless it is configured.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkConfig {
    pub links: BTreeMap<String, LinkConfig>,
    /// Lines to card networks over which banks without an adapter are reached, `[network.issuers.<id>]` each.
    pub issuers: BTreeMap<String, IssuerConfig>,
    /// The hub's own PIN pad, under whose key PINs of cards that come over links go on to banks with an adapter: the name by which their key
    /// stores know it. Default `hub-links`.
    pub pin_pad: String,
    /// Its key, AES of 32 hexadecimal digits, which the banks have as `terminal-pin:<pin_pad>`. Default: none; a card with a PIN is refused
    /// unless its bank is reached over a card network.
    pub pin_pad_key: Option<SecretRef>,
    /// `[network.bics]`: BICs of banks (ISO 9362) by their names here, for files between banks. Default: none; a file names its banks as members.
    pub bics: BTreeMap<String, BankBic>,
}

/// A BIC in the configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct BankBic(pub Bic);

impl TryFrom<String> for BankBic {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Bic::parse(&text).map(Self).map_err(|_| "a BIC has 8 or 11 capital letters and digits (ISO 9362)".to_owned())
    }
}

impl Default for NetworkConfig {
    fn default() -> Self {
        let (links, issuers, bics) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { links, issuers, pin_pad: "hub-links".to_owned(), pin_pad_key: None, bics }
    }
}

/// `[network.links.<id>]`. The id has a-z, 0-9 and '-'; totals are kept under it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkConfig {
    /// Where the other side connects. Must be set.
    pub listen: SocketAddr,
    /// Who may connect. Default: the loopback.
    #[serde(default = "loopback")]
    pub from: Vec<IpAddr>,
    /// `[network.links.<id>.tls]`: mutual TLS. Default: none, for a line that is private by other means.
    #[serde(default)]
    pub tls: Option<LinkTls>,
    /// How messages are written. Default `union-pay`.
    #[serde(default = "union_pay")]
    pub dialect: DialectName,
    /// How a message tells its length: `binary-2`, two octets big-endian, or `ascii-4`, four digits. Default `binary-2`.
    #[serde(default)]
    pub framing: Framing,
    /// The acquirers for which this link speaks, field 32: 1 to 11 digits each. Must be set, and no two links name the same.
    pub acquirers: Vec<String>,
    /// A terminal is known in the directory by this and the name in field 41 in lower case, so that a link speaks for no terminals but its
    /// own. Default: the link's id and `-`. Empty for a link that speaks for all.
    #[serde(default)]
    pub terminal_prefix: Option<String>,
    /// The same for the merchant of field 42, which has to be the terminal's. Default: field 42 is not looked at.
    #[serde(default)]
    pub merchant_prefix: Option<String>,
    /// The key of authentication codes, triple DES of 32 hexadecimal digits. Default: messages have none, and none is asked for.
    #[serde(default)]
    pub mac_key: Option<SecretRef>,
    /// The key of PIN blocks, as the one before. Must be set.
    pub pin_key: SecretRef,
    /// The key under which new ones are handed out. Default: none are.
    #[serde(default)]
    pub exchange_key: Option<SecretRef>,
    /// Connections at once, 1 to 1000. Default 8.
    #[serde(default = "default_connections")]
    pub connections: usize,
    /// Requests of one connection that are worked on at once, 1 to 10000; what comes beyond is not read before. Default 64.
    #[serde(default = "default_window")]
    pub window: usize,
    /// The longest message that is taken in, in octets. Default 4096.
    #[serde(default = "default_longest")]
    pub longest_message: usize,
    /// Within which time after its beginning a message must have come wholly. Default `5s`.
    #[serde(default = "default_rest")]
    pub message_timeout: HumanDuration,
    /// Within which time a connection must have signed on. Default `10s`.
    #[serde(default = "default_sign_on")]
    pub sign_on_timeout: HumanDuration,
    /// After so long without a message a connection is ended. Default `5m`.
    #[serde(default = "default_idle")]
    pub idle_timeout: HumanDuration,
}

/// `[network.links.<id>.tls]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkTls {
    /// The hub's certificate for this link and the chain behind it, in PEM form.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: SecretRef,
    /// The authorities whose certificates the other side may show. Whoever shows none is not listened to.
    pub client_ca: PathBuf,
}

const fn union_pay() -> DialectName {
    DialectName::UnionPay
}

fn loopback() -> Vec<IpAddr> {
    vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
}

const fn default_connections() -> usize {
    8
}

const fn default_window() -> usize {
    64
}

const fn default_longest() -> usize {
    4_096
}

const fn default_rest() -> HumanDuration {
    HumanDuration::from_secs(5)
}

const fn default_sign_on() -> HumanDuration {
    HumanDuration::from_secs(10)
}

const fn default_idle() -> HumanDuration {
    HumanDuration::from_secs(300)
}
