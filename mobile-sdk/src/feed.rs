//! One stream of events from the hub, and a queue for each who listens.
//!
//! The stream begins after the least that any queue was offered, so that opening it again, from wherever, is always safe: a queue takes
//! an event only when it is newer than all that it was offered before. The cursor that is stored is the least that all have handled.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use proto::cardholder as pb;
use tokio::sync::Notify;

use crate::error::{Failure, Trouble};

mod keeper;
pub(crate) mod reader;

/// The file of the cursor: eight bytes, the highest first.
pub(crate) const CURSOR_FILE: &str = "cursor";
/// Events that may wait in one queue. While one is full the stream waits, and with it the hub.
const QUEUE: usize = 64;

/// How the stream is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nobody listens.
    Off,
    Connecting,
    Live,
    /// It was lost and is opened again after a pause.
    Waiting(Failure),
    /// It is opened again when the app asks for it: trying alone would not help, or would ask the person again and again.
    Stopped(Failure),
}

#[derive(Debug)]
struct Board {
    queues: Vec<Arc<Queue>>,
    /// The cursor as it is stored.
    kept: i64,
    /// How far the hub knows it.
    acknowledged: i64,
    /// How far the last one was who listened.
    reached: i64,
    phase: Phase,
    is_running: bool,
}

impl Board {
    /// What the last one who listened has handled is not told again to whoever comes next.
    fn leave_behind(&mut self, queue: &Queue) {
        if self.queues.is_empty() {
            self.reached = self.reached.max(queue.lock().handled);
        }
    }
}

/// Who listens, and how far everybody is.
#[derive(Debug)]
pub(crate) struct Feed {
    board: Mutex<Board>,
    /// Wakes the reader: somebody came or went, or the app wants the stream again at once.
    wake: Notify,
    /// Wakes the keeper: somebody has handled something.
    handled: Notify,
    /// Held while the cursor is stored, so that an older one does not overtake.
    keeping: Mutex<()>,
}

impl Feed {
    pub(crate) fn new(kept: i64) -> Self {
        let board =
            Board { queues: Vec::new(), kept, acknowledged: 0, reached: kept, phase: Phase::Off, is_running: false };
        Self { board: Mutex::new(board), wake: Notify::new(), handled: Notify::new(), keeping: Mutex::new(()) }
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A queue for one who listens, from the stored cursor or from where it says. Whether the tasks are still to be started.
    fn add(&self, after: Option<i64>) -> (Arc<Queue>, bool) {
        let mut board = self.board();
        let queue = Arc::new(Queue::new(after.unwrap_or(board.kept).max(0)));
        board.queues.push(queue.clone());
        let was_running = std::mem::replace(&mut board.is_running, true);
        drop(board);
        self.wake.notify_one();
        (queue, !was_running)
    }

    /// Takes a queue away; what waits in it is told to nobody.
    pub(crate) fn remove(&self, queue: &Arc<Queue>) {
        let mut board = self.board();
        board.queues.retain(|other| !Arc::ptr_eq(other, queue));
        queue.cancel();
        board.leave_behind(queue);
        drop(board);
        self.wake.notify_one();
        self.handled.notify_one();
    }

    pub(crate) fn cancel_all(&self) {
        let mut board = self.board();
        let queues = std::mem::take(&mut board.queues);
        queues.iter().for_each(|queue| queue.cancel());
    }

    pub(crate) fn phase(&self) -> Phase {
        self.board().phase.clone()
    }

    /// The stored cursor, and how far the hub knows it.
    pub(crate) fn cursor(&self) -> (i64, i64) {
        let board = self.board();
        (board.kept, board.acknowledged)
    }

    pub(crate) fn listening(&self) -> usize {
        self.board().queues.len()
    }

    /// Opens the stream now, if it waits or has stopped.
    pub(crate) fn resume(&self) {
        self.wake.notify_one();
    }

    fn set_phase(&self, phase: Phase) {
        let mut board = self.board();
        if let Phase::Stopped(failure) = &phase {
            board.queues.iter().for_each(|queue| queue.fail(failure));
        }
        board.phase = phase;
    }

    fn queues(&self) -> Vec<Arc<Queue>> {
        self.board().queues.clone()
    }

    /// The least that anybody was offered; none when nobody listens.
    fn lowest_offered(&self) -> Option<i64> {
        self.queues().iter().map(|queue| queue.lock().offered).min()
    }

    /// What has been handled by all who listen, beyond the stored cursor.
    fn to_keep(&self) -> Option<i64> {
        let board = self.board();
        let lowest = board.queues.iter().map(|queue| queue.lock().handled).min().unwrap_or(board.reached);
        (lowest > board.kept).then_some(lowest)
    }

    pub(crate) fn note_handled(&self, queue: &Queue, sequence: i64) -> Result<(), Trouble> {
        queue.mark_handled(sequence)?;
        self.handled.notify_one();
        Ok(())
    }
}

struct QueueState {
    waiting: VecDeque<pb::Event>,
    /// The newest that was put in.
    offered: i64,
    /// The newest that was taken out.
    taken: i64,
    /// All up to this one are handled.
    handled: i64,
    failure: Option<Failure>,
    is_cancelled: bool,
}

impl fmt::Debug for QueueState {
    /// Events have codes, which nobody is to read here.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (waiting, offered, handled) = (self.waiting.len(), self.offered, self.handled);
        let mut shown = f.debug_struct("QueueState");
        shown.field("waiting", &waiting).field("offered", &offered).field("handled", &handled).finish_non_exhaustive()
    }
}

