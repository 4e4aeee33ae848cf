//! Nothing is lost: the hub and the phones' programs are killed again and again under load, and whoever watches hears every event once and
//! in order.
//!
//! `BANKHUB_TEST_KILLS` says how many rounds there are.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bankhub::phone::{Enrolment, PhoneFolder};
use federation_tests::databases::Engine;
use federation_tests::payer::Payer;
use federation_tests::till::{Till, fen};
use federation_tests::wait::{bounded, until};
use federation_tests::world::{Setup, World};
use secrecy::SecretString;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

const PATIENCE: Duration = Duration::from_secs(60);
/// Payments that are begun in each round.
const AT_ONCE: usize = 12;

fn rounds() -> usize {
    let fallback = if cfg!(debug_assertions) { 7 } else { 40 };
    std::env::var("BANKHUB_TEST_KILLS").ok().and_then(|count| count.parse().ok()).unwrap_or(fallback)
}

/// What a program has shown, each event with the payment whose code it tells.
type Heard = Arc<Mutex<Vec<(i64, Option<String>)>>>;

/// `bankhub phone watch`, which is killed and started again on the phone that lies in its folder.
struct Watcher {
    dir: PathBuf,
    /// Whether it says how far it is when it is started, or leaves that to the phone.
    says_where: bool,
    heard: Heard,
    running: Option<(Child, JoinHandle<()>)>,
}

impl Watcher {
    async fn new(world: &World, payer: &Payer, dir: &Path, says_where: bool) -> Self {
        let issued = world.federation.operator().unwrap().enrolment_code(payer.person.id).await.unwrap();
        let enrolment = Enrolment {
            phone: payer.person.phone.clone(),
            code: SecretString::from(issued.enrolment_code),
            transaction_password: None,
        };
        let (hub, ca) = (world.federation.hub_endpoint().unwrap(), world.federation.authority_certificate());
        let folder = PhoneFolder::new(dir);
        let phone = folder.enrol(world.federation.name(), &hub, &ca, &enrolment).await.unwrap();
        phone.sdk().shut_down().await.unwrap();
        Self { dir: dir.to_owned(), says_where, heard: Heard::default(), running: None }
    }

    fn heard(&self) -> Vec<(i64, Option<String>)> {
        self.heard.lock().unwrap().clone()
    }

    fn last(&self) -> i64 {
        self.heard().last().map_or(0, |(sequence, _)| *sequence)
    }

    fn start(&mut self) {
        let mut command = Command::new(federation_tests::bankhub());
        command.args(["--output", "json", "phone", "--dir"]).arg(&self.dir).arg("watch");
        if self.says_where {
            command.args(["--after", &self.last().to_string()]);
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap();
        let (printed, heard) = (child.stdout.take().unwrap(), self.heard.clone());
        let reading = tokio::spawn(async move {
            let mut lines = BufReader::new(printed).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                // The last line of a program that was killed may be torn; then it was not shown.
                let Ok(event) = serde_json::from_str::<serde_json::Value>(&line) else { continue };
                let Some(sequence) = event["sequence"].as_i64() else { continue };
                let payment = event["kind"]["payment_code"]["payment_id"].as_str().map(str::to_owned);
                heard.lock().unwrap().push((sequence, payment));
            }
        });
        self.running = Some((child, reading));
    }

    /// Kills it with SIGKILL, and takes what it had printed until then.
    async fn kill(&mut self) {
        let (mut child, reading) = self.running.take().unwrap();
        child.kill().await.unwrap();
        bounded("the rest of what was printed", PATIENCE, reading).await.unwrap();
    }

    async fn hears(&self, sequence: i64) {
        let reached = async || (self.last() >= sequence).then_some(());
        until(&format!("event {sequence} in {}", self.dir.display()), PATIENCE, reached).await;
    }
}

/// Begins payments one after the other, whoever is away meanwhile; gives their ids.
async fn load(till: &Till, payer: &Payer) -> Vec<String> {
    let mut ids = Vec::new();
    for _ in 0..AT_ONCE {
        let id = till.new_id();
        till.insist(async |till| till.create(&id, payer, fen(100)).await).await;
        ids.push(id);
    }
    ids
}

/// What dies in a round.
async fn strike(round: usize, world: &mut World, watchers: &mut [Watcher]) {
    let before = watchers[0].last();
    watchers[0].hears(before + 3).await;
    let (kills_hub, kills_phones) = match round % 3 {
        0 => (false, true),
        1 => (true, false),
        _ => (true, true),
    };
    if kills_hub {
        world.server("hub-1").kill().await.unwrap();
    }
    if kills_phones {
        for watcher in watchers.iter_mut() {
            watcher.kill().await;
            watcher.start();
        }
    }
    if kills_hub {
        world.server("hub-1").start().await.unwrap();
    }
}

async fn under_load(engine: Engine) {
    if !engine.is_there() {
        return;
    }
    let mut world = Setup::on(engine).start().await;
    let (till, payer) = (world.till("till-1"), world.payer("bank-a", 1_000_000).await);
    let folder = tempfile::tempdir().unwrap();
    let mut watchers = Vec::new();
    for (name, says_where) in [("exact", true), ("stored", false)] {
        watchers.push(Watcher::new(&world, &payer, &folder.path().join(name), says_where).await);
    }
    watchers.iter_mut().for_each(Watcher::start);
    let (rounds, mut begun) = (rounds(), Vec::new());
    for round in 0..rounds {
        let (ids, ()) = tokio::join!(load(&till, &payer), strike(round, &mut world, &mut watchers));
        begun.extend(ids);
    }
    let count = i64::try_from(begun.len()).unwrap();
    for watcher in &mut watchers {
        watcher.hears(count).await;
        watcher.kill().await;
    }
    let exact = watchers[0].heard();
    let numbers: Vec<i64> = exact.iter().map(|(sequence, _)| *sequence).collect();
    assert_eq!(numbers, (1..=count).collect::<Vec<_>>(), "who says how far it is hears each event once and in order");
    let told: Vec<String> = exact.into_iter().filter_map(|(_, payment)| payment).collect();
    assert_eq!(told, begun, "every payment once, in the order in which they were begun");
    let mut stored: Vec<i64> = watchers[1].heard().into_iter().map(|(sequence, _)| sequence).collect();
    let again = stored.len() - begun.len();
    stored.sort_unstable();
    stored.dedup();
    assert_eq!(stored, (1..=count).collect::<Vec<_>>(), "nothing is lost by the stored cursor");
    println!("{rounds} rounds, {count} events; by the stored cursor {again} were shown again");
    world.federation.stop().await.unwrap();
    world.forget().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s1_hub_and_phones_killed_under_load_show_every_event_once_and_in_order_on_sqlite() {
    under_load(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s1_hub_and_phones_killed_under_load_show_every_event_once_and_in_order_on_postgres() {
    under_load(Engine::Postgres).await;
}
