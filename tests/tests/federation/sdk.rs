//! The SDK on a real hub: whatever is cut or killed, each who listens hears every event once and in order.
//!
//! `BANKHUB_TEST_CUTS` says how many times the line is cut; a release build cuts it 1,000 times.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bankhub_mobile::{
    Clock, ConsentField, ConsentPurpose, DeviceKey, Event, EventKind, EventListener, FeedState, Language,
    ListenerError, Phone, PhoneBuilder, SdkError, SecureStore, SoftwareDeviceKey, StoreError,
};
use domain::Timestamp;
use federation_tests::databases::Engine;
use federation_tests::payer::Payer;
use federation_tests::relay::Relay;
use federation_tests::till::{Till, fen};
use federation_tests::wait::{bounded, until};
use federation_tests::world::{Setup, World};
use tempfile::TempDir;
use tokio::sync::watch;

const PATIENCE: Duration = Duration::from_secs(30);
const KILLS: usize = 4;

fn cuts() -> usize {
    let fallback = if cfg!(debug_assertions) { 25 } else { 1_000 };
    std::env::var("BANKHUB_TEST_CUTS").ok().and_then(|count| count.parse().ok()).unwrap_or(fallback)
}

/// A secure store that a process leaves behind for the next, as a platform's does.
#[derive(Debug)]
struct FileStore(PathBuf);

#[async_trait::async_trait]
impl SecureStore for FileStore {
    async fn get(&self, name: String) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(fs::read(self.0.join(name)).ok())
    }

    async fn put(&self, name: String, value: Vec<u8>) -> Result<(), StoreError> {
        fs::write(self.0.join(name), value).map_err(|_| StoreError::Failed)
    }

    async fn remove(&self, name: String) -> Result<(), StoreError> {
        let _ = fs::remove_file(self.0.join(name));
        Ok(())
    }
}

/// Where a phone lives: its data, its secure store and its key.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        fs::create_dir(home.0.path().join("store")).unwrap();
        let key = SoftwareDeviceKey::generate().unwrap();
        fs::write(home.0.path().join("key"), key.export_for_tests()).unwrap();
        home
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

fn builder(home: &Path, endpoint: &str, authority: &Path) -> Arc<PhoneBuilder> {
    let key = SoftwareDeviceKey::from_pkcs8(fs::read(home.join("key")).unwrap()).unwrap();
    let store: Arc<dyn SecureStore> = Arc::new(FileStore(home.join("store")));
    let key: Arc<dyn DeviceKey> = key;
    PhoneBuilder::new()
        .hub(endpoint.to_owned())
        .authority(fs::read_to_string(authority).unwrap())
        .data_folder(home.join("data").display().to_string())
        .language(Language::English)
        .device_key(key)
        .secure_store(store)
}

async fn enrol(phone: &Phone, world: &World, payer: &Payer) {
    let issued = world.federation.operator().unwrap().enrolment_code(payer.person.id).await.unwrap();
    phone.enrol(payer.number().to_owned(), issued.enrolment_code, None).await.unwrap();
}

/// Notes what it hears.
#[derive(Debug)]
struct Ear {
    heard: Mutex<Vec<(i64, Option<String>)>>,
    count: watch::Sender<usize>,
}

impl Ear {
    fn new() -> Arc<Self> {
        Arc::new(Self { heard: Mutex::default(), count: watch::Sender::new(0) })
    }

    async fn hears(&self, count: usize) {
        let mut counted = self.count.subscribe();
        bounded("events", PATIENCE, counted.wait_for(|heard| *heard >= count)).await.unwrap();
    }

    fn count(&self) -> usize {
        *self.count.borrow()
    }

    /// The payments of all that was heard, which are every number from 1 on.
    fn payments(&self) -> Vec<String> {
        let heard = self.heard.lock().unwrap();
        let numbers: Vec<i64> = heard.iter().map(|(sequence, _)| *sequence).collect();
        assert_eq!(numbers, (1..=i64::try_from(numbers.len()).unwrap()).collect::<Vec<_>>());
        heard.iter().filter_map(|(_, payment)| payment.clone()).collect()
    }
}

