//! The worker of a channel: leases what is due, sends it, writes down what has become of it.

use std::sync::Arc;
use std::time::Duration;

use domain::notice::NoticeKind;
use server_kit::clock::Stopwatch;
use server_kit::fault;
use server_kit::store::StoreError;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::Notices;
use super::channel::{Channel, Receipt, SendError};
use super::sql::{self, Lease, Leased, Verdict};
use super::steps::{Done, Outcome, Step, Tried};

/// A code or a security notice.
const URGENT: i64 = 1;
/// Everything.
const ANY: i64 = i64::MAX;
/// How often the queue is counted for the metrics.
const COUNT_EVERY: Duration = Duration::from_secs(10);
/// Receipts that are kept for a notice whose sending is not written down yet, and how often they are tried.
const MOST_EARLY_RECEIPTS: usize = 1_024;
const RECEIPT_TRIES: u32 = 20;
/// How long a channel is left alone that is away; it doubles.
const FIRST_ABSENCE: Duration = Duration::from_millis(100);
const LONGEST_ABSENCE: Duration = Duration::from_secs(5);

impl Notices {
    /// Sends what is queued for a channel until `draining`, then waits for what is under way. `receipts` is what the channel hears
    /// later of letters that it has sent.
    pub async fn deliver(
        self,
        channel: Arc<dyn Channel>,
        receipts: mpsc::Receiver<Receipt>,
        draining: CancellationToken,
    ) {
        let sending = JoinSet::new();
        let absence = Absence::default();
        let mut worker = Worker { notices: self, channel, sending, absence, receipts, early: Vec::new() };
        worker.run(draining).await;
    }
}

struct Worker {
    notices: Notices,
    channel: Arc<dyn Channel>,
    sending: JoinSet<Reached>,
    absence: Absence,
    receipts: mpsc::Receiver<Receipt>,
    /// Receipts that came before the notice was marked as sent, and how often they were tried.
    early: Vec<(Receipt, u32)>,
}

