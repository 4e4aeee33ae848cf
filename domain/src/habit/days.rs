//! What was bought on which of the last days.

use std::collections::BTreeMap;
use std::fmt;

use jiff::civil::Date;
use jiff::{Span, ToSpan};

use crate::Reason;

/// A number of purchases and what they cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bought {
    /// How many.
    pub count: i64,
    /// What they cost together, in minor units.
    pub sum_minor: i64,
}

impl Bought {
    /// Nothing.
    pub const NONE: Self = Self { count: 0, sum_minor: 0 };

    /// Both together. `Err(AmountTooLarge)` past `i64`.
    pub fn plus(self, other: Self) -> Result<Self, Reason> {
        let count = self.count.checked_add(other.count).ok_or(Reason::AmountTooLarge)?;
        let sum_minor = self.sum_minor.checked_add(other.sum_minor).ok_or(Reason::AmountTooLarge)?;
        Ok(Self { count, sum_minor })
    }

    /// This with one purchase changed from `before` to `after`. `Err(Fault)` when `before` cannot be a part of it, which is
    /// so when a purchase is taken back that was not added.
    pub(super) fn changed(self, before: Self, after: Self) -> Result<Self, Reason> {
        let less = Self {
            count: self.count.saturating_sub(before.count),
            sum_minor: self.sum_minor.saturating_sub(before.sum_minor),
        };
        // Every purchase that counts costs something.
        if less.count < 0 || less.sum_minor < less.count || (less.count == 0 && less.sum_minor != 0) {
            return Err(Reason::Fault);
        }
        less.plus(after)
    }

    pub(super) fn is_none(self) -> bool {
        self == Self::NONE
    }
}

/// What was bought on each of the last [`Days::KEPT`] days, so that the totals of any few weeks and the days of the week and
/// of the month on which somebody buys are known without the records, and a purchase is taken back from its day.
///
/// Days before the first one that is kept are out of it for good: what is added or taken back there changes nothing here.
/// That day only moves on, so that two replicas whose clocks differ about midnight come to the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Days {
    /// The first day that is kept.
    from: Date,
    bought: BTreeMap<Date, Bought>,
}

impl Days {
    /// 27 weeks: six months and a few days around them.
    pub const KEPT: i64 = 27 * 7;

    /// No purchases up to this day.
    pub(super) fn until(today: Date) -> Self {
        Self { from: first_kept(today), bought: BTreeMap::new() }
    }

    /// Drops the days that are too long ago on this day.
    pub(super) fn forget(&mut self, today: Date) {
        self.from = self.from.max(first_kept(today));
        self.bought = self.bought.split_off(&self.from);
    }

    /// Changes one purchase of this day from `before` to `after`. `Err` as [`Bought::changed`].
    pub(super) fn change(&mut self, on: Date, before: Bought, after: Bought) -> Result<(), Reason> {
        if on < self.from {
            return Ok(());
        }
        let there = self.bought.get(&on).copied().unwrap_or_default().changed(before, after)?;
        if there.is_none() {
            self.bought.remove(&on);
        } else {
            self.bought.insert(on, there);
        }
        Ok(())
    }

    /// The days on which something was bought, oldest first, and what.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (Date, Bought)> {
        self.bought.iter().map(|(on, bought)| (*on, *bought))
    }

    /// The last day on which something was bought; none when it is longer ago than [`Days::KEPT`].
    pub fn last_on(&self) -> Option<Date> {
        self.bought.keys().next_back().copied()
    }

    /// Reads the form that is stored. `Err(FieldUnknown)`.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        let mut words = text.split(' ');
        let first = words.next().ok_or(Reason::FieldUnknown)?;
        let from: Date = first.parse().map_err(|_| Reason::FieldUnknown)?;
        if from.to_string() != first {
            return Err(Reason::FieldUnknown);
        }
        let (mut bought, mut on) = (BTreeMap::new(), from);
        for word in words {
            let mut numbers = word.split(':');
            let step = Span::new().try_days(number(numbers.next())?).map_err(|_| Reason::FieldUnknown)?;
            on = on.checked_add(step).map_err(|_| Reason::FieldUnknown)?;
            let there = Bought { count: number(numbers.next())?, sum_minor: number(numbers.next())? };
            let is_known = there.count > 0 && there.sum_minor >= there.count && numbers.next().is_none();
            if !is_known || bought.insert(on, there).is_some() {
                return Err(Reason::FieldUnknown);
            }
        }
        Ok(Self { from, bought })
    }
}

