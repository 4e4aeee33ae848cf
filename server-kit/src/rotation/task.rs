//! What goes on by itself: a server says what it holds, reads its key file again on SIGHUP, and rewrites columns.

use std::io;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::count::count;
use super::steps::{Done, Rewritten, Step};
use super::{Rotation, RotationError};
use crate::clock::Stopwatch;
use crate::shutdown;
use crate::store::StoreError;

/// A page is followed by a pause of so many times what it took, so that payments have the database for most of the time.
const PAUSES: u32 = 3;

impl Rotation {
    /// Keeps up with the other servers and reads the key file again on every SIGHUP, until this server has `served`. Ends before that only when
    /// it cannot go on: the others write with a key that it lacks. Nobody is told that a server leaves, since something of it may still be
    /// written: the others go on without it once it has been silent for [`RotationOptions::alive`].
    pub fn run(&self, served: CancellationToken) -> io::Result<JoinHandle<()>> {
        let (this, mut requests) = (self.clone(), shutdown::reload_requests()?);
        Ok(tokio::spawn(async move {
            let mut ticks = interval(this.parts.options.every);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    () = served.cancelled() => return,
                    _ = ticks.tick() => {}
                    _ = requests.recv() => this.read_again().await,
                }
                match this.keep_up().await {
                    Ok(()) => {}
                    Err(RotationError::Store(StoreError::Stopped)) => return,
                    Err(RotationError::Store(error)) => tracing::warn!(%error, "the versions of keys cannot be said"),
                    Err(error) => {
                        tracing::error!(%error, "this server cannot go on with its keys");
                        return;
                    }
                }
            }
        }))
    }

    async fn read_again(&self) {
        match self.reload().await {
            Ok(()) => tracing::info!("the key file was read again"),
            Err(error) => tracing::error!(
                error = &error as &dyn std::error::Error,
                "the key file could not be read again; the keys from before stay in use"
            ),
        }
    }

    /// Rewrites what is under old versions, until `stop`.
    pub fn rewrite(&self, stop: CancellationToken) -> JoinHandle<()> {
        let this = self.clone();
        tokio::spawn(async move {
            let mut ticks = interval(this.parts.options.every);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    _ = ticks.tick() => {}
                }
                loop {
                    match this.rewrite_one(&stop).await {
                        Ok(true) if !stop.is_cancelled() => {}
                        Ok(_) => break,
                        Err(StoreError::Stopped) => return,
                        Err(error) => {
                            tracing::warn!(%error, "a column cannot be rewritten; it is tried again");
                            break;
                        }
                    }
                }
            }
        })
    }

    /// Rewrites everything that nobody else rewrites, for tests that say when.
    #[cfg(any(test, feature = "testing"))]
    pub async fn rewrite_all(&self) -> Result<(), StoreError> {
        let stop = CancellationToken::new();
        while self.rewrite_one(&stop).await? {}
        Ok(())
    }

    /// Rewrites one column that nobody rewrites. Says whether there may be another one to do at once.
    pub(super) async fn rewrite_one(&self, stop: &CancellationToken) -> Result<bool, StoreError> {
        let Done::Claimed(Some((place, version))) = self.writer.write(Step::Claim).await? else { return Ok(false) };
        let Some(column) = self.parts.columns.get(place) else { return Ok(false) };
        let Some(damaged) = self.walk(place, version, stop).await? else { return Ok(false) };
        // Rows that others had locked were passed over, and a server that was behind may have written more.
        let counted = count(&self.parts.store, &*self.parts.keys, column).await?;
        let left = counted.other_than(version);
        let is_done = left <= damaged;
        self.writer.write(Step::GiveBack { column: place, version, is_done }).await?;
        if is_done {
            tracing::info!(column = column.name(), version, damaged, "a column is under the new version of its key");
        }
        Ok(is_done)
    }

    /// Goes once through a column. Gives how many rows are damaged, or nothing when it has to end before the last.
    async fn walk(&self, place: usize, version: u32, stop: &CancellationToken) -> Result<Option<u64>, StoreError> {
        let options = self.parts.options;
        let (mut after, mut damaged, mut most, mut stays) = (None, 0_u64, i64::from(options.page), false);
        loop {
            let watch = Stopwatch::start();
            let step = Step::Rewrite { column: place, version, after: after.clone(), most, stays };
            let Rewritten { last, damaged: more } = match self.writer.write(step).await {
                Ok(Done::Rewritten(rewritten)) => rewritten,
                Ok(_) => return Ok(None),
                // For one of its rows there is another one in the way: one by one they say which, and that one is named and stays.
                Err(StoreError::Conflict) if !stays => {
                    (most, stays) = (1, most == 1);
                    continue;
                }
                Err(error) => return Err(error),
            };
            damaged = damaged.saturating_add(more);
            let Some(last) = last else { return Ok(Some(damaged)) };
            (after, most, stays) = (Some(last), i64::from(options.page), false);
            let pause: Duration = options.pause.max(watch.elapsed() * PAUSES);
            if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                return Ok(None);
            }
        }
    }
}
