//! Group commit: all durable steps of a capability go through one task, which runs as many as have queued in one
//! transaction and answers nobody before that is on disk.

use std::fmt::{self, Debug};
use std::future::Future;
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::{Store, StoreError, Tx};
use crate::clock::Stopwatch;

/// A COMMIT has this long even when the time of its set is over, since breaking it off would leave its outcome unknown.
const COMMIT_AT_LEAST: Duration = Duration::from_secs(1);

/// How a capability runs a set of steps.
///
/// Contract: a step that is run again after it was committed gives the outcome that it gave then. The writer relies on
/// that when the outcome of a COMMIT is unknown: it runs the steps again on a new connection rather than guessing.
/// A step that is refused by a rule is an outcome, not an error, and spoils nobody else's.
pub trait StepSet: Send + Sync + 'static {
    /// The writer's thread, for whoever looks at the process; 15 characters at most.
    const NAME: &'static str;

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
    fn dropped(&self, _why: &StoreError) {}

    /// Called after the first commit that succeeds since the outcome of one was unknown. Whatever that one has left was
    /// told to nobody.
    fn recovered(&self) {}

    /// Whether this step need not be run once its caller has gone.
    fn skippable(&self, _step: &Self::Step) -> bool {
        false
    }

    /// Whether [`StepSet::upkeep`] has anything to do; asked between two sets.
    fn wants_upkeep(&self) -> bool {
        false
    }

    /// What the capability keeps in order by itself: run between two sets every [`WriterOptions::upkeep_every`], and once
    /// after the last set. Followed by `committed` without steps, or by `dropped`.
    fn upkeep(&self, _tx: &mut Tx) -> impl Future<Output = Result<(), StoreError>> + Send {
        std::future::ready(Ok(()))
    }
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
    /// How long a set may take with all its runs, so that those who wait behind it hear in time that the database is away.
    pub within: Duration,
    /// How often upkeep is done.
    pub upkeep_every: Duration,
}

impl Default for WriterOptions {
    fn default() -> Self {
        Self {
            queue: 8192,
            batch: 256,
            tries: 4,
            pause: Duration::from_millis(5),
            within: Duration::from_secs(10),
            upkeep_every: Duration::from_secs(60),
        }
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
    reply: Reply<S>,
}

type Reply<S> = oneshot::Sender<Result<<S as StepSet>::Outcome, StoreError>>;

impl<S: StepSet> GroupWriter<S> {
    /// Starts the writer on a thread of its own. A set is a dozen statements with a wait after each; on the threads of the
    /// callers, the writer would wait each time behind the hundreds of them that the set before has just woken.
    pub fn start(store: Store, set: Arc<S>, options: WriterOptions) -> (Self, JoinHandle<()>) {
        let (queue, steps) = mpsc::channel(options.queue);
        let (running, ended) = oneshot::channel::<()>();
        let run = move || {
            let _running = running;
            match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime.block_on(async {
                    let store = store.with_own_connections();
                    Task { store, set, options, left_unknown: false }.run(steps).await;
                }),
                Err(error) => tracing::error!(%error, "the writer has no runtime"),
            }
        };
        let thread = std::thread::Builder::new().name(S::NAME.to_owned()).spawn(run);
        // Its end before time is a failure of the server, which watches the task.
        let task = tokio::spawn(async move {
            match thread {
                Ok(thread) => {
                    let _ = ended.await;
                    // Nothing is left for it to do, so this does not wait. A panic is one of the task, too.
                    if let Err(panic) = thread.join() {
                        std::panic::resume_unwind(panic);
                    }
                }
                Err(error) => tracing::error!(%error, "the writer has no thread"),
            }
        });
        (Self { queue }, task)
    }

