//! The orders of a set of steps: loaded, decided in memory, written once. A step that is run again changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use domain::{LegId, Money, Reason, Timestamp};

use super::order::{Advice, CreditHold, HoldAnswer, Kind, Order, OrderKey, State, Told};
use super::reference::Reference;
use super::response::Verdict;
use super::trace::Trace;

/// What came of having an advice told again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retold {
    /// How far it is.
    pub state: State,
    /// Why it was stuck; none when it was not, and nothing has changed.
    pub refusal: Option<Reason>,
}

/// The orders of some legs, and which of them have changed. See [`Orders::load`](super::sql).
#[derive(Debug, Default)]
pub struct Orders {
    rows: BTreeMap<OrderKey, Order>,
    changed: BTreeSet<OrderKey>,
}

impl Orders {
    pub fn of(rows: impl IntoIterator<Item = Order>) -> Self {
        Self { rows: rows.into_iter().map(|order| (order.key, order)).collect(), changed: BTreeSet::new() }
    }

    pub fn get(&self, leg_id: LegId, kind: Kind) -> Option<&Order> {
        self.rows.get(&OrderKey { leg_id, kind })
    }

    pub fn changed(&self) -> impl Iterator<Item = &Order> {
        self.changed.iter().filter_map(|key| self.rows.get(key))
    }

    /// Makes it durable that a hold is about to be asked for, under these numbers. What was asked for is not asked for again:
    /// `Ok(false)`. `Err` with `LegIdTaken` for another hold of the same leg.
    pub fn ask(&mut self, hold: &CreditHold, trace: Trace, now: Timestamp) -> Result<bool, Reason> {
        let CreditHold { leg_id, card_id, amount, is_cash } = *hold;
        if let Some(stored) = self.get(leg_id, Kind::Hold) {
            let is_same = (stored.card_id, stored.amount, stored.is_cash) == (card_id, amount, is_cash);
            return if is_same { Ok(false) } else { Err(Reason::LegIdTaken) };
        }
        let key = OrderKey { leg_id, kind: Kind::Hold };
        self.put(Order {
            key,
            version: 0,
            state: State::Asking,
            hold_leg_id: leg_id,
            card_id,
            amount,
            is_cash,
            reference: Reference::of(leg_id.uuid()),
            trace: Some(trace),
            tries: 1,
            next_try_at: now,
            approval_code: None,
            queued_at: now,
            changed_at: now,
        });
        Ok(true)
    }

    /// What came of asking. Without a clear answer the hold is voided, so that an approval that comes late stands for nothing.
    /// A hold that is settled stays so: the state in which it is.
    pub fn settle(&mut self, leg_id: LegId, answer: &HoldAnswer, now: Timestamp) -> Result<State, Reason> {
        let hold = self.get(leg_id, Kind::Hold).ok_or(Reason::LegUnknown)?;
        if hold.state != State::Asking {
            return Ok(hold.state);
        }
        let state = match answer.verdict {
            Verdict::Approved => State::Approved,
            Verdict::Refused(reason) => State::Refused(reason),
            Verdict::Unclear(_) => State::Unanswered,
        };
        let approval_code = answer.approval_code.clone();
        let settled = Order { state, approval_code, changed_at: now, ..hold.clone() };
        let void = (state == State::Unanswered).then(|| about(&settled, Kind::Void, settled.amount, now));
        self.put(settled);
        void.into_iter().for_each(|void| self.put(void));
        Ok(state)
    }

    /// Queues what has been decided. `Ok(false)` when there is nothing to tell: it is queued already, or the leg has no part at
    /// the credit system. An error says that it contradicts what was told before, and nothing is queued.
    pub fn queue(&mut self, advice: &Advice, now: Timestamp) -> Result<bool, Reason> {
        match *advice {
            Advice::Post { leg_id, amount } if amount.minor <= 0 => self.queue_void(leg_id, now),
            Advice::Post { leg_id, amount } => self.queue_post(leg_id, amount, now),
            Advice::Void { leg_id } => self.queue_void(leg_id, now),
            Advice::Refund { leg_id, original_leg_id, amount } => {
                let Some(hold) = self.get(original_leg_id, Kind::Hold) else { return Ok(false) };
                if self.get(original_leg_id, Kind::Post).is_none() {
                    return Err(Reason::LegNotPosted);
                }
                let refund = Self::back(leg_id, Kind::Refund, hold, amount, now);
                self.queue_once(refund)
            }
            Advice::Reversal { leg_id, original_leg_id, amount } => {
                let Some(repayment) = self.get(original_leg_id, Kind::Repayment) else { return Ok(false) };
                let reversal = Self::back(leg_id, Kind::Reversal, repayment, amount, now);
                self.queue_once(reversal)
            }
            Advice::Repayment { leg_id, card_id, amount } => self.queue_once(Order {
                key: OrderKey { leg_id, kind: Kind::Repayment },
                version: 0,
                state: State::Waiting,
                hold_leg_id: leg_id,
                card_id,
                amount,
                is_cash: false,
                reference: Reference::of(leg_id.uuid()),
                trace: None,
                tries: 0,
                next_try_at: now,
                approval_code: None,
                queued_at: now,
                changed_at: now,
            }),
        }
    }