impl Worker {
    async fn run(&mut self, draining: CancellationToken) {
        let inner = self.notices.inner.clone();
        let half = inner.options.at_once / 2;
        let mut ticks = interval(inner.options.poll_every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut counted: Option<Stopwatch> = None;
        let (mut looks, mut has_more) = (true, false);
        while !draining.is_cancelled() {
            let queued = inner.queued.notified();
            tokio::pin!(queued);
            // From here on a call of `wake` is heard, also while the table is read.
            queued.as_mut().enable();
            if looks {
                has_more = self.look(&mut counted).await;
                if has_more && self.sending.len() <= half {
                    continue;
                }
            }
            looks = tokio::select! {
                () = draining.cancelled() => break,
                // A few at a time, so that each transaction takes some.
                Some(sent) = self.sending.join_next(), if !self.sending.is_empty() => {
                    self.absence.hear(sent.unwrap_or(Reached::Unasked));
                    has_more && self.sending.len() <= half
                }
                () = queued => true,
                Some(receipt) = self.receipts.recv() => {
                    self.receive(receipt, 1).await;
                    false
                }
                _ = ticks.tick() => true,
            };
        }
        while self.sending.join_next().await.is_some() {}
    }

    /// Sends what is due; whether there may be more of it.
    async fn look(&mut self, counted: &mut Option<Stopwatch>) -> bool {
        let has_more = self.take().await.unwrap_or_else(|error| {
            tracing::warn!(%error, channel = self.channel.kind().name(), "notices cannot be leased");
            false
        });
        self.receive_again().await;
        self.count(counted).await;
        has_more
    }

    /// Takes what is due, as much as may be sent at once; whether there may be more.
    async fn take(&mut self) -> Result<bool, StoreError> {
        let options = self.notices.inner.options;
        let free = options.at_once.saturating_sub(self.sending.len());
        let (limit, urgency) = match free.checked_sub(options.kept_for_urgent) {
            Some(limit) if limit > 0 => (limit, ANY),
            _ => (free, URGENT),
        };
        if limit == 0 {
            return Ok(true);
        }
        let Some(limit) = self.absence.limit(limit) else { return Ok(false) };
        let owner = self.notices.inner.parts.ids.uuid().map_err(|error| StoreError::Refused(error.to_string()))?;
        let lease = Lease {
            owner,
            channel: self.channel.kind(),
            limit: i64::try_from(limit).unwrap_or(i64::MAX),
            urgency,
            lease_for: options.lease_for,
        };
        let Ok(Done::Leased(leased)) = self.notices.write(Step::Lease(lease)).await? else { return Ok(false) };
        let has_more = leased.len() >= limit;
        for notice in leased {
            self.sending.spawn(send(self.notices.clone(), self.channel.clone(), notice));
        }
        Ok(has_more)
    }

    async fn receive(&mut self, receipt: Receipt, tries: u32) {
        let channel = self.channel.kind();
        metrics::counter!("bankhub_notice_receipts_total", "channel" => channel.name(), "lost" => receipt.is_lost.to_string())
            .increment(1);
        let step = Step::Receipt { channel, receipt: receipt.clone() };
        let known = matches!(self.notices.write(step).await, Ok(Ok(Done::Received(true))));
        if !known && tries < RECEIPT_TRIES && self.early.len() < MOST_EARLY_RECEIPTS {
            self.early.push((receipt, tries + 1));
        }
    }

    async fn receive_again(&mut self) {
        for (receipt, tries) in std::mem::take(&mut self.early) {
            self.receive(receipt, tries).await;
        }
    }

    async fn count(&self, counted: &mut Option<Stopwatch>) {
        if counted.is_some_and(|counted| counted.elapsed() < COUNT_EVERY) {
            return;
        }
        let channel = self.channel.kind();
        if let Ok((queued, dead)) = sql::count_waiting(&self.notices.inner.parts.store, channel).await {
            metrics::gauge!("bankhub_notices_queued", "channel" => channel.name()).set(queued as f64);
            metrics::gauge!("bankhub_notices_dead", "channel" => channel.name()).set(dead as f64);
        }
        *counted = Some(Stopwatch::start());
    }
}

/// Whether the other side was there for a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reached {
    Yes,
    No,
    /// It was not asked.
    Unasked,
}

/// How long the other side has been away, so that it is asked by one letter now and then instead of by all of them, over and over.
#[derive(Debug, Default)]
struct Absence {
    /// Since it was found to be away last, and how long it is left alone after that.
    since: Option<(Stopwatch, Duration)>,
}

impl Absence {
    fn hear(&mut self, reached: Reached) {
        match (reached, &self.since) {
            (Reached::Yes, _) => self.since = None,
            (Reached::No, None) => self.since = Some((Stopwatch::start(), FIRST_ABSENCE)),
            // Those that were on their way together say it once.
            (Reached::No, Some((since, pause))) if since.elapsed() >= *pause => {
                self.since = Some((Stopwatch::start(), pause.saturating_mul(2).min(LONGEST_ABSENCE)));
            }
            (Reached::No, Some(_)) | (Reached::Unasked, _) => {}
        }
    }

    /// How many letters may be sent, of so many otherwise.
    fn limit(&self, usual: usize) -> Option<usize> {
        match &self.since {
            None => Some(usual),
            Some((since, pause)) => (since.elapsed() >= *pause).then_some(1),
        }
    }
}

