//! One bill over all banks.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::{Bill, BillState};
use crate::credit_history::Standing;
use crate::{Currency, Money, Reason};

/// What is to be paid in one currency, over all accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Total {
    /// How many bills have something left to pay.
    pub open: usize,
    /// All that is left to pay.
    pub due: Money,
    /// What is left to pay of the minimums.
    pub minimum: Money,
    /// The earliest due date that is not over, of the bills that have something left.
    pub next_due_on: Option<Date>,
    /// What of the minimum is past its due date: it has to be paid at once.
    pub overdue: Money,
    /// The earliest due date of what is overdue.
    pub overdue_since: Option<Date>,
}

impl Total {
    fn none(currency: Currency) -> Self {
        let zero = Money::new(currency, 0);
        Self { open: 0, due: zero, minimum: zero, next_due_on: None, overdue: zero, overdue_since: None }
    }

    /// With the bills of one account in this currency.
    fn with(mut self, bills: &[&Bill], on: Date) -> Result<Self, Reason> {
        let Some(newest) = bills.iter().max_by_key(|bill| rank(bill)).filter(|bill| bill.left_minor() > 0) else {
            return Ok(self);
        };
        let minimum_left_minor = newest.minimum_left_minor();
        let of = |minor| Money::new(newest.currency, minor);
        self.open += 1;
        self.due = self.due.plus(of(newest.left_minor()))?;
        self.minimum = self.minimum.plus(of(minimum_left_minor))?;
        if newest.due_on >= on {
            self.next_due_on = Some(self.next_due_on.map_or(newest.due_on, |next| next.min(newest.due_on)));
        }
        // What was missed before is part of the newest minimum, so that it is no more than that and counts once.
        let overdue = bills.iter().filter(|bill| bill.state(on) == BillState::Overdue);
        for bill in overdue.clone().filter(|_| minimum_left_minor > 0) {
            self.overdue_since = Some(self.overdue_since.map_or(bill.due_on, |since| since.min(bill.due_on)));
        }
        let missed = overdue.map(|bill| bill.minimum_left_minor()).max().unwrap_or(0).min(minimum_left_minor);
        self.overdue = self.overdue.plus(of(missed))?;
        Ok(self)
    }
}

/// A total order, the newest bill last, so that the same bills in another order give the same.
fn rank(bill: &Bill) -> (Date, Date, i64, i64, i64) {
    (bill.closed_on, bill.due_on, bill.closing_minor, bill.minimum_due_minor, bill.paid_minor)
}

/// Whether a bill is one of those that [`total`] is made of: the one of its account and currency that was closed last, which has in it
/// what was left of those before, and older ones that their bank still tells of as in arrears, and so with what was paid since.
pub fn stands_in_total(closed_on: Date, newest: Date, standing: Standing) -> bool {
    closed_on >= newest || matches!(standing, Standing::Arrears { .. })
}

