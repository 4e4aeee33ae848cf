//! Payments that a card network charges by itself: what pays is named to it, and it tells what became of it (M6).

use super::{Kind, PayerGuard, Payment, Policy, State};
use crate::{Money, PaymentId, Reason, TerminalId, Timestamp};

/// What a network tells of a payment that it was to charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoutedOutcome {
    Approved,
    Declined(Reason),
}

/// What a network tells, of which payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routed {
    pub payment_id: PaymentId,
    pub terminal_id: TerminalId,
    /// What was charged, which is the whole amount or nothing.
    pub amount: Money,
    pub outcome: RoutedOutcome,
}

impl Payment {
    /// What pays is named to the network, if it may be. From here on the payment waits for what the network tells, and counts as charged for
    /// every limit: what is named ten times could be charged ten times.
    pub(super) fn name_to_network(&mut self, route: Result<(), Reason>, now: Timestamp, policy: &Policy) {
        if let Err(reason) = route {
            self.decline(State::Declined, reason, now);
            return;
        }
        let until = now.plus(policy.routed_for);
        self.challenge = None;
        self.refusal = None;
        // When it was counted, and when the payer was at the till, whenever the network tells of it.
        self.decided_at = Some(now);
        self.decide_before = Some(until);
        self.proceed(State::Authorised, until);
    }

    /// Whether what pays may be named, again to a network that has not heard the answer.
    pub fn is_named(&self, now: Timestamp) -> bool {
        self.kind == Kind::Routed && self.state == State::Authorised && self.may_be_decided(now)
    }

    /// Takes note of what a network has told. Says whether this moved the payment; the same again changes nothing, and what is final stays so:
    /// an approval of what has lapsed, or was declined, leaves it as it is, and the caller is told so.
    pub fn told_by_network(
        &mut self,
        told: &Routed,
        payer: Option<&mut PayerGuard>,
        now: Timestamp,
    ) -> Result<bool, Reason> {
        self.owned_by(&told.terminal_id)?;
        if self.kind != Kind::Routed || self.state == State::Challenged {
            return Err(Reason::NotRouted);
        }
        if told.amount != self.amount {
            return Err(Reason::ReversalAmountMismatch);
        }
        match (self.state, told.outcome) {
            (State::Authorised, RoutedOutcome::Approved) if self.may_be_decided(now) => {
                self.charge_sequence = payer.map(PayerGuard::next_sequence);
                self.state = State::Posted;
                self.due_at = None;
                self.tries = 0;
                Ok(true)
            }
            (State::Authorised, RoutedOutcome::Approved) => Ok(self.lapse(now)),
            (State::Authorised, RoutedOutcome::Declined(reason)) => {
                self.decline(State::Declined, reason, now);
                Ok(true)
            }
            // It was charged, and only a reversal takes that back.
            (State::Posted, RoutedOutcome::Declined(_)) => Err(Reason::NotReversible),
            _ => Ok(false),
        }
    }
}
