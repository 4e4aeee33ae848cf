//! The hub's configuration. Every key has a default that is fit for production, except the names and files that only the operator
//! knows.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use domain::payment::{Policy, SendLimit, TopUpLimits};
use serde::Deserialize;
use server_kit::config::{HumanDuration, SecretRef};
use server_kit::rotation::RotationConfig;
use server_kit::serve::ServeLimits;
use server_kit::telemetry::LogFormat;
use server_kit::tls::{ClientTlsConfig, ServerTlsConfig};
use server_kit::trace::TraceConfig;

use crate::cardholder::{CardholderOptions, StrangerLimits};
use crate::console::ConsoleConfig;
use crate::lookups::LookupsConfig;
use crate::network::config::NetworkConfig;
use crate::notify::NotifyConfig;
use crate::operators::OperatorsConfig;
use crate::safety_code::SafetyCodeConfig;
use crate::sign_in::SignInConfig;
use crate::voice::VoiceConfig;
use crate::web::WebConfig;
use crate::zone::Zone;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The trust domain in every certificate, such as `pay.example`.
    pub federation: String,
    /// This replica's name among the hub's replicas; each has its own part of the log.
    #[serde(default = "default_replica")]
    pub replica: String,
    /// Where terminals, banks, phones and operators call.
    #[serde(default = "default_listen")]
    pub listen: SocketAddr,
    /// Whether the hub describes its calls by `grpc.reflection.v1`, to callers with a certificate. For trying things out.
    #[serde(default)]
    pub reflection: bool,
    pub tls: HubTls,
    pub database: Database,
    pub keys: Keys,
    #[serde(default)]
    pub ops: Ops,
    #[serde(default)]
    pub log: Log,
    /// Where spans of traces go; nowhere unless `endpoint` is set.
    #[serde(default)]
    pub trace: TraceConfig,
    #[serde(default)]
    pub limits: ServeLimits,
    #[serde(default)]
    pub payments: Payments,
    /// How much terminals, carriers and banks may find out about whose a number is.
    #[serde(default)]
    pub lookups: LookupsConfig,
    #[serde(default)]
    pub banks: Links,
    #[serde(default)]
    pub phones: Phones,
    #[serde(default)]
    pub records: RecordsConfig,
    /// How people are told outside of the app: `[notify.sms]`, `[notify.mail]`, `[notify.push.fcm]`, `.apns`, `.hms`.
    #[serde(default)]
    pub notify: NotifyConfig,
    #[serde(default)]
    pub reminders: RemindersConfig,
    #[serde(default)]
    pub credit_history: CreditHistoryConfig,
    #[serde(default)]
    pub offers: OffersConfig,
    #[serde(default)]
    pub safety_code: SafetyCodeConfig,
    #[serde(default)]
    pub sign_in: SignInConfig,
    /// Telephone calls, over FastAGI and by VoiceXML.
    #[serde(default)]
    pub voice: VoiceConfig,
    /// Links to acquirers and a card network, `[network.links.<id>]`; none unless they are configured.
    #[serde(default)]
    pub network: NetworkConfig,
    /// Who operates the hub at first, and whether dangerous acts wait for a second person.
    #[serde(default)]
    pub operators: OperatorsConfig,
    /// The operators' console; nowhere unless `listen` is set.
    #[serde(default)]
    pub console: ConsoleConfig,
    /// The self-service pages; nowhere unless `listen` is set.
    #[serde(default)]
    pub web: WebConfig,
    /// Where the ports that were really bound are written, for `listen` with port 0.
    #[serde(default)]
    pub ports_file: Option<PathBuf>,
}

fn default_replica() -> String {
    "hub-1".to_owned()
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([0, 0, 0, 0], 7400))
}

/// How records are looked at.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordsConfig {
    /// The time zone of people's days and hours, and of the banks' days, by its IANA name.
    #[serde(default)]
    pub time_zone: Zone,
    /// Whether a purchase is compared with what shops nearby ask, and its buyer told.
    #[serde(default = "yes")]
    pub compare_prices: bool,
}

impl Default for RecordsConfig {
    fn default() -> Self {
        Self { time_zone: Zone::default(), compare_prices: yes() }
    }
}

const fn yes() -> bool {
    true
}

/// How people are reminded of what is due.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RemindersConfig {
    /// How often it is looked for reminders to send: how late one may be.
    pub look_every: HumanDuration,
}

impl Default for RemindersConfig {
    fn default() -> Self {
        Self { look_every: HumanDuration::from_secs(10) }
    }
}

/// How credit histories are asked for.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CreditHistoryConfig {
    /// Inquiries that one bank may make at this replica.
    pub inquiries_per_bank_per_minute: NonZeroU32,
    /// How often it is looked for what may be kept no longer.
    pub sweep_every: HumanDuration,
}

