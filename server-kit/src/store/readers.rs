//! The connections that read an SQLite file: a thread for each, and one answer for each question. ADR 43 has the measurements.
//!
//! A thread takes a question, reads all its rows over a statement that stays prepared, and answers once. The threads share one queue; whoever
//! finds as many questions waiting as it may have waits for a place before it asks.

use std::borrow::Cow;
use std::cell::RefCell;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::{Row, StoreError, Value, local};

/// How long SQLite tries again where a connection that opens or closes is in the way; nobody who writes ever is.
const BUSY_FOR: Duration = Duration::from_secs(5);
/// Statements that stay prepared for each connection.
const PREPARED: usize = 512;
/// After so many steps of SQLite, a millisecond at most, it is looked whether anybody still waits.
const LOOKED_EVERY: i32 = 10_000;
/// Questions, for each thread, that may wait in the queue or be under way.
const PLACES: usize = 16;

type Answer = oneshot::Sender<Result<Vec<Row>, StoreError>>;

thread_local! {
    /// Who waits for what is read in this thread.
    static WAITS: RefCell<Option<Answer>> = const { RefCell::new(None) };
}

/// The threads. Cheap to clone; they end with the last clone, or with `close`.
#[derive(Clone, Debug)]
pub(super) struct Readers {
    /// A place in the queue.
    places: Arc<Semaphore>,
    open: Arc<Mutex<Option<Open>>>,
}

#[derive(Debug)]
struct Open {
    /// Has room for as many as there are places.
    questions: Sender<Question>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Question {
    sql: Cow<'static, str>,
    args: Vec<Value>,
    answer: Answer,
    _place: OwnedSemaphorePermit,
}

impl Readers {
    /// Opens the file, which is there, as often as asked for.
    pub(super) fn open(file: &Path, readers: u32, cache_size: &str) -> Result<Self, StoreError> {
        let places = readers.max(1) as usize * PLACES;
        let (questions, asked) = bounded(places);
        let mut threads = Vec::new();
        for _ in 0..readers.max(1) {
            let connection = connect(file, cache_size)?;
            let asked = asked.clone();
            let thread = std::thread::Builder::new().name("reader".to_owned());
            let thread = thread.spawn(move || answer(&connection, &asked));
            threads.push(thread.map_err(|error| StoreError::Refused(format!("no thread for reading: {error}")))?);
        }
        let open = Arc::new(Mutex::new(Some(Open { questions, threads })));
        Ok(Self { places: Arc::new(Semaphore::new(places)), open })
    }

    /// Runs one query and gives all its rows.
    pub(super) async fn fetch(&self, sql: Cow<'static, str>, args: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        let place = self.places.clone().acquire_owned().await.map_err(|_| StoreError::Stopped)?;
        let (answer, answered) = oneshot::channel();
        self.ask(Question { sql, args, answer, _place: place })?;
        answered.await.map_err(|_| StoreError::Away("a reader has ended".to_owned()))?
    }

    fn ask(&self, question: Question) -> Result<(), StoreError> {
        let open = self.held();
        let questions = &open.as_ref().ok_or(StoreError::Stopped)?.questions;
        questions.try_send(question).map_err(|_| StoreError::Away("nobody reads any more".to_owned()))
    }

    /// Nothing is left half done under the lock.
    fn held(&self) -> MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has what was asked answered, and waits until the connections are closed.
    pub(super) async fn close(&self) {
        self.places.close();
        let Some(Open { questions, threads }) = self.held().take() else { return };
        drop(questions);
        let ended = move || threads.into_iter().filter_map(|thread| thread.join().err()).count();
        let _ = tokio::task::spawn_blocking(ended).await;
    }
}

fn connect(file: &Path, cache_size: &str) -> Result<Connection, StoreError> {
    // A reader maps the log's index, too, which is a file that it may have to make; what it may not do says `query_only`.
    let connection = local::connect(file)?;
    connection.busy_timeout(BUSY_FOR)?;
    for (setting, value) in [("cache_size", cache_size), ("temp_store", "memory"), ("query_only", "on")] {
        connection.pragma_update(None, setting, value)?;
    }
    connection.set_prepared_statement_cache_capacity(PREPARED);
    connection.progress_handler(LOOKED_EVERY, Some(has_gone))?;
    Ok(connection)
}

fn answer(connection: &Connection, asked: &Receiver<Question>) {
    while let Ok(Question { sql, args, answer, _place }) = asked.recv() {
        WAITS.set(Some(answer));
        let rows = if has_gone() { Err(StoreError::Stopped) } else { local::fetch(connection, &sql, &args) };
        if let Some(answer) = WAITS.take() {
            // Whoever has gone away wants none.
            let _ = answer.send(rows);
        }
    }
}

/// Whether nobody waits any more for what is read in this thread.
fn has_gone() -> bool {
    WAITS.with_borrow(|answer| answer.as_ref().is_some_and(Answer::is_closed))
}
