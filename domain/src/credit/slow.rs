//! The same rules said in another way: slowly, a minor unit and a day at a time, with everything kept and nothing summed up
//! on the way.
//!
//! It shares the types of what goes in and comes out with the real thing, and no line of how.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::{AutoRepay, Day, Due, Entry, EntryKind, Portion, Posting, PostingKind, Statement, Terms};
use crate::AccountId;

/// One amount that came to be owed, with what was left of it on each evening.
struct Debt {
    posted_on: Date,
    portion: Portion,
    left: i64,
    evenings: BTreeMap<Date, i64>,
    /// Evenings for which interest was charged, or forgiven.
    settled: BTreeSet<Date>,
}

#[derive(Default)]
pub(super) struct Slow {
    debts: Vec<Debt>,
    surplus: i64,
    /// By their closing days.
    pub(super) statements: BTreeMap<Date, Statement>,
    /// By the closing day of their statement: whether it was paid in full in time.
    full: BTreeMap<Date, bool>,
    paid_since_close: i64,
    overdue_since: Option<Date>,
    pub(super) postings: Vec<Posting>,
    moved: Vec<(Date, EntryKind, i64)>,
}

/// The day is a closing day when it is that day of the month, or the month ends before it.
fn is_close(terms: &Terms, on: Date) -> bool {
    let wanted = i32::from(terms.close_day);
    let today = i32::from(on.day());
    today == wanted || (today < wanted && on.tomorrow().unwrap().month() != on.month())
}

/// A closing day's due date and last day to pay, found by walking.
fn to_pay(terms: &Terms, closed_on: Date) -> (Date, Date) {
    let mut walk = vec![closed_on.tomorrow().unwrap()];
    while !is_close(terms, walk.last().unwrap().tomorrow().unwrap()) {
        walk.push(walk.last().unwrap().tomorrow().unwrap());
    }
    let due = match terms.due {
        Due::DaysAfterClose(days) => walk.get(usize::from(days) - 1).copied(),
        Due::Day(day) => walk.iter().copied().find(|date| {
            let today = u8::try_from(date.day()).unwrap();
            today == day || (today < day && date.tomorrow().unwrap().month() != date.month())
        }),
    };
    let due = due.unwrap_or(*walk.last().unwrap());
    let place = walk.iter().position(|date| *date == due).unwrap();
    let last = walk.get(place + usize::from(terms.grace_days)).unwrap_or(walk.last().unwrap());
    (due, *last)
}

/// A share given in ten-thousandths, rounded half up, in whole numbers.
fn share(amount: i128, share: Decimal) -> i64 {
    let tenthousandths = (share * Decimal::from(10_000)).to_i128().unwrap();
    i64::try_from((2 * amount * tenthousandths + 10_000).div_euclid(20_000)).unwrap()
}

impl Slow {
    pub(super) fn run(account_id: AccountId, terms: &Terms, days: &[Day]) -> Self {
        let mut slow = Self::default();
        for day in days {
            for entry in &day.entries {
                slow.enter(day.on, entry);
            }
            slow.repay(terms, day);
            slow.judge(terms, day.on);
            for debt in &mut slow.debts {
                debt.evenings.insert(day.on, debt.left);
            }
            if is_close(terms, day.on) {
                slow.close(account_id, terms, day.on, days.first().unwrap().on);
            }
        }
        slow
    }

    fn last_close(&self) -> Option<Date> {
        self.statements.keys().next_back().copied()
    }

    /// The statement that bills a debt: the first one that was closed on its day or later.
    fn bill(&self, debt: &Debt) -> Option<Date> {
        self.statements.keys().copied().find(|close| *close >= debt.posted_on)
    }

    fn billed(&self) -> i64 {
        self.debts.iter().filter(|debt| self.bill(debt).is_some()).map(|debt| debt.left).sum()
    }

    fn enter(&mut self, on: Date, entry: &Entry) {
        self.moved.push((on, entry.kind, entry.amount_minor));
        match entry.kind {
            EntryKind::Purchase => self.owe(on, Portion::Purchase, entry.amount_minor),
            EntryKind::CashAdvance => self.owe(on, Portion::CashAdvance, entry.amount_minor),
            EntryKind::Fee => self.owe(on, Portion::Fee, entry.amount_minor),
            EntryKind::Repayment | EntryKind::Refund => self.pay(on, entry.amount_minor),
            EntryKind::CashReturned => {
                for _ in 0..entry.amount_minor {
                    let before = self.billed();
                    match self.debts.iter_mut().rev().find(|debt| debt.portion == Portion::CashAdvance && debt.left > 0)
                    {
                        Some(debt) => {
                            debt.left -= 1;
                            self.paid_since_close += before - self.billed();
                        }
                        None => self.pay(on, 1),
                    }
                }
            }
            EntryKind::Booked(_) => {}
        }
    }

    fn owe(&mut self, posted_on: Date, portion: Portion, amount: i64) {
        let free = self.surplus.min(amount);
        self.surplus -= free;
        let left = amount - free;
        self.debts.push(Debt { posted_on, portion, left, evenings: BTreeMap::new(), settled: BTreeSet::new() });
    }

    /// Each unit looks for whom it pays.
    fn pay(&mut self, on: Date, amount: i64) {
        let arrears = self.overdue_since.map_or(0, |since| since.duration_until(on).as_hours() / 24);
        for _ in 0..amount {
            let turn = |debt: &Debt| {
                let order = if arrears > 90 {
                    [Portion::CashAdvance, Portion::Purchase, Portion::Fee, Portion::Interest]
                } else {
                    [Portion::Fee, Portion::Interest, Portion::CashAdvance, Portion::Purchase]
                };
                let place = order.iter().position(|portion| *portion == debt.portion).unwrap();
                (self.bill(debt).unwrap_or(Date::MAX), place)
            };
            let open = self.debts.iter().enumerate().filter(|(_, debt)| debt.left > 0);
            match open.min_by_key(|(place, debt)| (turn(debt), *place)).map(|(place, _)| place) {
                Some(place) => self.debts[place].left -= 1,
                None => self.surplus += 1,
            }
            self.paid_since_close += 1;
        }
    }

