//! What browsers are told while they show a page: one stream of server-sent events for each, fed by one producer for all.
//!
//! The producer reads what the overview shows once in a while, as long as anybody watches, whoever and however many they are. A stream
//! ends with its session, with a change of the operator's role, and when the hub drains; there are no more of them than are configured.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::Reason;
use futures_util::{StreamExt as _, stream};
use hyper::body::{Bytes, Frame};
use serde_json::{Map, Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::{Console, overview};
use crate::operators::ConsoleSession;
use crate::pages::response::{self, Answer, Outcome, path_of};

/// How often the producer looks.
const EVERY: Duration = Duration::from_secs(2);
/// A stream that has told nothing for so long says that it is there, and looks whether its session is.
const ALIVE_EVERY: Duration = Duration::from_secs(10);

const SCRIPT: &str = include_str!("live.js");
/// Where the script is, with the hash of it in the name.
pub(super) static SCRIPT_PATH: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| path_of("live", SCRIPT, "js"));
/// The topic of the page at this path, if it is kept up to date.
pub(super) fn topic(path: &str) -> Option<&'static str> {
    match path {
        "/" => Some("overview"),
        "/doubt" => Some("doubt"),
        "/dead-letters" => Some("letters"),
        _ => None,
    }
}

/// The streams of this replica.
pub(super) struct Live {
    room: Arc<Semaphore>,
    latest: watch::Sender<Option<Arc<str>>>,
    /// Whether there is a producer.
    produced: Mutex<bool>,
}

impl Live {
    pub(super) fn new(streams: usize) -> Self {
        Self { room: Arc::new(Semaphore::new(streams)), latest: watch::Sender::new(None), produced: Mutex::new(false) }
    }

    #[cfg(test)]
    pub(super) fn is_produced(&self) -> bool {
        *self.produced.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the producer has anybody to look for; one that has not is none from here on.
    fn is_wanted(&self) -> bool {
        let mut produced = self.produced.lock().unwrap_or_else(PoisonError::into_inner);
        *produced = self.latest.receiver_count() > 0;
        *produced
    }
}

/// The script of the pages.
pub(super) fn script(site: response::Site) -> Answer {
    response::fixed("text/javascript; charset=utf-8", SCRIPT, site)
}

impl Console {
    /// A stream for whoever has signed in. `Err(TooBusy)` when there are too many.
    pub(super) fn watch(&self, session: ConsoleSession) -> Result<Outcome, Reason> {
        let live = &self.inner.live;
        let place = live.room.clone().try_acquire_owned().map_err(|_| Reason::TooBusy)?;
        let viewer = Viewer { console: self.clone(), session, latest: self.follow(), ended: false, _place: place };
        let events = stream::unfold(viewer, |mut viewer| async move {
            let event = viewer.next().await?;
            Some((Ok::<_, Infallible>(Frame::data(Bytes::from(event))), viewer))
        });
        Ok(Outcome::Events(events.boxed()))
    }

    /// What the producer tells. The first who follows starts it.
    fn follow(&self) -> watch::Receiver<Option<Arc<str>>> {
        let live = &self.inner.live;
        let mut produced = live.produced.lock().unwrap_or_else(PoisonError::into_inner);
        let mut latest = live.latest.subscribe();
        // Whoever comes to a producer that runs is told at once what it has seen last.
        latest.mark_changed();
        if !*produced {
            *produced = true;
            tokio::spawn(produce(self.clone()));
        }
        latest
    }
}

async fn produce(console: Console) {
    let live = &console.inner.live;
    while live.is_wanted() {
        match overview::figures(&console.inner.parts).await {
            Ok(figures) => {
                let at = figures.as_of(&console.inner.parts);
                live.latest.send_replace(Some(Arc::from(told(&figures, &at).to_string())));
            }
            Err(reason) => {
                tracing::debug!(reason = reason.code(), "the overview cannot be read for those who watch it")
            }
        }
        metrics::gauge!("bankhub_console_streams").set(live.latest.receiver_count() as f64);
        if console.inner.parts.draining.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_none() {
            break;
        }
    }
    metrics::gauge!("bankhub_console_streams").set(0.0);
}

fn told(figures: &overview::Figures, at: &str) -> Value {
    let at = ("at", at);
    let values: Map<String, Value> =
        figures.values().chain([at]).map(|(key, value)| (key.to_owned(), Value::from(value))).collect();
    json!({
        "figures": values,
        "marks": { "overview": figures.mark(), "doubt": figures.doubt_mark, "letters": figures.letters_mark },
    })
}

/// One browser that watches.
struct Viewer {
    console: Console,
    session: ConsoleSession,
    latest: watch::Receiver<Option<Arc<str>>>,
    ended: bool,
    _place: OwnedSemaphorePermit,
}

impl Viewer {
    /// What the browser is told next; nothing at the end.
    async fn next(&mut self) -> Option<String> {
        if self.ended {
            return None;
        }
        let parts = &self.console.inner.parts;
        let has_changed = tokio::select! {
            biased;
            () = parts.draining.cancelled() => return None,
            changed = self.latest.changed() => changed.ok().map(|()| true)?,
            () = tokio::time::sleep(ALIVE_EVERY) => false,
        };
        match parts.operators.goes_on(&self.session).await {
            Ok(true) => {}
            Ok(false) => {
                self.ended = true;
                return Some("event: ended\ndata: {}\n\n".to_owned());
            }
            // Nobody is told anything while it is not known whether they may hear it.
            Err(_) => return Some(": away\n\n".to_owned()),
        }
        let state = self.latest.borrow_and_update().clone().filter(|_| has_changed);
        Some(state.map_or_else(|| ": alive\n\n".to_owned(), |state| format!("event: state\ndata: {state}\n\n")))
    }
}
