//! A payment's life, exactly once (M4–M6).
//!
//! ```text
//! CHALLENGED → HOLDING → COMMITTED → POSTED        the way through; COMMITTED is the one commit point
//!      │           ├──→ DECLINED                   the bank refused
//!      │           └──→ ABORTING → ABORTED         no answer in time, or reversed before approval
//!      └──→ DECLINED | EXPIRED | CANCELLED         a wrong code too often, the payer's no, no code, given up
//! HOLDING → AUTHORISED → COMMITTED                 a pre-authorisation: reserved, then completed with as much or less
//!                └──→ ABORTING → ABORTED           never completed, or reversed before it was
//! COMMITTED | POSTED → REVERSING → REVERSED        taken back whole
//! ```
//!
//! A payment with a card begins at HOLDING: there is no code, the bank verifies the card. What was read from the card is never
//! stored, so nobody but the terminal can bring such a hold to the bank (again); what is not held in time is aborted.
//!
//! A top-up begins at HOLDING, too: money that comes in takes no code. Nothing of it is secret, so any replica can ask the bank (again).
//!
//! A routed payment is charged by the card network over which it came, not by the hub: the right code takes it from CHALLENGED to
//! AUTHORISED, and what the network tells of it to POSTED, DECLINED or REVERSED. No bank is asked, so there is nothing to post, to void or to
//! give back. What nobody tells in time has not been charged.
//!
//! A refund is a payment of its own that points at the first: the hub's decision is its commit point, so it begins COMMITTED and
//! becomes POSTED when the bank has given the money back, or DECLINED if the bank refuses for good.
//!
//! Each rule is a method that is handed the time and what it needs to know, changes the payment in memory, and says what
//! came of it. The shell loads, calls, and writes with a compare-and-swap on the version; it decides nothing.

mod approval;
mod approve;
mod card;
mod challenge;
mod complete;
mod fee;
mod give_back;
mod policy;
mod route;
mod settle;
mod top_up;

use std::sync::Arc;

use uuid::Uuid;

use crate::fee::Fee;
use crate::ledger::{Flow, Nature};
use crate::purchase::{Carrier, LineItem, Purchase, PurchaseState, Terminal};
use crate::text::Line;
use crate::{AccountId, AttemptId, BankId, CardId, LegId, Money, PaymentId, PersonId, Reason, TerminalId, Timestamp};

pub use approval::{Approval, ApprovalForm, SHOWN_WITHIN};
pub use approve::{Attempt, NewPayment, Payer, PayingInstrument, Proof, Resend};
pub use card::NewCardPayment;
pub(crate) use challenge::note_sent;
pub use challenge::{FrozenInstrument, PayerGuard, SendLimit};
pub use complete::Completion;
pub use give_back::{NewRefund, Reversal};
pub use policy::Policy;
pub use route::{Routed, RoutedOutcome};
pub use settle::{Held, Settled, Verdict, Work, ends_hold};
pub use top_up::{CashCounters, CashTaken, NewTopUp, Payee, TopUpLimits};

/// Where a payment stands at the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    Challenged,
    Holding,
    Authorised,
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
    pub const ALL: [Self; 12] = [
        Self::Challenged,
        Self::Holding,
        Self::Authorised,
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
            Self::Authorised => "AUTHORISED",
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
    /// Reserved, and to be completed or given up.
    Authorised,
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
    /// A purchase by phone number, which the payer approves with a code.
    Purchase,
    /// The same over a link whose network charges what the payer pays with by itself, once the hub has told it which card that is.
    Routed,
    /// A payment with a card at a terminal, which the bank verifies; or money that comes in through it.
    Card { nature: Nature },
    /// Cash that a merchant has taken, paid in to what a number pays with.
    TopUp,
    /// Money back from a purchase.
    Refund { original: PaymentId },
    /// A reversal that came before its payment: the payment is refused when it comes.
    Tombstone,
}

impl Kind {
    /// What sort of transaction it is; none for a refund and a tombstone.
    pub const fn nature(self) -> Option<Nature> {
        match self {
            Self::Purchase | Self::Routed => Some(Nature::Purchase),
            Self::Card { nature } => Some(nature),
            Self::TopUp => Some(Nature::TopUp),
            Self::Refund { .. } | Self::Tombstone => None,
        }
    }

    /// Whether what was charged stands in the payer's record. Money that comes in is no purchase.
    pub fn is_recorded(self) -> bool {
        self.nature().is_some_and(|nature| nature.flow() == Flow::Out)
    }
}

/// What a person pays with, by its bank's id for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Instrument {
    /// A deposit account by itself.
    Account(AccountId),
    /// A card, whichever of its sides bears it.
    Card(CardId),
}

