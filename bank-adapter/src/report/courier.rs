//! The loop of whoever tells the hub something until the hub has taken it in.

use std::sync::Arc;
use std::time::Duration;

use server_kit::rng::SharedRng;
use server_kit::store::StoreError;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::credit_system::pause_after;
use crate::ledger::LedgerError;

/// How long to wait while the hub is away.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SenderOptions {
    /// The pause after the first failure; it doubles.
    pub(crate) pause: Duration,
    pub(crate) pause_at_most: Duration,
}

impl Default for SenderOptions {
    fn default() -> Self {
        Self { pause: Duration::from_millis(250), pause_at_most: Duration::from_secs(30) }
    }
}

/// What came of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Round {
    /// The hub has everything.
    Done,
    /// It has taken some in, and there may be more.
    More,
    /// It has not, and may later.
    Later,
    /// It never will: somebody has to look.
    Stopped,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    #[error("the hub answers {}: {}", .0.code(), .0.message())]
    Hub(#[from] Status),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whoever has messages for the hub.
pub(super) trait Told: Send {
    /// Sends one message, if there is one, and keeps what comes of it.
    fn round(&mut self) -> impl Future<Output = Round> + Send;

    /// Nothing more is sent until the node starts again.
    fn stopped(&self) {}
}

/// When messages go out.
#[derive(Debug)]
pub(super) struct Courier {
    pub(super) rng: SharedRng,
    pub(super) options: SenderOptions,
    /// Rings when there is something new.
    pub(super) bell: Arc<Notify>,
}

impl Courier {
    /// Tells until `stop`.
    pub(super) async fn run(self, mut told: impl Told, stop: CancellationToken) {
        let mut failures = 0_i64;
        loop {
            let Some(round) = stop.run_until_cancelled(told.round()).await else { return };
            failures = if round == Round::Later { failures.saturating_add(1) } else { 0 };
            let waited = match round {
                Round::Done => stop.run_until_cancelled(self.bell.notified()).await,
                Round::More => Some(()),
                Round::Later => {
                    let SenderOptions { pause: first, pause_at_most } = self.options;
                    let length = pause_after(failures, first, pause_at_most, self.spread());
                    stop.run_until_cancelled(tokio::time::sleep(length)).await
                }
                Round::Stopped => {
                    told.stopped();
                    stop.cancelled().await;
                    None
                }
            };
            if waited.is_none() {
                return;
            }
        }
    }

    fn spread(&self) -> u8 {
        let mut byte = [0];
        // Without randomness the pauses are whole, which is no reason not to wait.
        let _ = self.rng.fill(&mut byte);
        byte[0]
    }
}
