//! The bill of one account, as its bank has closed it.

use jiff::civil::Date;

use super::AccountKey;
use crate::credit::Statement;
use crate::{BankId, Currency, Money, Reason};

/// How far a bill is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BillState {
    /// There is something to pay, and nothing was paid yet.
    Open,
    /// Something was paid, but less than the minimum.
    PartPaid,
    /// The minimum was paid, but not all. What is left bears interest by the bank's terms.
    MinimumMet,
    /// Nothing is left to pay; so it is with a bill that closed at zero or in the customer's favour.
    Paid,
    /// The due date is over and the minimum was not paid. Days of grace that a bank may give are not counted: they spare
    /// the person the fee, not the reminder.
    Overdue,
}

/// What a repayment is meant to cover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cover {
    /// What is missing of the minimum.
    Minimum,
    /// All that is left.
    Full,
}

/// One cycle of one account in one currency. Amounts in minor units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bill {
    /// Whose bill it is.
    pub account: AccountKey,
    /// The account as others may see it, such as `****4821`.
    pub masked: String,
    /// An account with several currencies has a bill in each.
    pub currency: Currency,
    /// The first day of the cycle.
    pub from: Date,
    /// Its last day.
    pub closed_on: Date,
    /// The last day to pay without being late.
    pub due_on: Date,
    /// What was owed at the close; below zero in the customer's favour.
    pub closing_minor: i64,
    /// The least that has to be paid by the due date, of what was owed at the close.
    pub minimum_due_minor: i64,
    /// What was paid since the close, until the moment of looking.
    pub paid_minor: i64,
}

impl Bill {
    /// The bill of a statement as this federation's own credit accounts write it. `Err` as [`Self::check`].
    pub fn of_statement(
        bank_id: BankId,
        masked: String,
        currency: Currency,
        statement: &Statement,
        paid_minor: i64,
    ) -> Result<Self, Reason> {
        let bill = Self {
            account: AccountKey { bank_id, account_id: statement.account_id },
            masked,
            currency,
            from: statement.from,
            closed_on: statement.closed_on,
            due_on: statement.due_on,
            closing_minor: statement.closing_minor,
            minimum_due_minor: statement.minimum_due_minor,
            paid_minor,
        };
        bill.check()?;
        Ok(bill)
    }

    /// `Err(BillMalformed)` when its days are not in order, its minimum is more than is owed, or less than nothing was paid.
    pub fn check(&self) -> Result<(), Reason> {
        let days = self.from <= self.closed_on && self.closed_on < self.due_on;
        let minimum = (0..=self.closing_minor.max(0)).contains(&self.minimum_due_minor);
        if days && minimum && self.paid_minor >= 0 { Ok(()) } else { Err(Reason::BillMalformed) }
    }

    /// What is left to pay of all.
    pub fn left_minor(&self) -> i64 {
        self.closing_minor.max(0).saturating_sub(self.paid_minor).max(0)
    }

    /// What is left to pay of the minimum.
    pub fn minimum_left_minor(&self) -> i64 {
        self.minimum_due_minor.saturating_sub(self.paid_minor).max(0)
    }

    /// How it stands on a day of the bank's time zone.
    pub fn state(&self, on: Date) -> BillState {
        if self.left_minor() == 0 {
            return BillState::Paid;
        }
        if self.minimum_left_minor() > 0 && on > self.due_on {
            return BillState::Overdue;
        }
        if self.paid_minor == 0 {
            return BillState::Open;
        }
        if self.minimum_left_minor() > 0 { BillState::PartPaid } else { BillState::MinimumMet }
    }

    /// How much to repay in order to cover this; nothing when it is covered.
    pub fn suggest(&self, cover: Cover) -> Option<Money> {
        let minor = match cover {
            Cover::Minimum => self.minimum_left_minor(),
            Cover::Full => self.left_minor(),
        };
        (minor > 0).then(|| Money::new(self.currency, minor))
    }