impl Default for CreditHistoryConfig {
    fn default() -> Self {
        Self {
            inquiries_per_bank_per_minute: NonZeroU32::MIN.saturating_add(59),
            sweep_every: HumanDuration::from_secs(60 * 60),
        }
    }
}

/// How people get offers, and what banks learn of it and of habits.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OffersConfig {
    /// How often it is looked for people for whom an offer may be by now: how late it may come after a purchase.
    pub look_every: HumanDuration,
    /// The fewest deliveries of an offer of which its bank is told the number; below 2 it counts as 2.
    pub deliveries_floor: NonZeroU32,
    /// The fewest purchases of which a bank is given a total; below 2 it counts as 2.
    pub purchases_floor: NonZeroU32,
}

impl Default for OffersConfig {
    fn default() -> Self {
        let floor = NonZeroU32::MIN.saturating_add(domain::offer::FLOOR - 1);
        Self { look_every: HumanDuration::from_secs(5), deliveries_floor: floor, purchases_floor: floor }
    }
}

/// The hub's certificate, for those who call and for the banks that it calls.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HubTls {
    /// The hub's certificate and the chain behind it, in PEM form.
    pub certificate: PathBuf,
    /// Its private key, `file:` or `env:`.
    pub key: SecretRef,
    /// The authorities of the federation's members, callers and banks alike.
    pub client_ca: PathBuf,
    /// Lists of revoked certificates.
    #[serde(default)]
    pub revocation: Option<PathBuf>,
}

impl HubTls {
    pub(crate) fn server(&self) -> ServerTlsConfig {
        ServerTlsConfig {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            client_ca: self.client_ca.clone(),
            revocation: self.revocation.clone(),
        }
    }

