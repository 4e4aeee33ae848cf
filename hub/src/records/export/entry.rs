//! A purchase as the entries of a statement.

use domain::purchase::{GiveBack, Purchase, PurchaseState};
use domain::{Money, Timestamp};
use jiff::Timestamp as Instant;

use super::super::scan::Recorded;

/// One entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    pub(super) purchase: &'a Purchase,
    /// What came back of the purchase, as a credit; otherwise it is the purchase itself, as a debit.
    pub(super) given_back: Option<&'a GiveBack>,
}

impl<'a> Entry<'a> {
    /// The purchase as a whole, and then each time that something of it came back.
    pub(super) fn of(recorded: &'a Recorded) -> impl Iterator<Item = Self> {
        let Recorded { purchase, given_back, .. } = recorded;
        let back = given_back.iter().map(move |given| Self { purchase, given_back: Some(given) });
        std::iter::once(Self { purchase, given_back: None }).chain(back)
    }

    pub(super) const fn came_back(&self) -> bool {
        self.given_back.is_some()
    }

    /// As it counts to the balance: a debit is below zero.
    pub(super) const fn signed(&self) -> Money {
        let Money { currency, minor } = self.purchase.amount;
        let minor = match self.given_back {
            Some(given) => given.amount_minor,
            None => minor.saturating_neg(),
        };
        Money { currency, minor }
    }

    /// When it was bought, or came back.
    pub(super) const fn at(&self) -> Timestamp {
        match self.given_back {
            Some(given) => given.given_at,
            None => self.purchase.occurred_at,
        }
    }

    pub(super) fn is_booked(&self) -> bool {
        self.purchase.state != PurchaseState::Held
    }

    pub(super) fn is_reversal(&self) -> bool {
        self.given_back.is_some_and(|given| given.reversal)
    }

    /// The same in every file: the payment's id, and for what came back its number behind it.
    pub(super) fn id(&self) -> String {
        let id = self.purchase.payment_id;
        match self.given_back {
            Some(given) => format!("{id}-back-{}", given.number),
            None => id.to_string(),
        }
    }
}

/// What the booked entries of a purchase add up to, in minor units.
pub(super) fn booked_minor(recorded: &Recorded) -> i64 {
    let booked = Entry::of(recorded).filter(Entry::is_booked);
    booked.map(|entry| entry.signed().minor).fold(0, i64::saturating_add)
}

/// A moment in UTC, written as `format` says. The record has no moment that no calendar has.
pub(super) fn utc(at: Timestamp, format: &str) -> String {
    Instant::from_microsecond(at.micros()).map(|at| at.strftime(format).to_string()).unwrap_or_default()
}
