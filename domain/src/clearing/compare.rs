//! A file held against the books.

use std::collections::BTreeMap;

use super::{Reference, Transfer};

/// In what a transfer of a file is not what the books have. The first that is found counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Difference {
    /// The books have no such transfer on this day.
    Unknown,
    /// Another bank pays, or another one is paid.
    Agents,
    Currency,
    Amount,
    Day,
}

impl Difference {
    pub const ALL: [Self; 5] = [Self::Unknown, Self::Agents, Self::Currency, Self::Amount, Self::Day];

    /// What is said of it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Unknown => "The books of the day have no such transfer.",
            Self::Agents => "Another bank pays or is paid.",
            Self::Currency => "The currency is another one.",
            Self::Amount => "The amount is another one.",
            Self::Day => "It is settled on another day.",
        }
    }
}

/// What is said of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The books have it, and both banks have posted or will.
    Settled,
    Differs(Difference),
}

/// How a file and the books differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// One for each transfer of the file.
    pub verdicts: Vec<Verdict>,
    /// What the books have and the file has not, by its place in the books.
    pub untold: Vec<usize>,
}

impl Compared {
    pub fn agrees(&self) -> bool {
        self.untold.is_empty() && self.verdicts.iter().all(|verdict| *verdict == Verdict::Settled)
    }
}

/// Holds the transfers of a file against those of the books. Names, accounts and texts are no part of what is owed.
pub fn compare(books: &[Transfer], told: &[Transfer]) -> Compared {
    let mut by_key: BTreeMap<&Reference, (usize, bool)> =
        books.iter().enumerate().map(|(at, transfer)| (transfer.key(), (at, false))).collect();
    let verdict = |transfer: &Transfer| {
        let known = by_key.get_mut(transfer.key());
        let found = known.and_then(|(at, seen)| {
            *seen = true;
            books.get(*at)
        });
        found.map_or(Verdict::Differs(Difference::Unknown), |ours| differs(ours, transfer))
    };
    let verdicts = told.iter().map(verdict).collect();
    let mut untold: Vec<usize> = by_key.into_values().filter(|(_, seen)| !seen).map(|(at, _)| at).collect();
    untold.sort_unstable();
    Compared { verdicts, untold }
}

fn differs(ours: &Transfer, told: &Transfer) -> Verdict {
    if !ours.debtor_agent.is(&told.debtor_agent) || !ours.creditor_agent.is(&told.creditor_agent) {
        return Verdict::Differs(Difference::Agents);
    }
    if ours.amount.currency != told.amount.currency {
        return Verdict::Differs(Difference::Currency);
    }
    if ours.amount.minor != told.amount.minor {
        return Verdict::Differs(Difference::Amount);
    }
    if ours.day != told.day {
        return Verdict::Differs(Difference::Day);
    }
    Verdict::Settled
}
