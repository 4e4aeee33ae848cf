//! One watcher: a cursor, a mailbox and what was read of the table but is not handed on yet.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use domain::PersonId;
use domain::feed::Event;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, Stream};
use server_kit::store::StoreError;

use super::mailbox::{Mail, Mailbox};
use super::{Inner, sql};

/// Why a feed cannot be watched, or not any more.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The person, or the hub as a whole, has as many watchers as it may have.
    #[error("there are too many watchers")]
    TooMany,
    /// The cursor is below zero, or beyond the last event: it belongs to another hub.
    #[error("the cursor is not a place in this feed")]
    NoSuchPlace,
    /// The table cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A person's events; see [`super::Feed::watch`].
pub struct Watch {
    next: BoxFuture<'static, Step>,
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

type Step = Option<(Result<Arc<Event>, WatchError>, Option<Watcher>)>;

impl Stream for Watch {
    type Item = Result<Arc<Event>, WatchError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some((item, watcher)) = std::task::ready!(self.next.poll_unpin(context)) else {
            self.next = std::future::ready(None).boxed();
            return Poll::Ready(None);
        };
        self.next = match watcher {
            Some(watcher) => watcher.step().boxed(),
            None => std::future::ready(None).boxed(),
        };
        Poll::Ready(Some(item))
    }
}

pub(super) fn start(feed: &Arc<Inner>, person_id: PersonId, after_sequence: i64) -> Result<Watch, WatchError> {
    if after_sequence < 0 {
        return Err(WatchError::NoSuchPlace);
    }
    // The mailbox is there before the table is read, so that nothing falls between the two.
    let mailbox = feed.watchers.open(person_id).ok_or(WatchError::TooMany)?;
    let open = Open { feed: feed.clone(), person_id, mailbox };
    let watcher = Watcher { open, cursor: after_sequence, checked: false, behind: true, read: VecDeque::new() };
    Ok(Watch { next: watcher.step().boxed() })
}

/// Keeps a mailbox open for as long as the watcher lives.
struct Open {
    feed: Arc<Inner>,
    person_id: PersonId,
    mailbox: Arc<Mailbox>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.feed.watchers.close(self.person_id, &self.mailbox);
    }
}

struct Watcher {
    open: Open,
    /// The last sequence that was handed on.
    cursor: i64,
    /// Whether the cursor is known to be a place in this feed.
    checked: bool,
    /// Whether the table may have more than was read.
    behind: bool,
    /// What was read and not handed on yet.
    read: VecDeque<Arc<Event>>,
}

impl Watcher {
    /// The next event, with the watcher as it is after it; none when the hub drains.
    async fn step(mut self) -> Step {
        let draining = self.open.feed.parts.draining.clone();
        let next = tokio::select! {
            biased;
            () = draining.cancelled() => return None,
            next = self.next() => next,
        };
        match next {
            Ok(event) => Some((Ok(event), Some(self))),
            Err(error) => Some((Err(error), None)),
        }
    }

    async fn next(&mut self) -> Result<Arc<Event>, WatchError> {
        loop {
            if let Some(event) = self.read.pop_front() {
                self.cursor = event.sequence;
                return Ok(event);
            }
            if self.behind {
                self.read_page().await?;
                continue;
            }
            match self.open.mailbox.next().await {
                Mail::Event(event) if event.sequence <= self.cursor => {}
                Mail::Event(event) if event.sequence == self.cursor + 1 => {
                    self.cursor = event.sequence;
                    return Ok(event);
                }
                // One between was not heard of; it is in the table, since sequences are given out in order of commit.
                Mail::Event(_) | Mail::Behind => self.behind = true,
            }
        }
    }

    async fn read_page(&mut self) -> Result<(), WatchError> {
        let feed = &self.open.feed;
        let page = {
            // Never closed, so there is always a permit in the end.
            let _permit = feed.reads.acquire().await;
            sql::read_events(&feed.parts, self.open.person_id, self.cursor, feed.options.page).await?
        };
        if page.is_empty() && !self.checked && self.cursor > 0 {
            let last = sql::read_last_sequence(&feed.parts.store, self.open.person_id).await?;
            if last < self.cursor {
                return Err(WatchError::NoSuchPlace);
            }
        }
        self.checked = true;
        self.behind = page.len() >= feed.options.page as usize;
        self.read = page.into();
        Ok(())
    }
}
