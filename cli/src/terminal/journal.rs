//! The terminal's journal: an append-only file in which the terminal writes what it is about to do before it does it (D0).
//!
//! ```text
//! "bankhub terminal journal 1\n" ‖ frame ‖ frame ‖ …
//! frame = length (4, big endian) ‖ CRC-32 of the body (4) ‖ body: records as lines of JSON
//! ```
//!
//! All records that were waiting together are one frame and share one flush; bookkeeping waits a moment for a frame that
//! is written anyway. Only the last frame can be torn by a power cut, since none is begun before the one before it is on
//! disk; so a torn last frame is dropped (nobody was told that it is kept), and damage anywhere else is an error that a
//! person has to look at.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

use super::record::Record;

const MAGIC: &[u8] = b"bankhub terminal journal 1\n";
const HEADER_LEN: usize = 8;
/// More records than this do not wait for one flush.
const MOST_RECORDS: usize = 512;
/// How long bookkeeping waits for a frame to ride in.
const IDLE: Duration = Duration::from_millis(100);

/// Why the journal cannot be used. Nothing may be sent then.
#[derive(Clone, Debug, thiserror::Error)]
pub enum JournalError {
    #[error("the journal {path} cannot be used: {message}")]
    File { path: PathBuf, message: String },
    #[error("the journal {path} is in use by another process")]
    InUse { path: PathBuf },
    #[error("{path} is not a terminal's journal")]
    NotAJournal { path: PathBuf },
    #[error("the journal {path} is damaged at byte {offset}; keep it and have it looked at, for it may hold reversals")]
    Damaged { path: PathBuf, offset: usize },
    #[error("the journal has failed before; start the terminal again")]
    Stopped,
}

struct Append {
    records: Vec<Record>,
    done: oneshot::Sender<Result<(), JournalError>>,
}

/// An open journal. One process at a time has it.
#[derive(Debug)]
pub struct Journal {
    /// Taken when the journal closes.
    queue: Option<mpsc::Sender<Append>>,
    writer: Option<JoinHandle<()>>,
}

