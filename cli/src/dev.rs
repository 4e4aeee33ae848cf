//! `bankhub dev`: the demo's federation, to try things on. It keeps its people, its money and its ports from run to run.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use domain::Currency;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::error::CliError;
use crate::init::write_private;
use crate::output::{Output, Tone};
use crate::sms_simulator::{SmsSimulator, Text};
use crate::trial::{Federation, NewCard, NewPerson, Person, ServerOptions, Shop, TrialOptions, bank_id, postgres};

#[derive(Clone, Debug, Args)]
pub struct DevArgs {
    /// Where the federation lives; it is made there, or found again.
    #[arg(long, value_name = "DIR", default_value = "bankhub-dev")]
    pub dir: PathBuf,
    /// Keep the books on PostgreSQL: postgres://user[:password]@host/database of somebody who may create databases.
    #[arg(long, value_name = "URL")]
    pub postgres: Option<String>,
    /// What the servers log into their folders, such as info,hub=debug.
    #[arg(long, value_name = "FILTER", default_value = "info")]
    pub server_log: String,
    /// End as soon as everything is up, for scripts that only want it made.
    #[arg(long, hide = true)]
    pub once: bool,
}

/// The one replica of the hub.
const HUB: &str = "hub-1";

const SHOPS: [Shop<'static>; 2] = [
    Shop {
        merchant: "noodle-house",
        name: "Noodle House",
        category: "5812",
        terminal: "till-1",
        place: "12 Fuxing Road",
        location: Some((31.2165, 121.4365)),
    },
    Shop {
        merchant: "corner-bookshop",
        name: "Corner Bookshop",
        category: "5942",
        terminal: "till-2",
        place: "3 Shaoxing Road",
        location: Some((31.2113, 121.4632)),
    },
];

const PEOPLE: [NewPerson<'static>; 2] = [
    NewPerson {
        name: "Lin Mei",
        phone: "+8613800138001",
        bank: "bank-a",
        balance_minor: 500_000,
        currency: Currency::CNY,
        password: "271828",
    },
    NewPerson {
        name: "Chen Bo",
        phone: "+8613900139002",
        bank: "bank-b",
        balance_minor: 200_000,
        currency: Currency::CNY,
        password: "314159",
    },
];

/// A sample person as they are shown; made-up people may be shown whole.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Sample {
    name: String,
    phone: String,
    transaction_password: String,
    bank: String,
    account_id: String,
    account_masked: String,
    phone_folder: PathBuf,
    /// The card, as a terminal reads it with its PIN; none in folders of earlier builds.
    #[serde(default)]
    card: Option<SampleCard>,
}

/// A sample card.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct SampleCard {
    card_id: String,
    masked: String,
    /// A file with track 2 on its first line and the PIN on its second.
    file: PathBuf,
}

pub async fn run(args: &DevArgs, out: &Output) -> Result<(), CliError> {
    let failed = |source| CliError::System { what: args.dir.display().to_string(), source };
    fs::create_dir_all(&args.dir).map_err(failed)?;
    let dir = fs::canonicalize(&args.dir).map_err(failed)?;
    out.note("Starting a hub and two banks …");
    let (sms, texts) = SmsSimulator::start().await.map_err(failed)?;
    let mut federation = Federation::start(options(&dir, args, &sms).await?).await?;
    let showing = show_sms(texts, out.clone());
    let people = people(&federation, &dir).await?;
    print(&federation, &people, out)?;
    if !args.once {
        out.line(&out.paint(Tone::Quiet, "\nControl-C stops everything; the next `bankhub dev` here goes on."));
        wait_for_end().await?;
        out.note("Stopping …");
    }
    federation.stop().await?;
    showing.abort();
    Ok(())
}

/// Shows what would be on the phones' screens. Whoever sees it here has made the people up.
fn show_sms(mut texts: mpsc::Receiver<Text>, out: Output) -> JoinHandle<()> {
    tokio::spawn(async move {
        while let Some(text) = texts.recv().await {
            out.note(&format!("SMS to {}: {}", text.to, text.words));
        }
    })
}