impl Instrument {
    pub const fn uuid(self) -> Uuid {
        match self {
            Self::Account(id) => id.uuid(),
            Self::Card(id) => id.uuid(),
        }
    }

    /// The word that is stored beside the id.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Account(_) => "ACCOUNT",
            Self::Card(_) => "CARD",
        }
    }

    /// Puts together what was stored. `Err(FieldUnknown)` for another word.
    pub fn of(kind: &str, id: Uuid) -> Result<Self, Reason> {
        match kind {
            "ACCOUNT" => Ok(Self::Account(AccountId::from_uuid(id))),
            "CARD" => Ok(Self::Card(CardId::from_uuid(id))),
            _ => Err(Reason::FieldUnknown),
        }
    }
}

/// The code that is awaited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Keyed hash of the code with the payment, the amount, the payee and the epoch.
    pub code_mac: [u8; 32],
    /// The epoch of the payer's number for which it was made.
    pub epoch: i64,
    pub expires_at: Timestamp,
    /// Tries that are left; a new code resets nothing.
    pub attempts_left: u8,
}

/// What pays, and the legs at its bank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    pub bank_id: BankId,
    /// For a card that a terminal read, none before its bank has said which card it is.
    pub instrument: Option<Instrument>,
    /// The account's or the card's number as a receipt may show it.
    pub masked: String,
    /// How much of it the card's credit side bears, in minor units; none where that is not known.
    pub credit_minor: Option<i64>,
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
    /// What a completion has charged, in minor units; none for whatever is not completed.
    pub completed_minor: Option<i64>,
    /// Given back in refunds that are posted or on their way.
    pub refunded_minor: i64,
    /// What the merchant bears for it, once it is committed; of a refund what it gave back of that. None for what bears no charge, and for what was committed before there were any.
    pub fee: Option<Fee>,
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
    /// Until when a hold may still be committed, or what is authorised completed.
    pub decide_before: Option<Timestamp>,
    /// When the sweeper looks at it next; nothing when there is nothing left to do.
    pub due_at: Option<Timestamp>,
    /// How often the sweeper has tried what is due.
    pub tries: u32,
}

impl Payment {
    /// A payment of which nothing is known yet but what every one has.
    const fn begin(
        id: PaymentId,
        kind: Kind,
        (state, now): (State, Timestamp),
        terminal_id: TerminalId,
        amount: Money,
    ) -> Self {
        Self {
            id,
            state,
            kind,
            terminal_id,
            fingerprint: [0; 32],
            person_id: None,
            amount,
            completed_minor: None,
            refunded_minor: 0,
            fee: None,
            seller: None,
            items: Vec::new(),
            reference: None,
            created_at: now,
            decided_at: None,
            challenge: None,
            attempts: Vec::new(),
            refusal: None,
            charge: None,
            charge_sequence: None,
            decide_before: None,
            due_at: None,
            tries: 0,
        }
    }

    /// What callers see.
    pub fn seen(&self) -> Seen {
        match (self.state, self.kind) {
            (State::Challenged, _) => Seen::AwaitingCode,
            (State::Holding, _) => Seen::Pending,
            (State::Authorised, _) => Seen::Authorised,
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

    /// What is charged: the amount, or what a completion has made of it.
    pub fn charged(&self) -> Money {
        Money::new(self.amount.currency, self.completed_minor.unwrap_or(self.amount.minor))
    }

    /// What of it counts for limits, in minor units: money that is reserved or charged and goes out. What is taken back counts no more; a refund is a payment of its own that
    /// changes nothing here, since the goods were bought.
    pub fn counted(&self) -> Option<i64> {
        let counts = matches!(self.state, State::Authorised | State::Committed | State::Posted);
        (counts && self.kind.is_recorded()).then_some(self.charged().minor)
    }

    /// The record of the charge, once it is committed (R3).
    pub fn purchase(&self) -> Option<Purchase> {
        if !matches!(self.seen(), Seen::Approved | Seen::Reversed) {
            return None;
        }
        let nature = self.kind.nature().filter(|_| self.kind.is_recorded())?;
        let (charge, seller) = (self.charge.as_ref()?, self.seller.as_ref()?);
        Some(Purchase {
            payment_id: self.id,
            carrier: Carrier::Hub,
            state: PurchaseState::Posted,
            person_id: self.person_id?,
            nature,
            amount: self.charged(),
            credit_minor: charge.credit_minor,
            occurred_at: self.decided_at?,
            bank_id: charge.bank_id.clone(),
            account_masked: charge.masked.clone(),
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
