//! A purchase as the entries of a statement.

use domain::purchase::{Purchase, PurchaseState};
use domain::{Money, Timestamp};
use jiff::Timestamp as Instant;

/// One entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    pub(super) purchase: &'a Purchase,
    /// What came back of the purchase, as a credit; otherwise the purchase itself, as a debit.
    pub(super) came_back: bool,
}

impl<'a> Entry<'a> {
    /// The purchase as a whole, and then what came back of it, if anything did.
    pub(super) fn of(purchase: &'a Purchase) -> impl Iterator<Item = Self> {
        let back = (purchase.given_back_minor > 0).then_some(Self { purchase, came_back: true });
        std::iter::once(Self { purchase, came_back: false }).chain(back)
    }

    /// Above zero.
    pub(super) const fn amount(&self) -> Money {
        let purchase = self.purchase;
        let minor = if self.came_back { purchase.given_back_minor } else { purchase.amount.minor };
        Money { currency: purchase.amount.currency, minor }
    }

    /// As it counts to the balance: a debit is below zero.
    pub(super) const fn signed(&self) -> Money {
        let Money { currency, minor } = self.amount();
        Money { currency, minor: if self.came_back { minor } else { minor.saturating_neg() } }
    }

    pub(super) fn is_booked(&self) -> bool {
        self.purchase.state != PurchaseState::Held
    }

    pub(super) fn is_reversal(&self) -> bool {
        self.came_back && self.purchase.state == PurchaseState::Reversed
    }
}

/// What the booked entries of a purchase add up to, in minor units.
pub(super) fn booked_minor(purchase: &Purchase) -> i64 {
    let booked = Entry::of(purchase).filter(Entry::is_booked);
    booked.map(|entry| entry.signed().minor).fold(0, i64::saturating_add)
}

/// A moment in UTC, written as `format` says. The record has no moment that no calendar has.
pub(super) fn utc(at: Timestamp, format: &str) -> String {
    Instant::from_microsecond(at.micros()).map(|at| at.strftime(format).to_string()).unwrap_or_default()
}
