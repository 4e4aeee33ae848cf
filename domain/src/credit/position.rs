//! Where a credit account stands after a day: what is owed, item by item, and what was billed last.

use jiff::ToSpan;
use jiff::civil::Date;

use super::allocation::{Item, Order, Portion, owed, pay, return_cash};
use super::cycle::days_between;
use super::day::Entry;
use super::{EntryKind, Terms, Verdict};
use crate::{AccountId, Reason};

/// Days in arrears after which principal is paid before costs.
const DAYS_OF_COSTS_FIRST: i64 = 90;

/// What has come in a cycle, in minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) opening: i64,
    pub(super) purchases: i64,
    pub(super) cash_advances: i64,
    pub(super) fees: i64,
    pub(super) interest_on_purchases: i64,
    pub(super) interest_on_cash: i64,
    pub(super) repayments: i64,
    pub(super) refunds: i64,
}

/// The statement that was closed last, and what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Billed {
    pub(super) number: u32,
    pub(super) closed_on: Date,
    pub(super) due_on: Date,
    /// The last day on which money counts as paid in time.
    pub(super) last_day: Date,
    pub(super) minimum_due_minor: i64,
    /// What came in since it was closed.
    pub(super) paid_minor: i64,
    /// Whether its last day to pay is over.
    pub(super) is_judged: bool,
}

impl Billed {
    /// What is missing of the minimum.
    pub(super) fn missing_minor(&self) -> i64 {
        self.minimum_due_minor.saturating_sub(self.paid_minor).max(0)
    }
}

/// Where a credit account stands at the end of a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    pub(super) account_id: AccountId,
    /// The last day that was closed.
    pub(super) closed_through: Date,
    /// The first day of the cycle that is open.
    pub(super) from: Date,
    /// In the order in which the first of each was posted.
    pub(super) items: Vec<Item>,
    /// What the bank owes the customer, after more came in than was owed.
    pub(super) surplus_minor: i64,
    pub(super) sums: Sums,
    pub(super) billed: Option<Billed>,
    /// The due date of the first statement since which the minimum was never made good.
    pub(super) overdue_since: Option<Date>,
}

impl Position {
    /// An account with nothing in it, whose first day is yet to be closed.
    pub fn opened(account_id: AccountId, on: Date) -> Self {
        Self {
            account_id,
            closed_through: on.saturating_sub(1.day()),
            from: on,
            items: Vec::new(),
            surplus_minor: 0,
            sums: Sums::default(),
            billed: None,
            overdue_since: None,
        }
    }

    pub const fn account_id(&self) -> AccountId {
        self.account_id
    }

    /// The last day that was closed: run again, it changes nothing.
    pub const fn closed_through(&self) -> Date {
        self.closed_through
    }

    /// The day to be closed next.
    pub fn next_day(&self) -> Date {
        self.closed_through.saturating_add(1.day())
    }

    /// What is owed in minor units, below zero in the customer's favour. It is what the ledger has on the account, less what
    /// came after the day.
    pub fn owed_minor(&self) -> i64 {
        owed(&self.items, |_| true).saturating_sub(self.surplus_minor)
    }

    /// What is owed of one portion, in minor units.
    pub fn owed_of(&self, portion: Portion) -> i64 {
        owed(&self.items, |item| item.portion == portion)
    }

    /// What is owed of what statements have billed, in minor units.
    pub fn billed_minor(&self) -> i64 {
        owed(&self.items, |item| item.billed.is_some())
    }

    /// What is left to pay of a statement by its number, in minor units: of what it billed, and of what it carried over.
    pub fn left_of(&self, number: u32) -> i64 {
        owed(&self.items, |item| item.billed.is_some_and(|billed| billed <= number))
    }

    /// Where it stands after what came on days that are not closed yet, in order, as far as that is known before their ends: until
    /// the next close, and not beyond a last day to pay whose verdict is open. With the day of the last that was looked at.
    pub fn so_far(&self, terms: &Terms, entries: &[(Date, Entry)]) -> Result<(Self, Option<Date>), Reason> {
        let close = terms.close_from(self.next_day());
        let verdict = self.billed.filter(|billed| !billed.is_judged).map(|billed| billed.last_day);
        let until = verdict.map_or(close, |last_day| last_day.min(close));
        let (mut position, mut on) = (self.clone(), None);
        for (day, entry) in entries.iter().take_while(|(day, _)| *day <= until) {
            position.enter(*day, entry)?;
            on = Some(*day);
        }
        Ok((position, on))
    }

    /// How much of the last statement's minimum is still missing, in minor units.
    pub fn missing_minor(&self) -> i64 {
        self.billed.map_or(0, |billed| billed.missing_minor())
    }

