//! What is done about events beside letting phones read them: notices go out by the channels that a person wants (R6), and a purchase
//! is compared with shops nearby (P1–P3).
//!
//! An event that somebody wants is noted in its own transaction (`feed::follow`), so that no payment waits and none is forgotten. A worker
//! for each follower reads what is noted, makes of it what is to be done, and does it in one transaction with the striking out: once,
//! whoever dies and however many replicas work.

mod compare;
mod sql;
mod steps;
mod tell;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::feed::{Event, EventKind, News, Topic};
use domain::notice::PriceNews;
use server_kit::clock::SharedClock;
use server_kit::store::{GroupWriter, Owner, Store, StoreError, WriterOptions};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::directory::Directory;
use crate::feed::{FRESH, Feed, Follower};
use crate::notify::{Notice, Notices};
use crate::prices::Prices;
use steps::{Done, FollowSteps};

const NOTICES: &str = "notices";
const PRICES: &str = "prices";
/// Events of one round.
const AT_ONCE: i64 = 200;
/// How often what another replica has left is looked for.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// The pause after the storage did not answer.
const PAUSE: Duration = Duration::from_secs(1);
/// Who follows events, as the feed has to know it before the first one.
#[derive(Clone, Debug, Default)]
pub struct Followers(Vec<Follower>);

impl Followers {
    /// Notices are wanted only where there is a channel for them.
    pub fn new(has_channels: bool, compares_prices: bool) -> Self {
        let follower = |name, wants| Follower { name, wants, woken: Arc::new(Notify::new()) };
        let notices = has_channels.then(|| follower(NOTICES, tell::wants));
        let prices = compares_prices.then(|| follower(PRICES, compare::wants));
        Self(notices.into_iter().chain(prices).collect())
    }

    pub fn all(&self) -> &[Follower] {
        &self.0
    }
}

/// What followers work with.
#[derive(Debug)]
pub struct FollowParts {
    pub store: Store,
    pub owner: Arc<Owner>,
    pub clock: SharedClock,
    pub directory: Directory,
    pub feed: Feed,
    pub notices: Notices,
    pub prices: Prices,
}

/// What is to be done about an event.
#[derive(Debug, Default)]
struct Todo {
    notices: Vec<Notice>,
    news: Vec<News>,
}

/// Starts the workers of those who follow; they end when the hub drains, and the writer after them.
pub fn start(parts: FollowParts, followers: &Followers, draining: CancellationToken) -> Vec<JoinHandle<()>> {
    if followers.0.is_empty() {
        return Vec::new();
    }
    let steps = FollowSteps {
        owner: parts.owner,
        feed: parts.feed.clone(),
        notices: parts.notices.clone(),
        told: Mutex::default(),
    };
    let (writer, task) = GroupWriter::start(parts.store.clone(), Arc::new(steps), WriterOptions::default());
    let worker = Worker {
        store: parts.store,
        clock: parts.clock,
        directory: parts.directory,
        feed: parts.feed,
        notices: parts.notices,
        prices: parts.prices,
        writer,
    };
    let start = |follower: &Follower| tokio::spawn(worker.clone().run(follower.clone(), draining.clone()));
    std::iter::once(task).chain(followers.0.iter().map(start)).collect()
}

#[derive(Clone, Debug)]
struct Worker {
    store: Store,
    clock: SharedClock,
    directory: Directory,
    feed: Feed,
    notices: Notices,
    prices: Prices,
    writer: GroupWriter<FollowSteps>,
}

impl Worker {
    async fn run(self, follower: Follower, draining: CancellationToken) {
        loop {
            let pause = match self.round(&follower).await {
                Ok(true) => continue,
                Ok(false) => LOOK_EVERY,
                Err(error) => {
                    tracing::warn!(follower = follower.name, %error, "events cannot be followed now");
                    PAUSE
                }
            };
            tokio::select! {
                () = draining.cancelled() => return,
                () = follower.woken.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Does what is noted, as far as one round goes; says whether there may be more.
    async fn round(&self, follower: &Follower) -> Result<bool, StoreError> {
        let noted = sql::read_noted(&self.store, follower.name, AT_ONCE).await?;
        let is_full = i64::try_from(noted.len()).is_ok_and(|len| len == AT_ONCE);
        let mut doing = Vec::with_capacity(noted.len());
        let mut events = self.feed.noted(follower.name, AT_ONCE).await?;
        for (person_id, sequence) in noted {
            // What was noted since may stand before it, so that it is not among the first any more.
            let event = match events.remove(&(person_id, sequence)) {
                Some(event) => Some(event),
                None => self.feed.event(person_id, sequence).await?,
            };
            let todo = match &event {
                Some(event) => self.todo(follower.name, event).await?,
                None => Todo::default(),
            };
            let step = Done { follower: follower.name, person_id, sequence, todo };
            doing.push(self.writer.write(step));
        }
        let mut any = false;
        for done in together(doing).await {
            any |= done?;
        }
        // When nothing of a full round was struck out by us, another replica is at it.
        Ok(is_full && any)
    }

    async fn todo(&self, follower: &'static str, event: &Event) -> Result<Todo, StoreError> {
        let told = match &event.kind {
            EventKind::Charge(_) | EventKind::News(News { topic: Topic::Prices, .. }) => {
                self.notices.preferences(event.person_id).await?.prices
            }
            _ => PriceNews::Off,
        };
        match (follower, &event.kind) {
            (PRICES, EventKind::Charge(purchase)) if told != PriceNews::Off => {
                compare::todo(&self.prices, purchase).await
            }
            (NOTICES, _) if event.occurred_at.plus(FRESH) < self.clock.now() => Ok(Todo::default()),
            // It has gone out with the charge.
            (NOTICES, EventKind::News(News { topic: Topic::Prices, .. })) if told == PriceNews::WithCharge => {
                Ok(Todo::default())
            }
            (NOTICES, EventKind::Charge(purchase)) if told == PriceNews::WithCharge => {
                let compared = compare::todo(&self.prices, purchase).await?.news;
                tell::todo(&self.directory, event, compared.into_iter().next()).await
            }
            (NOTICES, _) => tell::todo(&self.directory, event, None).await,
            _ => Ok(Todo::default()),
        }
    }
}

/// All of them at once, so that they become one set of the writer.
async fn together<T>(all: Vec<impl Future<Output = T>>) -> Vec<T> {
    futures_util::future::join_all(all).await
}
