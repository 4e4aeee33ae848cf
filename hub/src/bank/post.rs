//! Posting in sets: legs that are committed queue per bank and go out many at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::{BankId, LegId, PaymentId};
use tokio::sync::mpsc;

use super::Banks;

/// Legs of one call; the bank takes 512.
const MOST_LEGS: usize = 256;
/// Legs that may wait for one bank; what does not fit is left to the sweeper.
const MOST_WAITING: usize = 8192;
/// Calls to one bank that are under way at once.
const MOST_CALLS: usize = 2;

/// What is told when legs are posted.
pub(crate) trait Posts: Send + Sync + 'static {
    fn posted(&self, payments: Vec<PaymentId>) -> impl Future<Output = ()> + Send;
}

/// The queues of all banks.
#[derive(Debug)]
pub(crate) struct PostQueue<P> {
    banks: Banks,
    done: Arc<P>,
    queues: Mutex<HashMap<BankId, mpsc::Sender<(LegId, PaymentId)>>>,
}

impl<P: Posts> PostQueue<P> {
    pub(crate) fn new(banks: Banks, done: Arc<P>) -> Self {
        Self { banks, done, queues: Mutex::default() }
    }

    /// Queues a committed leg. Nothing is lost when the queue is full or the process ends: the payment stays due, and the sweeper
    /// comes back to it.
    pub(crate) fn push(&self, bank: &BankId, leg: LegId, payment: PaymentId) {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let queue = queues.entry(bank.clone()).or_insert_with(|| self.start(bank.clone()));
        let _ = queue.try_send((leg, payment));
    }

    fn start(&self, bank: BankId) -> mpsc::Sender<(LegId, PaymentId)> {
        let (sender, queue) = mpsc::channel(MOST_WAITING);
        tokio::spawn(run(self.banks.clone(), self.done.clone(), bank, queue));
        sender
    }
}

async fn run<P: Posts>(banks: Banks, done: Arc<P>, bank: BankId, mut queue: mpsc::Receiver<(LegId, PaymentId)>) {
    let calls = Arc::new(tokio::sync::Semaphore::new(MOST_CALLS));
    let mut legs = Vec::with_capacity(MOST_LEGS);
    while let Ok(permit) = calls.clone().acquire_owned().await {
        if queue.recv_many(&mut legs, MOST_LEGS).await == 0 {
            return;
        }
        let batch: HashMap<LegId, PaymentId> = legs.drain(..).collect();
        let (banks, done, bank) = (banks.clone(), done.clone(), bank.clone());
        tokio::spawn(async move {
            let legs: Vec<LegId> = batch.keys().copied().collect();
            let posted = banks.post(&bank, &legs).await;
            drop(permit);
            done.posted(posted.iter().filter_map(|leg| batch.get(leg).copied()).collect()).await;
        });
    }
}
