//! Limits on what is paid (M9): for each payment, and for sums and numbers of payments within a window, of every person or terminal or of one.
//!
//! A window slides: it is the last so many minutes or days, not a day of the calendar, so that nobody pays twice the limit around midnight. It is counted in
//! [`SLOTS`] parts, of which the oldest counts whole until it is over, so that a window is never shorter than it says, and a twenty-fourth longer at most.

mod set;
mod tally;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use crate::{Currency, PersonId, Reason, TerminalId, Timestamp};

pub use set::{Limits, Paying};
pub use tally::{SLOTS, Tally};

/// The shortest and the longest window.
const WINDOW: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(31 * 24 * 60 * 60));
/// How long after a limit was set every replica has heard of it. What was paid before may not have been counted, and is not taken back from what was.
const HEARD_WITHIN: Duration = Duration::from_secs(10);
/// Limits that a hub keeps: all of them are in memory.
pub const MOST_LIMITS: usize = 1_000;

/// Whose payments are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    Person,
    Terminal,
}

impl Subject {
    pub const ALL: [Self; 2] = [Self::Person, Self::Terminal];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Person => "PERSON",
            Self::Terminal => "TERMINAL",
        }
    }

    /// Reads what [`Subject::as_str`] gives. `Err(FieldUnknown)`.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        Self::ALL.into_iter().find(|subject| subject.as_str() == text).ok_or(Reason::FieldUnknown)
    }
}

/// What is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Measure {
    /// The amount of each payment.
    Each,
    /// The sum of payments in a window.
    Sum,
    /// The number of payments in a window.
    Count,
}

impl Measure {
    pub const ALL: [Self; 3] = [Self::Each, Self::Sum, Self::Count];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Each => "EACH",
            Self::Sum => "SUM",
            Self::Count => "COUNT",
        }
    }

    /// Reads what [`Measure::as_str`] gives. `Err(FieldUnknown)`.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        Self::ALL.into_iter().find(|measure| measure.as_str() == text).ok_or(Reason::FieldUnknown)
    }

    /// What whoever pays too much is told.
    const fn refusal(self) -> Reason {
        match self {
            Self::Each => Reason::PaymentAboveLimit,
            Self::Sum => Reason::SpendingLimitReached,
            Self::Count => Reason::PaymentsTooMany,
        }
    }
}

/// What a limit is of; there is one limit for each.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LimitKey {
    pub subject: Subject,
    /// One person or terminal; every one that has no limit of its own if none is named.
    pub of: Option<String>,
    pub currency: Currency,
    pub measure: Measure,
    /// Whole seconds; zero for each payment.
    pub window: Duration,
}

impl LimitKey {
    /// Puts one together. `Err` with `LimitMalformed`, `IdMalformed` or `NameMalformed`.
    pub fn new(
        (subject, of): (Subject, Option<&str>),
        currency: Currency,
        (measure, window): (Measure, Duration),
    ) -> Result<Self, Reason> {
        let fits = match measure {
            Measure::Each => window.is_zero(),
            Measure::Sum | Measure::Count => (WINDOW.0..=WINDOW.1).contains(&window) && window.subsec_nanos() == 0,
        };
        if !fits {
            return Err(Reason::LimitMalformed);
        }
        let of = match (subject, of) {
            (_, None) => None,
            (Subject::Person, Some(id)) => Some(PersonId::parse(id)?.to_string()),
            (Subject::Terminal, Some(id)) => Some(TerminalId::parse(id)?.to_string()),
        };
        Ok(Self { subject, of, currency, measure, window })
    }

    /// Reads what `Display` gives. `Err` as [`LimitKey::new`], or with `FieldUnknown` or `CurrencyUnknown`.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        let words: Vec<&str> = text.split(' ').collect();
        let [subject, of, currency, measure, window] = words.as_slice() else { return Err(Reason::LimitMalformed) };
        let window = window.parse().map(Duration::from_secs).map_err(|_| Reason::LimitMalformed)?;
        let of = Some(*of).filter(|of| *of != EVERY);
        Self::new((Subject::parse(subject)?, of), Currency::parse(currency)?, (Measure::parse(measure)?, window))
    }

    /// The same for everybody who has no limit of their own.
    fn general(&self) -> Self {
        Self { of: None, ..self.clone() }
    }
}

/// Stands for every person or terminal; no id has this character.
const EVERY: &str = "*";

impl fmt::Display for LimitKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (of, seconds) = (self.of.as_deref().unwrap_or(EVERY), self.window.as_secs());
        write!(f, "{} {of} {} {} {seconds}", self.subject.as_str(), self.currency.code(), self.measure.as_str())
    }
}

/// A limit as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    pub key: LimitKey,
    /// Minor units, or a number of payments. Zero lets nothing through.
    pub most: i64,
    /// When there was first a limit of this key.
    pub set_at: Timestamp,
    /// Of one who is named: whether it holds where it is above that of everybody, to which a second person has agreed.
    pub may_exceed: bool,
}

impl Limit {
    /// `Err(AmountMalformed)` for less than nothing.
    pub const fn check(most: i64) -> Result<i64, Reason> {
        if most < 0 { Err(Reason::AmountMalformed) } else { Ok(most) }
    }

    /// Whether what was paid then has been counted under it for sure.
    pub fn has_counted(&self, at: Timestamp) -> bool {
        at >= self.set_at.plus(HEARD_WITHIN)
    }
}

/// Of whom a tally is: all limits over the same window share it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TallyKey {
    pub subject: Subject,
    pub id: String,
    pub currency: Currency,
    pub window: Duration,
}

impl fmt::Display for TallyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subject, id, currency, window } = self;
        write!(f, "{} {id} {} {}", subject.as_str(), currency.code(), window.as_secs())
    }
}
