//! What a person is told, in the order in which it happened.

use std::sync::Arc;

use crate::ledger::Nature;
use crate::purchase::{Merchant, Purchase};
use crate::{BankId, Money, PaymentId, PersonId, Timestamp};

pub use crate::secret::OneTimeCode;

/// One thing that happened to a person's money.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub person_id: PersonId,
    /// Counts up by one for each person, from 1.
    pub sequence: i64,
    pub occurred_at: Timestamp,
    pub kind: EventKind,
}

#[derive(Clone, Debug, PartialEq)]
pub enum EventKind {
    /// A terminal asks; here is the code, until it has ended.
    Code { payment_id: PaymentId, code: Option<OneTimeCode>, amount: Money, merchant: Merchant, expires_at: Timestamp },
    /// Money was charged.
    Charge(Arc<Purchase>),
    /// A purchase that its bank reports has been posted, or its amount was another one before.
    Update { purchase: Arc<Purchase>, before: Money },
    /// Money came back: the whole payment by a reversal, or a part by a refund.
    GiveBack { payment_id: PaymentId, amount: Money, reversal: bool, merchant: Merchant },
    /// Money came in through a terminal; or, by a reversal, was taken out again.
    PaidIn(PaidIn),
}

/// Money that came in, which is no purchase and stands in no record of any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaidIn {
    pub payment_id: PaymentId,
    pub nature: Nature,
    pub amount: Money,
    pub bank_id: BankId,
    /// The card as others may see it.
    pub masked: String,
    pub merchant: Merchant,
}

impl EventKind {
    /// The name under which the event is stored.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Code { .. } => "CODE",
            Self::Charge(_) => "CHARGE",
            Self::Update { .. } => "UPDATE",
            Self::GiveBack { reversal: true, .. } => "REVERSAL",
            Self::GiveBack { reversal: false, .. } => "REFUND",
            Self::PaidIn(_) => "PAID_IN",
        }
    }
}