    /// What goes back of another leg, by a leg of its own.
    fn back(leg_id: LegId, kind: Kind, original: &Order, amount: Money, now: Timestamp) -> Order {
        let key = OrderKey { leg_id, kind };
        Order { key, reference: Reference::of(leg_id.uuid()), ..about(original, kind, amount, now) }
    }

    fn queue_post(&mut self, leg_id: LegId, amount: Money, now: Timestamp) -> Result<bool, Reason> {
        let Some(hold) = self.get(leg_id, Kind::Hold) else { return Ok(false) };
        if self.get(leg_id, Kind::Void).is_some() {
            return Err(Reason::LegVoided);
        }
        if hold.state != State::Approved {
            return Err(Reason::LegRefused);
        }
        if hold.amount.currency != amount.currency {
            return Err(Reason::CurrencyMismatch);
        }
        if amount.minor > hold.amount.minor {
            return Err(Reason::CompletionTooLarge);
        }
        let post = about(hold, Kind::Post, amount, now);
        self.queue_once(post)
    }

    fn queue_void(&mut self, leg_id: LegId, now: Timestamp) -> Result<bool, Reason> {
        let Some(hold) = self.get(leg_id, Kind::Hold) else { return Ok(false) };
        if self.get(leg_id, Kind::Post).is_some() {
            return Err(Reason::LegPosted);
        }
        let void = about(hold, Kind::Void, hold.amount, now);
        match hold.state {
            State::Refused(_) => return Ok(false),
            State::Asking => {
                let unanswered = Order { state: State::Unanswered, changed_at: now, ..hold.clone() };
                self.put(unanswered);
            }
            _ => {}
        }
        self.queue_once(void)
    }

    fn queue_once(&mut self, order: Order) -> Result<bool, Reason> {
        match self.rows.get(&order.key) {
            Some(stored) if stored.amount == order.amount && stored.hold_leg_id == order.hold_leg_id => Ok(false),
            Some(_) => Err(Reason::LegIdTaken),
            None => {
                self.put(order);
                Ok(true)
            }
        }
    }

    /// Makes it durable that an advice is about to be sent, under these numbers unless it has its own. What does not wait any
    /// more is not sent: none.
    pub fn sending(&mut self, key: OrderKey, trace: Trace, next: Timestamp, now: Timestamp) -> Option<Order> {
        let stored = self.rows.get(&key).filter(|order| order.state == State::Waiting)?;
        let trace = Some(stored.trace.unwrap_or(trace));
        let tries = stored.tries.saturating_add(1);
        let order = Order { trace, tries, next_try_at: next, changed_at: now, ..stored.clone() };
        self.put(order.clone());
        Some(order)
    }

    /// What came of sending it.
    pub fn told(&mut self, key: OrderKey, told: Told, now: Timestamp) {
        let Some(stored) = self.rows.get(&key).filter(|order| order.state == State::Waiting) else { return };
        let state = match told {
            Told::Acknowledged => State::Acknowledged,
            Told::Stuck(reason) => State::Stuck(reason),
            Told::Again => return,
        };
        let order = Order { state, changed_at: now, ..stored.clone() };
        self.put(order);
    }

    /// An approval has come that nobody waited for. A void of it that was acknowledged is told again, since the credit system
    /// has held after it; so is a void of what it had refused before. Says whether there is anything to tell that was not.
    pub fn approved_late(&mut self, leg_id: LegId, now: Timestamp) -> bool {
        let void = self.get(leg_id, Kind::Void);
        let again = match (self.get(leg_id, Kind::Hold), void) {
            (_, Some(void)) if void.state == State::Acknowledged => {
                Order { state: State::Waiting, next_try_at: now, changed_at: now, ..void.clone() }
            }
            (Some(hold), None) if matches!(hold.state, State::Refused(_)) => about(hold, Kind::Void, hold.amount, now),
            _ => return false,
        };
        self.put(again);
        true
    }

    /// Has an advice told once more that the credit system refused, for an operator who has seen to it; one that is not stuck
    /// stays as it is. `Err` with `AdviceUnknown`.
    pub fn retell(&mut self, key: OrderKey, now: Timestamp) -> Result<Retold, Reason> {
        let stored = self.rows.get(&key).filter(|order| order.key.kind != Kind::Hold).ok_or(Reason::AdviceUnknown)?;
        let State::Stuck(refusal) = stored.state else {
            return Ok(Retold { state: stored.state, refusal: None });
        };
        let order = Order { state: State::Waiting, next_try_at: now, changed_at: now, ..stored.clone() };
        self.put(order);
        Ok(Retold { state: State::Waiting, refusal: Some(refusal) })
    }

    fn put(&mut self, order: Order) {
        self.changed.insert(order.key);
        self.rows.insert(order.key, order);
    }
}

/// An advice about a hold.
fn about(hold: &Order, kind: Kind, amount: Money, now: Timestamp) -> Order {
    Order {
        key: OrderKey { leg_id: hold.key.leg_id, kind },
        version: 0,
        state: State::Waiting,
        amount,
        trace: None,
        tries: 0,
        next_try_at: now,
        queued_at: now,
        changed_at: now,
        ..hold.clone()
    }
}