    fn post(&mut self, kind: PostingKind, on: Date, amount_minor: i64) {
        if amount_minor > 0 {
            self.postings.push(Posting { kind, on, amount_minor });
            self.moved.push((on, EntryKind::Booked(kind), amount_minor));
        }
    }

    fn missing(&self) -> i64 {
        let minimum = self.last_close().map_or(0, |close| self.statements[&close].minimum_due_minor);
        (minimum - self.paid_since_close).max(0)
    }

    fn repay(&mut self, terms: &Terms, day: &Day) {
        let Some(close) = self.last_close() else { return };
        if day.on < to_pay(terms, close).0 {
            return;
        }
        let wanted = match terms.auto_repay {
            AutoRepay::Off => 0,
            AutoRepay::Minimum => self.missing().min(self.billed()),
            AutoRepay::Full => self.billed(),
        };
        let amount = wanted.min(day.debit_available_minor).max(0);
        self.post(PostingKind::AutoRepayment, day.on, amount);
        self.pay(day.on, amount);
    }

    fn judge(&mut self, terms: &Terms, on: Date) {
        let Some(close) = self.last_close() else { return };
        let (due_on, last) = to_pay(terms, close);
        if on != last {
            return;
        }
        self.full.insert(close, self.billed() == 0);
        let missing = self.missing();
        if missing == 0 {
            self.overdue_since = None;
            return;
        }
        self.overdue_since = self.overdue_since.or(Some(due_on));
        let fee = share(i128::from(missing), terms.late_fee.share);
        let fee = fee.max(terms.late_fee.floor_minor).min(terms.late_fee.cap_minor);
        self.post(PostingKind::LateFee, on, fee);
        self.owe(on, Portion::Fee, fee);
    }

    /// All evenings of this portion whose interest is settled by this close, in minor units times days.
    fn take_chargeable(&mut self, portion: Portion) -> i128 {
        let verdicts: Vec<Option<bool>> =
            self.debts.iter().map(|debt| self.bill(debt).and_then(|close| self.full.get(&close).copied())).collect();
        let mut sum = 0;
        for (debt, full) in self.debts.iter_mut().zip(verdicts).filter(|(debt, _)| debt.portion == portion) {
            let bears = match (portion, full) {
                (Portion::CashAdvance, _) => true,
                (_, Some(full)) => !full,
                (_, None) => continue,
            };
            for (evening, left) in &debt.evenings {
                if debt.settled.insert(*evening) && bears {
                    sum += i128::from(*left);
                }
            }
        }
        sum
    }

    fn close(&mut self, account_id: AccountId, terms: &Terms, on: Date, opened_on: Date) {
        let cash = share(self.take_chargeable(Portion::CashAdvance), terms.daily_rate);
        let purchases = share(self.take_chargeable(Portion::Purchase), terms.daily_rate);
        for (kind, amount) in [(PostingKind::InterestOnCash, cash), (PostingKind::InterestOnPurchases, purchases)] {
            self.post(kind, on, amount);
            self.owe(on, Portion::Interest, amount);
        }
        let before = self.last_close();
        let from = before.map_or(opened_on, |close| close.tomorrow().unwrap());
        let moved = |wanted: &[EntryKind]| -> i64 {
            let moved = self.moved.iter().filter(|(date, kind, _)| *date >= from && wanted.contains(kind));
            moved.map(|(_, _, amount)| amount).sum()
        };
        let booked = EntryKind::Booked;
        let owed = |portion: Portion| -> i64 {
            self.debts.iter().filter(|debt| debt.portion == portion).map(|debt| debt.left).sum()
        };
        let costs = owed(Portion::Fee) + owed(Portion::Interest);
        let is_old_cost = |debt: &&Debt| !debt.portion.is_principal() && self.bill(debt).is_some();
        let old_costs: i64 = self.debts.iter().filter(is_old_cost).map(|debt| debt.left).sum();
        let closing_minor = self.debts.iter().map(|debt| debt.left).sum::<i64>() - self.surplus;
        let minimum = costs
            + (self.missing() - old_costs).max(0)
            + share(i128::from(owed(Portion::Purchase)), terms.minimum.purchase_share)
            + share(i128::from(owed(Portion::CashAdvance)), terms.minimum.cash_share);
        let statement = Statement {
            account_id,
            number: u32::try_from(self.statements.len()).unwrap() + 1,
            from,
            closed_on: on,
            due_on: to_pay(terms, on).0,
            opening_minor: before.map_or(0, |close| self.statements[&close].closing_minor),
            purchases_minor: moved(&[EntryKind::Purchase]),
            cash_advances_minor: moved(&[EntryKind::CashAdvance]),
            fees_minor: moved(&[EntryKind::Fee, booked(PostingKind::LateFee)]),
            interest_on_purchases_minor: moved(&[booked(PostingKind::InterestOnPurchases)]),
            interest_on_cash_minor: moved(&[booked(PostingKind::InterestOnCash)]),
            repayments_minor: moved(&[EntryKind::Repayment, booked(PostingKind::AutoRepayment)]),
            refunds_minor: moved(&[EntryKind::Refund, EntryKind::CashReturned]),
            closing_minor,
            minimum_due_minor: minimum.max(terms.minimum.floor_minor).min(closing_minor.max(0)),
        };
        self.statements.insert(on, statement);
        self.paid_since_close = 0;
    }
}
