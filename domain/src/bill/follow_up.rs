//! What becomes of a bill after its close, day by day, as its bank tells it (R8, R9).

use jiff::civil::Date;

use crate::credit::{Statement, Verdict};
use crate::credit_history::{AgeBucket, AmountBucket, Standing};
use crate::{Currency, Money};

/// A bill as its bank told of it last, or is about to.
///
/// A bill of which the minimum was paid in time is never late: what is left of it is in the next one, and when that is paid it was
/// paid in time. One whose minimum was not is in arrears from the day after its last day to pay, grace included, until
/// all of it is paid. How long it is in arrears is told when that falls into another bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FollowUp {
    /// The currency of the bill.
    pub currency: Currency,
    /// What there was to pay at the close, in minor units; nothing when the bank owed.
    pub billed_minor: i64,
    /// The last day to pay without being late.
    pub due_on: Date,
    /// What was paid of it since, in minor units; never less than before.
    pub paid_minor: i64,
    /// What became of it.
    pub standing: Standing,
}

impl FollowUp {
    /// A bill when it is closed. Where there is nothing to pay, it is paid.
    pub fn closed(currency: Currency, statement: &Statement) -> Self {
        let billed_minor = statement.closing_minor.max(0);
        let standing = match billed_minor {
            0 => Standing::PaidInTime { on: statement.closed_on },
            _ => Standing::Due,
        };
        Self { currency, billed_minor, due_on: statement.due_on, paid_minor: 0, standing }
    }

    /// Whether there is anything to pay yet.
    pub const fn is_open(&self) -> bool {
        self.paid_minor < self.billed_minor
    }

    /// How it stands on a day when so much of it is left to pay. `verdict` is what was found on its last day to pay, in
    /// the end of that day alone.
    #[must_use]
    pub fn on(self, day: Date, left_minor: i64, verdict: Option<&Verdict>) -> Self {
        if !self.is_open() {
            return self;
        }
        let paid_minor = self.billed_minor.saturating_sub(left_minor).clamp(self.paid_minor, self.billed_minor);
        let next = Self { paid_minor, ..self };
        let standing = match (self.standing, next.is_open()) {
            (Standing::Arrears { .. }, false) => Standing::Settled { on: day },
            (_, false) => Standing::PaidInTime { on: day },
            (Standing::Arrears { as_of, .. }, true) => {
                // What is so at the end of a day is so on the next one.
                let later = day.saturating_add(jiff::Span::new().days(1)).max(as_of);
                let is_news = paid_minor != self.paid_minor || next.age(later) != next.age(as_of);
                next.arrears(if is_news { later } else { as_of })
            }
            (_, true) if verdict.is_some_and(|verdict| verdict.missing_minor > 0) => {
                next.arrears(day.max(self.due_on).saturating_add(jiff::Span::new().days(1)))
            }
            (standing, true) => standing,
        };
        Self { standing, ..next }
    }

    fn arrears(&self, as_of: Date) -> Standing {
        let left_minor = self.billed_minor.saturating_sub(self.paid_minor);
        Standing::Arrears { as_of, left: AmountBucket::of(Money::new(self.currency, left_minor)) }
    }

    fn age(&self, on: Date) -> Option<AgeBucket> {
        AgeBucket::of_days(self.due_on.until(on).map_or(0, |span| i64::from(span.get_days())))
    }

