//! The person's feed as the phone sees it: every event once, in order, over as many streams as it takes.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::{PaymentId, Reason};
use proto::cardholder as pb;
use proto::cardholder::event::Kind;
use secrecy::SecretString;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::{Phone, PhoneError};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How a feed is followed.
#[derive(Clone, Copy, Debug)]
pub struct FeedOptions {
    /// The last sequence that was handled.
    pub after_sequence: i64,
    /// Events that may wait to be taken.
    pub buffer: usize,
}

impl FeedOptions {
    pub const fn after(after_sequence: i64) -> Self {
        Self { after_sequence, buffer: 256 }
    }
}

/// Events as they come. Streams that end are opened again from where they ended; what comes twice is told once.
#[derive(Debug)]
pub struct Feed {
    events: mpsc::Receiver<Result<pb::Event, PhoneError>>,
    follower: JoinHandle<()>,
    /// Codes that came before somebody asked for them.
    codes: BTreeMap<String, String>,
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.follower.abort();
    }
}

impl Phone {
    /// Follows the feed in a task of its own.
    pub fn follow(&self, options: FeedOptions) -> Feed {
        let (send, events) = mpsc::channel(options.buffer.max(1));
        let phone = self.clone();
        let follower = tokio::spawn(async move { phone.pump(options.after_sequence, &send).await });
        Feed { events, follower, codes: BTreeMap::new() }
    }

    async fn pump(&self, after_sequence: i64, send: &mpsc::Sender<Result<pb::Event, PhoneError>>) {
        let (mut handled, mut pause) = (after_sequence, FIRST_PAUSE);
        loop {
            let before = handled;
            match self.pump_once(&mut handled, send).await {
                Ok(()) => {}
                Err(PhoneError::FeedEnded) => return,
                Err(error) if error.passes_later() => {
                    tracing::debug!(%error, "the stream of events broke; opening it again");
                    if error.reason() == Some(Reason::SessionInvalid) {
                        self.sign_out().await;
                    }
                }
                Err(error) => {
                    // Nobody listens when this fails, and then it does not matter.
                    let _ = send.send(Err(error)).await;
                    return;
                }
            }
            pause = if handled > before { FIRST_PAUSE } else { pause.saturating_mul(2).min(LONGEST_PAUSE) };
            tokio::time::sleep(pause).await;
        }
    }

    /// Passes on what one stream brings, until it ends.
    async fn pump_once(
        &self,
        handled: &mut i64,
        send: &mpsc::Sender<Result<pb::Event, PhoneError>>,
    ) -> Result<(), PhoneError> {
        let mut stream = self.events(*handled).await?;
        while let Some(message) = stream.message().await? {
            let event = message.event.ok_or(PhoneError::Unreadable("an event without content"))?;
            if event.sequence <= *handled {
                continue;
            }
            let sequence = event.sequence;
            send.send(Ok(event)).await.map_err(|_| PhoneError::FeedEnded)?;
            *handled = sequence;
        }
        Ok(())
    }
}

impl Feed {
    /// The next event; an error when the feed cannot go on.
    pub async fn next(&mut self) -> Result<pb::Event, PhoneError> {
        let event = self.events.recv().await.unwrap_or(Err(PhoneError::FeedEnded))?;
        if let Some(Kind::PaymentCode(code)) = &event.kind {
            self.codes.insert(code.payment_id.clone(), code.code.clone());
        }
        Ok(event)
    }

    /// Waits for the code of one payment. Other events are kept back for nobody: whoever wants them all uses
    /// [`Feed::next`] alone.
    pub async fn code_for(&mut self, payment: PaymentId, patience: Duration) -> Result<SecretString, PhoneError> {
        let wanted = payment.to_string();
        let waiting = async {
            loop {
                if let Some(code) = self.codes.remove(&wanted) {
                    return Ok(SecretString::from(code));
                }
                self.next().await?;
            }
        };
        tokio::time::timeout(patience, waiting).await.unwrap_or(Err(PhoneError::NoCode(patience)))
    }

    /// Waits for the first event that `wanted` takes.
    pub async fn find<T>(
        &mut self,
        patience: Duration,
        wanted: impl Fn(&pb::Event) -> Option<T>,
    ) -> Result<T, PhoneError> {
        let waiting = async {
            loop {
                if let Some(found) = wanted(&self.next().await?) {
                    return Ok(found);
                }
            }
        };
        tokio::time::timeout(patience, waiting).await.unwrap_or(Err(PhoneError::NoCode(patience)))
    }
}