    pub(crate) fn client(&self) -> ClientTlsConfig {
        ClientTlsConfig {
            server_ca: self.client_ca.clone(),
            certificate: Some(self.certificate.clone()),
            key: Some(self.key.clone()),
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// `sqlite:<file>` or `postgres://user@host/database`.
    pub url: String,
    /// The password for PostgreSQL, `file:` or `env:`.
    #[serde(default)]
    pub password: Option<SecretRef>,
    /// Connections that read.
    #[serde(default = "default_readers")]
    pub readers: u32,
}

fn default_readers() -> u32 {
    4
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// The sealed file with the hub's keys.
    pub file: PathBuf,
    /// What opens it: 32 bytes in base64, `file:` or `env:`.
    pub master: SecretRef,
    /// How quickly its keys rotate.
    #[serde(default)]
    pub rotation: RotationConfig,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ops {
    /// Where `/livez`, `/readyz` and `/metrics` are served.
    pub listen: SocketAddr,
}

impl Default for Ops {
    fn default() -> Self {
        Self { listen: server_kit::ops::DEFAULT_ADDR }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    pub format: LogFormat,
    /// As in `info,hub=debug`.
    pub filter: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Json, filter: "info".to_owned() }
    }
}

/// The numbers of the payment protocol.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Payments {
    pub code_ttl: HumanDuration,
    /// Wrong tries that one payment allows.
    pub attempts: u8,
    /// Wrong tries in a row that block a payer, and for how long.
    pub failures_to_block: u32,
    pub block_for: HumanDuration,
    /// Codes to one number; 0 is no limit.
    pub sends_per_minute: usize,
    pub sends_per_ten_minutes: usize,
    pub sends_per_day: usize,
    /// Codes that one terminal may ask for.
    pub codes_per_terminal_per_minute: NonZeroU32,
    /// Status reads of one terminal.
    pub reads_per_terminal_per_second: NonZeroU32,
    /// Calls of one terminal that change something.
    pub writes_per_terminal_per_second: NonZeroU32,
    /// Cards that one terminal may present although their bank does not verify them; 0 is no limit.
    pub refused_cards_per_terminal_per_minute: usize,
    /// Payments that one terminal follows at once.
    pub watches_per_terminal: usize,
    /// How long after the right code a hold may be committed.
    pub decide_within: HumanDuration,
    /// How long a pre-authorisation waits for its completion.
    pub authorised_for: HumanDuration,
    /// How long a payment that a network charges by itself waits for what the network tells of it.
    pub routed_for: HumanDuration,
    /// How long the replica that took a step has before a sweeper looks at it.
    pub head_start: HumanDuration,
    /// The longest pause between two tries of the sweeper.
    pub most_backoff: HumanDuration,
    pub sweep_every: HumanDuration,
    /// How long a terminal's call waits for the bank before it is told PENDING.
    pub answer_within: HumanDuration,
    /// How much cash is paid in at once, for one person in a day, and by one terminal in a day, in minor units of each currency; days are
    /// those of UTC. 0 takes none.
    pub top_up_once_minor: u32,
    pub top_up_per_person_per_day_minor: u32,
    pub top_up_per_terminal_per_day_minor: u32,
}

impl Default for Payments {
    fn default() -> Self {
        let policy = Policy::default();
        Self {
            code_ttl: HumanDuration(policy.code_ttl),
            attempts: policy.attempts,
            failures_to_block: policy.failures_to_block,
            block_for: HumanDuration(policy.block_for),
            sends_per_minute: 1,
            sends_per_ten_minutes: 3,
            sends_per_day: 10,
            codes_per_terminal_per_minute: NonZeroU32::MIN.saturating_add(29),
            reads_per_terminal_per_second: NonZeroU32::MIN.saturating_add(19),
            writes_per_terminal_per_second: NonZeroU32::MIN.saturating_add(49),
            refused_cards_per_terminal_per_minute: 30,
            watches_per_terminal: 32,
            decide_within: HumanDuration(policy.decide_within),
            authorised_for: HumanDuration(policy.authorised_for),
            routed_for: HumanDuration(policy.routed_for),
            head_start: HumanDuration(policy.head_start),
            most_backoff: HumanDuration(policy.most_backoff),
            sweep_every: HumanDuration::from_secs(1),
            answer_within: HumanDuration::from_secs(14),
            top_up_once_minor: 500_000,
            top_up_per_person_per_day_minor: 1_000_000,
            top_up_per_terminal_per_day_minor: 5_000_000,
        }
    }
}

impl Payments {
    pub(crate) fn policy(&self) -> Policy {
        let minutes = |n: u64| Duration::from_secs(n * 60);
        Policy {
            code_ttl: self.code_ttl.get(),
            attempts: self.attempts,
            failures_to_block: self.failures_to_block,
            block_for: self.block_for.get(),
            sends: [
                SendLimit { most: self.sends_per_minute, within: minutes(1) },
                SendLimit { most: self.sends_per_ten_minutes, within: minutes(10) },
                SendLimit { most: self.sends_per_day, within: minutes(24 * 60) },
            ]
            .into_iter()
            .filter(|limit| limit.most > 0)
            .collect(),
            decide_within: self.decide_within.get(),
            authorised_for: self.authorised_for.get(),
            routed_for: self.routed_for.get(),
            head_start: self.head_start.get(),
            most_backoff: self.most_backoff.get(),
            top_ups: TopUpLimits {
                once_minor: self.top_up_once_minor.into(),
                person_day_minor: self.top_up_per_person_per_day_minor.into(),
                terminal_day_minor: self.top_up_per_terminal_per_day_minor.into(),
            },
        }
    }
}

/// How banks are asked.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Links {
    /// One try.
    pub timeout: HumanDuration,
    /// Tries of a hold.
    pub tries: u32,
}

impl Default for Links {
    fn default() -> Self {
        Self { timeout: HumanDuration::from_secs(3), tries: 3 }
    }
}

/// How much phones without a session may ask.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Phones {
    /// How long a session lives without a call.
    pub session_idle: HumanDuration,
    /// Calls a second from one address, and at once.
    pub calls_per_address: u32,
    pub calls_per_address_burst: u32,
    /// Calls a second from everywhere, and at once.
    pub calls_in_all: u32,
    pub calls_in_all_burst: u32,
    /// Enrolment codes that are asked for in a minute, from one address and from everywhere.
    pub codes_per_address: u32,
    pub codes_in_all: u32,
}

impl Default for Phones {
    fn default() -> Self {
        let options = CardholderOptions::default();
        Self {
            session_idle: HumanDuration(options.idle),
            calls_per_address: options.strangers.per_address,
            calls_per_address_burst: options.strangers.per_address_burst,
            calls_in_all: options.strangers.in_all,
            calls_in_all_burst: options.strangers.in_all_burst,
            codes_per_address: options.strangers.codes_per_address,
            codes_in_all: options.strangers.codes_in_all,
        }
    }
}

impl Phones {
    pub(crate) fn options(&self) -> CardholderOptions {
        CardholderOptions {
            idle: self.session_idle.get(),
            strangers: StrangerLimits {
                per_address: self.calls_per_address,
                per_address_burst: self.calls_per_address_burst,
                in_all: self.calls_in_all,
                in_all_burst: self.calls_in_all_burst,
                codes_per_address: self.codes_per_address,
                codes_in_all: self.codes_in_all,
            },
            ..CardholderOptions::default()
        }
    }
}
