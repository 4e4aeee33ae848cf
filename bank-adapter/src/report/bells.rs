//! Who is woken when a set is committed that has something to tell.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use server_kit::fault;
use tokio::sync::Notify;

/// What a set of steps has to tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct News {
    pub(super) purchases: bool,
    pub(super) bills: bool,
}

/// Rings when there is something new, once it is durable.
#[derive(Debug, Default)]
pub(crate) struct Bells {
    reported: Arc<Notify>,
    billed: Arc<Notify>,
    has_purchases: AtomicBool,
    has_bills: AtomicBool,
}

impl Bells {
    /// Rings when there is a new report of a purchase.
    pub(crate) fn reported(&self) -> Arc<Notify> {
        self.reported.clone()
    }

    /// Rings when a bill stands otherwise.
    pub(crate) fn billed(&self) -> Arc<Notify> {
        self.billed.clone()
    }

    /// Before the set is committed.
    pub(crate) fn prepare(&self, news: News) {
        self.has_purchases.store(news.purchases, Ordering::SeqCst);
        self.has_bills.store(news.bills, Ordering::SeqCst);
        if news.purchases {
            fault::point("report.before");
        }
        if news.bills {
            fault::point("bill.before");
        }
    }

    /// It is durable.
    pub(crate) fn ring(&self) {
        if self.has_purchases.swap(false, Ordering::SeqCst) {
            fault::point("report.after");
            self.reported.notify_one();
        }
        if self.has_bills.swap(false, Ordering::SeqCst) {
            fault::point("bill.after");
            self.billed.notify_one();
        }
    }

    /// It is not.
    pub(crate) fn forget(&self) {
        self.has_purchases.store(false, Ordering::SeqCst);
        self.has_bills.store(false, Ordering::SeqCst);
    }
}
