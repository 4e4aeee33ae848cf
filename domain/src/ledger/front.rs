//! The bank's front: which account pays how much of a payment, as a pure function over what was known.
//!
//! What was known is stored with the leg as text, so that anyone can read it, read it back and decide again.

use std::fmt;

use super::{Account, AccountKind, AccountStatus};
use crate::{AccountId, Currency, Money, Reason};

/// What sort of transaction it is, which decides who pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    /// Goods or services at a merchant's terminal.
    Purchase,
}

impl Nature {
    /// The word that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Purchase => "PURCHASE",
        }
    }

    pub fn parse(text: &str) -> Result<Self, Reason> {
        if text == Self::Purchase.as_str() { Ok(Self::Purchase) } else { Err(Reason::FieldUnknown) }
    }
}

/// What the front knows of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountFacts {
    pub kind: AccountKind,
    pub currency: Currency,
    pub status: AccountStatus,
    pub frozen: bool,
    /// The most that one payment may take, in minor units; 0 is no limit.
    pub payment_limit_minor: i64,
    /// What may be spent, in minor units.
    pub available_minor: i64,
}

impl From<&Account> for AccountFacts {
    fn from(account: &Account) -> Self {
        Self {
            kind: account.kind,
            currency: account.currency,
            status: account.status,
            frozen: account.frozen,
            payment_limit_minor: account.payment_limit_minor,
            available_minor: account.available_minor(),
        }
    }
}

/// Everything that the front decides from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    pub nature: Nature,
    pub amount: Money,
    pub account_id: AccountId,
    /// `None` when the bank has no such account.
    pub account: Option<AccountFacts>,
}

/// The part of a leg that one account bears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split {
    pub account_id: AccountId,
    /// More than zero.
    pub amount_minor: i64,
}

/// Decides who pays: splits that sum to the amount, in the order in which they are drawn, or the first rule that
/// forbids it.
pub fn route(facts: &Facts) -> Result<Vec<Split>, Reason> {
    let amount_minor = facts.amount.minor;
    if amount_minor <= 0 {
        return Err(Reason::AmountNotPositive);
    }
    // An account of the bank itself is not for the hub to know of.
    let Some(account) = facts.account.filter(|account| account.kind == AccountKind::CustomerDeposit) else {
        return Err(Reason::AccountUnknown);
    };
    if account.status == AccountStatus::Closed {
        return Err(Reason::AccountClosed);
    }
    if account.status == AccountStatus::Inactive {
        return Err(Reason::AccountInactive);
    }
    if account.frozen {
        return Err(Reason::AccountFrozen);
    }
    if account.currency != facts.amount.currency {
        return Err(Reason::CurrencyMismatch);
    }
    if account.payment_limit_minor > 0 && amount_minor > account.payment_limit_minor {
        return Err(Reason::LimitExceeded);
    }
    if amount_minor > account.available_minor {
        return Err(Reason::InsufficientFunds);
    }
    match facts.nature {
        Nature::Purchase => Ok(vec![Split { account_id: facts.account_id, amount_minor }]),
    }
}

/// Which accounts get `amount_minor` back when `refunded_minor` was given back before: what was drawn last comes back first.
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
            back.push(Split { account_id: split.account_id, amount_minor: now });
        }
    }
    back
}

/// The splits as they are stored: `account:amount_minor`, separated by spaces.
pub fn write_splits(splits: &[Split]) -> String {
    let words: Vec<String> =
        splits.iter().map(|split| format!("{}:{}", split.account_id, split.amount_minor)).collect();
    words.join(" ")
}

/// Reads what [`write_splits`] wrote.
pub fn read_splits(text: &str) -> Result<Vec<Split>, Reason> {
    let split = |word: &str| {
        let (account_id, amount) = word.split_once(':').ok_or(Reason::FieldUnknown)?;
        let amount_minor = amount.parse().map_err(|_| Reason::AmountMalformed)?;
        Ok(Split { account_id: AccountId::parse(account_id)?, amount_minor })
    };
    text.split_ascii_whitespace().map(split).collect()
}

/// The first word of stored facts; another form of facts gets another word.
const FORM: &str = "front.v1";

impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (nature, amount, account_id) = (self.nature.as_str(), self.amount, self.account_id);
        let (minor, currency) = (amount.minor, amount.currency);
        write!(f, "{FORM} nature={nature} amount_minor={minor} currency={currency} account={account_id}")?;
        let Some(account) = &self.account else { return Ok(()) };
        write!(
            f,
            " kind={} account_currency={} status={} frozen={} payment_limit_minor={} available_minor={}",
            account.kind.as_str(),
            account.currency,
            account.status.as_str(),
            account.frozen,
            account.payment_limit_minor,
            account.available_minor
        )
    }
}

