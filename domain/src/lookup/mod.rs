//! Budgets for look-ups of people by their number (M4, M9): whoever may ask whether a number is a customer's may not ask of all numbers.
//!
//! A budget is a token bucket. A look-up that finds somebody costs little, one that finds nobody costs much, and a payment that comes of it
//! gives back; so a shop that sells never feels the budget, and whoever goes through numbers has soon used it up. What a look-up will cost is not known
//! before it is made, so the dearer price is set aside first: a budget that is too low refuses a known number like an unknown one.
//!
//! The [`Bucket`] stands in the database, and each replica draws a part of it at a time into an [`Allowance`] of its own, from which look-ups
//! are paid without asking the database. What is drawn is gone from the bucket: a replica that dies loses its allowance, and nobody gains one.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::{Reason, Timestamp};

/// The most parts of a bucket that are asked for at once: a tenth.
const PARTS: u32 = 10;
/// So many of the dearest look-ups a drawn part is worth at least, so that no database is asked for each of them.
const WORTH: u32 = 4;

/// Whose budget it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// One terminal.
    Terminal,
    /// All terminals of a merchant.
    Merchant,
    /// All terminals behind a link of a card network.
    Link,
    /// A mobile carrier that signs people up.
    Carrier,
    /// A bank that asks about people.
    Bank,
}

impl Scope {
    pub const ALL: [Self; 5] = [Self::Terminal, Self::Merchant, Self::Link, Self::Carrier, Self::Bank];

    /// The name under which it is stored, logged and counted.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Terminal => "TERMINAL",
            Self::Merchant => "MERCHANT",
            Self::Link => "LINK",
            Self::Carrier => "CARRIER",
            Self::Bank => "BANK",
        }
    }

    /// Reads what [`Scope::as_str`] gives. `Err(FieldUnknown)`.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or(Reason::FieldUnknown)
    }
}

/// What look-ups cost, in tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Costs {
    /// One that finds somebody.
    pub hit: u32,
    /// One that finds nobody, or nobody who can pay: whoever asks is told the same.
    pub miss: u32,
    /// What a payment that comes of a look-up gives back.
    pub paid: u32,
}

/// How large a budget is, and how fast it fills again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Tokens in a full bucket.
    pub burst: NonZeroU32,
    /// Tokens that come back in an hour.
    pub per_hour: NonZeroU32,
}

impl Rate {
    /// How long one token takes to come back; rounded up, so that no hour brings more than it should.
    fn per_token(self) -> Duration {
        let hour = 3_600_000_000_u64;
        Duration::from_micros(hour.div_ceil(u64::from(self.per_hour.get())))
    }

    /// How long an empty bucket takes to be full.
    fn whole(self) -> Duration {
        self.per_token().saturating_mul(self.burst.get())
    }

    /// What is set aside for a look-up: the dearest price, but no more than there can be.
    pub fn reserved(self, costs: Costs) -> u32 {
        costs.miss.max(costs.hit).min(self.burst.get())
    }

    /// How many tokens a replica asks for at once.
    pub fn part(self, costs: Costs) -> u32 {
        let least = self.reserved(costs).saturating_mul(WORTH);
        least.max(self.burst.get() / PARTS).min(self.burst.get())
    }
}

/// A budget as it is stored: the moment at which it is full again. What is left follows from that and the time, so that nothing has to be
/// counted while nobody asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    pub full_at: Timestamp,
}

impl Bucket {
    /// One from which nothing was ever drawn.
    pub const fn full(now: Timestamp) -> Self {
        Self { full_at: now }
    }

    /// The time until it is full. A clock that was set back makes no bucket emptier than empty.
    fn lacks(self, rate: Rate, now: Timestamp) -> Duration {
        self.full_at.since(now).min(rate.whole())
    }

    /// The tokens in it.
    pub fn left(self, rate: Rate, now: Timestamp) -> u32 {
        let lacking = self.lacks(rate, now).as_micros().div_ceil(rate.per_token().as_micros().max(1));
        rate.burst.get().saturating_sub(u32::try_from(lacking).unwrap_or(u32::MAX))
    }

    /// Takes as many as are wanted, or as are there; none when there are fewer than `least`.
    pub fn draw(&mut self, wanted: u32, least: u32, rate: Rate, now: Timestamp) -> u32 {
        let left = self.left(rate, now);
        if left < least {
            return 0;
        }
        let drawn = wanted.min(left);
        self.full_at = now.plus(self.lacks(rate, now)).plus(rate.per_token().saturating_mul(drawn));
        drawn
    }

    /// How long it takes until so many are there; nothing when they are.
    pub fn has_in(self, wanted: u32, rate: Rate, now: Timestamp) -> Duration {
        let spare = rate.per_token().saturating_mul(rate.burst.get().saturating_sub(wanted));
        self.lacks(rate, now).saturating_sub(spare)
    }

    /// Whether it has filled up far enough to say that whoever emptied it has stopped.
    pub fn is_well_again(self, rate: Rate, now: Timestamp) -> bool {
        self.left(rate, now) >= rate.burst.get().div_ceil(2)
    }
}

/// What one replica has drawn and not spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    tokens: u32,
    /// Before this nothing is to be had of the bucket.
    dry_until: Option<Timestamp>,
}

/// What an allowance says to a look-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// It is paid for.
    Paid,
    /// The bucket has to be asked.
    Draw,
    /// The bucket is empty, too.
    Dry,
}

impl Allowance {
    pub const fn tokens(self) -> u32 {
        self.tokens
    }

    /// Sets the dearest price aside.
    pub fn take(&mut self, reserved: u32, now: Timestamp) -> Take {
        if self.tokens >= reserved {
            self.tokens -= reserved;
            return Take::Paid;
        }
        if self.dry_until.is_some_and(|until| now < until) { Take::Dry } else { Take::Draw }
    }

    /// Adds what was drawn.
    pub fn drawn(&mut self, tokens: u32, rate: Rate) {
        self.dry_until = None;
        self.give_back(tokens, rate);
    }

    /// The bucket had nothing: it is not asked again before `until`.
    pub const fn dry(&mut self, until: Timestamp) {
        self.dry_until = Some(until);
    }

    /// The bucket was filled by somebody: it is asked again.
    pub const fn ask_again(&mut self) {
        self.dry_until = None;
    }

    /// Adds what a look-up did not cost after all, or what a payment gives back; never above a full bucket.
    pub fn give_back(&mut self, tokens: u32, rate: Rate) {
        self.tokens = self.tokens.saturating_add(tokens).min(rate.burst.get());
    }
}

#[cfg(test)]
mod tests;
