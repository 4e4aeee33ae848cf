//! Money back: refunds in part, and the reversal of a whole payment.

use super::{Charge, Kind, Payment, State};
use crate::ledger::Flow;
use crate::{LegId, Money, PaymentId, Reason, TerminalId, Timestamp};

/// A request to give a part back.
#[derive(Clone, Debug, PartialEq)]
pub struct NewRefund {
    pub id: PaymentId,
    pub original: PaymentId,
    pub terminal_id: TerminalId,
    pub fingerprint: [u8; 32],
    pub amount: Money,
    pub leg_id: LegId,
}

/// A request to take a payment back whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reversal {
    pub payment_id: PaymentId,
    pub terminal_id: TerminalId,
    pub amount: Money,
    pub leg_id: LegId,
}

impl Payment {
    /// Takes a refund in: it is set aside on the payment at once, so that all refunds together are at most what was charged. The
    /// hub's decision is the commit point; the bank carries it out.
    ///
    /// Only what was bought is refunded. Notes that were paid out, money that was passed on and money that came in are not
    /// taken back in parts: they are reversed whole, or a transaction of its own goes the other way.
    pub fn refund(&mut self, new: NewRefund, now: Timestamp) -> Result<Self, Reason> {
        self.owned_by(&new.terminal_id)?;
        let Some(charge) = self.charge.clone().filter(|_| self.is_bought()) else {
            return Err(Reason::NotRefundable);
        };
        if !matches!(self.state, State::Committed | State::Posted) {
            return Err(Reason::NotRefundable);
        }
        if new.amount.currency != self.amount.currency {
            return Err(Reason::CurrencyMismatch);
        }
        let refunded = self.refunded_minor.checked_add(new.amount.minor).ok_or(Reason::RefundTooLarge)?;
        if refunded > self.charged().minor {
            return Err(Reason::RefundTooLarge);
        }
        let fee = self.fee_of_refund(self.refunded_minor, refunded);
        self.refunded_minor = refunded;
        let kind = Kind::Refund { original: self.id };
        Ok(Self {
            fingerprint: new.fingerprint,
            person_id: self.person_id,
            seller: self.seller.clone(),
            fee: Some(fee),
            charge: Some(Charge { leg_id: Some(new.leg_id), reversal_leg_id: None, credit_minor: None, ..charge }),
            due_at: Some(now),
            ..Self::begin(new.id, kind, (State::Committed, now), self.terminal_id.clone(), new.amount)
        })
    }

    /// The bank will never carry this refund out: it is declined, and what was set aside on the payment is free again.
    /// Says whether it did.
    pub fn refund_refused(&mut self, original: &mut Self, reason: Reason, now: Timestamp) -> bool {
        let ours = matches!(self.kind, Kind::Refund { original: id } if id == original.id);
        if !ours || self.state != State::Committed {
            return false;
        }
        original.refunded_minor = original.refunded_minor.saturating_sub(self.amount.minor);
        self.decline(State::Declined, reason, now);
        true
    }

    /// Takes a payment back whole, whatever state it is in; but money that has come in stays. After `Ok` the hub sees it through.
    ///
    /// It names the amount of the payment also where less was completed: a terminal that has heard nothing of its completion can
    /// take the payment back all the same.
    pub fn reverse(&mut self, reversal: &Reversal, now: Timestamp) -> Result<(), Reason> {
        self.owned_by(&reversal.terminal_id)?;
        match self.kind {
            Kind::Tombstone => return Ok(()),
            Kind::Refund { .. } => return Err(Reason::NotReversible),
            Kind::Purchase | Kind::Routed | Kind::Card { .. } | Kind::TopUp => {}
        }
        if reversal.amount != self.amount {
            return Err(Reason::ReversalAmountMismatch);
        }
        match self.state {
            State::Challenged => self.decline(State::Cancelled, Reason::ReversedBeforeApproval, now),
            State::Holding => {
                self.abort(Reason::ReversedBeforeApproval, now);
            }
            State::Authorised if self.kind == Kind::Routed => {
                self.decline(State::Aborted, Reason::ReversedBeforeApproval, now);
            }
            State::Authorised => self.give_up(Reason::ReversedBeforeApproval, now),
            State::Posted if self.kind == Kind::Routed => self.state = State::Reversed,
            State::Committed | State::Posted => {
                // What has come in may be spent by now, and the terminal would be told of money that never comes back.
                let comes_in = self.kind.nature().is_some_and(|nature| nature.flow() == Flow::In);
                if self.refunded_minor > 0 || comes_in {
                    return Err(Reason::NotReversible);
                }
                if let Some(charge) = &mut self.charge {
                    charge.reversal_leg_id = Some(reversal.leg_id);
                }
                self.proceed(State::Reversing, now);
            }
            State::Declined | State::Expired | State::Cancelled => {}
            State::Aborting | State::Aborted | State::Reversing | State::Reversed => {}
        }
        Ok(())
    }

    /// What stands for a payment that was reversed before it came: when it comes it is refused (DESIGN §2, rule 7).
    pub fn tombstone(reversal: &Reversal, now: Timestamp) -> Self {
        Self {
            decided_at: Some(now),
            refusal: Some(Reason::ReversedBeforeApproval),
            ..Self::begin(
                reversal.payment_id,
                Kind::Tombstone,
                (State::Reversed, now),
                reversal.terminal_id.clone(),
                reversal.amount,
            )
        }
    }

    /// The bank has given the whole payment back. Says whether this moved it.
    pub fn reversed(&mut self) -> bool {
        let moved = self.state == State::Reversing;
        if moved {
            self.state = State::Reversed;
            self.due_at = None;
            self.tries = 0;
        }
        moved
    }
}
