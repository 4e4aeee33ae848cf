//! What was paid within a window, in slots.

use std::fmt::Write as _;
use std::time::Duration;

use crate::{Reason, Timestamp};

/// Parts of a window.
pub const SLOTS: u32 = 24;

/// What was paid in one part of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slot {
    /// Its place since 1970, in lengths of a slot.
    place: i64,
    sum_minor: i64,
    count: i64,
}

/// What one person or terminal has paid lately, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    slots: Vec<Slot>,
}

/// The length of a slot in microseconds.
fn length(window: Duration) -> i64 {
    i64::try_from((window / SLOTS).as_micros()).unwrap_or(i64::MAX).max(1)
}

fn place(at: Timestamp, window: Duration) -> i64 {
    at.micros().div_euclid(length(window))
}

impl Tally {
    /// Sum and number of what was paid within the window before now; of the slot in which it began, all.
    pub fn within(&self, window: Duration, now: Timestamp) -> (i64, i64) {
        let first = place(now.minus(window), window);
        let counted = self.slots.iter().filter(|slot| slot.place >= first);
        counted.fold((0, 0), |(sum, count), slot| {
            (i64::saturating_add(sum, slot.sum_minor), i64::saturating_add(count, slot.count))
        })
    }

    /// Counts a payment, and forgets what no window reaches any more.
    pub fn add(&mut self, minor: i64, window: Duration, now: Timestamp) {
        let (here, first) = (place(now, window), place(now.minus(window), window));
        self.slots.retain(|slot| slot.place >= first);
        let at = match self.slots.binary_search_by_key(&here, |slot| slot.place) {
            Ok(at) => at,
            Err(at) => {
                self.slots.insert(at, Slot { place: here, sum_minor: 0, count: 0 });
                at
            }
        };
        if let Some(slot) = self.slots.get_mut(at) {
            slot.sum_minor = slot.sum_minor.saturating_add(minor);
            slot.count = slot.count.saturating_add(1);
        }
    }

    /// Takes back what was counted then: so much money, and so many payments. What is not in any slot any more is past.
    pub fn take_back(&mut self, (minor, count): (i64, i64), window: Duration, counted_at: Timestamp) {
        let there = place(counted_at, window);
        if let Some(slot) = self.slots.iter_mut().find(|slot| slot.place == there) {
            slot.sum_minor = slot.sum_minor.saturating_sub(minor).max(0);
            slot.count = slot.count.saturating_sub(count).max(0);
        }
        self.slots.retain(|slot| slot.sum_minor > 0 || slot.count > 0);
    }

    /// As it is stored: `place:sum:count`, with spaces between them.
    pub fn words(&self) -> String {
        let mut words = String::new();
        for slot in &self.slots {
            let space = if words.is_empty() { "" } else { " " };
            let _ = write!(words, "{space}{}:{}:{}", slot.place, slot.sum_minor, slot.count);
        }
        words
    }

    /// Reads what [`Tally::words`] wrote. `Err(FieldUnknown)`.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        let number = |word: Option<&str>| word.and_then(|word| word.parse::<i64>().ok()).ok_or(Reason::FieldUnknown);
        let slot = |word: &str| {
            let mut numbers = word.split(':');
            let (place, sum_minor, count) = (number(numbers.next())?, number(numbers.next())?, number(numbers.next())?);
            let sound = numbers.next().is_none() && sum_minor >= 0 && count >= 0;
            if sound { Ok(Slot { place, sum_minor, count }) } else { Err(Reason::FieldUnknown) }
        };
        let slots: Vec<Slot> = text.split(' ').filter(|word| !word.is_empty()).map(slot).collect::<Result<_, _>>()?;
        let in_order = slots.is_sorted_by(|a, b| a.place < b.place);
        if in_order { Ok(Self { slots }) } else { Err(Reason::FieldUnknown) }
    }
}
