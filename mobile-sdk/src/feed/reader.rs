//! Keeps the stream open while somebody listens.

use std::sync::Arc;
use std::time::Duration;

use domain::Reason;
use futures_util::FutureExt as _;
use proto::cardholder as pb;
use tokio::time::{sleep, timeout};

use super::{Offer, Phase, Queue};
use crate::error::{Failure, Trouble};
use crate::log::LogLevel;
use crate::phone::Inner;
use crate::platform;
use crate::session::CALL_TIMEOUT;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Why a stream was left, when it did not fail.
#[derive(Debug)]
enum Left {
    /// The hub ended it.
    Ended,
    /// It has to begin somewhere else, or nobody listens any more.
    ToBeginAnew,
}

/// A queue for somebody new, and the tasks that serve all of them.
pub(crate) fn listen(inner: &Arc<Inner>, after: Option<i64>) -> Result<Arc<Queue>, Trouble> {
    let runtime = platform::runtime()?;
    let (queue, is_first) = inner.feed.add(after);
    if is_first {
        let reading = inner.clone();
        runtime.spawn(async move {
            let closing = reading.closing.clone();
            closing.run_until_cancelled(read_on(&reading)).await;
        });
        let keeping = inner.clone();
        runtime.spawn(async move {
            let closing = keeping.closing.clone();
            closing.run_until_cancelled(keeping.keep_on()).await;
        });
    }
    Ok(queue)
}

/// Between half the pause and all of it, so that phones that were cut off together do not come back together.
fn with_jitter(pause: Duration) -> Duration {
    let mut byte = [0];
    // Without randomness the whole pause is as good.
    let part = platform::fill(&mut byte).map_or(255, |()| u32::from(byte[0]));
    pause / 2 + pause / 2 * part / 255
}

async fn read_on(inner: &Inner) {
    let feed = &inner.feed;
    let mut pause = FIRST_PAUSE;
    loop {
        // What follows looks at everything anew: a wake from before it is none for later, or a stream that has just stopped would not.
        let _ = feed.wake.notified().now_or_never();
        let Some(mut at) = feed.lowest_offered() else {
            feed.set_phase(Phase::Off);
            feed.wake.notified().await;
            continue;
        };
        let began = at;
        feed.set_phase(Phase::Connecting);
        let failure = match stream(inner, &mut at).await {
            Ok(Left::ToBeginAnew) => continue,
            Ok(Left::Ended) => Trouble::HubUnreachable.into(),
            Err(failure) => failure,
        };
        if at > began {
            pause = FIRST_PAUSE;
        }
        inner.log.say(LogLevel::Debug, || format!("the stream of events was lost: {}", failure.code()));
        let is_session = failure.is(Reason::SessionInvalid);
        if is_session {
            inner.sign_out().await;
        }
        if is_session || failure.is_retryable() {
            feed.set_phase(Phase::Waiting(failure));
            // Whoever wakes it wants it at once.
            let _ = timeout(with_jitter(pause), feed.wake.notified()).await;
            pause = pause.saturating_mul(2).min(inner.longest_pause);
        } else {
            inner.log.say(LogLevel::Warn, || format!("the stream of events has stopped: {}", failure.code()));
            feed.set_phase(Phase::Stopped(failure));
            feed.wake.notified().await;
            pause = FIRST_PAUSE;
        }
    }
}

/// Passes on what one stream brings. `at` is the last event that everybody was offered.
async fn stream(inner: &Inner, at: &mut i64) -> Result<Left, Failure> {
    let request = inner.signed_in(pb::WatchEventsRequest { after_sequence: *at }).await?;
    let mut hub = inner.hub.clone();
    let opened = timeout(CALL_TIMEOUT, hub.watch_events(request)).await.map_err(|_| Trouble::NoAnswer)?;
    let mut messages = opened?.into_inner();
    inner.feed.set_phase(Phase::Live);
    loop {
        let message = tokio::select! {
            message = messages.message() => message?,
            () = inner.feed.wake.notified() => {
                if has_to_begin_anew(inner, *at) {
                    return Ok(Left::ToBeginAnew);
                }
                continue;
            }
        };
        let Some(message) = message else { return Ok(Left::Ended) };
        let event = message.event.ok_or(Trouble::AnswerUnreadable)?;
        if event.sequence <= *at {
            continue;
        }
        if *at > 0 && event.sequence > at.saturating_add(1) {
            inner.log.say(LogLevel::Error, || format!("the hub has no events between {at} and {}", event.sequence));
        }
        let queues = inner.feed.queues();
        // Whoever has just come and begins further back gets what came before first, or it would never be told.
        if queues.iter().any(|queue| queue.is_behind(*at)) {
            return Ok(Left::ToBeginAnew);
        }
        for queue in queues {
            if !offer(inner, &queue, &event, *at).await {
                return Ok(Left::ToBeginAnew);
            }
        }
        *at = event.sequence;
    }
}

fn has_to_begin_anew(inner: &Inner, at: i64) -> bool {
    inner.feed.lowest_offered().is_none_or(|lowest| lowest < at)
}

/// Waits until the queue has room. Whether the stream may go on as it is.
async fn offer(inner: &Inner, queue: &Queue, event: &pb::Event, at: i64) -> bool {
    while queue.offer(event) == Offer::Full {
        tokio::select! {
            () = queue.emptied.notified() => {}
            () = inner.feed.wake.notified() => {
                if has_to_begin_anew(inner, at) {
                    return false;
                }
            }
        }
    }
    true
}

/// Waits before something is tried again in the background.
pub(super) async fn rest() {
    sleep(with_jitter(LONGEST_PAUSE / 6)).await;
}
