//! A federation that the bench measures, with everybody who takes part.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use domain::Currency;
use domain::purchase::Terminal;
use hub::payment::fill::PastAccount;
use server_kit::clock::{Stopwatch, SystemClock};
use server_kit::rng::{IdMaker, SystemRng};
use tonic::transport::Channel;

use super::cards::{self, BANKS, till};
use super::past::Holder;
use super::payments::{self, Load, Means, PayError, Payer, Seen};
use super::usage::{self, Usage};
use super::{BenchError, BenchOptions, postgres};
use crate::trial::{Federation, NewPerson, Person, ServerOptions, Shop, TrialError, TrialOptions, bank_id};

/// The transaction password of everybody.
const PASSWORD: &str = "246810";

/// A running federation, shops with their terminals, and people who pay.
#[derive(Debug)]
pub struct Scene {
    pub federation: Federation,
    /// One for each terminal.
    pub channels: Vec<Channel>,
    pub tills: Vec<Arc<Terminal>>,
    pub payers: Vec<Payer>,
    pub ids: IdMaker,
}

impl Scene {
    /// Starts a federation on SQLite in a folder, or on new databases of a PostgreSQL server with `suffix` in their names, and
    /// has everybody enrolled.
    pub async fn open(
        options: &BenchOptions,
        folder: &Path,
        server: Option<&str>,
        suffix: &str,
    ) -> Result<Self, BenchError> {
        Self::open_with(options, folder, (server, suffix), &[]).await
    }

    /// The same with more settings for the hub.
    pub async fn open_with(
        options: &BenchOptions,
        folder: &Path,
        (server, suffix): (Option<&str>, &str),
        more: &[(String, String)],
    ) -> Result<Self, BenchError> {
        std::fs::create_dir_all(folder)?;
        let mut trial = trial(options, folder, server, suffix).await?;
        for hub in &mut trial.hubs {
            *hub = more.iter().fold(hub.clone(), |hub, (key, value)| hub.with(key, value));
        }
        let federation = Federation::start(trial).await?;
        let ids = IdMaker::new(SystemClock::shared(), SystemRng::shared());
        let mut scene = Self { federation, channels: Vec::new(), tills: Vec::new(), payers: Vec::new(), ids };
        scene.open_shops(options.terminals).await?;
        scene.enrol_payers(options.payers).await?;
        Ok(scene)
    }

    /// Removes what [`Scene::open`] has made on a server, for whoever has to give up. What is not there is no fault.
    pub async fn drop_databases(server: &str, suffix: &str) {
        for name in std::iter::once("hub").chain(BANKS.map(|(bank, _)| bank)) {
            if let Err(error) = postgres::drop_if_there(server, &format!("{name}{suffix}")).await {
                tracing::warn!(%error, name, "a database of the bench is left");
            }
        }
    }

    async fn open_shops(&mut self, count: usize) -> Result<(), TrialError> {
        let endpoint = self.federation.hub_endpoint()?;
        for n in 1..=count {
            let terminal = till(n);
            let shop = Shop {
                merchant: "noodles",
                name: "Noodle House",
                category: "5812",
                terminal: &terminal,
                place: "Shanghai",
                location: Some((31.23, 121.47)),
            };
            self.federation.shop(&shop).await?;
            self.channels.push(self.federation.terminal_channel(&terminal, &endpoint)?);
            self.tills.push(Arc::new(shop.enrolled()?));
        }
        Ok(())
    }

    async fn enrol_payers(&mut self, count: usize) -> Result<(), TrialError> {
        for ((n, channel), (bank, _)) in (0..count).zip(self.channels.iter().cycle()).zip(BANKS.iter().cycle()) {
            let number = format!("+8613{:09}", 900_000_000 + n);
            let person = NewPerson {
                name: "Wang Xiaoming",
                phone: &number,
                bank,
                balance_minor: 100_000_000_000,
                currency: Currency::CNY,
                password: PASSWORD,
            };
            self.payers.push(payer(self.federation.person(&person).await?, channel)?);
        }
        Ok(())
    }