    /// What is told, when `told` is what was told before: arrears that nobody has heard of before they were paid were paid late.
    #[must_use]
    pub const fn told_after(self, told: Option<Standing>) -> Self {
        match (self.standing, told) {
            (Standing::Settled { .. }, Some(Standing::Arrears { .. })) => self,
            (Standing::Settled { on }, _) => Self { standing: Standing::PaidLate { on }, ..self },
            _ => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan as _;
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    const DUE_ON: Date = date(2026, 2, 25);

    fn bill(standing: Standing, paid_minor: i64) -> FollowUp {
        FollowUp { currency: Currency::CNY, billed_minor: 150_000, due_on: DUE_ON, paid_minor, standing }
    }

    fn verdict(missing_minor: i64) -> Verdict {
        Verdict { number: 1, due_on: DUE_ON, open_minor: 150_000, missing_minor }
    }

    fn arrears(as_of: Date, left: AmountBucket) -> Standing {
        Standing::Arrears { as_of, left }
    }

    #[test]
    fn r8_r9_a_bill_is_followed_until_it_is_paid() {
        use AmountBucket::{UpTo1000, UpTo10000};
        use Standing::{Due, PaidInTime, Settled};
        let (first, second) = (date(2026, 2, 26), date(2026, 3, 10));
        let late = arrears(first, UpTo10000);
        // The name; before; the day, what is left, what was missed of the minimum; after.
        let table = [
            ("nothing happens", bill(Due, 0), (date(2026, 2, 10), 150_000, None), bill(Due, 0)),
            ("a part is paid", bill(Due, 0), (date(2026, 2, 10), 90_000, None), bill(Due, 60_000)),
            ("all is paid", bill(Due, 1), (DUE_ON, 0, None), bill(PaidInTime { on: DUE_ON }, 150_000)),
            ("the minimum was paid", bill(Due, 15_000), (DUE_ON, 135_000, Some(0)), bill(Due, 15_000)),
            (
                "the rest of it comes later, as agreed",
                bill(Due, 15_000),
                (second, 0, None),
                bill(PaidInTime { on: second }, 150_000),
            ),
            ("the minimum was missed", bill(Due, 0), (DUE_ON, 150_000, Some(15_000)), bill(late, 0)),
            (
                "all is paid on the last day",
                bill(Due, 0),
                (DUE_ON, 0, Some(0)),
                bill(PaidInTime { on: DUE_ON }, 150_000),
            ),
            ("in arrears, the next day", bill(late, 0), (first, 150_000, None), bill(late, 0)),
            ("in arrears, 30 days after it was due", bill(late, 0), (date(2026, 3, 26), 150_000, None), bill(late, 0)),
            (
                "in arrears, 31 days after it was due by the next day",
                bill(late, 0),
                (date(2026, 3, 27), 150_000, None),
                bill(arrears(date(2026, 3, 28), UpTo10000), 0),
            ),
            (
                "a part comes after all",
                bill(late, 0),
                (second, 100_000, None),
                bill(arrears(date(2026, 3, 11), UpTo1000), 50_000),
            ),
            ("all comes after all", bill(late, 50_000), (second, 0, None), bill(Settled { on: second }, 150_000)),
            ("what is paid is paid", bill(Settled { on: second }, 150_000), (DUE_ON, 9, Some(9)), {
                bill(Settled { on: second }, 150_000)
            }),
        ];
        for (name, before, (day, left_minor, missing), wanted) in table {
            assert_eq!(before.on(day, left_minor, missing.map(verdict).as_ref()), wanted, "{name}");
        }
    }

    #[test]
    fn r9_arrears_that_nobody_heard_of_were_paid_late() {
        let on = date(2026, 3, 10);
        let settled = bill(Standing::Settled { on }, 150_000);
        let late = bill(Standing::PaidLate { on }, 150_000);
        let heard = arrears(date(2026, 2, 26), AmountBucket::UpTo10000);
        let table = [(None, late), (Some(Standing::Due), late), (Some(heard), settled)];
        for (told, wanted) in table {
            assert_eq!(settled.told_after(told), wanted, "{told:?}");
        }
        assert_eq!(bill(Standing::Due, 0).told_after(None), bill(Standing::Due, 0));
    }

    proptest! {
        #[test]
        fn r8_r9_what_is_told_can_be_taken_in_and_never_goes_back(
            left in prop::collection::vec(0_i64..=150_000, 1..90),
            missed in 0_i64..=15_000,
        ) {
            let mut bill = bill(Standing::Due, 0);
            let mut day = date(2026, 2, 5);
            for left_minor in left {
                day = day.saturating_add(1.days());
                let verdict = (day == DUE_ON).then(|| verdict(missed));
                let next = bill.on(day, left_minor, verdict.as_ref());
                prop_assert!(next.paid_minor >= bill.paid_minor);
                match next.standing {
                    Standing::Due | Standing::PaidLate { .. } => prop_assert!(next.is_open()),
                    Standing::PaidInTime { .. } => prop_assert!(!next.is_open()),
                    Standing::Settled { on } => prop_assert!(!next.is_open() && on > DUE_ON),
                    Standing::Arrears { as_of, .. } => {
                        prop_assert!(next.is_open() && as_of > DUE_ON && as_of <= day.saturating_add(1.days()));
                    }
                }
                bill = next;
            }
        }
    }
}
