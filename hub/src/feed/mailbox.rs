//! Who watches, and what waits for each of them. Bounded: a mailbox that runs over is emptied and says that its owner
//! is behind, since all of it can be read again.

use std::collections::hash_map::{DefaultHasher, Entry};
use std::collections::{HashMap, VecDeque};
use std::hash::{Hash as _, Hasher as _};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use domain::PersonId;
use domain::feed::Event;
use tokio::sync::Notify;

/// Enough that the writer and the watchers who come and go seldom meet.
const SHARDS: usize = 64;

/// What a watcher finds in its mailbox.
#[derive(Debug)]
pub(super) enum Mail {
    /// The next event that was published.
    Event(Arc<Event>),
    /// Something may have been missed: read the table.
    Behind,
}

#[derive(Debug)]
pub(super) struct Mailbox {
    bound: usize,
    waiting: Mutex<Waiting>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    events: VecDeque<Arc<Event>>,
    behind: bool,
}

impl Mailbox {
    fn new(bound: usize) -> Self {
        Self { bound, waiting: Mutex::default(), arrived: Notify::new() }
    }

    fn put(&self, event: &Arc<Event>) {
        self.change(|waiting| {
            if waiting.behind {
                // It will be read from the table with the rest.
            } else if waiting.events.len() < self.bound {
                waiting.events.push_back(event.clone());
            } else {
                waiting.events = VecDeque::new();
                waiting.behind = true;
            }
        });
    }

    fn wake(&self) {
        self.change(|waiting| waiting.behind = true);
    }

    fn change(&self, change: impl FnOnce(&mut Waiting)) {
        change(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        self.arrived.notify_one();
    }

    /// Waits for mail. Nothing is lost when the wait is given up.
    pub(super) async fn next(&self) -> Mail {
        loop {
            if let Some(mail) = self.take() {
                return mail;
            }
            // A permit is kept for whoever comes late, so mail that arrives between the look and the wait is seen.
            self.arrived.notified().await;
        }
    }

    fn take(&self) -> Option<Mail> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.behind {
            waiting.behind = false;
            waiting.events.clear();
            return Some(Mail::Behind);
        }
        waiting.events.pop_front().map(Mail::Event)
    }
}

type Shard = RwLock<HashMap<PersonId, Vec<Arc<Mailbox>>>>;

/// All mailboxes by person.
#[derive(Debug)]
pub(super) struct Watchers {
    shards: Vec<Shard>,
    count: AtomicUsize,
    mailbox: usize,
    per_person: usize,
    in_all: usize,
}

impl Watchers {
    pub(super) fn new(mailbox: usize, per_person: usize, in_all: usize) -> Self {
        let shards = (0..SHARDS).map(|_| Shard::default()).collect();
        Self { shards, count: AtomicUsize::new(0), mailbox, per_person, in_all }
    }

    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    pub(super) fn deliver(&self, event: &Arc<Event>) {
        self.with(event.person_id, |mailbox| mailbox.put(event));
    }

    pub(super) fn wake(&self, person_id: PersonId) {
        self.with(person_id, Mailbox::wake);
    }

    pub(super) fn wake_all(&self) {
        for shard in &self.shards {
            let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
            shard.values().flatten().for_each(|mailbox| mailbox.wake());
        }
    }

    fn with(&self, person_id: PersonId, tell: impl Fn(&Mailbox)) {
        let Some(shard) = self.shard(person_id) else { return };
        let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
        shard.get(&person_id).into_iter().flatten().for_each(|mailbox| tell(mailbox));
    }

    fn shard(&self, person_id: PersonId) -> Option<&Shard> {
        let mut hasher = DefaultHasher::new();
        person_id.hash(&mut hasher);
        let index = usize::try_from(hasher.finish() % SHARDS as u64).unwrap_or(0);
        self.shards.get(index)
    }

    /// Opens a mailbox, unless there are too many.
    pub(super) fn open(&self, person_id: PersonId) -> Option<Arc<Mailbox>> {
        if self.count.fetch_add(1, Ordering::Relaxed) >= self.in_all {
            self.count.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        let opened = self.shard(person_id).and_then(|shard| {
            let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
            let mailboxes = shard.entry(person_id).or_default();
            (mailboxes.len() < self.per_person).then(|| {
                let mailbox = Arc::new(Mailbox::new(self.mailbox));
                mailboxes.push(mailbox.clone());
                mailbox
            })
        });
        if opened.is_none() {
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
        opened
    }

    /// Closes a mailbox that [`Watchers::open`] gave.
    pub(super) fn close(&self, person_id: PersonId, mailbox: &Arc<Mailbox>) {
        let Some(shard) = self.shard(person_id) else { return };
        let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut mailboxes) = shard.entry(person_id) {
            mailboxes.get_mut().retain(|other| !Arc::ptr_eq(other, mailbox));
            if mailboxes.get().is_empty() {
                mailboxes.remove();
            }
        }
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}
