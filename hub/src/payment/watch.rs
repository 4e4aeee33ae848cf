//! Terminals that wait for news of a payment.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::PaymentId;
use domain::payment::Payment;
use tokio::sync::watch;

/// Who waits for which payment, on this replica.
#[derive(Clone, Debug, Default)]
pub(super) struct Watchers {
    waiting: Arc<Mutex<HashMap<PaymentId, watch::Sender<u64>>>>,
}

/// A wake-up call for one payment; ends its registration when dropped.
#[derive(Debug)]
pub(super) struct Watching {
    payment: PaymentId,
    watchers: Watchers,
    news: watch::Receiver<u64>,
}

impl Watchers {
    pub(super) fn watch(&self, payment: PaymentId) -> Watching {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let news = waiting.entry(payment).or_insert_with(|| watch::Sender::new(0)).subscribe();
        Watching { payment, watchers: self.clone(), news }
    }

    pub(super) fn changed(&self, payment: &Payment) {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = waiting.get(&payment.id) {
            sender.send_modify(|count| *count = count.wrapping_add(1));
        }
    }
}

impl Watching {
    /// Waits until the payment has changed since the last call.
    pub(super) async fn changed(&mut self) {
        // The sender lives in the map as long as this does.
        let _ = self.news.changed().await;
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let mut waiting = self.watchers.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.get(&self.payment).is_some_and(|sender| sender.receiver_count() <= 1) {
            waiting.remove(&self.payment);
        }
    }
}
