//! The bill that is running: what the person's records come to since the last close.

use jiff::ToSpan;
use jiff::civil::Date;

use super::{AccountKey, Bill};
use crate::credit::{Due, Terms};
use crate::text::Line;
use crate::{Currency, Money, PaymentId, Reason};

/// When an account is closed each month and when that is due: the calendar of its [`Terms`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cycle(Terms);

/// The days of one cycle, the first and the last one included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// Its first day.
    pub from: Date,
    /// Its last day.
    pub closes_on: Date,
    /// When the bill of it will be due.
    pub due_on: Date,
}

impl Cycle {
    /// `Err(TermsMalformed)` when there is no such day. What a cycle costs is for the bank to say and plays no part.
    pub fn new(close_day: u8, due: Due) -> Result<Self, Reason> {
        let terms = Terms { due, grace_days: 0, ..Terms::usual(close_day) };
        terms.check()?;
        Ok(Self(terms))
    }

    /// The calendar that the bank's own bills show: those of one account, the last one and, where there is one, the one before it.
    ///
    /// A month that lacks the closing day is closed on its last day, so that of the two days of close the later one is meant
    /// where the other is the last of its month. Bills that are due after the same number of days are so by rule, and otherwise
    /// it is the day of the month; one bill alone, or two that fit neither, speak of the days that the last one gives.
    pub fn of_bills(last: &Bill, before: Option<&Bill>) -> Result<Self, Reason> {
        let close_day =
            before.map_or_else(|| last.closed_on.day(), |before| shared_day(last.closed_on, before.closed_on));
        let days = days_to_pay(last);
        let by_day = before.is_some_and(|it| days_to_pay(it) != days && it.due_on.day() == last.due_on.day());
        let small = |n: i8| u8::try_from(n).map_err(|_| Reason::TermsMalformed);
        let due = match u8::try_from(days) {
            Ok(days @ 1..=27) if !by_day => Due::DaysAfterClose(days),
            _ => Due::Day(small(last.due_on.day())?),
        };
        Self::new(small(close_day)?, due)
    }

    /// The cycle that runs on this day, from the day after the last bill was closed: where a close is over by the calendar and the
    /// bank has not told of it, what is since stands in no bill yet.
    pub fn running(&self, closed_on: Date, on: Date) -> Period {
        let from = closed_on.saturating_add(1.day());
        Period { from, ..self.period_of(on.max(from)) }
    }

    /// The cycle that this day is in. The closing day is the last one of its cycle.
    pub fn period_of(&self, on: Date) -> Period {
        let closes_on = self.0.close_from(on);
        // Two closes are at most 31 days apart.
        let mut before = self.0.close_from(on.saturating_sub(32.days()));
        while self.0.next_close(before) < closes_on {
            before = self.0.next_close(before);
        }
        Period { from: before.saturating_add(1.day()), closes_on, due_on: self.0.due_on(closes_on) }
    }
}

fn days_to_pay(bill: &Bill) -> i64 {
    bill.closed_on.until(bill.due_on).map_or(0, |span| i64::from(span.get_days()))
}

/// The day of the month that two closes speak of.
fn shared_day(last: Date, before: Date) -> i8 {
    let (short, long) = if before.day() < last.day() { (before, last) } else { (last, before) };
    if short.day() == short.days_in_month() { long.day() } else { last.day() }
}

/// A charge of an account, as the person's records have it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Record {
    /// The day in the bank's time zone.
    pub on: Date,
    /// What the account bears of it, in minor units; below zero when money came back.
    pub amount_minor: i64,
    /// Whom the money went to.
    pub merchant: Line,
    /// Its payment; the bank may know it too.
    pub payment_id: PaymentId,
}

/// What a bill would come to if it were closed now. It knows charges alone: neither what is left of older bills nor interest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunningBill {
    /// Whose bill it will be.
    pub account: AccountKey,
    /// The cycle that is running.
    pub period: Period,
    /// How many records it has.
    pub count: usize,
    /// What was charged, without what came back.
    pub charged: Money,
    /// What came back, as an amount above zero.
    pub given_back: Money,
    /// The one less the other; below zero in the customer's favour.
    pub sum: Money,
}

