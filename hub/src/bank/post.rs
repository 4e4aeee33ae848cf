//! Posting in sets: legs that are committed go out many at a time.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use domain::{BankId, LegId, PaymentId};

use super::Banks;
use super::queue::{SetCall, SetQueue};

/// What is told when legs are posted.
pub(crate) trait Posts: Send + Sync + 'static {
    fn posted(&self, payments: Vec<PaymentId>) -> impl Future<Output = ()> + Send;
}

/// The queues of all banks.
#[derive(Debug)]
pub(crate) struct PostQueue<P: Posts> {
    queue: SetQueue<Posting<P>>,
}

impl<P: Posts> PostQueue<P> {
    pub(crate) fn new(banks: Banks, done: Arc<P>) -> Self {
        Self { queue: SetQueue::new(Posting { banks, done }) }
    }

    /// Queues a committed leg. Nothing is lost when the queue is full or the process ends: the payment stays due, and the sweeper
    /// comes back to it.
    pub(crate) fn push(&self, bank: &BankId, leg: LegId, payment: PaymentId) {
        self.queue.push(bank, (leg, payment));
    }
}

#[derive(Debug)]
struct Posting<P> {
    banks: Banks,
    done: Arc<P>,
}

impl<P: Posts> SetCall for Posting<P> {
    type Item = (LegId, PaymentId);

    fn most(&self) -> usize {
        // The bank takes 512.
        256
    }

    async fn call(&self, bank: &BankId, items: Vec<(LegId, PaymentId)>) {
        let payments: HashMap<LegId, PaymentId> = items.into_iter().collect();
        let legs: Vec<LegId> = payments.keys().copied().collect();
        let posted = self.banks.post(bank, &legs).await;
        let posted = posted.iter().filter_map(|leg| payments.get(leg).copied()).collect();
        // By itself, so that the next call need not wait for it.
        let done = self.done.clone();
        tokio::spawn(async move { done.posted(posted).await });
    }
}