    /// When the last statement is due; `None` before the first one.
    pub fn due_on(&self) -> Option<Date> {
        self.billed.map(|billed| billed.due_on)
    }

    /// Since when a minimum is missing.
    pub const fn overdue_since(&self) -> Option<Date> {
        self.overdue_since
    }

    /// Takes in what came on a day, its own bookings apart.
    pub(super) fn enter(&mut self, on: Date, entry: &Entry) -> Result<(), Reason> {
        let amount_minor = entry.amount_minor;
        if amount_minor <= 0 {
            return Err(Reason::AmountNotPositive);
        }
        let sum = match entry.kind {
            EntryKind::Purchase => &mut self.sums.purchases,
            EntryKind::CashAdvance => &mut self.sums.cash_advances,
            EntryKind::Fee => &mut self.sums.fees,
            EntryKind::Repayment => &mut self.sums.repayments,
            EntryKind::Refund | EntryKind::CashReturned => &mut self.sums.refunds,
            EntryKind::Booked(_) => return Err(Reason::Fault),
        };
        *sum = sum.checked_add(amount_minor).ok_or(Reason::AmountTooLarge)?;
        match entry.kind {
            EntryKind::Purchase => self.debit(on, Portion::Purchase, amount_minor),
            EntryKind::CashAdvance => self.debit(on, Portion::CashAdvance, amount_minor),
            EntryKind::Fee => self.debit(on, Portion::Fee, amount_minor),
            EntryKind::CashReturned => self.take_cash_back(on, amount_minor),
            EntryKind::Repayment | EntryKind::Refund | EntryKind::Booked(_) => self.credit(on, amount_minor),
        }
        Ok(())
    }

    /// Adds to what is owed; what is in the customer's favour pays it first.
    pub(super) fn debit(&mut self, posted_on: Date, portion: Portion, amount_minor: i64) {
        let paid = self.surplus_minor.min(amount_minor);
        self.surplus_minor = self.surplus_minor.saturating_sub(paid);
        let left_minor = amount_minor.saturating_sub(paid);
        if left_minor <= 0 {
            return;
        }
        // What one statement will bill of one portion is paid and bears interest alike, and interest is a sum over days, so that
        // it is one item from the first day on: an account with a thousand purchases is kept in as many words as one with two.
        match self.items.iter_mut().find(|item| item.billed.is_none() && item.portion == portion) {
            Some(item) => item.left_minor = item.left_minor.saturating_add(left_minor),
            None => {
                let bears = portion == Portion::CashAdvance;
                self.items.push(Item { posted_on, portion, billed: None, left_minor, minor_days: 0, bears });
            }
        }
    }

    /// Pays what is owed in its order.
    pub(super) fn credit(&mut self, on: Date, amount_minor: i64) {
        let in_arrears = self.overdue_since.map_or(0, |since| days_between(since, on));
        let order = if in_arrears > DAYS_OF_COSTS_FIRST { Order::PrincipalFirst } else { Order::CostsFirst };
        let over = pay(&mut self.items, amount_minor, order);
        self.surplus_minor = self.surplus_minor.saturating_add(over);
        self.count_as_paid(amount_minor);
    }

    /// An advance that was reversed is no repayment: it takes away cash that is owed, and only the rest pays other things.
    fn take_cash_back(&mut self, on: Date, amount_minor: i64) {
        let billed = self.billed_minor();
        let rest = return_cash(&mut self.items, amount_minor);
        self.count_as_paid(billed.saturating_sub(self.billed_minor()));
        if rest > 0 {
            self.credit(on, rest);
        }
    }

    fn count_as_paid(&mut self, amount_minor: i64) {
        if let Some(billed) = &mut self.billed {
            billed.paid_minor = billed.paid_minor.saturating_add(amount_minor);
        }
    }

    /// What came of the last statement, on its last day to pay. Purchases of a statement that was paid in full bear no
    /// interest for the days so far, the others bear it from their day on.
    pub(super) fn judge(&mut self) -> Option<Verdict> {
        let open_minor = self.billed_minor();
        let billed = self.billed.as_mut()?;
        billed.is_judged = true;
        let (number, due_on, missing_minor) = (billed.number, billed.due_on, billed.missing_minor());
        for item in self.items.iter_mut().filter(|item| item.billed.is_some() && item.portion == Portion::Purchase) {
            item.bears |= open_minor > 0;
            if !item.bears {
                item.minor_days = 0;
            }
        }
        self.overdue_since = (missing_minor > 0).then(|| self.overdue_since.unwrap_or(due_on));
        Some(Verdict { number, due_on, open_minor, missing_minor })
    }

    /// Forgets items that are paid and owe no interest.
    pub(super) fn tidy(&mut self) {
        self.items.retain(|item| item.left_minor > 0 || item.minor_days > 0);
    }
}
