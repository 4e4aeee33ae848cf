//! The configuration of a bank's node. Every key, its unit and its default.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;

use serde::Deserialize;
use server_kit::config::{HumanDuration, SecretRef};
use server_kit::rotation::RotationConfig;
use server_kit::serve::ServeLimits;
use server_kit::telemetry::LogFormat;
use server_kit::tls::ServerTlsConfig;
use server_kit::trace::TraceConfig;

use crate::credit::{TimeOfDay, ZoneName};
use crate::credit_system::CreditSystemConfig;
use crate::hsm::HsmConfig;
use crate::identity::IdentityConfig;

/// Everything that a bank's node is told. Keys that are not listed here are refused.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The federation, as in `spiffe://<federation>/bank/<bank_id>`. Must be set.
    pub federation: String,
    /// The bank whose ledger this is: 1 to 64 of `a`–`z`, `0`–`9` and `-`. Must be set.
    pub bank_id: String,
    /// Where the hub calls. Default `127.0.0.1:7443`; port 0 takes any that is free.
    #[serde(default = "default_listen")]
    pub listen: SocketAddr,
    /// Whether the node describes its calls by `grpc.reflection.v1`, to callers with a certificate. For trying things out.
    /// Default `false`.
    #[serde(default)]
    pub reflection: bool,
    /// `[tls]`: the certificate of this bank, for callers and towards the hub. Must be set.
    pub tls: ServerTlsConfig,
    /// `[database]`: where the ledger is kept. Must be set.
    pub database: DatabaseConfig,
    /// `[keys]`: the sealed key store. Must be set.
    pub keys: KeysConfig,
    /// `[hsm]`: the key store for cards. Must be set for a bank that has `[cards]`. Default: none.
    #[serde(default)]
    pub hsm: Option<HsmConfig>,
    /// `[cards]`: the cards that the bank issues. Default: none.
    #[serde(default)]
    pub cards: Option<CardsConfig>,
    /// `[hub]`: the hub that is asked about legs that are held for long. Must be set.
    pub hub: HubConfig,
    /// `[ops]`: the listener for those who operate the node.
    #[serde(default)]
    pub ops: OpsConfig,
    /// `[log]`: what is logged, to standard error.
    #[serde(default)]
    pub log: LogConfig,
    /// `[trace]`: where spans of traces go. Default: nowhere.
    #[serde(default)]
    pub trace: TraceConfig,
    /// `[ledger]`: how the ledger works.
    #[serde(default)]
    pub ledger: LedgerConfig,
    /// `[counter]`: who serves the bank's counter.
    #[serde(default)]
    pub counter: CounterConfig,
    /// `[credit]`: the days of credit accounts.
    #[serde(default)]
    pub credit: CreditConfig,
    /// `[trial]`: what only a trial may be told.
    #[serde(default)]
    pub trial: TrialConfig,
    /// `[credit_system]`: the bank's existing credit system; it takes `[hsm]` and `[cards]`. With it the credit accounts of cards
    /// in this ledger only follow: the credit system decides its part of every hold, and bills its accounts, so that no days are
    /// closed here. It stays set for as long as there is anything of its holds to post or void. Default: none, the ledger holds
    /// the credit accounts itself.
    #[serde(default)]
    pub credit_system: Option<CreditSystemConfig>,
    /// `[identity]`: the citizen-identity service. Default: none, and no account is opened for the hub.
    #[serde(default)]
    pub identity: Option<IdentityConfig>,
    /// `[limits]`: the bounds of the gRPC server.
    #[serde(default)]
    pub limits: ServeLimits,
    /// A file that gets the addresses that are listened on, as JSON: `{"grpc": "127.0.0.1:7443", "ops": "127.0.0.1:7490"}`.
    /// It is written when the node is ready, and is meant for whoever started it with port 0. Default: none.
    #[serde(default)]
    pub ports_file: Option<PathBuf>,
}

/// `[database]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseConfig {
    /// `sqlite:<file>` or `postgres://user@host/database`, without a password. Must be set.
    pub url: String,
    /// The password for PostgreSQL. Default: none.
    #[serde(default)]
    pub password: Option<SecretRef>,
    /// Connections that read. Default 4.
    #[serde(default = "default_connections")]
    pub readers: u32,
    /// Connections that write; SQLite always has one. Default 4.
    #[serde(default = "default_connections")]
    pub writers: u32,
}

/// `[keys]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeysConfig {
    /// The sealed file of keys; it is made at the first start. Must be set.
    pub file: PathBuf,
    /// The master key that it is sealed under: 32 bytes in base64. Must be set.
    pub master: SecretRef,
    /// How quickly its keys rotate.
    #[serde(default)]
    pub rotation: RotationConfig,
}

/// `[trial]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrialConfig {
    /// How far the bank's clock is ahead of the machine's, so that a due day can be seen without waiting for it. It is never set
    /// back. With SQLite only: PostgreSQL tells the time itself. Default `0s`.
    pub clock_ahead: HumanDuration,
}