    /// For each payer the connection of the terminal, and one more like that of the phone.
    pub fn connections(&self) -> Result<Vec<(Channel, Channel)>, TrialError> {
        let of = |payer: &Payer| Ok((payer.terminal.clone(), self.federation.phone_channel()?));
        self.payers.iter().map(of).collect()
    }

    /// Gives everybody a card.
    pub async fn issue_cards(&mut self) -> Result<(), PayError> {
        Ok(cards::issue(&self.federation, &mut self.payers, self.channels.len()).await?)
    }

    /// Has everybody pay at once for a while; says what they saw and how long it took.
    pub async fn pay(&mut self, means: Means, span: Duration) -> Result<(Seen, Duration), PayError> {
        self.pay_as(Load { means, span, every: None }).await
    }

    /// The same under a load that may leave time between payments.
    pub async fn pay_as(&mut self, load: Load) -> Result<(Seen, Duration), PayError> {
        let watch = Stopwatch::start();
        let seen = payments::run(&mut self.payers, load, &self.ids).await?;
        Ok((seen, watch.elapsed()))
    }

    /// What each process has used so far, this one (terminals and phones) included.
    pub fn usages(&self) -> Vec<(String, Usage)> {
        let servers = self.federation.servers();
        let servers = servers.filter_map(|server| Some((server.name().to_owned(), server.process_id()?)));
        let own = [("terminals and phones".to_owned(), std::process::id())];
        servers.chain(own).map(|(name, pid)| (name, usage::of(pid).unwrap_or_default())).collect()
    }

    /// Everybody leaves, and the federation stops.
    pub async fn close(self) -> Result<Federation, TrialError> {
        let Self { mut federation, channels, payers, .. } = self;
        drop((channels, payers));
        federation.stop().await?;
        Ok(federation)
    }
}

fn payer(person: Person, terminal: &Channel) -> Result<Payer, TrialError> {
    let account =
        PastAccount { bank_id: bank_id(&person.bank)?, account_id: person.account, masked: person.account_masked };
    Ok(Payer {
        terminal: terminal.clone(),
        phone: person.device,
        holder: Holder { person_id: person.id, phone: person.phone, account },
        password: PASSWORD.to_owned(),
        cursor: 0,
        card: None,
    })
}

async fn trial(
    options: &BenchOptions,
    folder: &Path,
    server: Option<&str>,
    suffix: &str,
) -> Result<TrialOptions, BenchError> {
    // Each payer pays all the time, which the limits of real life would rightly refuse.
    let mut hub = ServerOptions::named("hub-1");
    for (key, value) in [
        ("payments.sends_per_minute", "0"),
        ("payments.sends_per_ten_minutes", "0"),
        ("payments.sends_per_day", "0"),
        ("payments.codes_per_terminal_per_minute", "1000000000"),
        ("payments.writes_per_terminal_per_second", "1000000000"),
        // The budgets stay, as large as so many payments at once need.
        ("lookups.terminal_burst", "100000000"),
        ("lookups.merchant_burst", "1000000000"),
        ("lookups.link_burst", "1000000000"),
        ("phones.calls_per_address", "100000"),
        ("phones.calls_per_address_burst", "100000"),
        ("phones.calls_in_all", "100000"),
        ("phones.calls_in_all_burst", "100000"),
    ] {
        hub = hub.with(key, value);
    }
    let mut banks = BANKS.map(|(bank, bin)| ServerOptions::named(bank).issuing(bin)).to_vec();
    if let Some(server) = server {
        hub = hub.on(&postgres::new_database(server, &format!("hub{suffix}")).await?);
        let mut placed = Vec::new();
        for bank in banks {
            let database = postgres::new_database(server, &format!("{}{suffix}", bank.name)).await?;
            placed.push(bank.on(&database));
        }
        banks = placed;
    }
    let mut trial = TrialOptions::in_folder(folder)?;
    trial.hubs = vec![hub];
    trial.banks = banks;
    trial.pin_pads = (1..=options.terminals).map(till).collect();
    trial.log_filter = "warn".to_owned();
    Ok(trial)
}
