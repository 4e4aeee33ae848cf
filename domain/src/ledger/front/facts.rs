//! What the front knew when it decided.

use crate::card::Standing;
use crate::ledger::{Account, AccountKind, AccountStatus, CreditLine};
use crate::{AccountId, CardId, Currency, Money, Reason};

use super::Nature;

/// What the front knows of an account that money is in.
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
            frozen: account.is_frozen(),
            payment_limit_minor: account.payment_limit_minor,
            available_minor: account.available_minor(),
        }
    }
}

/// What the front knows of a card's deposit account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DebitFacts {
    pub account_id: AccountId,
    pub account: AccountFacts,
}

impl DebitFacts {
    /// `Err(Fault)` for an account of another kind: cards are bound to such accounts by this program alone.
    pub fn of(account: &Account) -> Result<Self, Reason> {
        match account.kind {
            AccountKind::CustomerDeposit => Ok(Self { account_id: account.id, account: account.into() }),
            _ => Err(Reason::Fault),
        }
    }
}

/// What an existing credit system says that a credit line has left, in minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CreditLeft {
    /// Below zero when fees or interest passed the limit.
    pub credit_minor: i64,
    /// How much of it may go out as cash.
    pub cash_minor: i64,
}

impl CreditLeft {
    pub const NOTHING: Self = Self { credit_minor: 0, cash_minor: 0 };
    /// More than any payment takes.
    pub const EVERYTHING: Self = Self { credit_minor: i64::MAX, cash_minor: i64::MAX };
}

/// What the front knows of a card's credit account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CreditFacts {
    pub account_id: AccountId,
    pub currency: Currency,
    pub status: AccountStatus,
    pub frozen: bool,
    /// The most that one payment may take, in minor units; 0 is no limit.
    pub payment_limit_minor: i64,
    /// The limits, and the cash advances that count against theirs.
    pub line: CreditLine,
    /// What is owed in minor units; below zero what the bank owes after too much was paid back.
    pub owed_minor: i64,
    /// What is reserved of it in minor units, cash advances included.
    pub held_minor: i64,
}

impl CreditFacts {
    /// `Err(Fault)` for an account of another kind: cards are bound to such accounts by this program alone.
    pub fn of(account: &Account) -> Result<Self, Reason> {
        let (AccountKind::CustomerCredit, Some(line)) = (account.kind, account.credit) else {
            return Err(Reason::Fault);
        };
        Ok(Self {
            account_id: account.id,
            currency: account.currency,
            status: account.status,
            frozen: account.is_frozen(),
            payment_limit_minor: account.payment_limit_minor,
            line,
            owed_minor: account.balance_minor().saturating_neg(),
            held_minor: account.balances.debits_pending,
        })
    }

    /// The same account, of which an existing credit system keeps what is owed and held: what it says to be left stands for all
    /// of that, since the account in this ledger only follows.
    pub(in crate::ledger) const fn kept_elsewhere(self, left: CreditLeft) -> Self {
        let CreditLeft { credit_minor, cash_minor } = left;
        let line = CreditLine {
            limit_minor: credit_minor,
            cash_limit_minor: cash_minor,
            cash_owed_minor: 0,
            cash_held_minor: 0,
        };
        Self { line, owed_minor: 0, held_minor: 0, ..self }
    }

    /// What may be spent in minor units: the limit less what is owed and held. Below zero when fees or interest passed the
    /// limit.
    pub const fn available_minor(&self) -> i64 {
        self.line.available_minor(self.owed_minor, self.held_minor)
    }

    /// What may be drawn as cash in minor units: never more than may be spent.
    pub const fn cash_available_minor(&self) -> i64 {
        self.line.cash_available_minor(self.owed_minor, self.held_minor)
    }
}

/// What the front knows of a card: one side or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CardFacts {
    pub standing: Standing,
    pub debit: Option<DebitFacts>,
    pub credit: Option<CreditFacts>,
}

/// Who pays, or gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Party {
    /// A deposit account by itself, as for a payment by phone number.
    Account(AccountId),
    /// A card, whose sides are found by the front.
    Card(CardId),
    /// A card that the bank does not have.
    UnknownCard,
}

/// Who pays, or gets, and what is known of them: `None` when the bank knows nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartyFacts {
    Account(AccountId, Option<AccountFacts>),
    Card(CardId, Option<CardFacts>),
}

/// Everything that the front decides from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    pub nature: Nature,
    pub amount: Money,
    pub party: PartyFacts,
}

impl Facts {
    /// The same, where an existing credit system says that this is left on the credit side of the card.
    pub(in crate::ledger) fn kept_elsewhere(self, left: CreditLeft) -> Self {
        let party = match self.party {
            PartyFacts::Card(id, Some(card)) => {
                let credit = card.credit.map(|credit| credit.kept_elsewhere(left));
                PartyFacts::Card(id, Some(CardFacts { credit, ..card }))
            }
            party => party,
        };
        Self { party, ..self }
    }
}
