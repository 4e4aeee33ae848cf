//! A top-up: cash that a merchant has taken, paid in to what a number pays with (M3).
//!
//! It is a payment that comes in: HOLDING at once, since no code is needed for money to come in, and from there the way of every payment.
//! How much cash one terminal takes in a day, and one person pays in, is bounded where the top-up is taken in, and given free again by one
//! that comes to nothing.

use std::sync::Arc;

use super::{Charge, Kind, PayerGuard, PayingInstrument, Payment, Policy, State};
use crate::purchase::Terminal;
use crate::text::Line;
use crate::{LegId, Money, PaymentId, PersonId, Reason, Timestamp};

/// At most so much cash, in minor units of whatever currency it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopUpLimits {
    /// At once.
    pub once_minor: i64,
    /// For one person in a day.
    pub person_day_minor: i64,
    /// By one terminal in a day.
    pub terminal_day_minor: i64,
}

impl Default for TopUpLimits {
    fn default() -> Self {
        Self { once_minor: 500_000, person_day_minor: 1_000_000, terminal_day_minor: 5_000_000 }
    }
}

/// How much cash was taken of late: by one terminal, or for one person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CashTaken {
    /// The day on which it was last taken, counted in UTC from 1970.
    pub day: i64,
    /// How much on that day, in minor units.
    pub taken_minor: i64,
}

impl CashTaken {
    /// The day of a point in time, in UTC.
    pub const fn day_of(at: Timestamp) -> i64 {
        at.micros().div_euclid(86_400_000_000)
    }

    /// The same with this amount, unless it is more than a day may have.
    fn with(self, amount_minor: i64, now: Timestamp, most_minor: i64) -> Option<Self> {
        let day = Self::day_of(now);
        let before = if self.day == day { self.taken_minor } else { 0 };
        let taken_minor = before.checked_add(amount_minor).filter(|taken| *taken <= most_minor)?;
        Some(Self { day, taken_minor })
    }

    /// Gives free what a top-up took that came to nothing. What was taken on a day before counts no more.
    pub fn release(&mut self, payment: &Payment) {
        if self.day == Self::day_of(payment.created_at) {
            self.taken_minor = self.taken_minor.saturating_sub(payment.amount.minor).max(0);
        }
    }
}

/// The two counters of one top-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CashCounters {
    pub person: CashTaken,
    pub terminal: CashTaken,
}

/// A request to pay cash in, as a terminal made it.
#[derive(Clone, Debug, PartialEq)]
pub struct NewTopUp {
    pub id: PaymentId,
    pub terminal: Arc<Terminal>,
    pub fingerprint: [u8; 32],
    pub amount: Money,
    pub reference: Option<Line>,
    /// Whose number it is, and what it pays with; nobody's if the number is unknown.
    pub payee: Option<Payee>,
    pub leg_id: LegId,
}

/// Who gets the money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payee {
    pub person_id: PersonId,
    /// What the number pays with. Usable if its bank takes part: frozen or not yet active, money can come in (F4).
    pub instrument: Option<PayingInstrument>,
    /// That of the person's number when it was looked up.
    pub number_epoch: i64,
}

impl Payment {
    /// Takes a top-up in. Its leg is durable before the bank hears of it.
    pub fn create_top_up(
        new: NewTopUp,
        guard: Option<&PayerGuard>,
        counters: &mut CashCounters,
        now: Timestamp,
        policy: &Policy,
    ) -> Self {
        let begun = Self::begin(new.id, Kind::TopUp, (State::Holding, now), new.terminal.id.clone(), new.amount);
        let mut payment = Self {
            fingerprint: new.fingerprint,
            seller: Some(new.terminal),
            person_id: new.payee.as_ref().map(|payee| payee.person_id),
            reference: new.reference,
            ..begun
        };
        // Of no number is more said than of any other.
        if new.amount.minor > policy.top_ups.once_minor {
            payment.decline(State::Declined, Reason::TopUpTooLarge, now);
            return payment;
        }
        let epoch = new.payee.as_ref().map_or(0, |payee| payee.number_epoch);
        let paying = new.payee.and_then(|payee| payee.instrument).filter(|paying| paying.usable);
        // Cash is not paid in to whoever had the number before.
        let known = guard.is_some_and(|guard| guard.number_epoch == epoch && !guard.number_closed);
        let Some(paying) = paying.filter(|_| known) else {
            payment.decline(State::Declined, Reason::NumberNotServed, now);
            return payment;
        };
        if let Err(reason) = counters.take(new.amount.minor, now, &policy.top_ups) {
            payment.decline(State::Declined, reason, now);
            return payment;
        }
        payment.charge = Some(Charge {
            bank_id: paying.bank_id,
            instrument: Some(paying.instrument),
            masked: paying.masked,
            credit_minor: None,
            leg_id: Some(new.leg_id),
            reversal_leg_id: None,
        });
        payment.decide_before = Some(now.plus(policy.decide_within));
        payment.due_at = Some(now.plus(policy.head_start.min(policy.decide_within)));
        payment
    }

    /// Whether its amount counts as cash that was taken: from when it was taken in, for as long as it comes to something.
    pub const fn takes_cash(&self) -> bool {
        matches!(self.kind, Kind::TopUp) && matches!(self.state, State::Holding | State::Committed | State::Posted)
    }
}

impl CashCounters {
    /// Takes an amount into account, with both or with neither.
    fn take(&mut self, amount_minor: i64, now: Timestamp, limits: &TopUpLimits) -> Result<(), Reason> {
        let person = self.person.with(amount_minor, now, limits.person_day_minor);
        let terminal = self.terminal.with(amount_minor, now, limits.terminal_day_minor);
        let (Some(person), Some(terminal)) = (person, terminal) else { return Err(Reason::TopUpsExhausted) };
        *self = Self { person, terminal };
        Ok(())
    }
}
