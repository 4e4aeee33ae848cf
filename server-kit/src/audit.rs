//! The log that shows tampering (M8): each page's hash covers the page before it, and the head is signed now and then, so that
//! neither a changed page nor a cut-off tail goes unseen.
//!
//! Every writer has a chain of its own, so that replicas do not wait for each other. A page is written in the transaction that
//! it reports, with a line for each thing that happened in it: what a set of steps does is one row. Tables: `audit_log` and
//! `audit_heads`, in the migrations of both servers. A page is found by its time; whoever wants to find the lines about
//! something later keeps the times (as `payments.logged_at` does).

pub mod find;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use domain::Timestamp;
use ring::digest::{Context, SHA256};
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::keystore::{KeyName, KeyStore};
use crate::store::{Store, StoreError, Table, Tx};

const LOG: Table =
    Table { name: "audit_log", key: &["chain", "seq"], columns: &["chain", "seq", "occurred_at", "entries", "hash"] };

const HEADS: Table =
    Table { name: "audit_heads", key: &["chain", "seq"], columns: &["chain", "seq", "signed_at", "hash", "signature"] };

/// A head is signed after this many entries …
const SIGN_ENTRIES: i64 = 1_000;
/// … or with the first page after this long; the writers seal what no page follows.
const SIGN_AFTER: Duration = Duration::from_secs(60);
/// What the first page of a chain follows.
const GENESIS: [u8; 32] = [0; 32];

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What sort of thing, such as a state that was reached.
    pub kind: &'static str,
    /// What it happened to.
    pub subject: Uuid,
    /// The particulars as `key=value` words; masked, for it is read by people and exported.
    pub content: String,
}

/// An entry as it stands in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    pub occurred_at: Timestamp,
    pub kind: String,
    pub subject: Uuid,
    pub content: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Head {
    /// The number of the last entry, which is that of its page.
    seq: i64,
    hash: [u8; 32],
    signed_seq: i64,
    signed_at: Timestamp,
}

/// The end of one chain, held by its only writer.
#[derive(Debug)]
pub struct Chain {
    name: String,
    keys: Arc<dyn KeyStore>,
    known: Option<Head>,
    pending: Option<Head>,
}

impl Chain {
    pub fn new(name: &str, keys: Arc<dyn KeyStore>) -> Self {
        Self { name: name.to_owned(), keys, known: None, pending: None }
    }

    /// Adds a page to the chain inside the transaction that it reports. After the commit call [`Chain::confirm`], after anything
    /// else [`Chain::forget`].
    pub async fn append(&mut self, tx: &mut Tx, entries: Vec<Entry>) -> Result<(), StoreError> {
        let mut head = self.head(tx).await?;
        if entries.is_empty() {
            self.pending = Some(head);
            return Ok(());
        }
        let at = tx.now();
        head.seq += entries.len() as i64;
        let page = page_of(&entries);
        head.hash = page_hash(&head.hash, &self.name, head.seq, at, &page);
        let row = vec![self.name.as_str().into(), head.seq.into(), at.into(), page.into(), head.hash.to_vec().into()];
        tx.insert(&LOG, vec![row]).await?;
        if head.seq - head.signed_seq >= SIGN_ENTRIES || at.since(head.signed_at) >= SIGN_AFTER {
            self.sign(tx, &mut head).await?;
        }
        self.pending = Some(head);
        Ok(())
    }

    /// Whether there may be pages after the last signed head.
    pub fn is_unsealed(&self) -> bool {
        self.known.as_ref().is_none_or(|head| head.seq > head.signed_seq)
    }

    /// Signs the head if pages came after the last one that was signed, so that a tail which nothing follows cannot be cut off
    /// unseen. Followed by [`Chain::confirm`] or [`Chain::forget`], as an append is.
    pub async fn seal(&mut self, tx: &mut Tx) -> Result<(), StoreError> {
        let mut head = self.head(tx).await?;
        if head.seq > head.signed_seq {
            self.sign(tx, &mut head).await?;
        }
        self.pending = Some(head);
        Ok(())
    }

    async fn head(&mut self, tx: &mut Tx) -> Result<Head, StoreError> {
        match self.pending.take().or_else(|| self.known.clone()) {
            Some(head) => Ok(head),
            None => read_head(tx, &self.name).await,
        }
    }

    async fn sign(&self, tx: &mut Tx, head: &mut Head) -> Result<(), StoreError> {
        let signature = self.keys.sign(KeyName::AuditHead, &head_message(&self.name, head.seq, &head.hash))?;
        let row = vec![
            self.name.as_str().into(),
            head.seq.into(),
            tx.now().into(),
            head.hash.to_vec().into(),
            signature.into(),
        ];
        tx.insert(&HEADS, vec![row]).await?;
        head.signed_seq = head.seq;
        head.signed_at = tx.now();
        Ok(())
    }

    /// The same in a transaction of its own, for whoever has no writer.
    pub async fn seal_now(&mut self, store: &Store) -> Result<(), StoreError> {
        let mut tx = store.begin().await?;
        let done = match self.seal(&mut tx).await {
            Ok(()) => tx.commit().await,
            Err(error) => Err(error),
        };
        self.settle(done)
    }

