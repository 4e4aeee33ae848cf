//! A federation for one test: processes, databases, people, and the wire between hub and banks.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bankhub::identity_simulator::Rules;
use bankhub::trial::{Federation, NewPerson, Server, ServerOptions, Shop, TrialOptions};
use domain::{BankId, Currency};
use server_kit::fault;
use tempfile::TempDir;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::answers::Answers;
use crate::databases::{Database, Engine};
use crate::interposed::{Interposed, Scissors};
use crate::payer::Payer;
use crate::relay::Relay;
use crate::till::Till;

/// Federations that run at once. Each is three processes or more, and their deadlines are short.
const MOST_AT_ONCE: usize = 2;

/// How a hub is set up so that a test need not wait long for what time brings. Codes may be sent as often as one likes.
const QUICK_HUB: [(&str, &str); 16] = [
    ("payments.decide_within", "5s"),
    ("payments.head_start", "1s"),
    ("payments.sweep_every", "200ms"),
    ("payments.most_backoff", "1s"),
    ("payments.answer_within", "4s"),
    ("payments.sends_per_minute", "10000"),
    ("payments.sends_per_ten_minutes", "10000"),
    ("payments.sends_per_day", "10000"),
    ("payments.codes_per_terminal_per_minute", "100000"),
    ("payments.reads_per_terminal_per_second", "1000"),
    ("payments.writes_per_terminal_per_second", "100000"),
    ("lookups.terminal_burst", "10000000"),
    ("lookups.merchant_burst", "100000000"),
    ("lookups.link_burst", "100000000"),
    ("banks.timeout", "1s"),
    ("limits.grace", "5s"),
];

const QUICK_BANK: [(&str, &str); 4] = [
    ("ledger.resolve_after", "2s"),
    ("ledger.resolve_every", "300ms"),
    ("ledger.resolve_pause_at_most", "1s"),
    ("limits.grace", "5s"),
];

/// What a federation is to be like.
#[derive(Clone, Debug)]
pub struct Setup {
    pub engine: Engine,
    pub hubs: usize,
    pub banks: Vec<&'static str>,
    /// For the hubs, over [`QUICK_HUB`].
    pub hub_settings: Vec<(&'static str, &'static str)>,
    /// Whether somebody sits on the wire between hub and banks.
    pub interposed: bool,
    /// Whether the banks issue cards, and the tills have PIN pads.
    pub cards: bool,
    /// What the banks are told of people's identity.
    pub identity: Rules,
}

impl Setup {
    pub fn on(engine: Engine) -> Self {
        Self {
            engine,
            hubs: 1,
            banks: vec!["bank-a"],
            hub_settings: Vec::new(),
            interposed: false,
            cards: false,
            identity: Rules::default(),
        }
    }

    #[must_use]
    pub fn with_hubs(self, hubs: usize) -> Self {
        Self { hubs, ..self }
    }

    #[must_use]
    pub fn with_banks(self, banks: &[&'static str]) -> Self {
        Self { banks: banks.to_vec(), ..self }
    }

    #[must_use]
    pub fn with(mut self, key: &'static str, value: &'static str) -> Self {
        self.hub_settings.push((key, value));
        self
    }

    #[must_use]
    pub fn interposed(self) -> Self {
        Self { interposed: true, ..self }
    }

    /// With a citizen-identity service that answers so.
    #[must_use]
    pub fn with_identity(self, identity: Rules) -> Self {
        Self { identity, ..self }
    }

    /// With banks that issue cards: those of the n-th with numbers that begin with 622848 and n.
    #[must_use]
    pub fn with_cards(self) -> Self {
        Self { cards: true, ..self }
    }

    /// Starts it, and opens the shop of `till-1` and `till-2`.
    pub async fn start(self) -> World {
        World::start(self).await
    }
}

/// A running federation.
#[derive(Debug)]
pub struct World {
    pub federation: Federation,
    pub answers: Answers,
    pub databases: BTreeMap<String, Database>,
    relays: BTreeMap<String, Relay>,
    wires: BTreeMap<String, Interposed>,
    people: AtomicU32,
    folder: Option<TempDir>,
    _place: OwnedSemaphorePermit,
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(folder) = self.folder.take()
        {
            println!("the federation's files are left in {}", folder.keep().display());
        }
    }
}