impl RunningBill {
    /// Over the records of this account in this currency; those of other days are left out. `Err(AmountTooLarge)`.
    pub fn of(account: AccountKey, currency: Currency, period: Period, records: &[Record]) -> Result<Self, Reason> {
        let zero = Money::new(currency, 0);
        let (mut charged, mut given_back, mut count) = (zero, zero, 0);
        for record in records.iter().filter(|record| (period.from..=period.closes_on).contains(&record.on)) {
            count += 1;
            if record.amount_minor >= 0 {
                charged = charged.plus(Money::new(currency, record.amount_minor))?;
            } else {
                let minor = record.amount_minor.checked_neg().ok_or(Reason::AmountTooLarge)?;
                given_back = given_back.plus(Money::new(currency, minor))?;
            }
        }
        // Both are zero or more, so that their difference is in range.
        let sum = Money::new(currency, charged.minor.saturating_sub(given_back.minor));
        Ok(Self { account, period, count, charged, given_back, sum })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::super::billed::tests::{account, bill};
    use super::*;

    pub(crate) fn record(n: u128, on: Date, amount_minor: i64, merchant: &str) -> Record {
        let payment_id = PaymentId::from_uuid(Uuid::from_u128(n));
        Record { on, amount_minor, merchant: Line::parse(merchant).unwrap(), payment_id }
    }

    #[test]
    fn r8_bills_show_the_calendar_of_their_account() {
        let of = |closed_on: Date, due_on: Date| Bill { from: closed_on, closed_on, due_on, ..bill() };
        let newest = of(date(2026, 3, 5), date(2026, 3, 25));
        let table = [
            ("one bill", newest.clone(), None, 5, Due::DaysAfterClose(20)),
            (
                "the same days",
                newest.clone(),
                Some(of(date(2026, 2, 5), date(2026, 2, 25))),
                5,
                Due::DaysAfterClose(20),
            ),
            (
                "the same day of the month",
                of(date(2026, 3, 20), date(2026, 4, 10)),
                Some(of(date(2026, 2, 20), date(2026, 3, 10))),
                20,
                Due::Day(10),
            ),
            (
                "February stands for the 31st",
                of(date(2026, 2, 28), date(2026, 3, 20)),
                Some(of(date(2026, 1, 31), date(2026, 2, 20))),
                31,
                Due::DaysAfterClose(20),
            ),
            (
                "after February",
                of(date(2026, 3, 31), date(2026, 4, 20)),
                Some(of(date(2026, 2, 28), date(2026, 3, 20))),
                31,
                Due::DaysAfterClose(20),
            ),
            (
                "the bank has moved the close",
                of(date(2026, 3, 12), date(2026, 4, 1)),
                Some(of(date(2026, 2, 5), date(2026, 2, 25))),
                12,
                Due::DaysAfterClose(20),
            ),
            ("longer than the rule of days can say", of(date(2026, 3, 5), date(2026, 4, 4)), None, 5, Due::Day(4)),
        ];
        for (name, last, before, close_day, due) in table {
            assert_eq!(Cycle::of_bills(&last, before.as_ref()), Cycle::new(close_day, due), "{name}");
        }
        let cycle = Cycle::new(5, Due::DaysAfterClose(20)).unwrap();
        for (on, closes_on) in [
            (date(2026, 3, 6), date(2026, 4, 5)),
            (date(2026, 3, 1), date(2026, 4, 5)),
            (date(2026, 4, 9), date(2026, 5, 5)),
        ] {
            let period = cycle.running(newest.closed_on, on);
            assert_eq!((period.from, period.closes_on), (date(2026, 3, 6), closes_on), "{on}");
        }
    }

    #[test]
    fn r8_a_day_is_in_the_cycle_that_ends_with_the_next_close() {
        let after_20 = Due::DaysAfterClose(20);
        let table = [
            ("the first day", 5, after_20, date(2026, 1, 6), "2026-01-06", "2026-02-05", "2026-02-25"),
            ("the closing day", 5, after_20, date(2026, 2, 5), "2026-01-06", "2026-02-05", "2026-02-25"),
            ("the day after", 5, after_20, date(2026, 2, 6), "2026-02-06", "2026-03-05", "2026-03-25"),
            ("over the new year", 20, Due::Day(10), date(2026, 12, 25), "2026-12-21", "2027-01-20", "2027-02-10"),
            ("a month that lacks the day", 31, after_20, date(2026, 2, 10), "2026-02-01", "2026-02-28", "2026-03-20"),
            ("after one that lacks it", 31, after_20, date(2026, 3, 1), "2026-03-01", "2026-03-31", "2026-04-20"),
            ("a leap day", 30, after_20, date(2028, 2, 29), "2028-01-31", "2028-02-29", "2028-03-20"),
            (
                "a day that lacks it still closes",
                29,
                after_20,
                date(2026, 3, 1),
                "2026-03-01",
                "2026-03-29",
                "2026-04-18",
            ),
        ];
        for (name, close_day, due, on, from, closes_on, due_on) in table {
            let period = Cycle::new(close_day, due).unwrap().period_of(on);
            let got = [period.from, period.closes_on, period.due_on].map(|day| day.to_string());
            assert_eq!(got, [from, closes_on, due_on], "{name}");
        }
        for (close_day, due) in [(0, after_20), (32, after_20), (5, Due::Day(0)), (5, Due::DaysAfterClose(28))] {
            assert_eq!(Cycle::new(close_day, due), Err(Reason::TermsMalformed), "{close_day} {due:?}");
        }
    }

    #[test]
    fn r8_the_running_bill_is_what_the_records_come_to_since_the_close() {
        let period = Cycle::new(5, Due::DaysAfterClose(20)).unwrap().period_of(date(2026, 2, 10));
        let records = [
            record(1, date(2026, 2, 5), 9_999, "before the close"),
            record(2, date(2026, 2, 6), 1_200, "Bakery"),
            record(3, date(2026, 2, 10), 800, "Bakery"),
            record(4, date(2026, 2, 10), -200, "Bakery"),
            record(5, date(2026, 3, 5), 50, "on the closing day"),
            record(6, date(2026, 3, 6), 7_777, "after it"),
        ];
        let bill = RunningBill::of(account("bank-a", 1), Currency::CNY, period, &records).unwrap();
        let got = (bill.count, bill.charged.minor, bill.given_back.minor, bill.sum.minor);
        assert_eq!(got, (4, 2_050, 200, 1_850));
        let none = RunningBill::of(account("bank-a", 1), Currency::CNY, period, &[]).unwrap();
        assert_eq!((none.count, none.sum.minor), (0, 0));
        let on = date(2026, 2, 10);
        for too_large in [[i64::MAX, 1], [i64::MIN, 0], [-i64::MAX, -1]] {
            let records = too_large.map(|minor| record(1, on, minor, "Bakery"));
            let got = RunningBill::of(account("bank-a", 1), Currency::CNY, period, &records);
            assert_eq!(got, Err(Reason::AmountTooLarge), "{too_large:?}");
        }
    }

    proptest! {
        #[test]
        fn r8_every_day_is_in_one_cycle_and_cycles_follow_each_other(close_day in 1_u8..32, offset in 0_i64..3_000) {
            let cycle = Cycle::new(close_day, Due::DaysAfterClose(20)).unwrap();
            let on = date(2024, 1, 1).saturating_add(offset.days());
            let period = cycle.period_of(on);
            prop_assert!(period.from <= on && on <= period.closes_on && period.closes_on < period.due_on);
            let next = cycle.period_of(period.closes_on.saturating_add(1.day()));
            prop_assert_eq!(next.from, period.closes_on.saturating_add(1.day()));
            prop_assert_eq!(cycle.period_of(period.from), period);
        }
    }
}
