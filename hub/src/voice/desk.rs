//! What a voice front asks of the hub.

use domain::card::{Pan, Pin};
use domain::freeze::Seen;
use domain::safety_code::SafetyCode;
use domain::text::Line;
use domain::{BankId, Money, OrderId, PhoneNumber, Reason, Timestamp};

pub use futures_util::future::BoxFuture;

/// Whoever calls, and what they may have done.
///
/// Nothing here tells whether a number is known: an unknown number gets the same answers, in the same words and with the same work, as
/// a known one with a wrong code. `Err(TooBusy)` means that this number, or everybody, has asked too much within the minute, and
/// `Err` with `StorageAway`, `ShuttingDown` or `Fault` that nothing is known; then the same call again is safe.
pub trait Desk: Send + Sync {
    /// Takes note of a call at its begin. `Ok` for known and unknown numbers alike; `Err(TooBusy)` for one that calls too often.
    fn identify<'a>(&'a self, caller: &'a PhoneNumber) -> BoxFuture<'a, Result<(), Reason>>;

    /// Sets the caller's safety code, once after each identity check, by a card of the caller's and its password. `Err` with
    /// `SafetyCodeGuessable`; `SafetyCodeNotSetByCard` where the hub has no key for PINs; `BankAway` when the card's bank does not
    /// answer; and `SafetyCodeCardRefused` for everything else, a wrong PIN of which counts at the bank as one at a terminal.
    fn set_safety_code<'a>(
        &'a self,
        caller: &'a PhoneNumber,
        pan: &'a Pan,
        pin: &'a Pin,
        code: &'a SafetyCode,
    ) -> BoxFuture<'a, Result<(), Reason>>;

    /// Freezes everything that the caller has bound; gives how it stands bank by bank after two seconds at most. `order_id` is made by
    /// the front for each wish of the caller's: the same one again changes nothing. `Err(SafetyCodeRefused)` for a wrong code, an
    /// unknown number, or one that was tried too often; `Err(IdTaken)` when the id was used for another wish.
    fn freeze<'a>(
        &'a self,
        caller: &'a PhoneNumber,
        code: &'a SafetyCode,
        order_id: OrderId,
    ) -> BoxFuture<'a, Result<Vec<AtBank>, Reason>>;

    /// Sets free whatever of the caller's is frozen; as [`freeze`](Self::freeze) otherwise. Empty when nothing was ever frozen.
    fn unfreeze<'a>(
        &'a self,
        caller: &'a PhoneNumber,
        code: &'a SafetyCode,
        order_id: OrderId,
    ) -> BoxFuture<'a, Result<Vec<AtBank>, Reason>>;

    /// The caller's last purchases over all banks, the latest first, 20 at most. `Err(SafetyCodeRefused)` as with freezing.
    fn last_purchases<'a>(
        &'a self,
        caller: &'a PhoneNumber,
        code: &'a SafetyCode,
        at_most: usize,
    ) -> BoxFuture<'a, Result<Vec<SpokenPurchase>, Reason>>;
}

/// How a caller's accounts and cards stand at one bank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AtBank {
    pub bank_id: BankId,
    /// What people call it.
    pub bank_name: Line,
    /// At least one.
    pub instruments: Vec<InstrumentStanding>,
}

/// How one account or card stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstrumentStanding {
    /// As a receipt may show it, such as `****4821`.
    pub masked: String,
    pub seen: Seen,
}

impl AtBank {
    /// Since when everything here is frozen, by the bank's clock; none while the bank has yet to confirm something of it.
    pub fn frozen_since(&self) -> Option<Timestamp> {
        let since = |standing: &InstrumentStanding| match standing.seen {
            Seen::Frozen(left) => Some(left.effective_at),
            _ => None,
        };
        let all: Option<Vec<Timestamp>> = self.instruments.iter().map(since).collect();
        all?.into_iter().max()
    }

    /// Whether the bank has confirmed that money goes out of everything here as before.
    pub fn is_free(&self) -> bool {
        self.instruments.iter().all(|standing| standing.seen == Seen::Free)
    }
}

/// A purchase as it is told over the telephone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpokenPurchase {
    pub amount: Money,
    /// What people call the merchant.
    pub merchant: Line,
    pub occurred_at: Timestamp,
    /// The last four digits of the account or the card; fewer when it shows fewer.
    pub last_four: String,
}
