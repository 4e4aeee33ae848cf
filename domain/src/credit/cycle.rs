//! The calendar of a credit account. Weekends and holidays move nothing.

use jiff::ToSpan;
use jiff::civil::Date;

use super::{Due, Terms};

pub(super) fn plus_days(date: Date, days: u8) -> Date {
    date.saturating_add(i64::from(days).days())
}

/// Whole days from one day to another, below zero when it is earlier.
pub(super) fn days_between(from: Date, to: Date) -> i64 {
    from.until(to).map_or(0, |span| i64::from(span.get_days()))
}

/// The day of this month, or its last one when it has fewer.
fn day_in_month_of(date: Date, day: u8) -> Date {
    let wanted = i8::try_from(day).unwrap_or(i8::MAX).clamp(1, date.days_in_month());
    Date::new(date.year(), date.month(), wanted).unwrap_or(date)
}

/// The first day not before `from` that is this day of a month.
fn next(day: u8, from: Date) -> Date {
    let here = day_in_month_of(from, day);
    if here >= from { here } else { day_in_month_of(from.first_of_month().saturating_add(1.month()), day) }
}

impl Terms {
    /// The first close that is not before this day.
    pub fn close_from(&self, on: Date) -> Date {
        next(self.close_day, on)
    }

    /// The close after this one.
    pub fn next_close(&self, closed_on: Date) -> Date {
        self.close_from(plus_days(closed_on, 1))
    }

    /// The due date of the statement that was closed on this day: always before the next close.
    pub fn due_on(&self, closed_on: Date) -> Date {
        let due = match self.due {
            Due::Day(day) => next(day, plus_days(closed_on, 1)),
            Due::DaysAfterClose(days) => plus_days(closed_on, days),
        };
        due.min(self.last_before_next_close(closed_on))
    }

    /// The last day on which money counts as paid in time: the due date and the days of grace.
    pub fn last_day_to_pay(&self, closed_on: Date) -> Date {
        plus_days(self.due_on(closed_on), self.grace_days).min(self.last_before_next_close(closed_on))
    }

    /// How many days a purchase that is posted on this day may wait for its payment without interest.
    pub fn interest_free_days(&self, posted_on: Date) -> i64 {
        days_between(posted_on, self.due_on(self.close_from(posted_on)))
    }

    fn last_before_next_close(&self, closed_on: Date) -> Date {
        self.next_close(closed_on).saturating_sub(1.day())
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    fn terms(close_day: u8, due: Due) -> Terms {
        Terms { due, grace_days: 0, ..Terms::usual(close_day) }
    }

    #[test]
    fn c7_a_close_day_that_a_month_does_not_have_is_its_last_day() {
        let table = [
            (5, date(2026, 1, 5), date(2026, 1, 5)),
            (5, date(2026, 1, 6), date(2026, 2, 5)),
            (5, date(2026, 12, 6), date(2027, 1, 5)),
            (29, date(2026, 2, 1), date(2026, 2, 28)),
            (29, date(2028, 2, 1), date(2028, 2, 29)),
            (30, date(2026, 2, 28), date(2026, 2, 28)),
            (30, date(2026, 3, 1), date(2026, 3, 30)),
            (31, date(2026, 1, 31), date(2026, 1, 31)),
            (31, date(2026, 2, 1), date(2026, 2, 28)),
            (31, date(2026, 4, 30), date(2026, 4, 30)),
            (31, date(2028, 2, 29), date(2028, 2, 29)),
        ];
        for (close_day, from, close) in table {
            let terms = terms(close_day, Due::DaysAfterClose(20));
            assert_eq!(terms.close_from(from), close, "day {close_day} from {from}");
        }
    }

    #[test]
    fn c7_a_statement_is_due_by_its_rule_and_always_before_the_next_close() {
        let table = [
            ("20 days later", 5, Due::DaysAfterClose(20), date(2026, 1, 5), date(2026, 1, 25)),
            ("over a month's end", 20, Due::DaysAfterClose(20), date(2026, 2, 20), date(2026, 3, 12)),
            ("over a leap day", 20, Due::DaysAfterClose(20), date(2028, 2, 20), date(2028, 3, 11)),
            ("a day of the same month", 5, Due::Day(25), date(2026, 1, 5), date(2026, 1, 25)),
            ("a day of the next month", 20, Due::Day(10), date(2026, 1, 20), date(2026, 2, 10)),
            ("a day that February lacks", 5, Due::Day(30), date(2026, 2, 5), date(2026, 2, 28)),
            ("a Saturday stays a Saturday", 5, Due::Day(24), date(2026, 1, 5), date(2026, 1, 24)),
            ("the close day itself: the day before the next close", 5, Due::Day(5), date(2026, 1, 5), date(2026, 2, 4)),
            ("one day before the close", 15, Due::Day(14), date(2026, 1, 15), date(2026, 2, 14)),
            ("close on the 30th, due on the 31st", 30, Due::Day(31), date(2026, 2, 28), date(2026, 3, 29)),
            ("close on the 31st, due on the 28th", 31, Due::Day(28), date(2026, 1, 31), date(2026, 2, 27)),
            ("27 days after January", 31, Due::DaysAfterClose(27), date(2026, 1, 31), date(2026, 2, 27)),
        ];
        for (name, close_day, due, closed_on, wanted) in table {
            assert_eq!(terms(close_day, due).due_on(closed_on), wanted, "{name}");
        }
    }

    #[test]
    fn a_purchase_waits_longest_right_after_a_close() {
        let terms = terms(5, Due::DaysAfterClose(20));
        assert_eq!(terms.interest_free_days(date(2026, 1, 6)), 50);
        assert_eq!(terms.interest_free_days(date(2026, 2, 5)), 20);
        let graceful = Terms { grace_days: 3, ..terms };
        assert_eq!(graceful.last_day_to_pay(date(2026, 1, 5)), date(2026, 1, 28));
        let late = Terms { due: Due::DaysAfterClose(27), grace_days: 7, ..terms };
        assert_eq!(late.last_day_to_pay(date(2026, 2, 5)), date(2026, 3, 4), "and not on the next close");
    }

    proptest! {
        #[test]
        fn between_two_closes_there_is_one_due_date(
            close_day in 1_u8..32, due in prop_oneof![(1_u8..32).prop_map(Due::Day), (1_u8..28).prop_map(Due::DaysAfterClose)],
            grace_days in 0_u8..8, offset in 0_i64..3_000
        ) {
            let terms = Terms { grace_days, ..terms(close_day, due) };
            prop_assert_eq!(terms.check(), Ok(()));
            let close = terms.close_from(date(2024, 1, 1).saturating_add(offset.days()));
            let (due_on, last, next) = (terms.due_on(close), terms.last_day_to_pay(close), terms.next_close(close));
            prop_assert!(close < due_on && due_on <= last && last < next);
            prop_assert!((28..=31).contains(&days_between(close, next)), "{} to {}", close, next);
            prop_assert_eq!(terms.close_from(next), next);
        }
    }
}