/// A number in the one way in which it is written: neither a sign nor zeros before it.
fn number(word: Option<&str>) -> Result<i64, Reason> {
    let is_usual = |word: &&str| *word == "0" || word.starts_with(|first: char| matches!(first, '1'..='9'));
    word.filter(is_usual).and_then(|word| word.parse().ok()).ok_or(Reason::FieldUnknown)
}

fn first_kept(today: Date) -> Date {
    today.saturating_sub((Days::KEPT - 1).days())
}

/// The form that is stored: the first day that is kept, then for each day on which something was bought how many days it is
/// after the one before, how many purchases and their sum in minor units: `2026-05-18 4:1:4500 7:2:9900`.
impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.from)?;
        let mut before = self.from;
        for (on, Bought { count, sum_minor }) in self.iter() {
            let step = before.until(on).map_or(0, |span| span.get_days());
            write!(f, " {step}:{count}:{sum_minor}")?;
            before = on;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    const ONE: Bought = Bought { count: 1, sum_minor: 4_500 };

    #[test]
    fn days_are_read_as_they_are_written() {
        let mut days = Days::until(date(2026, 11, 22));
        for on in [date(2026, 5, 21), date(2026, 5, 18), date(2026, 11, 22), date(2026, 5, 21), date(2026, 5, 17)] {
            days.change(on, Bought::NONE, ONE).unwrap();
        }
        assert_eq!(days.to_string(), "2026-05-18 0:1:4500 3:2:9000 185:1:4500", "the day before the first is not kept");
        assert_eq!(Days::parse(&days.to_string()), Ok(days.clone()));
        assert_eq!(days.last_on(), Some(date(2026, 11, 22)));
        days.forget(date(2026, 11, 25));
        assert_eq!(days.to_string(), "2026-05-21 0:2:9000 185:1:4500");
        days.forget(date(2026, 11, 22));
        assert_eq!(days.to_string(), "2026-05-21 0:2:9000 185:1:4500", "what is forgotten does not come back");
        for bad in [
            "",
            "x",
            "2026-05-18 ",
            "2026-05-18 1:1",
            "2026-05-18 1:0:0",
            "2026-05-18 1:2:1",
            "2026-05-18 -1:1:1",
            "2026-05-18 1:1:1 0:1:1",
            "2026-05-18 9999999:1:1",
            "2026-05-18 1:1:1:1",
            "2026-05-18 +1:1:1",
            "2026-05-18 01:1:1",
            "2026-05-18 1:1:-1",
            "20260518 1:1:1",
        ] {
            assert_eq!(Days::parse(bad), Err(Reason::FieldUnknown), "{bad:?}");
        }
    }

    #[test]
    fn what_was_not_added_is_not_taken_back() {
        let today = date(2026, 11, 22);
        let mut days = Days::until(today);
        assert_eq!(days.change(today, ONE, Bought::NONE), Err(Reason::Fault));
        days.change(today, Bought::NONE, ONE).unwrap();
        let other = Bought { count: 1, sum_minor: 4_400 };
        assert_eq!(days.change(today, other, Bought::NONE), Err(Reason::Fault), "something would be left of nothing");
        let most = Bought { count: 1, sum_minor: i64::MAX };
        assert_eq!(days.change(today, Bought::NONE, most), Err(Reason::AmountTooLarge));
        assert_eq!(days.change(today, ONE, Bought::NONE), Ok(()));
        assert_eq!(days, Days::until(today));
    }
}
