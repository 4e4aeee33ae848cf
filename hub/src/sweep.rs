//! What is looked for again and again.

use std::future::Future;
use std::time::Duration;

use server_kit::store::StoreError;
use tokio_util::sync::CancellationToken;

/// Has `some` of what is due done every `every`, and at once again while it says that there may be more, until the server drains. A
/// failure is logged, and what is due then is tried again at the next turn. `what` says in the log what it was.
pub(crate) async fn sweep<F>(
    what: &'static str,
    every: Duration,
    draining: CancellationToken,
    mut some: impl FnMut() -> F,
) where
    F: Future<Output = Result<bool, StoreError>>,
{
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = draining.cancelled() => return,
            _ = ticks.tick() => {}
        }
        while !draining.is_cancelled() {
            match some().await {
                Ok(true) => {}
                Ok(false) => break,
                // The writer has ended by itself, and so must this task, which the server watches.
                Err(StoreError::Stopped) => return,
                Err(error) => {
                    tracing::warn!(what, %error, "what is due could not be done; it is tried again");
                    break;
                }
            }
        }
    }
}