    /// [`Chain::confirm`] or [`Chain::forget`], by what came of the transaction.
    pub fn settle(&mut self, done: Result<(), StoreError>) -> Result<(), StoreError> {
        match &done {
            Ok(()) => self.confirm(),
            Err(_) => self.forget(),
        }
        done
    }

    /// The transaction was committed: the page stands.
    pub fn confirm(&mut self) {
        if let Some(head) = self.pending.take() {
            self.known = Some(head);
        }
    }

    /// The transaction was dropped, or its outcome is unknown: the head is read again before the next page.
    pub fn forget(&mut self) {
        self.pending = None;
        self.known = None;
    }
}

/// A chain in the hands of its only writer, whose sets share it: nobody ever waits for it.
#[derive(Debug)]
pub struct HeldChain(Mutex<Chain>);

impl From<Chain> for HeldChain {
    fn from(chain: Chain) -> Self {
        Self(Mutex::new(chain))
    }
}

impl HeldChain {
    /// As [`Chain::append`].
    pub async fn append(&self, tx: &mut Tx, entries: Vec<Entry>) -> Result<(), StoreError> {
        self.0.lock().await.append(tx, entries).await
    }

    /// As [`Chain::seal`].
    pub async fn seal(&self, tx: &mut Tx) -> Result<(), StoreError> {
        self.0.lock().await.seal(tx).await
    }

    /// As [`Chain::is_unsealed`].
    pub fn is_unsealed(&self) -> bool {
        self.0.try_lock().is_ok_and(|chain| chain.is_unsealed())
    }

    /// As [`Chain::confirm`].
    pub fn confirm(&self) {
        if let Ok(mut chain) = self.0.try_lock() {
            chain.confirm();
        }
    }

    /// As [`Chain::forget`].
    pub fn forget(&self) {
        if let Ok(mut chain) = self.0.try_lock() {
            chain.forget();
        }
    }
}

async fn read_head(tx: &mut Tx, chain: &str) -> Result<Head, StoreError> {
    let sql = "SELECT seq, hash FROM audit_log WHERE chain = $1 ORDER BY seq DESC LIMIT 1";
    let last = tx.fetch(sql, vec![chain.into()]).await?;
    let (seq, hash) = match last.first() {
        Some(row) => (row.int(0)?, hash_of(row.bytes(1)?)?),
        None => (0, GENESIS),
    };
    let sql = "SELECT seq, signed_at FROM audit_heads WHERE chain = $1 ORDER BY seq DESC LIMIT 1";
    let signed = tx.fetch(sql, vec![chain.into()]).await?;
    let (signed_seq, signed_at) = match signed.first() {
        Some(row) => (row.int(0)?, row.time(1)?),
        None => (0, Timestamp::default()),
    };
    Ok(Head { seq, hash, signed_seq, signed_at })
}

fn hash_of(bytes: Vec<u8>) -> Result<[u8; 32], StoreError> {
    <[u8; 32]>::try_from(bytes)
        .map_err(|bytes| StoreError::Unreadable { column: 1, what: format!("a hash of {} bytes", bytes.len()) })
}

/// The entries of a page, one line each: `KIND subject content`.
fn page_of(entries: &[Entry]) -> String {
    let mut page = String::with_capacity(entries.len() * 160);
    for Entry { kind, subject, content } in entries {
        let _ = write!(page, "{kind} {} ", subject.hyphenated());
        // What would begin another line is nothing that an entry needs.
        page.extend(content.chars().map(|c| if c.is_control() { ' ' } else { c }));
        page.push('\n');
    }
    page
}

fn entries_on(page: &str, occurred_at: Timestamp) -> impl Iterator<Item = Result<Logged, StoreError>> {
    page.lines().map(move |line| {
        let mut words = line.splitn(3, ' ');
        match (words.next(), words.next().and_then(|id| Uuid::try_parse(id).ok()), words.next()) {
            (Some(kind), Some(subject), Some(content)) => {
                Ok(Logged { occurred_at, kind: kind.to_owned(), subject, content: content.to_owned() })
            }
            _ => Err(StoreError::Unreadable { column: 1, what: "not a line of the log".to_owned() }),
        }
    })
}

/// What the log says about a subject at these times, in order of time; several writers may have had to do with it, each with a
/// chain of its own.
pub async fn about(store: &Store, subject: Uuid, times: &[Timestamp]) -> Result<Vec<Logged>, StoreError> {
    const PAGES: &str = "SELECT occurred_at, entries FROM audit_log WHERE occurred_at = $1 ORDER BY chain, seq";
    let mut found = Vec::new();
    for at in times {
        for row in store.fetch(PAGES, vec![(*at).into()]).await? {
            for entry in entries_on(&row.text(1)?, row.time(0)?) {
                let entry = entry?;
                if entry.subject == subject {
                    found.push(entry);
                }
            }
        }
    }
    Ok(found)
}

