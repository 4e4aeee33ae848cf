//! What happens at the bank's own counter: accounts are opened, cash is paid in, accounts are frozen.

use std::fmt;

use uuid::Uuid;

use super::{Account, AccountKind, AccountStatus, Balances, Books, Change, Decided, Transfer, TransferKind};
use crate::text::Line;
use crate::{AccountId, Currency, LegId, Money, Reason, Timestamp};

/// The id of a cash deposit, made by the counter.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DepositId(Uuid);

impl DepositId {
    /// Wraps an id that was stored.
    pub const fn from_uuid(id: Uuid) -> Self {
        Self(id)
    }

    /// Reads the 36-character form of a UUID of version 7.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        // One rule for the form of all ids.
        LegId::parse(text).map(|id| Self(id.uuid()))
    }

    pub const fn uuid(self) -> Uuid {
        self.0
    }
}

impl fmt::Display for DepositId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl fmt::Debug for DepositId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// Cash paid in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deposit {
    pub id: DepositId,
    pub account_id: AccountId,
    pub amount: Money,
}

/// Open a deposit account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpeningOrder {
    pub account_id: AccountId,
    pub currency: Currency,
    pub holder: Line,
    /// The most that one payment may take, in minor units; 0 is no limit.
    pub payment_limit_minor: i64,
    /// The digits that the account gets as its number if it is opened.
    pub number: Box<str>,
}

/// Freeze or unfreeze an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreezeOrder {
    pub account_id: AccountId,
    pub frozen: bool,
}

/// Opens a deposit account with nothing in it. The same order again gives the account as it stands, with the number that it
/// got first. `Err` with `IdTaken` or `AmountMalformed` (a limit below zero).
pub fn open_account(books: &Books, order: &OpeningOrder, now: Timestamp) -> Result<Decided<Account>, Reason> {
    if order.payment_limit_minor < 0 {
        return Err(Reason::AmountMalformed);
    }
    if let Some(account) = books.account(order.account_id) {
        let same = account.kind == AccountKind::CustomerDeposit
            && account.currency == order.currency
            && account.holder.as_ref() == Some(&order.holder)
            && account.payment_limit_minor == order.payment_limit_minor;
        return if same { Ok(Decided::unchanged(account.clone())) } else { Err(Reason::IdTaken) };
    }
    let account = Account {
        id: order.account_id,
        kind: AccountKind::CustomerDeposit,
        currency: order.currency,
        balances: Balances::default(),
        status: AccountStatus::Active,
        frozen: false,
        payment_limit_minor: order.payment_limit_minor,
        holder: Some(order.holder.clone()),
        number: Some(order.number.clone()),
        opened_at: now,
        version: 0,
    };
    Ok(with_account(account))
}

/// Pays cash in, frozen or not. The same deposit again gives the account as it stands. `Err` with `IdTaken`, `AccountUnknown`,
/// `AccountClosed`, `CurrencyMismatch`, `AmountNotPositive` or `AmountTooLarge`.
pub fn deposit_cash(books: &Books, order: Deposit, now: Timestamp) -> Result<Decided<Account>, Reason> {
    if books.deposit(order.id).is_some_and(|deposit| *deposit != order) {
        return Err(Reason::IdTaken);
    }
    let Some(account) = books.account(order.account_id).filter(|account| !account.kind.is_house()) else {
        return Err(Reason::AccountUnknown);
    };
    if books.deposit(order.id).is_some() {
        return Ok(Decided::unchanged(account.clone()));
    }
    if account.status == AccountStatus::Closed {
        return Err(Reason::AccountClosed);
    }
    if account.currency != order.amount.currency {
        return Err(Reason::CurrencyMismatch);
    }
    if order.amount.minor <= 0 {
        return Err(Reason::AmountNotPositive);
    }
    let transfer = Transfer {
        source: order.id.uuid(),
        seq: 0,
        kind: TransferKind::Posted,
        debit_account: AccountKind::Cash.house_id(account.currency),
        credit_account: account.id,
        amount: order.amount,
        made_at: now,
    };
    let accounts = books.moved(std::slice::from_ref(&transfer), now)?;
    let answer = accounts.iter().find(|moved| moved.id == account.id).unwrap_or(account).clone();
    let change = Change { accounts, transfers: vec![transfer], deposit: Some(order), ..Change::default() };
    Ok(Decided { answer, change })
}

/// Freezes or unfreezes. So already is fine. `Err` with `AccountUnknown` or `AccountClosed`.
pub fn set_frozen(books: &Books, order: FreezeOrder) -> Result<Decided<Account>, Reason> {
    let Some(account) = books.account(order.account_id).filter(|account| !account.kind.is_house()) else {
        return Err(Reason::AccountUnknown);
    };
    if account.status == AccountStatus::Closed {
        return Err(Reason::AccountClosed);
    }
    if account.frozen == order.frozen {
        return Ok(Decided::unchanged(account.clone()));
    }
    Ok(with_account(Account { frozen: order.frozen, ..account.clone() }))
}

fn with_account(account: Account) -> Decided<Account> {
    let change = Change { accounts: vec![account.clone()], ..Change::default() };
    Decided { answer: account, change }
}
