//! How the writer meets a database that is away, locked or silent.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;

use super::*;
use crate::clock::Stopwatch;

/// Meets each run of a set with the next of these errors, and runs it once there are none left.
#[derive(Debug, Default)]
struct Scripted {
    script: Mutex<Vec<StoreError>>,
    runs: AtomicUsize,
    seen: Mutex<Vec<String>>,
    upkeep_wanted: std::sync::atomic::AtomicBool,
}

impl Scripted {
    fn with(script: Vec<StoreError>) -> Arc<Self> {
        Arc::new(Self { script: Mutex::new(script), ..Self::default() })
    }

    fn see(&self, what: &str) {
        self.seen.lock().unwrap().push(what.to_owned());
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

/// A step of 0 takes for ever; one of 7 is skippable; one of 9 panics.
impl StepSet for Scripted {
    const NAME: &'static str = "scripted-writer";

    type Step = u64;
    type Outcome = u64;

    async fn run(&self, _: &mut Tx, steps: &[u64]) -> Result<Vec<u64>, StoreError> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        if steps.contains(&0) {
            std::future::pending::<()>().await;
        }
        assert!(!steps.contains(&9), "a bug");
        let mut script = self.script.lock().unwrap();
        if script.is_empty() { Ok(steps.to_vec()) } else { Err(script.remove(0)) }
    }

    fn committed(&self, steps: &[u64], _: &[u64]) {
        self.see(&format!("committed {}", steps.len()));
    }

    fn dropped(&self, why: &StoreError) {
        self.see(if matches!(why, StoreError::CommitUnknown(_)) { "unknown" } else { "dropped" });
    }

    fn recovered(&self) {
        self.see("recovered");
    }

    fn skippable(&self, step: &u64) -> bool {
        *step == 7
    }

    fn wants_upkeep(&self) -> bool {
        self.upkeep_wanted.swap(false, Ordering::SeqCst)
    }

    async fn upkeep(&self, tx: &mut Tx) -> Result<(), StoreError> {
        tx.fetch("SELECT 1", Vec::new()).await?;
        self.see("upkeep");
        Ok(())
    }
}

fn away() -> StoreError {
    StoreError::Away("away".to_owned())
}

fn quick() -> WriterOptions {
    WriterOptions { pause: Duration::from_millis(1), ..WriterOptions::default() }
}

async fn start(set: &Arc<Scripted>, options: WriterOptions) -> (TestDatabase, GroupWriter<Scripted>) {
    let database = TestDatabase::sqlite();
    let (writer, _task) = GroupWriter::start_here(open(&database).await, set.clone(), options);
    (database, writer)
}

async fn write_all(writer: &GroupWriter<Scripted>, steps: std::ops::Range<u64>) -> Vec<Result<u64, StoreError>> {
    join_all(steps.map(|step| writer.write(step))).await
}

#[tokio::test]
async fn a_database_that_is_away_is_told_to_the_whole_set_at_once() {
    for (error, runs) in [(away(), 4), (StoreError::Fenced { name: "bank-a".to_owned() }, 1)] {
        let set = Scripted::with(vec![error; runs]);
        let (_database, writer) = start(&set, quick()).await;
        let answers = write_all(&writer, 100..356).await;
        assert!(answers.iter().all(|answer| matches!(answer, Err(StoreError::Away(_) | StoreError::Fenced { .. }))));
        assert_eq!(set.runs.load(Ordering::SeqCst), runs, "the set was not taken apart");
    }
}

#[tokio::test]
async fn a_lock_that_somebody_holds_spoils_only_the_step_that_needs_it() {
    let locked = || StoreError::Locked("55P03".to_owned());
    // The set, and then the first of its steps by itself.
    let set = Scripted::with(vec![locked(), locked()]);
    let (_database, writer) = start(&set, quick()).await;
    let answers = write_all(&writer, 100..104).await;
    assert!(matches!(answers[0], Err(StoreError::Locked(_))), "{answers:?}");
    assert!(answers[1..].iter().all(Result::is_ok));
    assert_eq!(set.runs.load(Ordering::SeqCst), 5, "nothing was tried twice");
}

#[tokio::test]
async fn a_database_that_goes_away_while_steps_run_one_by_one_is_told_to_the_rest() {
    let mut script = vec![StoreError::Refused("no such table".to_owned())];
    script.extend(vec![away(); 4]);
    let set = Scripted::with(script);
    let (_database, writer) = start(&set, quick()).await;
    let answers = write_all(&writer, 100..200).await;
    assert!(answers.iter().all(|answer| matches!(answer, Err(StoreError::Away(_)))));
    assert_eq!(set.runs.load(Ordering::SeqCst), 5);
}

#[tokio::test]
async fn a_set_is_not_held_longer_than_it_may_take() {
    let set = Scripted::with(Vec::new());
    let options = WriterOptions { within: Duration::from_millis(200), ..quick() };
    let (_database, writer) = start(&set, options).await;
    let watch = Stopwatch::start();
    let answers = write_all(&writer, 0..50).await;
    assert!(answers.iter().all(|answer| matches!(answer, Err(StoreError::Away(_)))), "nothing was committed");
    assert!(watch.elapsed() < Duration::from_secs(3));
    assert_eq!(writer.write(100).await.unwrap(), 100, "the writer goes on");
}

#[tokio::test]
async fn what_an_unknown_commit_may_have_left_is_told_after_the_next_that_succeeds() {
    let unknown = || StoreError::CommitUnknown("reset".to_owned());
    let set = Scripted::with(vec![away(), unknown()]);
    let (_database, writer) = start(&set, quick()).await;
    writer.write(100).await.unwrap();
    writer.write(101).await.unwrap();
    assert_eq!(set.seen(), ["dropped", "unknown", "committed 1", "recovered", "committed 1"]);

    // The set itself never succeeds; the next one that does is the sign.
    let set = Scripted::with(vec![unknown(); 4]);
    let (_database, writer) = start(&set, quick()).await;
    assert!(matches!(writer.write(100).await, Err(StoreError::CommitUnknown(_))));
    writer.write(101).await.unwrap();
    assert_eq!(set.seen()[4..], ["committed 1", "recovered"]);
}

#[tokio::test]
async fn a_step_whose_caller_has_gone_is_left_out_where_the_set_allows_it() {
    let set = Scripted::with(Vec::new());
    let (_database, writer) = start(&set, quick()).await;
    for step in [7, 8] {
        // Polled once, the step is queued; then its caller goes.
        let mut write = Box::pin(writer.write(step));
        assert!(futures_util::poll!(&mut write).is_pending());
    }
    writer.write(100).await.unwrap();
    assert_eq!(set.seen(), ["committed 2"]);
}

#[tokio::test]
async fn upkeep_is_done_now_and_then_and_at_the_end() {
    let set = Scripted::with(Vec::new());
    let database = TestDatabase::sqlite();
    let options = WriterOptions { upkeep_every: Duration::from_millis(20), ..quick() };
    let (writer, task) = GroupWriter::start(open(&database).await, set.clone(), options);
    set.upkeep_wanted.store(true, Ordering::SeqCst);
    while set.seen().len() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(set.seen(), ["upkeep", "committed 0"]);
    set.upkeep_wanted.store(true, Ordering::SeqCst);
    drop(writer);
    task.await.unwrap();
    assert_eq!(set.seen().len(), 4);
}

#[tokio::test]
async fn a_writer_that_panics_answers_nobody_wrongly() {
    let set = Scripted::with(Vec::new());
    let database = TestDatabase::sqlite();
    let (writer, task) = GroupWriter::start(open(&database).await, set, quick());
    assert!(matches!(writer.write(9).await, Err(StoreError::Stopped)));
    assert!(matches!(writer.write(100).await, Err(StoreError::Stopped)));
    assert!(task.await.unwrap_err().is_panic());
}

/// Runs the statements that it is given.
struct Silent;

impl StepSet for Silent {
    const NAME: &'static str = "silent-writer";

