//! Configurations with every key explained. Keys that have a default are there as comments that say it.

mod network;
mod notify;
mod operators;
mod sign_in;

use std::net::SocketAddr;
use std::path::PathBuf;

use super::Member;
use super::cards::{CardRange, cards};
use super::members::IDENTITY;
use network::NETWORK;
use notify::NOTIFY;
pub use operators::operator_toml;
use operators::operators;
use sign_in::SIGN_IN;

/// What differs from server to server.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// Where callers reach it.
    pub listen: SocketAddr,
    /// Where operators look at it.
    pub ops_listen: SocketAddr,
    /// `sqlite:<file>` or `postgres://user@host/database`.
    pub database_url: String,
    /// Where the database's password is, `env:NAME` or `file:/path`.
    pub database_password: Option<String>,
    /// For the hub, where it serves its pages for browsers; none to serve none.
    pub web_listen: Option<SocketAddr>,
    /// For the hub, where it serves the operators' console; none to serve none.
    pub console_listen: Option<SocketAddr>,
    /// For the hub, who is its first admin, and whether dangerous acts wait for a second person.
    pub admins: Vec<String>,
    pub second_person: bool,
    /// Where to write the ports that were really bound.
    pub ports_file: Option<PathBuf>,
    /// For a bank, the operators who serve its counter.
    pub counter: Vec<String>,
    /// For a bank, the numbers of the cards that it issues; none for a bank without cards.
    pub cards: Vec<CardRange>,
}

/// TOML's basic strings are quoted as JSON's are.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

pub(super) fn path(path: &std::path::Path) -> String {
    quoted(&path.display().to_string())
}

pub(super) fn secret_file(path: &std::path::Path) -> String {
    quoted(&format!("file:{}", path.display()))
}

fn files(member: &Member) -> String {
    let (certificate, key, ca) = (path(&member.certificate()), secret_file(&member.key()), path(&member.authority()));
    format!(
        r#"[tls]
# This server's certificate, with the chain behind it, in PEM form.
certificate = {certificate}
# Its private key. Secrets are given as file:/absolute/path (mode 600) or env:NAME, never as themselves.
key = {key}
# The authorities of the federation's members, callers and servers alike.
client_ca = {ca}
# Lists of revoked certificates. SIGHUP reads all four again.
# revocation = "/etc/bankhub/revoked.pem"
"#
    )
}

fn storage(member: &Member, settings: &ServerSettings, connections: &str) -> String {
    let (url, sealed, master) =
        (quoted(&settings.database_url), path(&member.sealed_keys()), secret_file(&member.master()));
    let password = match &settings.database_password {
        Some(reference) => format!("password = {}", quoted(reference)),
        None => r#"# password = "file:/etc/bankhub/database.password""#.to_owned(),
    };
    format!(
        r#"[database]
# sqlite:<file> for one process on one machine, or postgres://user@host/database (PostgreSQL 15 or newer).
url = {url}
# The password for PostgreSQL.
{password}
{connections}

[keys]
# The keys of this server, sealed. Make a backup of it and of the master key, in two places.
file = {sealed}
# What opens it: 32 bytes in base64.
master = {master}

[keys.rotation]
# How often this server says which versions of keys it holds, and looks which are written.
# every = "5s"
# How long after a switch to a new version columns are rewritten.
# settle = "15s"
# Rows that are rewritten in one transaction, and the least pause between two of them.
# page = 200
# pause = "50ms"
"#
    )
}

fn operations(settings: &ServerSettings) -> String {
    let ports_file = match &settings.ports_file {
        Some(file) => format!("ports_file = {}", path(file)),
        None => "# ports_file = \"/run/bankhub/ports.json\"".to_owned(),
    };
    format!(
        r#"# Where the ports that were really bound are written as JSON, for port 0 in `listen`.
{ports_file}
"#
    )
}

fn watching(settings: &ServerSettings) -> String {
    let ops = quoted(&settings.ops_listen.to_string());
    format!(
        r#"[ops]
# Where /livez, /readyz and /metrics are served over plain HTTP: keep it on the loopback or a management network.
listen = {ops}

[log]
# json for machines, pretty for people.
# format = "json"
# As in "info,hub::payment=debug".
# filter = "info"

{TRACE}"#
    )
}

/// Where spans of traces go, for whoever makes them.
const TRACE: &str = r#"[trace]
# Where spans of traces go, by OTLP over gRPC; nowhere without it. Without TLS on this machine alone, and for https with the authority of
# the collector's certificate.
#   endpoint = "http://127.0.0.1:4317"
#   ca = "/etc/bankhub/collector-ca.pem"
# The share of the traces begun here whose spans are kept, from 0 to 1; spans that may wait, before more are dropped.
# sample_ratio = 0.1
# queue = 8192
"#;

