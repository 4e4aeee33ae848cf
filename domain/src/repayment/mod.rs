//! Repaying: a person moves money from an account at one bank to what is owed at another, or at the same one (R8, C7).
//!
//! ```text
//! HOLDING → COMMITTED → POSTED        COMMITTED is the one commit point, and only when both banks hold
//!    └────→ ABORTING  → ABORTED       a bank refused, or there was no answer in time
//! ```
//!
//! It is a payment with two legs (DESIGN §2): the paying one takes money from an account, the receiving one brings it in on a credit
//! account. Both have their ids before either bank hears of them. What a bank holds it can always post, so that after COMMITTED both
//! legs are posted, however long it takes; after ABORTING both are voided, also those that never came.

mod form;
mod life;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use crate::feed::PaidIn;
use crate::ledger::Nature;
use crate::payment::{Instrument, Seen};
use crate::purchase::Merchant;
use crate::{BankId, DeviceId, LegId, Money, PaymentId, PersonId, Reason, Timestamp};

pub use form::{End, Form, TAKEN_WITHIN};
pub use life::{Legs, Parties, Work};

/// Where a repayment stands at the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// The banks are asked to hold.
    Holding,
    /// Both hold, and it is decided.
    Committed,
    /// Both have posted.
    Posted,
    /// It is not to be, and the holds are released.
    Aborting,
    /// Neither bank holds anything.
    Aborted,
}

impl State {
    pub const ALL: [Self; 5] = [Self::Holding, Self::Committed, Self::Posted, Self::Aborting, Self::Aborted];

    /// The name under which it is stored and logged.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Holding => "HOLDING",
            Self::Committed => "COMMITTED",
            Self::Posted => "POSTED",
            Self::Aborting => "ABORTING",
            Self::Aborted => "ABORTED",
        }
    }

    pub fn parse(text: &str) -> Result<Self, Reason> {
        Self::ALL.into_iter().find(|state| state.name() == text).ok_or(Reason::FieldUnknown)
    }
}

/// One end of a repayment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The money goes out here.
    Paying,
    /// It comes in here, on what is owed.
    Receiving,
}

impl Side {
    pub const BOTH: [Self; 2] = [Self::Paying, Self::Receiving];

    /// The word that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Paying => "PAYING",
            Self::Receiving => "RECEIVING",
        }
    }

    pub fn parse(text: &str) -> Result<Self, Reason> {
        Self::BOTH.into_iter().find(|side| side.as_str() == text).ok_or(Reason::FieldUnknown)
    }

    /// What its bank is asked to do. A transfer draws on the debit side alone, so that no debt is paid with another one.
    pub const fn nature(self) -> Nature {
        match self {
            Self::Paying => Nature::TransferOut,
            Self::Receiving => Nature::Repayment,
        }
    }

    pub const fn other(self) -> Self {
        match self {
            Self::Paying => Self::Receiving,
            Self::Receiving => Self::Paying,
        }
    }
}

/// How far a leg is, as the hub knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Progress {
    /// Its bank may have heard of it.
    Asked,
    /// Its bank holds.
    Held,
    /// It is posted or voided, as the repayment is to be: its bank has nothing more to do.
    Done,
}

impl Progress {
    const ALL: [Self; 3] = [Self::Asked, Self::Held, Self::Done];

    /// The word that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "ASKED",
            Self::Held => "HELD",
            Self::Done => "DONE",
        }
    }

    pub fn parse(text: &str) -> Result<Self, Reason> {
        Self::ALL.into_iter().find(|progress| progress.as_str() == text).ok_or(Reason::FieldUnknown)
    }
}

/// An account or a card of the person, as it was when the repayment was taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    pub bank_id: BankId,
    pub instrument: Instrument,
    /// Its number as others may see it.
    pub masked: String,
    /// How the statement at the other end names it: the bank, and the number as others may see it.
    pub named: Merchant,
}

/// The movement at one of the banks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leg {
    pub id: LegId,
    pub party: Party,
    pub progress: Progress,
}

/// A repayment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repayment {
    pub id: PaymentId,
    pub person_id: PersonId,
    /// The phone that signed it.
    pub device_id: DeviceId,
    /// When it was signed, by the phone's clock.
    pub signed_at: Timestamp,
    pub amount: Money,
    pub paying: Leg,
    pub receiving: Leg,
    pub state: State,
    pub created_at: Timestamp,
    /// When it became final for the person.
    pub decided_at: Option<Timestamp>,
    /// Why it is not to be …
    pub refusal: Option<Reason>,
    /// … and whose bank refused or did not answer; none when that was neither alone.
    pub refused_by: Option<Side>,
    /// Until when it may be committed.
    pub decide_before: Timestamp,
    /// When the sweeper looks at it next; nothing when there is nothing left to do.
    pub due_at: Option<Timestamp>,
    /// How often the sweeper has tried what is due.
    pub tries: u32,
}

impl Repayment {
    pub const fn leg(&self, side: Side) -> &Leg {
        match side {
            Side::Paying => &self.paying,
            Side::Receiving => &self.receiving,
        }
    }

    const fn leg_mut(&mut self, side: Side) -> &mut Leg {
        match side {
            Side::Paying => &mut self.paying,
            Side::Receiving => &mut self.receiving,
        }
    }

    /// What the person sees of the state.
    pub const fn seen(&self) -> Seen {
        match self.state {
            State::Holding => Seen::Pending,
            State::Committed | State::Posted => Seen::Approved,
            // From ABORTING it only goes forward: the answer is durable though a bank has yet to hear of it.
            State::Aborting | State::Aborted => Seen::Declined,
        }
    }

    /// What the person has signed.
    pub fn form(&self) -> Form {
        let end = |leg: &Leg| End { bank_id: leg.party.bank_id.clone(), instrument: leg.party.instrument };
        Form {
            id: self.id,
            from: end(&self.paying),
            to: end(&self.receiving),
            amount: self.amount,
            signed_at: self.signed_at,
        }
    }

    /// What the person hears of it once it is committed.
    pub fn paid_in(&self) -> Option<PaidIn> {
        let is_decided = matches!(self.state, State::Committed | State::Posted);
        is_decided.then(|| PaidIn {
            payment_id: self.id,
            nature: Nature::Repayment,
            amount: self.amount,
            bank_id: self.receiving.party.bank_id.clone(),
            masked: self.receiving.party.masked.clone(),
            merchant: self.paying.party.named.clone(),
        })
    }
}
