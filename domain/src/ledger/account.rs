//! Accounts and the trial balance.

use std::collections::BTreeMap;

use uuid::Builder;

use super::{Balances, TransferKind};
use crate::text::Line;
use crate::{AccountId, CardId, Currency, Reason, Timestamp};

/// What an account is for. Customer accounts belong to people; the bank has one of each other kind per currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccountKind {
    /// Money that the bank owes a customer: credits add to it.
    CustomerDeposit,
    /// Money that a customer owes the bank: debits add to it.
    CustomerCredit,
    /// Money that a customer has put aside. No card and no phone pays from it: it goes back to a deposit account first.
    CustomerSavings,
    /// What the bank owes the federation for payments, less what came back in refunds.
    HubSettlement,
    /// What the bank owes other networks for charges that they carried, less what came back in refunds.
    NetworkSettlement,
    /// Notes and coins at the counter: debits add to it.
    Cash,
    /// Fees that the bank earned.
    Fees,
    /// Interest that the bank earned or paid.
    Interest,
}

impl AccountKind {
    const ALL: [Self; 8] = [
        Self::CustomerDeposit,
        Self::CustomerCredit,
        Self::CustomerSavings,
        Self::HubSettlement,
        Self::NetworkSettlement,
        Self::Cash,
        Self::Fees,
        Self::Interest,
    ];

    /// The word that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CustomerDeposit => "CUSTOMER_DEPOSIT",
            Self::CustomerCredit => "CUSTOMER_CREDIT",
            Self::CustomerSavings => "CUSTOMER_SAVINGS",
            Self::HubSettlement => "HUB_SETTLEMENT",
            Self::NetworkSettlement => "NETWORK_SETTLEMENT",
            Self::Cash => "CASH",
            Self::Fees => "FEES",
            Self::Interest => "INTEREST",
        }
    }

    pub fn parse(text: &str) -> Result<Self, Reason> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(Reason::FieldUnknown)
    }

    /// Whether the bank itself holds the account.
    pub const fn is_house(self) -> bool {
        !matches!(self, Self::CustomerDeposit | Self::CustomerCredit | Self::CustomerSavings)
    }

    /// The number by which a house account's id says its kind.
    const fn tag(self) -> u8 {
        match self {
            Self::CustomerDeposit => 1,
            Self::CustomerCredit => 2,
            Self::HubSettlement => 3,
            Self::Cash => 4,
            Self::Fees => 5,
            Self::Interest => 6,
            Self::CustomerSavings => 7,
            Self::NetworkSettlement => 8,
        }
    }

    /// The id of the bank's own account of this kind. It is a UUID of version 8, which no caller can name: ids in
    /// messages are of version 7.
    pub fn house_id(self, currency: Currency) -> AccountId {
        let mut bytes = [0; 16];
        let name = std::iter::once(self.tag()).chain(currency.code().bytes());
        for (to, from) in bytes.iter_mut().zip(name) {
            *to = from;
        }
        AccountId::from_uuid(Builder::from_custom_bytes(bytes).into_uuid())
    }
}

/// Whether an account takes part in payments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountStatus {
    Active,
    /// Opened but not activated: money can come in, none can go out.
    Inactive,
    Closed,
}

impl AccountStatus {
    /// The word that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Inactive => "INACTIVE",
            Self::Closed => "CLOSED",
        }
    }

    pub fn parse(text: &str) -> Result<Self, Reason> {
        let all = [Self::Active, Self::Inactive, Self::Closed];
        all.into_iter().find(|status| status.as_str() == text).ok_or(Reason::FieldUnknown)
    }
}

/// The limits of a credit account, and what counts against the limit on cash advances.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CreditLine {
    /// The most that may be owed and held, in minor units. Fees and interest may pass it; nothing else does.
    pub limit_minor: i64,
    /// The most of it that may be owed and held as cash advances, in minor units.
    pub cash_limit_minor: i64,
    /// Cash advances that are owed, in minor units. A reversal of an advance counts at once; a repayment does when its day
    /// is closed, because only then is it known how much of it went to fees, interest and purchases. It may be below zero in
    /// between.
    pub cash_owed_minor: i64,
    /// Cash advances that are held, in minor units.
    pub cash_held_minor: i64,
}