async fn place() -> OwnedSemaphorePermit {
    static PLACES: OnceLock<Arc<Semaphore>> = OnceLock::new();
    let places = PLACES.get_or_init(|| Arc::new(Semaphore::new(MOST_AT_ONCE))).clone();
    places.acquire_owned().await.unwrap()
}

fn options(name: &str, database: &Database, settings: &[(&str, &str)]) -> ServerOptions {
    let options = match database.url() {
        None => ServerOptions::named(name),
        Some(url) => ServerOptions::named(name).on(&url),
    };
    settings.iter().fold(options, |options, (key, value)| options.with(key, value))
}

/// The first digits of the cards of the n-th bank.
pub fn bin_of(bank: usize) -> String {
    format!("622848{bank:02}")
}

impl World {
    async fn start(setup: Setup) -> Self {
        let place = place().await;
        let folder = tempfile::Builder::new().prefix("bankhub-test-").tempdir().unwrap();
        let mut trial = TrialOptions::in_folder(folder.path()).unwrap();
        trial.binary = crate::bankhub();
        trial.log_filter = "debug,h2=info,hyper=info,rustls=info,sqlx=info,tower=info".to_owned();
        trial.register_banks = !setup.interposed;
        trial.identity = setup.identity;
        let mut databases = BTreeMap::new();
        let shared = Database::create(setup.engine, "hub").await;
        let hub_settings: Vec<_> = QUICK_HUB.into_iter().chain(setup.hub_settings).collect();
        trial.hubs.clear();
        for n in 1..=setup.hubs {
            let name = format!("hub-{n}");
            trial.hubs.push(options(&name, &shared, &hub_settings));
            databases.insert(name, shared.clone());
        }
        trial.banks.clear();
        trial.pin_pads = ["till-1", "till-2"].map(str::to_owned).to_vec();
        for (n, bank) in setup.banks.iter().enumerate() {
            let database = Database::create(setup.engine, bank).await;
            let options = options(bank, &database, &QUICK_BANK);
            trial.banks.push(if setup.cards { options.issuing(&bin_of(n)) } else { options });
            databases.insert((*bank).to_owned(), database);
        }
        let federation = Federation::start(trial).await.unwrap_or_else(|error| panic!("{error}"));
        let mut world = Self {
            federation,
            answers: Answers::default(),
            databases,
            relays: BTreeMap::new(),
            wires: BTreeMap::new(),
            people: AtomicU32::new(0),
            folder: Some(folder),
            _place: place,
        };
        if setup.interposed {
            for bank in &setup.banks {
                world.interpose(bank).await;
            }
        }
        world.open_shop("till-1").await;
        world.open_shop("till-2").await;
        world
    }

    async fn interpose(&mut self, bank: &str) {
        let relay = Relay::start(None).await;
        let endpoint = self.federation.server(bank).unwrap().endpoint().unwrap();
        let folder = self.federation.folder().join(format!("wire-{bank}"));
        let id = BankId::parse(bank).unwrap();
        let wire = Interposed::start(self.federation.authority(), &id, &endpoint, &relay, &folder).await;
        self.federation.register_bank_at(bank, &relay.endpoint()).await.unwrap();
        self.relays.insert(bank.to_owned(), relay);
        self.wires.insert(bank.to_owned(), wire);
    }

    async fn open_shop(&self, terminal: &str) {
        let shop = Shop {
            merchant: "noodle-house",
            name: "Noodle House",
            category: "5812",
            terminal,
            place: "Shanghai, Fuxing Road 12",
            location: Some((31.21, 121.46)),
        };
        self.federation.shop(&shop).await.unwrap();
    }

    /// The wire to a bank, for a federation that is interposed.
    pub fn scissors(&self, bank: &str) -> &Scissors {
        &self.wires[bank].scissors
    }

    /// The relay to a bank, for a federation that is interposed.
    pub fn relay(&self, bank: &str) -> &Relay {
        &self.relays[bank]
    }

    pub fn server(&mut self, name: &str) -> &mut Server {
        self.federation.server_mut(name).unwrap()
    }