impl Facts {
    /// Reads facts as they are stored with a leg.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        let mut words = text.split(' ');
        if words.next() != Some(FORM) {
            return Err(Reason::FieldUnknown);
        }
        let mut next = |key: &str| {
            let word = words.next()?;
            word.strip_prefix(key)?.strip_prefix('=')
        };
        let missing = Reason::FieldMissing;
        let nature = Nature::parse(next("nature").ok_or(missing)?)?;
        let minor = number(next("amount_minor"))?;
        let amount = Money::new(Currency::parse(next("currency").ok_or(missing)?)?, minor);
        let account_id = AccountId::parse(next("account").ok_or(missing)?)?;
        let account = match next("kind") {
            None => None,
            Some(kind) => Some(AccountFacts {
                kind: AccountKind::parse(kind)?,
                currency: Currency::parse(next("account_currency").ok_or(missing)?)?,
                status: AccountStatus::parse(next("status").ok_or(missing)?)?,
                frozen: next("frozen").and_then(|text| text.parse().ok()).ok_or(missing)?,
                payment_limit_minor: number(next("payment_limit_minor"))?,
                available_minor: number(next("available_minor"))?,
            }),
        };
        Ok(Self { nature, amount, account_id, account })
    }
}

fn number(text: Option<&str>) -> Result<i64, Reason> {
    text.and_then(|text| text.parse().ok()).ok_or(Reason::AmountMalformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: &str = "0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f";

    fn account_id() -> AccountId {
        AccountId::parse(ACCOUNT).unwrap()
    }

    fn facts(change: impl FnOnce(&mut Facts, &mut AccountFacts)) -> Facts {
        let mut account = AccountFacts {
            kind: AccountKind::CustomerDeposit,
            currency: Currency::CNY,
            status: AccountStatus::Active,
            frozen: false,
            payment_limit_minor: 0,
            available_minor: 1_000,
        };
        let mut facts = Facts {
            nature: Nature::Purchase,
            amount: Money::new(Currency::CNY, 1_000),
            account_id: account_id(),
            account: None,
        };
        change(&mut facts, &mut account);
        facts.account = Some(account);
        facts
    }

    #[test]
    fn m4_each_rule_of_the_front_refuses_by_its_own_reason_and_the_first_one_wins() {
        let yen = Currency::parse("JPY").unwrap();
        let table: [(&str, Facts, Result<i64, Reason>); 12] = [
            ("all that is there", facts(|_, _| ()), Ok(1_000)),
            ("one less", facts(|f, _| f.amount.minor = 999), Ok(999)),
            ("one more", facts(|f, _| f.amount.minor = 1_001), Err(Reason::InsufficientFunds)),
            ("nothing", facts(|f, _| f.amount.minor = 0), Err(Reason::AmountNotPositive)),
            ("at the limit", facts(|_, a| a.payment_limit_minor = 1_000), Ok(1_000)),
            ("above the limit", facts(|_, a| a.payment_limit_minor = 999), Err(Reason::LimitExceeded)),
            ("other currency", facts(|_, a| a.currency = yen), Err(Reason::CurrencyMismatch)),
            ("frozen", facts(|_, a| a.frozen = true), Err(Reason::AccountFrozen)),
            ("inactive", facts(|_, a| a.status = AccountStatus::Inactive), Err(Reason::AccountInactive)),
            ("closed", facts(|_, a| a.status = AccountStatus::Closed), Err(Reason::AccountClosed)),
            ("the bank's own", facts(|_, a| a.kind = AccountKind::Cash), Err(Reason::AccountUnknown)),
            ("frozen before poor", facts(|_, a| (a.frozen, a.available_minor) = (true, 0)), Err(Reason::AccountFrozen)),
        ];
        for (name, facts, wanted) in table {
            let splits = wanted.map(|amount_minor| vec![Split { account_id: account_id(), amount_minor }]);
            assert_eq!(route(&facts), splits, "{name}");
        }
        let unknown = Facts { account: None, ..facts(|_, _| ()) };
        assert_eq!(route(&unknown), Err(Reason::AccountUnknown));
    }

    #[test]
    fn stored_facts_are_read_back_and_decide_the_same() {
        let known = facts(|_, a| a.payment_limit_minor = 7);
        for facts in [known, Facts { account: None, ..known }] {
            let read = Facts::parse(&facts.to_string()).unwrap();
            assert_eq!(read, facts);
            assert_eq!(route(&read), route(&facts));
        }
        for bad in ["", "front.v2 nature=PURCHASE", "front.v1 nature=GIFT", "front.v1 nature=PURCHASE amount_minor=x"] {
            assert!(Facts::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_was_drawn_last_comes_back_first() {
        let (a, b) = (account_id(), AccountId::from_uuid(uuid::Uuid::nil()));
        let split = |account_id, amount_minor| Split { account_id, amount_minor };
        let drawn = [split(a, 70), split(b, 30)];
        assert_eq!(give_back(&drawn, 0, 20), [split(b, 20)]);
        assert_eq!(give_back(&drawn, 20, 20), [split(b, 10), split(a, 10)]);
        assert_eq!(give_back(&drawn, 40, 60), [split(a, 60)]);
        assert_eq!(give_back(&drawn, 0, 100), [split(b, 30), split(a, 70)]);
    }

    #[test]
    fn splits_are_read_back() {
        let splits = vec![Split { account_id: account_id(), amount_minor: 5 }; 2];
        assert_eq!(read_splits(&write_splits(&splits)), Ok(splits));
        assert_eq!(read_splits(""), Ok(Vec::new()));
        assert!(read_splits("x").is_err() && read_splits(&format!("{ACCOUNT}:x")).is_err());
    }
}