async fn options(dir: &Path, args: &DevArgs, sms: &SmsSimulator) -> Result<TrialOptions, CliError> {
    let mut options = TrialOptions::in_folder(dir)?;
    options.log_filter = args.server_log.clone();
    options.keep_ports = true;
    // Whoever tries things out tries them often.
    let mut hub = ServerOptions::named(HUB)
        .with("payments.sends_per_minute", "30")
        .with("payments.sends_per_ten_minutes", "100")
        .with("payments.sends_per_day", "1000");
    let password = dir.join("smsc.password");
    write_private(&password, b"trial\n")?;
    hub.settings.extend(sms.settings(&format!("file:{}", password.display())));
    options.hubs = vec![hub];
    options.banks = ["bank-a", "bank-b"].map(|bank| ServerOptions::named(bank).issuing(bin(bank))).to_vec();
    options.pin_pads = SHOPS.iter().map(|shop| shop.terminal.to_owned()).collect();
    for server in options.hubs.iter_mut().chain(&mut options.banks) {
        // With it any gRPC tool calls the servers without the contract at hand.
        server.settings.push(("reflection".to_owned(), "true".to_owned()));
    }
    if let Some(url) = &args.postgres {
        for server in options.hubs.iter_mut().chain(&mut options.banks) {
            let name = format!("bankhub_dev_{}", server.name.replace('-', "_"));
            let database = postgres::database(url, &name, &dir.join("postgres.password"), false).await?;
            server.database = Some(database.url);
            server.database_password = database.password;
        }
    }
    Ok(options)
}

/// The first digits of a bank's cards.
fn bin(bank: &str) -> &'static str {
    if bank == "bank-a" { "62284800" } else { "62284801" }
}

/// A card over the person's account and a credit account of 5,000 yuan.
async fn card(federation: &Federation, person: &Person, folder: &Path) -> Result<SampleCard, CliError> {
    let pin = "161803";
    let new = NewCard {
        holder: &person.name,
        bank: &person.bank,
        bin: bin(&person.bank),
        debit: person.account,
        limit_minor: 500_000,
        cash_limit_minor: 150_000,
        pad: SHOPS[0].terminal,
        pin,
    };
    let card = federation.issue_card(&new).await?;
    let operator = federation.operator()?;
    operator.bind_card(person.id, &bank_id(&person.bank)?, card.id, false).await?;
    let file = folder.join("card");
    write_private(&file, format!("{}\n{pin}\n", card.track2.expose_secret()).as_bytes())?;
    Ok(SampleCard { card_id: card.id.to_string(), masked: card.masked, file })
}

/// The sample people, made in the first run.
async fn people(federation: &Federation, dir: &Path) -> Result<Vec<Sample>, CliError> {
    let path = dir.join("people.json");
    let failed = |source| CliError::System { what: path.display().to_string(), source };
    for shop in &SHOPS {
        federation.shop(shop).await?;
        federation.terminal(shop.terminal)?;
    }
    if path.exists() {
        let text = fs::read_to_string(&path).map_err(failed)?;
        return serde_json::from_str(&text).map_err(|error| failed(error.into()));
    }
    let mut people = Vec::new();
    for new in &PEOPLE {
        let phone_folder = dir.join("phones").join(new.name.to_lowercase().replace(' ', "-"));
        let person = federation.person_in(new, &phone_folder).await?;
        let card = Some(card(federation, &person, &phone_folder).await?);
        people.push(Sample {
            name: person.name,
            phone: new.phone.to_owned(),
            transaction_password: new.password.to_owned(),
            bank: person.bank,
            account_id: person.account.to_string(),
            account_masked: person.account_masked,
            phone_folder,
            card,
        });
    }
    let text = serde_json::to_string_pretty(&people).map_err(|error| failed(error.into()))?;
    fs::write(&path, text).map_err(failed)?;
    Ok(people)
}

