//! What a consent is about: who may ask, what for, how often and for how long follow from it.

use std::time::Duration;

use super::{Asker, Purpose};

const DAY: Duration = Duration::from_hours(24);

/// What is asked about. The fields of one consent are all of one subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// The person's bills, for a lender, once (R9).
    History,
    /// Totals of what the person buys, for a bank (R5).
    Habits,
    /// The person's purchases, for an operator who looks into something (R7).
    Records,
}

impl Subject {
    /// What it may be asked for.
    pub const fn purposes(self) -> &'static [Purpose] {
        use Purpose::{CardApplication, Dispute, LimitChange, LoanApplication, Offers, Review, Support};
        match self {
            Self::History => &[CardApplication, LoanApplication, LimitChange, Review],
            Self::Habits => &[CardApplication, LoanApplication, LimitChange, Review, Offers],
            Self::Records => &[Support, Dispute],
        }
    }

    /// Who may ask.
    pub const fn is_for(self, asker: &Asker) -> bool {
        match self {
            Self::History | Self::Habits => matches!(asker, Asker::Bank(_)),
            Self::Records => matches!(asker, Asker::Operator(_)),
        }
    }

    /// Whether it may be asked any number of times while the consent lasts, rather than once. Habits change from week to week, and who
    /// looks into something looks more than once.
    pub const fn is_standing(self) -> bool {
        !matches!(self, Self::History)
    }

    /// How long a consent may last.
    pub const fn longest(self) -> Duration {
        match self {
            Self::History | Self::Habits => DAY.saturating_mul(90),
            Self::Records => DAY.saturating_mul(30),
        }
    }
}