const REFLECTION: &str = "\
# Whether grpc.reflection.v1 describes the calls, to callers with a certificate: for trying things out, not for production.
# reflection = false";

const LIMITS: &str = r#"[limits]
# A TLS handshake that takes longer is broken off; so many may be under way at once.
# handshake_timeout = "5s"
# handshakes_in_flight = 1024
# Calls that one connection may have open at once, and bytes of headers that a request may have.
# concurrent_streams = 1024
# header_list_bytes = 16384
# How often an idle connection is probed, and how long a probe may go unanswered.
# keep_alive_interval = "20s"
# keep_alive_timeout = "10s"
# How long calls may take to finish when the server drains.
# grace = "20s"
"#;

const PAYMENTS: &str = r#"[payments]
# How long a one-time code lives.
# code_ttl = "3m"
# Wrong tries that one payment allows; wrong tries in a row that block a payer, and for how long.
# attempts = 3
# failures_to_block = 5
# block_for = "30m"
# Codes that may be sent to one number.
# sends_per_minute = 1
# sends_per_ten_minutes = 3
# sends_per_day = 10
# Codes that one terminal may ask for in a minute; status reads and changes in a second; payments that it follows at once.
# codes_per_terminal_per_minute = 30
# reads_per_terminal_per_second = 20
# writes_per_terminal_per_second = 50
# watches_per_terminal = 32
# Cards that one terminal may present in a minute although their bank does not verify them; 0 is no limit.
# refused_cards_per_terminal_per_minute = 30
# How long after the right code, or after the card was read, a hold may be committed.
# decide_within = "30s"
# How long a pre-authorisation waits for its completion.
# authorised_for = "720h"
# How long a payment that a network charges by itself waits for what the network tells of it.
# routed_for = "2m"
# How long the replica that took a step has before a sweeper looks at it.
# head_start = "10s"
# The longest pause between two tries of the sweeper, and how often it looks.
# most_backoff = "15s"
# sweep_every = "1s"
# How long a terminal's call waits for the bank before it is told PENDING.
# answer_within = "14s"
# Cash that is paid in at once, for one person in a day, and by one terminal in a day, in minor units of each currency; days are those
# of UTC. 0 takes none.
# top_up_once_minor = 500000
# top_up_per_person_per_day_minor = 1000000
# top_up_per_terminal_per_day_minor = 5000000

[lookups]
# What may be found out about whose a number is, in tokens: what a look-up costs that finds somebody and one that finds nobody who can pay, and
# what a payment gives back.
# hit = 1
# miss = 20
# paid = 2
# For each: how many tokens there are at most, and how many come back in an hour. A burst of 0 is no budget.
# terminal_burst = 1000
# terminal_per_hour = 240
# merchant_burst = 10000
# merchant_per_hour = 2400
# link_burst = 100000
# link_per_hour = 24000
# carrier_burst = 20000
# carrier_per_hour = 20000
# bank_burst = 2000
# bank_per_hour = 1200

[banks]
# How long one try at a bank may take, and how often a hold is tried.
# timeout = "3s"
# tries = 3

[phones]
# How long a session lives without a call.
# session_idle = "5m"
# Calls a second that phones without a session may make from one address and from everywhere, and how many at once; codes by SMS a minute.
# calls_per_address = 50
# calls_per_address_burst = 500
# calls_in_all = 2000
# calls_in_all_burst = 10000
# codes_per_address = 30
# codes_in_all = 1200

[records]
# The time zone of people's days and hours, and of the banks' days, by its IANA name.
# time_zone = "Asia/Shanghai"
# Whether a purchase is compared with what shops nearby ask, and its buyer told.
# compare_prices = true

[reminders]
# How often it is looked for reminders to send: how late one may be.
# look_every = "10s"

[credit_history]
# Inquiries that one bank may make in a minute at one replica; how often it is looked for what may be kept no longer.
# inquiries_per_bank_per_minute = 60
# sweep_every = "1h"

[offers]
# How often it is looked for people for whom an offer may be by now: how late it may come after a purchase.
# look_every = "5s"
# The fewest deliveries, and the fewest purchases, of which a bank is told a number.
# deliveries_floor = 5
# purchases_floor = 5

[safety_code]
# How long after an identity check a person may set the code; wrong tries in a row, over all channels, that block it, and for how long.
# window = "720h"
# failures_to_block = 5
# block_for = "30m"
# What one caller's number, and all together, may ask for in a minute at one replica.
# calls_per_number_per_minute = 10
# calls_in_all_per_minute = 600
# The key under which PINs that callers type go to their banks: 16 bytes of AES in hexadecimal digits, file: or env:, which each bank
# has imported as terminal-pin:NAME, and that name. Without a key no caller sets a code by card and PIN.
# pin_pad = "hub-voice"
# pin_pad_key = "file:/etc/bankhub/voice-pin-pad.hex"
"#;

