//! The feed: what happened to a person's money, in order, to every phone that watches (S1).
//!
//! The table `events` is the truth, and each watcher keeps a cursor into it. The writer hands every event that it has
//! committed to [`Feed::publish`]; an event that follows the cursor goes straight through, and whenever anything else
//! is heard (a gap, too much at once, a hint from another replica) the watcher reads the table. So a lost hint costs
//! time, never an event.

mod append;
mod follow;
mod listen;
mod mailbox;
mod sql;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use domain::PersonId;
use domain::feed::Event;
use server_kit::clock::SharedClock;
use server_kit::keystore::SharedKeyStore;
use server_kit::store::{Store, StoreError, Tx};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use mailbox::Watchers;

pub(crate) use append::Feeds;
pub(crate) use follow::FRESH;
pub use follow::Follower;
pub use sql::read_last_sequence;
pub use watch::{Watch, WatchError};

/// What the feed works with.
#[derive(Clone, Debug)]
pub struct FeedParts {
    /// The hub's database.
    pub store: Store,
    /// Opens codes that were sealed.
    pub keys: SharedKeyStore,
    /// Tells which codes have ended.
    pub clock: SharedClock,
    /// This process, so that it does not wake itself.
    pub replica: Uuid,
    /// Who does more about events than to let phones read them.
    pub followers: Vec<Follower>,
    /// When it fires every stream ends, so that the phones go to another replica.
    pub draining: CancellationToken,
}

/// Bounds of the feed.
#[derive(Clone, Copy, Debug)]
pub struct FeedOptions {
    /// Events that wait for one slow watcher; when there are more it reads the table.
    pub mailbox: usize,
    /// Watchers of one person.
    pub per_person: usize,
    /// Watchers in all.
    pub in_all: usize,
    /// Rows of one read.
    pub page: u32,
    /// Reads at a time, so that many phones that come back at once leave room for other queries.
    pub reads: usize,
}

impl Default for FeedOptions {
    fn default() -> Self {
        Self { mailbox: 64, per_person: 8, in_all: 100_000, page: 64, reads: 3 }
    }
}

/// The feed. Cheap to clone.
#[derive(Clone)]
pub struct Feed {
    inner: Arc<Inner>,
}

struct Inner {
    parts: FeedParts,
    options: FeedOptions,
    watchers: Watchers,
    reads: Semaphore,
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").field("watchers", &self.inner.watchers.count()).finish_non_exhaustive()
    }
}

impl Feed {
    /// A feed that nobody watches yet. On PostgreSQL run [`Feed::listen`] beside it.
    pub fn new(parts: FeedParts, options: FeedOptions) -> Self {
        let watchers = Watchers::new(options.mailbox, options.per_person, options.in_all);
        Self { inner: Arc::new(Inner { parts, options, watchers, reads: Semaphore::new(options.reads) }) }
    }

    /// Hands committed events to those who watch in this process. Never waits; for a person whom nobody watches it
    /// costs one look into a map.
    pub fn publish(&self, events: &[Arc<Event>]) {
        for event in events {
            self.inner.watchers.deliver(event);
        }
        follow::wake(&self.inner.parts.followers, events);
    }

    /// Notes what is to be done about events, in the transaction that adds them.
    pub(crate) async fn hand_on(&self, tx: &mut Tx, events: &[Arc<Event>]) -> Result<(), StoreError> {
        let persons: Vec<PersonId> = events.iter().map(|event| event.person_id).collect();
        self.announce(tx, &persons);
        follow::note(tx, &self.inner.parts.followers, events).await
    }

    /// One event of a person, as it is read now.
    pub(crate) async fn event(&self, person_id: PersonId, sequence: i64) -> Result<Option<Arc<Event>>, StoreError> {
        let found = sql::read_events(&self.inner.parts, person_id, sequence - 1, 1).await?;
        Ok(found.into_iter().find(|event| event.sequence == sequence))
    }

    /// The events that are noted first for a follower, as they are read now, by person and place.
    pub(crate) async fn noted(
        &self,
        follower: &'static str,
        most: i64,
    ) -> Result<BTreeMap<(PersonId, i64), Arc<Event>>, StoreError> {
        sql::read_noted(&self.inner.parts, follower, most).await
    }

    /// Tells the other replicas, when and if this transaction commits, whose events it adds. Nothing on SQLite, whose
    /// file one process owns.
    pub fn announce(&self, tx: &mut Tx, persons: &[PersonId]) {
        listen::announce(tx, self.inner.parts.replica, persons);
    }

    /// Has all who watch read the table again: for a commit whose outcome is unknown, which may have left events that
    /// nobody published.
    pub fn wake_all(&self) {
        self.inner.watchers.wake_all();
    }

    /// Hears what other replicas announce, until the hub drains; a task of its own. Returns at once on SQLite.
    pub async fn listen(self) {
        listen::run(&self.inner).await;
    }

    /// The person's events after a cursor: first those that are stored, then each as it happens; in order, each once.
    /// The stream ends when the hub drains, and after an error.
    pub fn watch(&self, person_id: PersonId, after_sequence: i64) -> Result<Watch, WatchError> {
        watch::start(&self.inner, person_id, after_sequence)
    }

    /// How many streams are open.
    pub fn watchers(&self) -> usize {
        self.inner.watchers.count()
    }
}
