//! Whole payments by phone number over a link of a card network, beside those by the calls of the contract, in turn on one federation.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use clap::Args;
use domain::network::Response;
use domain::{Currency, Money, OneTimeCode};
use hub::network::WorkingKey;
use hub::network::config::{DialectName, Framing};
use proto::cardholder::event::Kind;
use secrecy::SecretString;
use serde_json::{Value, json};
use server_kit::clock::Stopwatch;
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::cards::till;
use super::contest::ROUNDS;
use super::payments::{Means, PayError, Payer, Seen, next_event};
use super::report::half_and_most;
use super::rounds::median;
use super::scene::Scene;
use super::{BenchError, BenchOptions, WARM_UP};
use crate::acquirer::{Acquirer, AcquirerError, AcquirerOptions};
use crate::output::Output;

/// A key for one run on one machine.
const PIN_KEY: &str = "0123456789abcdeffedcba9876543210";
const INSTITUTION: &str = "66280000";
/// How long an answer may take before the bench gives up.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// What is measured of links.
#[derive(Clone, Debug, Args)]
pub struct NetworkBenchArgs {
    /// How long the measurement takes, all its rounds together, in seconds.
    #[arg(long, default_value_t = 20)]
    pub seconds: u64,
    /// People who pay at once.
    #[arg(long, default_value_t = 256)]
    pub payers: usize,
    /// Terminals, each with a connection of its own.
    #[arg(long, default_value_t = 8)]
    pub terminals: usize,
    /// A PostgreSQL server where databases can be made, as postgres://user@host:port/database; without it only SQLite is measured.
    #[arg(long, env = "BANKHUB_BENCH_POSTGRES")]
    pub postgres: Option<String>,
}

#[derive(Debug, Default)]
struct Found {
    called: Vec<f64>,
    linked: Vec<f64>,
    by_calls: Seen,
    by_link: Seen,
}

/// Measures and prints.
pub async fn run(args: &NetworkBenchArgs, out: &Output) -> Result<(), BenchError> {
    let options = BenchOptions {
        span: Duration::from_secs(args.seconds.max(1)),
        payers: args.payers.max(1),
        in_flight: 1,
        terminals: args.terminals.clamp(1, 99),
        stored: 0,
        postgres: args.postgres.clone(),
    };
    let folder = TempDir::new()?;
    let (mut rows, mut engines) = (Vec::new(), Vec::new());
    for (name, server) in [("SQLite", None), ("PostgreSQL", options.postgres.as_deref())] {
        if name == "PostgreSQL" && server.is_none() {
            continue;
        }
        out.note(&format!("The federation on {name} …"));
        let found = engine(&options, &folder.path().join(name), server).await?;
        rows.extend(found.rows(name));
        engines.push(found.json(name));
    }
    out.table(&["of", "what", "value"], &rows, &json!({ "engines": engines }));
    Ok(())
}

async fn engine(options: &BenchOptions, folder: &Path, server: Option<&str>) -> Result<Found, BenchError> {
    std::fs::create_dir_all(folder)?;
    let key = folder.join("pin.hex");
    write_secret(&key, PIN_KEY)?;
    let addr = free_address()?;
    let link = [
        ("listen", addr.to_string()),
        ("acquirers", format!("[\"{INSTITUTION}\"]")),
        ("pin_key", format!("file:{}", key.display())),
        ("terminal_prefix", String::new()),
        ("connections", "200".to_owned()),
        ("window", "1000".to_owned()),
    ];
    let link: Vec<_> = link.map(|(name, value)| (format!("network.links.bench.{name}"), value)).into();
    let mut scene = Scene::open_with(options, folder, (server, ""), &link).await?;
    let mut acquirers = Vec::new();
    for n in 1..=options.terminals {
        acquirers.push(Acquirer::connect(acquirer(addr, &till(n))?).await.map_err(PayError::from)?);
    }
    scene.pay(Means::Phone, WARM_UP).await?;
    pay(&mut scene.payers, &acquirers, WARM_UP).await?;
    let span = options.span / ROUNDS / 2;
    let mut found = Found::default();
    for _ in 0..ROUNDS {
        let (seen, elapsed) = scene.pay(Means::Phone, span).await?;
        found.called.push(seen.per_second(elapsed));
        found.by_calls.merge(&seen);
        let watch = Stopwatch::start();
        let seen = pay(&mut scene.payers, &acquirers, span).await?;
        found.linked.push(seen.per_second(watch.elapsed()));
        found.by_link.merge(&seen);
    }
    drop(acquirers);
    scene.close().await?;
    Ok(found)
}