#[async_trait::async_trait]
impl EventListener for Ear {
    async fn on_event(&self, event: Event) -> Result<(), ListenerError> {
        let payment = match event.kind {
            EventKind::PaymentCode { payment_id, .. } => Some(payment_id),
            _ => None,
        };
        let mut heard = self.heard.lock().unwrap();
        heard.push((event.sequence, payment));
        self.count.send_replace(heard.len());
        Ok(())
    }

    async fn on_stopped(&self, _: SdkError) -> Result<(), ListenerError> {
        Ok(())
    }
}

/// Begins payments, each of which the payer's phones are told of; gives their ids.
async fn load(till: &Till, payer: &Payer, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for _ in 0..count {
        let id = till.new_id();
        till.insist(async |till| till.create(&id, payer, fen(100)).await).await;
        ids.push(id);
    }
    ids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s1_a_line_that_is_cut_under_load_loses_no_event_and_doubles_none() {
    let mut world = Setup::on(Engine::Sqlite).start().await;
    let (mut till, payer) = (world.till("till-1"), world.payer("bank-a", 1_000_000).await);
    let relay = Relay::start(Some(world.federation.server("hub-1").unwrap().address().unwrap())).await;
    let home = Home::new();
    let authority = world.federation.authority_certificate();
    let phone = builder(home.path(), &relay.endpoint(), &authority).build().await.unwrap();
    enrol(&phone, &world, &payer).await;
    let (first, late) = (Ear::new(), Ear::new());
    phone.add_listener(first.clone(), None).unwrap();

    let (cuts, mut begun) = (cuts(), Vec::new());
    for cut in 0..cuts {
        let (before, cutting) = (first.count(), relay.clone());
        let (ids, ()) = tokio::join!(load(&till, &payer, 3), async {
            // Something has come over this line since it was opened, and more is on its way.
            first.hears(before + 1).await;
            cutting.cut();
        });
        begun.extend(ids);
        if cut == cuts / 3 {
            phone.add_listener(late.clone(), Some(0)).unwrap();
        }
        if cut == cuts / 2 {
            world.server("hub-1").kill().await.unwrap();
            world.server("hub-1").start().await.unwrap();
            relay.point_to(Some(world.federation.server("hub-1").unwrap().address().unwrap()));
            till = world.till("till-1");
        }
    }
    for ear in [&first, &late] {
        ear.hears(begun.len()).await;
        let payments = ear.payments();
        assert_eq!(payments, begun, "every payment once, in the order in which they were begun");
    }
    let all = i64::try_from(first.count()).unwrap();
    until("the hub to know how far the phone is", PATIENCE, async || {
        (phone.status().acknowledged_sequence == all).then_some(())
    })
    .await;
    phone.shut_down().await.unwrap();
    assert_eq!(phone.status().feed, FeedState::Closed);
    println!("{cuts} cuts, {all} events, each heard once and in order by two listeners");
    world.federation.stop().await.unwrap();
}

/// Writes each number on a line of its own, at once.
#[derive(Debug)]
struct Journal(Mutex<File>);

impl Journal {
    fn open(path: &Path) -> Arc<Self> {
        Arc::new(Self(Mutex::new(OpenOptions::new().append(true).create(true).open(path).unwrap())))
    }
}

fn numbers(path: &Path) -> Vec<i64> {
    fs::read_to_string(path).unwrap_or_default().lines().map(|line| line.parse().unwrap()).collect()
}

#[async_trait::async_trait]
impl EventListener for Journal {
    async fn on_event(&self, event: Event) -> Result<(), ListenerError> {
        // One write: a process that is killed has written the line or not.
        self.0.lock().unwrap().write_all(format!("{}\n", event.sequence).as_bytes()).unwrap();
        Ok(())
    }

    async fn on_stopped(&self, _: SdkError) -> Result<(), ListenerError> {
        Ok(())
    }
}

const HOME: &str = "BANKHUB_TEST_SDK_HOME";
const ENDPOINT: &str = "BANKHUB_TEST_SDK_ENDPOINT";
const AUTHORITY: &str = "BANKHUB_TEST_SDK_AUTHORITY";

/// The app that the next test kills: two listeners, one that says how far it is and one that leaves it to the SDK.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a process of its own for the test that kills it"]
async fn an_app_that_is_killed() {
    let Ok(home) = std::env::var(HOME).map(PathBuf::from) else { return };
    let (endpoint, authority) = (std::env::var(ENDPOINT).unwrap(), std::env::var(AUTHORITY).unwrap());
    let phone = builder(&home, &endpoint, Path::new(&authority)).build().await.unwrap();
    let (exact, stored) = (home.join("exact"), home.join("stored"));
    let last = numbers(&exact).last().copied().unwrap_or(0);
    phone.add_listener(Journal::open(&exact), Some(last)).unwrap();
    phone.add_listener(Journal::open(&stored), None).unwrap();
    std::future::pending::<()>().await;
}

fn run_app(home: &Path, endpoint: &str, authority: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "sdk::an_app_that_is_killed", "--ignored"])
        .env(HOME, home)
        .env(ENDPOINT, endpoint)
        .env(AUTHORITY, authority)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s1_an_app_that_is_killed_under_load_hears_everything_once_and_in_order() {
    let mut world = Setup::on(Engine::Sqlite).start().await;
    let (till, payer) = (world.till("till-1"), world.payer("bank-a", 1_000_000).await);
    let endpoint = world.federation.server("hub-1").unwrap().endpoint().unwrap();
    let (home, authority) = (Home::new(), world.federation.authority_certificate());
    let phone = builder(home.path(), &endpoint, &authority).build().await.unwrap();
    enrol(&phone, &world, &payer).await;
    phone.shut_down().await.unwrap();
    let (exact, stored) = (home.path().join("exact"), home.path().join("stored"));

    let mut begun = 0;
    for _ in 0..KILLS {
        let mut app = run_app(home.path(), &endpoint, &authority);
        let before = numbers(&exact).len();
        let (ids, ()) = tokio::join!(load(&till, &payer, 20), async {
            until("the app to hear something", PATIENCE, async || (numbers(&exact).len() > before + 5).then_some(()))
                .await;
            app.kill().unwrap();
        });
        app.wait().unwrap();
        begun += ids.len();
    }
    let mut app = run_app(home.path(), &endpoint, &authority);
    let count = i64::try_from(begun).unwrap();
    for journal in [&exact, &stored] {
        until("all to be heard", PATIENCE, async || (numbers(journal).last() == Some(&count)).then_some(())).await;
    }
    app.kill().unwrap();
    app.wait().unwrap();
    assert_eq!(numbers(&exact), (1..=count).collect::<Vec<_>>(), "who says how far it is hears each event once");
    let mut told = numbers(&stored);
    let again = told.len() - begun;
    told.sort_unstable();
    told.dedup();
    assert_eq!(told, (1..=count).collect::<Vec<_>>(), "nothing is lost by the stored cursor");
    println!("{KILLS} kills, {begun} events; by the stored cursor {again} were told again");
    world.federation.stop().await.unwrap();
}

