//! Copying what was committed from SQLite's log (`-wal`) into its database file, beside the connection that writes. ADR 42 has the measurements.
//!
//! By itself SQLite copies within the COMMIT that has made the log too long, and nobody writes meanwhile. Here a thread with a connection of its own
//! copies as the log grows (`PASSIVE`: it waits for nobody, and nobody for it), so that the COMMIT which finds the log long copies the rest alone
//! and the log begins anew. How often anything is copied changes nothing of what is durable: COMMIT waits for the log.

use std::cell::Cell;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rusqlite::Connection;

use super::StoreError;
use super::local::connect;

thread_local! {
    /// How many pages the log had after the last COMMIT in this thread; zero once it was looked at.
    static PAGES: Cell<usize> = const { Cell::new(0) };
}

/// How long the log of a database becomes, in pages.
#[derive(Clone, Copy, Debug)]
pub(super) struct LogLength {
    /// After so many more what is new is copied by the thread.
    pub(super) step: usize,
    /// After so many it is to begin anew.
    pub(super) long: usize,
}

impl LogLength {
    /// 256 MiB, copied in parts of 16. A set of thousands of steps writes ten thousand pages: a log that is not much longer would be copied by
    /// the COMMIT, nearly half of it.
    pub(super) const USUAL: Self = Self { step: 4_096, long: 65_536 };
}

/// Keeps the log of one database short. The thread ends with it.
#[derive(Debug)]
pub(super) struct Checkpoints {
    length: LogLength,
    /// How long the log was when the thread was last woken.
    woken_at: usize,
    wake: SyncSender<()>,
    thread: JoinHandle<()>,
}

impl Checkpoints {
    /// For the connection that writes to the file: takes the place of its own way to keep the log short.
    pub(super) fn start(file: &Path, writes: &Connection, length: LogLength) -> Result<Self, StoreError> {
        let copies = connect(file)?;
        copies.pragma_update(None, "synchronous", "full")?;
        writes.wal_hook(Some(|_, pages| {
            PAGES.set(usize::try_from(pages).unwrap_or_default());
            Ok(())
        }));
        // Who is woken while it copies looks once more.
        let (wake, woken) = sync_channel(1);
        let thread = std::thread::Builder::new().name("checkpoints".to_owned());
        let thread = thread
            .spawn(move || copy_when_woken(&copies, &woken))
            .map_err(|error| StoreError::Refused(format!("no thread for checkpoints: {error}")))?;
        Ok(Self { length, woken_at: 0, wake, thread })
    }

    /// After a COMMIT in this thread: has what is new copied, if that is much, and copies the rest where the log is long. Whether it was.
    pub(super) fn committed(&mut self, writes: &Connection) -> bool {
        let pages = PAGES.take();
        let was_long = pages >= self.length.long;
        if was_long {
            copy(writes);
        }
        if pages > 0 && pages < self.woken_at {
            // It has begun anew.
            self.woken_at = 0;
        }
        if pages >= self.woken_at.saturating_add(self.length.step) {
            self.woken_at = pages;
            // Full, it is woken already.
            let _ = self.wake.try_send(());
        }
        was_long
    }

    /// Waits until nothing is copied any more.
    pub(super) async fn stop(self) {
        drop(self.wake);
        let _ = tokio::task::spawn_blocking(move || self.thread.join()).await;
    }
}

fn copy_when_woken(copies: &Connection, woken: &Receiver<()>) {
    while woken.recv().is_ok() {
        copy(copies);
    }
}

/// As much as nobody reads the older pages of. What fails here is done by the next one.
fn copy(connection: &Connection) {
    if let Err(error) = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
        tracing::warn!(%error, "what was committed could not be copied into the database file yet");
    }
}

#[cfg(test)]
mod tests {
    use super::super::local::Local;
    use super::super::{Table, Value};
    use super::*;

    const ROWS: Table = Table { name: "rows", key: &["id"], columns: &["id", "version", "text"] };
    const SHORT: LogLength = LogLength { step: 16, long: 64 };

    async fn write(local: &Local, from: i64, count: i64) {
        let row = |id| vec![Value::Int(id), Value::Int(1), Value::Text("x".repeat(3_000))];
        let mut tx = local.begin().await.unwrap();
        tx.write(&ROWS, super::super::table::Written::Insert, &(from..from + count).map(row).collect::<Vec<_>>())
            .unwrap();
        tx.commit().unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_log_stays_short_and_everything_is_there_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.db");
        let made = Connection::open(&file).unwrap();
        made.pragma_update(None, "journal_mode", "wal").unwrap();
        made.execute_batch("CREATE TABLE rows (id INTEGER PRIMARY KEY, version INTEGER, text TEXT)").unwrap();
        let local = Local::open_with(&file, &[("synchronous", "full")], SHORT).unwrap();
        for n in 0..600 {
            write(&local, n * 4, 4).await;
        }
        // 2,400 pages at least were written. The log ends where it was longest, which is a few sets after it was long enough.
        let log = std::fs::metadata(folder.path().join("a.db-wal")).unwrap().len();
        assert!(log < 4_200 * 16 * SHORT.long as u64, "{log}");
        // Where somebody reads what stood before, the log becomes longer and is short again afterwards.
        let reading = Connection::open(&file).unwrap();
        reading.execute_batch("BEGIN; SELECT count(*) FROM rows").unwrap();
        for n in 600..700 {
            write(&local, n * 4, 4).await;
        }
        let seen: i64 = reading.query_row("SELECT count(*) FROM rows", [], |row| row.get(0)).unwrap();
        assert_eq!(seen, 2_400);
        reading.execute_batch("COMMIT").unwrap();
        let longest = std::fs::metadata(folder.path().join("a.db-wal")).unwrap().len();
        for n in 700..1_300 {
            write(&local, n * 4, 4).await;
        }
        let since = std::fs::metadata(folder.path().join("a.db-wal")).unwrap().len() - longest;
        assert!(since < 4_200 * 16 * SHORT.long as u64, "it begins anew: {since}");
        local.close().await;
        drop((made, reading));
        let after = Connection::open(&file).unwrap();
        let there: i64 =
            after.query_row("SELECT count(*) FROM rows WHERE length(text) = 3000", [], |row| row.get(0)).unwrap();
        assert_eq!(there, 5_200);
        let sound: String = after.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(sound, "ok");
    }
}
