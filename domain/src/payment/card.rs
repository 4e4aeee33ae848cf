//! A payment with a card at a terminal (R2, C2): it begins at HOLDING, and its bank verifies the card.

use std::sync::Arc;

use super::{Charge, Kind, Payment, Policy, State};
use crate::feed::PaidIn;
use crate::ledger::{Flow, Nature};
use crate::purchase::{LineItem, Terminal};
use crate::text::Line;
use crate::{BankId, LegId, Money, PaymentId, Reason, Timestamp};

/// A request to pay with a card, without what may not be kept of the card.
#[derive(Clone, Debug, PartialEq)]
pub struct NewCardPayment {
    pub id: PaymentId,
    pub terminal: Arc<Terminal>,
    pub fingerprint: [u8; 32],
    pub nature: Nature,
    pub amount: Money,
    pub items: Vec<LineItem>,
    pub reference: Option<Line>,
    /// The bank whose range the card's number lies in.
    pub bank_id: BankId,
    /// Whether the bank takes no new payments.
    pub bank_suspended: bool,
    /// The card's number as a receipt may show it.
    pub masked: String,
    pub leg_id: LegId,
}

impl NewCardPayment {
    /// Whether a terminal may ask for this sort of transaction. Saving is between a person and their bank, and the rest is said
    /// by calls of its own.
    pub const fn allows(nature: Nature) -> Result<(), Reason> {
        match nature {
            Nature::Purchase | Nature::CashWithdrawal | Nature::TransferOut | Nature::PreAuthorisation => Ok(()),
            Nature::Deposit | Nature::TopUp | Nature::TransferIn | Nature::Repayment => Ok(()),
            Nature::Savings | Nature::Completion | Nature::Refund | Nature::BalanceInquiry => {
                Err(Reason::NatureUnsupported)
            }
        }
    }
}

impl Payment {
    /// Takes a request with a card in, or refuses it for what was found out before. Its leg is durable before the bank hears of it.
    pub fn create_with_card(new: NewCardPayment, refused: Option<Reason>, now: Timestamp, policy: &Policy) -> Self {
        let refused = if new.bank_suspended { Some(Reason::BankSuspended) } else { refused };
        let (until, kind) = (now.plus(policy.decide_within), Kind::Card { nature: new.nature });
        let begun = Self::begin(new.id, kind, (State::Holding, now), new.terminal.id.clone(), new.amount);
        let mut payment = Self {
            fingerprint: new.fingerprint,
            seller: Some(new.terminal),
            items: new.items,
            reference: new.reference,
            charge: Some(Charge {
                bank_id: new.bank_id,
                instrument: None,
                masked: new.masked,
                credit_minor: None,
                leg_id: refused.is_none().then_some(new.leg_id),
                reversal_leg_id: None,
            }),
            decide_before: Some(until),
            // A sweeper can do nothing before the time is over, but this one serves the posting, too: see `Payment::commit`.
            due_at: Some(now.plus(policy.head_start.min(policy.decide_within))),
            ..begun
        };
        if let Some(reason) = refused {
            payment.decline(State::Declined, reason, now);
        }
        payment
    }

    /// Whether the bank may still be asked for the hold with what a terminal has read from the card.
    pub fn awaits_card(&self, now: Timestamp) -> bool {
        matches!(self.kind, Kind::Card { .. }) && self.state == State::Holding && self.may_be_decided(now)
    }

    /// What the person hears of money that has come in; nothing of any other payment.
    pub fn paid_in(&self) -> Option<PaidIn> {
        let nature = self.kind.nature().filter(|nature| nature.flow() == Flow::In)?;
        let charge = self.charge.as_ref().filter(|_| matches!(self.state, State::Committed | State::Posted))?;
        Some(PaidIn {
            payment_id: self.id,
            nature,
            amount: self.amount,
            bank_id: charge.bank_id.clone(),
            masked: charge.masked.clone(),
            merchant: self.seller.as_ref()?.merchant.clone(),
        })
    }
}