    /// What a repayment of so much covers: all of it, the minimum, or neither. `Err(CurrencyMismatch)`.
    pub fn covered_by(&self, repayment: Money) -> Result<Option<Cover>, Reason> {
        if repayment.currency != self.currency {
            return Err(Reason::CurrencyMismatch);
        }
        if repayment.minor >= self.left_minor() {
            return Ok(Some(Cover::Full));
        }
        Ok((repayment.minor >= self.minimum_left_minor()).then_some(Cover::Minimum))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use jiff::civil::date;
    use uuid::Uuid;

    use super::*;
    use crate::AccountId;

    pub(crate) fn account(bank: &str, n: u128) -> AccountKey {
        AccountKey { bank_id: BankId::parse(bank).unwrap(), account_id: AccountId::from_uuid(Uuid::from_u128(n)) }
    }

    /// Closed on 5 February 2026, due on the 25th: 1,500.00, of which at least 150.00.
    pub(crate) fn bill() -> Bill {
        Bill {
            account: account("bank-a", 1),
            masked: "****4821".into(),
            currency: Currency::CNY,
            from: date(2026, 1, 6),
            closed_on: date(2026, 2, 5),
            due_on: date(2026, 2, 25),
            closing_minor: 150_000,
            minimum_due_minor: 15_000,
            paid_minor: 0,
        }
    }

    #[test]
    fn r8_a_bill_stands_by_what_was_paid_and_by_the_day() {
        use BillState::{MinimumMet, Open, Overdue, Paid, PartPaid};
        // Closing, minimum, paid; the state on the due date and on the day after; what is left of all and of the minimum.
        let table = [
            ("nothing paid", 150_000, 15_000, 0, Open, Overdue, 150_000, 15_000),
            ("a cent less than the minimum", 150_000, 15_000, 14_999, PartPaid, Overdue, 135_001, 1),
            ("the minimum", 150_000, 15_000, 15_000, MinimumMet, MinimumMet, 135_000, 0),
            ("a cent less than all", 150_000, 15_000, 149_999, MinimumMet, MinimumMet, 1, 0),
            ("all", 150_000, 15_000, 150_000, Paid, Paid, 0, 0),
            ("more than all", 150_000, 15_000, 150_001, Paid, Paid, 0, 0),
            ("nothing to pay", 0, 0, 0, Paid, Paid, 0, 0),
            ("in the customer's favour", -500, 0, 0, Paid, Paid, 0, 0),
            ("no minimum", 150_000, 0, 0, Open, Open, 150_000, 0),
            ("all of it is the minimum", 3_000, 3_000, 2_999, PartPaid, Overdue, 1, 1),
        ];
        for (name, closing_minor, minimum_due_minor, paid_minor, on_due, after, left, minimum_left) in table {
            let bill = Bill { closing_minor, minimum_due_minor, paid_minor, ..bill() };
            assert_eq!(bill.check(), Ok(()), "{name}");
            assert_eq!((bill.state(bill.due_on), bill.state(date(2026, 2, 26))), (on_due, after), "{name}");
            assert_eq!((bill.left_minor(), bill.minimum_left_minor()), (left, minimum_left), "{name}");
        }
    }

    #[test]
    fn r8_a_repayment_is_suggested_as_minimum_or_full_and_covers_what_it_reaches() {
        let cny = |minor| Money::new(Currency::CNY, minor);
        let part = Bill { paid_minor: 5_000, ..bill() };
        assert_eq!(part.suggest(Cover::Minimum), Some(cny(10_000)));
        assert_eq!(part.suggest(Cover::Full), Some(cny(145_000)));
        let met = Bill { paid_minor: 15_000, ..bill() };
        assert_eq!(met.suggest(Cover::Minimum), None);
        let paid = Bill { paid_minor: 150_000, ..bill() };
        assert_eq!(paid.suggest(Cover::Full), None);
        for (minor, wanted) in [
            (9_999, None),
            (10_000, Some(Cover::Minimum)),
            (144_999, Some(Cover::Minimum)),
            (145_000, Some(Cover::Full)),
            (i64::MAX, Some(Cover::Full)),
        ] {
            assert_eq!(part.covered_by(cny(minor)), Ok(wanted), "{minor}");
        }
        let yen = Money::new(Currency::parse("JPY").unwrap(), 145_000);
        assert_eq!(part.covered_by(yen), Err(Reason::CurrencyMismatch));
    }

    #[test]
    fn r8_a_bill_that_cannot_be_is_refused() {
        let good = bill();
        let table = [
            ("it ends before it begins", Bill { from: date(2026, 2, 6), ..good.clone() }),
            ("it is due when it is closed", Bill { due_on: good.closed_on, ..good.clone() }),
            ("the minimum is more than all", Bill { minimum_due_minor: 150_001, ..good.clone() }),
            ("a minimum of what is in favour", Bill { closing_minor: -1, minimum_due_minor: 1, ..good.clone() }),
            ("a minimum below zero", Bill { minimum_due_minor: -1, ..good.clone() }),
            ("less than nothing was paid", Bill { paid_minor: -1, ..good.clone() }),
        ];
        for (name, bill) in table {
            assert_eq!(bill.check(), Err(Reason::BillMalformed), "{name}");
        }
        let far = Bill { closing_minor: i64::MIN, minimum_due_minor: 0, paid_minor: i64::MAX, ..good };
        assert_eq!((far.check(), far.left_minor(), far.minimum_left_minor()), (Ok(()), 0, 0));
    }

    #[test]
    fn r8_a_bill_says_what_the_statement_of_the_credit_account_says() {
        let statement = Statement::parse(
            "statement.v1 account=0192f0c1-7a6b-7c3d-8e4f-0000000000c1 number=1 from=2026-01-06 closed_on=2026-02-05 \
             due_on=2026-02-25 opening_minor=0 purchases_minor=150000 cash_advances_minor=0 fees_minor=0 \
             interest_on_purchases_minor=0 interest_on_cash_minor=0 repayments_minor=0 refunds_minor=0 \
             closing_minor=150000 minimum_due_minor=15000",
        )
        .unwrap();
        let bank_id = BankId::parse("bank-a").unwrap();
        let made = Bill::of_statement(bank_id.clone(), "****4821".into(), Currency::CNY, &statement, 0).unwrap();
        let account = AccountKey { account_id: statement.account_id, ..bill().account };
        assert_eq!(made, Bill { account, ..bill() });
        let wrong = Bill::of_statement(bank_id, "****4821".into(), Currency::CNY, &statement, -1);
        assert_eq!(wrong, Err(Reason::BillMalformed));
    }
}
