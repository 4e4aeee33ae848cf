//! The end of a pre-authorisation: completed with as much as was reserved or less, or given up.

use super::{Kind, PayerGuard, Payment, Policy, State};
use crate::ledger::Nature;
use crate::{Money, PaymentId, Reason, TerminalId, Timestamp};

/// A request to complete a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    pub payment_id: PaymentId,
    pub terminal_id: TerminalId,
    /// What was really used, more than zero.
    pub amount: Money,
}

impl Payment {
    /// Charges what was really used: the commit point of a pre-authorisation. Says whether this did it; the same completion again
    /// changes nothing. An error changes nothing either.
    pub fn complete(
        &mut self,
        completion: &Completion,
        payer: Option<&mut PayerGuard>,
        now: Timestamp,
        policy: &Policy,
    ) -> Result<bool, Reason> {
        self.owned_by(&completion.terminal_id)?;
        if self.kind.nature() != Some(Nature::PreAuthorisation) {
            return Err(Reason::NotPreAuthorised);
        }
        if completion.amount.currency != self.amount.currency {
            return Err(Reason::CurrencyMismatch);
        }
        if let Some(completed) = self.completed_minor {
            let same = completed == completion.amount.minor;
            return if same { Ok(false) } else { Err(Reason::CompletionMismatch) };
        }
        if self.state != State::Authorised || !self.may_be_decided(now) {
            return Err(Reason::NotAuthorised);
        }
        if completion.amount.minor > self.amount.minor {
            return Err(Reason::CompletionTooLarge);
        }
        self.completed_minor = Some(completion.amount.minor);
        if completion.amount != self.amount
            && let Some(charge) = &mut self.charge
        {
            // Which side the rest is released from is the bank's to decide.
            charge.credit_minor = None;
        }
        self.decided_at = Some(now);
        self.charge_sequence = payer.map(PayerGuard::next_sequence);
        self.proceed(State::Committed, now.plus(policy.head_start));
        Ok(true)
    }

    /// Gives up what was authorised and not completed in time. Says whether it did.
    pub fn lapse(&mut self, now: Timestamp) -> bool {
        let lapsed = self.state == State::Authorised && !self.may_be_decided(now);
        if lapsed && self.kind == Kind::Routed {
            self.decline(State::Aborted, Reason::RoutingLapsed, now);
        } else if lapsed {
            self.give_up(Reason::AuthorisationLapsed, now);
        }
        lapsed
    }
}