/// One try of one notice.
async fn send(notices: Notices, channel: Arc<dyn Channel>, notice: Leased) -> Reached {
    let (id, kind, name) = (notice.notice_id, notice.kind, channel.kind().name());
    // Killed here, it waits for the end of its lease and goes out for the first time.
    fault::point("hub.notify.leased");
    let outcome = match try_to_send(&notices, &*channel, &notice).await {
        Ok(outcome) => outcome,
        Err(error @ (StoreError::Refused(_) | StoreError::Unreadable { .. })) => {
            tracing::error!(%error, notice_id = %id, "a notice cannot be read");
            Outcome::Failed(SendError::Later { code: "UNREADABLE".to_owned(), pause: Duration::ZERO })
        }
        // The lease ends, and it is tried again.
        Err(error) => {
            tracing::warn!(%error, notice_id = %id, "a notice cannot be read now");
            return Reached::Unasked;
        }
    };
    let reached = match &outcome {
        Outcome::Failed(SendError::Away { .. }) => Reached::No,
        Outcome::Dropped(_) => Reached::Unasked,
        Outcome::Sent { .. } | Outcome::Failed(_) => Reached::Yes,
    };
    // Killed here, the notice goes out again under the same id when its lease has ended.
    fault::point("hub.notify.sent");
    let mut jitter = [0];
    let _ = notices.inner.parts.rng.fill(&mut jitter);
    let [jitter] = jitter;
    match notices.write(Step::Tried(Tried { notice, outcome, jitter })).await {
        Ok(Ok(Done::Marked(Some(verdict)))) => {
            fault::point("hub.notify.marked");
            tell(id, kind, name, &verdict);
        }
        Ok(_) => tracing::info!(notice_id = %id, channel = name, "another worker has taken a notice over"),
        Err(error) => tracing::warn!(%error, notice_id = %id, "what became of a notice could not be written down"),
    }
    reached
}

async fn try_to_send(notices: &Notices, channel: &dyn Channel, notice: &Leased) -> Result<Outcome, StoreError> {
    let now = notices.inner.parts.clock.now();
    if notice.expires_at.is_some_and(|end| end <= now) {
        return Ok(Outcome::Dropped("EXPIRED"));
    }
    let letter = match notices.letter(channel.kind(), notice).await? {
        Ok(letter) => letter,
        Err(why) => return Ok(Outcome::Dropped(why)),
    };
    let sent = timeout(notices.inner.options.send_within, channel.send(&letter)).await;
    Ok(match sent {
        Ok(Ok(sent)) => Outcome::Sent { provider_id: sent.provider_id },
        Ok(Err(error)) => Outcome::Failed(error),
        Err(_) => Outcome::Failed(SendError::Unknown { code: "TIMED_OUT".to_owned() }),
    })
}

/// Tells the log and the metrics; never whom it was for or what it said.
fn tell(notice_id: uuid::Uuid, kind: NoticeKind, channel: &'static str, verdict: &Verdict) {
    let result = match verdict {
        Verdict::Sent { .. } => "sent",
        Verdict::Again { .. } => "failed",
        Verdict::Dead { .. } => "dead",
    };
    metrics::counter!("bankhub_notices_total", "channel" => channel, "kind" => kind.name(), "result" => result)
        .increment(1);
    match verdict {
        Verdict::Sent { .. } => tracing::debug!(%notice_id, channel, kind = kind.name(), "a notice was sent"),
        Verdict::Again { tries, error, .. } => {
            tracing::info!(%notice_id, channel, kind = kind.name(), tries, error, "a notice is tried again");
        }
        Verdict::Dead { tries, error, .. } => {
            tracing::warn!(%notice_id, channel, kind = kind.name(), tries, error, "a notice was given up");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r6_a_channel_that_is_away_is_asked_by_one_letter_now_and_then() {
        let mut absence = Absence::default();
        assert_eq!(absence.limit(24), Some(24));
        for reached in [Reached::No, Reached::No, Reached::Unasked] {
            absence.hear(reached);
            assert_eq!(absence.limit(24), None);
        }
        let waited = |pause| Absence { since: Some((Stopwatch::start(), pause)) };
        let mut over = waited(Duration::ZERO);
        assert_eq!(over.limit(24), Some(1));
        over.hear(Reached::Yes);
        assert_eq!(over.limit(24), Some(24));
        let mut pauses = Absence::default();
        absence.hear(Reached::Yes);
        pauses.hear(Reached::No);
        assert!(matches!(pauses.since, Some((_, pause)) if pause == FIRST_ABSENCE));
    }
}
