//! A payment's life, exactly once (M4–M6).
//!
//! ```text
//! CHALLENGED → HOLDING → COMMITTED → POSTED        the way through; COMMITTED is the one commit point
//!      │           ├──→ DECLINED                   the bank refused
//!      │           └──→ ABORTING → ABORTED         no answer in time, or reversed before approval
//!      └──→ DECLINED | EXPIRED | CANCELLED         no code, a wrong code too often, given up
//! COMMITTED | POSTED → REVERSING → REVERSED        taken back whole
//! ```
//!
//! A refund is a payment of its own that points at the first: the hub's decision is its commit point, so it begins COMMITTED and
//! becomes POSTED when the bank has given the money back, or DECLINED if the bank refuses for good.
//!
//! Each rule is a method that is handed the time and what it needs to know, changes the payment in memory, and says what
//! came of it. The shell loads, calls, and writes with a compare-and-swap on the version; it decides nothing.

mod approve;
mod challenge;
mod give_back;
mod policy;
mod settle;

use std::sync::Arc;

use crate::purchase::{LineItem, Purchase, Terminal};
use crate::text::Line;
use crate::{AccountId, AttemptId, BankId, LegId, Money, PaymentId, PersonId, Reason, TerminalId, Timestamp};

pub use approve::{Attempt, NewPayment, Payer, PayingAccount, Proof, Resend};
pub use challenge::{PayerGuard, SendLimit};
pub use give_back::{NewRefund, Reversal};
pub use policy::Policy;
pub use settle::{Settled, Work};

/// Where a payment stands at the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    Challenged,
    Holding,
    Committed,
    Posted,
    Declined,
    Expired,
    Cancelled,
    Aborting,
    Aborted,
    Reversing,
    Reversed,
}

impl State {
    pub const ALL: [Self; 11] = [
        Self::Challenged,
        Self::Holding,
        Self::Committed,
        Self::Posted,
        Self::Declined,
        Self::Expired,
        Self::Cancelled,
        Self::Aborting,
        Self::Aborted,
        Self::Reversing,
        Self::Reversed,
    ];

    /// The name under which it is stored and logged.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Challenged => "CHALLENGED",
            Self::Holding => "HOLDING",
            Self::Committed => "COMMITTED",
            Self::Posted => "POSTED",
            Self::Declined => "DECLINED",
            Self::Expired => "EXPIRED",
            Self::Cancelled => "CANCELLED",
            Self::Aborting => "ABORTING",
            Self::Aborted => "ABORTED",
            Self::Reversing => "REVERSING",
            Self::Reversed => "REVERSED",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// What callers see of the state. A final one never changes, but for `Approved`, which may become `Reversed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    AwaitingCode,
    Pending,
    Approved,
    Declined,
    Reversed,
}

impl Seen {
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Approved | Self::Declined | Self::Reversed)
    }
}

/// What a payment is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Purchase,
    /// Money back from a purchase.
    Refund {
        original: PaymentId,
    },
    /// A reversal that came before its payment: the payment is refused when it comes.
    Tombstone,
}

/// The code that is awaited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Keyed hash of the code with the payment, the amount and the payee.
    pub code_mac: [u8; 32],
    pub expires_at: Timestamp,
    /// Tries that are left; a new code resets nothing.
    pub attempts_left: u8,
}

/// The account that pays, and the legs at its bank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    pub bank_id: BankId,
    pub account_id: AccountId,
    pub account_masked: String,
    /// The movement that takes (or, for a refund, gives back) the money; set when the bank is first asked.
    pub leg_id: Option<LegId>,
    /// The movement that gives it back whole.
    pub reversal_leg_id: Option<LegId>,
}

/// A payment or a refund.
#[derive(Clone, Debug, PartialEq)]
pub struct Payment {
    pub id: PaymentId,
    pub state: State,
    pub kind: Kind,
    pub terminal_id: TerminalId,
    /// The request, hashed: the same id with other content is another request.
    pub fingerprint: [u8; 32],
    /// Nobody for an unknown number and for a tombstone.
    pub person_id: Option<PersonId>,
    pub amount: Money,
    /// Given back in refunds that are posted or on their way.
    pub refunded_minor: i64,
    /// The terminal as it was when the payment came; none for a tombstone.
    pub seller: Option<Arc<Terminal>>,
    pub items: Vec<LineItem>,
    pub reference: Option<Line>,
    pub created_at: Timestamp,
    /// When it became final for the caller.
    pub decided_at: Option<Timestamp>,
    pub challenge: Option<Challenge>,
    /// The tries and resends that were taken in, so that the same one sent twice counts once.
    pub attempts: Vec<AttemptId>,
    pub refusal: Option<Reason>,
    pub charge: Option<Charge>,
    /// The place of the charge in the payer's feed, by which its record is found; given when it is committed.
    pub charge_sequence: Option<i64>,
    /// Until when a hold may still be committed.
    pub decide_before: Option<Timestamp>,
    /// When the sweeper looks at it next; nothing when there is nothing left to do.
    pub due_at: Option<Timestamp>,
    /// How often the sweeper has tried what is due.
    pub tries: u32,
}

impl Payment {
    /// What callers see.
    pub fn seen(&self) -> Seen {
        match (self.state, self.kind) {
            (State::Challenged, _) => Seen::AwaitingCode,
            (State::Holding, _) => Seen::Pending,
            (State::Committed, Kind::Refund { .. }) => Seen::Pending,
            (State::Committed | State::Posted, _) => Seen::Approved,
            // From ABORTING and REVERSING it only goes forward: the answer is durable though the bank has yet to hear of it.
            (State::Declined | State::Expired | State::Cancelled | State::Aborting | State::Aborted, _) => {
                Seen::Declined
            }
            (State::Reversing | State::Reversed, _) => Seen::Reversed,
        }
    }

    /// The payment if it is this terminal's; to others it does not exist.
    pub fn owned_by(&self, terminal: &TerminalId) -> Result<&Self, Reason> {
        if self.terminal_id == *terminal { Ok(self) } else { Err(Reason::PaymentUnknown) }
    }

    /// The record of the charge, once it is committed (R3).
    pub fn purchase(&self) -> Option<Purchase> {
        if !matches!(self.seen(), Seen::Approved | Seen::Reversed) {
            return None;
        }
        let (charge, seller) = (self.charge.as_ref()?, self.seller.as_ref()?);
        Some(Purchase {
            payment_id: self.id,
            person_id: self.person_id?,
            amount: self.amount,
            occurred_at: self.decided_at?,
            bank_id: charge.bank_id.clone(),
            account_masked: charge.account_masked.clone(),
            merchant: seller.merchant.clone(),
            terminal_id: self.terminal_id.clone(),
            place: seller.place.clone(),
            location: seller.location,
            items: self.items.clone(),
            given_back_minor: 0,
        })
    }

    /// Ends the payment with a refusal.
    fn decline(&mut self, state: State, reason: Reason, now: Timestamp) {
        self.state = state;
        self.refusal = Some(reason);
        self.decided_at = Some(now);
        self.challenge = None;
        self.due_at = None;
        self.tries = 0;
    }

    /// Moves on to a state that has work due.
    fn proceed(&mut self, state: State, due_at: Timestamp) {
        self.state = state;
        self.due_at = Some(due_at);
        self.tries = 0;
    }
}

#[cfg(test)]
mod tests;