fn print(federation: &Federation, people: &[Sample], out: &Output) -> Result<(), CliError> {
    let mut rows = Vec::new();
    let mut servers = Vec::new();
    let mut pages = None;
    for server in federation.servers() {
        let (endpoint, ops) = (server.endpoint()?, format!("http://{}", server.ops_address()?));
        let (id, log) = (server.process_id().unwrap_or(0), server.log().display().to_string());
        rows.push(vec![
            server.name().to_owned(),
            endpoint.clone(),
            format!("{ops}/metrics"),
            id.to_string(),
            log.clone(),
        ]);
        if let Some(web) = server.web_address() {
            pages = Some(format!("http://{web}/"));
        }
        servers.push(json!({ "name": server.name(), "endpoint": endpoint, "ops": ops, "process": id, "log": log }));
    }
    let commands = commands(federation, people)?;
    if out.is_json() {
        let value = json!({ "folder": federation.folder(), "servers": servers, "people": people, "commands": commands, "web": pages });
        out.table(&[], &[], &value);
        return Ok(());
    }
    out.table(&["server", "address", "metrics", "process", "log"], &rows, &json!(null));
    let rows: Vec<Vec<String>> = people
        .iter()
        .map(|sample| {
            let account = format!("{} {}", sample.bank, sample.account_masked);
            vec![sample.name.clone(), sample.phone.clone(), account, sample.transaction_password.clone()]
        })
        .collect();
    out.table(&["sample person", "phone number", "pays from", "transaction password"], &rows, &json!(null));
    if let Some(pages) = pages {
        out.line(&format!("\nSelf-service pages: {pages} (first: bankhub phone --dir … account-password)"));
    }
    out.line(&out.paint(Tone::Strong, "\nTry, in other windows:"));
    for command in commands {
        out.line(&format!("  {command}"));
    }
    Ok(())
}

fn commands(federation: &Federation, people: &[Sample]) -> Result<Vec<String>, CliError> {
    let program = std::env::current_exe().map_or_else(|_| "bankhub".to_owned(), |path| path.display().to_string());
    let (dir, operator) = (federation.folder().display(), federation.operator_folder().join("operator.toml"));
    let operator = operator.display();
    let mut commands = Vec::new();
    for (sample, till) in people.iter().zip(["till-1", "till-2"]) {
        let (phone, number) = (sample.phone_folder.display(), &sample.phone);
        // Another phone of the same person: the code comes by SMS, which is shown here, and the transaction password is the one above.
        let (ca, hub) = (federation.authority_certificate(), federation.hub_endpoint()?);
        let ca = ca.display();
        commands.push(format!("{program} phone --dir {phone}-2 enrol {number} --by-sms --hub {hub} --ca {ca}"));
        commands.push(format!("{program} phone --dir {phone} watch"));
        commands.push(format!("{program} terminal --config {dir}/terminal-{till}/terminal.toml pay {number} 36.80"));
        commands.push(format!("{program} account --as {operator} show {} {}", sample.bank, sample.account_id));
        if let Some(SampleCard { card_id, file, .. }) = &sample.card {
            let (config, file) = (format!("{dir}/terminal-{till}/terminal.toml"), file.display());
            commands.push(format!("{program} terminal --config {config} card purchase 36.80 < {file}"));
            commands.push(format!("{program} card --as {operator} freeze {} {card_id}", sample.bank));
        }
    }
    commands.push(format!("{program} overview --as {operator}"));
    let (tls, hub) = (federation.operator_folder().display(), federation.server(HUB)?.address()?);
    commands.push(format!("grpcurl -cacert {tls}/ca.pem -cert {tls}/certificate.pem -key {tls}/key.pem {hub} list"));
    Ok(commands)
}

async fn wait_for_end() -> Result<(), CliError> {
    let failed = |source| CliError::System { what: "signals".to_owned(), source };
    let terminate = tokio::signal::unix::SignalKind::terminate();
    let mut terminate = tokio::signal::unix::signal(terminate).map_err(failed)?;
    tokio::select! {
        done = tokio::signal::ctrl_c() => done.map_err(failed),
        _ = terminate.recv() => Ok(()),
    }
}