    type Step = &'static str;
    type Outcome = ();

    async fn run(&self, tx: &mut Tx, steps: &[&'static str]) -> Result<Vec<()>, StoreError> {
        for sql in steps {
            tx.fetch(sql, Vec::new()).await?;
        }
        Ok(vec![(); steps.len()])
    }
}

#[tokio::test]
async fn connections_on_which_the_server_is_silent_are_closed_and_replaced() {
    let Some(database) = TestDatabase::postgres().await else { return };
    let store = open(&database).await;
    let options = WriterOptions { within: Duration::from_millis(300), tries: 1, ..WriterOptions::default() };
    let (writer, _task) = GroupWriter::start(store.clone(), Arc::new(Silent), options);
    // More often than the pool has connections.
    for _ in 0..6 {
        assert!(matches!(writer.write("SELECT pg_sleep(60)").await, Err(StoreError::Away(_))));
    }
    let patient = WriterOptions::default();
    let (writer, _task) = GroupWriter::start(store.clone(), Arc::new(Silent), patient);
    writer.write("SELECT 1").await.unwrap();

    let watch = Stopwatch::start();
    let reads = join_all((0..4).map(|_| store.fetch("SELECT pg_sleep(60)", Vec::new()))).await;
    assert!(reads.iter().all(|read| matches!(read, Err(StoreError::Away(_)))));
    assert!(watch.elapsed() < Duration::from_secs(8));
    store.fetch("SELECT 1", Vec::new()).await.unwrap();
}

#[tokio::test]
async fn a_row_that_is_locked_is_said_to_be_locked_within_a_second_or_so() {
    let Some(database) = TestDatabase::postgres().await else { return };
    let store = open(&database).await;
    let mut holder = store.begin().await.unwrap();
    holder.put(&COUNTERS, vec![counter(1, 1, 1)]).await.unwrap();
    holder.flush().await.unwrap();
    let (writer, _task) = GroupWriter::start(store.clone(), Arc::new(Adding::default()), WriterOptions::default());
    let watch = Stopwatch::start();
    let answers = join_all([(1, 5), (2, 5)].map(|step| writer.write(step))).await;
    assert!(matches!(answers[0], Err(StoreError::Locked(_))), "{answers:?}");
    assert!(answers[1].is_ok());
    assert!(watch.elapsed() < Duration::from_secs(5));
}

/// The network between a store and its server, which can lose everything without a word.
struct Network {
    url: String,
    lost: tokio::sync::watch::Sender<bool>,
}

impl Network {
    async fn before(database: &TestDatabase) -> Self {
        let (start, rest) = database.url().split_once('@').unwrap();
        let (server, name) = rest.split_once('/').unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("{start}@{}/{name}", listener.local_addr().unwrap());
        let (lost, losses) = tokio::sync::watch::channel(false);
        let server = server.to_owned();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let Ok(far) = tokio::net::TcpStream::connect(&server).await else { continue };
                let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
                tokio::spawn(carry(near_in, far_out, losses.clone()));
                tokio::spawn(carry(far_in, near_out, losses.clone()));
            }
        });
        Self { url, lost }
    }
}