fn acquirer(address: SocketAddr, terminal: &str) -> Result<AcquirerOptions, PayError> {
    let pin_key = WorkingKey::read(&SecretString::from(PIN_KEY)).ok_or(AcquirerError::Key)?;
    Ok(AcquirerOptions {
        address,
        dialect: DialectName::UnionPay,
        framing: Framing::Binary2,
        institution: INSTITUTION.to_owned(),
        terminal: terminal.to_ascii_uppercase(),
        mac_key: None,
        pin_key,
        tls: None,
        answer_within: ANSWER_WITHIN,
    })
}

fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

fn write_secret(path: &Path, secret: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(secret.as_bytes())
}

/// Everybody pays over the link until the time is over.
async fn pay(payers: &mut Vec<Payer>, acquirers: &[Acquirer], span: Duration) -> Result<Seen, PayError> {
    let (watch, mut tasks) = (Stopwatch::start(), JoinSet::new());
    for (payer, acquirer) in std::mem::take(payers).into_iter().zip(acquirers.iter().cycle()) {
        tasks.spawn(pay_until(payer, acquirer.clone(), span, watch));
    }
    let mut all = Seen::default();
    while let Some(done) = tasks.join_next().await {
        let (payer, seen) = done.map_err(|_| PayError::StreamEnded)??;
        payers.push(payer);
        all.merge(&seen);
    }
    Ok(all)
}

async fn pay_until(
    mut payer: Payer,
    acquirer: Acquirer,
    span: Duration,
    watch: Stopwatch,
) -> Result<(Payer, Seen), PayError> {
    let (mut seen, amount) = (Seen::default(), Money::new(Currency::CNY, 100));
    let mut events = payer.phone.events(payer.cursor).await?;
    let phone = payer.holder.phone.clone();
    while watch.elapsed() < span {
        let begun = watch.elapsed();
        let first = acquirer.name("0200")?;
        let answer = acquirer.ask(first, &acquirer.first(&phone, amount)).await?;
        if answer.response() != Response::CodeSent {
            seen.failed += 1;
            continue;
        }
        let code = loop {
            if let Kind::PaymentCode(code) = next_event(&mut events, &mut payer.cursor).await? {
                break code.code;
            }
        };
        let code = OneTimeCode::parse(&code).map_err(AcquirerError::Refused)?;
        let fields = acquirer.second(first, (&phone, amount), (&code, &payer.password))?;
        let answer = acquirer.ask(acquirer.name("0200")?, &fields).await?;
        if answer.response() != Response::Approved {
            seen.failed += 1;
            continue;
        }
        let approved = watch.elapsed();
        seen.approved.record(approved.saturating_sub(begun));
        while !matches!(next_event(&mut events, &mut payer.cursor).await?, Kind::Charge(_)) {}
        seen.told.record(watch.elapsed().saturating_sub(approved));
    }
    Ok((payer, seen))
}

impl Found {
    fn json(&self, engine: &str) -> Value {
        let micros = |seen: &Seen, share| seen.approved.quantile(share).as_micros() as u64;
        let of = |seen: &Seen, rates: &[f64]| {
            json!({
                "payments_per_second": median(rates.to_vec()),
                "approved_p50_micros": micros(seen, 0.5),
                "approved_p99_micros": micros(seen, 0.99),
                "not_approved": seen.failed,
            })
        };
        json!({ "engine": engine, "calls": of(&self.by_calls, &self.called), "link": of(&self.by_link, &self.linked) })
    }

    fn rows(&self, engine: &str) -> Vec<Vec<String>> {
        let row = |what: &str, value: String| vec![engine.to_owned(), what.to_owned(), value];
        let (called, linked) = (median(self.called.clone()), median(self.linked.clone()));
        vec![
            row("phone payments a second by calls", format!("{called:.0}")),
            row(
                "phone payments a second over a link",
                format!("{linked:.0} ({:.2} of those by calls)", linked / called),
            ),
            row("first call to approved, p50 / p99", half_and_most(&self.by_calls.approved)),
            row("first message to approved, p50 / p99", half_and_most(&self.by_link.approved)),
            row("payments that were not approved", (self.by_calls.failed + self.by_link.failed).to_string()),
        ]
    }
}