impl Drop for Journal {
    fn drop(&mut self) {
        drop(self.queue.take());
        // The bookkeeping that still waits is written before the lock is given up; it is one flush at most.
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

impl Journal {
    /// Opens the journal, or makes it, and gives the records that it holds.
    pub fn open(path: &Path) -> Result<(Self, Vec<Record>), JournalError> {
        let failed = |error: io::Error| JournalError::File { path: path.to_owned(), message: error.to_string() };
        let mut options = OpenOptions::new();
        let mut file =
            options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(JournalError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed)?;
        let records = if bytes.len() < MAGIC.len() && MAGIC.starts_with(&bytes) {
            create(&mut file, path).map_err(failed)?;
            Vec::new()
        } else {
            let found = replay(path, &bytes)?;
            if found.good_len < bytes.len() {
                let torn = bytes.len().saturating_sub(found.good_len);
                tracing::warn!(torn, "the last frame of the journal was torn and is dropped");
                file.set_len(u64::try_from(found.good_len).unwrap_or(u64::MAX)).map_err(failed)?;
                file.sync_all().map_err(failed)?;
            }
            file.seek(SeekFrom::End(0)).map_err(failed)?;
            found.records
        };
        let (queue, waiting) = mpsc::channel();
        let mut writer = Writer { file, path: path.to_owned(), lazy: Vec::new(), failed: None };
        let thread = std::thread::Builder::new().name("journal".to_owned());
        let writer = thread.spawn(move || writer.run(&waiting)).map_err(failed)?;
        Ok((Self { queue: Some(queue), writer: Some(writer) }, records))
    }

    /// Writes the records; when this returns, all of them are on disk if one of them is a promise.
    pub async fn append(&self, records: Vec<Record>) -> Result<(), JournalError> {
        let (done, answer) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or(JournalError::Stopped)?;
        queue.send(Append { records, done }).map_err(|_| JournalError::Stopped)?;
        answer.await.unwrap_or(Err(JournalError::Stopped))
    }
}

fn create(file: &mut File, path: &Path) -> io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(MAGIC)?;
    file.sync_all()?;
    // A new file is found again after a power cut only when its directory is on disk as well.
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

struct Writer {
    file: File,
    path: PathBuf,
    /// Bookkeeping that has not been written yet.
    lazy: Vec<Record>,
    failed: Option<JournalError>,
}

impl Writer {
    fn run(&mut self, waiting: &mpsc::Receiver<Append>) {
        while let Some(first) = self.next(waiting) {
            let mut batch = vec![first];
            let mut count = batch.iter().map(|append| append.records.len()).sum::<usize>();
            while count < MOST_RECORDS
                && let Ok(next) = waiting.try_recv()
            {
                count = count.saturating_add(next.records.len());
                batch.push(next);
            }
            let (records, asked): (Vec<_>, Vec<_>) =
                batch.into_iter().map(|append| (append.records, append.done)).unzip();
            self.lazy.extend(records.into_iter().flatten());
            let result = if self.lazy.iter().any(Record::is_promise) { self.write() } else { Ok(()) };
            for done in asked {
                // Whoever asked may have gone away; what was written stays written.
                let _ = done.send(result.clone());
            }
        }
    }

    /// The next records to write; none when the journal is closed. Bookkeeping is written while nothing else comes.
    fn next(&mut self, waiting: &mpsc::Receiver<Append>) -> Option<Append> {
        if self.lazy.is_empty() {
            return waiting.recv().ok();
        }
        match waiting.recv_timeout(IDLE) {
            Ok(append) => return Some(append),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
        if let Err(error) = self.write() {
            tracing::warn!(%error, "bookkeeping could not be written; the hub will be asked again");
        }
        waiting.recv().ok()
    }

    fn write(&mut self) -> Result<(), JournalError> {
        // After a failed flush nobody knows what is on disk, so nothing is promised any more.
        if let Some(failed) = &self.failed {
            self.lazy.clear();
            return Err(failed.clone());
        }
        let records = std::mem::take(&mut self.lazy);
        self.write_through(&records).map_err(|error| {
            let failed = JournalError::File { path: self.path.clone(), message: error.to_string() };
            self.failed = Some(failed.clone());
            failed
        })
    }

    fn write_through(&mut self, records: &[Record]) -> io::Result<()> {
        let begins = records.iter().any(Record::is_begun);
        if begins {
            server_kit::fault::point("D0.before");
        }
        self.file.write_all(&frame(records)?)?;
        self.file.sync_data()?;
        if begins {
            server_kit::fault::point("D0.after");
        }
        Ok(())
    }
}

fn frame(records: &[Record]) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    for record in records {
        serde_json::to_writer(&mut body, record)?;
        body.push(b'\n');
    }
    let length = u32::try_from(body.len()).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
    let mut frame = Vec::with_capacity(body.len().saturating_add(HEADER_LEN));
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(&crc32fast::hash(&body).to_be_bytes());
    frame.extend_from_slice(&body);
    Ok(frame)
}

#[derive(Debug)]
struct Replayed {
    records: Vec<Record>,
    /// How many bytes from the beginning are whole.
    good_len: usize,
}

fn replay(path: &Path, bytes: &[u8]) -> Result<Replayed, JournalError> {
    let mut rest = bytes.strip_prefix(MAGIC).ok_or_else(|| JournalError::NotAJournal { path: path.to_owned() })?;
    let mut records = Vec::new();
    loop {
        let good_len = bytes.len().saturating_sub(rest.len());
        match next_frame(rest) {
            Frame::Whole { body, after } => {
                let damaged = || JournalError::Damaged { path: path.to_owned(), offset: good_len };
                for line in body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                    records.push(serde_json::from_slice(line).map_err(|_| damaged())?);
                }
                rest = after;
            }
            Frame::End | Frame::Torn => return Ok(Replayed { records, good_len }),
            Frame::Damaged => return Err(JournalError::Damaged { path: path.to_owned(), offset: good_len }),
        }
    }
}

enum Frame<'b> {
    Whole { body: &'b [u8], after: &'b [u8] },
    End,
    Torn,
    Damaged,
}