async fn carry(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut lost: tokio::sync::watch::Receiver<bool>,
) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let mut bytes = [0; 4096];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        if *lost.borrow_and_update() {
            // What was under way is gone; the connection looks open for ever.
            return std::future::pending().await;
        }
        if to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}

/// Loses the network just before the first COMMIT.
struct Losing {
    network: Arc<Network>,
    seen: Mutex<Vec<&'static str>>,
}

impl StepSet for Losing {
    const NAME: &'static str = "losing-writer";

    type Step = i64;
    type Outcome = ();

    async fn run(&self, tx: &mut Tx, steps: &[i64]) -> Result<Vec<()>, StoreError> {
        tx.fetch("SELECT 1", Vec::new()).await?;
        if steps.contains(&13) {
            self.network.lost.send_replace(true);
        }
        Ok(vec![(); steps.len()])
    }

    fn dropped(&self, why: &StoreError) {
        self.seen.lock().unwrap().push(if matches!(why, StoreError::CommitUnknown(_)) { "unknown" } else { "dropped" });
    }

    fn recovered(&self) {
        self.seen.lock().unwrap().push("recovered");
    }
}

#[tokio::test]
async fn a_commit_that_the_network_lost_is_unknown_within_seconds_and_the_writer_goes_on_when_it_is_back() {
    let Some(database) = TestDatabase::postgres().await else { return };
    let network = Arc::new(Network::before(&database).await);
    let store = Store::open(&StoreOptions::new(&network.url), &migrations(), SystemClock::shared()).await.unwrap();
    let owner = Owner::take(&store, "bank-a", id(1)).await.unwrap();
    let set = Arc::new(Losing { network: network.clone(), seen: Mutex::default() });
    let (writer, _task) = GroupWriter::start(store.clone(), set.clone(), WriterOptions::default());
    let watch = Stopwatch::start();
    writer.write(13).await.unwrap_err();
    assert!(watch.elapsed() < Duration::from_secs(13));
    assert_eq!(set.seen.lock().unwrap()[0], "unknown");

    network.lost.send_replace(false);
    writer.write(1).await.unwrap();
    assert_eq!(set.seen.lock().unwrap().last(), Some(&"recovered"));
    store.fetch("SELECT 1", Vec::new()).await.unwrap();
    // The owner's own connection was not used meanwhile and has lost nothing.
    let mut tx = store.begin().await.unwrap();
    owner.fence(&mut tx);
    tx.flush().await.unwrap();
}
