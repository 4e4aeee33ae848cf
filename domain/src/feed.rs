//! What a person is told, in the order in which it happened.

use std::fmt;

use crate::purchase::{Merchant, Purchase};
use crate::{Money, PaymentId, PersonId, Reason, Timestamp};

/// Six digits that were sent to a phone. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct OneTimeCode(Box<str>);

impl OneTimeCode {
    pub const DIGITS: usize = 6;

    /// Exactly six ASCII digits.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        let fine = text.len() == Self::DIGITS && text.bytes().all(|b| b.is_ascii_digit());
        if fine { Ok(Self(text.into())) } else { Err(Reason::CodeMalformed) }
    }

    /// The digits, to compare or to send to the phone; never for a log.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for OneTimeCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OneTimeCode(******)")
    }
}

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
    Charge(Box<Purchase>),
    /// Money came back: the whole payment by a reversal, or a part by a refund.
    GiveBack { payment_id: PaymentId, amount: Money, reversal: bool, merchant: Merchant },
}

impl EventKind {
    /// The name under which the event is stored.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Code { .. } => "CODE",
            Self::Charge(_) => "CHARGE",
            Self::GiveBack { reversal: true, .. } => "REVERSAL",
            Self::GiveBack { reversal: false, .. } => "REFUND",
        }
    }
}
