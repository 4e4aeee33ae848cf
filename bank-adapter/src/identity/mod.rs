//! Accounts for people whom the hub names (M2): the citizen-identity service is asked who they are, and what it says is stored with the
//! account, in the ledger's own transaction.
//!
//! Invariant: one id opens one account, or is refused once, whatever dies: the first answer that was stored is the answer.

mod citizens;
mod config;
mod desk;
mod openings;
mod sql;

pub(crate) use citizens::Citizens;
pub use config::IdentityConfig;
pub(crate) use desk::Desk;
pub(crate) use openings::{Checked, Openings};

use domain::Reason;

/// What the citizen-identity service says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Match,
    Mismatch,
    Unknown,
}

impl Said {
    /// The word that is stored.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Match => "MATCH",
            Self::Mismatch => "MISMATCH",
            Self::Unknown => "UNKNOWN",
        }
    }

    pub(crate) fn parse(text: &str) -> Result<Self, Reason> {
        let all = [Self::Match, Self::Mismatch, Self::Unknown];
        all.into_iter().find(|said| said.as_str() == text).ok_or(Reason::FieldUnknown)
    }

    /// Why no account is opened after this, if none is.
    pub(crate) const fn refusal(self) -> Option<Reason> {
        match self {
            Self::Match => None,
            Self::Mismatch => Some(Reason::IdentityMismatch),
            Self::Unknown => Some(Reason::CitizenUnknown),
        }
    }
}