impl Default for TrialConfig {
    fn default() -> Self {
        Self { clock_ahead: HumanDuration::from_secs(0) }
    }
}

/// `[cards]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CardsConfig {
    /// `[[cards.ranges]]`: the numbers that the bank issues; the hub is told of them. Default: none.
    #[serde(default)]
    pub ranges: Vec<CardRangeConfig>,
    /// Years for which a card is valid. Default 5.
    #[serde(default = "default_valid_years")]
    pub valid_years: u8,
    /// The largest purchase by a card that is read but whose PIN is not typed, in minor units. Default 0: none.
    #[serde(default)]
    pub purchase_without_pin_minor: i64,
}

/// `[[cards.ranges]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CardRangeConfig {
    /// The first digits of the first number: 6 to 12 (ISO/IEC 7812-1). Must be set.
    pub first: String,
    /// As many digits of the last number. Default: those of the first.
    #[serde(default)]
    pub last: Option<String>,
    /// Digits of a whole number, 13 to 19. Default 16.
    #[serde(default = "default_card_digits")]
    pub digits: u8,
    /// What these cards are. Must be set.
    pub product: CardProduct,
}

/// What cards of a range are.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum CardProduct {
    /// Debit and credit under one number.
    Combined,
    CreditOnly,
    DebitOnly,
}

/// `[hub]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HubConfig {
    /// `https://host:port`. Must be set.
    pub endpoint: String,
    /// The authorities whose certificates the hub may show, in PEM form. Default: `tls.client_ca`.
    #[serde(default)]
    pub server_ca: Option<PathBuf>,
    /// How long to wait for an answer. Default `3s`.
    #[serde(default = "default_hub_timeout")]
    pub timeout: HumanDuration,
}

/// `[ops]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OpsConfig {
    /// Where `/livez`, `/readyz` and `/metrics` are answered. Default `127.0.0.1:7490`.
    pub listen: SocketAddr,
}

impl Default for OpsConfig {
    fn default() -> Self {
        Self { listen: loopback(7490) }
    }
}

/// `[log]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// `json` or `pretty`. Default `json`.
    pub format: LogFormat,
    /// What passes, as in `info,bank_adapter::ledger=debug`. Default `info`.
    pub filter: String,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: LogFormat::default(), filter: "info".to_owned() }
    }
}

/// `[ledger]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LedgerConfig {
    /// The hub is asked about a leg that has been held for this long. Default `60s`.
    pub resolve_after: HumanDuration,
    /// How often such legs are looked for. Default `5s`.
    pub resolve_every: HumanDuration,
    /// The longest pause between two tries while the hub is away. Default `60s`.
    pub resolve_pause_at_most: HumanDuration,
    /// The most legs that one round asks about. Default 200.
    pub resolve_legs_a_round: u16,
    /// How often it is checked that no other process has taken the ledger over. Default `5s`.
    pub ownership_every: HumanDuration,
    /// Steps that may wait to be written; more are refused with `TOO_BUSY`. Default 8192.
    pub queue: usize,
    /// Steps that are written in one transaction at most. Default 256.
    pub batch: usize,
}

impl Default for LedgerConfig {
    fn default() -> Self {
        Self {
            resolve_after: HumanDuration::from_secs(60),
            resolve_every: HumanDuration::from_secs(5),
            resolve_pause_at_most: HumanDuration::from_secs(60),
            resolve_legs_a_round: 200,
            ownership_every: HumanDuration::from_secs(5),
            queue: 8192,
            batch: 256,
        }
    }
}

/// `[counter]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CounterConfig {
    /// The operators who may open accounts, pay cash in and freeze accounts at this bank, by the names in their
    /// certificates: `["ann"]` is `spiffe://<federation>/operator/ann`. Default: nobody.
    pub operators: Vec<String>,
}

/// `[credit]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CreditConfig {
    /// The bank's time zone, by its name in the IANA database: by it days begin and end. Entries that are there keep the day to
    /// which they count when it is changed. Default `Asia/Shanghai`.
    pub time_zone: ZoneName,
    /// When the day before is closed, `HH:MM` in the bank's time zone. Default `00:10`.
    pub close_at: TimeOfDay,
}

impl Default for CreditConfig {
    fn default() -> Self {
        Self { time_zone: ZoneName::shanghai(), close_at: TimeOfDay::new(jiff::civil::time(0, 10, 0, 0)) }
    }
}

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))
}

const fn default_listen() -> SocketAddr {
    loopback(7443)
}

const fn default_valid_years() -> u8 {
    5
}

const fn default_card_digits() -> u8 {
    16
}

const fn default_connections() -> u32 {
    4
}

const fn default_hub_timeout() -> HumanDuration {
    HumanDuration::from_secs(3)
}