/// A clock that somebody has set.
#[derive(Debug)]
struct SetTo(i64);

impl Clock for SetTo {
    fn now(&self) -> Timestamp {
        Timestamp::from_secs(self.0)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s1_a_phone_whose_clock_is_in_1970_or_2038_says_so_and_nothing_else_happens() {
    let mut world = Setup::on(Engine::Sqlite).start().await;
    let payer = world.payer("bank-a", 1_000).await;
    let endpoint = world.federation.server("hub-1").unwrap().endpoint().unwrap();
    let (home, authority) = (Home::new(), world.federation.authority_certificate());
    let phone = builder(home.path(), &endpoint, &authority).build().await.unwrap();
    enrol(&phone, &world, &payer).await;
    phone.shut_down().await.unwrap();
    for seconds in [0, i64::from(i32::MAX) + 1] {
        let clock = Arc::new(SetTo(seconds));
        let phone = builder(home.path(), &endpoint, &authority).clock(clock).build().await.unwrap();
        let told = phone.payments(None, 0, None).await;
        let Err(SdkError::Untrusted { reason, retryable, .. }) = told else { panic!("{seconds}: {told:?}") };
        assert_eq!((reason.as_str(), retryable), ("CLOCK_IMPLAUSIBLE", false), "{seconds}");
        let fields = vec![ConsentField::Summary];
        let day = Duration::from_secs(86_400);
        let proposal = phone.propose_consent("bank-a".to_owned(), ConsentPurpose::Review, fields, day).unwrap();
        assert!(phone.give_consent(proposal).await.is_err(), "{seconds}");
        phone.shut_down().await.unwrap();
    }
    world.federation.stop().await.unwrap();
}