    /// A person with an account at `bank` that has `balance_minor`, and a phone.
    pub async fn payer(&self, bank: &str, balance_minor: i64) -> Payer {
        let n = self.next_person();
        let (phone, password) = (format!("+86138{:08}", 10_000_007 + n * 37), format!("{:06}", 271_828 + n));
        let new = NewPerson {
            name: "Wang Xiaoming",
            phone: &phone,
            bank,
            balance_minor,
            currency: Currency::CNY,
            password: &password,
        };
        Payer::new(self.federation.person(&new).await.unwrap_or_else(|error| panic!("{error}")))
    }

    /// A number that no other person here has got.
    pub(crate) fn next_person(&self) -> u32 {
        self.people.fetch_add(1, Ordering::Relaxed)
    }

    /// A terminal at the first hub.
    pub fn till(&self, id: &str) -> Till {
        self.till_at(id, "hub-1")
    }

    /// A terminal at one of the hubs.
    pub fn till_at(&self, id: &str, hub: &str) -> Till {
        let endpoint = self.federation.server(hub).unwrap().endpoint().unwrap();
        Till::new(self.federation.terminal_channel(id, &endpoint).unwrap(), self.answers.clone())
    }

    /// Starts a server again so that it kills itself at the `passage`-th time at a fault point.
    pub async fn arm(&mut self, server: &str, point: &str, passage: u32) {
        let server = self.server(server);
        server.stop().await.unwrap_or_else(|error| panic!("{error}"));
        server.set_environment(vec![(fault::ENVIRONMENT.to_owned(), format!("{point}@{passage}"))]);
        server.start().await.unwrap_or_else(|error| panic!("{error}"));
    }

    /// Starts a server again.
    pub async fn restart(&mut self, server: &str) {
        let server = self.server(server);
        server.stop().await.unwrap_or_else(|error| panic!("{error}"));
        server.start().await.unwrap_or_else(|error| panic!("{error}"));
    }

    /// One more setting for all hubs, from their next start on.
    pub fn set_for_hubs(&mut self, key: &str, value: &str) {
        let hubs: Vec<String> = self.databases.keys().filter(|name| name.starts_with("hub")).cloned().collect();
        for hub in hubs {
            self.server(&hub).set(key, value);
        }
    }

    /// A file with a secret that only its owner can read, as configurations name it.
    pub fn secret(&self, name: &str, secret: &str) -> String {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.federation.folder().join(name);
        std::fs::write(&path, secret).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        format!("file:{}", path.display())
    }

    /// Waits until the server has killed itself, and starts it again as it is meant to be.
    pub async fn rise_again(&mut self, name: &str) {
        use std::os::unix::process::ExitStatusExt as _;
        let server = self.server(name);
        let status = server.wait_gone().await.unwrap_or_else(|error| panic!("{name} did not die: {error}"));
        assert_eq!(status.signal(), Some(9), "{name} ended with {status} before its fault point");
        server.set_environment(Vec::new());
        server.start().await.unwrap_or_else(|error| panic!("{error}"));
    }

    /// What a customer may spend, from the bank's ledger.
    pub async fn available(&self, payer: &Payer) -> i64 {
        let bank = BankId::parse(&payer.person.bank).unwrap();
        let counter = self.federation.operator().unwrap().counter(&bank).await.unwrap();
        counter.account(payer.person.account).await.unwrap().available.unwrap().minor_units
    }

    /// Payments by the hub's own state.
    pub async fn states(&self) -> BTreeMap<String, i64> {
        let overview = self.federation.operator().unwrap().overview().await.unwrap();
        overview.payments_by_state.into_iter().filter(|(_, count)| *count > 0).collect()
    }

    /// How many payments the hub has stored, in whatever state.
    pub async fn payments(&self) -> i64 {
        self.states().await.values().sum()
    }

    /// Removes the databases of a federation that has stopped.
    pub async fn forget(&self) {
        for database in self.databases.values() {
            database.remove().await;
        }
    }

    /// The time in which nothing may be pending any more after a link or a server is back.
    pub const HEALING: Duration = Duration::from_secs(30);
}
