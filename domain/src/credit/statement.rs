//! What a cycle comes to.

use std::fmt;

use jiff::civil::Date;

use crate::words::Words;
use crate::{AccountId, Reason};

const FORM: &str = "statement.v1";

/// The statement of one cycle. Amounts in minor units of the account's currency; what is owed is above zero.
///
/// `closing = opening + purchases + cash_advances + fees + interest_on_purchases + interest_on_cash - repayments - refunds`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statement {
    pub account_id: AccountId,
    /// Counts up by one for each account, from 1.
    pub number: u32,
    /// The first day of the cycle.
    pub from: Date,
    /// Its last day.
    pub closed_on: Date,
    pub due_on: Date,
    pub opening_minor: i64,
    pub purchases_minor: i64,
    pub cash_advances_minor: i64,
    pub fees_minor: i64,
    pub interest_on_purchases_minor: i64,
    pub interest_on_cash_minor: i64,
    pub repayments_minor: i64,
    /// Purchases that came back and cash advances that were reversed.
    pub refunds_minor: i64,
    /// Below zero in the customer's favour.
    pub closing_minor: i64,
    pub minimum_due_minor: i64,
}

impl Statement {
    /// Whether the lines come to the closing balance.
    pub fn adds_up(&self) -> bool {
        let wide = i128::from;
        let plus = wide(self.opening_minor)
            + wide(self.purchases_minor)
            + wide(self.cash_advances_minor)
            + wide(self.fees_minor)
            + wide(self.interest_on_purchases_minor)
            + wide(self.interest_on_cash_minor);
        plus - wide(self.repayments_minor) - wide(self.refunds_minor) == wide(self.closing_minor)
    }

    /// Reads a statement as it is stored.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        let mut words = Words::after(FORM, text)?;
        let statement = Self {
            account_id: words.read("account", AccountId::parse)?,
            number: words.value("number")?,
            from: words.value("from")?,
            closed_on: words.value("closed_on")?,
            due_on: words.value("due_on")?,
            opening_minor: words.number("opening_minor")?,
            purchases_minor: words.number("purchases_minor")?,
            cash_advances_minor: words.number("cash_advances_minor")?,
            fees_minor: words.number("fees_minor")?,
            interest_on_purchases_minor: words.number("interest_on_purchases_minor")?,
            interest_on_cash_minor: words.number("interest_on_cash_minor")?,
            repayments_minor: words.number("repayments_minor")?,
            refunds_minor: words.number("refunds_minor")?,
            closing_minor: words.number("closing_minor")?,
            minimum_due_minor: words.number("minimum_due_minor")?,
        };
        words.end()?;
        Ok(statement)
    }
}

/// The form in which it is stored and digested: the same statement is the same text.
impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { account_id, number, from, closed_on, due_on, .. } = self;
        write!(f, "{FORM} account={account_id} number={number} from={from} closed_on={closed_on} due_on={due_on}")?;
        for (key, minor) in [
            ("opening", self.opening_minor),
            ("purchases", self.purchases_minor),
            ("cash_advances", self.cash_advances_minor),
            ("fees", self.fees_minor),
            ("interest_on_purchases", self.interest_on_purchases_minor),
            ("interest_on_cash", self.interest_on_cash_minor),
            ("repayments", self.repayments_minor),
            ("refunds", self.refunds_minor),
            ("closing", self.closing_minor),
            ("minimum_due", self.minimum_due_minor),
        ] {
            write!(f, " {key}_minor={minor}")?;
        }
        Ok(())
    }
}