fn next_frame(bytes: &[u8]) -> Frame<'_> {
    if bytes.is_empty() {
        return Frame::End;
    }
    // Some file systems give a file its new length before its new content.
    if bytes.iter().all(|byte| *byte == 0) {
        return Frame::Torn;
    }
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER_LEN>() else { return Frame::Torn };
    let [a, b, c, d, e, f, g, h] = *header;
    let (length, sum) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
    let Some((body, after)) = usize::try_from(length).ok().and_then(|length| rest.split_at_checked(length)) else {
        return Frame::Torn;
    };
    match crc32fast::hash(body) == sum {
        true if !body.is_empty() => Frame::Whole { body, after },
        _ if after.is_empty() => Frame::Torn,
        _ => Frame::Damaged,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use domain::{Currency, Money, PaymentId};

    use super::*;

    fn begun(last: u8) -> Record {
        let id = PaymentId::parse(&format!("0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e{last:02x}")).unwrap();
        Record::begun(id, Money::new(Currency::CNY, 100 + i64::from(last)), None)
    }

    async fn written(path: &Path, records: &[Record]) -> Vec<u8> {
        let (journal, _) = Journal::open(path).unwrap();
        for record in records {
            journal.append(vec![record.clone()]).await.unwrap();
        }
        drop(journal);
        fs::read(path).unwrap()
    }

    fn records_of(bytes: &[u8]) -> Result<Vec<Record>, JournalError> {
        replay(Path::new("journal"), bytes).map(|found| found.records)
    }

    #[tokio::test]
    async fn what_was_written_is_found_again_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        written(&path, &[begun(1), begun(2)]).await;
        let (journal, records) = Journal::open(&path).unwrap();
        assert_eq!(records, [begun(1), begun(2)]);
        journal.append(vec![begun(3), begun(4)]).await.unwrap();
        drop(journal);
        assert_eq!(Journal::open(&path).unwrap().1.len(), 4);
    }

    #[tokio::test]
    async fn a_torn_last_frame_is_dropped_wherever_it_is_cut_and_the_journal_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let one = written(&path, &[begun(1)]).await.len();
        fs::remove_file(&path).unwrap();
        let whole = written(&path, &[begun(1), begun(2)]).await;
        for cut in one..whole.len() {
            assert_eq!(records_of(&whole[..cut]).unwrap(), [begun(1)], "cut at {cut}");
        }
        fs::write(&path, &whole[..whole.len() - 5]).unwrap();
        let (journal, records) = Journal::open(&path).unwrap();
        assert_eq!(records, [begun(1)]);
        journal.append(vec![begun(3)]).await.unwrap();
        drop(journal);
        assert_eq!(Journal::open(&path).unwrap().1, [begun(1), begun(3)]);
    }

    #[tokio::test]
    async fn zeros_and_a_wrong_sum_at_the_end_are_torn_and_anywhere_else_damage() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut bytes = written(&path, &[begun(1), begun(2)]).await;
        let mut zeros = bytes.clone();
        zeros.extend_from_slice(&[0; 64]);
        assert_eq!(records_of(&zeros).unwrap().len(), 2);
        let last = bytes.len() - 2;
        bytes[last] ^= 1;
        assert_eq!(records_of(&bytes).unwrap(), [begun(1)]);
        bytes[MAGIC.len() + HEADER_LEN + 3] ^= 1;
        assert!(matches!(records_of(&bytes), Err(JournalError::Damaged { offset, .. }) if offset == MAGIC.len()));
    }

    #[test]
    fn another_file_is_not_a_journal_and_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes");
        fs::write(&path, "buy milk, and then some more of it").unwrap();
        assert!(matches!(Journal::open(&path), Err(JournalError::NotAJournal { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"buy milk, and then some more of it");
    }

    #[tokio::test]
    async fn a_second_process_is_kept_out_and_the_file_is_private() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let (_journal, _) = Journal::open(&path).unwrap();
        assert!(matches!(Journal::open(&path), Err(JournalError::InUse { .. })));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
