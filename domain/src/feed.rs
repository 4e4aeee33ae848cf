//! What a person is told, in the order in which it happened.

use std::sync::Arc;

use uuid::Uuid;

use crate::errand::ErrandKind;
use crate::ledger::Nature;
use crate::purchase::{Merchant, Purchase};
use crate::{BankId, ErrandId, Money, PaymentId, PersonId, Reason, Timestamp};

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
    /// Somebody signs in without the app, by web page; here is the code, until it has ended.
    SignInCode { sign_in_id: Uuid, code: Option<OneTimeCode>, expires_at: Timestamp },
    /// An errand at a terminal asks; here is the code, until it has ended.
    ErrandCode {
        errand_id: ErrandId,
        errand: ErrandKind,
        code: Option<OneTimeCode>,
        merchant: Merchant,
        expires_at: Timestamp,
    },
    /// Money was charged.
    Charge(Arc<Purchase>),
    /// A purchase that its bank reports has been posted, or its amount was another one before.
    Update { purchase: Arc<Purchase>, before: Money },
    /// Money came back: the whole payment by a reversal, or a part by a refund.
    GiveBack { payment_id: PaymentId, amount: Money, reversal: bool, merchant: Merchant },
    /// Money came in through a terminal; or, by a reversal, was taken out again.
    PaidIn(PaidIn),
    /// Something that is no payment.
    News(News),
}

/// What news is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// A bank has asked for the person's credit history.
    Inquiry,
    /// What is due, on the day that the person has set.
    Reminder,
    /// A bill has come, or has changed.
    Bill,
    /// A bank's offer.
    Offer,
    /// What shops nearby ask for the same goods.
    Prices,
    /// A card or an account was frozen or set free, a device bound, a consent given.
    Security,
}

impl Topic {
    pub const ALL: [Self; 6] = [Self::Inquiry, Self::Reminder, Self::Bill, Self::Offer, Self::Prices, Self::Security];

    /// The word that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inquiry => "INQUIRY",
            Self::Reminder => "REMINDER",
            Self::Bill => "BILL",
            Self::Offer => "OFFER",
            Self::Prices => "PRICES",
            Self::Security => "SECURITY",
        }
    }

    pub fn parse(text: &str) -> Result<Self, Reason> {
        Self::ALL.into_iter().find(|topic| topic.as_str() == text).ok_or(Reason::FieldUnknown)
    }
}

/// Something that a person is told in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    pub topic: Topic,
    /// What more can be asked about: an inquiry, a reminder, an offer …
    pub subject: Uuid,
    pub english: String,
    pub chinese: String,
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
            Self::SignInCode { .. } => "SIGN_IN_CODE",
            Self::ErrandCode { .. } => "ERRAND_CODE",
            Self::Charge(_) => "CHARGE",
            Self::Update { .. } => "UPDATE",
            Self::GiveBack { reversal: true, .. } => "REVERSAL",
            Self::GiveBack { reversal: false, .. } => "REFUND",
            Self::PaidIn(_) => "PAID_IN",
            Self::News(_) => "NEWS",
        }
    }
}