fn web(settings: &ServerSettings) -> String {
    let listen = match settings.web_listen {
        Some(listen) => format!("listen = {}", quoted(&listen.to_string())),
        None => r#"#   listen = "0.0.0.0:7443""#.to_owned(),
    };
    format!(
        r#"[web]
# Where the self-service pages are served to browsers; nowhere without it. On the loopback plain HTTP will do, for trials.
{listen}
# The certificate that browsers see, with the chain behind it, in PEM form, and its private key, file: or env:.
#   certificate = "/etc/bankhub/web.pem"
#   key = "file:/etc/bankhub/web.key"
# Whether a proxy that speaks TLS stands before the pages, hands Host on, and adds to X-Forwarded-For the address to go by.
# behind_proxy = false
# trust_forwarded_for = false
# How long a request may take, with the sending of it; connections at once.
# answer_within = "15s"
# connections = 512
# Requests in a minute, and sign-ins begun or tried, of one address, of one number and of everybody.
# requests_per_address_per_minute = 240
# requests_in_all_per_minute = 12000
# sign_ins_per_address_per_minute = 20
# sign_ins_per_number_per_minute = 6
# sign_ins_in_all_per_minute = 600
"#
    )
}

const VOICE: &str = r#"[voice]
# Telephone calls; none are taken unless a front listens. Where Asterisk connects over FastAGI, and where a voice gateway gets
# VoiceXML documents over HTTP. Both speak in the clear: keep them on the loopback or a network of their own.
# agi_listen = "127.0.0.1:4573"
# vxml_listen = "127.0.0.1:7480"
# Who may connect to either.
# from = ["127.0.0.1", "::1"]
# What the voice gateway shows with each request, 16 characters at least; needed with vxml_listen.
# gateway_secret = "file:/etc/bankhub/voice-gateway-secret"
# The folder of the recordings as Asterisk names it, with zh and en in it: voice/make-prompts makes them.
# prompts = "bankhub"
# The language that greets first, zh or en, and the country whose numbers come without a country code.
# first_language = "zh"
# country_code = "86"
# Calls that each front carries at once; calls that one number may begin; how long a call may last.
# calls_at_once = 200
# calls_per_caller_per_minute = 6
# call_at_most = "10m"
"#;

const READERS: &str = "# Connections that read.\n# readers = 4";
const READERS_AND_WRITERS: &str =
    "# Connections that read, and that write; SQLite always has one that writes.\n# readers = 4\n# writers = 4";

const LEDGER: &str = r#"[ledger]
# The hub is asked about a leg that has been held for this long; how often such legs are looked for; the longest pause
# while the hub is away; the most legs that one round asks about.
# resolve_after = "1m"
# resolve_every = "5s"
# resolve_pause_at_most = "1m"
# resolve_legs_a_round = 200
# How often it is checked that no other process has taken the ledger over.
# ownership_every = "5s"
# Steps that may wait to be written, and that are written in one transaction.
# queue = 8192
# batch = 256
"#;

const CREDIT: &str = r#"[credit]
# The time zone of the bank's days, by its name in the IANA database.
# time_zone = "Asia/Shanghai"
# When the day before is closed: interest, late fees, repayments, statements.
# close_at = "00:10"

[trial]
# How far the bank's clock is ahead of the machine's, to see a due day without waiting for it. Only for trials, and with SQLite.
# clock_ahead = "0s"

# [credit_system]
# The bank's existing credit system, to be reached over ISO 8583. Without it the ledger holds the credit accounts itself.
#   address = "127.0.0.1:8583"
# How messages are written, how each tells its length, and this bank as the sender in field 32.
#   dialect = "iso-1987-ascii"
#   framing = "binary-2"
#   institution = "12345678"
# Keys in the [hsm]: of authentication codes (mac:NAME) and of PIN blocks (zone-pin:NAME). Without them there are none, and PINs are not shared.
#   mac_key = "credit"
#   zone_key = "credit"
"#;

fn counter(operators: &[String]) -> String {
    // A list of names is written in TOML as in JSON.
    let line = match operators {
        [] => "# operators = []".to_owned(),
        names => format!("operators = {}", serde_json::Value::from(names)),
    };
    format!(
        r#"[counter]
# The operators who may open accounts, pay cash in and freeze accounts at this bank, by the names in their certificates.
{line}
"#
    )
}

