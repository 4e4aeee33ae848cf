//! Terminals that wait for news of a payment.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::payment::Payment;
use domain::{PaymentId, TerminalId};
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

/// How many payments each terminal follows at once, and how many it may.
#[derive(Clone, Debug)]
pub(super) struct Places {
    most: usize,
    taken: Arc<Mutex<HashMap<TerminalId, usize>>>,
}

/// One of a terminal's places; free again when dropped.
#[derive(Debug)]
pub(super) struct Place {
    terminal: TerminalId,
    places: Places,
}

impl Places {
    pub(super) fn new(most: usize) -> Self {
        Self { most, taken: Arc::default() }
    }

    pub(super) fn take(&self, terminal: &TerminalId) -> Option<Place> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(terminal.clone()).or_insert(0);
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Place { terminal: terminal.clone(), places: self.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.terminal) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.terminal);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_has_its_places_and_gets_them_back() {
        let places = Places::new(2);
        let (till, other) = (TerminalId::parse("till-1").unwrap(), TerminalId::parse("till-2").unwrap());
        let first = places.take(&till);
        let _second = places.take(&till);
        assert!(places.take(&till).is_none());
        assert!(places.take(&other).is_some());
        drop(first);
        assert!(places.take(&till).is_some());
    }
}