impl CreditLine {
    /// What may be spent, in minor units.
    pub const fn available_minor(&self, owed_minor: i64, held_minor: i64) -> i64 {
        self.limit_minor.saturating_sub(owed_minor).saturating_sub(held_minor)
    }

    /// What may be drawn as cash, in minor units: never more than may be spent.
    pub const fn cash_available_minor(&self, owed_minor: i64, held_minor: i64) -> i64 {
        let spend = self.available_minor(owed_minor, held_minor);
        let owed = if self.cash_owed_minor > 0 { self.cash_owed_minor } else { 0 };
        let cash = self.cash_limit_minor.saturating_sub(owed).saturating_sub(self.cash_held_minor);
        if cash < spend { cash } else { spend }
    }

    /// The counts after a transfer that debits a cash advance, or credits one that is given back.
    pub(super) fn moved(mut self, kind: TransferKind, amount_minor: i64, back: bool) -> Option<Self> {
        let owed = match kind {
            TransferKind::Posted | TransferKind::PostOf(_) if back => amount_minor.checked_neg()?,
            TransferKind::Posted | TransferKind::PostOf(_) => amount_minor,
            TransferKind::Pending | TransferKind::VoidOf(_) => 0,
        };
        let held = match kind {
            TransferKind::Posted => 0,
            TransferKind::Pending => amount_minor,
            TransferKind::PostOf(_) | TransferKind::VoidOf(_) => amount_minor.checked_neg()?,
        };
        self.cash_owed_minor = self.cash_owed_minor.checked_add(owed)?;
        self.cash_held_minor = self.cash_held_minor.checked_add(held)?;
        Some(self)
    }
}

/// An account of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub id: AccountId,
    pub kind: AccountKind,
    pub currency: Currency,
    /// Changed by transfers only.
    pub balances: Balances,
    pub status: AccountStatus,
    /// Frozen by the bank: money can come in and none can go out.
    pub frozen: bool,
    /// Frozen by its holder.
    pub frozen_by_holder: bool,
    /// The most that one payment may take, in minor units; 0 is no limit.
    pub payment_limit_minor: i64,
    /// The limits of a credit account; `None` for other kinds.
    pub credit: Option<CreditLine>,
    /// The card that leads to it. Frozen, that card lets no money out of the account by any other way either (F4, C9).
    pub card: Option<CardId>,
    /// Whose it is; `None` for the bank's own.
    pub holder: Option<Line>,
    /// The digits of the account number; `None` for the bank's own. Never logged whole: see [`Account::masked`].
    pub number: Option<Box<str>>,
    pub opened_at: Timestamp,
    /// The version of the stored row; 0 when it is not stored yet.
    pub version: i64,
}

impl Account {
    /// The bank's own account with this id, with nothing in it; `None` when the id is not one of [`AccountKind::house_id`].
    pub(super) fn house(id: AccountId, now: Timestamp) -> Option<Self> {
        let [tag, code @ ..] = id.uuid().into_bytes();
        let kind = AccountKind::ALL.into_iter().find(|kind| kind.is_house() && kind.tag() == tag)?;
        let currency = Currency::parse(std::str::from_utf8(code.get(..3)?).ok()?).ok()?;
        (kind.house_id(currency) == id).then_some(Self {
            id,
            kind,
            currency,
            balances: Balances::default(),
            status: AccountStatus::Active,
            frozen: false,
            frozen_by_holder: false,
            payment_limit_minor: 0,
            credit: None,
            card: None,
            holder: None,
            number: None,
            opened_at: now,
            version: 0,
        })
    }

    /// Whether money is stopped from going out, by the bank or by its holder.
    pub const fn is_frozen(&self) -> bool {
        self.frozen || self.frozen_by_holder
    }

