//! What is answered about a transfer: the codes of ISO 20022's external code sets (ExternalPaymentTransactionStatus1Code and
//! ExternalStatusReason1Code, as published with the repository).

use super::compare::{Difference, Verdict};
use super::{Note, Reference};
use crate::Reason;

/// Reasons of the catalogue by the code that says them. The first reason of a row is what the code is read as.
const TABLE: &[(&str, &[Reason])] = &[
    ("AB03", &[Reason::DecisionTimedOut]),
    ("AB08", &[Reason::BankAway, Reason::StorageAway, Reason::HubAway, Reason::ShuttingDown]),
    ("AC01", &[Reason::AccountUnknown, Reason::InstrumentUnknown, Reason::CardUnknown]),
    ("AC04", &[Reason::AccountClosed, Reason::CardClosed]),
    ("AC06", &[Reason::AccountFrozen, Reason::CardFrozen]),
    ("AC14", &[Reason::NatureUnsupported]),
    ("AG01", &[Reason::AccountInactive, Reason::CardInactive, Reason::BankSuspended]),
    ("AM03", &[Reason::CurrencyMismatch, Reason::CurrencyUnknown]),
    ("AM04", &[Reason::InsufficientFunds]),
    ("AM05", &[Reason::TransferRepeated, Reason::LegIdTaken, Reason::PaymentIdTaken]),
    ("AM14", &[Reason::LimitExceeded, Reason::RepaymentTooLarge]),
    ("MS03", &[Reason::BankRefused]),
];

/// A code of four characters at most.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StatusCode(String);

impl StatusCode {
    /// `External…1Code`: 1 to 4 capital letters or digits.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        let fine = (1..=4).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        if fine { Ok(Self(text.to_owned())) } else { Err(Reason::FieldUnknown) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The reason that it says; `BankRefused` for one that is not in the table.
    pub fn reason(&self) -> Reason {
        let row = TABLE.iter().find(|(code, _)| *code == self.0);
        row.and_then(|(_, reasons)| reasons.first()).copied().unwrap_or(Reason::BankRefused)
    }
}

/// The code of a reason: NARR, with its words, for what the set has none for.
pub fn code_of(reason: Reason) -> StatusCode {
    let row = TABLE.iter().find(|(_, reasons)| reasons.contains(&reason));
    StatusCode(row.map_or("NARR", |(code, _)| code).to_owned())
}

impl Difference {
    /// Its code.
    pub fn code(self) -> StatusCode {
        let code = match self {
            Self::Unknown => "NARR",
            Self::Agents => "AGNT",
            Self::Currency => "AM03",
            Self::Amount => "AM09",
            Self::Day => "DT01",
        };
        StatusCode(code.to_owned())
    }
}

/// How a transfer stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// ACSC: it is settled.
    Settled,
    /// RJCT.
    Refused { code: Option<StatusCode>, words: Option<Note> },
    /// Another status, by its code.
    Other(StatusCode),
}

impl Outcome {
    /// Refused for a reason of the catalogue.
    pub fn refused(reason: Reason) -> Self {
        Self::Refused { code: Some(code_of(reason)), words: Note::clipped(reason.english()) }
    }

    pub fn of(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Settled => Self::Settled,
            Verdict::Differs(difference) => {
                Self::Refused { code: Some(difference.code()), words: Note::clipped(difference.words()) }
            }
        }
    }

    /// `TxSts`.
    pub fn code(&self) -> &str {
        match self {
            Self::Settled => "ACSC",
            Self::Refused { .. } => "RJCT",
            Self::Other(code) => code.as_str(),
        }
    }
}

/// A `TxInfAndSts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    pub end_to_end: Option<Reference>,
    pub transaction: Option<Reference>,
    pub outcome: Outcome,
}