/// What is to be paid on this day, by currency in the order of their codes.
///
/// Of an account's bills in one currency the one that was closed last says what is due: what was left of those before stands
/// in its balance and its minimum. Older ones that stand in the total say since when some of it is overdue, and all others are
/// passed over. `Err(AmountTooLarge)`.
pub fn total(bills: &[(Bill, Standing)], on: Date) -> Result<Vec<Total>, Reason> {
    let mut accounts: BTreeMap<_, Vec<&(Bill, Standing)>> = BTreeMap::new();
    for it in bills {
        accounts.entry((it.0.currency.code(), &it.0.account)).or_default().push(it);
    }
    let mut totals: BTreeMap<&str, Total> = BTreeMap::new();
    for ((code, _), bills) in accounts {
        let Some((newest, _)) = bills.iter().max_by_key(|(bill, _)| bill.closed_on) else { continue };
        let sum = totals.get(code).copied().unwrap_or_else(|| Total::none(newest.currency));
        let stands = |it: &&&(Bill, Standing)| stands_in_total(it.0.closed_on, newest.closed_on, it.1);
        let standing: Vec<&Bill> = bills.iter().filter(stands).map(|(bill, _)| bill).collect();
        totals.insert(code, sum.with(&standing, on)?);
    }
    Ok(totals.into_values().collect())
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::billed::tests::{account, bill};
    use super::*;
    use crate::credit_history::AmountBucket;

    const ARREARS: Standing = Standing::Arrears { as_of: date(2026, 3, 1), left: AmountBucket::UpTo1000 };

    /// As their bank tells of them when something of each may be overdue.
    fn told<const N: usize>(bills: [Bill; N]) -> [(Bill, Standing); N] {
        bills.map(|bill| (bill, ARREARS))
    }

    #[test]
    fn r8_the_total_is_per_currency_over_all_banks() {
        let usd = Currency::parse("USD").unwrap();
        let bills = told([
            bill(),
            Bill { account: account("bank-b", 1), due_on: date(2026, 2, 20), paid_minor: 15_000, ..bill() },
            Bill { account: account("bank-c", 1), due_on: date(2026, 2, 15), paid_minor: 4_000, ..bill() },
            Bill { account: account("bank-d", 1), due_on: date(2026, 2, 8), ..bill() },
            Bill { account: account("bank-e", 1), due_on: date(2026, 2, 18), paid_minor: 150_000, ..bill() },
            Bill { account: account("bank-f", 1), closing_minor: -700, minimum_due_minor: 0, ..bill() },
            Bill { currency: usd, closing_minor: 9_900, minimum_due_minor: 1_000, ..bill() },
        ]);
        let cny = |minor| Money::new(Currency::CNY, minor);
        let wanted = Total {
            open: 4,
            due: cny(150_000 + 135_000 + 146_000 + 150_000),
            minimum: cny(15_000 + 11_000 + 15_000),
            next_due_on: Some(date(2026, 2, 20)),
            overdue: cny(11_000 + 15_000),
            overdue_since: Some(date(2026, 2, 8)),
        };
        let totals = total(&bills, date(2026, 2, 16)).unwrap();
        assert_eq!(totals[0], wanted);
        let on_due = total(&bills, date(2026, 2, 20)).unwrap();
        assert_eq!(on_due[0].next_due_on, Some(date(2026, 2, 20)), "the due date is not over while it lasts");
        assert_eq!((totals[1].due, totals[1].minimum), (Money::new(usd, 9_900), Money::new(usd, 1_000)));
        assert_eq!(totals.len(), 2);
        let mut reversed = bills;
        reversed.reverse();
        assert_eq!(total(&reversed, date(2026, 2, 16)), Ok(totals), "whatever the order");
        assert_eq!(total(&[], date(2026, 2, 16)), Ok(vec![]));
    }

    #[test]
    fn r8_the_newest_bill_stands_in_the_total_and_older_ones_while_they_are_in_arrears() {
        let (old, new) = (date(2026, 2, 5), date(2026, 3, 5));
        let on = date(2026, 3, 1);
        let table = [
            (new, Standing::Due, true),
            (new, Standing::PaidInTime { on }, true),
            (new, ARREARS, true),
            (old, Standing::Due, false),
            (old, Standing::PaidLate { on }, false),
            (old, Standing::Settled { on }, false),
            (old, ARREARS, true),
        ];
        for (closed_on, standing, wanted) in table {
            assert_eq!(stands_in_total(closed_on, new, standing), wanted, "{closed_on} {standing}");
        }
    }

    #[test]
    fn r8_what_an_older_bill_left_open_is_not_counted_twice() {
        let newer = Bill {
            from: date(2026, 2, 6),
            closed_on: date(2026, 3, 5),
            due_on: date(2026, 3, 25),
            closing_minor: 170_000,
            minimum_due_minor: 40_000,
            ..bill()
        };
        // What was paid: of the older bill, of the newer one; what is open, due, overdue and since when.
        let since = Some(date(2026, 2, 25));
        let table = [
            ("nothing paid: the old minimum is overdue", 0, 0, (1, 170_000, 40_000, 15_000, since)),
            ("a part of it after the close", 6_000, 6_000, (1, 164_000, 34_000, 9_000, since)),
            ("the old minimum before the close", 15_000, 0, (1, 170_000, 40_000, 0, None)),
            ("the new minimum, of which the old bill was not told", 0, 40_000, (1, 130_000, 0, 0, None)),
            ("all of it, of which the old bill was not told", 0, 170_000, (0, 0, 0, 0, None)),
        ];
        for (name, old_paid, new_paid, wanted) in table {
            let bills = told([Bill { paid_minor: new_paid, ..newer.clone() }, Bill { paid_minor: old_paid, ..bill() }]);
            let totals = total(&bills, date(2026, 3, 10)).unwrap();
            let Total { open, due, minimum, overdue, overdue_since, .. } = totals[0];
            assert_eq!((open, due.minor, minimum.minor, overdue.minor, overdue_since), wanted, "{name}");
            let [new, old] = bills;
            assert_eq!(total(&[old, new], date(2026, 3, 10)), Ok(totals), "{name}, in another order");
        }
        let alone = total(&told([newer.clone()]), date(2026, 3, 10));
        let due = (bill(), Standing::Due);
        assert_eq!(total(&[(newer, ARREARS), due], date(2026, 3, 10)), alone, "what its bank tells nothing of since");
    }

    #[test]
    fn r8_nothing_left_to_pay_is_a_total_of_zero_and_too_much_is_refused() {
        let paid = Bill { paid_minor: 150_000, ..bill() };
        let totals = total(&told([paid]), date(2026, 2, 10)).unwrap();
        assert_eq!((totals[0].open, totals[0].due.minor, totals[0].next_due_on), (0, 0, None));
        let huge = |bank| Bill { account: account(bank, 1), closing_minor: i64::MAX, ..bill() };
        assert_eq!(total(&told([huge("bank-a"), huge("bank-b")]), date(2026, 2, 10)), Err(Reason::AmountTooLarge));
    }
}
