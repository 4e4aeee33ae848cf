//! Posting in sets: legs that are committed go out many at a time.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use domain::{BankId, LegId, PaymentId};
use server_kit::trace::{Kind, Span};

use super::Banks;
use super::queue::{SetCall, SetQueue, set_span};

/// What is told when legs are posted.
pub(crate) trait Posts: Send + Sync + 'static {
    fn posted(&self, payments: Vec<(PaymentId, Span)>) -> impl Future<Output = ()> + Send;
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
        let span = Span::begin("post", Kind::Internal);
        span.note("bankhub.payment.id", || payment.to_string());
        span.note("bankhub.leg.id", || leg.to_string());
        span.note("bankhub.bank", || bank.to_string());
        self.queue.push(bank, Item { leg, payment, span });
    }
}

/// A leg, its payment, and the time that posting it takes.
#[derive(Debug)]
struct Item {
    leg: LegId,
    payment: PaymentId,
    span: Span,
}

#[derive(Debug)]
struct Posting<P> {
    banks: Banks,
    done: Arc<P>,
}

impl<P: Posts> SetCall for Posting<P> {
    type Item = Item;

    fn most(&self) -> usize {
        // The bank takes 512.
        256
    }

    async fn call(&self, bank: &BankId, items: Vec<Item>) {
        let set = set_span("post set", items.iter().map(|item| &item.span));
        let mut payments: HashMap<LegId, (PaymentId, Span)> =
            items.into_iter().map(|item| (item.leg, (item.payment, item.span))).collect();
        let legs: Vec<LegId> = payments.keys().copied().collect();
        let posted = set.run(self.banks.post(bank, &legs)).await;
        let posted = posted.iter().filter_map(|leg| payments.remove(leg)).collect();
        payments.values().for_each(|(_, span)| span.fail());
        // By itself, so that the next call need not wait for it.
        let done = self.done.clone();
        tokio::spawn(async move { done.posted(posted).await });
    }
}