/// The hub's configuration.
pub fn hub_toml(member: &Member, replica: &str, settings: &ServerSettings) -> String {
    let federation = quoted(&member.federation);
    let (replica, listen) = (quoted(replica), quoted(&settings.listen.to_string()));
    let (ports, files, storage, watching) =
        (operations(settings), files(member), storage(member, settings, READERS), watching(settings));
    let (operators, web) = (operators(settings), web(settings));
    format!(
        r#"# The hub. Every key can also be set by an environment variable (BANKHUB_HUB_TLS__KEY sets tls.key) and by
# `bankhub hub --config FILE --set key=value`; the later wins. Keys that are comments show their default.
# `bankhub config check hub FILE` says what is wrong with it.

# The federation in every certificate, spiffe://<federation>/…
federation = {federation}
# This replica's name among the hub's replicas; each has its own.
replica = {replica}
# Where terminals, banks, phones and operators call.
listen = {listen}
{REFLECTION}
{ports}
{files}
{storage}
{watching}
{LIMITS}
{PAYMENTS}
{operators}
{web}
{SIGN_IN}
{NOTIFY}
{VOICE}{NETWORK}"#
    )
}

/// A bank adapter's configuration.
pub fn adapter_toml(member: &Member, hub_endpoint: &str, settings: &ServerSettings) -> String {
    let (federation, bank) = (quoted(&member.federation), quoted(&member.id));
    let (listen, hub) = (quoted(&settings.listen.to_string()), quoted(hub_endpoint));
    let (ports, files) = (operations(settings), files(member));
    let (storage, watching) = (storage(member, settings, READERS_AND_WRITERS), watching(settings));
    let (counter, cards) = (counter(&settings.counter), cards(member, &settings.cards));
    format!(
        r#"# A bank's adapter: it owns this bank's ledger. Every key can also be set by an environment variable
# (BANKHUB_ADAPTER_TLS__KEY sets tls.key) and by `bankhub adapter --config FILE --set key=value`; the later wins.
# Keys that are comments show their default. `bankhub config check adapter FILE` says what is wrong with it.

# The federation in every certificate, spiffe://<federation>/…
federation = {federation}
# This bank's name, as in its certificate.
bank_id = {bank}
# Where the hub and the bank's operators call.
listen = {listen}
{REFLECTION}
{ports}
[hub]
# Where the hub is, to ask about legs that were held for long.
endpoint = {hub}
# The authorities of the hub's certificate, when they are not those in tls.client_ca.
# server_ca = "/etc/bankhub/hub-ca.pem"
# How long to wait for an answer.
# timeout = "3s"

{files}
{storage}
{watching}
{counter}
{LIMITS}
{LEDGER}
{CREDIT}
{IDENTITY}
{cards}"#
    )
}

pub(super) fn client_files(member: &Member) -> String {
    let (certificate, key, ca) = (path(&member.certificate()), secret_file(&member.key()), path(&member.authority()));
    format!(
        r#"[tls]
# The authority of the hub's and the banks' certificates.
server_ca = {ca}
# This client's certificate and its private key (file: or env:).
certificate = {certificate}
key = {key}
"#
    )
}

/// A terminal's profile.
pub fn terminal_toml(member: &Member, hub_endpoint: &str) -> String {
    let (federation, id, hub) = (quoted(&member.federation), quoted(&member.id), quoted(hub_endpoint));
    let (journal, files) = (path(&member.folder.join("journal")), client_files(member));
    let pin_key = secret_file(&member.pin_key());
    let pin_key =
        if member.pin_key().exists() { format!("pin_key = {pin_key}") } else { format!("# pin_key = {pin_key}") };
    let hub_pin_key = secret_file(&member.hub_pin_key());
    let is_there = member.hub_pin_key().exists();
    let hub_pin_key = format!("{}hub_pin_key = {hub_pin_key}", if is_there { "" } else { "# " });
    format!(
        r#"# A payment terminal. Environment variables: BANKHUB_TERMINAL_HUB and so on.
federation = {federation}
# The terminal's name, as in its certificate.
id = {id}
# Where the hub is.
hub = {hub}
# The journal: what the terminal is about to do, on disk before it does it. Never delete it while `flush` reports
# something that is left.
journal = {journal}
# The key of a PIN pad in software, for trials: `bankhub hsm pair` shares it with a bank.
{pin_key}
# The key that the same pad shares with the hub, for transaction passwords: `bankhub till pin-pad` gives it to the hub.
{hub_pin_key}
# How long one call may take.
# call_timeout = "15s"
# How long to ask before giving up and reversing. Longer than the hub needs to decide.
# patience = "45s"

{TRACE}
{files}"#
    )
}

#[cfg(test)]
mod tests;
