//! Calls to banks in sets: what waits for one bank goes out together, when one of a few calls at a time is free. Whoever comes
//! alone does not wait.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::BankId;
use server_kit::trace::{Kind, Span};
use tokio::sync::{Semaphore, mpsc};

/// Items that may wait for one bank.
const MOST_WAITING: usize = 8192;
/// Calls to one bank that are under way at once.
const MOST_CALLS: usize = 2;
/// The second of them goes out when so many wait, for a bank works through one large set sooner than through two small ones …
const ENOUGH: usize = 48;
/// … or when the first has been out for this long.
const PATIENCE: Duration = Duration::from_millis(15);

/// A call that takes many items.
pub(super) trait SetCall: Send + Sync + 'static {
    type Item: Send + 'static;

    /// Items of one call.
    fn most(&self) -> usize;

    /// Makes the call. It ends when the bank has answered, or the time is over.
    fn call(&self, bank: &BankId, items: Vec<Self::Item>) -> impl Future<Output = ()> + Send;
}

/// The queues of all banks.
#[derive(Debug)]
pub(super) struct SetQueue<C: SetCall> {
    call: Arc<C>,
    queues: Mutex<HashMap<BankId, mpsc::Sender<C::Item>>>,
}

impl<C: SetCall> SetQueue<C> {
    pub(super) fn new(call: C) -> Self {
        Self { call: Arc::new(call), queues: Mutex::default() }
    }

    /// Queues an item. It is dropped when too many wait.
    pub(super) fn push(&self, bank: &BankId, item: C::Item) {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let queue = queues.entry(bank.clone()).or_insert_with(|| self.start(bank.clone()));
        let _ = queue.try_send(item);
    }

    fn start(&self, bank: BankId) -> mpsc::Sender<C::Item> {
        let (sender, queue) = mpsc::channel(MOST_WAITING);
        tokio::spawn(run(self.call.clone(), bank, queue));
        sender
    }
}

/// The span of what many go out in together: in the trace of the first, and linked with the others.
pub(super) fn set_span<'a>(name: &str, mut items: impl Iterator<Item = &'a Span>) -> Span {
    let set = Span::below(items.next().and_then(Span::context), name, Kind::Internal);
    set.link(items.filter_map(Span::context));
    set
}

async fn run<C: SetCall>(call: Arc<C>, bank: BankId, mut queue: mpsc::Receiver<C::Item>) {
    let calls = Arc::new(Semaphore::new(MOST_CALLS));
    let most = call.most();
    while let Ok(free) = calls.clone().acquire_owned().await {
        let mut items = Vec::new();
        if queue.recv_many(&mut items, most).await == 0 {
            return;
        }
        // A set of steps that was just committed wakes many who have something to add; they are let in first.
        tokio::task::yield_now().await;
        if calls.available_permits() + 1 < MOST_CALLS {
            let _ = tokio::time::timeout(PATIENCE, first_call_or_enough(&calls, &mut queue, &mut items, most)).await;
        }
        while items.len() < most
            && let Ok(item) = queue.try_recv()
        {
            items.push(item);
        }
        let (call, bank) = (call.clone(), bank.clone());
        tokio::spawn(async move {
            call.call(&bank, items).await;
            drop(free);
        });
    }
}

/// Waits until the call that is out has come back, or enough have come to go without it.
async fn first_call_or_enough<T>(calls: &Semaphore, queue: &mut mpsc::Receiver<T>, items: &mut Vec<T>, most: usize) {
    while items.len() < ENOUGH.min(most) {
        tokio::select! {
            _ = calls.acquire() => return,
            item = queue.recv() => match item {
                Some(item) => items.push(item),
                None => return,
            },
        }
    }
}