/// What waits for one who listens.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<QueueState>,
    /// Takers come one after the other.
    turn: tokio::sync::Mutex<()>,
    filled: Notify,
    emptied: Notify,
}

/// What became of an event that was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Offer {
    /// It waits, or need not.
    Done,
    Full,
}

impl Queue {
    fn new(after: i64) -> Self {
        let state = QueueState {
            waiting: VecDeque::new(),
            offered: after,
            taken: after,
            handled: after,
            failure: None,
            is_cancelled: false,
        };
        let turn = tokio::sync::Mutex::new(());
        Self { state: Mutex::new(state), turn, filled: Notify::new(), emptied: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn offer(&self, event: &pb::Event) -> Offer {
        let mut state = self.lock();
        if state.is_cancelled || event.sequence <= state.offered {
            return Offer::Done;
        }
        if state.waiting.len() >= QUEUE {
            return Offer::Full;
        }
        state.offered = event.sequence;
        state.waiting.push_back(event.clone());
        drop(state);
        self.filled.notify_one();
        Offer::Done
    }

    /// Whether it was not offered everything up to this event.
    fn is_behind(&self, at: i64) -> bool {
        self.lock().offered < at
    }

    fn fail(&self, failure: &Failure) {
        self.lock().failure = Some(failure.clone());
        self.filled.notify_one();
    }

    fn cancel(&self) {
        let mut state = self.lock();
        state.is_cancelled = true;
        state.waiting.clear();
        drop(state);
        self.filled.notify_one();
        self.emptied.notify_one();
    }

    /// Whether a taker would not have to wait.
    pub(crate) fn has_news(&self) -> bool {
        let state = self.lock();
        state.is_cancelled || state.failure.is_some() || !state.waiting.is_empty()
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.lock().is_cancelled
    }

    fn take(&self) -> Option<Result<pb::Event, Failure>> {
        let mut state = self.lock();
        if state.is_cancelled {
            // The next one who waits is to find out too.
            self.filled.notify_one();
            return Some(Err(Trouble::SubscriptionCancelled.into()));
        }
        if let Some(event) = state.waiting.pop_front() {
            state.taken = event.sequence;
            drop(state);
            self.emptied.notify_one();
            return Some(Ok(event));
        }
        state.failure.take().map(Err)
    }

    /// The oldest event that was not taken yet. `Err` when it was cancelled, or once when the stream has stopped. Whoever stops waiting has
    /// taken nothing.
    pub(crate) async fn next(&self) -> Result<pb::Event, Failure> {
        let _turn = self.turn.lock().await;
        loop {
            if let Some(taken) = self.take() {
                return taken;
            }
            self.filled.notified().await;
        }
    }

    fn mark_handled(&self, sequence: i64) -> Result<(), Trouble> {
        let mut state = self.lock();
        if state.is_cancelled {
            return Err(Trouble::SubscriptionCancelled);
        }
        if sequence > state.taken {
            return Err(Trouble::EventNotTaken);
        }
        state.handled = state.handled.max(sequence);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