    /// What the holder may spend, in minor units: posted money less what is held, or of a credit account the limit less what
    /// is owed and held, which fees and interest may bring below zero. Nothing can be spent from other kinds of account.
    pub fn available_minor(&self) -> i64 {
        let held_minor = self.balances.debits_pending;
        match self.kind {
            AccountKind::CustomerDeposit | AccountKind::CustomerSavings => {
                self.balance_minor().saturating_sub(held_minor)
            }
            AccountKind::CustomerCredit => {
                let owed_minor = self.balance_minor().saturating_neg();
                self.credit.map_or(0, |line| line.available_minor(owed_minor, held_minor))
            }
            AccountKind::HubSettlement
            | AccountKind::NetworkSettlement
            | AccountKind::Cash
            | AccountKind::Fees
            | AccountKind::Interest => 0,
        }
    }

    /// Posted money in minor units, credits less debits: what the bank owes. Negative where the bank is owed.
    pub fn balance_minor(&self) -> i64 {
        // Both are never negative, so that their difference always fits.
        self.balances.credits_posted.saturating_sub(self.balances.debits_posted)
    }

    /// The number as a receipt may show it, such as `****4821`; empty for the bank's own accounts.
    pub fn masked(&self) -> String {
        let Some(number) = &self.number else { return String::new() };
        let last = number.get(number.len().saturating_sub(4)..).unwrap_or_default();
        format!("****{last}")
    }
}

/// The sums of one currency over all accounts, in minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub debits_posted: i128,
    pub credits_posted: i128,
    pub debits_pending: i128,
    pub credits_pending: i128,
}

impl Totals {
    /// Whether debits are credits, posted and pending apart.
    pub const fn is_balanced(&self) -> bool {
        self.debits_posted == self.credits_posted && self.debits_pending == self.credits_pending
    }
}

/// The sums per currency code. The books are right only if every one [is balanced](Totals::is_balanced).
pub fn trial_balance<'a>(accounts: impl IntoIterator<Item = &'a Account>) -> BTreeMap<&'static str, Totals> {
    let mut sums: BTreeMap<&'static str, Totals> = BTreeMap::new();
    for account in accounts {
        let totals = sums.entry(account.currency.code()).or_default();
        totals.debits_posted += i128::from(account.balances.debits_posted);
        totals.credits_posted += i128::from(account.balances.credits_posted);
        totals.debits_pending += i128::from(account.balances.debits_pending);
        totals.credits_pending += i128::from(account.balances.credits_pending);
    }
    sums
}

/// Whether every currency of the trial balance sums to zero.
pub fn is_balanced<'a>(accounts: impl IntoIterator<Item = &'a Account>) -> bool {
    trial_balance(accounts).values().all(Totals::is_balanced)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_banks_own_accounts_are_known_by_their_id_and_cannot_be_named_in_a_message() {
        let yen = Currency::parse("JPY").unwrap();
        let id = AccountKind::Cash.house_id(yen);
        let cash = Account::house(id, Timestamp::default()).unwrap();
        assert_eq!((cash.kind, cash.currency, cash.masked()), (AccountKind::Cash, yen, String::new()));
        assert_eq!(AccountId::parse(&id.to_string()), Err(Reason::IdMalformed));
        assert_ne!(id, AccountKind::Fees.house_id(yen));
        assert_ne!(id, AccountKind::Cash.house_id(Currency::CNY));
        let customer = AccountKind::CustomerDeposit.house_id(yen);
        assert_eq!(Account::house(customer, Timestamp::default()), None);
    }

    #[test]
    fn words_that_are_stored_are_read_back() {
        for kind in AccountKind::ALL {
            assert_eq!(AccountKind::parse(kind.as_str()), Ok(kind));
        }
        for status in [AccountStatus::Active, AccountStatus::Inactive, AccountStatus::Closed] {
            assert_eq!(AccountStatus::parse(status.as_str()), Ok(status));
        }
        assert_eq!(AccountKind::parse("cash"), Err(Reason::FieldUnknown));
    }
}