    /// The same among the tasks of the caller's runtime, for tests that say which steps are in one set.
    #[cfg(test)]
    pub(super) fn start_here(store: Store, set: Arc<S>, options: WriterOptions) -> (Self, JoinHandle<()>) {
        let (queue, steps) = mpsc::channel(options.queue);
        let task = tokio::spawn(Task { store, set, options, left_unknown: false }.run(steps));
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
    /// The outcome of a COMMIT was unknown, and none has succeeded since.
    left_unknown: bool,
}

impl<S: StepSet> Task<S> {
    async fn run(mut self, mut queue: mpsc::Receiver<Queued<S>>) {
        let mut ticks = interval(self.options.upkeep_every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first tick is one period from here.
        ticks.reset();
        loop {
            let first = tokio::select! {
                biased;
                _ = ticks.tick() => {
                    self.keep_up().await;
                    continue;
                }
                first = queue.recv() => first,
            };
            let Some(first) = first else { break };
            let (steps, replies) = self.gather(first, &mut queue);
            if !steps.is_empty() {
                self.answer(&steps, replies).await;
            }
        }
        self.keep_up().await;
    }

    /// As many steps as have queued and fit into one transaction.
    fn gather(&self, first: Queued<S>, queue: &mut mpsc::Receiver<Queued<S>>) -> (Vec<S::Step>, Vec<Reply<S>>) {
        let (mut steps, mut replies) = (Vec::new(), Vec::new());
        let mut next = Some(first);
        while let Some(Queued { step, reply }) = next {
            if !(reply.is_closed() && self.set.skippable(&step)) {
                steps.push(step);
                replies.push(reply);
            }
            next = if steps.len() < self.options.batch { queue.try_recv().ok() } else { None };
        }
        (steps, replies)
    }

    /// Runs a set and answers its callers. Those who have gone are not missed: their steps stand all the same.
    async fn answer(&mut self, steps: &[S::Step], replies: Vec<Reply<S>>) {
        metrics::histogram!("bankhub_writer_batch_steps", "writer" => S::NAME).record(steps.len() as f64);
        let watch = Stopwatch::start();
        let done = self.run_set(steps, &watch).await;
        metrics::histogram!("bankhub_writer_set_seconds", "writer" => S::NAME).record(watch.elapsed());
        match done {
            Ok(outcomes) => {
                for (reply, outcome) in replies.into_iter().zip(outcomes) {
                    let _ = reply.send(Ok(outcome));
                }
            }
            Err(error) if steps.len() > 1 && error.is_of_one_step() => {
                tracing::warn!(%error, steps = steps.len(), "a set of steps failed; running them one by one");
                self.answer_one_by_one(steps, replies, &watch).await;
            }
            // It would be the same for each of them, one after the other.
            Err(error) => {
                for reply in replies {
                    let _ = reply.send(Err(error.clone()));
                }
            }
        }
    }

    async fn answer_one_by_one(&mut self, steps: &[S::Step], replies: Vec<Reply<S>>, watch: &Stopwatch) {
        let mut for_all = None;
        for (step, reply) in steps.iter().zip(replies) {
            if for_all.is_none() && self.left(watch).is_zero() {
                for_all = Some(StoreError::Away("no time was left to run this step by itself".to_owned()));
            }
            let outcome = match &for_all {
                Some(error) => Err(error.clone()),
                None => self.run_set(slice::from_ref(step), watch).await,
            };
            for_all = for_all.or_else(|| outcome.as_ref().err().filter(|error| !error.is_of_one_step()).cloned());
            let _ = reply.send(outcome.and_then(|all| all.into_iter().next().ok_or(StoreError::Stopped)));
        }
    }

    async fn run_set(&mut self, steps: &[S::Step], watch: &Stopwatch) -> Result<Vec<S::Outcome>, StoreError> {
        let mut pause = self.options.pause;
        let mut tries = 1;
        loop {
            match self.run_once(steps, watch).await {
                Ok(outcomes) => {
                    self.committed(steps, &outcomes);
                    return Ok(outcomes);
                }
                Err(error) => {
                    self.dropped(&error);
                    if !error.passes_later() || tries >= self.options.tries || self.left(watch) <= pause {
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

    async fn run_once(&self, steps: &[S::Step], watch: &Stopwatch) -> Result<Vec<S::Outcome>, StoreError> {
        let prepared = timeout(self.left(watch), async {
            let mut tx = self.store.begin().await?;
            let outcomes = self.set.run(&mut tx, steps).await?;
            // So that what the commit finds out is about the commit.
            tx.flush().await?;
            Ok::<_, StoreError>((tx, outcomes))
        });
        let (tx, outcomes) = prepared.await.unwrap_or_else(|_| Err(self.too_late()))?;
        self.commit(tx, watch).await?;
        Ok(outcomes)
    }

    async fn commit(&self, tx: Tx, watch: &Stopwatch) -> Result<(), StoreError> {
        match timeout(self.left(watch).max(COMMIT_AT_LEAST), tx.commit()).await {
            Ok(done) => done,
            Err(_) => Err(StoreError::CommitUnknown(self.too_late().to_string())),
        }
    }

    async fn keep_up(&mut self) {
        if !self.set.wants_upkeep() {
            return;
        }
        let watch = Stopwatch::start();
        let prepared = timeout(self.left(&watch), async {
            let mut tx = self.store.begin().await?;
            self.set.upkeep(&mut tx).await?;
            tx.flush().await?;
            Ok::<_, StoreError>(tx)
        });
        let done = match prepared.await.unwrap_or_else(|_| Err(self.too_late())) {
            Ok(tx) => self.commit(tx, &watch).await,
            Err(error) => Err(error),
        };
        match done {
            Ok(()) => self.committed(&[], &[]),
            Err(error) => {
                tracing::warn!(%error, "the upkeep of a writer failed and is tried again");
                self.dropped(&error);
            }
        }
    }

    fn committed(&mut self, steps: &[S::Step], outcomes: &[S::Outcome]) {
        self.set.committed(steps, outcomes);
        if std::mem::take(&mut self.left_unknown) {
            self.set.recovered();
        }
    }

    fn dropped(&mut self, why: &StoreError) {
        self.left_unknown |= matches!(why, StoreError::CommitUnknown(_));
        self.set.dropped(why);
    }

    /// What is left of the time that a set may take.
    fn left(&self, watch: &Stopwatch) -> Duration {
        self.options.within.saturating_sub(watch.elapsed())
    }

    fn too_late(&self) -> StoreError {
        StoreError::Away(format!("no answer within {} s", self.options.within.as_secs()))
    }
}
