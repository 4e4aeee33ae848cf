//! Group commit: all durable steps of a capability go through one task, which runs as many as have queued in one
//! transaction and answers nobody before that is on disk.

use std::fmt::{self, Debug};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::{Store, StoreError, Tx};

/// How a capability runs a set of steps.
///
/// Contract: a step that is run again after it was committed gives the outcome that it gave then. The writer relies on
/// that when the outcome of a COMMIT is unknown: it runs the steps again on a new connection rather than guessing.
/// A step that is refused by a rule is an outcome, not an error, and spoils nobody else's.
pub trait StepSet: Send + Sync + 'static {
    type Step: Send + Sync + 'static;
    type Outcome: Send + 'static;

    /// Loads what the steps name, decides one after the other in memory, writes each table once; gives an outcome for
    /// each step, in order. The transaction is committed by the writer.
    fn run(
        &self,
        tx: &mut Tx,
        steps: &[Self::Step],
    ) -> impl Future<Output = Result<Vec<Self::Outcome>, StoreError>> + Send;

    /// Called after the commit and before anyone is answered, to tell those who wait for news.
    fn committed(&self, _steps: &[Self::Step], _outcomes: &[Self::Outcome]) {}

    /// Called when a transaction was dropped or its outcome is unknown: what is remembered of the database is stale.
    fn dropped(&self) {}
}

/// Bounds of a writer.
#[derive(Clone, Copy, Debug)]
pub struct WriterOptions {
    /// Steps that may wait; more are refused with [`StoreError::Full`].
    pub queue: usize,
    /// Steps in one transaction.
    pub batch: usize,
    /// Runs of a set before its steps are run one by one, and runs of a single step before it fails.
    pub tries: u32,
    /// The pause before the second run; it doubles for each further one.
    pub pause: Duration,
}

impl Default for WriterOptions {
    fn default() -> Self {
        Self { queue: 8192, batch: 256, tries: 4, pause: Duration::from_millis(5) }
    }
}

/// The door to a capability's writer. Cheap to clone; the task ends when the last door is closed.
pub struct GroupWriter<S: StepSet> {
    queue: mpsc::Sender<Queued<S>>,
}

impl<S: StepSet> Debug for GroupWriter<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupWriter").field("depth", &self.depth()).finish()
    }
}

impl<S: StepSet> Clone for GroupWriter<S> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone() }
    }
}

struct Queued<S: StepSet> {
    step: S::Step,
    reply: oneshot::Sender<Result<S::Outcome, StoreError>>,
}

impl<S: StepSet> GroupWriter<S> {
    /// Starts the task.
    pub fn start(store: Store, set: Arc<S>, options: WriterOptions) -> (Self, JoinHandle<()>) {
        let (queue, steps) = mpsc::channel(options.queue);
        let task = tokio::spawn(Task { store, set, options }.run(steps));
        (Self { queue }, task)
    }

    /// Queues a step and waits until it is durable. Never waits for room: a full queue is said at once.
    pub async fn write(&self, step: S::Step) -> Result<S::Outcome, StoreError> {
        let (reply, outcome) = oneshot::channel();
        self.queue.try_send(Queued { step, reply }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StoreError::Full,
            mpsc::error::TrySendError::Closed(_) => StoreError::Stopped,
        })?;
        outcome.await.unwrap_or(Err(StoreError::Stopped))
    }

    /// Steps that wait now.
    pub fn depth(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }
}

struct Task<S: StepSet> {
    store: Store,
    set: Arc<S>,
    options: WriterOptions,
}

impl<S: StepSet> Task<S> {
    async fn run(self, mut queue: mpsc::Receiver<Queued<S>>) {
        while let Some(first) = queue.recv().await {
            let mut steps = vec![first.step];
            let mut replies = vec![first.reply];
            while steps.len() < self.options.batch {
                let Ok(next) = queue.try_recv() else { break };
                steps.push(next.step);
                replies.push(next.reply);
            }
            metrics::histogram!("bankhub_writer_batch_steps").record(steps.len() as f64);
            match self.run_set(&steps).await {
                Ok(outcomes) => {
                    for (reply, outcome) in replies.into_iter().zip(outcomes) {
                        // The caller may have gone; its step stands all the same.
                        let _ = reply.send(Ok(outcome));
                    }
                }
                Err(error) if steps.len() == 1 => {
                    if let Some(reply) = replies.pop() {
                        let _ = reply.send(Err(error));
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, steps = steps.len(), "a set of steps failed; running them one by one");
                    for (step, reply) in steps.iter().zip(replies) {
                        let outcome = self.run_set(std::slice::from_ref(step)).await;
                        let outcome = outcome.and_then(|all| all.into_iter().next().ok_or(StoreError::Stopped));
                        let _ = reply.send(outcome);
                    }
                }
            }
        }
    }

    async fn run_set(&self, steps: &[S::Step]) -> Result<Vec<S::Outcome>, StoreError> {
        let mut pause = self.options.pause;
        let mut tries = 1;
        loop {
            match self.run_once(steps).await {
                Ok(outcomes) => {
                    self.set.committed(steps, &outcomes);
                    return Ok(outcomes);
                }
                Err(error) => {
                    self.set.dropped();
                    if !error.passes_later() || tries >= self.options.tries {
                        return Err(error);
                    }
                    tracing::debug!(%error, tries, "a set of steps is run again");
                }
            }
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2);
            tries += 1;
        }
    }

    async fn run_once(&self, steps: &[S::Step]) -> Result<Vec<S::Outcome>, StoreError> {
        let mut tx = self.store.begin().await?;
        let outcomes = self.set.run(&mut tx, steps).await?;
        tx.commit().await?;
        Ok(outcomes)
    }
}