/// Everything in one chain, in order and all at once, for tests of what is logged.
#[cfg(any(test, feature = "testing"))]
pub async fn read_chain(store: &Store, chain: &str) -> Result<Vec<Logged>, StoreError> {
    let sql = "SELECT occurred_at, entries FROM audit_log WHERE chain = $1 ORDER BY seq";
    let mut found = Vec::new();
    for row in store.fetch_at_leisure(sql, vec![chain.into()]).await? {
        for entry in entries_on(&row.text(1)?, row.time(0)?) {
            found.push(entry?);
        }
    }
    Ok(found)
}

fn page_hash(previous: &[u8; 32], chain: &str, seq: i64, at: Timestamp, page: &str) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    context.update(previous);
    // Each part with its length, so that no two pages have the same bytes.
    for part in [chain.as_bytes(), &seq.to_be_bytes(), &at.micros().to_be_bytes(), page.as_bytes()] {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

fn head_message(chain: &str, seq: i64, hash: &[u8; 32]) -> Vec<u8> {
    let mut message = b"bankhub.audit.head.v1\n".to_vec();
    message.extend_from_slice(chain.as_bytes());
    message.push(b'\n');
    message.extend_from_slice(&seq.to_be_bytes());
    message.extend_from_slice(hash);
    message
}

/// What the check of one chain found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChainReport {
    pub chain: String,
    pub entries: i64,
    pub signed_heads: i64,
    /// What is wrong, in order; empty when the chain is whole.
    pub faults: Vec<String>,
}

/// Recomputes every chain of the database and checks every signed head.
pub async fn verify(store: &Store, keys: &dyn KeyStore) -> Result<Vec<ChainReport>, StoreError> {
    let chains = store
        .fetch_at_leisure("SELECT chain FROM audit_log UNION SELECT chain FROM audit_heads ORDER BY chain", Vec::new())
        .await?;
    let mut reports = Vec::new();
    for row in chains {
        reports.push(verify_chain(store, keys, row.text(0)?).await?);
    }
    Ok(reports)
}

async fn verify_chain(store: &Store, keys: &dyn KeyStore, chain: String) -> Result<ChainReport, StoreError> {
    const PAGES: &str = "SELECT seq, hash, occurred_at, entries FROM audit_log \
                         WHERE chain = $1 AND seq > $2 ORDER BY seq LIMIT 500";
    let mut heads = signed_heads(store, &chain).await?.into_iter().peekable();
    let mut report = ChainReport { chain, ..ChainReport::default() };
    let mut previous = GENESIS;
    let mut seq = 0;
    // A page before the first one would be found, too.
    let mut cursor = i64::MIN;
    loop {
        let rows = store.fetch_at_leisure(PAGES, vec![report.chain.as_str().into(), cursor.into()]).await?;
        if rows.is_empty() {
            break;
        }
        for row in rows {
            let (last, page) = (row.int(0)?, row.text(3)?);
            let count = page.lines().count() as i64;
            let first = last.saturating_sub(count).saturating_add(1);
            if first > seq + 1 {
                report.faults.push(format!("entries {} to {} are missing", seq + 1, first - 1));
            }
            let overlaps = first <= seq;
            (seq, cursor) = (last, last);
            let stored = hash_of(row.bytes(1)?)?;
            if page_hash(&previous, &report.chain, seq, row.time(2)?, &page) != stored || overlaps {
                report.faults.push(format!("the page of entries {first} to {last} was changed"));
            }
            previous = stored;
            report.entries += count;
            while let Some(head) = heads.next_if(|head| head.0 <= seq) {
                report.signed_heads += 1;
                if !head_is_good(keys, &report.chain, &head, &stored) {
                    report.faults.push(format!("the signed head at entry {} does not fit", head.0));
                }
            }
        }
    }
    // The first page of a chain is signed at once.
    if report.entries > 0 && report.signed_heads == 0 && heads.peek().is_none() {
        report.faults.push("no head of the chain was ever signed".to_owned());
    }
    for head in heads {
        report.faults.push(format!("the chain ends at entry {seq}, but a head was signed at entry {}", head.0));
    }
    Ok(report)
}

type SignedHead = (i64, Vec<u8>, Vec<u8>);

async fn signed_heads(store: &Store, chain: &str) -> Result<Vec<SignedHead>, StoreError> {
    let sql = "SELECT seq, hash, signature FROM audit_heads WHERE chain = $1 ORDER BY seq";
    let rows = store.fetch_at_leisure(sql, vec![chain.into()]).await?;
    rows.iter().map(|row| Ok((row.int(0)?, row.bytes(1)?, row.bytes(2)?))).collect()
}

fn head_is_good(keys: &dyn KeyStore, chain: &str, head: &SignedHead, stored: &[u8; 32]) -> bool {
    let (seq, hash, signature) = head;
    let Ok(public) = keys.public_key(KeyName::AuditHead) else { return false };
    let key = ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, public);
    hash.as_slice() == stored && key.verify(&head_message(chain, *seq, stored), signature).is_ok()
}
