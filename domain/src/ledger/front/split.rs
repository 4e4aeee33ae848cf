//! The parts of a leg: drawn in one order, released and given back in the other.

use std::fmt;

use crate::words::Words;
use crate::{AccountId, Reason};

/// Which part of a card bears an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The deposit account. An account that is charged by itself, without a card, is this part too.
    Debit,
    /// The credit account.
    Credit,
    /// The credit account, as an advance of cash: it has a limit of its own and bears interest from the day.
    CashAdvance,
}

/// The part of a leg that one account bears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split {
    pub account_id: AccountId,
    pub part: Part,
    /// More than zero.
    pub amount_minor: i64,
}

/// Which parts get `amount_minor` back when `refunded_minor` was given back before: what was drawn last comes back first.
/// The splits sum to the amount if that much is left.
pub fn give_back(splits: &[Split], refunded_minor: i64, amount_minor: i64) -> Vec<Split> {
    let (mut before, mut left) = (refunded_minor, amount_minor);
    let mut back = Vec::new();
    for split in splits.iter().rev() {
        let gone = before.min(split.amount_minor);
        before = before.saturating_sub(gone);
        let now = left.min(split.amount_minor.saturating_sub(gone));
        left = left.saturating_sub(now);
        if now > 0 {
            back.push(Split { amount_minor: now, ..*split });
        }
    }
    back
}

/// What decides over money that comes back: stored with its leg, as the front's facts are with theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnFacts {
    /// What the first leg has drawn, without what a completion released.
    pub drawn: Vec<Split>,
    /// What came back of it before, in minor units.
    pub returned_minor: i64,
    /// What comes back, in minor units.
    pub amount_minor: i64,
}

impl ReturnFacts {
    const FORM: &'static str = "return.v1";

    /// Which parts get it: see [`give_back`].
    pub fn decide(&self) -> Vec<Split> {
        give_back(&self.drawn, self.returned_minor, self.amount_minor)
    }

    /// Reads facts as they are stored with a leg.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        let mut words = Words::after(Self::FORM, text)?;
        let (returned_minor, amount_minor) = (words.number("returned_minor")?, words.number("amount_minor")?);
        let drawn = words.read("drawn", |drawn| read_splits(&drawn.replace(',', " ")))?;
        words.end()?;
        Ok(Self { drawn, returned_minor, amount_minor })
    }
}

impl fmt::Display for ReturnFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (form, drawn) = (Self::FORM, write_splits(&self.drawn).replace(' ', ","));
        write!(f, "{form} returned_minor={} amount_minor={} drawn={drawn}", self.returned_minor, self.amount_minor)
    }
}

/// What is left of each split when `released_minor` of them gives way: what was drawn last gives way first, as in a refund.
/// Each split keeps its place, with zero where nothing is left of it.
pub fn keep(splits: &[Split], released_minor: i64) -> Vec<Split> {
    let mut left = released_minor;
    let mut kept: Vec<Split> = splits
        .iter()
        .rev()
        .map(|split| {
            let gone = left.min(split.amount_minor);
            left = left.saturating_sub(gone);
            Split { amount_minor: split.amount_minor.saturating_sub(gone), ..*split }
        })
        .collect();
    kept.reverse();
    kept
}

/// The splits as they are stored, separated by spaces: `account:amount_minor` from a deposit account,
/// `account:amount_minor:credit` and `account:amount_minor:cash` from a credit account.
pub fn write_splits(splits: &[Split]) -> String {
    let word = |split: &Split| {
        let part = match split.part {
            Part::Debit => "",
            Part::Credit => ":credit",
            Part::CashAdvance => ":cash",
        };
        format!("{}:{}{part}", split.account_id, split.amount_minor)
    };
    splits.iter().map(word).collect::<Vec<_>>().join(" ")
}

/// Reads what [`write_splits`] wrote.
pub fn read_splits(text: &str) -> Result<Vec<Split>, Reason> {
    let split = |word: &str| {
        let (account_id, rest) = word.split_once(':').ok_or(Reason::FieldUnknown)?;
        let (amount, part) = match rest.split_once(':') {
            None => (rest, Part::Debit),
            Some((amount, "credit")) => (amount, Part::Credit),
            Some((amount, "cash")) => (amount, Part::CashAdvance),
            Some(_) => return Err(Reason::FieldUnknown),
        };
        let amount_minor = amount.parse().map_err(|_| Reason::AmountMalformed)?;
        Ok(Split { account_id: AccountId::parse(account_id)?, part, amount_minor })
    };
    text.split_ascii_whitespace().map(split).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::decide_again;

    const ACCOUNT: &str = "0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f";

    fn split(part: Part, amount_minor: i64) -> Split {
        Split { account_id: AccountId::parse(ACCOUNT).unwrap(), part, amount_minor }
    }

    #[test]
    fn c6_what_was_drawn_last_comes_back_first() {
        let [a, b] = [Part::Credit, Part::Debit];
        let drawn = [split(a, 70), split(b, 30)];
        assert_eq!(give_back(&drawn, 0, 20), [split(b, 20)]);
        assert_eq!(give_back(&drawn, 20, 20), [split(b, 10), split(a, 10)]);
        assert_eq!(give_back(&drawn, 40, 60), [split(a, 60)]);
        assert_eq!(give_back(&drawn, 0, 100), [split(b, 30), split(a, 70)]);
    }

    #[test]
    fn facts_of_money_that_came_back_are_read_back_and_decide_the_same() {
        let drawn = vec![split(Part::Credit, 70), split(Part::Debit, 30)];
        let facts = ReturnFacts { drawn, returned_minor: 20, amount_minor: 20 };
        assert_eq!(ReturnFacts::parse(&facts.to_string()), Ok(facts.clone()));
        assert_eq!(decide_again(&facts.to_string()), Ok(Ok(vec![split(Part::Debit, 10), split(Part::Credit, 10)])));
        assert!(decide_again("").is_err() && decide_again("return.v1 returned_minor=1").is_err());
    }

    #[test]
    fn c6_what_was_drawn_last_gives_way_first() {
        let [a, b] = [Part::Debit, Part::CashAdvance];
        let held = [split(a, 70), split(b, 30)];
        let table = [(0, 70, 30), (10, 70, 20), (30, 70, 0), (40, 60, 0), (100, 0, 0)];
        for (released, first, second) in table {
            assert_eq!(keep(&held, released), [split(a, first), split(b, second)], "{released}");
        }
    }

    #[test]
    fn splits_are_read_back_as_they_were_written_by_any_version() {
        let splits = vec![split(Part::Credit, 5), split(Part::Debit, 6), split(Part::CashAdvance, 7)];
        assert_eq!(read_splits(&write_splits(&splits)), Ok(splits));
        assert_eq!(read_splits(""), Ok(Vec::new()));
        assert_eq!(read_splits(&format!("{ACCOUNT}:5")), Ok(vec![split(Part::Debit, 5)]), "without its part");
        for bad in ["x".to_owned(), format!("{ACCOUNT}:x"), format!("{ACCOUNT}:5:gift"), format!("{ACCOUNT}:5:cash:1")]
        {
            assert!(read_splits(&bad).is_err(), "{bad}");
        }
    }
}
